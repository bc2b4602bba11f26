import io

import numpy as np
import pytest
from PIL import Image

from ingestion.tfrecord_file import encode_example
from serving.server.images import check_images
from serving.server.rest.errors import ServingError


def encode(height, width, file_format):
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((height, width), np.uint8)).save(buffer, file_format)
    return buffer.getvalue()


def strings(*values):
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def test_a_bomb_is_refused_by_its_index_in_both_signatures():
    small, large = encode(10, 10, "PNG"), encode(11, 10, "JPEG")
    check_images({"image_bytes": strings(small, small)}, 100)
    with pytest.raises(ServingError, match=r"element: 1 .* 100 pixels, got an image of 10 x 11"):
        check_images({"image_bytes": strings(small, large)}, 100)
    records = [encode_example({"image_bytes": image}) for image in (small, large)]
    with pytest.raises(ServingError, match=r"element: 1 .* 100 pixels, got an image of 10 x 11"):
        check_images({"examples": strings(*records)}, 100)
    with pytest.raises(ServingError, match=r"element: 1 .* expected a serialized tf.Example"):
        check_images({"examples": strings(records[0], b"\xff\xff")}, 100)
