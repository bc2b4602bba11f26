"""What TFX's executors make of the statistics, on the way to user code."""

import json

import pytest
from tfx.components.trainer.executor import GenericExecutor
from tfx.components.tuner.executor import Executor as TfxTunerExecutor
from tfx.types.standard_artifacts import Examples, ExampleStatistics

from components.training import TrainerExecutor, TunerExecutor
from contract.settings import CUSTOM_CONFIG_KEY, STATISTICS_KEY


@pytest.mark.parametrize(
    ("executor", "of_tfx"),
    [(TrainerExecutor, GenericExecutor), (TunerExecutor, TfxTunerExecutor)],
)
def test_the_folder_of_the_statistics_reaches_user_code(executor, of_tfx, monkeypatch):
    given = []
    monkeypatch.setattr(of_tfx, "Do", lambda self, *arguments: given.append(arguments))
    examples, statistics = Examples(), ExampleStatistics()
    statistics.uri = "/where/they/are"
    properties = {"custom_config": json.dumps({CUSTOM_CONFIG_KEY: "{}"}), "run_fn": "a.b"}
    executor().Do({"examples": [examples], "statistics": [statistics]}, {}, dict(properties))
    ((inputs, _, told),) = given
    assert list(inputs) == ["examples"]
    assert json.loads(told["custom_config"]) == {
        CUSTOM_CONFIG_KEY: "{}",
        STATISTICS_KEY: "/where/they/are",
    }
    assert told["run_fn"] == "a.b"
    # TFX notes the properties of the execution, in which there is no folder.
    assert STATISTICS_KEY not in json.loads(properties["custom_config"])
