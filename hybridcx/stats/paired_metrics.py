"""The difference of a metric of two models on the same cases: a studentised permutation test and the interval that inverts it.

Under the null hypothesis of the permutation the two models are exchangeable within each case. Studentised, the test also holds, for many cases, where
only the metric is equal (Chung and Romano 2013). Two guards make it hold for few errors (simulations: hybridcx/vocabulary/simulations.csv): the
standard error counts one case more in each discordant cell (after Agresti and Min 2005), so that it is never 0, and the critical value is never
below the normal one (for a mean of losses: Student's).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import exp, inf, isnan, nan

import numpy as np
import numpy.typing as npt
from scipy import special

from hybridcx.stats.confusion import boolean_columns, count_metrics
from hybridcx.stats.mcnemar import NO_DISCORDANT
from hybridcx.stats.proportions import normal_quantile
from hybridcx.stats.results import Interval, PairedTest, Status
from hybridcx.stats.roc_permutation import random_sign_sums
from hybridcx.stats.ties import difference, tied
from hybridcx.vocabulary import COUNT_METRICS, RATIOS

FloatArray = npt.NDArray[np.float64]

COUNTED = (*(m for m in COUNT_METRICS if m not in RATIOS), "net_benefit")
"""Metrics of the confusion matrix whose difference this module tests."""
UNREACHED = "the draws are too few for limits at this level, which many pairs make high: name the pairs of interest, or a reference"
"""Where 1 - level is below 1 / (draws + 1)."""
UNDEFINED_SWAPS = "too many swaps of the models leave the metric undefined: the limits are those of the metric itself"
LARGEST_GRID = 20_000
"""Up to this number of outcomes of the swaps all are enumerated, beyond it they are drawn."""
_LARGEST_EXPONENT = 20.0  # limits beyond exp(20) times the mean are infinite
_ENUMERATED_SIGNS = 12
_BOOTSTRAP_T = 1999
_LARGE = 2000  # cases; beyond them a mean of losses is normal enough, and the draws would take seconds
_ROUNDING = 1e-9
"""Relative difference of two studentised differences that counts as none."""

# Outcome of each cell (tp, fn, fp, tn = 0, 1, 2, 3) for the model and for the comparator. Cells: positives, then negatives, that both, only the
# model, only the comparator, and neither got right.
_MODEL = np.array([0, 0, 1, 1, 3, 3, 2, 2])
_COMPARATOR = np.array([0, 1, 0, 1, 3, 2, 3, 2])
_ADDED = np.array([0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0])
"""One case more in each discordant cell: with half a case margin tests granted up to 8 % of false claims where only one model errs."""


def paired_cells(y_true: npt.ArrayLike, pred_a: npt.ArrayLike, pred_b: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Return the eight counts (8,) of two models' calls: positives, then negatives, right by both, the model alone, the comparator alone, neither.

    Raises ValueError for columns (n,) that are not boolean or differ in length.
    """
    y, a, b = boolean_columns(y_true=y_true, pred_a=pred_a, pred_b=pred_b)
    code = 4 * (~y) + 2 * (a != y) + (b != y)
    return np.bincount(code, minlength=8).astype(np.int64)


def _confusion(cells: FloatArray, outcome: npt.NDArray[np.intp]) -> tuple[FloatArray, ...]:
    """TP, FN, FP, TN (...) of one of the models."""
    return tuple(cells[..., outcome == k].sum(axis=-1) for k in range(4))


def _value(metric: str, confusion: tuple[FloatArray, ...], odds: float) -> FloatArray:
    if metric not in COUNTED:
        raise ValueError(f"no difference of {metric!r}; those are {', '.join(COUNTED)}")
    tp, fn, fp, tn = confusion
    if metric == "net_benefit":
        return np.asarray((tp - odds * fp) / (tp + fn + fp + tn))
    return count_metrics(tp, fn, fp, tn, only=(metric,))[metric]


def _influence(metric: str, confusion: tuple[FloatArray, ...], odds: float) -> FloatArray:
    """Return (4, ...): the derivative of the metric by TP, FN, FP and TN. Weighted with the counts it sums to 0."""
    tp, fn, fp, tn = confusion
    none = np.zeros_like(tp)
    positives, negatives, called, cleared, n = tp + fn, fp + tn, tp + fp, fn + tn, tp + fn + fp + tn
    value = _value(metric, confusion, odds)
    match metric:
        case "accuracy":
            parts = (1 - value) / n, -value / n, -value / n, (1 - value) / n
        case "sensitivity":
            parts = (1 - value) / positives, -value / positives, none, none
        case "specificity":
            parts = none, none, -value / negatives, (1 - value) / negatives
        case "ppv":
            parts = (1 - value) / called, none, -value / called, none
        case "npv":
            parts = none, -value / cleared, none, (1 - value) / cleared
        case "f1":
            size = 2 * tp + fp + fn
            parts = 2 * (1 - value) / size, -value / size, -value / size, none
        case "balanced_accuracy" | "youden_j":
            share = 0.5 if metric == "balanced_accuracy" else 1.0
            hit, cleared_right = tp / positives, tn / negatives
            parts = (
                share * (1 - hit) / positives, -share * hit / positives,
                -share * cleared_right / negatives, share * (1 - cleared_right) / negatives,
            )  # fmt: skip
        case "mcc":
            root = np.sqrt(positives * negatives) * np.sqrt(called * cleared)
            margins = [value / 2 * (1 / row + 1 / column) for row, column in
                       ((positives, called), (positives, cleared), (negatives, called), (negatives, cleared))]  # fmt: skip
            parts = tn / root - margins[0], -fp / root - margins[1], -fn / root - margins[2], tp / root - margins[3]
        case _:  # net benefit
            parts = (1 - value) / n, -value / n, (-odds - value) / n, -value / n
    return np.stack(parts)


def differences(cells: npt.ArrayLike, metric: str, odds: float = nan) -> FloatArray:
    """Return the metric of the model minus that of the comparator, for cells (..., 8); NaN where one of them is undefined.

    `odds`: t / (1 - t) of the threshold t, for net benefit.
    """
    counts = np.asarray(cells, dtype=np.float64)
    return _value(metric, _confusion(counts, _MODEL), odds) - _value(metric, _confusion(counts, _COMPARATOR), odds)


def standard_errors(cells: npt.ArrayLike, metric: str, odds: float = nan) -> FloatArray:
    """Return the standard error of `differences` for cells (..., 8): the delta method on the cells with one case more in each discordant one.

    The variance is the sum over cells of count x (influence on the model's metric - influence on the comparator's)^2, with random class sizes.
    """
    counts = np.asarray(cells, dtype=np.float64) + _ADDED
    with np.errstate(divide="ignore", invalid="ignore"):
        mine = _influence(metric, _confusion(counts, _MODEL), odds)[_MODEL]
        theirs = _influence(metric, _confusion(counts, _COMPARATOR), odds)[_COMPARATOR]
        return np.asarray(np.sqrt((np.moveaxis(counts, -1, 0) * (mine - theirs) ** 2).sum(axis=0)))


@dataclass(frozen=True, slots=True)
class Studentised:
    """A difference, its standard error, and the law of its studentised size under permutation, as a function of the level: call it with a level.

    `sizes`: distinct |difference| / error of the permutations, decreasing; `tails`: the probability of at least that size. `freedom`: degrees of
    freedom of the smallest critical value (infinite: normal). `drawn`: permutations drawn, NaN where all were enumerated.
    `bootstrap_t`: sorted studentised sizes of resamples, empty where there are none.
    """

    estimate: float
    std_error: float
    sizes: FloatArray
    tails: FloatArray
    n: int
    freedom: float = inf
    drawn: float = nan
    low: float = -inf
    high: float = inf
    status: Status = "ok"
    warning: str = ""
    bootstrap_t: FloatArray = field(default_factory=lambda: np.zeros(0))

    def permutation_pvalue(self, size: float) -> float:
        """Two-sided p of the permutations: the probability of a studentised difference of at least `size`."""
        at_least = int(np.searchsorted(-self.sizes, -size * (1 - _ROUNDING), side="right"))
        return float(self.tails[at_least - 1]) if at_least else (0.0 if isnan(self.drawn) else 1 / (self.drawn + 1))

    def pvalue(self, null: float = 0.0) -> float:
        """Two-sided p of "difference = null": the largest of the permutation's, the normal (Student's) and the bootstrap-t's."""
        if self.estimate == null:
            return 1.0
        if isnan(self.std_error):
            return nan
        size = abs(self.estimate - null) / self.std_error
        tail = special.ndtr(-size) if self.freedom == inf else special.stdtr(self.freedom, -size)
        above = self.bootstrap_t.size - int(np.searchsorted(self.bootstrap_t, size * (1 - _ROUNDING)))
        resampled = (1 + above) / (self.bootstrap_t.size + 1) if self.bootstrap_t.size else 0.0
        return min(max(self.permutation_pvalue(size), 2 * float(tail), resampled), 1.0)

    def one_sided(self, null: float) -> tuple[float, float]:
        """The p-values of "difference <= null" and of "difference >= null": half the two-sided one on the side of the estimate."""
        half = self.pvalue(null) / 2
        return (half, 1 - half) if self.estimate > null else (1 - half, half) if self.estimate < null else (0.5, 0.5)

    def critical(self, level: float) -> float:
        """The studentised distance of the limits from the estimate at `level`."""
        least = normal_quantile(level) if self.freedom == inf else float(special.stdtrit(self.freedom, (1 + level) / 2))
        kept = int(np.searchsorted(self.tails, 1 - level + 1e-12, side="right"))
        swapped = float(self.sizes[kept]) if kept < self.sizes.size else 0.0
        if 1 / (self.drawn + 1) > 1 - level + 1e-12:  # no p of so few draws is that small
            swapped = inf
        # The largest size whose p, (1 + number of resamples at least as large) / (B + 1), is above 1 - level.
        total = self.bootstrap_t.size
        place = total - int(np.floor((1 - level) * (total + 1) + 1e-9))
        resampled = (float(self.bootstrap_t[place]) if place < total else inf) if total else 0.0
        return max(least, swapped, resampled)

    def __call__(self, level: float) -> PairedTest:
        """The interval at `level` with the p-value of no difference; it excludes 0 exactly where p is at most 1 - `level`."""
        if isnan(self.estimate):
            return PairedTest(
                "permutation_paired", nan, conf_level=level, n=self.n, status="not_estimable", warning=self.warning
            )
        reach = nan if isnan(self.std_error) else self.critical(level) * self.std_error
        status, warning = self.status, self.warning
        if reach == inf:
            status, warning = (
                "caution",
                UNDEFINED_SWAPS if isnan(self.drawn) and not self.bootstrap_t.size else UNREACHED,
            )
        return PairedTest(
            "permutation_paired",
            self.estimate,
            float(np.maximum(difference(self.estimate, reach), self.low)),
            float(np.minimum(difference(self.estimate, -reach), self.high)),
            level,
            pvalue=self.pvalue(),
            n=self.n,
            std_error=self.std_error,
            n_resamples=self.drawn,
            status=status,
            warning=warning,
        )


def studentised_counts(
    cells: npt.ArrayLike,
    metric: str,
    *,
    n_resamples: int,
    rng: np.random.Generator,
    odds: float = nan,
    limits: tuple[float, float] = (-inf, inf),
) -> Studentised:
    """Return the studentised permutation of a count metric from the cells (8,) of `paired_cells`.

    A swap changes discordant cases alone: of the m discordant cases of a class the model gets binomial(m, 1/2). All (m1 + 1)(m0 + 1) outcomes are
    weighted, or `n_resamples` drawn where there are more than `LARGEST_GRID`. A swap that leaves the metric undefined counts as more extreme than
    any other. Where a model's metric is undefined the estimate is NaN; without a discordant case p is 1 and the limits are those of the normal law.
    """
    counts = np.asarray(cells, dtype=np.int64)
    estimate = float(differences(counts, metric, odds))
    n, (low, high) = int(counts.sum()), limits
    if isnan(estimate):
        reason = "the metric of a model is undefined on these cases"
        return Studentised(nan, nan, np.zeros(0), np.zeros(0), n, status="not_estimable", warning=reason)
    error = float(standard_errors(counts, metric, odds))
    m1, m0 = int(counts[1] + counts[2]), int(counts[5] + counts[6])
    drawn = nan
    if (m1 + 1) * (m0 + 1) <= LARGEST_GRID:
        first, second = (x.ravel() for x in np.meshgrid(np.arange(m1 + 1), np.arange(m0 + 1), indexing="ij"))
        weights = _fair_binomial(m1)[first] * _fair_binomial(m0)[second]
    else:
        first, second = rng.binomial(m1, 0.5, n_resamples), rng.binomial(m0, 0.5, n_resamples)
        weights = np.full(n_resamples, 1 / (n_resamples + 1))
        drawn = float(n_resamples)
    swapped = np.tile(counts, (first.size, 1))
    swapped[:, 1], swapped[:, 2], swapped[:, 5], swapped[:, 6] = first, m1 - first, second, m0 - second
    size = np.abs(differences(swapped, metric, odds)) / standard_errors(swapped, metric, odds)
    sizes, tails = _law(np.where(np.isnan(size), inf, size), weights, drawn)
    status: Status = "caution" if m1 + m0 == 0 else "ok"
    return Studentised(
        estimate, error, sizes, tails, n, drawn=drawn, low=low, high=high, status=status, warning=NO_DISCORDANT if m1 + m0 == 0 else ""
    )  # fmt: skip


def _fair_binomial(m: int) -> FloatArray:
    k = np.arange(m + 1)
    return np.asarray(
        np.exp(special.gammaln(m + 1) - special.gammaln(k + 1) - special.gammaln(m - k + 1) - m * np.log(2))
    )


def _law(size: FloatArray, weights: FloatArray, drawn: float) -> tuple[FloatArray, FloatArray]:
    """Return the distinct sizes, decreasing, and the probability of at least each; of drawn permutations the observed one counts as one more."""
    order = np.argsort(-size, kind="stable")
    size, tail = size[order], np.cumsum(weights[order])
    if not isnan(drawn):
        tail = tail + 1 / (drawn + 1)
    with np.errstate(invalid="ignore"):
        last = np.r_[size[:-1] - size[1:] > _ROUNDING * size[:-1], True]  # equal sizes share the tail of the last
    last[:-1] |= np.isinf(size[:-1]) & np.isfinite(size[1:])
    return size[last], tail[last]


def studentised_mean(
    differences: npt.ArrayLike, *, n_resamples: int, rng: np.random.Generator, limits: tuple[float, float] = (-inf, inf)
) -> Studentised:
    """Return the studentised permutation of a mean of n paired differences (losses of the model minus those of the comparator).

    A swap changes the sign of a case's difference: all signs of up to 12 cases that differ are enumerated, beyond it `n_resamples` are drawn. The
    standard error is that of a mean (n - 1). Because losses are skewed, the critical value is the largest of the permutation's, Student's with n - 1
    degrees of freedom, and that of the symmetric bootstrap-t (Hall 1988). The bootstrap-t takes no part above 2,000 cases, the permutation none above
    2,000 cases that differ. Fewer than two cases are `not_estimable`.
    """
    d = np.asarray(differences, dtype=np.float64)
    n, (low, high) = d.size, limits
    if n < 2 or not np.isfinite(d).all():
        reason = "fewer than two cases" if n < 2 else "a case has no finite loss"
        return Studentised(nan, nan, np.zeros(0), np.zeros(0), n, status="not_estimable", warning=reason)
    # Sorted, and with the sign that makes the mean positive: neither the order of the cases nor that of the models reaches the draws.
    d = np.sort(d)
    mirrored = np.sort(-d)
    if tied(d.mean(), 0.0):
        first = np.flatnonzero(d != mirrored)[:1]
        turn = -1.0 if first.size and d[first[0]] < mirrored[first[0]] else 1.0
    else:
        turn = -1.0 if d.mean() < 0.0 else 1.0
    d = mirrored if turn < 0.0 else d
    estimate, error = turn * float(d.mean()), float(d.std(ddof=1) / np.sqrt(n))
    moved = d[d != 0.0]
    if tied(d.min(), d.max()):
        none = bool(tied(estimate, 0.0))
        reason = "no case has a different loss: p is 1 by definition" if none else "all cases differ alike"
        return Studentised(
            0.0 if none else estimate,
            nan,
            np.zeros(0),
            np.zeros(0),
            n,
            status="caution",
            warning=f"{reason}, no limits",
        )
    drawn = nan
    if moved.size > _LARGE:  # the law of the signs is normal, and Student's critical value that of the permutation
        return Studentised(estimate, error, np.zeros(0), np.zeros(0), n, float(n - 1), low=low, high=high)
    if moved.size <= _ENUMERATED_SIGNS:
        sums = np.zeros(1)
        for value in moved:
            sums = np.concatenate([sums + value, sums - value])
        weights = np.full(sums.size, 1 / sums.size)
    else:
        sums = random_sign_sums(moved, n_resamples, rng)
        weights, drawn = np.full(n_resamples, 1 / (n_resamples + 1)), float(n_resamples)
    total = float((d**2).sum())
    # The sum of squares is the same for all signs, so that the studentised mean follows from the mean.
    with np.errstate(divide="ignore"):
        size = np.abs(sums) / n / np.sqrt(np.maximum(total - sums**2 / n, 0.0) / (n - 1) / n)
    sizes, tails = _law(size, weights, drawn)
    bootstrap_t = _symmetric_bootstrap_t(d, rng) if n <= _LARGE else np.zeros(0)
    return Studentised(estimate, error, sizes, tails, n, float(n - 1), drawn, low, high, bootstrap_t=bootstrap_t)


def _symmetric_bootstrap_t(d: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return |mean* - mean| / error* of 1,999 resamples, sorted."""
    weights = rng.multinomial(d.size, np.full(d.size, 1 / d.size), size=_BOOTSTRAP_T).astype(np.float64)
    mean = weights @ d / d.size
    variance = np.maximum(weights @ d**2 / d.size - mean**2, 0.0) / (d.size - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.abs(mean - d.mean()) / np.sqrt(variance)
    return np.sort(np.where(np.isnan(size), 0.0, size))


def mean_loss_interval(
    losses: npt.ArrayLike, confidence_level: float, *, rng: np.random.Generator, largest: float = inf
) -> Interval:
    """Return the mean of n losses in 0 to `largest` (Brier score 1, log loss infinite) with limits on the log scale: mean x exp(-+ c error / mean).

    The critical value c is the larger of Student's with n - 1 degrees of freedom and, for up to 2,000 cases, that of the symmetric bootstrap-t
    (Hall 1988): losses are skewed, and Student's limits of the mean cover 0.79 to 0.83 with 25 cases. `caution` without limits where all losses are
    equal; fewer than two cases are `not_estimable`. `std_error` is that of the mean.
    """
    values = np.sort(np.asarray(losses, dtype=np.float64))  # the order of the cases must not reach the draws
    n = values.size
    if n < 2:
        return Interval(
            "wald", nan, conf_level=confidence_level, n=n, status="not_estimable", warning="fewer than two cases"
        )
    mean, error = float(values.mean()), float(values.std(ddof=1) / np.sqrt(n))
    if tied(values.min(), values.max()):
        reason = "all cases have the same loss: no limits"
        return Interval("wald", mean, conf_level=confidence_level, n=n, status="caution", warning=reason)
    resampled = _symmetric_bootstrap_t(values, rng) if n <= _LARGE else np.zeros(0)
    law = Studentised(mean, error, np.zeros(0), np.zeros(0), n, float(n - 1), bootstrap_t=resampled)
    reach = law.critical(confidence_level) * error / mean
    return Interval(
        "wald",
        mean,
        mean * exp(-reach),
        min(mean * exp(reach), largest) if reach < _LARGEST_EXPONENT else largest,
        confidence_level,
        error,
        n=n,
        n_resamples=float(resampled.size) or nan,
    )
