"""The model card, from artifacts of a run that nobody has made."""

import dataclasses
import json

import pytest
import tensorflow as tf
from markdown_it import MarkdownIt
from tensorflow_model_analysis.proto import metrics_for_slice_pb2, validation_result_pb2

from contract import features
from contract.settings import CandidateSettings, GateSettings, ReportRun, ReportSettings
from evaluation.calibration import Calibration
from evaluation.external import ExternalReport
from evaluation.gate import Evaluation, judge
from evaluation.selection import select
from evaluation.shortcut_separation import find_shortcuts
from evaluation.site_holdout import judge_sites
from evaluation.slice_metrics import OVERALL, slice_metrics_from_counts
from evaluation.training_report import TrainingReport
from ingestion.tfrecord_file import encode_example, write_gzip_records
from report.model_card.card import ModelCard, make_model_card
from report.model_card.markdown import escape_markdown, render_markdown, write_model_card
from report.model_card.origins import NOT_STATED, find_origin
from report.model_card.section import build
from report.page.page import render_page
from report.page.parts import Group, Table
from report.sources import Sources
from tests.evaluation.made_referral import REFERRAL
from tests.report.external.made_sets import make_answers, make_set

PUBLIC_NAMES = ("test/NORMAL/IM-0001-0001.jpeg", "test/PNEUMONIA/person1_virus_6.jpeg")
EVIL = (
    "<script>alert(1)</script> | [x](https://evil.example) *b* `c` $d$\n# e &amp; www.evil.example"
)


def metrics_of(tp, fp, tn, fn, auc):
    return slice_metrics_from_counts(
        tp=tp, fp=fp, tn=tn, fn=fn, auc=auc, mean_probability=0.5, brier=0.1, log_loss=0.3
    )


TEST_SLICES = {
    "subtype=viral": metrics_of(tp=38, fp=0, tn=0, fn=2, auc=None),
    OVERALL: metrics_of(tp=97, fp=6, tn=34, fn=3, auc=0.961),
    "case=decided": metrics_of(tp=90, fp=1, tn=30, fn=1, auc=0.99),
    "case=referred": metrics_of(tp=7, fp=5, tn=4, fn=2, auc=0.7),
}


def make_report(name, **changes):
    report = TrainingReport(
        name=name,
        architecture="cnn_deep",
        num_parameters=123_456,
        num_trainable=123_456,
        candidate=CandidateSettings(
            architecture="cnn_deep", weights="/home/someone/weights.h5", tune=True
        ),
        hyperparameters={"dropout": 0.25},
        seed=11,
        num_epochs=3,
        best_epoch=2,
        history={},
        num_gpus=0,
        num_replicas=1,
        training_s=61.0,
        threshold=0.321,
        target_sensitivity=0.955,
        reaches_target=True,
        calibration=Calibration(),
        calibration_error_before=0.15,
        calibration_error_after=0.05,
        pseudo_sites=(),
        exposure_cuts=(85.0, 170.0),
        referral=REFERRAL,
        validation={OVERALL: metrics_of(tp=99, fp=2, tn=38, fn=1, auc=0.987)},
        stressed={
            "low_resolution_2x": metrics_of(tp=98, fp=10, tn=30, fn=2, auc=0.943),
            "noise": metrics_of(tp=96, fp=20, tn=20, fn=4, auc=0.812),
        },
    )
    return report.model_copy(update=changes)


def write_evaluation(folder):
    """Write the figures of `TEST_SLICES` as TFMA does."""
    with tf.io.TFRecordWriter(str(folder / "metrics-00000-of-00001.tfrecord")) as writer:
        for name, metrics in TEST_SLICES.items():
            record = metrics_for_slice_pb2.MetricsForSlice()
            if name != OVERALL:
                key = record.slice_key.single_slice_keys.add()
                column, _, value = name.partition("=")
                key.column, key.bytes_value = column, value.encode()
            figures = {
                ("", "example_count"): metrics.n,
                ("called_pneumonia", "true_positives"): metrics.tp,
                ("called_pneumonia", "false_positives"): metrics.fp,
                ("called_pneumonia", "true_negatives"): metrics.tn,
                ("called_pneumonia", "false_negatives"): metrics.fn,
                ("probability", "auc"): metrics.auc.value or 0.0,
            }
            for (output, metric), value in figures.items():
                item = record.metric_keys_and_values.add()
                item.key.name, item.key.output_name = metric, output
                item.value.double_value.value = value
            writer.write(record.SerializeToString())
    with tf.io.TFRecordWriter(str(folder / "validations.tfrecord")) as writer:
        result = validation_result_pb2.ValidationResult(validation_ok=True)
        writer.write(result.SerializeToString())


def make_sources(folder, reports, *, names=PUBLIC_NAMES, site="not stated", synthetic=False):
    """Write a run's artifacts, as far as the card reads them; the first report is selected."""
    places = {
        name: folder / name
        for name in (
            *("examples", "schema", "statistics", "anomalies", "data_audit", "transform_graph"),
            *("model", "model_run", "evaluation", "blessing", "records_dir"),
        )
    }
    for place in (*places.values(), places["examples"] / "Split-test"):
        place.mkdir(parents=True)
    records = [encode_example({features.IMAGE_ID: name.encode()}) for name in names]
    write_gzip_records(places["examples"] / "Split-test" / "part.tfrecord.gz", records)
    counts = {"records": 140, "pneumonia": 100, "patients": 131}
    audit = {"splits": dict.fromkeys(features.SPLITS, counts), "failures": []}
    (places["data_audit"] / "data_audit.json").write_text(json.dumps(audit))
    find_shortcuts(
        [{"file_size_bytes": size, "contrast": 1.0} for size in (1.0, 2.0, 3.0, 4.0)],
        [0, 0, 1, 1],
        0.75,
    ).write(places["data_audit"])
    (places["model"] / "Format-Serving").mkdir()
    (places["model"] / "Format-Serving" / "saved_model.pb").write_bytes(b"weights")
    runs = {report.name: folder / f"run-{report.name}" for report in reports}
    for report in reports:
        report.write(runs[report.name] / "training_report.json")
    selection = select(reports[:1])
    (places["model_run"] / "selection.json").write_text(selection.model_dump_json())
    # Forty normal images leave a wide interval.
    lenient = GateSettings(min_specificity_lower_bound=0.6)
    gate = judge(Evaluation(candidate=TEST_SLICES, baseline=None, tfma_ok=True), lenient)
    (places["blessing"] / "gate.json").write_text(gate.model_dump_json())
    write_evaluation(places["evaluation"])
    return Sources(
        run=ReportRun(
            pipeline_name="lungs",
            seed=11,
            image_size_px=96,
            synthetic=synthetic,
            report=ReportSettings(site=site, contact=f"{site}, ward 3"),
        ),
        models={},
        model_runs=runs,
        baseline=None,
        baseline_version=None,
        metadata_file=None,
        **places,
    )


@pytest.fixture
def card(tmp_path):
    return make_model_card(make_sources(tmp_path, [make_report("small")]))


def test_figures_are_those_of_the_artifacts(card):
    assert card.blessed
    assert card.operating_point.threshold == 0.321
    assert list(card.slices) == [OVERALL, "case=decided", "case=referred", "subtype=viral"]
    assert card.slices[OVERALL].recall == TEST_SLICES[OVERALL].recall
    assert card.slices["subtype=viral"].specificity.value is None
    assert card.data.splits["test"].patients == 131
    assert card.training.hyperparameters == {"small": {"dropout": 0.25}}
    assert "123,456 parameters" in card.training.recipes["small"]
    assert card.shortcuts.strong[0].name == "file_size_bytes"
    assert set(card.stressed) == {"low_resolution_2x", "noise"}


def test_what_is_left_to_a_radiologist_is_told_of_both_splits(card):
    coverage = card.operating_point.coverage
    assert list(coverage) == ["validation", "test"]
    assert (coverage["validation"].num_unfamiliar, coverage["validation"].num_uncertain) == (3, 15)
    assert coverage["test"].share.value == pytest.approx(122 / 140)
    assert coverage["test"].decided.recall.value == pytest.approx(90 / 91)
    assert "at least 0.2 and less than 0.6 is uncertain" in card.operating_point.referral
    text = render_markdown(card)
    assert "| validation | 120 | 0.850" in text
    assert "| test | 140 | 0.871" in text


def test_what_is_known_of_other_sites_has_this_runs_figures(card):
    text = " ".join(card.shift)
    assert "recall 0.990" in text  # on validation
    assert "recall 0.970" in text  # on test
    assert "file size bytes, has an AUC of 1.000" in text
    # Two stresses: recalls .98 and .96, specificities .75 and .5; noise has the lower AUC.
    assert "mean recall is 0.970 and its mean specificity 0.625" in text
    assert "noise: recall 0.960" in text


def test_the_worst_pseudo_sites_are_named(tmp_path):
    groups = {"sharpness": ["soft"] * 90 + ["sharp"] * 90}
    sites = judge_sites([1, 0] * 90, [0.9, 0.4] * 45 + [0.6, 0.1] * 45, 0.3, groups, lambda _: 0.7)
    card = make_model_card(make_sources(tmp_path, [make_report("small", pseudo_sites=sites)]))
    told = card.shift[-1]
    assert "specificity 0.000 (0.000 to 0.079) on the images of sharpness soft" in told
    assert "recall with a threshold chosen without it 0.000 (0.000 to 0.079) on" in told
    assert "chosen without it 0.000 (0.000 to 0.079) on the images of sharpness sharp" in told
    assert "specificity with a threshold chosen without it 1.000" in told


def test_limits_say_what_the_figures_rest_on(card):
    text = " ".join(card.limits)
    assert "140 images of 131 patients, 100 of them with pneumonia" in text
    assert "0.714 of the test images" in text
    assert "96 x 96 pixels" in text
    assert "refused" not in text
    assert "subtype=bacterial" in text  # the gate found no such slice to judge


def test_a_refused_model_that_misses_its_target_says_so_first(tmp_path):
    sources = make_sources(tmp_path, [make_report("small", reaches_target=False)], synthetic=True)
    refusing = judge(
        Evaluation(candidate=TEST_SLICES, baseline=None, tfma_ok=True),
        GateSettings(min_specificity=0.9),
    )
    (sources.blessing / "gate.json").write_text(refusing.model_dump_json())
    card = make_model_card(sources)
    assert not card.blessed
    assert "Specificity" in card.refusals[0]
    for word, sentence in zip(("drawn", "refused", "target"), card.limits[:3], strict=True):
        assert word in sentence
    assert card.data.origin.licence == "none needed: no person was X-rayed"
    assert "**SYNTHETIC DATA." in render_markdown(card)


def test_external_sets_stand_apart_and_name_no_folder_or_file(tmp_path):
    sources = make_sources(tmp_path, [make_report("small")])
    assert make_model_card(sources).external == {}
    assert "Outside the training data" not in render_markdown(make_model_card(sources))
    normals = make_set(make_answers([0] * 8, verdicts=None, unfamiliar=None))
    sets = {"adults": make_set(rejected=["a_name.png"]), "normals": normals}
    ExternalReport(sets=sets).write(tmp_path / "external")
    sources = dataclasses.replace(sources, external_evaluation=tmp_path / "external")
    card = make_model_card(sources)
    assert card.external["adults"].metrics == sets["adults"].metrics
    assert card.external["adults"].num_rejected == 1
    assert card.external["normals"].mean_probability["pneumonia"] is None
    text = render_markdown(card)
    html = MarkdownIt("commonmark").enable("table").render(text)
    assert "<h2>Outside the training data</h2>" in html
    assert "<td>adults</td>" in html
    assert "of the 6 decided, recall 0.667" in html
    assert "not measured, the model has no such output" in html
    assert "<td>undefined</td>" in html
    assert html.count("<table>") == 6
    assert "|" not in html
    assert "judged separately (adults, normals)" in " ".join(card.limits)
    assert "there is no test on images of another site" not in text
    for told in (text, card.model_dump_json()):
        assert "/data/adults" not in told
        assert "a_name" not in told
    groups = [part.title for part in build(sources).parts if isinstance(part, Group)]
    assert "Outside the training data" in groups


def test_an_ensembles_members_are_described(tmp_path):
    members = [make_report("one"), make_report("two")]
    ensemble = make_report(
        "ensemble",
        architecture="ensemble",
        candidate=None,
        members=("one", "two"),
        hyperparameters={},
        stressed={},
    )
    card = make_model_card(make_sources(tmp_path, [ensemble, *members]))
    assert list(card.training.recipes) == ["one", "two"]
    assert "not tried on degraded images" in card.shift[-1]


def test_the_licence_of_pretrained_weights_is_told(tmp_path):
    network = CandidateSettings(architecture="efficientnet_lite0", weights="package")
    members = [make_report("own"), make_report("tuned", candidate=network)]
    ensemble = make_report(
        "ensemble", architecture="ensemble", candidate=None, members=("own", "tuned")
    )
    sources = make_sources(tmp_path, [ensemble, *members])
    card = make_model_card(sources)
    (told,) = card.data.weights
    assert "Apache License 2.0" in told
    assert "Pretrained weights: efficientnet" in render_markdown(card).replace("\\", "")
    groups = {part.title: part for part in build(sources).parts if isinstance(part, Group)}
    assert card.data.weights in [
        getattr(part, "items", None) for part in groups["Data and licence"].parts
    ]


def test_a_model_from_scratch_has_no_weights_of_others(card):
    assert card.data.weights == ()
    assert "Pretrained weights" not in render_markdown(card)


def test_the_card_tells_no_folder_of_the_machine_that_made_it(card, tmp_path):
    for text in (card.model_dump_json(), render_markdown(card)):
        assert str(tmp_path) not in text
        assert "someone" not in text
    assert card.training.settings["small"]["weights"] == "weights.h5"


@pytest.mark.parametrize(
    ("names", "licence"),
    [(PUBLIC_NAMES, "CC BY 4.0"), (("1.png", PUBLIC_NAMES[0]), NOT_STATED), ((), NOT_STATED)],
)
def test_the_public_set_is_recognised_by_its_names(names, licence):
    origin = find_origin(None, names, synthetic=False)
    assert origin.licence == licence
    assert ("Kermany" in origin.citation) == (licence == "CC BY 4.0")
    assert find_origin(None, names, synthetic=True).licence.startswith("none needed")


def test_the_json_is_the_card_and_the_markdown_its_tables(card, tmp_path):
    write_model_card(card, tmp_path / "report")
    text = (tmp_path / "report" / "model_card.json").read_text(encoding="utf-8")
    assert ModelCard.model_validate_json(text) == card
    page = (tmp_path / "report" / "model_card.md").read_text(encoding="utf-8")
    html = MarkdownIt("commonmark").enable("table").render(page)
    assert "<td>subtype=viral</td>" in html
    assert "0.950 (0.835 to 0.986)" in html
    assert "<h1>Model card: lungs, small</h1>" in html
    # Every table has come out as one, every list as one.
    assert html.count("<table>") == 5
    assert "|" not in html
    assert html.count("<h2>") == 10


def test_no_text_becomes_markup(tmp_path):
    plain = make_model_card(make_sources(tmp_path / "a", [make_report("small")], site="here"))
    evil = make_model_card(make_sources(tmp_path / "b", [make_report("small")], site=EVIL))
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    kinds = [
        [
            (token.type, [child.type for child in token.children or []])
            for token in parser.parse(render_markdown(card))
        ]
        for card in (plain, evil)
    ]
    assert kinds[0] == kinds[1]
    html = parser.render(render_markdown(evil))
    assert "&lt;script&gt;alert(1)&lt;/script&gt; | [x](https://evil.example) *b* `c` $d$" in html


@pytest.mark.parametrize(
    "text",
    [
        *("- a", "+ a", "-", "---", "===", "1. a", "12) a", "# a", "> a", "    code", "~~a~~"),
        *("a\n\n- b", "a\\", "![a](b)", "&copy;", "0.95", "-0.1", "person_1_virus_2.jpeg", EVIL),
    ],
)
def test_escaped_text_reads_as_it_was(text):
    parser = MarkdownIt("commonmark")
    for before in ("", "- "):
        block = parser.render(before + escape_markdown(text))
        shown = block.removeprefix("<ul>\n<li>").removeprefix("<p>").split("</")[0].strip()
        if "script" not in text:
            assert shown == " ".join(text.split()).replace("&", "&amp;").replace(">", "&gt;")
        assert "<script" not in block


def test_addresses_do_not_link_themselves():
    escaped = escape_markdown("https://evil.example and www.evil.example and a@evil.example")
    assert "://" not in escaped
    assert "www." not in escaped
    assert "a@" not in escaped
    shown = MarkdownIt("commonmark").render(escaped)
    assert shown == "<p>https://evil.example and www.evil.example and a@evil.example</p>\n"


def test_turned_text_is_shown_as_such():
    assert escape_markdown("scan\u202egnp.exe") == "scan\ufffdgnp.exe"


def test_the_section_holds_the_card(tmp_path):
    sources = make_sources(tmp_path, [make_report("small")], site=EVIL)
    section = build(sources)
    assert (section.anchor, section.title) == ("model-card", "Model card")
    groups = {part.title: part for part in section.parts if isinstance(part, Group)}
    assert list(groups) == [
        *("Intended use", "Data and licence", "Training", "Operating point"),
        *("Figures by slice", "Limits", "Other sites"),
    ]
    (slices,) = groups["Figures by slice"].parts
    assert isinstance(slices, Table)
    names = [OVERALL, "case=decided", "case=referred", "subtype=viral"]
    assert [row[0] for row in slices.rows] == names
    page = render_page("A title", "", [section], synthetic=False)
    assert "could not be made" not in page
    assert "<script" not in page


def test_without_shortcuts_the_card_says_so(tmp_path):
    sources = make_sources(tmp_path, [make_report("small", stressed={})])
    (sources.data_audit / "shortcuts.json").unlink()
    card = make_model_card(sources)
    assert card.shortcuts is None
    assert any("measured no shortcuts" in sentence for sentence in card.shift)
    assert not any(
        isinstance(inner, Group)
        for part in build(sources).parts
        if isinstance(part, Group)
        for inner in part.parts
    )
