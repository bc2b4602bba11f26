"""Seconds and memory of Beam's stages against the number of images, locally and on Flink.

    python -m tools.benchmarks.beam_scale stages --images 1000 5000 --parallelism 1 2
    python -m tools.benchmarks.beam_scale names --images 1000000

`stages` converts and transforms drawn images in this process, then on a cluster that it starts for
each parallelism, and takes the most memory of each kind of process. `names` converts facts alone,
without an image: what the driver holds of a source, and of what is found in it.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import psutil  # type: ignore[import-untyped]

from contract.command_line import EXIT_DONE, run_command
from contract.long_lived import end_program
from contract.settings import (
    BeamSettings,
    DataSettings,
    PipelineSettings,
    SyntheticSettings,
)
from tools.benchmarks.peak_memory import peak_memory_mb
from tools.flink_cluster import cluster, processes

SIDE_PX = 224
_STAGES = ("convert", "transform")
_SHARDS = 16  # of each split: as many workers can share the work
_SAMPLE_S = 0.25
_LOCAL = 0  # the parallelism that stands for a run in one process, without Flink
_KINDS = ("driver", "worker", "taskmanager", "jobmanager", "jobserver")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = _parse_arguments(arguments)
    works: dict[str, Callable[[argparse.Namespace], None]] = {
        "stages": _stages,
        "names": _names,
        "one": _one,
    }

    def work() -> int:
        works[options.what](options)
        return EXIT_DONE

    return run_command(work, cannot="measure")


def _parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("stages", "names", "one"), help="`one` is for `stages`")
    parser.add_argument("--images", type=int, nargs="+", default=[1000, 5000])
    parser.add_argument("--parallelism", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--work-dir", type=Path, help="default: a temporary folder")
    parser.add_argument("--stage", choices=_STAGES)
    parser.add_argument("--beam", help="arguments for Beam, as JSON")
    return parser.parse_args(arguments)


def _stages(options: argparse.Namespace) -> None:
    print("| n | Beam | stage | seconds | " + " | ".join(f"{kind}, MB" for kind in _KINDS) + " |")
    print("|---|---|---|---|" + "---|" * len(_KINDS))
    with _work_dir(options) as work_dir:
        for num_images in options.images:
            folder = work_dir / str(num_images)
            _draw(folder / "images", num_images)
            for parallelism in (_LOCAL, *options.parallelism):
                _rows(folder, num_images, parallelism)


def _rows(folder: Path, num_images: int, parallelism: int) -> None:
    arguments: Sequence[str] = BeamSettings().pipeline_args
    flink = folder / "flink"
    try:
        if parallelism:
            # Afresh, so that the peaks are those of this row.
            cluster.start(flink, artifacts=cluster.DEFAULT_FOLDER / "artifacts")
            arguments = cluster.pipeline_args(flink, parallelism=parallelism)
        for stage in _STAGES:
            with _peaks(flink / "run") as peaks:
                told = subprocess.run(
                    [
                        *(sys.executable, "-m", "tools.benchmarks.beam_scale", "one"),
                        *("--images", str(num_images), "--stage", stage),
                        *("--work-dir", str(folder)),
                        *("--beam", json.dumps([*arguments, *_further(stage, parallelism)])),
                    ],
                    stdout=subprocess.PIPE,
                    stderr=(folder / "log").open("ab"),
                    check=True,
                ).stdout
            found = json.loads(told.splitlines()[-1])
            peaks["driver"] = found["peak_mb"]
            memory = " | ".join(f"{peaks[kind]:.0f}" if kind in peaks else "" for kind in _KINDS)
            way = f"Flink, {parallelism}" if parallelism else "in one process"
            print(f"| {num_images} | {way} | {stage} | {found['seconds']:.0f} | {memory} |")
            sys.stdout.flush()
    finally:
        if parallelism:
            cluster.stop(flink)


def _further(stage: str, parallelism: int) -> Sequence[str]:
    return cluster.TRANSFORM_ARGS if stage == "transform" and parallelism != _LOCAL else ()


def _one(options: argparse.Namespace) -> None:
    """Do one stage, and print its seconds and this process' peak as JSON."""
    from ingestion.conversion import convert
    from ingestion.open_source import open_source

    folder: Path = options.work_dir
    settings = PipelineSettings(data=DataSettings(num_shards=_SHARDS))
    arguments = json.loads(options.beam)
    records_dir = folder / "records"
    source = open_source(str(folder / "images"), folder, settings.data)
    if options.stage == "transform":
        from tools.benchmarks.nodes import build_dag, input_artifacts, run_node

        dag = build_dag(settings, records_dir, folder)
        inputs = input_artifacts(records_dir, folder / "inputs")
        started_s = time.monotonic()
        run_node(dag, "Transform", inputs, folder / "transform", arguments)
    else:
        if records_dir.exists():  # of another way to run Beam
            (records_dir / "dataset_card.json").write_text("{}", encoding="utf-8")
        started_s = time.monotonic()
        convert(source, settings.data, records_dir, arguments)
    seconds = time.monotonic() - started_s
    print(json.dumps({"seconds": seconds, "peak_mb": peak_memory_mb()}))


@contextlib.contextmanager
def _peaks(run: Path) -> Iterator[dict[str, float]]:
    """Fill a mapping with the largest resident set of any process of each kind, in 10^6 bytes."""
    peaks: dict[str, float] = {}
    ended = threading.Event()

    def sample() -> None:
        while not ended.wait(_SAMPLE_S):
            names = {process.pid: name for name, process in processes.running(run).items()}
            for process in processes.all_of(run):
                kind = names.get(process.pid, "worker").rstrip("0123456789")
                with contextlib.suppress(psutil.Error):  # ended meanwhile
                    size = process.memory_info().rss / 1e6
                    peaks[kind] = max(peaks.get(kind, 0.0), size)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield peaks
    finally:
        ended.set()
        thread.join()


def _draw(folder: Path, num_images: int) -> None:
    """Draw X-rays of `SIDE_PX`, each different, of two for each patient."""
    from PIL import Image

    from ingestion.synthetic import write_synthetic_set

    drawn = write_synthetic_set(folder.with_name("drawn"), SyntheticSettings(num_images=50))
    bases = []
    for path in sorted(path for path in drawn.rglob("*") if path.suffix in (".jpeg", ".png")):
        with Image.open(path) as image:
            bases.append(np.asarray(image.convert("L").resize((SIDE_PX, SIDE_PX))))
    for label in ("NORMAL", "PNEUMONIA"):
        (folder / "train" / label).mkdir(parents=True, exist_ok=True)
    for number in range(num_images):
        pixels = bases[number % len(bases)].copy()
        # Of another number, other pixels: equal images in two splits are refused.
        pixels[0, :4] = np.frombuffer(number.to_bytes(4, "big"), dtype=np.uint8)
        name = (
            f"NORMAL/IM-{number // 2:06d}-{number:07d}.png"
            if number % 4 < 2
            else f"PNEUMONIA/person{number // 2}_virus_{number}.png"
        )
        Image.fromarray(pixels).save(folder / "train" / name, compress_level=1)


def _names(options: argparse.Namespace) -> None:
    print("| names | source, s | conversion, s | memory after the source, MB | at the end, MB |")
    print("|---|---|---|---|---|")
    with _work_dir(options) as work_dir:
        for num_images in options.images:
            print(_name_row(work_dir / str(num_images), num_images))


def _name_row(folder: Path, num_images: int) -> str:
    from contract.facts import ImageFacts, ShardReport
    from ingestion.conversion import convert
    from ingestion.file_finder import FileFinder
    from ingestion.open_source import open_source
    from ingestion.shards import ShardPlan

    def write_facts(plan: ShardPlan, shards: Path, *unused: Any, **options: Any) -> None:
        images = tuple(
            ImageFacts(
                image_id=image.image_id,
                split=plan.split,
                label=image.label,
                subtype=image.subtype,
                patient_id=image.patient_id,
                patient_known=image.patient_known,
                height=1024,
                width=1024,
                pixel_sha256=hashlib.sha256(image.image_id.encode()).hexdigest(),
            )
            for image in plan.images
        )
        report = ShardReport(images=images, rejected=())
        (shards / plan.report_name).write_text(report.model_dump_json(), encoding="utf-8")
        (shards / plan.name).write_bytes(b"")

    folder.mkdir(parents=True, exist_ok=True)
    manifest = folder / "names.csv"
    with manifest.open("w", encoding="utf-8") as file:
        file.write("path,label,patient_id\n")
        for number in range(num_images):
            label = "pneumonia" if number % 3 else "normal"
            name = f"scans/{number // 1000:04d}/study-{number:09d}.png"
            file.write(f"{name},{label},patient-{number // 2:07d}\n")
    # No file is there, and looking for a million that other systems may have named takes hours.
    settings = DataSettings(num_shards=1000)
    with (
        mock.patch.object(FileFinder, "find", lambda finder, written: folder / written),
        mock.patch("ingestion.conversion.write_shard", write_facts),
    ):
        started_s = time.monotonic()
        source = open_source(str(manifest), folder, settings)
        opened_s, opened_mb = time.monotonic() - started_s, peak_memory_mb()
        convert(source, settings, folder / "records", BeamSettings().pipeline_args)
        converted_s = time.monotonic() - started_s - opened_s
    return (
        f"| {num_images} | {opened_s:.0f} | {converted_s:.0f} | {opened_mb:.0f} | "
        f"{peak_memory_mb():.0f} |"
    )


@contextlib.contextmanager
def _work_dir(options: argparse.Namespace) -> Iterator[Path]:
    if options.work_dir is not None:
        yield options.work_dir.absolute()
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


if __name__ == "__main__":
    end_program(main())
