"""Micro-batching: requests that come together are answered by one run of the model.

A run takes what has gathered while the one before it ran, and waits for nothing: a lone client's
requests run at once, and of many clients half ask while the others are answered.

The queue has no bound of its own: `serving.server.admission` holds every request that is in it.
"""

from __future__ import annotations

import asyncio
import collections
import dataclasses
from concurrent.futures import Executor
from typing import TYPE_CHECKING

import numpy as np

from serving.server.isolation import Piece, run_isolated, take_rows
from serving.server.metrics import Metrics
from serving.server.rest.tensors import Arrays, Signature
from serving.settings import BatchSettings

if TYPE_CHECKING:  # it brings TensorFlow
    from serving.server.saved_model import SavedModel


@dataclasses.dataclass(eq=False)
class _Job:
    """A request: `num_rows` is 1 where it cannot share a run."""

    model: SavedModel
    signature: Signature
    inputs: Arrays
    is_batched: bool
    num_rows: int
    answer: asyncio.Future[Arrays]
    arrived_at: float

    def can_share(self, other: _Job) -> bool:
        """Return whether both can be rows of one run."""
        return (
            self.is_batched
            and other.is_batched
            and self.model is other.model
            and self.signature.name == other.signature.name
            and all(
                array.shape[1:] == other.inputs[name].shape[1:]
                for name, array in self.inputs.items()
            )
        )


class Batcher:
    """Gathers requests; belongs to one event loop.

    Args:
        settings: Sizes.
        threads: Where the model runs.
        metrics: Told of sizes and waits.
    """

    def __init__(self, settings: BatchSettings, threads: Executor, metrics: Metrics) -> None:
        self._settings = settings
        self._threads = threads
        self._metrics = metrics
        self._queue: collections.deque[_Job] = collections.deque()  # in the order of arrival
        self._num_running = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def predict(self, model: SavedModel, signature: Signature, inputs: Arrays) -> Arrays:
        """Return the outputs of a request.

        Args:
            model: Held by the caller.
            signature: One of the model's.
            inputs: Checked against it.

        Raises:
            ServingError: The model cannot answer; a row that it cannot read is named.
            UnevenRowsError: Its outputs do not have the rows of the inputs.
        """
        is_batched = signature.is_batchable and _same_rows(inputs)
        num_rows = len(next(iter(inputs.values()))) if is_batched else 1
        loop = asyncio.get_running_loop()
        job = _Job(
            model, signature, inputs, is_batched, num_rows, loop.create_future(), loop.time()
        )
        self._queue.append(job)
        self._start_runs()
        try:
            return await job.answer
        finally:
            if job in self._queue:  # given up before its run
                self._queue.remove(job)
                self._start_runs()

    def _start_runs(self) -> None:
        loop = asyncio.get_running_loop()
        while self._queue and self._num_running < self._settings.parallel_runs:
            jobs = self._take()
            self._num_running += 1
            task = loop.create_task(self._run(jobs))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._metrics.queued.set(sum(job.num_rows for job in self._queue))

    def _take(self) -> list[_Job]:
        """Take the oldest job, and those after it that share its run while there is room."""
        jobs = [self._queue.popleft()]
        num_rows = jobs[0].num_rows
        for job in list(self._queue):
            if not jobs[0].can_share(job):
                continue
            if num_rows + job.num_rows > self._settings.max_batch_size:
                break
            self._queue.remove(job)
            jobs.append(job)
            num_rows += job.num_rows
        return jobs

    async def _run(self, jobs: list[_Job]) -> None:
        loop = asyncio.get_running_loop()
        started_at = loop.time()
        num_rows = sum(job.num_rows for job in jobs)
        for job in jobs:
            self._metrics.queue_seconds.observe(started_at - job.arrived_at)
        try:
            if jobs[0].is_batched:
                pieces = await loop.run_in_executor(
                    self._threads, _run_batch, jobs, self._settings.max_batch_size
                )
                _answer(jobs, pieces)
            else:
                (job,) = jobs
                outputs = await loop.run_in_executor(
                    self._threads, job.model.run, job.signature.name, job.inputs
                )
                _resolve(job, outputs)
        except Exception as error:
            for job in jobs:
                _resolve(job, error)
        finally:
            self._num_running -= 1
            self._metrics.batch_rows.observe(num_rows)
            self._start_runs()


def _same_rows(inputs: Arrays) -> bool:
    """Tell whether all inputs have the same number of rows, one or more."""
    counts = {len(array) for array in inputs.values()}
    return len(counts) == 1 and 0 not in counts


def _run_batch(jobs: list[_Job], max_rows: int) -> list[Piece]:
    """Run jobs as one batch, a larger one in slices; runs in a thread."""
    model, signature = jobs[0].model, jobs[0].signature
    inputs = {name: np.concatenate([job.inputs[name] for job in jobs]) for name in jobs[0].inputs}
    num_rows = sum(job.num_rows for job in jobs)
    pieces: list[Piece] = []
    for start in range(0, num_rows, max_rows):
        rows = {name: array[start : start + max_rows] for name, array in inputs.items()}
        for piece in run_isolated(
            lambda arrays: model.run(signature.name, arrays),
            rows,
            min(max_rows, num_rows - start),
        ):
            pieces.append(Piece(piece.start + start, piece.stop + start, piece.outcome))
    return pieces


def _answer(jobs: list[_Job], pieces: list[Piece]) -> None:
    start = 0
    for job in jobs:
        try:
            _resolve(job, take_rows(pieces, start, start + job.num_rows))
        except Exception as error:
            _resolve(job, error)
        start += job.num_rows


def _resolve(job: _Job, answer: Arrays | Exception) -> None:
    if job.answer.done():  # its request was given up
        return
    if isinstance(answer, Exception):
        job.answer.set_exception(answer)
    else:
        job.answer.set_result(answer)
