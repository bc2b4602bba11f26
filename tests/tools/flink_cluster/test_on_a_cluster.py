"""Beam's stages on a real Flink cluster, with machines that fail in the middle of them.

Every stage that is compared with a local run loses a TaskManager on the way, but for the two that
are over too soon. The tests share a cluster and go from one stage to the next.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import tensorflow as tf
import tensorflow_data_validation as tfdv
import yaml
from PIL import Image
from tfx.types import standard_artifacts
from tfx.utils import path_utils

from contract import features
from contract.settings import BeamSettings, PipelineSettings
from evaluation.tfma_results import read_evaluation
from ingestion.conversion import convert
from ingestion.open_source import open_source
from ingestion.tfrecord_file import read_records
from pipeline import convert as convert_command
from pipeline.load_config import load_settings
from tests.flink import artifacts_or_skip
from tools.benchmarks.nodes import build_dag, input_artifacts, run_node
from tools.flink_cluster import cluster, processes

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),  # Maven fetches 155 MB the first time
]

LOCAL = BeamSettings().pipeline_args
SETTINGS = PipelineSettings.model_validate(
    {"data": {"num_shards": 4, "max_rejected_fraction": 0.5}, "transform": {"image_size_px": 32}}
)
PATIENTS, LARGE_IMAGES, LARGE_SIDE_PX = 40, 40, 3000
_WAIT_S = 300.0


@dataclasses.dataclass(frozen=True)
class Cluster:
    folder: Path
    ports: cluster.Ports
    artifacts: Path

    @property
    def args(self) -> tuple[str, ...]:
        return cluster.pipeline_args(self.folder, self.ports)

    def args_of(self, node: str) -> tuple[str, ...]:
        """Return the arguments for Beam as configs/flink.yaml gives them to a node."""
        further = load_settings("flink").beam.node_pipeline_args.get(node, ())
        return (*self.args, *further)

    def start(self) -> None:
        cluster.start(self.folder, self.ports, artifacts=self.artifacts)

    def kill(self, name: str) -> None:
        cluster.kill(name, self.folder)

    def workers(self) -> list[Any]:
        """Return the Python workers that TaskManagers have started."""
        found = []
        for process in processes.all_of(self.folder / "run"):
            if "pipeline.beam_worker" in process.cmdline():
                found.append(process)
        return found

    def converting(self) -> list[str]:
        """Return the names of TaskManagers of which a worker is writing a shard."""
        names = {each.pid: name for name, each in processes.running(self.folder / "run").items()}
        found = []
        for worker in self.workers():
            with contextlib.suppress(psutil.Error):  # ended meanwhile
                if any(".attempt" in file.path for file in worker.open_files()):
                    found += [names[each.pid] for each in worker.parents() if each.pid in names]
        return found


def free_ports(number: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture(scope="module")
def flink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    artifacts = artifacts_or_skip()
    started = Cluster(tmp_path_factory.mktemp("flink"), cluster.Ports(*free_ports(5)), artifacts)
    try:
        started.start()
        yield started
    finally:
        cluster.stop(started.folder)
    assert processes.all_of(started.folder / "run") == []
    assert list(started.folder.iterdir()) == []


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of X-rays of which one patient's are so large that stages take a while."""
    folder = tmp_path_factory.mktemp("images") / "train"
    for name in ("NORMAL", "PNEUMONIA"):
        (folder / name).mkdir(parents=True)
    for patient in range(PATIENTS):
        for name in (f"NORMAL/IM-{patient:04d}-0001.png", f"PNEUMONIA/person{patient}_virus_1.png"):
            shade = (2 * patient + name.startswith("N")) % 256
            Image.linear_gradient("L").resize((90, 80)).point(
                lambda value, shade=shade: (value + shade) % 256
            ).save(folder / name)
    (folder / "NORMAL/IM-9999-0001.png").write_bytes(b"no picture")
    large = folder / "PNEUMONIA/person0_bacteria_0.png"
    Image.radial_gradient("L").resize((LARGE_SIDE_PX, LARGE_SIDE_PX)).save(large)
    for number in range(1, LARGE_IMAGES):  # Of one patient, so that equal pixels are allowed.
        os.link(large, folder / f"PNEUMONIA/person0_bacteria_{number}.png")
    return folder.parent


@pytest.fixture(scope="module")
def records(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the records of a local conversion."""
    work_dir = tmp_path_factory.mktemp("local")
    source = open_source(str(images), work_dir, SETTINGS.data)
    convert(source, SETTINGS.data, work_dir / "records", LOCAL)
    return work_dir / "records"


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def multiset(folder: Path) -> Counter[bytes]:
    """Return the records of all files. TFX writes the features of each in any order."""
    return Counter(
        tf.train.Example.FromString(record).SerializeToString(deterministic=True)
        for path in sorted(folder.iterdir())
        for record in read_records(path)
    )


def wait_until(condition: Callable[[], Any]) -> None:
    deadline_s = time.monotonic() + _WAIT_S
    while not condition():
        assert time.monotonic() < deadline_s, "it did not happen"
        time.sleep(0.05)


def run_with_a_fault(
    work: Callable[[], Any], begun: Callable[[], Any], fault: Callable[[], None]
) -> Any:
    """Do `work`, and `fault` once `begun` returns something; return what the work returns."""
    results: list[Any] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        wait_until(lambda: begun() or not thread.is_alive())
        assert thread.is_alive(), f"it ended too soon: {errors}"
        fault()
    finally:
        thread.join()
    if errors:
        raise errors[0]
    return results[0]


def strays(folder: Path) -> list[str]:
    words = (".attempt", "beam-temp", ".work-")
    return [str(path) for path in folder.rglob("*") if any(word in path.name for word in words)]


@pytest.fixture
def pool(repository: Path, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Start the pool of workers that the manifest for Kubernetes gives each TaskManager."""
    manifest = repository / "kubeflow" / "flink" / "session-cluster.yaml"
    pod = yaml.safe_load(manifest.read_text())["spec"]["taskManager"]["podTemplate"]["spec"]
    (container,) = [each for each in pod["containers"] if each["name"] == "beam-workers"]
    (port,) = free_ports(1)
    (script,) = container["args"]
    for there, here in {"50000": str(port), "/tmp/beam-worker": str(tmp_path / "worker")}.items():
        assert there in script
        script = script.replace(there, here)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    process = subprocess.Popen(
        [*container["command"], script],
        env=os.environ | {"PATH": path, "PYTHONPATH": str(repository)},
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: cluster._is_open(port) or process.poll() is not None)
        assert process.poll() is None, "it ended at once"
        yield process, port
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            for worker in psutil.Process(process.pid).children():
                worker.terminate()
        process.terminate()
        process.wait(60)


def test_everything_listens_on_the_loopback_address_alone(flink: Cluster) -> None:
    addresses = {
        connection.laddr.ip.removeprefix("::ffff:")
        for process in processes.all_of(flink.folder / "run")
        for connection in process.net_connections()
        if connection.status == "LISTEN"
    }
    assert addresses == {"127.0.0.1"}


def test_a_conversion_survives_a_lost_task_manager(
    flink: Cluster, images: Path, records: Path, tmp_path: Path
) -> None:
    source = open_source(str(images), tmp_path, SETTINGS.data)
    converting: list[str] = []

    def begun() -> list[str]:
        converting.extend(flink.converting())
        return converting

    run_with_a_fault(
        lambda: convert(source, SETTINGS.data, tmp_path / "out", flink.args),
        begun,
        lambda: flink.kill(converting[0]),
    )
    assert contents(tmp_path / "out") == contents(records)
    assert strays(tmp_path) == []
    flink.start()  # what is missing
    assert len(processes.running(flink.folder / "run")) == 4


def test_a_conversion_by_the_pool_of_workers_that_kubernetes_has(
    flink: Cluster, pool: tuple[subprocess.Popen[bytes], int], images: Path, tmp_path: Path
) -> None:
    process, port = pool
    # One worker: the two TaskManagers of this machine would share the pool.
    changed = {
        "--environment_type": "EXTERNAL",
        "--environment_config": f"localhost:{port}",
        "--parallelism": "1",
    }
    given = dict(each.split("=", 1) for each in flink.args)
    assert set(changed) <= set(given)
    arguments = [f"{name}={value}" for name, value in (given | changed).items()]
    shutil.copytree(images, tmp_path / "small", ignore=shutil.ignore_patterns("*_bacteria_*"))
    source = open_source(str(tmp_path / "small"), tmp_path, SETTINGS.data)
    convert(source, SETTINGS.data, tmp_path / "here", LOCAL)
    seen: set[str] = set()

    def note_workers() -> None:
        for worker in psutil.Process(process.pid).children():
            with contextlib.suppress(psutil.Error):  # ended meanwhile
                seen.update({"pipeline.beam_worker"} & set(worker.cmdline()))

    run_with_a_fault(
        lambda: convert(source, SETTINGS.data, tmp_path / "there", arguments),
        lambda: note_workers() or seen,
        lambda: None,
    )
    assert contents(tmp_path / "there") == contents(tmp_path / "here")
    assert strays(tmp_path) == []


# Beam's own thread, which waits for news of the job.
@pytest.mark.filterwarnings("ignore:Exception in thread wait_until_finish_read")
def test_a_lost_job_server_is_named_and_the_same_command_goes_on(
    flink: Cluster,
    images: Path,
    records: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = tmp_path / "on_flink.yaml"
    beam = {"pipeline_args": list(flink.args)}
    data = SETTINGS.data.model_dump(exclude_defaults=True)
    config.write_text(yaml.safe_dump({"data": data, "beam": beam}), encoding="utf-8")
    command = ["--data", str(images), "--config", str(config), "--output", str(tmp_path / "out")]
    code = run_with_a_fault(
        lambda: convert_command.main(command),
        lambda: list(tmp_path.rglob("*.attempt")),
        lambda: flink.kill(cluster.JOB_SERVER),
    )
    assert code == 2
    error = " ".join(capsys.readouterr().err.split())
    assert f"expected Beam's job server at 127.0.0.1:{flink.ports.job_server}" in error
    assert not (tmp_path / "out").exists()
    flink.start()
    assert convert_command.main(command) == 0
    assert contents(tmp_path / "out") == contents(records)
    wait_until(lambda: strays(tmp_path) == [])


@pytest.fixture(scope="module")
def nodes(records: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a function that runs a node on Flink or locally and returns its output folder."""
    work_dir = tmp_path_factory.mktemp("nodes")
    dag = build_dag(SETTINGS, records, work_dir)
    inputs = input_artifacts(records, work_dir)
    model = standard_artifacts.Model()
    model.uri = str(work_dir / "model")
    save_model(Path(path_utils.serving_model_dir(model.uri)))

    def run(node_id: str, args: tuple[str, ...], name: str) -> Path:
        its = {"ImportExampleGen": {}, "Evaluator": {**inputs, "model": model}}.get(node_id, inputs)
        run_node(dag, node_id, its, work_dir / name / node_id, args)
        return work_dir / name / node_id

    return run


class WidthModel(tf.Module):
    """A model whose probability is a record's width; the widest are pneumonia."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name=features.EXAMPLES_INPUT)])
    def serve_examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        spec = {features.WIDTH: tf.io.FixedLenFeature([], tf.int64)}
        width = tf.io.parse_example(examples, spec)[features.WIDTH]
        probability = tf.cast(width, tf.float32) / (LARGE_SIDE_PX + 1)
        is_called = probability >= 0.5
        return {
            features.PROBABILITY: probability,
            features.CALLED_PNEUMONIA: tf.cast(is_called, tf.float32),
            features.THRESHOLD: tf.fill(tf.shape(probability), 0.5),
            features.PREDICTED_LABEL: tf.where(is_called, features.PNEUMONIA, features.NORMAL),
        }

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name=features.EXAMPLES_INPUT)])
    def cases(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return {features.CASE: tf.fill([tf.shape(examples)[0], 1], features.DECIDED)}


def save_model(folder: Path) -> None:
    model = WidthModel()
    tf.saved_model.save(
        model,
        str(folder),
        signatures={
            features.EXAMPLES_SIGNATURE: model.serve_examples,
            features.CASE_SIGNATURE: model.cases,
        },
    )


def test_import_example_gen_gives_the_same_records(flink: Cluster, nodes: Any) -> None:
    there = nodes("ImportExampleGen", flink.args, "flink")
    here = nodes("ImportExampleGen", LOCAL, "local")
    for split in features.SPLITS:
        name = f"examples/Split-{split}"
        assert multiset(there / name) == multiset(here / name) != Counter()
    assert strays(there) == []


def test_statistics_are_equal_in_value(flink: Cluster, nodes: Any) -> None:
    there = nodes("StatisticsGen", flink.args, "flink")
    here = nodes("StatisticsGen", LOCAL, "local")
    for split in features.SPLITS:
        name = f"statistics/Split-{split}/FeatureStats.pb"
        found, expected = (
            tfdv.load_stats_binary(str(folder / name)).datasets[0] for folder in (there, here)
        )
        assert found.num_examples == expected.num_examples > 0
        by_name = {each.path.step[0]: each for each in found.features}
        assert set(by_name) == {each.path.step[0] for each in expected.features}
        for each in expected.features:
            assert values_of(by_name[each.path.step[0]]) == pytest.approx(values_of(each))


def values_of(feature: Any) -> dict[str, float]:
    """Return a feature's statistics by name."""
    kind = feature.WhichOneof("stats")
    statistics = getattr(feature, kind)
    values = {"missing": statistics.common_stats.num_missing}
    values["present"] = statistics.common_stats.num_non_missing
    if kind == "num_stats":
        values |= {
            name: getattr(statistics, name)
            for name in ("mean", "std_dev", "min", "max", "median", "num_zeros")
        }
    if kind == "string_stats":
        values |= {"unique": statistics.unique, "length": statistics.avg_length}
        values |= {f"value {each.value}": each.frequency for each in statistics.top_values}
    return values


def run_and_lose(task_manager: str, node: str, flink: Cluster, nodes: Any) -> Path:
    """Run a node on the cluster, which loses a TaskManager on the way; return its outputs."""

    def lose() -> None:
        time.sleep(5.0)  # the workers have begun
        flink.kill(task_manager)

    outputs: Path = run_with_a_fault(
        lambda: nodes(node, flink.args_of(node), "flink"), lambda: len(flink.workers()) >= 2, lose
    )
    flink.start()
    return outputs


def test_transform_survives_a_lost_task_manager(flink: Cluster, nodes: Any) -> None:
    here = nodes("Transform", LOCAL, "local")
    there = run_and_lose(cluster.TASK_MANAGERS[0], "Transform", flink, nodes)
    for split in (features.TRAIN, features.VALIDATION):
        name = f"transformed_examples/Split-{split}"
        assert multiset(there / name) == multiset(here / name) != Counter()
    assert strays(there) == []


def test_evaluator_survives_a_lost_task_manager(flink: Cluster, nodes: Any) -> None:
    here = nodes("Evaluator", LOCAL, "local")
    there = run_and_lose(cluster.TASK_MANAGERS[1], "Evaluator", flink, nodes)
    found, expected = (read_evaluation(str(each / "evaluation")) for each in (there, here))
    assert found.candidate == expected.candidate
    assert found.candidate["overall"].n > 0
    assert strays(there) == []
