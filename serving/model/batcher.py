"""Adaptive micro-batching: requests that come together are answered by one run of the model.

A run takes what has gathered while the one before it ran. Before a run that is smaller than
runs were lately, the batcher waits a few milliseconds for the others; a lone client's requests
therefore never wait, and many clients' do not run one by one.
"""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import math
from concurrent.futures import Executor

import numpy as np

from serving.metrics import Metrics
from serving.model.isolation import Piece, run_isolated, take_rows
from serving.model.saved_model import SavedModel
from serving.rest.errors import exhausted
from serving.rest.tensors import Arrays, Signature
from serving.settings import BatchSettings

_MEMORY = 0.7  # of the past in the running means
_CLOSE_TO_USUAL = 0.8  # of the usual size: worth no more waiting
_MAX_RETRY_AFTER_S = 30


@dataclasses.dataclass(eq=False)
class _Job:
    inputs: Arrays
    num_rows: int
    answer: asyncio.Future[Arrays]
    arrived_at: float


@dataclasses.dataclass(eq=False)
class _Lane:
    """Requests that can share a run, where `is_batched`: same version, same signature."""

    model: SavedModel
    signature: Signature
    is_batched: bool
    jobs: collections.deque[_Job] = dataclasses.field(default_factory=collections.deque)

    @property
    def key(self) -> tuple[int, str, bool]:
        return id(self.model), self.signature.name, self.is_batched


class Batcher:
    """Gathers requests; belongs to one event loop.

    Args:
        settings: Sizes and times.
        threads: Where the model runs.
        metrics: Told of sizes and waits.
    """

    def __init__(self, settings: BatchSettings, threads: Executor, metrics: Metrics) -> None:
        self._settings = settings
        self._threads = threads
        self._metrics = metrics
        self._lanes: dict[tuple[int, str, bool], _Lane] = {}
        self._num_queued = 0
        self._num_running = 0
        self._usual_rows = 1.0
        self._seconds_per_row = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def predict(self, model: SavedModel, signature: Signature, inputs: Arrays) -> Arrays:
        """Return the outputs of a request.

        Args:
            model: Held by the caller.
            signature: One of the model's.
            inputs: Checked against it.

        Raises:
            ServingError: The queue is full, or the model cannot answer; a row that it cannot
                read is named.
        """
        is_batched = signature.is_batchable and _same_rows(inputs)
        num_rows = len(next(iter(inputs.values()))) if is_batched else 1
        if self._num_queued + num_rows > self._settings.max_queued_instances and self._num_queued:
            raise exhausted(
                f"{self._num_queued} instances are waiting already, and at most "
                f"{self._settings.max_queued_instances} may; try again",
                self._retry_after_s(),
            )
        if self._expected_wait_s() > self._settings.max_expected_wait_s:
            # Let in, it would only time out, after having kept others from their answers.
            raise exhausted(
                f"an answer would take some {self._expected_wait_s():.0f} s; try again",
                self._retry_after_s(),
            )
        loop = asyncio.get_running_loop()
        job = _Job(inputs, num_rows, loop.create_future(), loop.time())
        new_lane = _Lane(model, signature, is_batched)
        lane = self._lanes.setdefault(new_lane.key, new_lane)
        lane.jobs.append(job)
        self._count_queued(num_rows)
        self._pump()
        try:
            return await job.answer
        finally:
            if job in lane.jobs:  # given up before its run
                lane.jobs.remove(job)
                self._count_queued(-num_rows)
                self._drop_if_empty(lane)

    def _retry_after_s(self) -> int:
        return min(max(math.ceil(self._expected_wait_s()), 1), _MAX_RETRY_AFTER_S)

    def _expected_wait_s(self) -> float:
        """Return how long what is queued will take; nothing queued is no wait, however slow."""
        return self._num_queued * self._seconds_per_row / self._settings.parallel_runs

    def _count_queued(self, num_rows: int) -> None:
        self._num_queued += num_rows
        self._metrics.queued.set(self._num_queued)

    def _pump(self) -> None:
        """Start what can run now; come back for what may wait."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        loop = asyncio.get_running_loop()
        while self._lanes and self._num_running < self._settings.parallel_runs:
            lane = min(self._lanes.values(), key=lambda lane: lane.jobs[0].arrived_at)
            wait_s = self._worth_waiting_s(lane, loop.time())
            if wait_s > 0:
                self._timer = loop.call_later(wait_s, self._pump)
                return
            jobs = self._take(lane)
            self._num_running += 1
            task = loop.create_task(self._run(lane, jobs))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _worth_waiting_s(self, lane: _Lane, now: float) -> float:
        if not lane.is_batched:
            return 0.0
        gathered = sum(job.num_rows for job in lane.jobs)
        usual = min(self._usual_rows * _CLOSE_TO_USUAL, self._settings.max_batch_size)
        if gathered >= usual:
            return 0.0
        return max(lane.jobs[0].arrived_at + self._settings.max_wait_s - now, 0.0)

    def _take(self, lane: _Lane) -> list[_Job]:
        jobs = [lane.jobs.popleft()]
        num_rows = jobs[0].num_rows
        while (
            lane.is_batched
            and lane.jobs
            and num_rows + lane.jobs[0].num_rows <= self._settings.max_batch_size
            and _can_join(jobs[0], lane.jobs[0])
        ):
            jobs.append(lane.jobs.popleft())
            num_rows += jobs[-1].num_rows
        self._count_queued(-num_rows)
        self._drop_if_empty(lane)
        return jobs

    def _drop_if_empty(self, lane: _Lane) -> None:
        if not lane.jobs:
            self._lanes.pop(lane.key, None)

    async def _run(self, lane: _Lane, jobs: list[_Job]) -> None:
        loop = asyncio.get_running_loop()
        started_at = loop.time()
        num_rows = sum(job.num_rows for job in jobs)
        for job in jobs:
            self._metrics.queue_seconds.observe(started_at - job.arrived_at)
        try:
            if lane.is_batched:
                pieces = await loop.run_in_executor(
                    self._threads, _run_batch, lane, jobs, self._settings.max_batch_size
                )
                self._answer(jobs, pieces)
            else:
                answer = await loop.run_in_executor(
                    self._threads, lane.model.run, lane.signature.name, jobs[0].inputs
                )
                _resolve(jobs[0], answer)
        except Exception as error:
            for job in jobs:
                _resolve(job, error)
        finally:
            self._num_running -= 1
            self._metrics.batch_rows.observe(num_rows)
            self._remember(num_rows, loop.time() - started_at)
            self._pump()

    def _answer(self, jobs: list[_Job], pieces: list[Piece]) -> None:
        start = 0
        for job in jobs:
            try:
                _resolve(job, take_rows(pieces, start, start + job.num_rows))
            except Exception as error:
                _resolve(job, error)
            start += job.num_rows

    def _remember(self, num_rows: int, seconds: float) -> None:
        self._usual_rows = _MEMORY * self._usual_rows + (1 - _MEMORY) * num_rows
        per_row = seconds / max(num_rows, 1)
        self._seconds_per_row = _MEMORY * self._seconds_per_row + (1 - _MEMORY) * per_row


def _same_rows(inputs: Arrays) -> bool:
    """Tell whether all inputs have the same number of rows, one or more."""
    counts = {len(array) for array in inputs.values()}
    return len(counts) == 1 and 0 not in counts


def _can_join(first: _Job, other: _Job) -> bool:
    return all(
        array.shape[1:] == other.inputs[name].shape[1:] for name, array in first.inputs.items()
    )


def _run_batch(lane: _Lane, jobs: list[_Job], max_rows: int) -> list[Piece]:
    """Run jobs as one batch, a larger one in slices; runs in a thread."""
    inputs = {name: np.concatenate([job.inputs[name] for job in jobs]) for name in jobs[0].inputs}
    num_rows = sum(job.num_rows for job in jobs)
    pieces: list[Piece] = []
    for start in range(0, num_rows, max_rows):
        rows = {name: array[start : start + max_rows] for name, array in inputs.items()}
        for piece in run_isolated(
            lambda arrays: lane.model.run(lane.signature.name, arrays),
            rows,
            min(max_rows, num_rows - start),
        ):
            pieces.append(Piece(piece.start + start, piece.stop + start, piece.outcome))
    return pieces


def _resolve(job: _Job, answer: Arrays | Exception) -> None:
    if job.answer.done():  # its request was given up
        return
    if isinstance(answer, Exception):
        job.answer.set_exception(answer)
    else:
        job.answer.set_result(answer)
