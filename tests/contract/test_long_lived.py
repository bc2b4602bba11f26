import contextlib
import gc
import importlib
import sys

import pytest

from contract.long_lived import end_program, lasting_imports


@pytest.fixture(autouse=True)
def as_before():
    was_enabled = gc.isenabled()
    yield
    gc.freeze()  # as the tests have it: what is imported is not searched
    (gc.enable if was_enabled else gc.disable)()


@pytest.mark.parametrize("was_enabled", [True, False])
def test_the_search_is_as_it_was_behind_the_block(was_enabled):
    (gc.enable if was_enabled else gc.disable)()
    with contextlib.suppress(ZeroDivisionError), lasting_imports():
        assert not gc.isenabled()
        raise ZeroDivisionError
    assert gc.isenabled() is was_enabled


@pytest.fixture
def module(monkeypatch):
    """Return the name of a module that nobody has imported yet, with what it holds."""
    monkeypatch.delitem(sys.modules, "this", raising=False)
    return "this"


def test_what_the_block_imports_is_not_searched_later(module, capsys):
    with lasting_imports():
        imported = importlib.import_module(module)
    assert id(imported.__dict__) not in {id(each) for each in gc.get_objects()}


def test_a_block_that_finds_all_imported_keeps_nothing(module, capsys):
    importlib.import_module(module)
    before = gc.get_freeze_count()
    with lasting_imports():
        importlib.import_module(module)
    assert gc.get_freeze_count() <= before  # what is frozen may end


def test_garbage_of_later_is_found(module, capsys):
    with lasting_imports():
        importlib.import_module(module)
    gc.collect()
    later: list = []
    later.append(later)
    del later
    assert gc.collect() == 1


@pytest.mark.parametrize("code", [0, 3])
def test_a_program_ends_with_its_code(code):
    with pytest.raises(SystemExit) as end:
        end_program(code)
    assert end.value.code == code
    assert gc.get_freeze_count() > 0
