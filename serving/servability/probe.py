"""What the fresh process asks an export, as a server's clients would.

From the project it imports only names and the session that stands in for TensorFlow Serving's.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from contract import features
from models.session_model import SessionModel
from models.warmup import replay_warm_up

Json = dict[str, Any]
Ask = Callable[[str, Mapping[str, Any]], dict[str, np.ndarray]]

SESSION, EAGER = "session", "eager"
_OUTPUTS = {
    features.PROBABILITY,
    features.PREDICTED_LABEL,
    features.THRESHOLD,
    features.DECISION,
    features.FAMILIARITY,
    features.FAMILIARITY_THRESHOLD,
}


def probe(model_dir: Path, requests: Path) -> Json:
    """Ask an export about all records, one by one and together, by both signatures.

    It is asked twice: in a C++ session, as TensorFlow Serving does it, and by the loader that
    rebuilds Python objects, by which the Evaluator judged it.

    Returns:
        A `serving.servability.report.ProbeAnswers` as JSON has it.

    Raises:
        ValueError: The export lacks a signature or an output.
    """
    records = [record.numpy() for record in tf.data.TFRecordDataset(str(requests))]
    started_s = time.perf_counter()
    session = SessionModel(model_dir)
    load_s = time.perf_counter() - started_s
    unrestored = session.unrestored()
    answers = []
    if not unrestored:  # it could not answer
        answers = _answers(records, SESSION, session.signatures, session.run)
    warm_up_failures = replay_warm_up(session, model_dir)
    session.close()
    eager = tf.saved_model.load(str(model_dir)).signatures

    def ask_eager(name: str, inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
        given = {key: tf.constant(rows) for key, rows in inputs.items()}
        return {key: value.numpy() for key, value in eager[name](**given).items()}

    answers += _answers(records, EAGER, eager, ask_eager)
    return {
        "load_s": load_s,
        "pixels": _pixels(records, eager, ask_eager),
        "answers": answers,
        "unrestored": unrestored,
        "warm_up_failures": warm_up_failures,
    }


def _answers(
    records: Sequence[bytes], loader: str, signatures: Collection[str], ask: Ask
) -> list[Json]:
    alone = [(index,) for index in range(len(records))]
    together = tuple(range(len(records)))
    answers = []
    for name, argument, rows in (
        (features.SERVING_SIGNATURE, features.IMAGE_BYTES, _image_bytes(records)),
        (features.EXAMPLES_SIGNATURE, features.EXAMPLES_INPUT, records),
    ):
        _check_signature(name, signatures)
        for chosen in (*alone, together):
            asked = [rows[index] for index in chosen]
            started_s = time.perf_counter()
            answer = ask(name, {argument: asked})
            seconds = time.perf_counter() - started_s
            answers.append(_told(loader, name, chosen, answer, seconds))
    return answers


def _image_bytes(records: Sequence[bytes]) -> list[bytes]:
    return [
        tf.train.Example.FromString(record)
        .features.feature[features.IMAGE_BYTES]
        .bytes_list.value[0]
        for record in records
    ]


def _check_signature(name: str, signatures: Collection[str]) -> None:
    if name not in signatures:
        raise ValueError(f"expected the signature {name}, got {sorted(signatures)}")


def _told(
    loader: str,
    name: str,
    chosen: tuple[int, ...],
    answer: dict[str, np.ndarray],
    seconds: float,
) -> Json:
    if missing := _OUTPUTS - answer.keys():
        raise ValueError(
            f"expected the outputs {sorted(_OUTPUTS)} of {name}, got none of {sorted(missing)}"
        )
    return {
        "loader": loader,
        "signature": name,
        "images": chosen,
        "probabilities": answer[features.PROBABILITY].astype(float).tolist(),
        "labels": [label.decode() for label in answer[features.PREDICTED_LABEL].tolist()],
        "thresholds": answer[features.THRESHOLD].astype(float).tolist(),
        "decisions": [decision.decode() for decision in answer[features.DECISION].tolist()],
        "familiarities": answer[features.FAMILIARITY].astype(float).tolist(),
        "familiarity_thresholds": answer[features.FAMILIARITY_THRESHOLD].astype(float).tolist(),
        "seconds": seconds,
    }


def _pixels(records: Sequence[bytes], signatures: Collection[str], ask: Ask) -> list[str]:
    _check_signature(features.TRANSFORM_SIGNATURE, signatures)
    answer = ask(features.TRANSFORM_SIGNATURE, {features.EXAMPLES_INPUT: list(records)})
    return [
        hashlib.sha256(tf.io.decode_png(png).numpy().tobytes()).hexdigest()
        for png in answer[features.TRANSFORMED_IMAGE_BYTES]
    ]
