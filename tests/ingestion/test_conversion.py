from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.util import assert_that, equal_to
from PIL import Image

from contract.errors import InputError
from contract.progress import LOGGER_NAME
from contract.settings import BeamSettings, DataSettings
from ingestion.conversion import (
    ProgressCounter,
    convert,
    count_one,
    prepare_work,
    publish,
    remove_leftovers,
)
from ingestion.folder import read_folder
from ingestion.images import read_image
from ingestion.open_source import open_source
from ingestion.shards import write_shard
from ingestion.tfrecord_file import decode_example, encode_example, read_records, write_gzip_records

_BEAM = BeamSettings().pipeline_args
_SETTINGS = DataSettings(num_shards=2)


@pytest.fixture
def folder(tmp_path, write_pictures, public_names):
    return write_pictures(tmp_path / "in", public_names)


def _convert(folder, output, settings=_SETTINGS, args=_BEAM):
    return convert(read_folder(folder), settings, output, args)


def _examples(output):
    """Return the examples of each split, in the order of files and records."""
    return {
        split: [
            decode_example(record)
            for path in sorted((output / split).iterdir())
            for record in read_records(path)
        ]
        for split in ("train", "validation", "test")
    }


def _files(output):
    return {
        path.relative_to(output).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in output.rglob("*.tfrecord.gz")
    }


def _ids(examples):
    return [example["image_id"][0].decode() for example in examples]


def test_every_file_becomes_one_record_with_its_own_bytes(folder, tmp_path, public_names):
    card = _convert(folder, tmp_path / "out")
    examples = [e for split in _examples(tmp_path / "out").values() for e in split]

    assert sorted(_ids(examples)) == sorted(public_names)
    for example, image_id in zip(examples, _ids(examples), strict=True):
        assert example["image_bytes"] == [(folder / image_id).read_bytes()]
        assert (example["height"], example["width"]) == ([30], [40])
    assert card.num_images == 60
    assert set(card.files) == set(_files(tmp_path / "out"))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "dataset_card.json",
        "dataset_card.md",
        "test",
        "train",
        "validation",
    ]


def test_patients_stay_together_and_the_card_counts_what_is_there(folder, tmp_path, write_pictures):
    shutil.rmtree(folder)
    names = [f"{c}/{n}_{i}.jpeg" for c, n in _patients() for i in range(2)]
    card = _convert(write_pictures(folder, names), tmp_path / "out")
    patients_of = {
        split: {example["patient_id"][0] for example in examples}
        for split, examples in _examples(tmp_path / "out").items()
    }
    assert sum(len(patients) for patients in patients_of.values()) == 60
    assert len(set.union(*patients_of.values())) == 60
    assert {split: counts.patients for split, counts in card.splits.items()} == {
        split: len(patients) for split, patients in patients_of.items()
    }


def _patients():
    normal = [("NORMAL", f"person{number}_virus") for number in range(30)]
    return normal + [("PNEUMONIA", f"person{number}_bacteria") for number in range(30, 60)]


def test_no_file_ends_a_batch_and_each_bad_one_is_listed_with_its_reason(folder, tmp_path):
    bad = folder / "train" / "NORMAL"
    os.mkfifo(bad / "pipe.png")
    (bad / "broken.png").symlink_to("nowhere")
    (bad / "itself.png").symlink_to("itself.png")
    (bad / "circle").symlink_to(bad)
    (bad / "empty.png").write_bytes(b"")
    (bad / "text.png").write_text("no picture")
    (bad / "Thumbs.db").write_bytes(b"\xd0\xcf")
    shutil.copy(folder / "train/NORMAL/IM-0001-0001.jpeg", bad / os.fsdecode(b"r\xf6ntgen.jpeg"))
    (folder / "train/NORMAL/IM-0001-0001.jpeg").unlink()

    card = _convert(folder, tmp_path / "out", DataSettings(max_rejected_fraction=0.2))

    reasons = {each.image_id.split("/")[-1]: each.reason for each in card.rejected}
    assert set(reasons) == {"pipe.png", "broken.png", "itself.png", "empty.png", "text.png"}
    assert "a pipe" in reasons["pipe.png"]
    assert "No such file" in reasons["broken.png"]
    assert "links" in reasons["itself.png"]
    assert card.num_images == 60
    assert any("not followed: train/NORMAL/circle" in warning for warning in card.warnings)
    ids = [i for examples in _examples(tmp_path / "out").values() for i in _ids(examples)]
    assert r"train/NORMAL/r\xf6ntgen.jpeg" in ids
    assert r"r\xf6ntgen.jpeg" in (tmp_path / "out" / "dataset_card.md").read_text("utf-8")


def test_sharpness_is_measured_also_for_records_of_before_it(folder, tmp_path, public_names):
    flat, noisy = public_names[0], public_names[1]
    noise = np.random.default_rng(0).integers(0, 256, (200, 200), dtype=np.uint8)
    Image.linear_gradient("L").save(folder / flat)
    Image.fromarray(noise).save(folder / noisy)
    _convert(folder, tmp_path / "out")
    examples = [e for split in _examples(tmp_path / "out").values() for e in split]
    first = {e["image_id"][0]: e.pop("sharpness_group") for e in examples}
    assert first[flat.encode()] == [b"soft"]
    assert first[noisy.encode()] == [b"sharp"]

    (tmp_path / "older").mkdir()
    records = [
        encode_example({name: value for name, (value,) in example.items()}) for example in examples
    ]
    write_gzip_records(tmp_path / "older/1.tfrecord.gz", records)
    source = open_source(str(tmp_path / "older"), tmp_path / "work", _SETTINGS)
    convert(source, _SETTINGS, tmp_path / "again", _BEAM)
    again = [e for split in _examples(tmp_path / "again").values() for e in split]
    assert {e["image_id"][0]: e["sharpness_group"] for e in again} == first


@pytest.mark.parametrize(
    "args",
    [
        ["--runner=FnApiRunner"],
        [
            "--runner=FnApiRunner",
            "--direct_running_mode=multi_threading",
            "--direct_num_workers=2",
        ],
    ],
)
def test_files_do_not_depend_on_runner_and_workers(folder, tmp_path, args):
    _convert(folder, tmp_path / "out")
    _convert(folder, tmp_path / "other", args=args)
    assert _files(tmp_path / "other") == _files(tmp_path / "out")


def test_given_test_split_stays_sealed(folder, tmp_path, write_pictures):
    sealed = {"test/NORMAL/IM-0001-0001.jpeg", "test/PNEUMONIA/person1_bacteria_9.jpeg"}
    names = [str(p.relative_to(folder)) for p in folder.rglob("*.jpeg")]
    _convert(write_pictures(folder, [*names, *sorted(sealed)]), tmp_path / "out")
    assert set(_ids(_examples(tmp_path / "out")["test"])) == sealed


def test_finished_conversion_is_taken_as_it_is(folder, tmp_path):
    first = _convert(folder, tmp_path / "out")
    stamp = (tmp_path / "out/dataset_card.json").stat().st_mtime_ns
    assert _convert(folder, tmp_path / "out") == first
    assert (tmp_path / "out/dataset_card.json").stat().st_mtime_ns == stamp


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["shard missing", "shard truncated", "card damaged"])
def test_unfinished_or_damaged_conversion_is_not_taken(folder, tmp_path, damage):
    output = tmp_path / "out"
    _convert(folder, output)
    before = _files(output)
    shard = next(output.glob("train/*"))
    if damage == "shard missing":
        shard.unlink()
    elif damage == "shard truncated":
        shard.write_bytes(shard.read_bytes()[:-1])
    else:
        (output / "dataset_card.json").write_text("{}")
    _convert(folder, output)
    assert _files(output) == before


def test_new_image_or_setting_converts_anew(folder, tmp_path, encode_picture):
    _convert(folder, tmp_path / "out")
    (folder / "train/NORMAL/IM-9999-0001.jpeg").write_bytes(encode_picture(999))
    assert _convert(folder, tmp_path / "out").num_images == 61
    card = _convert(folder, tmp_path / "out", DataSettings(num_shards=3))
    assert len(card.files) == len(_files(tmp_path / "out")) == 9


def _damage(folder, count):
    for number in range(count):
        (folder / f"train/NORMAL/IM-{number:04d}-0001.jpeg").write_bytes(b"text")


def test_unreadable_images_are_listed_and_left_out(folder, tmp_path):
    _damage(folder, 3)
    settings = DataSettings(num_shards=2, max_rejected_fraction=0.05)
    card = _convert(folder, tmp_path / "out", settings)
    assert card.num_images == 57
    assert [rejection.image_id for rejection in card.rejected] == [
        f"train/NORMAL/IM-{number:04d}-0001.jpeg" for number in range(3)
    ]
    assert sum(len(split) for split in _examples(tmp_path / "out").values()) == 57


def test_too_many_unreadable_images_stop_the_run(folder, tmp_path):
    _damage(folder, 7)
    with pytest.raises(
        InputError,
        match=r"at most 1\.00% unreadable images, got 7 of 60 \(11\.67%\): "
        r"train/NORMAL/IM-0000-0001\.jpeg: not a JPEG.*; and 2 more; .*max_rejected_fraction",
    ):
        _convert(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def _copy_across_splits(folder, output):
    """Copy a training image over one of the test split, and return both ids."""
    _convert(folder, output)
    examples = _examples(output)
    train_id, test_id = _ids(examples["train"])[0], _ids(examples["test"])[0]
    shutil.copyfile(folder / train_id, folder / test_id)
    return train_id, test_id


def test_equal_images_across_splits_stop_the_run(folder, tmp_path):
    train_id, test_id = _copy_across_splits(folder, tmp_path / "out")
    with pytest.raises(InputError, match="expected no equal images in different splits") as raised:
        _convert(folder, tmp_path / "new")
    assert f"{train_id} (train)" in str(raised.value)
    assert f"{test_id} (test)" in str(raised.value)
    assert not (tmp_path / "new").exists()


def test_equal_images_across_splits_can_be_dropped_from_train(folder, tmp_path):
    train_id, test_id = _copy_across_splits(folder, tmp_path / "out")
    before = _examples(tmp_path / "out")
    settings = DataSettings(num_shards=2, cross_split_duplicates="drop_from_train")
    card = _convert(folder, tmp_path / "out", settings)
    after = _examples(tmp_path / "out")

    assert card.duplicates.dropped == (train_id,)
    assert card.num_images == 59
    assert _ids(after["train"]) == [i for i in _ids(before["train"]) if i != train_id]
    assert test_id in _ids(after["test"])


def test_fewer_images_than_shards_give_fewer_files(folder, tmp_path):
    card = _convert(folder, tmp_path / "out", DataSettings(num_shards=50))
    assert len(card.files) == sum(min(counts.images, 50) for counts in card.splits.values())
    assert card.splits["test"].images < 50
    assert all(list(read_records(tmp_path / "out" / name)) for name in card.files)


def test_shard_that_lost_all_its_images_is_still_read_downstream(folder, tmp_path):
    _convert(folder, tmp_path / "out", DataSettings(num_shards=1000))
    (lost,) = _ids(_examples(tmp_path / "out")["train"])[:1]
    (folder / lost).write_bytes(b"")
    settings = DataSettings(num_shards=1000, max_rejected_fraction=0.05)
    card = _convert(folder, tmp_path / "out", settings)
    with beam.Pipeline(options=PipelineOptions(list(_BEAM))) as pipeline:
        count = (
            pipeline
            | beam.io.ReadFromTFRecord(str(tmp_path / "out/train/*"))
            | beam.combiners.Count.Globally()
        )
        assert_that(count, equal_to([card.splits["train"].images]))
    assert card.splits["train"].images == len(list((tmp_path / "out/train").iterdir())) - 1


def test_split_without_images_is_refused(tmp_path, write_pictures):
    folder = write_pictures(
        tmp_path / "in", ["NORMAL/IM-1-1.jpeg", "PNEUMONIA/person1_virus_1.jpeg"]
    )
    with pytest.raises(
        InputError, match=r"expected images in each of train.*got none in .*\(2 images of 2"
    ):
        _convert(folder, tmp_path / "out")


def test_output_that_cannot_be_written_is_refused(folder, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="expected a folder that can be written"):
        _convert(folder, tmp_path / "file/out")


def test_own_output_is_a_source_that_gives_the_same_splits(folder, tmp_path):
    _convert(folder, tmp_path / "out")
    source = open_source(str(tmp_path / "out"), tmp_path / "work", _SETTINGS)
    assert source.kind == "tfrecords"
    convert(source, _SETTINGS, tmp_path / "again", _BEAM)
    first, again = _examples(tmp_path / "out"), _examples(tmp_path / "again")
    for split in first:
        assert _ids(again[split]) == _ids(first[split])
        assert [e["image_bytes"] for e in again[split]] == [e["image_bytes"] for e in first[split]]


def test_progress_runs_from_nothing_to_all(folder, tmp_path, caplog):
    caplog.set_level(logging.INFO, LOGGER_NAME)
    _convert(folder, tmp_path / "out")
    told = [r.progress for r in caplog.records if r.name == LOGGER_NAME]
    assert [progress.done for progress in told] == list(range(61))
    assert {(p.stage, p.total, p.unit) for p in told} == {("Converting images", 60, "image")}


def test_card_in_the_folder_is_the_one_returned(folder, tmp_path):
    card = _convert(folder, tmp_path / "out")
    assert json.loads((tmp_path / "out/dataset_card.json").read_text()) == card.model_dump(
        mode="json"
    )


@pytest.mark.slow
@pytest.mark.real_data
def test_real_x_rays_convert_without_loss(shared_data, tmp_path):
    source = open_source(str(shared_data), tmp_path / "work", DataSettings())
    card = convert(source, DataSettings(), tmp_path / "out", _BEAM)
    assert card.num_source_images == card.num_images == 5232
    assert card.num_images_without_patient == 0
    assert card.rejected == card.duplicates.across_splits == ()
    labels = [counts.by_label for counts in card.splits.values()]
    assert sum(label["normal"] for label in labels) == 1349
    assert sum(label["pneumonia"] for label in labels) == 3883


def test_complete_folder_takes_the_place_of_an_older_one(tmp_path):
    output = tmp_path / "out"
    for content in ("old", "new"):
        complete = prepare_work(output) / "complete"
        complete.mkdir()
        (complete / "dataset_card.json").write_text(content)
        publish(complete, output)
        remove_leftovers(output)
    assert (output / "dataset_card.json").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_leftovers_of_an_interrupted_conversion_are_thrown_away(tmp_path):
    (prepare_work(tmp_path / "out") / "half").write_text("x")
    (tmp_path / ".out.partial").mkdir()  # of an earlier version
    other = prepare_work(tmp_path / "other")
    work_dir = prepare_work(tmp_path / "out")
    assert list(work_dir.iterdir()) == []
    assert set(tmp_path.iterdir()) == {work_dir, other}


@pytest.mark.slow
def test_a_killed_conversion_leaves_nothing_that_is_published(folder, tmp_path):
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from contract.settings import BeamSettings, DataSettings\n"
        "from ingestion import conversion, shards\n"
        "from ingestion.folder import read_folder\n"
        "read, seen = shards.read_image, []\n"
        "def read_some(*arguments):\n"
        "    if len(seen) == 5:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    seen.append(1)\n"
        "    return read(*arguments)\n"
        "shards.read_image = read_some\n"
        "source = read_folder(Path(sys.argv[1]))\n"
        "settings, args = DataSettings(num_shards=2), BeamSettings().pipeline_args\n"
        "conversion.convert(source, settings, Path(sys.argv[2]), args)\n"
    )
    command = [sys.executable, "-c", script, str(folder), str(tmp_path / "out")]
    assert subprocess.run(command, capture_output=True).returncode == -signal.SIGKILL
    assert len(list(tmp_path.rglob("*.attempt"))) == 1
    assert not (tmp_path / "out").exists()

    _convert(folder, tmp_path / "out")

    assert list(tmp_path.rglob("*.attempt")) == []
    assert {path.name for path in tmp_path.iterdir()} == {"in", "out"}
    _convert(folder, tmp_path / "other")
    assert _files(tmp_path / "out") == _files(tmp_path / "other")


def test_what_a_lost_worker_leaves_beside_its_shard_is_not_published(folder, tmp_path, monkeypatch):
    def write_with_a_lost_worker(plan, work_dir, *arguments, **options):
        write_shard(plan, work_dir, *arguments, **options)
        stray = work_dir / f"{plan.name}.0123.attempt"
        stray.write_bytes((work_dir / plan.name).read_bytes()[:-9])

    _convert(folder, tmp_path / "expected")
    monkeypatch.setattr("ingestion.conversion.write_shard", write_with_a_lost_worker)
    _convert(folder, tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"in", "out", "expected"}
    names = [
        sorted(str(path.relative_to(top)) for path in top.rglob("*"))
        for top in (tmp_path / "out", tmp_path / "expected")
    ]
    assert names[0] == names[1]


def test_a_conversion_that_fails_leaves_no_images(folder, tmp_path, monkeypatch):
    def fail(path, max_image_pixels):
        if path.name == "person1_virus_6.jpeg":
            raise RuntimeError("a mistake in the code")
        return read_image(path, max_image_pixels)

    (folder / "train/PNEUMONIA/person1_virus_6.jpeg").write_bytes(b"x")
    monkeypatch.setattr("ingestion.shards.read_image", fail)
    with pytest.raises(RuntimeError, match="a mistake in the code"):
        _convert(folder, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_folder_with_a_file_too_many_is_converted_anew(folder, tmp_path):
    _convert(folder, tmp_path / "out")
    before = sorted((tmp_path / "out").rglob("*"))
    (tmp_path / "out/train/part-00000-of-00002.tfrecord.gz.0123.attempt").write_bytes(b"x")
    _convert(folder, tmp_path / "out")
    assert sorted((tmp_path / "out").rglob("*")) == before


def test_a_folder_that_is_written_into_meanwhile_is_removed(tmp_path, monkeypatch):
    work_dir = prepare_work(tmp_path / "out")
    remove = shutil.rmtree
    left = [1, 2]

    def remove_too_early(path):
        if left:
            left.pop()
            raise OSError(errno.ENOTEMPTY, "Directory not empty")
        remove(path)

    monkeypatch.setattr("ingestion.conversion.shutil.rmtree", remove_too_early)
    remove_leftovers(tmp_path / "out")
    assert not work_dir.exists()


def test_files_of_somebody_else_are_never_replaced(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(InputError, match="expected an empty folder or an earlier conversion"):
        prepare_work(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "precious"


def test_a_folder_that_a_system_left_something_in_is_empty(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/.DS_Store").write_bytes(b"x")
    assert prepare_work(tmp_path / "out").is_dir()


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_place_that_cannot_be_written_is_refused(tmp_path, name):
    (tmp_path / "file").write_text("x")
    with pytest.raises(
        InputError, match=r"expected a folder that can be written, got .*file.*choose"
    ):
        prepare_work(tmp_path / name)


def test_folder_without_permission_is_refused(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.mkdir", refuse)
    with pytest.raises(InputError, match="Permission denied; choose another output folder"):
        prepare_work(tmp_path / "out")


@pytest.fixture
def told(caplog):
    caplog.set_level(logging.INFO, LOGGER_NAME)
    return lambda: [(record.progress.done, record.progress.total) for record in caplog.records]


def test_every_image_of_a_few_is_told(told):
    with ProgressCounter("x", 3):
        for _ in range(3):
            count_one("x")
    assert told() == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_many_images_are_told_by_the_percent(told):
    with ProgressCounter("x", 10_000):
        for _ in range(10_000):
            count_one("x")
    assert told()[-1] == (10_000, 10_000)
    assert 100 <= len(told()) < 200


def test_all_threads_count_together(told):
    def work():
        for _ in range(500):
            count_one("x")

    with ProgressCounter("x", 2000):
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert told()[-1] == (2000, 2000)
    assert told() == sorted(told())


def test_end_is_told_even_where_nobody_counted(told):
    count_one("nobody")
    with ProgressCounter("x", 5):
        pass
    assert told() == [(0, 5), (5, 5)]


def test_failure_is_not_told_as_an_end(told):
    with pytest.raises(RuntimeError, match="worker"), ProgressCounter("x", 5):
        raise RuntimeError("worker")
    assert told() == [(0, 5)]
