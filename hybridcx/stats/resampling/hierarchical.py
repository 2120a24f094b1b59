"""The bootstrap over seeds and cases together, so that an interval carries training variance as well as sampling variance.

Seeds and cases are crossed: every resample draws the cases once, for all models and seeds, and the seeds once, for all models. The
estimate is the mean over seeds of the per-seed metric. Limits are percentile limits, method `bootstrap_hierarchical`.

Percentiles of S drawn seeds do not correct for few seeds as Student's t does: where the seeds carry much of the variance they are too narrow, with
two seeds much too narrow (Hesterberg 2015, for one sample). `shortfall` gives the factor, and limits that are a tenth too narrow are `caution`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import sqrt
from typing import TypeVar

import numpy as np
from scipy import special

from hybridcx.stats.resampling import intervals as bootstrap_intervals
from hybridcx.stats.resampling.bootstrap import Replicates
from hybridcx.stats.results import Interval, PairedTest, Status
from hybridcx.stats.score_inputs import FloatArray, z_value
from hybridcx.stats.ties import difference
from hybridcx.stats.variance import VarianceComponents, two_way_components

R = TypeVar("R", Interval, PairedTest)
METHOD = "bootstrap_hierarchical"
FEW_SEEDS = 5
"""Below this number of seeds the spread over seeds is too poorly known: `caution`."""

TOO_NARROW = 1.1
"""From this ratio of the required to the actual width on, limits get `caution` as too narrow."""

ONE_SEED = "one seed: conditional on the trained model, training variance is not in the interval"


@dataclass(frozen=True)
class SeedReplicates:
    """Replicates of k models, each the mean over S seeds: `means` as any `Replicates` (its jackknife leaves out cases, not seeds).

    `each`: metric -> (k, S), the value of each seed on all cases. `pseudo_values`: metric -> (units, k, S), n x estimate - (n - 1) x
    leave-one-out, from which the shares of variance come.
    """

    means: Replicates
    n_seeds: int
    each: Mapping[str, FloatArray]
    pseudo_values: Mapping[str, FloatArray]


def combine_seeds(replicates: Replicates, n_seeds: int, rng: np.random.Generator) -> SeedReplicates:
    """Return the hierarchical replicates from those of k x S "models", model by model with its S seeds side by side.

    `replicates` comes from `bootstrap_replicates` on arrays (k S, n): row model * S + seed. A resample is undefined where a seed that
    it draws is. Raises ValueError if the models are not a multiple of `n_seeds`.
    """
    first = next(iter(replicates.observed.values()))
    if n_seeds < 1 or first.size % n_seeds:
        raise ValueError(f"{first.size} rows of predictions cannot be models with {n_seeds} seeds each")
    shares = rng.multinomial(n_seeds, np.full(n_seeds, 1.0 / n_seeds), replicates.n_resamples) / n_seeds

    def mean(values: FloatArray, weights: FloatArray) -> FloatArray:
        """Average (rows, k S) over seeds with weights (rows, S); a seed that is not drawn may be undefined."""
        table = values.reshape(values.shape[0], -1, n_seeds)
        drawn = weights[:, None, :]
        with np.errstate(invalid="ignore"):
            return np.asarray(np.where(drawn > 0.0, table * drawn, 0.0).sum(axis=2))

    def evenly(values: FloatArray) -> FloatArray:
        return np.asarray(values.reshape(*values.shape[:-1], -1, n_seeds).mean(axis=-1))

    means = replace(
        replicates,
        observed={name: evenly(values) for name, values in replicates.observed.items()},
        replicates={name: mean(values, shares[: len(values)]) for name, values in replicates.replicates.items()},
        jackknife={name: evenly(values) for name, values in replicates.jackknife.items()},
    )
    pseudo = {}
    for name, left_out in replicates.jackknife.items():
        n = float(replicates.jackknife_weights[name].sum())
        with np.errstate(invalid="ignore"):  # an infinite ratio has no pseudo-value
            values = n * replicates.observed[name] - (n - 1.0) * left_out
        pseudo[name] = values.reshape(values.shape[0], -1, n_seeds)
    each = {name: values.reshape(-1, n_seeds) for name, values in replicates.observed.items()}
    return SeedReplicates(means, n_seeds, each, pseudo)


def few_seeds(n_seeds: int) -> str:
    """Return the warning for few seeds, "" from five on."""
    if n_seeds >= FEW_SEEDS:
        return ""
    return ONE_SEED if n_seeds == 1 else f"only {n_seeds} seeds: the spread over seeds is poorly known"


def shortfall(of_seeds: FloatArray, std_error: float, confidence_level: float = 0.95) -> tuple[float, float]:
    """Return how many times as wide percentile limits over seeds and cases would have to be, and the seeds' share of the variance.

    `of_seeds` (S,) are the seeds' own values, with variance s^2 (denominator S - 1); `std_error` is the standard deviation of the resamples. Of its
    square (S - 1)/S^2 s^2 comes from the seeds that are drawn, although it should be s^2/S; the rest of the variance comes from the cases. The limits
    should be those of Student's t with Satterthwaite's (1946) degrees of freedom (S - 1) / share^2, the cases taken as many. Both NaN for one seed,
    and where a seed's value is undefined or no resample varies.
    """
    total = of_seeds.size
    if total < 2 or not np.isfinite(of_seeds).all() or not std_error > 0.0:
        return np.nan, np.nan
    seeds = float(of_seeds.var(ddof=1)) / total
    variance = max(std_error**2 - seeds * (total - 1) / total, 0.0) + seeds
    share = seeds / variance
    if share == 0.0:
        return 1.0, 0.0
    t = float(special.stdtrit((total - 1) / share**2, 0.5 + confidence_level / 2.0))
    return t / z_value(confidence_level) * sqrt(variance) / std_error, share


def too_narrow(of_seeds: FloatArray, std_error: float, confidence_level: float) -> str:
    """Return by how much percentile limits fall short (`shortfall`) as a sentence, "" where that is less than a tenth."""
    factor, share = shortfall(of_seeds, std_error, confidence_level)
    if not factor > TOO_NARROW:
        return ""
    return (
        f"{100 * share:.0f} % of the variance is that of {of_seeds.size} seeds, for which percentile limits are about {factor:.1f} times "
        "too narrow"
    )


def over_seeds(result: R, of_seeds: FloatArray, confidence_level: float) -> R:
    """A percentile result over seeds and cases under its name, `caution` below five seeds and where its limits are too narrow.

    `of_seeds` (S,): the seeds' own values of what is estimated, on the scale of its `std_error`.
    """
    narrow = too_narrow(of_seeds, result.std_error, confidence_level) if result.conf_low < result.conf_high else ""
    reasons: list[str] = [few_seeds(int(of_seeds.size)), narrow]
    if not any(reasons):
        return replace(result, method=METHOD)
    status: Status = result.status if result.status == "not_estimable" else "caution"
    warning = "; ".join(w for w in (result.warning, *reasons) if w)
    return replace(result, method=METHOD, warning=warning, status=status)


def hierarchical_interval(seeds: SeedReplicates, metric: str, model: int, confidence_level: float = 0.95) -> Interval:
    """Return the mean over seeds of one model's metric with percentile limits; warnings as `over_seeds`."""
    result = bootstrap_intervals.percentile(seeds.means, metric, model, confidence_level)
    return over_seeds(result, seeds.each[metric][model], confidence_level)


def hierarchical_difference(
    seeds: SeedReplicates, metric: str, i: int, j: int, confidence_level: float = 0.95
) -> PairedTest:
    """Return model i minus model j (i over j for ratios) of the means over seeds; p by inverting the percentile interval.

    Warnings as `over_seeds`: with few seeds the test rejects too often, with two seeds that carry all the variance in half of all samples.
    """
    result = bootstrap_intervals.difference(seeds.means, metric, i, j, "bootstrap_percentile", confidence_level)
    a, b = seeds.each[metric][i], seeds.each[metric][j]
    with np.errstate(divide="ignore", invalid="ignore"):
        of_seeds = difference(np.log(a), np.log(b)) if metric in bootstrap_intervals.RATIO_METRICS else difference(a, b)
    return over_seeds(result, of_seeds, confidence_level)


def variance_shares(seeds: SeedReplicates, metric: str, i: int, j: int | None = None) -> VarianceComponents:
    """Return the shares of variance by case, seed and their interaction of model i's mean (or of its difference from j).

    Two-way components of the jackknife pseudo-values; for a mean over cases (accuracy, Brier score) these are the cases' own
    values. NaN with one seed, or where a leave-one-out value is undefined.
    """
    values = seeds.pseudo_values[metric][:, i]
    if j is not None:
        values = values - seeds.pseudo_values[metric][:, j]
    return two_way_components(values, seeds.means.jackknife_weights[metric])
