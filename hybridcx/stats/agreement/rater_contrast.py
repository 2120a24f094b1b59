"""Models as further raters: does a model agree with the readers as well as the readers agree with each other?

The readers are fixed (these readers, not readers in general), the cases are drawn. Every coefficient of two raters comes from their paired table
on the cases that both called; a model's agreement is the mean over its pairs with the readers, the readers' that over their own pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import nan

import numpy as np
import numpy.typing as npt

from hybridcx.stats.resampling.draws import UnitDraws
from hybridcx.stats.resampling.hierarchical import too_narrow
from hybridcx.stats.resampling.intervals import quantile7
from hybridcx.stats.results import Status
from hybridcx.stats.score_inputs import FloatArray, check_groups, z_value

COEFFICIENTS = ("cohen_kappa", "gwet_ac1", "percent_agreement")
Pairs = tuple[tuple[int, int], ...]
NO_SEEDS: FloatArray = np.empty(0)


@dataclass(frozen=True, slots=True)
class Contrast:
    """One resampled number: a mean agreement, or a difference of two."""

    estimate: float
    conf_low: float = nan
    conf_high: float = nan
    conf_level: float = nan
    n_resamples: int = 0
    n_resamples_failed: int = 0
    status: Status = "ok"
    warning: str = ""


@dataclass(frozen=True, slots=True)
class RaterContrasts:
    """One coefficient: the mean over the readers' pairs, and for each model the mean over its pairs with readers and the difference."""

    readers: Contrast
    models: tuple[Contrast, ...]
    differences: tuple[Contrast, ...]


def pair_coefficients(tables: npt.ArrayLike) -> dict[str, FloatArray]:
    """Return each coefficient of two raters from paired tables (4, ...): both positive, only the first, only the second, both negative.

    Cohen's kappa with the chance of both margins, Gwet's AC1 with 2 p (1 - p) of the mean margin, and the share of equal calls. NaN without
    cases; kappa is NaN where both raters are constant on the same call.
    """
    t = np.asarray(tables, dtype=np.float64)
    n = t.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        first, second, agree = (t[0] + t[1]) / n, (t[0] + t[2]) / n, (t[0] + t[3]) / n
        by_chance = first * second + (1 - first) * (1 - second)
        mean = (first + second) / 2
        chance = 2 * mean * (1 - mean)
        kappa = np.where(by_chance < 1, (agree - by_chance) / (1 - by_chance), nan)
        return {"cohen_kappa": kappa, "gwet_ac1": (agree - chance) / (1 - chance), "percent_agreement": agree}


def rater_contrasts(
    calls: npt.ArrayLike,
    n_models: int,
    rng: np.random.Generator,
    n_resamples: int = 2000,
    confidence_level: float = 0.95,
    groups: npt.ArrayLike | None = None,
    n_seeds: int = 1,
) -> dict[str, RaterContrasts]:
    """Return the contrasts of each coefficient from calls (raters, n): 1 positive, 0 negative, -1 not read; the models come first.

    Limits: percentile bootstrap (type 7) of the cases, or of the clusters in `groups` (n,) whole; every pair of raters shares the draws, so that
    the difference is paired. With `n_seeds` S the first n_models x S raters are the models, each with its seeds side by side: a model's agreement
    is the mean over its seeds, and every resample draws the seeds as well, once for all models (readers have none). Resamples in which a pair
    has no coefficient are left out and counted; limits that few seeds make too narrow are a `caution` that says by how much
    (`hierarchical.shortfall`). Fewer than two readers have no agreement among themselves: `readers` and `differences` are `not_estimable`.
    Without models only the readers' mean is returned. Raises ValueError for other values or without a reader.
    """
    z_value(confidence_level)
    called = np.asarray(calls)
    if called.ndim != 2 or not np.isin(called, (-1, 0, 1)).all():
        raise ValueError("calls have the shape (raters, cases) and are 1, 0 or -1")
    raters, n = called.shape
    first = n_models * n_seeds
    if n_models < 0 or n_seeds < 1 or first >= raters or not n or n_resamples < 1:
        raise ValueError("one reader, one seed, one case and one resample at least are needed")
    readers = range(first, raters)
    among: Pairs = tuple(combinations(readers, 2))
    with_models: Pairs = tuple((m, r) for m in range(first) for r in readers)
    tables, counts = _unit_tables(called, (*with_models, *among), groups)
    observed = pair_coefficients((tables @ counts.astype(np.float64))[:, :, None])
    drawn: dict[str, list[FloatArray]] = {name: [] for name in COEFFICIENTS}
    flat = tables.reshape(-1, tables.shape[2])
    for _, weights in UnitDraws(counts, np.zeros(counts.size, dtype=np.int64)).chunks(n_resamples, rng):
        sums = (flat @ weights.astype(np.float64)).reshape(4, -1, weights.shape[1])
        for name, values in pair_coefficients(sums).items():
            drawn[name].append(values)
    shares = np.ones((1, n_resamples))
    if n_seeds > 1:
        shares = rng.multinomial(n_seeds, np.full(n_seeds, 1.0 / n_seeds), n_resamples).T / n_seeds
    contrasts = {}
    for name in COEFFICIENTS:
        replicates = np.concatenate(drawn[name], axis=1)
        contrasts[name] = _of_coefficient(
            observed[name][:, 0], replicates, shares, n_models, len(readers), confidence_level
        )
    return contrasts


def _unit_tables(
    called: npt.NDArray[np.int_], pairs: Pairs, groups: npt.ArrayLike | None
) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    """Return the paired tables (4, pairs, units) that one draw of each unit adds, and how many such units there are."""
    if groups is None:
        # Cases with the same calls are one pattern, in sorted order: the draws depend on no order of rows.
        called, counts = np.unique(called, axis=1, return_counts=True)
        unit, size = np.arange(called.shape[1]), called.shape[1]
    else:
        unit, size = check_groups(groups, called.shape[1])
        counts = np.ones(size, dtype=np.int64)
    tables = np.zeros((4, len(pairs), size))
    for k, (i, j) in enumerate(pairs):
        both = (called[i] >= 0) & (called[j] >= 0)
        cell = np.where(called[i] == 1, 0, 2) + np.where(called[j] == 1, 0, 1)  # 0 both, 1 only i, 2 only j, 3 neither
        for c in range(4):
            tables[c, k] = np.bincount(unit[both & (cell == c)], minlength=size)
    return tables, counts.astype(np.int64)


def _of_coefficient(
    observed: FloatArray, replicates: FloatArray, shares: FloatArray, n_models: int, n_readers: int, level: float
) -> RaterContrasts:
    """`shares` (seeds, B): the weight of each seed in the mean of a resample; a seed that is not drawn may be undefined."""
    n_seeds, n_resamples = shares.shape
    own = n_models * n_seeds * n_readers
    each = observed[:own].reshape(n_models, n_seeds, n_readers).mean(axis=2)
    means = each.mean(axis=1)
    of_seeds = replicates[:own].reshape(n_models, n_seeds, n_readers, n_resamples).mean(axis=2)
    drawn = np.where(shares > 0, of_seeds * shares, 0.0).sum(axis=1)
    models = tuple(_contrast(float(means[m]), drawn[m], level, each[m]) for m in range(n_models))
    if n_readers < 2:
        none = Contrast(nan, status="not_estimable", warning="one reader has no other to agree with")
        return RaterContrasts(none, models, (none,) * n_models)
    mean, of_readers = float(observed[own:].mean()), replicates[own:].mean(axis=0)
    differences = tuple(
        _contrast(float(means[m]) - mean, drawn[m] - of_readers, level, each[m]) for m in range(n_models)
    )
    return RaterContrasts(_contrast(mean, of_readers, level), models, differences)


def _contrast(estimate: float, replicates: FloatArray, level: float, each: FloatArray = NO_SEEDS) -> Contrast:
    """`each` (seeds,): the seeds' own values, up to a constant common to all."""
    defined = np.sort(replicates[~np.isnan(replicates)])
    drawn, failed = replicates.size, replicates.size - defined.size
    if np.isnan(estimate):
        reason = "a pair of raters has no coefficient: both gave one and the same call, or share no case"
        return Contrast(nan, n_resamples=drawn, n_resamples_failed=failed, status="not_estimable", warning=reason)
    if defined.size < 2 or defined[0] == defined[-1]:
        reason = "all resamples give the same value: no limits"
        return Contrast(estimate, n_resamples=drawn, n_resamples_failed=failed, status="caution", warning=reason)
    tail = (1.0 - level) / 2.0
    low, high = quantile7(defined, tail), quantile7(defined, 1.0 - tail)
    many = failed > 0.05 * drawn
    words = [f"{failed} of {drawn} resamples left a coefficient undefined" if many else ""]
    words += [too_narrow(each, float(defined.std(ddof=1)), level)]
    warning = "; ".join(w for w in words if w)
    return Contrast(estimate, low, high, level, drawn, failed, "caution" if warning else "ok", warning)
