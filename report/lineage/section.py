"""Lineage: what the model was made from, by which code, and in which steps."""

from __future__ import annotations

from collections import defaultdict

from report.lineage.facts import Lineage, trace_lineage
from report.lineage.stored_run import CACHED, NodeRun, StoredRun
from report.page.parts import Cell, Group, Part, Section, Table, Text, Tone
from report.sources import Sources

ANCHOR, TITLE = "lineage", "Lineage"
_TONES: dict[str, Tone] = {"failed": "bad", "canceled": "bad", "unknown": "warning"}


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


def _store_text(run: StoredRun) -> Text:
    return Text(
        f"From the metadata store, run {run.name}. The report is a node of the run: it is told as "
        "running, and what came after it is not told."
    )


def _node_table(run: StoredRun) -> Table:
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
        return Cell(node.state, f"made by execution {node.made_by}, at the time told")
    return Cell(node.state, tone=_TONES.get(node.state, "plain"))


def _artifact_table(run: StoredRun) -> Table:
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
        f"The run's metadata store was out of the report's reach: {lineage.store_problem}. Below "
        "stand the artifacts that the report read.",
        "warning",
    )


def _folder_table(lineage: Lineage) -> Table:
    return Table(
        "Artifacts that the report was made from, by their last folders",
        ("Role", "Folder"),
        tuple((role.replace("_", " "), place) for role, place in lineage.folders.items()),
        text_columns=(1,),
    )
