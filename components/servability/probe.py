"""The fresh process: load an export, answer requests, leave the answers, as a server would.

It is a program of its own, so that nothing that trained the model is in its memory:
`python -m components.servability.probe MODEL REQUESTS ANSWERS`. Of the project it imports names
only. The graphics card is left alone, which the process that trains holds.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from models import features

Json = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="folder with saved_model.pb")
    parser.add_argument("requests", type=Path, help="TFRecord file of raw records")
    parser.add_argument("answers", type=Path, help="JSON file to write")
    options = parser.parse_args(arguments)
    try:
        told = probe(options.model, options.requests)
    except Exception as error:  # whatever it is, it is why the model cannot be served
        told = {"error": f"{type(error).__name__}: {error}"}
    options.answers.write_text(json.dumps(told), encoding="utf-8")
    return 1 if "error" in told else 0


def probe(model_dir: Path, requests: Path) -> Json:
    """Ask an export about all records, one by one and together, by both signatures.

    Returns:
        A `components.servability.report.ProbeAnswers` as JSON has it.

    Raises:
        ValueError: The export lacks a signature.
    """
    records = [record.numpy() for record in tf.data.TFRecordDataset(str(requests))]
    images = _image_bytes(records)
    started_s = time.perf_counter()
    model = tf.saved_model.load(str(model_dir))
    load_s = time.perf_counter() - started_s
    alone = [(index,) for index in range(len(records))]
    together = tuple(range(len(records)))
    answers = []
    for name, argument, rows in (
        (features.SERVING_SIGNATURE, features.IMAGE_BYTES, images),
        (features.EXAMPLES_SIGNATURE, features.EXAMPLES_INPUT, records),
    ):
        signature = _signature(model, name)
        for chosen in (*alone, together):
            asked = tf.constant([rows[index] for index in chosen])
            started_s = time.perf_counter()
            answer = {key: value.numpy() for key, value in signature(**{argument: asked}).items()}
            seconds = time.perf_counter() - started_s
            answers.append(_told(name, chosen, answer, seconds))
    return {"load_s": load_s, "pixels": _pixels(model, records), "answers": answers}


def _image_bytes(records: Sequence[bytes]) -> list[bytes]:
    return [
        tf.train.Example.FromString(record)
        .features.feature[features.IMAGE_BYTES]
        .bytes_list.value[0]
        for record in records
    ]


def _signature(model: Any, name: str) -> Any:
    if name not in model.signatures:
        raise ValueError(f"expected the signature {name}, got {sorted(model.signatures)}")
    return model.signatures[name]


def _told(
    name: str, chosen: tuple[int, ...], answer: dict[str, np.ndarray], seconds: float
) -> Json:
    return {
        "signature": name,
        "images": chosen,
        "probabilities": answer[features.PROBABILITY].astype(float).tolist(),
        "labels": [label.decode() for label in answer[features.PREDICTED_LABEL].tolist()],
        "thresholds": answer[features.THRESHOLD].astype(float).tolist(),
        "seconds": seconds,
    }


def _pixels(model: Any, records: Sequence[bytes]) -> list[str]:
    signature = _signature(model, features.TRANSFORM_SIGNATURE)
    answer = signature(**{features.EXAMPLES_INPUT: tf.constant(list(records))})
    return [
        hashlib.sha256(tf.io.decode_png(png).numpy().tobytes()).hexdigest()
        for png in answer[features.TRANSFORMED_IMAGE_BYTES].numpy()
    ]


if __name__ == "__main__":
    sys.exit(main())
