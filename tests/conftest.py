"""Fixtures and settings that every test shares."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from tests.made_once import made_once

if TYPE_CHECKING:
    import tensorflow_transform as tft

REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_configure() -> None:
    """Quieten TensorFlow and keep it off accelerators, before any test imports it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    # There are as many tests at a time as cores: more threads would wait for each other, spinning.
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    # Tests assert behaviour, never time: a busy machine fails none of them. The same examples
    # every time: what fails is what was changed. HYPOTHESIS_PROFILE=random looks for new ones.
    hypothesis.settings.register_profile("repeatable", deadline=None, derandomize=True)
    hypothesis.settings.register_profile("random", deadline=None)
    hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))
    # Tests import the libraries while they are collected, see contract/long_lived.py.
    gc.disable()


def pytest_collection_finish() -> None:
    """Search for garbage from here on: in each process that runs tests, as xdist's workers do."""
    gc.freeze()
    gc.set_threshold(10_000, *gc.get_threshold()[1:])  # graphs are made of many small objects
    gc.enable()


def pytest_unconfigure() -> None:
    """End without a last search."""
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files of long runs: begun last, one of them would keep a single core busy.

    Those that may take the longest come first.
    """
    limits_s: dict[Path, float] = {}
    for item in items:
        limit = item.get_closest_marker("timeout")
        limit_s = limit.args[0] if limit else float(item.get_closest_marker("slow") is not None)
        limits_s[item.path] = max(limit_s, limits_s.get(item.path, 0.0))
    items.sort(key=lambda item: -limits_s[item.path])  # stable


@pytest.fixture(scope="session")
def repository() -> Path:
    """Return the root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the zip of real X-rays, or skip the test, saying where it was looked for."""
    path = REPOSITORY.parent / "shared" / "data" / "chest_xray_224.zip"
    if not path.is_file():
        pytest.skip("the real X-rays are not there: no ../shared/data/chest_xray_224.zip")
    return path


@pytest.fixture(scope="session")
def transform_output(tmp_path_factory: pytest.TempPathFactory) -> tft.TFTransformOutput:
    """Return what Transform saves of one drawn record: it takes seconds."""
    # Imported here: they bring TensorFlow and TFX.
    import tensorflow_transform as tft

    from tests.serving.contract.model import write_transform

    folder = made_once(tmp_path_factory, "transform_output", write_transform)
    return tft.TFTransformOutput(str(folder / "graph"))
