"""The fresh process: load an export, answer requests, leave the answers, as a server would.

It is a separate program, so that nothing that trained the model is in its memory:
`python -m serving.servability MODEL REQUESTS ANSWERS`. It does not use the GPU, which the training
process holds.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from contract.long_lived import end_program, lasting_imports
from serving.without_keras import leave_out_keras


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m serving.servability", description=__doc__.splitlines()[0]
    )
    parser.add_argument("model", type=Path, help="folder with saved_model.pb")
    parser.add_argument("requests", type=Path, help="TFRecord file of raw records")
    parser.add_argument("answers", type=Path, help="JSON file to write")
    options = parser.parse_args(arguments)
    try:
        # Imported here: it brings TensorFlow.
        with lasting_imports():
            from serving.servability.probe import probe

        told: dict[str, Any] = probe(options.model, options.requests)
    except Exception as error:  # whatever it is, it is why the model cannot be served
        told = {"error": f"{type(error).__name__}: {error}"}
    options.answers.write_text(json.dumps(told), encoding="utf-8")
    return 1 if "error" in told else 0


if __name__ == "__main__":
    leave_out_keras()
    end_program(main())
