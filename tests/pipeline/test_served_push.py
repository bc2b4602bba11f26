"""The check of the serving before the push, under TFX: an export that answers otherwise stays.

Images go through the real Transform. The trainer is a small network that is not trained: what is
checked is that the export says what the network says, not that it is right.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import pytest
import tensorflow_transform as tft
from tfx.components import ImportExampleGen, Transform
from tfx.components.schema_gen.import_schema_gen.component import ImportSchemaGen
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.orchestration import metadata
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import example_gen_pb2, transform_pb2
from tfx.types import artifact_utils
from tfx.types.standard_artifacts import (
    Examples,
    Model,
    ModelBlessing,
    ModelRun,
    TransformGraph,
)
from tfx.utils import path_utils

from components.pusher import create_pusher
from components.servability_check import NOT_BLESSED_FILE, create_servability_check
from contract import features
from contract.settings import (
    CUSTOM_CONFIG_KEY,
    BeamSettings,
    CandidateSettings,
    DataSettings,
    OperatingPointSettings,
    ServabilityRun,
    ServingSettings,
    TransformSettings,
)
from evaluation.training_report import (
    FAMILIAR_FILE,
    NETWORK_FILE,
    PREDICTIONS_FILE,
    REPORT_FILE,
    TrainingReport,
)
from ingestion.conversion import convert
from ingestion.open_source import open_source
from ingestion.synthetic import write_synthetic_set
from models.architectures import build_network
from models.export import OperatingRule, ServedModel, export_model
from models.input_data import load_split
from models.judgement import judge_predictions, predict_validation
from models.predictor import Predictor, familiar_images
from models.schema import SCHEMA_FILE
from serving.push_folder import pushed_versions
from serving.push_record import RECORD_FILE
from serving.servability.report import ServabilityReport
from tests.models.export_faults import put_back_tracking_by_keras

pytestmark = pytest.mark.slow

SIZE = 32
NUM_IMAGES = 6


@component
def ToyTrainer(  # noqa: N802
    transformed_examples: InputArtifact[Examples],
    transform_graph: InputArtifact[TransformGraph],
    model: OutputArtifact[Model],
    model_run: OutputArtifact[ModelRun],
    seed: Parameter[int],
    added_to_exported_weights: Parameter[float],
    tracked_by_keras: Parameter[int],
) -> None:
    keras.utils.set_random_seed(seed)
    candidate = CandidateSettings(architecture="ann_small", normalisation="standardise")
    network = build_network(candidate, SIZE)
    folder = Path(model_run.uri)
    folder.mkdir(parents=True, exist_ok=True)
    network.save(folder / NETWORK_FILE)
    split = artifact_utils.get_split_uri([transformed_examples], features.VALIDATION)
    validation = load_split([f"{split}/*"], SIZE)
    trained = Predictor(network, candidate)
    familiar = familiar_images(trained, [validation.images])
    familiar.write(folder / FAMILIAR_FILE)
    trained = trained.but(familiar=familiar)
    predictions = predict_validation(trained, validation, stress=False)
    predictions.write(folder / PREDICTIONS_FILE)
    settings = OperatingPointSettings(stress=False)
    judgement = judge_predictions(predictions, validation, settings, seed=0, cuts=(80.0, 160.0))
    report = TrainingReport(
        name="toy", architecture="ann_small", num_parameters=1, num_trainable=1,
        candidate=candidate, hyperparameters={}, seed=seed, num_epochs=1, best_epoch=1, history={},
        num_gpus=0, num_replicas=1, training_s=0.0, **judgement.for_report(),
    )  # fmt: skip
    report.write(folder / REPORT_FILE)
    bias = network.weights[-1]
    bias.assign(bias + added_to_exported_weights)
    predictor = Predictor(network, candidate, judgement.calibration, familiar)
    rule = OperatingRule.from_validation(report, predictions)
    served = ServedModel(
        predictor,
        tft.TFTransformOutput(transform_graph.uri),
        SIZE,
        rule,
    )
    if tracked_by_keras:
        put_back_tracking_by_keras(served, predictor)
    export_model(served, Path(path_utils.serving_model_dir(model.uri)))


@component
def Bless(blessing: OutputArtifact[ModelBlessing], seed: Parameter[int]) -> None:  # noqa: N802
    blessing.set_int_custom_property("blessed", 1)


@pytest.fixture(scope="module")
def records_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("records")
    data = DataSettings.model_validate(
        {"num_shards": 1, "synthetic": {"num_images": 60, "max_side_px": 200}}
    )
    drawn = write_synthetic_set(root / "synthetic", data.synthetic)
    source = open_source(str(drawn), root / "work", data)
    convert(source, data, root / "records", BeamSettings().pipeline_args)
    return root / "records"


@dataclass
class Project:
    """One output folder, over several runs."""

    root: Path
    records_dir: Path

    @property
    def push_dir(self) -> Path:
        return self.root / "serving" / "pneumonia"

    def run(
        self,
        seed: int,
        weights: float = 0.0,
        tracked_by_keras: bool = False,
        **serving: object,
    ) -> tuple[ServabilityReport, dict[str, Any]]:
        settings = ServingSettings.model_validate({"check_images": NUM_IMAGES, **serving})
        example_gen = ImportExampleGen(
            input_base=str(self.records_dir),
            input_config=example_gen_pb2.Input(
                splits=[
                    example_gen_pb2.Input.Split(name=split, pattern=f"{split}/*.tfrecord.gz")
                    for split in features.SPLITS
                ]
            ),
        )
        schema_gen = ImportSchemaGen(schema_file=str(SCHEMA_FILE))
        transform = Transform(
            examples=example_gen.outputs["examples"],
            schema=schema_gen.outputs["schema"],
            preprocessing_fn="models.preprocessing.preprocessing_fn",
            splits_config=transform_pb2.SplitsConfig(
                analyze=[features.TRAIN], transform=[features.TRAIN, features.VALIDATION]
            ),
            custom_config={
                CUSTOM_CONFIG_KEY: TransformSettings(image_size_px=SIZE).model_dump_json()
            },
            disable_statistics=True,
        )
        trainer = ToyTrainer(
            transformed_examples=transform.outputs["transformed_examples"],
            transform_graph=transform.outputs["transform_graph"],
            seed=seed,
            added_to_exported_weights=weights,
            tracked_by_keras=int(tracked_by_keras),
        )
        gate = Bless(seed=seed)
        servability = create_servability_check(
            {},
            model=trainer.outputs["model"],
            model_run=trainer.outputs["model_run"],
            examples=example_gen.outputs["examples"],
            transformed_examples=transform.outputs["transformed_examples"],
            settings=ServabilityRun(image_size_px=SIZE, serving=settings),
            code_version="1",
        )
        pusher = create_pusher(
            model=trainer.outputs["model"],
            model_blessing=gate.outputs["blessing"],
            infra_blessing=servability.outputs["blessing"],
            push_dir=str(self.push_dir),
            code_version="1",
            settings=settings,
        )
        LocalDagRunner().run(
            Pipeline(
                pipeline_name="toy",
                pipeline_root=str(self.root / "pipeline"),
                components=[
                    example_gen, schema_gen, transform, trainer, gate, servability, pusher,
                ],
                enable_cache=True,
                metadata_connection_config=metadata.sqlite_metadata_connection_config(
                    str(self.root / "metadata.sqlite")
                ),
                beam_pipeline_args=list(BeamSettings().pipeline_args),
            )
        )  # fmt: skip
        pushed = self.newest("Pusher", "pushed_model") / RECORD_FILE
        return (
            ServabilityReport.read(self.newest("ServabilityCheck", "blessing")),
            json.loads(pushed.read_text()),
        )

    def newest(self, node: str, output: str) -> Path:
        return max(self.attempts(node, output), key=lambda folder: int(folder.name))

    def attempts(self, node: str, output: str) -> list[Path]:
        return list((self.root / "pipeline" / node / output).iterdir())


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, records_dir: Path) -> Project:
    """The stages share one folder, and run in the order of this file."""
    return Project(tmp_path_factory.mktemp("served_push"), records_dir)


def test_an_export_that_says_what_the_trainer_says_is_pushed(project: Project) -> None:
    report, pushed = project.run(seed=1)
    assert (report.blessed, report.reasons) == (True, ())
    # Each alone and all together, by both signatures and both loaders.
    assert (report.num_images, report.num_answers) == (NUM_IMAGES, 8 * NUM_IMAGES)
    assert report.largest_difference is not None
    assert report.largest_difference < 1e-6
    assert report.largest_difference_from_training is not None
    assert report.largest_difference_from_training < 1e-4
    assert (pushed["pushed"], pushed["pushed_version"]) == (1, "1")


def test_an_export_that_says_something_else_is_vetoed_though_the_gate_blessed_it(
    project: Project,
) -> None:
    report, pushed = project.run(seed=2, weights=0.01)
    assert not report.blessed
    [reason] = report.reasons
    assert "a probability differs from the trainer's by" in reason
    assert report.largest_difference is not None
    assert report.largest_difference > report.max_difference
    assert (project.newest("ServabilityCheck", "blessing") / NOT_BLESSED_FILE).is_file()
    assert pushed == {"pushed": 0}
    assert pushed_versions(project.push_dir) == [1]


def test_an_export_that_only_python_can_load_is_vetoed(project: Project) -> None:
    report, pushed = project.run(seed=2, tracked_by_keras=True)
    assert not report.blessed
    variables, warm_up = report.reasons
    assert variables.startswith("TensorFlow Serving's loader leaves ")
    assert "reads without a value: " in variables
    assert warm_up.startswith("6 warm-up requests fail in TensorFlow Serving's loader: request 1, ")
    # What Python's loader says is the trainer's answer: it would have been pushed.
    assert report.num_answers == 4 * NUM_IMAGES
    assert report.largest_difference is not None
    assert report.largest_difference < 1e-6
    assert pushed == {"pushed": 0}
    assert pushed_versions(project.push_dir) == [1]


def test_a_process_that_has_no_time_is_a_veto_that_the_next_run_does_not_repeat(
    project: Project,
) -> None:
    report, pushed = project.run(seed=2, timeout_s=0.1)
    [reason] = report.reasons
    assert "had not answered after 0.1 s" in reason
    assert (report.load_s, pushed) == (None, {"pushed": 0})
    trained = project.attempts("ToyTrainer", "model")
    report, pushed = project.run(seed=2)
    assert report.blessed
    assert project.attempts("ToyTrainer", "model") == trained  # answered from the cache
    assert pushed["pushed_version"] == "2"
