"""Limits of means over seeds by Student's t: the standard error of the bootstrap over cases, and the variance between seeds with its own degrees of
freedom.

Percentile limits over seeds and cases (`hierarchical`) treat the variance between a few seeds as known: with three seeds that carry most of the
variance they reject up to 25 % of true null hypotheses, with two up to 38 % (vocabulary/simulations_dependent.csv).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp, isfinite, isnan, log, nan, sqrt
from typing import Literal

import numpy as np
from scipy import special

from hybridcx.stats import distributions as stats
from hybridcx.stats.resampling import intervals as bootstrap_intervals
from hybridcx.stats.resampling.hierarchical import (
    METHOD,
    SeedReplicates,
    few_seeds,
    hierarchical_difference,
    hierarchical_interval,
    variance_shares,
)
from hybridcx.stats.results import Interval, PairedTest
from hybridcx.stats.score_inputs import FloatArray, z_value
from hybridcx.vocabulary import METRICS

Design = Literal["crossed", "nested", "fixed"]


@dataclass(frozen=True, slots=True)
class SeedVariance:
    """The variance of a mean over seeds, and the degrees of freedom of Student's t (infinite without variance between seeds)."""

    total: float
    freedom: float


def seed_variance(resampled: float, between: float, drawn: float, repeated: float, freedom: float) -> SeedVariance:
    """Return the variance of a mean over S seeds on the same cases.

    resampled: the variance over resamples of cases and seeds; drawn: its part from the draw of the seeds, (S - 1)/S^2 s^2 with s^2 the variance of
    the seeds' values; repeated: the variance of the mean from the interaction of cases and seeds, which is in s^2 and in the resamples of cases, and
    counts once; between: the variance of the mean from the seeds, s^2/S, estimated with `freedom` degrees of freedom. Then

        V = max(resampled - drawn - repeated, 0) + between,    df = freedom / share,    share = between / V.

    Satterthwaite's (1946) freedom / share^2 rejects too often with three seeds, where the share is itself poorly known; freedom / share lies
    between it and the bound `freedom`.
    """
    cases = max(resampled - drawn - (repeated if isfinite(repeated) else 0.0), 0.0)
    total = cases + between
    return SeedVariance(total, freedom * total / between if between > 0.0 else float("inf"))


def _quantile(freedom: float, confidence_level: float) -> float:
    return float(stats.t.ppf(0.5 + confidence_level / 2.0, freedom)) if isfinite(freedom) else z_value(confidence_level)


def _variance_of_resamples(values: FloatArray) -> float:
    """The variance of the defined resamples; NaN where one is infinite or fewer than two are defined."""
    defined = values[~np.isnan(values)]
    return float(defined.var(ddof=1)) if defined.size > 1 and np.isfinite(defined).all() else nan


def _difference_variance(seeds: SeedReplicates, metric: str, i: int, j: int, design: Design) -> SeedVariance:
    """The variance of the difference (of the log ratio) of the means over seeds of models i and j."""
    ratio, total = metric in bootstrap_intervals.RATIO_METRICS, seeds.n_seeds
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.log if ratio else np.asarray
        a, b = scale(seeds.each[metric][i]), scale(seeds.each[metric][j])
        drawn = scale(seeds.means.replicates[metric])
        resampled = _variance_of_resamples(drawn[:, i] - drawn[:, j])
        between = {
            "nested": float(a.var(ddof=1) + b.var(ddof=1)) / total,
            "crossed": float((a - b).var(ddof=1)) / total,
            "fixed": 0.0,
        }[design]
        of_seeds = float((a - b).var(ddof=1))
    freedom = 2.0 * (total - 1) if design == "nested" else total - 1.0
    repeated = nan if ratio else variance_shares(seeds, metric, i, j).residual / (seeds.means.n_units * total)
    return seed_variance(resampled, between, of_seeds * (total - 1) / total**2, repeated, freedom)


def student_difference(
    seeds: SeedReplicates, metric: str, i: int, j: int, confidence_level: float = 0.95, design: Design = "nested"
) -> PairedTest:
    """Return model i minus model j (i over j for ratios) of the means over seeds, by Student's t (method `bootstrap_hierarchical`).

    Variance and degrees of freedom: `seed_variance`. `design`: nested (seeds are separate trainings of each model: s^2 is the sum of both models'
    variances, 2 (S - 1) degrees of freedom), crossed (equal seeds are one reader: the variance of the seeds' differences, S - 1) or fixed (these
    seeds alone: no variance between seeds). `parameter` is the degrees of freedom, NaN where they are infinite; `std_error` that of the
    difference (log ratio). Warnings as `hierarchical.hierarchical_difference`; its percentile limits, `caution`, where the variance cannot be
    estimated (one seed, an infinite resample).
    """
    plain = hierarchical_difference(seeds, metric, i, j, confidence_level)
    if isnan(plain.conf_low) or plain.conf_low == plain.conf_high or seeds.n_seeds < 2:
        return plain
    variance = _difference_variance(seeds, metric, i, j, design)
    if not (variance.total > 0.0 and isfinite(variance.total)):
        return plain
    plain = bootstrap_intervals.difference(seeds.means, metric, i, j, "bootstrap_percentile", confidence_level)
    ratio = metric in bootstrap_intervals.RATIO_METRICS
    centre, error = log(plain.estimate) if ratio else plain.estimate, sqrt(variance.total)
    half = _quantile(variance.freedom, confidence_level) * error
    low, high = centre - half, centre + half
    if ratio:
        low, high = exp(low), exp(high)
    statistic = centre / error
    few = few_seeds(seeds.n_seeds)
    warning = "; ".join(w for w in (plain.warning, few) if w)
    return replace(
        plain, method=METHOD, conf_low=low, conf_high=high, statistic=statistic, std_error=error,
        parameter=variance.freedom if isfinite(variance.freedom) else nan, pvalue=two_sided(statistic, variance.freedom),
        status="caution" if few or plain.status == "caution" else "ok", warning=warning,
    )  # fmt: skip


def two_sided(statistic: float, freedom: float) -> float:
    """The two-sided p-value of a t statistic; normal for infinite degrees of freedom."""
    return float(2.0 * (stats.t.sf(abs(statistic), freedom) if isfinite(freedom) else special.ndtr(-abs(statistic))))


def student_interval(seeds: SeedReplicates, metric: str, model: int, confidence_level: float = 0.95) -> Interval:
    """Return the mean over seeds of one model's metric with limits by Student's t (method `bootstrap_hierarchical`).

    Variance and degrees of freedom: `seed_variance`, S - 1 for the seeds. Metrics within finite ends have their limits on the logit scale,
    likelihood ratios, the odds ratio and log loss on the log scale (delta method), so that limits stay within the range. Percentile limits,
    `caution`, where the variance cannot be
    estimated or the estimate lies at the end of the range. `std_error` is that of the mean.
    """
    plain = hierarchical_interval(seeds, metric, model, confidence_level)
    values, total, meaning = seeds.each[metric][model], seeds.n_seeds, METRICS[metric]
    if isnan(plain.conf_low) or plain.conf_low == plain.conf_high or total < 2 or not np.isfinite(values).all():
        return plain
    with np.errstate(invalid="ignore"):
        resampled = _variance_of_resamples(seeds.means.replicates[metric][:, model])
    between = float(values.var(ddof=1)) / total
    repeated = variance_shares(seeds, metric, model).residual / (seeds.means.n_units * total)
    variance = seed_variance(resampled, between, between * (total - 1) / total, repeated, total - 1.0)
    slope = _slope(plain.estimate, meaning.low, meaning.high)
    if not (variance.total > 0.0 and isfinite(variance.total)) or not isfinite(slope):
        return plain
    error = sqrt(variance.total)
    half = _quantile(variance.freedom, confidence_level) * error * slope
    low, high = _around(plain.estimate, half, meaning.low, meaning.high)
    base = bootstrap_intervals.percentile(seeds.means, metric, model, confidence_level)
    few = few_seeds(total)
    return replace(
        base, method=METHOD, conf_low=low, conf_high=high, std_error=error,
        status="caution" if few or base.status == "caution" else "ok", warning="; ".join(w for w in (base.warning, few) if w),
    )  # fmt: skip


def _slope(value: float, low: float, high: float) -> float:
    """The derivative of the scale of the limits: logit within two finite ends, log above 0, else none; infinite at the ends."""
    if isfinite(low) and isfinite(high):
        inside = (value - low) * (high - value)
        return (high - low) / inside if inside > 0.0 else float("inf")
    if low == 0.0:
        return 1.0 / value if value > 0.0 else float("inf")
    return 1.0


def _around(value: float, half: float, low: float, high: float) -> tuple[float, float]:
    if isfinite(low) and isfinite(high):
        centre, width = float(special.logit((value - low) / (high - low))), high - low
        return low + width * float(special.expit(centre - half)), low + width * float(special.expit(centre + half))
    if low == 0.0:
        return value * exp(-half), value * exp(half)
    return value - half, value + half
