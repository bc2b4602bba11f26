import numpy as np
import pytest
from scipy.stats import fisher_exact

from evaluation.error_groups import (
    OTHERS,
    SIGNIFICANCE,
    find_concentrations,
    group_errors,
)
from evaluation.intervals import wilson_interval
from report.errors import errors_in_words, errors_table


def make_cases(**groups):
    """Return labels, decisions and group names; each group has (tn, fp, tp, fn)."""
    labels, decisions, names = [], [], []
    for name, (tn, fp, tp, fn) in groups.items():
        labels += [0] * (tn + fp) + [1] * (tp + fn)
        decisions += [False] * tn + [True] * (fp + tp) + [False] * fn
        names += [name] * (tn + fp + tp + fn)
    return np.array(labels), np.array(decisions), names


def rows_of(scheme="file name", **groups):
    labels, decisions, names = make_cases(**groups)
    return group_errors(labels, decisions, {scheme: names}, {})


def test_errors_are_counted_by_scheme_and_group_the_largest_first():
    labels, decisions, names = make_cases(first=(40, 2, 0, 0), second=(20, 10, 50, 5))
    other = ["all"] * len(names)
    rows = group_errors(labels, decisions, {"file name": names, "size": other}, {})
    assert [(row.scheme, row.group, row.metrics.n) for row in rows] == [
        ("file name", "second", 85),
        ("file name", "first", 42),
        ("size", "all", 127),
    ]
    second = rows[0]
    assert (second.num_normals, second.metrics.fp, second.metrics.fn) == (30, 10, 5)
    assert second.metrics.specificity.value == pytest.approx(20 / 30)
    assert (second.metrics.recall.low, second.metrics.recall.high) == wilson_interval(50, 55)


def test_a_scheme_with_an_order_keeps_it():
    labels, decisions, names = make_cases(odd=(20, 0, 0, 0), sharp=(9, 0, 0, 0), soft=(1, 0, 0, 0))
    order = {"sharpness": ["soft", "medium", "sharp"]}
    rows = group_errors(labels, decisions, {"sharpness": names, "file name": names}, order)
    assert [row.group for row in rows] == ["soft", "sharp", "odd", "odd", "sharp", "soft"]


def test_names_of_their_own_do_not_make_a_table_of_names():
    cases = {f"name{number:02}": (2 + number, 0, 0, 0) for number in range(30)}
    rows = rows_of(**cases)
    assert len(rows) == 12
    assert rows[-1].group == OTHERS
    assert sum(row.metrics.n for row in rows) == sum(tn for tn, *_ in cases.values())


def test_a_series_with_most_of_the_false_alarms_is_named():
    rows = rows_of(IM=(197, 3, 0, 0), **{"NORMAL2-IM": (90, 60, 0, 0)}, person=(0, 0, 95, 5))
    (found,) = find_concentrations(rows)
    assert (found.group, found.error) == ("NORMAL2-IM", "false alarms")
    assert (found.errors, found.n, found.errors_elsewhere, found.n_elsewhere) == (60, 150, 3, 200)
    # Adjusted for two tests: two groups of normal images; for pneumonia there is one group alone.
    p_value = fisher_exact([[60, 90], [3, 197]], alternative="greater").pvalue
    assert found.adjusted_p == pytest.approx(2 * 1.5 * p_value)
    words = errors_in_words(rows)
    assert words.tone == "warning"
    assert (
        "False alarms are more frequent in the group NORMAL2-IM (file name): 60 of 150, against "
        "3 of 200 elsewhere (p below 0.001)." in words.text
    )


def test_misses_are_found_as_well():
    (found,) = find_concentrations(rows_of(soft=(0, 0, 60, 40), sharp=(0, 0, 100, 0)))
    assert (found.group, found.error, found.errors) == ("soft", "misses", 40)


def test_a_group_that_is_too_small_is_not_judged_and_says_so():
    rows = rows_of(IM=(300, 0, 0, 0), odd=(0, 20, 0, 0))
    assert find_concentrations(rows) == ()
    assert errors_in_words(rows).tone == "plain"
    large, small = errors_table(rows).rows
    assert "too small" not in large[4].detail
    assert small[4].text == "0.000"
    assert small[4].detail.endswith(", too small")
    assert small[4].tone == "warning"
    assert [getattr(cell, "text", cell) for cell in small[5:]] == ["0", "–", "–"]


def test_chance_is_not_taken_for_a_finding():
    generator = np.random.default_rng(5)
    num_warned = 0
    for _ in range(100):
        labels = generator.integers(0, 2, 400)
        decisions = np.where(generator.random(400) < 0.1, labels == 0, labels == 1)
        schemes = {
            scheme: [str(group) for group in generator.integers(0, 3, 400)]
            for scheme in ("file name", "sharpness", "exposure")
        }
        num_warned += bool(find_concentrations(group_errors(labels, decisions, schemes, {})))
    assert num_warned <= 100 * 2 * SIGNIFICANCE
