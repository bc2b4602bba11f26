"""The command that prints the slices, on a store and an evaluation as TFX and TFMA write them."""

from __future__ import annotations

import csv
import io
import shutil

import pytest
import tensorflow as tf
from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2
from rich.console import Console
from tensorflow_model_analysis.proto import metrics_for_slice_pb2, validation_result_pb2

from contract.command_line import EXIT_BAD_INPUT, EXIT_DONE
from contract.plain_path import plain_path
from contract.settings import GateSettings, MetadataSettings
from evaluation.gate import REPORT_FILE, judge
from evaluation.tfma_results import read_evaluation
from pipeline.metadata_store import connection_config
from pipeline.slice_report import main, slices_table


def _slice(counts, **where):
    tp, fp, tn, fn = counts
    record = metrics_for_slice_pb2.MetricsForSlice()
    for column, value in where.items():
        key = record.slice_key.single_slice_keys.add()
        key.column, key.bytes_value = column, value.encode()
    figures = {
        ("", "example_count"): tp + fp + tn + fn,
        ("called_pneumonia", "true_positives"): tp,
        ("called_pneumonia", "false_positives"): fp,
        ("called_pneumonia", "true_negatives"): tn,
        ("called_pneumonia", "false_negatives"): fn,
        ("probability", "auc"): 0.97,
    }
    for (output, name), value in figures.items():
        item = record.metric_keys_and_values.add()
        item.key.output_name, item.key.name = output, name
        item.value.double_value.value = value
    return record


def _write_evaluation(folder):
    folder.mkdir(parents=True)
    with tf.io.TFRecordWriter(str(folder / "metrics-00000-of-00001.tfrecord")) as writer:
        for record in (
            _slice((95, 5, 45, 5)),
            _slice((60, 0, 0, 4), subtype="viral"),
            _slice((20, 0, 0, 0), subtype="[red]odd[/red]"),
        ):
            writer.write(record.SerializeToString())
    with tf.io.TFRecordWriter(str(folder / "validations.tfrecord")) as writer:
        result = validation_result_pb2.ValidationResult(validation_ok=True)
        writer.write(result.SerializeToString())
    return folder


class _Run:
    """Writes a run into a metadata store."""

    def __init__(self, output, pipeline="pneumonia"):
        connection = connection_config(MetadataSettings(), output / "metadata.sqlite")
        self._store, self._pipeline = MetadataStore(connection), pipeline

    def add(self, node, name, path):
        store = self._store
        artifact_type = store.put_artifact_type(metadata_store_pb2.ArtifactType(name="Any"))
        execution_type = store.put_execution_type(metadata_store_pb2.ExecutionType(name=node))
        (artifact,) = store.put_artifacts(
            [metadata_store_pb2.Artifact(type_id=artifact_type, uri=str(path))]
        )
        (execution,) = store.put_executions([metadata_store_pb2.Execution(type_id=execution_type)])
        event = metadata_store_pb2.Event(
            artifact_id=artifact, execution_id=execution, type=metadata_store_pb2.Event.OUTPUT
        )
        event.path.steps.add().key = name
        store.put_events([event])
        contexts = {
            "pipeline": self._pipeline,
            "pipeline_run": f"{self._pipeline}-run",
            "node": f"{self._pipeline}.{node}",
        }
        store.put_attributions_and_associations(
            [],
            [
                metadata_store_pb2.Association(
                    context_id=self._context(kind, value), execution_id=execution
                )
                for kind, value in contexts.items()
            ],
        )

    def _context(self, kind, name):
        found = self._store.get_context_by_type_and_name(kind, name)
        if found is not None:
            return found.id
        type_id = self._store.put_context_type(metadata_store_pb2.ContextType(name=kind))
        context = metadata_store_pb2.Context(type_id=type_id, name=name)
        return self._store.put_contexts([context])[0]


def _add_evaluated_run(output, pipeline="pneumonia"):
    evaluation = _write_evaluation(output / pipeline / "evaluation")
    blessing = output / pipeline / "blessing"
    blessing.mkdir()
    report = judge(read_evaluation(str(evaluation)), GateSettings())
    (blessing / REPORT_FILE).write_text(report.model_dump_json(), encoding="utf-8")
    run = _Run(output, pipeline)
    run.add("Evaluator", "evaluation", evaluation)
    run.add("ModelGate", "blessing", blessing)


@pytest.fixture
def output(tmp_path):
    _add_evaluated_run(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_a_run_in_a_folder_with_an_odd_name_is_read_also_without_its_link(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    odd = tmp_path / "out [1]"
    odd.mkdir()
    _add_evaluated_run(plain_path(odd))
    shutil.rmtree(tmp_path / "cache")
    assert main([str(odd), "--csv"]) == EXIT_DONE
    assert "overall" in capsys.readouterr().out


def test_the_table_is_printed(output, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main([str(output)]) == EXIT_DONE
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 80
    lines = [line.split() for line in printed.splitlines()]
    assert ["overall", "150", "100", "0.950", "0.900", "0.970", "fail"] in lines
    assert ["subtype", "64", "64", "0.938", "–", "–", "pass"] in lines
    assert ["subtype", "0", "0", "–", "–", "–", "too", "small"] in lines
    assert "[red]odd[/red]" in printed
    assert "Too small: the slice has fewer pneumonia images" in printed


def test_csv_is_printed_alone(output, capsys):
    assert main([str(output), "--csv"]) == EXIT_DONE
    rows = {row["slice"]: row for row in csv.DictReader(io.StringIO(capsys.readouterr().out))}
    assert rows["subtype=viral"]["recall"] == "0.937500"
    assert rows["subtype=unknown"]["gate"] == "too small"
    assert rows["subtype=[red]odd[/red]"]["gate"] == "not judged"


def test_reading_leaves_the_store_as_it_was(output):
    before = (output / "metadata.sqlite").read_bytes()
    assert main([str(output), "--csv"]) == EXIT_DONE
    assert (output / "metadata.sqlite").read_bytes() == before


def test_one_of_several_pipelines_has_to_be_named(output, capsys):
    _add_evaluated_run(output, "another")
    assert main([str(output)]) == EXIT_BAD_INPUT
    assert "got another, pneumonia. Choose one with --pipeline NAME" in capsys.readouterr().err
    assert main([str(output), "--pipeline", "another"]) == EXIT_DONE


@pytest.mark.parametrize(
    ("break_it", "told"),
    [
        (lambda folder: None, "expected metadata.sqlite in"),
        (lambda folder: (folder / "metadata.sqlite").write_text("no store"), "a metadata store"),
        (
            lambda folder: _Run(folder).add("Trainer", "model", folder),
            "expected the output Evaluator.evaluation, got only ['Trainer.model']",
        ),
        (
            lambda folder: _Run(folder).add("Evaluator", "evaluation", folder / "moved"),
            "the store keeps absolute paths",
        ),
    ],
)
def test_what_cannot_be_read_is_told_in_one_line(tmp_path, capsys, break_it, told):
    break_it(tmp_path)
    assert main([str(tmp_path)]) == EXIT_BAD_INPUT
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("Cannot show the slices: ")
    assert told in printed.err
    assert "output folder" in printed.err


def test_an_unknown_pipeline_is_told(output, capsys):
    assert main([str(output), "--pipeline", "other"]) == EXIT_BAD_INPUT
    assert "expected a run of pipeline 'other'" in capsys.readouterr().err


def test_a_missing_folder_is_not_made(tmp_path, capsys):
    assert main([str(tmp_path / "nothing")]) == EXIT_BAD_INPUT
    assert not (tmp_path / "nothing").exists()


def test_the_gates_word_is_coloured_beside_being_said(output):
    from pipeline.slice_reading import read_slices

    console = Console(record=True, width=90, force_terminal=True, file=io.StringIO())
    console.print(slices_table(read_slices(output)))
    assert "\x1b[1;31mfail" in console.export_text(styles=True)
