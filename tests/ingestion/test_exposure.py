import io

import numpy as np
import pytest
from PIL import Image

from contract.errors import InputError
from ingestion.exposure import measure_mean_greys
from tests.report.made_records import make_facts, write_split


def flat(grey, width=300, height=200):
    buffer = io.BytesIO()
    Image.fromarray(np.full((height, width), grey, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def test_every_image_is_measured_by_its_id(tmp_path):
    greys = {"dark": 20, "medium": 90, "bright": 200}
    facts = [make_facts(name) for name in greys]
    write_split(tmp_path / "test", facts, **{name: flat(grey) for name, grey in greys.items()})
    assert measure_mean_greys(tmp_path / "test") == pytest.approx(greys)


def test_half_black_is_half_as_bright(tmp_path):
    pixels = np.zeros((256, 256), np.uint8)
    pixels[:, 128:] = 200
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    write_split(tmp_path / "test", [make_facts("half")], num_files=1, half=buffer.getvalue())
    assert measure_mean_greys(tmp_path / "test")["half"] == pytest.approx(100.0, abs=1.0)


def test_a_damaged_file_is_the_inputs_fault(tmp_path):
    (tmp_path / "part.gz").write_bytes(b"no records")
    with pytest.raises(InputError):
        measure_mean_greys(tmp_path)
