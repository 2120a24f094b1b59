"""Score metrics of many resamples at once, from weights of the units that were drawn.

Used by `bootstrap`. `ScoreRows` holds the rows (patterns of truth and scores, or cases of patients) and the unit of each; the functions
take weights (units, columns), one resample a column, and return arrays (models, columns).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from hybridcx.stats.calibration import (
    ECE_BINS,
    log_loss_terms,
    score_bin,
)
from hybridcx.stats.draws import Weights
from hybridcx.stats.score_inputs import BoolArray, FloatArray
from hybridcx.stats.utility import net_benefit_terms

RANK_METRICS = ("auroc", "auprc")
LINEAR_METRICS = ("brier", "log_loss", "ece", "net_benefit")
_EXACT_HALVES = 1 << 23  # sums of halves up to here are exact in float32, and so was every sum on the way
_FLUSH_EVERY = 256  # steps; at 10,000 cases a sum grows by at most some thousand a step
_PRODUCT_FLOATS = 1 << 18  # matrix elements of one product of the sums over cases


@dataclass(frozen=True)
class ScoreRows:
    """Rows with truth `y` (R,), `scores` (k, R), the `unit` (R,) each belongs to, and the units' multiplicities `counts` (U,).

    `folds` (k, R), where given, are codes: scores of different folds come from different fits and are never ranked together.
    """

    y: BoolArray
    scores: FloatArray
    unit: npt.NDArray[np.intp]
    counts: npt.NDArray[np.int64]
    folds: npt.NDArray[np.intp] | None = None

    @property
    def one_row_a_unit(self) -> bool:
        return self.y.size == self.counts.size


def score_patterns(y: BoolArray, scores: FloatArray) -> ScoreRows:
    """Return the distinct rows of (truth, scores) in sorted order as units, so that the order of the cases has no influence."""
    order = np.lexsort([*scores, y])
    y, scores = y[order], scores[:, order]
    new = np.ones(y.size, dtype=np.bool_)
    new[1:] = (y[1:] != y[:-1]) | (scores[:, 1:] != scores[:, :-1]).any(axis=0)
    starts = np.flatnonzero(new)
    counts = np.diff(np.r_[starts, y.size]).astype(np.int64)
    return ScoreRows(y[starts], scores[:, starts], np.arange(starts.size), counts)


# ---------------------------------------------------------------- ranks


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
        index = np.arange(rows.y.size) if only is None else np.flatnonzero(only)
        order = index[np.argsort(-rows.scores[model][index], kind="stable")]
        score, y, unit = rows.scores[model][order], rows.y[order], rows.unit[order]
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

    def evaluate(self, weights: Weights, flush_every: int, with_ap: bool) -> tuple[FloatArray, FloatArray]:
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
                    return self.evaluate(weights, max(1, flush_every // 16), with_ap)
                wins += part
                part.fill(0.0)
        positives, negatives = tp.astype(np.float64), fp.astype(np.float64)
        undefined = (positives == 0.0) | (negatives == 0.0)
        positives[undefined] = np.nan
        return wins / (positives * negatives), gain / positives if with_ap else np.full(columns, np.nan)


class FoldedRankPlan:
    """One model's rows fold by fold: each metric is the mean over the folds, undefined where it is in one of them."""

    def __init__(self, rows: ScoreRows, model: int, fold: npt.NDArray[np.intp]):
        self.folds = [RankPlan(rows, model, fold == code) for code in np.unique(fold)]

    def evaluate(self, weights: Weights, flush_every: int, with_ap: bool) -> tuple[FloatArray, FloatArray]:
        """Return AUROC and average precision as `RankPlan.evaluate` does, averaged over the folds with equal weights."""
        found = np.array([plan.evaluate(weights, flush_every, with_ap) for plan in self.folds])
        auroc, ap = found.mean(axis=0)
        return auroc, ap


def rank_metrics(
    plans: Sequence[RankPlan | FoldedRankPlan], weights: Weights, metrics: Sequence[str]
) -> dict[str, FloatArray]:
    """Return {"auroc", "auprc"} that are asked for, each (k, columns)."""
    found = [plan.evaluate(weights, _FLUSH_EVERY, "auprc" in metrics) for plan in plans]
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


# ---------------------------------------------------------------- sums over cases


class LinearMetrics:
    """Metrics that are functions of sums over cases: Brier score, log loss, ECE, net benefit at one threshold.

    `sums` (q, U) holds what one draw of a unit adds to each of the q sums, as a sparse matrix. The first is the number of cases.
    """

    def __init__(self, rows: ScoreRows, metrics: Sequence[str], threshold: float):
        self.metrics = [name for name in LINEAR_METRICS if name in metrics]
        self.k, r = rows.scores.shape
        y, s = rows.y, rows.scores
        per_row = [np.ones((1, r))]
        self.position: dict[str, slice] = {}
        at = 1
        for name in self.metrics:
            height = self.k * ECE_BINS if name == "ece" else self.k
            self.position[name] = slice(at, at + height)
            at += height
            if name == "brier":
                per_row.append((s - y) ** 2)
            elif name == "log_loss":
                per_row.append(log_loss_terms(y, s))
            elif name == "net_benefit":
                per_row.append(net_benefit_terms(y, s, threshold))
            else:
                inside = score_bin(s)[:, None, :] == np.arange(ECE_BINS)[:, None]
                per_row.append(np.where(inside, (s - y)[:, None, :], 0.0).reshape(height, r))
        to_unit = sparse.csr_array((np.ones(r), (np.arange(r), rows.unit)), shape=(r, rows.counts.size))
        self.sums = sparse.csr_array(sparse.csr_array(np.concatenate(per_row)) @ to_unit)

    def totals(self, weights: Weights) -> FloatArray:
        """Return the sums' totals (q, columns) for weights (U, columns).

        Some columns at a time, so that their weights stay in the processor's cache while the product goes over them once a sum;
        every total is added up in the same order as in one product.
        """
        columns = weights.shape[1]
        out = np.empty((self.sums.shape[0], columns))
        width = max(8, _PRODUCT_FLOATS // max(weights.shape[0], 1))
        for start in range(0, columns, width):
            part = slice(start, start + width)
            out[:, part] = self.sums @ weights[:, part].astype(np.float64)
        return out

    def finish(self, totals: FloatArray) -> dict[str, FloatArray]:
        """Return the metrics, each (k, columns), from the sums' totals (q, columns). Without cases they are NaN."""
        n = np.where(totals[0] > 0.0, totals[0], np.nan)
        out: dict[str, FloatArray] = {}
        for name in self.metrics:
            part = totals[self.position[name]]
            if name == "ece":
                part = np.abs(part.reshape(self.k, ECE_BINS, -1)).sum(axis=1)
            out[name] = part / n
        return out
