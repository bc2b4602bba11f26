"""Exported models, which every test of the server shares."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.made_once import made_once


@dataclasses.dataclass(frozen=True)
class Exports:
    """Two models that answer differently."""

    first: Path
    second: Path


@pytest.fixture(scope="session")
def exports(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exports:
    # Imported here: it brings TensorFlow and TFX, which the tests of the client do without.
    from contract import features
    from models.warmup import write_warm_up
    from tests.serving.contract.model import export_contract_model

    transform_output = request.getfixturevalue("transform_output")

    def make(folder: Path) -> None:
        for name, seed in (("first", 5), ("second", 6)):
            export_contract_model(folder / name, transform_output, seed)
            # As every pushed model; a first request is slow without.
            write_warm_up(folder / name, (features.SERVING_SIGNATURE, features.EXAMPLES_SIGNATURE))

    folder = made_once(tmp_path_factory, "exports", make)
    return Exports(folder / "first", folder / "second")


@pytest.fixture
def push_dir(tmp_path: Path, exports: Exports) -> Path:
    """Return a folder with the first model as version 1."""
    shutil.copytree(exports.first, tmp_path / "pneumonia" / "1")
    return tmp_path / "pneumonia"


@pytest.fixture
def push(push_dir: Path, exports: Exports) -> Callable[[int], None]:
    """Return a function that pushes a version; even ones are the second model."""

    def push_version(version: int) -> None:
        source = exports.first if version % 2 else exports.second
        incoming = push_dir / f".incoming-{version}"
        shutil.copytree(source, incoming)
        incoming.rename(push_dir / str(version))

    return push_version
