"""Compile the pipeline for Kubeflow Pipelines v2.

    python kubeflow/compile.py --output pipeline.yaml

Exit codes: 0 done, 2 the configuration cannot be used.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

# This folder is not a package: one named `kubeflow` may be installed.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from contract.command_line import EXIT_DONE, run_command
from contract.long_lived import end_program, lasting_imports
from pipeline.load_config import load_settings
from pipeline.logs import quiet_logs, set_environment
from pipeline.settings_options import (
    add_external_option,
    add_settings_options,
    external_overrides,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = parse_arguments(arguments)
    sys.argv = sys.argv[:1]
    set_environment()
    return run_command(lambda: compile_pipeline(options), cannot="compile")


def compile_pipeline(options: argparse.Namespace) -> int:
    """Compile as the options ask; return the exit code.

    Raises:
        InputError: The configuration cannot be used.
    """
    image = [f"kubeflow.image={options.image}"] if options.image else []
    settings = load_settings(
        options.config, [*external_overrides(options.external), *options.overrides, *image]
    )
    with quiet_logs(options.log, options.verbose) as console:
        # Imported here: it brings TensorFlow and TFX, some ten seconds.
        with lasting_imports():
            from pipeline.kubeflow.compilation import write_pipeline

        write_pipeline(settings, options.output, synthetic=options.synthetic)
        size_kib = options.output.stat().st_size / 1024
        console.print(
            f"Compiled {len(settings.candidates)} candidates into {options.output} "
            f"({size_kib:.0f} KiB).\nNext: python kubeflow/submit.py {options.output} "
            "--host URL, or without a cluster: make kubeflow-local"
        )
    return EXIT_DONE


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_settings_options(
        parser,
        default="default",
        default_text="default",
        set_help="e.g. --set kubeflow.gpu.count=2",
    )
    add_external_option(
        parser,
        source_help="a folder of records, on the volume or s3://, as "
        "`python -m pipeline.convert --external-set` writes it",
    )
    parser.add_argument("--image", metavar="IMG", help="the same as --set kubeflow.image=IMG")
    parser.add_argument(
        "--synthetic",
        action="store_true",
        help="the records are drawn, as the Job of kubeflow/manifests does it: all pages say so",
    )
    parser.add_argument(
        "--output", metavar="FILE", type=Path, default=Path("pipeline.yaml"), help="ends in .yaml"
    )
    parser.add_argument(
        "--log",
        metavar="FILE",
        type=Path,
        default=Path("output/logs/compile.log"),
        help="where the libraries log",
    )
    parser.add_argument("--verbose", action="store_true", help="show that log, too")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    end_program(main())
