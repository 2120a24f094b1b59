"""Several readers (or seeds) by two models on the same cases: the Obuchowski-Rockette analysis with Hillis' degrees of freedom.

Each reader's (or seed's) figure of merit under each model is one number; the ANOVA of these numbers is corrected for the covariances
that come from reading the same cases. Cases are random; readers are random (another team of readers) or fixed (these readers). Seeds
of separately trained networks are nested in the model: seed 1 of one network is unrelated to seed 1 of another.
"""

from __future__ import annotations

from dataclasses import replace
from math import isnan, nan, sqrt
from typing import Literal

import numpy as np
import numpy.typing as npt

from hybridcx.stats import distributions as stats
from hybridcx.stats import ties
from hybridcx.stats.clusters_roc import FEW_CLUSTERS, delong_cluster_covariance
from hybridcx.stats.results import PairedTest
from hybridcx.stats.roc import NO_CLASS, ONE_CASE, delong_covariance
from hybridcx.stats.score_inputs import FloatArray, check_groups, check_scores, check_truth, z_value

Design = Literal["crossed", "nested", "fixed"]
METHOD = "obuchowski_rockette"


def obuchowski_rockette(
    y_true: npt.ArrayLike,
    scores_a: npt.ArrayLike,
    scores_b: npt.ArrayLike,
    design: Design = "crossed",
    confidence_level: float = 0.95,
    groups: npt.ArrayLike | None = None,
) -> PairedTest:
    """The test of two models' mean AUROC over readers (or seeds) on the same cases.

    Parameters
    ----------
    y_true : array_like of bool or 0/1, shape (n,)
        Truth; True or 1 for the positive class.
    scores_a, scores_b : array_like of float, shape (J, n)
        Scores of J readers with the model and with the comparator.
    design : {"crossed", "nested", "fixed"}, default "crossed"
        Random readers who read with both models; random readers (or seeds) of each model; these very readers.
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.
    groups : array_like, shape (n,), optional
        The patient (cluster) of each case.

    Returns
    -------
    PairedTest
        `statistic` is the signed t (z where readers are fixed), `df` its degrees of freedom (NaN where readers are fixed). One reader has no
        variance over readers: estimate alone (`caution`), unless readers are fixed. `not_estimable` where a class is absent.

    Raises
    ------
    ValueError
        As `delong`, different numbers of readers, or an unknown design.

    Notes
    -----
    The ANOVA of the 2 J AUROCs, corrected for their covariances (DeLong; with `groups` Obuchowski 1997). With Var the mean variance, Cov1 (same
    reader, other model), Cov2 (other reader, same model), Cov3 (both other) the mean covariances, C = max(Cov2 - Cov3, 0), and the mean squares MS
    of the ANOVA, the variance of the difference of means and its degrees of freedom are

        crossed: (2 / J) (MS_TR + J C), df = (MS_TR + J C)^2 / (MS_TR^2 / (J - 1))
        nested:  (2 / J) (MS_R(T) + J C), df = (MS_R(T) + J C)^2 / (MS_R(T)^2 / (2 (J - 1)))
        fixed:   (2 / J) (Var - Cov1 + (J - 1) C), df infinite

    References
    ----------
    .. [1] Obuchowski and Rockette (1995). Communications in Statistics - Simulation and Computation 24:285-308. doi:10.1080/03610919508813243
    .. [2] Hillis (2007). Statistics in Medicine 26:596-619. doi:10.1002/sim.2532
    .. [3] Hillis (2014). Statistics in Medicine 33:330-360.

    Examples
    --------
    >>> from hybridcx.stats import obuchowski_rockette
    >>> y = [0, 0, 0, 0, 1, 1, 1, 1]
    >>> a = [[1, 2, 2, 4, 3, 5, 4, 5], [1, 1, 3, 3, 4, 3, 5, 4]]
    >>> b = [[2, 1, 4, 4, 3, 4, 3, 5], [1, 3, 2, 4, 3, 2, 5, 5]]
    >>> obuchowski_rockette(y, a, b)
    PairedTest(method='obuchowski_rockette', estimate=0.203125, conf_low=0.00459055, conf_high=0.401659, conf_level=0.95,
        statistic=13, parameter=1, pvalue=0.0488745, n=8, std_error=0.015625)
    """
    y = check_truth(y_true)
    a, b = check_scores(scores_a, y.size), check_scores(scores_b, y.size)
    if a.shape != b.shape:
        raise ValueError("both models need the same number of readers (or seeds)")
    estimates, cov = auroc_covariance(y, np.concatenate([a, b]), groups)
    result = obuchowski_rockette_from(estimates, cov, y.size, design, confidence_level)
    if isnan(result.estimate):
        return replace(result, warning=NO_CLASS)
    if isnan(cov[0, 0]):
        return replace(result, warning=ONE_CASE if groups is None else FEW_CLUSTERS)
    return result if groups is None else replace(result, n_clusters=np.unique(np.asarray(groups)).size)


def auroc_covariance(
    y_true: npt.ArrayLike, scores: npt.ArrayLike, groups: npt.ArrayLike | None = None
) -> tuple[FloatArray, FloatArray]:
    """Return the AUROCs (2, J) of scores (2 J, n), model by model, and their covariance (2 J, 2 J)."""
    aucs, cov = (
        delong_covariance(y_true, scores) if groups is None else delong_cluster_covariance(y_true, scores, groups)
    )
    return aucs.reshape(2, -1), cov


def obuchowski_rockette_accuracy(
    correct_a: npt.ArrayLike,
    correct_b: npt.ArrayLike,
    design: Design = "crossed",
    confidence_level: float = 0.95,
    groups: npt.ArrayLike | None = None,
) -> PairedTest:
    """The test of two models' mean accuracy over readers (or seeds) on the same cases.

    Parameters
    ----------
    correct_a, correct_b : array_like of bool, shape (J, n)
        Whether each of J readers was right on each case, with the model and with the comparator.
    design : {"crossed", "nested", "fixed"}, default "crossed"
        As in `obuchowski_rockette`.
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.
    groups : array_like, shape (n,), optional
        The patient (cluster) of each case.

    Returns
    -------
    PairedTest
        As `obuchowski_rockette`.

    Raises
    ------
    ValueError
        Different shapes, fewer than two cases, or an unknown design.

    Notes
    -----
    The covariance of two accuracies is that of the cases' values over n (denominator n - 1). With `groups` it is that of two ratio estimators:
    K / (K - 1) sum_k e_rk e_sk / n^2 over the K patients, e_rk the sum of r's values less their mean within patient k (Cochran 1977, section 11.10);
    with one case a patient the two are the same.

    References
    ----------
    .. [1] Obuchowski and Rockette (1995). Communications in Statistics - Simulation and Computation 24:285-308. doi:10.1080/03610919508813243
    .. [2] Hillis (2007). Statistics in Medicine 26:596-619. doi:10.1002/sim.2532

    Examples
    --------
    >>> from hybridcx.stats import obuchowski_rockette_accuracy
    >>> a = [[True, True, True, False, True, True], [True, False, True, True, True, True]]
    >>> b = [[True, False, True, False, True, False], [True, False, False, True, True, True]]
    >>> round(obuchowski_rockette_accuracy(a, b).estimate, 4)
    0.25
    """
    estimates, cov = accuracy_covariance(correct_a, correct_b, groups)
    n = np.atleast_2d(np.asarray(correct_a)).shape[1]
    result = obuchowski_rockette_from(estimates, cov, n, design, confidence_level)
    return result if groups is None else replace(result, n_clusters=np.unique(np.asarray(groups)).size)


def accuracy_covariance(
    correct_a: npt.ArrayLike, correct_b: npt.ArrayLike, groups: npt.ArrayLike | None = None
) -> tuple[FloatArray, FloatArray]:
    """Return the accuracies (2, J) of booleans (J, n) each and their covariance (2 J, 2 J); NaN with one patient alone."""
    a, b = (
        np.atleast_2d(np.asarray(correct_a, dtype=np.float64)),
        np.atleast_2d(np.asarray(correct_b, dtype=np.float64)),
    )
    if a.shape != b.shape or a.ndim != 2 or a.shape[1] < 2:
        raise ValueError("both models need the same readers (or seeds) on the same cases, at least two of them")
    values = np.concatenate([a, b])
    n, means = a.shape[1], values.mean(axis=1).reshape(2, -1)
    if groups is None:
        return means, np.asarray(np.cov(values) / n)
    unit, patients = check_groups(groups, n)
    if patients < 2:
        return means, np.full((len(values), len(values)), nan)
    centred = values - values.mean(axis=1, keepdims=True)
    sums = np.stack([np.bincount(unit, weights=row, minlength=patients) for row in centred])
    return means, patients / (patients - 1) * (sums @ sums.T) / n**2


def obuchowski_rockette_from(
    estimates: FloatArray, cov: FloatArray, n: int, design: Design = "crossed", confidence_level: float = 0.95
) -> PairedTest:
    """Return the test from figures of merit (2 models, J readers) and their covariance (2 J, 2 J), model by model.

    With Var the mean variance, Cov1 (same reader, other model), Cov2 (other reader, same model), Cov3 (both other) the mean
    covariances, C = max(Cov2 - Cov3, 0), and the mean squares of the ANOVA, the variance of the difference of means is

        crossed: (2 / J) (MS_TR + J C), df = (MS_TR + J C)^2 / (MS_TR^2 / (J - 1))         (Hillis 2007)
        nested:  (2 / J) (MS_R(T) + J C), df = (MS_R(T) + J C)^2 / (MS_R(T)^2 / (2 (J - 1)))  (Hillis 2014)
        fixed:   (2 / J) (Var - Cov1 + (J - 1) C), df infinite                             (Hillis et al. 2005)

    where Cov3 of the nested design is the mean over all pairs of different models. `statistic` is the signed t (z when fixed),
    `parameter` its degrees of freedom. One reader has no variance over readers: estimate alone (`caution`), unless readers are fixed.
    """
    z = z_value(confidence_level)
    if design not in ("crossed", "nested", "fixed"):
        raise ValueError(f"design is crossed, nested or fixed, not {design!r}")
    readers = estimates.shape[1]
    means = estimates.mean(axis=1)
    difference = float(ties.difference(means[0], means[1]))
    blank = PairedTest(METHOD, difference, conf_level=confidence_level, n=n)
    if isnan(difference):
        return replace(blank, status="not_estimable", warning="a reader's figure of merit is undefined")
    if np.isnan(cov).any():
        return replace(blank, status="caution", warning="the covariances cannot be estimated")
    if readers < 2 and design != "fixed":
        return replace(blank, status="caution", warning="one reader (or seed) has no variance over readers: no limits")
    variance, df = _variance(estimates, cov, design)
    scale = float(np.trace(cov)) / (2 * readers)
    if variance <= 1e-14 * scale or variance <= 0.0:
        same = difference == 0.0
        reason = "the variance of the difference is zero: an interval of zero width is no evidence"
        return replace(
            blank, conf_low=difference, conf_high=difference, std_error=0.0, pvalue=1.0 if same else nan, status="caution",
            warning=reason,
        )  # fmt: skip
    se = sqrt(variance)
    statistic = difference / se
    quantile = z if np.isinf(df) else float(stats.t.ppf(0.5 + confidence_level / 2.0, df))
    p = float(2.0 * (stats.norm.sf(abs(statistic)) if np.isinf(df) else stats.t.sf(abs(statistic), df)))
    low, high = difference - quantile * se, difference + quantile * se
    parameter = nan if np.isinf(df) else df
    return replace(
        blank, conf_low=low, conf_high=high, statistic=statistic, parameter=parameter, pvalue=p, std_error=se
    )


def _variance(estimates: FloatArray, cov: FloatArray, design: Design) -> tuple[float, float]:
    """Return the variance of the difference of the models' means and its degrees of freedom."""
    j = estimates.shape[1]
    blocks = cov.reshape(2, j, 2, j)
    same_reader = np.eye(j, dtype=np.bool_)
    within = (blocks[0, :, 0] + blocks[1, :, 1]) / 2
    between = (blocks[0, :, 1] + blocks[1, :, 0]) / 2
    var, cov1 = float(within[same_reader].mean()), float(between[same_reader].mean())
    cov2 = float(within[~same_reader].mean()) if j > 1 else 0.0
    apart = between if design == "nested" else between[~same_reader]
    cov3 = float(apart.mean()) if apart.size else 0.0
    extra = max(cov2 - cov3, 0.0)
    if design == "fixed":
        return 2.0 / j * (var - cov1 + (j - 1) * extra), np.inf
    if design == "nested":
        residual = estimates - estimates.mean(axis=1, keepdims=True)
        freedom = 2 * (j - 1)
    else:
        residual = estimates - estimates.mean(axis=1, keepdims=True) - estimates.mean(axis=0) + estimates.mean()
        freedom = j - 1
    ms = float((residual**2).sum()) / freedom
    total = ms + j * extra
    # With no variance over readers the degrees of freedom grow without bound: the normal limit.
    return 2.0 / j * total, total**2 / (ms**2 / freedom) if ms > 0.0 else np.inf
