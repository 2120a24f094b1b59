"""The bootstrap over seeds and cases together, so that an interval carries training variance as well as sampling variance.

Seeds and cases are crossed: every resample draws the cases once, for all models and seeds, and the seeds once, for all models. The
estimate is the mean over seeds of the per-seed metric. Limits are percentile limits, method `bootstrap_hierarchical`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from hybridcx.stats import bootstrap_intervals
from hybridcx.stats.bootstrap import Replicates
from hybridcx.stats.results import Interval, PairedTest, Status
from hybridcx.stats.score_inputs import FloatArray
from hybridcx.stats.variance import VarianceComponents, two_way_components

METHOD = "bootstrap_hierarchical"
FEW_SEEDS = 5
"""Below this number of seeds the spread over seeds is too poorly known: `caution`."""

ONE_SEED = "one seed: conditional on the trained model, training variance is not in the interval"


@dataclass(frozen=True)
class SeedReplicates:
    """Replicates of k models, each the mean over S seeds: `means` as any `Replicates` (its jackknife leaves out cases, not seeds).

    `pseudo_values`: metric -> (units, k, S), n x estimate - (n - 1) x leave-one-out, from which the shares of variance come.
    """

    means: Replicates
    n_seeds: int
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
    return SeedReplicates(means, n_seeds, pseudo)


def few_seeds(n_seeds: int) -> str:
    """Return what must be said of so few seeds, "" from five on."""
    if n_seeds >= FEW_SEEDS:
        return ""
    return ONE_SEED if n_seeds == 1 else f"only {n_seeds} seeds: the spread over seeds is poorly known"


def _said(result: Interval | PairedTest, n_seeds: int) -> tuple[str, Status]:
    """Return the warning and status that the number of seeds adds to a result's own."""
    reason = few_seeds(n_seeds)
    if not reason:
        return result.warning, result.status
    status: Status = result.status if result.status == "not_estimable" else "caution"
    return "; ".join(w for w in (result.warning, reason) if w), status


def hierarchical_interval(seeds: SeedReplicates, metric: str, model: int, confidence_level: float = 0.95) -> Interval:
    """Return the mean over seeds of one model's metric with percentile limits; `caution` below five seeds."""
    found = bootstrap_intervals.percentile(seeds.means, metric, model, confidence_level)
    warning, status = _said(found, seeds.n_seeds)
    return replace(found, method=METHOD, warning=warning, status=status)


def hierarchical_difference(
    seeds: SeedReplicates, metric: str, i: int, j: int, confidence_level: float = 0.95
) -> PairedTest:
    """Return model i minus model j (i over j for ratios) of the means over seeds; p by inverting the percentile interval."""
    found = bootstrap_intervals.difference(seeds.means, metric, i, j, "bootstrap_percentile", confidence_level)
    warning, status = _said(found, seeds.n_seeds)
    return replace(found, method=METHOD, warning=warning, status=status)


def variance_shares(seeds: SeedReplicates, metric: str, i: int, j: int | None = None) -> VarianceComponents:
    """Return the shares of variance by case, seed and their interaction of model i's mean (or of its difference from j).

    Two-way components of the jackknife pseudo-values; for a mean over cases (accuracy, Brier score) these are the cases' own
    values. NaN with one seed, or where a leave-one-out value is undefined.
    """
    values = seeds.pseudo_values[metric][:, i]
    if j is not None:
        values = values - seeds.pseudo_values[metric][:, j]
    return two_way_components(values, seeds.means.jackknife_weights[metric])
