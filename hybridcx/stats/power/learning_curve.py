"""Learning curves over the number of training cases: an inverse power law fitted to a metric at several sizes, and its predictions.

A metric that rises with the number n of training cases is fitted by metric(n) = a - b n^(-c), one that falls by a + b n^(-c): a is the asymptote,
within the metric's range; b >= 0; c, the rate, within `EXPONENTS` (Cortes et al. 1993; Figueroa et al. 2012; Hestness et al. 2017). Least squares,
all sizes alike. For a given c the law is linear in a and b, with a box around them, so that the best of them is known in closed form; the sum of
squares is then a function of c alone (profile), which is searched on a grid and solved by bisection of its derivative: for all bootstrap
replicates at once, and without start values or failures to converge.

Percentile limits of the curve's predictions come from the fits to the replicates. They are valid if the power law is, which three or four sizes
cannot show.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import inf, isfinite, isnan, nan

import numpy as np
import numpy.typing as npt

from hybridcx.stats.resampling.intervals import MANY_FAILED, quantile7
from hybridcx.stats.results import Interval, Status
from hybridcx.stats.score_inputs import BoolArray, FloatArray, z_value

EXPONENTS = (0.05, 2.0)
"""The range of the exponent. Below it the curve is almost logarithmic and its asymptote meaningless, above it the curve is flat from the smallest
size on."""
MIN_SIZES = 3
FEW_SIZES = 4
METHOD = "bootstrap_hierarchical"
EXTRAPOLATED = "beyond the sizes that were trained: it holds only if the power law goes on, which nothing here can show"
NEVER = "the fitted asymptote is nearer than that: by the fitted curve no number of cases reaches it"
FLAT = "the metric does not get better with the size: the fitted curve is flat"

_GRID = np.geomspace(*EXPONENTS, 28)
_BISECTIONS = 45


@dataclass(frozen=True)
class PowerLaw:
    """R fitted curves: value(n) = asymptote - sign gap (n / size)^(-exponent), sign 1 for a metric that rises, -1 for one that falls.

    `gap` (R,): how far the fitted value at `size`, the largest size fitted, is from the asymptote, from 0. `exponent` (R,): NaN where the gap
    is 0, since every exponent gives that curve. `on_bound` (R,): the asymptote or the exponent is a bound of its range, or the gap is 0.
    `rss` (R,): the sum of squares. All are NaN (`on_bound` False) where a value to be fitted was.
    """

    asymptote: FloatArray
    gap: FloatArray
    exponent: FloatArray
    on_bound: BoolArray
    rss: FloatArray
    size: float
    sign: float

    @property
    def scale(self) -> FloatArray:
        """(R,) b of the law in the units of n: gap x size^exponent."""
        return np.asarray(self.gap * self.size**self.exponent)

    def at(self, sizes: npt.ArrayLike) -> FloatArray:
        """(R, m): the values of the curves at m sizes."""
        ratio = np.log(np.asarray(sizes, dtype=np.float64) / self.size)
        with np.errstate(invalid="ignore"):
            rest = self.gap[:, None] * np.exp(-np.nan_to_num(self.exponent)[:, None] * ratio)
        return np.asarray(self.asymptote[:, None] - self.sign * rest)

    def size_for(self, gain: float) -> FloatArray:
        """(R,): the size at which a curve is better by `gain` than at `size`; Inf where its asymptote is not as far away."""
        left = self.gap - gain
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            found = self.size * (self.gap / left) ** (1.0 / self.exponent)
        return np.where(np.isnan(self.gap), nan, np.where(left > 0.0, found, inf))


def fit_power_law(
    sizes: npt.ArrayLike, values: npt.ArrayLike, *, low: float = 0.0, high: float = 1.0, rising: bool = True
) -> PowerLaw:
    """Fit the power law to R rows of values at the same sizes by least squares.

    sizes (m,) above 0, at least three of them different; values (R, m); the asymptote lies within `low` and `high`. `rising`: whether the metric
    rises or falls with the size. Rows with NaN are not fitted. Raises ValueError for fewer sizes, or shapes that do not fit.
    """
    n = np.asarray(sizes, dtype=np.float64)
    y = np.atleast_2d(np.asarray(values, dtype=np.float64))
    if n.ndim != 1 or y.ndim != 2 or y.shape[1] != n.size:
        raise ValueError(f"values of shape {y.shape} do not belong to sizes of shape {n.shape}")
    if not (n > 0).all() or np.unique(n).size < MIN_SIZES:
        raise ValueError(f"a power law has three parameters: at least {MIN_SIZES} different sizes above 0 are needed")
    sign = 1.0 if rising else -1.0
    bounds = (low, high) if rising else (-high, -low)
    size = float(n.max())
    log_n = np.log(n / size)
    y = sign * y
    known = np.isfinite(y).all(axis=1)
    fitted = [np.full(len(y), nan) for _ in range(4)]
    if known.any():
        for column, found in zip(fitted, _profile(log_n, y[known], bounds), strict=True):
            column[known] = found
    asymptote, gap, exponent, rss = fitted
    with np.errstate(invalid="ignore"):
        on_bound = (asymptote == bounds[0]) | (asymptote == bounds[1]) | (gap == 0.0)
        on_bound |= (exponent == EXPONENTS[0]) | (exponent == EXPONENTS[1])
    return PowerLaw(sign * asymptote, gap, exponent, on_bound, rss, size, sign)


def _profile(log_n: FloatArray, y: FloatArray, bounds: tuple[float, float]) -> tuple[FloatArray, ...]:
    """Asymptote, gap, exponent and sum of squares of the best rising curves through y (R, m)."""
    each = np.stack([_linear(log_n, y, np.array([c]), bounds)[2] for c in _GRID])
    best = each.argmin(axis=0)
    low, high = _GRID[np.maximum(best - 1, 0)], _GRID[np.minimum(best + 1, _GRID.size - 1)]
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2.0
        asymptote, gap, _ = _linear(log_n, y, middle, bounds)
        power = np.exp(-middle[:, None] * log_n)
        rest = y - asymptote[:, None] + gap[:, None] * power
        # The slope of the profile is -2 gap times this: a and b are the best for this c, so that their own change adds nothing.
        falls = (rest * log_n * power).sum(axis=1) > 0.0
        low, high = np.where(falls, middle, low), np.where(falls, high, middle)
    exponent = (low + high) / 2.0
    exponent[low == _GRID[0]], exponent[high == _GRID[-1]] = EXPONENTS  # it never turned: the end of the range
    on_grid, turned = _linear(log_n, y, _GRID[best], bounds), _linear(log_n, y, exponent, bounds)
    worse = turned[2] > on_grid[2]  # a second minimum between two points of the grid, or rounding
    asymptote, gap, rss = (np.where(worse, a, b) for a, b in zip(on_grid, turned, strict=True))
    exponent = np.where(gap == 0.0, nan, np.where(worse, _GRID[best], exponent))
    return asymptote, gap, exponent, rss


def _linear(
    log_n: FloatArray, y: FloatArray, exponent: FloatArray, bounds: tuple[float, float]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Asymptote within its bounds, gap from 0, and sum of squares of the best y = asymptote + gap z, z = -(n / size)^(-exponent).

    A convex function over a box: where the free minimum lies outside, the best of the box lies on one of its sides.
    """
    z = np.broadcast_to(-np.exp(-exponent[:, None] * log_n), y.shape)
    mean_z, mean_y = z.mean(axis=1), y.mean(axis=1)
    dz = z - mean_z[:, None]
    slope = (dz * (y - mean_y[:, None])).sum(axis=1) / (dz * dz).sum(axis=1)
    asymptotes, gaps = [mean_y - slope * mean_z, np.clip(mean_y, *bounds)], [slope, np.zeros(len(y))]
    for side in bounds:
        asymptotes.append(np.full(len(y), side))
        gaps.append(np.maximum((z * (y - side)).sum(axis=1) / (z * z).sum(axis=1), 0.0))
    a, b = np.stack(asymptotes), np.stack(gaps)
    rss = ((y - a[:, :, None] - b[:, :, None] * z) ** 2).sum(axis=2)
    outside = (b[0] < 0.0) | (a[0] < bounds[0]) | (a[0] > bounds[1])
    rss[0, outside] = inf
    best, row = rss.argmin(axis=0), np.arange(len(y))
    return a[best, row], b[best, row], rss[best, row]


@dataclass(frozen=True)
class LearningCurve:
    """The law fitted to a metric (`fitted`, one row) and to its bootstrap replicates (`drawn`), with its warnings."""

    fitted: PowerLaw
    drawn: PowerLaw
    n_sizes: int
    low: float
    high: float
    confidence_level: float
    n_cases: float = nan

    @cached_property
    def share_on_bound(self) -> float:
        """Share of the replicates whose fit lies on a bound of its range."""
        known = ~np.isnan(self.drawn.gap)
        return float(self.drawn.on_bound[known].mean()) if known.any() else nan

    @property
    def flat(self) -> bool:
        """Whether the best curve does not change with the size."""
        return bool(self.fitted.gap[0] == 0.0)

    def asymptote(self) -> Interval:
        """The value that the curve approaches."""
        return self._interval(lambda law: law.asymptote, *self._unidentified(), clip=True)

    def scale(self) -> Interval:
        """b of the law, in the units of n."""
        return self._interval(lambda law: law.scale, *self._unidentified(), flat=FLAT)

    def exponent(self) -> Interval:
        """c of the law."""
        return self._interval(lambda law: law.exponent, *self._unidentified(), flat=FLAT)

    def at(self, n: float) -> Interval:
        """The value at `n` training cases; beyond the largest size always `caution`."""
        beyond = n > self.fitted.size
        warnings = [EXTRAPOLATED, *self._unidentified()] if beyond else self._curve_warnings()
        return self._interval(lambda law: law.at([n])[:, 0], *warnings, clip=True)

    def size_for(self, gain: float) -> Interval:
        """The number of training cases at which the curve is better by `gain` than at the largest size; Inf where it never is."""
        warnings = [EXTRAPOLATED, *self._unidentified()]
        law = self.fitted
        if self.flat or law.gap[0] <= gain:
            end = self.high if law.sign > 0 else self.low
            now = float(law.at([law.size])[0, 0])
            impossible = abs(end - now) <= gain
            warnings.insert(0, "no value of the metric is so much better" if impossible else NEVER)
        return self._interval(lambda law: law.size_for(gain), *warnings)

    def _curve_warnings(self) -> list[str]:
        """Warnings about the whole curve."""
        few = f"fitted to {self.n_sizes} sizes: three parameters leave nothing to see by whether the law holds"
        return [*([few] if self.n_sizes < FEW_SIZES else []), *([FLAT] if self.flat else [])]

    def _unidentified(self) -> list[str]:
        """Warnings about its asymptote, its exponent and all values beyond the fitted sizes.

        If more resamples lie on a bound of the fit than beyond a confidence limit, that limit is the bound: it comes from the allowed range, not from
        the data.
        """
        warnings = self._curve_warnings()
        share = self.share_on_bound
        if share > (1.0 - self.confidence_level) / 2.0 and not self.flat:
            own = "the fit and " if self.fitted.on_bound[0] else ""
            warnings.append(
                f"{own}{100 * share:.0f} % of the resamples lie on a bound of the fit (asymptote {self.low:g} to {self.high:g}, exponent "
                f"{EXPONENTS[0]:g} to {EXPONENTS[1]:g}, no change): the sizes do not tell asymptote and exponent"
            )
        return warnings

    def _interval(
        self, of: Callable[[PowerLaw], FloatArray], *warnings: str, clip: bool = False, flat: str = ""
    ) -> Interval:
        estimate = float(of(self.fitted)[0])
        drawn = of(self.drawn)
        known = np.sort(drawn[~np.isnan(drawn)])
        failed = drawn.size - known.size
        common = {
            "conf_level": self.confidence_level,
            "n": self.n_cases,
            "n_resamples": float(drawn.size),
            "n_resamples_failed": float(failed),
        }
        if isnan(estimate) or (flat and self.flat):
            reason = flat if flat and self.flat else "the metric is undefined at one of the sizes"
            return Interval(METHOD, nan, status="not_estimable", warning=reason, **common)
        words = [w for w in warnings if w]
        if failed > MANY_FAILED * drawn.size:
            words.append(f"{failed} of {drawn.size} resamples left it undefined")
        limits = (nan, nan)
        if known.size < 2:
            words.append("too few resamples are defined")
        else:
            tail = (1.0 - self.confidence_level) / 2.0
            limits = (quantile7(known, tail), quantile7(known, 1.0 - tail))
            if clip:
                limits = (min(max(limits[0], self.low), self.high), min(max(limits[1], self.low), self.high))
            if known[0] == known[-1] and isfinite(known[0]):
                words.append("all resamples give the same value: an interval of zero width is no evidence of certainty")
        status: Status = "caution" if words else "ok"
        return Interval(METHOD, estimate, *limits, status=status, warning="; ".join(words), **common)


def learning_curve(
    sizes: npt.ArrayLike,
    observed: npt.ArrayLike,
    replicates: npt.ArrayLike,
    *,
    low: float = 0.0,
    high: float = 1.0,
    rising: bool = True,
    confidence_level: float = 0.95,
    n_cases: float = nan,
) -> LearningCurve:
    """Fit the law to the values of one metric at m sizes and to each of its joint bootstrap replicates.

    sizes (m,); observed (m,); replicates (B, m): one draw of cases (and seeds) for all sizes in each row. `low`, `high`: the metric's range.
    Raises ValueError as `fit_power_law`, and for a confidence level outside 0 to 1.
    """
    z_value(confidence_level)  # checks it
    values = np.asarray(observed, dtype=np.float64)
    fitted, drawn = (fit_power_law(sizes, v, low=low, high=high, rising=rising) for v in (values[None], replicates))
    return LearningCurve(fitted, drawn, int(np.unique(sizes).size), low, high, confidence_level, n_cases)
