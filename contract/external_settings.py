"""The section `external`: sets of X-rays from elsewhere that the final model is judged on."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from contract.settings_base import Fraction, Settings

NAME_PATTERN = r"^[a-z][a-z0-9_]*$"
ExternalName = Annotated[str, Field(pattern=NAME_PATTERN)]


class ExternalSettings(Settings):
    """One set of X-rays from outside the training data."""

    # As --data takes it. Compiled for Kubeflow it is a folder of records, on the volume or s3://,
    # as `python -m pipeline.convert --external-set` writes it.
    source: str = Field(min_length=1)


class ExternalBounds(Settings):
    """What the gate asks for on one external set, point estimates; None asks for nothing."""

    min_recall: Fraction | None = None
    min_specificity: Fraction | None = None
    min_auc: Fraction | None = None
