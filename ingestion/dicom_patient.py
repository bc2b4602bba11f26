"""Whose image a DICOM file is: the tag PatientID, hashed."""

from __future__ import annotations

import hashlib
from pathlib import Path

_MARK_AT = 128
_MARK = b"DICM"
# A file without the preamble starts with a tag of group 0002 or 0008, little-endian, whose element
# number is below 256.
_BARE_STARTS = (b"\x02\x00", b"\x08\x00")
_HEAD_BYTES = _MARK_AT + len(_MARK)
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
            if not _is_dicom(file.read(_HEAD_BYTES)):
                return None
    except (OSError, ValueError):
        return None  # The image is rejected with its reason when it is read.
    # Imported where needed: pydicom costs a second, and most sources hold no DICOM.
    import pydicom

    from ingestion.patients import is_missing

    try:
        dataset = pydicom.dcmread(
            path, stop_before_pixels=True, force=True, specific_tags=[_PATIENT_ID, _ISSUER]
        )
        patient, issuer = (
            str(dataset.get(tag).value or "").strip() if dataset.get(tag) is not None else ""
            for tag in (_PATIENT_ID, _ISSUER)
        )
    except Exception:  # pydicom raises almost any kind of error on damaged files.
        return None
    if is_missing(patient):
        return None
    digest = hashlib.sha256(f"{issuer}\n{patient}".encode(errors="backslashreplace"))
    return f"dicom-{digest.hexdigest()[:_HASH_DIGITS]}"


def _is_dicom(head: bytes) -> bool:
    return head[_MARK_AT:] == _MARK or (head[:2] in _BARE_STARTS and head[3:4] == b"\x00")
