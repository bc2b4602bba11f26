"""Build and run the program that asks models by TensorFlow's own C++ functions."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import named_tensor_pb2

SOURCE = Path(__file__).with_name("ask_saved_model.cc")
_FLAGS = (
    "import json, tensorflow as tf; "
    "print(json.dumps([tf.sysconfig.get_compile_flags(), tf.sysconfig.get_lib()]))"
)

Request = tuple[str, str, Any]  # signature, input, tensor


class CppLoader:
    """TensorFlow's C++ library, of the TensorFlow that a Python has.

    Args:
        python: The interpreter.
        folder: For the program, and what it reads and writes.
    """

    def __init__(self, python: str, folder: Path) -> None:
        flags, library = _flags_and_library(python)
        self._folder = folder
        self._program = folder / "ask_saved_model"
        # Linked also to what the program names nothing of: sessions register themselves there.
        libraries = ["libtensorflow_cc.so.2", "libtensorflow_framework.so.2"]
        subprocess.run(
            [
                compiler() or "c++", "-w", "-O0", *flags, str(SOURCE), "-o", str(self._program),
                f"-L{library}", "-Wl,--no-as-needed", *(f"-l:{name}" for name in libraries),
                f"-Wl,-rpath,{library}",
            ],
            capture_output=True, text=True, check=True,
        )  # fmt: skip

    def ask(self, model: Path, requests: Sequence[Request]) -> list[dict[str, np.ndarray]]:
        """Return the outputs of each request, by name.

        Raises:
            RuntimeError: TensorFlow refuses; the message is all that the program printed.
        """
        asked, answered = self._folder / "requests", self._folder / "answers"
        with tf.io.TFRecordWriter(str(asked)) as writer:
            for signature, name, tensor in requests:
                message = named_tensor_pb2.NamedTensorProto(name=f"{signature}/{name}")
                message.tensor.CopyFrom(tf.make_tensor_proto(tensor))
                writer.write(message.SerializeToString())
        done = subprocess.run(
            [str(self._program), str(model), str(asked), str(answered)],
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(done.stderr)
        answers: list[dict[str, np.ndarray]] = [{} for _ in requests]
        for record in tf.data.TFRecordDataset(str(answered)).as_numpy_iterator():
            output = named_tensor_pb2.NamedTensorProto.FromString(record)
            number, _, name = output.name.partition("/")
            answers[int(number)][name] = tf.make_ndarray(output.tensor)
        return answers


def _flags_and_library(python: str) -> tuple[list[str], str]:
    if python == sys.executable:
        return tf.sysconfig.get_compile_flags(), tf.sysconfig.get_lib()
    told = subprocess.run([python, "-c", _FLAGS], capture_output=True, text=True, check=True)
    flags, library = json.loads(told.stdout.splitlines()[-1])
    return flags, library


def compiler() -> str | None:
    """Return a C++ compiler, None where there is none."""
    return shutil.which("g++") or shutil.which("c++") or shutil.which("clang++")
