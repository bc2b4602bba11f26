from __future__ import annotations

from pathlib import Path

import pytest

from contract.errors import InputError
from tools.benchmarks.conversion import measure, read_and_verify
from tools.benchmarks.images import Sizes, load_images


def test_figures_come_out_and_are_positive(
    drawn_images: str, tmp_path: Path, tiny_sizes: Sizes
) -> None:
    told: list[str] = []
    figures = measure(drawn_images, tmp_path, tiny_sizes, told.append)
    assert figures.num_images == tiny_sizes.num_images
    assert figures.ratio().median > 0
    assert len(told) == 4  # a warm-up and one round, of two sides
    assert (tmp_path / "records" / "train").is_dir()


def test_bare_loop_sees_every_pixel(drawn_images: str, tmp_path: Path) -> None:
    paths = [image.path for image in load_images(drawn_images, tmp_path, 20).images]
    digests = read_and_verify(paths)
    assert len(set(digests)) == len(paths) == 20


def test_a_file_that_the_bare_loop_cannot_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "scan.dcm"
    path.write_bytes(bytes(128) + b"DICM")
    with pytest.raises(InputError, match=r"JPEG and PNG files only.*scan\.dcm"):
        read_and_verify([path])


def test_a_part_of_the_images_is_taken_from_all_of_them(drawn_images: str, tmp_path: Path) -> None:
    everything = load_images(drawn_images, tmp_path, None).images
    part = load_images(drawn_images, tmp_path, 24).images
    assert len(part) == 24
    assert part == everything[::3]
    assert {image.label for image in part} == {0, 1}
