"""The Java side of the cluster: Flink, Beam's runner and job server, by Maven from `pom.xml`."""

from __future__ import annotations

import fcntl
import hashlib
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from contract.errors import InputError

POM = Path(__file__).with_name("pom.xml")
SOURCES = Path(__file__).with_name("java")
MIN_JAVA, MAX_JAVA = 11, 21  # Flink 1.19 runs on these
# Of the Flink Kubernetes operator, relative to the folder of the artifacts.
CRD = "operator/META-INF/fabric8/flinkdeployments.flink.apache.org-v1.yml"
_STAMP = "stamp"
_TIMEOUT_S = 600.0
_INSTALL = "Debian/Ubuntu: apt install openjdk-17-jdk-headless maven"


def missing_tools() -> str:
    """Return what of Java and Maven is not there, as a line for the user; "" where nothing is."""
    for command, what in (("java", "Java"), ("javac", "Java's compiler"), ("mvn", "Maven")):
        if shutil.which(command) is None:
            return (
                f"expected {what} for a Flink cluster on this machine, got no command `{command}`; "
                f"install it ({_INSTALL})"
            )
    # To stderr, e.g. `openjdk version "17.0.15" 2025-04-15`.
    told = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', told)
    if version is None or not MIN_JAVA <= int(version[1]) <= MAX_JAVA:
        return (
            f"expected Java {MIN_JAVA} to {MAX_JAVA} for a Flink cluster on this machine, got "
            f"{' '.join(told.split()[:3]) or 'no version'}; install it ({_INSTALL})"
        )
    return ""


def fetch_artifacts(folder: Path, on_fetch: Callable[[], None] = lambda: None) -> Path:
    """Have Maven put everything into a folder, unless it is there already.

    Args:
        folder: For the jars and a stamp; replaced where `pom.xml` or a source has changed.
        on_fetch: Called where there is something to do, which takes minutes the first time.

    Returns:
        The folder of the jars.

    Raises:
        InputError: Java or Maven is missing, or Maven cannot fetch what it needs.
    """
    digest = hashlib.sha256()
    for path in (POM, *sorted(SOURCES.rglob("*.java"))):
        digest.update(path.read_bytes())
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Tests in several processes need the same ones at the same time.
    with folder.with_name(f"{folder.name}.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _fetch(folder, digest.hexdigest(), on_fetch)


def _fetch(folder: Path, digest: str, on_fetch: Callable[[], None]) -> Path:
    jars, stamp = folder / "jars", folder / _STAMP
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == digest:
        return jars
    if missing := missing_tools():
        raise InputError(missing)
    on_fetch()
    shutil.rmtree(folder, ignore_errors=True)
    jars.mkdir(parents=True)
    project = folder / "project"  # Maven writes beside the pom: the checkout stays clean
    shutil.copytree(SOURCES, project / "src" / "main" / "java")
    shutil.copy(POM, project)
    command = ["mvn", "--batch-mode", "--quiet", "--file", str(project / POM.name)]
    command += [f"-Djars.folder={jars}", "compiler:compile", "jar:jar"]
    command += ["dependency:copy-dependencies", "dependency:unpack"]
    log = folder / "maven.log"
    with log.open("wb") as output:
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=_TIMEOUT_S,
                check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise InputError(
                f"expected Maven to fetch what {POM.name} names within {_TIMEOUT_S:.0f} s, got no "
                f"end; see {log}, check that Maven reaches its registry, and run the same command "
                "again"
            ) from error
    if done.returncode != 0:
        errors = [line for line in log.read_text(errors="replace").splitlines() if "ERROR" in line]
        raise InputError(
            f"expected Maven to fetch what {POM.name} names, got exit code {done.returncode}: "
            f"{errors[0] if errors else 'no error line'}; see {log}, check that Maven reaches its "
            "registry, and run the same command again"
        )
    stamp.write_text(digest, encoding="utf-8")
    return jars
