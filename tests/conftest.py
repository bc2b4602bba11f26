"""Fixtures and settings that every test shares."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_configure() -> None:
    """Quieten TensorFlow and keep it off accelerators, before any test imports it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    # Tests assert behaviour, never time: a busy machine fails none of them.
    hypothesis.settings.register_profile("untimed", deadline=None)
    hypothesis.settings.load_profile("untimed")


# Before pytest-xdist's own hook, which reads the groups.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a file's tests in one process, and runs on the real X-rays one after the other.

    The first share fixtures that take minutes; two of the second would need 9 GB together.
    """
    for item in items:
        is_large = item.get_closest_marker("real_data") is not None
        group = "real data" if is_large else item.path.relative_to(REPOSITORY).as_posix()
        item.add_marker(pytest.mark.xdist_group(group))


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
