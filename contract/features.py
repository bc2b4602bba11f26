"""The feature contract: every key and vocabulary of the records, in one place.

A record is one `tf.Example` for one X-ray. Ingestion writes it, the curated
schema (`models/schema/schema.pbtxt`) describes it, and Transform, Trainer and
Evaluator read it.
"""

from __future__ import annotations

from typing import Any

# Raw features, as ingestion writes them.
IMAGE_BYTES = "image_bytes"  # bytes: the encoded JPEG or PNG, untouched
IMAGE_ID = "image_id"  # bytes: where the image came from, relative to the source
HEIGHT = "height"  # int64: native height, px
WIDTH = "width"  # int64: native width, px
SIZE_GROUP = "size_group"  # bytes: one of SIZE_GROUPS, from the shorter side
SHARPNESS_GROUP = "sharpness_group"  # bytes: one of SHARPNESS_GROUPS
LABEL = "label"  # int64: index into LABELS
SUBTYPE = "subtype"  # bytes: one of SUBTYPES
PATIENT_ID = "patient_id"  # bytes
SOURCE_SPLIT = "source_split"  # bytes: the source's own split, or "" where it has none
PIXEL_SHA256 = "pixel_sha256"  # bytes: hex digest of the decoded 8-bit grey pixels

RAW_BYTES_FEATURES = (
    IMAGE_BYTES,
    IMAGE_ID,
    SIZE_GROUP,
    SHARPNESS_GROUP,
    SUBTYPE,
    PATIENT_ID,
    SOURCE_SPLIT,
    PIXEL_SHA256,
)
RAW_INT_FEATURES = (HEIGHT, WIDTH, LABEL)

# Vocabularies.
NORMAL = "normal"
PNEUMONIA = "pneumonia"
LABELS = (NORMAL, PNEUMONIA)  # the index is the label's value

BACTERIAL = "bacterial"
VIRAL = "viral"
UNKNOWN = "unknown"  # pneumonia whose cause the source does not name
SUBTYPES = (NORMAL, BACTERIAL, VIRAL, UNKNOWN)
PNEUMONIA_SUBTYPES = (BACTERIAL, VIRAL, UNKNOWN)

TRAIN = "train"
VALIDATION = "validation"
TEST = "test"
SPLITS = (TRAIN, VALIDATION, TEST)

# Shorter side in px; group names are slice names in reports.
SIZE_GROUPS = ("under_500_px", "500_to_999_px", "1000_px_and_over")


def size_group(height_px: int, width_px: int) -> str:
    """Return the name of the size group that an image belongs to.

    Args:
        height_px: Native height in pixels, at least 1.
        width_px: Native width in pixels, at least 1.

    Returns:
        One of `SIZE_GROUPS`, by the shorter side.
    """
    shorter_px = min(height_px, width_px)
    if shorter_px < 500:
        return SIZE_GROUPS[0]
    if shorter_px < 1000:
        return SIZE_GROUPS[1]
    return SIZE_GROUPS[2]


# A 16-bit image is reduced to its high byte. Where so large a part of the pixels is below a quarter
# of the range, it holds fewer bits than it declares, and would be judged as nearly black.
MIN_HIGH_BYTE = 64
MAX_DARK_FRACTION = 0.95


# Of the mean absolute gradient at 128 px, grey levels per px; names are slice names in reports.
SHARPNESS_GROUPS = ("soft", "medium", "sharp")
# About the 33rd and the 67th percentile of the public set's training images at 224x224.
_SHARPNESS_CUTS = (4.4, 5.7)


def sharpness_group(mean_gradient: float) -> str:
    """Return the name of the sharpness group that an image belongs to.

    Args:
        mean_gradient: What `ingestion.sharpness.mean_absolute_gradient` says of the
            image's thumbnail, in [0, 255].

    Returns:
        One of `SHARPNESS_GROUPS`; a cut point itself is in the sharper group.
    """
    return SHARPNESS_GROUPS[sum(mean_gradient >= cut for cut in _SHARPNESS_CUTS)]


# Transformed features, as Transform materialises them.
TRANSFORMED_IMAGE = "image_pixels"  # bytes: a grey level each, of the network's input size
TRANSFORMED_LABEL = LABEL  # int64
# bytes, as they were: slices, whose image it is, and where it came from
TRANSFORMED_TEXTS = (SUBTYPE, SIZE_GROUP, SHARPNESS_GROUP, PATIENT_ID, IMAGE_ID)

# Outputs of the served model.
PROBABILITY = "probability"  # float32 in [0, 1]
PREDICTED_LABEL = "label"  # string: one of LABELS
THRESHOLD = "threshold"  # float32 in [0, 1]: pneumonia at or above it
CALLED_PNEUMONIA = "called_pneumonia"  # float32, 0 or 1: probability >= threshold
# Variables of the served model beside `THRESHOLD`: scores from the first to below the second are
# referred.
BAND = ("decision_low", "decision_high")
FAMILIARITY = "familiarity"  # float32 in (0, 1]: part of the known images that are as unusual
FAMILIARITY_THRESHOLD = "familiarity_threshold"  # float32: unfamiliar below it
DECISION = "decision"  # string: PNEUMONIA, NORMAL, or REFER to a person
REFER = "refer"
# Of the signature `CASE_SIGNATURE`, for TFMA's slices.
CASE = "case"  # string: one of CASES
DECIDED, REFERRED = "decided", "referred"
CASES = (DECIDED, REFERRED)


def is_unfamiliar(familiarity: Any, threshold: Any) -> Any:
    """Return whether an image, or each of several, is unlike the images that a model knows.

    Args:
        familiarity: `FAMILIARITY`: a number, an array or a tensor.
        threshold: `FAMILIARITY_THRESHOLD`: one, or one for each.
    """
    return familiarity < threshold


# The name's end makes TF Serving's JSON carry it as base64.
TRANSFORMED_IMAGE_BYTES = "image_png_bytes"  # string: TRANSFORMED_IMAGE as 8-bit grey PNG

# Signatures of the exported model.
SERVING_SIGNATURE = "serving_default"  # image bytes -> PROBABILITY, PREDICTED_LABEL, DECISION, ...
EXAMPLES_SIGNATURE = "serving_examples"  # raw tf.Example -> the same, and CALLED_PNEUMONIA
CASE_SIGNATURE = "cases"  # serialized raw tf.Example -> CASE
TRANSFORM_SIGNATURE = "transform_features"  # serialized raw tf.Example -> TRANSFORMED_IMAGE_BYTES
INFORMATION_SIGNATURE = "model_information"  # anything -> facts of `models.provenance`
EXAMPLES_INPUT = "examples"
INFORMATION_INPUT = "rows"
