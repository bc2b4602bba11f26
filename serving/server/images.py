"""Refuse images that are none or too large before the model decodes them."""

from __future__ import annotations

from contract import features
from ingestion.image_header import read_size
from ingestion.tfrecord_file import decode_example
from serving.server.rest.errors import invalid_argument
from serving.server.rest.tensors import Arrays


def check_images(inputs: Arrays, max_image_pixels: int) -> None:
    """Check the images of a request, those within `tf.Example` records included.

    Args:
        inputs: By the names of the signature's inputs; others than the project's are passed over.
        max_image_pixels: Largest allowed height x width.

    Raises:
        ServingError: One is refused; the message names its index.
    """
    for index, image in enumerate(_rows(inputs, features.IMAGE_BYTES)):
        _check(image, index, max_image_pixels)
    for index, record in enumerate(_rows(inputs, features.EXAMPLES_INPUT)):
        try:
            images = decode_example(record).get(features.IMAGE_BYTES, [])
        except ValueError as error:
            raise _refused(index, "expected a serialized tf.Example") from error
        for value in images:
            if isinstance(value, bytes):
                _check(value, index, max_image_pixels)


def _rows(inputs: Arrays, name: str) -> list[bytes]:
    array = inputs.get(name)
    if array is None or array.dtype != object:
        return []
    return [value for value in array.ravel() if isinstance(value, bytes)]


def _check(image: bytes, index: int, max_image_pixels: int) -> None:
    try:
        height, width = read_size(image)
    except ValueError as error:
        raise _refused(index, f"{error}, got {len(image)} other bytes") from error
    if height * width > max_image_pixels:
        raise _refused(
            index,
            f"expected at most {max_image_pixels} pixels, got an image of {width} x {height}",
        )


def _refused(index: int, reason: str) -> Exception:
    return invalid_argument(
        f"Failed to process element: {index} of the request. Error: INVALID_ARGUMENT: {reason}"
    )
