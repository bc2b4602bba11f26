"""Lineage: what the model was made from, by which code, and in which steps."""

from __future__ import annotations

import logging
import os
import platform
from collections import defaultdict
from pathlib import Path, PurePosixPath

from contract import __version__
from contract.code_version import code_version
from contract.installed import version_of
from evaluation.slice_metrics import Record
from report.page.parts import Cell, Group, Part, Section, Table, Text, Tone
from report.sources import Sources
from report.stored_run import CACHED, NodeRun, read_stored_run, sqlite_connection
from serving.push_folder import content_digest

ANCHOR, TITLE = "lineage", "Lineage"
_TONES: dict[str, Tone] = {"failed": "bad", "canceled": "bad", "unknown": "warning"}

_PACKAGES = (
    *("tfx", "tensorflow", "keras", "tensorflow-transform", "tensorflow-model-analysis"),
    *("apache-beam", "keras-tuner"),
)
_LOGGER = logging.getLogger(__name__)
_CODE = ("models.preprocessing", "models.tune", "models.train", "models.ensemble")
# Fields of `Sources` with a folder each, for where there is no metadata store to read.
_FOLDERS = (
    *("examples", "schema", "statistics", "anomalies", "data_audit", "transform_graph"),
    *("model", "model_run", "baseline", "evaluation", "blessing"),
)


_NUM_TAIL_PARTS = 3  # of an artifact's folder: node, output and number


class ArtifactPlace(Record):
    """Where an artifact is, without the folders of a person's machine.

    Attributes:
        artifact_id: Its number in the metadata store.
        kind: Its type, such as "Model".
        place: Its folder, relative to the run's output folder.
    """

    artifact_id: int
    kind: str
    place: str


class TracedRun(Record):
    """A run from the metadata store, as it may be passed on.

    Attributes:
        name: Of the run, in the store.
        nodes: In the order in which they began.
        artifacts: Those that the nodes read or wrote.
    """

    name: str
    nodes: tuple[NodeRun, ...]
    artifacts: tuple[ArtifactPlace, ...]


class Lineage(Record):
    """The lineage of the selected model.

    Attributes:
        data_fingerprint: Of the conversion, from the dataset card: a hash of every source file's
            name, size and time, of the settings and of the code; None where there is no card.
        records_digest: SHA-256 of the names and bytes of the records that the run has read.
        model_digest: SHA-256 of the names and bytes of the exported model's files.
        code_digest: Hash of the project's code, and of its libraries' versions, where the report
            was made.
        packages: Versions by package, the project and Python among them.
        stored_run: From the metadata store; None where it could not be read.
        store_problem: Why it could not be read; "" where it was.
        folders: The artifacts' last folders by their role, where the store could not be read.
    """

    data_fingerprint: str | None
    records_digest: str
    model_digest: str
    code_digest: str
    packages: dict[str, str]
    stored_run: TracedRun | None
    store_problem: str
    folders: dict[str, str]


def trace_lineage(sources: Sources) -> Lineage:
    """Trace the selected model back, as far as the metadata store can be read."""
    stored_run, problem = _ask_store(sources)
    return Lineage(
        data_fingerprint=sources.card.fingerprint if sources.card else None,
        records_digest=content_digest(sources.examples),
        model_digest=content_digest(sources.exported_model),
        code_digest=code_version(*_CODE),
        packages=_package_versions(),
        stored_run=stored_run,
        store_problem=problem,
        folders={} if stored_run else _folders(sources),
    )


def _ask_store(sources: Sources) -> tuple[TracedRun | None, str]:
    if sources.metadata_file is None:
        return None, "on a cluster it is a service, whose page shows the nodes' runs"
    try:
        return _trace_run(sources.metadata_file, sources.run.pipeline_name), ""
    except Exception as error:  # of several libraries: the hashes must not be lost with it
        _LOGGER.exception("The metadata store could not be read")
        return None, f"{type(error).__name__}: {error}"


def _trace_run(metadata_file: Path, pipeline_name: str) -> TracedRun:
    run = read_stored_run(sqlite_connection(metadata_file), pipeline_name)
    return TracedRun(
        name=run.name,
        nodes=run.nodes,
        artifacts=tuple(
            ArtifactPlace(
                artifact_id=artifact.artifact_id,
                kind=artifact.kind,
                place=relative_place(artifact.uri, metadata_file.parent),
            )
            for artifact in run.artifacts
        ),
    )


def relative_place(uri: str, root: Path | None) -> str:
    """Return an artifact's folder without the folders of a person's machine before it.

    Args:
        uri: The folder, or an address in an object store.
        root: What the place is relative to; elsewhere, and where it is None, only the last folders
            of `uri` are kept.
    """
    if root is not None and "://" not in uri:
        place = Path(os.path.abspath(uri))
        if place.is_relative_to(os.path.abspath(root)):
            return place.relative_to(os.path.abspath(root)).as_posix()
    return "…/" + "/".join(PurePosixPath(uri).parts[-_NUM_TAIL_PARTS:])


def _package_versions() -> dict[str, str]:
    versions = {"pneumonia-pipeline": __version__, "python": platform.python_version()}
    return versions | {package: version_of(package) for package in _PACKAGES}


def _folders(sources: Sources) -> dict[str, str]:
    folders = {name: getattr(sources, name) for name in _FOLDERS}
    return {name: relative_place(str(path), None) for name, path in folders.items() if path}


def build(sources: Sources) -> Section:
    """Return the section."""
    lineage = trace_lineage(sources)
    if lineage.stored_run is None:
        runs: tuple[Part, ...] = (_without_store(lineage), _folder_table(lineage))
    else:
        runs = (
            _store_text(lineage.stored_run),
            _node_table(lineage.stored_run),
            Group("Artifacts", (_artifact_table(lineage.stored_run),), folded=True),
        )
    return Section(ANCHOR, TITLE, (_hash_table(lineage), _package_table(lineage), *runs))


def _hash_table(lineage: Lineage) -> Table:
    rows = (
        (
            "Source of the data",
            lineage.data_fingerprint or "not known: no dataset card",
            "names, sizes and times of all files, settings, code that converts",
        ),
        ("Records read", lineage.records_digest, "names and bytes of the run's TFRecord files"),
        ("Exported model", lineage.model_digest, "names and bytes of the SavedModel's files"),
        ("Code", lineage.code_digest, "the project's sources and its libraries' versions"),
    )
    return Table(
        "Hashes (SHA-256; of the code, its first 16 digits)",
        ("Of", "Hash", "Covers"),
        rows,
        text_columns=(1, 2),
    )


def _package_table(lineage: Lineage) -> Table:
    return Table(
        "Versions, where the report was made",
        ("Package", "Version"),
        tuple(lineage.packages.items()),
        text_columns=(1,),
    )


def _store_text(run: TracedRun) -> Text:
    return Text(
        f"From the metadata store, run {run.name}. The report is itself a node of the run: it is "
        "shown as running, and later nodes are missing."
    )


def _node_table(run: TracedRun) -> Table:
    return Table(
        "Nodes, in the order in which they began",
        ("Node", "State", "Began (UTC)", "Took", "Code"),
        tuple(
            (
                Cell(node.node_id, f"execution {node.execution_id}"),
                _state_cell(node),
                (node.began or "–").removesuffix("+00:00").replace("T", " "),
                "–" if node.took_s is None else f"{node.took_s:,.1f} s",
                node.code_version or "TFX's own",
            )
            for node in run.nodes
        ),
        text_columns=(1, 2, 4),
    )


def _state_cell(node: NodeRun) -> Cell:
    if node.state == CACHED and node.made_by is not None:
        return Cell(node.state, f"made by execution {node.made_by}, at the time shown")
    return Cell(node.state, tone=_TONES.get(node.state, "plain"))


def _artifact_table(run: TracedRun) -> Table:
    made_by: dict[int, list[str]] = defaultdict(list)
    read_by: dict[int, list[str]] = defaultdict(list)
    for node in run.nodes:
        for ends, edges in ((made_by, node.outputs), (read_by, node.inputs)):
            for artifact_id in {number for numbers in edges.values() for number in numbers}:
                ends[artifact_id].append(node.node_id)
    return Table(
        "What the nodes wrote and read; places are relative to the run's output folder",
        ("Artifact", "Written by", "Read by"),
        tuple(
            (
                Cell(artifact.place, f"{artifact.kind}, number {artifact.artifact_id}"),
                ", ".join(made_by[artifact.artifact_id]) or "an earlier run",
                ", ".join(read_by[artifact.artifact_id]) or "none",
            )
            for artifact in run.artifacts
        ),
        text_columns=(1, 2),
    )


def _without_store(lineage: Lineage) -> Text:
    return Text(
        f"The report could not read the run's metadata store: {lineage.store_problem}. The "
        "artifacts that the report read are listed below.",
        "warning",
    )


def _folder_table(lineage: Lineage) -> Table:
    return Table(
        "Artifacts that the report was made from, by their last folders",
        ("Role", "Folder"),
        tuple((role.replace("_", " "), place) for role, place in lineage.folders.items()),
        text_columns=(1,),
    )
