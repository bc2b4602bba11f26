"""What the well-known file names say: the patient and the kind of pneumonia."""

from __future__ import annotations

import dataclasses
import re

from contract import features

# person1000_bacteria_2931, person447_virus_921_1
_PNEUMONIA_NAME = re.compile(r"(person\d+)_(bacteria|virus)(?:_\d+)+")
# IM-0115-0001, NORMAL2-IM-0381-0001, IM-0429-0001-0002
_NORMAL_NAME = re.compile(r"((?:NORMAL2-)?IM-\d+)(?:-\d+)+")
# 00000013_005: the NIH Clinical Center's ChestX-ray8, a patient and the number of the follow-up
_NIH_NAME = re.compile(r"(\d{8})_\d{3}")
_SUBTYPES = {"bacteria": features.BACTERIAL, "virus": features.VIRAL}


@dataclasses.dataclass(frozen=True)
class NameFacts:
    """Facts that a file name carries.

    Attributes:
        patient_id: The patient, or "" where the name follows no known pattern.
        subtype: `features.BACTERIAL` or `features.VIRAL` where the name says so, else "".
    """

    patient_id: str
    subtype: str


def parse_file_name(name: str) -> NameFacts:
    """Return the patient and the subtype that a file name of a public set carries.

    Args:
        name: File name without folders, e.g. "person1000_bacteria_2931.jpeg".
    """
    stem = name.partition(".")[0]
    if match := _PNEUMONIA_NAME.fullmatch(stem):
        return NameFacts(match[1], _SUBTYPES[match[2]])
    for pattern in (_NORMAL_NAME, _NIH_NAME):
        if match := pattern.fullmatch(stem):
            return NameFacts(match[1], "")
    return NameFacts("", "")
