from ingestion.duplicates import DuplicateReport
from report.data.tables import (
    duplicate_parts,
    rejection_parts,
    source_text,
    warning_parts,
)
from report.page.parts import Group, Table, Text
from tests.report.data.made_cards import NO_DUPLICATES, make_data_card
from tests.report.made_sources import flatten, texts_of


def test_the_source_is_told_without_its_folders():
    text = source_text(make_data_card()).text
    assert "x rays.zip (zip)" in text
    assert "/home/me" not in text
    assert "3 of 0 image files became records, of 3 patients" in text
    assert "abc123" in text
    assert "not known" not in text


def test_a_source_that_is_no_path_is_told_as_it_is():
    assert (
        "Kaggle, someone/x-rays (zip)"
        in source_text(make_data_card(source="Kaggle, someone/x-rays")).text
    )


def test_unknown_patients_are_told():
    assert "The patient of 3 images is not known" in source_text(make_data_card(known=False)).text


def test_warnings_are_sentences():
    parts = warning_parts(make_data_card(rejected=[("a.png", "empty file")]))
    assert parts == (Text("1 images cannot be read and were left out.", "warning"),)
    assert warning_parts(make_data_card()) == (Text("The dataset card has no warnings.", "good"),)


def test_every_rejection_has_its_reason():
    rejected = [("a.png", "empty file"), ("b.png", "CMYK"), ("c.png", "CMYK")]
    parts = flatten(rejection_parts(make_data_card(rejected)))
    (table,) = (part for part in parts if isinstance(part, Table))
    assert texts_of(table) == [list(each) for each in rejected]
    assert any(getattr(part, "items", None) == ("2: CMYK", "1: empty file") for part in parts)
    assert not any(part.folded for part in parts if isinstance(part, Group))


def test_many_rejections_are_folded_and_cut():
    rejected = [(f"{number}.png", "empty file") for number in range(1234)]
    parts = flatten(rejection_parts(make_data_card(rejected)))
    (table,) = (part for part in parts if isinstance(part, Table))
    assert len(table.rows) == 50
    assert "1,234; the first 50 and 1,184 more, which are in dataset_card.json" in table.caption
    (group,) = (part for part in parts if isinstance(part, Group) and table in part.parts)
    assert group.folded


def test_nothing_rejected_and_no_duplicates_are_said():
    assert rejection_parts(make_data_card()) == (Text("No image was rejected.", "good"),)
    (text,) = duplicate_parts(NO_DUPLICATES)
    assert text.tone == "good"


def test_each_kind_of_duplicates_is_listed():
    report = DuplicateReport(
        num_groups=3,
        num_images=6,
        different_labels=(("a", "b"),),
        across_splits=(("c", "d"),),
        dropped=("c",),
    )
    parts = duplicate_parts(report)
    assert "6 images of the source are in 3 groups of equal pixels" in parts[0].text
    assert [(part.title, part.parts[0].items) for part in parts[1:]] == [
        ("With different labels, one of which is wrong: 1", ("a = b",)),
        ("Across splits: 1", ("c = d",)),
        ("Left out, because an equal one is in a later split: 1", ("c",)),
    ]
