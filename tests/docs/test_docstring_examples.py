"""The examples in docstrings of what newcomers call are run as they are written."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest
from PIL import Image

from tests.serving.client import fake_server

EXAMPLES = [
    ("evaluation.operating_point", "choose_operating_point"),
    ("evaluation.gate", "judge"),
    ("serving.push_folder", "push"),
    ("serving.client.api", "Client"),
    ("pipeline.pipeline", "create_pipeline"),
    ("ingestion.conversion", "convert"),
]


@pytest.mark.parametrize(("module_name", "name"), EXAMPLES)
def test_the_example_in_the_docstring_runs(
    module_name: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.linear_gradient("L").save("xray.png")
    module = importlib.import_module(module_name)
    finder = doctest.DocTestFinder(recurse=False)
    with fake_server.serve() as server:
        scope = vars(module) | {"url": server.url, "Path": Path}
        (example,) = finder.find(getattr(module, name), name, globs=scope)
        assert example.examples
        results = doctest.DocTestRunner().run(example)
    assert results.failed == 0
