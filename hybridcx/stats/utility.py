"""Net benefit and decision curves (Vickers and Elkin 2006).

At a threshold probability t, net benefit is TP/n - FP/n x t / (1 - t): true positives per case, less the false positives weighted
by the odds at which one would just treat. A case is called positive where score >= t. Higher is better, at most the prevalence.
"""

from __future__ import annotations

from math import erfc, isnan, nan, sqrt
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from hybridcx.stats import ties
from hybridcx.stats.results import PairedTest
from hybridcx.stats.score_inputs import (
    BoolArray,
    FloatArray,
    check_groups,
    check_one_score,
    check_scores,
    check_truth,
    z_value,
)

NO_CASES = "there are no cases"
_ROUNDING = 1e-12  # a variance below this share of its parts is what subtraction left


def net_benefit_terms(y: BoolArray, score: FloatArray, threshold: float) -> FloatArray:
    """Return each case's part of the net benefit, whose mean it is: 1, -t / (1 - t) or 0. Scores (..., n); t in [0, 1)."""
    if not 0.0 <= threshold < 1.0:
        raise ValueError(f"a threshold of net benefit must lie in [0, 1), where its odds are finite; it is {threshold}")
    return np.asarray(np.where(score >= threshold, np.where(y, 1.0, -threshold / (1.0 - threshold)), 0.0))


def net_benefit(y_true: npt.ArrayLike, y_score: npt.ArrayLike, thresholds: npt.ArrayLike) -> FloatArray:
    """Net benefit of k models at t thresholds.

    Parameters
    ----------
    y_true : array_like of bool or 0/1, shape (n,)
        Truth; True or 1 for the positive class.
    y_score : array_like of float, shape (k, n) or (n,)
        Probabilities of the positive class, 0 to 1.
    thresholds : array_like of float, shape (t,)
        Threshold probabilities in [0, 1).

    Returns
    -------
    ndarray of float, shape (k, t)
        True positives per case; NaN without cases.

    Raises
    ------
    ValueError
        As `brier`, or a threshold outside [0, 1).

    Notes
    -----
    TP/n - FP/n t / (1 - t) of the calls score >= t.

    References
    ----------
    .. [1] Vickers and Elkin (2006). Medical Decision Making 26:565-574. doi:10.1177/0272989X06295361

    Examples
    --------
    >>> from hybridcx.stats import net_benefit
    >>> net_benefit([1, 1, 0, 0], [0.9, 0.4, 0.6, 0.1], [0.5]).tolist()
    [[0.0]]
    """
    y = check_truth(y_true)
    scores = check_scores(y_score, y.size, probability=True)
    at = np.atleast_1d(np.asarray(thresholds, dtype=np.float64))
    if not y.size:
        return np.full((scores.shape[0], at.size), nan)
    return np.stack([net_benefit_terms(y, scores, float(t)).mean(axis=1) for t in at], axis=1)


class DecisionCurves(NamedTuple):
    """Net benefit with limits, arrays (k + 2, t): the k models, then "treat all" and "treat none", at the t thresholds."""

    thresholds: FloatArray
    net_benefit: FloatArray
    conf_low: FloatArray
    conf_high: FloatArray


def _standard_error(terms: FloatArray, groups: npt.NDArray[np.intp] | None, n_groups: int) -> FloatArray:
    """Return the standard error of the mean over cases of `terms` (k, n), between clusters where there are groups."""
    n = terms.shape[1]
    units = n_groups if groups is not None else n
    if units < 2:
        return np.full(terms.shape[0], nan)
    residual = terms - terms.mean(axis=1, keepdims=True)
    if groups is not None:
        residual = np.stack([np.bincount(groups, weights=row, minlength=n_groups) for row in residual])
    return np.asarray(np.sqrt((residual**2).sum(axis=1) * units / (units - 1)) / n)


def decision_curves(
    y_true: npt.ArrayLike,
    y_score: npt.ArrayLike,
    thresholds: npt.ArrayLike,
    confidence_level: float = 0.95,
    groups: npt.ArrayLike | None = None,
) -> DecisionCurves:
    """Decision curves of k models with pointwise Wald limits.

    Parameters
    ----------
    y_true : array_like of bool or 0/1, shape (n,)
        Truth; True or 1 for the positive class.
    y_score : array_like of float, shape (k, n)
        Probabilities of the positive class, 0 to 1.
    thresholds : array_like of float, shape (t,)
        Threshold probabilities in [0, 1).
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.
    groups : array_like, shape (n,), optional
        The patient (cluster) of each case.

    Returns
    -------
    DecisionCurves
        The named tuple (`thresholds`, `net_benefit`, `conf_low`, `conf_high`), the last three of shape (k + 2, t): the models, "treat all" and
        "treat none", which is 0 without error. NaN limits with a single case or cluster.

    Raises
    ------
    ValueError
        As `net_benefit`.

    Notes
    -----
    The standard error is that of a mean over cases (denominator n - 1); with `groups` the residuals are summed within clusters first. The prevalence
    is estimated too: nothing is held fixed. Upper limits are clipped to 1.

    References
    ----------
    .. [1] Vickers and Elkin (2006). Medical Decision Making 26:565-574. doi:10.1177/0272989X06295361

    Examples
    --------
    >>> from hybridcx.stats import decision_curves
    >>> decision_curves([1, 1, 0, 0], [[0.9, 0.4, 0.6, 0.1]], [0.2, 0.5]).net_benefit.round(3).tolist()
    [[0.438, 0.0], [0.375, 0.0], [0.0, 0.0]]
    """
    z = z_value(confidence_level)
    y = check_truth(y_true)
    scores = check_scores(y_score, y.size, probability=True)
    at = np.atleast_1d(np.asarray(thresholds, dtype=np.float64))
    index, n_groups = (None, 0) if groups is None else check_groups(groups, y.size)
    everyone = np.concatenate([scores, np.ones((1, y.size))])  # a score of 1 is above every threshold
    shape = (scores.shape[0] + 2, at.size)
    benefit, error = np.full(shape, nan), np.full(shape, nan)
    if y.size:
        benefit[-1], error[-1] = 0.0, 0.0
        for i, t in enumerate(at.tolist()):
            terms = net_benefit_terms(y, everyone, t)
            benefit[:-1, i], error[:-1, i] = terms.mean(axis=1), _standard_error(terms, index, n_groups)
    return DecisionCurves(at, benefit, benefit - z * error, np.minimum(benefit + z * error, 1.0))


class DecisionDifferences(NamedTuple):
    """Net benefit of one model less another's along the thresholds, arrays (pairs, t); NaN limits and p where there is no variance."""

    thresholds: FloatArray
    difference: FloatArray
    conf_low: FloatArray
    conf_high: FloatArray
    std_error: FloatArray
    pvalue: FloatArray


def net_benefit_differences(
    y_true: npt.ArrayLike,
    y_score: npt.ArrayLike,
    pairs: npt.ArrayLike,
    thresholds: npt.ArrayLike,
    confidence_level: float = 0.95,
    groups: npt.ArrayLike | None = None,
) -> DecisionDifferences:
    """Return paired differences of net benefit for `pairs` (m, 2) of the k models (scores (k, n)) with pointwise Wald limits.

    The difference at t is a mean over cases of terms 1, -1 (only one model finds a positive case), -w, w (only one calls a negative case;
    w = t / (1 - t)) or 0, so one count of the cases on which two models' calls differ, within each class, gives it and its variance
    (denominator n - 1); with `groups` (n,) the terms, less their mean, are summed within clusters first. Where no case is called
    differently the difference is 0 and p is 1, without limits: no evidence. The same numbers as `net_benefit_difference` one by one.
    """
    z = z_value(confidence_level)
    y = check_truth(y_true)
    scores = check_scores(y_score, y.size, probability=True)
    index = np.asarray(pairs, dtype=np.intp).reshape(-1, 2)
    at = np.atleast_1d(np.asarray(thresholds, dtype=np.float64))
    cluster, n_groups = (None, 0) if groups is None else check_groups(groups, y.size)
    differences, error = np.full((2, index.shape[0], at.size), nan)
    differ = np.zeros(differences.shape, dtype=np.bool_)
    for k, t in enumerate(at.tolist() if y.size else []):
        gaps = [_call_gaps(scores[:, chosen] >= t, index) for chosen in (y, ~y)]
        weight = (1.0, t / (1.0 - t))
        total = gaps[0].balance * weight[0] - gaps[1].balance * weight[1]
        squares = gaps[0].discordant * weight[0] ** 2 + gaps[1].discordant * weight[1] ** 2
        differ[:, k] = (gaps[0].discordant + gaps[1].discordant) > 0
        differences[:, k] = ties.difference(total / y.size, 0.0)
        if cluster is not None:
            if n_groups > 1:
                error[:, k] = _cluster_errors(net_benefit_terms(y, scores, t), cluster, n_groups, index)
        elif y.size > 1:
            spread = np.maximum(squares - total**2 / y.size, 0.0)
            error[:, k] = np.sqrt(spread * y.size / (y.size - 1)) / y.size
    known = differ & (error > 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = np.where(known, special.erfc(np.abs(differences / error) / sqrt(2.0)), np.where(differ, nan, 1.0))
    if not y.size:
        p[:] = nan
    half = np.where(known, z * error, nan)
    return DecisionDifferences(at, differences, differences - half, differences + half, error, p)


def _cluster_errors(
    terms: FloatArray, groups: npt.NDArray[np.intp], n_groups: int, pairs: npt.NDArray[np.intp]
) -> FloatArray:
    """Return `_standard_error` of each pair's difference of `terms` (k, n), from one matrix product over clusters."""
    centred = terms - terms.mean(axis=1, keepdims=True)
    sums = np.stack([np.bincount(groups, weights=row, minlength=n_groups) for row in centred])
    product = sums @ sums.T
    own = np.diag(product)
    i, j = pairs.T
    squares = own[i] + own[j] - 2.0 * product[i, j]
    squares = np.where(squares > _ROUNDING * (own[i] + own[j]), squares, 0.0)
    return np.asarray(np.sqrt(squares * n_groups / (n_groups - 1)) / terms.shape[1])


class _Gaps(NamedTuple):
    """Of each pair: cases that only the first calls positive less those that only the second does, and their number."""

    balance: FloatArray
    discordant: FloatArray


def _call_gaps(called: npt.NDArray[np.bool_], pairs: npt.NDArray[np.intp]) -> _Gaps:
    # float32 products count exactly up to 2^24 cases and take the fast path of matrix products.
    exact = called.shape[1] < 1 << 24
    values: npt.NDArray[np.floating] = called.astype(np.float32) if exact else called.astype(np.float64)
    both = np.asarray(values @ values.T, dtype=np.float64)
    i, j = pairs.T
    own = np.diag(both)
    return _Gaps(own[i] - own[j], own[i] + own[j] - 2.0 * both[i, j])


def net_benefit_difference(
    y_true: npt.ArrayLike,
    score_a: npt.ArrayLike,
    score_b: npt.ArrayLike,
    threshold: float,
    confidence_level: float = 0.95,
) -> PairedTest:
    """The difference of two models' net benefit at one threshold, with the Wald interval of a paired mean.

    Parameters
    ----------
    y_true : array_like of bool or 0/1, shape (n,)
        Truth; True or 1 for the positive class.
    score_a, score_b : array_like of float, shape (n,)
        Probabilities of the positive class by the model and by the comparator, 0 to 1.
    threshold : float
        Threshold probability in [0, 1).
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.

    Returns
    -------
    PairedTest
        `statistic` is the signed z. No case called differently: difference 0, p = 1, `caution`. `not_estimable` without cases.

    Raises
    ------
    ValueError
        As `net_benefit`.

    References
    ----------
    .. [1] Vickers and Elkin (2006). Medical Decision Making 26:565-574. doi:10.1177/0272989X06295361

    Examples
    --------
    >>> from hybridcx.stats import net_benefit_difference
    >>> net_benefit_difference([1, 1, 0, 0, 1], [0.9, 0.4, 0.6, 0.1, 0.7], [0.9, 0.6, 0.2, 0.1, 0.3], threshold=0.5)
    PairedTest(method='wald', estimate=-0.2, conf_low=-0.933351, conf_high=0.533351, conf_level=0.95,
        statistic=-0.534522, pvalue=0.59298, n=5, std_error=0.374166)
    """
    z = z_value(confidence_level)
    y = check_truth(y_true)
    a, b = (check_one_score(s, y.size, probability=True) for s in (score_a, score_b))
    if not y.size:
        return PairedTest("wald", nan, conf_level=confidence_level, n=0, status="not_estimable", warning=NO_CASES)
    terms = net_benefit_terms(y, a, threshold) - net_benefit_terms(y, b, threshold)
    difference, se = float(ties.difference(terms.mean(), 0.0)), float(_standard_error(terms[None], None, 0)[0])
    if isnan(se):
        return PairedTest(
            "wald",
            difference,
            conf_level=confidence_level,
            n=1,
            status="caution",
            warning="a single case has no variance",
        )
    if se == 0.0:
        same = difference == 0.0
        return PairedTest(
            "wald", difference, difference, difference, confidence_level, pvalue=1.0 if same else nan, n=y.size, std_error=0.0,
            status="caution", warning="every case contributes the same difference: an interval of zero width is no evidence",
        )  # fmt: skip
    from_zero = difference / se
    low, high = difference - z * se, difference + z * se
    return PairedTest(
        "wald",
        difference,
        low,
        high,
        confidence_level,
        from_zero,
        pvalue=erfc(abs(from_zero) / sqrt(2.0)),
        n=y.size,
        std_error=se,
    )
