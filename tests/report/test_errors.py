import base64
import io

import numpy as np
import pytest
from PIL import Image

from contract import features
from contract.settings import ReportSettings
from report.errors import build, find_outcomes
from report.page.parts import Failure, Gallery, Group, Table, Text
from report.served_predictions import Predictions
from tests.report.made_records import make_facts, write_split
from tests.report.made_sources import flatten, make_sources

# Two found, three missed; two false alarms, one right.
IDS = ["a", "b", "c", "d", "e", "f", "g", "h"]
LABELS = np.array([1, 1, 1, 1, 1, 0, 0, 0])
PROBABILITIES = np.array([0.9, 0.95, 0.1, 0.05, 0.2, 0.6, 0.8, 0.1])
SUBTYPES = ["viral", "viral", "viral", "bacterial", "unknown", "normal", "normal", "normal"]


def make_predictions(probabilities=PROBABILITIES, **changes):
    return Predictions(
        **changes,
        image_ids=IDS,
        labels=LABELS,
        probabilities=probabilities,
        threshold=0.4,
        decisions=probabilities >= 0.4,
        facts={
            features.SUBTYPE: SUBTYPES,
            features.SHARPNESS_GROUP: ["soft"] * 5 + ["sharp"] * 3,
            features.SIZE_GROUP: ["under_500_px"] * 8,
        },
    )


@pytest.fixture
def make_section(tmp_path):
    def make(probabilities=PROBABILITIES, worst_errors=12, records=IDS, **changes):
        sources = make_sources(tmp_path)
        report = ReportSettings(worst_errors=worst_errors)
        sources.__dict__["run"] = sources.run.model_copy(update={"report": report})
        sources.__dict__["predictions"] = make_predictions(probabilities, **changes)
        facts = [
            make_facts(image_id, subtype, height=300, width=600)
            for image_id, subtype in zip(IDS, SUBTYPES, strict=True)
            if image_id in records
        ]
        write_split(sources.records(features.TEST), facts)
        return build(sources)

    return make


GROUPS = "Errors by file name and appearance of the images"


def texts_of_row(row):
    return [getattr(cell, "text", cell) for cell in row[1:]]


def captions_of(part):
    (gallery,) = (each for each in flatten([part]) if isinstance(each, Gallery))
    return [picture.caption for picture in gallery.pictures]


def test_outcomes_are_farthest_from_the_threshold_first():
    found = find_outcomes(make_predictions())
    assert [IDS[number] for number in found.hits] == ["b", "a"]
    assert [IDS[number] for number in found.misses] == ["d", "c", "e"]
    assert [IDS[number] for number in found.false_alarms] == ["g", "f"]


def test_errors_are_shown_with_id_subtype_and_score(make_section):
    section = make_section()
    assert (section.anchor, section.title) == ("errors", "Worst errors")
    _, _, misses, false_alarms = section.parts
    assert (misses.title, false_alarms.title) == ("Misses: 3", "False alarms: 2")
    assert captions_of(misses) == [
        "d: bacterial pneumonia, probability 0.050",
        "c: viral pneumonia, probability 0.100",
        "e: unknown pneumonia, probability 0.200",
    ]
    assert captions_of(false_alarms)[0] == "g: normal, probability 0.800"


def test_what_was_referred_is_told_with_the_reason(make_section):
    verdicts = ["pneumonia", "pneumonia", "refer", "refer", "normal", *["pneumonia"] * 2, "normal"]
    unfamiliar = np.array([name == "d" for name in IDS])
    _, _, told, misses, _ = make_section(verdicts=verdicts, unfamiliar=unfamiliar).parts
    assert told.text.endswith("to a radiologist: 2 of 3 misses and 0 of 2 false alarms.")
    assert captions_of(misses) == [
        "d: bacterial pneumonia, probability 0.050, referred to a radiologist: unfamiliar image",
        "c: viral pneumonia, probability 0.100, referred to a radiologist: uncertain score",
        "e: unknown pneumonia, probability 0.200",
    ]


def test_pictures_are_small_and_tell_what_they_show(make_section):
    (gallery, *_) = (part for part in flatten(make_section().parts) if isinstance(part, Gallery))
    for picture in gallery.pictures:
        encoded = base64.b64decode(picture.source.removeprefix("data:image/jpeg;base64,"))
        width, height = Image.open(io.BytesIO(encoded)).size
        assert width <= 256
        assert width == 2 * height
        assert picture.caption in picture.alt


def test_no_more_than_asked_for_and_the_heading_says_so(make_section):
    _, _, misses, _ = make_section(worst_errors=1).parts
    assert misses.title == "Misses: 1 of 3"
    assert captions_of(misses) == ["d: bacterial pneumonia, probability 0.050"]


def test_none_is_told(make_section):
    section = make_section(np.where(LABELS == 1, 0.9, 0.1))
    assert [part.title for part in section.parts if isinstance(part, Group)] == [
        GROUPS,
        "Misses: none",
        "False alarms: none",
    ]
    assert not [part for part in flatten(section.parts) if isinstance(part, Gallery)]


def test_switched_off_pictures_leave_the_groups(make_section):
    groups, off = make_section(worst_errors=0).parts
    assert groups.title == GROUPS
    assert isinstance(off, Text)
    assert "switched off" in off.text


def test_errors_are_grouped_by_name_sharpness_exposure_and_size(make_section):
    words, table, note = make_section().parts[0].parts
    assert "No sufficiently large group" in words.text
    assert isinstance(table, Table)
    assert "fewer than 30 images" in note.text
    rows = {(row[0].detail, row[0].text): [*texts_of_row(row)] for row in table.rows}
    assert rows["file name", "other names"] == ["8", "3", "2", "0.333", "5", "3", "0.400"]
    assert rows["sharpness", "soft"] == ["5", "0", "–", "–", "5", "3", "0.400"]
    assert rows["sharpness", "sharp"] == ["3", "3", "2", "0.333", "0", "–", "–"]
    assert rows["size", "under 500 px"] == rows["file name", "other names"]
    # All pictures are the same one: there is no darker and no brighter third.
    assert [group for scheme, group in rows if scheme == "exposure"] == ["bright"]


def test_a_missing_record_is_reported_in_its_place(make_section):
    groups, _, misses, false_alarms = make_section(records=["f", "g"]).parts
    assert isinstance(groups, Failure)
    assert isinstance(misses, Failure)
    assert "['c', 'd', 'e']" in misses.cause
    assert isinstance(false_alarms, Group)
