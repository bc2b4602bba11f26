import contextlib
import gc

import pytest

from contract.long_lived import end_program, long_lived


@pytest.fixture(autouse=True)
def as_before():
    was_enabled = gc.isenabled()
    yield
    gc.unfreeze()
    (gc.enable if was_enabled else gc.disable)()


@pytest.mark.parametrize("was_enabled", [True, False])
def test_the_search_is_as_it_was_behind_the_block(was_enabled):
    (gc.enable if was_enabled else gc.disable)()
    with contextlib.suppress(ZeroDivisionError), long_lived():
        assert not gc.isenabled()
        raise ZeroDivisionError
    assert gc.isenabled() is was_enabled


def test_what_the_block_made_is_not_searched_later():
    with long_lived():
        made = [[] for _ in range(1000)]
    searched = {id(each) for each in gc.get_objects()}
    assert not searched & {id(each) for each in made}


def test_garbage_of_later_is_found():
    with long_lived():
        pass
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
