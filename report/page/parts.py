"""What a section of the report is made of.

Sections hold plain text and figures only; one template turns them into HTML and escapes every
text, so that no file name and no manifest can bring markup in.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Sequence
from typing import Literal

_LOGGER = logging.getLogger(__name__)

Tone = Literal["plain", "good", "warning", "bad"]


@dataclasses.dataclass(frozen=True)
class Picture:
    """An image as the page embeds it.

    Attributes:
        source: A data URI; nothing is fetched.
        alt: What it shows, in words, for readers who cannot see it.
        caption: Printed below it; "" prints none.
    """

    source: str
    alt: str
    caption: str = ""


@dataclasses.dataclass(frozen=True)
class Text:
    """A paragraph, in a coloured box where its tone is not plain."""

    text: str
    tone: Tone = "plain"


@dataclasses.dataclass(frozen=True)
class Listing:
    """A bulleted list."""

    items: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Cell:
    """One cell of a table.

    Attributes:
        text: What it says.
        detail: A second, smaller line, such as an interval; "" for none.
        tone: Its colour; the text must say the same, for readers who cannot see colours.
    """

    text: str
    detail: str = ""
    tone: Tone = "plain"


@dataclasses.dataclass(frozen=True)
class Table:
    """A table whose first column names its rows.

    Attributes:
        caption: What it holds.
        columns: Headings.
        rows: Cells of each row, as many as columns; a bare string is a cell.
        text_columns: Numbers of the columns, from 0, that are aligned as text beside the first.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell | str, ...], ...]
    text_columns: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Raise a ValueError where a row has too few or too many cells."""
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(
                    f"expected {len(self.columns)} cells, one for each of {self.columns}, got "
                    f"{len(row)}: {row}"
                )


@dataclasses.dataclass(frozen=True)
class Gallery:
    """Pictures side by side, as many as fit.

    Attributes:
        pictures: At least one.
        min_width_rem: Of each; a phone shows one below the other where two do not fit.
    """

    pictures: tuple[Picture, ...]
    min_width_rem: float = 18.0


@dataclasses.dataclass(frozen=True)
class Failure:
    """A part that could not be made: shown in its place, with its cause."""

    what: str
    cause: str


@dataclasses.dataclass(frozen=True)
class Group:
    """Parts under one heading.

    Attributes:
        title: The heading.
        parts: In order.
        folded: Whether a reader must open it.
        side_by_side: Whether the parts are side by side where the screen is wide.
    """

    title: str
    parts: tuple[Part, ...]
    folded: bool = False
    side_by_side: bool = False


Part = Text | Listing | Table | Gallery | Failure | Group


@dataclasses.dataclass(frozen=True)
class Section:
    """One section of the page.

    Attributes:
        anchor: Its id in the page, lower case.
        title: Its heading.
        parts: In order.
    """

    anchor: str
    title: str
    parts: tuple[Part, ...]


def attempt(what: str, make: Callable[[], Part]) -> Part:
    """Make a part; where that fails, report it in its place instead of failing the run.

    Args:
        what: The part's name, for the reader.
        make: Makes it.
    """
    try:
        return make()
    except Exception as error:  # whatever it was: the rest of the report must not be lost
        _LOGGER.exception("The report's part %r could not be made", what)
        return Failure(what, f"{type(error).__name__}: {error}")


def attempt_all(makers: Sequence[tuple[str, Callable[[], Part]]]) -> tuple[Part, ...]:
    """Make several parts, each on its own; see `attempt`."""
    return tuple(attempt(what, make) for what, make in makers)


def attempt_gallery(
    makers: Sequence[tuple[str, Callable[[], Picture]]], min_width_rem: float = 18.0
) -> tuple[Part, ...]:
    """Make pictures; those that fail are reported below the others.

    Args:
        makers: What each picture is, for the reader, and what makes it.
        min_width_rem: Of each picture.

    Returns:
        A gallery of what could be made, unless that is nothing, and the failures.
    """
    made = [attempt(what, _alone(make)) for what, make in makers]
    pictures = tuple(
        picture for part in made if isinstance(part, Gallery) for picture in part.pictures
    )
    failures = tuple(part for part in made if isinstance(part, Failure))
    return (Gallery(pictures, min_width_rem), *failures) if pictures else failures


def _alone(make: Callable[[], Picture]) -> Callable[[], Part]:
    return lambda: Gallery((make(),))
