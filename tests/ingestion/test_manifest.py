from __future__ import annotations

import contextlib
import unicodedata

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.errors import InputError
from contract.settings import DataSettings
from ingestion.fingerprint import fingerprint_source
from ingestion.manifest import is_manifest, read_manifest
from ingestion.splits import assign_splits

_HEADER = "path,label,patient_id\n"


@pytest.fixture
def manifest(tmp_path):
    def write(text, encoding="utf-8"):
        path = tmp_path / "m.csv"
        path.write_bytes(text.encode(encoding))
        return path

    return write


def test_rows_become_images(manifest, tmp_path):
    source = read_manifest(
        manifest(
            "path,label,patient_id,subtype,split\n"
            "a/1.png,Normal,p1,,train\n"
            "a/2.png,PNEUMONIA,p2,bacteria,val\n"
            "a/3.png,pneumonia,p3,Virus,validation\n"
            "a/4.png,pneumonia,p3,,test\n"
            '"a/5,x.png",pneumonia,p4,viral,\n'
        )
    )
    assert [
        (i.image_id, i.label, i.patient_id, i.subtype, i.source_split) for i in source.images
    ] == [
        ("a/1.png", 0, "p1", "normal", "train"),
        ("a/2.png", 1, "p2", "bacterial", "validation"),
        ("a/3.png", 1, "p3", "viral", "validation"),
        ("a/4.png", 1, "p3", "unknown", "test"),
        ("a/5,x.png", 1, "p4", "viral", ""),
    ]
    assert source.images[0].path == tmp_path / "a/1.png"
    assert all(image.patient_known for image in source.images)
    assert source.warnings == ()


def test_optional_columns_order_and_byte_order_mark_do_not_matter(manifest):
    source = read_manifest(manifest("patient_id,PATH,label\np1,1.png,pneumonia\n", "utf-8-sig"))
    (image,) = source.images
    assert (image.image_id, image.subtype, image.source_split) == ("1.png", "unknown", "")


def test_other_columns_are_reported_as_not_used(manifest):
    source = read_manifest(manifest("path,label,patient_id,age\n1.png,normal,p,4\n"))
    assert source.warnings == ("columns of the manifest not used: age",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\n1.png,normal\n", r"got path, label: patient_id missing"),
        ("path|label|patient_id\n", r"missing; add them to the header, separated by commas"),
        ("", r"got no header: path, label, patient_id missing"),
        ("path,label,patient_id\n", r"got none below the header"),
        ("path,label,patient_id,label\n1,normal,p,normal\n", r"expected each column once"),
        (
            "path,label,patient_id\n1.png,normal,p\n2.png,healthy,p\n",
            r"line 3: expected a label among normal, pneumonia, got 'healthy'",
        ),
        ("path,label,patient_id\n1.png,normal,\n", r"line 2: expected a patient_id, got none"),
        ("path,label,patient_id\n,normal,p\n", r"line 2: expected a path, got none"),
        (
            "path,label,patient_id\n1.png,normal,p\n./1.png,normal,p\n",
            r"line 3: expected each path once, got './1.png', which line 2 has",
        ),
        (
            "path,label,patient_id,subtype\n1.png,pneumonia,p,fungal\n",
            r"line 2: expected a subtype among bacterial, .*got 'fungal'",
        ),
        (
            "path,label,patient_id,subtype\n1.png,normal,p,viral\n",
            r"line 2: expected no subtype for the label normal, got 'viral'",
        ),
        (
            "path,label,patient_id,split\n1.png,normal,p,holdout\n",
            r"line 2: expected a split among train, .*got 'holdout'",
        ),
        ("path,label,patient_id\n1.png,normal\n", r"line 2: expected as many values"),
        ("path,label,patient_id\n1.png,normal,p,x\n", r"line 2: expected as many values"),
    ],
)
def test_wrong_manifest_is_refused_with_line_and_value(manifest, text, message):
    with pytest.raises(InputError, match=message):
        read_manifest(manifest(text))


def test_other_encodings_are_refused(manifest):
    with pytest.raises(InputError, match="expected a CSV manifest in UTF-8"):
        read_manifest(manifest("path,label,patient_id\nä.png,normal,p\n", "latin-1"))


def test_what_spreadsheets_leave_is_skipped(manifest):
    plain = read_manifest(manifest("path,label,patient_id\n1.png,normal,p\n2.png,pneumonia,q\n"))
    for text in (
        "path,label,patient_id\n1.png,normal,p\n,,\n2.png,pneumonia,q\n,,\n , ,\n\n",
        "path,label,patient_id,,\n1.png,normal,p,,\n2.png,pneumonia,q,,\n,,,,\n",
        "path,label,patient_id\n1.png,normal,p,,\n2.png,pneumonia,q,,\n",
        "\n,,,\n,path,label,patient_id\n,1.png,normal,p\n,2.png,pneumonia,q\n",
        "path;label;patient_id\r\n1.png;normal;p\r\n2.png;pneumonia;q\r\n",
        "sep=;\r\npath;label;patient_id\r\n1.png;normal;p\r\n2.png;pneumonia;q\r\n",
        "path\tlabel\tpatient_id\n1.png\tnormal\tp\n2.png\tpneumonia\tq\n",
        "Path,Label,PatientID\n1.png,NORMAL,p\n2.png,Pneumonia,q\n",
        "Path,Label,Patient ID\n1.png,NORMAL,p\n2.png,Pneumonia,q\n",
    ):
        assert read_manifest(manifest(text)) == plain
    unicode_text = "path\tlabel\tpatient_id\n1.png\tnormal\tp\n2.png\tpneumonia\tq\n"
    assert read_manifest(manifest(unicode_text, "utf-16")) == plain


@pytest.mark.parametrize("text", ["{}\n1\n", "path,label,patient_id\n1.png,{},p\n"])
def test_what_a_file_holds_is_shown_in_one_bounded_line(manifest, text):
    with pytest.raises(InputError) as refused:
        read_manifest(manifest(text.format("\x1b[2J" + "x" * 10_000)))
    assert len(str(refused.value)) < 700
    assert str(refused.value).isprintable()


def test_lines_are_counted_as_an_editor_counts_them(manifest):
    text = 'sep=,\npath,label,patient_id\n\n,,\n"1.png",normal,p\n2.png,other,p\n'
    with pytest.raises(InputError, match="line 6: expected a label"):
        read_manifest(manifest(text))


def test_values_in_a_column_without_a_name_are_reported(manifest):
    source = read_manifest(manifest("path,label,patient_id,\n1.png,normal,p,4 years\n"))
    assert source.warnings == ("columns of the manifest without a name, not used: 1",)


@pytest.mark.parametrize(
    "split", ["train", "Training", "valid", "VAL", "dev", "testing", "nan", ""]
)
def test_words_for_splits_are_those_of_folders(manifest, split):
    source = read_manifest(manifest(f"path,label,patient_id,split\n1.png,No Finding,p,{split}\n"))
    expected = {"t": "train", "v": "validation", "d": "validation"}.get(split[:1].lower(), "")
    assert source.images[0].source_split == ("test" if split == "testing" else expected)
    assert source.images[0].label == 0


@pytest.mark.parametrize("word", ["unknown", "nan", "-", "none", "N/A", "Anonymous"])
def test_a_word_that_names_nobody_is_no_patient(manifest, word):
    with pytest.raises(InputError, match=rf"line 3: expected a patient_id, got '{word}', which"):
        read_manifest(manifest(f"{_HEADER}1.png,normal,p\n2.png,normal,{word}\n"))


def test_paths_of_other_systems_are_found(manifest, tmp_path, write_pictures):
    decomposed = unicodedata.normalize("NFD", "Bilder/Müller.png")
    write_pictures(tmp_path, ["images/a/1.png", decomposed, "Scans/X.PNG", "a\\b.png"])
    rows = {
        "images\\a\\1.png": "images/a/1.png",
        ".\\Bilder\\Müller.png": decomposed,
        "scans/x.png": "Scans/X.PNG",
        "a\\b.png": "a\\b.png",
        "not\\there.png": "not/there.png",
    }
    lines = "".join(f"{path},normal,p{n}\n" for n, path in enumerate(rows))
    source = read_manifest(manifest(_HEADER + lines))
    assert [image.path for image in source.images] == [tmp_path / name for name in rows.values()]
    assert [image.path.is_file() for image in source.images] == [True] * 4 + [False]
    assert source.images[0].image_id == "images/a/1.png"


def test_one_file_under_two_spellings_is_listed_twice(manifest, tmp_path, write_pictures):
    write_pictures(tmp_path, ["a/1.png"])
    with pytest.raises(InputError, match="line 3: expected each path once"):
        read_manifest(manifest(f"{_HEADER}a/1.png,normal,p\nA\\1.PNG,normal,p\n"))


def test_of_two_names_that_differ_in_capitals_none_is_guessed(manifest, tmp_path, write_pictures):
    write_pictures(tmp_path, ["a.png", "A.png"])
    source = read_manifest(manifest(f"{_HEADER}A.PNG,normal,p\nA.png,normal,p\n"))
    assert [image.path.name for image in source.images] == ["A.PNG", "A.png"]


@pytest.mark.parametrize("path", ["C:\\scans\\1.png", "D:/1.png", "\\\\server\\share\\1.png"])
def test_a_path_on_a_drive_of_windows_is_refused_with_the_remedy(manifest, path):
    with pytest.raises(InputError, match=r"line 2: expected a path relative .*drive of Windows"):
        read_manifest(manifest(f"{_HEADER}{path},normal,p\n"))


def test_a_path_that_no_system_has_is_refused(manifest):
    with pytest.raises(InputError, match=r"line 2: expected a path, got .*NUL"):
        read_manifest(manifest(f"{_HEADER}a\0b.png,normal,p\n"))


def test_leftovers_that_are_listed_are_passed_over_by_name(manifest):
    rows = (
        "a/Thumbs.db,normal,unknown\n__MACOSX\\._1.png,,\na/1.png,normal,p\n/x/.y/2.png,normal,q\n"
    )
    source = read_manifest(manifest(_HEADER + rows))
    assert [image.image_id for image in source.images] == ["a/1.png", "/x/.y/2.png"]
    assert source.warnings == (
        "2 lines of the manifest name hidden files or files of the operating system, not used: "
        "a/Thumbs.db, __MACOSX\\._1.png",
    )


def test_what_is_a_manifest_is_seen_by_its_columns(manifest):
    assert is_manifest(manifest("patient_id;label;path;age\n"))
    assert not is_manifest(manifest("path,age\n"))
    assert not is_manifest(manifest("path,label,patient_id\n\xff", "latin-1"))


_CELLS = st.sampled_from(
    ["path", "label", "patient_id", "split", "subtype", "a.png", "a\\b.png", "normal", "pneumonia",
     "p1", "", " ", "nan", "virus", "test", "..", "/", "C:\\x", '"', '""', "\0", "x" * 5000, "ä"]
)  # fmt: skip
_TEXTS = st.lists(st.lists(_CELLS, max_size=6).map(",".join), max_size=8).map("\n".join)
_GOOD = b"path,label,patient_id,split\na.png,normal,p1,\nb.png,pneumonia,p2,test\n"


@st.composite
def _damaged(draw):
    data = bytearray(_GOOD)
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=4))
    return bytes(data)


@settings(
    max_examples=400, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.one_of(st.binary(max_size=200), _TEXTS.map(str.encode), _damaged()))
def test_any_bytes_end_in_a_listing_or_in_an_input_error(tmp_path, data):
    path = tmp_path / "any.csv"
    path.write_bytes(data)
    try:
        source = read_manifest(path)
    except InputError:
        return
    assert source.images
    # What the listing says can be used from there on; a patient of `test` may be elsewhere, too.
    with contextlib.suppress(InputError):
        assign_splits(source.images, DataSettings())
    fingerprint_source(source, DataSettings())
    assert len({image.image_id for image in source.images}) == len(source.images)
