"""Networks on a pretrained backbone, which is frozen, or trained with them.

They are made of three nested models, found by their names: `preprocessing`
brings [0, 1] to the backbone's own value range, `backbone` gives the features,
and `head` turns these into a probability.
"""

from __future__ import annotations

import dataclasses

import keras

from models.architectures.efficientnet_lite import SCALES as EFFICIENTNET_LITES
from models.architectures.weights import build_backbone

PREPROCESSING = "preprocessing"
BACKBONE = "backbone"
HEAD = "head"

# Means of ImageNet's blue, green and red in [0, 255], as
# `keras.applications.resnet.preprocess_input` subtracts them.
_IMAGENET_MEAN_BGR = (103.939, 116.779, 123.68)

# Of batch normalisation that is trained: an average over 33 batches. Keras' .99 would still hold
# a third of ImageNet's statistics after the hundred batches that a small set has.
_NORM_MOMENTUM = 0.97


@dataclasses.dataclass(frozen=True)
class PretrainedNetwork:
    """What distinguishes one pretrained network from another.

    Attributes:
        application: The backbone's name in `keras.applications`, or in
            `models.architectures.efficientnet_lite`.
        dropout: Rate in the head, in [0, 1).
        stacked_units: Hidden units that follow the one-unit output, in order; the study
            stacked them there, and a second output after them.
    """

    application: str
    dropout: float = 0.0
    stacked_units: tuple[int, ...] = ()


NETWORKS: dict[str, PretrainedNetwork] = {
    "xception": PretrainedNetwork("Xception"),
    "xception_deep": PretrainedNetwork("Xception", dropout=0.4, stacked_units=(128, 64)),
    "resnet101": PretrainedNetwork("ResNet101"),
    "efficientnet_v2_b0": PretrainedNetwork("EfficientNetV2B0", dropout=0.2),
    "convnext_tiny": PretrainedNetwork("ConvNeXtTiny", dropout=0.2),
    "efficientnet_lite0": PretrainedNetwork("EfficientNetLite0", dropout=0.2),
    "efficientnet_lite1": PretrainedNetwork("EfficientNetLite1", dropout=0.2),
    "efficientnet_lite2": PretrainedNetwork("EfficientNetLite2", dropout=0.2),
}


def build_pretrained(
    architecture: str,
    input_shape: tuple[int, int, int],
    weights: str,
    dropout: float | None,
    l2: float | None,
    *,
    trains_backbone: bool = False,
) -> keras.Model:
    """Build one of `NETWORKS`.

    Args:
        architecture: A name of `NETWORKS`.
        input_shape: Height, width, channels.
        weights: Of the backbone: `none`, `imagenet`, `package`, or a path that `check_weights`
            passed.
        dropout: Rate in [0, 1) in the head: on the features, or after the stacked hidden
            layers where there are some; None for the network's own.
        l2: Factor of the penalty on the head's kernels; None for none.
        trains_backbone: See `assemble_network`.

    Returns:
        float32 [n, *input_shape] in [0, 1] -> probability float32 [n, 1].

    Raises:
        InputError: When the weights cannot be had, or are of another network.
    """
    network = NETWORKS[architecture]
    built = build_backbone(architecture, network.application, input_shape, weights)
    # Renamed, because Keras' builders draw conclusions from their own names.
    backbone = keras.Model(built.inputs[0], built.outputs[0], name=BACKBONE)
    rate = network.dropout if dropout is None else dropout
    return assemble_network(
        preprocessing_of(network.application, input_shape),
        backbone,
        build_head(backbone.output_shape[-1], rate, network.stacked_units, l2),
        name=architecture,
        trains_backbone=trains_backbone,
    )


def preprocessing_of(application: str, input_shape: tuple[int, int, int]) -> keras.Model:
    """Build the layers that bring [0, 1] to what a backbone was trained on.

    Args:
        application: Of a `PretrainedNetwork`.
        input_shape: Height, width, channels (red, green, blue).

    Returns:
        float32 [n, *input_shape] in [0, 1] -> float32, the same shape. The ranges are those
        of each backbone's `keras.applications.<module>.preprocess_input`, for 255 x, and for
        EfficientNet-Lite those of `models.architectures.efficientnet_lite`.
    """
    images = keras.Input(input_shape)
    rescaling = keras.layers.Rescaling
    if application == "Xception":
        values = rescaling(2.0, offset=-1.0, dtype="float32")(images)
    elif application == "ResNet101":
        blue_green_red = keras.ops.flip(images, axis=-1)
        offset = [-mean for mean in _IMAGENET_MEAN_BGR]
        values = rescaling(255.0, offset=offset, dtype="float32")(blue_green_red)
    elif application in EFFICIENTNET_LITES:
        values = rescaling(255.0 / 128.0, offset=-127.0 / 128.0, dtype="float32")(images)
    else:
        # EfficientNetV2 and ConvNeXt normalise [0, 255] themselves.
        values = rescaling(255.0, dtype="float32")(images)
    return keras.Model(images, values, name=PREPROCESSING)


def build_head(
    num_features: int, dropout: float, stacked_units: tuple[int, ...], l2: float | None
) -> keras.Model:
    """Build the trained part: float32 [n, num_features] -> probability float32 [n, 1]."""
    layers = keras.layers
    penalty = keras.regularizers.L2(l2) if l2 else None
    head = keras.Sequential([keras.Input((num_features,))], name=HEAD)
    if stacked_units:
        head.add(layers.Dense(1, activation="sigmoid", kernel_regularizer=penalty))
    elif dropout:
        head.add(layers.Dropout(dropout))
    for units in stacked_units:
        head.add(layers.Dense(units, activation="relu", kernel_regularizer=penalty))
        if dropout:
            head.add(layers.Dropout(dropout))
    head.add(layers.Dense(1, activation="sigmoid", kernel_regularizer=penalty, dtype="float32"))
    return head


def assemble_network(
    preprocessing: keras.Model,
    backbone: keras.Model,
    head: keras.Model,
    name: str,
    *,
    trains_backbone: bool = False,
) -> keras.Model:
    """Join the three parts, and freeze the backbone unless it is trained with them.

    A frozen backbone always computes as in inference. Keras' `fit` overrides the
    `training=False` of a nested model, so that its dropout is taken out and its batch
    normalisation frozen. One that is trained normalises by the batch and learns its statistics
    in `fit`, and computes as in inference everywhere else.

    Args:
        preprocessing: float32 [n, s, s, 3] in [0, 1] -> the backbone's value range.
        backbone: -> features float32 [n, d].
        head: -> probability float32 [n, 1].
        name: Of the whole network.
        trains_backbone: Whether all of the backbone is trained, batch normalisation and dropout
            included.
    """
    for layer in backbone.layers:
        if trains_backbone and isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = _NORM_MOMENTUM
        elif not trains_backbone and isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0
    backbone.trainable = trains_backbone
    images = keras.Input(preprocessing.input_shape[1:])
    features = backbone(preprocessing(images), training=False)
    return keras.Model(images, head(features), name=name)
