"""The errors that are the input's fault, and what of a file they show."""

from contract.errors import RejectedImageError, one_line


def test_a_text_becomes_one_printable_line_of_bounded_length() -> None:
    assert one_line(" a\n\tb \x1b[2J") == "a b ?[2J"
    assert one_line("x" * 200) == "x" * 200
    assert one_line("x" * 201) == "x" * 197 + "..."


def test_a_rejection_keeps_our_words_apart_from_those_of_the_file() -> None:
    error = RejectedImageError("cannot be decoded", "tag\nof somebody")
    assert (error.reason, str(error)) == ("cannot be decoded", "cannot be decoded: tag of somebody")
    assert str(RejectedImageError("is empty")) == "is empty"
