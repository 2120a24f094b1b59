"""The difference of two proportions on the same cases: intervals, the score test, a permutation test, overlap of errors.

The paired table of two models on n cases is (n11, n10, n01, n00): both right, only the model, only the comparator, both wrong.
b = n10, c = n01, and the estimate is (b - c) / n, model minus comparator, by every method here.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan, nan, sqrt
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from hybridcx.stats.confusion import boolean_columns
from hybridcx.stats.mcnemar import NO_DISCORDANT, exact_pvalues
from hybridcx.stats.proportions import normal_quantile, wilson_limits
from hybridcx.stats.results import PairedTest, Result, Status

FloatArray = npt.NDArray[np.float64]

EXACT_PERMUTATION_MAX = 20
"""Up to this number of discordant cases all label swaps are counted, beyond it they are drawn (docs/reference/conventions.md, "Bootstrap")."""

NO_CASES = "there are no cases to compare the models on"


class PairedTable(NamedTuple):
    """The paired table of two models on n cases.

    Attributes
    ----------
    n11, n10, n01, n00 : int
        Cases that both got right, only the model, only the comparator, neither.
    """

    n11: int
    n10: int
    n01: int
    n00: int

    @property
    def b(self) -> int:
        """Cases that only the model got right."""
        return self.n10

    @property
    def c(self) -> int:
        """Cases that only the comparator got right."""
        return self.n01

    @property
    def n(self) -> int:
        """Number of cases."""
        return sum(self)


def paired_table(correct_a: npt.ArrayLike, correct_b: npt.ArrayLike) -> PairedTable:
    """Count the paired table of two models on the same cases.

    Parameters
    ----------
    correct_a, correct_b : array_like of bool, shape (n,)
        Whether the model, the comparator is right on each case.

    Returns
    -------
    PairedTable
        The named tuple (n11, n10, n01, n00), with `b` = n10, `c` = n01 and `n`.

    Raises
    ------
    ValueError
        Arrays that are not boolean or differ in length. 0 and 1 are refused, as they may be predictions passed by mistake.

    Notes
    -----
    For sensitivity pass the positive cases alone, for specificity the negative ones.

    Examples
    --------
    >>> from hybridcx.stats import paired_table
    >>> table = paired_table([True, True, False, True], [True, False, False, False])
    >>> table, table.b, table.c, table.n
    (PairedTable(n11=1, n10=2, n01=0, n00=1), 2, 0, 4)
    """
    a, b = boolean_columns(correct_a=correct_a, correct_b=correct_b)
    n11 = int(np.count_nonzero(a & b))
    n10, n01 = int(np.count_nonzero(a)) - n11, int(np.count_nonzero(b)) - n11
    return PairedTable(n11, n10, n01, a.size - n11 - n10 - n01)


def _check_table(n11: int, n10: int, n01: int, n00: int) -> int:
    if min(n11, n10, n01, n00) < 0:
        raise ValueError(f"counts cannot be negative: n11 = {n11}, n10 = {n10}, n01 = {n01}, n00 = {n00}")
    return n11 + n10 + n01 + n00


def _state(b: int, c: int, n: int) -> tuple[Status, str]:
    """Status and warning that every method of paired proportions shares."""
    if n == 0:
        return "not_estimable", NO_CASES
    return ("caution", NO_DISCORDANT) if b + c == 0 else ("ok", "")


def _difference(
    method: str,
    b: int,
    c: int,
    n: int,
    limits: tuple[float, float],
    confidence_level: float,
    statistic: float = nan,
    pvalue: float = nan,
    std_error: float = nan,
) -> PairedTest:
    status, warning = _state(b, c, n)
    estimate = (b - c) / n if n else nan
    return PairedTest(
        method,
        estimate,
        *limits,
        confidence_level,
        statistic=statistic,
        pvalue=pvalue,
        n=n,
        b=b,
        c=c,
        std_error=std_error,
        status=status,
        warning=warning,
    )


def newcombe_paired(n11: int, n10: int, n01: int, n00: int, confidence_level: float = 0.95) -> PairedTest:
    """Newcombe's interval (method 10) of the difference of two paired proportions.

    Parameters
    ----------
    n11, n10, n01, n00 : int
        Cases that both models got right, only the model, only the comparator, neither (`paired_table`).
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.

    Returns
    -------
    PairedTest
        Limits alone: no p-value. `not_estimable` without cases.

    Raises
    ------
    ValueError
        A count that is negative or above its total, or a level outside 0 to 1.

    Notes
    -----
    With p1 = (n11 + n10)/n, p2 = (n11 + n01)/n and their Wilson limits (l1, u1), (l2, u2):
    L = d - sqrt((p1 - l1)^2 - 2 phi (p1 - l1)(u2 - p2) + (u2 - p2)^2) and
    U = d + sqrt((u1 - p1)^2 - 2 phi (u1 - p1)(p2 - l2) + (p2 - l2)^2).
    phi is the correlation of the table with the continuity correction of method 10: its numerator A = n11 n00 - n10 n01 becomes
    max(A - n/2, 0) if A > 0; phi is 0 where a margin is empty.

    References
    ----------
    .. [1] Newcombe (1998). Statistics in Medicine 17:2635-2650. doi:10.1002/(SICI)1097-0258(19981130)17:22<2635::AID-SIM954>3.0.CO;2-C

    Examples
    --------
    >>> from hybridcx.stats import newcombe_paired
    >>> newcombe_paired(1, 1, 7, 12)
    PairedTest(method='newcombe_paired', estimate=-0.285714, conf_low=-0.50692, conf_high=-0.0255591, conf_level=0.95,
        n=21, b=1, c=7)
    """
    n = _check_table(n11, n10, n01, n00)
    if n == 0:
        return _difference("newcombe_paired", n10, n01, 0, (nan, nan), confidence_level)
    p1, p2 = (n11 + n10) / n, (n11 + n01) / n
    lows, highs = wilson_limits([n11 + n10, n11 + n01], n, confidence_level)
    l1, l2, u1, u2 = (float(v) for v in (*lows, *highs))
    margins = float(n11 + n10) * (n01 + n00) * (n11 + n01) * (n10 + n00)
    numerator = float(n11 * n00 - n10 * n01)
    if numerator > 0:
        numerator = max(numerator - n / 2, 0.0)
    phi = numerator / sqrt(margins) if margins > 0 else 0.0

    def reach(x: float, y: float) -> float:
        return sqrt(max(x * x - 2 * phi * x * y + y * y, 0.0))

    d = (n10 - n01) / n
    limits = (max(d - reach(p1 - l1, u2 - p2), -1.0), min(d + reach(u1 - p1, p2 - l2), 1.0))
    return _difference("newcombe_paired", n10, n01, n, limits, confidence_level)


def tango_score(b: npt.ArrayLike, c: npt.ArrayLike, n: npt.ArrayLike, delta: npt.ArrayLike) -> FloatArray:
    """Tango's (1998, Statistics in Medicine 17:891) score statistic of the hypothesis p1 - p2 = delta, for arrays (they broadcast).

    z = (b - c - n delta) / sqrt(n (2 q + delta - delta^2)), where q, the probability of a case that only the comparator gets right,
    is its maximum likelihood estimate under the hypothesis: the larger root of
    2n q^2 - (b + c - (2n - b + c) delta) q - c delta (1 - delta) = 0. At delta = 0 it is (b - c) / sqrt(b + c), whose square is
    McNemar's chi-square. Standard normal under the hypothesis. NaN where numerator and variance are both 0 (b = c = 0 at delta = 0).
    For delta < 0 the models are swapped, which keeps the root free of cancellation.

    >>> round(float(tango_score(1, 7, 21, 0.0)), 6)
    -2.12132
    """
    x, y, size, d = np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in (b, c, n, delta)))
    turn = np.where(d < 0, -1.0, 1.0)
    only_b, only_c, d = np.where(d < 0, y, x), np.where(d < 0, x, y), np.abs(d)
    half = (2 * size - only_b + only_c) * d - only_b - only_c
    constant = only_c * d * (1 - d)
    root = np.sqrt(half * half + 8 * size * constant)
    with np.errstate(divide="ignore", invalid="ignore"):
        # The larger root in whichever of its two forms subtracts nothing.
        q = np.where(half > 0, 2 * constant / (root + half), (root - half) / (4 * size))
        variance = size * (2 * q + d * (1 - d))
        gap = only_b - only_c - size * d
        return np.asarray(turn * gap / np.sqrt(variance), dtype=np.float64)


def _excess(delta: float, b: int, c: int, n: int, z2: float) -> float:
    """(b - c - n delta)^2 - z^2 variance(delta): negative inside Tango's interval. Plain floats, for the root search; delta >= 0."""
    half = (2 * n - b + c) * delta - b - c
    constant = c * delta * (1 - delta)
    root = sqrt(half * half + 8 * n * constant)
    q = 2 * constant / (root + half) if half > 0 else (root - half) / (4 * n)
    return (b - c - n * delta) ** 2 - z2 * n * (2 * q + delta * (1 - delta))


def _upper(b: int, c: int, n: int, z: float) -> float:
    """Upper limit of Tango's interval for 0 < b + c."""
    if b == n:
        return 1.0
    z2, d = z * z, (b - c) / n

    def signed(delta: float) -> float:
        # For delta < 0 the same hypothesis with the models swapped.
        return _excess(delta, b, c, n, z2) if delta >= 0 else _excess(-delta, c, b, n, z2)

    if c == n:
        return (z2 - n) / (n + z2)
    if z == 0:
        return d
    return float(optimize.brentq(signed, d, 1.0, xtol=1e-15, rtol=8.9e-16, maxiter=300))


def tango_limits(b: int, c: int, n: int, confidence_level: float = 0.95) -> tuple[float, float]:
    """Tango's (1998) score interval: all delta whose score statistic lies within -+z (`tango_score`), found by a bracketed root search.

    Closed forms at the edges: b = c = 0 gives -+z^2 / (n + z^2); b = n gives ((n - z^2) / (n + z^2), 1). n = 0 gives NaN.
    """
    z = normal_quantile(confidence_level)
    if min(b, c, n) < 0 or b + c > n:
        raise ValueError(f"b and c discordant cases out of n need b + c <= n, got b = {b}, c = {c}, n = {n}")
    if n == 0:
        return nan, nan
    if b + c == 0:
        edge = z * z / (n + z * z)
        return -edge, edge
    return -_upper(c, b, n, z), _upper(b, c, n, z)


def tango(n11: int, n10: int, n01: int, n00: int, confidence_level: float = 0.95) -> PairedTest:
    """Tango's score interval of the difference of two paired proportions, with the score test of no difference.

    Parameters
    ----------
    n11, n10, n01, n00 : int
        Cases that both models got right, only the model, only the comparator, neither (`paired_table`).
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.

    Returns
    -------
    PairedTest
        `statistic` is the signed z = (b - c) / sqrt(b + c). `not_estimable` without cases.

    Raises
    ------
    ValueError
        A count that is negative or above its total, or a level outside 0 to 1.

    Notes
    -----
    All differences whose score statistic lies within -+z. The test is McNemar's asymptotic one without continuity correction, so that 0 lies outside
    the interval exactly if p < 1 - confidence_level. b = c = 0: interval -+z^2/(n + z^2), p = 1, no statistic, `caution`.

    References
    ----------
    .. [1] Tango (1998). Statistics in Medicine 17:891-908. doi:10.1002/(SICI)1097-0258(19980430)17:8<891::AID-SIM780>3.0.CO;2-B

    Examples
    --------
    >>> from hybridcx.stats import paired_table, tango
    >>> tango(1, 1, 7, 12)
    PairedTest(method='tango', estimate=-0.285714, conf_low=-0.517232, conf_high=-0.026003, conf_level=0.95,
        statistic=-2.12132, pvalue=0.0338949, n=21, b=1, c=7)
    >>> table = paired_table([True, True, False, True], [True, False, False, False])
    >>> round(tango(*table).pvalue, 4)
    0.1573
    """
    n = _check_table(n11, n10, n01, n00)
    limits = tango_limits(n10, n01, n, confidence_level)
    if n == 0:
        return _difference("tango", n10, n01, n, limits, confidence_level)
    z = float(tango_score(n10, n01, n, 0.0))
    p = 1.0 if isnan(z) else 2 * float(special.ndtr(-abs(z)))
    return _difference("tango", n10, n01, n, limits, confidence_level, statistic=z, pvalue=p)


def tango_pvalue(b: int, c: int, n: int, null: float) -> float:
    """One-sided p of "p1 - p2 <= null" against "> null" by Tango's score test, as for non-inferiority.

    Parameters
    ----------
    b, c : int
        Cases that only the model, only the comparator got right (`paired_table`).
    n : int
        Cases compared: all for accuracy, those of the class for sensitivity and specificity.
    null : float
        Difference under the hypothesis, strictly between -1 and 1; for non-inferiority with margin m it is -m.

    Returns
    -------
    float
        NaN for n = 0; 1 for b = c = 0 at `null` = 0.

    Raises
    ------
    ValueError
        `null` outside -1 to 1.

    Notes
    -----
    The other side, p1 - p2 >= null, is `tango_pvalue(c, b, n, -null)`.

    References
    ----------
    .. [1] Tango (1998). Statistics in Medicine 17:891-908. doi:10.1002/(SICI)1097-0258(19980430)17:8<891::AID-SIM780>3.0.CO;2-B

    Examples
    --------
    >>> from hybridcx.stats import tango_pvalue
    >>> round(tango_pvalue(3, 5, 100, -0.1), 6)
    0.011893
    """
    if not -1 < null < 1:
        raise ValueError(f"the null difference must lie strictly between -1 and 1, got {null}")
    if n == 0:
        return nan
    z = float(tango_score(b, c, n, null))
    return 1.0 if isnan(z) else float(special.ndtr(-z))


def agresti_min(n11: int, n10: int, n01: int, n00: int, confidence_level: float = 0.95) -> PairedTest:
    """Agresti and Min's interval of the difference of two paired proportions.

    Parameters
    ----------
    n11, n10, n01, n00 : int
        Cases that both models got right, only the model, only the comparator, neither (`paired_table`).
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.

    Returns
    -------
    PairedTest
        Limits alone: no p-value. The estimate stays (b - c) / n, and the shrunken interval need not contain it. `not_estimable` without cases.

    Raises
    ------
    ValueError
        A count that is negative or above its total, or a level outside 0 to 1.

    Notes
    -----
    Wald's interval after adding 1/2 to each of the four cells: with b* = b + 1/2, c* = c + 1/2, n* = n + 2 and d* = (b* - c*)/n*, the limits are
    d* -+ z sqrt(b* + c* - (b* - c*)^2/n*) / n*, clipped to -1 to 1.

    References
    ----------
    .. [1] Agresti and Min (2005). Statistics in Medicine 24:729-740. doi:10.1002/sim.1781

    Examples
    --------
    >>> from hybridcx.stats import agresti_min
    >>> agresti_min(1, 1, 7, 12)
    PairedTest(method='agresti_min', estimate=-0.285714, conf_low=-0.493226, conf_high=-0.0285133, conf_level=0.95, n=21,
        b=1, c=7, std_error=0.118551)
    """
    n = _check_table(n11, n10, n01, n00)
    z = normal_quantile(confidence_level)
    if n == 0:
        return _difference("agresti_min", n10, n01, 0, (nan, nan), confidence_level)
    size, centre = n + 2.0, (n10 - n01) / (n + 2.0)
    error = sqrt(n10 + n01 + 1 - (n10 - n01) ** 2 / size) / size
    limits = (max(centre - z * error, -1.0), min(centre + z * error, 1.0))
    return _difference("agresti_min", n10, n01, n, limits, confidence_level, std_error=error)


def permutation_paired_counts(
    b: int, c: int, n: int, n_resamples: int = 9999, rng: np.random.Generator | None = None
) -> PairedTest:
    """Permutation test of the difference of two paired proportions: the models are swapped within cases.

    Parameters
    ----------
    b, c : int
        Cases that only the model, only the comparator got right (`paired_table`).
    n : int
        Cases compared: all for accuracy, those of the class for sensitivity and specificity.
    n_resamples : int, default 9999
        Swaps drawn where they cannot all be counted.
    rng : numpy.random.Generator, optional
        Draws them; needed above 20 discordant cases.

    Returns
    -------
    PairedTest
        `n_resamples` is NaN where the test is exact. b = c = 0: p = 1, `caution`. `not_estimable` for n = 0.

    Raises
    ------
    ValueError
        Impossible counts, or swaps must be drawn and `rng` is missing or `n_resamples` below 1.

    Notes
    -----
    Only discordant cases move the difference, so b is binomial(b + c, 1/2) under permutation and the two-sided p is P(|2X - (b + c)| >= |b - c|). Up
    to 20 discordant cases all 2^(b + c) swaps are counted (McNemar's exact test); beyond it p = (1 + count) / (B + 1).

    Examples
    --------
    >>> from hybridcx.stats import permutation_paired_counts
    >>> permutation_paired_counts(1, 7, 21).pvalue
    0.0703125
    """
    if min(b, c) < 0 or b + c > n:
        raise ValueError(f"b and c discordant cases out of n need b + c <= n, got b = {b}, c = {c}, n = {n}")
    status, warning = _state(b, c, n)
    if n == 0:
        return PairedTest("permutation_paired", nan, n=n, b=b, c=c, status=status, warning=warning)
    discordant = b + c
    drawn = nan
    if discordant <= EXACT_PERMUTATION_MAX:
        p = float(exact_pvalues(b, c))
    else:
        if rng is None or n_resamples < 1:
            raise ValueError(
                f"{discordant} discordant cases are too many to enumerate: rng and n_resamples >= 1 needed"
            )
        swapped = np.abs(2 * rng.binomial(discordant, 0.5, size=n_resamples) - discordant)
        p = (1 + int(np.count_nonzero(swapped >= abs(b - c)))) / (n_resamples + 1)
        drawn = n_resamples
    return PairedTest(
        "permutation_paired",
        (b - c) / n,
        pvalue=p,
        n=n,
        b=b,
        c=c,
        n_resamples=drawn,
        status=status,
        warning=warning,
    )


@dataclass(frozen=True, slots=True, repr=False)
class ErrorOverlap(Result):
    """How far two models err on the same cases. `kappa`: Cohen's kappa of the two error indicators. `double_fault`: share of cases
    that both get wrong (Giacinto and Roli 2001). `either_fault`: share that at least one gets wrong."""

    kappa: float
    double_fault: float
    either_fault: float
    n: int
    status: Status = "ok"
    warning: str = ""


def error_overlap(correct_a: npt.ArrayLike, correct_b: npt.ArrayLike) -> ErrorOverlap:
    """How far two models err on the same cases.

    Parameters
    ----------
    correct_a, correct_b : array_like of bool, shape (n,)
        Whether the model, the comparator is right on each case.

    Returns
    -------
    ErrorOverlap
        `kappa`, Cohen's kappa of the two error indicators: 1 if the models err on the same cases, 0 if as often together as by chance;
        `double_fault`, the share of cases that both get wrong; `either_fault`, that at least one gets wrong. kappa is NaN (`caution`) where a model
        is always right or always wrong. `not_estimable` without cases.

    Raises
    ------
    ValueError
        Arrays that are not boolean or differ in length.

    Notes
    -----
    kappa = (po - pe) / (1 - pe) with po = (n11 + n00)/n and pe from the margins.

    References
    ----------
    .. [1] Giacinto and Roli (2001). Image and Vision Computing 19:699-707.

    Examples
    --------
    >>> from hybridcx.stats import error_overlap
    >>> error_overlap([True, True, False, True], [True, False, False, True])
    ErrorOverlap(kappa=0.5, double_fault=0.25, either_fault=0.5, n=4)
    """
    n11, n10, n01, n00 = paired_table(correct_a, correct_b)
    n = n11 + n10 + n01 + n00
    if n == 0:
        return ErrorOverlap(nan, nan, nan, 0, "not_estimable", NO_CASES)
    double, either = n00 / n, (n - n11) / n
    right_a, right_b = n11 + n10, n11 + n01
    if right_a in (0, n) or right_b in (0, n):
        return ErrorOverlap(
            nan,
            double,
            either,
            n,
            "caution",
            "a model is always right or always wrong: the kappa of errors is undefined",
        )
    observed = (n11 + n00) / n
    expected = (right_a * right_b + (n - right_a) * (n - right_b)) / n**2
    return ErrorOverlap((observed - expected) / (1 - expected), double, either, n)
