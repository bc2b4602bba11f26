import keras

from models.architectures.convolutional import build_convolutional

SHAPE = (24, 24, 3)


def kinds(network: keras.Model) -> list[str]:
    return [type(layer).__name__ for layer in network.layers]


def rates(network: keras.Model) -> list[float]:
    return [layer.rate for layer in network.layers if isinstance(layer, keras.layers.Dropout)]


def test_cnn_baseline_is_one_convolution_and_two_dense_layers():
    network = build_convolutional("cnn_baseline", SHAPE, None, None)
    assert kinds(network) == ["Conv2D", "MaxPooling2D", "Flatten", "Dense", "Dense"]


def test_cnn_dropout_drops_more_after_pools_than_after_dense_layers():
    network = build_convolutional("cnn_dropout", SHAPE, None, None)
    assert kinds(network) == [
        *["Conv2D", "MaxPooling2D", "Dropout"] * 3,
        "Flatten",
        *["Dense", "Dropout"] * 2,
        "Dense",
    ]
    assert rates(network) == [0.3, 0.3, 0.3, 0.1, 0.1]


def test_a_given_rate_replaces_all_of_a_networks_own():
    assert rates(build_convolutional("cnn_dropout", SHAPE, 0.2, None)) == [0.2] * 5
    assert rates(build_convolutional("cnn_dropout", SHAPE, 0.0, None)) == []


def test_the_output_kernel_is_not_penalised():
    network = build_convolutional("cnn_deep", SHAPE, None, 0.01)
    trained = [layer for layer in network.layers if layer.weights]
    assert [layer.kernel_regularizer is not None for layer in trained] == [True] * 5 + [False]
