"""What the benchmark of Beam's stages draws, and what it prints of names."""

import pytest

from contract.settings import BeamSettings, DataSettings
from ingestion.conversion import convert
from ingestion.folder import read_folder
from tools.benchmarks import beam_scale

pytestmark = pytest.mark.slow


def test_drawn_images_convert_with_two_for_each_patient(tmp_path):
    beam_scale._draw(tmp_path / "images", 120)
    source = read_folder(tmp_path / "images")
    card = convert(source, DataSettings(), tmp_path / "records", BeamSettings().pipeline_args)
    assert (card.num_images, card.num_patients) == (120, 60)
    assert card.duplicates.num_groups == 0
    assert card.height.min_px == card.width.max_px == beam_scale.SIDE_PX


def test_names_are_converted_without_an_image(tmp_path, capsys):
    arguments = ["names", "--images", "300", "600", "--work-dir", str(tmp_path)]
    assert beam_scale.main(arguments) == 0
    header, _, *rows = capsys.readouterr().out.splitlines()
    assert [row.split("|")[1].strip() for row in rows] == ["300", "600"]
    assert all(len(row.split("|")) == len(header.split("|")) for row in rows)
    assert list(tmp_path.rglob("*.png")) == []
