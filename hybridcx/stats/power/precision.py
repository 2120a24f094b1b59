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

    The count p n need not be a whole number here: both intervals are defined between the counts (Clopper and Pearson's
    through the beta distribution), which makes the half-width fall steadily with n.

    Raises:
        InputError: p outside 0 to 1, a confidence level not strictly between 0 and 1, n below 1, or an unknown method.
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
    """The smallest n whose interval around an anticipated proportion p is no wider than p -+ `halfwidth`, and what it
    reaches.

    Args:
        p: anticipated proportion, in 0 to 1.
        halfwidth: half of upper minus lower limit, in 0 to 0.5.
        confidence_level: of the interval.
        method: "wilson" or "clopper_pearson".

    Raises:
        InputError: an argument outside its range, an unknown method, or more than 100 million cases.

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

    "hanley_mcneil": A(1 - A) + (n1 - 1)(Q1 - A^2) + (n0 - 1)(Q2 - A^2) over n1 n0, with Q1 = A/(2 - A) and Q2 = 2A^2/(1
    + A), from exponential scores (Hanley and McNeil 1982). "obuchowski": 0.0099 exp(-a^2/2) ((5 a^2 + 8) + (a^2 +
    8)/R)/n1 with a = 1.414 PHI^-1(A) and R = n0/n1, from binormal ratings (Obuchowski 1994, 1998), with her constants
    unrounded, 1/(32 pi) and sqrt 2.

    Raises:
        InputError: an area not strictly between 0 and 1, a class below 1 case, or an unknown method.
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

    PHI((|A2 - A1| - z_{1-alpha/2} sqrt(V0))/sqrt(V1)) with V1 = v1 + v2 - 2 r sqrt(v1 v2) and V0 = 2 v1 (1 - r): under
    the null both models have the area of the first, the standard (Hanley and McNeil 1983, Obuchowski 1998). The far
    tail is neglected.

    Args:
        n_positive, n_negative: cases of each class.
        auc1, auc2: areas expected of the standard and of the other model, strictly between 0 and 1.
        correlation: of the two estimated areas over samples of cases, in -1 to 1 (below 1).
        alpha: two-sided level.
        method: of the variance, see `auc_variance`.

    Raises:
        InputError: an argument outside its range or an unknown method.
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
    """Cases for comparing two models' AUCs on the same cases: the fewest positives whose `auc_paired_power` is enough.

    Args:
        auc1, auc2, correlation, alpha, method: as in `auc_paired_power`.
        ratio: negatives per positive case; the negatives are rounded up.
        power: probability of detection.

    Returns:
        `n_positive`, `n_negative`, their sum `n`, and the power reached.

    Raises:
        InputError: an argument outside its range, equal areas, or more than 100 million positives.
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

    Solves `auc_paired_power(n_positive, n_negative, auc, auc + d, ...) = power` for d above 0. NaN where no area below 1 is
    detected.

    Args:
        n_positive, n_negative: cases of each class.
        auc: area of the standard model, strictly between 0 and 1.
        correlation, alpha, method: as in `auc_paired_power`.
        power: probability of detection, above alpha.

    Raises:
        InputError: an argument outside its range or an unknown method.

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
