"""What a source is, before anything is decoded: images with their facts."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from contract import features

# Words that sources use, as `fold_word` writes them, and the contract's word for each. They hold
# for folders, manifests and records alike.
SPLIT_NAMES = {
    "train": features.TRAIN,
    "training": features.TRAIN,
    "val": features.VALIDATION,
    "valid": features.VALIDATION,
    "validation": features.VALIDATION,
    "dev": features.VALIDATION,
    "eval": features.VALIDATION,  # TFX's name for it
    "evaluation": features.VALIDATION,
    "test": features.TEST,
    "testing": features.TEST,
}
LABEL_NAMES = {
    "normal": features.NORMAL,
    "no finding": features.NORMAL,  # ChestX-ray8
    "pneumonia": features.PNEUMONIA,
}
SUBTYPE_NAMES = {
    "normal": features.NORMAL,
    "bacterial": features.BACTERIAL,
    "bacteria": features.BACTERIAL,
    "viral": features.VIRAL,
    "virus": features.VIRAL,
    "unknown": features.UNKNOWN,
}
_TFX_SPLIT_FOLDER = "split "  # TFX's folders are Split-train and Split-eval.


def fold_word(word: str) -> str:
    """Return a word in lower case, with one space for each run of spaces, `_` and `-`."""
    return " ".join(re.split(r"[\s_-]+", word.casefold().strip(" _-\t\r\n")))


def split_of(word: str) -> str | None:
    """Return which of `features.SPLITS` a source's word means, or None."""
    folded = fold_word(word)
    return SPLIT_NAMES.get(folded) or SPLIT_NAMES.get(folded.removeprefix(_TFX_SPLIT_FOLDER))


def label_of(word: str) -> str | None:
    """Return which of `features.LABELS` a source's word means, or None."""
    return LABEL_NAMES.get(fold_word(word))


@dataclasses.dataclass(frozen=True, slots=True)
class SourceImage:
    """One image file and what the source says about it.

    A source may have millions: what is here is kept as text, a third of the size of a `Path`.

    Attributes:
        location: Where the file is on this machine.
        image_id: The same file's name relative to the source, unique in it.
        label: Index into `features.LABELS`.
        subtype: One of `features.SUBTYPES`.
        patient_id: Equal for all images of one patient.
        source_split: One of `features.SPLITS`, or "" where the source has none.
        patient_known: Whether the source names the patient. Where it does not,
            `patient_id` is the image's own id.
    """

    location: str
    image_id: str
    label: int
    subtype: str
    patient_id: str
    source_split: str = ""
    patient_known: bool = True

    @property
    def path(self) -> Path:
        """Where the file is on this machine."""
        return Path(self.location)


@dataclasses.dataclass(frozen=True)
class Source:
    """All images of a source.

    Attributes:
        kind: "folder", "zip", "manifest", "tfrecords" or "kaggle".
        description: Where the images came from, for people.
        images: Every image file found, readable or not.
        warnings: What a user must know about how the source was read.
        synthetic: Whether the images are drawn, so that results mean nothing clinically.
    """

    kind: str
    description: str
    images: tuple[SourceImage, ...]
    warnings: tuple[str, ...] = ()
    synthetic: bool = False
