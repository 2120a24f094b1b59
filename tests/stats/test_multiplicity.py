"""Adjusted p-values against R's p.adjust, and max-T."""

import csv
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from hybridcx.stats import multiplicity as mu

REFERENCE = Path(__file__).parents[1] / "reference"
quick = settings(max_examples=60, deadline=None)
RULES = {"holm": mu.holm, "hochberg": mu.hochberg, "BH": mu.benjamini_hochberg}
families = st.lists(st.floats(0, 1) | st.just(0.05) | st.just(float("nan")), max_size=12).map(np.array)


def test_against_r():
    """p.adjust of R 4.2.2, with ties (paired/make_paired_reference.R)."""
    with (REFERENCE / "paired/adjust_expected.csv").open(encoding="utf-8", newline="") as fh:
        rows = list(csv.DictReader(fh))
    for _, members in groupby(rows, key=lambda r: r["family"]):
        family = list(members)
        p = np.array([float(r["p"]) for r in family])
        for name, rule in RULES.items():
            assert rule(p) == pytest.approx([float(r[name]) for r in family], rel=1e-12)


@pytest.mark.parametrize("rule", RULES.values())
@quick
@given(p=families, seed=st.integers(0, 2**32 - 1))
def test_laws(rule, p, seed):
    adjusted = rule(p)
    known = ~np.isnan(p)
    assert (np.isnan(adjusted) == ~known).all()
    assert (adjusted[known] >= p[known] - 1e-15).all()
    assert (adjusted[known] <= 1).all()
    # Order is kept, members do not depend on their position, and a test that could not be done does not count.
    by_p = adjusted[known][np.argsort(p[known], kind="stable")]
    assert (np.diff(by_p) >= 0).all()
    order = np.random.default_rng(seed).permutation(p.size)
    assert rule(p[order]) == pytest.approx(adjusted[order], nan_ok=True)
    assert rule(p[known]) == pytest.approx(adjusted[known])


@quick
@given(families)
def test_hochberg_never_exceeds_holm_nor_bh_hochberg(p):
    known = ~np.isnan(p)
    assert (mu.hochberg(p)[known] <= mu.holm(p)[known] + 1e-12).all()
    assert (mu.benjamini_hochberg(p)[known] <= mu.hochberg(p)[known] + 1e-12).all()


def test_impossible_p_values_are_refused():
    for bad in ([-0.1], [1.1], [[0.1, 0.2]]):
        with pytest.raises(ValueError, match="p-values must"):
            mu.holm(bad)


def joint(rng, B=4000, m=3, rho=0.0, observed=(0.0, 1.0, 3.0), spread=(1.0, 1.0, 1.0)):
    cov = np.full((m, m), rho) + (1 - rho) * np.eye(m)
    return np.array(observed), np.array(observed) + rng.multivariate_normal(np.zeros(m), cov, B) * np.array(spread)


def test_max_t_of_independent_normals_is_sidak():
    rng = np.random.default_rng(3)
    observed, replicates = joint(rng, B=40_000)
    got = mu.max_t(observed, replicates)
    single = 2 * stats.norm.sf(np.abs(observed))
    assert got.pvalue == pytest.approx(1 - (1 - single) ** 3, abs=0.012)
    z = stats.norm.ppf((1 + 0.95 ** (1 / 3)) / 2)
    assert got.conf_low == pytest.approx(observed - z, abs=0.05)
    assert got.conf_high == pytest.approx(observed + z, abs=0.05)


def test_max_t_of_one_comparison_is_the_single_studentised_test():
    rng = np.random.default_rng(8)
    replicates = rng.normal(0.3, 0.2, (999, 1))
    got = mu.max_t([0.3], replicates)
    reached = (np.abs(replicates[:, 0] - 0.3) >= 0.3).sum()
    assert got.pvalue[0] == (1 + reached) / 1000
    reach = np.quantile(np.abs(replicates[:, 0] - 0.3), 0.95)
    assert (got.conf_low[0], got.conf_high[0]) == pytest.approx((0.3 - reach, 0.3 + reach))


def test_correlated_comparisons_cost_less_than_independent_ones():
    p = [
        mu.max_t(*joint(np.random.default_rng(1), B=20_000, rho=r, observed=(2.2,) * 3)).pvalue[0] for r in (0.0, 0.95)
    ]
    assert p[1] < p[0] - 0.01


def test_max_t_does_not_depend_on_scale_or_sign():
    observed, replicates = joint(np.random.default_rng(2))
    base = mu.max_t(observed, replicates)
    scale = np.array([10.0, -0.01, 3.0])
    scaled = mu.max_t(observed * scale, replicates * scale)
    assert scaled.pvalue == pytest.approx(base.pvalue)
    assert np.sort([scaled.conf_low, scaled.conf_high], axis=0) == pytest.approx(
        np.sort([base.conf_low * scale, base.conf_high * scale], axis=0)
    )


def test_p_is_at_least_one_over_b_plus_1_and_limits_agree_with_it():
    observed, replicates = joint(np.random.default_rng(4), B=999, observed=(0.1, 2.4, 50.0))
    got = mu.max_t(observed, replicates)
    assert got.pvalue[2] == 1 / 1000
    assert ((got.conf_low > 0) == (got.pvalue < 0.05)).all()


def test_columns_that_cannot_take_part():
    observed, replicates = joint(np.random.default_rng(5), m=3)
    base = mu.max_t(observed, replicates)
    wide = np.column_stack([replicates, np.zeros(4000), np.full(4000, 0.1), np.full(4000, np.nan), replicates[:, 0]])
    got = mu.max_t([*observed, 0.0, 0.1, 0.2, np.nan], wide)
    assert got.pvalue[:3] == pytest.approx(base.pvalue)
    assert got.pvalue[3] == 1  # identical models
    assert np.isnan(got.pvalue[4:]).all()
    assert np.isnan(got.conf_low[3:]).all()
    assert np.isnan(got.conf_high[3:]).all()


def test_failed_resamples_are_left_out():
    observed, replicates = joint(np.random.default_rng(6))
    holed = np.vstack([replicates, [[np.nan, 0, 0]], [[9, 9, np.nan]]])
    assert mu.max_t(observed, holed).pvalue == pytest.approx(mu.max_t(observed, replicates).pvalue)


def test_max_t_alone_is_max_t_of_each_comparison_by_itself():
    rng = np.random.default_rng(4)
    observed = np.r_[rng.normal(0, 0.1, 70), np.nan, 0.0, 0.1, 0.2, 0.3]
    draws = rng.normal(observed, 0.1, (300, observed.size))
    draws[:, 71:73] = observed[71:73]  # no spread
    draws[5, 73] = np.nan
    draws[6, 74] = np.inf
    with np.errstate(invalid="ignore"):
        one_by_one = [mu.max_t(observed[j : j + 1], draws[:, j : j + 1]).pvalue[0] for j in range(observed.size)]
        assert np.array_equal(mu.max_t_alone(observed, draws), one_by_one, equal_nan=True)
    assert np.isnan(mu.max_t_alone([0.5], [[0.4]])).all()


def test_max_t_without_anything_to_go_by():
    assert np.isnan(mu.max_t([np.nan], np.zeros((10, 1))).pvalue).all()
    assert np.isnan(mu.max_t([1.0], np.ones((1, 1))).pvalue).all()
    alone = mu.max_t([0.0], np.zeros((10, 1)))
    assert alone.pvalue[0] == 1
    for observed, replicates in (([1.0], np.zeros((5, 2))), (1.0, np.zeros((5, 1))), ([1.0], np.zeros(5))):
        with pytest.raises(ValueError, match="do not fit"):
            mu.max_t(observed, replicates)
    with pytest.raises(ValueError, match="confidence_level"):
        mu.max_t([1.0], np.zeros((5, 1)), 1.0)


def by_definition(observed, draws, level):
    """Single-step max-T in loops over columns and rows."""
    spread = [np.sqrt(sum((x - draws[:, j].mean()) ** 2 for x in draws[:, j]) / (len(draws) - 1)) for j in range(3)]
    largest = [max(abs(row[j] - observed[j]) / spread[j] for j in range(3)) for row in draws]
    p = [
        (1 + sum(m >= abs(o) / s * (1 - 1e-12) for m in largest)) / (len(draws) + 1)
        for o, s in zip(observed, spread, strict=True)
    ]
    reach = np.quantile(largest, level)
    return p, [o - reach * s for o, s in zip(observed, spread, strict=True)], reach


@pytest.mark.parametrize("n_draws", [2, 3, 9])
def test_max_t_by_its_definition(n_draws):
    rng = np.random.default_rng(n_draws)
    observed = np.array([0.3, -0.1, 0.5])
    draws = observed + rng.normal(size=(n_draws, 3)) * [1.0, 0.1, 0.2]
    draws[0] = 0.0  # reaches each estimate exactly: a tie counts
    got = mu.max_t(observed, draws, 0.8)
    p, low, _ = by_definition(observed, draws, 0.8)
    assert got.pvalue == pytest.approx(p, abs=1e-15)
    assert got.conf_low == pytest.approx(low)
    assert got.conf_high == pytest.approx(2 * observed - low)
    alone = [by_definition(np.repeat(observed[j], 3), draws[:, [j] * 3], 0.8)[0][0] for j in range(3)]
    assert mu.max_t_alone(observed, draws) == pytest.approx(alone, abs=1e-15)


def test_max_t_of_nothing_is_nan_throughout():
    for got in (mu.max_t([np.nan], np.zeros((10, 1))), mu.max_t([1.0], np.ones((1, 1)))):
        assert all(np.isnan(values).all() and values.dtype == np.float64 for values in got)
    with pytest.raises(ValueError, match="confidence_level"):
        mu.max_t([1.0], np.zeros((5, 1)), 0.0)


def test_hundreds_of_comparisons_alone():
    """More columns than are taken at once, some of them unusable, at every place of a block."""
    rng = np.random.default_rng(11)
    observed = rng.normal(0, 0.1, 200)
    draws = rng.normal(observed, 0.1, (50, 200))
    draws[3, [0, 63, 130]] = np.nan
    observed[[1, 64, 199]] = np.nan
    draws[:, 65] = observed[65]
    got = mu.max_t_alone(observed, draws)
    one_by_one = [mu.max_t(observed[j : j + 1], draws[:, j : j + 1]).pvalue[0] for j in range(200)]
    assert np.array_equal(got, one_by_one, equal_nan=True)
    assert np.isnan(got[[1, 64, 65, 199]]).all()
    assert np.isfinite(np.delete(got, [1, 64, 65, 199])).all()


@pytest.mark.parametrize(("centre", "jitter", "flat"), [(1e3, 1e-10, True), (0.5, 1e-10, False), (0.5, 1e-13, True)])
def test_rounding_is_no_spread(centre, jitter, flat):
    """A standard deviation below 1e-12 of the estimate (of 1, for estimates below 1) is a rounding error."""
    draws = centre + np.resize([jitter, -jitter], (40, 1))
    for p in (mu.max_t([centre], draws).pvalue, mu.max_t_alone([centre], draws)):
        assert np.isnan(p[0]) == flat
