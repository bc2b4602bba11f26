import pytest

from pipeline.kubeflow.pod_paths import to_local, to_remote_everywhere

URIS = ["minio://mlpipeline/v2/a/b", "s3://bucket/a", "gs://bucket/a"]


def test_real_pods_have_the_launchers_folders_at_their_root(monkeypatch):
    monkeypatch.delenv("KFP_POD_ROOT", raising=False)
    assert [to_local(uri) for uri in URIS] == [
        "/minio/mlpipeline/v2/a/b",
        "/s3/bucket/a",
        "/gcs/bucket/a",
    ]


@pytest.mark.parametrize("uri", URIS)
def test_there_and_back(uri, monkeypatch, tmp_path):
    monkeypatch.setenv("KFP_POD_ROOT", str(tmp_path))
    assert to_local(uri).startswith(str(tmp_path))
    assert to_remote_everywhere({"uri": to_local(uri), "rest": [to_local(uri), 1]}) == {
        "uri": uri,
        "rest": [uri, 1],
    }


def test_other_places_stay_and_nulls_go():
    assert to_local("/mnt/data/records") == "/mnt/data/records"
    assert to_remote_everywhere({"a": None, "b": [None, "/mnt/x"], "c": 0.0}) == {
        "b": ["/mnt/x"],
        "c": 0.0,
    }
