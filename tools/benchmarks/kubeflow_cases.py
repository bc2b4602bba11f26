"""What is measured of Kubeflow: each case is a kind, and what it is measured on."""

from __future__ import annotations

COMPILE, TASK, RUN = "compile", "task", "run"
# The configuration for clusters and the one with most candidates; a task that does next to nothing.
_ALWAYS = (f"{COMPILE} default", f"{COMPILE} study", f"{TASK} ImportSchemaGen")
CASES = (*_ALWAYS, f"{RUN} synthetic")
QUICK_CASES = (*_ALWAYS, f"{RUN} quick")
