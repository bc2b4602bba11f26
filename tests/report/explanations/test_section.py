"""Explanations of two small trained-looking networks over Transform's real graph."""

from __future__ import annotations

import dataclasses
import logging
import re

import keras
import numpy as np
import pytest

from contract import features
from contract.progress import LOGGER_NAME, Progress
from contract.settings import CandidateSettings, ReportSettings
from evaluation.selection import SELECTION_FILE, select
from evaluation.training_report import NETWORK_FILE, REPORT_FILE
from ingestion.tfrecord_file import write_gzip_records
from models.architectures import build_network
from report.explanations import section as explanations
from report.page.parts import Failure, Gallery, Group, Table, Text
from report.served_predictions import Predictions
from tests.models.conftest import IMAGE_SIZE_PX, TinySet, tiny_set  # noqa: F401 - a fixture
from tests.report.made_reports import make_report
from tests.report.made_sources import flatten, make_sources, texts_of

pytestmark = pytest.mark.slow

# Of the tiny set's first six images: two hits, a miss, a false alarm, two normal ones.
LABELS = np.array([0, 1, 0, 1, 0, 1])
PROBABILITIES = np.array([0.7, 0.9, 0.1, 0.2, 0.1, 0.8])
NUM_EXPLAINED = 4  # at two of each kind
BLURRING = "Without detail: the answers to blurred images"


@pytest.fixture(scope="module")
def make_sources_of(tmp_path_factory, tiny_set: TinySet):  # noqa: F811
    def make(
        names=("ann_small", "cnn_baseline"),
        explained_images=2,
        probabilities=PROBABILITIES,
        blurred_images=100,
        bias=0.0,
    ):
        tmp_path = tmp_path_factory.mktemp("sources")
        reports = []
        for seed, name in enumerate(names):
            keras.utils.set_random_seed(seed)
            settings = CandidateSettings(architecture=name, normalisation="none")
            report = make_report(name, candidate=settings, threshold=0.5)
            report.write(tmp_path / name / REPORT_FILE)
            network = build_network(settings, IMAGE_SIZE_PX)
            kernel, _ = network.layers[-1].get_weights()
            network.layers[-1].set_weights([kernel, np.array([bias])])
            network.save(tmp_path / name / NETWORK_FILE)
            reports.append(report)
        sources = make_sources(
            tmp_path,
            model_runs={name: tmp_path / name for name in names},
            transform_graph=tiny_set.transform_graph_path,
        )
        sources.model_run.mkdir(exist_ok=True)
        (sources.model_run / SELECTION_FILE).write_text(select(reports).model_dump_json())
        records = sources.records(features.TEST)
        records.mkdir(parents=True, exist_ok=True)
        write_gzip_records(records / "part.gz", tiny_set.raw_records[: len(LABELS)])
        settings = ReportSettings(
            explained_images=explained_images, lime_samples=50, blurred_images=blurred_images
        )
        run = sources.run.model_copy(update={"report": settings})
        sources = dataclasses.replace(sources, run=run)
        sources.__dict__["predictions"] = Predictions(
            image_ids=[f"image-{number}" for number in range(len(LABELS))],
            labels=LABELS,
            probabilities=probabilities,
            threshold=0.5,
            decisions=probabilities >= 0.5,
            facts={features.SUBTYPE: ["viral" if label else "normal" for label in LABELS]},
        )
        return sources

    return make


@pytest.fixture(scope="module")
def explained(make_sources_of):
    """Two images of each kind by both candidates, and the progress that was reported."""
    progress: list[Progress] = []
    handler = logging.Handler()
    handler.emit = lambda record: progress.append(record.progress)
    handler.addFilter(lambda record: hasattr(record, "progress"))
    logger = logging.getLogger(LOGGER_NAME)
    before = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        return explanations.build(make_sources_of()), progress
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


@pytest.fixture(scope="module")
def alone(make_sources_of):
    """The sources of a single candidate, and its section."""
    sources = make_sources_of(names=("cnn_baseline",), explained_images=1)
    return sources, explanations.build(sources)


def groups_of(section):
    return {part.title: part for part in section.parts if isinstance(part, Group)}


def galleries_of(part):
    return [each for each in flatten([part]) if isinstance(each, Gallery)]


def test_each_kind_is_explained_by_both_candidates(explained):
    section, counted = explained
    assert (section.anchor, section.title) == ("explanations", "Explanations")
    assert not [part for part in flatten(section.parts) if isinstance(part, Failure)]
    groups = groups_of(section)
    assert list(groups) == [
        BLURRING,
        "Confident hits",
        "Misses",
        "False alarms",
        "Feature maps of ann_small",
        "Feature maps of cnn_baseline",
    ]
    assert [
        part.title.partition("; when blurred 0.")[0] for part in groups["Confident hits"].parts
    ] == [
        "image-1: viral pneumonia, probability 0.900",
        "image-5: viral pneumonia, probability 0.800",
    ]
    (miss,) = groups["Misses"].parts
    assert miss.side_by_side
    assert [part.title for part in miss.parts] == ["ann_small", "cnn_baseline"]
    # Image, mask, heat-map, curves; and Grad-CAM with its curves where there are maps.
    assert [len(gallery.pictures) for gallery in galleries_of(miss)] == [4, 6]
    assert [each.done for each in counted] == list(range(1, 2 * NUM_EXPLAINED + 1))
    assert {each.total for each in counted} == {2 * NUM_EXPLAINED}


def test_the_check_is_told_in_words_and_as_a_table(explained):
    section, _ = explained
    caution, words, _ = (part for part in section.parts if isinstance(part, Text))
    assert caution.tone == "warning"
    assert "can mislead" in caution.text
    assert "LIME of ann_small" in words.text
    assert "Grad-CAM of cnn_baseline" in words.text
    (table,) = (part for part in section.parts if isinstance(part, Table))
    rows = texts_of(table)
    assert [row[0] for row in rows] == ["ann_small", "cnn_baseline", "cnn_baseline"]
    for row in rows:
        assert sum(int(cell.split(" of ")[0]) for cell in row[3:]) == NUM_EXPLAINED
        assert all(cell.endswith(f" of {NUM_EXPLAINED}") for cell in row[3:])


def texts_in(parts):
    return " ".join(part.text for part in flatten(parts) if isinstance(part, Text))


@pytest.mark.parametrize(("bias", "probability"), [(40.0, "above 0.999"), (-40.0, "below 0.001")])
def test_each_image_says_what_its_blurred_copy_is_called(make_sources_of, bias, probability):
    """In probability, nothing could be seen of a network that is always sure."""
    section = explanations.build(
        make_sources_of(names=("cnn_baseline",), explained_images=1, bias=bias)
    )
    (miss,) = groups_of(section)["Misses"].parts
    assert miss.title == f"image-3: viral pneumonia, probability 0.200; when blurred {probability}"
    answer = "pneumonia" if bias > 0.0 else "normal"
    words = texts_in([miss])
    assert f"calls it {answer}: probability of pneumonia {probability} (log-odds " in words
    assert f"The blurred copy has {probability} (log-odds " in words
    assert re.search(
        f"is called {answer} too(, with more certainty)?: the answer does not need detail.", words
    )
    assert "threshold 0.500 (log-odds +0.0)" in words


def test_blurred_answers_are_counted_by_kind(make_sources_of):
    section = explanations.build(make_sources_of(explained_images=0, bias=40.0))
    blurring, off = section.parts
    assert "switched off" in off.text
    words, table = blurring.parts
    assert words.tone == "warning"
    assert "Of 2 images of pneumonia that the model finds, it still calls 2 pneumonia" in words.text
    assert "Of 2 normal images that it calls normal, it calls 2 pneumonia" in words.text
    assert "a shortcut" in words.text
    rows = texts_of(table)
    assert [row[:3] for row in rows] == [
        ["Hits", "2", "1.000"],
        ["Misses", "1", "1.000"],
        ["False alarms", "1", "1.000"],
        ["Correct normals", "2", "1.000"],
    ]
    assert all(39.0 < float(row[4]) < 41.0 for row in rows)


def test_no_more_are_blurred_than_asked_for_and_the_table_says_so(make_sources_of):
    section = explanations.build(make_sources_of(explained_images=0, blurred_images=1, bias=-40.0))
    words, table = section.parts[0].parts
    assert words.tone == "plain"
    assert [(row[0].detail, row[1]) for row in table.rows] == [
        ("drawn from 2", "1"),
        ("all", "1"),
        ("all", "1"),
        ("drawn from 2", "1"),
    ]


def test_explanations_without_blurred_answers(make_sources_of):
    section = explanations.build(make_sources_of(explained_images=1, blurred_images=0))
    (off,) = groups_of(section)[BLURRING].parts
    assert "switched off" in off.text
    assert len(groups_of(section)["Misses"].parts) == 1


def test_the_same_seed_gives_the_same_section(alone):
    sources, section = alone
    assert explanations.build(sources) == section
    other = dataclasses.replace(sources, run=sources.run.model_copy(update={"seed": 99}))
    other.__dict__["predictions"] = sources.predictions
    assert explanations.build(other) != section


def test_a_single_candidate_is_explained_alone(alone):
    _, section = alone
    (miss,) = groups_of(section)["Misses"].parts
    assert [part.title for part in miss.parts] == ["cnn_baseline"]


def test_feature_maps_are_of_the_convolutions_that_there_are(explained):
    section, _ = explained
    groups = groups_of(section)
    (dense,) = groups["Feature maps of ann_small"].parts
    assert "no convolution" in dense.text
    (gallery,) = galleries_of(groups["Feature maps of cnn_baseline"])
    first, early = (picture.caption for picture in gallery.pictures)
    assert first.startswith("Convolution 1 ")
    assert first.endswith(": 8 of 8 maps, 30x30")
    assert early == "All early convolutions, 1 to 1 from top to bottom"


def test_kinds_without_images_say_so(make_sources_of):
    right = np.where(LABELS == 1, 0.9, 0.1)
    section = explanations.build(make_sources_of(explained_images=1, probabilities=right))
    assert {"Misses: none", "False alarms: none"} <= set(groups_of(section))


def test_switched_off_is_told_and_nothing_is_read(tmp_path):
    sources = make_sources(tmp_path)
    settings = ReportSettings(explained_images=0, blurred_images=0)
    off = sources.run.model_copy(update={"report": settings})
    parts = explanations.build(dataclasses.replace(sources, run=off)).parts
    assert len(parts) == 2
    assert all("switched off" in part.text for part in parts)


def test_an_explanation_that_fails_is_reported_in_its_place(make_sources_of, monkeypatch):
    real = explanations.explain

    def explain(candidate, image, **settings):
        if candidate.name == "ann_small":
            raise MemoryError("too large")
        return real(candidate, image, **settings)

    monkeypatch.setattr(explanations, "explain", explain)
    section = explanations.build(make_sources_of(explained_images=1))
    (miss,) = groups_of(section)["Misses"].parts
    failure, other = miss.parts
    assert failure == Failure("The explanation of ann_small on image-3", "MemoryError: too large")
    assert isinstance(other, Group)
