"""Draw the DAG: `python -m tools.drawings.draw_dag` writes `docs/dag.svg`.

Nodes and lines come from the pipeline itself; only what a node is for is written here. Groups are
columns, with their nodes in the order in which they run, and lines between groups run in the gaps:
down a trunk, along below the groups in between, and up the next trunk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from contract import nodes as node_names
from tools.drawings.dag_picture import (
    COLUMN,
    GAP,
    GREY,
    GROUPS,
    HEADING,
    MARGIN,
    NODE_GAP,
    NODE_HEIGHT,
    OUTSIDE_GAP,
    PAD,
    Box,
    draw_frame,
    draw_group,
    draw_joint,
    draw_line,
    draw_node,
    draw_text,
)

ROOT = Path(__file__).resolve().parents[2]
PICTURE = ROOT / "docs" / "dag.svg"

# The group of each node, by its id up to the first hyphen, and what it does.
MEANINGS = {
    node_names.EXAMPLE_GEN: ("Data", "Reads the records"),
    node_names.SCHEMA_GEN: ("Data", "Brings the curated schema"),
    node_names.STATISTICS_GEN: ("Data", "Counts what they hold"),
    node_names.EXAMPLE_VALIDATOR: ("Data", "Compares with the schema"),
    node_names.DATA_AUDIT: ("Data", "Stops on unfit data"),
    node_names.TRANSFORM: ("Model", "Decodes, resizes images"),
    "Tuner": ("Model", "Tries hyperparameters"),
    "Trainer": ("Model", "Fits, sets the threshold"),
    node_names.SELECTOR: ("Judgement", "Chooses on validation"),
    node_names.BASELINE: ("Judgement", "Fetches the newest model"),
    node_names.EVALUATOR: ("Judgement", "Measures on the test split"),
    node_names.EXTERNAL_EVALUATION: ("Judgement", "Judges it on other data"),
    node_names.GATE: ("Judgement", "Blesses or refuses"),
    node_names.STUDY_TABLE: ("Judgement", "Compares with a study"),
    node_names.REPORT: ("Judgement", "Shows the run in a page"),
    node_names.SERVABILITY_CHECK: ("Release", "Serves it in a new process"),
    node_names.INFRA_VALIDATOR: ("Release", "Asks TF Serving"),
    node_names.PUSHER: ("Release", "Adds a numbered version"),
}
FIRST, BEFORE = node_names.EXAMPLE_GEN, ("Ingestion", "X-rays to TFRecords")
LAST, AFTER = node_names.PUSHER, ("TF Serving", "Serves the newest version")
LEGEND_HEIGHT = 44  # below all groups and lines
COMPARED = node_names.BASELINE  # reads in the next run what is pushed in this one

TITLE = "From chest X-rays to a served model"
LEGEND = (
    "Solid boxes are the DAG that pipeline/pipeline.py builds; dashed ones are outside it.",
    "A line has the colour of the group that it leads to. Inside a group, lines that others imply "
    "are left out.",
)

Dag = Mapping[str, frozenset[str]]  # node id -> ids of the nodes that it waits for


def read_dag() -> dict[str, frozenset[str]]:
    """Return a pipeline's nodes, in the order of a run, and what each waits for.

    It has one candidate, with a search. Each further one would add a Tuner and a Trainer, and
    all of them together an Ensemble.
    """
    # Imported here: TFX takes many seconds, and the layout needs none of it.
    from contract.settings import CandidateSettings, PipelineSettings
    from pipeline.pipeline import Places, create_pipeline

    # Nothing is read from these places: they are named, not opened.
    settings = PipelineSettings(candidates={"compact_resnet": CandidateSettings()})
    dag = create_pipeline(settings, Places("records", "root", "no-pushed-models"))
    return {
        node.id: frozenset(upstream.id for upstream in node.upstream_nodes)
        for node in dag.components
    }


def draw(dag: Dag) -> str:
    """Return the picture of a DAG as SVG.

    Args:
        dag: Nodes in the order of a run, and what each waits for.

    Raises:
        KeyError: `MEANINGS` does not know a node.
    """
    columns = [[node for node in dag if group_of(node) == group] for group in range(len(GROUPS))]
    tallest = max(_stack_height(len(nodes)) for nodes in columns)
    groups_height = MARGIN * 2 + NODE_HEIGHT + OUTSIDE_GAP + tallest
    height = groups_height + LEGEND_HEIGHT
    frames = [_frame(column, len(nodes), groups_height) for column, nodes in enumerate(columns)]
    boxes = {
        node: Box(frame.x + PAD, frame.y + HEADING + row * (NODE_HEIGHT + NODE_GAP))
        for frame, nodes in zip(frames, columns, strict=True)
        for row, node in enumerate(nodes)
    }
    description = (
        f"The DAG of the pipeline, in the groups {', '.join(GROUPS)}: {', '.join(dag)}. "
        f"{BEFORE[0]} comes before it, and {AFTER[0]} serves what it pushes."
    )
    parts = draw_frame(height, TITLE, description)
    beside = frames[1].x
    parts.append(draw_text(TITLE, beside, MARGIN + 18, 21, "#1f2933", "bold"))
    parts += [
        draw_text(line, MARGIN, height - MARGIN - 20 + 18 * row, 12, GREY)
        for row, line in enumerate(LEGEND)
    ]
    parts += [draw_group(column, frame) for column, frame in enumerate(frames)]
    parts += _outside(frames, boxes)
    parts += _lines_within(columns, dag, boxes)
    parts += _lines_between(dag, frames, boxes)
    parts += [
        draw_node(node, _meaning(node)[1], box, group_of(node)) for node, box in boxes.items()
    ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def group_of(node: str) -> int:
    """Return the index of a node's group."""
    return GROUPS.index(_meaning(node)[0])


def _meaning(node: str) -> tuple[str, str]:
    try:
        return MEANINGS[node.partition("-")[0]]
    except KeyError:
        raise KeyError(
            f"expected a node of {', '.join(MEANINGS)}, got {node}: say in MEANINGS of "
            "tools/drawings/draw_dag.py which group it belongs to and what it does"
        ) from None


def lines_within_group(nodes: Sequence[str], dag: Dag) -> list[tuple[str, str]]:
    """Return the lines of a group, without those that longer ways inside it imply."""
    inner = {node: dag[node] & set(nodes) for node in nodes}
    reached: dict[str, set[str]] = {}
    for node in nodes:  # those that a node waits for come before it
        reached[node] = set(inner[node]).union(*(reached[before] for before in inner[node]))
    return [
        (before, node)
        for node in nodes
        for before in nodes
        if before in inner[node]
        and not any(before in reached[other] for other in inner[node] - {before})
    ]


def _stack_height(num_nodes: int) -> float:
    return HEADING + num_nodes * (NODE_HEIGHT + NODE_GAP) - NODE_GAP + PAD


def _frame(column: int, num_nodes: int, height: float) -> Box:
    own = _stack_height(num_nodes)
    # Ingestion is above the first group; the others are centred.
    y = height - MARGIN - own if column == 0 else (height - own) / 2
    return Box(MARGIN + column * (COLUMN + GAP), y, COLUMN, own)


def _outside(frames: Sequence[Box], boxes: Mapping[str, Box]) -> list[str]:
    """Draw what comes before and after the DAG, and the way from one run to the next."""
    first, last, compared = boxes[FIRST], boxes[LAST], boxes[COMPARED]
    before = Box(first.x, MARGIN)
    after = Box(last.x, frames[-1].bottom + OUTSIDE_GAP)
    over = frames[group_of(COMPARED)].y - 16
    beside = last.right + PAD / 2  # past what is above it
    enter = compared.x + 0.8 * compared.width  # beside the group's name
    return [
        draw_node(*BEFORE, before, None),
        draw_line([(before.middle_x, before.bottom), (first.middle_x, first.y)], None),
        draw_node(*AFTER, after, None),
        draw_line([(last.middle_x, last.bottom), (after.middle_x, after.y)], None),
        draw_line(
            [
                (last.right, last.middle_y),
                (beside, last.middle_y),
                (beside, over),
                (enter, over),
                (enter, compared.y),
            ],
            None,
        ),
        draw_text("in the next run", last.middle_x, over - 7, 11.5, GREY, anchor="middle"),
    ]


def _lines_within(columns: Sequence[list[str]], dag: Dag, boxes: Mapping[str, Box]) -> list[str]:
    parts = []
    for group, nodes in enumerate(columns):
        for before, node in lines_within_group(nodes, dag):
            start, end = boxes[before], boxes[node]
            points = [(start.middle_x, start.bottom), (end.middle_x, end.y)]
            if nodes.index(node) > nodes.index(before) + 1:  # round those in between
                side = start.x - PAD / 2 - 1
                points = [(start.x, start.middle_y), (side, start.middle_y)]
                points += [(side, end.middle_y), (end.x, end.middle_y)]
            parts.append(draw_line(points, group))
    return parts


def _lines_between(dag: Dag, frames: Sequence[Box], boxes: Mapping[str, Box]) -> list[str]:
    lines = [
        (before, node)
        for node in dag
        for before in dag
        if before in dag[node] and group_of(before) != group_of(node)
    ]
    # In each gap, the lines to one target share a trunk.
    trunks: dict[int, list[str]] = {}
    for before, node in lines:
        for gap in {group_of(before), group_of(node) - 1}:
            if node not in trunks.setdefault(gap, []):
                trunks[gap].append(node)
    joints: dict[tuple[str, float], set[float]] = {}
    parts = []
    for before, node in lines:
        start, end, group = boxes[before], boxes[node], group_of(node)
        points = [(start.right, start.middle_y)]
        leave, arrive = (
            _trunk_x(frames[gap], trunks[gap], node) for gap in (group_of(before), group - 1)
        )
        points.append((leave, start.middle_y))
        level = start.middle_y
        if leave != arrive:
            level = max(f.bottom for f in frames[group_of(before) + 1 : group]) + 16
            points += [(leave, level), (arrive, level)]
            joints.setdefault((node, leave), set()).update({start.middle_y, level})
        points += [(arrive, end.middle_y), (end.x, end.middle_y)]
        joints.setdefault((node, arrive), set()).update({level, end.middle_y})
        parts.append(draw_line(points, group))
    for (node, x), heights in sorted(joints.items()):
        parts += [
            draw_joint(x, y, group_of(node))
            for y in sorted(heights)
            if min(heights) < y < max(heights)
        ]
    return parts


def _trunk_x(frame: Box, targets: Sequence[str], node: str) -> float:
    return round(frame.right + GAP * (targets.index(node) + 1) / (len(targets) + 1), 2)


def main() -> None:
    """Write the picture."""
    PICTURE.write_text(draw(read_dag()), encoding="utf-8")
    print(f"Drawn: {PICTURE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
