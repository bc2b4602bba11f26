"""JobManager, two TaskManagers and Beam's job server: their settings, start and end."""

from __future__ import annotations

import dataclasses
import http.client
import json
import shutil
import socket
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.error import URLError

import yaml

from contract.errors import InputError
from tools.flink_cluster import processes
from tools.flink_cluster.artifacts import fetch_artifacts

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_FOLDER = ROOT / "build" / "flink"
HOST = "127.0.0.1"
JOB_MANAGER, JOB_SERVER = "jobmanager", "jobserver"
TASK_MANAGERS = ("taskmanager1", "taskmanager2")
SLOTS = 2  # of each TaskManager: so many Python workers at a time
AGENT = "flink-cluster.jar"  # what java/ is for
WORKER = "worker"  # the program that a TaskManager starts Python workers by
# Of Transform alone, after those of all nodes: docs/adr/0018-beam-on-flink.md says why.
TRANSFORM_ARGS = ("--experiments=pre_optimize=all",)
_START_S = 180.0  # on a busy machine
_POLL_S = 0.25

# What Flink's own start scripts open to it, from Java 17 on.
_EXPORTED = (
    "java.base/sun.net.util",
    "java.rmi/sun.rmi.registry",
    *(f"jdk.compiler/com.sun.tools.javac.{each}" for each in ("api", "file", "parser", "tree")),
    "jdk.compiler/com.sun.tools.javac.util",
    "java.security.jgss/sun.security.krb5",
)
_OPENED = tuple(
    f"java.base/{each}"
    for each in (
        *("java.lang", "java.lang.reflect", "java.net", "java.io", "java.nio", "sun.nio.ch"),
        *("java.text", "java.time", "java.util", "java.util.concurrent"),
        *("java.util.concurrent.atomic", "java.util.concurrent.locks"),
    )
)
_ENTRY_POINTS = "org.apache.flink.runtime"
# In all 2.7 GB of a TaskManager, without its Python workers. Its heap holds what workers send
# before Flink takes it: up to 100 messages for each stage.
_TASK_MANAGER_MEMORY = {
    "taskmanager.cpu.cores": f"{SLOTS}.0",
    "taskmanager.memory.framework.heap.size": "128m",
    "taskmanager.memory.task.heap.size": "1920m",
    "taskmanager.memory.framework.off-heap.size": "128m",
    "taskmanager.memory.task.off-heap.size": "128m",
    # A join of all partitions with all others needs 512 buffers of 32 KB for each slot.
    "taskmanager.memory.network.min": "384m",
    "taskmanager.memory.network.max": "384m",
    "taskmanager.memory.managed.size": "256m",
    "taskmanager.memory.jvm-metaspace.size": "256m",
    "taskmanager.memory.jvm-overhead.min": "128m",
    "taskmanager.memory.jvm-overhead.max": "128m",
}


@dataclasses.dataclass(frozen=True)
class Ports:
    """Where the cluster listens, on the loopback address alone.

    Attributes:
        rest: Flink's page and REST service.
        rpc: Of the JobManager, for TaskManagers.
        job_server: What pipelines are handed to: `--job_endpoint`.
        artifacts: Of the job server; an expansion service is at the next one.
    """

    rest: int = 8081
    rpc: int = 6123
    job_server: int = 8099
    artifacts: int = 8098
    expansion: int = 8097


def start(
    folder: Path = DEFAULT_FOLDER,
    ports: Ports = Ports(),
    on_step: Callable[[str], None] = lambda step: None,
    *,
    artifacts: Path | None = None,
) -> None:
    """Start what is not running yet, and return when the cluster takes jobs.

    Args:
        folder: The cluster's own, for everything that it writes.
        ports: Where it listens.
        on_step: Called with a description of each step.
        artifacts: Where Maven's artifacts are kept; `folder`'s part for them by default.

    Raises:
        InputError: Java or Maven is missing, a port is taken, or a process does not start.
    """
    jars = fetch_artifacts(
        artifacts or folder / "artifacts",
        lambda: on_step("Fetching Flink and Beam's job server by Maven: 155 MB, once"),
    )
    run = folder / "run"
    there = processes.running(run)
    if not there:
        stop(folder)
    commands = _commands(run, jars, ports)
    missing = [name for name in commands if name not in there]
    if not missing:
        on_step("It is running already")
        return
    _check_ports(ports, missing)
    _write_files(run, ports)
    for name in missing:
        on_step(f"Starting {name}")
        processes.start(name, commands[name], run, ROOT)
        if name == JOB_MANAGER:
            _wait(run, [name], "the JobManager", lambda: _overview(ports) is not None)
    _wait(run, missing, f"{len(TASK_MANAGERS)} TaskManagers", lambda: _num_slots(ports) == _SLOTS)
    _wait(run, missing, "the job server", lambda: _is_open(ports.job_server))


_SLOTS = SLOTS * len(TASK_MANAGERS)


def stop(folder: Path = DEFAULT_FOLDER) -> int:
    """End the cluster's processes and empty its folder but for Maven's artifacts.

    Args:
        folder: As given to `start`.

    Returns:
        The number of processes that were running.
    """
    run = folder / "run"
    ended = processes.end_all(run)
    if run.exists():
        shutil.rmtree(run)
    return ended


def kill(name: str, folder: Path = DEFAULT_FOLDER) -> None:
    """Kill one process of the cluster without warning, as a machine that fails does.

    Raises:
        InputError: It is not running.
    """
    there = processes.running(folder / "run")
    if name not in there:
        raise InputError(
            f"expected {name} to run in {folder}, got {', '.join(there) or 'nothing that runs'}"
        )
    there[name].kill()
    there[name].wait()


def pipeline_args(
    folder: Path = DEFAULT_FOLDER,
    ports: Ports = Ports(),
    parallelism: int = 2,
) -> tuple[str, ...]:
    """Return the arguments by which Beam hands a pipeline to this cluster."""
    command = json.dumps({"command": str(folder / "run" / WORKER)})
    return (
        "--runner=PortableRunner",
        f"--job_endpoint={HOST}:{ports.job_server}",
        "--environment_type=PROCESS",
        f"--environment_config={command}",
        f"--parallelism={parallelism}",
        "--environment_cache_millis=10000",
        "--sdk_container_image=none",
    )


def _commands(run: Path, jars: Path, ports: Ports) -> dict[str, list[str]]:
    configuration = ["--configDir", str(run / "conf")]
    commands = {
        JOB_MANAGER: [
            *_java(run, jars, "-Xmx384m"),
            f"{_ENTRY_POINTS}.entrypoint.StandaloneSessionClusterEntrypoint",
            *configuration,
            *("--executionMode", "cluster"),
        ]
    }
    for name in TASK_MANAGERS:
        memory = {"taskmanager.resource-id": name, **_TASK_MANAGER_MEMORY}
        commands[name] = [
            *_java(run, jars, "-Xms512m", "-Xmx2048m", "-XX:MaxDirectMemorySize=768m"),
            f"{_ENTRY_POINTS}.taskexecutor.TaskManagerRunner",
            *configuration,
            *(part for key, value in memory.items() for part in ("-D", f"{key}={value}")),
        ]
    commands[JOB_SERVER] = [
        *_java(run, jars, "-Xmx512m"),
        "org.apache.beam.runners.flink.FlinkJobServerDriver",
        f"--flink-master={HOST}:{ports.rest}",
        f"--job-host={HOST}",
        f"--job-port={ports.job_server}",
        f"--artifact-port={ports.artifacts}",
        f"--expansion-port={ports.expansion}",
        f"--artifacts-dir={run / 'staged'}",
    ]
    return commands


def _java(run: Path, jars: Path, *memory: str) -> list[str]:
    return [
        "java",
        *(f"--add-exports={each}=ALL-UNNAMED" for each in _EXPORTED),
        *(f"--add-opens={each}=ALL-UNNAMED" for each in _OPENED),
        f"-Dlog4j.configurationFile={run / 'conf' / 'log4j.properties'}",
        f"-Djava.io.tmpdir={run / 'tmp'}",
        f"-javaagent:{jars / AGENT}",
        *memory,
        *("-cp", f"{jars}/*"),
    ]


def _write_files(run: Path, ports: Ports) -> None:
    for each in ("conf", "tmp", "staged"):
        (run / each).mkdir(parents=True, exist_ok=True)
    configuration = {
        "jobmanager.rpc.address": HOST,
        "jobmanager.rpc.port": ports.rpc,
        "jobmanager.bind-host": HOST,
        "jobmanager.memory.process.size": "800m",
        "rest.address": HOST,
        "rest.bind-address": HOST,
        "rest.port": ports.rest,
        "taskmanager.host": HOST,
        "taskmanager.bind-host": HOST,
        "taskmanager.numberOfTaskSlots": SLOTS,
        "taskmanager.load-balance.mode": "SLOTS",
        "taskmanager.network.sort-shuffle.min-buffers": 64,
        "io.tmp.dirs": str(run / "tmp"),
        "pekko.startup-timeout": "120 s",
        "pekko.ask.timeout": "60 s",
        "heartbeat.timeout": 60000,
        # With a fixed number, each region that a lost TaskManager had counts as an attempt.
        "restart-strategy.type": "exponential-delay",
        # For ever by default, also where the code is at fault.
        "restart-strategy.exponential-delay.attempts-before-reset-backoff": 8,
    }
    (run / "conf" / "config.yaml").write_text(yaml.safe_dump(configuration), encoding="utf-8")
    (run / "conf" / "log4j.properties").write_text(_LOG4J, encoding="utf-8")
    worker = run / WORKER
    worker.write_text(
        f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m pipeline.beam_worker "$@"\n',
        encoding="utf-8",
    )
    worker.chmod(0o755)


_LOG4J = """\
rootLogger.level = INFO
rootLogger.appenderRef.console.ref = Console
appender.console.name = Console
appender.console.type = CONSOLE
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{yyyy-MM-dd HH:mm:ss,SSS} %-5p %c{1} - %m%n
"""


def _check_ports(ports: Ports, names: Sequence[str]) -> None:
    needed: dict[str, int] = {}
    if JOB_MANAGER in names:
        needed |= {"rest": ports.rest, "rpc": ports.rpc}
    if JOB_SERVER in names:
        needed |= {each: getattr(ports, each) for each in ("job_server", "artifacts", "expansion")}
    taken = [f"{port} ({name})" for name, port in needed.items() if _is_open(port)]
    if taken:
        raise InputError(
            f"expected free ports on {HOST}, got {', '.join(taken)} in use by another program; "
            "end it, or choose others (--port-offset)"
        )


def _is_open(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=1.0):
            return True
    except OSError:
        return False


def _overview(ports: Ports) -> dict[str, int] | None:
    try:
        with urllib.request.urlopen(f"http://{HOST}:{ports.rest}/overview", timeout=5) as answer:
            overview: dict[str, int] = json.load(answer)
    except (URLError, OSError, http.client.HTTPException, ValueError):  # Not there yet.
        return None
    return overview


def _num_slots(ports: Ports) -> int:
    return (_overview(ports) or {}).get("slots-total", 0)


def _wait(run: Path, names: Sequence[str], what: str, is_there: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + _START_S
    while not is_there():
        dead = [name for name in names if name not in processes.running(run)]
        started = [name for name in dead if processes.log_file(name, run).exists()]
        if started or time.monotonic() > deadline_s:
            name = started[0] if started else names[-1]
            log = processes.log_file(name, run)
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-10:])
            raise InputError(
                f"expected {what} within {_START_S:.0f} s, got "
                f"{f'{name}, which has ended' if started else 'no answer'}; the end of {log}:\n"
                f"{tail}"
            )
        time.sleep(_POLL_S)
