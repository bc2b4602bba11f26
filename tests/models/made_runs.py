"""Runs of a candidate that trains on the tiny set in seconds."""

from __future__ import annotations

from contract.settings import (
    AugmentationSettings,
    CandidateRun,
    CandidateSettings,
    OperatingPointSettings,
    TrainingSettings,
    TunerSettings,
)

SIZE = 32
STILL = AugmentationSettings(enabled=False)


def candidate_run(architecture: str = "cnn_deep", **training: object) -> CandidateRun:
    """Plain pixels that nothing changes, eight epochs and eight a batch, but for `training`."""
    settings = {"augmentation": STILL, "batch_size": 8, "epochs": 8, **training}
    return CandidateRun(
        name=architecture,
        seed=3,
        image_size_px=SIZE,
        candidate=CandidateSettings(
            normalisation="none", architecture=architecture, training=TrainingSettings(**settings)
        ),
        tuner=TunerSettings(),
        operating_point=OperatingPointSettings(),
    )
