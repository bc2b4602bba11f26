import base64
import io
import re

import pandas as pd
import pytest
import tensorflow_data_validation as tfdv
from PIL import Image
from tensorflow_metadata.proto.v0 import anomalies_pb2

from contract import features
from evaluation.shortcut_separation import find_shortcuts
from evaluation.split_differences import SplitDifference, SplitDifferences
from ingestion.dataset_card import write_card
from report.data.section import build
from report.page.page import render_page
from report.page.parts import Failure, Gallery, Table, Text
from tests.report.data.made_cards import make_data_card
from tests.report.made_records import make_facts, write_split
from tests.report.made_sources import flatten, make_sources, texts_of

EVIL = '<img src=x onerror="alert(1)">.png'


def make_splits():
    subtypes = ("normal", "normal", "bacterial", "viral", "bacterial", "normal")
    return {
        split: [
            make_facts(f"{split} {number}", subtype, width=40 + 10 * number)
            for number, subtype in enumerate(subtypes)
        ]
        for split in features.SPLITS
    }


ALIKE = (
    SplitDifference(
        first="train", second="validation", label="normal", n_first=957, n_second=202,
        auc=0.476, low=0.432, high=0.52, leading_feature="contrast", leading_auc=0.534,
    ),
    SplitDifference(
        first="train", second="test", label="normal", n_first=957, n_second=12
    ),
)  # fmt: skip


@pytest.fixture
def write_run(tmp_path):
    """Write what the section reads; the card only where one is given."""

    def write(splits=None, card=None, anomaly="", **options):
        replaced = options.pop("replaced", {})
        differences = options.pop("differences", ALIKE)
        sources = make_sources(tmp_path, **options)
        for split, records in (splits or make_splits()).items():
            write_split(sources.records(split), records, **replaced)
            (sources.statistics / f"Split-{split}").mkdir(parents=True)
            frame = pd.DataFrame({"height": [record.height for record in records]})
            statistics = tfdv.generate_statistics_from_dataframe(frame, n_jobs=1)
            path = sources.statistics / f"Split-{split}" / "FeatureStats.pb"
            path.write_bytes(statistics.SerializeToString())
            found = anomalies_pb2.Anomalies()
            if anomaly:
                found.anomaly_info["height"].description = anomaly
            (sources.anomalies / f"Split-{split}").mkdir(parents=True)
            path = sources.anomalies / f"Split-{split}" / "SchemaDiff.pb"
            path.write_bytes(found.SerializeToString())
        sources.data_audit.mkdir()
        measured = [{"contrast": value, "mean_grey": 1.0} for value in (1.0, 2.0, 3.0, 4.0)]
        find_shortcuts(measured, [0, 0, 1, 1], 0.75).write(sources.data_audit)
        SplitDifferences(warning_auc=0.65, differences=differences).write(sources.data_audit)
        if card is not None:
            sources.records_dir.mkdir()
            write_card(card, sources.records_dir)
        return sources

    return write


def tables_of(section):
    return {part.columns[0]: part for part in flatten(section.parts) if isinstance(part, Table)}


def texts_in(section):
    return [part.text for part in flatten(section.parts) if isinstance(part, Text)]


def pictures_of(section):
    galleries = [part for part in flatten(section.parts) if isinstance(part, Gallery)]
    return [picture for gallery in galleries for picture in gallery.pictures]


def test_the_counts_are_those_of_the_records(write_run):
    section = build(write_run())
    assert (section.anchor, section.title) == ("data", "Data")
    rows = texts_of(tables_of(section)["Split"])
    assert rows[0] == ["train", "6", "6", "3", "3", "2", "1", "0"]
    assert rows[3] == ["all", "18", "18", "9", "9", "6", "3", "0"]
    assert not [part for part in flatten(section.parts) if isinstance(part, Failure)]


def test_samples_of_each_class_are_shown_small(write_run):
    splits = make_splits()
    splits["train"].append(make_facts("large", "unknown", width=600, height=300))
    section = build(write_run(splits, sample_images=50))
    samples = [picture for picture in pictures_of(section) if picture.caption]
    assert sorted(picture.caption for picture in samples) == sorted(
        record.image_id for record in splits["train"]
    )
    large = next(picture for picture in samples if picture.caption == "large")
    assert large.alt == "Chest X-ray large of train, pneumonia, cause unknown, 600 by 300 px."
    content = base64.b64decode(large.source.partition(",")[2])
    assert Image.open(io.BytesIO(content)).size == (192, 96)


def test_a_sample_that_cannot_be_decoded_leaves_the_others(write_run):
    section = build(write_run(sample_images=50, replaced={"train 3": b"no image"}))
    (failure,) = (part for part in flatten(section.parts) if isinstance(part, Failure))
    assert failure.what == "The sample train 3"
    assert len([picture for picture in pictures_of(section) if picture.caption]) == 5


def test_without_a_card_the_section_says_so_and_goes_on(write_run):
    section = build(write_run(card=None))
    assert sum("without a dataset card" in text for text in texts_in(section)) == 3
    assert len(tables_of(section)["Split"].rows) == 4


def test_a_damaged_card_costs_only_its_own_parts(write_run):
    sources = write_run(card=make_data_card())
    (sources.records_dir / "dataset_card.json").write_text("{}")
    section = build(sources)
    assert any("card cannot be read" in text for text in texts_in(section))
    failures = [part.what for part in flatten(section.parts) if isinstance(part, Failure)]
    assert failures == ["The rejected images", "The duplicates"]


def test_records_that_cannot_be_read_cost_only_their_own_parts(write_run):
    sources = write_run(card=make_data_card())
    for path in sources.records("test").iterdir():
        path.write_bytes(b"no records")
    section = build(sources)
    failures = {part.what for part in flatten(section.parts) if isinstance(part, Failure)}
    assert failures >= {"The counts", "The samples", "The search for leaks"}
    assert "Feature alone" in tables_of(section)
    assert "No image was rejected." in texts_in(section)


def test_clean_splits_are_told_as_such(write_run):
    section = build(write_run())
    assert "No patient and no picture is in two splits." in texts_in(section)
    assert [row[1:] for row in texts_of(tables_of(section)["Splits"])] == [["none", "none"]] * 3


def test_leaks_are_named(write_run):
    splits = make_splits()
    splits["test"].append(make_facts("copy", patient_id="p", pixel_sha256="pixels of train 1"))
    splits["train"].append(make_facts("other", patient_id="p"))
    section = build(write_run(splits))
    assert any("figures on them are too good" in text for text in texts_in(section))
    row = tables_of(section)["Splits"].rows[1]
    assert row[0] == "train and test"
    assert [(cell.text, cell.detail, cell.tone) for cell in row[1:]] == [
        ("1", "p", "bad"),
        ("1", "train 1 = copy", "bad"),
    ]


def test_strong_shortcuts_are_warned_of(write_run):
    section = build(write_run())
    assert "Strong (AUC of 0.75 or more): contrast." in texts_in(section)
    rows = texts_of(tables_of(section)["Feature alone"])
    assert rows == [
        ["contrast", "1.000", "higher", "strong"],
        ["mean grey", "0.500", "the same", "weak"],
    ]


def test_splits_that_look_alike_are_said_to(write_run):
    section = build(write_run())
    assert "No AUC reaches 0.65: the splits are alike." in texts_in(section)
    assert texts_of(tables_of(section)["Compared"]) == [
        ["train and validation", "normal", "957 and 202", "0.476", "contrast", "alike"],
        ["train and test", "normal", "957 and 12", "–", "", "too few patients"],
    ]


def test_too_few_patients_are_no_sign_of_likeness(write_run):
    told = texts_in(build(write_run(differences=ALIKE[1:])))
    assert "Inconclusive: too few patients to compare the splits." in told
    assert not any("are alike." in text and "No AUC" in text for text in told)


def test_a_split_that_was_made_differently_is_warned_of(write_run):
    changed = {"second": "test", "auc": 0.912, "low": 0.9, "high": 0.93, "strong": True}
    section = build(write_run(differences=(ALIKE[0].model_copy(update=changed),)))
    assert any(
        text.startswith("The splits differ (AUC of 0.65 or more): train and test (normal).")
        for text in texts_in(section)
    )


def test_statistics_are_folded_and_anomalies_are_told(write_run):
    section = build(write_run(anomaly="Out of range."))
    folded = [part for part in flatten(section.parts) if getattr(part, "folded", False)]
    (statistics,) = (part for part in folded if part.title == "Statistics of every feature")
    assert texts_of(statistics.parts[0]) == [["height", "6", "0", "from 30 to 30, median 30"]]
    items = [getattr(part, "items", ()) for part in flatten(section.parts)]
    (told,) = (each for each in items if each)
    assert len(told) == 3
    assert "Split `train`, feature `height`: Out of range." in told[0]


def test_without_anomalies_none_is_said(write_run):
    assert "Anomalies against the schema in train, validation, test: none." in texts_in(
        build(write_run())
    )


def test_names_of_files_cannot_inject_markup(write_run):
    splits = make_splits()
    splits["train"] = [make_facts(EVIL, "viral"), make_facts("normal")]
    card = make_data_card(rejected=[(EVIL, EVIL)])
    page = render_page("A run", "", [build(write_run(splits, card=card))], synthetic=True)
    assert "<img src=x" not in page
    assert page.count("&lt;img src=x onerror=") >= 4  # caption, alternative text, image, reason
    assert set(re.findall(r'<img src="([a-z/+]*:[a-z]*)', page)) == {"data:image"}
