import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from serving.server.metrics import Metrics
from serving.server.queue import Batcher
from serving.server.rest.errors import ServingError, invalid_argument
from serving.server.rest.tensors import Signature, TensorSpec
from serving.settings import BatchSettings

ROWS = Signature("rows", "predict", {"x": TensorSpec("float", (-1,))}, {})
WHOLE = Signature("whole", "predict", {"x": TensorSpec("float", ())}, {})
BAD = -1


class Doubler:
    """Doubles rows; holds every run while `gate` is closed."""

    def __init__(self):
        self.gate = threading.Event()
        self.gate.set()
        self.runs = []

    def run(self, signature, inputs):
        rows = inputs["x"]
        self.runs.append(np.shape(rows))
        assert self.gate.wait(30)
        if BAD in rows:
            raise invalid_argument("cannot read")
        return {"y": rows * 2}


@pytest.fixture
def threads():
    with ThreadPoolExecutor(2) as executor:
        yield executor


def batcher_of(threads, **settings):
    defaults = {"max_batch_size": 8, "parallel_runs": 1}
    return Batcher(BatchSettings(**(defaults | settings)), threads, Metrics())


async def ask(batcher, model, *values, signature=ROWS):
    inputs = np.array(values, np.float32) if signature is ROWS else np.float32(values[0])
    return (await batcher.predict(model, signature, {"x": np.asarray(inputs)}))["y"].tolist()


async def start(*coroutines):
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    while not all(task.get_coro().cr_frame.f_lasti > 0 for task in tasks):
        await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    return tasks


def test_what_gathers_during_a_run_is_the_next_one(threads):
    model = Doubler()

    async def scenario():
        batcher = batcher_of(threads)
        model.gate.clear()
        tasks = await start(*(ask(batcher, model, value, value + 0.5) for value in range(6)))
        model.gate.set()
        return await asyncio.gather(*tasks)

    answers = asyncio.run(scenario())
    assert answers == [[2.0 * value, 2.0 * value + 1] for value in range(6)]
    assert model.runs == [(2,), (8,), (2,)]


def test_larger_requests_run_in_slices_and_empty_ones_alone(threads):
    model = Doubler()

    async def scenario():
        batcher = batcher_of(threads)
        return await ask(batcher, model, *range(20)), await ask(batcher, model)

    assert asyncio.run(scenario()) == ([2.0 * value for value in range(20)], [])
    assert model.runs == [(8,), (8,), (4,), (0,)]


def test_a_bad_row_fails_its_own_request_only(threads):
    model = Doubler()

    async def scenario():
        batcher = batcher_of(threads)
        model.gate.clear()
        tasks = await start(
            ask(batcher, model, 0.0),
            ask(batcher, model, 1.0, 2.0),
            ask(batcher, model, 3.0, BAD),
            ask(batcher, model, 4.0),
        )
        model.gate.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    first, second, third, fourth = asyncio.run(scenario())
    assert (first, second, fourth) == ([0.0], [2.0, 4.0], [8.0])
    assert isinstance(third, ServingError)
    assert "element: 1 of the request" in third.message


def test_signatures_without_rows_run_one_by_one(threads):
    model = Doubler()

    async def scenario():
        batcher = batcher_of(threads)
        return await asyncio.gather(
            *(ask(batcher, model, value, signature=WHOLE) for value in range(3))
        )

    assert asyncio.run(scenario()) == [0.0, 2.0, 4.0]
    assert model.runs == [(), (), ()]


def test_a_request_that_is_given_up_is_not_run(threads):
    model = Doubler()

    async def scenario():
        batcher = batcher_of(threads)
        model.gate.clear()
        running, waiting = await start(ask(batcher, model, 0.0), ask(batcher, model, 1.0))
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        (other,) = await start(ask(batcher, model, 2.0))
        model.gate.set()
        return await asyncio.gather(running, other)

    assert asyncio.run(scenario()) == [[0.0], [4.0]]
    assert model.runs == [(1,), (1,)]


def test_a_request_that_cannot_share_a_run_does_not_hold_up_those_behind_it(threads):
    model = Doubler()

    async def scenario():
        batcher = batcher_of(threads)
        model.gate.clear()
        tasks = await start(
            ask(batcher, model, 0.0),
            ask(batcher, model, 1.0),
            ask(batcher, model, 2.0, signature=WHOLE),
            ask(batcher, model, 3.0),
        )
        model.gate.set()
        return await asyncio.gather(*tasks)

    assert asyncio.run(scenario()) == [[0.0], [2.0], 4.0, [6.0]]
    assert model.runs == [(1,), (2,), ()]


def test_no_request_is_overtaken_for_ever_by_smaller_ones(threads):
    model = Doubler()

    async def scenario():
        batcher = batcher_of(threads)
        model.gate.clear()
        tasks = await start(
            ask(batcher, model, 0.0),
            ask(batcher, model, *range(5)),
            ask(batcher, model, *range(6)),
            ask(batcher, model, 1.0),
        )
        model.gate.set()
        await asyncio.gather(*tasks)

    asyncio.run(scenario())
    assert model.runs == [(1,), (5,), (7,)]


def test_the_queue_is_told(threads):
    model = Doubler()

    async def scenario():
        metrics = Metrics()
        batcher = Batcher(BatchSettings(max_batch_size=8, parallel_runs=1), threads, metrics)
        model.gate.clear()
        tasks = await start(ask(batcher, model, 0.0), ask(batcher, model, 1.0, 2.0, 3.0))
        assert b"queued_instances 3.0" in metrics.page()
        tasks[1].cancel()
        await asyncio.gather(tasks[1], return_exceptions=True)
        assert b"queued_instances 0.0" in metrics.page()
        model.gate.set()
        await tasks[0]

    asyncio.run(scenario())


def test_versions_do_not_share_runs(threads):
    one, two = Doubler(), Doubler()

    async def scenario():
        batcher = batcher_of(threads)
        one.gate.clear()
        two.gate.clear()
        tasks = await start(*(ask(batcher, (one, two)[v % 2], float(v)) for v in range(6)))
        one.gate.set()
        two.gate.set()
        return await asyncio.gather(*tasks)

    assert asyncio.run(scenario()) == [[2.0 * value] for value in range(6)]
    assert sum(rows for (rows,) in one.runs) == sum(rows for (rows,) in two.runs) == 3
