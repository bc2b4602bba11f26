"""What a run left, made by hand: only the parts that a test asks for are there."""

from pathlib import Path

from contract.settings import ReportRun, ReportSettings
from report.sources import Sources


def make_sources(folder: Path, *, sample_images=4, seed=3, **changes):
    """Return sources under a folder, each artifact in a subfolder of its field's name."""
    names = (
        "examples", "schema", "statistics", "anomalies", "data_audit", "transform_graph", "model",
        "model_run", "evaluation", "blessing", "records_dir",
    )  # fmt: skip
    fields = {
        "run": ReportRun(
            pipeline_name="pneumonia",
            seed=seed,
            image_size_px=32,
            synthetic=True,
            report=ReportSettings(sample_images=sample_images),
        ),
        **{name: folder / name for name in names},
        "models": {},
        "model_runs": {},
        "baseline": None,
        "baseline_version": None,
        "metadata_file": None,
    }
    return Sources(**{**fields, **changes})


def flatten(parts):
    """Return all parts, those of groups after their group."""
    flat = []
    for part in parts:
        flat.append(part)
        flat += flatten(getattr(part, "parts", ()))
    return flat


def texts_of(table):
    """Return the texts of a table's cells, row by row; details are left out."""
    return [[getattr(cell, "text", cell) for cell in row] for row in table.rows]
