"""Areas under ROC curves when patients contribute several cases (Obuchowski 1997).

DeLong's variance assumes independent cases; here the placement values are summed within each patient before they are squared, and
the covariance of a patient's positive and negative cases is added.
"""

from __future__ import annotations

from dataclasses import replace
from math import isnan, nan, sqrt

import numpy as np
import numpy.typing as npt
from scipy import special

from hybridcx.stats import distributions as stats
from hybridcx.stats.results import Interval, PairedTest
from hybridcx.stats.roc import NO_CLASS, delong_paired_from, placements
from hybridcx.stats.score_inputs import FloatArray, check_groups, check_one_score, check_scores, check_truth, z_value

FEW_CLUSTERS = "one class has cases of a single patient, from which no variance between patients can be estimated"


def delong_cluster_covariance(
    y_true: npt.ArrayLike, y_score: npt.ArrayLike, groups: npt.ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """Return the AUROCs (k,) of scores (k, n) and their covariance (k, k) with clusters `groups` (n,).

    With m positive and n negative cases, cluster sums P_i of v10 - A and N_i of v01 - A (see `roc.placements`), I10 clusters
    with a positive case, I01 with a negative, I in all (Obuchowski 1997, formulas 4 to 8, for models r and s):

        S10 = I10 / ((I10 - 1) m) sum P_i^r P_i^s,  S01 = I01 / ((I01 - 1) n) sum N_i^r N_i^s,
        S11 = I / (I - 1) sum P_i^r N_i^s,
        cov = S10 / m + S01 / n + (S11(r, s) + S11(s, r)) / (m n).

    With one case a cluster no cluster has both classes, S11 is 0, and the result is DeLong's exactly. NaN where a class comes from
    fewer than two clusters.
    """
    y = check_truth(y_true)
    placed = placements(y, y_score)
    index, total = check_groups(groups, y.size)
    k = placed.aucs.size
    cov = np.full((k, k), nan)
    with_positive, with_negative = np.unique(index[y]).size, np.unique(index[~y]).size
    if with_positive < 2 or with_negative < 2:
        return placed.aucs, cov
    m, n = int(y.sum()), int((~y).sum())
    centre = placed.aucs[:, None]
    sums_positive = np.stack([np.bincount(index[y], weights=v, minlength=total) for v in placed.v10 - centre])
    sums_negative = np.stack([np.bincount(index[~y], weights=v, minlength=total) for v in placed.v01 - centre])
    for r in range(k):
        for s in range(r, k):
            s10 = with_positive / ((with_positive - 1) * m) * (sums_positive[r] * sums_positive[s]).sum()
            s01 = with_negative / ((with_negative - 1) * n) * (sums_negative[r] * sums_negative[s]).sum()
            cross = (sums_positive[r] * sums_negative[s]).sum() + (sums_positive[s] * sums_negative[r]).sum()
            cov[r, s] = cov[s, r] = s10 / m + s01 / n + total / (total - 1) * cross / (m * n)
    return placed.aucs, cov


def delong_cluster_interval(
    y_true: npt.ArrayLike, y_score: npt.ArrayLike, groups: npt.ArrayLike, confidence_level: float = 0.95
) -> Interval:
    """AUROC with its cluster standard error and limits on the logit scale, for patients with several cases.

    Parameters
    ----------
    y_true : array_like of bool or 0/1, shape (n,)
        Truth; True or 1 for the positive class.
    y_score : array_like of float, shape (n,)
        Scores; a higher one means "more likely positive".
    groups : array_like, shape (n,)
        The patient (cluster) of each case.
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.

    Returns
    -------
    Interval
        `std_error` is of the AUROC. At an AUROC of 0 or 1, or with a variance of 0, there are no limits (`caution`), nor where a class has cases of
        a single patient. `not_estimable` where a class is absent.

    Raises
    ------
    ValueError
        An array of a wrong shape, truth that is not 0/1, a score that is not finite.

    Notes
    -----
    expit(logit(A) -+ t se / (A (1 - A))), t with the effective number of patients of the class that has fewer, less 1, as degrees of freedom: the
    normal quantile covers 0.90 to 0.93 with 10 to 40 patients, and 0.80 to 0.88 where a few of them have most cases.

    References
    ----------
    .. [1] Obuchowski (1997). Biometrics 53:567-578. doi:10.2307/2533958

    Examples
    --------
    >>> from hybridcx.stats import delong_cluster_interval
    >>> y, groups = [0, 0, 0, 0, 1, 1, 1, 1], [1, 1, 2, 3, 3, 4, 5, 5]
    >>> delong_cluster_interval(y, [0.1, 0.2, 0.3, 0.6, 0.5, 0.7, 0.8, 0.9], groups)
    Interval(method='delong_cluster', estimate=0.9375, conf_low=0.000199589, conf_high=0.999999, conf_level=0.95,
        std_error=0.125487, n=8, n_clusters=5)
    """
    z_value(confidence_level)  # checks it
    y = check_truth(y_true)
    aucs, cov = delong_cluster_covariance(y, check_one_score(y_score, y.size), groups)
    auc, variance, clusters = float(aucs[0]), float(cov[0, 0]), np.unique(np.asarray(groups)).size
    blank = Interval("delong_cluster", auc, conf_level=confidence_level, n=y.size, n_clusters=clusters)
    if isnan(auc):
        return replace(blank, status="not_estimable", warning=NO_CLASS)
    if isnan(variance):
        return replace(blank, status="caution", warning=FEW_CLUSTERS)
    # Patients' negative covariances can leave a variance that is zero up to rounding, or below.
    se = sqrt(max(variance, 0.0))
    if auc in (0.0, 1.0):
        reason = f"the logit of an AUROC of {auc:.0f} is infinite and the variance between patients is 0: no limits"
        return replace(blank, std_error=se, status="caution", warning=reason)
    if se == 0.0:
        reason = "the estimated variance is zero: no limits"
        return replace(blank, std_error=se, status="caution", warning=reason)
    t = float(stats.t.ppf(0.5 + confidence_level / 2.0, class_freedom(y, groups)))
    centre, half = special.logit(auc), t * se / (auc * (1.0 - auc))
    return replace(
        blank, conf_low=float(special.expit(centre - half)), conf_high=float(special.expit(centre + half)), std_error=se
    )


def delong_cluster(
    y_true: npt.ArrayLike,
    score_a: npt.ArrayLike,
    score_b: npt.ArrayLike,
    groups: npt.ArrayLike,
    confidence_level: float = 0.95,
) -> PairedTest:
    """The test of the difference of two AUROCs on the same cases, for patients with several cases.

    Parameters
    ----------
    y_true : array_like of bool or 0/1, shape (n,)
        Truth; True or 1 for the positive class.
    score_a, score_b : array_like of float, shape (n,)
        Scores of the model and of the comparator; a higher one means "more likely positive".
    groups : array_like, shape (n,)
        The patient (cluster) of each case.
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.

    Returns
    -------
    PairedTest
        `statistic` is the signed t, `df` its degrees of freedom. Edges as in `delong_paired`.

    Raises
    ------
    ValueError
        An array of a wrong shape, truth that is not 0/1, a score that is not finite.

    Notes
    -----
    Student's t with the effective number of patients of the class that has fewer, less 1, as degrees of freedom. The normal distribution rejects up
    to 9 % of true null hypotheses with 8 to 40 patients, and up to 19 % where a few patients have most cases; t rejects at most 6 %
    (vocabulary/simulations_dependent.csv). With one case a patient the variance is DeLong's exactly.

    References
    ----------
    .. [1] Obuchowski (1997). Biometrics 53:567-578. doi:10.2307/2533958

    Examples
    --------
    >>> from hybridcx.stats import delong_cluster
    >>> y, groups = [0, 0, 0, 0, 1, 1, 1, 1], [1, 1, 2, 3, 3, 4, 5, 5]
    >>> a, b = [0.1, 0.2, 0.3, 0.6, 0.5, 0.7, 0.8, 0.9], [0.2, 0.5, 0.4, 0.7, 0.3, 0.6, 0.9, 0.8]
    >>> delong_cluster(y, a, b, groups)
    PairedTest(method='delong_cluster', estimate=0.1875, conf_low=-0.688979, conf_high=1.06398, conf_level=0.95,
        statistic=1.12145, parameter=1.66667, pvalue=0.397866, n=8, std_error=0.167195, n_clusters=5)
    """
    y = check_truth(y_true)
    scores = check_scores(np.stack([check_one_score(score_a, y.size), check_one_score(score_b, y.size)]), y.size)
    aucs, cov = delong_cluster_covariance(y, scores, groups)
    result = delong_paired_from(aucs, cov, 0, 1, y.size, confidence_level, method="delong_cluster")
    result = replace(result, n_clusters=np.unique(np.asarray(groups)).size)
    if isnan(cov[0, 0]) and not isnan(result.estimate):
        return replace(result, warning=FEW_CLUSTERS)
    if isnan(result.statistic):
        return result
    df = class_freedom(y, groups)
    half = float(stats.t.ppf(0.5 + confidence_level / 2.0, df)) * result.std_error
    return replace(
        result, conf_low=result.estimate - half, conf_high=result.estimate + half, parameter=df,
        pvalue=float(2.0 * stats.t.sf(abs(result.statistic), df)),
    )  # fmt: skip


def class_freedom(y_true: npt.ArrayLike, groups: npt.ArrayLike) -> float:
    """Degrees of freedom of a clustered AUROC: the effective number of patients of the class that has fewer, less 1, at least 1.

    The effective number of patients of a class with n_k cases of patient k is (sum n_k)^2 / sum n_k^2 (Kish 1965): their number if all have equally
    many cases, fewer if some patients have most of the cases.
    """
    y = check_truth(y_true)
    index, _ = check_groups(groups, y.size)
    sizes = [np.bincount(index[chosen]).astype(np.float64) for chosen in (y, ~y)]
    return max(min(float(n.sum() ** 2 / (n @ n)) for n in sizes) - 1.0, 1.0)
