"""Run parameters from the command line."""

from __future__ import annotations

import pytest

from contract.errors import InputError
from pipeline.kubeflow.submission.file import RunParameter
from pipeline.kubeflow.submission.parameters import parse_parameters

KINDS = {
    "text": "STRING",
    "whole": "NUMBER_INTEGER",
    "number": "NUMBER_DOUBLE",
    "flag": "BOOLEAN",
    "names": "LIST",
    "table": "STRUCT",
    "final": "TASK_FINAL_STATUS",
}
DEFINITIONS = {name: RunParameter(kind, required=False) for name, kind in KINDS.items()}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("text=5", "5"),
        ("text=", ""),
        ("text=a=b", "a=b"),
        ("whole=-3", -3),
        ("number=1e-3", 0.001),
        ("number=2", 2.0),
        ("flag=true", True),
        ("flag=False", False),
        ('names=["a"]', ["a"]),
        ('table={"a": 1}', {"a": 1}),
    ],
)
def test_a_value_gets_its_type(text: str, value: object) -> None:
    (parsed,) = parse_parameters([text], DEFINITIONS).values()
    assert parsed == value
    assert type(parsed) is type(value)


def test_the_last_value_of_a_name_wins() -> None:
    assert parse_parameters(["whole=1", "whole=2"], DEFINITIONS) == {"whole": 2}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("whole", "expected key=value"),
        ("=3", "expected key=value"),
        ("whloe=3", "did you mean 'whole'"),
        ("whole=3.5", "expected a whole number, got '3.5'"),
        ("whole=", "expected a whole number"),
        ("number=nan", "expected a finite number"),
        ("number=inf", "expected a finite number"),
        ("flag=1", "expected true or false"),
        ("names={}", "expected a JSON list"),
        ("table=[1", "expected a JSON object"),
        ("final={}", "TASK_FINAL_STATUS"),
    ],
)
def test_a_wrong_value_is_refused(text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_parameters([text], DEFINITIONS)
    assert words in str(caught.value)
    assert "How to fix" in str(caught.value)


def test_a_parameter_without_default_has_to_be_given() -> None:
    definitions = DEFINITIONS | {"needed": RunParameter("STRING", required=True)}
    with pytest.raises(InputError, match="expected a value for needed"):
        parse_parameters(["whole=1"], definitions)
    assert parse_parameters(["needed=x"], definitions) == {"needed": "x"}
