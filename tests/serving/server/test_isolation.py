import numpy as np
import pytest

from serving.server.isolation import UnevenRowsError, run_isolated, take_rows
from serving.server.rest.errors import ServingError, invalid_argument


def model(bad):
    runs = []

    def run(inputs):
        rows = inputs["x"]
        runs.append(len(rows))
        if bad & set(rows.tolist()):
            raise invalid_argument("cannot read")
        return {"y": rows * 2}

    return run, runs


@pytest.mark.parametrize("bad", [set(), {0}, {12}, {3, 4}, set(range(13))])
def test_good_rows_are_answered_and_bad_ones_named(bad):
    run, _ = model(bad)
    pieces = run_isolated(run, {"x": np.arange(13)}, 13)
    assert [row for piece in pieces for row in range(piece.start, piece.stop)] == list(range(13))
    for row in range(13):
        if row in bad:
            with pytest.raises(ServingError, match="element: 0 of the request"):
                take_rows(pieces, row, row + 1)
        else:
            assert take_rows(pieces, row, row + 1)["y"].tolist() == [2 * row]


def test_the_first_bad_row_is_counted_from_the_request():
    run, _ = model({7, 9})
    pieces = run_isolated(run, {"x": np.arange(13)}, 13)
    assert take_rows(pieces, 0, 7)["y"].tolist() == [0, 2, 4, 6, 8, 10, 12]
    with pytest.raises(ServingError, match="element: 2 of the request"):
        take_rows(pieces, 5, 13)


def test_a_batch_without_bad_rows_runs_once_and_one_bad_row_costs_few_runs():
    run, runs = model(set())
    run_isolated(run, {"x": np.arange(64)}, 64)
    assert runs == [64]
    run, runs = model({5})
    run_isolated(run, {"x": np.arange(64)}, 64)
    assert len(runs) == 13  # twice the halvings, and the first


def test_other_failures_are_the_whole_batchs():
    def run(inputs):
        raise ServingError(500, "broken")

    with pytest.raises(ServingError, match="broken"):
        run_isolated(run, {"x": np.arange(4)}, 4)


@pytest.mark.parametrize("output", [np.zeros(1), np.zeros(8), np.array(0.0)])
def test_outputs_without_a_row_for_each_input_row_cannot_be_shared(output):
    with pytest.raises(UnevenRowsError, match="expected 4 rows of output y"):
        run_isolated(lambda inputs: {"y": output}, {"x": np.arange(4)}, 4)
