"""What the command line answers before anything heavy is imported."""

import subprocess
import sys

import pytest

import local_runner
from contract.command_line import EXIT_BAD_INPUT


def run(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "local_runner.py", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_help_names_every_option(repository):
    result = run("--help", cwd=repository)
    assert result.returncode == 0
    for option in ("--data", "--external", "--config", "--set", "--output", "--verbose"):
        assert option in result.stdout


def test_neither_help_nor_a_bad_configuration_loads_tensorflow(repository, tmp_path):
    program = (
        "import sys, local_runner\n"
        f"code = local_runner.main(['--set', 'sed=1', '--output', {str(tmp_path)!r}])\n"
        "assert code == 2, code\n"
        "heavy = {'tensorflow', 'tfx', 'apache_beam', 'keras'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=repository, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "seed" in result.stderr  # the nearest match is named


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--set", "tuner.max_trials=none"], ["tuner.max_trials", "none"]),
        (["--set", "gate.min_recall=1.5"], ["gate.min_recall", "1.5"]),
        (["--set", "gate"], ["gate"]),
        (["--config", "no_such"], ["no_such", "default", "quick"]),
        (["--external", "Other=a.zip"], ["--external", "Other=a.zip", "NAME=SOURCE"]),
        (["--set", "gate.external={other: {min_auc: 1}}"], ["gate.external", "other"]),
    ],
)
def test_a_bad_configuration_is_told_and_has_its_own_exit_code(arguments, words, capsys, tmp_path):
    code = local_runner.main([*arguments, "--output", str(tmp_path / "output")])
    assert code == EXIT_BAD_INPUT
    told = capsys.readouterr().err
    assert "Traceback" not in told
    for word in words:
        assert word in told


def test_an_output_folder_that_cannot_be_written_is_told(capsys, tmp_path):
    (tmp_path / "file").write_text("a file, no folder")
    code = local_runner.main(["--output", str(tmp_path / "file" / "output")])
    assert code == EXIT_BAD_INPUT
    assert "file" in capsys.readouterr().err


@pytest.mark.slow
def test_a_missing_source_is_told(repository, tmp_path):
    result = run(
        "--data", str(tmp_path / "nowhere"), "--output", str(tmp_path / "o"), cwd=repository
    )
    assert result.returncode == EXIT_BAD_INPUT
    assert "nowhere" in result.stderr
    assert "Traceback" not in result.stdout + result.stderr
