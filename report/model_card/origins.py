"""Whose images a model was made from, whose weights it starts from, and under which licences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path, PurePosixPath

from contract import features
from contract.architectures import is_pretrained
from contract.settings import CandidateSettings
from evaluation.slice_metrics import Record
from ingestion.dataset_card import DatasetCard
from ingestion.file_names import parse_file_name
from ingestion.open_source import KAGGLE
from ingestion.tfrecord_file import read_folder
from models.architectures.weights import IMAGENET, NONE, PACKAGE, PACKAGES

NOT_STATED = "as stated by the site"
_NUM_NAMES = 200  # looked at to recognise a set: all of them would mean to read all images
_CITATION = (
    "D. S. Kermany, M. Goldbaum, W. Cai et al., Identifying Medical Diagnoses and Treatable "
    "Diseases by Image-Based Deep Learning, Cell 172 (2018), 1122-1131; data: "
    "doi.org/10.17632/rscbjbr9sj"
)
_IMAGENET_TERMS = (
    "They were trained on ImageNet, whose images may be used for non-commercial research and "
    "education only. Whether that extends to weights is not settled: seek advice before any "
    "commercial use."
)


class DataOrigin(Record):
    """Where images come from.

    Attributes:
        source: Whose they are, in words.
        licence: Under which they may be used.
        citation: How to cite them; "" where there is nothing known to cite.
        basis: How that is known.
    """

    source: str
    licence: str
    citation: str
    basis: str


def find_origin(
    card: DatasetCard | None, image_ids: Sequence[str], *, synthetic: bool
) -> DataOrigin:
    """Say whose the images are.

    A set downloaded from Kaggle is known. Elsewhere the file names of the public set are
    peculiar enough to recognise it, and the answer says that it rests on them.

    Args:
        card: Of the conversion, where there is one.
        image_ids: Some of the images, by their places in the source.
        synthetic: Whether they were drawn.
    """
    if synthetic:
        return DataOrigin(
            source="images drawn by a program",
            licence="none needed: no person was X-rayed",
            citation="",
            basis="the set's own notice",
        )
    if card is not None and card.kind == KAGGLE:
        return _public_set("fetched as that set from Kaggle")
    names = [PurePosixPath(image_id).name for image_id in image_ids]
    if names and all(parse_file_name(name).patient_id for name in names):
        return _public_set("recognised by its file names, which the provider must confirm")
    name = Path(card.source).name if card is not None else "records without a dataset card"
    return DataOrigin(
        source=f"the site's own: {name}",
        licence=NOT_STATED,
        citation="",
        basis="the source that the run was given",
    )


def read_some_image_ids(records: Path) -> list[str]:
    """Return the first image ids of a folder of TFRecord files.

    Raises:
        InputError: A file is damaged.
    """
    first = islice(read_folder(records), _NUM_NAMES)
    return [record.text(features.IMAGE_ID) for record in first]


def _public_set(basis: str) -> DataOrigin:
    return DataOrigin(
        source="public set of Kermany et al. 2018: children of 1 to 5 years, frontal view, one "
        "hospital (Guangzhou Women and Children's Medical Center)",
        licence="CC BY 4.0",
        citation=_CITATION,
        basis=basis,
    )


def describe_weights(candidates: Iterable[CandidateSettings]) -> tuple[str, ...]:
    """Say where pretrained weights come from, one text for each origin.

    Args:
        candidates: Settings of all networks in the model.

    Returns:
        Sentences; empty where all weights are the project's own.
    """
    pretrained = {
        (candidate.architecture, candidate.weights): None
        for candidate in candidates
        if is_pretrained(candidate.architecture) and candidate.weights != NONE
    }
    return tuple(_describe(architecture, weights) for architecture, weights in pretrained)


def _describe(architecture: str, weights: str) -> str:
    if weights == PACKAGE:
        package = PACKAGES[architecture].replace("_", "-")
        return (
            f"{architecture} starts from the weights of the Python package {package} (copyright "
            f"2020 ML Illustrated, Apache License 2.0). {_IMAGENET_TERMS}"
        )
    if weights == IMAGENET:
        return (
            f"{architecture} starts from the ImageNet weights that Keras provides; see "
            f"keras.applications for their licence. {_IMAGENET_TERMS}"
        )
    # The name says enough: a card that is passed on names no folders.
    return (
        f"{architecture} starts from the weights in the file {Path(weights).name}. Their origin "
        "and licence are not recorded."
    )
