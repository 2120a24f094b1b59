"""McNemar's test in four forms, and Cochran's Q for k models.

b counts the cases that only the model got right, c those that only the comparator did. Under the null hypothesis b is
binomial(b + c, 1/2). Conventions at the edges (docs/reference/conventions.md, "McNemar"): b = c = 0 gives p = 1 by every method, without a
statistic and with a caution; b = c > 0 gives p = 1, and for mid-p 1 - f(b)/2 (Fagerland, Lydersen and Laake 2013).
Popular libraries return p = 0 for two identical models.
"""

from __future__ import annotations

from collections.abc import Callable
from math import nan

import numpy as np
import numpy.typing as npt
from scipy import special

from hybridcx.stats import distributions as stats
from hybridcx.stats.results import Omnibus, PairedTest

FloatArray = npt.NDArray[np.float64]

NO_DISCORDANT = "no discordant pair: the models are right and wrong on the same cases, p is 1 by definition"


def _discordant(b: npt.ArrayLike, c: npt.ArrayLike) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """b, c, b + c and |b - c| as float arrays of one shape."""
    mine, theirs = np.broadcast_arrays(np.asarray(b, dtype=np.float64), np.asarray(c, dtype=np.float64))
    if np.any(mine < 0) or np.any(theirs < 0):
        raise ValueError("discordant counts cannot be negative")
    return mine, theirs, mine + theirs, np.abs(mine - theirs)


def _tail(k: FloatArray, m: FloatArray) -> FloatArray:
    """P(X <= k) of binomial(m, 1/2) for k <= m/2, by the incomplete beta function I_1/2(m - k, k + 1)."""
    tail = special.betainc(np.maximum(m - k, 1.0), k + 1, 0.5)
    return np.where(m == 0, 1.0, tail)


def exact_pvalues(b: npt.ArrayLike, c: npt.ArrayLike) -> FloatArray:
    """Two-sided exact p of arrays of discordant counts: min(1, 2 P(X <= min(b, c))) for X ~ binomial(b + c, 1/2).

    >>> exact_pvalues([1, 0, 3], [7, 0, 3]).tolist()
    [0.0703125, 1.0, 1.0]
    """
    mine, theirs, m, _ = _discordant(b, c)
    return np.minimum(2 * _tail(np.minimum(mine, theirs), m), 1.0)


def _point_probability(k: FloatArray, m: FloatArray) -> FloatArray:
    """P(X = k) of binomial(m, 1/2)."""
    log_choose = special.gammaln(m + 1) - special.gammaln(k + 1) - special.gammaln(m - k + 1)
    return np.asarray(np.exp(log_choose - m * np.log(2)), dtype=np.float64)


def midp_pvalues(b: npt.ArrayLike, c: npt.ArrayLike) -> FloatArray:
    """Mid-p (Fagerland 2013): 2 P(X <= min) - P(X = min), and 1 - P(X = b)/2 for b = c > 0, 1 for b = c = 0.

    >>> round(float(midp_pvalues(1, 7)), 7)
    0.0390625
    """
    mine, theirs, m, gap = _discordant(b, c)
    smaller = np.minimum(mine, theirs)
    point = _point_probability(smaller, m)
    unequal = 2 * _tail(smaller, m) - point
    return np.where(m == 0, 1.0, np.where(gap == 0, 1 - point / 2, unequal))


def asymptotic_statistics(b: npt.ArrayLike, c: npt.ArrayLike) -> FloatArray:
    """(b - c)^2 / (b + c), chi-square with 1 degree of freedom; NaN for b = c = 0."""
    _, _, m, gap = _discordant(b, c)
    return gap**2 / np.where(m > 0, m, np.nan)


def corrected_statistics(b: npt.ArrayLike, c: npt.ArrayLike) -> FloatArray:
    """max(|b - c| - 1, 0)^2 / (b + c) (Edwards 1948); NaN for b = c = 0."""
    _, _, m, gap = _discordant(b, c)
    return np.maximum(gap - 1, 0) ** 2 / np.where(m > 0, m, np.nan)


def _chi_square_pvalues(statistics: FloatArray, degrees: float = 1.0) -> FloatArray:
    p = special.chdtrc(degrees, np.nan_to_num(statistics, nan=0.0))
    return np.asarray(p, dtype=np.float64)


def asymptotic_pvalues(b: npt.ArrayLike, c: npt.ArrayLike) -> FloatArray:
    """p of McNemar's (1947) chi-square without continuity correction, for arrays; 1 for b = c = 0."""
    return _chi_square_pvalues(asymptotic_statistics(b, c))


def corrected_pvalues(b: npt.ArrayLike, c: npt.ArrayLike) -> FloatArray:
    """p of McNemar's chi-square with continuity correction, for arrays; 1 for b = c = 0."""
    return _chi_square_pvalues(corrected_statistics(b, c))


def _test(
    method: str,
    b: int,
    c: int,
    n: int,
    pvalues: Callable[[npt.ArrayLike, npt.ArrayLike], FloatArray],
    statistics: Callable[[npt.ArrayLike, npt.ArrayLike], FloatArray] | None = None,
) -> PairedTest:
    if b + c > n:
        raise ValueError(f"b + c discordant cases out of n need b + c <= n, got b = {b}, c = {c}, n = {n}")
    p = float(pvalues(b, c))
    if n == 0:
        return PairedTest(
            method, nan, n=n, b=b, c=c, status="not_estimable", warning="there are no cases to compare the models on"
        )
    statistic = nan if statistics is None else float(statistics(b, c))
    return PairedTest(
        method,
        (b - c) / n,
        statistic=statistic,
        parameter=nan if statistics is None else 1.0,
        pvalue=p,
        n=n,
        b=b,
        c=c,
        status="caution" if b + c == 0 else "ok",
        warning=NO_DISCORDANT if b + c == 0 else "",
    )


def mcnemar_exact(b: int, c: int, n: int) -> PairedTest:
    """McNemar's exact conditional test.

    Parameters
    ----------
    b, c : int
        Cases that only the model, only the comparator got right (`paired_table`).
    n : int
        Cases compared: all for accuracy, those of the class for sensitivity and specificity.

    Returns
    -------
    PairedTest
        Estimate (b - c) / n, no statistic. `not_estimable` for n = 0.

    Raises
    ------
    ValueError
        Negative counts, or b + c above n.

    Notes
    -----
    p = min(1, 2 P(X <= min(b, c))) for X ~ binomial(b + c, 1/2): two-sided by the doubled tail.

    References
    ----------
    .. [1] McNemar (1947). Psychometrika 12:153-157. doi:10.1007/BF02295996
    .. [2] Fagerland, Lydersen and Laake (2013). BMC Medical Research Methodology 13:91. doi:10.1186/1471-2288-13-91

    Examples
    --------
    >>> from hybridcx.stats import mcnemar_exact
    >>> mcnemar_exact(1, 7, 21)
    PairedTest(method='mcnemar_exact', estimate=-0.285714, pvalue=0.0703125, n=21, b=1, c=7)
    """
    return _test("mcnemar_exact", b, c, n, exact_pvalues)


def mcnemar_midp(b: int, c: int, n: int) -> PairedTest:
    """The mid-p version of McNemar's exact test, less conservative and close to its level.

    Parameters
    ----------
    b, c : int
        Cases that only the model, only the comparator got right (`paired_table`).
    n : int
        Cases compared: all for accuracy, those of the class for sensitivity and specificity.

    Returns
    -------
    PairedTest
        Estimate (b - c) / n, no statistic. `not_estimable` for n = 0.

    Raises
    ------
    ValueError
        Negative counts, or b + c above n.

    Notes
    -----
    p = 2 P(X <= m) - P(X = m), m = min(b, c), for X ~ binomial(b + c, 1/2); 1 - P(X = b)/2 for b = c > 0.

    References
    ----------
    .. [1] Fagerland, Lydersen and Laake (2013). BMC Medical Research Methodology 13:91. doi:10.1186/1471-2288-13-91

    Examples
    --------
    >>> from hybridcx.stats import mcnemar_midp, paired_table
    >>> table = paired_table([True, True, False, True], [True, False, False, False])
    >>> mcnemar_midp(table.b, table.c, table.n).pvalue
    0.25
    """
    return _test("mcnemar_midp", b, c, n, midp_pvalues)


def mcnemar_asymptotic(b: int, c: int, n: int) -> PairedTest:
    """McNemar's chi-square test without continuity correction.

    Parameters
    ----------
    b, c : int
        Cases that only the model, only the comparator got right (`paired_table`).
    n : int
        Cases compared: all for accuracy, those of the class for sensitivity and specificity.

    Returns
    -------
    PairedTest
        Estimate (b - c) / n; `statistic` is the chi-square, `df` 1. `not_estimable` for n = 0.

    Raises
    ------
    ValueError
        Negative counts, or b + c above n.

    Notes
    -----
    (b - c)^2 / (b + c), chi-square with 1 degree of freedom.

    References
    ----------
    .. [1] McNemar (1947). Psychometrika 12:153-157. doi:10.1007/BF02295996

    Examples
    --------
    >>> from hybridcx.stats import mcnemar_asymptotic
    >>> mcnemar_asymptotic(1, 7, 21)
    PairedTest(method='mcnemar_asymptotic', estimate=-0.285714, statistic=4.5, parameter=1, pvalue=0.0338949, n=21, b=1,
        c=7)
    """
    return _test("mcnemar_asymptotic", b, c, n, asymptotic_pvalues, asymptotic_statistics)


def mcnemar_corrected(b: int, c: int, n: int) -> PairedTest:
    """McNemar's chi-square test with continuity correction.

    Parameters
    ----------
    b, c : int
        Cases that only the model, only the comparator got right (`paired_table`).
    n : int
        Cases compared: all for accuracy, those of the class for sensitivity and specificity.

    Returns
    -------
    PairedTest
        Estimate (b - c) / n; `statistic` is the chi-square, `df` 1. `not_estimable` for n = 0.

    Raises
    ------
    ValueError
        Negative counts, or b + c above n.

    Notes
    -----
    max(|b - c| - 1, 0)^2 / (b + c), chi-square with 1 degree of freedom.

    References
    ----------
    .. [1] McNemar (1947). Psychometrika 12:153-157. doi:10.1007/BF02295996
    .. [2] Edwards (1948). Psychometrika 13:185-187. doi:10.1007/BF02289261

    Examples
    --------
    >>> from hybridcx.stats import mcnemar_corrected
    >>> mcnemar_corrected(1, 7, 21).statistic
    3.125
    """
    return _test("mcnemar_corrected", b, c, n, corrected_pvalues, corrected_statistics)


def cochran_q(correct: npt.ArrayLike) -> Omnibus:
    """Cochran's Q: are k models equally often right on the same n cases?

    Parameters
    ----------
    correct : array_like of bool, shape (n, k)
        Whether each model is right on each case; k of at least 2.

    Returns
    -------
    Omnibus
        All models right on the same cases: p = 1, no statistic, `caution`. `not_estimable` for n = 0.

    Raises
    ------
    ValueError
        An array that is not boolean, not two-dimensional or has fewer than two columns.

    Notes
    -----
    With C_j the column and R_i the row sums, Q = (k - 1) (k sum C_j^2 - (sum C_j)^2) / (k sum R_i - sum R_i^2), chi-square with k - 1 degrees of
    freedom. For k = 2 it is McNemar's asymptotic chi-square.

    References
    ----------
    .. [1] Cochran (1950). Biometrika 37:256-266. doi:10.1093/biomet/37.3-4.256

    Examples
    --------
    >>> from hybridcx.stats import cochran_q
    >>> cochran_q([[True, True, False], [True, False, False], [True, True, True], [False, True, False]])
    Omnibus(method='cochran_q', statistic=2.66667, parameter=2, pvalue=0.263597, n=4, k=3)
    """
    x = np.asarray(correct)
    if x.dtype != np.bool_ or x.ndim != 2 or x.shape[1] < 2:
        raise ValueError(f"correct must be a boolean array (n, k) with k >= 2, got dtype {x.dtype}, shape {x.shape}")
    n, k = x.shape
    if n == 0:
        return Omnibus("cochran_q", nan, nan, nan, 0, k, "not_estimable", "there are no cases to compare the models on")
    rows = x.sum(axis=1)
    if ((rows == 0) | (rows == k)).all():
        return Omnibus(
            "cochran_q", nan, k - 1, 1.0, n, k, "caution", "all models are right and wrong on the same cases"
        )
    columns = x.sum(axis=0)
    total = int(rows.sum())
    q = (k - 1) * (k * int((columns**2).sum()) - total**2) / (k * total - int((rows**2).sum()))
    return Omnibus("cochran_q", q, k - 1, float(stats.chi2.sf(q, k - 1)), n, k)
