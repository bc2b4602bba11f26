"""Reading a Dockerfile."""

from __future__ import annotations

import pytest

from contract.errors import InputError
from tools.image_check.dockerfile import Instruction, expand, parse_dockerfile

TWO_STAGES = """\
# what it is
ARG BASE=python:3.11-slim
FROM ${BASE} AS builder
RUN one \\
    # between the lines
    && two
COPY --chown=1:1 --from=other a b ./

from builder
CMD ["python"]
"""


def test_stages_and_instructions_are_read():
    dockerfile = parse_dockerfile(TWO_STAGES)
    assert dockerfile.arguments == (Instruction("ARG", "BASE=python:3.11-slim", 2),)
    builder, last = dockerfile.stages
    assert (builder.name, builder.base) == ("builder", "${BASE}")
    assert builder.instructions == (
        Instruction("RUN", "one && two", 4),
        Instruction("COPY", "a b ./", 7, {"chown": "1:1", "from": "other"}),
    )
    assert (last.name, last.base) == ("1", "builder")
    assert last.instructions == (Instruction("CMD", '["python"]', 10),)


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$A/bin:${A}", "1/bin:1"),
        ("${B:-two}", "two"),
        ("${A:-two}", "1"),
        ("[$B]", "[]"),
    ],
)
def test_variables_are_expanded(text, expanded):
    assert expand(text, {"A": "1"}) == expanded


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ARG A=1\n", ["at least one FROM"]),
        ("RUN one\nFROM python\n", ["line 1", "FROM before it", "RUN one"]),
        ("FROM python\nADD a b\n", ["line 2", "COPY", "ADD a b"]),
        ("FROM python\nRUN cat <<EOF\nEOF\n", ["line 2", "here-document"]),
        ("FROM python\nRUN one \\\n", ["line 2", "backslash"]),
        ("FROM --platform=linux/amd64 a b c\n", ["line 1", "FROM IMAGE"]),
    ],
)
def test_what_is_not_understood_is_refused(text, words):
    with pytest.raises(InputError) as refused:
        parse_dockerfile(text)
    for word in words:
        assert word in str(refused.value)
