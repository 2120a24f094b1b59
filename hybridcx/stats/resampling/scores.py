"""Score metrics of many resamples at once, from weights of the units that were drawn.

Used by `bootstrap`. `ScoreRows` holds the rows (patterns of truth and scores, or cases of patients) and the unit of each; the functions
take weights (units, columns), one resample a column, and return arrays (models, columns).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from hybridcx.stats.calibration import (
    ECE_BINS,
    log_loss_terms,
    score_bin,
)
from hybridcx.stats.resampling.draws import Weights
from hybridcx.stats.score_inputs import BoolArray, FloatArray
from hybridcx.stats.utility import net_benefit_terms

LINEAR_METRICS = ("brier", "log_loss", "ece", "net_benefit")
_BLOCK_UNITS = 1 << 12  # units of one product
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
        self.blocks = _blocks(self.sums)

    def totals(self, weights: Weights) -> FloatArray:
        """Return the sums' totals (q, columns) for weights (U, columns).

        Some units and columns at a time, so that their weights stay in the processor's cache while the product goes over them once a sum;
        every total is added up in the same order as in one product.
        """
        columns = weights.shape[1]
        out = np.empty((self.sums.shape[0], columns))
        width = max(8, _PRODUCT_FLOATS // max(min(weights.shape[0], _BLOCK_UNITS), 1))
        for start in range(0, columns, width):
            part = slice(start, start + width)
            total = np.empty((0, min(width, columns - start)))
            for units, block in self.blocks:
                total = block @ np.concatenate([total, weights[units, part]], dtype=np.float64)
            out[:, part] = total
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


def _blocks(sums: sparse.csr_array) -> list[tuple[slice, sparse.csr_array]]:
    """The columns of `sums` (q, U) some at a time, each after the first as [I | columns], which goes on from the totals of those before.

    From the last ones on, because a product of sparse arrays orders its columns so, and the order of a sum decides its last digit. Made by hand,
    because scipy's slices pass over all columns and its stacks sort them.
    """
    q, u = sums.shape
    rows = [slice(*sums.indptr[i : i + 2]) for i in range(q)]
    if any((np.diff(sums.indices[row]) > 0).any() for row in rows):  # another version of scipy orders them otherwise
        return [(slice(0, u), sums)]
    starts = np.arange(0, u, _BLOCK_UNITS)
    # Where the columns of each block begin in each row, counted from its end.
    edges = [row.stop - np.r_[np.searchsorted(sums.indices[row][::-1], starts), row.stop - row.start] for row in rows]
    blocks: list[tuple[slice, sparse.csr_array]] = []
    for b in reversed(range(starts.size)):
        own, more = [slice(edge[b + 1], edge[b]) for edge in edges], bool(blocks)
        data = [np.r_[np.ones(int(more)), sums.data[part]] for part in own]
        columns = [
            np.r_[np.full(int(more), i), sums.indices[part] - starts[b] + more * q] for i, part in enumerate(own)
        ]
        width = min(_BLOCK_UNITS, u - starts[b]) + more * q
        places = np.cumsum([0, *map(len, data)])
        made = sparse.csr_array((np.concatenate(data), np.concatenate(columns), places), shape=(q, width))
        blocks.append((slice(starts[b], starts[b] + _BLOCK_UNITS), made))
    return blocks
