"""The drawn set as a whole: its files, that they repeat, and that no shortcut gives it away."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sklearn.metrics import roc_auc_score

from contract.errors import InputError
from contract.features import BACTERIAL, NORMAL, VIRAL
from contract.progress import LOGGER_NAME
from contract.settings import SyntheticSettings
from ingestion import synthetic
from ingestion.synthetic import (
    NOTICE_FILE,
    PlannedImage,
    draw_image,
    plan_images,
    write_synthetic_set,
)

SMALL = SyntheticSettings(num_images=24, min_side_px=64, max_side_px=80)
LARGE = SyntheticSettings(num_images=400, pneumonia_fraction=0.5, min_side_px=96, max_side_px=192)


@given(
    num_images=st.integers(24, 300),
    pneumonia_fraction=st.floats(0.001, 0.999),
    seed=st.integers(0, 2**40),
)
def test_counts_names_and_patients(num_images: int, pneumonia_fraction: float, seed: int):
    settings = SyntheticSettings(
        num_images=num_images, pneumonia_fraction=pneumonia_fraction, seed=seed
    )
    images = plan_images(settings)
    assert len(images) == len({image.path for image in images}) == num_images
    assert [image.index for image in images] == list(range(num_images))

    counts = Counter(image.subtype for image in images)
    assert set(counts) == {NORMAL, BACTERIAL, VIRAL}
    asked = min(max(num_images * pneumonia_fraction, 2), num_images - 1)
    assert abs(counts[BACTERIAL] + counts[VIRAL] - asked) <= 0.5

    of_patient = defaultdict(list)
    for image in images:
        of_patient[image.patient].append(image)
    for group in of_patient.values():
        assert 1 <= len(group) <= 3
        assert len({image.subtype for image in group}) == 1


def test_names_tell_class_cause_and_patient():
    images = plan_images(SyntheticSettings(num_images=200))
    patients_by_name = defaultdict(set)
    for image in images:
        folder, name = image.path.removeprefix("train/").split("/")
        if image.subtype == NORMAL:
            assert folder == "NORMAL"
            patients_by_name[name.rsplit("-", 1)[0]].add(image.patient)
        else:
            assert folder == "PNEUMONIA"
            assert {BACTERIAL: "bacteria", VIRAL: "virus"}[image.subtype] in name
            patients_by_name[name.split("_")[0]].add(image.patient)
    assert all(len(patients) == 1 for patients in patients_by_name.values())
    assert len(patients_by_name) == len({image.patient for image in images}) < 200


def test_plan_follows_the_seed():
    first, second = (plan_images(SyntheticSettings(num_images=50, seed=seed)) for seed in (1, 2))
    assert first == plan_images(SyntheticSettings(num_images=50, seed=1))
    assert first != second


@pytest.fixture(scope="module")
def large_set(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return the files of a set that is large enough for statistics."""
    images_dir = write_synthetic_set(tmp_path_factory.mktemp("drawn") / "set", LARGE)
    return sorted(path for path in images_dir.rglob("*") if path.is_file())


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def read_pixels(path: Path, side_px: int | None = None) -> np.ndarray:
    with Image.open(path) as image:
        grey = image.convert("L")
    return np.asarray(grey.resize((side_px, side_px)) if side_px else grey, dtype=np.float64)


def is_pneumonia(path: Path) -> bool:
    return path.parent.name == "PNEUMONIA"


def test_files_have_the_well_known_layout_and_names(large_set: list[Path]):
    assert len(large_set) == LARGE.num_images
    assert sum(is_pneumonia(path) for path in large_set) == 200
    for path in large_set:
        assert path.parent.parent.name == "train"
        assert path.parent.parent.parent.name == "chest_xray"
        pattern = (
            r"person\d+_(bacteria|virus)_\d+" if is_pneumonia(path) else r"IM-\d{4}-\d{4}"
        ) + r"\.(jpeg|png)"
        assert re.fullmatch(pattern, path.name)


def test_images_vary_in_size_shape_and_format(large_set: list[Path]):
    kinds, sizes = set(), []
    for path in large_set:
        with Image.open(path) as image:
            image.load()
            kinds.add((image.format, image.mode))
            sizes.append(image.size)
    assert kinds == {("JPEG", "L"), ("JPEG", "RGB"), ("PNG", "L")}
    assert min(min(sizes)) >= LARGE.min_side_px
    assert max(max(sizes)) <= LARGE.max_side_px
    aspects = [width / height for width, height in sizes]
    assert min(aspects) < 1.0 < 1.3 < max(aspects)


def test_rgb_images_are_grey(large_set: list[Path]):
    rgb = []
    for path in large_set:
        with Image.open(path) as image:
            if image.mode == "RGB":
                rgb.append(np.asarray(image))
    assert rgb
    for pixels in rgb:
        assert np.array_equal(pixels[..., 0], pixels[..., 1])
        assert np.array_equal(pixels[..., 0], pixels[..., 2])


@pytest.mark.parametrize(
    "statistic",
    [
        pytest.param(lambda path, pixels: pixels.mean(), id="brightness"),
        pytest.param(lambda path, pixels: pixels.std(), id="contrast"),
        pytest.param(lambda path, pixels: pixels.size, id="size"),
        pytest.param(lambda path, pixels: pixels.shape[1] / pixels.shape[0], id="aspect"),
        pytest.param(lambda path, pixels: np.abs(np.diff(pixels, axis=1)).mean(), id="sharpness"),
        pytest.param(lambda path, pixels: path.stat().st_size, id="file size"),
        pytest.param(lambda path, pixels: path.stat().st_size / pixels.size, id="bytes a pixel"),
        pytest.param(lambda path, pixels: path.suffix == ".png", id="format"),
    ],
)
@pytest.mark.parametrize("cause", ["bacteria", "virus"])
def test_no_shortcut_tells_the_classes_apart(
    large_set: list[Path], statistic: Callable[[Path, np.ndarray], float], cause: str
):
    paths = [path for path in large_set if not is_pneumonia(path) or cause in path.name]
    values = [statistic(path, read_pixels(path)) for path in paths]
    auc = roc_auc_score([is_pneumonia(path) for path in paths], values)
    assert max(auc, 1.0 - auc) < 0.75


def gain_per_side(image: PlannedImage) -> tuple[float, float]:
    """Return how much the finding brightens the image's two halves, grey levels."""
    healthy = dataclasses.replace(image, subtype=NORMAL)
    difference = draw_image(image, LARGE).astype(int) - draw_image(healthy, LARGE)
    middle = difference.shape[1] // 2
    assert (np.abs(difference) > 1).mean() < 0.5  # the lungs, and nothing else
    return float(difference[:, :middle].mean()), float(difference[:, middle:].mean())


def test_bacterial_findings_brighten_one_lung():
    images = [image for image in plan_images(LARGE) if image.subtype == BACTERIAL][::10]
    for smaller, larger in (sorted(gain_per_side(image)) for image in images):
        assert larger > 2.0
        assert smaller < 0.2 * larger


def test_viral_findings_brighten_both_lungs():
    images = [image for image in plan_images(LARGE) if image.subtype == VIRAL][::10]
    for smaller, larger in (sorted(gain_per_side(image)) for image in images):
        assert smaller > 2.0
        assert larger < 3.0 * smaller


@pytest.mark.slow
def test_several_processes_draw_what_one_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = write_synthetic_set(tmp_path / "alone", SMALL)
    monkeypatch.setattr(synthetic, "_IMAGES_PER_PROCESS", 12)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    started = []
    of_library = synthetic.ProcessPoolExecutor

    def start(num_processes, context):
        started.append(num_processes)
        return of_library(num_processes, context)

    monkeypatch.setattr(synthetic, "ProcessPoolExecutor", start)
    together = write_synthetic_set(tmp_path / "together", SMALL)
    assert started == [2]
    files = [path.relative_to(alone) for path in alone.rglob("*.*")]
    assert len(files) == SMALL.num_images
    for path in files:
        assert (together / path).read_bytes() == (alone / path).read_bytes()


def test_same_settings_give_the_same_bytes(tmp_path: Path):
    first = write_synthetic_set(tmp_path / "first", SMALL)
    second = write_synthetic_set(tmp_path / "second", SMALL)
    assert len(contents(first)) == SMALL.num_images
    assert contents(first) == contents(second)


def test_another_seed_gives_other_images():
    other = SMALL.model_copy(update={"seed": SMALL.seed + 1})
    image, same = plan_images(SMALL)[0], draw_image(plan_images(SMALL)[0], SMALL)
    assert np.array_equal(same, draw_image(image, SMALL))
    assert not np.array_equal(same, draw_image(image, other))


def test_an_image_does_not_depend_on_the_others_drawn():
    planned = plan_images(SMALL)
    in_order = [draw_image(image, SMALL) for image in planned]
    for image, expected in reversed(list(zip(planned, in_order, strict=True))):
        assert np.array_equal(draw_image(image, SMALL), expected)


def test_finished_set_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    written = write_synthetic_set(tmp_path / "set", SMALL)
    monkeypatch.setattr(synthetic, "draw_image", None)  # a call would fail
    assert write_synthetic_set(tmp_path / "set", SMALL) == written


@pytest.mark.parametrize("change", ["settings", "code", "missing image"])
def test_set_that_differs_is_drawn_again(tmp_path: Path, change: str):
    images_dir = write_synthetic_set(tmp_path / "set", SMALL)
    expected = contents(images_dir)
    notice = tmp_path / "set" / NOTICE_FILE
    if change == "settings":
        write_synthetic_set(tmp_path / "set", SMALL.model_copy(update={"num_images": 30}))
        assert len(contents(images_dir)) == 30
    elif change == "code":
        notice.write_text(notice.read_text().replace("fingerprint ", "fingerprint 0"))
        next(images_dir.rglob("*.jpeg")).write_bytes(b"drawn by older code")
    else:
        next(images_dir.rglob("*.jpeg")).unlink()
    write_synthetic_set(tmp_path / "set", SMALL)
    assert contents(images_dir) == expected


def test_interrupted_set_is_not_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    calls = []

    def draw_few(*arguments: object) -> np.ndarray:
        calls.append(arguments)
        if len(calls) > 3:
            raise KeyboardInterrupt
        return np.zeros((64, 64), dtype=np.uint8)

    with monkeypatch.context() as patched:
        patched.setattr(synthetic, "draw_image", draw_few)
        with pytest.raises(KeyboardInterrupt):
            write_synthetic_set(tmp_path / "set", SMALL)
    assert not (tmp_path / "set").exists()

    images_dir = write_synthetic_set(tmp_path / "set", SMALL)
    assert len(contents(images_dir)) == SMALL.num_images
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_somebody_elses_folder_is_left_alone(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match=r"expected a missing or empty folder.*choose another"):
        write_synthetic_set(tmp_path, SMALL)
    assert contents(tmp_path) == {"notes.txt": b"mine"}


def test_folder_that_cannot_be_written_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
    with pytest.raises(InputError, match=r"expected a folder that can be written at .*file/set"):
        write_synthetic_set(tmp_path / "file" / "set", SMALL)


def test_notice_says_that_nothing_is_clinical(tmp_path: Path):
    write_synthetic_set(tmp_path / "set", SMALL)
    notice = (tmp_path / "set" / NOTICE_FILE).read_text(encoding="utf-8")
    assert "drawn by a program" in notice
    assert "no result obtained from them means anything clinically" in notice


def test_progress_ends_at_the_total(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    with caplog.at_level("INFO", logger=LOGGER_NAME):
        write_synthetic_set(tmp_path / "set", SMALL)
    steps = [record.progress for record in caplog.records]
    assert [step.done for step in steps] == [20, 24]
    assert {(step.stage, step.total, step.unit) for step in steps} == {
        ("Drawing synthetic X-rays", 24, "image")
    }
