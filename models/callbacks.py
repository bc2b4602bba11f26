"""What a running fit tells the outside."""

from __future__ import annotations

import time
from typing import Any

import keras

from contract.progress import report_progress

_REPORT_EVERY_S = 1.0


class ProgressCallback(keras.callbacks.Callback):
    """Report epochs, with loss and recall, while a network is fitted.

    Args:
        stage: What the reports call this work.
    """

    def __init__(self, stage: str) -> None:
        super().__init__()
        self._stage = stage
        self._epoch = 0
        self._num_epochs = 0
        self._values: dict[str, float] = {}
        self._last_report_s = 0.0

    def _report(self) -> None:
        self._last_report_s = time.monotonic()
        report_progress(self._stage, self._epoch, self._num_epochs, "epoch", self._values)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Show the stage before its first epoch ends."""
        self._num_epochs = self.params["epochs"]
        self._report()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Refresh the figures about once a second."""
        if logs and time.monotonic() - self._last_report_s >= _REPORT_EVERY_S:
            self._values = {name: float(logs[name]) for name in ("loss", "recall") if name in logs}
            self._report()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Show the epoch's figures on both splits."""
        self._epoch = epoch + 1
        wanted = ("loss", "recall", "val_loss", "val_recall")
        self._values = {name: float(logs[name]) for name in wanted if logs and name in logs}
        self._report()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Mark the stage as finished; stopped early, it had only as many epochs."""
        self._num_epochs = self._epoch
        self._report()
