import contextlib
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import tensorflow as tf
from tensorflow_metadata.proto.v0 import statistics_pb2
from tfx.components.trainer.fn_args_utils import FnArgs

from contract import features
from contract.settings import (
    STATISTICS_KEY,
    CandidateRun,
    CandidateSettings,
    OperatingPointSettings,
    TrainingSettings,
    TunerSettings,
)
from models.class_counts import STATISTICS_FILE, read_class_counts
from models.image_cache import CacheFolder, fits_memory, free_memory_bytes, open_splits
from models.input_data import SplitData, evaluation_batches
from models.streamed_split import StreamedSplit

SIZE = 32
MEBIBYTE = 2**20


@pytest.fixture
def temporary(tmp_path, monkeypatch) -> Path:
    """Give the process a separate temporary folder."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def run_of(candidate=None, **training) -> CandidateRun:
    return CandidateRun(
        name="first",
        seed=2,
        image_size_px=SIZE,
        candidate=CandidateSettings(training=TrainingSettings(**training), **(candidate or {})),
        tuner=TunerSettings(),
        operating_point=OperatingPointSettings(),
    )


def write_statistics(folder: Path, split: str, num_normal: int, num_pneumonia: int) -> None:
    content = statistics_pb2.DatasetFeatureStatisticsList()
    dataset = content.datasets.add(num_examples=num_normal + num_pneumonia)
    for name in (features.HEIGHT, features.LABEL):
        feature = dataset.features.add(type=statistics_pb2.FeatureNameStatistics.INT)
        feature.path.step.append(name)
        feature.num_stats.num_zeros = num_normal
        feature.num_stats.max = 1
        feature.num_stats.common_stats.tot_num_values = num_normal + num_pneumonia
    path = folder / f"Split-{split}" / STATISTICS_FILE
    path.parent.mkdir(parents=True)
    path.write_bytes(content.SerializeToString())


def fn_args(tiny_set, statistics: Path | None = None) -> FnArgs:
    return FnArgs(
        train_files=[tiny_set.transformed_pattern],
        eval_files=[tiny_set.transformed_pattern],
        custom_config={} if statistics is None else {STATISTICS_KEY: str(statistics)},
    )


@pytest.mark.parametrize("cache", ["memory", "disk", "none"])
def test_the_images_are_where_the_setting_says(tiny_set, temporary, cache):
    splits = open_splits(run_of(cache=cache), fn_args(tiny_set))
    assert splits.cache == cache
    kind = SplitData if cache == "memory" else StreamedSplit
    assert isinstance(splits.train, kind)
    assert isinstance(splits.validation, kind)
    assert splits.train.class_counts == (20, 20)
    batches = list(evaluation_batches(splits.train, 16, "none"))
    assert [len(images) for images, _ in batches] == [16, 16, 8]
    # TensorFlow writes what it makes of Python functions beside it.
    written = sum(path.stat().st_size for path in temporary.glob("pneumonia-*/*"))
    # All images, at a byte a pixel.
    assert (written > 40 * SIZE**2) == (cache == "disk")
    splits.close()
    assert not list(temporary.glob("pneumonia-*"))


def test_statistics_are_believed_instead_of_counting(tiny_set, temporary, tmp_path):
    write_statistics(tmp_path, features.TRAIN, 7, 33)
    write_statistics(tmp_path, features.VALIDATION, 20, 20)
    splits = open_splits(run_of(cache="none"), fn_args(tiny_set, tmp_path))
    assert splits.train.class_counts == (7, 33)
    assert splits.validation.class_counts == (20, 20)


def test_statistics_of_something_else_are_refused(tmp_path):
    path = tmp_path / "Split-train" / STATISTICS_FILE
    path.parent.mkdir()
    path.write_bytes(statistics_pb2.DatasetFeatureStatisticsList().SerializeToString())
    with pytest.raises(ValueError, match="of one feature label"):
        read_class_counts(tmp_path, features.TRAIN)


@pytest.mark.parametrize(
    ("free", "fraction", "expected"),
    [
        # 80 images of both splits, of 1 KiB, four times.
        (320 * 1024 / 0.5, 0.5, "memory"),
        (320 * 1024 / 0.5 - 1, 0.5, "none"),
        (320 * 1024 / 0.5, 0.4, "none"),
    ],
)
def test_auto_takes_memory_where_the_images_fit(
    tiny_set, temporary, monkeypatch, free, fraction, expected
):
    monkeypatch.setattr("models.image_cache.free_memory_bytes", lambda: int(free))
    assert open_splits(run_of(memory_fraction=fraction), fn_args(tiny_set)).cache == expected


def test_a_different_view_of_the_images_is_one_more_copy():
    # It has a quarter of the pixels: four times that, and the whole image.
    smaller = run_of({"image_size_px": 16})
    assert fits_memory(smaller, 80, 2 * 80 * 2048)
    assert not fits_memory(smaller, 80, 2 * 80 * 2048 - 1)
    assert not fits_memory(run_of(), 80, 2 * 80 * 2048)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 900),
        ({"memory.max": "max"}, 900),
        ({"memory.max": 500, "memory.current": 300, "memory.stat": "inactive_file"}, 250),
        ({"memory.max": 5000, "memory.current": 300, "memory.stat": "inactive_file"}, 900),
        (
            {
                "memory/memory.limit_in_bytes": 500,
                "memory/memory.usage_in_bytes": 300,
                "memory/memory.stat": "total_inactive_file",
            },
            250,
        ),
    ],
)
def test_free_memory_is_that_of_the_machine_and_of_the_container(tmp_path, files, expected):
    facts = tmp_path / "proc" / "meminfo"
    facts.parent.mkdir()
    facts.write_text(f"MemTotal: 9 kB\nMemAvailable:   {900 * 1024} kB\n")
    for name, value in files.items():
        path = tmp_path / "sys" / "fs" / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("stat"):
            value = f"anon 7\n{value} {50 * MEBIBYTE}\n"
        path.write_text(str(value * MEBIBYTE if isinstance(value, int) else value))
    assert free_memory_bytes(tmp_path) == expected * MEBIBYTE
    assert free_memory_bytes() > 0


@pytest.mark.slow
def test_what_a_killed_process_left_is_removed_and_what_a_live_one_uses_is_not(temporary):
    code = (
        "import sys, tempfile, time; tempfile.tempdir = sys.argv[1]; "
        "from models.image_cache import CacheFolder; folder = CacheFolder(); "
        "(folder.path / 'images').write_bytes(b'pixels'); print(folder.path, flush=True); "
        "time.sleep(600)"
    )
    root = Path(__file__).parents[2]
    with contextlib.ExitStack() as stack:
        process = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-c", code, str(temporary)],
                cwd=root, stdout=subprocess.PIPE, text=True,
            )
        )  # fmt: skip
        stack.callback(process.kill)
        left = Path(process.stdout.readline().strip())
        ours = CacheFolder()
        assert (left / "images").is_file()
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert (left / "images").is_file()
        another = CacheFolder()
        assert not left.exists()
        assert ours.path.is_dir()
    path = another.path
    ours.remove()
    del another
    assert not path.exists()
    assert not list(temporary.iterdir())


def test_an_epoch_after_the_splits_are_closed_reads_nothing_stale(tiny_set, temporary):
    splits = open_splits(run_of(cache="disk"), fn_args(tiny_set))
    list(evaluation_batches(splits.train, 16, "none"))
    assert list(temporary.glob("pneumonia-*"))
    splits.close()
    with pytest.raises(tf.errors.OpError):
        list(evaluation_batches(splits.train, 16, "none"))
