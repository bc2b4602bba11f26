"""The section `serving` of the configuration: what comes between the gate and clients."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from contract.settings_base import Settings


class ServingSettings(Settings):
    """What an export must show before it is pushed, and how many pushed versions are kept."""

    check_images: int = Field(16, ge=1, le=1000)  # of validation, that a fresh process judges
    # Between the export's probability and the trainer's, of any of them.
    max_difference: float = Field(1e-5, gt=0.0, le=1.0)
    # Of the fresh process: start, loading and all answers. TF Serving has it for loading.
    timeout_s: float = Field(300.0, gt=0.0)
    # Whether TFX's InfraValidator asks a real TF Serving, too. `docker`: an engine answers here;
    # `kubernetes`: the run itself is in a pod. docs/adr/0012 says what each needs.
    infra_validation: Literal["none", "docker", "kubernetes"] = "none"
    infra_image: str = Field("tensorflow/serving", pattern=r"^[^\s:@]+(:[0-9]+/[^\s:@]+)?$")
    infra_tag: str = Field("2.19.1", pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$")
    # Pushed versions; older ones are deleted after a push. One is no way back.
    keep_versions: int = Field(5, ge=2)
    # Never deleted, beside those that a `models.config` next to the folder names.
    pinned_versions: tuple[Annotated[int, Field(ge=1)], ...] = ()


class ServabilityRun(Settings):
    """The part of a run's settings that the ServabilityCheck node receives, as JSON."""

    image_size_px: int  # as Transform leaves it
    serving: ServingSettings
