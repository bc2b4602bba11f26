"""Measure what a model refers as unfamiliar, or refuses: `python -m tools.ablation.guard`.

    python -m tools.ablation.guard --model output/serving/pneumonia/1
        --records validation=output/records/validation adults=output-adults/records/test

Records are judged as they are, the first ones also with what a sender may do wrong: rotated by 90,
180 and 270 degrees, and inverted. They are compared with pictures of other things: photographs and
drawings of scikit-image, pydicom's samples of other parts of the body, drawn pages of text, noise.
Labels are not read, and nothing is chosen by the outcome.

Prints a table in Markdown; --pictures FILE gets one picture of what should be referred and is not.
Exit codes: 0 done, 2 bad input.
"""

from __future__ import annotations

import argparse
import io
import string
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pydicom
import skimage.data
import tensorflow as tf
from PIL import Image, ImageDraw

from contract import features
from contract.command_line import EXIT_DONE, run_command
from contract.errors import InputError
from contract.long_lived import end_program
from evaluation.intervals import wilson_interval
from ingestion.tfrecord_file import read_folder
from models.session_model import SessionModel
from serving.bisection import answer_in_batches

_SEED = 11
_BATCH_SIZE = 32
_MAX_TILES = 60
_TILE_PX = 112
# Those that the package itself brings; the others would be downloaded.
_PHOTOGRAPHS = (
    "astronaut", "brick", "camera", "cat", "cell", "checkerboard", "clock", "coffee", "coins",
    "colorwheel", "grass", "gravel", "hubble_deep_field", "immunohistochemistry", "logo",
    "microaneurysms", "moon", "page", "retina", "rocket", "text",
)  # fmt: skip

Named = dict[str, bytes]  # encoded images by their name


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = _parse(arguments)
    return run_command(lambda: measure(options), cannot="measure")


def measure(options: argparse.Namespace) -> int:
    """Print what is referred of each set of images; return the exit code.

    Raises:
        InputError: A set or the model cannot be read.
    """
    try:
        sets = gather(dict(options.records))
        model = SessionModel(options.model)
    except OSError as error:
        raise InputError(str(error)) from error
    print("| images | n | referred as unfamiliar or refused | 95% interval |")
    print("|---|---|---|---|")
    missed: Named = {}
    for name, images in sets.items():
        unfamiliar = ask(model, list(images.values()))
        low, high = wilson_interval(int(unfamiliar.sum()), len(images)) or (0.0, 1.0)
        print(
            f"| {name} | {len(images)} | {unfamiliar.mean():.3f} | [{low:.3f}, {high:.3f}] |",
            flush=True,
        )
        if name != options.records[0][0]:
            kept = (
                item for item, is_out in zip(images.items(), unfamiliar, strict=True) if not is_out
            )
            missed |= {f"{name}: {title}": encoded for title, encoded in kept}
    if options.pictures is not None:
        contact_sheet(missed).save(options.pictures)
        print(f"\n{len(missed)} images are not referred and should be: {options.pictures}")
    return EXIT_DONE


def gather(records: dict[str, Path]) -> dict[str, Named]:
    """Collect the sets.

    Args:
        records: Folders of gzipped TFRecords by name; the first is of images that are familiar.

    Raises:
        InputError: A folder holds no records.
    """
    sets = {name: read_images(folder) for name, folder in records.items()}
    familiar = next(iter(sets.values()))
    return {
        **sets,
        **{f"rotated by {90 * k} degrees": _changed(familiar, k, 0) for k in (1, 2, 3)},
        "negatives": _changed(familiar, 0, 255),
        "photographs and drawings": dict(_photographs()),
        "other DICOM images": dict(_dicom_samples()),
        "pages of text": dict(_pages()),
        "noise and gradients": dict(_noise()),
    }


def read_images(folder: Path) -> Named:
    """Read the encoded images of raw records, by image id.

    Args:
        folder: Gzipped TFRecord files.

    Raises:
        InputError: There are none, or a file is damaged.
    """
    images = {
        record.text(features.IMAGE_ID): record.data(features.IMAGE_BYTES)
        for record in read_folder(folder)
    }
    if not images:
        raise InputError(f"expected TFRecords in {folder}, got none; give a split's folder")
    return images


def ask(model: SessionModel, images: Sequence[bytes]) -> np.ndarray:
    """Return which images a model does not judge, as unfamiliar or as no picture, bool [n]."""

    def answer(batch: Sequence[bytes]) -> list[bool]:
        found = model.run(features.SERVING_SIGNATURE, {features.IMAGE_BYTES: list(batch)})
        unfamiliar = features.is_unfamiliar(
            found[features.FAMILIARITY], found[features.FAMILIARITY_THRESHOLD]
        )
        return [bool(each) for each in unfamiliar]

    refusal = tf.errors.InvalidArgumentError
    outcomes = answer_in_batches(images, answer, refusal, _BATCH_SIZE)
    return np.array([isinstance(outcome, refusal) or outcome for outcome in outcomes], bool)


def contact_sheet(images: Named) -> Image.Image:
    """Draw encoded images side by side, the first ones where they are many."""
    shown = list(images.values())[:_MAX_TILES]
    columns = 10
    rows = max(1, -(-len(shown) // columns))
    sheet = Image.new("L", (columns * _TILE_PX, rows * _TILE_PX))
    for index, encoded in enumerate(shown):
        tile = Image.open(io.BytesIO(encoded)).convert("L").resize((_TILE_PX, _TILE_PX))
        sheet.paste(tile, (index % columns * _TILE_PX, index // columns * _TILE_PX))
    return sheet


def _changed(images: Named, quarter_turns: int, inverted_from: int) -> Named:
    """Turn images to the left, or invert them."""
    changed = {}
    for name, encoded in images.items():
        pixels = np.rot90(np.asarray(Image.open(io.BytesIO(encoded)).convert("L")), quarter_turns)
        changed[name] = _encode(np.abs(inverted_from - pixels.astype(int)))
    return changed


def _photographs() -> Iterator[tuple[str, bytes]]:
    for name in _PHOTOGRAPHS:
        yield name, _encode(getattr(skimage.data, name)())


def _dicom_samples() -> Iterator[tuple[str, bytes]]:
    with warnings.catch_warnings():
        # Of files that are damaged on purpose.
        warnings.simplefilter("ignore")
        for path in sorted((Path(pydicom.__file__).parent / "data" / "test_files").rglob("*.dcm")):
            try:
                pixels = pydicom.dcmread(path).pixel_array
            except Exception:  # whatever it is, this sample cannot be shown to anybody
                continue
            while pixels.ndim > 2 and pixels.shape[-1] != 3:
                pixels = pixels[0]
            while pixels.ndim > 3:
                pixels = pixels[0]
            if min(pixels.shape[:2]) >= 32:
                yield path.name, _encode(_stretch(pixels))


def _pages() -> Iterator[tuple[str, bytes]]:
    random = np.random.default_rng(_SEED)
    letters = np.array(list(string.ascii_lowercase + "      "))
    for index in range(30):
        is_dark = index % 3 == 0
        page = Image.new("L", (600, 800), 0 if is_dark else 255)
        draw = ImageDraw.Draw(page)
        size_px = int(random.integers(10, 22))
        for top in range(20, 780, size_px + int(random.integers(4, 20))):
            line = "".join(random.choice(letters, 60))
            draw.text((40, top), line, fill=255 if is_dark else 0, font_size=size_px)
        yield f"page {index}", _encode(np.asarray(page))


def _noise() -> Iterator[tuple[str, bytes]]:
    random = np.random.default_rng(_SEED)
    for index in range(10):
        yield f"uniform {index}", _encode(random.integers(0, 256, (256, 256)))
        yield f"normal {index}", _encode(np.clip(random.normal(128, 40, (256, 256)), 0, 255))
        yield f"flat {index}", _encode(np.full((256, 256), 25 * index))
        clouds = Image.fromarray(random.integers(0, 256, (8, 8)).astype(np.uint8))
        yield (
            f"clouds {index}",
            _encode(np.asarray(clouds.resize((256, 256), Image.Resampling.BICUBIC))),
        )
        ramp = np.linspace(0, 255, 256)
        yield (
            f"gradient {index}",
            _encode((ramp * random.random() + ramp[:, None] * random.random()) / 2),
        )


def _stretch(pixels: np.ndarray) -> np.ndarray:
    values = pixels.astype(float)
    return (values - values.min()) / max(float(np.ptp(values)), 1.0) * 255.0


def _encode(pixels: np.ndarray) -> bytes:
    if pixels.dtype == bool:
        pixels = pixels * 255
    if pixels.ndim == 3 and pixels.shape[-1] > 3:
        pixels = pixels[..., :3]
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(pixels).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def _named_folder(text: str) -> tuple[str, Path]:
    name, separator, folder = text.partition("=")
    if not (name and separator and folder):
        raise argparse.ArgumentTypeError(f"expected NAME=FOLDER, got {text!r}")
    return name, Path(folder)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.ablation.guard", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--model", metavar="DIR", type=Path, required=True, help="a SavedModel")
    parser.add_argument(
        "--records",
        metavar="NAME=FOLDER",
        type=_named_folder,
        nargs="+",
        required=True,
        help="splits of raw records; the first one is of images that should be familiar",
    )
    parser.add_argument("--pictures", metavar="FILE", type=Path, help="PNG of what was missed")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    end_program(main())
