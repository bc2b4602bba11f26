"""Texts from outside, without the characters that make a page say something else."""

from __future__ import annotations

import re

# Characters that no page may hold, and those that turn the direction of the text that follows:
# a name could make the sentence around it read as another. Right-to-left letters stay as they are.
_DECEPTIVE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def without_deceptive_characters(text: str) -> str:
    """Return `text` with U+FFFD for control characters and for those that turn its direction."""
    return _DECEPTIVE.sub("\N{REPLACEMENT CHARACTER}", text)
