"""The emulator's command line, and the parts that a run does not show."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from kfp.pipeline_spec import pipeline_spec_pb2

from tools.kfp_emulator.__main__ import main
from tools.kfp_emulator.protojson import parse_dict, to_json
from tools.kfp_emulator.task_run import backoff_s


def _run(tiny: Any, home: Path, *more: str) -> int:
    # Cold: these tasks need none of the libraries that a warm start has ready.
    return main([str(tiny.write()), "--home", str(home), "--cold", *more])


def test_a_run_is_shown_as_a_table(
    tiny: Any, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny.define("word", "STRING", defaultValue="a")
    word = {"word": ("STRING", {"componentInputParameter": "word"})}
    tiny.add("Make", 'write("data", values["word"])', parameters=word, outputs=["data"], cache=True)
    tiny.add(
        "Use", 'if read("data") == "b": raise SystemExit("no b")', artifacts={"data": "Make.data"}
    )
    assert _run(tiny, home) == 0
    out = capsys.readouterr().out
    assert "Run SUCCEEDED after" in out
    assert _run(tiny, home) == 0
    assert "CACHED" in capsys.readouterr().out
    assert _run(tiny, home, "--param", "word=b") == 1
    out = capsys.readouterr().out
    assert "exit code 1: no b" in out
    assert "Run FAILED after" in out
    (run_folder,) = {line.removeprefix("Logs: ") for line in out.splitlines() if "Logs: " in line}
    assert (Path(run_folder) / "Use" / "attempt-1.log").read_text() == "no b\n"


def test_long_names_of_tasks_stay_whole(
    tiny: Any, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "Trainer-compact-resnet-ablation-without-augmentation"
    tiny.add(name, 'raise SystemExit("why " * 40)')
    assert _run(tiny, home) == 1
    table = capsys.readouterr().out.partition("Task ")[2]
    assert name in table
    assert table.replace("\n", " ").split().count("why") == 40


def test_bad_input_has_an_exit_code_of_its_own(
    tiny: Any, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny.add("Make", "")
    assert _run(tiny, home, "--param", "word=b") == 2
    assert "expected one of none" in capsys.readouterr().err
    assert main([str(home / "gone.yaml"), "--home", str(home)]) == 2


def test_pauses_between_attempts_grow_without_a_bound() -> None:
    policy = parse_dict(
        {
            "maxRetryCount": 5,
            "backoffDuration": "60s",
            "backoffFactor": 2.0,
            "backoffMaxDuration": "200s",
        },
        pipeline_spec_pb2.PipelineTaskSpec.RetryPolicy(),
    )
    assert [backoff_s(policy, failed) for failed in range(1, 5)] == [60, 120, 240, 480]
    none = pipeline_spec_pb2.PipelineTaskSpec.RetryPolicy(max_retry_count=1)
    assert backoff_s(none, 1) == 0


def test_numbers_are_written_as_go_writes_them() -> None:
    message = pipeline_spec_pb2.ExecutorInput()
    for name, number in zip(itertools.count(), (1.0, 0.5, -3.0), strict=False):
        message.inputs.parameter_values[str(name)].number_value = number
    assert to_json(message) == '{"inputs":{"parameterValues":{"0":1,"1":0.5,"2":-3}}}'
