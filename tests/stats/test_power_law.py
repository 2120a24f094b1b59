"""The power law of learning curves: R's bounded least squares, its laws, the best of a box by another solver, and what is said of its limits."""

from __future__ import annotations

from math import inf, isnan, nan
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import lsq_linear

from hybridcx.stats.power import learning_curve as power_law
from hybridcx.stats.power.learning_curve import EXPONENTS, fit_power_law, learning_curve

REFERENCE = Path(__file__).parents[1] / "reference" / "power_law"
SIZES = np.array([58.0, 116.0, 174.0, 232.0])
parameters = {"a": st.floats(0.55, 0.99), "drop": st.floats(0.02, 0.5), "c": st.floats(0.1, 1.9)}


def law(a, drop, c, sizes=SIZES):
    """A curve that is `drop` below its asymptote at the largest size."""
    return a - drop * (np.asarray(sizes) / max(sizes)) ** -c


def noisy(rows=200, noise=0.02, seed=0, a=0.9, drop=0.08, c=0.6):
    return law(a, drop, c) + np.random.default_rng(seed).normal(0, noise, (rows, SIZES.size))


def test_r_finds_the_same_curves():
    data = pd.read_csv(REFERENCE / "power_law_data.csv")
    expected = pd.read_csv(REFERENCE / "power_law_expected.csv")
    assert len(expected) == 8
    bounds = []
    for row in expected.to_dict("records"):
        own = data[data["set"] == row["set"]]
        found = fit_power_law(own["n"], own["y"].to_numpy()[None], rising=not row["falling"])
        assert found.asymptote[0] == pytest.approx(row["asymptote"], abs=1e-7), row["set"]
        assert found.scale[0] == pytest.approx(row["scale"], rel=1e-6), row["set"]
        assert found.exponent[0] == pytest.approx(row["exponent"], abs=1e-6), row["set"]
        assert found.rss[0] <= row["rss"] * (1 + 1e-9) + 1e-28
        bounds.append(bool(found.on_bound[0]))
    assert bounds == [False] * 5 + [True] * 3


@given(**parameters)
def test_a_curve_without_noise_is_found_again(a, drop, c):
    found = fit_power_law(SIZES, law(a, drop, c)[None])
    assert found.rss[0] < 1e-25
    assert found.asymptote[0] == pytest.approx(a, abs=1e-7)
    assert found.gap[0] == pytest.approx(drop, abs=1e-7)
    assert found.exponent[0] == pytest.approx(c, rel=1e-6)
    beyond = [300.0, 464.0, 928.0]
    np.testing.assert_allclose(found.at(beyond)[0], a - drop * (np.array(beyond) / 232) ** -c, atol=1e-7)


def test_a_falling_curve_is_the_mirror_image():
    y = noisy()
    up, down = fit_power_law(SIZES, y), fit_power_law(SIZES, 1 - y, rising=False)
    np.testing.assert_allclose(down.asymptote, 1 - up.asymptote, atol=1e-12)
    np.testing.assert_allclose(down.gap, up.gap, atol=1e-12)
    np.testing.assert_array_equal(down.on_bound, up.on_bound)
    np.testing.assert_allclose(down.at([100, 500]), 1 - up.at([100, 500]), atol=1e-12)
    np.testing.assert_allclose(down.size_for(0.02), up.size_for(0.02), rtol=1e-9)


@given(factor=st.floats(0.01, 100.0), seed=st.integers(0, 50))
def test_the_unit_of_the_size_does_not_matter(factor, seed):
    y = noisy(20, seed=seed)
    one, other = fit_power_law(SIZES, y), fit_power_law(factor * SIZES, y)
    np.testing.assert_allclose(other.rss, one.rss, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(other.at(factor * np.array([58, 400])), one.at([58, 400]), atol=1e-7)
    np.testing.assert_allclose(other.size_for(0.01), factor * one.size_for(0.01), rtol=1e-5)


@given(seed=st.integers(0, 100))
def test_curves_never_turn_and_stay_within_the_range(seed):
    y = np.random.default_rng(seed).random((50, SIZES.size))  # no curve at all
    found = fit_power_law(SIZES, y)
    assert ((found.asymptote >= 0) & (found.asymptote <= 1) & (found.gap >= 0)).all()
    known = ~np.isnan(found.exponent)
    assert ((found.exponent[known] >= EXPONENTS[0]) & (found.exponent[known] <= EXPONENTS[1])).all()
    np.testing.assert_array_equal(known, found.gap > 0)
    along = found.at(np.geomspace(58, 1e6, 40))
    assert (np.diff(along, axis=1) >= -1e-15).all()
    assert (along[:, -1] <= found.asymptote + 1e-15).all()
    order = np.random.default_rng(seed).permutation(4)
    mixed = fit_power_law(SIZES[order], y[:, order])
    np.testing.assert_allclose(mixed.rss, found.rss, rtol=1e-9, atol=1e-15)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), noise=st.sampled_from([0.005, 0.03, 0.2]))
def test_no_exponent_gives_a_smaller_sum_of_squares(seed, noise):
    """SciPy's solver for the box, on a finer grid of exponents."""
    (y,) = np.clip(noisy(1, noise, seed), 0, 1)
    best = inf
    for c in np.geomspace(*EXPONENTS, 400):
        design = np.stack([np.ones(4), -((SIZES / 232) ** -c)], axis=1)
        best = min(best, 2 * lsq_linear(design, y, ([0, 0], [1, inf]), method="bvls", tol=1e-14).cost)
    found = fit_power_law(SIZES, y[None])
    assert found.rss[0] <= best * (1 + 1e-9) + 1e-14
    np.testing.assert_allclose(found.rss[0], ((found.at(SIZES)[0] - y) ** 2).sum(), atol=1e-14)


def test_the_size_for_a_gain_is_where_the_curve_has_it():
    found = fit_power_law(SIZES, noisy(300))
    present = found.at([232.0])[:, 0]
    sizes = found.size_for(0.01)
    reached = np.isfinite(sizes) & (sizes < 1e12)
    assert reached.sum() > 50
    for i in np.flatnonzero(reached):
        assert found.at([sizes[i]])[i, 0] == pytest.approx(present[i] + 0.01, abs=1e-9)
    np.testing.assert_array_equal(np.isinf(sizes) | (sizes > 1e12), ~reached)
    assert (found.gap[np.isinf(sizes)] <= 0.0101).mean() > 0.9
    assert (found.size_for(0.02) >= sizes).all()


def test_a_curve_that_falls_is_flat_and_has_no_exponent():
    y = np.array([[0.8, 0.79, 0.78, 0.77], [0.7, 0.7, 0.7, 0.7]])
    found = fit_power_law(SIZES, y)
    np.testing.assert_allclose(found.asymptote, y.mean(axis=1))
    assert (found.gap == 0).all()
    assert np.isnan(found.exponent).all()
    assert found.on_bound.all()
    np.testing.assert_allclose(found.at([10, 1000]), y.mean(axis=1)[:, None] * np.ones(2))
    assert np.isinf(found.size_for(0.01)).all()


def test_rows_with_undefined_values_are_left_out():
    y = noisy(5)
    y[2, 1] = nan
    found, whole = fit_power_law(SIZES, y), fit_power_law(SIZES, y[[0, 1, 3, 4]])
    assert np.isnan(found.asymptote[2])
    assert not found.on_bound[2]
    assert np.isnan(found.size_for(0.01)[2])
    np.testing.assert_array_equal(np.delete(found.exponent, 2), whole.exponent)
    assert np.isnan(fit_power_law(SIZES, np.full((1, 4), nan)).rss).all()


@pytest.mark.parametrize(
    ("sizes", "values"),
    [([58, 116], np.zeros((1, 2))), ([58, 58, 116], np.zeros((1, 3))), ([0, 58, 116], np.zeros((1, 3)))],
)
def test_too_few_sizes_are_refused(sizes, values):
    with pytest.raises(ValueError, match="at least 3 different sizes above 0"):
        fit_power_law(sizes, values)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="do not belong"):
        fit_power_law(SIZES, np.zeros((2, 3)))
    with pytest.raises(ValueError, match="level"):
        learning_curve(SIZES, law(0.9, 0.1, 0.5), noisy(), confidence_level=1.5)


def test_limits_are_percentiles_of_the_replicates_fits():
    drawn = noisy(500)
    curve = learning_curve(SIZES, law(0.9, 0.08, 0.6), drawn, n_cases=100)
    fits = fit_power_law(SIZES, drawn)
    for found, values in (
        (curve.asymptote(), fits.asymptote),
        (curve.exponent(), fits.exponent),
        (curve.scale(), fits.scale),
        (curve.at(400.0), fits.at([400.0])[:, 0]),
    ):
        values = values[~np.isnan(values)]
        assert (found.conf_low, found.conf_high) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])))
        assert found.n_resamples == 500
        assert found.n_resamples_failed == 500 - values.size
        assert (found.n, found.conf_level) == (100, 0.95)
    needed = curve.size_for(0.05)
    assert needed.conf_low == pytest.approx(np.quantile(fits.size_for(0.05), 0.025))
    assert needed.conf_high == inf
    assert curve.asymptote().estimate == pytest.approx(0.9)
    narrow, wide = (learning_curve(SIZES, law(0.9, 0.08, 0.6), drawn, confidence_level=v).at(400) for v in (0.8, 0.99))
    assert wide.conf_low < narrow.conf_low < narrow.conf_high < wide.conf_high


def test_a_curve_within_its_sizes_is_sure_and_one_beyond_never():
    curve = learning_curve(SIZES, law(0.9, 0.08, 0.6), noisy(400, noise=0.0005))
    assert curve.share_on_bound < 0.025
    assert curve.at(100).status == "ok"
    assert curve.exponent().status == "ok"
    beyond = curve.at(233)
    assert (beyond.status, beyond.warning) == ("caution", power_law.EXTRAPOLATED)
    needed = curve.size_for(0.01)
    assert needed.status == "caution"
    assert power_law.EXTRAPOLATED in needed.warning


def test_bounds_that_give_the_limits_are_said():
    curve = learning_curve(SIZES, law(0.9, 0.08, 0.6), noisy(400, noise=0.02))
    assert curve.share_on_bound > 0.3
    for found in (curve.asymptote(), curve.exponent(), curve.scale(), curve.at(464), curve.size_for(0.01)):
        assert found.status == "caution"
        assert f"{100 * curve.share_on_bound:.0f} % of the resamples lie on a bound" in found.warning
    assert "bound" not in curve.at(200).warning
    on_it = learning_curve(SIZES, [0.60, 0.70, 0.755, 0.795], noisy(400, noise=0.02))
    assert on_it.asymptote().warning.startswith("the fit and ")


def test_what_does_not_rise_has_neither_exponent_nor_needed_size():
    curve = learning_curve(SIZES, [0.8, 0.79, 0.78, 0.77], noisy(200, drop=0.0, a=0.785))
    assert curve.flat
    for found in (curve.exponent(), curve.scale()):
        assert (found.status, found.warning) == ("not_estimable", power_law.FLAT)
        assert isnan(found.estimate)
    assert curve.at(100).status == "caution"
    needed = curve.size_for(0.02)
    assert needed.estimate == inf
    assert needed.warning.startswith(power_law.NEVER)
    assert "no value of the metric is so much better" in curve.size_for(0.5).warning
    falling = learning_curve(SIZES, [0.02, 0.015, 0.014, 0.013], 1 - noisy(200), rising=False)
    assert "no value of the metric is so much better" in falling.size_for(0.5).warning


def test_three_sizes_are_said_to_prove_nothing():
    curve = learning_curve(SIZES[:3], law(0.9, 0.08, 0.6)[:3], noisy(200, noise=0.001)[:, :3])
    assert curve.at(100).warning.startswith("fitted to 3 sizes")
    assert curve.at(100).status == "caution"


def test_replicates_that_are_undefined_or_all_the_same_are_said():
    drawn = noisy(100, noise=0.001)
    drawn[:20, 0] = nan
    curve = learning_curve(SIZES, law(0.9, 0.08, 0.6), drawn)
    assert "20 of 100 resamples left it undefined" in curve.at(100).warning
    same = learning_curve(SIZES, law(0.9, 0.08, 0.6), np.tile(law(0.9, 0.08, 0.6), (50, 1)))
    assert "zero width" in same.at(100).warning
    none = learning_curve(SIZES, law(0.9, 0.08, 0.6), np.full((50, 4), nan))
    found = none.at(100)
    assert (found.status, isnan(found.conf_low)) == ("caution", True)
    assert "too few resamples are defined" in found.warning
    assert isnan(none.share_on_bound)
    missing = learning_curve(SIZES, [nan, 0.8, 0.85, 0.86], drawn).at(100)
    assert (missing.status, isnan(missing.estimate)) == ("not_estimable", True)
    assert missing.warning == "the metric is undefined at one of the sizes"
