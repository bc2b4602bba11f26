"""An exported model with another threshold: the same graph and weights, another variable."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from contract import features
from contract.errors import InputError
from contract.plain_path import plain_path
from evaluation.decision_band import DecisionBand
from models.export import information_function
from models.provenance import ASSETS_EXTRA_DIR, PROVENANCE_FILE, Provenance
from models.session_model import SessionModel
from models.warmup import replay_warm_up


class WrongVersionError(RuntimeError):
    """The new version does not answer as it must; nothing of it is pushed."""


def write_version(base_dir: Path, new_dir: Path, provenance: Provenance) -> None:
    """Write a copy of a SavedModel with the threshold, the band and the origin of `provenance`.

    The files beside the graph (warm-up requests, validation scores) are copied.

    Args:
        base_dir: Folder with `saved_model.pb`.
        new_dir: A new folder.
        provenance: Of the new version.

    Raises:
        InputError: The model's threshold is not a variable, or only one of the model and
            `provenance` has a band.
    """
    model = tf.saved_model.load(str(plain_path(base_dir)))
    threshold = getattr(model, features.THRESHOLD, None)
    if not isinstance(threshold, tf.Variable):
        raise InputError(
            f"expected a model whose threshold is a variable, got {base_dir}; give one that this "
            "pipeline exported"
        )
    threshold.assign(provenance.threshold)
    _assign_band(model, provenance.band, base_dir)
    signatures = {
        **model.signatures,
        # The origin is a constant of its function.
        features.INFORMATION_SIGNATURE: information_function(provenance),
    }
    tf.saved_model.save(model, str(new_dir), signatures=signatures)
    if (base_dir / ASSETS_EXTRA_DIR).is_dir():
        shutil.copytree(base_dir / ASSETS_EXTRA_DIR, new_dir / ASSETS_EXTRA_DIR, dirs_exist_ok=True)
    provenance.write(new_dir / ASSETS_EXTRA_DIR / PROVENANCE_FILE)


def check_version(base: SessionModel, new_dir: Path, images: Sequence[bytes]) -> None:
    """Ask a new version as TensorFlow Serving does, and compare it with the one that it came from.

    Args:
        base: The model before.
        new_dir: The version.
        images: JPEG or PNG each, that the model before can decode; at least one.

    Raises:
        WrongVersionError: A variable has no value, a warm-up request fails, a probability or a
            familiarity is another one, or labels and decisions do not follow the threshold and the
            band of its origin.
    """
    provenance = Provenance.read(new_dir / ASSETS_EXTRA_DIR / PROVENANCE_FILE)
    new = SessionModel(new_dir)
    try:
        for name, missing in new.unrestored().items():
            raise WrongVersionError(f"{name} reads variables without values: {missing}")
        if failures := replay_warm_up(new, new_dir):
            raise WrongVersionError(f"its warm-up fails: {failures[0]}")
        asked = {features.IMAGE_BYTES: list(images)}
        before = base.run(features.SERVING_SIGNATURE, asked)
        after = new.run(features.SERVING_SIGNATURE, asked)
        origin = new.run(features.INFORMATION_SIGNATURE, {features.INFORMATION_INPUT: [b""]})
    finally:
        new.close()
    probabilities, threshold = after[features.PROBABILITY], np.float32(provenance.threshold)
    if not np.array_equal(before[features.PROBABILITY], probabilities):
        raise WrongVersionError("its probabilities are not those of the model that it came from")
    if not np.all(after[features.THRESHOLD] == threshold):
        raise WrongVersionError(f"it answers another threshold than {threshold}")
    is_case = after[features.PREDICTED_LABEL] == features.PNEUMONIA.encode()
    if not np.array_equal(is_case, probabilities >= threshold):
        raise WrongVersionError("its labels do not follow its threshold")
    _check_decisions(before, after, provenance.band)
    if {name: text[0].decode() for name, text in origin.items()} != provenance.facts():
        raise WrongVersionError("its graph names another origin than the file beside it")


def _assign_band(model: tf.Module, band: DecisionBand | None, base_dir: Path) -> None:
    found = [getattr(model, name, None) for name in features.BAND]
    variables = [each for each in found if isinstance(each, tf.Variable)]
    ends = [] if band is None else [band.low, band.high]
    if len(variables) != len(ends):
        raise InputError(
            f"expected a model whose origin and graph agree on which scores are referred, got "
            f"{base_dir}: its origin has {len(ends)} ends of a band, its graph {len(variables)}; "
            "push the model again"
        )
    # Neither: it was exported before cases were referred, and still refers none.
    for variable, end in zip(variables, ends, strict=True):
        variable.assign(end)


def _check_decisions(
    before: dict[str, np.ndarray], after: dict[str, np.ndarray], band: DecisionBand | None
) -> None:
    if band is None:
        if features.DECISION in after:
            raise WrongVersionError("it makes decisions, but its origin has no band for them")
        return
    familiarity = after[features.FAMILIARITY]
    if not np.array_equal(before[features.FAMILIARITY], familiarity):
        raise WrongVersionError("its familiarity is not that of the model that it came from")
    is_unfamiliar = features.is_unfamiliar(familiarity, after[features.FAMILIARITY_THRESHOLD])
    is_referred = is_unfamiliar | band.refers(after[features.PROBABILITY])
    expected = np.where(is_referred, features.REFER.encode(), after[features.PREDICTED_LABEL])
    if not np.array_equal(after[features.DECISION], expected):
        raise WrongVersionError("its decisions do not follow its threshold and its band")
