"""Run parameters against their definitions."""

from __future__ import annotations

from typing import Any

import pytest

from contract.errors import InputError
from tools.kfp_emulator.cluster import Cluster
from tools.kfp_emulator.documents import read_documents
from tools.kfp_emulator.parameters import RunParameter, parse_parameters, resolve_parameters


@pytest.fixture
def definitions(tiny: Any) -> Any:
    tiny.define("push_dir", "STRING", defaultValue="/mnt/data/pushed")
    tiny.define("epochs", "NUMBER_INTEGER", defaultValue=3)
    tiny.define("target", "NUMBER_DOUBLE", defaultValue=0.95)
    tiny.define("strict", "BOOLEAN", defaultValue=True)
    tiny.define("note", "STRING", isOptional=True)
    tiny.add("Work", "")
    return read_documents(tiny.write()).spec.root.input_definitions


def test_given_values_take_the_place_of_defaults(definitions: Any) -> None:
    values = resolve_parameters(definitions, {"epochs": 1, "target": 1, "push_dir": ""})
    assert values["epochs"].number_value == 1
    assert values["target"].number_value == 1
    assert values["push_dir"].string_value == ""
    assert values["strict"].bool_value is True
    assert values["note"].WhichOneof("kind") == "null_value"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("epoch", 1, "got another name; did you mean 'epochs'?"),
        ("epochs", True, "'epochs': expected a number, got True"),
        ("epochs", "1", "'epochs': expected a number, got '1'"),
        ("target", "0.9", "'target': expected a number, got '0.9'"),
        ("strict", 1, "'strict': expected true or false, got 1"),
        ("push_dir", 1, "'push_dir': expected text, got 1"),
    ],
)
def test_unknown_names_and_other_types_are_refused(
    definitions: Any, name: str, value: RunParameter, message: str
) -> None:
    with pytest.raises(InputError) as caught:
        resolve_parameters(definitions, {name: value})
    assert message in str(caught.value)


def test_a_fraction_passes_for_a_whole_number(definitions: Any) -> None:
    assert resolve_parameters(definitions, {"epochs": 2.5})["epochs"].number_value == 2.5


def test_neither_value_nor_default_is_refused(tiny: Any, cluster: Cluster) -> None:
    tiny.define("epochs", "NUMBER_INTEGER")
    tiny.add("Work", "")
    with pytest.raises(InputError, match="'epochs': expected a value or a default, got neither"):
        cluster.run(tiny.write())
    assert cluster.run(tiny.write(), {"epochs": 1}).state == "SUCCEEDED"


def test_texts_of_the_command_line_take_the_type_that_is_defined(definitions: Any) -> None:
    texts = ["epochs=2", "target=0.9", "strict=false", "push_dir=007", "note=a=b", "more=x"]
    assert parse_parameters(definitions, texts) == {
        "epochs": 2,
        "target": 0.9,
        "strict": False,
        "push_dir": "007",
        "note": "a=b",
        "more": "x",
    }


@pytest.mark.parametrize("text", ["epochs", "=1", "epochs=["])
def test_a_text_without_name_or_value_is_refused(definitions: Any, text: str) -> None:
    with pytest.raises(InputError, match="--param"):
        parse_parameters(definitions, [text])
