"""Name the images of a batch that must not be judged, inside the served graph.

Ingestion and our client turn or leave out such images. Requests of other clients, such as those of
TensorFlow Serving, pass neither, so the graph checks them itself instead of judging them silently.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from contract import features

_PNG_START = b"\x89PNG\r\n\x1a\n"
_JPEG_START = b"\xff\xd8\xff"
_NUM_NAMED = 5  # a batch of other files would fill the answer

_PNG_DEPTH_AT = 24  # signature 8, chunk header 8, width 4, height 4
_PNG_EXIF, _PNG_END = (int.from_bytes(mark, "big") for mark in (b"eXIf", b"IEND"))
_JPEG_EXIF = int.from_bytes(b"Exif\0\0", "big")
_LITTLE_ENDIAN, _BIG_ENDIAN = (int.from_bytes(mark, "big") for mark in (b"II*\0", b"MM\0*"))
# Far more than any file has before its EXIF block; a file made of stray bytes ends here.
_MAX_JPEG_STEPS = 2_000
_MAX_PNG_CHUNKS = 20_000
_BEYOND = 2**40  # the end of any file
_SCAN, _END, _APP1 = 0xDA, 0xD9, 0xE1
_WITHOUT_LENGTH = (0x00, 0x01, *range(0xD0, 0xD9))  # stuffing, TEM, RST0-7, SOI
# How to go on in a JPEG, by the code behind the byte 0xFF, and in the first row where that byte is
# missing: so many bytes, and whether the length that follows is added. Two bytes 0xFF are a fill.
_JPEG_STEPS = np.array([[1, 0]] + [[2, 1]] * 255 + [[1, 0]], np.int64)
_JPEG_STEPS[np.add(_WITHOUT_LENGTH, 1)] = [2, 0]
_JPEG_STEPS[[_SCAN + 1, _END + 1]] = [_BEYOND, 0]
_NO_EXIF = -1
_ORIENTATION_TAG, _SHORT = 0x0112, 3
_MAX_EXIF_ENTRIES = 128  # the orientation is among the first: entries are in the order of their tag
_EXIF_ENTRY_BYTES = 12


def check_encoded_images(image_bytes: tf.Tensor) -> tf.Tensor:
    """Return a batch as it is, or fail with the indexes of what must not be judged.

    Refused are bytes that begin like no JPEG or PNG; pictures with an EXIF orientation, which
    viewers turn and the decoder does not; and 16-bit PNGs that use the low bits only, which the
    decoder reads as nearly black.

    A file that begins well and breaks off later still fails in the decoder, whose error does not
    say which image of the batch it was: graphs catch no errors. Clients that send batches halve
    the one that failed, as the project's client and its embedded server do.

    Args:
        image_bytes: string [n].

    Returns:
        The same; what reads it runs after the check.

    Raises:
        tf.errors.InvalidArgumentError: When run, with the indexes from 0 and the reasons of the
            first few such images; nothing of their content.
    """
    is_png = tf.strings.substr(image_bytes, 0, len(_PNG_START)) == _PNG_START
    is_jpeg = tf.strings.substr(image_bytes, 0, len(_JPEG_START)) == _JPEG_START
    orientation = exif_orientations(image_bytes)
    lengths = tf.strings.as_string(tf.strings.length(image_bytes))
    reasons = tf.where(
        _lacks_high_bits(image_bytes, is_png),
        "expected 16-bit grey levels that fill their range, got a picture that would be read as "
        "nearly black; scale it to 8 bits",
        "",
    )
    reasons = tf.where(
        orientation > 1,
        tf.strings.join(
            [
                "expected an upright picture, got EXIF orientation ",
                tf.strings.as_string(orientation),
                "; turn its pixels and remove the tag",
            ]
        ),
        reasons,
    )
    reasons = tf.where(
        is_png | is_jpeg,
        reasons,
        tf.strings.join(["expected JPEG or PNG bytes, got ", lengths, " bytes of something else"]),
    )
    return _unless_refused(image_bytes, reasons)


def check_pixels(pixels: tf.Tensor) -> tf.Tensor:
    """Return decoded images as they are, or fail with the indexes of those of one grey level.

    Args:
        pixels: uint8 [n, height, width, 1].

    Raises:
        tf.errors.InvalidArgumentError: As `check_encoded_images`.
    """
    axes = [1, 2, 3]
    is_flat = tf.reduce_max(pixels, axes) == tf.reduce_min(pixels, axes)
    return _unless_refused(
        pixels, tf.where(is_flat, "expected a picture, got one of a single grey level", "")
    )


def _unless_refused(images: tf.Tensor, reasons: tf.Tensor) -> tf.Tensor:
    """Return `images`, or fail with those `reasons`, string [n], that are not empty."""
    is_refused = reasons != ""
    named = tf.where(is_refused)[:_NUM_NAMED, 0]
    lines = tf.strings.join(
        [
            "image ",
            tf.strings.as_string(named),
            " of the batch: ",
            tf.gather(reasons, named),
        ]
    )
    message = tf.strings.reduce_join(lines, separator="; ")
    refuse = tf.debugging.Assert(~tf.reduce_any(is_refused), [message])
    with tf.control_dependencies([refuse]):
        return tf.identity(images)


def _lacks_high_bits(image_bytes: tf.Tensor, is_png: tf.Tensor) -> tf.Tensor:
    """Return which images, bool [n], are 16-bit PNGs with nearly all pixels in the low quarter.

    By the distribution of the grey levels: one bright letter on it does not make a picture.
    """
    head = tf.strings.substr(image_bytes, 0, _PNG_DEPTH_AT + 1)
    depth = tf.io.decode_raw(head, tf.uint8, fixed_length=_PNG_DEPTH_AT + 1)[:, _PNG_DEPTH_AT]
    indexes = tf.where(is_png & (depth == 16))

    def is_dark(encoded: tf.Tensor) -> tf.Tensor:
        pixels = tf.io.decode_png(encoded, channels=1)  # of 16 bits, the high byte
        is_low = tf.cast(pixels < features.MIN_HIGH_BYTE, tf.float32)
        return tf.reduce_mean(is_low) >= features.MAX_DARK_FRACTION

    dark = tf.map_fn(is_dark, tf.gather(image_bytes, indexes[:, 0]), fn_output_signature=tf.bool)
    return tf.scatter_nd(indexes, dark, tf.shape(image_bytes, out_type=tf.int64))


def exif_orientations(image_bytes: tf.Tensor) -> tf.Tensor:
    """Read the EXIF orientation of encoded images.

    Args:
        image_bytes: string [n], of anything; what does not begin as a PNG is read as a JPEG.

    Returns:
        int32 [n], 1 to 8; 1 where an image has none, or none that exists.
    """
    lengths = tf.cast(tf.strings.length(image_bytes), tf.int64)
    exif_at = _exif_positions(image_bytes, lengths)
    begin = tf.maximum(exif_at, 0)
    order, little, big = _numbers(
        _bytes_at(image_bytes, lengths, begin, 8), [(0, 1, 2, 3), (7, 6, 5, 4), (4, 5, 6, 7)]
    )
    is_little, is_big = order == _LITTLE_ENDIAN, order == _BIG_ENDIAN

    def in_order(little: tf.Tensor, big: tf.Tensor) -> tf.Tensor:
        """Return a number as the order of each file's bytes has it."""
        return tf.where(tf.reshape(is_little, [-1] + [1] * (len(little.shape) - 1)), little, big)

    num_bytes = _EXIF_ENTRY_BYTES * _MAX_EXIF_ENTRIES
    directory = _bytes_at(image_bytes, lengths, begin + in_order(little, big), 2 + num_bytes)
    num_entries = in_order(*_numbers(directory[:, :2], [(1, 0), (0, 1)]))
    entries = tf.reshape(directory[:, 2:], [-1, _MAX_EXIF_ENTRIES, _EXIF_ENTRY_BYTES])
    numbers = _numbers(entries, [(1, 0), (3, 2), (9, 8), (0, 1), (2, 3), (8, 9)])
    tag, kind, value = map(in_order, numbers[:3], numbers[3:])
    is_wanted = (
        (tag == _ORIENTATION_TAG)
        & (kind == _SHORT)
        & (tf.range(_MAX_EXIF_ENTRIES, dtype=tf.int64) < tf.expand_dims(num_entries, 1))
    )
    value = tf.reduce_max(tf.where(is_wanted, value, 0), axis=1)
    exists = (is_little | is_big) & (exif_at > _NO_EXIF) & (value >= 1) & (value <= 8)
    return tf.cast(tf.where(exists, value, 1), tf.int32)


def _exif_positions(image_bytes: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
    """Return where the EXIF block of each image starts, int64 [n]; `_NO_EXIF` for none.

    From segment to segment of a JPEG and from chunk to chunk of a PNG, in all images at once.
    """
    is_png = tf.strings.substr(image_bytes, 0, len(_PNG_START)) == _PNG_START
    # The first segment, and the block in the segment that holds it.
    first_at = tf.where(is_png, tf.constant(len(_PNG_START), tf.int64), 2)
    block_at = tf.where(is_png, tf.constant(8, tf.int64), 10)
    max_steps = tf.where(is_png, _MAX_PNG_CHUNKS, _MAX_JPEG_STEPS)

    def step(
        num_steps: tf.Tensor, position: tf.Tensor, is_walking: tf.Tensor, found_at: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        head = _bytes_at(image_bytes, lengths, position, 10)
        marker, segment_length, segment_mark, chunk_length, chunk_mark = _numbers(
            head, [(0, 1), (2, 3), (4, 5, 6, 7, 8, 9), (0, 1, 2, 3), (4, 5, 6, 7)]
        )
        own, with_length = tf.unstack(
            tf.gather(_JPEG_STEPS, tf.maximum(marker - 0xFF00, -1) + 1), axis=1
        )
        following = position + tf.where(
            is_png,
            tf.where(chunk_mark == _PNG_END, tf.constant(_BEYOND), 12 + chunk_length),
            own + with_length * segment_length,
        )
        is_exif = tf.where(
            is_png,
            chunk_mark == _PNG_EXIF,
            (marker == 0xFF00 + _APP1) & (segment_mark == _JPEG_EXIF),
        )
        found_at = tf.where(is_walking & is_exif, position + block_at, found_at)
        num_steps += 1
        is_walking &= ~is_exif & (following < lengths) & (num_steps < max_steps)
        return num_steps, tf.where(is_walking, following, position), is_walking, found_at

    *_, found_at = tf.while_loop(
        lambda num_steps, position, is_walking, found_at: tf.reduce_any(is_walking),
        step,
        (
            tf.constant(0),
            first_at,
            _mentions_exif(image_bytes, lengths) & (lengths > first_at),
            tf.fill(tf.shape(lengths), tf.constant(_NO_EXIF, tf.int64)),
        ),
    )
    return found_at


def _mentions_exif(image_bytes: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
    """Return which images, bool [n], hold a mark anywhere: far cheaper to know than the walk.

    Replaced rather than matched: only a search that may start anywhere skips to the mark's first
    byte, and is five times faster. A pattern for both marks would not skip either.
    """
    without = image_bytes
    for mark in (r"Exif\x00\x00", "eXIf"):
        without = tf.strings.regex_replace(without, mark, "", replace_global=False)
    return tf.cast(tf.strings.length(without), tf.int64) < lengths


def _bytes_at(
    image_bytes: tf.Tensor, lengths: tf.Tensor, position: tf.Tensor, num_bytes: int
) -> tf.Tensor:
    """Return bytes of each image from its `position`, int64 [n], on; zeros beyond its end.

    Returns:
        int64 [n, num_bytes], in [0, 255].
    """
    within = tf.minimum(position, lengths)
    num = tf.fill(tf.shape(within), tf.constant(num_bytes, tf.int64))
    values = tf.io.decode_raw(
        tf.strings.substr(image_bytes, within, num), tf.uint8, fixed_length=num_bytes
    )
    values.set_shape([None, num_bytes])
    return tf.cast(values, tf.int64)


def _numbers(values: tf.Tensor, wanted: Sequence[Sequence[int]]) -> list[tf.Tensor]:
    """Read numbers from bytes, all in one operation.

    Every operation makes a model slower to load, not only to ask: TensorFlow prepares the graph of
    each signature anew.

    Args:
        values: int64 [..., k], in [0, 255].
        wanted: For each number, which bytes it is made of, the highest first; below 2**63.

    Returns:
        For each, int64 [...].
    """
    weights = np.zeros((values.shape[-1], len(wanted)), np.int64)
    for column, indexes in enumerate(wanted):
        for power, index in enumerate(reversed(indexes)):
            weights[index, column] = 256**power
    return list(tf.unstack(tf.matmul(values, weights), axis=-1))
