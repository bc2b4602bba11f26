"""The life of one version: loading, available, unloading, ended."""

from __future__ import annotations

import dataclasses
import enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # it brings TensorFlow
    from serving.server.saved_model import SavedModel


class State(enum.Enum):
    """TF Serving's names of a version's states."""

    LOADING = "LOADING"
    AVAILABLE = "AVAILABLE"
    UNLOADING = "UNLOADING"
    END = "END"


@dataclasses.dataclass
class VersionEntry:
    """One version and who uses it; guarded by its pool's lock.

    Attributes:
        version: Its number.
        state: Where it is in its life.
        model: None before it is loaded and after it ended.
        num_leases: Requests that use it.
        error: Why it could not be loaded; "" where it could.
        retry_at: Time of the pool's clock from when loading is tried again, in seconds.
    """

    version: int
    state: State = State.LOADING
    model: SavedModel | None = None
    num_leases: int = 0
    error: str = ""
    retry_at: float = 0.0

    def retire(self) -> None:
        """Take no new requests; those that run keep the model."""
        if self.state is State.AVAILABLE:
            self.state = State.UNLOADING

    def end_if_unused(self) -> bool:
        """Let go of a retired model that nobody uses; tell whether that was done now."""
        if self.state is not State.UNLOADING or self.num_leases:
            return False
        self.state = State.END
        self.model = None
        return True
