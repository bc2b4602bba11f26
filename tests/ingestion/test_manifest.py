from __future__ import annotations

import pytest

from contract.errors import InputError
from ingestion.manifest import read_manifest


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
        ("path;label;patient_id\n", r"missing; add them to the header, separated by commas"),
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
