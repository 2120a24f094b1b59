"""Inversion of intervals, non-inferiority, equivalence and the verdict's rule."""

from math import isnan, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from hybridcx.stats import equivalence as eq
from hybridcx.stats.paired import tango_limits, tango_pvalue
from hybridcx.stats.proportions import normal_quantile

quick = settings(max_examples=50, deadline=None)


def wald(estimate, error):
    return lambda level: (estimate - normal_quantile(level) * error, estimate + normal_quantile(level) * error)


@quick
@given(st.floats(-0.5, 0.5), st.floats(0.1, 0.5), st.floats(-0.4, 0.4))
def test_inverting_wald_gives_the_normal_p(estimate, error, null):
    want = stats.norm.sf((estimate - null) / error)
    assert eq.pvalue_above(wald(estimate, error), null) == pytest.approx(want, rel=1e-7)
    assert eq.pvalue_below(wald(estimate, error), null) == pytest.approx(1 - want, rel=1e-7)


@quick
@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 120), st.floats(0.01, 0.3))
def test_inverting_tango_gives_its_score_test(b, c, concordant, margin):
    n = b + c + concordant
    want = tango_pvalue(b, c, n, -margin)
    got = eq.pvalue_above(lambda level: tango_limits(b, c, n, level), -margin)
    assert got == pytest.approx(max(want, eq.SMALLEST_PVALUE), rel=1e-5)


def test_steps_of_resamples_and_their_smallest_p():
    draws = np.sort(np.random.default_rng(1).normal(0.1, 0.05, 999))

    def percentile(level):
        return tuple(np.quantile(draws, [(1 - level) / 2, (1 + level) / 2]))

    want = (draws <= 0).mean()
    assert eq.pvalue_above(percentile, 0.0, smallest=1 / 1000) == pytest.approx(want, abs=0.002)
    assert eq.pvalue_above(percentile, -9.0, smallest=1 / 1000) == 1 / 1000
    assert eq.pvalue_above(percentile, 9.0, smallest=1 / 1000) == 1 - 1 / 1000


def test_p_is_bounded_where_a_level_can_no_longer_be_told_from_1():
    assert eq.pvalue_above(wald(1.0, 0.001), 0.0) == eq.SMALLEST_PVALUE
    assert eq.pvalue_below(wald(1.0, 0.001), 0.0) == 1 - eq.SMALLEST_PVALUE
    assert isnan(eq.pvalue_above(lambda level: (nan, nan), 0.0))
    with pytest.raises(ValueError, match="smallest p-value"):
        eq.pvalue_above(wald(0, 1), 0.0, smallest=0.5)


@quick
@given(st.floats(-0.3, 0.3), st.floats(0.02, 0.2), st.floats(0.02, 0.4), st.sampled_from([0.8, 0.9, 0.95]))
def test_p_agrees_with_the_interval(estimate, error, margin, level):
    limits = wald(estimate, error)
    low, high = limits(level)
    one_sided = (1 - level) / 2
    ni, two = eq.non_inferiority(limits, margin, estimate, level), eq.tost(limits, margin, estimate, level)
    if min(abs(low + margin), abs(high - margin)) > 1e-9:
        assert (ni.pvalue < one_sided) == (low > -margin)
        assert (two.pvalue < one_sided) == (low > -margin and high < margin)
    assert two.pvalue >= ni.pvalue
    assert (ni.conf_low, ni.conf_high, ni.conf_level, ni.margin) == (low, high, level, margin)
    assert (ni.method, two.method) == ("non_inferiority", "tost")
    assert ni.status == two.status == "ok"


@pytest.mark.parametrize("test", [eq.non_inferiority, eq.tost])
def test_no_interval_no_p(test):
    zero = test(lambda level: (0.0, 0.0), 0.1, 0.0)
    assert (zero.status, isnan(zero.pvalue)) == ("caution", True)
    assert "zero width" in zero.warning
    none = test(lambda level: (nan, nan), 0.1, 0.2)
    assert (none.status, none.estimate, isnan(none.pvalue)) == ("caution", 0.2, True)
    half = test(lambda level: (0.1, nan), 0.1, 0.2)
    assert half.status == "caution"
    undefined = test(lambda level: (nan, nan), 0.1, nan, n=49)
    assert (undefined.status, undefined.n) == ("not_estimable", 49)
    for margin in (0.0, -0.1, nan):
        with pytest.raises(ValueError, match="margin"):
            test(wald(0, 1), margin, 0.0)
    with pytest.raises(ValueError, match="confidence_level"):
        test(wald(0, 1), 0.1, 0.0, 1.0)


@pytest.mark.parametrize(
    ("low", "high", "margin", "p", "verdict", "within"),
    [
        (0.01, 0.09, None, 0.01, "superior", None),
        (0.01, 0.09, None, 0.06, "inconclusive", None),
        (0.01, 0.09, 0.05, 0.01, "superior", False),
        (0.01, 0.04, 0.05, 0.01, "superior", True),
        (0.01, 0.04, 0.05, 0.06, "equivalent", True),
        (0.01, 0.09, 0.05, 0.06, "non_inferior", False),
        (0.01, 0.09, 0.05, nan, "non_inferior", False),
        (-0.09, -0.01, None, 0.01, "inferior", None),
        (-0.09, -0.01, 0.05, 0.06, "inconclusive", False),
        (-0.04, -0.01, 0.05, 0.01, "inferior", True),
        (-0.04, -0.01, 0.05, 0.06, "equivalent", True),
        (-0.04, 0.04, 0.05, 1.0, "equivalent", True),
        (-0.04, 0.05, 0.05, 1.0, "non_inferior", False),
        (-0.05, 0.04, 0.05, 1.0, "inconclusive", False),
        (-0.2, 0.2, 0.05, 1.0, "inconclusive", False),
        (-0.04, 0.04, None, 1.0, "inconclusive", None),
        (0.0, 0.09, None, 0.01, "inconclusive", None),
        (-0.09, 0.0, None, 0.01, "inconclusive", None),
        (0.0, 0.0, 0.05, 1.0, "inconclusive", None),
        (0.1, 0.1, 0.05, 0.001, "inconclusive", None),
        (nan, 0.1, 0.05, 0.001, "inconclusive", None),
        (0.01, nan, 0.05, 0.001, "inconclusive", None),
    ],
)
def test_the_one_rule(low, high, margin, p, verdict, within):
    got = eq.verdict(low, high, margin, p)
    assert (got.verdict, got.within_margin) == (verdict, within)


def test_the_level_of_the_plan_counts():
    assert eq.verdict(0.01, 0.02, adjusted_pvalue=0.03, alpha=0.05).verdict == "superior"
    assert eq.verdict(0.01, 0.02, adjusted_pvalue=0.03, alpha=0.01).verdict == "inconclusive"
    assert eq.verdict(0.01, 0.02, adjusted_pvalue=0.05, alpha=0.05).verdict == "inconclusive"


def test_impossible_verdicts_are_refused():
    with pytest.raises(ValueError, match="margin"):
        eq.verdict(0, 1, margin=0.0)
    with pytest.raises(ValueError, match="wrong order"):
        eq.verdict(1, 0)


@quick
@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(0.001, 1))
def test_swapping_the_models_turns_the_verdict(x, y, margin):
    low, high = min(x, y), max(x, y)
    there = {"superior": "inferior", "inferior": "superior"}
    for p in (0.01, 0.5):
        one, other = eq.verdict(low, high, margin, p), eq.verdict(-high, -low, margin, p)
        assert one.within_margin == other.within_margin
        if one.verdict in ("superior", "inferior", "equivalent"):
            assert other.verdict == there.get(one.verdict, "equivalent")


@quick
@given(st.floats(-1, 1), st.floats(-1, 1))
def test_the_smallest_margin_is_where_equivalence_begins(x, y):
    low, high = min(x, y), max(x, y)
    m = eq.smallest_margin(low, high)
    if low == high:
        assert isnan(m)
    elif m > 1e-9:
        assert eq.verdict(low, high, m * (1 + 1e-9) + 1e-12).within_margin
        assert not eq.verdict(low, high, m).within_margin
    assert isnan(eq.smallest_margin(nan, high))
    assert isnan(eq.smallest_margin(low, nan))


@pytest.mark.parametrize("low", [-0.1, 0.8 - 0.9, 0.7 - 0.8, -0.1 + 1e-16])
@pytest.mark.parametrize("high", [0.1, 0.9 - 0.8, 0.1 - 1e-16])
def test_limits_on_the_margin_do_not_lie_within_it(low, high):
    """0.8 - 0.9 is -0.09999999999999998, which a comparison of doubles takes to lie within -0.1."""
    v = eq.verdict(low, high, margin=0.1, adjusted_pvalue=0.9)
    assert (v.verdict, v.within_margin) == ("inconclusive", False)
    assert eq.verdict(low + 0.01, high, margin=0.1, adjusted_pvalue=0.9).verdict == "non_inferior"
    assert eq.verdict(low + 0.01, high - 0.01, margin=0.1, adjusted_pvalue=0.9).verdict == "equivalent"


def test_limits_on_the_null_are_no_superiority():
    for tie in (0.0, 3 / 49 - 1 / 49 - 2 / 49, 1e-16, -1e-16):
        assert eq.verdict(tie, 0.2, adjusted_pvalue=0.001).verdict == "inconclusive"
        assert eq.verdict(-0.2, tie, adjusted_pvalue=0.001).verdict == "inconclusive"


def test_steps_on_the_margin_count_for_the_hypothesis():
    """Limits that are quantiles of a sample: the p-value is the share of the sample up to the margin, in whichever double it comes."""
    sample = np.sort(np.r_[np.full(30, -0.3), np.full(20, 0.8 - 0.9), np.full(20, -0.1), np.full(430, 0.2)])

    def limits(level):
        low, high = (1 - level) / 2, (1 + level) / 2
        return float(sample[int(low * 499)]), float(sample[int(np.ceil(high * 499))])

    assert eq.pvalue_above(limits, -0.1) == pytest.approx(70 / 499, abs=1e-3)
