import keras
import pytest

from models.architectures.dense import build_dense

SHAPE = (8, 8, 3)


def kinds(network: keras.Model) -> list[str]:
    return [type(layer).__name__ for layer in network.layers]


def test_hidden_layers_are_rectified_and_the_output_is_a_sigmoid():
    network = build_dense("ann_small", SHAPE, None, None)
    dense = [layer for layer in network.layers if isinstance(layer, keras.layers.Dense)]
    assert [layer.units for layer in dense] == [128, 64, 32, 10, 1]
    assert [layer.activation.__name__ for layer in dense] == ["relu"] * 4 + ["sigmoid"]


def test_ann_dropout_drops_on_the_input_and_after_every_hidden_layer():
    network = build_dense("ann_dropout", SHAPE, None, None)
    assert kinds(network) == ["Flatten", "Dropout", *["Dense", "Dropout"] * 5, "Dense"]
    rates = [layer.rate for layer in network.layers if isinstance(layer, keras.layers.Dropout)]
    assert rates == [0.3] * 6


def test_ann_l2_penalises_the_hidden_kernels_only():
    *hidden, output = build_dense("ann_l2", SHAPE, None, None).layers[1:]
    assert [layer.kernel_regularizer.l2 for layer in hidden] == pytest.approx([0.005] * 5)
    assert output.kernel_regularizer is None


def test_zero_takes_a_networks_own_dropout_and_penalty_away():
    assert "Dropout" not in kinds(build_dense("ann_dropout", SHAPE, 0.0, None))
    plain = build_dense("ann_l2", SHAPE, None, 0.0)
    assert all(layer.kernel_regularizer is None for layer in plain.layers[1:])
