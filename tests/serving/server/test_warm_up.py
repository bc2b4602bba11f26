"""Loading a version with its warm-up requests, well made and not."""

import logging
import re
import shutil

import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from contract import features
from models.provenance import ASSETS_EXTRA_DIR
from models.session_model import SessionModel
from models.warmup import BATCH_SIZES, WARM_UP_FILE, read_warm_up, write_warm_up
from serving.server.saved_model import SavedModel, load_and_warm_up
from serving.server.versions import VersionPool

pytestmark = pytest.mark.slow

SIGNATURES = (features.SERVING_SIGNATURE, features.EXAMPLES_SIGNATURE)


@pytest.fixture
def version_dir(tmp_path, exports):
    shutil.copytree(exports.first, tmp_path / "models" / "1")
    return tmp_path / "models" / "1"


@pytest.fixture
def runs(monkeypatch):
    """What the real model was asked: (signature, rows)."""
    asked = []
    run = SessionModel.run

    def run_and_tell(self, signature, arrays):
        (rows,) = {len(array) for array in arrays.values()}
        asked.append((signature, rows))
        return run(self, signature, arrays)

    monkeypatch.setattr(SessionModel, "run", run_and_tell)
    return asked


def pool_of(version_dir):
    return VersionPool("pneumonia", version_dir.parent, {}, load_and_warm_up)


def test_requests_are_replayed_before_the_version_is_available(version_dir, monkeypatch, caplog):
    write_warm_up(version_dir, SIGNATURES)
    pool = pool_of(version_dir)
    seen = []
    run = SessionModel.run

    def run_and_look(self, signature, arrays):
        (state,) = pool.states()
        seen.append((signature, len(next(iter(arrays.values()))), state.state.value))
        return run(self, signature, arrays)

    monkeypatch.setattr(SessionModel, "run", run_and_look)
    with caplog.at_level(logging.WARNING):
        pool.refresh()
    assert pool.newest == 1
    assert not caplog.records
    replayed = [(name, size, "LOADING") for name in SIGNATURES for size in BATCH_SIZES]
    assert seen == replayed


def test_a_missing_file_is_a_warning_as_in_saved_model_warmup_util(version_dir, caplog):
    (version_dir / ASSETS_EXTRA_DIR / WARM_UP_FILE).unlink()
    pool = pool_of(version_dir)
    pool.refresh()
    assert pool.newest == 1
    assert "version 1 has no warm-up requests" in caplog.text


def test_an_empty_file_is_no_error_as_in_saved_model_warmup_util(version_dir, caplog):
    write_warm_up(version_dir, SIGNATURES).write_bytes(b"")
    pool = pool_of(version_dir)
    with caplog.at_level(logging.WARNING):
        pool.refresh()
    assert pool.newest == 1
    assert not caplog.records


@pytest.mark.parametrize("content", [b"SECRET text that is no TFRecord", "cut", "no message"])
def test_a_damaged_file_refuses_the_version_as_in_saved_model_warmup_util(
    version_dir, caplog, content
):
    path = write_warm_up(version_dir, SIGNATURES)
    if content == "cut":
        path.write_bytes(path.read_bytes()[:-7])
    elif content == "no message":
        with tf.io.TFRecordWriter(str(path)) as writer:
            writer.write(b"\xff\xff SECRET")
    else:
        path.write_bytes(content)
    pool = pool_of(version_dir)
    pool.refresh()
    assert pool.newest is None
    (state,) = pool.states()
    assert re.search(r"the warm-up fails: request \d cannot be read: \w+Error", state.error)
    assert "SECRET" not in caplog.text + state.error


@pytest.mark.parametrize(
    "fault", ["other signature", "other input", "no image", "other shape", "other type"]
)
def test_a_request_that_fails_refuses_the_version_as_in_saved_model_warmup_util(version_dir, fault):
    path = write_warm_up(version_dir, SIGNATURES)
    requests = list(read_warm_up(version_dir))
    bad = type(requests[0]).FromString(requests[0].SerializeToString())
    if fault == "other signature":
        bad.model_spec.signature_name = "none"
    elif fault == "other input":
        bad.inputs["other"].CopyFrom(bad.inputs[features.IMAGE_BYTES])
    else:
        values = {"no image": [b"SECRET"], "other shape": [[b"a", b"b"]], "other type": [1.5]}
        bad.inputs[features.IMAGE_BYTES].CopyFrom(tf.make_tensor_proto(values[fault]))
    with tf.io.TFRecordWriter(str(path)) as writer:
        for request in [requests[0], bad]:
            predict_log = prediction_log_pb2.PredictLog(request=request)
            log = prediction_log_pb2.PredictionLog(predict_log=predict_log)
            writer.write(log.SerializeToString())
    with pytest.raises(
        ValueError, match=r"the warm-up fails: request 2, `\w+`: \w+Error;"
    ) as caught:
        SavedModel(version_dir, 1).warm_up(version_dir)
    assert "SECRET" not in str(caught.value)


def test_all_requests_are_replayed(version_dir, runs):
    write_warm_up(version_dir, SIGNATURES)
    expected = [(name, size) for name in SIGNATURES for size in BATCH_SIZES]
    SavedModel(version_dir, 1).warm_up(version_dir)
    assert runs == expected


def test_a_model_that_cannot_answer_is_still_refused(version_dir, monkeypatch):
    write_warm_up(version_dir, SIGNATURES)

    def fail(self, signature, arrays):
        raise ValueError("SECRET")

    monkeypatch.setattr(SessionModel, "run", fail)
    pool = pool_of(version_dir)
    pool.refresh()
    assert pool.newest is None
    (state,) = pool.states()
    assert "the warm-up fails: request 1, `serving_default`: ValueError" in state.error
    assert "SECRET" not in state.error
