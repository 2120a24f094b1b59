"""Power and sample size of McNemar's test and of paired non-inferiority.

Of n cases judged by two models, `p10` is the probability that only the first is right and `p01` that only the second
is; the difference of the accuracies is p10 - p01, the discordance p10 + p01.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, inf, nan, sqrt
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from hybridcx.errors import InputError, Problem
from hybridcx.stats import distributions as stats
from hybridcx.stats.results import Result, Status

McnemarMethod = Literal["exact", "midp", "asymptotic"]
SizeMethod = Literal["exact", "midp", "asymptotic", "connor"]
NoninferiorityMethod = Literal["exact", "asymptotic"]
Floats = NDArray[np.float64]

# Probability of outcomes that an enumeration leaves out.
_NEGLIGIBLE = 1e-13
_LARGEST_N = 10_000_000
# Numbers of discordant pairs whose critical counts are kept together.
_CRITICAL = 1024
# Outcomes held at once in an enumeration.
_BLOCK = 1_000_000


@dataclass(frozen=True, slots=True, repr=False)
class SampleSize(Result):
    """The required number of cases.

    Attributes
    ----------
    method : str
        The test or interval.
    n : float
        Cases in total; NaN with status "not_estimable" where no size answers the question.
    value : float
        The power or half-width at `n`.
    n_positive, n_negative : float
        Cases of each class; NaN where the classes do not matter.
    status : {"ok", "caution", "not_estimable"}
        See `hybridcx.stats.results`.
    warning : str
        The reason of the status.
    """

    method: str
    n: float
    value: float
    n_positive: float = nan
    n_negative: float = nan
    status: Status = "ok"
    warning: str = ""


def check_share(name: str, value: float) -> float:
    """Return `value`.

    Raises:
        InputError: it does not lie strictly between 0 and 1.
    """
    if not 0 < value < 1:
        raise InputError(Problem(f"{name} must lie strictly between 0 and 1", value=value, column=name))
    return value


def check_discordance(p10: float, p01: float) -> None:
    """Refuse discordant probabilities that are negative or sum to more than 1."""
    if not (p10 >= 0 and p01 >= 0 and p10 + p01 <= 1):
        raise InputError(
            Problem(
                "p10 and p01 are probabilities of two exclusive outcomes",
                value=(p10, p01),
                remedy="they sum to 1 at most",
            )
        )


def check_n(n: int) -> None:
    """Refuse a number of cases below 1."""
    if n < 1:
        raise InputError(Problem("the number of cases must be at least 1", value=n, column="n"))


def _cdf(c: Floats, m: Floats, share: float) -> Floats:
    """Binomial distribution function at c, which may be -1, below m."""
    return np.where(c >= 0, special.betainc(m - c, np.maximum(c, 0) + 1, 1 - share), 0.0)


def _critical_counts(m: Floats, alpha: float, method: McnemarMethod) -> Floats:
    """The largest count below m/2 at which the two-sided test of m >= 1 discordant pairs rejects; -1 where none
    does."""
    if method == "asymptotic":
        # (m - 2c)^2 / m >= quantile, with room for the rounding of an exact tie.
        return np.maximum(np.floor((m - np.sqrt(m * float(special.chdtri(1, alpha)))) / 2 + 1e-9), -1.0)
    # From the normal approximation to the exact count, usually a step or two.
    c = np.maximum(np.floor((m - float(special.ndtri(1 - alpha / 2)) * np.sqrt(m)) / 2), -1.0)
    while (over := _cdf(c, m, 0.5) > alpha / 2).any():
        c = c - over
    while (under := _cdf(c + 1, m, 0.5) <= alpha / 2).any():
        c = c + under
    if method == "midp":
        c = np.where((_cdf(c, m, 0.5) + _cdf(c + 1, m, 0.5)) / 2 <= alpha / 2, c + 1, c)
    return c


@lru_cache(maxsize=64)
def _critical_block(block: int, alpha: float, method: McnemarMethod) -> Floats:
    """Critical counts of the m from 1 + block * _CRITICAL on; kept, because a search asks for the same m at every n."""
    return _critical_counts(np.arange(_CRITICAL, dtype=np.float64) + 1 + block * _CRITICAL, alpha, method)


@dataclass(frozen=True, slots=True)
class _Region:
    """Where the test rejects: for each number m of discordant pairs its probability and the critical count."""

    m: Floats
    weight: Floats
    critical: Floats

    def power(self, share: float) -> float:
        """Probability of rejection if the first model has `share` of the discordant pairs."""
        # The upper tail is the lower one with the models exchanged.
        rejected = _cdf(self.critical, self.m, share) + _cdf(self.critical, self.m, 1 - share)
        return min(float(self.weight @ rejected), 1.0)


def _region(n: int, discordance: float, alpha: float, method: McnemarMethod) -> _Region:
    check_n(n)
    check_share("alpha", alpha)
    if method not in ("exact", "midp", "asymptotic"):
        raise InputError(
            Problem("unknown method", value=method, column="method", remedy="choose exact, midp or asymptotic")
        )
    first, last = stats.binom.ppf(_NEGLIGIBLE, n, discordance), stats.binom.isf(_NEGLIGIBLE, n, discordance)
    # Without a discordant pair no test rejects.
    low, high = max(int(first), 1), max(int(last), 1)
    m = np.arange(low, high + 1, dtype=np.float64)
    first_block, last_block = (low - 1) // _CRITICAL, (high - 1) // _CRITICAL
    blocks = [_critical_block(i, alpha, method) for i in range(first_block, last_block + 1)]
    start = low - 1 - first_block * _CRITICAL
    critical = np.concatenate(blocks)[start : start + len(m)]
    return _Region(m, np.asarray(stats.binom.pmf(m, n, discordance)), critical)


def mcnemar_power(n: int, p10: float, p01: float, alpha: float = 0.05, method: McnemarMethod = "exact") -> float:
    """Unconditional power of McNemar's two-sided test: the probability of p <= alpha among n cases.

    Parameters
    ----------
    n : int
        Cases.
    p10, p01 : float
        Probabilities that only the first, only the second model is right.
    alpha : float, default 0.05
        Two-sided level of the test.
    method : {"exact", "midp", "asymptotic"}
        The test: binomial, mid-p, or chi-square without correction.

    Returns
    -------
    float
        With p10 = p01 the size of the test.

    Raises
    ------
    InputError
        An argument outside its range or an unknown method.

    Notes
    -----
    Enumerated, not approximated: the number m of discordant pairs is binomial (n, p10 + p01), the first model's share of them binomial
    (m, p10/(p10 + p01)), and for each m the counts at which the test rejects are summed.

    References
    ----------
    .. [1] Suissa and Shuster (1991). Biometrics 47:361-372.

    Examples
    --------
    >>> from hybridcx.stats import mcnemar_power
    >>> round(mcnemar_power(100, 0.15, 0.05), 4)
    0.5444
    """
    check_discordance(p10, p01)
    region = _region(n, p10 + p01, alpha, method)
    return region.power(p10 / (p10 + p01)) if p10 + p01 > 0 else 0.0


def connor_n(p10: float, p01: float, power: float = 0.8, alpha: float = 0.05) -> float:
    """Cases for McNemar's test by Connor's (1987) formula, not rounded.

    (z_{1-alpha/2} sqrt(psi) + z_power sqrt(psi - d^2))^2 / d^2, with d = p10 - p01 and the discordance psi = p10 + p01.
    """
    d, psi = p10 - p01, p10 + p01
    z_alpha, z_power = float(stats.norm.isf(alpha / 2)), float(stats.norm.ppf(power))
    return (z_alpha * sqrt(psi) + z_power * sqrt(max(psi - d**2, 0.0))) ** 2 / d**2


def mcnemar_sample_size(
    p10: float, p01: float, power: float = 0.8, alpha: float = 0.05, method: SizeMethod = "exact"
) -> SampleSize:
    """Cases that McNemar's two-sided test needs to detect p10 - p01 with the given power.

    Parameters
    ----------
    p10, p01 : float
        Probabilities that only the first, only the second model is right.
    power : float, default 0.8
        Probability of detection, above alpha.
    alpha : float, default 0.05
        Two-sided level of the test.
    method : {"exact", "midp", "asymptotic", "connor"}
        The test of which the power is enumerated, or Connor's formula.

    Returns
    -------
    SampleSize
        `value` is the enumerated power; for "connor" that of the asymptotic test.

    Raises
    ------
    InputError
        An argument outside its range, p10 = p01, an unknown method, or more than 10 million cases needed.

    Notes
    -----
    The smallest n from which on the power holds: power is a saw of n, and a larger test set must not be worse; it is followed upwards until it holds
    for a tenth more cases (at least 20, at most 200). Connor's formula, rounded up: (z_{1-alpha/2} sqrt(psi) + z_power sqrt(psi - d^2))^2 / d^2,
    with d = p10 - p01 and psi = p10 + p01.

    References
    ----------
    .. [1] Connor (1987). Biometrics 43:207-211.
    .. [2] Suissa and Shuster (1991). Biometrics 47:361-372.

    Examples
    --------
    >>> from hybridcx.stats import mcnemar_sample_size
    >>> mcnemar_sample_size(0.15, 0.05)
    SampleSize(method='exact', n=168, value=0.800562)
    """
    check_discordance(p10, p01)
    _check_power(power, alpha)
    if p10 == p01:
        raise InputError(
            Problem("p10 and p01 must differ", value=p10, remedy="equal models need a margin: see non-inferiority")
        )
    guess = _bounded(connor_n(p10, p01, power, alpha))
    if method == "connor":
        return SampleSize(method, guess, mcnemar_power(guess, p10, p01, alpha, "asymptotic"))
    test = method
    return SampleSize(method, *_smallest_lasting(lambda n: mcnemar_power(n, p10, p01, alpha, test), power, guess))


def _bounded(n: float) -> int:
    if n > _LARGEST_N:
        raise InputError(Problem(f"more than {_LARGEST_N} cases would be needed", remedy="ask for a larger difference"))
    return max(ceil(n), 1)


def _smallest_lasting(reached: Callable[[int], float], target: float, guess: int) -> tuple[int, float]:
    """The smallest n such that `reached` is at least `target` for it and for a stretch of larger n, and what it
    reaches."""
    high = max(guess, 2)
    while reached(high) < target:
        high = _bounded(high * 1.5)
    low = 0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) >= target else (middle, high)
    # Bisection finds one crossing of the saw; from well below it follow the teeth to the last.
    window = min(max(20, ceil(0.1 * high)), 200)
    n = i = max(1, high - window)
    while i - n <= window:
        if reached(i) < target:
            n = i + 1
        i += 1
    return n, reached(n)


def detectable_difference_mcnemar(
    n: int, discordance: float, power: float = 0.8, alpha: float = 0.05, method: McnemarMethod = "exact"
) -> float:
    """The smallest difference of accuracies that McNemar's test on n cases detects with the given power.

    Parameters
    ----------
    n : int
        Cases.
    discordance : float
        Share psi of cases that exactly one of the models has right, 0 to 1.
    power : float, default 0.8
        Probability of detection, above alpha.
    alpha : float, default 0.05
        Two-sided level of the test.
    method : {"exact", "midp", "asymptotic"}
        As in `mcnemar_power`.

    Returns
    -------
    float
        NaN where even a difference of psi, the largest possible, is not detected with that power.

    Raises
    ------
    InputError
        An argument outside its range or an unknown method.

    Notes
    -----
    Solves `mcnemar_power(n, (psi + d)/2, (psi - d)/2) = power` for d.

    Examples
    --------
    >>> from hybridcx.stats import detectable_difference_mcnemar
    >>> round(detectable_difference_mcnemar(331, 0.1), 3)
    0.05
    """
    _check_power(power, alpha)
    if not 0 <= discordance <= 1:
        raise InputError(Problem("the discordance lies between 0 and 1", value=discordance, column="discordance"))
    region = _region(n, discordance, alpha, method)

    def excess(d: float) -> float:
        return region.power((1 + d / discordance) / 2) - power

    if discordance == 0 or excess(discordance) < 0:
        return nan
    # The asymptotic test is liberal: without any difference its power can lie a little above alpha.
    return float(optimize.brentq(excess, 0.0, discordance, xtol=1e-10)) if excess(0.0) < 0 else 0.0


def detectable_difference_normal(
    std_error: float, power: float = 0.8, alpha: float = 0.05, degrees_of_freedom: float = inf
) -> float:
    """The smallest difference that a two-sided z test with this standard error detects, (z_{1-alpha/2} + z_power) times it; or a t test.

    For differences whose standard error is known from the data (AUROC, Brier score). With `degrees_of_freedom` the error is estimated with so
    many: d / error is then the noncentrality at which the noncentral t exceeds t_{1-alpha/2} with that power. The far tail is neglected. NaN for
    a NaN error.

    Raises:
        InputError: a negative or infinite error, power or alpha outside 0 to 1, a power not above alpha, or degrees of freedom that are not positive.
    """
    _check_power(power, alpha)
    if std_error < 0 or np.isinf(std_error):
        raise InputError(Problem("a standard error is not negative and finite", value=std_error, column="std_error"))
    if not degrees_of_freedom > 0:
        raise InputError(Problem("degrees of freedom are positive", value=degrees_of_freedom))
    z = float(special.ndtri(power)) - float(special.ndtri(alpha / 2))
    return std_error * (z if np.isinf(degrees_of_freedom) else _noncentrality(power, alpha, degrees_of_freedom, z))


@lru_cache(maxsize=64)
def _noncentrality(power: float, alpha: float, degrees_of_freedom: float, at_least: float) -> float:
    critical = float(special.stdtrit(degrees_of_freedom, 1 - alpha / 2))

    def excess(shift: float) -> float:
        return float(stats.nct.sf(critical, degrees_of_freedom, shift)) - power

    high = at_least
    while excess(high) < 0:
        high *= 2
    return float(optimize.brentq(excess, 0.0, high, xtol=1e-12))


def _check_power(power: float, alpha: float) -> None:
    check_share("power", power)
    check_share("alpha", alpha)
    if power <= alpha:
        raise InputError(Problem("the power must exceed alpha", value=power, column="power"))


def _restricted_p01(p10: Floats, p01: Floats, margin: float) -> Floats:
    """Tango's (1998) estimate of p01 under p10 - p01 = -margin: the larger root of 2 q^2 - B q + p01 margin (1 +
    margin)."""
    b = p10 + p01 + (2 - p10 + p01) * margin
    c = p01 * margin * (1 + margin)
    return np.asarray((b + np.sqrt(np.maximum(b**2 - 8 * c, 0.0))) / 4)


def _null_variance(p10: Floats, p01: Floats, margin: float) -> Floats:
    """Variance of one case's difference under the null, p10 + p01 - (p10 - p01)^2 at the restricted estimates."""
    return np.asarray(2 * _restricted_p01(p10, p01, margin) - margin - margin**2)


def noninferiority_paired_power(n: int, margin: float, p10: float, p01: float, alpha: float = 0.025) -> float:
    """Power of Tango's score test of p10 - p01 > -margin, enumerated over all outcomes of n cases.

    Parameters
    ----------
    n : int
        Cases. Work grows with n^2 times the discordance's spread: some seconds for n = 10,000.
    margin : float
        Largest tolerated loss of accuracy, 0 to 1.
    p10, p01 : float
        Probabilities that only the first, only the second model is right.
    alpha : float, default 0.025
        One-sided level of the test.

    Returns
    -------
    float
        With p10 - p01 = -margin the size of the test.

    Raises
    ------
    InputError
        An argument outside its range.

    Notes
    -----
    The test rejects where (b - c + n margin)/sqrt(n v) is at least the normal quantile of 1 - alpha, v the variance at the estimates restricted to
    the null hypothesis.

    References
    ----------
    .. [1] Tango (1998). Statistics in Medicine 17:891-908. doi:10.1002/(SICI)1097-0258(19980430)17:8<891::AID-SIM780>3.0.CO;2-B

    Examples
    --------
    >>> from hybridcx.stats import noninferiority_paired_power
    >>> round(noninferiority_paired_power(200, 0.05, 0.05, 0.05), 4)
    0.5618
    """
    check_n(n)
    check_share("margin", margin)
    check_discordance(p10, p01)
    check_share("alpha", alpha)
    z = float(stats.norm.isf(alpha))
    b, cs = (
        np.arange(stats.binom.ppf(_NEGLIGIBLE, n, p), stats.binom.isf(_NEGLIGIBLE, n, p) + 1, dtype=np.float64)
        for p in (p10, p01)
    )
    total = 0.0
    # A block of rows at a time, so that memory stays bounded.
    for c in np.array_split(cs[:, None], max(1, len(b) * len(cs) // _BLOCK)):
        concordant = n - b - c
        log_p = special.gammaln(n + 1) - special.gammaln(b + 1) - special.gammaln(c + 1)
        log_p = log_p - special.gammaln(np.maximum(concordant, 0) + 1)
        log_p = log_p + special.xlogy(b, p10) + special.xlogy(c, p01)
        log_p = log_p + special.xlogy(np.maximum(concordant, 0), max(1 - p10 - p01, 0.0))
        score = (b - c + n * margin) / np.sqrt(n * _null_variance(b / n, c / n, margin))
        total += float(np.exp(log_p[(score >= z) & (concordant >= 0)]).sum())
    return min(total, 1.0)


def noninferiority_paired_n(
    margin: float,
    p10: float,
    p01: float,
    power: float = 0.8,
    alpha: float = 0.025,
    method: NoninferiorityMethod = "asymptotic",
) -> SampleSize:
    """Cases that Tango's score test needs to show that the first model is not worse than the second by `margin`.

    Parameters
    ----------
    margin : float
        Largest tolerated loss of accuracy, 0 to 1.
    p10, p01 : float
        Expected probabilities that only the first, only the second model is right.
    power : float, default 0.8
        Probability of showing it, above alpha.
    alpha : float, default 0.025
        One-sided level of the test.
    method : {"asymptotic", "exact"}
        A formula, or the smallest n from which on the enumerated power holds.

    Returns
    -------
    SampleSize
        `value` is the power by the method named.

    Raises
    ------
    InputError
        An argument outside its range, an expected difference at or below -margin, or more than 10 million cases.

    Notes
    -----
    "asymptotic": (z_{1-alpha} s0 + z_power s1)^2/(p10 - p01 + margin)^2 rounded up, s1^2 = p10 + p01 - (p10 - p01)^2 and s0^2 the same at the
    probabilities restricted to the null hypothesis.

    References
    ----------
    .. [1] Tango (1998). Statistics in Medicine 17:891-908. doi:10.1002/(SICI)1097-0258(19980430)17:8<891::AID-SIM780>3.0.CO;2-B
    .. [2] Lu and Bean (1995). Statistics in Medicine 14:1831-1839.
    .. [3] Nam (1997). Biometrics 53:1422-1430.

    Examples
    --------
    >>> from hybridcx.stats import noninferiority_paired_n
    >>> noninferiority_paired_n(0.05, 0.05, 0.05)
    SampleSize(method='asymptotic', n=350, value=0.800462)
    """
    check_share("margin", margin)
    check_discordance(p10, p01)
    _check_power(power, alpha)
    gain = p10 - p01 + margin
    if gain <= 0:
        raise InputError(
            Problem(
                "the expected difference is not above -margin",
                value=p10 - p01,
                remedy="no test set can show non-inferiority then",
            )
        )
    if method not in ("asymptotic", "exact"):
        raise InputError(Problem("unknown method", value=method, column="method", remedy="choose asymptotic or exact"))
    s0 = sqrt(float(_null_variance(np.array([p10]), np.array([p01]), margin)[0]))
    s1 = sqrt(max(p10 + p01 - (p10 - p01) ** 2, 0.0))
    z_alpha, z_power = float(stats.norm.isf(alpha)), float(stats.norm.ppf(power))
    n = _bounded(max((z_alpha * s0 + z_power * s1) / gain, 0.0) ** 2)
    if method == "exact":
        found = _smallest_lasting(lambda i: noninferiority_paired_power(i, margin, p10, p01, alpha), power, n)
        return SampleSize(method, *found)
    reached = float(stats.norm.cdf((gain * sqrt(n) - z_alpha * s0) / s1)) if s1 > 0 else 1.0
    return SampleSize(method, n, reached)
