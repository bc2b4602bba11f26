"""The command that gives a model a threshold for another site, on drawn scores."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft

from contract import features
from contract.command_line import EXIT_BROKEN, EXIT_DONE, EXIT_REFUSED
from evaluation.decision_band import choose_decision_band
from models.provenance import ASSETS_EXTRA_DIR, PROVENANCE_FILE, Provenance, read_provenance
from models.reference_scores import REFERENCE_FILE, ReferenceScores
from models.session_model import SessionModel
from models.warmup import WARM_UP_FILE
from pipeline import site_calibration
from pipeline.folder_lock import locked_folder
from serving import rollback
from serving.push_folder import pushed_versions, version_dir
from serving.site_calibration.run import SiteReport
from tests.serving.site_calibration.brightness_model import (
    MOST_FAMILIAR,
    REFERRAL,
    band_of,
    encode,
    export_brightness_model,
    write_folder,
    write_manifest,
)
from tests.serving.site_calibration.simulation import (
    Model,
    draw_labels,
    draw_log_odds,
    recall_and_specificity,
    train,
)

pytestmark = pytest.mark.slow

FAST = ["--set", "site_calibration.num_resamples=100", "site_calibration.batch_size=64"]


@pytest.fixture(scope="module")
def model() -> Model:
    return train(np.random.default_rng(1))


@pytest.fixture(scope="module")
def exported(
    model: Model,
    transform_output: tft.TFTransformOutput,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    folder = tmp_path_factory.mktemp("brightness")
    export_brightness_model(folder / "model", transform_output, model)
    return folder / "model"


@pytest.fixture
def push_dir(exported: Path, tmp_path: Path) -> Path:
    shutil.copytree(exported, tmp_path / "pneumonia" / "1")
    return tmp_path / "pneumonia"


def site(
    number: int = 300, prevalence: float = 0.5, offset: float = 2.0, seed: int = 3
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = draw_labels(rng, number, prevalence)
    return labels, draw_log_odds(rng, labels) + offset


@pytest.fixture(scope="module")
def unlabelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("unlabelled") / "site", site()[1])


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    labels, log_odds = site()
    return write_manifest(tmp_path_factory.mktemp("labelled") / "site", log_odds, labels)


def calibrate(tmp_path: Path, model_dir: Path, source: Path, *more: str) -> tuple[int, SiteReport]:
    report = tmp_path / "report.json"
    code = site_calibration.main(
        [
            *("--model", str(model_dir), "--data", str(source), "--by", "Dr. Ada"),
            *("--work-dir", str(tmp_path / "work"), "--report", str(report), *FAST, *more),
        ]
    )
    return code, SiteReport.model_validate_json(report.read_text())


@contextlib.contextmanager
def stdout_in(path: Path) -> Iterator[None]:
    """Write what the process prints to a file: `capfd` is for single tests."""
    before = os.dup(1)
    with path.open("w") as file:
        os.dup2(file.fileno(), 1)
        try:
            yield
        finally:
            os.dup2(before, 1)
            os.close(before)


class Aligned(NamedTuple):
    """A folder whose second version was calibrated on unlabelled images; tests only read it."""

    push_dir: Path
    code: int
    report: SiteReport
    shown: str


@pytest.fixture(scope="module")
def aligned(exported: Path, unlabelled: Path, tmp_path_factory: pytest.TempPathFactory) -> Aligned:
    folder = tmp_path_factory.mktemp("aligned")
    push_dir = folder / "pneumonia"
    shutil.copytree(exported, push_dir / "1")
    with stdout_in(folder / "shown.txt"):
        code, report = calibrate(folder, push_dir, unlabelled)
    return Aligned(push_dir, code, report, (folder / "shown.txt").read_text())


def answers(folder: Path, images: list[bytes]) -> dict[str, np.ndarray]:
    session = SessionModel(folder)
    answer = session.run(features.SERVING_SIGNATURE, {features.IMAGE_BYTES: images})
    session.close()
    return answer


def test_unlabelled_images_give_a_version_that_serves_the_aligned_threshold(aligned, model):
    push_dir, code, report, shown = aligned
    assert code == EXIT_DONE
    assert pushed_versions(push_dir) == [1, 2]
    threshold = np.float32(report.alignment.threshold)
    labels, log_odds = site()
    images = [encode(value) for value in log_odds]
    before, after = (answers(version_dir(push_dir, number), images) for number in (1, 2))
    np.testing.assert_array_equal(before[features.PROBABILITY], after[features.PROBABILITY])
    assert set(before[features.THRESHOLD]) == {np.float32(model.threshold)}
    assert set(after[features.THRESHOLD]) == {threshold}
    is_case = after[features.PREDICTED_LABEL] == b"pneumonia"
    np.testing.assert_array_equal(is_case, after[features.PROBABILITY] >= threshold)
    frozen = recall_and_specificity(labels, before[features.PROBABILITY], model.threshold)
    moved = recall_and_specificity(labels, after[features.PROBABILITY], threshold)
    assert moved[1] > frozen[1] + 0.1
    assert moved[0] > 0.94
    assert "300 unlabelled images scored, 0 left out" in shown
    assert "frozen   threshold" in shown
    assert "aligned  threshold" in shown
    assert "Pushed: version 2" in shown


def test_the_version_says_what_was_aligned_on_what_and_by_whom(aligned):
    push_dir, _, report, _ = aligned
    base, new = (read_provenance(version_dir(push_dir, number)) for number in (1, 2))
    site_record = new.site_calibration
    assert base.site_calibration is None
    assert (site_record.by, site_record.images, site_record.num_images) == (
        "Dr. Ada",
        "unlabelled",
        300,
    )
    assert site_record.prevalence_source == "estimated"
    assert site_record.prevalence == report.alignment.prevalence.value
    assert (site_record.base_model_version, site_record.base_threshold) == ("ba5e", base.threshold)
    assert (site_record.base_band, new.referral) == (base.band, base.referral)
    assert new.band == report.alignment.band != base.band
    assert new.model_version == report.pushed.model_version != base.model_version
    assert new.threshold == np.float32(report.alignment.threshold)
    # The graph returns it, too, and the files beside the graph were copied.
    session = SessionModel(version_dir(push_dir, 2))
    told = session.run(features.INFORMATION_SIGNATURE, {features.INFORMATION_INPUT: [b""]})
    session.close()
    assert told["site_calibration_by"].tolist() == [b"Dr. Ada"]
    assert float(told["threshold"][0]) == new.threshold
    assert float(told["band_low"][0]) == new.band.low
    assert float(told["site_calibration_base_band_high"][0]) == base.band.high
    assert ReferenceScores.read(version_dir(push_dir, 2)) == ReferenceScores.read(
        version_dir(push_dir, 1)
    )
    names = {path.name for path in (version_dir(push_dir, 1) / ASSETS_EXTRA_DIR).iterdir()}
    assert {path.name for path in (version_dir(push_dir, 2) / ASSETS_EXTRA_DIR).iterdir()} == names


def expected_decisions(band, answer: dict[str, np.ndarray], log_odds: np.ndarray) -> np.ndarray:
    is_referred = (np.abs(log_odds) > MOST_FAMILIAR) | band.refers(answer[features.PROBABILITY])
    return np.where(is_referred, b"refer", answer[features.PREDICTED_LABEL])


def test_the_band_is_aligned_with_the_threshold_and_decides(aligned, model):
    push_dir, _, report, shown = aligned
    labels, log_odds = site()
    images = [encode(value) for value in log_odds]
    before, after = (answers(version_dir(push_dir, number), images) for number in (1, 2))
    band = report.alignment.band
    frozen = band_of(model)
    assert frozen.low < model.threshold < frozen.high
    assert band.low <= report.alignment.threshold <= band.high
    # The scores have risen by two: so have both ends.
    assert band.low > frozen.low
    assert band.high > frozen.high
    for each, answer in ((frozen, before), (band, after)):
        np.testing.assert_array_equal(
            answer[features.DECISION], expected_decisions(each, answer, log_odds)
        )
    is_uncertain = band.refers(after[features.PROBABILITY])
    assert report.alignment.share_uncertain == pytest.approx(is_uncertain.mean())
    assert report.num_unfamiliar == np.sum(np.abs(log_odds) > MOST_FAMILIAR) > 0
    # Of the normals, fewer are called pneumonia than with the frozen band.
    is_called = [answer[features.DECISION] == b"pneumonia" for answer in (before, after)]
    assert np.sum(is_called[1] & ~labels) < np.sum(is_called[0] & ~labels)
    assert f"referred to a radiologist whatever its score: {report.num_unfamiliar} of 300" in shown
    assert "with the frozen band" in shown


def test_rolling_back_serves_the_threshold_before(aligned, model, tmp_path):
    push_dir = tmp_path / "pneumonia"
    shutil.copytree(aligned.push_dir, push_dir)
    assert rollback.main(["--model-dir", str(push_dir)]) == 0
    newest = version_dir(push_dir, pushed_versions(push_dir)[-1])
    assert newest.name == "3"
    assert read_provenance(newest).site_calibration is None
    assert answers(newest, [encode(0.0)])[features.THRESHOLD] == np.float32(model.threshold)


def test_the_same_images_again_are_the_same_version(aligned, unlabelled, tmp_path, capfd):
    first = aligned.report
    push_dir = tmp_path / "pneumonia"
    shutil.copytree(aligned.push_dir, push_dir)
    code, again = calibrate(tmp_path, push_dir, unlabelled)
    assert code == EXIT_DONE
    assert pushed_versions(push_dir) == [1, 2]
    assert not again.pushed.is_new
    assert again.pushed.model_version == first.pushed.model_version
    # The second began with the calibrated version, and compares with what the gate judged.
    assert again.alignment == first.alignment
    assert again.served_threshold != again.alignment.frozen_threshold
    assert "already calibrated for a site" in capfd.readouterr().out


def test_labelled_images_choose_the_threshold_again(push_dir, tmp_path, capfd):
    labels, log_odds = site(offset=-2.0)
    code, report = calibrate(
        tmp_path,
        push_dir,
        write_manifest(tmp_path / "site", log_odds, labels),
        *("--set", "site_calibration.interval_width=0.03"),
    )
    assert code == EXIT_DONE
    choice = report.choice
    assert report.alignment is None
    assert choice.rechosen.recall.low >= 0.9
    assert choice.frozen.recall.value < 0.95 < choice.rechosen.recall.value
    origin = read_provenance(version_dir(push_dir, 2))
    assert origin.site_calibration.images == "labelled"
    assert origin.site_calibration.num_pneumonia == choice.num_pneumonia
    assert origin.site_calibration.prevalence_source == "counted"
    assert origin.site_calibration.recall_low == choice.rechosen.recall.low
    # Two of the drawn pictures are the same.
    left_out = [int(each.name.removesuffix(".png")) for each in report.left_out]
    labels, log_odds = np.delete(labels, left_out), np.delete(log_odds, left_out)
    answer = answers(version_dir(push_dir, 2), [encode(value) for value in log_odds])
    band = choose_decision_band(labels, answer[features.PROBABILITY], choice.threshold, REFERRAL)
    assert origin.band == choice.band == band
    np.testing.assert_array_equal(
        answer[features.DECISION], expected_decisions(band, answer, log_odds)
    )
    assert choice.decided.accuracy.number == np.sum(~band.refers(answer[features.PROBABILITY]))
    assert "more cases of pneumonia" in capfd.readouterr().out


def test_labelled_images_below_the_gates_bound_are_refused(push_dir, labelled, tmp_path, capfd):
    code, report = calibrate(
        tmp_path, push_dir, labelled, "--set", "gate.min_recall_lower_bound=0.99"
    )
    assert code == EXIT_REFUSED
    assert report.verdict == "refused"
    assert pushed_versions(push_dir) == [1]
    assert "REFUSED" in capfd.readouterr().out


def test_labels_can_be_left_to_measure(push_dir, labelled, unlabelled, tmp_path, capfd):
    code, report = calibrate(tmp_path, push_dir, labelled, "--ignore-labels", "--dry-run")
    assert code == 0
    blind = calibrate(tmp_path, push_dir, unlabelled, "--dry-run")[1]
    assert report.alignment == blind.alignment
    assert blind.measured is None
    measured = report.measured
    assert measured.aligned.specificity.value > measured.frozen.specificity.value + 0.1
    shown = capfd.readouterr().out
    assert "Measured by the labels" in shown
    assert "DRY RUN" in shown
    assert pushed_versions(push_dir) == [1]


def test_another_prevalence_alone_changes_nothing(push_dir, tmp_path, capfd):
    source = write_folder(tmp_path / "site", site(prevalence=0.3, offset=0.0)[1])
    code, report = calibrate(tmp_path, push_dir, source)
    assert code == EXIT_REFUSED
    assert report.verdict == "kept"
    assert pushed_versions(push_dir) == [1]
    assert "KEPT" in capfd.readouterr().out


def test_too_few_images_are_refused_with_the_reason(push_dir, tmp_path, capfd):
    source = write_folder(tmp_path / "site", site(number=60)[1])
    code, report = calibrate(tmp_path, push_dir, source)
    assert code == EXIT_REFUSED
    assert report.verdict == "refused"
    assert "too few images: 60" in capfd.readouterr().out


def test_bad_files_and_copies_are_listed_and_end_nothing(push_dir, tmp_path, capfd):
    source = write_folder(tmp_path / "site", site(number=220)[1])
    picture = encode(1.0)
    (source / "notes.txt").write_text("the ward's list")
    (source / "torn.png").write_bytes(picture[: len(picture) // 2])
    (source / "zz-copy.png").write_bytes((source / "0000.png").read_bytes())
    code, report = calibrate(tmp_path, push_dir, source, "--dry-run")
    assert code == 0
    assert report.num_images == 220
    reasons = {each.name: each.reason for each in report.left_out}
    assert set(reasons) == {"notes.txt", "torn.png", "zz-copy.png"}
    assert reasons["zz-copy.png"] == "same content as 0000.png"
    assert "ward" not in capfd.readouterr().out


def test_a_zip_a_version_folder_and_a_given_prevalence(push_dir, unlabelled, tmp_path):
    archive = tmp_path / "site.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for path in sorted(unlabelled.iterdir()):
            opened.write(path, f"export/{path.name}")
    elsewhere = tmp_path / "other-hospital"
    code, report = calibrate(
        tmp_path, push_dir / "1", archive, "--prevalence", "0.46", "--push-dir", str(elsewhere)
    )
    assert code == 0
    assert (pushed_versions(push_dir), pushed_versions(elsewhere)) == ([1], [1])
    assert read_provenance(elsewhere / "1").site_calibration.prevalence_source == "given"
    assert report.alignment.prevalence.value == 0.46


def test_a_list_of_paths_needs_no_labels(push_dir, tmp_path):
    source = write_folder(tmp_path / "site", site(number=210)[1])
    listed = tmp_path / "list.csv"
    rows = "".join(
        f"site/{path.name},p{n // 2}\n" for n, path in enumerate(sorted(source.iterdir()))
    )
    listed.write_text("path,patient_id\n" + rows)
    _, report = calibrate(tmp_path, push_dir, listed, "--dry-run")
    assert (report.num_images, report.is_labelled) == (210, False)


def without_reference(push_dir: Path) -> None:
    (push_dir / "1" / ASSETS_EXTRA_DIR / REFERENCE_FILE).unlink()


@pytest.mark.parametrize(
    ("change", "arguments", "told"),
    [
        (None, {"--data": "nowhere"}, "does not exist"),
        (None, {"--model": "nowhere"}, "expected a model's folder"),
        (None, {"--prevalence": "40"}, "not a percentage"),
        (None, {"--set": "site_calibration.min_image=3"}, "min_image"),
        (without_reference, {}, "validation scores"),
    ],
)
def test_bad_input_says_how_to_fix_it(
    push_dir, unlabelled, tmp_path, capfd, change, arguments, told
):
    if change is not None:
        change(push_dir)
    options = {"--model": str(push_dir), "--data": str(unlabelled), "--by": "Ada"} | arguments
    flat = [word for option in options.items() for word in option]
    assert site_calibration.main([*flat, "--work-dir", str(tmp_path / "work")]) == 2
    assert told in capfd.readouterr().err
    assert pushed_versions(push_dir) == [1]


def test_a_second_calibration_in_one_work_folder_is_refused(push_dir, unlabelled, tmp_path, capfd):
    arguments = ["--model", str(push_dir), "--data", str(unlabelled), "--by", "Ada"]
    with locked_folder(tmp_path / "work"):
        code = site_calibration.main([*arguments, "--work-dir", str(tmp_path / "work")])
    assert code == 2
    told = capfd.readouterr().err
    assert "another run works in this folder" in told
    assert "choose another --work-dir" in told


def test_a_prevalence_of_labelled_images_is_counted_not_given(push_dir, labelled, tmp_path, capfd):
    arguments = ["--model", str(push_dir), "--data", str(labelled), "--by", "Ada"]
    arguments += ["--prevalence", "0.4", "--work-dir", str(tmp_path / "work")]
    assert site_calibration.main(arguments) == 2
    assert "--ignore-labels" in capfd.readouterr().err


def test_a_folder_without_usable_images_is_bad_input(push_dir, tmp_path, capfd):
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.txt").write_text("no image")
    arguments = ["--model", str(push_dir), "--data", str(folder), "--by", "Ada"]
    assert site_calibration.main([*arguments, "--work-dir", str(tmp_path / "work")]) == 2
    assert "none of 1" in capfd.readouterr().err


@pytest.mark.parametrize("by", [[], ["--by", " "]])
def test_nobody_is_no_name(push_dir, unlabelled, by):
    with pytest.raises(SystemExit) as stopped:
        site_calibration.main(["--model", str(push_dir), "--data", str(unlabelled), *by])
    assert stopped.value.code == 2


def test_a_version_that_answers_otherwise_is_not_pushed(
    push_dir, unlabelled, tmp_path, capfd, monkeypatch
):
    from serving.site_calibration import run

    write = run.write_version

    def write_wrong(base_dir, new_dir, provenance):
        write(base_dir, new_dir, provenance.model_copy(update={"threshold": 0.25}))
        provenance.write(new_dir / ASSETS_EXTRA_DIR / "provenance.json")

    monkeypatch.setattr(run, "write_version", write_wrong)
    arguments = ["--model", str(push_dir), "--data", str(unlabelled), "--by", "Ada", *FAST]
    code = site_calibration.main([*arguments, "--work-dir", str(tmp_path / "work")])
    assert code == EXIT_BROKEN
    assert "another threshold" in capfd.readouterr().err
    assert pushed_versions(push_dir) == [1]


def test_decisions_that_do_not_follow_the_band_are_not_pushed(
    push_dir, unlabelled, tmp_path, capfd, monkeypatch
):
    from serving.site_calibration import run

    write = run.write_version

    def write_wrong(base_dir, new_dir, provenance):
        wide = provenance.band.model_copy(update={"low": 0.0, "high": 1.1})
        write(base_dir, new_dir, provenance.model_copy(update={"band": wide}))
        # The graph and its file agree, so that a check against that file alone would pass.
        wrong = Provenance.read(new_dir / ASSETS_EXTRA_DIR / PROVENANCE_FILE)
        assert wrong.band == wide
        provenance.write(new_dir / ASSETS_EXTRA_DIR / PROVENANCE_FILE)

    monkeypatch.setattr(run, "write_version", write_wrong)
    arguments = ["--model", str(push_dir), "--data", str(unlabelled), "--by", "Ada", *FAST]
    code = site_calibration.main([*arguments, "--work-dir", str(tmp_path / "work")])
    assert code == EXIT_BROKEN
    assert "decisions do not follow its threshold and its band" in capfd.readouterr().err
    assert pushed_versions(push_dir) == [1]


def without_band(push_dir: Path) -> None:
    """Make the version's origin that of a model that was exported before there were bands."""
    path = push_dir / "1" / ASSETS_EXTRA_DIR / PROVENANCE_FILE
    Provenance.read(path).model_copy(update={"band": None, "referral": None}).write(path)


def test_an_origin_without_the_band_of_its_graph_is_bad_input(
    push_dir, unlabelled, tmp_path, capfd
):
    without_band(push_dir)
    arguments = ["--model", str(push_dir), "--data", str(unlabelled), "--by", "Ada", *FAST]
    assert site_calibration.main([*arguments, "--work-dir", str(tmp_path / "work")]) == 2
    told = capfd.readouterr().err
    assert "its origin has 0 ends of a band, its graph 2" in " ".join(told.split())
    assert pushed_versions(push_dir) == [1]


def test_a_model_that_refers_nobody_is_calibrated_as_before(push_dir, unlabelled, tmp_path):
    without_band(push_dir)
    model = tf.saved_model.load(str(push_dir / "1"))
    older = _Older(model)
    signatures = {
        features.SERVING_SIGNATURE: older.serve,
        features.INFORMATION_SIGNATURE: model.signatures[features.INFORMATION_SIGNATURE],
    }
    beside = tmp_path / "beside"
    shutil.copytree(push_dir / "1" / ASSETS_EXTRA_DIR, beside)
    (beside / WARM_UP_FILE).unlink()
    shutil.rmtree(push_dir / "1")
    tf.saved_model.save(older, str(push_dir / "1"), signatures=signatures)
    shutil.copytree(beside, push_dir / "1" / ASSETS_EXTRA_DIR, dirs_exist_ok=True)
    code, report = calibrate(tmp_path, push_dir, unlabelled)
    assert code == EXIT_DONE
    assert (report.num_unfamiliar, report.alignment.band) == (None, None)
    new = read_provenance(version_dir(push_dir, 2))
    assert (new.band, new.referral, new.site_calibration.base_band) == (None, None, None)
    answer = answers(version_dir(push_dir, 2), [encode(0.0)])
    assert set(answer) == {features.PROBABILITY, features.PREDICTED_LABEL, features.THRESHOLD}
    assert answer[features.THRESHOLD] == np.float32(report.alignment.threshold)


class _Older(tf.Module):
    """A model with the answers, and the one variable, that exports had before."""

    def __init__(self, model) -> None:
        super().__init__()
        self._signature = model.signatures[features.SERVING_SIGNATURE]
        self._model = model
        self.threshold = model.threshold

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name=features.IMAGE_BYTES)])
    def serve(self, image_bytes):
        answer = self._signature(image_bytes=image_bytes)
        names = (features.PROBABILITY, features.PREDICTED_LABEL, features.THRESHOLD)
        return {name: answer[name] for name in names}


def test_help_needs_no_tensorflow(repository):
    code = (
        "import sys; from pipeline.site_calibration import parse_arguments\n"
        "try:\n    parse_arguments(['--help'])\n"
        "except SystemExit:\n    sys.exit('tensorflow' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True
    )
    assert "--by NAME" in done.stdout
    assert json.dumps(done.stderr) == '""'
