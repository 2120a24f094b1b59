"""Thresholds and calibration. Both are fitted to labels, so the lineage records them like any other fit.

Each result carries the ids of the cases that it was fitted on, where they are given, for `hybridcx.records.lineage`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from hybridcx.errors import InputError, Problem

DEFAULT_THRESHOLD = 0.5
_FLAT = 1e-3


@dataclass(frozen=True, slots=True)
class Threshold:
    """A score at or above `value` is called positive. `youden_j` is sensitivity + specificity - 1 on the cases it was chosen on, NaN if fixed."""

    value: float
    rule: Literal["fixed", "youden"]
    youden_j: float
    case_ids: tuple[str, ...] = ()

    def call(self, score: ArrayLike) -> NDArray[np.int64]:
        """1 where the score is at or above the threshold, else 0. Shape (n,)."""
        return (np.asarray(score, dtype=np.float64) >= self.value).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Sigmoid:
    """p = 1 / (1 + exp(-(slope x value + intercept))), slope > 0, so that it never reverses a ranking.

    `flat`: the values did not rank the cases that it was fitted on, and the slope is the floor that `fit_sigmoid` states.
    """

    slope: float
    intercept: float
    flat: bool = False
    case_ids: tuple[str, ...] = ()

    def __call__(self, value: ArrayLike) -> NDArray[np.float64]:
        return np.asarray(expit(self.slope * np.asarray(value, dtype=np.float64) + self.intercept), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Isotonic:
    """A non-decreasing step-wise linear map: linear between the knots `x`, constant outside them."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    case_ids: tuple[str, ...] = ()

    def __call__(self, value: ArrayLike) -> NDArray[np.float64]:
        return np.interp(np.asarray(value, dtype=np.float64), self.x, self.y)


def check_labels(y: ArrayLike, values: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return `y` as 0 and 1 and `values` as float64, both (n,). Raises InputError: lengths, other labels, one class, not finite."""
    truth: NDArray[Any] = np.asarray(y)
    number = np.asarray(values, dtype=np.float64)
    if truth.ndim != 1 or number.shape != truth.shape:
        raise InputError(
            Problem("labels and values must be two vectors of one length", value=f"{truth.shape} and {number.shape}")
        )
    if not np.isin(truth, (0, 1)).all():
        raise InputError(Problem("labels must be 0 or 1", remedy="code the positive class as 1"))
    if len(np.unique(truth)) < 2:
        raise InputError(
            Problem("all cases have one class: nothing can be fitted on them", value=f"{len(truth)} cases")
        )
    if not np.isfinite(number).all():
        bad = int((~np.isfinite(number)).sum())
        raise InputError(Problem(f"values must be finite: NaN or infinity in {bad} of {len(number)}"))
    return truth.astype(np.int64), number


def choose_threshold(
    y: ArrayLike,
    score: ArrayLike,
    rule: Literal["fixed", "youden"] = "youden",
    *,
    case_ids: Sequence[str] = (),
    fixed: float = DEFAULT_THRESHOLD,
) -> Threshold:
    """Choose the threshold at which a score is called positive, on cases that are no test cases.

    `youden`: the largest sensitivity + specificity - 1 (Youden 1950) over the midpoints between neighbouring distinct scores; among equal ones
    the nearest to 0.5, then the lower. `fixed`: the number `fixed`, fitted on nothing (its `case_ids` are empty).

    Raises InputError for labels other than 0 and 1, a single class, scores that are not finite or all equal.

    >>> choose_threshold([0, 0, 1, 1], [0.1, 0.3, 0.7, 0.9]).value
    0.5
    """
    truth, values = check_labels(y, score)
    if rule == "fixed":
        return Threshold(float(fixed), "fixed", float("nan"))
    if rule != "youden":
        raise InputError(Problem("unknown rule for a threshold", value=rule, remedy="use `youden` or `fixed`"))
    distinct = np.unique(values)
    if len(distinct) < 2:
        raise InputError(Problem("all scores are equal: no threshold separates anything", value=float(distinct[0])))
    cuts = (distinct[1:] + distinct[:-1]) / 2
    # Midpoints of neighbouring floats can round down onto the lower one, which would then be called positive.
    cuts = np.where(cuts > distinct[:-1], cuts, distinct[1:])
    positives, negatives = np.sort(values[truth == 1]), np.sort(values[truth == 0])
    sensitivity = 1 - np.searchsorted(positives, cuts, side="left") / len(positives)
    specificity = np.searchsorted(negatives, cuts, side="left") / len(negatives)
    j = sensitivity + specificity - 1
    best = np.flatnonzero(j >= j.max() - 1e-12)
    chosen = best[np.argmin(np.abs(cuts[best] - DEFAULT_THRESHOLD))]
    return Threshold(float(cuts[chosen]), "youden", float(j[chosen]), tuple(case_ids))


def fit_sigmoid(y: ArrayLike, values: ArrayLike, *, case_ids: Sequence[str] = ()) -> Sigmoid:
    """Fit P(y = 1 | value) as a sigmoid, with Platt's smoothed targets, by Newton's method (Platt 1999; Lin, Lin and Weng 2007).

    Targets are (n1 + 1)/(n1 + 2) and 1/(n0 + 2), so that the fit stays finite when the values separate the classes. `values` (n,) are decision
    values or logits on the whole line, and must be out of sample: values of cases that the classifier was fitted on are too good.
    The slope is kept positive: where the unrestricted one is not above 1e-3 per standard deviation of the values, it is set to that floor, which
    keeps the ranking and gives nearly the base rate to everyone, and `flat` is true.

    Raises InputError as `choose_threshold`.

    >>> s = fit_sigmoid([0, 0, 1, 0, 1, 1], [-2.0, -1.0, -0.5, 0.5, 1.0, 2.0])
    >>> s.slope > 0 and bool(abs(s(0.0) - 0.5) < 1e-9)
    True
    """
    truth, raw = check_labels(y, values)
    n1, n0 = int(truth.sum()), int((1 - truth).sum())
    target = np.where(truth == 1, (n1 + 1) / (n1 + 2), 1 / (n0 + 2))
    centre, spread = float(raw.mean()), float(raw.std())
    base = float(target.mean())
    if spread <= 1e-12 * max(1.0, abs(centre)):
        return Sigmoid(_FLAT, float(np.log(base / (1 - base)) - _FLAT * centre), True, tuple(case_ids))
    x = (raw - centre) / spread
    slope, intercept = _newton(x, target)
    flat = slope < _FLAT
    if flat:
        slope, intercept = _FLAT, float(np.log(base / (1 - base)))
    return Sigmoid(slope / spread, intercept - slope * centre / spread, flat, tuple(case_ids))


def _loss(x: NDArray[np.float64], target: NDArray[np.float64], slope: float, intercept: float) -> float:
    eta = slope * x + intercept
    return float(np.sum(np.logaddexp(0, eta) - target * eta))


def _newton(x: NDArray[np.float64], target: NDArray[np.float64]) -> tuple[float, float]:
    """Slope and intercept that minimise the cross-entropy to `target`; convex, so damped Newton steps find the one minimum."""
    slope, intercept = 0.0, float(np.log(target.mean() / (1 - target.mean())))
    loss = _loss(x, target, slope, intercept)
    for _ in range(100):
        p = expit(slope * x + intercept)
        w = p * (1 - p)
        g1, g0 = float(x @ (p - target)), float(np.sum(p - target))
        if abs(g1) + abs(g0) < 1e-10 * len(x):
            break
        h11, h10, h00 = float(w @ (x * x)) + 1e-12, float(w @ x), float(w.sum()) + 1e-12
        det = h11 * h00 - h10 * h10
        d1, d0 = (h00 * g1 - h10 * g0) / det, (h11 * g0 - h10 * g1) / det
        step = 1.0
        while step > 1e-10:
            new = _loss(x, target, slope - step * d1, intercept - step * d0)
            if new <= loss:
                break
            step /= 2
        else:
            break
        slope, intercept, loss = slope - step * d1, intercept - step * d0, new
    return slope, intercept


def fit_isotonic(y: ArrayLike, values: ArrayLike, *, case_ids: Sequence[str] = ()) -> Isotonic:
    """Fit P(y = 1 | value) as a non-decreasing function (pool adjacent violators; Zadrozny and Elkan 2002).

    For a hundred cases or more: with few, its steps reach 0 and 1. Raises InputError as `choose_threshold`.
    """
    from sklearn.isotonic import IsotonicRegression

    truth, raw = check_labels(y, values)
    fitted = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(raw, truth)
    return Isotonic(
        tuple(float(v) for v in fitted.X_thresholds_), tuple(float(v) for v in fitted.y_thresholds_), tuple(case_ids)
    )
