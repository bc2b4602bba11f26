r"""Train one candidate outside a run, on one machine or several: `pipeline.train_candidate`.

    python -m pipeline.train_candidate NAME --transformed DIR --graph DIR --statistics DIR \
        --output DIR

It does what the node Trainer-NAME does, on outputs of Transform and StatisticsGen of an earlier
run. Where TensorFlow's variable TF_CONFIG names several workers, the same command on each of them
trains together, and the first one writes OUTPUT/model and OUTPUT/model_run, as a Trainer does.

Exit codes: 0 trained, 2 the options cannot be used, 1 something broke, 130 interrupted.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from contract import features
from contract.code_version import code_version
from contract.command_line import EXIT_DONE, run_command
from contract.errors import InputError
from contract.long_lived import end_program, lasting_imports
from contract.settings import CUSTOM_CONFIG_KEY, STATISTICS_KEY
from pipeline.load_config import load_settings
from pipeline.settings_options import add_settings_options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = parse_arguments(arguments)
    return run_command(lambda: train(options), cannot="train")


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.train_candidate", description=__doc__.splitlines()[0]
    )
    parser.add_argument("candidate", metavar="NAME", help="a candidate of the configuration")
    for name, described in (
        ("--transformed", "Transform's output `transformed_examples`"),
        ("--graph", "Transform's output `transform_graph`"),
        ("--statistics", "StatisticsGen's output `statistics`"),
        ("--output", "folder for the model and what was measured"),
    ):
        parser.add_argument(name, metavar="DIR", type=Path, required=True, help=described)
    add_settings_options(
        parser,
        default="default",
        default_text="default",
        set_help="e.g. --set candidates.efficientnet_lite0.training.cache=disk",
    )
    return parser.parse_args(arguments)


def train(options: argparse.Namespace) -> int:
    """Train as `options` say.

    Raises:
        InputError: The settings, the candidate or a folder cannot be used.
    """
    settings = load_settings(options.config, options.overrides)
    if options.candidate not in settings.candidates:
        raise InputError(
            f"expected a candidate of the configuration, which has "
            f"{', '.join(settings.candidates)}, got {options.candidate}"
        )
    transformed = {
        split: options.transformed / f"Split-{split}"
        for split in (features.TRAIN, features.VALIDATION)
    }
    for folder in (*transformed.values(), options.graph, options.statistics):
        if not folder.is_dir():
            raise InputError(
                f"expected an output of a run's node, got {folder}: there is no such folder"
            )
    # Imported here: they bring TensorFlow and TFX, some ten seconds.
    with lasting_imports():
        from tfx.components.trainer.fn_args_utils import FnArgs
        from tfx.utils import path_utils

        from models.train import run_fn
        from pipeline.pipeline import TRAINER_MODULES, candidate_run

    run = candidate_run(settings, options.candidate, code_version(*TRAINER_MODULES))
    run_fn(
        FnArgs(
            train_files=[str(transformed[features.TRAIN] / "*")],
            eval_files=[str(transformed[features.VALIDATION] / "*")],
            transform_graph_path=str(options.graph),
            serving_model_dir=path_utils.serving_model_dir(str(options.output / "model")),
            model_run_dir=str(options.output / "model_run"),
            custom_config={
                CUSTOM_CONFIG_KEY: run.model_dump_json(),
                STATISTICS_KEY: str(options.statistics),
            },
        )
    )
    return EXIT_DONE


if __name__ == "__main__":
    end_program(main())
