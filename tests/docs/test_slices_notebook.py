"""The notebook's cells, run in order on a real evaluation: TFMA's widgets themselves, no Jupyter.

What a browser draws from them is not looked at here: that needs a notebook's front end.
"""

from __future__ import annotations

import ast
import json

import pandas as pd
import pytest
import tensorflow_model_analysis as tfma
from google.protobuf import text_format
from tensorflow_model_analysis.proto import config_pb2

FEATURES = ("subtype", "size_group", "sharpness_group")


@pytest.fixture(scope="module")
def notebook(repository):
    return json.loads((repository / "docs" / "slices.ipynb").read_text(encoding="utf-8"))


@pytest.fixture
def output(tmp_path):
    """Return an output folder with an older, broken and a newer, real evaluation."""
    (tmp_path / "pipeline" / "Evaluator" / "evaluation" / "9").mkdir(parents=True)
    config = text_format.Parse(
        """
        model_specs { label_key: "label" prediction_key: "probability" }
        slicing_specs {}
        metrics_specs {
          metrics { class_name: "ExampleCount" }
          metrics { class_name: "BinaryAccuracy" }
        }
        """,
        config_pb2.EvalConfig(),
    )
    for feature in FEATURES:
        config.slicing_specs.add().feature_keys.append(feature)
    frame = pd.DataFrame(
        {
            "label": [1, 1, 1, 0],
            "probability": [0.9, 0.8, 0.2, 0.1],
            "subtype": ["viral", "viral", "bacterial", "normal"],
            "size_group": ["under_500_px"] * 4,
            "sharpness_group": ["soft", "soft", "medium", "sharp"],
        }
    )
    folder = tmp_path / "pipeline" / "Evaluator" / "evaluation" / "10"
    tfma.analyze_raw_data(frame, config, output_path=str(folder))
    return tmp_path


def _run(notebook):
    """Run the code cells; return what each one's last expression gives, as Jupyter shows it."""
    names, shown = {}, []
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        tree = ast.parse("".join(cell["source"]))
        last = tree.body[-1]
        if isinstance(last, ast.Expr):
            tree.body.pop()
            exec(compile(tree, "slices.ipynb", "exec"), names)
            shown.append(eval(compile(ast.Expression(last.value), "slices.ipynb", "eval"), names))
        else:
            exec(compile(tree, "slices.ipynb", "exec"), names)
    return [value for value in shown if value is not None]


def test_it_is_a_notebook_without_outputs(notebook):
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert code
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


@pytest.mark.slow
def test_its_cells_make_tfmas_widgets_of_the_newest_evaluation(
    notebook, output, monkeypatch, capsys
):
    monkeypatch.setenv("PNEUMONIA_OUTPUT", str(output))
    widgets = _run(notebook)
    assert "Evaluation 10, 8 slices" in capsys.readouterr().out
    assert {type(widget).__name__ for widget in widgets} == {"SlicingMetricsViewer"}
    assert [sorted(entry["slice"] for entry in widget.data) for widget in widgets] == [
        ["Overall"],
        ["subtype:bacterial", "subtype:normal", "subtype:viral"],
        ["size_group:under_500_px"],
        ["sharpness_group:medium", "sharpness_group:sharp", "sharpness_group:soft"],
    ]


def test_a_folder_without_an_evaluation_is_told(notebook, tmp_path, monkeypatch):
    monkeypatch.setenv("PNEUMONIA_OUTPUT", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="set PNEUMONIA_OUTPUT"):
        _run(notebook)
