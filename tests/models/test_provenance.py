"""The origin of exported models: written by the real Trainer and Ensemble, read from folders."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.types.standard_artifacts import Examples, Model, ModelRun, TransformGraph

from components.candidate_inputs import MODEL, MODEL_RUN
from components.ensemble import CODE_VERSION, EXAMPLES, SETTINGS, TRANSFORM_GRAPH, Executor
from contract import __version__, features
from contract.errors import InputError
from contract.settings import (
    CUSTOM_CONFIG_KEY,
    AugmentationSettings,
    CandidateRun,
    CandidateSettings,
    EnsembleRun,
    EnsembleSettings,
    OperatingPointSettings,
    TrainingSettings,
    TunerSettings,
)
from evaluation.training_report import REPORT_FILE, TrainingReport
from models.digests import split_digest
from models.input_data import SplitData, load_split
from models.provenance import PROVENANCE_FILE, Provenance, main, read_provenance
from models.reference_scores import ReferenceScores
from models.session_model import SessionModel
from models.train import run_fn

pytestmark = pytest.mark.slow

SIZE = 32
OPERATING_POINT = OperatingPointSettings(target_sensitivity=0.8, stress=False)


def train(tiny_set, folder: Path, name: str, seed: int = 2) -> Path:
    run = CandidateRun(
        name=name,
        seed=seed,
        image_size_px=SIZE,
        candidate=CandidateSettings(
            architecture="cnn_baseline",
            training=TrainingSettings(
                epochs=1, batch_size=20, augmentation=AugmentationSettings(enabled=False)
            ),
        ),
        tuner=TunerSettings(),
        operating_point=OPERATING_POINT,
        code_version="c0de",
    )
    run_fn(
        FnArgs(
            working_dir=str(folder / "work"),
            train_files=[tiny_set.transformed_pattern],
            eval_files=[tiny_set.transformed_pattern],
            transform_graph_path=tiny_set.transform_graph_path,
            serving_model_dir=str(folder / "model" / "Format-Serving"),
            model_run_dir=str(folder / "run"),
            custom_config={CUSTOM_CONFIG_KEY: run.model_dump_json()},
        )
    )
    return folder


@pytest.fixture(scope="module")
def candidates(tiny_set, tmp_path_factory):
    return {
        name: train(tiny_set, tmp_path_factory.mktemp(name), name, seed)
        for name, seed in (("first", 2), ("second", 3))
    }


def test_a_trained_model_tells_its_origin(candidates, tiny_set):
    folder = candidates["first"]
    report = TrainingReport.read(folder / "run" / REPORT_FILE)
    origin = read_provenance(folder / "model" / "Format-Serving")
    assert (origin.name, origin.architecture, origin.members) == ("first", "cnn_baseline", {})
    assert (origin.seed, origin.code_version, origin.project_version) == (2, "c0de", __version__)
    assert origin.threshold == report.threshold
    assert (origin.band, origin.referral) == (report.referral.band, report.referral.settings)
    assert (origin.target_sensitivity, origin.reaches_target) == (0.8, report.reaches_target)
    digest = split_digest(load_split([tiny_set.transformed_pattern], SIZE))
    assert origin.data_sha256 == {"train": digest, "validation": digest}  # one file for both
    assert Provenance.read(folder / "run" / PROVENANCE_FILE) == origin


def check_reference(directory: Path, tiny_set) -> None:
    """Hold the scores in an export to what the export itself says of the same images."""
    model = SessionModel(directory)
    answer = model.run(features.SERVING_SIGNATURE, {features.IMAGE_BYTES: tiny_set.image_bytes})
    model.close()
    scores, labels = answer[features.PROBABILITY], np.array(tiny_set.labels)
    reference = ReferenceScores.read(directory)
    np.testing.assert_allclose(reference.normal, np.sort(scores[labels == 0]), atol=1e-5)
    np.testing.assert_allclose(reference.pneumonia, np.sort(scores[labels == 1]), atol=1e-5)


def test_a_trained_model_carries_its_validation_scores(candidates, tiny_set):
    check_reference(candidates["first"] / "model" / "Format-Serving", tiny_set)


def test_the_graph_tells_the_same_as_the_file(candidates):
    directory = candidates["first"] / "model" / "Format-Serving"
    model = tf.saved_model.load(str(directory))
    told = model.signatures[features.INFORMATION_SIGNATURE](rows=tf.constant([""]))
    facts = {name: text.numpy()[0].decode() for name, text in told.items()}
    origin = read_provenance(directory)
    assert facts == origin.facts()
    for end in ("low", "high"):
        variable = getattr(model, f"decision_{end}")
        assert float(facts[f"band_{end}"]) == pytest.approx(variable.numpy())
    assert float(facts["referral_max_missed_fraction"]) == origin.referral.max_missed_fraction
    assert not any(name.startswith("site_calibration") for name in facts)
    assert float(facts["threshold"]) == pytest.approx(model.threshold.numpy())


def test_other_weights_are_another_version_and_the_same_are_the_same(
    candidates, tiny_set, tmp_path
):
    first, second = (
        read_provenance(folder / "model" / "Format-Serving") for folder in candidates.values()
    )
    assert first.weights_sha256 != second.weights_sha256
    assert first.model_version != second.model_version
    assert first.data_sha256 == second.data_sha256
    again = train(tiny_set, tmp_path, "first")
    assert read_provenance(again / "model" / "Format-Serving") == first


def test_an_ensemble_names_its_members_versions(candidates, tiny_set, tmp_path):
    examples = Examples()
    examples.uri, examples.split_names = str(tmp_path / "examples"), '["validation"]'
    split_dir = tmp_path / "examples" / "Split-validation"
    split_dir.mkdir(parents=True)
    transformed = Path(tiny_set.transformed_pattern)
    for file in transformed.parent.glob(transformed.name):
        (split_dir / file.name).symlink_to(file)
    graph, model, model_run = TransformGraph(), Model(), ModelRun()
    graph.uri = tiny_set.transform_graph_path
    model.uri, model_run.uri = str(tmp_path / "model"), str(tmp_path / "run")
    inputs = {EXAMPLES: [examples], TRANSFORM_GRAPH: [graph]}
    for name, folder in candidates.items():
        artifact = ModelRun()
        artifact.uri = str(folder / "run")
        inputs[f"{MODEL_RUN}_of_{name}"] = [artifact]
    settings = EnsembleRun(
        seed=4,
        image_size_px=SIZE,
        ensemble=EnsembleSettings(num_members=2),
        operating_point=OPERATING_POINT,
    )
    (tmp_path / "run").mkdir()
    Executor().Do(
        inputs,
        {MODEL: [model], MODEL_RUN: [model_run]},
        {SETTINGS: settings.model_dump_json(), CODE_VERSION: "e45e"},
    )

    origin = read_provenance(tmp_path / "model" / "Format-Serving")
    members = {
        name: read_provenance(folder / "model" / "Format-Serving")
        for name, folder in candidates.items()
    }
    assert origin.members == {name: member.model_version for name, member in members.items()}
    assert origin.data_sha256 == members["first"].data_sha256
    assert (origin.name, origin.seed, origin.code_version) == ("ensemble", 4, "e45e")
    assert Provenance.read(tmp_path / "run" / PROVENANCE_FILE) == origin
    assert origin.model_version not in origin.members.values()
    check_reference(tmp_path / "model" / "Format-Serving", tiny_set)
    loaded = tf.saved_model.load(str(tmp_path / "model" / "Format-Serving"))
    assert loaded.threshold.numpy() == pytest.approx(origin.threshold)


def split(**changes) -> SplitData:
    rng = np.random.default_rng(3)
    values = {
        "images": rng.integers(0, 255, (4, 8, 8, 1)).astype(np.uint8),
        "labels": np.array([0, 1, 1, 0]),
        "subtypes": ["normal", "viral", "bacterial", "normal"],
        "size_groups": [features.SIZE_GROUPS[0]] * 4,
        "sharpness_groups": [features.SHARPNESS_GROUPS[0]] * 4,
        "patient_ids": ["a", "a", "b", "c"],
        "image_ids": ["1.png", "2.png", "3.png", "4.png"],
    }
    return SplitData(**(values | changes))


def reordered(data: SplitData, order: list[int]) -> SplitData:
    return SplitData(
        images=data.images[order],
        labels=data.labels[order],
        subtypes=[data.subtypes[i] for i in order],
        size_groups=[data.size_groups[i] for i in order],
        sharpness_groups=[data.sharpness_groups[i] for i in order],
        patient_ids=[data.patient_ids[i] for i in order],
        image_ids=[data.image_ids[i] for i in order],
    )


def test_the_data_digest_follows_from_content_and_not_from_order():
    data = split()
    digest = split_digest(data)
    assert split_digest(reordered(data, [2, 0, 3, 1])) == digest
    assert split_digest(reordered(data, [0, 1, 2])) != digest
    assert split_digest(reordered(data, [0, 1, 2, 3, 3])) != digest
    pixel = data.images.copy()
    pixel[2, 4, 4, 0] ^= 1
    assert split_digest(split(images=pixel)) != digest
    assert split_digest(split(images=data.images.reshape(4, 4, 16, 1))) != digest
    # The same labels and pictures, but of each other's.
    assert split_digest(split(labels=np.array([1, 0, 1, 0]))) != digest
    assert split_digest(split(subtypes=["normal", "bacterial", "viral", "normal"])) != digest
    # Patients count in the choice of a candidate, names in the operating point.
    assert split_digest(split(patient_ids=["a", "b", "b", "c"])) != digest
    assert split_digest(split(image_ids=["1.png", "2.png", "4.png", "3.png"])) != digest


def test_the_command_prints_the_record_without_tensorflow(candidates, tmp_path):
    directory = candidates["first"] / "model" / "Format-Serving"
    code = (
        "import sys; from models.provenance import main; status = main(sys.argv[1:]); "
        "assert 'tensorflow' not in sys.modules; sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(directory)], capture_output=True, text=True, check=True
    )
    assert Provenance.model_validate_json(done.stdout) == read_provenance(directory)


@pytest.mark.parametrize("content", [None, "{}", '{"name": "first"}', "no JSON"])
def test_a_folder_without_a_record_is_told(tmp_path, capsys, content):
    path = tmp_path / "assets.extra" / PROVENANCE_FILE
    if content is not None:
        path.parent.mkdir()
        path.write_text(content)
    with pytest.raises(InputError, match="expected the record of a model's origin"):
        read_provenance(tmp_path)
    assert main([str(tmp_path)]) == 2
    assert str(path) in capsys.readouterr().err
