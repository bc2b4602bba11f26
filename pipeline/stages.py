"""The stages of work within one node, as the console shows them."""

from __future__ import annotations

import dataclasses

from contract.progress import Progress

LINE_INTERVAL_S = 10.0  # at most one plain line per stage in this time


@dataclasses.dataclass
class Stage:
    """One stage of a node, through all its runs.

    Attributes:
        latest: The last report.
        line_s: When a plain line was last written, or the node began; monotonic seconds.
        run: Which run this is, from 1; a stage that starts anew is a further run.
        written: The last plain line, as `describe` gave it.
    """

    latest: Progress
    line_s: float
    run: int = 1
    written: str = ""

    def advance(self, progress: Progress) -> bool:
        """Take the next progress in; return whether it starts a further run."""
        previous, self.latest = self.latest, progress
        starts_anew = progress.done < previous.done
        self.run += starts_anew
        return starts_anew

    def line_due(self, now_s: float) -> bool:
        """Return whether a plain line may be written at `now_s`; if so, it counts as written."""
        if now_s - self.line_s < LINE_INTERVAL_S:
            return False
        self.line_s = now_s
        self.written = self.describe()
        return True

    def title(self) -> str:
        """Return the stage's name, with the run's number from the second on."""
        return self.latest.stage + (f" (run {self.run})" if self.run > 1 else "")

    def describe(self) -> str:
        """Describe the state, e.g. `Training cnn_deep: 7 of 15 epochs, loss 0.312`."""
        return ", ".join([f"{self.title()}: {self.count()}", *filter(None, [self.figures()])])

    def count(self) -> str:
        """Return e.g. `7 of 15 epochs`."""
        plural = "" if self.latest.total == 1 else "s"
        return f"{self.latest.done:,} of {self.latest.total:,} {self.latest.unit}{plural}"

    def figures(self) -> str:
        """Return e.g. `loss 0.312, recall 0.9`, with three significant digits."""
        values = self.latest.values.items()
        return ", ".join(f"{name} {value:.3g}" for name, value in values)


def format_seconds(seconds: float) -> str:
    """Write a duration as `13.0 s`, `2 min 05 s` or `1 h 02 min`."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest_s = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest_s:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
