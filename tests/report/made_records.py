"""Raw records of small pictures, drawn on the spot."""

import io

import numpy as np
from PIL import Image

from contract import features
from ingestion.tfrecord_file import encode_example, write_gzip_records
from report.data.facts import RecordFacts


def make_facts(image_id="a", subtype="normal", **changes):
    fields = {
        "image_id": image_id,
        "label": int(subtype != features.NORMAL),
        "subtype": subtype,
        "patient_id": f"patient of {image_id}",
        "height": 30,
        "width": 40,
        "pixel_sha256": f"pixels of {image_id}",
    }
    return RecordFacts(**{**fields, **changes})


def encode_picture(width, height, seed=0):
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8), dtype=np.uint8)
    buffer = io.BytesIO()
    picture = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    picture.save(buffer, "JPEG")
    return buffer.getvalue()


def write_split(folder, records, num_files=2, **replaced):
    """Write records into files; `replaced` holds image bytes by image id."""
    folder.mkdir(parents=True)
    for number in range(num_files):
        encoded = [_encode(record, replaced) for record in records[number::num_files]]
        write_gzip_records(folder / f"part-{number}.tfrecord.gz", encoded)


def _encode(record, replaced):
    picture = replaced.get(record.image_id) or encode_picture(record.width, record.height)
    return encode_example(
        {
            features.IMAGE_BYTES: picture,
            features.IMAGE_ID: record.image_id.encode(),
            features.LABEL: record.label,
            features.SUBTYPE: record.subtype.encode(),
            features.PATIENT_ID: record.patient_id.encode(),
            features.HEIGHT: record.height,
            features.WIDTH: record.width,
            features.PIXEL_SHA256: record.pixel_sha256.encode(),
        }
    )
