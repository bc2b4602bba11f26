from __future__ import annotations

from unittest import mock

import kagglehub
import pytest

from contract.errors import InputError
from ingestion.kaggle import fetch_kaggle


@pytest.fixture
def download(monkeypatch):
    """Replace the library's call by one that takes the same arguments and fetches nothing."""
    replacement = mock.create_autospec(kagglehub.dataset_download)
    monkeypatch.setattr(kagglehub, "dataset_download", replacement)
    return replacement


def test_public_set_is_asked_for_by_name(download, tmp_path):
    download.return_value = str(tmp_path)
    assert fetch_kaggle() == tmp_path
    download.assert_called_once_with("paultimothymooney/chest-xray-pneumonia")


def test_refusal_is_told_with_a_way_out(download):
    download.side_effect = ConnectionError("no route to host")
    with pytest.raises(
        InputError, match=r"got ConnectionError: no route to host; check the network .*--data"
    ):
        fetch_kaggle()


def test_what_the_library_says_is_shown_in_one_bounded_line(download):
    download.side_effect = RuntimeError("<html>\x1b[2J\n" + "x" * 10_000)
    with pytest.raises(InputError) as refused:
        fetch_kaggle()
    assert len(str(refused.value)) < 600
    assert str(refused.value).isprintable()
