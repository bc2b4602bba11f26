"""Lineage, from a metadata store that is written as TFX writes it."""

import dataclasses

import pytest

from contract.settings import ReportRun, ReportSettings
from report.lineage import build, relative_place, trace_lineage
from report.page.page import render_page
from report.page.parts import Group, Table, Text
from report.sources import Sources
from serving.push_folder import content_digest
from tests.report.made_store import FAILED, READ, RUNNING, WROTE, Store


@pytest.fixture
def output(tmp_path):
    folder = tmp_path / "someone" / "output"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def store(output):
    return Store(output)


@pytest.fixture
def sources(output):
    (output / "examples" / "Split-test").mkdir(parents=True)
    (output / "examples" / "Split-test" / "records.gz").write_bytes(b"records")
    model = output / "pipeline" / "Selector" / "model" / "9"
    (model / "Format-Serving").mkdir(parents=True)
    (model / "Format-Serving" / "saved_model.pb").write_bytes(b"weights")
    folders = {
        name: output / name
        for name in (
            *("examples", "schema", "statistics", "anomalies", "data_audit", "transform_graph"),
            *("model_run", "evaluation", "blessing", "records_dir"),
        )
    }
    settings = ReportSettings()
    return Sources(
        run=ReportRun(
            pipeline_name="lungs", seed=1, image_size_px=64, synthetic=False, report=settings
        ),
        models={},
        model_runs={},
        model=model,
        baseline=None,
        baseline_version=None,
        metadata_file=output / "metadata.sqlite",
        **folders,
    )


def test_no_folder_of_a_machine_is_told(output):
    assert relative_place(str(output / "pipeline" / "Gen" / "x" / "1"), output) == (
        "pipeline/Gen/x/1"
    )
    assert relative_place("/home/someone/lungs/Gen/x/1", output) == "…/Gen/x/1"
    assert relative_place("/home/someone/lungs/Gen/x/1", None) == "…/Gen/x/1"
    assert relative_place("s3://bucket/lungs/Gen/x/1", output) == "…/Gen/x/1"


def test_hashes_follow_the_content(sources, store):
    store.execution("Gen")
    before = trace_lineage(sources)
    assert before.model_digest == content_digest(sources.model / "Format-Serving")
    assert trace_lineage(sources) == before
    (sources.model / "Format-Serving" / "saved_model.pb").write_bytes(b"other weights")
    (sources.examples / "Split-test" / "records.gz").write_bytes(b"other records")
    after = trace_lineage(sources)
    assert after.model_digest != before.model_digest
    assert after.records_digest != before.records_digest
    assert after.code_digest == before.code_digest
    assert {"tfx", "tensorflow", "keras", "apache-beam", "keras-tuner"} < before.packages.keys()
    assert before.data_fingerprint is None  # no card was written


def test_the_section_tells_the_run_and_no_folder_of_this_machine(sources, store, output):
    model = store.artifact(output / "pipeline" / "Trainer" / "model" / "2")
    store.execution("Trainer", (model, "model", WROTE), code="c0de", state=FAILED)
    store.execution("Report", (model, "model", READ), state=RUNNING)
    section = build(sources)
    hashes, versions, text, nodes, group = section.parts
    assert isinstance(text, Text)
    assert "run-1" in text.text
    assert all(isinstance(part, Table) for part in (hashes, versions, nodes))
    assert [row[0].text for row in nodes.rows] == ["Trainer", "Report"]
    assert nodes.rows[0][1].tone == "bad"
    assert isinstance(group, Group)
    (artifacts,) = group.parts
    (row,) = artifacts.rows
    assert (row[0].text, *row[1:]) == ("pipeline/Trainer/model/2", "Trainer", "Report")
    page = render_page("A title", "", [section], synthetic=False)
    assert str(output) not in page
    assert "someone" not in page


@pytest.mark.parametrize("metadata_file", [None, "absent.sqlite"])
def test_where_the_store_is_out_of_reach_it_says_so(sources, output, metadata_file):
    place = output / metadata_file if metadata_file else None
    lineage = trace_lineage(dataclasses.replace(sources, metadata_file=place))
    assert lineage.stored_run is None
    assert ("service" if place is None else "Cannot connect") in lineage.store_problem
    assert lineage.folders["model"] == "…/Selector/model/9"
    assert "baseline" not in lineage.folders
    assert place is None or not place.exists()
    section = build(dataclasses.replace(sources, metadata_file=place))
    _, _, text, folders = section.parts
    assert text.tone == "warning"
    assert lineage.store_problem in text.text
    assert ("model", "…/Selector/model/9") in folders.rows
