"""Refits of calibration lines: the expansion against Newton's method on all cases, its bound, and where it gives way."""

import numpy as np
import pytest
from scipy import special

from hybridcx.stats.calibration import fit_intercept, fit_slope
from hybridcx.stats.resampling import refits
from hybridcx.stats.resampling.refits import EXPANSION_ERROR, Refits
from hybridcx.stats.resampling.scores import ScoreRows, score_patterns

METRICS = ("calibration_slope", "calibration_intercept")


def sample(n, seed=0, sharpness=1.6):
    rng = np.random.default_rng(seed)
    y = rng.random(n) < 0.3
    truth = rng.normal(np.where(y, 1.0, -1.0), 1.3)
    return y, np.stack([special.expit(sharpness * truth), special.expit(0.5 * truth + rng.normal(0, 1, n))])


def drawn(counts, columns, seed=1):
    rng = np.random.default_rng(seed)
    p = counts / counts.sum()
    return np.stack([rng.multinomial(counts.sum(), p) for _ in range(columns)], axis=1).astype(np.float32)


def by_newton(rows, weights):
    w = weights[rows.unit].astype(float)
    found = Refits(rows, METRICS)
    slope = [
        fit_slope(x, rows.y, w, (float(f.location[0]), float(f.slope[0]))).slope
        for x, f in zip(found.x, found.fits, strict=True)
    ]
    return np.stack(slope), np.stack([fit_intercept(x, rows.y, w)[0] for x in found.x])


@pytest.mark.parametrize("clustered", [False, True])
def test_expansion_equals_newton(clustered):
    y, s = sample(200_000)
    if clustered:
        unit = np.arange(len(y)) // 4
        rows = ScoreRows(y, s, unit, np.ones(unit[-1] + 1, np.int64))
    else:
        rows = score_patterns(y, np.round(s, 3))
    weights = drawn(rows.counts, 12)
    refit = Refits(rows, METRICS)
    expanded = [[refit._expanded(name, j, weights) for j in range(2)] for name in METRICS]
    if rows.y.size >= 50_000:  # with rounded scores there are fewer rows, but the resamples move as little
        assert np.isfinite(expanded).all(), "none needed Newton's method"
    for got, want in zip(expanded, by_newton(rows, weights), strict=True):
        sure = np.isfinite(got)
        assert sure.mean() > 0.9
        np.testing.assert_allclose(np.asarray(got)[sure], want[sure], rtol=0, atol=EXPANSION_ERROR)


def test_resamples_out_of_reach_are_refitted_with_all_cases():
    y, s = sample(30_000)
    rows = ScoreRows(y, s, np.arange(len(y)), np.ones(len(y), np.int64))
    weights = drawn(rows.counts, 4)
    weights[:, 1] *= np.where(y, 6.0, 1.0)  # the prevalence is another: the line moves far
    weights[:, 2] *= np.where((s[0] > 0.5) == y, 1.0, 9.0)
    refit = Refits(rows, METRICS)
    assert np.isnan(refit._expanded("calibration_intercept", 0, weights)[1])
    assert np.isnan(refit._expanded("calibration_slope", 0, weights)[2])
    out = refit.evaluate(weights)
    slope, intercept = by_newton(rows, weights)
    np.testing.assert_allclose(out["calibration_slope"], slope, rtol=0, atol=EXPANSION_ERROR)
    np.testing.assert_allclose(out["calibration_intercept"], intercept, rtol=0, atol=EXPANSION_ERROR)


def test_a_resample_without_a_class_stays_undefined():
    y, s = sample(25_000)
    rows = ScoreRows(y, s, np.arange(len(y)), np.ones(len(y), np.int64))
    weights = np.ones((len(y), 2), np.float32)
    weights[y, 1] = 0.0
    out = Refits(rows, METRICS).evaluate(weights)
    for name in METRICS:
        assert np.isfinite(out[name][:, 0]).all()
        assert np.isnan(out[name][:, 1]).all()


def test_small_sets_take_newton(monkeypatch):
    y, s = sample(500)
    rows = ScoreRows(y, s, np.arange(len(y)), np.ones(len(y), np.int64))
    monkeypatch.setattr(Refits, "_expanded", lambda *_: pytest.fail("not meant for small sets"))
    assert np.isfinite(Refits(rows, METRICS).evaluate(drawn(rows.counts, 3))["calibration_slope"]).all()


def test_derivatives_and_the_bound_of_the_next():
    """Each formula is the slope of the one before, and the 7th derivative is nowhere larger than the constant."""
    at, h = np.linspace(-12, 12, 4801), 1e-4
    low, high, here = (refits._logistic_derivatives(special.expit(at + d)) for d in (-h, h, 0.0))
    first = (special.expit(at + h) - special.expit(at - h)) / (2 * h)
    np.testing.assert_allclose(here[0], first, atol=1e-8)
    for m in range(1, 6):
        np.testing.assert_allclose(here[m], (high[m - 1] - low[m - 1]) / (2 * h), atol=1e-6)
    seventh = np.abs((high[5] - low[5]) / (2 * h))
    assert seventh.max() == pytest.approx(refits._LARGEST_NEXT, abs=1e-6)
    assert at[seventh.argmax()] == pytest.approx(0.0, abs=1e-9)


def test_the_bound_is_one(monkeypatch):
    """Without the bound's refusal the expansion errs by more than promised somewhere; where the bound is kept it never does."""
    y, s = sample(21_000, sharpness=3.0)
    rows = ScoreRows(y, s, np.arange(len(y)), np.ones(len(y), np.int64))
    weights = drawn(rows.counts, 3) * np.where(y, [[1.0], [2.0], [4.0]], 1.0).T
    want = by_newton(rows, weights)[0][0]
    kept = Refits(rows, METRICS)._expanded("calibration_slope", 0, weights)
    monkeypatch.setattr(refits, "EXPANSION_ERROR", np.inf)
    bare = Refits(rows, METRICS)._expanded("calibration_slope", 0, weights)
    assert not (np.abs(bare - want) < EXPANSION_ERROR).all()
    sure = np.isfinite(kept)
    assert (np.abs(kept - want)[sure] <= EXPANSION_ERROR).all()


def test_without_a_line_of_the_whole_set_nothing_is_expanded(monkeypatch):
    """Scores that separate the classes have no slope; each resample is asked for itself, and has none either."""
    monkeypatch.setattr(refits, "_SMALLEST_EXPANDED", 1)
    y = np.arange(60) >= 30
    rows = score_patterns(y, np.linspace(0.1, 0.9, 60)[None])
    found = Refits(rows, METRICS).evaluate(drawn(rows.counts, 5))
    assert np.isnan(found["calibration_slope"]).all()


def test_an_expansion_that_does_not_settle_is_left_to_newton(monkeypatch):
    monkeypatch.setattr(refits, "_SMALLEST_EXPANDED", 1)
    y, s = sample(400)
    rows = score_patterns(y, s)
    weights = drawn(rows.counts, 4)
    expected = by_newton(rows, weights)[0]
    monkeypatch.setattr(refits, "_NEWTON_STEPS", 1)
    assert np.isnan(Refits(rows, METRICS)._expanded("calibration_slope", 0, weights)).all()
    np.testing.assert_allclose(Refits(rows, METRICS).evaluate(weights)["calibration_slope"], expected, rtol=1e-9)
