"""The public data set, fetched from Kaggle."""

from __future__ import annotations

from pathlib import Path

from contract.errors import InputError
from ingestion.rejection import one_line

DATASET = "paultimothymooney/chest-xray-pneumonia"


def fetch_kaggle() -> Path:
    """Fetch the public chest X-rays, or find them in the library's cache, and return the folder.

    Raises:
        InputError: The data set cannot be fetched.
    """
    # Imported where needed: it is slow to import and reads the environment when it is.
    import kagglehub

    try:
        return Path(kagglehub.dataset_download(DATASET))
    except Exception as error:  # Network, permission and disk errors of several libraries.
        raise InputError(
            f"expected to fetch {DATASET} from Kaggle, got {type(error).__name__}: "
            f"{one_line(error)}; check the network and the Kaggle credentials, or download the set "
            "with a browser and give the zip with --data"
        ) from error
