import copy

import pytest

from contract.errors import InputError
from pipeline.kubeflow.executor_input import for_tfx, make_output_folders, outputs_of_kfp

SPEC = {
    "artifacts": {"model": {"artifactType": {"instanceSchema": "title: tfx.Model"}}},
    "parameters": {
        "final_status": {"parameterType": "STRING"},
        "count": {"parameterType": "NUMBER_INTEGER"},
    },
}


@pytest.fixture(autouse=True)
def pod(tmp_path, monkeypatch):
    monkeypatch.setenv("KFP_POD_ROOT", str(tmp_path))
    return tmp_path


def handed_over(pod):
    return {
        "inputs": {
            "artifacts": {
                "model": {
                    "artifacts": [
                        {
                            "name": "1",
                            "type": {"instanceSchema": ""},
                            "uri": "minio://mlpipeline/root/run/Trainer/1/model",
                            "metadata": {
                                "baseline_present": 1.0,
                                "display_name": "model",
                                "store_session_info": "{}",
                                "shape": {"list": [1.0, 2.0]},
                                "facts": {"struct": {"a": 1.0}},
                            },
                        }
                    ]
                }
            },
            "parameterValues": {"final_status": {"state": "COMPLETE"}, "count": 2.0},
        },
        "outputs": {
            "artifacts": {
                "blessing": {
                    "artifacts": [
                        {
                            "type": {"instanceSchema": "title: tfx.ModelBlessing"},
                            "uri": "s3://bucket/run/blessing",
                        }
                    ]
                },
                "executor-logs": {
                    "artifacts": [
                        {"type": {"schemaTitle": "system.Artifact"}, "uri": "minio://b/logs"}
                    ]
                },
            },
            "outputFile": str(pod / "out" / "output.json"),
        },
    }


def test_inputs_get_their_types_back_and_lie_in_the_pod(pod):
    (model,) = for_tfx(handed_over(pod), SPEC)["inputs"]["artifacts"]["model"]["artifacts"]
    assert model["type"] == {"instanceSchema": "title: tfx.Model"}
    assert model["uri"] == str(pod / "minio/mlpipeline/root/run/Trainer/1/model")


def test_metadata_is_unwrapped_and_what_was_injected_is_dropped(pod):
    (model,) = for_tfx(handed_over(pod), SPEC)["inputs"]["artifacts"]["model"]["artifacts"]
    assert model["metadata"] == {
        "baseline_present": 1.0,
        "shape": [1.0, 2.0],
        "facts": {"a": 1.0},
    }


def test_outputs_of_kfps_own_types_are_kept_apart(pod):
    given = handed_over(pod)
    assert list(for_tfx(given, SPEC)["outputs"]["artifacts"]) == ["blessing"]
    assert list(outputs_of_kfp(given)) == ["executor-logs"]
    assert outputs_of_kfp(given)["executor-logs"]["uri"] == str(pod / "minio/b/logs")


def test_a_structure_becomes_the_text_that_is_declared(pod):
    parameters = for_tfx(handed_over(pod), SPEC)["inputs"]["parameterValues"]
    assert parameters == {"final_status": '{"state": "COMPLETE"}', "count": 2.0}


def test_what_was_handed_over_is_not_changed(pod):
    given = handed_over(pod)
    before = copy.deepcopy(given)
    for_tfx(given, SPEC)
    assert given == before


def test_folders_of_outputs_are_made(pod):
    make_output_folders(for_tfx(handed_over(pod), SPEC))
    assert (pod / "s3/bucket/run/blessing").is_dir()
    assert (pod / "out").is_dir()


def test_an_input_that_the_image_does_not_know_is_told(pod):
    with pytest.raises(InputError, match="compile it again"):
        for_tfx(handed_over(pod), {"artifacts": {"schema": {}}})
