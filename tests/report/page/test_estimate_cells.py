import pytest

from report.page.estimate_cells import format_log_odds, format_probability


@pytest.mark.parametrize(
    ("probability", "text"),
    [
        (0.5, "0.500"),
        (0.9994, "0.999"),
        (0.9996, "above 0.999"),
        (1.0, "above 0.999"),
        (0.0006, "0.001"),
        (0.0004, "below 0.001"),
        (0.0, "below 0.001"),
    ],
)
def test_no_probability_is_written_as_certain(probability, text):
    assert format_probability(probability) == text


@pytest.mark.parametrize(
    ("log_odds", "text"),
    [
        (0.0, "0.500 (log-odds +0.0)"),
        (7.0, "0.999 (log-odds +7.0)"),
        (800.0, "above 0.999 (log-odds +800.0)"),
        (-7.7, "below 0.001 (log-odds -7.7)"),
    ],
)
def test_log_odds_follow_their_probability(log_odds, text):
    assert format_log_odds(log_odds) == text
