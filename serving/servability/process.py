"""Starts the fresh process, and turns whatever becomes of it into answers or a reason."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import tensorflow as tf
from pydantic import ValidationError

from serving.servability.report import ProbeAnswers

PROBE = "serving.servability"
_PROJECT = Path(__file__).resolve().parent.parent.parent


class NotServableError(Exception):
    """The export gave no answers; the message says why."""


def ask_fresh_process(
    model_dir: Path,
    records: Sequence[bytes],
    timeout_s: float,
    probe: str = PROBE,
    meanwhile: Callable[[], object] = lambda: None,
) -> ProbeAnswers:
    """Have a new Python process load an export and answer about records.

    Args:
        model_dir: Folder with `saved_model.pb`.
        records: Serialised `tf.Example` of the feature contract, at least one.
        timeout_s: From its start to its end.
        probe: Module to run.
        meanwhile: Called while the process is at work, whose start alone takes seconds.

    Raises:
        NotServableError: It crashed, hung, or could not load or ask the model.
    """
    with tempfile.TemporaryDirectory(prefix="servability-") as folder:
        requests, answers = Path(folder) / "requests.tfrecord", Path(folder) / "answers.json"
        log = Path(folder) / "log.txt"
        with tf.io.TFRecordWriter(str(requests)) as writer:
            for record in records:
                writer.write(record)
        # A new process, not a fork: nothing that trained the model is in its memory.
        command = [sys.executable, "-P", "-m", probe, model_dir, requests, answers]
        with log.open("wb") as output:  # a pipe that nobody reads would stop it
            deadline_s = time.monotonic() + timeout_s
            process = subprocess.Popen(
                list(map(str, command)),
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                env=_environment(),
            )  # fmt: skip
            try:
                meanwhile()
                code = process.wait(max(0.0, deadline_s - time.monotonic()))
            except subprocess.TimeoutExpired as error:
                raise NotServableError(
                    f"a fresh process had not answered after {timeout_s:g} s, which is "
                    "serving.timeout_s, and was ended"
                ) from error
            finally:
                process.kill()  # nothing where it has ended
                process.wait()
        return _read(answers, code, log.read_text(encoding="utf-8", errors="replace"))


def _environment() -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(_PROJECT), os.environ.get("PYTHONPATH", "")]))
    return {
        **os.environ,
        "PYTHONPATH": path,
        "CUDA_VISIBLE_DEVICES": "-1",  # its arithmetic differs by more than the bound
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }


def _read(answers: Path, code: int, log: str) -> ProbeAnswers:
    if not answers.is_file():
        last = next((line for line in reversed(log.splitlines()) if line.strip()), "nothing")
        raise NotServableError(f"a fresh process {_end(code)} without an answer; it said: {last}")
    told = json.loads(answers.read_text(encoding="utf-8"))
    if "error" in told:
        raise NotServableError(f"a fresh process could not load or ask the model: {told['error']}")
    try:
        return ProbeAnswers.model_validate(told)
    except ValidationError as error:
        raise NotServableError(f"a fresh process gave answers of another form: {error}") from error


def _end(code: int) -> str:
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
