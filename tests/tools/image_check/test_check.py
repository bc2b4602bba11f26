"""The check of an image without Docker, on an image as small as can be."""

from __future__ import annotations

import sys

import pytest

from contract.errors import InputError
from tools.image_check.check import check_image, main

PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
DOCKERFILE = f"""\
ARG BASE=python:{PYTHON.removeprefix("python")}-slim
FROM ${{BASE}} AS builder
ARG VARIANT=cpu
RUN apt-get update \\
    && apt-get install --yes g++
WORKDIR /opt/tiny/build
RUN python -m venv --without-pip /opt/tiny/venv
ENV PATH=/opt/tiny/venv/bin:$PATH
COPY tiny tiny
RUN cp -R tiny /opt/tiny/project && echo "$VARIANT" > variant

FROM ${{BASE}}
ENV PATH=/opt/tiny/venv/bin:$PATH HOME=/tmp
COPY --from=builder /opt/tiny/venv /opt/tiny/venv
COPY --from=builder /opt/tiny/project /opt/tiny/venv/lib/{PYTHON}/site-packages/tiny
COPY --from=builder /opt/tiny/build/variant /opt/tiny/
WORKDIR /opt/tiny
USER 10001
CMD ["python", "-B", "-m", "tiny"]
"""
# Says where it is, and refuses to start where anything of the caller's environment came along.
MAIN = """\
import os, pathlib, sys
here = pathlib.Path.cwd()
assert here.name == "tiny", here
assert sorted(path.name for path in here.iterdir()) == ["variant", "venv"], list(here.iterdir())
assert "SECRET" not in os.environ
home = pathlib.Path(os.environ["HOME"]).resolve()
assert home == here.parent.parent / "tmp", home
(home / "cache").write_text("may be written")
"""


@pytest.fixture
def context(tmp_path):
    """Return a checkout with a package of two files and its Dockerfile."""
    folder = tmp_path / "checkout"
    (folder / "tiny").mkdir(parents=True)
    (folder / "tiny" / "__init__.py").touch()
    (folder / "tiny" / "__main__.py").write_text(MAIN, encoding="utf-8")
    (folder / "Dockerfile").write_text(DOCKERFILE, encoding="utf-8")
    return folder


def change(context, old, new):
    path = context / "Dockerfile"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture
def check(context, tmp_path, monkeypatch):
    """Return a function that checks the image of `context`."""
    monkeypatch.setenv("SECRET", "of the caller")
    folder = tmp_path / "folder"
    folder.mkdir()

    def run(*starts, variant="cpu"):
        check_image(context, folder, variant, "/opt/tiny", ("tiny",), starts)
        return folder / "image" / "opt" / "tiny"

    return run


def test_the_steps_are_replayed_and_the_image_starts(check, capsys):
    own = check(("python", "-B", "-c", "import tiny"), variant="gpu")
    told = capsys.readouterr().out.splitlines()
    (apt,) = [line for line in told if "apt-get" in line]
    assert apt.endswith("not replayed: the system's")
    assert sum(line.startswith("builder ") for line in told) == 7
    starts = [line for line in told if line.startswith("start ")]
    assert ["import tiny" in starts[0], "python -B -m tiny" in starts[1]] == [True, True]
    assert (own / "variant").read_text(encoding="utf-8") == "gpu\n"
    # The last stage holds what it copied, and nothing else of the first.
    assert not (own / "build").exists()
    assert (own.parents[1] / "tmp" / "cache").is_file()


def test_a_step_that_fails_is_told_with_its_line_and_its_words(check, context):
    change(context, "RUN cp -R tiny", "RUN echo no such luck; false; exit 7; cp -R tiny")
    with pytest.raises(InputError, match=r"line 10(?s:.*)exit code 7(?s:.*)no such luck"):
        check()


def test_a_file_that_does_not_come_along_is_told(check, context):
    (context / "tiny" / "page.jinja").write_text("{{ it }}", encoding="utf-8")
    change(context, "RUN cp -R tiny", "RUN rm tiny/page.jinja; cp -R tiny")
    with pytest.raises(InputError, match=r"expected tiny/page\.jinja in the image"):
        check()


def test_a_file_that_is_ignored_cannot_be_copied(check, context):
    (context / ".dockerignore").write_text("*\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"line 9: expected tiny in the checkout, not ignored"):
        check()


def test_what_an_earlier_stage_lacks_cannot_be_copied(check, context):
    change(context, "/opt/tiny/build/variant", "/opt/tiny/build/no_such")
    with pytest.raises(InputError, match=r"no_such in the stage builder"):
        check()


def test_a_package_left_out_of_the_last_stage_is_told(check, context):
    change(context, "COPY --from=builder /opt/tiny/project", "# COPY --from=builder /opt")
    with pytest.raises(InputError, match="No module named 'tiny'"):
        check()


def test_files_closed_to_other_users_are_told(check, context):
    change(context, "> variant", "> variant && chmod 600 variant")
    with pytest.raises(InputError, match=r"variant to be readable for every user, got mode 600"):
        check()


def test_a_start_that_fails_is_told(check):
    with pytest.raises(InputError, match=r"exit code 1(?s:.*)No module named absent"):
        check(("python", "-m", "absent"))


def test_a_start_that_writes_into_the_image_is_told(check):
    with pytest.raises(InputError, match="to write nothing below /opt/tiny"):
        check(("python", "-c", "import sys; open(sys.prefix + '/left-behind', 'w')"))


@pytest.mark.parametrize("user", ["USER root", "USER 0:10001", ""])
def test_an_image_that_runs_as_root_is_told(check, context, user):
    change(context, "USER 10001", user)
    with pytest.raises(InputError, match="USER other than root"):
        check()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("BASE=python:", "BASE=golang:", "image of Python"),
        ("BASE=python:3.11", "BASE=python:3.9", "image of Python"),
        ("RUN apt-get update", "RUN true && apt-get update", "in a RUN of their own"),
        ("WORKDIR /opt/tiny/build", "WORKDIR /srv/build", "below the project's own folder"),
        ("/opt/tiny/\n", "/usr/lib/\n", "below the project's own folder"),
        ('CMD ["python", "-B", "-m", "tiny"]', "CMD python", "program"),
    ],
)
def test_what_cannot_be_replayed_is_refused(check, context, old, new, words):
    change(context, old, new)
    with pytest.raises(InputError, match=words):
        check()


def test_without_a_dockerfile_the_command_says_so(tmp_path, capsys):
    assert main(["--context", str(tmp_path), "--folder", str(tmp_path)]) == 2
    assert "expected a Dockerfile" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
