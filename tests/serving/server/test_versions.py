from pathlib import Path

import pytest

from serving.server.rest.errors import ServingError
from serving.server.versions import VersionPool


class Loader:
    """Gives a text for a model, and fails where the folder says so."""

    def __init__(self):
        self.loaded = []

    def __call__(self, directory, version):
        self.loaded.append(version)
        if (directory / "broken").exists():
            raise OSError("damaged")
        return f"model {version}"


@pytest.fixture
def loader():
    return Loader()


def push(folder: Path, version: int, *, broken: bool = False) -> None:
    target = folder / str(version)
    target.mkdir(parents=True, exist_ok=True)
    (target / "saved_model.pb").touch()
    if broken:
        (target / "broken").touch()


def states(pool):
    return [(state.version, state.state.value) for state in pool.states()]


def answer(pool, version=None, label=None):
    with pool.lease("m", version, label) as model:
        return model


def test_the_newest_takes_over_and_the_old_one_stays_for_its_requests(tmp_path, loader):
    push(tmp_path, 1)
    pool = VersionPool("m", tmp_path, {}, loader)
    pool.refresh()
    with pool.lease("m", None, None) as model:
        push(tmp_path, 2)
        pool.refresh()
        assert (model, answer(pool)) == ("model 1", "model 2")
        assert states(pool) == [(2, "AVAILABLE"), (1, "UNLOADING")]
        with pytest.raises(ServingError, match=r"Specific\(m, 1\)"), pool.lease("m", 1, None):
            pass
    pool.refresh()
    assert states(pool) == [(2, "AVAILABLE"), (1, "END")]
    assert loader.loaded == [1, 2]


def test_an_earlier_version_comes_back_when_the_newest_is_removed(tmp_path, loader):
    push(tmp_path, 1)
    pool = VersionPool("m", tmp_path, {}, loader)
    pool.refresh()
    push(tmp_path, 2)
    pool.refresh()
    (tmp_path / "2").rename(tmp_path / ".withdrawn")
    pool.refresh()
    assert answer(pool) == "model 1"
    assert states(pool) == [(2, "END"), (1, "AVAILABLE")]


def test_a_version_that_does_not_load_changes_nothing_and_is_tried_again(tmp_path, loader):
    now = [0.0]
    push(tmp_path, 1)
    pool = VersionPool("m", tmp_path, {}, loader, clock=lambda: now[0])
    pool.refresh()
    push(tmp_path, 2, broken=True)
    pool.refresh()
    pool.refresh()
    assert answer(pool) == "model 1"
    assert states(pool) == [(2, "END"), (1, "AVAILABLE")]
    assert pool.states()[0].error == "OSError: damaged"
    assert loader.loaded == [1, 2]
    (tmp_path / "2" / "broken").unlink()
    now[0] = 61.0
    pool.refresh()
    assert answer(pool) == "model 2"


def test_a_start_passes_over_newest_versions_that_do_not_load(tmp_path, loader):
    push(tmp_path, 1)
    push(tmp_path, 2)
    push(tmp_path, 3, broken=True)
    (tmp_path / "4").mkdir()  # a copy that was stopped before saved_model.pb
    pool = VersionPool("m", tmp_path, {}, loader)
    pool.refresh()
    assert answer(pool) == "model 2"
    assert loader.loaded == [3, 2]
    assert states(pool) == [(4, "END"), (3, "END"), (2, "AVAILABLE")]
    assert [state.error for state in pool.states()] == [
        f"no saved_model.pb in {tmp_path / '4'}",
        "OSError: damaged",
        "",
    ]
    (tmp_path / "4" / "saved_model.pb").touch()
    pool.refresh()
    assert answer(pool) == "model 4"


def test_a_removed_newest_leads_to_the_newest_that_loads(tmp_path, loader):
    push(tmp_path, 1)
    push(tmp_path, 2, broken=True)
    push(tmp_path, 3, broken=True)
    push(tmp_path, 4)
    pool = VersionPool("m", tmp_path, {}, loader)
    pool.refresh()
    assert loader.loaded == [4]
    (tmp_path / "4").rename(tmp_path / ".withdrawn")
    pool.refresh()
    assert answer(pool) == "model 1"
    assert states(pool) == [(4, "END"), (3, "END"), (2, "END"), (1, "AVAILABLE")]


def test_a_removed_newest_stays_where_nothing_else_loads(tmp_path, loader):
    push(tmp_path, 1, broken=True)
    push(tmp_path, 2)
    pool = VersionPool("m", tmp_path, {}, loader)
    pool.refresh()
    (tmp_path / "2").rename(tmp_path / ".withdrawn")
    pool.refresh()
    assert answer(pool) == "model 2"


def test_a_padded_folder_is_served_by_its_number(tmp_path, loader):
    push(tmp_path, 1)
    (tmp_path / "1").rename(tmp_path / "00000123")  # as TF Serving's test data name it
    pool = VersionPool("m", tmp_path, {}, loader)
    pool.refresh()
    assert answer(pool, version=123) == "model 123"


def test_requests_are_told_of_the_first_load(tmp_path):
    push(tmp_path, 1)
    told = []

    def load(directory, version):
        assert states(pool) == [(1, "LOADING")]
        for wanted in (None, 1):
            with pytest.raises(ServingError, match="m is still loading") as caught:
                answer(pool, version=wanted)
            told.append((caught.value.status, caught.value.retry_after_s))
        with pytest.raises(ServingError) as caught, pool.lease("other", None, None):
            pass
        assert caught.value.status == 404
        return "model 1"

    pool = VersionPool("m", tmp_path, {}, load)
    pool.refresh()
    assert told == [(503, 5)] * 2
    assert answer(pool) == "model 1"


def test_an_emptied_folder_changes_nothing(tmp_path, loader):
    push(tmp_path / "models", 1)
    pool = VersionPool("m", tmp_path / "models", {}, loader)
    pool.refresh()
    (tmp_path / "models").rename(tmp_path / "elsewhere")
    pool.refresh()
    assert answer(pool) == "model 1"


def test_labels_keep_their_versions(tmp_path, loader):
    for version in (1, 2, 3):
        push(tmp_path, version)
    pool = VersionPool("m", tmp_path, {"stable": 1, "later": 9}, loader)
    pool.refresh()
    assert loader.loaded == [3, 1]
    assert (answer(pool), answer(pool, label="stable")) == ("model 3", "model 1")
    with pytest.raises(ServingError, match="Unrecognized servable version label: none"):
        answer(pool, label="none")
    with pytest.raises(ServingError, match=r"Servable not found for request"):
        answer(pool, label="later")


def test_nothing_is_served_before_the_first_push(tmp_path, loader):
    pool = VersionPool("m", tmp_path / "none", {}, loader)
    pool.refresh()
    assert pool.newest is None
    with pytest.raises(ServingError, match=r"Servable not found for request: Latest\(m\)"):
        answer(pool)
