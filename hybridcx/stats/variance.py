"""Variance over seeds and repeated splits: two-way components, and Nadeau and Bengio's corrected resampled t-test."""

from __future__ import annotations

from math import isnan, nan, sqrt
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hybridcx.stats import distributions as stats
from hybridcx.stats.results import PairedTest
from hybridcx.stats.score_inputs import FloatArray, z_value
from hybridcx.stats.ties import difference, tied

NADEAU_BENGIO = "nadeau_bengio"


class VarianceComponents(NamedTuple):
    """Two-way random components of a table of cases x seeds.

    `case`, `seed`, `residual` are the variances of one cell (never below 0; `truncated` says that one would have been). The shares are of
    the variance of the grand mean, case / n + seed / S + residual / (n S), and sum to 1; all NaN when that is 0 or not estimable.
    """

    case: float
    seed: float
    residual: float
    share_case: float
    share_seed: float
    share_residual: float
    truncated: bool


def two_way_components(values: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> VarianceComponents:
    """Return the components of `values` (n cases, S seeds), one value a cell, by analysis of variance (Searle et al. 1992, 4.7).

    case = (MS_case - MS_residual) / S, seed = (MS_seed - MS_residual) / n, residual = MS_residual; negative estimates become 0.
    `weights` (n,) are multiplicities of rows that stand for several equal cases. Needs two cases and two seeds; otherwise NaN.
    """
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2:
        raise ValueError(f"values must have the shape (cases, seeds), they have {table.shape}")
    w = np.ones(table.shape[0]) if weights is None else np.asarray(weights, dtype=np.float64)
    if w.shape != (table.shape[0],):
        raise ValueError("weights must be one number a case")
    n, seeds = float(w.sum()), table.shape[1]
    if n < 2 or seeds < 2 or not np.isfinite(table).all():
        return VarianceComponents(nan, nan, nan, nan, nan, nan, False)
    row, column = table.mean(axis=1), w @ table / n
    grand = float(column.mean())
    ms_case = seeds * float(w @ (row - grand) ** 2) / (n - 1)
    ms_seed = n * float(((column - grand) ** 2).sum()) / (seeds - 1)
    ms_residual = float((w @ (table - row[:, None] - column + grand) ** 2).sum()) / ((n - 1) * (seeds - 1))
    raw = ((ms_case - ms_residual) / seeds, (ms_seed - ms_residual) / n)
    case, seed = max(raw[0], 0.0), max(raw[1], 0.0)
    parts = np.array([case / n, seed / seeds, ms_residual / (n * seeds)])
    total = float(parts.sum())
    of_case, of_seed, of_rest = (parts / total if total > 0.0 else np.full(3, nan)).tolist()
    return VarianceComponents(case, seed, ms_residual, of_case, of_seed, of_rest, min(raw) < 0.0)


def nadeau_bengio(differences: npt.ArrayLike, n_train: int, n_test: int, confidence_level: float = 0.95) -> PairedTest:
    """The corrected resampled t-test of a metric's differences over repeated random splits.

    Parameters
    ----------
    differences : array_like of float, shape (J,)
        Difference of the metric in each split, model minus comparator.
    n_train, n_test : int
        Training cases (validation cases included) and test cases of a split.
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.

    Returns
    -------
    PairedTest
        `statistic` is t, `df` J - 1, `n` is n_test. All differences equal: p = 1 if they are 0, none otherwise (`caution`). One split: an estimate
        without limits. A difference that is NaN: `not_estimable`.

    Raises
    ------
    ValueError
        No split, or sizes below 1.

    Notes
    -----
    t = mean / sqrt((1/J + n_test/n_train) s^2) with s^2 the variance over splits (denominator J - 1). Only for repeated hold-out, where training
    sets overlap by chance; folds of one cross-validation are not such splits.

    References
    ----------
    .. [1] Nadeau and Bengio (2003). Machine Learning 52:239-281. doi:10.1023/A:1024068626366

    Examples
    --------
    >>> from hybridcx.stats import nadeau_bengio
    >>> nadeau_bengio([0.02, 0.04, 0.01, 0.05], n_train=80, n_test=20)
    PairedTest(method='nadeau_bengio', estimate=0.03, conf_low=-0.0110852, conf_high=0.0710852, conf_level=0.95,
        statistic=2.32379, parameter=3, pvalue=0.102728, n=20, std_error=0.0129099)
    """
    z_value(confidence_level)
    d: FloatArray = np.asarray(differences, dtype=np.float64)
    if d.ndim != 1 or not d.size:
        raise ValueError("differences must be one number a split")
    if n_train < 1 or n_test < 1:
        raise ValueError("n_train and n_test must be positive")
    name, splits, mean = NADEAU_BENGIO, d.size, float(difference(d.mean(), 0.0))
    if isnan(mean):
        reason = f"the metric is undefined in {int(np.isnan(d).sum())} of {splits} splits"
        return PairedTest(name, nan, conf_level=confidence_level, n=n_test, status="not_estimable", warning=reason)
    if splits < 2:
        reason = "a single split has no variance over splits"
        return PairedTest(name, mean, conf_level=confidence_level, n=n_test, status="caution", warning=reason)
    if tied(d.min(), d.max()):
        return PairedTest(
            name, mean, mean, mean, confidence_level, parameter=splits - 1, pvalue=1.0 if mean == 0.0 else nan, n=n_test,
            std_error=0.0, status="caution", warning="all splits give the same difference: no variance, no evidence",
        )  # fmt: skip
    se = sqrt((1.0 / splits + n_test / n_train) * float(d.var(ddof=1)))
    half = float(stats.t.ppf(0.5 + confidence_level / 2.0, splits - 1)) * se
    statistic = mean / se
    p = float(2.0 * stats.t.sf(abs(statistic), splits - 1))
    return PairedTest(
        name, mean, mean - half, mean + half, confidence_level, statistic, splits - 1, p, n=n_test, std_error=se
    )  # fmt: skip
