"""Pictures on disk, as ingestion's tests have them."""

from tests.ingestion.conftest import encode_picture, write_pictures

__all__ = ["encode_picture", "write_pictures"]
