import numpy as np
import pytest

from evaluation.operating_point import choose_operating_point
from evaluation.site_holdout import judge_sites, worst_site

# 40 ill and 40 well on each of two machines; the soft one's scores are higher by .2.
LABELS = np.tile([1] * 40 + [0] * 40, 2)
SCORES = np.concatenate(
    [
        np.linspace(0.5, 0.8, 40), np.linspace(0.0, 0.45, 40),
        np.linspace(0.7, 1.0, 40), np.linspace(0.2, 0.65, 40),
    ]
)  # fmt: skip
SITES = {"machine": ["sharp"] * 80 + ["soft"] * 80, "country": ["one"] * 160}


def choose(members):
    if len(set(LABELS[members])) < 2:
        return None
    return choose_operating_point(LABELS[members], SCORES[members], 0.95).threshold


def test_each_site_is_judged_at_the_operating_point_and_at_one_chosen_without_it():
    soft, sharp = sorted(
        judge_sites(LABELS, SCORES, 0.5, SITES, choose), key=lambda site: site.group, reverse=True
    )
    assert (soft.scheme, soft.group, soft.positives, soft.negatives) == ("machine", "soft", 40, 40)
    assert (soft.recall.value, sharp.recall.value) == (1.0, 1.0)
    assert soft.specificity.value == np.mean(SCORES[120:] < 0.5)
    assert sharp.specificity.value == 1.0
    # Chosen on the sharp machine the threshold is low, and the soft one's well people pay for it.
    assert soft.held_out_threshold == pytest.approx(0.5, abs=0.05)
    assert soft.held_out_specificity.value == pytest.approx(0.7)
    # The other way round, the sharp machine's ill people are missed.
    assert sharp.held_out_threshold > 0.65
    assert sharp.held_out_recall.value < 0.6
    assert sharp.held_out_specificity.value == 1.0
    assert sharp.held_out_recall.low < sharp.held_out_recall.value < sharp.held_out_recall.high


def test_a_scheme_that_tells_nothing_apart_is_left_out():
    assert {site.scheme for site in judge_sites(LABELS, SCORES, 0.5, SITES, choose)} == {"machine"}


def test_a_group_of_one_class_has_no_other_figure_and_may_leave_nothing_to_choose_on():
    by_class = {"name": ["ill" if label else "well" for label in LABELS]}
    ill, well = judge_sites(LABELS, SCORES, 0.5, by_class, choose)
    assert (ill.group, ill.specificity.value, ill.recall.value) == ("ill", None, 1.0)
    assert (well.recall.value, well.negatives) == (None, 80)
    assert (ill.held_out_threshold, ill.held_out_recall.value) == (None, None)


def test_small_groups_say_nothing():
    names = ["rare"] * 29 + ["usual"] * 11 + ["usual"] * 40 + ["other"] * 80
    judged = judge_sites(LABELS, SCORES, 0.5, {"name": names}, choose)
    assert [site.group for site in judged] == ["other", "usual"]
    usual = judged[1]
    assert (usual.positives, usual.recall.value) == (11, None)
    assert usual.specificity.value == 1.0


def test_the_worst_site_is_that_of_the_lowest_figure():
    judged = judge_sites(LABELS, SCORES, 0.5, SITES, choose)
    assert worst_site(judged, "specificity").group == "soft"
    assert worst_site(judged, "held_out_recall").group == "sharp"
    assert worst_site((), "recall") is None
