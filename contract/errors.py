"""Errors that are the fault of the input, as opposed to our own."""

from __future__ import annotations

_MAX_QUOTED_CHARACTERS = 200


class InputError(ValueError):
    """The data or the configuration cannot be used as it is.

    The message names what was expected, what came and how to fix it; runners
    print it without a traceback and exit with code 2.
    """


class RejectedImageError(ValueError):
    """One image is left out; the message is the reason that the dataset card shows.

    Args:
        reason: The project's own wording, with no text from the file.
        quoted: What a library or the file says, which may hold parts of the file. It is shown as
            one printable line of bounded length.

    Attributes:
        reason: As given: what may leave the machine that holds the file.
    """

    def __init__(self, reason: str, quoted: object = "") -> None:
        self.reason = reason
        shown = one_line(quoted)
        super().__init__(f"{reason}: {shown}" if shown else reason)


def one_line(text: object) -> str:
    """Return a text as one printable line of at most 200 characters."""
    line = " ".join(str(text).split())
    line = "".join(character if character.isprintable() else "?" for character in line)
    if len(line) > _MAX_QUOTED_CHARACTERS:
        line = line[: _MAX_QUOTED_CHARACTERS - 3] + "..."
    return line
