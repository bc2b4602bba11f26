"""Cron texts of recurring runs, as KFP's scheduler reads them: six fields, seconds first.

KFP itself refuses a field that is out of its bounds. But its parser takes five fields, too, and
reads them as seconds to months, so that a usual crontab line would mean something else.
"""

from __future__ import annotations

from contract.errors import InputError

_NUMBER_FIELDS = 6


def parse_cron(text: str) -> str:
    """Return the cron text with six fields, seconds first.

    Args:
        text: Five fields as in a crontab, or six.

    Raises:
        InputError: It has another number of fields.
    """
    parts = text.split()
    if len(parts) == _NUMBER_FIELDS - 1:
        parts.insert(0, "0")
    if len(parts) != _NUMBER_FIELDS:
        raise InputError(
            f"--recurring: expected five cron fields, or six with seconds first, got "
            f"{len(parts)} in {text!r}. How to fix: write it like --recurring '0 3 * * 0', which "
            "is Sundays at 03:00."
        )
    return " ".join(parts)
