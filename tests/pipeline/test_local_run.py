"""What a run on one machine does around its nodes: the folder it works in."""

from __future__ import annotations

import os

import pytest

import local_runner
from contract.command_line import EXIT_BAD_INPUT
from contract.errors import InputError
from pipeline import local_run
from pipeline.folder_lock import locked_folder
from pipeline.summary import read_summary


@pytest.fixture
def finished_run(monkeypatch, blessed_summary, tmp_path):
    """Put a run that has ended in the place of the real one; return the folders it was given."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folders = []

    def run(settings, data, output_dir, console, log_file):
        folders.append(output_dir)
        page = str(output_dir / "report" / "index.html")
        return blessed_summary.model_copy(update={"report": page})

    monkeypatch.setattr(local_run, "_run", run)
    return folders


def run(output):
    return local_run.run_locally(None, None, output, None, output / "log")


def test_a_second_run_in_a_folder_is_refused_and_the_first_goes_on(tmp_path, capfd):
    with locked_folder(tmp_path / "out"):
        code = local_runner.main(["--output", str(tmp_path / "out")])
        assert code == EXIT_BAD_INPUT
    told = capfd.readouterr().err
    assert f"another run works in this folder (process {os.getpid()}" in told
    assert "Traceback" not in told
    assert not (tmp_path / "out" / "summary.json").exists()


def test_a_run_locks_its_folder_and_frees_it(tmp_path, finished_run, monkeypatch):
    def is_locked():
        with pytest.raises(InputError, match="another run works"), locked_folder(tmp_path / "out"):
            pass
        return True

    written = []
    monkeypatch.setattr(local_run, "write_summary", lambda *_: written.append(is_locked()))
    run(tmp_path / "out")
    assert written == [True]
    with locked_folder(tmp_path / "out"):
        pass


@pytest.mark.parametrize("name", ["out", "out [1]", "Ergebnis *ä", 'a "{quoted}"'])
def test_the_summary_names_the_folder_that_was_given_whatever_tfx_was_given(
    tmp_path, finished_run, name
):
    output = tmp_path / name
    summary = run(output)
    (given,) = finished_run
    assert not set("*?[]{}") & set(str(given))
    assert given.resolve() == output
    assert summary.report == str(output / "report" / "index.html")
    assert read_summary(output / "summary.json") == summary
