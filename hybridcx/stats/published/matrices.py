"""Which confusion matrices can have produced a printed row of metrics: every one of them, by exact bounds on rounding.

Idea. With the class totals P and N known, a confusion matrix is the pair (TP, TN). For a fixed TP every count metric is
monotone in TN, under each of the four ways in which a matrix can have been read (`READINGS`): proportions, likelihood and odds ratios by
inspection; MCC because d MCC / d(specificity) has the sign of q (1 - s) + s (1 - q) >= 0 with s the sensitivity and q the fraction called
positive; averages over both classes because each class gains (but for `_monotone`). So each printed value leaves, for each TP, one interval of TN,
found by bisection in all rows at once, and the solutions are the intersections. Undefined values (0/0) occur only at TN = 0 and TN = N, which are
looked at one by one.

A printed value v with d decimals stands for the closed interval v -+ 0.5 * 10^-d: both ways of rounding a half meet it. Bounds are widened by
`SLACK`, so that neither the arithmetic here nor that of whoever printed the table can miss a half. A printed 0 matches an undefined metric, because
popular software prints 0 for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isinf

import numpy as np
import numpy.typing as npt

from hybridcx.stats.published.averages import WEIGHTED, printed_metrics
from hybridcx.vocabulary import COUNT_METRICS
from hybridcx.vocabulary.audit import AVERAGES

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

READINGS = ("as_printed", "rows_columns_swapped", "classes_swapped", "both_swapped")
"""How the matrix was read when the metrics were computed: as it is; transposed; with the other class as the positive one; both."""

SLACK = 1e-12
"""Relative to the value, at least absolute: see the module's text. Values printed with more digits than that are taken as so many."""

MAX_SOLUTIONS = 1_000_000
_GRID_CELLS = 20_000
_DECREASING = "lr_negative"
_MAX_UNBOUNDED_N = 400


@dataclass(frozen=True, slots=True)
class Target:
    """A printed value: the metric that it claims to be lies in [low, high] (in the metric's own unit, proportions in 0 to 1)."""

    metric: str
    low: float
    high: float

    def __post_init__(self) -> None:
        known = (*COUNT_METRICS, *AVERAGES)
        if self.metric not in known:
            raise ValueError(f"{self.metric!r} is no metric of a confusion matrix; those are {', '.join(known)}")

    def met(self, value: FloatArray) -> Mask:
        """Whether each value lies in the interval; undefined ones are met by a printed 0."""
        slack = self.slack
        with np.errstate(invalid="ignore"):
            inside = (value >= self.low - slack) & (value <= self.high + slack)
        return np.asarray(inside | (np.isnan(value) & (self.low <= 0 <= self.high)), dtype=np.bool_)

    def missed_by(self, value: FloatArray) -> FloatArray:
        """How far each value lies outside the interval; 0 inside, infinite where the metric is undefined and the print is not 0."""
        with np.errstate(invalid="ignore"):
            gap = np.maximum(self.low - value, value - self.high)
        gap = np.where(np.isnan(gap), inf, gap)
        return np.where(self.met(value), 0.0, np.maximum(gap, 0.0))

    @property
    def slack(self) -> float:
        size = max(abs(self.low), abs(self.high), 1.0)
        return SLACK * size if not isinf(size) else 0.0

    def widened(self, by: float) -> Target:
        """The same value with bounds further apart."""
        return Target(self.metric, self.low - by, self.high + by)


def target(
    metric: str, value: float, decimals: int, *, percent: bool = False, complement: bool = False, cut: bool = False
) -> Target:
    """The interval of a printed value.

    `decimals` as printed; `percent`: the value is a percentage; `complement`: what is printed is 1 minus the metric (a false
    positive rate for specificity); `cut`: digits were cut off instead of rounded. An infinite value stands for itself.

    >>> t = target("accuracy", 93.9, 1, percent=True)
    >>> round(t.low, 6), round(t.high, 6)
    (0.9385, 0.9395)
    """
    if isinf(value):
        return Target(metric, value, value)
    scale = 100.0 if percent else 1.0
    half = 0.5 * 10.0**-decimals
    centre = value + np.copysign(half, value) if cut else value
    low, high = float(centre - half) / scale, float(centre + half) / scale
    return Target(metric, 1 - high, 1 - low) if complement else Target(metric, low, high)


def seen(
    reading: str, tp: npt.ArrayLike, fn: npt.ArrayLike, fp: npt.ArrayLike, tn: npt.ArrayLike
) -> tuple[npt.ArrayLike, npt.ArrayLike, npt.ArrayLike, npt.ArrayLike]:
    """The cells (TP, FN, FP, TN) as the metrics took them, for a true matrix and a reading.

    >>> seen("rows_columns_swapped", 23, 2, 1, 23)
    (23, 1, 2, 23)
    """
    match reading:
        case "as_printed":
            return tp, fn, fp, tn
        case "rows_columns_swapped":
            return tp, fp, fn, tn
        case "classes_swapped":
            return tn, fp, fn, tp
        case "both_swapped":
            return tn, fn, fp, tp
    raise ValueError(f"unknown reading {reading!r}; those are {', '.join(READINGS)}")


@dataclass(frozen=True, slots=True)
class Solutions:
    """Confusion matrices, shape (k, 4): TP, FN, FP, TN, sorted. `count` is their number, above k only beyond `MAX_SOLUTIONS`."""

    cells: IntArray
    count: int

    def numbers_of_positives(self) -> list[int]:
        """The different numbers of positive cases, sorted."""
        return [int(v) for v in np.unique(self.cells[:, 0] + self.cells[:, 1])]

    def with_positives(self, positives: int) -> Solutions:
        """Those with so many positive cases."""
        kept = self.cells[self.cells[:, 0] + self.cells[:, 1] == positives]
        return Solutions(kept, len(kept))


def compatible(targets: Sequence[Target], positives: int, negatives: int, reading: str = "as_printed") -> Solutions:
    """Every confusion matrix with these class totals whose metrics, taken by `reading`, meet all targets.

    >>> compatible([target("accuracy", 93.9, 1, percent=True), target("sensitivity", 92.0, 1, percent=True)], 25, 24).cells.tolist()
    [[23, 2, 1, 23]]
    """
    if positives < 0 or negatives < 0:
        raise ValueError(f"class totals cannot be negative: {positives}, {negatives}")
    tp = np.arange(positives + 1, dtype=np.int64)
    return _solve(tp, np.full_like(tp, positives), np.full_like(tp, negatives), targets, reading)


def compatible_with_n(targets: Sequence[Target], n: int) -> Solutions | None:
    """Every confusion matrix of n cases, with at least one of each class, that meets all targets as printed.

    None where that cannot be searched in a moment: more than 400 cases, and neither sensitivity nor specificity printed.
    """
    sizes = np.arange(1, n, dtype=np.int64)
    for metric, reading in (("sensitivity", "as_printed"), ("specificity", "classes_swapped")):
        bounds = [t for t in targets if t.metric == metric]
        if not bounds:
            continue
        low, high = max(t.low - t.slack for t in bounds), min(t.high + t.slack for t in bounds)
        first = np.clip(np.ceil(low * sizes - 1e-6).astype(np.int64), 0, None)
        last = np.minimum(np.floor(high * sizes + 1e-6).astype(np.int64), sizes)
        right, size = _ranges(first, last, sizes)
        found = _solve(right, size, n - size, targets, reading)
        return found if reading == "as_printed" else Solutions(_sorted(found.cells[:, [3, 2, 1, 0]]), found.count)
    if n > _MAX_UNBOUNDED_N:
        return None
    tp, p = _ranges(np.zeros_like(sizes), sizes, sizes)
    return _solve(tp, p, n - p, targets, "as_printed")


def _ranges(first: IntArray, last: IntArray, label: IntArray) -> tuple[IntArray, IntArray]:
    """All whole numbers from first to last (nothing where last < first), and the label each came with."""
    length = np.maximum(last - first + 1, 0)
    start = np.repeat(first, length)
    offset = np.arange(int(length.sum()), dtype=np.int64) - np.repeat(np.cumsum(length) - length, length)
    return start + offset, np.repeat(label, length)


def _sorted(cells: IntArray) -> IntArray:
    return cells[np.lexsort((cells[:, 3], cells[:, 0], cells[:, 0] + cells[:, 1]))]


def _values(
    reading: str, tp: IntArray, p: IntArray, n: IntArray, tn: IntArray, of: Sequence[Target]
) -> dict[str, FloatArray]:
    return printed_metrics(*seen(reading, tp, p - tp, n - tn, tn), only={t.metric for t in of})


def _all_met(targets: Sequence[Target], values: dict[str, FloatArray], shape: tuple[int, ...]) -> Mask:
    met = np.ones(shape, dtype=np.bool_)
    for t in targets:
        met &= t.met(values[t.metric])
    return met


def _solve(tp: IntArray, p: IntArray, n: IntArray, targets: Sequence[Target], reading: str) -> Solutions:
    """The solutions among rows of (TP, P, N), for every TN of 0 to N."""
    edges = []
    for tn, there in ((np.zeros_like(n), np.ones(n.shape, bool)), (n, n > 0)):
        keep = there & _all_met(targets, _values(reading, tp, p, n, tn, targets), tp.shape)
        edges.append((tp[keep], p[keep], n[keep], tn[keep]))
    inner = n > 1
    tp, p, n = tp[inner], p[inner], n[inner]
    keep = _reachable(tp, p, n, targets, reading)
    tp, p, n = tp[keep], p[keep], n[keep]
    low, high = np.ones_like(n), n - 1
    if int(n.sum()) > _GRID_CELLS:
        tp, p, n, low, high = _bisected(tp, p, n, targets, reading)
    count = int(np.maximum(high - low + 1, 0).sum())
    if count > MAX_SOLUTIONS:
        enough = np.cumsum(np.maximum(high - low + 1, 0)) <= MAX_SOLUTIONS
        tp, p, n, low, high = tp[enough], p[enough], n[enough], low[enough], high[enough]
    tn, row = _ranges(low, high, np.arange(low.size, dtype=np.int64))
    tp, p, n = tp[row], p[row], n[row]
    met = _all_met(targets, _values(reading, tp, p, n, tn, targets), tp.shape)
    edges.append((tp[met], p[met], n[met], tn[met]))
    tp, p, n, tn = (np.concatenate(part) for part in zip(*edges, strict=True))
    cells = _sorted(np.stack([tp, p - tp, n - tn, tn], axis=1))
    return Solutions(cells, len(cells) if count <= MAX_SOLUTIONS else count + len(edges[0][0]) + len(edges[1][0]))


def _monotone(targets: Sequence[Target], reading: str) -> list[Target]:
    """The targets that are monotone in TN. In a transposed matrix the weights of a weighted average change with TN."""
    transposed = reading in ("rows_columns_swapped", "both_swapped")
    return [t for t in targets if not (transposed and t.metric in WEIGHTED)]


def _reachable(tp: IntArray, p: IntArray, n: IntArray, targets: Sequence[Target], reading: str) -> Mask:
    """Whether each target's interval meets the range that its metric runs through between TN = 1 and TN = N - 1."""
    first, last = (_values(reading, tp, p, n, tn, targets) for tn in (np.ones_like(n), n - 1))
    keep = np.ones(tp.shape, dtype=np.bool_)
    for t in _monotone(targets, reading):
        ends = np.stack([first[t.metric], last[t.metric]])
        undefined = np.isnan(ends).any(axis=0)
        spans = (ends.min(axis=0) <= t.high + t.slack) & (ends.max(axis=0) >= t.low - t.slack)
        keep &= np.where(undefined, t.low <= 0 <= t.high, spans)
    return keep


def _bisected(
    tp: IntArray, p: IntArray, n: IntArray, targets: Sequence[Target], reading: str
) -> tuple[IntArray, IntArray, IntArray, IntArray, IntArray]:
    """Rows with the first and the last TN of 1 to N - 1 that meet all targets; rows without any are dropped on the way."""
    low, high = np.ones_like(n), n - 1
    for t in _monotone(targets, reading):
        sign = -1.0 if t.metric == _DECREASING else 1.0
        floor, ceiling = (t.low, t.high) if sign > 0 else (-t.high, -t.low)
        undefined = np.isnan(_values(reading, tp, p, n, np.ones_like(n), [t])[t.metric])
        rows = (reading, t, sign, tp, p, n)
        start = _first_at_least(floor - t.slack, low, high, rows, strictly=False)
        stop = _first_at_least(ceiling + t.slack, start, np.maximum(high, start - 1), rows, strictly=True) - 1
        low, high = np.where(undefined, low, start), np.where(undefined, high, stop)
        keep = high >= low
        tp, p, n, low, high = tp[keep], p[keep], n[keep], low[keep], high[keep]
    return tp, p, n, low, high


def _first_at_least(
    bound: float,
    low: IntArray,
    high: IntArray,
    rows: tuple[str, Target, float, IntArray, IntArray, IntArray],
    *,
    strictly: bool,
) -> IntArray:
    """The smallest TN of low to high with sign * metric at or above (strictly: above) the bound; high + 1 if there is none."""
    reading, t, sign, tp, p, n = rows
    left, right = low.copy(), high + 1
    while np.any(open_ := left < right):
        middle = np.minimum((left + right) // 2, n)
        x = sign * _values(reading, tp, p, n, middle, [t])[t.metric]
        enough = (x > bound) if strictly else (x >= bound)
        right = np.where(open_ & enough, middle, right)
        left = np.where(open_ & ~enough, middle + 1, left)
    return left


@dataclass(frozen=True, slots=True)
class Miss:
    """The nearest matrix to a row without a solution: the targets that it misses (positions), its own values there, and by how much it misses them.

    `alone`: dropping that one value would make the row possible.
    """

    cells: tuple[int, int, int, int]
    missed: tuple[int, ...]
    values: tuple[float, ...]
    by: tuple[float, ...]
    alone: bool


def nearest_miss(targets: Sequence[Target], positives: int, negatives: int, reading: str = "as_printed") -> Miss | None:
    """The nearest matrix to a row of printed values without a solution; None where there is a solution.

    First by leaving out one value: if the others have solutions, the solution that misses the value left out by the fewest
    halves of its last digit. Otherwise, and for one value alone with more than `MAX_SOLUTIONS` matrices to look at, all bounds are widened alike (in
    those units) until a matrix meets them.
    """
    if compatible(targets, positives, negatives, reading).count:
        return None
    unit = [max((t.high - t.low) / 2, t.slack) for t in targets]
    best: tuple[float, tuple[int, ...]] | None = None
    one = len(targets) == 1
    for i, t in enumerate(targets) if not one or (positives + 1) * (negatives + 1) <= MAX_SOLUTIONS else ():
        rest = (
            compatible([*targets[:i], *targets[i + 1 :]], positives, negatives, reading).cells
            if not one
            else _all(positives, negatives)
        )
        if not len(rest):
            continue
        gap = t.missed_by(printed_metrics(*seen(reading, *rest.T))[t.metric]) / unit[i]
        j = int(np.argmin(gap))
        if best is None or gap[j] < best[0]:
            best = float(gap[j]), tuple(int(v) for v in rest[j])
    if best is not None:
        return _miss(best[1], targets, reading, alone=True)
    reach = 1.0
    while not (found := _widened(targets, unit, reach, positives, negatives, reading)).count:
        reach *= 2
        if reach > 1e15:
            return None
    short = reach / 2
    for _ in range(40):
        middle = (short + reach) / 2
        tried = _widened(targets, unit, middle, positives, negatives, reading)
        if tried.count:
            found, reach = tried, middle
        else:
            short = middle
        if reach - short < 1e-3:
            break
    cells = found.cells[0]
    if one:  # widened to within a thousandth of a unit: the nearest of the matrices found so
        gaps = targets[0].missed_by(printed_metrics(*seen(reading, *found.cells.T))[targets[0].metric])
        cells = found.cells[int(np.argmin(gaps))]
    return _miss((int(cells[0]), int(cells[1]), int(cells[2]), int(cells[3])), targets, reading, alone=one)


def _all(positives: int, negatives: int) -> IntArray:
    """Every matrix of these totals."""
    tp, tn = np.meshgrid(np.arange(positives + 1), np.arange(negatives + 1), indexing="ij")
    a, d = tp.ravel(), tn.ravel()
    return np.stack([a, positives - a, negatives - d, d], axis=1)


def _widened(
    targets: Sequence[Target], unit: Sequence[float], by: float, positives: int, negatives: int, reading: str
) -> Solutions:
    wide = [t.widened(by * u) for t, u in zip(targets, unit, strict=True)]
    return compatible(wide, positives, negatives, reading)


def _miss(cells: tuple[int, ...], targets: Sequence[Target], reading: str, *, alone: bool) -> Miss:
    tp, fn, fp, tn = cells
    found = printed_metrics(*seen(reading, tp, fn, fp, tn))
    gaps = [float(t.missed_by(found[t.metric])) for t in targets]
    at = tuple(i for i, gap in enumerate(gaps) if gap > 0)
    values = tuple(float(found[targets[i].metric]) for i in at)
    return Miss((tp, fn, fp, tn), at, values, tuple(gaps[i] for i in at), alone)
