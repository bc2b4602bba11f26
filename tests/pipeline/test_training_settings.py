"""What may be set together of a candidate's training."""

import pytest
from pydantic import ValidationError

from contract.settings import FineTuningSettings, TrainingSettings


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"backbone": "whole", "fine_tuning": FineTuningSettings(num_layers=3)},
            "expected fine_tuning.num_layers: 0 with backbone: whole, got 3",
        ),
        ({"head_epochs": 2}, "expected head_epochs: 0 with backbone: frozen, got 2"),
        ({"layer_decay": 0.5}, "expected layer_decay: 1 with backbone: frozen and no fine_tuning"),
        ({"backbone": "whole", "layer_decay": 0.0}, "greater than 0"),
        ({"backbone": "whole", "layer_decay": 1.1}, "less than or equal to 1"),
        ({"backbone": "head"}, "'frozen' or 'whole'"),
    ],
)
def test_what_contradicts_itself_is_refused(changes, message):
    with pytest.raises(ValidationError) as raised:
        TrainingSettings(**changes)
    assert message in str(raised.value)


def test_stages_of_fine_tuned_upper_layers_may_differ_too():
    settings = TrainingSettings(layer_decay=0.5, fine_tuning=FineTuningSettings(num_layers=3))
    assert settings.layer_decay == 0.5
