"""Where a backbone's weights come from: `none`, `imagenet` or a local file."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path

import keras

from components.errors import InputError

NONE = "none"
IMAGENET = "imagenet"

FILE_SUFFIXES = (".weights.h5", ".h5", ".keras")
_CHOICES = (
    f"`{NONE}`, `{IMAGENET}` (downloaded by Keras) or a local weights file "
    f"({', '.join(FILE_SUFFIXES)})"
)


def check_weights(architecture: str, weights: str, *, has_backbone: bool) -> None:
    """Check a candidate's `weights` before anything is built.

    Args:
        architecture: The candidate's architecture, for the message.
        weights: `none`, `imagenet` or a path.
        has_backbone: Whether the architecture has a pretrained backbone.

    Raises:
        InputError: When weights are given to a network without a backbone, or are neither
            of the two words nor a file that is there.
    """
    if weights == NONE:
        return
    if not has_backbone:
        raise InputError(
            f"Expected weights: {NONE} for {architecture}, which has no pretrained backbone, got "
            f"{weights!r}: leave weights out, or choose a pretrained architecture."
        )
    if weights == IMAGENET:
        return
    if not Path(weights).is_file():
        raise InputError(
            f"Expected weights of {architecture} to be {_CHOICES}, got {weights!r}, which is "
            "neither of the words nor a file that is there: correct the word or the path."
        )
    if not weights.endswith(FILE_SUFFIXES):
        raise InputError(
            f"Expected weights of {architecture} to be {_CHOICES}, got the file {weights!r}: "
            "save the weights with Keras, under one of these endings."
        )


def build_application(
    application: str, input_shape: tuple[int, int, int], weights: str
) -> keras.Model:
    """Build a network of `keras.applications` without its top, and give it its weights.

    Args:
        application: Name in `keras.applications`, e.g. "Xception".
        input_shape: Height, width, channels.
        weights: `none` (drawn at random), `imagenet`, or a path that `check_weights` passed.

    Returns:
        The network, its features averaged over the image: float32 [n, d].

    Raises:
        InputError: When the download fails, or the file is not of this network.
    """
    build = getattr(keras.applications, application)
    if weights == IMAGENET:
        try:
            return build(
                include_top=False, weights=IMAGENET, input_shape=input_shape, pooling="avg"
            )
        except Exception as error:
            # Keras raises a plain Exception where the address cannot be reached, and
            # ValueError where the file came incomplete. Anything else is a defect.
            if type(error) not in (Exception, ValueError) and not isinstance(error, OSError):
                raise
            raise InputError(
                f"Expected to download the ImageNet weights of {application}, got: {error}. "
                "Where the network is closed, download Keras' file of that network without its "
                "top elsewhere, and give its path as weights."
            ) from error
    backbone = build(include_top=False, weights=None, input_shape=input_shape, pooling="avg")
    if weights != NONE:
        _load_file(backbone, application, weights)
    return backbone


def _load_file(backbone: keras.Model, application: str, path: str) -> None:
    """Load a weights file, which must be of this very network."""
    try:
        with warnings.catch_warnings():
            # Keras only warns of some layers that it does not find, and leaves them random.
            warnings.filterwarnings("error", message="Skipping nested container")
            backbone.load_weights(path)
    except (ValueError, KeyError, OSError, UserWarning, zipfile.BadZipFile) as error:
        reason = (
            "layers are missing in it."
            if isinstance(error, UserWarning)
            else str(error).strip().splitlines()[0]
        )
        raise InputError(
            f"Expected {path!r} to hold the weights of keras.applications.{application} without "
            f"its top (include_top=False), got another file: {reason} Save that network's "
            "weights with save_weights, or choose the architecture that the file is of."
        ) from error
