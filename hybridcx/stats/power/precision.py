"""Cases for an interval of a given half-width, and for the difference of two correlated areas under the ROC curve."""

from __future__ import annotations

from math import ceil, exp, nan, pi, sqrt
from typing import Literal

from scipy import optimize

from hybridcx.errors import InputError, Problem
from hybridcx.stats import distributions as stats
from hybridcx.stats.power.paired import SampleSize, check_n, check_share

ProportionMethod = Literal["wilson", "clopper_pearson"]
AucMethod = Literal["obuchowski", "hanley_mcneil"]
_LARGEST_N = 100_000_000
# Below this count Clopper and Pearson's lower limit is 0 in double precision.
_NO_COUNT = 1e-4


def proportion_halfwidth(
    n: int, p: float, confidence_level: float = 0.95, method: ProportionMethod = "wilson"
) -> float:
    """Half the width of the interval that n cases give when the proportion observed is p exactly.

    Parameters
    ----------
    n : int
        Cases.
    p : float
        Proportion, 0 to 1.
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.
    method : {"wilson", "clopper_pearson"}
        The interval.

    Returns
    -------
    float
        Half of upper minus lower limit.

    Raises
    ------
    InputError
        An argument outside its range, or an unknown method.

    Notes
    -----
    The count p n need not be a whole number: both intervals are defined between the counts (Clopper and Pearson's through the beta distribution),
    which makes the half-width fall steadily with n.

    References
    ----------
    .. [1] Wilson (1927). Journal of the American Statistical Association 22:209-212. doi:10.1080/01621459.1927.10502953
    .. [2] Clopper and Pearson (1934). Biometrika 26:404-413. doi:10.1093/biomet/26.4.404

    Examples
    --------
    >>> from hybridcx.stats import proportion_halfwidth
    >>> round(proportion_halfwidth(141, 0.9), 4)
    0.05
    """
    check_n(n)
    check_share("confidence_level", confidence_level)
    if not 0 <= p <= 1:
        raise InputError(Problem("p must lie between 0 and 1", value=p, column="p"))
    tail = (1 - confidence_level) / 2
    if method == "wilson":
        z = float(stats.norm.isf(tail))
        return z * sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    if method != "clopper_pearson":
        raise InputError(
            Problem("unknown method", value=method, column="method", remedy="choose wilson or clopper_pearson")
        )
    x = p * n
    low = float(stats.beta.ppf(tail, x, n - x + 1)) if x > _NO_COUNT else 0.0
    high = float(stats.beta.isf(tail, x + 1, n - x)) if n - x > _NO_COUNT else 1.0
    return (high - low) / 2


def proportion_halfwidth_n(
    p: float, halfwidth: float, confidence_level: float = 0.95, method: ProportionMethod = "wilson"
) -> SampleSize:
    """The smallest n whose interval around an anticipated proportion is no wider than p -+ halfwidth.

    Parameters
    ----------
    p : float
        Anticipated proportion, 0 to 1.
    halfwidth : float
        Half of upper minus lower limit, 0 to 0.5.
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.
    method : {"wilson", "clopper_pearson"}
        The interval.

    Returns
    -------
    SampleSize
        `value` is the half-width reached.

    Raises
    ------
    InputError
        An argument outside its range, an unknown method, or more than 100 million cases.

    References
    ----------
    .. [1] Wilson (1927). Journal of the American Statistical Association 22:209-212. doi:10.1080/01621459.1927.10502953
    .. [2] Clopper and Pearson (1934). Biometrika 26:404-413. doi:10.1093/biomet/26.4.404

    Examples
    --------
    >>> from hybridcx.stats import proportion_halfwidth_n
    >>> proportion_halfwidth_n(0.9, 0.05).n
    141
    """
    if not 0 < halfwidth < 0.5:
        raise InputError(Problem("the half-width lies between 0 and 0.5", value=halfwidth, column="halfwidth"))
    high = 1
    while proportion_halfwidth(high, p, confidence_level, method) > halfwidth:
        high *= 2
        if high > _LARGEST_N:
            raise InputError(
                Problem(f"more than {_LARGEST_N} cases would be needed", value=halfwidth, column="halfwidth")
            )
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        wide = proportion_halfwidth(middle, p, confidence_level, method) > halfwidth
        low, high = (middle, high) if wide else (low, middle)
    return SampleSize(method, high, proportion_halfwidth(high, p, confidence_level, method))


def auc_variance(auc: float, n_positive: float, n_negative: float, method: AucMethod = "obuchowski") -> float:
    """Large-sample variance of an estimated area under the ROC curve, before data are there.

    Parameters
    ----------
    auc : float
        Area, strictly between 0 and 1.
    n_positive, n_negative : float
        Cases of each class.
    method : {"obuchowski", "hanley_mcneil"}
        Binormal ratings, or exponential scores.

    Returns
    -------
    float
        Variance of the area.

    Raises
    ------
    InputError
        An area not strictly between 0 and 1, a class below 1 case, or an unknown method.

    Notes
    -----
    "hanley_mcneil": A(1 - A) + (n1 - 1)(Q1 - A^2) + (n0 - 1)(Q2 - A^2) over n1 n0, with Q1 = A/(2 - A) and Q2 = 2A^2/(1 + A). "obuchowski":
    0.0099 exp(-a^2/2) ((5 a^2 + 8) + (a^2 + 8)/R)/n1 with a = 1.414 PHI^-1(A) and R = n0/n1, with her constants unrounded, 1/(32 pi) and sqrt 2.

    References
    ----------
    .. [1] Hanley and McNeil (1982). Radiology 143:29-36. doi:10.1148/radiology.143.1.7063747
    .. [2] Obuchowski (1994). Investigative Radiology 29:238-243.
    .. [3] Obuchowski (1998). Statistical Methods in Medical Research 7:371-392.

    Examples
    --------
    >>> from hybridcx.stats import auc_variance
    >>> round(auc_variance(0.85, 50, 100), 6)
    0.001618
    """
    check_share("auc", auc)
    if min(n_positive, n_negative) < 1:
        raise InputError(Problem("each class needs a case", value=(n_positive, n_negative)))
    if method == "hanley_mcneil":
        q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
        top = auc * (1 - auc) + (n_positive - 1) * (q1 - auc**2) + (n_negative - 1) * (q2 - auc**2)
        return top / (n_positive * n_negative)
    if method != "obuchowski":
        raise InputError(
            Problem("unknown method", value=method, column="method", remedy="choose obuchowski or hanley_mcneil")
        )
    a2 = 2 * float(stats.norm.ppf(auc)) ** 2
    return exp(-a2 / 2) / (32 * pi) * ((5 * a2 + 8) + (a2 + 8) * n_positive / n_negative) / n_positive


def auc_paired_power(
    n_positive: float,
    n_negative: float,
    auc1: float,
    auc2: float,
    correlation: float,
    alpha: float = 0.05,
    method: AucMethod = "obuchowski",
) -> float:
    """Approximate power of the two-sided z test of two correlated AUCs.

    Parameters
    ----------
    n_positive, n_negative : float
        Cases of each class.
    auc1, auc2 : float
        Areas expected of the standard and of the other model, strictly between 0 and 1.
    correlation : float
        Of the two estimated areas over samples of cases, -1 to 1 (below 1).
    alpha : float, default 0.05
        Two-sided level of the test.
    method : {"obuchowski", "hanley_mcneil"}
        Of the variance, see `auc_variance`.

    Returns
    -------
    float
        The power; the far tail is neglected.

    Raises
    ------
    InputError
        An argument outside its range or an unknown method.

    Notes
    -----
    PHI((|A2 - A1| - z_{1-alpha/2} sqrt(V0))/sqrt(V1)) with V1 = v1 + v2 - 2 r sqrt(v1 v2) and V0 = 2 v1 (1 - r): under the null hypothesis both
    models have the area of the first, the standard.

    References
    ----------
    .. [1] Hanley and McNeil (1983). Radiology 148:839-843.
    .. [2] Obuchowski (1998). Statistical Methods in Medical Research 7:371-392.

    Examples
    --------
    >>> from hybridcx.stats import auc_paired_power
    >>> round(auc_paired_power(150, 150, 0.85, 0.92, 0.5), 4)
    0.8057
    """
    check_share("alpha", alpha)
    if not -1 <= correlation < 1:
        raise InputError(Problem("the correlation lies in -1 to 1, below 1", value=correlation, column="correlation"))
    v1, v2 = (auc_variance(a, n_positive, n_negative, method) for a in (auc1, auc2))
    null = 2 * v1 * (1 - correlation)
    alternative = v1 + v2 - 2 * correlation * sqrt(v1 * v2)
    z = float(stats.norm.isf(alpha / 2))
    return float(stats.norm.cdf((abs(auc2 - auc1) - z * sqrt(null)) / sqrt(alternative)))


def auc_paired_n(
    auc1: float,
    auc2: float,
    correlation: float,
    ratio: float = 1.0,
    power: float = 0.8,
    alpha: float = 0.05,
    method: AucMethod = "obuchowski",
) -> SampleSize:
    """Cases for comparing two models' AUCs on the same cases.

    Parameters
    ----------
    auc1, auc2, correlation : float
        As in `auc_paired_power`.
    ratio : float, default 1
        Negatives per positive case; the negatives are rounded up.
    power : float, default 0.8
        Probability of detection.
    alpha : float, default 0.05
        Two-sided level of the test.
    method : {"obuchowski", "hanley_mcneil"}
        Of the variance, see `auc_variance`.

    Returns
    -------
    SampleSize
        The fewest `n_positive` whose power is enough, `n_negative`, their sum `n`, and the power reached.

    Raises
    ------
    InputError
        An argument outside its range, equal areas, or more than 100 million positives.

    References
    ----------
    .. [1] Hanley and McNeil (1983). Radiology 148:839-843.
    .. [2] Obuchowski (1998). Statistical Methods in Medical Research 7:371-392.

    Examples
    --------
    >>> from hybridcx.stats import auc_paired_n
    >>> auc_paired_n(0.85, 0.92, 0.5)
    SampleSize(method='obuchowski', n=296, value=0.800029, n_positive=148, n_negative=148)
    """
    check_share("power", power)
    if auc1 == auc2:
        raise InputError(Problem("the two AUROCs must differ", value=auc1))
    if not ratio > 0:
        raise InputError(Problem("the ratio of negatives to positives must be above 0", value=ratio, column="ratio"))

    def reached(n_positive: int) -> float:
        return auc_paired_power(n_positive, ceil(n_positive * ratio), auc1, auc2, correlation, alpha, method)

    high = 2
    while reached(high) < power:
        high *= 2
        if high > _LARGEST_N:
            raise InputError(Problem(f"more than {_LARGEST_N} positive cases would be needed", value=abs(auc2 - auc1)))
    low = 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) >= power else (middle, high)
    n_negative = ceil(high * ratio)
    return SampleSize(method, high + n_negative, reached(high), high, n_negative)


def auc_detectable_difference(
    n_positive: float,
    n_negative: float,
    auc: float,
    correlation: float,
    power: float = 0.8,
    alpha: float = 0.05,
    method: AucMethod = "obuchowski",
) -> float:
    """The smallest gain over a model of area `auc` that the test of two correlated AUCs detects with the given power.

    Parameters
    ----------
    n_positive, n_negative : float
        Cases of each class.
    auc : float
        Area of the standard model, strictly between 0 and 1.
    correlation : float
        As in `auc_paired_power`.
    power : float, default 0.8
        Probability of detection, above alpha.
    alpha : float, default 0.05
        Two-sided level of the test.
    method : {"obuchowski", "hanley_mcneil"}
        Of the variance, see `auc_variance`.

    Returns
    -------
    float
        NaN where no area below 1 is detected.

    Raises
    ------
    InputError
        An argument outside its range or an unknown method.

    Notes
    -----
    Solves `auc_paired_power(n_positive, n_negative, auc, auc + d, ...) = power` for d above 0.

    Examples
    --------
    >>> from hybridcx.stats import auc_detectable_difference
    >>> round(auc_detectable_difference(150, 150, 0.85, 0.5), 3)
    0.07
    """
    check_share("power", power)
    check_share("alpha", alpha)
    check_share("auc", auc)
    if power <= alpha:
        raise InputError(Problem("the power must exceed alpha", value=power, column="power"))

    def excess(d: float) -> float:
        return auc_paired_power(n_positive, n_negative, auc, auc + d, correlation, alpha, method) - power

    largest = (1 - auc) * (1 - 1e-9)
    return nan if excess(largest) < 0 else float(optimize.brentq(excess, 0.0, largest, xtol=1e-12))
