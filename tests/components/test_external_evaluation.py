"""The node: every set judged by the exported model's own signature."""

import json

import pytest
import tensorflow as tf
from tfx.types import standard_artifacts
from tfx.utils import path_utils

from components.external_artifact import ExternalEvaluationReport
from components.external_evaluation import (
    EVALUATION,
    EXAMPLES,
    FINGERPRINTS,
    MODEL,
    RECORDS_DIRS,
    Executor,
)
from contract import features
from contract.settings import BeamSettings, DataSettings
from evaluation.external import ExternalReport
from ingestion.external import SPLIT, convert_external

ADULTS = [
    f"{label}/{patient:08d}_{visit:03d}.jpeg"
    for label, patients in (("NORMAL", range(4)), ("PNEUMONIA", range(4, 10)))
    for patient in patients
    for visit in range(2)
]


class Export(tf.Module):
    """Answers .9 for pneumonia but for the first visit of patient 4, and .2 for normal images.

    It refers patient 5.
    """

    def __init__(self, decides):
        super().__init__()
        self._decides = decides

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name=features.EXAMPLES_INPUT)])
    def serve(self, examples):
        spec = {
            features.LABEL: tf.io.FixedLenFeature([], tf.int64),
            features.IMAGE_ID: tf.io.FixedLenFeature([], tf.string),
            features.PATIENT_ID: tf.io.FixedLenFeature([], tf.string),
        }
        parsed = tf.io.parse_example(examples, spec)
        is_missed = parsed[features.IMAGE_ID] == "PNEUMONIA/00000004_000.jpeg"
        scores = tf.where((parsed[features.LABEL] == 1) & ~is_missed, 0.9, 0.2)
        threshold = tf.fill(tf.shape(scores), 0.5)
        answers = {
            features.PROBABILITY: scores,
            features.THRESHOLD: threshold,
            features.CALLED_PNEUMONIA: tf.cast(scores >= threshold, tf.float32),
        }
        if self._decides:
            is_referred = parsed[features.PATIENT_ID] == "00000005"
            word = tf.where(scores >= threshold, features.PNEUMONIA, features.NORMAL)
            answers |= {
                features.DECISION: tf.where(is_referred, features.REFER, word),
                features.FAMILIARITY: tf.where(is_referred, 0.001, 0.4),
                features.FAMILIARITY_THRESHOLD: tf.fill(tf.shape(scores), 0.01),
            }
        return answers


@pytest.fixture
def judge(tmp_path, write_pictures):
    """Return a function that runs the node on a set of `names`, of which the first was seen."""

    def run(names, *, decides):
        folder = write_pictures(tmp_path / "set", names)
        records = tmp_path / "records"
        convert_external(
            "adults", str(folder), tmp_path / "work", records, DataSettings(),
            BeamSettings().pipeline_args,
        )  # fmt: skip
        examples = standard_artifacts.Examples()
        examples.uri = str(tmp_path / "examples")
        examples.split_names = json.dumps(list(features.SPLITS))
        convert_external(  # one image of the set, as the training data have it
            "seen", str(write_pictures(tmp_path / "seen", names[:1])), tmp_path / "work2",
            tmp_path / "train", DataSettings(), BeamSettings().pipeline_args,
        )  # fmt: skip
        for split in features.SPLITS:
            (tmp_path / "examples" / f"Split-{split}").mkdir(parents=True)
        (part,) = (tmp_path / "train" / SPLIT).iterdir()
        part.rename(tmp_path / "examples" / f"Split-{features.TRAIN}" / part.name)
        model = standard_artifacts.Model()
        model.uri = str(tmp_path / "model")
        export = Export(decides)
        tf.saved_model.save(
            export,
            path_utils.serving_model_dir(model.uri),
            signatures={features.EXAMPLES_SIGNATURE: export.serve},
        )
        output = ExternalEvaluationReport()
        output.uri = str(tmp_path / "evaluation")
        Executor().Do(
            {MODEL: [model], EXAMPLES: [examples]},
            {EVALUATION: [output]},
            {
                RECORDS_DIRS: json.dumps({"adults": str(records)}),
                FINGERPRINTS: json.dumps({"adults": "1"}),
                "code_version": "1",
            },
        )
        return ExternalReport.read(tmp_path / "evaluation").sets["adults"]

    return run


def test_every_image_is_asked_about_and_the_models_own_decision_counts(judge):
    found = judge(ADULTS, decides=True)
    assert (found.metrics.n, found.metrics.positives, found.num_patients) == (20, 12, 10)
    assert found.metrics.recall.value == pytest.approx(11 / 12)
    assert found.metrics.specificity.value == 1.0
    assert found.scores["normal"].mean_probability == pytest.approx(0.2)
    assert found.coverage.referred.value == 0.1
    assert found.coverage.unfamiliar.value == 0.1
    assert found.coverage.decided.recall.value == pytest.approx(9 / 10)
    assert found.num_seen == 1


def test_a_model_that_decides_nothing_on_images_of_one_class(judge):
    found = judge(ADULTS[:8], decides=False)
    assert found.metrics.n == 8
    assert found.metrics.recall.value is None
    assert found.metrics.auc.value is None
    assert found.coverage is None
    assert found.scores["pneumonia"] is None
