import pytest

from contract.errors import InputError
from contract.settings import MetadataSettings
from pipeline.metadata_store import connection_config


def test_sqlite_is_a_file_whose_folder_is_made(tmp_path):
    config = connection_config(MetadataSettings(), tmp_path / "new" / "metadata.sqlite")
    assert config.sqlite.filename_uri.endswith("new/metadata.sqlite")
    assert (tmp_path / "new").is_dir()


def test_mysql_without_its_password_says_which_variable(tmp_path, monkeypatch):
    monkeypatch.delenv("MYSQL_PASSWORD", raising=False)
    with pytest.raises(InputError, match="MYSQL_PASSWORD, got none"):
        connection_config(MetadataSettings(backend="mysql"), tmp_path / "unused")
