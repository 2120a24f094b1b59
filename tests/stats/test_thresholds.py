"""Thresholds chosen by a rule: worked by hand, by brute force, and the same as the heads' own choice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridcx.heads import decision
from hybridcx.stats.thresholds import NONE_POSITIVE, choose_threshold

Y = [0, 0, 0, 0, 1, 1, 1, 1]
SCORE = [0.1, 0.2, 0.3, 0.6, 0.4, 0.75, 0.8, 0.9]


def test_by_hand():
    youden = choose_threshold(Y, SCORE, "youden")
    assert (youden.sensitivity, youden.specificity, youden.n) == (1.0, 0.75, 8)
    assert youden.value == pytest.approx(0.35)  # 0.35 and 0.675 both reach J = 0.75, 0.35 is nearer to 0.5
    high = choose_threshold(Y, SCORE, "sensitivity", 0.75)
    assert (high.value, high.sensitivity, high.specificity) == (pytest.approx(0.675), 0.75, 1.0)
    all_found = choose_threshold(Y, SCORE, "sensitivity", 0.76)
    assert (all_found.value, all_found.sensitivity) == (pytest.approx(0.35), 1.0)
    specific = choose_threshold(Y, SCORE, "specificity", 0.8)
    assert (specific.value, specific.sensitivity, specific.specificity) == (pytest.approx(0.675), 0.75, 1.0)


def test_a_target_that_only_no_positive_call_reaches():
    found = choose_threshold([0, 1], [0.9, 0.2], "specificity", 1.0)
    assert found.value > 0.9
    assert (found.sensitivity, found.status, found.warning) == (0.0, "caution", NONE_POSITIVE)


def test_equal_scores():
    with pytest.raises(ValueError, match="all scores are equal"):
        choose_threshold([0, 1], [0.4, 0.4], "youden")
    assert choose_threshold([0, 1], [0.4, 0.4], "sensitivity", 0.5).value == 0.4


@pytest.mark.parametrize(
    ("y", "rule", "target", "said"),
    [
        ([1, 1], "youden", 0.9, "one class"), ([0, 1], "median", 0.9, "a rule"), ([0, 1], "sensitivity", 0.0, "above 0"),
        ([0, 1], "specificity", float("nan"), "above 0"),
    ],
)  # fmt: skip
def test_refused(y, rule, target, said):
    with pytest.raises(ValueError, match=said):
        choose_threshold(y, [0.2, 0.8], rule, target)


def test_neighbouring_floats():
    low = 0.5
    high = np.nextafter(low, 1)
    found = choose_threshold([0, 1], [low, high], "youden")
    assert low < found.value <= high


cases = st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=4, max_size=40).filter(
    lambda c: len({y for y, _ in c}) == 2 and len({s for _, s in c}) > 1
)


@given(cases, st.sampled_from([0.3, 0.5, 0.8, 0.95, 1.0]))
def test_against_brute_force(drawn, target):
    y = np.array([a for a, _ in drawn])
    score = np.array([b / 9 for _, b in drawn])
    grid = np.concatenate([np.linspace(-0.01, 1.01, 1500), score])
    sens = np.array([(score[y] >= t).mean() for t in grid])
    spec = np.array([(score[~y] < t).mean() for t in grid])
    youden = choose_threshold(y, score, "youden")
    between = (grid > score.min()) & (grid <= score.max())  # Youden's rule calls neither all nor none positive
    assert youden.sensitivity + youden.specificity == pytest.approx((sens + spec)[between].max())
    high = choose_threshold(y, score, "sensitivity", target)
    assert high.sensitivity >= target - 1e-9
    assert high.specificity == pytest.approx(spec[sens >= target - 1e-9].max())
    low = choose_threshold(y, score, "specificity", target)
    assert low.sensitivity == pytest.approx(sens[spec >= target - 1e-9].max())
    for found in (youden, high, low):
        assert (score[y] >= found.value).mean() == pytest.approx(found.sensitivity)
        assert (score[~y] < found.value).mean() == pytest.approx(found.specificity)


@given(cases)
def test_the_heads_choose_alike(drawn):
    """`heads/` and `stats/` may not import one another; what they choose is one number all the same."""
    y, score = [int(a) for a, _ in drawn], [b / 9 for _, b in drawn]
    assert choose_threshold(y, score, "youden").value == decision.choose_threshold(y, score, "youden").value
