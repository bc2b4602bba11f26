from report.page.parts import Failure, Gallery, Picture, attempt_gallery

GOOD = Picture("data:,", "a picture")


def fail():
    raise ValueError("no such figure")


def test_a_failing_picture_leaves_the_others():
    parts = attempt_gallery([("one", lambda: GOOD), ("two", fail), ("three", lambda: GOOD)], 9.0)
    assert parts == (
        Gallery((GOOD, GOOD), 9.0),
        Failure("two", "ValueError: no such figure"),
    )


def test_without_a_picture_only_the_failures_are_left():
    assert attempt_gallery([("two", fail)]) == (Failure("two", "ValueError: no such figure"),)
