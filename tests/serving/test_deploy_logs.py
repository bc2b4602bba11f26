"""What TensorFlow logs of a string that it cannot parse, at each level of its C++ log.

TensorFlow Serving runs models in such a session (tensorflow/serving,
servables/tensorflow/saved_model_bundle_factory.cc). Its own binary was not at hand.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serving.deploy_files import environment, manifests

pytestmark = pytest.mark.slow

NAME = "TF_CPP_MIN_LOG_LEVEL"
(CONTAINER,) = manifests("kubernetes")["Deployment"]["spec"]["template"]["spec"]["containers"]
SECRET = "PATIENT DOE^JANE"

# Exports a model that parses records, and asks it about the second argument in a session.
PROGRAM = """
import sys

import tensorflow as tf

FEATURES = {"image_bytes": tf.io.FixedLenFeature([], tf.string)}


class Model(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def answer(self, examples):
        return {"length": tf.strings.length(tf.io.parse_example(examples, FEATURES)["image_bytes"])}


folder, record = sys.argv[1:]
model = Model()
tf.saved_model.save(model, folder, signatures={"serving_examples": model.answer})
with tf.compat.v1.Session(graph=tf.Graph()) as session:
    loaded = tf.compat.v1.saved_model.load(session, [tf.saved_model.SERVING], folder)
    signature = loaded.signature_def["serving_examples"]
    outputs = {key: tensor.name for key, tensor in signature.outputs.items()}
    try:
        session.run(outputs, {signature.inputs["examples"].name: [record]})
    except tf.errors.InvalidArgumentError as error:
        print("refused" if record in error.message else error.message)
"""


@pytest.mark.parametrize(
    ("level", "logged"),
    [(None, True), ("1", True), (environment(CONTAINER)[NAME], False)],
    ids=["default", "warnings", "deployed"],
)
def test_the_log_holds_a_records_content_unless_the_level_is_that_of_deploy(
    tmp_path: Path, level: str | None, logged: bool
) -> None:
    inherited = {key: value for key, value in os.environ.items() if key != NAME}
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "model"), SECRET],
        env=inherited if level is None else {**inherited, NAME: level},
        capture_output=True,
        text=True,
        check=True,
    )
    # The answer names it all the same: the client knows it anyway.
    assert result.stdout.splitlines() == ["refused"]
    assert (SECRET in result.stderr) == logged
