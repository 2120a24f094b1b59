"""Main effects of a balanced grid of models (network x head x feature set) as contrasts of marginal means, on joint resamples of the cases.

With theta_m the metric of model m on the test cases, an effect is a linear contrast sum_m c_m theta_m, sum_m c_m = 0:

    of a level       the mean over its cells less the mean over all cells (deviation from the grand mean; the effects of a factor sum to 0)
    of two levels    the mean over the cells of the one less that over the cells of the other

Every resample draws the cases (patients, where they are drawn) once for all models, so a contrast of the replicates is a replicate of the
contrast, and the models' correlation is in its spread. Limits are percentile limits and p inverts them (`bootstrap_intervals`). For accuracy
the contrast is the mean over cases of d_i = sum_m c_m [m is right on i], so its standard error is sd(d) / sqrt(n), which the bootstrap's must meet.

The models are fixed: what is uncertain is the sample of test cases alone, not what another training of the same networks would give. With
interactions a main effect is an average that need not hold for any one cell (Searle, Speed and Milliken 1980, on marginal means).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from hybridcx.stats.resampling import intervals as bootstrap_intervals
from hybridcx.stats.resampling.bootstrap import Replicates
from hybridcx.stats.results import PairedTest
from hybridcx.stats.score_inputs import FloatArray
from hybridcx.stats.ties import tied

METHOD: bootstrap_intervals.Method = "bootstrap_percentile"


@dataclass(frozen=True, slots=True)
class Balanced:
    """A grid without holes: the `levels` kept of each factor, and (factor, level, cells that it lacked) of each level left out, in order."""

    levels: tuple[tuple[str, ...], ...]
    left_out: tuple[tuple[int, str, tuple[tuple[str, ...], ...]], ...]


def balanced(levels: Sequence[Sequence[str]], cells: Collection[tuple[str, ...]]) -> Balanced:
    """The grid that is left when levels with missing cells are left out one by one, the one that lacks the largest share of its cells first.

    `levels`: those of each factor; `cells`: the combinations that exist. Of equals the later factor's, then the later level goes. Deterministic;
    greedy, so a larger grid without holes may exist. A factor that loses all its levels leaves an empty grid.

    >>> balanced([["vgg16", "resnet101"], ["lda", "knn"]], {("vgg16", "lda"), ("vgg16", "knn"), ("resnet101", "lda")}).levels
    (('vgg16', 'resnet101'), ('lda',))
    """
    kept = [list(dict.fromkeys(f)) for f in levels]
    left_out: list[tuple[int, str, tuple[tuple[str, ...], ...]]] = []
    existing = set(cells)
    while all(kept):
        grid = _product(kept)
        missing = [c for c in grid if c not in existing]
        if not missing:
            break
        _, at, place = max(
            (sum(c[f] == level for c in missing) * len(kept[f]) / len(grid), f, i)
            for f in range(len(kept))
            for i, level in enumerate(kept[f])
        )
        level = kept[at].pop(place)
        left_out.append((at, level, tuple(c for c in missing if c[at] == level)))
    return Balanced(tuple(tuple(f) for f in kept), tuple(left_out))


def _product(levels: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    grid: list[tuple[str, ...]] = [()]
    for factor in levels:
        grid = [(*cell, level) for cell in grid for level in factor]
    return grid


def level_weights(shape: tuple[int, ...], axis: int, level: int) -> FloatArray:
    """Weights (shape) of the mean over the cells of one level of a factor less the mean over all cells.

    >>> level_weights((2, 2), 0, 1).tolist()
    [[-0.25, -0.25], [0.25, 0.25]]
    """
    weights = np.full(shape, -1.0 / np.prod(shape))
    chosen = _at(len(shape), axis, level)
    weights[chosen] += shape[axis] / np.prod(shape)
    return weights


def difference_weights(shape: tuple[int, ...], axis: int, first: int, second: int) -> FloatArray:
    """Weights (shape) of the mean over the cells of level `first` of a factor less that over the cells of level `second`."""
    weights = np.zeros(shape)
    each = shape[axis] / np.prod(shape)
    weights[_at(len(shape), axis, first)] = each
    weights[_at(len(shape), axis, second)] -= each
    return weights


def _at(dimensions: int, axis: int, level: int) -> tuple[slice | int, ...]:
    return tuple(level if d == axis else slice(None) for d in range(dimensions))


def contrast_replicates(replicates: Replicates, metric: str, weights: npt.ArrayLike) -> Replicates:
    """The replicates of m contrasts of one metric, and of a last column that is 0 throughout, which they can be compared with.

    `weights` (m, k): one contrast of the k models a row. A contrast is undefined (NaN) where a model with a weight in it is; models without one
    do not matter. Raises ValueError for another number of models, and for weights that do not sum to 0.
    """
    w = np.atleast_2d(np.asarray(weights, dtype=np.float64))
    observed = replicates.observed[metric]
    if w.shape[1] != observed.size:
        raise ValueError(f"weights must have the shape (contrasts, {observed.size}), they have {w.shape}")
    if (np.abs(w.sum(axis=1)) > 1e-9).any():
        raise ValueError("the weights of a contrast must sum to 0")

    def applied(values: FloatArray) -> FloatArray:
        found = np.zeros((*values.shape[:-1], w.shape[0] + 1))
        for i, row in enumerate(w):
            used = np.flatnonzero(row)
            with np.errstate(invalid="ignore"):
                found[..., i] = values[..., used] @ row[used]
        # Sums of shares such as 1/7 that meet end some 1e-17 beside 0; a difference of nothing has no sign.
        found[tied(found, 0.0)] = 0.0
        return found

    return replace(
        replicates,
        observed={metric: applied(observed)},
        replicates={metric: applied(replicates.replicates[metric])},
        jackknife={metric: applied(replicates.jackknife[metric])},
        jackknife_weights={metric: replicates.jackknife_weights[metric]},
    )


@dataclass(frozen=True, slots=True)
class Effect:
    """One contrast: its estimate, limits and p (of no effect), and the Monte Carlo errors of the two limits."""

    test: PairedTest
    mc_error: tuple[float, float]


def effects(
    replicates: Replicates, metric: str, weights: npt.ArrayLike, confidence_level: float = 0.95
) -> tuple[Effect, ...]:
    """The contrasts of `weights` (m, k) with percentile limits, as `contrast_replicates` and `bootstrap_intervals.difference` define them."""
    together = contrast_replicates(replicates, metric, weights)
    zero = together.observed[metric].size - 1
    return tuple(
        Effect(
            bootstrap_intervals.difference(together, metric, i, zero, METHOD, confidence_level),
            bootstrap_intervals.monte_carlo_error(together, metric, i, zero, METHOD, confidence_level),
        )
        for i in range(zero)
    )
