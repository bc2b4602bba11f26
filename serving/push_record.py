"""What Pusher leaves behind: the record of a push, in its artifact and in a file beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from pydantic import JsonValue, NonNegativeInt

from contract.record import Part

# Custom properties of the PushedModel artifact. The first three are TFX's.
PUSHED_PROPERTY = "pushed"  # 1: the model is at the destination; 0: it was refused
DESTINATION_PROPERTY = "pushed_destination"  # path of the version's folder
VERSION_PROPERTY = "pushed_version"  # its number, as text
ALREADY_PUSHED_PROPERTY = "already_pushed"  # 1: it was there before this run
PRUNED_PROPERTY = "pruned_versions"  # older versions that were deleted, such as "1, 2"
RECORD_FILE = "pushed.json"  # the same, in the artifact's folder


class PushedModel(Part):
    """What servers load.

    Attributes:
        path: Folder of the version, a SavedModel, or its address in an object store.
        version: Its number; a higher one is newer.
    """

    path: str
    version: NonNegativeInt

    @classmethod
    def from_push(cls, push: Mapping[str, JsonValue]) -> Self | None:
        """Read a record of a push; None where nothing was pushed.

        Args:
            push: The properties by name. Some stores return integers as floats: 1.0 counts as 1.
        """
        if push.get(PUSHED_PROPERTY) != 1:
            return None
        return cls.model_validate(
            {"path": push[DESTINATION_PROPERTY], "version": push[VERSION_PROPERTY]}
        )
