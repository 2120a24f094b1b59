"""Comparing two models' predictive values and likelihood ratios on the same cases.

PPV and NPV condition on the model's own call, so that the two models' denominators are different, overlapping sets of cases and
McNemar's test does not apply. The tests here come from marginal regression (GEE) with independence working correlation, where a case
is the cluster; all have closed forms, which are used. `statistic` is a chi-square with 1 degree of freedom, `parameter` 1.
"""

from __future__ import annotations

from math import exp, log, nan, sqrt
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from hybridcx.stats.confusion import label_columns
from hybridcx.stats.proportions import normal_quantile
from hybridcx.stats.results import PairedTest

BoolArray = npt.NDArray[np.bool_]

NO_EVIDENCE = (
    "the estimated variance is 0 (identical calls, or no wrong call among them): p is 1 by definition, no limits"
)


def _oriented(
    y_true: npt.ArrayLike, pred_a: npt.ArrayLike, pred_b: npt.ArrayLike, which: str
) -> tuple[BoolArray, BoolArray, BoolArray]:
    """Truth and calls turned so that the predictive value in question is P(truth | call)."""
    if which not in ("ppv", "npv"):
        raise ValueError(f"which must be ppv or npv, got {which!r}")
    truth, a, b = label_columns(y_true=y_true, pred_a=pred_a, pred_b=pred_b)
    return (truth, a, b) if which == "ppv" else (~truth, ~a, ~b)


def _score_test(
    method: str,
    weighted: bool,
    y_true: npt.ArrayLike,
    pred_a: npt.ArrayLike,
    pred_b: npt.ArrayLike,
    which: str,
    confidence_level: float,
) -> PairedTest:
    truth, a, b = _oriented(y_true, pred_a, pred_b, which)
    z = normal_quantile(confidence_level)
    n = truth.size
    n_a, n_b = int(np.count_nonzero(a)), int(np.count_nonzero(b))
    if n_a == 0 or n_b == 0:
        who = "either model" if n_a == n_b else "the model" if n_a == 0 else "the comparator"
        call = "positive" if which == "ppv" else "negative"
        return PairedTest(
            method,
            nan,
            conf_level=confidence_level,
            n=n,
            status="not_estimable",
            warning=f"no case is predicted {call} by {who}",
        )
    calls = _called(truth, a, b)
    difference = calls.difference
    variance = calls.weighted_variance() if weighted else calls.null_variance()
    if variance == 0:
        return PairedTest(
            method, 0.0, conf_level=confidence_level, pvalue=1.0, n=n, status="caution", warning=NO_EVIDENCE
        )
    statistic = difference**2 / variance
    error = sqrt(calls.robust_variance())
    low, high = (max(difference - z * error, -1.0), min(difference + z * error, 1.0)) if error else (nan, nan)
    return PairedTest(
        method,
        difference,
        low,
        high,
        confidence_level,
        statistic=statistic,
        parameter=1.0,
        pvalue=float(special.chdtrc(1, statistic)),
        n=n,
        std_error=error if error else nan,
        status="ok" if error else "caution",
        warning="" if error else "the robust variance is 0 and no evidence: no limits",
    )


def _squares(hits: int, m: int, p: float) -> float:
    """Sum of (D - p)^2 over m cases with `hits` right ones."""
    return hits * (1 - p) ** 2 + (m - hits) * p**2


class _Called(NamedTuple):
    """Cases called by model a alone, by b alone and by both, and the right ones among them; the tests are functions of these six counts.

    Every variance is written as a sum of squares over cases, which has no cancellation and is exactly 0 where there is no evidence.
    """

    m_a: int
    hits_a: int
    m_b: int
    hits_b: int
    m_both: int
    hits_both: int

    @property
    def n_a(self) -> int:
        return self.m_a + self.m_both

    @property
    def n_b(self) -> int:
        return self.m_b + self.m_both

    @property
    def difference(self) -> float:
        """Predictive value of a minus that of b. Integers decide whether there is any, so that rounding cannot make one."""
        right_a, right_b = self.hits_a + self.hits_both, self.hits_b + self.hits_both
        return (right_a * self.n_b - right_b * self.n_a) / (self.n_a * self.n_b)

    @property
    def pooled(self) -> float:
        return (self.hits_a + self.hits_b + 2 * self.hits_both) / (self.n_a + self.n_b)

    def weighted_variance(self) -> float:
        """p (1 - p) - 2 C: the squares of all calls less twice those of the cases called by both, which leaves the cases called by one."""
        n_a, n_b, p = self.n_a, self.n_b, self.pooled
        alone = _squares(self.hits_a, self.m_a, p) + _squares(self.hits_b, self.m_b, p)
        return alone / (n_a + n_b) * (1 / n_a + 1 / n_b)

    def null_variance(self) -> float:
        """The variance of the difference under the null hypothesis in the unweighted score test."""
        n_a, n_b, p = self.n_a, self.n_b, self.pooled
        mean_b = n_b / (n_a + n_b)
        alone_a, alone_b = _squares(self.hits_a, self.m_a, p), _squares(self.hits_b, self.m_b, p)
        shared = _squares(self.hits_both, self.m_both, p) * (1 - 2 * mean_b) ** 2
        return (alone_a * mean_b**2 + alone_b * (1 - mean_b) ** 2 + shared) * (1 / n_a + 1 / n_b) ** 2

    def robust_variance(self) -> float:
        """The sandwich variance of the difference without the null hypothesis."""
        n_a, n_b, m, hits = self.n_a, self.n_b, self.m_both, self.hits_both
        value_a, value_b = (self.hits_a + hits) / n_a, (self.hits_b + hits) / n_b
        return (
            _squares(self.hits_a, self.m_a, value_a) / n_a**2
            + _squares(self.hits_b, self.m_b, value_b) / n_b**2
            + hits * ((1 - value_a) / n_a - (1 - value_b) / n_b) ** 2
            + (m - hits) * (value_a / n_a - value_b / n_b) ** 2
        )


def _called(truth: BoolArray, a: BoolArray, b: BoolArray) -> _Called:
    both = a & b
    m_both, hits_both = int(np.count_nonzero(both)), int(np.count_nonzero(both & truth))
    m_a, hits_a = int(np.count_nonzero(a)) - m_both, int(np.count_nonzero(a & truth)) - hits_both
    m_b, hits_b = int(np.count_nonzero(b)) - m_both, int(np.count_nonzero(b & truth)) - hits_both
    return _Called(m_a, hits_a, m_b, hits_b, m_both, hits_both)


def generalized_score(
    y_true: npt.ArrayLike,
    pred_a: npt.ArrayLike,
    pred_b: npt.ArrayLike,
    which: Literal["ppv", "npv"] = "ppv",
    confidence_level: float = 0.95,
) -> PairedTest:
    """The generalized score test of equal PPV (or NPV) of two models on the same cases.

    Parameters
    ----------
    y_true : array_like of bool or 0/1, shape (n,)
        Truth; True or 1 for the positive class.
    pred_a, pred_b : array_like of bool or 0/1, shape (n,)
        Calls of the model and of the comparator; True or 1 for the positive class.
    which : {"ppv", "npv"}
        The predictive value.
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.

    Returns
    -------
    PairedTest
        `statistic` is a chi-square with `df` 1. A model without such calls: `not_estimable`. Identical calls, or predictive values that are both 0
        or both 1: difference 0, p = 1, no statistic, no limits, `caution`.

    Raises
    ------
    ValueError
        Another predictive value, or arrays that are not 0/1 or differ in length.

    Notes
    -----
    Over the calls of both models, with D the truth, Z = 1 for the comparator's calls, Zbar their share and Dbar the pooled predictive value:
    T = (sum D (Z - Zbar))^2 / sum over cases of (sum over its calls of (D - Dbar)(Z - Zbar))^2. For NPV the negative calls and the negative class
    take their roles. `std_error` and limits are those of the difference itself, by the empirical (sandwich) variance of the identity-link marginal
    model without the null hypothesis, sum over cases of (A (D - PV_a)/n_a - B (D - PV_b)/n_b)^2, normal quantile, clipped to -1 to 1. They do not
    invert the score test, so that near its level the two can differ.

    References
    ----------
    .. [1] Leisenring, Alonzo and Pepe (2000). Biometrics 56:345-351. doi:10.1111/j.0006-341X.2000.00345.x

    Examples
    --------
    >>> from hybridcx.stats import generalized_score
    >>> truth = [1, 1, 1, 0, 0, 0]
    >>> generalized_score(truth, [1, 1, 1, 1, 0, 0], [1, 1, 0, 0, 1, 1])
    PairedTest(method='generalized_score', estimate=0.25, conf_low=-0.297827, conf_high=0.797827, conf_level=0.95,
        statistic=0.761905, parameter=1, pvalue=0.382733, n=6, std_error=0.279508)
    """
    return _score_test("generalized_score", False, y_true, pred_a, pred_b, which, confidence_level)


def weighted_generalized_score(
    y_true: npt.ArrayLike,
    pred_a: npt.ArrayLike,
    pred_b: npt.ArrayLike,
    which: Literal["ppv", "npv"] = "ppv",
    confidence_level: float = 0.95,
) -> PairedTest:
    """The weighted generalized score test of equal PPV (or NPV) of two models on the same cases.

    Parameters
    ----------
    y_true : array_like of bool or 0/1, shape (n,)
        Truth; True or 1 for the positive class.
    pred_a, pred_b : array_like of bool or 0/1, shape (n,)
        Calls of the model and of the comparator; True or 1 for the positive class.
    which : {"ppv", "npv"}
        The predictive value.
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.

    Returns
    -------
    PairedTest
        Limits and edges as in `generalized_score`.

    Raises
    ------
    ValueError
        As `generalized_score`.

    Notes
    -----
    T = d^2 / ((p (1 - p) - 2 C)(1/n_a + 1/n_b)), with p the pooled predictive value and C = sum over the cases that both models call of
    (D - p)^2 / (n_a + n_b). Unlike the unweighted test it reduces to the usual score statistic for independent samples.

    References
    ----------
    .. [1] Kosinski (2013). Statistics in Medicine 32:964-977. doi:10.1002/sim.5587

    Examples
    --------
    >>> from hybridcx.stats import weighted_generalized_score
    >>> truth = [1, 1, 1, 0, 0, 0]
    >>> round(weighted_generalized_score(truth, [1, 1, 1, 1, 0, 0], [1, 1, 0, 0, 1, 1]).pvalue, 4)
    0.3827
    """
    return _score_test("weighted_generalized_score", True, y_true, pred_a, pred_b, which, confidence_level)


def lr_regression(
    y_true: npt.ArrayLike,
    pred_a: npt.ArrayLike,
    pred_b: npt.ArrayLike,
    which: Literal["lr_positive", "lr_negative"] = "lr_positive",
    confidence_level: float = 0.95,
) -> PairedTest:
    """Ratio of two models' LR+ (or LR-) on the same cases, by regression of the log likelihood ratio.

    Parameters
    ----------
    y_true : array_like of bool or 0/1, shape (n,)
        Truth; True or 1 for the positive class.
    pred_a, pred_b : array_like of bool or 0/1, shape (n,)
        Calls of the model and of the comparator; True or 1 for the positive class.
    which : {"lr_positive", "lr_negative"}
        The likelihood ratio.
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.

    Returns
    -------
    PairedTest
        `estimate` is model over comparator, `std_error` that of its logarithm, `statistic` a chi-square with `df` 1. A class without cases, or one
        in which a model makes no such call (a likelihood ratio of 0, Inf or 0/0), is `not_estimable`. Identical calls: ratio 1, p = 1, no statistic,
        no limits, `caution`.

    Raises
    ------
    ValueError
        Another ratio, or arrays that are not 0/1 or differ in length.

    Notes
    -----
    log(LR_a / LR_b) is the interaction of model and truth in the saturated log-linear marginal model of a positive (for LR-: negative) call. Its
    empirical (sandwich) variance, a case being the cluster, is, with x_a, x_b the calls in one class and m = x_a and x_b both, the sum over the two
    classes of 1/x_a + 1/x_b - 2 m / (x_a x_b). Limits: estimate exp(-+z se). 1/2 is never added.

    References
    ----------
    .. [1] Gu and Pepe (2009). Biostatistics 10:172-186. doi:10.1093/biostatistics/kxn025

    Examples
    --------
    >>> from hybridcx.stats import lr_regression
    >>> truth = [1, 1, 1, 0, 0, 0]
    >>> lr_regression(truth, [1, 1, 1, 1, 0, 0], [1, 1, 0, 0, 1, 1])
    PairedTest(method='lr_regression', estimate=3, conf_low=0.238905, conf_high=37.6719, conf_level=0.95,
        statistic=0.724169, parameter=1, pvalue=0.39478, n=6, std_error=1.29099)
    """
    method = "lr_regression"
    if which not in ("lr_positive", "lr_negative"):
        raise ValueError(f"which must be lr_positive or lr_negative, got {which!r}")
    truth, a, b = label_columns(y_true=y_true, pred_a=pred_a, pred_b=pred_b)
    z = normal_quantile(confidence_level)
    if which == "lr_negative":
        a, b = ~a, ~b
    log_ratio, variance = 0.0, 0.0
    for name, cases, sign in (("positive", truth, 1), ("negative", ~truth, -1)):
        x_a, x_b = int(np.count_nonzero(a & cases)), int(np.count_nonzero(b & cases))
        if x_a == 0 or x_b == 0:
            reason = f"there are no {name} cases"
            if cases.any():
                who = "either model" if x_a == x_b else "the model" if x_a == 0 else "the comparator"
                call = "positive" if which == "lr_positive" else "negative"
                reason = f"no {name} case is predicted {call} by {who}: the likelihood ratio is 0, infinite or 0/0"
            return PairedTest(
                method, nan, conf_level=confidence_level, n=truth.size, status="not_estimable", warning=reason
            )
        shared = int(np.count_nonzero(a & b & cases))
        log_ratio += sign * log(x_a / x_b)
        # Over one denominator: identical calls give exactly 0.
        variance += (x_a + x_b - 2 * shared) / (x_a * x_b)
    if variance == 0:
        return PairedTest(
            method,
            1.0,
            conf_level=confidence_level,
            pvalue=1.0,
            n=truth.size,
            status="caution",
            warning="the models make the same calls: ratio 1, p is 1 by definition, no limits",
        )
    error = sqrt(variance)
    statistic = (log_ratio / error) ** 2
    return PairedTest(
        method,
        exp(log_ratio),
        exp(log_ratio - z * error),
        exp(log_ratio + z * error),
        confidence_level,
        statistic=statistic,
        parameter=1.0,
        pvalue=float(special.chdtrc(1, statistic)),
        n=truth.size,
        std_error=error,
    )
