"""The Beam stages under the local runners and worker counts, to choose the default by."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from contract.settings import PipelineSettings
from ingestion.conversion import convert
from tools.benchmarks.figures import WorkerFigures
from tools.benchmarks.images import Sizes, load_images
from tools.benchmarks.measurement import Show, measure_in_turn, seconds_of
from tools.benchmarks.nodes import build_dag, input_artifacts, run_node

BeamArgs = tuple[str, ...]


# The old in-process runner always has one worker; the other one has as many as requested.
_BUNDLE_RUNNER = "BundleBasedDirectRunner"
_FN_API_RUNNER = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"


def _local(runner: str, mode: str, num_workers: int) -> BeamArgs:
    return (
        f"--runner={runner}",
        f"--direct_running_mode={mode}",
        f"--direct_num_workers={num_workers}",
        "--sdk_container_image=none",  # or TFX would pack itself for every node, see BeamSettings
    )


MODES: dict[str, BeamArgs] = {
    "bundle, 1": _local(_BUNDLE_RUNNER, "in_memory", 1),
    "fn_api, 1": _local(_FN_API_RUNNER, "in_memory", 1),
    "fn_api, 2 threads": _local(_FN_API_RUNNER, "multi_threading", 2),
    "fn_api, 2 processes": _local(_FN_API_RUNNER, "multi_processing", 2),
}


def measure(data: str | None, work_dir: Path, sizes: Sizes, show: Show) -> WorkerFigures:
    """Measure conversion, StatisticsGen and Transform under each of `MODES`, in turn.

    Args:
        data: The source, or None for drawn images.
        work_dir: For everything that is written.
        sizes: How many images, how often.
        show: Receives a line for each measurement.

    Raises:
        InputError: The source cannot be used.
    """
    settings = PipelineSettings()
    records_dir = work_dir / "records"
    source = load_images(data, work_dir, sizes.num_images)
    convert(source, settings.data, records_dir, settings.beam.pipeline_args)
    dag = build_dag(settings, records_dir, work_dir)
    inputs = input_artifacts(records_dir, work_dir)

    def convert_again(args: BeamArgs) -> None:
        shutil.rmtree(work_dir / "again", ignore_errors=True)
        convert(source, settings.data, work_dir / "again", args)

    def run(node_id: str) -> Callable[[BeamArgs], None]:
        return lambda args: run_node(dag, node_id, inputs, work_dir / node_id, args)

    stages = {
        "Convert": convert_again,
        "StatisticsGen": run("StatisticsGen"),
        "Transform": run("Transform"),
    }
    seconds = {}
    for stage, work in stages.items():
        show(f"  {stage}")
        sides = {mode: seconds_of(_bound(work, args)) for mode, args in MODES.items()}
        seconds[stage] = measure_in_turn(sides, sizes.num_rounds, show)
    return WorkerFigures(num_images=len(source.images), seconds=seconds)


def _bound(work: Callable[[BeamArgs], None], args: BeamArgs) -> Callable[[], None]:
    return lambda: work(args)
