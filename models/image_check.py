"""Name the images of a batch that must not be judged, inside the served graph.

Ingestion and our client turn or leave out such images. Requests of other clients, such as those of
TensorFlow Serving, pass neither, so the graph checks them itself instead of judging them silently.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from contract import features

_PNG_START = b"\x89PNG\r\n\x1a\n"
_JPEG_START = b"\xff\xd8\xff"
_NUM_NAMED = 5  # a batch of other files would fill the answer

_PNG_DEPTH_AT = 24  # signature 8, chunk header 8, width 4, height 4
# Far more than any file has before its EXIF block; a file made of stray bytes ends here.
_MAX_JPEG_STEPS = 2_000
_MAX_PNG_CHUNKS = 20_000
_MARKER, _SCAN, _END, _APP1 = 0xFF, 0xDA, 0xD9, 0xE1
_WITHOUT_LENGTH = (0x00, 0x01, *range(0xD0, 0xD9))  # stuffing, TEM, RST0-7, SOI
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
    depth = _bytes_at(image_bytes, tf.fill(tf.shape(image_bytes), _PNG_DEPTH_AT), 1)[:, 0]
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
        image_bytes: string [n], of anything.

    Returns:
        int32 [n], 1 to 8; 1 where an image has none, or none that exists.
    """
    exif_at = tf.maximum(_exif_of_jpeg(image_bytes), _exif_of_png(image_bytes))
    start = _bytes_at(image_bytes, tf.maximum(exif_at, 0), 8)
    is_little = tf.reduce_all(start[:, :4] == tf.constant([0x49, 0x49, 0x2A, 0]), axis=1)
    is_big = tf.reduce_all(start[:, :4] == tf.constant([0x4D, 0x4D, 0, 0x2A]), axis=1)

    def number(values: tf.Tensor) -> tf.Tensor:
        """Return the number that the last axis, of 2 or 4 bytes, holds in the file's order."""
        weights = [256**power for power in range(values.shape[-1])]
        little = tf.reduce_sum(tf.cast(values, tf.int64) * weights, axis=-1)
        big = tf.reduce_sum(tf.cast(values, tf.int64) * weights[::-1], axis=-1)
        is_first = tf.reshape(is_little, [-1] + [1] * (len(values.shape) - 2))
        return tf.where(is_first, little, big)

    directory_at = tf.maximum(exif_at, 0) + _bounded(number(start[:, 4:8]))
    num_bytes = _EXIF_ENTRY_BYTES * _MAX_EXIF_ENTRIES
    directory = _bytes_at(image_bytes, directory_at, 2 + num_bytes)
    num_entries = number(directory[:, :2])
    entries = tf.reshape(directory[:, 2:], [-1, _MAX_EXIF_ENTRIES, _EXIF_ENTRY_BYTES])
    is_wanted = (
        (number(entries[..., 0:2]) == _ORIENTATION_TAG)
        & (number(entries[..., 2:4]) == _SHORT)
        & (tf.range(_MAX_EXIF_ENTRIES, dtype=tf.int64) < num_entries[:, tf.newaxis])
    )
    value = tf.reduce_max(tf.where(is_wanted, number(entries[..., 8:10]), 0), axis=1)
    exists = (is_little | is_big) & (exif_at > _NO_EXIF) & (value >= 1) & (value <= 8)
    return tf.cast(tf.where(exists, value, 1), tf.int32)


def _exif_of_jpeg(image_bytes: tf.Tensor) -> tf.Tensor:
    """Return where the EXIF block of each image starts, int32 [n]; `_NO_EXIF` for none."""
    is_jpeg = tf.strings.substr(image_bytes, 0, len(_JPEG_START)) == _JPEG_START
    is_likely = is_jpeg & _mentions(image_bytes, r"Exif\x00\x00")

    def step(position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        head = _bytes_at(image_bytes, position, 10)
        code = head[:, 1]
        is_marker = (head[:, 0] == _MARKER) & (code != _MARKER)
        is_bare = tf.reduce_any(code[:, tf.newaxis] == tf.constant(_WITHOUT_LENGTH), axis=1)
        is_exif = tf.reduce_all(head[:, 4:] == tf.constant(list(b"Exif\0\0")), axis=1)
        is_found = is_marker & (code == _APP1) & is_exif
        is_last = is_marker & ((code == _SCAN) | (code == _END))
        length = tf.where(is_bare, 2, 2 + head[:, 2] * 256 + head[:, 3])
        return is_found, is_last, position + tf.where(is_marker, length, 1)

    return _walk(image_bytes, is_likely, 2, 10, step, _MAX_JPEG_STEPS)


def _exif_of_png(image_bytes: tf.Tensor) -> tf.Tensor:
    """Return where the EXIF block of each image starts, int32 [n]; `_NO_EXIF` for none."""
    is_png = tf.strings.substr(image_bytes, 0, len(_PNG_START)) == _PNG_START
    is_likely = is_png & _mentions(image_bytes, "eXIf")

    def step(position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        head = _bytes_at(image_bytes, position, 8)
        is_found = tf.reduce_all(head[:, 4:] == tf.constant(list(b"eXIf")), axis=1)
        is_last = tf.reduce_all(head[:, 4:] == tf.constant(list(b"IEND")), axis=1)
        weights = tf.constant([256**3, 256**2, 256, 1], tf.int64)
        length = tf.reduce_sum(tf.cast(head[:, :4], tf.int64) * weights, axis=1)
        return is_found, is_last, position + 12 + _bounded(length)

    return _walk(image_bytes, is_likely, len(_PNG_START), 8, step, _MAX_PNG_CHUNKS)


def _mentions(image_bytes: tf.Tensor, mark: str) -> tf.Tensor:
    """Return which images, bool [n], hold a mark anywhere: far cheaper to know than the walk.

    Replaced rather than matched: only a search that may start anywhere skips to the mark's first
    byte, and is five times faster.
    """
    without = tf.strings.regex_replace(image_bytes, mark, "", replace_global=False)
    return tf.strings.length(without) < tf.strings.length(image_bytes)


def _walk(
    image_bytes: tf.Tensor,
    is_walked: tf.Tensor,
    first_at: int,
    block_at: int,
    step: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor, tf.Tensor]],
    max_steps: int,
) -> tf.Tensor:
    """Go from segment to segment in all images at once.

    Args:
        image_bytes: string [n].
        is_walked: Those to look at, bool [n].
        first_at: Where the first segment is.
        block_at: Where the EXIF block is in the segment that holds it.
        step: From where segments are, int32 [n], to whether they hold the block, whether they are
            the last, and where the next ones are.
        max_steps: After which the block counts as absent.

    Returns:
        Where the blocks are, int32 [n], or `_NO_EXIF`.
    """
    lengths = tf.strings.length(image_bytes)

    def go(
        position: tf.Tensor, is_walking: tf.Tensor, found_at: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        is_found, is_last, following = step(position)
        found_at = tf.where(is_walking & is_found, position + block_at, found_at)
        is_walking &= ~is_found & ~is_last & (following < lengths)
        return tf.where(is_walking, following, position), is_walking, found_at

    _, _, found_at = tf.while_loop(
        lambda position, is_walking, found_at: tf.reduce_any(is_walking),
        go,
        (
            tf.fill(tf.shape(image_bytes), first_at),
            is_walked & (lengths > first_at),
            tf.fill(tf.shape(image_bytes), _NO_EXIF),
        ),
        maximum_iterations=max_steps,
    )
    return found_at


def _bytes_at(image_bytes: tf.Tensor, position: tf.Tensor, num_bytes: int) -> tf.Tensor:
    """Return bytes of each image from its `position`, int32 [n], on; zeros beyond its end.

    Returns:
        int32 [n, num_bytes], in [0, 255].
    """
    within = tf.minimum(position, tf.strings.length(image_bytes))
    cut = tf.strings.substr(image_bytes, within, tf.fill(tf.shape(within), num_bytes))
    values = tf.io.decode_raw(cut, tf.uint8, fixed_length=num_bytes)
    return tf.cast(tf.ensure_shape(values, [None, num_bytes]), tf.int32)


def _bounded(number: tf.Tensor) -> tf.Tensor:
    """Return what a file claims, int64, as an int32 to which positions can be added."""
    return tf.cast(tf.minimum(number, 2**30), tf.int32)
