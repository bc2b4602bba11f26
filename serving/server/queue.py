"""The one queue between requests and the model, bounded in requests and in bytes.

A run of the model takes what has come in while the one before it ran, and waits for nothing: a
request that comes alone runs at once, and requests that come together share a run.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import dataclasses
from collections.abc import Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from contract.server_settings import BatchSettings, Limits
from serving.bisection import answer_each
from serving.server.metrics import Metrics
from serving.server.rest.errors import InvalidArgumentError, ServingError, exhausted
from serving.server.rest.tensors import Arrays, Signature

if TYPE_CHECKING:  # it brings TensorFlow
    from serving.server.saved_model import SavedModel

_RETRY_AFTER_S = 1


@dataclasses.dataclass(eq=False)
class _Job:
    """A request that waits for its run.

    Attributes:
        num_rows: Instances; 1 where the request has no rows.
        group: Equal for requests whose rows can be rows of one run; None for one that runs alone.
    """

    model: SavedModel
    signature: Signature
    inputs: Arrays
    num_rows: int
    group: Hashable
    answer: asyncio.Future[Arrays]
    arrived_at: float


class RunQueue:
    """Admits requests and runs them in the order of their arrival; belongs to one event loop.

    Args:
        limits: How many requests, and bytes of them, are answered at a time.
        batching: How many rows share a run, and how many runs go on at a time.
        metrics: Receives sizes and waits.
    """

    def __init__(self, limits: Limits, batching: BatchSettings, metrics: Metrics) -> None:
        self._limits = limits
        self._batching = batching
        self._metrics = metrics
        self._threads = ThreadPoolExecutor(batching.parallel_runs, "model")
        self._num_active = 0
        self._num_bytes = 0
        self._num_running = 0
        self._waiting: collections.deque[_Job] = collections.deque()
        self._tasks: set[asyncio.Task[None]] = set()

    def close(self) -> None:
        """Wait for the runs that go on; others are given up."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    @contextlib.contextmanager
    def admit(self, body_bytes: int | None) -> Iterator[None]:
        """Hold room for a request, from its head to its answer.

        Args:
            body_bytes: Size of its body; None, where it is unknown, counts as the largest allowed.

        Raises:
            ServingError: There is no room.
        """
        limits = self._limits
        num_bytes = limits.max_body_bytes
        if body_bytes is not None:
            num_bytes = min(num_bytes, body_bytes)
        if self._num_active >= limits.max_active_requests:
            raise exhausted(
                f"the server is busy with {self._num_active} requests; try again", _RETRY_AFTER_S
            )
        # A single request always has room: a larger one would have none, ever.
        if self._num_active and self._num_bytes + num_bytes > limits.max_total_body_bytes:
            raise exhausted(
                f"the server is busy with {self._num_bytes} bytes of requests; try again",
                _RETRY_AFTER_S,
            )
        self._count_active(1, num_bytes)
        try:
            yield
        finally:
            self._count_active(-1, -num_bytes)

    async def predict(self, model: SavedModel, signature: Signature, inputs: Arrays) -> Arrays:
        """Return the outputs of an admitted request.

        Args:
            model: Held by the caller until this returns.
            signature: One of the model's.
            inputs: Checked against it.

        Raises:
            ServingError: The model cannot answer; the message names the first row that it cannot
                read.
        """
        loop = asyncio.get_running_loop()
        num_rows, group = _rows_and_group(model, signature, inputs)
        answer: asyncio.Future[Arrays] = loop.create_future()
        job = _Job(model, signature, inputs, num_rows, group, answer, loop.time())
        self._waiting.append(job)
        self._start_runs()
        try:
            return await answer
        finally:
            if job in self._waiting:  # cancelled before its run
                self._waiting.remove(job)
                self._start_runs()

    def _count_active(self, num_requests: int, num_bytes: int) -> None:
        self._num_active += num_requests
        self._num_bytes += num_bytes
        self._metrics.active.set(self._num_active)

    def _start_runs(self) -> None:
        while self._waiting and self._num_running < self._batching.parallel_runs:
            self._num_running += 1
            task = asyncio.get_running_loop().create_task(self._run(self._take()))
            self._tasks.add(task)  # the loop itself keeps no task alive
            task.add_done_callback(self._tasks.discard)
        self._metrics.queued.set(sum(job.num_rows for job in self._waiting))

    def _take(self) -> list[_Job]:
        """Take the oldest job, and those of its group that follow it, while there is room."""
        jobs = [self._waiting.popleft()]
        num_rows = jobs[0].num_rows
        for job in list(self._waiting):
            if job.group is None or job.group != jobs[0].group:
                continue
            num_rows += job.num_rows
            if num_rows > self._batching.max_batch_size:
                break  # nothing overtakes it, or it might wait for ever
            self._waiting.remove(job)
            jobs.append(job)
        return jobs

    async def _run(self, jobs: list[_Job]) -> None:
        loop = asyncio.get_running_loop()
        started_at = loop.time()
        for job in jobs:
            self._metrics.queue_seconds.observe(started_at - job.arrived_at)
        outcomes: Sequence[Arrays | Exception]
        try:
            outcomes = await loop.run_in_executor(
                self._threads, _answer_jobs, jobs, self._batching.max_batch_size
            )
        except Exception as error:
            outcomes = [error] * len(jobs)
        for job, outcome in zip(jobs, outcomes, strict=True):
            if job.answer.done():  # cancelled meanwhile
                continue
            if isinstance(outcome, Exception):
                job.answer.set_exception(outcome)
            else:
                job.answer.set_result(outcome)
        self._num_running -= 1
        self._metrics.batch_rows.observe(sum(job.num_rows for job in jobs))
        self._start_runs()


class _UnevenRowsError(InvalidArgumentError):
    """Outputs without one row for each input row: what belongs to which request is unknown."""


def _rows_and_group(
    model: SavedModel, signature: Signature, inputs: Arrays
) -> tuple[int, Hashable]:
    counts = {len(array) for array in inputs.values()} if signature.is_batchable else set()
    if len(counts) != 1 or 0 in counts:
        return 1, None
    row_shapes = tuple((name, array.shape[1:]) for name, array in sorted(inputs.items()))
    return counts.pop(), (id(model), signature.name, row_shapes)


def _answer_jobs(jobs: Sequence[_Job], max_rows: int) -> list[Arrays | ServingError]:
    """Answer jobs that share a run, whatever some of them hold; runs in a thread."""

    def run(some: Sequence[_Job]) -> list[Arrays]:
        if len(some) == 1:
            return [_run_job(some[0], max_rows)]
        inputs = {
            name: np.concatenate([job.inputs[name] for job in some]) for name in some[0].inputs
        }
        outputs = some[0].model.run(some[0].signature.name, inputs)
        return _split(outputs, [job.num_rows for job in some])

    outcomes: list[Arrays | ServingError] = []
    for job, outcome in zip(jobs, answer_each(jobs, run, InvalidArgumentError), strict=True):
        is_bad_row = isinstance(outcome, ServingError) and job.group is not None
        outcomes.append(_first_bad_row(job, max_rows) or outcome if is_bad_row else outcome)
    return outcomes


def _run_job(job: _Job, max_rows: int) -> Arrays:
    """Run one job; one of more than `max_rows` rows in slices, which bounds the memory."""
    if job.num_rows > max_rows:
        starts = range(0, job.num_rows, max_rows)
        with contextlib.suppress(_UnevenRowsError):
            slices = [_run_rows(job, start, start + max_rows) for start in starts]
            return {name: np.concatenate([each[name] for each in slices]) for name in slices[0]}
    return job.model.run(job.signature.name, job.inputs)


def _run_rows(job: _Job, start: int, stop: int) -> Arrays:
    rows = {name: array[start:stop] for name, array in job.inputs.items()}
    outputs = job.model.run(job.signature.name, rows)
    return _split(outputs, [min(stop, job.num_rows) - start])[0]


def _split(outputs: Arrays, num_rows: Sequence[int]) -> list[Arrays]:
    """Return the outputs of each of several jobs, of so many rows each.

    Raises:
        _UnevenRowsError: The outputs have other rows.
    """
    stops = np.cumsum(num_rows)
    for name, array in outputs.items():
        if array.ndim == 0 or len(array) != stops[-1]:
            raise _UnevenRowsError(f"expected {stops[-1]} rows of {name}, got shape {array.shape}")
    return [
        {name: array[stop - rows : stop] for name, array in outputs.items()}
        for rows, stop in zip(num_rows, stops, strict=True)
    ]


def _first_bad_row(job: _Job, max_rows: int) -> ServingError | None:
    """Return the error of the first row that the model cannot read; None where it reads each."""

    def run(rows: Sequence[int]) -> Sequence[int]:
        job.model.run(
            job.signature.name,
            {name: array[rows[0] : rows[-1] + 1] for name, array in job.inputs.items()},
        )
        return rows

    for start in range(0, job.num_rows, max_rows):
        rows = range(start, min(start + max_rows, job.num_rows))
        for row, outcome in zip(rows, answer_each(rows, run, InvalidArgumentError), strict=False):
            if isinstance(outcome, InvalidArgumentError):
                return InvalidArgumentError(
                    f"Failed to process element: {row} of the request. Error: {outcome.message}"
                )
    return None
