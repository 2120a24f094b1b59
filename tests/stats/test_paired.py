"""Differences of paired proportions: against base R, published values, brute force, and their laws."""

import csv
import json
from math import isnan
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special

from hybridcx.stats import paired as pa
from hybridcx.stats.mcnemar import mcnemar_asymptotic, mcnemar_exact
from hybridcx.stats.proportions import normal_quantile

REFERENCE = Path(__file__).parents[1] / "reference"
quick = settings(max_examples=60, deadline=None)
METHODS = [pa.newcombe_paired, pa.tango, pa.agresti_min]
cell = st.integers(0, 60)
tables = st.tuples(cell, cell, cell, cell).filter(lambda t: sum(t) > 0)
discordant = st.tuples(cell, cell, cell).map(lambda t: (t[0], t[1], sum(t))).filter(lambda t: t[2] > 0)
levels = st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99, 0.9999])


def read(name):
    with (REFERENCE / name).open(encoding="utf-8", newline="") as fh:
        return list(csv.DictReader(fh))


def correctness_table(t, metric):
    """(n11, n10, n01, n00) of correct calls, of the cases that the metric is about, from the calls of the reference table."""
    positives = tuple(int(t[f"d1_{k}"]) for k in ("11", "10", "01", "00"))
    negatives = tuple(int(t[f"d0_{k}"]) for k in ("00", "01", "10", "11"))
    match metric:
        case "sensitivity":
            return positives
        case "specificity":
            return negatives
    return tuple(p + q for p, q in zip(positives, negatives, strict=True))


def test_against_base_r():
    """Score interval by a numerically maximised likelihood, Newcombe's and Agresti-Min's written out (make_paired_reference.R)."""
    cases = {t["case"]: t for t in read("paired/tables.csv")}
    seen = dict.fromkeys(("tango", "newcombe_paired", "agresti_min", "tango_pvalue_margin_0.1", "mcnemar_exact"), 0)
    for e in read("paired/table_expected.csv"):
        if e["method"] not in seen:
            continue
        seen[e["method"]] += 1
        n11, b, c, n00 = correctness_table(cases[e["case"]], e["metric"])
        n = n11 + b + c + n00
        if e["method"] == "tango_pvalue_margin_0.1":
            assert pa.tango_pvalue(b, c, n, -0.1) == pytest.approx(float(e["p_value"]), rel=1e-8), e
            continue
        if e["method"] == "mcnemar_exact":
            got = pa.permutation_paired_counts(b, c, n, rng=np.random.default_rng(1))
            if b + c <= 20:
                assert got.pvalue == pytest.approx(float(e["p_value"]), rel=1e-9)
            continue
        got = getattr(pa, e["method"])(n11, b, c, n00)
        assert got.estimate == pytest.approx(float(e["estimate"]), rel=1e-9, abs=1e-15)
        assert got.conf_low == pytest.approx(float(e["conf_low"]), rel=1e-9, abs=1e-11), e
        assert got.conf_high == pytest.approx(float(e["conf_high"]), rel=1e-9, abs=1e-11), e
        if e["method"] == "tango":
            assert got.statistic == pytest.approx(float(e["statistic"]), rel=1e-9, abs=1e-12)
            assert got.pvalue == pytest.approx(float(e["p_value"]), rel=1e-8)
    assert min(seen.values()) >= 50


def test_published_intervals():
    """Bentur et al. 2009, by R's ratesci and contingencytables (published.json)."""
    book = json.loads((REFERENCE / "published.json").read_text(encoding="utf-8"))["bentur_2009"]
    table = book["table_n11_n12_n21_n22"]
    for method in (pa.tango, pa.newcombe_paired):
        got = method(*table)
        assert [got.conf_low, got.conf_high] == pytest.approx(book[method.__name__], abs=6e-4)
        assert got.estimate == pytest.approx(book["difference"], abs=6e-7)


def test_paired_table():
    a = np.array([True, True, True, False, False, False])
    b = np.array([True, False, False, True, False, False])
    assert pa.paired_table(a, b) == (1, 2, 1, 2)
    with pytest.raises(ValueError, match="boolean"):
        pa.paired_table(a.astype(int), b)


@pytest.mark.parametrize("method", METHODS)
@quick
@given(t=tables, level=levels)
def test_swapping_the_models_mirrors_the_interval(method, t, level):
    n11, b, c, n00 = t
    one, other = method(n11, b, c, n00, level), method(n11, c, b, n00, level)
    assert one.estimate == -other.estimate
    assert one.conf_low == pytest.approx(-other.conf_high, abs=1e-12)
    assert one.conf_high == pytest.approx(-other.conf_low, abs=1e-12)
    assert one.pvalue == pytest.approx(other.pvalue, nan_ok=True)


@pytest.mark.parametrize("method", METHODS)
@quick
@given(t=tables, level=levels)
def test_intervals_are_ordered_within_range_and_widen(method, t, level):
    got, wider = method(*t, level), method(*t, 0.99999)
    assert -1 <= got.conf_low < got.conf_high <= 1
    assert wider.conf_low <= got.conf_low + 1e-12
    assert wider.conf_high >= got.conf_high - 1e-12
    if method is not pa.agresti_min:
        assert got.conf_low <= got.estimate <= got.conf_high
    assert (got.status == "caution") == (got.b + got.c == 0)


@quick
@given(tables, levels)
def test_tango_excludes_0_exactly_if_p_is_below_the_level(t, level):
    got = pa.tango(*t, level)
    if abs(got.pvalue - (1 - level)) > 1e-9:
        assert (got.conf_low > 0 or got.conf_high < 0) == (got.pvalue < 1 - level)
    assert got.pvalue == pytest.approx(mcnemar_asymptotic(t[1], t[2], sum(t)).pvalue, rel=1e-9)


@quick
@given(discordant, levels)
def test_tango_limits_solve_the_score_equation(bcn, level):
    b, c, n = bcn
    z = normal_quantile(level)
    for limit, want in zip(pa.tango_limits(b, c, n, level), (z, -z), strict=True):
        if abs(limit) < 1:
            assert float(pa.tango_score(b, c, n, limit)) == pytest.approx(want, abs=1e-6)


@quick
@given(discordant)
def test_the_score_statistic_falls_in_delta_so_that_the_interval_is_one_piece(bcn):
    b, c, n = bcn
    z = pa.tango_score(b, c, n, np.linspace(-0.999, 0.999, 401))
    z = z[~np.isnan(z)]
    assert (np.diff(z) <= 1e-9).all()


@quick
@given(discordant.filter(lambda t: t[0] > 0 and t[1] > 0), st.floats(-0.9, 0.9))
def test_the_nuisance_parameter_maximises_the_likelihood(bcn, delta):
    """The closed form against a direct maximisation of the multinomial likelihood under p10 - p01 = delta."""
    b, c, n = bcn
    e = n - b - c

    def minus_log_likelihood(q):
        rest = e * np.log(1 - 2 * q - delta) if e else 0.0
        return -(b * np.log(q + delta) + c * np.log(q) + rest)

    low, high = max(0.0, -delta), (1 - delta) / 2
    if e == 0:
        q = high
    else:
        width = high - low
        q = optimize.minimize_scalar(
            minus_log_likelihood,
            bounds=(low + 1e-12 * width, high - 1e-12 * width),
            method="bounded",
            options={"xatol": 1e-12},
        ).x
    want = (b - c - n * delta) / np.sqrt(n * (2 * q + delta - delta**2))
    assert float(pa.tango_score(b, c, n, delta)) == pytest.approx(want, rel=2e-5, abs=2e-5)


def test_tango_edges_have_closed_forms():
    z2 = normal_quantile(0.95) ** 2
    none = pa.tango(30, 0, 0, 19)
    assert (none.conf_low, none.conf_high) == pytest.approx((-z2 / (49 + z2), z2 / (49 + z2)))
    assert (none.pvalue, none.status, none.estimate) == (1.0, "caution", 0.0)
    assert isnan(none.statistic)
    every = pa.tango(0, 49, 0, 0)
    assert (every.conf_low, every.conf_high) == pytest.approx(((49 - z2) / (49 + z2), 1.0))
    assert pa.tango(0, 0, 49, 0).conf_high == pytest.approx(-(49 - z2) / (49 + z2))
    one = pa.tango(0, 1, 0, 0)
    assert -1 < one.conf_low < one.conf_high == 1
    assert pa.tango_limits(7, 3, 20, 0.0) == pytest.approx((0.2, 0.2))


def test_one_sided_tango_is_the_inversion_of_its_interval():
    for b, c, n, margin in ((3, 5, 100, 0.1), (0, 0, 49, 0.05), (12, 2, 49, 0.02), (0, 9, 30, 0.1)):
        p = pa.tango_pvalue(b, c, n, -margin)
        low, _ = pa.tango_limits(b, c, n, 1 - 2 * p) if p < 0.5 else pa.tango_limits(b, c, n, 2 * p - 1)[::-1]
        assert low == pytest.approx(-margin, abs=1e-9)
    assert pa.tango_pvalue(3, 8, 40, 0.0) == pytest.approx(1 - pa.tango_pvalue(8, 3, 40, 0.0))
    assert pa.tango_pvalue(0, 0, 40, 0.0) == 1
    assert isnan(pa.tango_pvalue(0, 0, 0, -0.1))
    with pytest.raises(ValueError, match="null"):
        pa.tango_pvalue(1, 2, 40, -1.0)


def test_newcombe_with_an_empty_margin_has_an_uncorrelated_interval():
    all_right = pa.newcombe_paired(49, 0, 0, 0)
    width = 3.841458820694124 / (49 + 3.841458820694124)
    assert (all_right.conf_low, all_right.conf_high) == pytest.approx((-width, width))


def test_agresti_min_keeps_the_raw_estimate_and_need_not_contain_it():
    inside = pa.agresti_min(0, 400, 0, 0, 0.5)
    assert inside.conf_low < inside.conf_high < inside.estimate == 1
    assert pa.agresti_min(0, 5, 0, 0).conf_high == 1  # clipped


@pytest.mark.parametrize("method", METHODS)
def test_no_cases_and_impossible_tables(method):
    got = method(0, 0, 0, 0)
    assert (got.status, bool(got.warning)) == ("not_estimable", True)
    assert isnan(got.estimate)
    assert isnan(got.conf_low)
    with pytest.raises(ValueError, match="negative"):
        method(1, -1, 0, 0)


def test_limits_refuse_impossible_counts():
    with pytest.raises(ValueError, match=r"b \+ c <= n"):
        pa.tango_limits(5, 6, 10)
    assert np.isnan(pa.tango_limits(0, 0, 0)).all()


@quick
@given(st.integers(0, 10), st.integers(0, 10))
def test_permutation_of_few_discordant_cases_is_exact(b, c):
    got = pa.permutation_paired_counts(b, c, 40)
    assert got.pvalue == mcnemar_exact(b, c, 40).pvalue
    assert isnan(got.n_resamples)
    assert got.status == ("caution" if b + c == 0 else "ok")


def test_permutation_of_many_discordant_cases_is_drawn():
    got = pa.permutation_paired_counts(32, 18, 200, n_resamples=20_000, rng=np.random.default_rng(5))
    want = mcnemar_exact(32, 18, 200).pvalue
    assert got.n_resamples == 20_000
    assert abs(got.pvalue - want) < 4 * np.sqrt(want * (1 - want) / 20_000)
    extreme = pa.permutation_paired_counts(60, 0, 200, n_resamples=999, rng=np.random.default_rng(5))
    assert extreme.pvalue == 1 / 1000
    again = pa.permutation_paired_counts(32, 18, 200, n_resamples=20_000, rng=np.random.default_rng(5))
    assert again.pvalue == got.pvalue


def test_permutation_edges():
    assert pa.permutation_paired_counts(0, 0, 0).status == "not_estimable"
    for kwargs in ({}, {"rng": np.random.default_rng(1), "n_resamples": 0}):
        with pytest.raises(ValueError, match="too many to enumerate"):
            pa.permutation_paired_counts(11, 10, 40, **kwargs)
    with pytest.raises(ValueError, match=r"b \+ c <= n"):
        pa.permutation_paired_counts(3, 3, 5)


def test_error_overlap_by_hand():
    """50 cases, 10 wrong by both, 5 by each alone: po = 0.8, pe = 0.7^2 + 0.3^2 = 0.58."""
    a = np.array([True] * 30 + [True] * 5 + [False] * 5 + [False] * 10)
    b = np.array([True] * 30 + [False] * 5 + [True] * 5 + [False] * 10)
    got = pa.error_overlap(a, b)
    assert got.kappa == pytest.approx((0.8 - 0.58) / (1 - 0.58))
    assert (got.double_fault, got.either_fault, got.n, got.status) == (0.2, 0.4, 50, "ok")
    assert pa.error_overlap(a, a).kappa == pytest.approx(1.0)
    assert pa.error_overlap(b, a).kappa == got.kappa


def test_error_overlap_edges():
    perfect = np.ones(5, bool)
    half = np.array([True, False, True, False, True])
    for a, b in ((perfect, half), (half, perfect), (half, ~perfect)):
        got = pa.error_overlap(a, b)
        assert (isnan(got.kappa), got.status, bool(got.warning)) == (True, "caution", True)
    empty = np.empty(0, bool)
    assert pa.error_overlap(empty, empty).status == "not_estimable"


@pytest.mark.slow
@pytest.mark.parametrize("n", [49, 331])
@pytest.mark.parametrize(("p10", "p01"), [(0.05, 0.05), (0.10, 0.04)])
def test_coverage_of_tango(n, p10, p01):
    """By full enumeration of the trinomial distribution: 95 % coverage within 1.5 points."""
    b, c = np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij")
    keep = b + c <= n
    b, c = b[keep], c[keep]
    logs = (
        special.gammaln(n + 1)
        - special.gammaln(b + 1)
        - special.gammaln(c + 1)
        - special.gammaln(n - b - c + 1)
        + b * np.log(p10)
        + c * np.log(p01)
        + (n - b - c) * np.log(1 - p10 - p01)
    )
    covered = ~(np.abs(pa.tango_score(b, c, n, p10 - p01)) > normal_quantile(0.95))
    assert float(np.exp(logs)[covered].sum()) == pytest.approx(0.95, abs=0.015)
