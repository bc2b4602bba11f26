"""The fresh process: crashes, hangs, models that it cannot load, and what it answers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import keras
import pytest
import tensorflow as tf

from contract import features
from models.warmup import write_warm_up
from serving.servability.process import NotServableError, ask_fresh_process

pytestmark = pytest.mark.slow


def record(image: bytes) -> bytes:
    of_bytes = tf.train.Feature(bytes_list=tf.train.BytesList(value=[image]))
    feature = {features.IMAGE_BYTES: of_bytes}
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


RECORDS = [record(b"an image"), record(b"a longer image")]


@pytest.fixture
def ask_other_probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return the function that asks a program in the place of the probe."""

    def ask(source: str, timeout_s: float = 60.0) -> None:
        (tmp_path / "other_probe.py").write_text(source)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        ask_fresh_process(tmp_path / "model", RECORDS, timeout_s, probe="other_probe")

    return ask


def test_a_crash_is_told_by_its_signal_and_the_last_words(
    ask_other_probe: Callable[..., None],
) -> None:
    source = (
        "import os, signal\nprint('core dumped', flush=True)\nos.kill(os.getpid(), signal.SIGSEGV)"
    )
    with pytest.raises(NotServableError, match=r"was ended by SIGSEGV .* it said: core dumped"):
        ask_other_probe(source)


def test_an_exit_without_an_answer_is_told_by_its_code(
    ask_other_probe: Callable[..., None],
) -> None:
    with pytest.raises(NotServableError, match=r"ended with exit code 7 .* it said: nothing"):
        ask_other_probe("raise SystemExit(7)")


def test_what_is_done_meanwhile_is_done_while_it_is_at_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other_probe.py").write_text(f"""
import pathlib, time
while not pathlib.Path({str(tmp_path / "meanwhile")!r}).exists():
    time.sleep(0.01)
raise SystemExit(7)
""")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(NotServableError, match="ended with exit code 7"):
        ask_fresh_process(
            tmp_path, RECORDS, 60.0, "other_probe", meanwhile=(tmp_path / "meanwhile").touch
        )


def test_it_is_ended_where_what_is_done_meanwhile_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process_file = tmp_path / "process"
    (tmp_path / "other_probe.py").write_text(f"""
import os, pathlib, time
unfinished = pathlib.Path({str(tmp_path / "unfinished")!r})
unfinished.write_text(str(os.getpid()))
unfinished.rename({str(process_file)!r})
time.sleep(600)
""")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def fail() -> None:
        while not process_file.exists():
            time.sleep(0.01)
        raise RuntimeError("no network")

    with pytest.raises(RuntimeError, match="no network"):
        ask_fresh_process(tmp_path, RECORDS, 60.0, "other_probe", meanwhile=fail)
    with pytest.raises(ProcessLookupError):
        os.kill(int(process_file.read_text()), 0)


def test_a_hang_is_ended_and_told(ask_other_probe: Callable[..., None], tmp_path: Path) -> None:
    source = f"""
import os, pathlib, time
pathlib.Path({str(tmp_path / "pid")!r}).write_text(str(os.getpid()))
time.sleep(600)
"""
    with pytest.raises(NotServableError, match=r"had not answered after 3 s, .*serving\.timeout_s"):
        ask_other_probe(source, timeout_s=3.0)
    with pytest.raises(ProcessLookupError):  # it does not go on beside the run
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_much_output_does_not_stop_it(ask_other_probe: Callable[..., None]) -> None:
    with pytest.raises(NotServableError, match="it said: the end"):
        ask_other_probe("print('x' * 10_000_000)\nprint('the end')")


def test_answers_of_another_form_are_told(ask_other_probe: Callable[..., None]) -> None:
    source = "import sys, pathlib\npathlib.Path(sys.argv[3]).write_text('{}')"
    with pytest.raises(NotServableError, match="answers of another form"):
        ask_other_probe(source)


class Toy(tf.Module):
    """Says of an image how long it is; of a short one nothing that is a number."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name=features.IMAGE_BYTES)])
    def serve(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        length = tf.cast(tf.strings.length(image_bytes), tf.float32)
        probability = tf.where(length < 10.0, float("nan"), length / 100.0)
        return {
            features.PROBABILITY: probability,
            features.PREDICTED_LABEL: tf.fill(tf.shape(probability), features.NORMAL),
            features.THRESHOLD: tf.fill(tf.shape(probability), 0.5),
            features.DECISION: tf.fill(tf.shape(probability), features.REFER),
            features.FAMILIARITY: tf.fill(tf.shape(probability), 0.25),
            features.FAMILIARITY_THRESHOLD: tf.fill(tf.shape(probability), 0.01),
        }

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name=features.EXAMPLES_INPUT)])
    def serve_examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        spec = {features.IMAGE_BYTES: tf.io.FixedLenFeature([], tf.string)}
        return self.serve(tf.io.parse_example(examples, spec)[features.IMAGE_BYTES])

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name=features.EXAMPLES_INPUT)])
    def transform(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        png = tf.io.encode_png(tf.zeros([2, 2, 1], tf.uint8))
        return {features.TRANSFORMED_IMAGE_BYTES: tf.fill(tf.shape(examples), png)}


def save(folder: Path, *without: str, toy: Toy | None = None) -> Path:
    toy = toy or Toy()
    signatures = {
        features.SERVING_SIGNATURE: toy.serve,
        features.EXAMPLES_SIGNATURE: toy.serve_examples,
        features.TRANSFORM_SIGNATURE: toy.transform,
    }
    kept = {name: function for name, function in signatures.items() if name not in without}
    tf.saved_model.save(toy, str(folder), signatures=kept)
    return folder


def test_every_image_is_asked_about_alone_and_with_the_others_by_both_signatures(
    tmp_path: Path,
) -> None:
    told = ask_fresh_process(save(tmp_path / "model"), RECORDS, timeout_s=120.0)
    signatures = (features.SERVING_SIGNATURE, features.EXAMPLES_SIGNATURE)
    assert [(each.loader, each.signature, each.images) for each in told.answers] == [
        (loader, signature, images)
        for loader in ("session", "eager")
        for signature in signatures
        for images in ((0,), (1,), (0, 1))
    ]
    assert (told.unrestored, told.warm_up_failures) == ({}, ())
    values = [each.probabilities for each in told.answers[:3]]
    assert values[1:] == [(pytest.approx(0.14),), pytest.approx((float("nan"), 0.14), nan_ok=True)]
    assert values[0] == pytest.approx((float("nan"),), nan_ok=True)
    assert len(set(told.pixels)) == 1
    assert {each.decisions for each in told.answers[:3]} == {("refer",), ("refer", "refer")}
    assert told.answers[0].familiarities == (0.25,)
    assert told.answers[0].familiarity_thresholds == (pytest.approx(0.01),)


class WithoutDecision(Toy):
    """Answers what exports answered before cases were referred."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name=features.IMAGE_BYTES)])
    def serve(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        answer = super().serve(image_bytes)
        return {name: values for name, values in answer.items() if name != features.DECISION}


def test_a_missing_output_is_told(tmp_path: Path) -> None:
    model = save(tmp_path / "model", toy=WithoutDecision())
    with pytest.raises(NotServableError, match=r"outputs .* got none of \['decision'\]"):
        ask_fresh_process(model, RECORDS, timeout_s=120.0)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (
            lambda folder: (folder / "saved_model.pb").write_bytes(b"no model"),
            "load or ask the model",
        ),
        (lambda folder: (folder / "saved_model.pb").unlink(), "load or ask the model: OSError"),
    ],
)
def test_a_model_that_does_not_load_is_told(
    tmp_path: Path, damage: Callable[[Path], object], told: str
) -> None:
    damage(save(tmp_path / "model"))
    with pytest.raises(NotServableError, match=told):
        ask_fresh_process(tmp_path / "model", RECORDS, timeout_s=120.0)


class TrackedByKeras(Toy):
    """Holds its layer as Keras 3 saves it by itself: TF Serving restores a copy of its weights."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = keras.layers.Dense(1)
        self.layer.build((None, 1))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name=features.IMAGE_BYTES)])
    def serve(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        answer = super().serve(image_bytes)
        probability = self.layer(answer[features.PROBABILITY][:, tf.newaxis])[:, 0]
        return {**answer, features.PROBABILITY: probability}


def test_variables_that_only_python_restores_are_told_with_the_warm_up_that_fails(
    tmp_path: Path,
) -> None:
    model = save(tmp_path / "model", toy=TrackedByKeras())
    write_warm_up(model, (features.SERVING_SIGNATURE, features.TRANSFORM_SIGNATURE))
    told = ask_fresh_process(model, RECORDS, timeout_s=120.0)
    assert {name: len(names) for name, names in told.unrestored.items()} == {
        features.SERVING_SIGNATURE: 2,
        features.EXAMPLES_SIGNATURE: 2,
    }
    assert told.warm_up_failures == (
        f"request 1, `{features.SERVING_SIGNATURE}`: FailedPreconditionError",
        f"request 2, `{features.SERVING_SIGNATURE}`: FailedPreconditionError",
    )
    # The loader that the Evaluator uses answers all the same.
    assert {each.loader for each in told.answers} == {"eager"}


def test_warm_up_requests_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    model = save(tmp_path / "model")
    write_warm_up(model, (features.SERVING_SIGNATURE,)).write_bytes(b"no records" * 20)
    told = ask_fresh_process(model, RECORDS, timeout_s=120.0)
    assert told.warm_up_failures == ("request 1 cannot be read: DataLossError",)


def test_a_missing_signature_is_told(tmp_path: Path) -> None:
    model = save(tmp_path / "model", features.EXAMPLES_SIGNATURE)
    with pytest.raises(NotServableError, match="expected the signature serving_examples, got"):
        ask_fresh_process(model, RECORDS, timeout_s=120.0)
