"""The typed configuration tree.

Every setting of a run stands here, with its default, its unit in its name and
its bounds. Only runners read YAML (see `pipeline.load_config`); everything
else receives its part of this tree. Values are frozen, unknown keys are
rejected.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
OpenFraction = Annotated[float, Field(gt=0.0, lt=1.0)]


class Settings(BaseModel):
    """Base of every section: immutable, and strict about its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SyntheticSettings(Settings):
    """The drawn set that stands in where no data is given."""

    num_images: int = Field(800, ge=24)
    pneumonia_fraction: OpenFraction = 0.6
    min_side_px: int = Field(160, ge=64)
    max_side_px: int = Field(320, ge=64)
    seed: int = Field(7, ge=0)

    @model_validator(mode="after")
    def _sides_in_order(self) -> SyntheticSettings:
        if self.min_side_px > self.max_side_px:
            raise ValueError(
                f"expected min_side_px <= max_side_px, got {self.min_side_px} > {self.max_side_px}"
            )
        return self


class DataSettings(Settings):
    """Ingestion and the patient-wise split."""

    validation_fraction: OpenFraction = 0.15
    test_fraction: OpenFraction = 0.15  # used only where the source has no `test`
    split_salt: str = "v1"  # another salt gives another patient-wise split
    num_shards: int = Field(4, ge=1, le=1000)  # TFRecord files per split
    max_rejected_fraction: Fraction = 0.01
    cross_split_duplicates: Literal["fail", "drop_from_train"] = "fail"
    max_image_pixels: int = Field(50_000_000, ge=1)  # per image, against decompression bombs
    max_archive_bytes: int = Field(20_000_000_000, ge=1)  # unpacked, against zip bombs
    min_prevalence: Fraction = 0.05  # of pneumonia, per split
    max_prevalence: Fraction = 0.95
    synthetic: SyntheticSettings = SyntheticSettings()

    @model_validator(mode="after")
    def _fractions_leave_train(self) -> DataSettings:
        if self.validation_fraction + self.test_fraction >= 1.0:
            raise ValueError(
                "expected validation_fraction + test_fraction < 1, got "
                f"{self.validation_fraction} + {self.test_fraction}"
            )
        if self.min_prevalence >= self.max_prevalence:
            raise ValueError(
                "expected min_prevalence < max_prevalence, got "
                f"{self.min_prevalence} >= {self.max_prevalence}"
            )
        return self


class TransformSettings(Settings):
    """From encoded bytes to the network's input; shared by training and serving."""

    image_size_px: int = Field(128, ge=16, le=1024)
    resize: Literal["squash", "letterbox", "lung_crop"] = "squash"
    lung_crop_fraction: float = Field(0.85, gt=0.2, le=1.0)  # of height and width kept


class AugmentationSettings(Settings):
    """Random changes to training images; the defaults are the study's recipe.

    Meanings follow Keras' `ImageDataGenerator`: shifts are fractions of the
    side, `shear_degrees` is an angle, zoom draws each axis from
    [1 - zoom, 1 + zoom]. Nothing is flipped: a heart on the right is a finding.
    """

    enabled: bool = True
    rotation_degrees: float = Field(40.0, ge=0.0, le=180.0)
    width_shift: Fraction = 0.2
    height_shift: Fraction = 0.2
    shear_degrees: float = Field(0.3, ge=0.0, lt=90.0)
    zoom: float = Field(0.1, ge=0.0, lt=1.0)


class TrainingSettings(Settings):
    """How one candidate is fitted."""

    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: float = Field(1e-3, gt=0.0)
    batch_size: int = Field(32, ge=1)
    epochs: int = Field(15, ge=1)
    patience_epochs: int = Field(5, ge=1)  # early stopping on validation loss
    class_weights: bool = True
    augmentation: AugmentationSettings = AugmentationSettings()


class TunerSettings(Settings):
    """The search over hyperparameters that comes before each candidate's training."""

    algorithm: Literal["random", "bayesian", "hyperband"] = "random"
    max_trials: int = Field(2, ge=1)
    epochs_per_trial: int = Field(2, ge=1)
    learning_rates: tuple[Annotated[float, Field(gt=0.0)], ...] = Field(
        (3e-4, 1e-3, 2e-3), min_length=1
    )
    batch_sizes: tuple[Annotated[int, Field(ge=1)], ...] = Field((32, 64), min_length=1)


class CandidateSettings(Settings):
    """One model that competes: an architecture and how it is trained."""

    architecture: Literal["cnn_deep"] = "cnn_deep"
    tune: bool = True
    training: TrainingSettings = TrainingSettings()


class OperatingPointSettings(Settings):
    """Where the decision threshold is put, on validation predictions."""

    target_sensitivity: OpenFraction = 0.97


class GateSettings(Settings):
    """What a model must show on the test split before it is pushed.

    The bounds are clinical, not tuned to pass: docs/adr/0004 gives the reasons.
    """

    min_recall: Fraction = 0.95  # pneumonia recall (sensitivity), point estimate, overall
    min_recall_lower_bound: Fraction = 0.90  # its lower 95% confidence bound, overall
    min_slice_recall: Fraction = 0.90  # point estimate, each large enough pneumonia slice
    min_slice_positives: int = Field(30, ge=1)  # fewer pneumonia cases: too small to judge
    min_specificity: Fraction = 0.80
    min_auc: Fraction = 0.90
    max_recall_drop: Fraction = 0.01  # against the last blessed model
    max_auc_drop: Fraction = 0.01
    require_baseline: bool = False  # fail where no earlier model is found


class MetadataSettings(Settings):
    """Where ML Metadata lives: a SQLite file under the output, or MySQL."""

    backend: Literal["sqlite", "mysql"] = "sqlite"
    mysql_host: str = "localhost"
    mysql_port: int = Field(3306, ge=1, le=65535)
    mysql_database: str = "metadb"
    mysql_user: str = "root"
    mysql_password_env: str = "MYSQL_PASSWORD"  # the variable's name, never the secret


class BeamSettings(Settings):
    """How Apache Beam runs.

    The default is one worker inside this process, named so that the Prism runner, which is
    downloaded, is never tried. Several local workers were slower on two cores: each process
    imports TensorFlow again (`make bench ARGS=beam_workers`).
    """

    pipeline_args: tuple[str, ...] = (
        "--runner=BundleBasedDirectRunner",
        # Workers in this process need no copy of the code. Where nothing says so, TFX packs
        # itself into an archive for every Beam node, which takes seconds each time.
        "--sdk_container_image=none",
    )


class PipelineSettings(Settings):
    """A whole run."""

    name: str = Field("pneumonia", pattern=r"^[a-z][-a-z0-9]*$")  # pipeline and served model
    seed: int = Field(0, ge=0, lt=2**31)
    data: DataSettings = DataSettings()
    transform: TransformSettings = TransformSettings()
    tuner: TunerSettings = TunerSettings()
    candidates: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], CandidateSettings] = (
        Field({"cnn_deep": CandidateSettings()}, min_length=1, max_length=1)
    )
    operating_point: OperatingPointSettings = OperatingPointSettings()
    gate: GateSettings = GateSettings()
    metadata: MetadataSettings = MetadataSettings()
    beam: BeamSettings = BeamSettings()


class CandidateRun(Settings):
    """The part of a run's settings that one candidate's Tuner and Trainer receive.

    It travels as JSON in TFX's `custom_config`, under `CUSTOM_CONFIG_KEY`.
    """

    name: str
    seed: int
    image_size_px: int
    candidate: CandidateSettings
    tuner: TunerSettings
    operating_point: OperatingPointSettings


CUSTOM_CONFIG_KEY = "settings"  # of Transform (TransformSettings), Tuner and Trainer (CandidateRun)
