"""Laws of the agreement coefficients, and what they say where nothing can be estimated (bad_input.md 27 to 35)."""

from __future__ import annotations

from dataclasses import astuple, replace
from itertools import combinations
from math import inf, isnan, nan, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hybridcx.errors import InputError, Problem
from hybridcx.stats import agreement as ag
from hybridcx.stats.agreement import coefficients as agreement_coefficients
from hybridcx.stats.agreement import tables as rating_tables
from hybridcx.stats.agreement.icc import icc, sem
from hybridcx.stats.agreement.kappa import cohen_kappa, cohen_kappa_table, cohen_kappas, fleiss_kappa

NAN = float("nan")
# Few in every run; --hypothesis-profile=search decides for itself.
EXAMPLES = 30 if settings.default.derandomize else settings.default.max_examples
measured = st.tuples(st.integers(3, 12), st.integers(2, 4)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.integers(-50, 50).map(lambda v: v / 4))
)
called = st.tuples(st.integers(4, 15), st.integers(2, 4)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.sampled_from([1.0, 2.0, 3.0, 5.0, NAN]))
)
complete_calls = st.tuples(st.integers(4, 15), st.just(2)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.sampled_from([1.0, 2.0, 3.0]))
)


def rng():
    return np.random.default_rng(3)


def numbers(r):
    return [
        getattr(r, f)
        for f in ("estimate", "conf_low", "conf_high", "statistic", "parameter1", "parameter2", "pvalue", "n", "k")
    ]


def same(a, b, rel=1e-7):
    return numbers(a) == pytest.approx(numbers(b), rel=rel, abs=1e-9, nan_ok=True) and a.status == b.status


def coefficients(x):
    return [
        ag.percent_agreement(x),
        ag.fleiss_kappa(x),
        ag.gwet_ac1(x),
        ag.gwet_ac2(x, "linear"),
        ag.gwet_ac2(x, "quadratic"),
        *(ag.krippendorff_alpha(x, level, n_resamples=50, rng=rng()) for level in ("nominal", "ordinal", "interval")),
    ]


# ---- laws


@given(measured, st.randoms())
@settings(max_examples=EXAMPLES, deadline=None)
def test_order_of_cases_and_readers_changes_no_icc(x, random):
    y = x[random.sample(range(len(x)), len(x))][:, random.sample(range(x.shape[1]), x.shape[1])]
    for f in (ag.icc, lambda v: [ag.sem(v), ag.sem(v, "consistency"), ag.mdc95(v)]):
        for a, b in zip(f(x), f(y), strict=True):
            assert same(a, b, 1e-6)


@given(called, st.randoms())
@settings(max_examples=EXAMPLES, deadline=None)
def test_order_of_cases_and_readers_changes_no_coefficient(x, random):
    y = x[random.sample(range(len(x)), len(x))][:, random.sample(range(x.shape[1]), x.shape[1])]
    for a, b in zip(coefficients(x), coefficients(y), strict=True):
        assert same(a, b)


@given(measured, st.floats(-1000, 1000), st.sampled_from([-3.0, 0.5, 2.0]))
@settings(max_examples=EXAMPLES, deadline=None)
def test_an_icc_knows_no_unit_and_an_sem_scales_with_it(x, shift, scale):
    for a, b in zip(ag.icc(x), ag.icc(scale * x), strict=True):
        assert same(a, b, 1e-6)
    assert ag.sem(scale * x + shift).estimate == pytest.approx(abs(scale) * ag.sem(x).estimate, rel=1e-6, abs=1e-6)


@given(measured, st.floats(-100, 100))
@settings(max_examples=EXAMPLES, deadline=None)
def test_a_readers_shift_leaves_consistency(x, shift):
    y = x.copy()
    y[:, 0] += shift
    before, after = ({r.metric: r.estimate for r in ag.icc(v)} for v in (x, y))
    for form in ("icc3", "icc3k"):
        assert after[form] == pytest.approx(before[form], rel=1e-6, abs=1e-6, nan_ok=True)
    assert ag.sem(y, "consistency").estimate == pytest.approx(ag.sem(x, "consistency").estimate, rel=1e-6, abs=1e-6)


@given(measured)
@settings(max_examples=EXAMPLES, deadline=None)
def test_limits_hold_their_estimate_and_the_mean_form_is_spearman_browns(x):
    k = x.shape[1]
    got = {r.metric: r for r in ag.icc(x)}
    for r in got.values():
        if not isnan(r.conf_low):
            assert r.conf_low <= r.estimate + 1e-9
            assert r.estimate <= r.conf_high + 1e-9
    for form in ("icc1", "icc2", "icc3"):
        rho, mean = got[form].estimate, got[form + "k"].estimate
        if not isnan(mean):
            assert mean * (1 + (k - 1) * rho) == pytest.approx(k * rho, rel=1e-6, abs=1e-6)


@given(called)
@settings(max_examples=EXAMPLES, deadline=None)
def test_limits_of_coefficients_hold_their_estimate_within_their_range(x):
    for r in [c for c in coefficients(x) if c.metric != "krippendorff_alpha"]:
        if not isnan(r.conf_low):
            assert -1 <= r.conf_low <= r.estimate + 1e-12
            assert r.estimate - 1e-12 <= r.conf_high <= 1
        assert (r.status == "not_estimable") == isnan(r.estimate)


@given(complete_calls)
@settings(max_examples=EXAMPLES, deadline=None)
def test_doubling_the_cases_keeps_kappa_and_halves_its_variance(x):
    for weights in ("unweighted", "linear", "quadratic"):
        once, twice = (ag.cohen_kappa(v[:, 0], v[:, 1], weights) for v in (x, np.vstack([x, x])))
        assert twice.estimate == pytest.approx(once.estimate, nan_ok=True)
        assert twice.std_error == pytest.approx(once.std_error / sqrt(2), nan_ok=True, abs=1e-7)


@given(complete_calls)
@settings(max_examples=EXAMPLES, deadline=None)
def test_kappa_is_symmetric_and_unweighted_needs_no_order(x):
    for weights in ("unweighted", "linear", "quadratic"):
        there, back = ag.cohen_kappa(x[:, 0], x[:, 1], weights), ag.cohen_kappa(x[:, 1], x[:, 0], weights)
        assert same(there, back)
    renamed = np.vectorize({1.0: "c", 2.0: "a", 3.0: "b"}.get)(x)
    assert same(ag.cohen_kappa(x[:, 0], x[:, 1]), ag.cohen_kappa(renamed[:, 0], renamed[:, 1]))


@given(complete_calls)
@settings(max_examples=EXAMPLES, deadline=None)
def test_nominal_alpha_of_two_complete_readers_is_fleiss_kappa_with_a_small_sample_correction(x):
    kappa, alpha = ag.fleiss_kappa(x), ag.krippendorff_alpha(x)
    if not isnan(kappa.estimate):
        n = x.size
        assert alpha.estimate == pytest.approx(1 - (1 - kappa.estimate) * (n - 1) / n)


@given(complete_calls)
@settings(max_examples=EXAMPLES, deadline=None)
def test_two_categories_know_no_distance(x):
    x = np.minimum(x, 2)
    kappas = [ag.cohen_kappa(x[:, 0], x[:, 1], w) for w in ("unweighted", "linear", "quadratic")]
    assert same(kappas[0], kappas[1])
    assert same(kappas[0], kappas[2])
    levels = [ag.krippendorff_alpha(x, level).estimate for level in ("nominal", "ordinal", "interval")]
    assert levels == pytest.approx([levels[0]] * 3, nan_ok=True)


def test_perfect_agreement_is_one_without_limits():
    x = np.repeat([[1.0], [2.0], [3.0], [2.0]], 3, axis=1)
    for r in coefficients(x)[1:]:
        assert r.estimate == pytest.approx(1)
        assert isnan(r.conf_low)
        assert isnan(r.conf_level)
        assert r.status == "caution"
        assert r.warning
    pair = ag.cohen_kappa(x[:, 0], x[:, 1], "quadratic")
    assert (pair.estimate, pair.status) == (pytest.approx(1), "caution")
    assert isnan(pair.conf_high)
    for r in ag.icc(x):
        assert (r.estimate, r.status) == (1, "caution")
        assert isnan(r.statistic)
        assert isnan(r.pvalue)
    assert ag.sem(x).estimate == 0
    assert ag.sem(x).status == "caution"


def test_a_constant_shift_is_perfect_consistency_despite_rounding():
    a = np.array([0.1, 0.2, 0.7, 1.3])
    got = {r.metric: r for r in ag.icc(np.column_stack([a, a + 0.3]))}
    assert (got["icc3"].estimate, got["icc3"].status) == (1, "caution")
    assert 0 < got["icc2"].estimate < 1
    assert got["icc2"].status == "caution"
    assert got["icc1"].status == "ok"
    bias, lower, upper = ag.bland_altman(a, a + 0.3)
    assert bias.estimate == lower.estimate == upper.estimate == pytest.approx(-0.3)
    assert {r.status for r in (bias, lower, upper)} == {"caution"}


# ---- what cannot be estimated


@pytest.mark.parametrize(
    ("x", "reason"),
    [
        ([[1, 5], [2, 5], [3, 5]], "reading 2 of 2 has the same value"),
        ([[4, 4], [4, 4]], "reading 1 of 2"),
        ([[1, 2]], "1 complete case,"),
        ([[1, NAN], [NAN, 2]], "0 complete cases"),
    ],
)
def test_icc_is_not_estimable(x, reason):
    for r in ag.icc(x):
        assert isnan(r.estimate)
        assert r.status == "not_estimable"
        assert reason in r.warning


def test_the_mean_of_opposite_readers_has_no_reliability():
    got = {r.metric: r for r in ag.icc([[1, 3], [3, 1], [2, 2]])}
    assert got["icc1"].estimate == -1
    for form in ("icc1k", "icc2k", "icc3k"):
        assert got[form].status == "not_estimable"
        assert "variance" in got[form].warning


# Estimates of R's psych 2.2.9 by `ICC(rbind(...), lmer = FALSE)$results$ICC`. In the first, psych's icc2k is 6.0e15: the total variance of the
# mean is 0 but for rounding, so that there is none. In the second, psych has NaN and -0.99999995 as the limits of icc2 = -0.96.
NEAR_POLE = [
    ([[0.25, 0], [0, 0.25], [0, 0.5]], [-0.7142857143, -1, -0.75, -5, NAN, -6], {"icc2k": "not_estimable"}),
    ([[0, 0], [0, 0], [-0.75, 1]], [-0.96, -0.96, -0.96, -48, -48, -48], {"icc2": "caution", "icc2k": "caution"}),
]


@pytest.mark.parametrize(("x", "psych", "status"), NEAR_POLE)
def test_near_its_pole_an_icc_has_no_limits_that_miss_it(x, psych, status):
    got = ag.icc(x)
    assert [r.estimate for r in got] == pytest.approx(psych, rel=1e-8, nan_ok=True)
    for r in got:
        assert r.status == status.get(r.metric, "ok")
        if r.status == "ok":
            assert r.conf_low < r.estimate < r.conf_high
        else:
            assert isnan(r.conf_low)
            assert isnan(r.conf_high)
            assert isnan(r.conf_level)
            assert ("variance" in r.warning) if isnan(r.estimate) else ("pole" in r.warning and r.statistic > 0)


@pytest.mark.parametrize(
    "x", [[[1, 3], [2, NAN], [NAN, NAN], [NAN, NAN]], [[1, 3]] * 8 + [[1, 2], [2, 3]]], ids=("missing", "complete")
)
def test_an_ac2_below_minus_one_has_no_limits(x):
    r = ag.gwet_ac2(x, "quadratic")
    assert r.estimate < -1
    assert r.status == "caution"
    assert "below -1" in r.warning
    assert isnan(r.conf_low)
    assert isnan(r.conf_level)
    assert r.std_error > 0
    assert 0 < r.pvalue < 1


def test_limits_of_the_mean_fall_without_bound():
    got = {r.metric: r for r in ag.icc([[1, 3], [3, 1.2], [2, 2.2], [2, 2.5], [2.9, 2.9]])}
    assert got["icc2k"].conf_low == -inf
    assert got["icc2k"].conf_low < got["icc2k"].estimate < got["icc2k"].conf_high < 1


def test_missing_and_two_valued_readings_are_said():
    x = np.array([[1, 1], [0, 0], [1, 0], [0, 0], [1, NAN], [1, 1]])
    for r in ag.icc(x):
        assert r.n == 5
        assert r.status == "caution"
        assert "binary readings: see kappa and AC1" in r.warning
        assert "1 of 6 cases left out" in r.warning
    assert ag.sem(x).n == 5
    assert "1 of 6" in ag.mdc95(x, "consistency").warning
    for r in ag.bland_altman(x[:, 0], x[:, 1]):
        assert (r.n, r.status) == (5, "caution")


def test_sem_and_limits_of_agreement_need_two_cases():
    for x in ([[1, 2]], [[1, NAN], [2, NAN]]):
        assert ag.sem(x).status == ag.mdc95(x).status == "not_estimable"
        assert {r.status for r in ag.bland_altman(*np.transpose(x))} == {"not_estimable"}
    assert ag.mdc95([[1, 2], [3, 5], [6, 5]]).estimate == 1.96 * sqrt(2) * ag.sem([[1, 2], [3, 5], [6, 5]]).estimate


def test_a_negative_reader_variance_counts_as_none():
    x = np.array([[1.0, 2.0], [2.0, 1.0], [5.0, 6.1], [6.0, 5.0]])
    absolute = ag.sem(x)
    assert absolute.estimate == ag.sem(x, "consistency").estimate
    assert absolute.conf_low < absolute.estimate < absolute.conf_high


@pytest.mark.parametrize(
    ("a", "b", "reason"),
    [
        (["x", "x", "x"], ["x", "y", "x"], "the first reading"),
        (["x", "y", "x"], ["y", "y", "y"], "the second reading"),
        (["x", "x"], ["x", "x"], "the first reading"),
        (["x", None], [None, "x"], "no case has both"),
        ([None], [None], "no case has both"),
    ],
)
def test_kappa_is_not_estimable(a, b, reason):
    r = ag.cohen_kappa(a, b)
    assert isnan(r.estimate)
    assert r.status == "not_estimable"
    assert reason in r.warning


def test_linear_weights_cannot_tell_agreement_from_chance_if_no_reading_crosses():
    a, b = [1, 2, 2, 2], [3, 2, 2, 2]
    r = ag.cohen_kappa(a, b, "linear")
    assert (r.status, isnan(r.estimate)) == ("not_estimable", True)
    assert "margins" in r.warning
    assert ag.cohen_kappa(a, b, "quadratic").status == "ok"


def test_kappa_leaves_out_and_says_so():
    r = ag.cohen_kappa(["x", "y", "x", None, "y"], ["x", "y", "y", "x", "y"])
    assert (r.n, r.status) == (4, "caution")
    assert "1 of 5 cases left out" in r.warning


def test_fleiss_kappa_takes_unequal_numbers_of_readings():
    rng = np.random.default_rng(8)
    full = rng.integers(0, 3, (30, 4))
    some = full.astype(object)
    some[rng.random(full.shape) < 0.3] = None
    some[0] = [0, None, None, None]
    some[1] = None
    r = ag.fleiss_kappa(some)
    # Case by case: pairs of readings, and shares of the categories with equal weight of every case read.
    readings = [[v for v in row if v is not None] for row in some.tolist()]
    read, twice = [x for x in readings if x], [x for x in readings if len(x) > 1]
    pa = np.mean([np.mean([a == b for a, b in combinations(x, 2)]) for x in twice])
    pe = sum(np.mean([x.count(c) / len(x) for x in read]) ** 2 for c in range(3))
    assert r.estimate == pytest.approx((pa - pe) / (1 - pe), rel=1e-12)
    assert (r.n, r.k, r.status) == (29, 4, "ok")
    assert "single reading" in r.warning
    assert "no reading" in r.warning
    # A case that nobody read changes the warning alone; equal numbers leave nothing to warn of.
    assert replace(ag.fleiss_kappa(np.delete(some, 1, axis=0)), warning=r.warning) == r
    assert ag.fleiss_kappa(full).warning == ""
    # Twice the cases, half the variance of the linearised values and of the null error.
    double = ag.fleiss_kappa(np.repeat(some, 2, axis=0))
    assert double.estimate == pytest.approx(r.estimate, rel=1e-12)
    assert double.statistic == pytest.approx(np.sqrt(2) * r.statistic, rel=1e-12)
    assert double.std_error == pytest.approx(r.std_error * np.sqrt(28 / 57), rel=1e-9)


def test_z_of_fleiss_kappa_is_standard_normal_where_readings_are_independent():
    rng = np.random.default_rng(9)
    missing = rng.random((150, 4)) < 0.45  # cases with one to four readings
    missing[:, 0] = False
    z = []
    for _ in range(1500):
        x = rng.choice(3, (150, 4), p=(0.6, 0.3, 0.1)).astype(float)
        x[missing] = nan
        z.append(ag.fleiss_kappa(x).statistic)
    # Monte Carlo errors: 0.026 of the mean, 0.018 of the standard deviation
    assert abs(np.mean(z)) < 0.1
    assert np.std(z) == pytest.approx(1.0, abs=0.06)


def test_limits_of_kappa_are_clipped_and_complete_disagreement_has_none():
    nearly = ag.cohen_kappa(list("xyxyxyyx"), list("yxyxxyxy"))
    assert nearly.conf_low == -1 < nearly.estimate < nearly.conf_high
    wholly = ag.cohen_kappa(list("xyxy"), list("yxyx"))
    assert (wholly.estimate, wholly.status) == (-1, "caution")
    assert "standard error is 0" in wholly.warning
    assert "perfect" not in wholly.warning


def test_one_category_is_not_estimable():
    x = [["x", "x"], ["x", "x"]]
    assert ag.percent_agreement(x).estimate == 1
    for r in (ag.fleiss_kappa(x), ag.gwet_ac1(x), ag.krippendorff_alpha(x)):
        assert r.status == "not_estimable"
        assert "all readings" in r.warning
    assert ag.gwet_ac1(x, categories=["x", "y"]).estimate == 1


def test_no_case_with_two_readings():
    x = [["x", None], [None, "y"], [None, None]]
    for r in (ag.percent_agreement(x), ag.gwet_ac1(x), ag.fleiss_kappa(x), ag.krippendorff_alpha(x)):
        assert r.status == "not_estimable"
        assert "reading" in r.warning
    assert "2 of 3 cases have a single reading" in ag.percent_agreement(x).warning
    assert "1 of 3 cases have no reading" in ag.percent_agreement(x).warning
    assert "1 case with two readings" in ag.krippendorff_alpha([["x", "y"], ["x", None]]).warning


def test_one_case_has_no_limits():
    assert "one case" in ag.fleiss_kappa([["x", "y", "x"]]).warning
    assert isnan(ag.fleiss_kappa([["x", "y", "x"]]).conf_low)


def test_equal_degrees_of_agreement_have_no_limits():
    r = ag.fleiss_kappa([["x", "y"], ["y", "x"]])
    assert (r.estimate, r.status) == (-1, "caution")
    assert "same degree" in r.warning


def test_percent_agreement_is_wilsons_for_two_and_narrower_for_more():
    two = ag.percent_agreement([["x", "x"]] * 8 + [["x", "y"]] * 2)
    assert [two.conf_low, two.conf_high] == pytest.approx([0.4901625, 0.9433178], abs=1e-6)
    equal = ag.percent_agreement([["x", "x", "y"]] * 10)
    assert equal.estimate == pytest.approx(1 / 3)
    thirty_pairs = ag.percent_agreement([["x", "x"]] * 10 + [["x", "y"]] * 20)
    assert [equal.conf_low, equal.conf_high] == pytest.approx([thirty_pairs.conf_low, thirty_pairs.conf_high])
    assert ag.percent_agreement([["x", "y"]] * 5).conf_low == 0
    assert ag.percent_agreement([["x", "x"]] * 5).conf_high == 1


def test_alpha_without_a_generator_has_no_limits():
    x = [[1, 2], [2, 2], [3, 3], [1, 1]]
    for r in (ag.krippendorff_alpha(x, "ordinal"), ag.krippendorff_alpha(x, n_resamples=0, rng=rng())):
        assert r.status == "caution"
        assert "no generator" in r.warning
        assert isnan(r.conf_low)


def test_failed_resamples_of_alpha_are_counted_whatever_the_chunk(monkeypatch):
    x = [[1, 1]] * 8 + [[1, 2], [2, 2]]
    results = [ag.krippendorff_alpha(x, level, n_resamples=400, rng=rng()) for level in ("nominal", "interval")]
    assert results[0].warning == results[1].warning
    assert "of 400 resamples have one value only" in results[0].warning
    assert results[0].conf_low == pytest.approx(results[1].conf_low)
    monkeypatch.setattr(agreement_coefficients, "_CHUNK", 30)
    again = ag.krippendorff_alpha(x, "nominal", n_resamples=400, rng=rng())
    assert numbers(again) == pytest.approx(numbers(results[0]), nan_ok=True)


def test_limits_of_alpha_cover():
    # Alpha of an infinite population of patterns is known: 1 - (1/3)/(1/2) for three readings that agree in half of the cases.
    generator = np.random.default_rng(11)
    covered = 0
    for _ in range(200):
        truth = generator.integers(0, 2, 80)
        flip = generator.random((80, 3)) < 0.2
        x = np.where(flip, 1 - truth[:, None], truth[:, None]).astype(float)
        r = ag.krippendorff_alpha(x, n_resamples=300, rng=generator)
        covered += r.conf_low <= 0.36 <= r.conf_high
    # Two readings agree with probability 0.68, by chance 0.5: alpha = 0.36. Binomial error of 0.95 in 200: 0.015.
    assert covered / 200 >= 0.95 - 4 * 0.0155


def test_exact_limits_of_agreement_cover():
    generator = np.random.default_rng(12)
    hits = 0
    for _ in range(300):
        d = generator.normal(0, 1, 8)
        upper = ag.bland_altman(d, np.zeros(8))[2]
        hits += upper.conf_low <= 1.959964 <= upper.conf_high
    assert 0.90 <= hits / 300 <= 0.99


def test_graybill_and_wang_cover_for_the_sem():
    generator = np.random.default_rng(13)
    hits = 0
    for _ in range(300):
        x = generator.normal(0, 2, (10, 1)) + generator.normal(0, 1, (1, 4)) + generator.normal(0, 1, (10, 4))
        r = ag.sem(x)
        hits += r.conf_low <= sqrt(2) <= r.conf_high
    assert hits / 300 >= 0.91


# ---- refusals and the order of categories


def test_categories_in_order():
    assert rating_tables.sorted_categories(["10", "9", "1e1"]) == ("9", "10", "1e1")
    assert rating_tables.sorted_categories(["b", "10", "a"]) == ("10", "a", "b")
    assert rating_tables.is_number("-1.5e2")
    assert rating_tables.is_number(np.float64(2))
    for value in ("nan", "inf", "1_0", "", "II", "1e999", None, float("inf")):
        assert not rating_tables.is_number(value)


def test_positions_in_the_union_make_the_weights():
    # With 1, 2, 3 and 10 the step from 3 to 10 counts one.
    a, b = ["1", "2", "3", "10", "2", "3"], ["1", "2", "10", "10", "1", "3"]
    shifted = {"1": "1", "2": "2", "3": "3", "10": "4"}
    assert same(
        ag.cohen_kappa(a, b, "linear"), ag.cohen_kappa([shifted[v] for v in a], [shifted[v] for v in b], "linear")
    )
    named = ag.cohen_kappa(["low", "mid", "high"], ["low", "high", "mid"], "linear", ["low", "mid", "high"])
    assert same(named, ag.cohen_kappa([1, 2, 3], [1, 3, 2], "linear"))
    assert ag.gwet_ac2([["low", "mid"], ["high", "high"]], "linear", ["low", "mid", "high"]).estimate > 0
    alpha = ag.krippendorff_alpha([["low", "mid"], ["high", "high"]], "ordinal", ["low", "mid", "high"])
    assert same(alpha, ag.krippendorff_alpha([[1, 2], [3, 3]], "ordinal"))


@pytest.mark.parametrize(
    "call",
    [
        lambda: ag.icc([1, 2, 3]),
        lambda: ag.icc([[1], [2]]),
        lambda: ag.icc([["a", "b"], ["c", "d"]]),
        lambda: ag.icc([[1, inf], [2, 3]]),
        lambda: ag.icc([[1, 2], [3, 4]], 1.0),
        lambda: ag.sem([[1, 2], [3, 4]], "relative"),
        lambda: ag.bland_altman([1, 2], [1, 2, 3]),
        lambda: ag.bland_altman([1, 2], [1, 3], coverage=1.0),
        lambda: ag.bland_altman([1, 2], ["x", 3]),
        lambda: ag.cohen_kappa([1, 2], [1]),
        lambda: ag.cohen_kappa(["a", "b"], ["a", "c"], "linear"),
        lambda: ag.cohen_kappa(["a", "b"], ["a", "c"], categories=["a", "b"]),
        lambda: ag.cohen_kappa(["a", "b"], ["a", "b"], categories=["a", "b", "a"]),
        lambda: ag.cohen_kappa([1, 2], [1, 2], "cubic"),
        lambda: ag.cohen_kappa_table([[1, 2, 3], [1, 2, 3]]),
        lambda: ag.cohen_kappa_table([[1, -2], [1, 2]]),
        lambda: ag.fleiss_kappa_counts([[1, -2], [2, 2]]),
        lambda: ag.fleiss_kappa_counts([1, 2]),
        lambda: ag.fleiss_kappa(["a", "b"]),
        lambda: ag.gwet_ac2([["a", "b"], ["a", "a"]], "linear"),
        lambda: ag.gwet_ac2([[1, 2], [1, 1]], "unweighted"),
        lambda: ag.krippendorff_alpha([[1, 2], [1, 1]], "ratio"),
        lambda: ag.krippendorff_alpha([["a", "b"], ["a", "a"]], "ordinal"),
        lambda: ag.krippendorff_alpha([["a", "b"], ["a", "a"]], "interval", ["a", "b"]),
    ],
)
def test_bad_input_is_refused(call):
    with pytest.raises(InputError):
        call()


def test_refusals_name_every_bad_category():
    with pytest.raises(InputError) as caught:
        ag.cohen_kappa(["mild", "1"], ["severe", "1"], "quadratic")
    assert [p.value for p in caught.value.problems] == ["mild", "severe"]
    assert isnan(ag.bland_altman([nan, 1], [1, 1])[0].estimate)


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (
            lambda: sem([[1, 2], [2, 3]], "absolute"),
            Problem("unknown method", value="absolute", column="method", remedy="choose anova or consistency"),
        ),
        (
            lambda: cohen_kappa([1, 2], [1, 2, 3]),
            Problem("two readings of the same cases are needed", value="shapes (2,) and (3,)"),
        ),
        (
            lambda: cohen_kappa_table([[1, 2]]),
            Problem("the table must be square", value="shape (1, 2)", column="table"),
        ),
        *(
            (
                lambda bad=bad: cohen_kappa_table(bad),
                Problem("a table of counts is two-dimensional, finite and not negative", column="table"),
            )
            for bad in ([1, 2], np.zeros((0, 2)), [[1, -1], [0, 1]], [[1, np.inf], [0, 1]], [[np.nan, 1], [0, 1]])
        ),
    ],
)
def test_what_is_no_input_is_said_in_full(call, problem):
    with pytest.raises(InputError) as error:
        call()
    assert error.value.problems == (problem,)


def test_a_rating_that_is_no_category_is_refused():
    with pytest.raises(InputError, match="z"):
        fleiss_kappa([["x", "y"], ["z", "y"]], ["x", "y"])


def test_readings_that_differ_neither_between_cases_nor_between_readers():
    """A Latin square: both mean squares are 0, and Satterthwaite's degrees of freedom 0/0. psych 2.2.9 has NaN there too."""
    square = icc([[1, 2, 3], [2, 3, 1], [3, 1, 2], [2, 2, 2]])
    assert [r.estimate for r in square[:3]] == pytest.approx([-0.5, -0.8, -0.5])
    assert isnan(square[1].conf_low)
    assert all("no evidence of certainty" in square[i].warning for i in (0, 2))
    assert {r.status for r in square} == {"caution", "not_estimable"}


@pytest.mark.parametrize(
    ("scale", "shift", "rel"), [(1e-100, 0.0, 1e-9), (1e9, 0.0, 1e-9), (1.0, 1e8, 1e-6), (-3.0, 7.0, 1e-9)]
)
def test_icc_does_not_depend_on_unit_or_origin(scale, shift, rel):
    """Small units are no rounding error, and a far origin leaves the sums of squares their digits."""
    for ratings in ([[9, 2, 5], [6, 1, 3], [8, 4, 6], [7, 1, 2]], [[1, 2], [2, 1], [3, 3.5], [4, 4.25]]):
        moved = icc(scale * np.array(ratings, dtype=float) + shift)
        for found, expected in zip(moved, icc(ratings), strict=True):
            for field in ("estimate", "conf_low", "conf_high", "statistic", "pvalue"):
                assert getattr(found, field) == pytest.approx(getattr(expected, field), rel=rel, abs=1e-12, nan_ok=True)


def test_a_weighted_kappa_of_text_wants_an_order():
    with pytest.raises(InputError, match="a weighted kappa"):
        cohen_kappa(["x", "y"], ["y", "x"], "linear")


@pytest.mark.parametrize("categories", [2, 3, 9])
def test_kappas_of_every_pair_are_those_of_the_pairs_to_the_last_digit(categories):
    rng = np.random.default_rng(1)
    ratings = rng.integers(0, categories, (25, 7)).astype(object)
    ratings[rng.random(ratings.shape) < 0.1] = None
    ratings[:, 6] = ratings[0, 6] = 1  # one category throughout
    weights = ("unweighted", "linear", "quadratic")
    found = cohen_kappas(ratings, weights, 0.9)
    for weight in weights:
        for i, j in combinations(range(7), 2):
            one = cohen_kappa(ratings[:, i], ratings[:, j], weight, confidence_level=0.9)
            assert repr(astuple(next(found))) == repr(astuple(one))
    assert next(found, None) is None
