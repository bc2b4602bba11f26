from __future__ import annotations

import io
import os
from pathlib import Path

import pydicom.data
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from ingestion.dicom_patient import dicom_patient


@pytest.fixture
def write_dicom(tmp_path):
    def write(patient, issuer=None, name="a.dcm", preamble=True):
        dataset = Dataset()
        dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
        dataset.SOPInstanceUID = generate_uid()
        if patient is not None:
            dataset.PatientID = patient
        if issuer is not None:
            dataset.IssuerOfPatientID = issuer
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        buffer = io.BytesIO()
        dataset.save_as(buffer, enforce_file_format=True)
        data = buffer.getvalue()
        path = tmp_path / name
        path.write_bytes(data if preamble else data[132:])
        return path

    return write


def test_the_tag_names_the_patient_and_does_not_show(write_dicom):
    first = dicom_patient(write_dicom("0815-Meier"))
    assert first == dicom_patient(write_dicom(" 0815-Meier ", name="b.png"))
    assert first != dicom_patient(write_dicom("0816"))
    assert first != dicom_patient(write_dicom("0815-Meier", issuer="another hospital"))
    assert first.startswith("dicom-")
    assert "0815" not in first
    assert "Meier" not in first


def test_a_file_without_preamble_has_the_tag_too(write_dicom):
    with_preamble = dicom_patient(write_dicom("A17"))
    assert dicom_patient(write_dicom("A17", preamble=False)) == with_preamble


@pytest.mark.parametrize("patient", [None, "", "UNKNOWN", "anonymous", "-"])
def test_a_tag_that_names_nobody_is_none(write_dicom, patient):
    assert dicom_patient(write_dicom(patient)) is None


def test_no_sample_of_any_kind_ends_a_listing():
    folder = Path(pydicom.data.__file__).parent / "test_files"
    patients = {path.name: dicom_patient(path) for path in folder.rglob("*") if path.is_file()}
    assert len(patients) > 50
    assert patients["CT_small.dcm"] != patients["MR_small.dcm"]
    assert patients["README.txt"] is None


@pytest.mark.parametrize(
    "content", [b"", b"\x89PNG\r\n", bytes(128) + b"DICM", b"\x08\x00\x05\x00"]
)
def test_other_and_damaged_files_have_none(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    assert dicom_patient(tmp_path / "a") is None


def test_what_cannot_be_read_has_none(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path / "nowhere", tmp_path, tmp_path / "a\0b"):
        assert dicom_patient(path) is None
