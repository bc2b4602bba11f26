"""Run the compiled pipeline on this machine, task by task, as a cluster with KFP would.

    python kubeflow/local.py

It converts the X-rays (without --data it draws some), compiles the pipeline, and has an emulation
of KFP's driver and launcher run it: no Kubernetes, no containers, files for an object store.

Exit codes: 0 the model was blessed and pushed, 3 the gate refused it, 2 the data, the
configuration or a parameter cannot be used, 1 a task failed, 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

# This folder is not a package: one named `kubeflow` may be installed.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from contract.command_line import EXIT_BROKEN, EXIT_DONE, EXIT_REFUSED, run_command
from contract.long_lived import end_program, lasting_imports
from contract.settings import PipelineSettings
from pipeline import convert
from pipeline.folder_lock import locked_folder
from pipeline.load_config import load_settings
from pipeline.logs import quiet_logs, set_environment
from pipeline.settings_options import (
    add_external_option,
    add_settings_options,
    external_overrides,
)

_EXIT_CODES = {"blessed": EXIT_DONE, "refused": EXIT_REFUSED, "broken": EXIT_BROKEN}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = parse_arguments(arguments)
    sys.argv = sys.argv[:1]
    set_environment()
    return run_command(
        lambda: run(options),
        cannot="run",
        interrupted="Interrupted. The same command takes what had finished from the cache.",
    )


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", metavar="SOURCE", help="as for local_runner.py; without it a set is drawn"
    )
    add_external_option(parser, source_help="as for local_runner.py")
    add_settings_options(
        parser,
        default="synthetic",
        default_text="synthetic",
        set_help="as for kubeflow/compile.py",
    )
    parser.add_argument(
        "--param",
        metavar="NAME=VALUE",
        nargs="+",
        action="extend",
        default=[],
        help="run parameters, as for kubeflow/submit.py, e.g. --param epochs=1",
    )
    parser.add_argument(
        "--output",
        metavar="DIR",
        type=Path,
        default=Path("output-kubeflow"),
        help="where everything goes; a further run there uses the cache (default: %(default)s)",
    )
    parser.add_argument(
        "--cold", action="store_true", help="start every task from nothing, as a pod does"
    )
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> int:
    """Convert, compile, emulate, and print the verdict; return the exit code.

    Raises:
        InputError: The data, the configuration or a parameter cannot be used, or another run
            uses the output folder.
    """
    output = options.output.resolve()
    volume = output / "volume"  # what the mounted volume is on a cluster
    log_file = output / "logs" / f"kubeflow-{time.strftime('%Y%m%d-%H%M%S')}.log"
    settings = load_settings(
        options.config,
        [
            # The records get a folder named by their content.
            "kubeflow.immutable_data=true",
            *external_overrides(options.external),
            *options.overrides,
            f"kubeflow.push_dir={volume / 'serving'}",
            f"kubeflow.runs_dir={volume / 'runs'}",
            f"kubeflow.trials_dir={volume / 'trials'}",
        ],
    )
    pipeline_file = output / "pipeline.yaml"
    with locked_folder(output), quiet_logs(log_file) as console:
        data = ["--data", options.data] if options.data else []
        conversion = convert.parse_arguments(
            [*data, "--output", str(volume / "records"), "--in-folder-named-by-content"]
        )
        records_dir = convert.convert_source(
            settings, conversion, output / "conversion", console, log_file
        )
        settings = _with_converted_sets(settings, output, console, log_file)
        # Imported here: they bring TensorFlow and TFX, some ten seconds.
        with lasting_imports():
            from ingestion.dataset_card import read_card
            from pipeline.kubeflow.compilation import write_pipeline
            from pipeline.kubeflow.run_folder import read_summary
            from tools.kfp_emulator.__main__ import (
                print_event,
                print_result,
                warm_starter,
            )
            from tools.kfp_emulator.cluster import Cluster
            from tools.kfp_emulator.documents import read_documents
            from tools.kfp_emulator.parameters import parse_parameters

        write_pipeline(settings, pipeline_file, synthetic=read_card(records_dir).synthetic)
        definitions = read_documents(pipeline_file).spec.root.input_definitions
        parameters = {
            "data_dir": str(records_dir),
            **parse_parameters(definitions, options.param),
        }
        console.print("Emulating Kubeflow Pipelines on this machine: no cluster is used.")
        with warm_starter(output / "cluster", is_cold=options.cold) as warm:
            result = Cluster(output / "cluster", warm=warm).run(
                pipeline_file, parameters, on_event=lambda event: print_event(console, event)
            )
        print_result(console, result)
        runs_dir = str(parameters.get("runs_dir", settings.kubeflow.runs_dir))
        summary = read_summary(runs_dir, result.run_id)
        console.print(f"\n{escape(summary.sentence)}", soft_wrap=True)
        console.print(
            f"Logs: {output / 'cluster' / 'runs' / result.run_id}\n"
            f"Summary: {runs_dir}/{result.run_id}/summary.json",
            soft_wrap=True,
        )
    return _EXIT_CODES[summary.verdict]


def _with_converted_sets(
    settings: PipelineSettings, output: Path, console: Console, log_file: Path
) -> PipelineSettings:
    """Convert the external sets, as an operator does on the volume; return where they are now."""
    converted = {}
    for name, each in settings.external.items():
        folder = output / "volume" / "external" / name
        conversion = convert.parse_arguments(
            ["--data", each.source, "--output", str(folder), "--external-set",
             "--in-folder-named-by-content"]
        )  # fmt: skip
        records_dir = convert.convert_source(
            settings, conversion, output / "conversion" / name, console, log_file
        )
        converted[name] = each.model_copy(update={"source": str(records_dir)})
    return settings.model_copy(update={"external": converted})


if __name__ == "__main__":
    end_program(main())
