"""The settings of the run's report."""

from __future__ import annotations

from pydantic import Field

from contract.settings_base import OpenFraction, Settings


class ReportSettings(Settings):
    """What the report shows, and how much time its explanations may take."""

    enabled: bool = True
    # Of each kind (hits, misses, false alarms); 0 leaves the explanations out.
    explained_images: int = Field(2, ge=0, le=20)
    lime_samples: int = Field(300, ge=50, le=10_000)  # answers of the network for each image
    # Asked for once more, blurred, of each kind (hits, misses, false alarms, correct normals).
    blurred_images: int = Field(100, ge=0, le=10_000)
    worst_errors: int = Field(12, ge=0, le=100)  # shown as pictures, of each kind
    sample_images: int = Field(6, ge=0, le=50)  # of each class
    bootstrap_samples: int = Field(1000, ge=100, le=100_000)  # for confidence bands
    # What share of the children examined have pneumonia: predictive values depend on it.
    prevalences: tuple[OpenFraction, ...] = (0.05, 0.1, 0.2, 0.5)
    site: str = "not stated"  # where the model is to be used, for the model card
    contact: str = "not stated"  # who answers for it


class ReportRun(Settings):
    """The part of a run's settings that the Report node receives, as JSON."""

    pipeline_name: str
    seed: int
    image_size_px: int  # as Transform leaves it
    synthetic: bool  # whether the records were drawn
    report: ReportSettings
