"""A process that trains: `train_process.py ARGUMENTS`, the fields of `FnArgs` as a JSON file."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

from models.train import run_fn

if __name__ == "__main__":
    # Not TFX's class, which would bring all of TFX: seconds in each process.
    run_fn(SimpleNamespace(hyperparameters=None, **json.loads(Path(sys.argv[1]).read_text())))
