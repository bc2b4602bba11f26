"""The command line, as people and programs call it."""

from __future__ import annotations

import json
import os
import pty
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from contract.command_line import EXIT_INTERRUPTED
from serving.client import command_line
from tests.serving.client.fake_server import (
    FAMILIARITY_THRESHOLD,
    Reply,
    decision_of,
    familiarity_of,
    probability_of,
    serve,
)
from tests.serving.client.pictures import encode, encode_dicom


@pytest.fixture
def server():
    with serve() as fake:
        yield fake


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Return a folder with three images, in which the commands run."""
    monkeypatch.chdir(tmp_path)
    Path("a.png").write_bytes(encode(1))
    Path("b.jpeg").write_bytes(encode(2, "JPEG"))
    Path("c.dcm").write_bytes(encode_dicom(3))
    return tmp_path


def call(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    root = str(Path(command_line.__file__).parents[2])
    return subprocess.run(
        [sys.executable, "-m", "serving.client", *arguments],
        env={**os.environ, "PYTHONPATH": root},
        text=True,
        check=False,
        timeout=60,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
    )


def test_a_table_for_people(server, folder):
    server.refers = False
    result = call("a.png", "b.jpeg", "c.dcm", "--url", server.url)
    assert (result.returncode, result.stderr) == (0, "")
    header, *rows = result.stdout.splitlines()
    assert header.split() == ["File", "Probability", "Decision", "Threshold"]
    expected = [
        [name, f"{probability:.4f}", "pneumonia" if probability >= 0.5 else "normal", "0.5000"]
        for name, probability in zip(
            ["a.png", "b.jpeg", "c.dcm"], map(probability_of, server.asked[0].images), strict=True
        )
    ]
    assert [row.split() for row in rows] == expected


REASONS = {
    "unfamiliar": "refer to a radiologist: unfamiliar image",
    "uncertain": "refer to a radiologist: uncertain score",
}


def shown_decision(image: bytes) -> str:
    if decision_of(image) != "refer":
        return decision_of(image)
    is_unfamiliar = familiarity_of(image) < FAMILIARITY_THRESHOLD
    return REASONS["unfamiliar" if is_unfamiliar else "uncertain"]


def test_the_table_says_whom_to_refer_and_why(server, folder, capsys):
    images = [encode(seed) for seed in range(20)]
    for seed, image in enumerate(images):
        Path(f"{seed:02d}.png").write_bytes(image)
    names = [f"{seed:02d}.png" for seed in range(len(images))]
    assert command_line.main([*names, "--url", server.url]) == command_line.EXIT_ALL_ANSWERED
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split() == ["File", "Probability", "Decision", "Threshold", "Familiarity"]
    decisions = [shown_decision(image) for image in images]
    assert [row.split(None, 2)[2].rsplit(None, 2)[0] for row in rows] == decisions
    assert [row.split()[-1] for row in rows] == [f"{familiarity_of(each):.4f}" for each in images]
    assert set(decisions) == {"normal", "pneumonia", *REASONS.values()}


def test_json_lines_for_programs_in_order_with_errors(server, folder, capsys):
    Path("notes.txt").write_text("no image")
    code = command_line.main(["a.png", "notes.txt", "b.jpeg", "--json", "--url", server.url])
    assert code == command_line.EXIT_SOME_ANSWERED
    captured = capsys.readouterr()
    first, second, third = map(json.loads, captured.out.splitlines())
    probability = probability_of(encode(1))
    label = "pneumonia" if probability >= 0.5 else "normal"
    assert first == {
        "file": "a.png",
        "probability": probability,
        "label": label,
        "threshold": 0.5,
        "decision": decision_of(encode(1)),
        "refer_reason": {
            "refer to a radiologist: unfamiliar image": "unfamiliar_image",
            "refer to a radiologist: uncertain score": "uncertain_score",
        }.get(shown_decision(encode(1))),
        "familiarity": familiarity_of(encode(1)),
        "familiarity_threshold": FAMILIARITY_THRESHOLD,
    }
    assert second.keys() == {"file", "error"}
    assert second["file"] == "notes.txt"
    assert third["file"] == "b.jpeg"
    assert captured.err.splitlines()[-1] == "2 of 3 images answered"


def test_a_bad_image_has_its_row_and_its_reason(server, folder, capsys):
    Path("notes.txt").write_text("no image")
    assert (
        command_line.main(["notes.txt", "a.png", "--url", server.url])
        == command_line.EXIT_SOME_ANSWERED
    )
    captured = capsys.readouterr()
    assert re.search(r"^notes\.txt +- +no answer +- +-$", captured.out, re.MULTILINE)
    assert captured.err.startswith("notes.txt: not a JPEG, PNG or DICOM file")


def test_a_folder_is_asked_for_in_batches(server, folder, capsys):
    assert command_line.main([str(folder), "--batch-size", "2", "--url", server.url]) == 0
    assert server.sizes == [2, 1]
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_long_names_are_whole_in_a_file(server, folder, capsys):
    long_folder = folder / ("x" * 100)
    long_folder.mkdir()
    (long_folder / "y.png").write_bytes(encode())
    command_line.main([str(long_folder), "--url", server.url])
    assert str(long_folder / "y.png") in capsys.readouterr().out


def test_a_server_that_is_gone_is_told_once(server, folder, capsys):
    server.replies = [Reply(404, b'{"error": "Servable not found"}')]
    code = command_line.main([str(folder), "--batch-size", "1", "--url", server.url])
    assert code == command_line.EXIT_NONE_ANSWERED
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2
    assert "Servable not found" in errors[0]
    assert errors[1] == "0 of 3 images answered"


def test_a_server_that_still_loads_is_waited_for_and_that_is_told_once(server, folder, capsys):
    busy = Reply(503, b'{"error": "the model pneumonia is still loading; try again"}')
    server.replies = [busy] * 2
    assert command_line.main(["a.png", "--url", server.url]) == command_line.EXIT_ALL_ANSWERED
    captured = capsys.readouterr()
    url = f"{server.url}/v1/models/pneumonia:predict"
    assert captured.err == (
        f"Waiting: {url} answered 503: the model pneumonia is still loading; try again\n"
    )
    assert "a.png" in captured.out


def test_a_server_that_does_not_listen_is_told_with_what_to_check(folder, capsys):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    arguments = ["a.png", "--url", url, "--retries", "0"]
    assert command_line.main(arguments) == command_line.EXIT_NONE_ANSWERED
    message = capsys.readouterr().err
    assert "Connection refused; check that the server is started and its model is loaded" in message


def test_options_reach_the_request(server, folder):
    Path("token").write_text("secret\n")
    arguments = ["a.png", "--url", server.url, "--model", "chest", "--version-label", "stable"]
    assert command_line.main([*arguments, "--token-file", "token"]) == 0
    (asked,) = server.asked
    assert asked.path == "/v1/models/chest/labels/stable:predict"
    assert asked.headers["Authorization"] == "Bearer secret"


def test_retries_and_timeouts_are_options(server, folder, capsys):
    server.replies = [Reply(503), Reply(200, delay_s=1.0), Reply(503)]
    arguments = ["a.png", "--url", server.url, "--timeout-s", "0.2"]
    assert command_line.main([*arguments, "--retries", "0"]) == command_line.EXIT_NONE_ANSWERED
    assert "503: no message (asked once)" in capsys.readouterr().err
    assert command_line.main([*arguments, "--retries", "0"]) == command_line.EXIT_NONE_ANSWERED
    assert "did not answer in time" in capsys.readouterr().err
    assert command_line.main([*arguments, "--retries", "1"]) == 0


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["a.png", "--batch-size", "0"],
        ["a.png", "--batch-size", "1.5"],
        ["a.png", "--timeout-s", "0"],
        ["a.png", "--timeout-s", "nan"],
        ["a.png", "--timeout-s", "inf"],
        ["a.png", "--retries", "-1"],
    ],
)
def test_options_that_make_no_sense_are_refused(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        command_line.main(arguments)
    assert caught.value.code == command_line.EXIT_NONE_ANSWERED
    assert "error:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "No such file"),
        (b" \n", "an empty file"),
        (b"two words", "something else"),
        (b"t\xf6ken", "something else"),
        (b"a\r\nX-Other: b", "something else"),
    ],
)
def test_files_without_a_token_are_refused_and_not_shown(folder, capsys, content, told):
    if content is not None:
        Path("token").write_bytes(content)
    assert command_line.main(["a.png", "--token-file", "token"]) == command_line.EXIT_NONE_ANSWERED
    message = capsys.readouterr().err
    assert told in message
    assert "words" not in message


@pytest.mark.parametrize("arguments", [["empty"], ["a.png", "--url", "localhost:8501"]])
def test_bad_input_ends_it_before_anything_is_asked(folder, capsys, arguments):
    Path("empty").mkdir()
    assert command_line.main(arguments) == command_line.EXIT_NONE_ANSWERED
    assert "Cannot ask: expected" in capsys.readouterr().err


def test_interrupting_is_told_by_the_code(server, folder, monkeypatch):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command_line, "find_images", interrupt)
    assert command_line.main(["a.png", "--url", server.url]) == EXIT_INTERRUPTED


def test_names_cannot_steer_the_terminal(server, folder, capsys):
    Path("red\x1b[31m.txt").write_text("no image")
    Path("not \udcff utf8.png").write_bytes(encode())
    command_line.main(["red\x1b[31m.txt", "not \udcff utf8.png", "--url", server.url])
    captured = capsys.readouterr()
    assert "\x1b" not in captured.out + captured.err
    assert r"red\x1b[31m.txt" in captured.out
    assert r"not \xff utf8.png" in captured.out


def test_nothing_of_a_patient_is_shown(server, folder):
    # pydicom warns of the character set, fails at the window, and quotes both.
    strange = encode_dicom(SpecificCharacterSet="ISO_IR 100", PatientName="Surname^Given")
    damaged = encode_dicom(WindowCenter="40", WindowWidth="8000000")
    Path("c.dcm").write_bytes(strange.replace(b"ISO_IR 100", b"Surname100"))
    Path("d.dcm").write_bytes(damaged.replace(b"8000000", b"Surname"))
    Path("e.txt").write_text("Surname, Given")
    result = call("c.dcm", "d.dcm", "e.txt", "--url", server.url)
    assert result.returncode == command_line.EXIT_SOME_ANSWERED
    reason = "cannot be decoded as DICOM: it is damaged, or of a kind that cannot be read"
    assert f"d.dcm: {reason}\n" in result.stderr
    assert "e.txt: not a JPEG, PNG or DICOM file\n" in result.stderr
    assert "urname" not in result.stdout + result.stderr
    (asked,) = server.asked
    assert all(b"urname" not in image for image in asked.images)


def test_progress_on_a_terminal_leaves_the_json_alone(server, folder):
    controller, terminal = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    try:
        root = str(Path(command_line.__file__).parents[2])
        result = subprocess.run(
            [sys.executable, "-m", "serving.client", ".", "--json", "--url", server.url],
            env={**environment, "PYTHONPATH": root},
            stdout=subprocess.PIPE,
            stderr=terminal,
            text=True,
            check=False,
            timeout=60,
        )
        shown = os.read(controller, 65536).decode()
    finally:
        os.close(terminal)
        os.close(controller)
    assert result.returncode == 0
    assert [json.loads(line)["file"] for line in result.stdout.splitlines()] == [
        *("a.png", "b.jpeg", "c.dcm")
    ]
    assert "3/3" in shown


def test_a_reader_that_has_seen_enough_is_no_error(server, folder):
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        result = call(".", "--json", "--url", server.url, stdout=write_end)
    finally:
        os.close(write_end)
    assert (result.returncode, result.stderr) == (command_line.EXIT_SOME_ANSWERED, "")


def test_it_starts_without_tensorflow():
    code = "import sys, serving.client; sys.exit('tensorflow' in sys.modules)"
    root = str(Path(command_line.__file__).parents[2])
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
