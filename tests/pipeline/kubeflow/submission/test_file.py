"""Reading a compiled file before anything is sent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from contract.errors import InputError
from pipeline.kubeflow.submission.file import read_pipeline

Change = Callable[[list[Any]], object]


def test_names_types_and_tasks_are_read(compiled: Path) -> None:
    pipeline = read_pipeline(compiled)
    assert pipeline.name == "pneumonia"
    assert pipeline.tasks == {"ImportExampleGen", "Trainer-small", "Verdict", "RunSummary"}
    assert pipeline.dags == {"root", "tfx-dag"}
    kinds = {name: known.kind for name, known in pipeline.parameters.items()}
    assert kinds == {
        "data_dir": "STRING",
        "epochs": "NUMBER_INTEGER",
        "gate_min_recall": "NUMBER_DOUBLE",
        "strict": "BOOLEAN",
    }
    assert not any(known.required for known in pipeline.parameters.values())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda documents: documents.pop(), "expected two YAML documents"),
        (lambda documents: documents.append({}), "got 3"),
        (lambda documents: documents[0].update(schemaVersion="2.0.0"), "got '2.0.0'"),
        (lambda documents: documents[0].pop("schemaVersion"), "got None"),
        (lambda documents: documents[0].pop("pipelineInfo"), "expected pipelineInfo.name"),
        (lambda documents: documents[0].update(root={}), "expected root.dag.tasks"),
        (lambda documents: documents[1].clear(), "expected platforms"),
        (lambda documents: documents[0].update(root="text"), "expected root.dag.tasks"),
    ],
)
def test_another_kind_of_file_is_refused(compiled: Path, change: Change, words: str) -> None:
    documents = list(yaml.safe_load_all(compiled.read_text()))
    change(documents)
    compiled.write_text(yaml.safe_dump_all(documents))
    with pytest.raises(InputError) as caught:
        read_pipeline(compiled)
    assert words in str(caught.value)
    assert "kubeflow/compile.py" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("absent.yaml", None, "No such file"),
        ("pipeline.json", b"{}", "ends in .yaml"),
        ("broken.yaml", b"a: [", "expected YAML"),
        ("binary.yaml", b"\xff\xfe\x00", "expected YAML"),
        ("large.yaml", b"# " + b"x" * 32 * 1024**2, "expected at most 33,554,432 bytes"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(
    tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_pipeline(tmp_path / name)
