"""An image that cannot be used, as opposed to a source that cannot."""

from __future__ import annotations


class RejectedImageError(ValueError):
    """One image is left out; the message is the reason that the dataset card shows."""
