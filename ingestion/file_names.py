"""What the well-known file names say: the patient and the kind of pneumonia."""

from __future__ import annotations

import dataclasses
import re

from contract import features

# Copies that passed through an old Windows or a CD have their names in capitals.
# person1000_bacteria_2931, person447_virus_921_1
_PNEUMONIA_NAME = re.compile(r"(person\d+)_(bacteria|virus)(?:_\d+)+", re.IGNORECASE)
# IM-0115-0001, NORMAL2-IM-0381-0001, IM-0429-0001-0002
_NORMAL_NAME = re.compile(r"((?:NORMAL2-)?IM-\d+)(?:-\d+)+", re.IGNORECASE)
# BACTERIA-1008087-0001, VIRUS-1110860-0002, NORMAL-1003233-0001: the newest release of the same
# set, which is named by disease, patient and image. A patient has one number in all of it.
_RELEASE_NAME = re.compile(r"(BACTERIA|VIRUS|NORMAL)-(\d{7})-\d+", re.IGNORECASE)
# 00000013_005: the NIH Clinical Center's ChestX-ray8, a patient and the number of the follow-up
_NIH_NAME = re.compile(r"(\d{8})_\d{3}")
_SUBTYPES = {"bacteria": features.BACTERIAL, "virus": features.VIRAL}


@dataclasses.dataclass(frozen=True)
class NameFacts:
    """Facts that a file name carries.

    Attributes:
        patient_id: The patient, or "" where the name follows no known pattern.
        subtype: `features.BACTERIAL` or `features.VIRAL` where the name says so, else "".
        numbered_by_split: Whether the set numbers the patients of its test folder anew, so that
            one name there and in the train folder means two people.
    """

    patient_id: str
    subtype: str
    numbered_by_split: bool = True


def parse_file_name(name: str) -> NameFacts:
    """Return the patient and the subtype that a file name of a public set carries.

    Args:
        name: File name without folders, e.g. "person1000_bacteria_2931.jpeg"; capitals do not
            matter.
    """
    stem = name.partition(".")[0]
    if match := _PNEUMONIA_NAME.fullmatch(stem):
        return NameFacts(match[1].lower(), _SUBTYPES[match[2].lower()])
    if match := _NORMAL_NAME.fullmatch(stem):
        return NameFacts(match[1].upper(), "")
    if match := _RELEASE_NAME.fullmatch(stem):
        return NameFacts(match[2], _SUBTYPES.get(match[1].lower(), ""), numbered_by_split=False)
    if match := _NIH_NAME.fullmatch(stem):
        return NameFacts(match[1], "")
    return NameFacts("", "")
