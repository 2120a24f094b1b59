"""AUROC and average precision of many resamples at once: one model's rows walked down in falling order of the score.

`rank_plan` chooses the walk. Over few rows a step of Python takes one row, or one run of rows, in all resamples: their weights are touched once
and nothing is copied. Over many rows only few resamples are drawn at a time, and the steps would cost more than the sums: blocks of rows are summed
with cumulative sums instead. Both give the same AUROC to the last bit, for the counts of cases are whole numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hybridcx.stats.resampling.draws import Weights
from hybridcx.stats.resampling.scores import ScoreRows
from hybridcx.stats.score_inputs import BoolArray, FloatArray
from hybridcx.vocabulary import RANK_METRICS

_EXACT_HALVES = 1 << 23  # sums of halves up to here are exact in float32, and so was every sum on the way
_FLUSH_EVERY = 256  # steps; at 10,000 cases a sum grows by at most some thousand a step
_ROWS_OF_BLOCKS = 100_000  # measured: from here on blocks are faster than steps; at 1,000,000 rows seven to ten times
_BLOCK_FLOATS = 1 << 17  # elements of one block


def _falling(rows: ScoreRows, model: int, only: BoolArray | None) -> tuple[FloatArray, BoolArray, npt.NDArray[np.intp]]:
    """One model's scores from the highest down, with the truth and unit of each; of the rows `only`, where given."""
    index = np.arange(rows.y.size) if only is None else np.flatnonzero(only)
    order = index[np.argsort(-rows.scores[model][index], kind="stable")]
    return rows.scores[model][order], rows.y[order], rows.unit[order]


class _Positive(NamedTuple):
    """A positive row whose score no other row has."""

    unit: int


class _Negatives(NamedTuple):
    """The units of negative rows that follow each other, with no positive row among them or at their scores."""

    units: list[int]


class _Tied(NamedTuple):
    """The units of the positive and of the negative rows of one score: several positives, or both kinds."""

    positives: npt.NDArray[np.intp]
    negatives: npt.NDArray[np.intp]


class RankPlan:
    """One model's rows in falling order of the score, as steps: a positive alone, a run of negatives, or a group of equal scores."""

    def __init__(self, rows: ScoreRows, model: int, only: BoolArray | None = None):
        score, y, unit = _falling(rows, model, only)
        ends = np.flatnonzero(np.r_[score[1:] != score[:-1], True]) + 1
        self.steps: list[_Positive | _Negatives | _Tied] = []
        start = 0
        for end, positives in zip(ends.tolist(), np.diff(np.cumsum(y)[ends - 1], prepend=0).tolist(), strict=True):
            inside, truth = unit[start:end], y[start:end]
            last = self.steps[-1] if self.steps else None
            if positives == 0 and isinstance(last, _Negatives):
                last.units.extend(inside.tolist())
            elif positives == 0:
                self.steps.append(_Negatives(inside.tolist()))
            elif end - start == 1:
                self.steps.append(_Positive(int(inside[0])))
            else:
                self.steps.append(_Tied(inside[truth], inside[~truth]))
            start = end

    def evaluate(
        self, weights: Weights, with_ap: bool, flush_every: int = _FLUSH_EVERY
    ) -> tuple[FloatArray, FloatArray]:
        """Return AUROC and average precision (NaN unless `with_ap`) of each column of `weights`; NaN without both classes.

        Walks down the scores once for all columns. A positive adds to the true positives; a negative wins for each true positive
        already met (equal scores half). Counts run in float32, where they are exact whole or half numbers, and are moved to
        float64 every `flush_every` steps. Where they have come near 2^24 by then, all is done again with more flushes.
        Precisions are no such numbers: they are float64 throughout.
        """
        columns = weights.shape[1]
        tp, fp, part, scratch, total = (np.zeros(columns, dtype=np.float32) for _ in range(5))
        wins, gain, precision = np.zeros(columns), np.zeros(columns), np.zeros(columns)
        for number, step in enumerate(self.steps, start=1):
            gained: Weights | None = None
            if isinstance(step, _Positive):
                gained = weights[step.unit]
                tp += gained
            elif isinstance(step, _Negatives):
                negative = weights[step.units[0]]
                if len(step.units) > 1:
                    negative = np.add(negative, weights[step.units[1]], out=total)
                    for unit in step.units[2:]:
                        total += weights[unit]
                fp += negative
                np.multiply(negative, tp, out=scratch)
                part += scratch
            else:
                gained, negative = weights[step.positives].sum(axis=0), weights[step.negatives].sum(axis=0)
                part += negative * (tp + gained / 2)
                tp += gained
                fp += negative
            if with_ap and gained is not None:
                # Where nothing has been called yet the gain is 0 too, so the 1 changes nothing.
                np.add(tp, fp, out=scratch)
                np.maximum(scratch, 1.0, out=scratch)
                np.divide(tp, scratch, out=precision, dtype=np.float64)
                precision *= gained
                gain += precision
            if number % flush_every == 0 or number == len(self.steps):
                if flush_every > 1 and part.max(initial=0.0) > _EXACT_HALVES:
                    return self.evaluate(weights, with_ap, max(1, flush_every // 16))
                wins += part
                part.fill(0.0)
        positives, negatives = tp.astype(np.float64), fp.astype(np.float64)
        undefined = (positives == 0.0) | (negatives == 0.0)
        positives[undefined] = np.nan
        return wins / (positives * negatives), gain / positives if with_ap else np.full(columns, np.nan)


class RankBlocks:
    """One model's rows in falling order of the score, as levels (distinct scores of positives), each with the negatives down to it."""

    def __init__(self, rows: ScoreRows, model: int, only: BoolArray | None = None):
        score, y, unit = _falling(rows, model, only)
        self.positives, self.negatives = unit[y], unit[~y]
        starts = np.flatnonzero(np.r_[True, np.diff(score[y]) != 0.0][: self.positives.size])
        levels, falling = -score[y][starts], -score[~y]
        above, down_to = np.searchsorted(falling, levels, "left"), np.searchsorted(falling, levels, "right")
        # Level g has the positives first[g]:first[g + 1], and the negatives run[g]:run[g + 1], of which the last may be tied with it.
        self.first, self.run = np.r_[starts, self.positives.size], np.r_[0, down_to]
        self.tie = np.r_[0, np.cumsum(down_to - above)]
        self.tied = self.negatives[np.isin(falling, levels)]

    def evaluate(self, weights: Weights, with_ap: bool) -> tuple[FloatArray, FloatArray]:
        """Return AUROC and average precision (NaN unless `with_ap`) of each column of `weights`; NaN without both classes.

        A negative wins for each true positive already met, equal scores half. All sums are float64.
        """
        columns = weights.shape[1]
        tp, fp, wins, gain = (np.zeros(columns) for _ in range(4))
        rows_down_to, n_levels = self.first + self.run, self.run.size - 1
        begin = 0
        while begin < n_levels:
            reach = rows_down_to[begin] + _BLOCK_FLOATS // columns
            end = max(begin + 1, int(np.searchsorted(rows_down_to, reach, "right")) - 1)
            here = slice(begin, end + 1)
            met = _sums(weights, self.positives, self.first[here])
            called = _sums(weights, self.negatives, self.run[here])
            after = tp + np.cumsum(met, axis=0)
            wins += (called * (after - met)).sum(axis=0)
            if self.tie[end] > self.tie[begin]:
                wins += (_sums(weights, self.tied, self.tie[here]) * met).sum(axis=0) / 2
            if with_ap:
                all_called = after + (fp + np.cumsum(called, axis=0))
                gain += (met * (after / np.maximum(all_called, 1.0))).sum(axis=0)
            tp, fp = after[-1], fp + called.sum(axis=0)
            begin = end
        below = _sums(weights, self.negatives, np.array([self.run[-1], self.negatives.size]))[0]
        fp = fp + below
        positives = np.where((tp == 0.0) | (fp == 0.0), np.nan, tp)
        return (wins + below * tp) / (positives * fp), gain / positives if with_ap else np.full(columns, np.nan)


def _sums(weights: Weights, units: npt.NDArray[np.intp], edges: npt.NDArray[np.intp]) -> FloatArray:
    """Sums (len(edges) - 1, columns) of the weights of units[edges[i]:edges[i + 1]]."""
    out = np.zeros((edges.size - 1, weights.shape[1]))
    filled = np.flatnonzero(np.diff(edges))
    if filled.size:
        taken = weights[units[edges[0] : edges[-1]]]
        if filled.size < len(taken):
            taken = np.add.reduceat(taken, edges[filled] - edges[0], axis=0, dtype=np.float64)
        if filled.size == len(out):
            return taken.astype(np.float64, copy=False)
        out[filled] = taken
    return out


def rank_plan(rows: ScoreRows, model: int, only: BoolArray | None = None) -> RankPlan | RankBlocks:
    """The faster walk for one model's rows, or for some of them (a mask)."""
    n = rows.y.size if only is None else int(np.count_nonzero(only))
    return RankBlocks(rows, model, only) if n >= _ROWS_OF_BLOCKS else RankPlan(rows, model, only)


class FoldedRankPlan:
    """One model's rows fold by fold: each metric is the mean over the folds, undefined where it is in one of them."""

    def __init__(self, rows: ScoreRows, model: int, fold: npt.NDArray[np.intp]):
        self.folds = [rank_plan(rows, model, fold == code) for code in np.unique(fold)]

    def evaluate(self, weights: Weights, with_ap: bool) -> tuple[FloatArray, FloatArray]:
        """Return AUROC and average precision as `RankPlan` does, averaged over the folds with equal weights."""
        found = np.array([plan.evaluate(weights, with_ap) for plan in self.folds])
        auroc, ap = found.mean(axis=0)
        return auroc, ap


def rank_metrics(
    plans: Sequence[RankPlan | RankBlocks | FoldedRankPlan], weights: Weights, metrics: Sequence[str]
) -> dict[str, FloatArray]:
    """Return {"auroc", "auprc"} that are asked for, each (k, columns)."""
    found = [plan.evaluate(weights, "auprc" in metrics) for plan in plans]
    both = {"auroc": np.stack([a for a, _ in found]), "auprc": np.stack([b for _, b in found])}
    return {name: both[name] for name in RANK_METRICS if name in metrics}


def rank_jackknife(rows: ScoreRows, metrics: Sequence[str]) -> dict[str, FloatArray]:
    """Return the rank metrics with one case of each pattern left out, (k, U), in closed form: n log n instead of n^2.

    Only for `one_row_a_unit`. AUROC: the wins of the case are taken off. Average precision: a case left out at group h changes
    nothing above h, and takes one case called (and one true positive) off every group from h down.
    """
    k, u = rows.scores.shape[0], rows.counts.size
    out = {name: np.full((k, u), np.nan) for name in RANK_METRICS if name in metrics}
    y, c = rows.y, rows.counts.astype(np.float64)
    m, n = float(c[y].sum()), float(c[~y].sum())
    left_m, left_n = np.where(y, m - 1, m), np.where(y, n, n - 1)
    valid = (left_m > 0) & (left_n > 0)
    for j in range(k):
        _, group = np.unique(-rows.scores[j], return_inverse=True)
        positive = np.bincount(group, weights=c * y)
        negative = np.bincount(group, weights=c * ~y)
        tp, called = np.cumsum(positive), np.cumsum(positive + negative)
        if "auroc" in metrics:
            wins = (negative * (tp - positive / 2)).sum()
            own = np.where(y, (n - np.cumsum(negative) + negative / 2)[group], (tp - positive / 2)[group])
            out["auroc"][j, valid] = ((wins - own) / np.maximum(left_m * left_n, 1.0))[valid]
        if "auprc" in metrics:
            above = np.r_[0.0, np.cumsum(positive * tp / called)][:-1]
            fewer = np.maximum(called - 1, 1.0)
            for truth in (True, False):
                later = positive * (tp - truth) / fewer
                below = np.r_[np.cumsum(later[::-1])[::-1], 0.0][1:]
                own_group = (positive - truth) * (tp - truth) / fewer
                total = (above + own_group + below)[group] / np.maximum(left_m, 1.0)
                here = valid & (y == truth)
                out["auprc"][j, here] = total[here]
    return out
