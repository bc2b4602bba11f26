from __future__ import annotations

import sys
import types

import pytest

from components.errors import InputError
from components.ingestion.kaggle import fetch_kaggle


@pytest.fixture
def library(monkeypatch):
    """Stand in for kagglehub, whose import reads the user's credentials."""
    module = types.ModuleType("kagglehub")
    monkeypatch.setitem(sys.modules, "kagglehub", module)
    return module


def test_public_set_is_asked_for_by_name(library, tmp_path):
    asked = []
    library.dataset_download = lambda handle: asked.append(handle) or str(tmp_path)
    assert fetch_kaggle() == tmp_path
    assert asked == ["paultimothymooney/chest-xray-pneumonia"]


def test_refusal_is_told_with_a_way_out(library):
    def refuse(handle):
        raise ConnectionError("no route to host")

    library.dataset_download = refuse
    with pytest.raises(
        InputError, match=r"got ConnectionError: no route to host; check the network .*--data"
    ):
        fetch_kaggle()
