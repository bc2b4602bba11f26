"""The schema of the records, curated by hand."""

from __future__ import annotations

from pathlib import Path

SCHEMA_FILE = Path(__file__).resolve().parent / "schema.pbtxt"
