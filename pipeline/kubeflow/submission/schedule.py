"""Cron texts of recurring runs, as KFP's scheduler reads them: six fields, seconds first.

Its parser takes five fields, too, but reads them as seconds to months, so that a usual crontab
line would mean something else. Five fields are therefore given the missing first one here.
"""

from __future__ import annotations

import dataclasses
import re

from contract.errors import InputError

_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
_NUMBER_FIELDS = 6


@dataclasses.dataclass(frozen=True)
class _Field:
    """One field of a cron text: its name, its bounds, and words that stand for numbers."""

    name: str
    low: int
    high: int
    words: tuple[str, ...] = ()

    def number(self, text: str) -> int:
        if text.upper() in self.words:
            return self.low + self.words.index(text.upper())
        if not re.fullmatch(r"[0-9]{1,2}", text) or not self.low <= int(text) <= self.high:
            raise ValueError(text)
        return int(text)


_FIELDS = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, tuple(_MONTHS)),
    _Field("day of the week", 0, 6, tuple(_DAYS)),  # 7 is no Sunday here
)


def parse_cron(text: str) -> str:
    """Return the cron text with six fields, seconds first.

    Args:
        text: Five fields as in a crontab, or six.

    Raises:
        InputError: It is no such text.
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
    for part, field in zip(parts, _FIELDS, strict=True):
        try:
            for entry in part.split(","):
                _check(entry, field)
        except ValueError as error:
            words = f" or {field.words[0]} to {field.words[-1]}" if field.words else ""
            raise InputError(
                f"--recurring: expected as {field.name} a number from {field.low} to {field.high}"
                f"{words}, or *, a range, a step or a list of these, got {part!r} in {text!r}. "
                "How to fix: correct that field; its place counts."
            ) from error
    return " ".join(parts)


def describe_cron(cron: str) -> str:
    """Say a cron text of six fields in words, e.g. "at 03:00:00 on SUN"."""
    second, minute, hour, day, month, weekday = cron.split()
    if all(part.isdigit() for part in (second, minute, hour)):
        words = [f"at {int(hour):02}:{int(minute):02}:{int(second):02}"]
    else:
        clock = zip((second, minute, hour), _FIELDS, strict=False)
        words = [_phrase(part, field) for part, field in clock]
        words = ["at " + ", ".join(words)]
    for part, field, preposition in (
        (day, _FIELDS[3], "on day"),
        (month, _FIELDS[4], "in"),
        (weekday, _FIELDS[5], "on"),
    ):
        if part not in ("*", "?"):
            words.append(f"{preposition} {_named(part, field)}")
    return " ".join(words) + ("" if len(words) > 1 else " every day")


def _check(entry: str, field: _Field) -> None:
    span, slash, step = entry.partition("/")
    if slash and (not re.fullmatch(r"[0-9]{1,2}", step) or int(step) == 0):
        raise ValueError(entry)
    if span in ("*", "?"):
        return
    first, dash, last = span.partition("-")
    if dash and field.number(first) > field.number(last):
        raise ValueError(entry)
    field.number(first)


def _phrase(part: str, field: _Field) -> str:
    return f"every {field.name}" if part in ("*", "?") else f"{field.name} {part}"


def _named(part: str, field: _Field) -> str:
    if not field.words:
        return part
    return re.sub(r"(?<![/0-9])[0-9]+", lambda match: field.words[int(match[0]) - field.low], part)
