import asyncio
import threading

import numpy as np
import pytest

from contract.server_settings import BatchSettings, Limits
from serving.server.metrics import Metrics
from serving.server.queue import RunQueue
from serving.server.rest.errors import ServingError, invalid_argument
from serving.server.rest.tensors import Signature, TensorSpec

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
def metrics():
    return Metrics()


@pytest.fixture
def queue(metrics):
    made = RunQueue(Limits(), BatchSettings(max_batch_size=8, parallel_runs=1), metrics)
    yield made
    made.close()


async def ask(queue, model, *values, signature=ROWS):
    inputs = np.array(values, np.float32) if signature is ROWS else np.float32(values[0])
    return (await queue.predict(model, signature, {"x": np.asarray(inputs)}))["y"].tolist()


async def start(*coroutines):
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    while not all(task.get_coro().cr_frame.f_lasti > 0 for task in tasks):
        await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    return tasks


def test_what_gathers_during_a_run_is_the_next_one(queue):
    model = Doubler()

    async def scenario():
        model.gate.clear()
        tasks = await start(*(ask(queue, model, value, value + 0.5) for value in range(6)))
        model.gate.set()
        return await asyncio.gather(*tasks)

    answers = asyncio.run(scenario())
    assert answers == [[2.0 * value, 2.0 * value + 1] for value in range(6)]
    assert model.runs == [(2,), (8,), (2,)]


def test_larger_requests_run_in_slices_and_empty_ones_alone(queue):
    model = Doubler()

    async def scenario():
        return await ask(queue, model, *range(20)), await ask(queue, model)

    assert asyncio.run(scenario()) == ([2.0 * value for value in range(20)], [])
    assert model.runs == [(8,), (8,), (4,), (0,)]


def test_a_bad_row_fails_its_own_request_only(queue):
    model = Doubler()

    async def scenario():
        model.gate.clear()
        tasks = await start(
            ask(queue, model, 0.0),
            ask(queue, model, 1.0, 2.0),
            ask(queue, model, 3.0, BAD),
            ask(queue, model, 4.0),
        )
        model.gate.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    first, second, third, fourth = asyncio.run(scenario())
    assert (first, second, fourth) == ([0.0], [2.0, 4.0], [8.0])
    assert isinstance(third, ServingError)
    assert "element: 1 of the request" in third.message


def test_signatures_without_rows_run_one_by_one(queue):
    model = Doubler()

    async def scenario():
        return await asyncio.gather(
            *(ask(queue, model, value, signature=WHOLE) for value in range(3))
        )

    assert asyncio.run(scenario()) == [0.0, 2.0, 4.0]
    assert model.runs == [(), (), ()]


def test_a_request_that_is_given_up_is_not_run(queue):
    model = Doubler()

    async def scenario():
        model.gate.clear()
        running, waiting = await start(ask(queue, model, 0.0), ask(queue, model, 1.0))
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        (other,) = await start(ask(queue, model, 2.0))
        model.gate.set()
        return await asyncio.gather(running, other)

    assert asyncio.run(scenario()) == [[0.0], [4.0]]
    assert model.runs == [(1,), (1,)]


def test_a_request_that_cannot_share_a_run_does_not_hold_up_those_behind_it(queue):
    model = Doubler()

    async def scenario():
        model.gate.clear()
        tasks = await start(
            ask(queue, model, 0.0),
            ask(queue, model, 1.0),
            ask(queue, model, 2.0, signature=WHOLE),
            ask(queue, model, 3.0),
        )
        model.gate.set()
        return await asyncio.gather(*tasks)

    assert asyncio.run(scenario()) == [[0.0], [2.0], 4.0, [6.0]]
    assert model.runs == [(1,), (2,), ()]


def test_no_request_is_overtaken_for_ever_by_smaller_ones(queue):
    model = Doubler()

    async def scenario():
        model.gate.clear()
        tasks = await start(
            ask(queue, model, 0.0),
            ask(queue, model, *range(5)),
            ask(queue, model, *range(6)),
            ask(queue, model, 1.0),
        )
        model.gate.set()
        await asyncio.gather(*tasks)

    asyncio.run(scenario())
    assert model.runs == [(1,), (5,), (7,)]


def test_the_queue_is_told(queue, metrics):
    model = Doubler()

    async def scenario():
        model.gate.clear()
        tasks = await start(ask(queue, model, 0.0), ask(queue, model, 1.0, 2.0, 3.0))
        assert b"queued_instances 3.0" in metrics.page()
        tasks[1].cancel()
        await asyncio.gather(tasks[1], return_exceptions=True)
        assert b"queued_instances 0.0" in metrics.page()
        model.gate.set()
        await tasks[0]

    asyncio.run(scenario())


def test_versions_do_not_share_runs(queue):
    one, two = Doubler(), Doubler()

    async def scenario():
        one.gate.clear()
        two.gate.clear()
        tasks = await start(*(ask(queue, (one, two)[v % 2], float(v)) for v in range(6)))
        one.gate.set()
        two.gate.set()
        return await asyncio.gather(*tasks)

    assert asyncio.run(scenario()) == [[2.0 * value] for value in range(6)]
    assert sum(rows for (rows,) in one.runs) == sum(rows for (rows,) in two.runs) == 3


def test_a_bad_row_of_a_large_request_is_named_by_its_place_in_the_request(queue):
    model = Doubler()
    values = [float(value) for value in range(20)]
    values[13] = values[17] = BAD
    with pytest.raises(ServingError, match="element: 13 of the request"):
        asyncio.run(ask(queue, model, *values))


def test_another_failure_is_that_of_every_request_in_the_run(queue):
    model = Doubler()

    def fail(signature, inputs):
        model.runs.append(np.shape(inputs["x"]))
        assert model.gate.wait(30)
        raise ServingError(500, "broken")

    model.run = fail

    async def scenario():
        model.gate.clear()
        tasks = await start(*(ask(queue, model, float(value)) for value in range(3)))
        model.gate.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    assert [error.status for error in asyncio.run(scenario())] == [500] * 3
    assert model.runs == [(1,), (2,)]


@pytest.mark.parametrize("repeats", [0, 2])
@pytest.mark.parametrize("num_rows", [2, 20])
def test_outputs_without_a_row_for_each_input_row_are_those_of_their_own_request(
    queue, repeats, num_rows
):
    model = Doubler()
    double = model.run
    model.run = lambda *arguments: {"y": np.repeat(double(*arguments)["y"], repeats)}

    async def scenario():
        model.gate.clear()
        tasks = await start(
            *(ask(queue, model, *([float(value)] * num_rows)) for value in range(4))
        )
        model.gate.set()
        return await asyncio.gather(*tasks)

    expected = [[2.0 * value] * num_rows * repeats for value in range(4)]
    assert asyncio.run(scenario()) == expected


def test_there_is_room_for_so_many_requests_and_bytes(metrics):
    limits = Limits(max_body_bytes=60, max_total_body_bytes=100, max_active_requests=3)
    queue = RunQueue(limits, BatchSettings(), metrics)
    with queue.admit(1000):  # a larger body than allowed is cut off when it is read
        with pytest.raises(ServingError, match="60 bytes of requests; try again"), queue.admit(41):
            pass
        with pytest.raises(ServingError, match="60 bytes of requests"), queue.admit(None):
            pass
        with queue.admit(0), queue.admit(40):
            assert b"active_requests 3.0" in metrics.page()
            with pytest.raises(ServingError, match="3 requests; try again") as caught:
                queue.admit(0).__enter__()
            assert (caught.value.status, caught.value.retry_after_s) == (429, 1)
    assert b"active_requests 0.0" in metrics.page()
    with queue.admit(None):
        pass
    queue.close()
