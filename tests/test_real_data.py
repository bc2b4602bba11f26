"""A small part of the real X-rays, through the command's own function, where they are there."""

import zipfile

import pytest

import local_runner
from contract.command_line import EXIT_DONE, EXIT_REFUSED
from pipeline.summary import read_summary
from tests.browser import PageFindings, inspect

pytestmark = [pytest.mark.slow, pytest.mark.real_data]

EVERY = 13  # of `train`
EVERY_OF_VAL = 4  # of the 16 in `val`, which must have both classes


@pytest.fixture
def part_of_the_zip(shared_data, tmp_path):
    part = tmp_path / "part.zip"
    with zipfile.ZipFile(shared_data) as whole, zipfile.ZipFile(part, "w") as archive:
        images = sorted(name for name in whole.namelist() if name.endswith(".jpeg"))
        names = [name for name in images if "/train/" in name][::EVERY]
        names += [name for name in images if "/val/" in name][::EVERY_OF_VAL]
        for name in names:
            archive.writestr(name, whole.read(name))
    return part, names


def test_real_xrays_end_with_a_verdict(part_of_the_zip, tmp_path):
    part, names = part_of_the_zip
    output = tmp_path / "output"
    code = local_runner.main(["--config", "quick", "--data", str(part), "--output", str(output)])
    assert code in (EXIT_DONE, EXIT_REFUSED)
    summary = read_summary(output / "summary.json")
    assert not summary.synthetic
    assert summary.data.images == len(names)
    assert summary.data.rejected == 0
    pneumonia = sum(split.by_label["pneumonia"] for split in summary.data.splits.values())
    assert pneumonia == sum("/PNEUMONIA/" in name for name in names)
    assert summary.metrics.validation.overall.recall.value >= 0.97  # where the threshold was put
    test = summary.metrics.test.overall
    assert test.recall.low <= test.recall.value <= test.recall.high
    assert summary.gate.blessed == (code == EXIT_DONE)
    page = output / "report" / "index.html"
    assert "could not be made" not in page.read_text(encoding="utf-8")
    assert (summary.pushed_model is not None) == summary.gate.blessed
    assert inspect(page, 390) == PageFindings((), (), 0, (), (), 0)
