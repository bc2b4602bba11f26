import pytest

from report.study.table import NUM_NORMAL, NUM_PNEUMONIA, PUBLISHED


@pytest.mark.parametrize("name", PUBLISHED)
def test_accuracy_follows_from_the_two_recalls(name):
    """A slip of the pen in one of the three figures shows here."""
    figures = PUBLISHED[name]
    hits = NUM_PNEUMONIA * figures.recall + NUM_NORMAL * figures.specificity
    # The recalls are printed with two decimals.
    assert figures.accuracy == pytest.approx(hits / (NUM_NORMAL + NUM_PNEUMONIA), abs=0.006)
