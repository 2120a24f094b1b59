"""The bootstrap engine: replicates of any metric of several models on one joint draw, without touching cases where it can.

Every resample is one draw that all models share, so differences of models are paired. Count metrics need only how often
each pattern (truth, prediction of every model) was drawn; score metrics how often each pattern (truth, scores of every model) was;
with `groups` whole patients are drawn. The two families have streams of their own, so the count metrics of a set do not depend
on whether it has scores.

Unclustered draws do not depend on the order of the cases (patterns are sorted); clustered ones depend on the sorted labels of the
patients. All depend on the order and the set of the models: the caller sorts them by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import nan
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from hybridcx.stats.confusion import count_metrics
from hybridcx.stats.resampling.draws import CHUNK_FLOATS, UnitDraws, Weights
from hybridcx.stats.resampling.ranks import (
    FoldedRankPlan,
    RankBlocks,
    RankPlan,
    rank_jackknife,
    rank_metrics,
    rank_plan,
)
from hybridcx.stats.resampling.refits import REFIT_METRICS, Refits
from hybridcx.stats.resampling.scores import LINEAR_METRICS, LinearMetrics, ScoreRows, score_patterns
from hybridcx.stats.score_inputs import BoolArray, FloatArray, check_groups, check_scores, check_truth
from hybridcx.vocabulary import METRICS, RANK_METRICS

Clusters = tuple[npt.NDArray[np.intp], int]

# Only refits of calibration lines cost cases x resamples x Newton steps; above this cost fewer resamples are refitted.
REFIT_BUDGET = 5_000_000
MIN_REFITS = 500


@dataclass(frozen=True)
class Replicates:
    """Bootstrap replicates of k models.

    observed: metric -> (k,), on all cases. replicates: metric -> (B, k); NaN where the resample left it undefined. B may be smaller
    for calibration refits. jackknife: metric -> (units, k), one draw of each unit left out, and jackknife_weights: metric ->
    (units,), how many such units there are (cases of the same pattern; 1 a patient). n_cases; n_units drawn a resample (cases or
    patients); n_clusters is NaN without clusters. last: the statistic that intervals were last made of.
    """

    observed: Mapping[str, FloatArray]
    replicates: Mapping[str, FloatArray]
    jackknife: Mapping[str, FloatArray]
    jackknife_weights: Mapping[str, FloatArray]
    n_cases: int
    n_units: int
    n_clusters: float
    n_resamples: int
    last: dict[tuple[str, int, int | None], object] = field(init=False, default_factory=dict, repr=False, compare=False)

    def take(self, models: npt.ArrayLike) -> Replicates:
        """Return the replicates of the models at these indices, in this order."""
        index = np.asarray(models, dtype=np.intp)
        return replace(
            self,
            observed={name: values[index] for name, values in self.observed.items()},
            replicates={name: values[:, index] for name, values in self.replicates.items()},
            jackknife={name: values[:, index] for name, values in self.jackknife.items()},
        )


class _Part(Protocol):
    """Metrics that share units and draws: `counts` (U,) multiplicities, `strata` (U,)."""

    counts: npt.NDArray[np.int64]
    strata: npt.NDArray[np.int64]

    def evaluate(self, weights: Weights) -> dict[str, FloatArray]:
        """Return metric -> (k, columns) for weights (U, columns)."""

    def evaluate_refits(self, weights: Weights) -> dict[str, FloatArray]:
        """Return those that are computed for fewer resamples, likewise."""

    def jackknife(self) -> dict[str, FloatArray]:
        """Return metric -> (k, U), one draw of each unit left out."""


class _CountPart:
    """Count metrics of all models from sums over patterns, or over patients: one matrix product a chunk."""

    def __init__(
        self, y: BoolArray, predicted: BoolArray, metrics: Sequence[str], cluster: Clusters | None, stratified: bool
    ) -> None:
        self.metrics = metrics
        self.k = predicted.shape[0]
        if cluster is None:
            y, predicted, self.counts = _count_patterns(y, predicted)
            unit, n_units = np.arange(y.size), y.size
        else:
            unit, n_units = cluster
            self.counts = np.ones(n_units, dtype=np.int64)
        # Rows of the sums: positives, negatives, then true positives and false positives of each model.
        cells = np.concatenate([y[None], ~y[None], predicted & y, predicted & ~y])
        self.sums: FloatArray = np.array(
            [np.bincount(unit, weights=row, minlength=n_units) for row in cells], dtype=np.float64
        )
        # float32 counts are exact up to 2^24 cases and twice as fast.
        exact = float((self.sums @ self.counts)[:2].sum()) * 2 < 1 << 24
        self.product = self.sums.astype(np.float32 if exact else np.float64)
        self.strata = _strata(self.sums[0], self.sums[1], stratified)

    def evaluate(self, weights: Weights) -> dict[str, FloatArray]:
        return self._metrics((self.product @ weights.astype(self.product.dtype, copy=False)).astype(np.float64))

    def evaluate_refits(self, weights: Weights) -> dict[str, FloatArray]:
        return {}

    def jackknife(self) -> dict[str, FloatArray]:
        return self._metrics((self.sums @ self.counts)[:, None] - self.sums)

    def _metrics(self, sums: FloatArray) -> dict[str, FloatArray]:
        positives, negatives, tp, fp = sums[0], sums[1], sums[2 : 2 + self.k], sums[2 + self.k :]
        values = count_metrics(tp, positives - tp, fp, negatives - fp)
        return {name: values[name] for name in self.metrics}


class _ScorePart:
    """Score metrics of all models: ranks, sums over cases, and refits of calibration lines."""

    def __init__(self, rows: ScoreRows, metrics: Sequence[str], stratified: bool, threshold: float):
        self.rows, self.counts = rows, rows.counts
        self.rank = [name for name in metrics if name in RANK_METRICS]
        self.plans: list[RankPlan | RankBlocks | FoldedRankPlan] = []
        for j in range(rows.scores.shape[0] if self.rank else 0):
            self.plans.append(rank_plan(rows, j) if rows.folds is None else FoldedRankPlan(rows, j, rows.folds[j]))
        self.linear = LinearMetrics(rows, metrics, threshold) if any(m in LINEAR_METRICS for m in metrics) else None
        self.refits = Refits(rows, metrics) if any(m in REFIT_METRICS for m in metrics) else None
        u = rows.counts.size
        positives = np.bincount(rows.unit, weights=rows.y, minlength=u).astype(np.float64)
        self.strata = _strata(positives, np.bincount(rows.unit, minlength=u) - positives, stratified)

    def evaluate(self, weights: Weights) -> dict[str, FloatArray]:
        out = rank_metrics(self.plans, weights, self.rank) if self.rank else {}
        if self.linear is not None:
            out |= self.linear.finish(self.linear.totals(weights))
        return out

    def evaluate_refits(self, weights: Weights) -> dict[str, FloatArray]:
        return self.refits.evaluate(weights) if self.refits is not None else {}

    def jackknife(self) -> dict[str, FloatArray]:
        out: dict[str, FloatArray] = {}
        if self.linear is not None:
            out |= self._linear_jackknife(self.linear)
        if self.rank and self.rows.one_row_a_unit and self.rows.folds is None:
            out |= rank_jackknife(self.rows, self.rank)
        elif self.rank:
            out |= self._by_chunks(lambda units: rank_metrics(self.plans, self._without(units), self.rank))
        if self.refits is not None:
            if self.counts.size * self.rows.y.size <= REFIT_BUDGET:
                out |= self._by_chunks(lambda units: self.evaluate_refits(self._without(units)))
            else:
                out |= self.refits.one_step_jackknife()
        return out

    def _linear_jackknife(self, linear: LinearMetrics) -> dict[str, FloatArray]:
        """The linear metrics with one draw of each unit taken off their totals."""
        totals, columns = linear.sums @ self.counts.astype(np.float64), linear.sums.tocsc()
        width = max(16, CHUNK_FLOATS // 8 // len(totals))
        return self._by_chunks(lambda units: linear.finish(totals[:, None] - columns[:, units].toarray()), width)

    def _without(self, units: slice) -> Weights:
        """Return the weights (U, columns) of the full sample, in each column one draw of one of `units` fewer."""
        index = np.arange(self.counts.size)[units]
        weights = np.repeat(self.counts.astype(np.float32)[:, None], index.size, axis=1)
        weights[index, np.arange(index.size)] -= 1.0
        return weights

    def _by_chunks(
        self, evaluate: Callable[[slice], dict[str, FloatArray]], width: int | None = None
    ) -> dict[str, FloatArray]:
        size = self.counts.size
        width = width or max(16, CHUNK_FLOATS // 8 // size)
        pieces = [evaluate(slice(start, min(start + width, size))) for start in range(0, size, width)]
        return {name: np.concatenate([piece[name] for piece in pieces], axis=1) for name in pieces[0]}


def _count_patterns(y: BoolArray, predicted: BoolArray) -> tuple[BoolArray, BoolArray, npt.NDArray[np.int64]]:
    """Return the distinct rows of (truth, predictions) in sorted order, and how many cases each has."""
    bits = np.concatenate([y[None], predicted])
    packed = np.packbits(bits, axis=0)
    if packed.shape[0] <= 8:
        code = np.zeros(y.size, dtype=np.uint64)
        for byte in packed:
            code = (code << np.uint64(8)) | byte
        _, first, counts = np.unique(code, return_index=True, return_counts=True)
    else:
        _, first, counts = np.unique(packed, axis=1, return_index=True, return_counts=True)
    return y[first], predicted[:, first], counts.astype(np.int64)


def _cluster_rows(
    y: BoolArray, scores: FloatArray, cluster: Clusters, folds: npt.NDArray[np.intp] | None = None
) -> ScoreRows:
    unit, n_units = cluster
    # Sorted within patients, so that the order of a file's rows cannot reach the last bit of a sum.
    order = np.lexsort([*scores, y, unit])
    inside = None if folds is None else folds[:, order]
    return ScoreRows(y[order], scores[:, order], unit[order], np.ones(n_units, dtype=np.int64), inside)


def _check_folds(folds: npt.ArrayLike, shape: tuple[int, ...]) -> npt.NDArray[np.intp]:
    codes = np.asarray(folds, dtype=np.intp)
    if codes.shape != shape:
        raise ValueError(f"folds must have the shape of the scores {shape}, they have {codes.shape}")
    return codes


def _strata(positives: FloatArray, negatives: FloatArray, stratified: bool) -> npt.NDArray[np.int64]:
    mixed = 2 * (positives > 0) + (negatives > 0)
    return mixed.astype(np.int64) if stratified else np.zeros(positives.size, dtype=np.int64)


def _check_predictions(y_pred: npt.ArrayLike, n: int) -> BoolArray:
    predicted = np.atleast_2d(np.asarray(y_pred))
    if predicted.ndim != 2 or predicted.shape[1] != n:
        raise ValueError(f"y_pred must have the shape (models, {n}), it has {np.shape(y_pred)}")
    return check_truth(predicted.ravel()).reshape(predicted.shape)


def bootstrap_replicates(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike | None,
    y_score: npt.ArrayLike | None,
    *,
    metrics: Sequence[str],
    n_resamples: int,
    rng: np.random.Generator,
    groups: npt.ArrayLike | None = None,
    stratified: bool = False,
    net_benefit_threshold: float = 0.5,
    n_refits: int | None = None,
    folds: npt.ArrayLike | None = None,
    evaluated: Sequence[int] | None = None,
) -> Replicates:
    """Return `n_resamples` replicates of `metrics` for k models on n cases.

    y_true (n,) booleans or 0/1; y_pred (k, n) booleans (for count metrics); y_score (k, n), probabilities where a metric needs them;
    groups (n,) labels of patients, who are then drawn whole. `stratified` draws within the classes (patients: within those who
    have positive, negative or both kinds of cases). Net benefit is taken at `net_benefit_threshold`. Calibration
    slope and intercept are refitted on the first `n_refits` resamples (default: all, but at most 5 million cases refitted a model,
    never under 500). `folds` (k, n) integer codes: the rank metrics are then means over the folds, since scores of different fits have
    no common scale; cases (or patients) are drawn over all folds together. An unknown metric, a missing input or wrong shapes raise ValueError.

    `evaluated`: score metrics of these models alone, in this order; the draws and each model's values are those of a call for all models.
    """
    y = check_truth(y_true)
    unknown = [name for name in metrics if name not in METRICS]
    if unknown:
        raise ValueError(f"unknown metrics {unknown}; known are {list(METRICS)}")
    if n_resamples < 1 or not y.size:
        raise ValueError("a bootstrap needs at least one resample and one case")
    cluster = None if groups is None else check_groups(groups, y.size)
    counted = [name for name in metrics if METRICS[name].kind == "count"]
    scored = [name for name in metrics if METRICS[name].kind != "count"]
    count_rng, score_rng = rng.spawn(2)
    mappings = _Mappings({}, {}, {}, {})
    if counted:
        if y_pred is None:
            raise ValueError(f"{counted} need predictions (y_pred)")
        counts = _CountPart(y, _check_predictions(y_pred, y.size), counted, cluster, stratified)
        mappings.add(counts, n_resamples, 0, count_rng)
    if scored:
        if y_score is None:
            raise ValueError(f"{scored} need scores (y_score)")
        probability = any(METRICS[name].kind == "probability" for name in scored)
        scores = check_scores(y_score, y.size, probability=probability)
        if folds is not None:
            # Cases of different folds are never equal, so cases are not grouped into patterns: each case is a unit.
            each = (np.arange(y.size), y.size) if cluster is None else cluster
            rows = _cluster_rows(y, scores, each, _check_folds(folds, scores.shape))
        else:
            rows = score_patterns(y, scores) if cluster is None else _cluster_rows(y, scores, cluster)
        if evaluated is not None:
            only = list(evaluated)
            rows = replace(rows, scores=rows.scores[only], folds=None if rows.folds is None else rows.folds[only])
        refits = n_refits if n_refits is not None else max(MIN_REFITS, REFIT_BUDGET // rows.y.size)
        mappings.add(_ScorePart(rows, scored, stratified, net_benefit_threshold), n_resamples, refits, score_rng)
    n_units = y.size if cluster is None else cluster[1]
    n_clusters = nan if cluster is None else float(cluster[1])
    return Replicates(*mappings, y.size, n_units, n_clusters, n_resamples)


class _Mappings(NamedTuple):
    """The mappings of `Replicates` while they are filled."""

    observed: dict[str, FloatArray]
    replicates: dict[str, FloatArray]
    jackknife: dict[str, FloatArray]
    weights: dict[str, FloatArray]

    def add(self, part: _Part, n_resamples: int, n_refits: int, rng: np.random.Generator) -> None:
        full = part.counts[:, None].astype(np.float32)
        everything = part.evaluate(full) | part.evaluate_refits(full)
        self.observed.update({name: values[:, 0] for name, values in everything.items()})
        pieces: dict[str, list[FloatArray]] = {name: [] for name in everything}
        for start, drawn in UnitDraws(part.counts, part.strata).chunks(n_resamples, rng):
            values = part.evaluate(drawn)
            if start < n_refits:
                values |= part.evaluate_refits(drawn[:, : n_refits - start])
            for name, piece in values.items():
                pieces[name].append(piece.T)
        self.replicates.update({name: np.concatenate(arrays) for name, arrays in pieces.items()})
        self.jackknife.update({name: np.ascontiguousarray(values.T) for name, values in part.jackknife().items()})
        self.weights.update(dict.fromkeys(everything, part.counts.astype(np.float64)))
