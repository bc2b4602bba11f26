"""Pictures side by side, of which each may fail on its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from report.page.parts import Failure, Gallery, Part, Picture, attempt


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
