"""Versions of packages in their variants."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata

import pytest

from contract.installed import version_of


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Let each test ask anew."""
    version_of.cache_clear()
    yield
    version_of.cache_clear()


def test_a_package_has_the_version_that_is_installed() -> None:
    assert version_of("tensorflow") == metadata.version("tensorflow")
    assert version_of("keras") == metadata.version("keras")


def test_tensorflow_without_its_cuda_kernels_is_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name == "tensorflow":  # as in the image for processors
            raise metadata.PackageNotFoundError(name)
        return {"tensorflow-cpu": "2.21.0"}.get(name, "1.0")

    monkeypatch.setattr(metadata, "version", version)
    assert version_of("tensorflow") == "2.21.0"


def test_what_is_not_installed_is_an_error() -> None:
    with pytest.raises(metadata.PackageNotFoundError):
        version_of("no-such-package")
