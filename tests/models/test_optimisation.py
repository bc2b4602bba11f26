import keras
import pytest

from contract.settings import TrainingSettings
from models.optimisation import compile_for_training, training_callbacks


def network():
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, activation="sigmoid")])


@pytest.mark.parametrize("momentum", [0.9, 0.0])
def test_sgd_has_the_momentum_that_is_set(momentum):
    compiled = network()
    settings = TrainingSettings(optimizer="sgd", learning_rate=0.01, momentum=momentum)
    compile_for_training(compiled, settings)
    assert compiled.optimizer.momentum == momentum
    assert float(compiled.optimizer.learning_rate) == pytest.approx(0.01)


@pytest.mark.parametrize("restores", [True, False])
def test_early_stopping_restores_the_best_weights_only_if_asked_to(restores):
    settings = TrainingSettings(restore_best_weights=restores, patience_epochs=4)
    callbacks = training_callbacks(settings, "Training", epochs=8)
    (stopping,) = [each for each in callbacks if isinstance(each, keras.callbacks.EarlyStopping)]
    assert stopping.restore_best_weights is restores
    assert stopping.patience == 4
