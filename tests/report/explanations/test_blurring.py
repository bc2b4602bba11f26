import numpy as np
import pytest

from evaluation.intervals import wilson_interval
from report.explanations.blurring import (
    BlurredAnswers,
    ask_blurred,
    blurring_in_words,
    blurring_table,
)


def answers_of(kind, called, n):
    blurred = np.where(np.arange(n) < called, 5.0, -5.0)
    return BlurredAnswers(kind, 50, np.full(n, 2.0), blurred, 0.0)


def sharpness(images):
    """Log-odds of a model to which pneumonia is what has no texture."""
    return 6.0 - images.std(axis=(1, 2, 3)) / 5.0


def test_a_model_that_goes_by_sharpness_is_found_out():
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (12, 64, 64, 1)).astype(np.uint8)
    normals = ask_blurred(sharpness, images, "Correct normals", 12, 0.0)
    assert (normals.log_odds < -5.0).all()
    assert (normals.blurred_log_odds > 3.0).all()
    assert normals.num_called == 12
    words = blurring_in_words(answers_of("Hits", 9, 10), normals)
    assert words.tone == "warning"
    assert "Blur alone looks like pneumonia to this model: a shortcut." in words.text


@pytest.mark.parametrize(
    ("hits", "normals", "tone", "says"),
    [
        (9, 9, "warning", "a shortcut"),
        (1, 9, "warning", "a shortcut"),
        (9, 1, "warning", "Most hits do not need detail"),
        (1, 1, "plain", None),
    ],
)
def test_normals_are_the_control_of_hits(hits, normals, tone, says):
    words = blurring_in_words(answers_of("Hits", hits, 10), answers_of("Normals", normals, 10))
    assert words.tone == tone
    assert f"it still calls {hits} pneumonia" in words.text
    assert f"it calls {normals} pneumonia" in words.text
    for sentence in ("a shortcut", "Most hits do not need detail"):
        assert (sentence in words.text) is (sentence == says)


def test_kinds_without_images_are_told():
    nothing = ask_blurred(sharpness, np.empty((0, 1, 1, 1), np.uint8), "Hits", 0, 0.0)
    words = blurring_in_words(nothing, nothing)
    assert "finds no pneumonia" in words.text
    assert "nothing to compare with" in words.text
    assert words.tone == "plain"
    (row,) = blurring_table([nothing]).rows
    assert (row[1], row[2].text, row[3], row[4]) == ("0", "–", "–", "–")


def test_shares_have_intervals_and_say_how_many_were_drawn():
    (row,) = blurring_table([answers_of("Hits", 9, 10)]).rows
    low, high = wilson_interval(9, 10)
    assert (row[0].text, row[0].detail, row[1]) == ("Hits", "drawn from 50", "10")
    assert (row[2].text, row[2].detail) == ("0.900", f"{low:.3f} to {high:.3f}")
    assert row[3:] == ("+2.0", "+5.0")


def test_the_threshold_itself_counts_as_called():
    images = np.zeros((1, 8, 8, 1), np.uint8)
    assert ask_blurred(lambda images: np.full(len(images), 1.5), images, "Hits", 1, 1.5).num_called
