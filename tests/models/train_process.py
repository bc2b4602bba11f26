"""A process that trains: `train_process.py ARGUMENTS`, the fields of `FnArgs` as a JSON file."""

import json
import sys
from pathlib import Path

from tfx.components.trainer.fn_args_utils import FnArgs

from models.train import run_fn

if __name__ == "__main__":
    run_fn(FnArgs(**json.loads(Path(sys.argv[1]).read_text())))
