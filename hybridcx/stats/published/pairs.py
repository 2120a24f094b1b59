"""The range of possible results of a paired test of two published models, when only their confusion matrices are known.

Two models with given correct counts on the same cases can still have erred on the same cases or on different ones. In a class of size N with x and y
correct, the discordant cases b + c take every second value from |x - y| to min(x + y, 2N - x - y), while b - c = x - y stays; over both classes the
sums do. Given d = |b - c| each of McNemar's p-values rises with m = b + c: two further steps of a symmetric random walk move probability mass beyond
d and none back on balance. So the range over all pairings has its ends at the smallest and the largest m. The one exception is mid-p at d = 0, where
m = 0 gives 1 by definition and m = 2 gives 0.75.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hybridcx.stats.mcnemar import asymptotic_pvalues, corrected_pvalues, exact_pvalues, midp_pvalues
from hybridcx.stats.published.matrices import IntArray

FloatArray = npt.NDArray[np.float64]
TESTS: Mapping[str, Callable[[npt.ArrayLike, npt.ArrayLike], FloatArray]] = {
    "mcnemar_exact": exact_pvalues,
    "mcnemar_midp": midp_pvalues,
    "mcnemar_asymptotic": asymptotic_pvalues,
    "mcnemar_corrected": corrected_pvalues,
}
MAX_PAIRS = 4_000_000
"""Pairs of solutions that are looked at one by one; of more, outer bounds are given."""


@dataclass(frozen=True, slots=True)
class PairRange:
    """p-values (smallest, largest) by method over all solutions and pairings; the most favourable pairing; the range of the difference.

    `b`, `c`, `n11`, `n00`: the table that gives the smallest exact p (n11: both right); of several the first. `attained` is False where the
    solutions were too many to pair: then the p-values are outer bounds, and no table is given (-1).
    """

    pvalues: Mapping[str, tuple[float, float]]
    b: int
    c: int
    n11: int
    n00: int
    difference: tuple[float, float]
    attained: bool = True


def pair_range(first: IntArray, second: IntArray) -> PairRange:
    """The range over all pairings of two models on the same cases.

    Parameters
    ----------
    first, second : shape (k, 2 * classes): for each class the number correct and the class's size, alternating. The sizes are the same in
        all rows.

    Raises ValueError where a model has no solution, or the sizes differ.
    """
    if not len(first) or not len(second):
        raise ValueError("a model without a solution cannot be paired")
    sizes = first[0, 1::2]
    if np.any(first[:, 1::2] != sizes) or np.any(second[:, 1::2] != sizes):
        raise ValueError("both models must have been tested on the same class totals")
    n = int(sizes.sum())
    x, y = first[:, ::2], second[:, ::2]
    gap = x.sum(axis=1)[:, None] - y.sum(axis=1)[None, :] if len(x) * len(y) <= MAX_PAIRS else None
    if gap is None:
        return _outer(x.sum(axis=1), y.sum(axis=1), n)
    fewest, most = np.zeros_like(gap), np.zeros_like(gap)
    for k, size in enumerate(sizes.tolist()):
        mine, theirs = x[:, k][:, None], y[:, k][None, :]
        fewest += np.abs(mine - theirs)
        most += np.minimum(mine + theirs, 2 * size - mine - theirs)
    difference = (float(gap.min()) / n, float(gap.max()) / n)
    d, low, high = np.abs(gap).ravel(), fewest.ravel(), most.ravel()
    least, largest = np.full(n + 1, 2 * n + 2, dtype=np.int64), np.full(n + 1, -1, dtype=np.int64)
    np.minimum.at(least, d, low)
    np.maximum.at(largest, d, high)
    there = np.flatnonzero(largest >= 0)
    m_low, m_high = least[there], largest[there]
    ends = [(there, m_low), (there, m_high)]
    if largest[0] >= 2:  # mid-p at d = 0: see the module's text
        with_two = bool(np.any((d == 0) & (low <= 2) & (high >= 2)))
        ends.append((np.zeros(1, dtype=np.int64), np.full(1, 2 if with_two else largest[0], dtype=np.int64)))
    dd, mm = (np.concatenate([e[i] for e in ends]) for i in (0, 1))
    more, fewer = (mm + dd) // 2, (mm - dd) // 2
    pvalues = {}
    for name, test in TESTS.items():
        p = test(more, fewer)
        pvalues[name] = (float(p.min()), float(p.max()))
    at = int(np.argmin(exact_pvalues((m_low + there) // 2, (m_low - there) // 2)))
    first_there = int(np.flatnonzero((d == there[at]) & (low == m_low[at]))[0])
    i, j = divmod(first_there, len(y))
    signed, m = int(gap[i, j]), int(m_low[at])
    b, c = (m + signed) // 2, (m - signed) // 2
    both = int(x[i].sum()) - b
    return PairRange(pvalues, b, c, both, n - both - b - c, difference)


def _outer(x: IntArray, y: IntArray, n: int) -> PairRange:
    """Bounds from the numbers correct alone: never narrower than the range."""
    low, high = int(x.min() - y.max()), int(x.max() - y.min())
    most = max(abs(low), abs(high))
    least = 0 if low <= 0 <= high else min(abs(low), abs(high))
    m = n - (n - least) % 2
    pvalues = {}
    for name, test in TESTS.items():
        smallest = float(test(most, 0))
        if name == "mcnemar_midp" and most == 0:
            smallest = min(smallest, float(test(1, 1)))
        pvalues[name] = (smallest, max(float(test((m + least) // 2, (m - least) // 2)), 1.0 if least == 0 else 0.0))
    return PairRange(pvalues, -1, -1, -1, -1, (low / n, high / n), attained=False)
