"""Calibration: separation, clipping, decomposition, bins; Newton's fits against statsmodels."""

from math import isnan, log

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridcx.stats import calibration as cal

quick = settings(max_examples=60, deadline=None)


@st.composite
def scored(draw):
    n = draw(st.integers(1, 30))
    y = np.array([draw(st.booleans()) for _ in range(n)])
    return y, np.array([draw(st.integers(0, 20)) / 20 for _ in range(n)])


@quick
@given(scored())
def test_laws(data):
    y, s = data
    parts = cal.brier_decomposition(y, s)
    assert parts.reliability - parts.resolution + parts.uncertainty == pytest.approx(cal.brier(y, s), abs=1e-12)
    assert 0 <= cal.expected_calibration_error(y, s) <= 1
    assert cal.brier(~y, 1 - s) == pytest.approx(cal.brier(y, s), abs=1e-12)
    bins = cal.reliability_curve(y, s)
    assert sum(b.n for b in bins) == y.size
    weighted = sum(b.n * abs(b.score_mean - b.fraction) for b in bins) / y.size
    assert weighted == pytest.approx(cal.expected_calibration_error(y, s), abs=1e-12)
    for b in bins:
        assert (b.bin - 1) / 10 < b.score_mean <= b.bin / 10 + 1e-12 or b.bin == 1
        assert 0 <= b.conf_low <= b.fraction <= b.conf_high <= 1
    slope, intercept = cal.calibration_line(y, s)
    mirrored_slope, mirrored = cal.calibration_line(~y, 1 - s)
    if y.all() or not y.any():
        assert slope.status == intercept.status == "not_estimable"
    else:
        assert intercept.status == "ok"
        assert mirrored.estimate == pytest.approx(-intercept.estimate, abs=1e-6)
        assert mirrored_slope.estimate == pytest.approx(slope.estimate, nan_ok=True, rel=1e-6, abs=1e-6)
        overlap = min(s[y].max() - s[~y].min(), s[~y].max() - s[y].min())
        assert isnan(slope.estimate) == (overlap <= 0)
        assert (slope.status == "not_estimable") == isnan(slope.estimate)


def test_line_is_statsmodels():
    rng = np.random.default_rng(1)
    for _ in range(5):
        y = rng.random(200) < 0.4
        s = 1 / (1 + np.exp(-rng.normal(0, 2, 200) - y))
        slope, intercept = cal.calibration_line(y, s, 0.9)
        x = np.log(s / (1 - s))
        glm = sm.GLM(y.astype(float), sm.add_constant(x), family=sm.families.Binomial()).fit(tol=1e-12)
        offset = sm.GLM(y.astype(float), np.ones(200), family=sm.families.Binomial(), offset=x).fit(tol=1e-12)
        assert (slope.estimate, slope.std_error) == pytest.approx((glm.params[1], glm.bse[1]), rel=1e-7)
        assert (slope.conf_low, slope.conf_high) == pytest.approx(tuple(glm.conf_int(0.1)[1]), rel=1e-6)
        assert (intercept.estimate, intercept.std_error) == pytest.approx((offset.params[0], offset.bse[0]), rel=1e-7)


def test_separation():
    for y in ([0, 0, 1, 1], [1, 1, 0, 0], [0, 0, 1, 1]):
        slope, intercept = cal.calibration_line(y, [0.1, 0.3, 0.3, 0.9])
        assert (slope.status, slope.warning, isnan(slope.estimate)) == ("not_estimable", cal.SEPARATED, True)
        assert intercept.status == "ok"
    slope, _ = cal.calibration_line([0, 1, 0, 1], [0.3] * 4)
    assert slope.warning == cal.CONSTANT


def test_clips_are_said():
    y, s = [0, 1, 0, 1, 0], [0.0, 0.4, 0.5, 1.0, 0.2]
    slope, intercept = cal.calibration_line(y, s)
    assert slope.warning == intercept.warning == "2 scores were clipped to 1e-06 from 0 or 1 for the logit"
    slope, _ = cal.calibration_line([0, 1], [0.0, 1.0])
    assert slope.warning == f"{cal.SEPARATED}; 2 scores were clipped to 1e-06 from 0 or 1 for the logit"
    right = cal.log_loss(y, s)
    assert (right.status, right.warning) == ("ok", "2 scores of 0 or 1 were clipped to 1e-15")
    wrong = cal.log_loss([1, 1], [0.0, 0.5])
    assert wrong.status == "caution"
    assert wrong.estimate == pytest.approx((-log(1e-15) - log(0.5)) / 2)
    assert wrong.warning.endswith("1 of them wrong: the value rests on it")


def test_far_start_and_hard_fits():
    """Nearly separated data have a steep but finite slope; every column of weights gets the fit it would get alone."""
    rng = np.random.default_rng(2)
    x = rng.normal(0, 3, 80)
    y = x > 0
    y[np.argsort(np.abs(x))[:3]] ^= True
    weights = rng.multinomial(80, np.full(80, 1 / 80), 50).T
    fit = cal.fit_slope(x, y, weights)
    several = np.flatnonzero(~np.isnan(fit.slope))
    assert 0 < several.size < 50
    for c in several[:10]:
        glm = sm.GLM(y.astype(float), sm.add_constant(x), family=sm.families.Binomial(), freq_weights=weights[:, c])
        assert fit.slope[c] == pytest.approx(glm.fit(tol=1e-14, maxiter=200).params[1], rel=1e-5)
        assert cal.fit_slope(x, y, weights[:, [c]], (2.0, 7.0)).slope[0] == pytest.approx(fit.slope[c], rel=1e-6)
    both = (y @ weights > 0) & (~y @ weights > 0)
    present = cal.separated(x, y, weights > 0)
    assert np.array_equal(np.isnan(fit.slope), present)
    assert np.array_equal(np.isnan(cal.fit_intercept(x, y, weights)[0]), ~both)


def test_a_fit_that_does_not_converge_is_undefined(monkeypatch):
    monkeypatch.setattr(cal, "_MAX_STEPS", 1)
    x, y = np.array([-2.0, 1.0, -1.0, 2.0]), np.array([False, False, True, True])
    assert np.isnan(cal.fit_slope(x, y, np.ones((4, 1)), (5.0, 5.0)).slope).all()
    assert np.isnan(cal.fit_intercept(x, y, np.ones((4, 1)), 5.0)[0]).all()


def test_no_cases():
    assert isnan(cal.brier([], []))
    assert cal.log_loss([], []).status == "not_estimable"
    assert isnan(cal.expected_calibration_error([], []))
    assert all(isnan(v) for v in cal.brier_decomposition([], []))
    assert cal.reliability_curve([], []) == []


def test_scores_are_probabilities():
    for function in (cal.brier, cal.log_loss, cal.calibration_line, cal.expected_calibration_error):
        with pytest.raises(ValueError, match="within 0 and 1"):
            function([0, 1], [0.5, 1.5])


@quick
@given(scored())
def test_binned_parts_add_up_with_what_lies_within_the_bins(data):
    y, s = data
    parts = cal.brier_decomposition_binned(y, s)
    whole = parts.reliability - parts.resolution + parts.uncertainty + parts.within_bin
    assert whole == pytest.approx(cal.brier(y, s), abs=1e-12)


def test_binned_parts_by_hand():
    # Bins (0.1, 0.2] with scores 0.15 (negative) and 0.2 (positive), and (0.8, 0.9] with 0.9 (positive).
    parts = cal.brier_decomposition_binned([0, 1, 1], [0.15, 0.2, 0.9])
    assert parts.reliability == pytest.approx((2 * (0.175 - 0.5) ** 2 + 0.1**2) / 3)
    assert parts.resolution == pytest.approx((2 * (0.5 - 2 / 3) ** 2 + (1 / 3) ** 2) / 3)
    assert parts.uncertainty == pytest.approx(2 / 9)
    assert all(isnan(v) for v in cal.brier_decomposition_binned([], []))
    coarse = [0.1, 0.1, 0.7, 0.7]
    exact, binned = cal.brier_decomposition([0, 1, 1, 1], coarse), cal.brier_decomposition_binned([0, 1, 1, 1], coarse)
    assert binned[:3] == pytest.approx(exact)
    assert binned.within_bin == pytest.approx(0.0, abs=1e-15)


def test_log_loss_of_no_cases():
    assert cal.log_loss([], []).status == "not_estimable"


def test_a_steep_slope_is_found_and_not_taken_for_separation():
    """R 4.2.2, glm(y ~ qlogis(pmin(pmax(s, 1e-6), 1 - 1e-6)), binomial): slope 7.46972620955422, standard error 3.5461907659843."""
    positive = [1, 1, 0.85, 0.9, 1, 0.8, 0.75, 1, 0.85, 0.85, 0.9, 0.8, 1, 0.85, 0.9]
    negative = [
        0.8,
        0.8,
        0.15,
        0.15,
        0.2,
        0.75,
        0.05,
        0.1,
        0.75,
        0.15,
        0.1,
        0.15,
        0.75,
        0.1,
        0.8,
        0.15,
        0.15,
        0.15,
        0,
        0.15,
        0.1,
        0.2,
        0.75,
        0.75,
        0.2,
    ]
    y = np.r_[np.ones(len(positive), bool), np.zeros(len(negative), bool)]
    slope, _ = cal.calibration_line(y, np.r_[positive, negative])
    assert (slope.status, slope.estimate) == ("ok", pytest.approx(7.46972620955422, rel=1e-6))
    assert slope.std_error == pytest.approx(3.5461907659843, rel=1e-4)


def test_the_intercept_of_the_line_follows_its_own_laws():
    rng = np.random.default_rng(5)
    y = rng.integers(0, 2, 80)
    s = np.clip(0.5 + 0.2 * (2 * y - 1) + rng.normal(0, 0.25, 80), 0.02, 0.98)
    line = cal.line_intercept(y, s)
    other = cal.line_intercept(1 - y, 1 - s)  # the other class as positive: the line turns its sign
    assert other.estimate == pytest.approx(-line.estimate, abs=1e-6)
    assert other.std_error == pytest.approx(line.std_error, rel=1e-6)
    slope = cal.calibration_line(y, s)[0].estimate
    # Scores recalibrated by the line have slope 1, and then both intercepts are 0.
    again = 1 / (1 + np.exp(-(line.estimate + slope * np.log(s / (1 - s)))))
    assert cal.line_intercept(y, again).estimate == pytest.approx(0.0, abs=1e-6)
    assert cal.calibration_line(y, again)[1].estimate == pytest.approx(0.0, abs=1e-6)


def test_the_intercept_of_the_line_does_not_exist_without_a_slope():
    for y, s in (([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9]), ([0, 1], [0.5, 0.5]), ([1, 1], [0.2, 0.6])):
        result = cal.line_intercept(y, s)
        assert (result.status, result.estimate) == ("not_estimable", pytest.approx(float("nan"), nan_ok=True))
        assert result.warning
