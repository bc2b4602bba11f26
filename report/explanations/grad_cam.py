"""Grad-CAM (Selvaraju et al. 2017): where the last maps of a network speak for its answer."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from contract.settings import CandidateSettings
from models.inner_maps import last_maps, tap
from models.network_input import crop_and_resize, to_network_input


def grad_cam(
    network: keras.Model, candidate: CandidateSettings, image: np.ndarray, *, is_pneumonia: bool
) -> np.ndarray | None:
    """Weight the last maps by the mean gradient of the answer's logit, and keep what is positive.

    The target is what the output's sigmoid receives: the sigmoid's own gradient is p (1 - p), 0 to
    float32 where the network is sure. Calibration multiplies the logit by a slope above 0 and adds
    a constant, which changes no map, as each is scaled to its highest value.

    Args:
        network: Of any of `models.architectures`.
        candidate: Crop, size and normalisation; of several zoomed views, the unzoomed one counts.
        image: uint8 [s, s, 1], as Transform makes it.
        is_pneumonia: The answer; the gradient of `normal` is that of pneumonia turned round.

    Returns:
        float32 [s, s] in [0, 1], 1 at its highest; 0 outside the candidate's crop, and everywhere
        where nothing speaks for the answer. None where the network has no convolution.
    """
    layer = last_maps(network)
    if layer is None:
        return None
    tapped = tap(network, [layer])
    pixels = tf.constant(image[np.newaxis])
    inputs = to_network_input(crop_and_resize(pixels, candidate), candidate.normalisation)
    with tf.GradientTape() as tape:
        tape.watch(inputs)  # a network whose weights are frozen has nothing else to watch
        (maps,), logits = tapped.maps_and_logits(inputs)
        answer = logits if is_pneumonia else -logits
    gradients = tf.cast(tape.gradient(answer, maps), tf.float32)
    weights = tf.reduce_mean(gradients, axis=(1, 2), keepdims=True)
    strength = tf.nn.relu(tf.reduce_sum(weights * tf.cast(maps, tf.float32), axis=-1))[0]
    return _fit_to_image(strength, image.shape[0], candidate.crop_fraction)


def _fit_to_image(strength: tf.Tensor, side_px: int, crop_fraction: float) -> np.ndarray:
    kept_px = max(1, round(side_px * crop_fraction))  # as `crop_and_resize` cuts
    start = (side_px - kept_px) // 2
    fitted = np.zeros((side_px, side_px), np.float32)
    resized = tf.image.resize(strength[..., tf.newaxis], [kept_px, kept_px])[..., 0].numpy()
    fitted[start : start + kept_px, start : start + kept_px] = resized
    highest = float(fitted.max())
    return fitted / highest if highest > 0.0 else fitted
