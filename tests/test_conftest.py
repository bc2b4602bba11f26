import gc


def test_garbage_is_searched_for_but_not_in_what_was_imported():
    """In xdist's workers, too, which have a loop of their tests and a collection each."""
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0
