"""Recalibration against statsmodels, and its laws."""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import expit, logit

from hybridcx.stats import calibration, roc
from hybridcx.stats.recalibration import METRICS, recalibrate, recalibration_gain


def cases(n: int, seed: int, shift: float = -1.0, slope: float = 0.5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, scores that are off by `shift` and too extreme, and patients with two cases each."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 2, n)
    y = rng.random(n) < expit(shift + slope * x)
    return y, expit(x), np.arange(n) // 2


@pytest.mark.parametrize("update", ["intercept", "logistic"])
def test_the_fit_is_that_of_statsmodels(update):
    y, score, _ = cases(200, 1)
    x = logit(score)
    found = recalibrate(y, score, update)
    if update == "intercept":
        expected = sm.GLM(y.astype(float), np.ones_like(x), family=sm.families.Binomial(), offset=x).fit().params
        assert (found.intercept, found.slope) == pytest.approx((expected[0], 1.0), abs=1e-6)
    else:
        expected = sm.GLM(y.astype(float), sm.add_constant(x), family=sm.families.Binomial()).fit().params
        assert (found.intercept, found.slope) == pytest.approx(tuple(expected), abs=1e-6)


def test_on_the_cases_it_was_fitted_on_the_calibration_is_perfect_and_the_ranking_the_same():
    y, score, _ = cases(300, 2)
    new = recalibrate(y, score)(score)
    slope, intercept = calibration.calibration_line(y, new)
    assert (slope.estimate, intercept.estimate) == pytest.approx((1.0, 0.0), abs=1e-6)
    assert roc.auroc(y, new) == pytest.approx(roc.auroc(y, score), abs=1e-12)


def test_a_separated_part_cannot_be_fitted():
    found = recalibrate([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9])
    assert isnan(found.slope)
    y, score, groups = cases(60, 3)
    fitted, gains = recalibration_gain(
        ([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], [0, 1, 2, 3]), (y, score, groups), "logistic", threshold=0.5,
        rng=np.random.default_rng(0), n_resamples=64,
    )  # fmt: skip
    assert isnan(fitted.slope)
    assert all(isnan(g.after) and isnan(g.estimate) and isnan(g.conf_low) for g in gains)


@pytest.mark.parametrize("update", ["intercept", "logistic"])
def test_gains_are_those_of_the_held_out_cases(update):
    fit, held = cases(300, 4), cases(200, 5)
    fitted, gains = recalibration_gain(fit, held, update, threshold=0.4, rng=np.random.default_rng(1), n_resamples=100)
    by = {g.metric: g for g in gains}
    assert tuple(by) == tuple(m for m in METRICS if update == "logistic" or m != "calibration_slope")
    y, score, _ = held
    new = fitted(score)
    assert by["brier"].before == pytest.approx(calibration.brier(y, score))
    assert by["brier"].after == pytest.approx(calibration.brier(y, new))
    assert by["log_loss"].after == pytest.approx(calibration.log_loss(y, new).estimate)
    slope, intercept = calibration.calibration_line(y, new)
    if update == "logistic":
        assert by["calibration_slope"].after == pytest.approx(slope.estimate, abs=1e-6)
    assert by["calibration_intercept"].after == pytest.approx(intercept.estimate, abs=1e-6)
    for gain in gains:
        assert gain.conf_low < gain.conf_high
        assert gain.estimate == pytest.approx(gain.after - gain.before)


@pytest.mark.slow
def test_the_interval_of_the_gain_covers():
    """The gain in the Brier score on a very large held-out set is the truth; patients' resampling must cover it about as often as stated."""
    covered, true = 0, []
    for seed in range(200):
        fit, held = cases(200, 10 + seed), cases(200, 10_000 + seed)
        fitted, gains = recalibration_gain(
            fit, held, "logistic", threshold=0.5, rng=np.random.default_rng(seed), n_resamples=300
        )
        y, score, _ = cases(40_000, 99)
        truth = calibration.brier(y, fitted(score)) - calibration.brier(y, score)
        true.append(truth)
        gain = next(g for g in gains if g.metric == "brier")
        covered += gain.conf_low <= truth <= gain.conf_high
    assert np.mean(true) < 0
    assert 0.88 <= covered / 200 <= 1.0  # 0.95 less three binomial standard errors and a half
