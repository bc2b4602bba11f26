import pytest

from contract.errors import InputError
from contract.settings import MetadataSettings
from pipeline.metadata_store import connection_config


def test_sqlite_is_a_file_whose_folder_is_made(tmp_path):
    config = connection_config(MetadataSettings(), tmp_path / "new" / "metadata.sqlite")
    assert config.sqlite.filename_uri.endswith("new/metadata.sqlite")
    assert (tmp_path / "new").is_dir()


def test_mysql_takes_its_password_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("DB_SECRET", "s3cret")
    settings = MetadataSettings(
        backend="mysql", mysql_host="db", mysql_port=3307, mysql_password_env="DB_SECRET"
    )
    config = connection_config(settings, tmp_path / "unused")
    assert (config.mysql.host, config.mysql.port) == ("db", 3307)
    assert config.mysql.password == "s3cret"


def test_mysql_without_its_password_says_which_variable(tmp_path, monkeypatch):
    monkeypatch.delenv("MYSQL_PASSWORD", raising=False)
    with pytest.raises(InputError, match="MYSQL_PASSWORD, got none"):
        connection_config(MetadataSettings(backend="mysql"), tmp_path / "unused")
