"""Calibration slope and intercept refitted to many resamples at once.

Newton's method needs every case's probability anew at each step of each resample. In a large set no resample's line is far from that of
the whole set, so that the likelihood's gradient can be expanded about the whole set's line instead: with case i's linear predictor moved
by d_i = alpha + beta c_i,

    sum w_i (y_i - p(eta_i + d_i)) = sum w_i (y_i - p_i) - sum over m of sum w_i p_i^(m) d_i^m / m! - remainder,

a polynomial in (alpha, beta) whose coefficients are sums of w_i p_i^(m) c_i^k: one matrix product for all resamples, then Newton's method
on a few dozen numbers a resample. Lagrange's form bounds the remainder; where the bound allows the estimate to be off by more than
`EXPANSION_ERROR`, that resample is refitted with all its cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import comb, factorial

import numpy as np
import numpy.typing as npt
from scipy import special

from hybridcx.stats.calibration import clipped_logit, fit_intercept, fit_slope
from hybridcx.stats.resampling.scores import ScoreRows
from hybridcx.stats.score_inputs import BoolArray, FloatArray

REFIT_METRICS = ("calibration_slope", "calibration_intercept")
EXPANSION_ERROR = 1e-8
"""Largest error of an expanded slope or intercept, by the bound of its remainder."""
_ORDER = 6
_LARGEST_NEXT = 1.0625  # the largest absolute value of the logistic function's 7th derivative, 17/16, at 0
_SMALLEST_EXPANDED = 20_000  # rows; in smaller sets most resamples' bounds fail
_REFIT_FLOATS = 1 << 17  # matrix elements of one batch of refits by Newton's method
_BLOCK_ROWS = 1 << 14  # rows of one matrix product: their powers stay in the processor's cache
_NEWTON_STEPS, _NEWTON_TOLERANCE = 25, 1e-11


class Refits:
    """Calibration slope and intercept refitted to each resample, started at the full sample's fit."""

    def __init__(self, rows: ScoreRows, metrics: Sequence[str]):
        self.rows = rows
        self.metrics = [name for name in REFIT_METRICS if name in metrics]
        self.x = clipped_logit(rows.scores)
        full = rows.counts[rows.unit].astype(np.float64)[:, None]
        self.fits = [fit_slope(x, rows.y, full) for x in self.x]
        self.intercepts = np.array([fit_intercept(x, rows.y, full)[0][0] for x in self.x])

    def evaluate(self, weights: npt.NDArray[np.floating]) -> dict[str, FloatArray]:
        """Return {"calibration_slope", "calibration_intercept"} that are asked for, each (k, columns)."""
        out = {name: np.full((self.x.shape[0], weights.shape[1]), np.nan) for name in self.metrics}
        for j in range(self.x.shape[0]):
            for name in self.metrics:
                values = out[name][j]
                if self.rows.y.size >= _SMALLEST_EXPANDED:
                    values[:] = self._expanded(name, j, weights)
                left = np.flatnonzero(np.isnan(values))
                values[left] = self._refitted(name, j, weights, left)
        return out

    def _refitted(
        self, name: str, j: int, weights: npt.NDArray[np.floating], columns: npt.NDArray[np.intp]
    ) -> FloatArray:
        """Newton's method on all cases for some columns."""
        found, x, y = np.full(columns.size, np.nan), self.x[j], self.rows.y
        location, slope, intercept = (
            float(self.fits[j].location[0]),
            float(self.fits[j].slope[0]),
            float(self.intercepts[j]),
        )
        width = max(1, _REFIT_FLOATS // max(y.size, 1))
        for start in range(0, columns.size, width):
            part = slice(start, start + width)
            w = weights[self.rows.unit[:, None], columns[part]].astype(np.float64)
            if name == "calibration_slope":
                found[part] = fit_slope(x, y, w, (0.0, 1.0) if np.isnan(slope) else (location, slope)).slope
            else:
                found[part] = fit_intercept(x, y, w, 0.0 if np.isnan(intercept) else intercept)[0]
        return found

    def _expanded(self, name: str, j: int, weights: npt.NDArray[np.floating]) -> FloatArray:
        """The estimates (columns,) by expansion; NaN where the bound does not hold."""
        if name == "calibration_slope":
            return self._expanded_slope(j, weights)
        return self._expanded_intercept(j, weights)

    def _sums(self, weights: npt.NDArray[np.floating], linear: FloatArray, c: FloatArray | None) -> FloatArray:
        """The coefficients' sums (rows as `_terms` has them, columns), some cases at a time."""
        total: FloatArray = np.zeros(())
        for begin in range(0, linear.size, _BLOCK_ROWS):
            part = slice(begin, begin + _BLOCK_ROWS)
            w = weights[self.rows.unit[part]].astype(np.float64)
            total = total + _terms(linear[part], self.rows.y[part], None if c is None else c[part]) @ w
        return total

    def _expanded_intercept(self, j: int, weights: npt.NDArray[np.floating]) -> FloatArray:
        base = float(self.intercepts[j])
        s = self._sums(weights, base + self.x[j], None)
        residual, derivatives, total = s[0], s[1 : 1 + _ORDER], s[-1]
        alpha = np.zeros(weights.shape[1])
        with np.errstate(all="ignore"):  # columns outside the range of the expansion overflow, and fail the bound
            for _ in range(_NEWTON_STEPS):
                lost = sum(alpha**m / factorial(m) * derivatives[m - 1] for m in range(1, _ORDER + 1))
                fall = sum(alpha ** (m - 1) / factorial(m - 1) * derivatives[m - 1] for m in range(1, _ORDER + 1))
                step = (residual - lost) / fall
                alpha = alpha + step
            remainder = _LARGEST_NEXT / factorial(_ORDER + 1) * np.abs(alpha) ** (_ORDER + 1) * total
            sure = (np.abs(step) < _NEWTON_TOLERANCE) & (remainder / derivatives[0] < EXPANSION_ERROR)
        return np.where(sure, base + alpha, np.nan)

    def _expanded_slope(self, j: int, weights: npt.NDArray[np.floating]) -> FloatArray:
        location, slope = float(self.fits[j].location[0]), float(self.fits[j].slope[0])
        c = self.x[j] - self.x[j].mean()
        if np.isnan(slope):
            return np.full(weights.shape[1], np.nan)
        s = self._sums(weights, location + slope * c, c)
        residual, at, moments = s[:2], 2, s[-4:]
        derivative = {}
        for m in range(1, _ORDER + 1):
            derivative[m] = s[at : at + m + 2]
            at += m + 2
        alpha, beta = np.zeros(weights.shape[1]), np.zeros(weights.shape[1])

        def expansion(power: int, k: int) -> FloatArray:
            """sum over m of (sum w p^(m) d^(m - power) c^k) / (m - power)!: the lost gradient (power 0) or its derivative (power 1)."""
            terms = [
                comb(m - power, i) * alpha ** (m - power - i) * beta**i * derivative[m][i + k] / factorial(m - power)
                for m in range(1, _ORDER + 1)
                for i in range(m - power + 1)
            ]
            return np.asarray(sum(terms))

        with np.errstate(all="ignore"):
            for _ in range(_NEWTON_STEPS):
                g0, g1 = residual[0] - expansion(0, 0), residual[1] - expansion(0, 1)
                h0, h1, h2 = (expansion(1, k) for k in range(3))
                determinant = h0 * h2 - h1 * h1
                steps = (h2 * g0 - h1 * g1) / determinant, (h0 * g1 - h1 * g0) / determinant
                alpha, beta = alpha + steps[0], beta + steps[1]
                if not (np.abs(steps) > _NEWTON_TOLERANCE).any():
                    break
            # |d|^7 is at most 2^6 (|alpha|^7 + |beta c|^7), by convexity.
            powers = np.abs(alpha) ** (_ORDER + 1), np.abs(beta) ** (_ORDER + 1)
            scale = _LARGEST_NEXT / factorial(_ORDER + 1) * 2.0**_ORDER
            r0 = scale * (powers[0] * moments[0] + powers[1] * moments[2])
            r1 = scale * (powers[0] * moments[1] + powers[1] * moments[3])
            error = (h0 * r1 + np.abs(h1) * r0) / determinant
            sure = (np.abs(steps).max(axis=0) < _NEWTON_TOLERANCE) & (determinant > 0.0) & (error < EXPANSION_ERROR)
        return np.where(sure, slope + beta, np.nan)

    def one_step_jackknife(self) -> dict[str, FloatArray]:
        """Return the estimates with one draw of each unit left out, (k, U), by one Newton step from the full fit.

        The error is of order 1 / n^2; used for the acceleration of large sets, where n refits would cost n^2.
        """
        rows, u = self.rows, self.rows.counts.size
        out = {name: np.full((self.x.shape[0], u), np.nan) for name in self.metrics}
        full = rows.counts[rows.unit].astype(np.float64)
        for j, x in enumerate(self.x):
            if "calibration_slope" in out:
                centred = x - x.mean()
                p = special.expit(self.fits[j].location[0] + self.fits[j].slope[0] * centred)
                v, residual = p * (1.0 - p), rows.y - p
                terms = [v, v * centred, v * centred**2]
                h0, h1, h2 = (float(full @ t) - np.bincount(rows.unit, weights=t, minlength=u) for t in terms)
                g0, g1 = (np.bincount(rows.unit, weights=t, minlength=u) for t in (residual, residual * centred))
                out["calibration_slope"][j] = self.fits[j].slope[0] - (h0 * g1 - h1 * g0) / (h0 * h2 - h1 * h1)
            if "calibration_intercept" in out:
                p = special.expit(self.intercepts[j] + x)
                v = p * (1.0 - p)
                left = float(full @ v) - np.bincount(rows.unit, weights=v, minlength=u)
                out["calibration_intercept"][j] = (
                    self.intercepts[j] - np.bincount(rows.unit, weights=rows.y - p, minlength=u) / left
                )
        return out


def _logistic_derivatives(p: FloatArray) -> list[FloatArray]:
    """The logistic function's derivatives 1 to 6 where its value is p, in v = p (1 - p) and u = 1 - 2p.

    >>> [round(float(d), 6) for d in _logistic_derivatives(np.float64(0.5))]
    [0.25, 0.0, -0.125, -0.0, 0.25, 0.0]
    """
    v, u = p * (1.0 - p), 1.0 - 2.0 * p
    third, fifth = 1.0 - 6.0 * v, 1.0 + v * (120.0 * v - 30.0)
    return [v, v * u, v * third, v * u * (1.0 - 12.0 * v), v * fifth, v * u * (1.0 + v * (360.0 * v - 60.0))]


def _terms(linear: FloatArray, y: BoolArray, c: FloatArray | None) -> FloatArray:
    """The contribution of each case to each sum, (rows, cases).

    Without `c`: residual, derivatives 1 to 6, 1. With it: residual and residual c, for each derivative its products with c^0 to c^(m + 1),
    and 1, |c|, |c|^7, |c|^8.
    """
    p = special.expit(linear)
    residual, derivatives = y - p, _logistic_derivatives(p)
    if c is None:
        return np.stack([residual, *derivatives, np.ones_like(p)])
    powers = [np.ones_like(c)]
    while len(powers) < _ORDER + 3:
        powers.append(powers[-1] * c)
    products = [d * powers[k] for m, d in enumerate(derivatives, start=1) for k in range(m + 2)]
    bounds = [powers[0], np.abs(c), np.abs(powers[_ORDER + 1]), np.abs(powers[_ORDER + 2])]
    return np.stack([residual, residual * c, *products, *bounds])
