"""A Dockerfile, read as far as this project writes them: stages and their instructions."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping

from contract.errors import InputError

_KEYWORDS = ("ARG", "ENV", "COPY", "RUN", "WORKDIR", "USER", "LABEL", "CMD", "ENTRYPOINT")
_FLAG = re.compile(r"--([a-z]+)=(\S+)\s+")
_FROM = re.compile(r"(\S+)(?:\s+AS\s+(\S+))?", re.IGNORECASE)
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?::-([^}]*))?\})")


@dataclasses.dataclass(frozen=True)
class Instruction:
    """One instruction of a stage.

    Attributes:
        keyword: In capitals, e.g. "RUN".
        value: What follows, on one line, without the flags.
        line: Number of its first line, from 1.
        flags: E.g. {"from": "builder"} of `COPY --from=builder ...`.
    """

    keyword: str
    value: str
    line: int
    flags: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __str__(self) -> str:
        flags = "".join(f"--{name}={value} " for name, value in self.flags.items())
        return f"{self.keyword} {flags}{self.value}"


@dataclasses.dataclass(frozen=True)
class Stage:
    """What stands between two `FROM`.

    Attributes:
        name: As given with `AS`, or the stage's number from 0.
        base: Image or earlier stage, with its variables still in it.
        instructions: In order.
    """

    name: str
    base: str
    instructions: tuple[Instruction, ...]


@dataclasses.dataclass(frozen=True)
class Dockerfile:
    """A whole file: the arguments before the first `FROM`, and the stages."""

    arguments: tuple[Instruction, ...]
    stages: tuple[Stage, ...]


def parse_dockerfile(text: str) -> Dockerfile:
    """Parse the text of a Dockerfile.

    Raises:
        InputError: There is no stage, or an instruction that is not known here.
    """
    arguments: list[Instruction] = []
    stages: list[Stage] = []
    for instruction in _instructions(text):
        if instruction.keyword == "FROM":
            match = _FROM.fullmatch(instruction.value)
            if match is None:
                raise _error(instruction, "FROM IMAGE [AS NAME]")
            stages.append(Stage(match[2] or str(len(stages)), match[1], ()))
        elif instruction.keyword not in _KEYWORDS:
            raise _error(instruction, f"one of {', '.join(('FROM', *_KEYWORDS))}")
        elif "<<" in instruction.value:
            raise _error(instruction, "an instruction without a here-document")
        elif stages:
            last = stages[-1]
            stages[-1] = dataclasses.replace(last, instructions=(*last.instructions, instruction))
        elif instruction.keyword == "ARG":
            arguments.append(instruction)
        else:
            raise _error(instruction, "FROM before it")
    if not stages:
        raise InputError("Dockerfile: expected at least one FROM, got none. How to fix: add one.")
    return Dockerfile(tuple(arguments), tuple(stages))


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace `$NAME`, `${NAME}` and `${NAME:-default}`; an unknown name is empty."""

    def value_of(match: re.Match[str]) -> str:
        return variables.get(match[1] or match[2]) or match[3] or ""

    return _VARIABLE.sub(value_of, text)


def _instructions(text: str) -> Iterator[Instruction]:
    parts: list[str] = []
    first_line = 0
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue  # also between continued lines
        if not parts:
            first_line = number
        parts.append(line.strip().removesuffix("\\").strip())
        if not line.rstrip().endswith("\\"):
            yield _instruction(" ".join(parts), first_line)
            parts = []
    if parts:
        raise InputError(
            f"Dockerfile, line {first_line}: expected the instruction to end, got the end of the "
            "file after a backslash. How to fix: remove the last backslash."
        )


def _instruction(text: str, line: int) -> Instruction:
    keyword, _, value = text.partition(" ")
    value = value.strip()
    flags = {}
    while match := _FLAG.match(value):
        flags[match[1]] = match[2]
        value = value[match.end() :]
    return Instruction(keyword.upper(), value, line, flags)


def _error(instruction: Instruction, expected: str) -> InputError:
    return InputError(
        f"Dockerfile, line {instruction.line}: expected {expected}, got {instruction!s}. "
        "How to fix: write it so, or teach tools/image_check/dockerfile.py this form."
    )
