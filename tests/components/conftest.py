"""Pictures on disk as ingestion's tests have them, and reports as the study's."""

from tests.ingestion.conftest import encode_picture, write_pictures
from tests.report.study.conftest import make_report

__all__ = ["encode_picture", "make_report", "write_pictures"]
