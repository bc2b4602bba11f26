"""A Dockerfile's steps, replayed in an empty folder without Docker.

Every stage has a folder of its own, and a link named `image` leads to the stage at hand, so that
the image's own paths, all below one folder such as /opt/pneumonia, become paths below that link.
A later stage sees only what it copies, as in a build. What belongs to the system, such as
`apt-get`, is listed and not replayed: the machine's own Python, shell and compiler stand in.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from contract.errors import InputError
from tools.image_check.build_context import context_files
from tools.image_check.dockerfile import Dockerfile, Instruction, Stage, expand
from tools.image_check.stage import StageState, Step, check_python, link_tree, make_base

_SYSTEM_COMMANDS = re.compile(r"(apt-get\b|rm -rf /var/lib/apt/).*")
_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
# How pip reaches a package index from here, and which compiler it takes.
_PASSED_ON = re.compile(r"(PIP_.*|SSL_CERT_.*|.*_CA_BUNDLE|(?i:https?|no)_proxy|CC|CXX)")
_TAIL_LINES = 20


class Replay:
    """Replays the stages of one Dockerfile.

    Attributes:
        root: The link that stands for `/` of the stage at hand.
    """

    def __init__(
        self,
        context: Path,
        folder: Path,
        own_folder: str,
        arguments: Mapping[str, str],
        report: Callable[[Step], None],
    ) -> None:
        """Take what a build takes.

        Args:
            context: The folder that COPY copies from.
            folder: An empty folder for the stages.
            own_folder: The image's folder that holds all of the project's own.
            arguments: Values of ARG, as with --build-arg.
            report: Is told of every step when it is done.
        """
        self.root = folder / "image"
        self._context = context
        self._stages_dir = folder / "stages"
        self._own_folder = Path(f"{self.root}{own_folder}")
        self._own_path = re.compile(rf"(?<![\w./-])({re.escape(own_folder)}|/tmp)(?=[/:\s\"']|$)")
        self._given = arguments
        self._report = report
        self._states: dict[str, StageState] = {}
        self._base_path = f"{make_base(folder / 'base')}:{_SYSTEM_PATH}"

    def run(self, dockerfile: Dockerfile) -> StageState:
        """Replay every stage; return the last one, to which `root` then leads.

        Raises:
            InputError: A step failed, or needs what cannot be replayed.
        """
        for instruction in dockerfile.arguments:
            name, _, default = instruction.value.partition("=")
            self._given = {name: default, **self._given}
        for stage in dockerfile.stages:
            state = self._begin(stage)
            for instruction in stage.instructions:
                started_s = time.monotonic()
                is_done = self._replay(instruction, state)
                seconds = time.monotonic() - started_s if is_done else None
                self._report(Step(stage.name, instruction, seconds))
        return state

    def _begin(self, stage: Stage) -> StageState:
        base = expand(stage.base, self._given)
        folder = self._stages_dir / stage.name
        before = self._states.get(base)
        if before is None:
            check_python(base)
            (folder / "tmp").mkdir(parents=True)
            state = StageState(folder, {"PATH": self._base_path}, {}, self.root)
        else:
            link_tree(before.folder, folder)
            state = dataclasses.replace(
                before, folder=folder, environment=dict(before.environment), arguments={}
            )
        self._states[stage.name] = state
        self.root.unlink(missing_ok=True)
        self.root.symlink_to(folder)
        return state

    def _replay(self, instruction: Instruction, state: StageState) -> bool:
        """Replay one instruction; return False where it belongs to the system."""
        value = self._own_path.sub(rf"{self.root}\1", instruction.value)
        known = {**state.arguments, **state.environment}
        match instruction.keyword:
            case "ARG":
                name, _, default = value.partition("=")
                state.arguments[name] = self._given.get(name, expand(default, known))
            case "ENV":
                pairs = [word.partition("=") for word in shlex.split(value)]
                state.environment |= {name: expand(text, known) for name, _, text in pairs}
            case "WORKDIR":
                state.workdir /= self._inside(expand(value, known), state, instruction)
                state.workdir.mkdir(parents=True, exist_ok=True)
            case "COPY":
                self._copy(shlex.split(expand(value, known)), state, instruction)
            case "RUN":
                return self._run(value, state, instruction)
            case "USER":
                state.user = expand(value, known)
            case "CMD" | "ENTRYPOINT":
                if not value.startswith("["):
                    raise _error(instruction, 'the form ["program", "argument"]')
                state.command = tuple(json.loads(value))
        return True

    def _inside(self, text: str, state: StageState, instruction: Instruction) -> Path:
        path = state.workdir / text
        if not path.is_relative_to(self._own_folder):
            raise _error(instruction, "a path below the project's own folder")
        return path

    def _copy(self, words: Sequence[str], state: StageState, instruction: Instruction) -> None:
        *sources, text = words
        target = self._inside(text, state, instruction)
        into_folder = text.endswith("/") or target.is_dir() or len(sources) > 1
        for source in sources:
            if stage := instruction.flags.get("from"):
                if stage not in self._states:
                    raise _error(instruction, "an earlier stage")
                inside = Path(source).relative_to(self.root)
                origin = self._states[stage].folder / inside
                if not origin.exists():
                    raise _error(instruction, f"{source} in the stage {stage}")
                is_named = into_folder and origin.is_file()
                link_tree(origin, target / origin.name if is_named else target)
                continue
            files = list(context_files(self._context, source))
            if not files:
                raise _error(instruction, f"{source} in the checkout, not ignored")
            for file in files:
                within = file.relative_to(source)
                name = within if within.parts else Path(file.name if into_folder else "")
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(self._context / file, target / name)

    def _run(self, command: str, state: StageState, instruction: Instruction) -> bool:
        parts = [part.strip() for part in command.split("&&")]
        of_system = [bool(_SYSTEM_COMMANDS.fullmatch(part)) for part in parts]
        if all(of_system):
            return False
        if any(of_system):
            raise _error(instruction, "the system's commands in a RUN of their own")
        passed_on = {name: text for name, text in os.environ.items() if _PASSED_ON.fullmatch(name)}
        environment = {"HOME": str(self.root / "tmp"), **passed_on}
        environment |= state.arguments | state.environment
        finished = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=state.workdir,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if finished.returncode:
            tail = "\n".join(finished.stdout.splitlines()[-_TAIL_LINES:])
            raise InputError(
                f"Dockerfile, line {instruction.line}: expected the step to succeed, got exit code "
                f"{finished.returncode} of {instruction!s}\n{tail}\nHow to fix: see its last lines."
            )
        return True


def _error(instruction: Instruction, expected: str) -> InputError:
    return InputError(
        f"Dockerfile, line {instruction.line}: expected {expected}, got {instruction!s}. "
        "How to fix: change the step; only the project's own steps can be replayed."
    )
