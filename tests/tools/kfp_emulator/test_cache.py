"""What the cache answers and what it does not, and going on after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tools.kfp_emulator.cluster import Cluster
from tools.kfp_emulator.results import RunResult

REPOSITORY = Path(__file__).resolve().parents[3]


def _states(result: RunResult) -> dict[str, str]:
    return {name: task.state for name, task in result.tasks.items()}


def _two_steps(tiny: Any, *, cache_first: bool = True) -> Any:
    tiny.define("word", "STRING", defaultValue="a")
    tiny.add(
        "Make",
        'write("data", values["word"]); answer(data={"metadata": {"n": 1}})',
        parameters={"word": ("STRING", {"componentInputParameter": "word"})},
        outputs=["data"],
        cache=cache_first,
    )
    tiny.add(
        "Use",
        'write("copy", read("data") * 2)',
        artifacts={"data": "Make.data"},
        outputs=["copy"],
        cache=True,
    )
    return tiny


def test_an_unchanged_run_is_answered_from_the_cache(
    tiny: Any, cluster: Cluster, home: Path
) -> None:
    file = _two_steps(tiny).write()
    first = cluster.run(file)
    second = Cluster(home).run(file)  # what it knows is in the folder alone
    assert _states(first) == {"Make": "SUCCEEDED", "Use": "SUCCEEDED"}
    assert _states(second) == {"Make": "CACHED", "Use": "CACHED"}
    assert second.state == "SUCCEEDED"
    assert second.tasks["Use"].attempts == 0
    assert second.tasks["Use"].outputs == first.tasks["Use"].outputs
    assert first.run_id in second.tasks["Use"].outputs["copy"].uri


def test_a_changed_parameter_runs_again_what_has_it_and_what_follows(
    tiny: Any, cluster: Cluster
) -> None:
    file = _two_steps(tiny).write()
    cluster.run(file)
    changed = cluster.run(file, {"word": "b"})
    assert _states(changed) == {"Make": "SUCCEEDED", "Use": "SUCCEEDED"}
    copy = changed.tasks["Use"].outputs["copy"].path
    assert copy is not None
    assert (copy / "data.txt").read_text() == "bb"
    assert _states(cluster.run(file)) == {"Make": "CACHED", "Use": "CACHED"}


def test_a_task_without_caching_runs_again_and_so_does_what_follows(
    tiny: Any, cluster: Cluster
) -> None:
    file = _two_steps(tiny, cache_first=False).write()
    cluster.run(file)
    # The same bytes, but an artifact with another id, which is all that the cache looks at.
    assert _states(cluster.run(file)) == {"Make": "SUCCEEDED", "Use": "SUCCEEDED"}


def _change_image(tiny: Any) -> None:
    container = tiny.spec["deploymentSpec"]["executors"]["Use_executor"]["container"]
    container["image"] = "registry.example/tiny:2"


def _change_command(tiny: Any) -> None:
    container = tiny.spec["deploymentSpec"]["executors"]["Use_executor"]["container"]
    container["args"].append("--more")


def _change_output(tiny: Any) -> None:
    artifacts = tiny.spec["components"]["Use"]["outputDefinitions"]["artifacts"]
    artifacts["other"] = {"artifactType": {"schemaTitle": "tiny.Other"}}


def _change_claim(tiny: Any) -> None:
    mount = {"constant": "claim", "mountPath": "/mnt/data"}
    tiny.platform = {"deploymentSpec": {"executors": {"Use_executor": {"pvcMount": [mount]}}}}


@pytest.mark.parametrize("change", [_change_image, _change_command, _change_output, _change_claim])
def test_image_command_outputs_and_claims_are_in_the_key(
    tiny: Any, cluster: Cluster, change: Callable[[Any], None]
) -> None:
    _two_steps(tiny)
    cluster.run(tiny.write())
    change(tiny)
    changed = cluster.run(tiny.write())
    assert _states(changed) == {"Make": "CACHED", "Use": "SUCCEEDED"}


def test_resources_and_content_are_not_in_the_key(
    tiny: Any, cluster: Cluster, tmp_path: Path
) -> None:
    source = tmp_path / "source.txt"
    source.write_text("old")
    tiny.add(
        "Read",
        'write("data", Path(values["source"]).read_text())',
        parameters={"source": ("STRING", {"runtimeValue": {"constant": str(source)}})},
        outputs=["data"],
        cache=True,
    )
    cluster.run(tiny.write())
    source.write_text("new")
    container = tiny.spec["deploymentSpec"]["executors"]["Read_executor"]["container"]
    container["resources"] = {"cpuLimit": 4.0}
    assert _states(cluster.run(tiny.write())) == {"Read": "CACHED"}


def test_another_pipeline_has_a_cache_of_its_own(tiny: Any, cluster: Cluster) -> None:
    cluster.run(_two_steps(tiny).write())
    tiny.spec["pipelineInfo"]["name"] = "other"
    assert _states(cluster.run(tiny.write())) == {"Make": "SUCCEEDED", "Use": "SUCCEEDED"}


def test_a_failed_task_is_not_in_the_cache(tiny: Any, home: Path, tmp_path: Path) -> None:
    tiny.add(
        "Luck",
        'mark = Path(os.environ["MARK"])\nfirst = not mark.exists()\nmark.touch()\n'
        'write("data", "x")\nif first: raise SystemExit("no luck")',
        outputs=["data"],
        cache=True,
    )
    cluster = Cluster(home, environment={"MARK": str(tmp_path / "mark")})
    runs = [_states(cluster.run(tiny.write()))["Luck"] for _ in range(3)]
    assert runs == ["FAILED", "SUCCEEDED", "CACHED"]


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs Linux' /proc")
@pytest.mark.slow
def test_a_killed_emulator_goes_on_where_it_was(tiny: Any, home: Path, tmp_path: Path) -> None:
    tiny.add("Make", 'write("data", "x")', outputs=["data"], cache=True)
    tiny.add(
        "Hang",
        f"import time\nmark = Path({str(tmp_path / 'mark')!r})\n"
        "if not mark.exists():\n"
        "    mark.with_suffix('.new').write_text(str(os.getpid()))\n"
        "    mark.with_suffix('.new').rename(mark)\n    time.sleep(600)\n"
        'write("copy", read("data"))',
        artifacts={"data": "Make.data"},
        outputs=["copy"],
        cache=True,
    )
    file = tiny.write()
    command = [sys.executable, "-m", "tools.kfp_emulator", str(file), "--home", str(home)]
    emulator = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL)
    try:
        mark = tmp_path / "mark"
        _wait_until(mark.exists)
    finally:
        emulator.send_signal(signal.SIGKILL)
        emulator.wait()
    orphan = Path(f"/proc/{mark.read_text()}")
    assert orphan.exists()
    result = Cluster(home).run(file)
    assert _states(result) == {"Make": "CACHED", "Hang": "SUCCEEDED"}
    assert result.tasks["Hang"].attempts == 1
    _wait_until(lambda: not orphan.exists() or _is_zombie(orphan))
    assert os.listdir(home / "pods") == []


def _wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("expected it within 30 s")


def _is_zombie(process: Path) -> bool:
    # Nobody may be there to collect it where the tests run as a container's first process.
    try:
        return process.joinpath("stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
