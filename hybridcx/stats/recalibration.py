"""Recalibration of a model's probabilities on new cases, and what it gains on others (Cox 1958; Steyerberg and others 2004).

`intercept`: logit p' = a + logit p, which corrects probabilities that are too high or too low on the whole. `logistic`: logit p' = a + b logit p,
which also corrects probabilities that are too extreme (b < 1) or not extreme enough. Neither changes the ranking (b > 0), and so not the AUROC.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from scipy import special

from hybridcx.stats.calibration import brier_terms, clipped_logit, fit_intercept, fit_slope, log_loss_terms
from hybridcx.stats.score_inputs import BoolArray, FloatArray, check_one_score, check_truth
from hybridcx.stats.utility import net_benefit_terms

Update = Literal["intercept", "logistic"]
UPDATES: tuple[Update, ...] = get_args(Update)
METRICS = ("calibration_intercept", "calibration_slope", "brier", "log_loss", "net_benefit")
_COLUMNS = 64  # resamples at once: (cases, columns) matrices stay small


@dataclass(frozen=True, slots=True)
class Recalibration:
    """A fitted update: logit p' = `intercept` + `slope` logit p.

    NaN where it cannot be fitted: separation, a class that is absent, a slope that is not positive.
    """

    intercept: float
    slope: float

    def __call__(self, y_score: npt.ArrayLike) -> FloatArray:
        """The recalibrated probabilities of scores (n,), clipped to 1e-6 from 0 and 1 before their logit is taken."""
        return np.asarray(special.expit(self.intercept + self.slope * clipped_logit(np.asarray(y_score, dtype=float))))


@dataclass(frozen=True, slots=True)
class Gain:
    """A metric before and after recalibration, the difference (after minus before), its limits, and how many resamples failed."""

    metric: str
    before: float
    after: float
    estimate: float
    conf_low: float
    conf_high: float
    n_resamples_failed: int


def recalibrate(y_true: npt.ArrayLike, y_score: npt.ArrayLike, update: Update = "logistic") -> Recalibration:
    """Fit an update by maximum likelihood.

    Parameters
    ----------
    y_true : (n,) 0 and 1, or booleans; y_score : (n,) probabilities of class 1.
    update : `intercept` (slope 1) or `logistic` (intercept and slope).

    >>> fitted = recalibrate([0, 0, 1, 0, 1, 1], [0.2, 0.5, 0.4, 0.6, 0.8, 0.9])
    >>> fitted.slope > 0
    True
    """
    y = check_truth(y_true)
    score = check_one_score(y_score, y.size, probability=True)
    a, b = _fits(clipped_logit(score), y, np.ones((y.size, 1)), update)
    return Recalibration(float(a[0]), float(b[0]))


def recalibration_gain(
    fit: tuple[npt.ArrayLike, npt.ArrayLike, npt.ArrayLike],
    held_out: tuple[npt.ArrayLike, npt.ArrayLike, npt.ArrayLike],
    update: Update,
    *,
    threshold: float,
    rng: np.random.Generator,
    n_resamples: int = 500,
    confidence_level: float = 0.95,
) -> tuple[Recalibration, list[Gain]]:
    """Fit an update on some cases, and measure on others what it gains.

    Percentile bootstrap: the patients of both parts are drawn, the update is fitted again in each resample, and the difference is taken on the
    resampled other part, so that the interval has the uncertainty of both.

    Parameters
    ----------
    fit, held_out : (y_true, y_score, groups) of each part, all (n,); no patient is in both.
    threshold : of the net benefit.
    n_resamples, confidence_level : of the bootstrap.
    """
    y_fit, x_fit, groups_fit = _part(fit)
    y, x, groups = _part(held_out)
    a, b = _fits(x_fit, y_fit, np.ones((y_fit.size, 1)), update)
    before = _values(x, y, np.ones((y.size, 1)), np.zeros(1), np.ones(1), threshold)
    after = _values(x, y, np.ones((y.size, 1)), a, b, threshold)
    differences: dict[str, list[FloatArray]] = {m: [] for m in METRICS}
    for start in range(0, n_resamples, _COLUMNS):
        columns = min(_COLUMNS, n_resamples - start)
        w_fit, w = _weights(groups_fit, columns, rng), _weights(groups, columns, rng)
        drawn_a, drawn_b = _fits(x_fit, y_fit, w_fit, update)
        raw = _values(x, y, w, np.zeros(columns), np.ones(columns), threshold)
        new = _values(x, y, w, drawn_a, drawn_b, threshold)
        for m in METRICS:
            differences[m].append(new[m] - raw[m])
    tails = (1 - confidence_level) / 2
    gains = []
    for m in METRICS:
        if update == "intercept" and m == "calibration_slope":
            continue  # an intercept alone leaves it as it was
        drawn = np.concatenate(differences[m])
        sound = drawn[np.isfinite(drawn)]
        low, high = np.quantile(sound, (tails, 1 - tails)) if sound.size > n_resamples / 2 else (nan, nan)
        first, last = float(before[m][0]), float(after[m][0])
        gains.append(Gain(m, first, last, last - first, float(low), float(high), drawn.size - sound.size))
    return Recalibration(float(a[0]), float(b[0])), gains


def _part(
    part: tuple[npt.ArrayLike, npt.ArrayLike, npt.ArrayLike],
) -> tuple[BoolArray, FloatArray, npt.NDArray[np.intp]]:
    y = check_truth(part[0])
    score = check_one_score(part[1], y.size, probability=True)
    return y, clipped_logit(score), np.unique(np.asarray(part[2]), return_inverse=True)[1]


def _weights(groups: npt.NDArray[np.intp], columns: int, rng: np.random.Generator) -> FloatArray:
    """(n, columns): how often each case's patient was drawn."""
    k = int(groups.max()) + 1 if groups.size else 0
    counts = rng.multinomial(k, np.full(k, 1 / k), size=columns) if k else np.zeros((columns, 0))
    return np.asarray(counts.T[groups], dtype=np.float64)


def _fits(x: FloatArray, y: BoolArray, w: FloatArray, update: Update) -> tuple[FloatArray, FloatArray]:
    """Intercepts and slopes (columns,); NaN where the update cannot be fitted."""
    if update == "intercept":
        return fit_intercept(x, y, w)[0], np.ones(w.shape[1])
    fits = fit_slope(x, y, w)
    slope = np.where(fits.slope > 0, fits.slope, nan)  # a negative one would reverse the ranking
    return fits.location - slope * x.mean(), slope


def _values(
    x: FloatArray, y: BoolArray, w: FloatArray, a: FloatArray, b: FloatArray, threshold: float
) -> dict[str, FloatArray]:
    """The metrics (columns,) of probabilities expit(a + b x), for weights (n, columns) of the cases."""
    total = w.sum(axis=0)
    linear = a + b * x[:, None]
    p = special.expit(linear)
    truth = y[:, None]
    slope, intercept = np.full(w.shape[1], nan), np.full(w.shape[1], nan)
    usable = np.flatnonzero(np.isfinite(a) & np.isfinite(b))
    slope[usable] = fit_slope(x, y, w[:, usable]).slope / b[usable]
    for j in usable:
        intercept[j] = fit_intercept(np.ascontiguousarray(linear[:, j]), y, w[:, [j]])[0][0]
    with np.errstate(invalid="ignore"):
        means = {
            "brier": (w * brier_terms(truth, p)).sum(axis=0) / total,
            "log_loss": (w * log_loss_terms(np.broadcast_to(truth, p.shape), p)).sum(axis=0) / total,
            "net_benefit": (w * net_benefit_terms(truth, p, threshold)).sum(axis=0) / total,
        }
    means["net_benefit"] = np.where(np.isfinite(a) & np.isfinite(b), means["net_benefit"], nan)
    return {"calibration_intercept": intercept, "calibration_slope": slope, **means}
