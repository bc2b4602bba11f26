"""Upload a compiled pipeline to Kubeflow Pipelines, start or schedule it, and follow the run."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pipeline.kubeflow.submission.command import main

if __name__ == "__main__":
    sys.exit(main())
