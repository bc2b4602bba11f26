"""Whose image a DICOM file is: the tag PatientID, hashed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import BinaryIO

from ingestion.image_header import JPEG_START, PNG_START, warnings_ignored
from ingestion.patients import is_missing

_HEAD_BYTES = 132  # preamble and mark
_PATIENT_ID = 0x00100020
_ISSUER = 0x00100021
_HASH_DIGITS = 16


def dicom_patient(path: Path) -> str | None:
    """Return a name for the patient of a DICOM file, equal for all images of one patient.

    Only the start of a file of another kind is read, and never the pixels.

    Args:
        path: Any file, DICOM or not, readable or not.

    Returns:
        "dicom-" and 16 hexadecimal digits of a SHA-256 of PatientID and IssuerOfPatientID, so that
        neither is in records, cards and reports (who knows the numbers of a hospital's patients can
        still find theirs by trying); None for other files, and where the tag is missing or empty.
    """
    try:
        if not path.is_file():  # Opening a pipe would wait for a writer.
            return None
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
            if head.startswith((JPEG_START, PNG_START)):
                return None
            return _read_patient(file, head)
    except (OSError, ValueError):
        return None  # The image is rejected with its reason when it is read.


def _read_patient(file: BinaryIO, head: bytes) -> str | None:
    # Imported where needed: pydicom costs a second, and most sources hold no DICOM.
    import pydicom

    from ingestion.dicom import is_dicom

    if not is_dicom(head):
        return None
    file.seek(len(head) - len(head.lstrip(b" ")))  # as ingestion.dicom starts to read
    try:
        with warnings_ignored():
            dataset = pydicom.dcmread(
                file, stop_before_pixels=True, force=True, specific_tags=[_PATIENT_ID, _ISSUER]
            )
            patient, issuer = (
                str(dataset[tag].value or "").strip() if tag in dataset else ""
                for tag in (_PATIENT_ID, _ISSUER)
            )
    except Exception:  # pydicom raises almost any kind of error on damaged files.
        return None
    if is_missing(patient):
        return None
    digest = hashlib.sha256(f"{issuer}\n{patient}".encode(errors="backslashreplace"))
    return f"dicom-{digest.hexdigest()[:_HASH_DIGITS]}"
