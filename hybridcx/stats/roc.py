"""Areas under ROC curves: DeLong's variances and tests (fast algorithm), Newcombe's interval.

The area (AUROC) is the probability that a positive case scores higher than a negative one, ties counted half
(the Mann-Whitney statistic). A higher score must mean "more likely positive"; a curve below 0.5 is reported as it is, never
flipped. Higher is better, range 0 to 1; without a case of each class it is undefined (NaN).
"""

from __future__ import annotations

from math import inf, isnan, nan, sqrt
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from hybridcx.stats import distributions as stats
from hybridcx.stats import ties
from hybridcx.stats.results import Interval, Omnibus, PairedTest
from hybridcx.stats.roc_permutation import permutation_paired_auroc
from hybridcx.stats.score_inputs import BoolArray, FloatArray, check_one_score, check_scores, check_truth, z_value

__all__ = [
    "Placements",
    "RocPoints",
    "auroc",
    "average_precision",
    "delong",
    "delong_chisq",
    "delong_covariance",
    "delong_logit",
    "delong_paired",
    "delong_paired_from",
    "newcombe_auc",
    "permutation_paired_auroc",
    "placements",
    "roc_points",
    "thin_roc",
    "threshold_counts",
]

NO_CLASS = "AUROC is undefined: the cases hold only one class"
ONE_CASE = "one class has a single case, from which no variance can be estimated"
ZERO_WIDTH = "the estimated variance is zero, so the interval has no width and is no evidence of certainty"

# Below this share of the two variances' sum a difference's variance is rounding error, not a variance.
_RELATIVE_ZERO = 1e-14


class Placements(NamedTuple):
    """The components of DeLong's variance, per model: `aucs` (k,), `v10` (k, positives), `v01` (k, negatives).

    v10 is the share of the negatives that a positive case outranks (ties half), v01 the share of the positives that outrank
    a negative case. Both average to the AUROC. Cases keep their order within the class.
    """

    aucs: FloatArray
    v10: FloatArray
    v01: FloatArray


def _half_wins(y: BoolArray, score: FloatArray) -> npt.NDArray[np.int64]:
    """Return for each case twice the number of opposite cases on its right side (below a positive, above a negative), ties one."""
    order = np.argsort(score, kind="stable")
    ordered = score[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    ends = np.r_[starts[1:], y.size]
    positives = np.r_[0, np.cumsum(y[order], dtype=np.int64)]
    below_positives, upto_positives = positives[starts], positives[ends]
    below_negatives, upto_negatives = starts - below_positives, ends - upto_positives
    for_positive = below_negatives + upto_negatives  # 2 * below + tied
    for_negative = 2 * positives[-1] - below_positives - upto_positives  # 2 * above + tied
    sizes = ends - starts
    wins = np.empty(y.size, dtype=np.int64)
    wins[order] = np.where(y[order], np.repeat(for_positive, sizes), np.repeat(for_negative, sizes))
    return wins


def placements(y_true: npt.ArrayLike, y_score: npt.ArrayLike) -> Placements:
    """Return the AUROCs and placement values of k models (scores (k, n) or (n,)), from one sort a model.

    The counts are integers, so equal rankings give equal values and a perfect ranking exactly 1. Everything is NaN or empty
    when a class is absent.
    """
    y = check_truth(y_true)
    scores = check_scores(y_score, y.size)
    k, m, n = scores.shape[0], int(y.sum()), int((~y).sum())
    aucs, v10, v01 = np.full(k, nan), np.full((k, m), nan), np.full((k, n), nan)
    if m and n:
        for j in range(k):
            wins = _half_wins(y, scores[j])
            aucs[j] = wins[y].sum() / (2 * m * n)
            v10[j], v01[j] = wins[y] / (2 * n), wins[~y] / (2 * m)
    return Placements(aucs, v10, v01)


def auroc(y_true: npt.ArrayLike, y_score: npt.ArrayLike) -> float:
    """The area under the ROC curve of one model.

    Parameters
    ----------
    y_true : array_like of bool or 0/1, shape (n,)
        Truth; True or 1 for the positive class.
    y_score : array_like of float, shape (n,)
        Scores; a higher one means "more likely positive".

    Returns
    -------
    float
        0 to 1; NaN where a class is absent.

    Raises
    ------
    ValueError
        An array of a wrong shape, truth that is not 0/1, a score that is not finite.

    Examples
    --------
    >>> from hybridcx.stats import auroc
    >>> auroc([0, 0, 1, 1], [0.1, 0.4, 0.4, 0.8])
    0.875
    """
    y = check_truth(y_true)
    return float(placements(y, check_one_score(y_score, y.size)).aucs[0])


def delong_covariance(y_true: npt.ArrayLike, y_score: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return the AUROCs (k,) of k correlated curves and their covariance matrix (k, k).

    cov = cov(v10) / m + cov(v01) / n over m positive and n negative cases, each with the denominator m - 1 or n - 1
    (DeLong, DeLong and Clarke-Pearson 1988), the placements from ranks (Sun and Xu 2014): n log n a model, n a pair. An entry
    depends on its two models alone, to the last bit. NaN where a class has fewer than two cases.
    """
    placed = placements(y_true, y_score)
    k = placed.aucs.size
    cov = np.full((k, k), nan)
    if placed.v10.shape[1] < 2 or placed.v01.shape[1] < 2:
        return placed.aucs, cov
    cov[:] = 0.0
    for values in (placed.v10, placed.v01):
        m = values.shape[1]
        centred = values - placed.aucs[:, None]
        product = np.empty(m)
        for i in range(k):
            for j in range(i, k):
                # A sum per pair, not one matrix product: with BLAS the last bit would depend on the other models.
                cov[i, j] += np.multiply(centred[i], centred[j], out=product).sum() / (m - 1) / m
    return placed.aucs, np.triu(cov) + np.triu(cov, 1).T


def _single(y_true: npt.ArrayLike, y_score: npt.ArrayLike) -> tuple[float, float, int, int]:
    """Return the AUROC, its DeLong standard error and the numbers of positive and negative cases."""
    y = check_truth(y_true)
    aucs, cov = delong_covariance(y, check_one_score(y_score, y.size))
    return float(aucs[0]), sqrt(cov[0, 0]), int(y.sum()), int((~y).sum())


def delong(y_true: npt.ArrayLike, y_score: npt.ArrayLike, confidence_level: float = 0.95) -> Interval:
    """AUROC with DeLong's interval.

    Parameters
    ----------
    y_true : array_like of bool or 0/1, shape (n,)
        Truth; True or 1 for the positive class.
    y_score : array_like of float, shape (n,)
        Scores; a higher one means "more likely positive".
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.

    Returns
    -------
    Interval
        `caution` where the variance is zero (AUROC 0 or 1, constant scores) or cannot be estimated (one case in a class); `not_estimable` where a
        class is absent.

    Raises
    ------
    ValueError
        An array of a wrong shape, truth that is not 0/1, a score that is not finite.

    Notes
    -----
    AUROC -+ z times DeLong's standard error, clipped to 0 to 1.

    References
    ----------
    .. [1] DeLong, DeLong and Clarke-Pearson (1988). Biometrics 44:837-845. doi:10.2307/2531595
    .. [2] Sun and Xu (2014). IEEE Signal Processing Letters 21:1389-1393.

    Examples
    --------
    >>> from hybridcx.stats import delong
    >>> delong([0, 0, 0, 1, 1, 1], [0.1, 0.3, 0.6, 0.4, 0.7, 0.9])
    Interval(method='delong', estimate=0.888889, conf_low=0.58091, conf_high=1, conf_level=0.95, std_error=0.157135, n=6)
    """
    z = z_value(confidence_level)
    auc, se, m, n = _single(y_true, y_score)
    if isnan(auc):
        return Interval("delong", nan, conf_level=confidence_level, n=m + n, status="not_estimable", warning=NO_CLASS)
    low, high = max(auc - z * se, 0.0), min(auc + z * se, 1.0)
    if isnan(se):
        return Interval("delong", auc, conf_level=confidence_level, n=m + n, status="caution", warning=ONE_CASE)
    if se == 0.0:
        return Interval("delong", auc, low, high, confidence_level, 0.0, n=m + n, status="caution", warning=ZERO_WIDTH)
    return Interval("delong", auc, low, high, confidence_level, se, n=m + n)


def delong_logit(y_true: npt.ArrayLike, y_score: npt.ArrayLike, confidence_level: float = 0.95) -> Interval:
    """AUROC with DeLong's standard error and limits on the logit scale.

    Parameters
    ----------
    y_true : array_like of bool or 0/1, shape (n,)
        Truth; True or 1 for the positive class.
    y_score : array_like of float, shape (n,)
        Scores; a higher one means "more likely positive".
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.

    Returns
    -------
    Interval
        `std_error` is of the AUROC. At an AUROC of 0 or 1, or with a variance of zero, there are no limits (`caution`); `newcombe_auc` has some.

    Raises
    ------
    ValueError
        An array of a wrong shape, truth that is not 0/1, a score that is not finite.

    Notes
    -----
    logit(A) -+ z SE / (A (1 - A)), transformed back: the delta method. The limits stay within 0 and 1 and cover better than those of `delong` near
    1.

    References
    ----------
    .. [1] DeLong, DeLong and Clarke-Pearson (1988). Biometrics 44:837-845. doi:10.2307/2531595
    .. [2] Pepe (2003). The Statistical Evaluation of Medical Tests for Classification and Prediction, Oxford University Press.

    Examples
    --------
    >>> from hybridcx.stats import delong_logit
    >>> delong_logit([0, 0, 0, 1, 1, 1], [0.1, 0.3, 0.6, 0.4, 0.7, 0.9])
    Interval(method='delong_logit', estimate=0.888889, conf_low=0.261373, conf_high=0.994501, conf_level=0.95,
        std_error=0.157135, n=6)
    """
    z = z_value(confidence_level)
    auc, se, m, n = _single(y_true, y_score)
    if isnan(auc):
        return Interval(
            "delong_logit", nan, conf_level=confidence_level, n=m + n, status="not_estimable", warning=NO_CLASS
        )
    reason = ""
    if isnan(se):
        reason = ONE_CASE
    elif auc in (0.0, 1.0):
        reason = f"the logit of an AUROC of {auc:.0f} is infinite: no limits on this scale, see newcombe_auc"
    elif se == 0.0:
        reason = "the estimated variance is zero: no limits"
    if reason:
        return Interval(
            "delong_logit", auc, conf_level=confidence_level, std_error=se, n=m + n, status="caution", warning=reason
        )
    centre, half = special.logit(auc), z * se / (auc * (1.0 - auc))
    low, high = float(special.expit(centre - half)), float(special.expit(centre + half))
    return Interval("delong_logit", auc, low, high, confidence_level, se, n=m + n)


def _newcombe_lower(auc: float, m: int, n: int, z: float) -> float:
    """Return the smaller root t of (auc - t)^2 = z^2 var(t), var as in `newcombe_auc`."""
    if auc == 0.0:
        return 0.0
    mean_size = (m + n) / 2.0

    def excess(t: float) -> float:
        # Both sides times m n (2 - t)(1 + t), a polynomial in t; at auc = 1 the root at 1 is divided out.
        q = (2.0 - t) * (1.0 + t)
        spread = q + (mean_size - 1.0) * (1.0 + 2.0 * t * (1.0 - t))
        if auc == 1.0:
            return (1.0 - t) * m * n * q - z * z * t * spread
        return (auc - t) ** 2 * m * n * q - z * z * t * (1.0 - t) * spread

    return float(optimize.brentq(excess, 0.0, auc, xtol=1e-15, rtol=1e-14))


def newcombe_auc(y_true: npt.ArrayLike, y_score: npt.ArrayLike, confidence_level: float = 0.95) -> Interval:
    """AUROC with Newcombe's method 5, a score-type interval that exists at an AUROC of 1.

    Parameters
    ----------
    y_true : array_like of bool or 0/1, shape (n,)
        Truth; True or 1 for the positive class.
    y_score : array_like of float, shape (n,)
        Scores; a higher one means "more likely positive".
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.

    Returns
    -------
    Interval
        `std_error` is sqrt(var(A)), NaN at an AUROC of 0 or 1, where this variance is 0. `not_estimable` where a class is absent.

    Raises
    ------
    ValueError
        An array of a wrong shape, truth that is not 0/1, a score that is not finite.

    Notes
    -----
    The limits are the two values t with |A - t| = z sqrt(var(t)), where, with m positive and n negative cases and N = (m + n) / 2,

        var(t) = t (1 - t) [1 + (N - 1) ((1 - t) / (2 - t) + t / (1 + t))] / (m n):

    Hanley and McNeil's variance, solved at the limit as Wilson's interval is, both class sizes of the bracket replaced by their mean so that the
    choice of the positive class does not matter. It uses A, m and n alone, not the pattern of the ranks.

    References
    ----------
    .. [1] Newcombe (2006). Statistics in Medicine 25:559-573. doi:10.1002/sim.2324
    .. [2] Hanley and McNeil (1982). Radiology 143:29-36. doi:10.1148/radiology.143.1.7063747

    Examples
    --------
    >>> from hybridcx.stats import newcombe_auc
    >>> newcombe_auc([0, 0, 0, 1, 1, 1], [0.1, 0.3, 0.4, 0.6, 0.7, 0.9])
    Interval(method='newcombe_auc', estimate=1, conf_low=0.501019, conf_high=1, conf_level=0.95, n=6)
    """
    z = z_value(confidence_level)
    y = check_truth(y_true)
    auc, m, n = auroc(y, y_score), int(y.sum()), int((~y).sum())
    if isnan(auc):
        return Interval(
            "newcombe_auc", nan, conf_level=confidence_level, n=m + n, status="not_estimable", warning=NO_CLASS
        )
    spread = 1.0 + ((m + n) / 2.0 - 1.0) * ((1.0 - auc) / (2.0 - auc) + auc / (1.0 + auc))
    se = sqrt(auc * (1.0 - auc) * spread / (m * n)) if 0.0 < auc < 1.0 else nan
    low, high = _newcombe_lower(auc, m, n, z), 1.0 - _newcombe_lower(1.0 - auc, n, m, z)
    return Interval("newcombe_auc", auc, low, high, confidence_level, se, n=m + n)


def delong_paired_from(
    aucs: FloatArray,
    cov: FloatArray,
    i: int,
    j: int,
    n: int,
    confidence_level: float = 0.95,
    method: str = "delong_paired",
) -> PairedTest:
    """Return the paired test of model i against j from `delong_covariance`'s (or a cluster covariance's) result on n cases.

    z = (A_i - A_j) / sqrt(v_ii + v_jj - 2 v_ij), two-sided normal p, Wald limits that are not clipped. Two curves without
    any variance between them (identical ranks, two AUROCs of 1): difference 0, p = 1, `caution`. Different AUROCs with a
    variance of zero (1 against constant scores) give no p: an interval of zero width is no evidence.
    """
    z = z_value(confidence_level)
    difference = float(ties.difference(aucs[i], aucs[j]))
    if isnan(difference):
        return PairedTest(method, nan, conf_level=confidence_level, n=n, status="not_estimable", warning=NO_CLASS)
    variance = float(cov[i, i] + cov[j, j] - 2.0 * cov[i, j])
    if isnan(variance):
        return PairedTest(method, difference, conf_level=confidence_level, n=n, status="caution", warning=ONE_CASE)
    if variance <= _RELATIVE_ZERO * (cov[i, i] + cov[j, j]):
        same = difference == 0.0
        reason = (
            "no case is ranked differently: "
            if same
            else "the models' placements differ by the same amount in every case: "
        )
        return PairedTest(
            method, difference, difference, difference, confidence_level, pvalue=1.0 if same else nan, n=n, std_error=0.0,
            status="caution", warning=reason + ZERO_WIDTH,
        )  # fmt: skip
    se = sqrt(variance)
    statistic = difference / se
    p = float(2.0 * stats.norm.sf(abs(statistic)))
    low, high = difference - z * se, difference + z * se
    return PairedTest(method, difference, low, high, confidence_level, statistic, pvalue=p, n=n, std_error=se)


def delong_paired(
    y_true: npt.ArrayLike, score_a: npt.ArrayLike, score_b: npt.ArrayLike, confidence_level: float = 0.95
) -> PairedTest:
    """DeLong's test of the difference of two AUROCs on the same cases.

    Parameters
    ----------
    y_true : array_like of bool or 0/1, shape (n,)
        Truth; True or 1 for the positive class.
    score_a, score_b : array_like of float, shape (n,)
        Scores of the model and of the comparator; a higher one means "more likely positive".
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.

    Returns
    -------
    PairedTest
        AUROC of the model minus that of the comparator; `statistic` is the signed z. Identical ranks: difference 0, p = 1, `caution`. Different
        AUROCs with a variance of zero have no p (`caution`). `not_estimable` where a class is absent.

    Raises
    ------
    ValueError
        An array of a wrong shape, truth that is not 0/1, a score that is not finite.

    Notes
    -----
    z = (A_a - A_b) / sqrt(v_aa + v_bb - 2 v_ab), two-sided normal p, Wald limits that are not clipped. The covariances are
    cov(v10) / m + cov(v01) / n over the placement values of m positive and n negative cases.

    References
    ----------
    .. [1] DeLong, DeLong and Clarke-Pearson (1988). Biometrics 44:837-845. doi:10.2307/2531595
    .. [2] Sun and Xu (2014). IEEE Signal Processing Letters 21:1389-1393.

    Examples
    --------
    >>> from hybridcx.stats import delong_paired
    >>> y = [0, 0, 0, 0, 1, 1, 1, 1]
    >>> a, b = [0.1, 0.2, 0.3, 0.6, 0.5, 0.7, 0.8, 0.9], [0.2, 0.5, 0.4, 0.7, 0.3, 0.6, 0.9, 0.8]
    >>> delong_paired(y, a, b)
    PairedTest(method='delong_paired', estimate=0.1875, conf_low=-0.0771254, conf_high=0.452125, conf_level=0.95,
        statistic=1.38873, pvalue=0.164915, n=8, std_error=0.135015)
    """
    y = check_truth(y_true)
    scores = np.stack([check_one_score(score_a, y.size), check_one_score(score_b, y.size)])
    return delong_paired_from(*delong_covariance(y, scores), 0, 1, y.size, confidence_level)


def delong_chisq(y_true: npt.ArrayLike, y_score: npt.ArrayLike) -> Omnibus:
    """DeLong's chi-square test that the AUROCs of k models on the same cases are equal.

    Parameters
    ----------
    y_true : array_like of bool or 0/1, shape (n,)
        Truth; True or 1 for the positive class.
    y_score : array_like of float, shape (k, n)
        Scores of k models, one in each row.

    Returns
    -------
    Omnibus
        `caution` with p = 1 where all curves are the same, without p where AUROCs differ in a direction that has no variance; `not_estimable` where
        a class has fewer than two cases.

    Raises
    ------
    ValueError
        Fewer than two models, and as `delong`.

    Notes
    -----
    (L A)' (L S L')^- (L A) with the contrasts L of each model with the first, a generalised inverse, and the rank of L S L' as degrees of freedom,
    so that repeated models take none.

    References
    ----------
    .. [1] DeLong, DeLong and Clarke-Pearson (1988). Biometrics 44:837-845. doi:10.2307/2531595

    Examples
    --------
    >>> from hybridcx.stats import delong_chisq
    >>> y = [0, 0, 0, 0, 1, 1, 1, 1]
    >>> a, b = [0.1, 0.2, 0.3, 0.6, 0.5, 0.7, 0.8, 0.9], [0.2, 0.5, 0.4, 0.7, 0.3, 0.6, 0.9, 0.8]
    >>> delong_chisq(y, [a, b])
    Omnibus(method='delong_chisq', statistic=1.92857, parameter=1, pvalue=0.164915, n=8, k=2)
    """
    y = check_truth(y_true)
    aucs, cov = delong_covariance(y, y_score)
    n, k = y.size, aucs.size
    if k < 2:
        raise ValueError("an omnibus test needs at least two models")
    if isnan(aucs[0]) or isnan(cov[0, 0]):
        reason = NO_CLASS if isnan(aucs[0]) else ONE_CASE
        return Omnibus("delong_chisq", nan, nan, nan, n, k, status="not_estimable", warning=reason)
    contrast = np.c_[np.ones(k - 1), -np.eye(k - 1)]
    difference, spread = contrast @ aucs, contrast @ cov @ contrast.T
    values, vectors = np.linalg.eigh(spread)
    kept = values > 1e-13 * float(np.trace(cov))
    coordinates = vectors.T @ difference
    df = int(kept.sum())
    if np.any(np.abs(coordinates[~kept]) > 1e-9):
        reason = "AUROCs differ in a direction without variance: " + ZERO_WIDTH
        return Omnibus("delong_chisq", nan, df, nan, n, k, status="caution", warning=reason)
    if df == 0:
        return Omnibus("delong_chisq", nan, 0, 1.0, n, k, status="caution", warning="all curves rank the cases alike")
    statistic = float((coordinates[kept] ** 2 / values[kept]).sum())
    return Omnibus("delong_chisq", statistic, df, float(special.chdtrc(df, statistic)), n, k)


def average_precision(y_true: npt.ArrayLike, y_score: npt.ArrayLike) -> float:
    """The average precision (AUPRC) of one model.

    Parameters
    ----------
    y_true : array_like of bool or 0/1, shape (n,)
        Truth; True or 1 for the positive class.
    y_score : array_like of float, shape (n,)
        Scores; a higher one means "more likely positive".

    Returns
    -------
    float
        0 to 1; NaN where a class is absent, as without negatives it would be 1 for any model.

    Raises
    ------
    ValueError
        An array of a wrong shape, truth that is not 0/1, a score that is not finite.

    Notes
    -----
    The sum over distinct thresholds of precision times gain in sensitivity, without interpolation. Cases of equal score enter together, so that
    their order does not matter (as in scikit-learn). An uninformative model gets the prevalence.

    References
    ----------
    .. [1] Boyd, Eng and Page (2013). Machine Learning and Knowledge Discovery in Databases, 451-466. doi:10.1007/978-3-642-40994-3_29

    Examples
    --------
    >>> from hybridcx.stats import average_precision
    >>> average_precision([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1])
    0.8333333333333333
    """
    y = check_truth(y_true)
    score = check_one_score(y_score, y.size)
    positives = int(y.sum())
    if positives in (0, y.size):
        return nan
    true_positives, called, _ = threshold_counts(y, score)
    gains = np.diff(true_positives, prepend=0)
    return float((gains * (true_positives / called)).sum() / positives)


def threshold_counts(
    y: BoolArray, score: FloatArray
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], FloatArray]:
    """Return true positives, cases called positive and the threshold, for each distinct score from the highest down."""
    order = np.argsort(-score, kind="stable")
    ordered = score[order]
    ends = np.flatnonzero(np.r_[ordered[1:] != ordered[:-1], True])
    return np.cumsum(y[order], dtype=np.int64)[ends], ends + 1, ordered[ends]


class RocPoints(NamedTuple):
    """An empirical ROC curve: arrays (t,) in falling order of the threshold, from (inf, 0, 1) to (lowest score, 1, 0)."""

    threshold: FloatArray
    sensitivity: FloatArray
    specificity: FloatArray


def roc_points(y_true: npt.ArrayLike, y_score: npt.ArrayLike) -> RocPoints:
    """The empirical ROC curve: sensitivity and specificity at every distinct score.

    Parameters
    ----------
    y_true : array_like of bool or 0/1, shape (n,)
        Truth; True or 1 for the positive class.
    y_score : array_like of float, shape (n,)
        Scores; a higher one means "more likely positive".

    Returns
    -------
    RocPoints
        The named tuple (`threshold`, `sensitivity`, `specificity`) of arrays in falling order of the threshold. The first threshold is Inf: no case
        called positive. The rate of an absent class is NaN.

    Raises
    ------
    ValueError
        An array of a wrong shape, truth that is not 0/1, a score that is not finite.

    Notes
    -----
    A case is called positive where score >= threshold.

    Examples
    --------
    >>> from hybridcx.stats import roc_points
    >>> roc_points([0, 1, 1], [0.2, 0.5, 0.9]).sensitivity.tolist()
    [0.0, 0.5, 1.0, 1.0]
    """
    y = check_truth(y_true)
    score = check_one_score(y_score, y.size)
    true_positives, called, threshold = threshold_counts(y, score)
    m, n = int(y.sum()), int((~y).sum())
    sensitivity = np.r_[0, true_positives] / m if m else np.full(threshold.size + 1, nan)
    specificity = (n - np.r_[0, called - true_positives]) / n if n else np.full(threshold.size + 1, nan)
    return RocPoints(np.r_[inf, threshold], sensitivity, specificity)


def thin_roc(points: RocPoints, max_points: int = 2000) -> RocPoints:
    """Return the curve with at most `max_points` points, for drawing and for roc.csv; its ends always stay.

    Points inside a straight step are left out first (the drawn curve stays exactly the same); if that is not enough, points
    are kept at even distances along the curve.
    """
    if max_points < 2:
        raise ValueError("a curve needs at least its two ends")
    threshold, sensitivity, specificity = points
    if threshold.size <= max_points or np.isnan(sensitivity[0]) or np.isnan(specificity[0]):
        kept = np.unique(np.linspace(0, threshold.size - 1, min(threshold.size, max_points)).round().astype(int))
        return RocPoints(threshold[kept], sensitivity[kept], specificity[kept])
    step_x, step_y = -np.diff(specificity), np.diff(sensitivity)
    corner = ~np.isclose(step_x[1:] * step_y[:-1], step_x[:-1] * step_y[1:], rtol=0.0, atol=1e-15)
    kept = np.flatnonzero(np.r_[True, corner, True])
    if kept.size > max_points:
        path = np.r_[0.0, np.cumsum(step_x + step_y)][kept]
        wanted = np.searchsorted(path, np.linspace(0.0, path[-1], max_points))
        kept = kept[np.unique(np.r_[0, wanted.clip(max=kept.size - 1), kept.size - 1])][-max_points:]
        kept[0] = 0
    return RocPoints(threshold[kept], sensitivity[kept], specificity[kept])
