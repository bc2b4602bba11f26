"""What tests of Flink need from outside: Java, Maven, and what Maven fetches."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from contract.errors import InputError
from tools.flink_cluster.artifacts import fetch_artifacts
from tools.flink_cluster.cluster import DEFAULT_FOLDER


def artifacts_or_skip() -> Path:
    """Return the folder of the cluster's artifacts, or skip the test, saying what is missing.

    They are fetched once for a checkout, into the folder that `make flink-up` uses.
    """
    if not os.environ.get("FLINK_TESTS"):
        pytest.skip("Flink is tested by make test-flink and .ci/run, with Java and Maven")
    folder = DEFAULT_FOLDER / "artifacts"
    try:
        fetch_artifacts(folder)
    except InputError as error:
        pytest.skip(f"no Flink here: {error}")
    return folder
