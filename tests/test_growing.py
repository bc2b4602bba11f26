"""What a new architecture and a new node cost: the files that have to be touched."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rooms import ROOMS

pytestmark = pytest.mark.slow

BUILD = """
from contract.settings import CandidateSettings, PipelineSettings
from models.architectures import build_network
from models.search_spaces import declare_space
from contract.settings import CandidateRun, OperatingPointSettings, TunerSettings
import keras_tuner

candidate = CandidateSettings(architecture="ann_tiny")
PipelineSettings(candidates={"ann_tiny": candidate})
network = build_network(candidate, 16)
declare_space(
    keras_tuner.HyperParameters(),
    CandidateRun(
        name="ann_tiny", seed=0, image_size_px=16, candidate=candidate, tuner=TunerSettings(),
        operating_point=OperatingPointSettings(),
    ),
)
print("parameters:", network.count_params())
"""

NODE = '''"""A node that counts the nodes before it."""

from tfx.dsl.component.experimental.annotations import InputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import ModelBlessing


@component
def Counter(blessing: InputArtifact[ModelBlessing], code_version: Parameter[str]) -> None:
    """Read a verdict."""
'''

DAG = """
from contract.settings import PipelineSettings
from pipeline.pipeline import Places, create_pipeline

dag = create_pipeline(PipelineSettings(), Places("records", "root", "no-pushed-models"))
(counter,) = [node for node in dag.components if node.id == "Counter"]
print("version:", len(counter.exec_properties["code_version"]))
print("after:", sorted(node.id for node in counter.upstream_nodes))
"""


def copy_of(repository: Path, folder: Path) -> Path:
    """Copy the rooms."""
    for room in ROOMS:
        shutil.copytree(
            repository / room, folder / room, ignore=shutil.ignore_patterns("__pycache__")
        )
    return folder


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{path.name} has {text.count(old)} times: {old}"
    path.write_text(text.replace(old, new), encoding="utf-8")


def changed(copy: Path, repository: Path) -> list[str]:
    return sorted(
        str(path.relative_to(copy))
        for room in ROOMS
        for path in (copy / room).rglob("*.py")
        if not (repository / path.relative_to(copy)).is_file()
        or (repository / path.relative_to(copy)).read_bytes() != path.read_bytes()
    )


def run(copy: Path, code: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=copy, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr[-2000:]
    return result.stdout


def add_architecture(copy: Path) -> None:
    edit(
        copy / "contract" / "architectures.py",
        '    "ann_deep": ',
        '    "ann_tiny": ArchitectureFacts("dense", 1),\n    "ann_deep": ',
    )
    edit(
        copy / "models" / "architectures" / "dense.py",
        '    "ann_deep": ',
        '    "ann_tiny": DenseStack((2,)),\n    "ann_deep": ',
    )


def add_node(copy: Path) -> None:
    (copy / "components" / "counter.py").write_text(NODE, encoding="utf-8")
    dag = copy / "pipeline" / "pipeline.py"
    edit(
        dag,
        "from components.candidate_inputs import",
        "from components.counter import Counter\nfrom components.candidate_inputs import",
    )
    edit(
        dag,
        "    nodes: list[BaseNode] = [servability]\n",
        "    counter = Counter(\n"
        "        blessing=judgement.blessing, code_version=code_version('components.counter')\n"
        "    )\n"
        "    nodes: list[BaseNode] = [servability, counter]\n",
    )


def test_a_new_architecture_is_a_row_and_its_network_and_a_node_its_file_and_a_place_in_the_dag(
    repository: Path, tmp_path: Path
) -> None:
    copy = copy_of(repository, tmp_path)
    add_architecture(copy)
    of_architecture = ["contract/architectures.py", "models/architectures/dense.py"]
    assert changed(copy, repository) == of_architecture
    add_node(copy)
    of_node = ["components/counter.py", "pipeline/pipeline.py"]
    assert changed(copy, repository) == sorted(of_architecture + of_node)
    # One process for both: TensorFlow and TFX take seconds to import.
    printed = run(copy, BUILD + DAG)
    assert f"parameters: {16 * 16 * 3 * 2 + 2 + 2 + 1}" in printed
    assert "version: 16" in printed
    assert "after: ['ModelGate']" in printed
