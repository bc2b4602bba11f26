"""From transformed pixels to a candidate's input: one graph for training and serving."""

from __future__ import annotations

import tensorflow as tf

from contract.settings import CandidateSettings
from models.normalisation import normalise

# Zoomed views by their number: (part of the side that is kept, shift down, shift right), the
# shifts as parts of the side. All stay within what training's augmentation shows, and inside the
# image: a window that touched its edge would read black beyond it, by a rounding error.
_VIEWS: dict[int, tuple[tuple[float, float, float], ...]] = {
    1: ((1.0, 0.0, 0.0),),
    3: ((1.0, 0.0, 0.0), (0.94, 0.0, 0.0), (0.88, 0.0, 0.0)),
    5: (
        (1.0, 0.0, 0.0),
        (0.92, -0.03, -0.03),
        (0.92, -0.03, 0.03),
        (0.92, 0.03, -0.03),
        (0.92, 0.03, 0.03),
    ),
}


def crop_and_resize(images: tf.Tensor, candidate: CandidateSettings) -> tf.Tensor:
    """Cut the centre out and bring it to the candidate's own size.

    Args:
        images: uint8 [n, side, side, 1], as Transform made them, of a static side.
        candidate: Gives `crop_fraction` and `image_size_px`.

    Returns:
        uint8 [n, s, s, 1]; s is the candidate's size, or the side where it has none.
    """
    side_px = images.shape[1]
    kept_px = max(1, round(side_px * candidate.crop_fraction))
    size_px = candidate.image_size_px or side_px
    start = (side_px - kept_px) // 2
    cropped = images[:, start : start + kept_px, start : start + kept_px]
    if size_px == kept_px:
        return cropped
    resized = tf.image.resize(cropped, [size_px, size_px], antialias=True)
    return tf.cast(tf.clip_by_value(tf.round(resized), 0.0, 255.0), tf.uint8)


def to_network_input(images: tf.Tensor, normalisation: str, *, compiled: bool = False) -> tf.Tensor:
    """Normalise grey pixels and repeat them over the three channels that networks expect.

    Args:
        images: uint8 or float32 [n, side, side, 1], in [0, 255].
        normalisation: See `models.normalisation.normalise`.
        compiled: Have XLA compile it: for training alone, as an export has plain operations.

    Returns:
        float32 [n, side, side, 3], in [0, 1].
    """
    greys = normalise(tf.cast(images, tf.float32), normalisation, compiled=compiled)
    return _compiled_repeat(greys) if compiled else _repeat(greys)


def _repeat(images: tf.Tensor) -> tf.Tensor:
    return tf.concat([images] * 3, axis=-1)


_compiled_repeat = tf.function(_repeat, jit_compile=True, autograph=False)


def views(images: tf.Tensor, num_views: int) -> list[tf.Tensor]:
    """Return slightly zoomed copies of each image, for a prediction that is their mean.

    Args:
        images: float32 [n, side, side, channels], of a static side.
        num_views: 1, 3 or 5; the first view is the image itself.
    """
    side_px = images.shape[1]
    copies = [images]
    for kept, down, right in _VIEWS[num_views][1:]:
        top, left = (1.0 - kept) / 2.0 + down, (1.0 - kept) / 2.0 + right
        box = tf.constant([[top, left, top + kept, left + kept]])
        num_images = tf.shape(images)[0]
        copies.append(
            tf.image.crop_and_resize(
                images, tf.tile(box, [num_images, 1]), tf.range(num_images), [side_px] * 2
            )
        )
    return copies
