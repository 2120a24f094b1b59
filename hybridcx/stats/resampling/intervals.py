"""Intervals and tests from bootstrap replicates: percentile, basic, BCa; differences; Monte Carlo error; which model is best.

Quantiles are of type 7 (linear between order statistics, R's and NumPy's default). Replicates that are undefined (NaN) are left out and
counted. Limits are clipped to the metric's range.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from math import exp, inf, isfinite, isnan, nan
from typing import Any, Literal, NamedTuple, cast

import numpy as np
from scipy import special

from hybridcx.stats.resampling.bootstrap import Replicates
from hybridcx.stats.results import Interval, PairedTest, Status
from hybridcx.stats.score_inputs import FloatArray, z_value
from hybridcx.stats.ties import ROUNDING, tied
from hybridcx.stats.ties import difference as exact_difference
from hybridcx.vocabulary import METRICS

Method = Literal["bootstrap_percentile", "bootstrap_basic", "bootstrap_bca"]

RATIO_METRICS = ("lr_positive", "lr_negative")
"""Metrics that are compared as a ratio, model over comparator, resampled on the log scale (the likelihood ratios)."""

MANY_FAILED = 0.05
"""Share of undefined resamples above which the interval is `caution`: it describes only the samples that are defined."""

UNDEFINED = "the metric is undefined on the observed cases"
ZERO_WIDTH = "all resamples give the same value: an interval of zero width is no evidence of certainty"
BETWEEN_INFINITIES = "a limit lies between resamples of -Inf and Inf and is undefined"


_NO_WEIGHT = 1e-6


@dataclass(frozen=True)
class _Sample:
    """One statistic: observed value, sorted finite-or-infinite replicates, number left out, leave-one-out values and weights.

    `kept`: limits by method and level, and errors of quantiles by level, which several rows of a table share.
    """

    observed: float
    sorted: FloatArray
    failed: int
    jackknife: FloatArray
    weights: FloatArray
    kept: dict[tuple[Any, ...], Any] = field(init=False, default_factory=dict, repr=False, compare=False)

    @staticmethod
    def of(observed: float, replicates: FloatArray, jackknife: FloatArray, weights: FloatArray) -> _Sample:
        kept = replicates[~np.isnan(replicates)]
        # Values within rounding of the estimate or of 0 become it, so that ties are counted as ties.
        for value in (0.0, observed):
            if isfinite(value):
                kept[np.abs(kept - value) <= ROUNDING * max(1.0, abs(value))] = value
        kept.sort()
        return _Sample(observed, kept, replicates.size - kept.size, jackknife, weights)

    def limits(self, method: Method, confidence_level: float) -> _Limits:
        """The limits by a method at a level."""
        key = method, confidence_level
        if key not in self.kept:
            self.kept[key] = _limits(self, method, confidence_level)
        return cast(_Limits, self.kept[key])

    def quantile_error(self, level: float) -> float:
        """The Monte Carlo standard error of the quantile of a level."""
        key = ("error", level)
        if key not in self.kept:
            self.kept[key] = _quantile_error(self.sorted, level)
        return float(self.kept[key])

    @cached_property
    def std_error(self) -> float:
        """The standard deviation of the replicates; NaN where some are infinite."""
        if self.sorted.size > 1 and np.isfinite(self.sorted[[0, -1]]).all():
            return float(np.std(self.sorted, ddof=1))
        return nan


class _Bca(NamedTuple):
    """Bias correction z0 and acceleration; `problem` says why they could not be computed."""

    z0: float
    acceleration: float
    problem: str


def quantile7(ordered: FloatArray, p: float) -> float:
    """Return the type 7 quantile of sorted values, which may be infinite: R's answer.

    Between a finite and an infinite value it is the infinite one, between -Inf and Inf it is NaN.
    """
    position = p * (ordered.size - 1)
    below = min(int(position), ordered.size - 1)
    above = min(below + 1, ordered.size - 1)
    low, high, part = float(ordered[below]), float(ordered[above]), position - below
    if part == 0.0 or low == high:
        return low
    return low + part * (high - low) if isfinite(high - low) else (1.0 - part) * low + part * high


def _levels_at(ordered: FloatArray, value: float) -> tuple[float, float]:
    """Return the smallest and the largest p whose type 7 quantile is `value`; (0, 0) below all replicates, (1, 1) above all.

    Replicates within rounding of `value` are equal to it.
    """
    last = max(ordered.size - 1, 1)
    reach = ROUNDING * max(1.0, abs(value)) if isfinite(value) else 0.0
    below = int(np.searchsorted(ordered, value - reach, "left"))
    upto = int(np.searchsorted(ordered, value + reach, "right"))
    if upto > below:
        return below / last, (upto - 1) / last
    if below in (0, ordered.size):
        return (0.0, 0.0) if below == 0 else (1.0, 1.0)
    low, high = float(ordered[below - 1]), float(ordered[below])
    part = (
        0.0 if isfinite(low) else 1.0 if isfinite(high) else 0.5
    )  # infinite between the two: passed at the finite one
    if isfinite(high - low):
        part = (value - low) / (high - low)
    return ((below - 1 + part) / last,) * 2


def _bca(sample: _Sample) -> _Bca:
    """Return BCa's constants (Efron 1987): z0 from the share of replicates below the estimate, ties half; a from the jackknife.

    a = sum w d^3 / (6 (sum w d^2)^1.5), d the mean of the leave-one-out values less each of them.
    """
    below = np.count_nonzero(sample.sorted < sample.observed)
    ties = np.count_nonzero(sample.sorted == sample.observed)
    z0 = float(special.ndtri((below + ties / 2) / sample.sorted.size))
    if sample.sorted[0] == sample.sorted[-1]:
        return _Bca(z0, nan, "all resamples give the same value")
    if not isfinite(z0):
        return _Bca(z0, nan, "the estimate lies outside all resamples")
    if not np.isfinite(sample.jackknife).all():
        return _Bca(z0, nan, "leaving out one unit makes the metric undefined or infinite")
    if tied(sample.jackknife.min(), sample.jackknife.max()):
        return _Bca(z0, nan, "leaving out any one unit changes nothing, so there is no acceleration")
    d = np.average(sample.jackknife, weights=sample.weights) - sample.jackknife
    square = d * d
    spread = float(sample.weights @ square)
    # square * d, because a power of 3 takes a hundred times as long
    return _Bca(z0, float(sample.weights @ (square * d)) / (6.0 * spread**1.5), "")


def _bca_level(p: float, bca: _Bca) -> float:
    """Return the level whose quantile is BCa's limit of nominal one-sided level `p`."""
    shifted = bca.z0 + float(special.ndtri(p))
    slope = 1.0 - bca.acceleration * shifted
    if slope <= 0.0:  # beyond the pole of the transformation: the extreme of the replicates on that side
        return 1.0 if shifted > 0.0 else 0.0
    return float(special.ndtr(bca.z0 + shifted / slope))


def _bca_nominal(level: float, bca: _Bca) -> float:
    """Return the nominal one-sided level whose BCa quantile level is `level` (the inverse of `_bca_level`)."""
    if level in (0.0, 1.0):
        return level
    w = float(special.ndtri(level)) - bca.z0
    slope = 1.0 + bca.acceleration * w
    if slope <= 0.0:
        return 1.0 if w > 0.0 else 0.0
    return float(special.ndtr(w / slope - bca.z0))


class _Limits(NamedTuple):
    """Limits on the scale of the replicates, their quantile levels, and the reason for a fallback to percentile limits."""

    low: float
    high: float
    level_low: float
    level_high: float
    bca: _Bca | None
    fallback: str


def _limits(sample: _Sample, method: Method, confidence_level: float) -> _Limits:
    tail = (1.0 - confidence_level) / 2.0
    levels, bca, fallback = (tail, 1.0 - tail), None, ""
    if method == "bootstrap_bca":
        bca = _bca(sample)
        if bca.problem:
            fallback, bca = f"BCa could not be computed ({bca.problem}): percentile limits", None
        else:
            levels = (_bca_level(tail, bca), _bca_level(1.0 - tail, bca))
    low, high = quantile7(sample.sorted, levels[0]), quantile7(sample.sorted, levels[1])
    if method == "bootstrap_basic":
        low, high = 2.0 * sample.observed - high, 2.0 * sample.observed - low
    return _Limits(low, high, *levels, bca, fallback)


def _pvalue(sample: _Sample, bca: _Bca | None, null: float = 0.0) -> float:
    """Return the p-value that the interval inverts to: the largest 1 - level at which the interval still holds `null`.

    Replicates equal to the null count for both sides (the limits are part of the interval). Never below 2 / (B + 1), the resolution of B resamples.
    """
    return min(1.0, 2.0 * min(_one_sided(sample, bca, null)))


def _one_sided(sample: _Sample, bca: _Bca | None, null: float) -> tuple[float, float]:
    """Return the one-sided p-values of "<= null" and of ">= null", each within 1 / (B + 1) and 1 less that."""
    smallest, largest = _levels_at(sample.sorted, null)
    if bca is not None:
        smallest, largest = _bca_nominal(smallest, bca), _bca_nominal(largest, bca)
    floor = 1.0 / (sample.sorted.size + 1)
    above, below = (min(max(p, floor), 1.0 - floor) for p in (largest, 1.0 - smallest))
    return above, below


def _checked(sample: _Sample, limits: _Limits) -> tuple[Status, str]:
    """Return status and warning of an interval from its resamples."""
    messages = [limits.fallback] if limits.fallback else []
    asked = sample.sorted.size + sample.failed
    if sample.sorted[0] == sample.sorted[-1]:
        messages.append(ZERO_WIDTH)
    if isnan(limits.low) or isnan(limits.high):
        messages.append(BETWEEN_INFINITIES)
    if sample.failed > MANY_FAILED * asked:
        messages.append(f"{sample.failed} of {asked} resamples left the metric undefined")
    return ("caution" if messages else "ok"), "; ".join(messages)


def _sample(replicates: Replicates, metric: str, i: int, j: int | None = None) -> _Sample:
    """The statistic of model i, or of i minus j; the last one is kept, because the methods of a row's neighbours ask for it again."""
    key = metric, i, j
    if key not in replicates.last:
        replicates.last.clear()
        replicates.last[key] = (
            _difference_sample(replicates, metric, i, j)
            if j is not None
            else _Sample.of(
                float(replicates.observed[metric][i]),
                replicates.replicates[metric][:, i],
                replicates.jackknife[metric][:, i],
                replicates.jackknife_weights[metric],
            )
        )
    return cast(_Sample, replicates.last[key])


def _interval(replicates: Replicates, metric: str, model: int, method: Method, confidence_level: float) -> Interval:
    z_value(confidence_level)  # checks it
    sample = _sample(replicates, metric, model)
    common = {
        "conf_level": confidence_level,
        "n": float(replicates.n_cases),
        "n_clusters": replicates.n_clusters,
        "n_resamples": float(sample.sorted.size + sample.failed),
        "n_resamples_failed": float(sample.failed),
    }
    if isnan(sample.observed):
        return Interval(method, nan, status="not_estimable", warning=UNDEFINED, **common)
    if sample.sorted.size < 2 or not isfinite(sample.observed):
        reason = (
            "the estimate is infinite: no resampled limits"
            if sample.sorted.size >= 2
            else "too few resamples are defined"
        )
        return Interval(method, sample.observed, status="caution", warning=reason, **common)
    limits = sample.limits(method, confidence_level)
    status, warning = _checked(sample, limits)
    low, high = (min(max(limit, METRICS[metric].low), METRICS[metric].high) for limit in limits[:2])
    return Interval(
        method, sample.observed, low, high, std_error=sample.std_error, status=status, warning=warning, **common
    )


def percentile(replicates: Replicates, metric: str, model: int, confidence_level: float = 0.95) -> Interval:
    """Return the percentile interval of one model's metric: the replicates' quantiles (Efron 1979)."""
    return _interval(replicates, metric, model, "bootstrap_percentile", confidence_level)


def basic(replicates: Replicates, metric: str, model: int, confidence_level: float = 0.95) -> Interval:
    """Return the basic interval: twice the estimate less the opposite quantiles (Davison and Hinkley 1997, section 5.2)."""
    return _interval(replicates, metric, model, "bootstrap_basic", confidence_level)


def bca(replicates: Replicates, metric: str, model: int, confidence_level: float = 0.95) -> Interval:
    """Return the bias-corrected and accelerated interval (Efron 1987), the jackknife over what is drawn.

    Where it cannot be computed the limits are the percentile interval's, with the reason in `warning` and status `caution`.
    """
    return _interval(replicates, metric, model, "bootstrap_bca", confidence_level)


def _difference_sample(replicates: Replicates, metric: str, i: int, j: int) -> _Sample:
    def scale(values: FloatArray) -> tuple[FloatArray, FloatArray]:
        a, b = values[..., i], values[..., j]
        if metric not in RATIO_METRICS:
            return a, b
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log(a), np.log(b)

    (a, b), (without_a, without_b) = scale(replicates.replicates[metric]), scale(replicates.jackknife[metric])
    with np.errstate(invalid="ignore"):
        drawn, left_out = np.asarray(a - b), np.asarray(without_a - without_b)  # `_Sample.of` finds their ties
    observed = float(exact_difference(*scale(replicates.observed[metric])))
    return _Sample.of(observed, drawn, left_out, replicates.jackknife_weights[metric])


def difference(
    replicates: Replicates, metric: str, i: int, j: int, method: Method, confidence_level: float = 0.95
) -> PairedTest:
    """Return model i minus model j on the joint resamples; for likelihood ratios, i over j, resampled on the log scale.

    `bootstrap_percentile` or `bootstrap_bca`. The p-value (of difference 0, ratio 1) inverts the interval exactly: it is at most alpha
    where the 1 - alpha interval excludes the null. `std_error` is the replicates' standard deviation (of the log ratio for ratios).
    Models that never differ in any resample: p = 1, `caution`. A likelihood ratio of 0 or Inf (an empty cell) has no ratio to another one:
    `not_estimable`, as in `lr_regression`.
    """
    if method not in ("bootstrap_percentile", "bootstrap_bca"):
        raise ValueError(f"differences are tested by bootstrap_percentile or bootstrap_bca, not {method}")
    z_value(confidence_level)
    sample = _sample(replicates, metric, i, j)
    ratio = metric in RATIO_METRICS
    common = {
        "conf_level": confidence_level,
        "n": float(replicates.n_cases),
        "n_clusters": replicates.n_clusters,
        "n_resamples": float(sample.sorted.size + sample.failed),
        "n_resamples_failed": float(sample.failed),
    }
    if isnan(sample.observed) or (ratio and not isfinite(sample.observed)):
        reason = (
            "a likelihood ratio is 0, infinite or undefined on the observed cases, so that their ratio is none"
            if ratio
            else "the comparison is undefined on the observed cases (a metric is undefined, or both are infinite)"
        )
        return PairedTest(method, nan, status="not_estimable", warning=reason, **common)
    estimate = _exp(sample.observed) if ratio else sample.observed
    if sample.sorted.size < 2 or not isfinite(sample.observed):
        reason = (
            "the difference is infinite: no resampled limits"
            if sample.sorted.size >= 2
            else "too few resamples are defined"
        )
        return PairedTest(method, estimate, status="caution", warning=reason, **common)
    limits = sample.limits(method, confidence_level)
    status, warning = _checked(sample, limits)
    low, high = (_exp(limit) if ratio else limit for limit in limits[:2])
    no_width = sample.sorted[0] == sample.sorted[-1]
    p = (1.0 if sample.observed == 0.0 else nan) if no_width else _pvalue(sample, limits.bca)
    return PairedTest(
        method, estimate, low, high, pvalue=p, std_error=sample.std_error, status=status, warning=warning, **common
    )


def one_sided_pvalues(
    replicates: Replicates, metric: str, i: int, j: int, null: float = 0.0, method: Method = "bootstrap_bca"
) -> tuple[float, float]:
    """Return the p-values of "difference <= null" (small if i is above j) and of "difference >= null", by inverting `difference` exactly.

    The first is the largest a at which the lower limit of level 1 - 2a is not above `null`: p < a exactly if the interval of level
    1 - 2a lies above `null`, and likewise the other. At `null` 0 the smaller, doubled, is the two-sided p of `difference`. Neither is below
    1 / (B + 1). For likelihood ratios `null` is the log of the ratio. NaN where there are no limits or they have no width.
    """
    sample = _sample(replicates, metric, i, j)
    if sample.sorted.size < 2 or not isfinite(sample.observed) or sample.sorted[0] == sample.sorted[-1]:
        return nan, nan
    return _one_sided(sample, sample.limits(method, 0.95).bca, null)


def _exp(value: float) -> float:
    return inf if value > 700.0 else exp(value)


def monte_carlo_error(
    replicates: Replicates,
    metric: str,
    i: int,
    j: int | None = None,
    method: Method = "bootstrap_bca",
    confidence_level: float = 0.95,
) -> tuple[float, float]:
    """Return the Monte Carlo standard errors of the two limits of model i (or of i minus j): their standard deviation over random seeds of the
    bootstrap.

    Maritz and Jarrett's (1978) estimate of the standard error of a quantile, the exact bootstrap of the replicates themselves, at
    the levels the limits stand at (BCa's constants taken as known). For ratios of likelihood ratios that of the log limit times the
    limit (delta method), so that it is in the limits' unit. NaN where there are no limits.
    """
    sample = _sample(replicates, metric, i, j)
    if sample.sorted.size < 2 or not isfinite(sample.observed):
        return nan, nan
    limits = sample.limits(method, confidence_level)
    errors = [sample.quantile_error(level) for level in (limits.level_low, limits.level_high)]
    if j is not None and metric in RATIO_METRICS:
        return errors[0] * _exp(limits.low), errors[1] * _exp(limits.high)
    return (errors[1], errors[0]) if method == "bootstrap_basic" else (errors[0], errors[1])


def _quantile_error(ordered: FloatArray, p: float) -> float:
    first, share = _order_weights(p, ordered.size)
    near = ordered[first : first + share.size]
    finite = np.isfinite(near)
    if (
        float(share[~finite].sum()) > _NO_WEIGHT
    ):  # infinite resamples (ratios) so near that the limit could be one of them
        return nan
    share, centred = share[finite], near[finite] - quantile7(ordered, p)
    mean = float(share @ centred)
    return float(np.sqrt(max(float(share @ centred**2) - mean * mean, 0.0)))


@lru_cache(maxsize=64)  # percentile limits of any metric and pair stand at the same levels
def _order_weights(p: float, n: int) -> tuple[int, FloatArray]:
    """Return the first order statistic (from 0) with weight in the bootstrap law of the `p` quantile of n values, and the weights from there."""
    rank = min(max(p * (n - 1) + 1.0, 0.5), n + 0.5)  # the position of a type 7 quantile among 1..n
    # Order statistics further than 12 standard deviations (and 40 places, where the law is skewed) away have no weight in double precision.
    reach = 12.0 * float(np.sqrt(rank * (n + 1.0 - rank) / n)) + 40.0
    first, last = max(int(rank - reach), 0), min(int(rank + reach) + 1, n)
    return first, np.diff(special.betainc(rank, n + 1.0 - rank, np.arange(first, last + 1) / n))


def share_best(replicates: Replicates, metric: str, higher_is_better: bool | None = None) -> FloatArray:
    """Return for each model (k,) the share of resamples in which it is best, ties (within rounding) shared equally; they sum to 1.

    `higher_is_better` defaults to the metric's own direction; for a metric with a target inside its range (calibration slope and
    intercept) the model nearest to the target is best. Resamples with an undefined model are left out; NaN if none is left.
    """
    drawn = replicates.replicates[metric]
    drawn = drawn[~np.isnan(drawn).any(axis=1)]
    if not drawn.shape[0]:
        return np.full(drawn.shape[1], nan)
    meaning = METRICS[metric]
    higher = meaning.higher_is_better if higher_is_better is None else higher_is_better
    if meaning.target is not None and higher_is_better is None:
        drawn, higher = np.abs(drawn - meaning.target), False
    best = tied(drawn, (drawn.max(axis=1) if higher else drawn.min(axis=1))[:, None])
    return np.asarray((best / best.sum(axis=1, keepdims=True)).mean(axis=0))
