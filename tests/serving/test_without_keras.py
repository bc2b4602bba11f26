"""TensorFlow is there and Keras is not, as in TensorFlow Serving."""

import subprocess
import sys

import pytest

PROGRAM = """
import sys
from serving.without_keras import leave_out_keras
leave_out_keras()
import tensorflow as tf
assert tf.io.decode_base64("YQ").numpy() == b"a"
imported = {name.partition(".")[0] for name, module in sys.modules.items() if module is not None}
print(*sorted(imported & {"keras", "tf_keras", "sklearn", "matplotlib"}))
"""


@pytest.mark.slow
@pytest.mark.parametrize("legacy", ["0", "1"])
def test_tensorflow_is_imported_without_what_keras_brings(repository, monkeypatch, legacy):
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", legacy)  # TFX asks for the older one
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=repository, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == ""
