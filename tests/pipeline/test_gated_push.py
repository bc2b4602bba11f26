"""From records to a pushed model, through baseline, Evaluator, gate and Pusher, under TFX.

The X-ray is a number here: `score`, which the toy model returns as its probability. The scores
of pneumonia are spread evenly over [0.45, 1], those of normal over [0, 0.55], so the threshold
that a toy model ships fixes its recall and specificity.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from tfx.components import ImportExampleGen
from tfx.dsl.component.experimental.annotations import OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.orchestration import metadata
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import example_gen_pb2
from tfx.types.standard_artifacts import Model
from tfx.utils import path_utils

from components.baseline import Baseline
from components.evaluator import create_evaluator
from components.gate import ModelGate
from components.pusher import create_pusher
from contract import features
from contract.settings import BeamSettings, GateSettings
from evaluation.gate import FAILED, PASSED, REPORT_FILE, TOO_SMALL, Check, GateReport
from evaluation.slice_metrics import OVERALL, slice_metrics_from_predictions
from evaluation.tfma_config import SLICE_FEATURES, create_eval_config
from evaluation.tfma_results import read_evaluation
from serving.push_folder import push_fingerprint, pushed_versions
from serving.push_record import RECORD_FILE

pytestmark = pytest.mark.slow

NUM_POSITIVES, NUM_NEGATIVES = 200, 110

GOOD_THRESHOLD = 0.47  # recall .965, specificity .855
BETTER_THRESHOLD = 0.46  # recall .98
WORSE_THRESHOLD = 0.475  # recall .955: clears every absolute bound
WEAK_THRESHOLD = 0.5  # recall .91: below the bound
REFERRED = 0.05  # how far below the threshold scores are referred


class ToyModel(tf.Module):
    def __init__(self, threshold: float):
        super().__init__()
        self.threshold = tf.Variable(threshold, dtype=tf.float32)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name=features.EXAMPLES_INPUT)])
    def serve_examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        spec = {"score": tf.io.FixedLenFeature([], tf.float32)}
        probability = tf.io.parse_example(examples, spec)["score"]
        is_called = probability >= self.threshold
        return {
            features.PROBABILITY: probability,
            features.CALLED_PNEUMONIA: tf.cast(is_called, tf.float32),
            features.THRESHOLD: tf.fill(tf.shape(probability), self.threshold),
            features.PREDICTED_LABEL: tf.where(is_called, features.PNEUMONIA, features.NORMAL),
        }

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string, name=features.INFORMATION_INPUT)]
    )
    def model_information(self, rows: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"model_version": tf.fill(tf.shape(rows), "toy")}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name=features.EXAMPLES_INPUT)])
    def cases(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        spec = {"score": tf.io.FixedLenFeature([], tf.float32)}
        probability = tf.io.parse_example(examples, spec)["score"]
        is_referred = (probability >= self.threshold - REFERRED) & (probability < self.threshold)
        case = tf.where(is_referred, features.REFERRED, features.DECIDED)
        return {features.CASE: case[:, tf.newaxis]}


@component
def ToyTrainer(model: OutputArtifact[Model], threshold: Parameter[float]) -> None:  # noqa: N802
    toy = ToyModel(threshold)
    tf.saved_model.save(
        toy,
        path_utils.serving_model_dir(model.uri),
        signatures={
            features.EXAMPLES_SIGNATURE: toy.serve_examples,
            features.CASE_SIGNATURE: toy.cases,
            features.INFORMATION_SIGNATURE: toy.model_information,
        },
    )


def _records() -> list[dict[str, Any]]:
    subtypes = [features.BACTERIAL] * 6 + [features.VIRAL] * 3 + [features.UNKNOWN]
    records = [
        {
            "label": 1,
            "score": 0.45 + 0.55 * (index + 0.5) / NUM_POSITIVES,
            "subtype": subtypes[index % len(subtypes)],
            "size_group": features.SIZE_GROUPS[index % 2],
            "sharpness_group": features.SHARPNESS_GROUPS[index % 3],
        }
        for index in range(NUM_POSITIVES)
    ]
    records += [
        {
            "label": 0,
            "score": 0.55 * (index + 0.5) / NUM_NEGATIVES,
            "subtype": features.NORMAL,
            "size_group": features.SIZE_GROUPS[index % 2],
            "sharpness_group": features.SHARPNESS_GROUPS[index % 3],
        }
        for index in range(NUM_NEGATIVES)
    ]
    return records


def _serialized(record: dict[str, Any]) -> bytes:
    def texts(value: str) -> tf.train.Feature:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.encode()]))

    feature = {
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[record["label"]])),
        "score": tf.train.Feature(float_list=tf.train.FloatList(value=[record["score"]])),
        "subtype": texts(record["subtype"]),
        "size_group": texts(record["size_group"]),
        "sharpness_group": texts(record["sharpness_group"]),
    }
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


@pytest.fixture(scope="module")
def records_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("records")
    for split in features.SPLITS:
        (root / split).mkdir()
        # Only the test split may count: the others hold one normal record.
        chosen = _records() if split == features.TEST else _records()[-1:]
        with tf.io.TFRecordWriter(str(root / split / "data.gz"), "GZIP") as writer:
            for record in chosen:
                writer.write(_serialized(record))
    return root


@dataclass
class Outcome:
    report: GateReport
    pushed: dict[str, Any]
    evaluation_dir: Path

    def check(self, name: str, where: str = OVERALL) -> Check:
        [check] = [c for c in self.report.checks if (c.name, c.slice) == (name, where)]
        return check


@dataclass
class Project:
    """One output folder, over several runs."""

    root: Path
    records_dir: Path

    @property
    def push_dir(self) -> Path:
        return self.root / "serving" / "pneumonia"

    def run(self, threshold: float, code_version: str = "1", **bounds: float | bool) -> Outcome:
        settings = GateSettings(**bounds)
        example_gen = ImportExampleGen(
            input_base=str(self.records_dir),
            input_config=example_gen_pb2.Input(
                splits=[
                    example_gen_pb2.Input.Split(name=split, pattern=f"{split}/*")
                    for split in features.SPLITS
                ]
            ),
        )
        trainer = ToyTrainer(threshold=threshold)
        baseline = Baseline(
            push_dir=str(self.push_dir),
            require_baseline=int(settings.require_baseline),
            pushed_version=push_fingerprint(self.push_dir),
            code_version=code_version,
        )
        evaluator = create_evaluator(
            examples=example_gen.outputs["examples"],
            model=trainer.outputs["model"],
            baseline_model=baseline.outputs["model"],
            eval_config=create_eval_config(settings),
            example_splits=[features.TEST],
            code_version=code_version,
        )
        gate = ModelGate(
            evaluation=evaluator.outputs["evaluation"],
            evaluator_blessing=evaluator.outputs["blessing"],
            settings=settings.model_dump_json(),
            code_version=code_version,
        )
        pusher = create_pusher(
            model=trainer.outputs["model"],
            model_blessing=gate.outputs["blessing"],
            push_dir=str(self.push_dir),
            code_version=code_version,
        )
        LocalDagRunner().run(
            Pipeline(
                pipeline_name="toy",
                pipeline_root=str(self.root / "pipeline"),
                components=[example_gen, trainer, baseline, evaluator, gate, pusher],
                enable_cache=True,
                metadata_connection_config=metadata.sqlite_metadata_connection_config(
                    str(self.root / "metadata.sqlite")
                ),
                beam_pipeline_args=list(BeamSettings().pipeline_args),
            )
        )
        blessing_dir = self.newest("ModelGate", "blessing")
        pushed_dir = self.newest("Pusher", "pushed_model")
        return Outcome(
            report=GateReport.model_validate_json((blessing_dir / REPORT_FILE).read_text()),
            pushed=json.loads((pushed_dir / RECORD_FILE).read_text()),
            evaluation_dir=self.newest("Evaluator", "evaluation"),
        )

    def newest(self, node: str, output: str) -> Path:
        return max(self.attempts(node, output), key=lambda folder: int(folder.name))

    def attempts(self, node: str, output: str) -> list[Path]:
        return list((self.root / "pipeline" / node / output).iterdir())


@pytest.fixture
def project(tmp_path: Path, records_dir: Path) -> Project:
    return Project(root=tmp_path, records_dir=records_dir)


def test_runs_after_one_another_compare_with_what_was_pushed(project: Project) -> None:
    first = project.run(GOOD_THRESHOLD)
    assert first.report.blessed
    assert not first.report.baseline_present
    assert first.pushed["pushed"] == 1
    assert first.pushed["pushed_version"] == "1"
    assert first.pushed["pushed_destination"] == str(project.push_dir / "1")
    assert pushed_versions(project.push_dir) == [1]

    better = project.run(BETTER_THRESHOLD)
    assert better.report.blessed
    change = better.check("recall_change")
    assert change.baseline == pytest.approx(0.965)
    assert change.value == pytest.approx(0.015)
    assert better.pushed["pushed_version"] == "2"
    # Also beside a baseline TFMA slices by what the candidate refers.
    slices = read_evaluation(str(better.evaluation_dir)).candidate
    num_referred = sum(
        BETTER_THRESHOLD - REFERRED <= record["score"] < BETTER_THRESHOLD for record in _records()
    )
    assert slices["case=referred"].n == num_referred > 0
    assert slices["case=decided"].n == slices["overall"].n - num_referred

    # TFMA itself must refuse it, by the change threshold and by nothing else.
    worse = project.run(WORSE_THRESHOLD)
    assert not worse.report.blessed
    assert {check.name for check in worse.report.with_verdict(FAILED)} == {"recall_change", "tfma"}
    assert worse.check("recall_change").value == pytest.approx(-0.025)
    assert worse.pushed == {"pushed": 0}

    again = project.run(BETTER_THRESHOLD)
    assert again.report.blessed
    assert again.check("recall_change").value == 0.0
    assert (again.pushed["already_pushed"], again.pushed["pushed_version"]) == (1, "2")
    assert pushed_versions(project.push_dir) == [1, 2]


def test_a_model_below_the_recall_bound_is_refused_and_not_pushed(project: Project) -> None:
    outcome = project.run(WEAK_THRESHOLD)
    assert not outcome.report.blessed
    recall = outcome.check("recall")
    assert (recall.verdict, recall.value, recall.bound) == (FAILED, pytest.approx(0.91), 0.95)
    assert "refused by TFMA" in recall.note
    assert outcome.pushed == {"pushed": 0}
    assert pushed_versions(project.push_dir) == []


@pytest.fixture(scope="module")
def vetoed(tmp_path_factory: pytest.TempPathFactory, records_dir: Path) -> tuple[Project, Outcome]:
    project = Project(root=tmp_path_factory.mktemp("vetoed"), records_dir=records_dir)
    return project, project.run(GOOD_THRESHOLD, min_recall_lower_bound=0.95)


def test_the_gate_refuses_by_the_lower_bound_what_tfma_validates(
    vetoed: tuple[Project, Outcome],
) -> None:
    project, outcome = vetoed
    assert outcome.check("tfma").verdict == PASSED
    assert [check.name for check in outcome.report.with_verdict(FAILED)] == ["recall_lower_bound"]
    assert outcome.pushed == {"pushed": 0}
    assert pushed_versions(project.push_dir) == []


def test_what_tfma_measures_is_what_the_model_serves(vetoed: tuple[Project, Outcome]) -> None:
    _, outcome = vetoed
    records = _records()
    expected = slice_metrics_from_predictions(
        [record["label"] for record in records],
        [record["score"] for record in records],
        GOOD_THRESHOLD,
        {name: [record[name] for record in records] for name in SLICE_FEATURES}
        | {
            features.CASE: [
                features.REFERRED
                if GOOD_THRESHOLD - REFERRED <= record["score"] < GOOD_THRESHOLD
                else features.DECIDED
                for record in records
            ]
        },
    )
    measured = read_evaluation(str(outcome.evaluation_dir)).candidate
    assert measured.keys() == expected.keys()
    for name, metrics in measured.items():
        document, reference = metrics.model_dump(), expected[name].model_dump()
        for figure, value in document.items():
            assert value == pytest.approx(reference[figure], abs=1e-4), (name, figure)
    assert outcome.check("slice_recall", "subtype=viral").verdict == PASSED
    small = outcome.check("slice_recall", "subtype=unknown")
    assert (small.verdict, small.n) == (TOO_SMALL, 20)


def test_only_what_changed_runs_again_and_an_emptied_push_folder_is_filled(
    project: Project,
) -> None:
    project.run(GOOD_THRESHOLD)
    (project.push_dir / "1").rename(project.root / "taken away")
    outcome = project.run(GOOD_THRESHOLD)
    # The same question as the first time, so the evaluation is answered from the cache; the push
    # is not.
    assert len(project.attempts("Evaluator", "evaluation")) == 1
    assert (outcome.pushed["already_pushed"], outcome.pushed["pushed_version"]) == (0, "1")
    assert pushed_versions(project.push_dir) == [1]

    (project.push_dir / "1").rename(project.root / "taken away again")
    project.run(GOOD_THRESHOLD, code_version="2")
    for node, output in [
        ("Baseline", "model"),
        ("Evaluator", "evaluation"),
        ("ModelGate", "blessing"),
    ]:
        assert len(project.attempts(node, output)) == 2, node
