"""Name the images of a batch that are none, inside the served graph."""

from __future__ import annotations

import tensorflow as tf

_PNG_START = b"\x89PNG\r\n\x1a\n"
_JPEG_START = b"\xff\xd8\xff"
_NUM_NAMED = 5  # a batch of other files would fill the answer


def check_encoded_images(image_bytes: tf.Tensor) -> tf.Tensor:
    """Return a batch as it is, or fail with the indexes of what begins like no JPEG or PNG.

    A file that begins well and breaks off later still fails in the decoder, whose error does not
    tell where in the batch it stood: graphs catch no errors. Who sends batches halves the one that
    failed, as the project's client and its embedded server do.

    Args:
        image_bytes: string [n].

    Returns:
        The same; what reads it runs after the check.

    Raises:
        tf.errors.InvalidArgumentError: When run, with the indexes from 0 and the lengths of the
            first few such images; nothing of their content.
    """
    is_image = (tf.strings.substr(image_bytes, 0, len(_PNG_START)) == _PNG_START) | (
        tf.strings.substr(image_bytes, 0, len(_JPEG_START)) == _JPEG_START
    )
    named = tf.where(~is_image)[:_NUM_NAMED, 0]
    lengths = tf.strings.length(tf.gather(image_bytes, named))
    reasons = tf.strings.join(
        [
            "image ",
            tf.strings.as_string(named),
            " of the batch: expected JPEG or PNG bytes, got ",
            tf.strings.as_string(lengths),
            " bytes of something else",
        ]
    )
    message = tf.strings.reduce_join(reasons, separator="; ")
    with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(is_image), [message])]):
        return tf.identity(image_bytes)
