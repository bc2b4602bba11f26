"""Ingestion alone, as a Job on the cluster runs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from contract import features
from contract.command_line import EXIT_BAD_INPUT, EXIT_BROKEN, EXIT_DONE
from contract.settings import SyntheticSettings
from ingestion.dataset_card import read_card
from ingestion.synthetic import write_synthetic_set
from pipeline import convert
from pipeline.folder_lock import locked_folder

pytestmark = pytest.mark.slow

NUM_IMAGES = 60
FEW = ["--set", f"data.synthetic.num_images={NUM_IMAGES}", "data.num_shards=2"]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of a few drawn X-rays."""
    folder = tmp_path_factory.mktemp("drawn") / "set"
    return write_synthetic_set(folder, SyntheticSettings(num_images=NUM_IMAGES))


def records_in(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*.tfrecord.gz"))
    }


def test_the_command_makes_records_and_prints_their_folder_last(tmp_path, repository, drawn):
    # From another folder, without the checkout's files beside it, as in the image.
    result = subprocess.run(
        [sys.executable, "-m", "pipeline.convert", "--data", str(drawn), "--output", "records"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == EXIT_DONE, result.stderr
    folder = Path(result.stdout.splitlines()[-1])
    assert folder == tmp_path / "records"
    assert {name.split("/")[0] for name in records_in(folder)} == set(features.SPLITS)
    assert read_card(folder).num_images == NUM_IMAGES
    assert sorted(path.name for path in tmp_path.iterdir()) == ["conversion-work", "records"]


def test_an_external_set_goes_into_one_split_and_may_have_one_class(tmp_path, drawn, capfd):
    shutil.copytree(next(drawn.rglob("NORMAL")), tmp_path / "normals" / "NORMAL")
    arguments = ["--data", str(tmp_path / "normals"), "--output", str(tmp_path / "records")]
    assert convert.main(arguments) == EXIT_BAD_INPUT
    assert "expected a class folder PNEUMONIA" in capfd.readouterr().err
    assert convert.main([*arguments, "--external-set"]) == EXIT_DONE
    card = read_card(tmp_path / "records")
    assert {name.split("/")[0] for name in records_in(tmp_path / "records")} == {features.TEST}
    assert card.splits[features.TEST].by_label[features.NORMAL] == card.num_images > 0


def test_without_a_source_a_set_is_drawn_and_marked(tmp_path, capfd):
    assert convert.main(["--output", str(tmp_path / "records"), *FEW]) == 0
    folder = Path(capfd.readouterr().out.splitlines()[-1])
    card = read_card(folder)
    assert card.synthetic
    assert card.num_images == NUM_IMAGES


def test_a_folder_named_by_content_stays_as_it_is(tmp_path, drawn, capfd):
    def run(*more: str) -> Path:
        arguments = ["--data", str(drawn), "--output", str(tmp_path / "records"), *more]
        assert convert.main([*arguments, "--in-folder-named-by-content"]) == 0
        return Path(capfd.readouterr().out.splitlines()[-1])

    first = run()
    records = records_in(first)
    stamps = {path: path.stat().st_mtime_ns for path in first.rglob("*")}
    assert first.parent == tmp_path / "records"
    assert first.name == read_card(first).fingerprint[:16]
    assert run() == first
    other = run("--set", "data.split_salt=another")
    assert other != first
    assert other.parent == first.parent
    assert records_in(other) != records
    assert records_in(first) == records
    assert {path: path.stat().st_mtime_ns for path in first.rglob("*")} == stamps


def test_without_that_option_a_changed_source_replaces_the_folder(tmp_path, drawn, capfd):
    arguments = ["--data", str(drawn), "--output", str(tmp_path / "records")]
    assert convert.main(arguments) == 0
    before = records_in(tmp_path / "records")
    assert convert.main([*arguments, "--set", "data.split_salt=another"]) == 0
    assert records_in(tmp_path / "records") != before
    assert set(capfd.readouterr().out.splitlines()[-1:]) == {str(tmp_path / "records")}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--data", "/no/such/place"], ["/no/such/place", "does not exist"]),
        (["--set", "data.num_shard=2"], ["data.num_shard", "num_shards"]),
        (["--config", "no_such"], ["no_such", "default"]),
    ],
)
def test_bad_input_is_told_and_has_its_own_exit_code(arguments, words, tmp_path, capfd):
    code = convert.main(["--output", str(tmp_path / "records"), *arguments])
    assert code == EXIT_BAD_INPUT
    told = capfd.readouterr()
    assert str(tmp_path / "records") not in told.out.splitlines()
    assert "Traceback" not in told.err
    for word in words:
        assert word in told.err
    assert not (tmp_path / "records").exists()


def test_a_folder_with_other_files_is_not_replaced(tmp_path, drawn, capfd):
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "thesis.txt").write_text("years of work", encoding="utf-8")
    arguments = ["--data", str(drawn), "--output", str(tmp_path / "records")]
    assert convert.main(arguments) == EXIT_BAD_INPUT
    assert "other files" in capfd.readouterr().err
    assert (tmp_path / "records" / "thesis.txt").read_text(encoding="utf-8") == "years of work"


def test_a_second_conversion_into_one_folder_is_refused(tmp_path, drawn, capfd):
    arguments = ["--data", str(drawn), "--output", str(tmp_path / "records")]
    with locked_folder(tmp_path / "records", replaced=True):
        assert convert.main(arguments) == EXIT_BAD_INPUT
    assert "another run works in this folder" in capfd.readouterr().err
    assert convert.main(arguments) == 0


def test_a_folder_that_tfx_reads_as_a_pattern_is_warned_of(tmp_path, drawn, capfd):
    arguments = ["--data", str(drawn), "--output", str(tmp_path / "records [1]")]
    assert convert.main(arguments) == 0
    told = capfd.readouterr().out
    assert told.splitlines()[-1] == str(tmp_path / "records [1]")
    assert "rename the folder" in told
    assert read_card(tmp_path / "records [1]").num_images == NUM_IMAGES


def test_what_breaks_is_told_with_the_log(tmp_path, drawn, capfd):
    arguments = ["--data", str(drawn), "--output", str(tmp_path / "records")]
    # The settings cannot know which runners Beam has.
    code = convert.main([*arguments, "--set", "beam.pipeline_args=[--runner=NoSuchRunner]"])
    assert code == EXIT_BROKEN
    told = capfd.readouterr().err
    (log,) = (tmp_path / convert.WORK_FOLDER / "logs").glob("convert-*.log")
    assert str(log) in told
    assert "Traceback" in log.read_text(encoding="utf-8")
    assert not (tmp_path / "records").exists()


def test_help_names_every_option(capsys):
    with pytest.raises(SystemExit) as ended:
        convert.main(["--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    for option in ("--data", "--output", "--config", "--set", "--in-folder-named-by-content"):
        assert option in told
