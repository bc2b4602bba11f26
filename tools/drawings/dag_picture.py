"""The parts that the picture of the DAG is made of, as SVG elements."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from html import escape

GROUPS = ("Data", "Model", "Judgement", "Release")

# In the picture's units, which are px at its own width.
WIDTH, MARGIN, GAP, PAD, HEADING = 960, 14, 36, 15, 34
NODE_HEIGHT, NODE_GAP, OUTSIDE_GAP = 54, 24, 30
COLUMN = (WIDTH - 2 * MARGIN - GAP * (len(GROUPS) - 1)) / len(GROUPS)
INKS = ("#1d6fa5", "#b4541a", "#7a3fa0", "#2e7d46")
FILLS = ("#eaf3f9", "#fcf0e7", "#f4edf9", "#eaf5ed")
GREY = "#6b7480"


@dataclasses.dataclass(frozen=True)
class Box:
    """A place in the picture: left upper corner and size, in the picture's units."""

    x: float
    y: float
    width: float = COLUMN - 2 * PAD
    height: float = NODE_HEIGHT

    @property
    def middle_x(self) -> float:
        """Return the centre, from the left."""
        return self.x + self.width / 2

    @property
    def middle_y(self) -> float:
        """Return the centre, from the top."""
        return self.y + self.height / 2

    @property
    def right(self) -> float:
        """Return the right edge."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """Return the lower edge."""
        return self.y + self.height


def draw_frame(height: float, title: str, description: str) -> list[str]:
    """Return the opening tag, the text for screen readers, the arrowheads and the background."""
    arrowheads = "".join(
        f'<marker id="arrow{index}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        f'markerHeight="7" markerUnits="userSpaceOnUse" orient="auto">'
        f'<path d="M0,0.5 L8,4 L0,7.5 Z" fill="{ink}"/></marker>'
        for index, ink in enumerate((*INKS, GREY))
    )
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" '
        f'width="{WIDTH}" height="{height:g}" role="img" aria-labelledby="title desc" '
        "font-family=\"system-ui, 'Segoe UI', Helvetica, Arial, sans-serif\">",
        f'<title id="title">{escape(title)}</title>',
        f'<desc id="desc">{escape(description)}</desc>',
        f"<defs>{arrowheads}</defs>",
        # Its own ground: on a dark page the picture stays a light card.
        f'<rect width="{WIDTH}" height="{height:g}" rx="12" fill="#ffffff" stroke="#d5dae0"/>',
    ]


def draw_text(
    text: str, x: float, y: float, size: float, ink: str, weight: str = "normal", anchor: str = ""
) -> str:
    """Return a line of text; `x` is its start, or what `anchor` says, and `y` its base line."""
    anchored = f' text-anchor="{anchor}"' if anchor else ""
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" font-weight="{weight}" fill="{ink}"'
        f"{anchored}>{escape(text)}</text>"
    )


def draw_group(column: int, frame: Box) -> str:
    """Return the ground and the name of a group."""
    return (
        f'<rect x="{frame.x:g}" y="{frame.y:g}" width="{frame.width:g}" '
        f'height="{frame.height:g}" rx="10" fill="{FILLS[column]}"/>'
        + draw_text(GROUPS[column], frame.x + PAD, frame.y + 22, 14, INKS[column], "bold")
    )


_LONGEST = 18  # letters of a name that fit into a box, also in wide typefaces


def draw_node(name: str, line: str, box: Box, group: int | None) -> str:
    """Return a box with a name and what it does; dashed and grey where it has no group."""
    ink = GREY if group is None else INKS[group]
    dashed = ' stroke-dasharray="5 4"' if group is None else ""
    size = 14 if len(name) <= _LONGEST else 14 * _LONGEST / len(name)
    return (
        f'<g><rect x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{box.height:g}" '
        f'rx="7" fill="#ffffff" stroke="{ink}" stroke-width="1.4"{dashed}/>'
        + draw_text(name, box.middle_x, box.y + 23, size, "#1f2933", "bold", "middle")
        + draw_text(line, box.middle_x, box.y + 41, 11.5, "#52606d", anchor="middle")
        + "</g>"
    )


def draw_line(points: Sequence[tuple[float, float]], group: int | None) -> str:
    """Return an arrow along points, in the colour of a group; dashed and grey without one."""
    index = len(INKS) if group is None else group
    ink, dashed = (GREY, ' stroke-dasharray="5 4"') if group is None else (INKS[group], "")
    way = " L".join(f"{x:g},{y:g}" for x, y in points)
    return (
        f'<path d="M{way}" fill="none" stroke="{ink}" stroke-width="1.5" stroke-linejoin="round"'
        f'{dashed} marker-end="url(#arrow{index})"/>'
    )


def draw_joint(x: float, y: float, group: int) -> str:
    """Return the dot that marks a joint of lines, which a crossing does not have."""
    return f'<circle cx="{x:g}" cy="{y:g}" r="2.6" fill="{INKS[group]}"/>'
