"""The program of every pod, in this process, between a launcher's input and output."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import s3fs
from tfx.types.standard_artifacts import Model

from contract.errors import InputError
from pipeline.kubeflow import entrypoint
from tests.pipeline.kubeflow.s3_server import BUCKET, S3Server, empty_bucket, serve_s3

RUN_ID = "run-1"
ROOT = "minio://mlpipeline/v2/pneumonia"
INPUT, OUTPUT = f"{ROOT}/Trainer/model", f"{ROOT}/Copy/copy"
EXECUTORS = "tests.pipeline.kubeflow.tiny_executors"
MODEL_TYPE = {"instanceSchema": "title: tfx.Model\ntype: object\n"}
Json = dict[str, Any]


class Pod:
    """A pod's files, and what its launcher would hand over."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.output_file = root / "kfp" / "output.json"
        self.termination_log = root / "dev" / "termination-log"
        self.termination_log.parent.mkdir(parents=True)
        self.termination_log.touch()
        self.local(INPUT).mkdir(parents=True)
        (self.local(INPUT) / "data.txt").write_text("content")

    def local(self, uri: str) -> Path:
        return self.root / uri.replace("://", "/")

    def run(self, executor: str, *beam: str, node: str = "Copy", **parameters: Any) -> Json:
        """Run the entrypoint; return what it leaves to the launcher."""
        spec = {
            "artifacts": {"model": {"artifactType": MODEL_TYPE}},
            "parameters": {name: {"parameterType": "STRING"} for name in parameters},
        }
        self.start(executor, json.dumps(self.handed_over(parameters)), json.dumps(spec), node, beam)
        output: Json = json.loads(self.output_file.read_text())
        return output

    def start(
        self, executor: str, given: str, spec: str, node: str = "Copy", beam: tuple[str, ...] = ()
    ) -> None:
        code = entrypoint.main(
            [
                *("--node", node),
                *("--executor_class_path", f"{EXECUTORS}.{executor}"),
                *("--json_serialized_invocation_args", given),
                *("--json_serialized_inputs_spec_args", spec),
                *beam,
            ]
        )
        assert code == 0

    def handed_over(self, parameters: Json) -> Json:
        model = {"type": {}, "uri": INPUT, "name": "7", "metadata": {"epochs": 3.0}}
        logs = {"type": {"schemaTitle": "system.Artifact"}, "uri": f"{ROOT}/Copy/executor-logs"}
        page = {"type": {"schemaTitle": "system.HTML"}, "uri": f"{ROOT}/Copy/page"}
        return {
            "inputs": {
                "artifacts": {"model": {"artifacts": [model]}},
                "parameterValues": parameters,
            },
            "outputs": {
                "artifacts": {
                    "copy": {"artifacts": [{"type": MODEL_TYPE, "uri": OUTPUT}]},
                    "executor-logs": {"artifacts": [logs]},
                    "page": {"artifacts": [page]},
                },
                "outputFile": str(self.output_file),
            },
        }


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    with serve_s3() as url:
        yield url


@pytest.fixture
def s3(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    return empty_bucket(s3_url, monkeypatch)


@pytest.fixture
def _own_logging() -> Iterator[None]:
    """Take away what the entrypoint adds to the root of all logs."""
    level, handlers = logging.root.level, list(logging.root.handlers)
    yield
    logging.root.setLevel(level)
    for handler in logging.root.handlers[:]:
        if type(handler) is logging.StreamHandler and handler not in handlers:
            logging.root.removeHandler(handler)


@pytest.fixture
def pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, _own_logging: None) -> Pod:
    monkeypatch.setenv("KFP_POD_ROOT", str(tmp_path))
    monkeypatch.setenv("KFP_RUN_ID", RUN_ID)
    monkeypatch.setattr(sys, "argv", list(sys.argv))  # the entrypoint cuts it
    # Without a page to fill there is nothing to do for this node; the gate's is tried elsewhere.
    monkeypatch.setattr("pipeline.kubeflow.ui_artifacts._FILLERS", {"Copy": lambda *_: {}})
    return Pod(tmp_path)


def _facts(pod: Pod) -> Json:
    facts: Json = json.loads((pod.local(OUTPUT) / "facts.json").read_text())
    return facts


@pytest.mark.slow
def test_outputs_are_told_with_the_object_stores_uris(pod: Pod) -> None:
    output = pod.run("Copy")
    assert (pod.local(OUTPUT) / "data.txt").read_text() == "content"
    (copy,) = output["artifacts"]["copy"]["artifacts"]
    assert copy["uri"] == OUTPUT
    assert copy["metadata"]["blessed"] == 1
    assert copy["metadata"]["best"] == f"{OUTPUT}/data.txt"
    text = pod.output_file.read_text()
    assert "null" not in text
    assert str(pod.root) not in text


def test_outputs_of_kfps_own_types_are_absent_unless_filled(pod: Pod) -> None:
    assert list(pod.run("Copy")["artifacts"]) == ["copy"]


def test_a_filled_output_has_its_type_uri_and_metadata(
    pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(inputs: Json, outputs: Json, files: dict[str, Path]) -> dict[str, Json]:
        assert list(files) == ["page"]  # the launcher fills in the logs itself
        assert (inputs["model"], outputs["copy"]) == (pod.local(INPUT), pod.local(OUTPUT))
        files["page"].write_text("<p>page")
        return {"page": {"figure": 0.5, "undefined": None}}

    monkeypatch.setattr("pipeline.kubeflow.ui_artifacts._FILLERS", {"Copy": fill})
    output = pod.run("Copy")
    assert output["artifacts"]["page"]["artifacts"] == [
        {
            "type": {"schemaTitle": "system.HTML"},
            "uri": f"{ROOT}/Copy/page",
            "metadata": {"figure": 0.5},
        }
    ]
    assert pod.local(f"{ROOT}/Copy/page").read_text() == "<p>page"


def test_pages_that_cannot_be_made_fail_no_task(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(inputs: Json, outputs: Json, files: dict[str, Path]) -> dict[str, Json]:
        raise ValueError("no font")

    monkeypatch.setattr("pipeline.kubeflow.ui_artifacts._FILLERS", {"Copy": break_down})
    artifacts = pod.run("Copy")["artifacts"]
    assert artifacts["copy"]["artifacts"][0]["uri"] == OUTPUT
    assert artifacts["page"]["artifacts"][0]["metadata"] == {"error": "ValueError: no font"}


def test_the_executor_gets_types_numbers_and_beams_arguments(pod: Pod) -> None:
    beam = ("--direct_num_workers=1", "--temp_location", "x")
    pod.run("Copy", *beam, answer="42", set_runs_dir=str(pod.root / "runs"), set_run_id=RUN_ID)
    assert _facts(pod) == {
        "source": [Model.TYPE_NAME, 3],
        # What is for the entrypoint is not a property of the node.
        "properties": {"answer": "42"},
        "beam": list(beam),
    }


def test_a_file_of_the_image_is_found_by_its_path_in_the_project(
    pod: Pod, repository: Path
) -> None:
    pod.run("Copy", schema_file="package:models/schema/schema.pbtxt")
    schema_file = Path(_facts(pod)["properties"]["schema_file"])
    assert schema_file == repository / "models" / "schema" / "schema.pbtxt"
    assert schema_file.is_file()


def test_an_error_is_left_to_kubernetes_and_to_the_summary(pod: Pod) -> None:
    runs = pod.root / "runs"
    with pytest.raises(InputError, match="nothing to read"):
        pod.run("Fail", node="Copy-small", input_base="/mnt/x", set_runs_dir=str(runs))
    message = "InputError: nothing to read in /mnt/x; größer"
    assert pod.termination_log.read_text() == f"Copy-small: {message}"
    assert (runs / RUN_ID / "errors" / "Copy-small.txt").read_text() == message


def test_a_retry_that_succeeds_removes_what_the_first_attempt_left(pod: Pod) -> None:
    runs = pod.root / "runs"
    note = runs / RUN_ID / "errors" / "Copy.txt"
    with pytest.raises(InputError):
        pod.run("Fail", set_runs_dir=str(runs))
    assert note.is_file()
    pod.run("Copy", set_runs_dir=str(runs))
    assert not note.exists()


@pytest.mark.parametrize("runs_dir", [f"s3://{BUCKET}/runs", "/dev/null/runs"])
def test_a_pod_that_does_not_reach_the_runs_folder_does_its_work(
    pod: Pod,
    s3: S3Server,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    runs_dir: str,
) -> None:
    """As pods that only compute, which get neither the volume nor the secrets."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(pod.root / "absent"))
    s3fs.S3FileSystem.clear_instance_cache()
    monkeypatch.setattr(logging.getLogger(entrypoint.__name__), "handlers", [caplog.handler])
    assert list(pod.run("Copy", set_runs_dir=runs_dir)["artifacts"]) == ["copy"]
    with pytest.raises(InputError, match="nothing to read"):
        pod.run("Fail", set_runs_dir=runs_dir)
    assert "nothing to read" in pod.termination_log.read_text()
    assert "The summary of the run will not mention this task" in caplog.text


def test_notes_go_to_an_object_store(pod: Pod, s3: S3Server) -> None:
    with pytest.raises(InputError):
        pod.run("Fail", set_runs_dir=f"s3://{BUCKET}/runs")
    assert s3.all_keys() == [f"runs/{RUN_ID}/errors/Copy.txt"]
    pod.run("Copy", set_runs_dir=f"s3://{BUCKET}/runs")
    assert s3.all_keys() == []


def test_a_long_message_is_cut_between_characters(
    pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entrypoint, "_MAX_MESSAGE_BYTES", len("Copy: InputError: nothing") + 1)
    monkeypatch.setattr("pipeline.kubeflow.entrypoint.run_task", _raise("nothingößer"))
    with pytest.raises(InputError):
        pod.run("Copy")
    assert pod.termination_log.read_text(encoding="utf-8") == "Copy: InputError: nothing"


def _raise(message: str) -> Any:
    def fail(*arguments: object) -> None:
        raise InputError(message)

    return fail


def test_what_is_no_json_is_told_as_such(pod: Pod) -> None:
    with pytest.raises(json.JSONDecodeError):
        pod.start("Copy", "{{$}}", "{}")
    assert pod.termination_log.read_text().startswith("Copy: JSONDecodeError: ")


def test_an_input_that_the_image_does_not_know_is_told(pod: Pod) -> None:
    with pytest.raises(InputError, match="compile it again"):
        pod.start("Copy", json.dumps(pod.handed_over({})), "{}")


def test_a_model_is_pushed_to_an_object_store_and_told_with_its_place(
    pod: Pod, s3: S3Server
) -> None:
    (pod.local(INPUT) / "saved_model.pb").write_bytes(b"model")
    destination = {"filesystem": {"base_directory": f"s3://{BUCKET}/serving/"}}
    output = pod.run("Push", push_destination=json.dumps(destination))
    assert s3.all_keys() == ["serving/1/data.txt", "serving/1/saved_model.pb"]
    (pushed,) = output["artifacts"]["copy"]["artifacts"]
    assert pushed["metadata"]["pushed_destination"] == f"s3://{BUCKET}/serving/1"


def test_help_does_not_wait_for_tensorflow(repository: Path) -> None:
    program = (
        "import sys\n"
        "from pipeline.kubeflow.entrypoint import main\n"
        "try:\n"
        "    main(['--help'])\n"
        "finally:\n"
        "    slow = {'tensorflow', 'tfx', 'keras', 'apache_beam', 'pydantic'} & set(sys.modules)\n"
        "    assert not slow, slow\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=repository, capture_output=True, text=True, check=True
    )
    assert "--json_serialized_invocation_args" in done.stdout


@pytest.mark.slow
def test_a_task_does_not_wait_for_parts_of_tfx_that_it_does_not_run(repository: Path) -> None:
    program = (
        "import json, sys\n"
        "from pipeline.kubeflow.entrypoint import main\n"
        "try:\n"
        "    main([*'--node N --executor_class_path E'.split(),\n"
        "          '--json_serialized_invocation_args', 'no JSON',\n"
        "          '--json_serialized_inputs_spec_args', '{}'])\n"
        "except json.JSONDecodeError:\n"
        "    print(*sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=repository, capture_output=True, text=True, check=True
    )
    imported = set(done.stdout.split())
    assert {"pipeline.kubeflow.tfx_executor", "pipeline.kubeflow.ui_artifacts"} <= imported
    # All of TFX's components, and with them the clients of Google's cloud.
    assert not {"tfx.v1", "google.cloud.aiplatform"} & imported
