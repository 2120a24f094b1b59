"""Intraclass correlations, standard error of measurement and minimal detectable change of n cases read k times.

The two-way layout without replication has the mean squares between cases (MSB, n - 1 degrees of freedom), between
readers (MSJ, k - 1), residual (MSE, (n - 1)(k - 1)) and within cases (MSW, n(k - 1), readers and residual pooled).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isnan, nan, sqrt
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from hybridcx.errors import InputError, Problem
from hybridcx.stats import distributions as stats
from hybridcx.stats.agreement.tables import Floats, check_level, dropped_note, join_notes, measurements
from hybridcx.stats.results import Agreement, Status

ErrorKind = Literal["anova", "consistency"]
ICC_FORMS = ("icc1", "icc2", "icc3", "icc1k", "icc2k", "icc3k")
BINARY_NOTE = "binary readings: see kappa and AC1"
MDC_FACTOR = 1.96 * sqrt(2)
# Below this share of the residual variance, the reader component may have taken the whole total: what is left is rounding.
_NO_VARIANCE = 1e-8
NO_LIMITS = "the limits of this method do not hold the estimate, which is near or beyond its pole at ICC(.,1) = -1/(k - 1): no limits"
ZERO_WIDTH = (
    "all cases have the same mean reading: F is 0, so the interval has no width and is no evidence of certainty"
)


@dataclass(frozen=True, slots=True)
class _Anova:
    """Mean squares of the complete cases; a sum of squares that is rounding error alone is exactly 0."""

    n: int
    k: int
    msb: float
    msj: float
    mse: float
    msw: float


def _complete(ratings: ArrayLike) -> tuple[Floats, str]:
    x = measurements(ratings)
    whole = ~np.isnan(x).any(axis=1)
    return x[whole], dropped_note(int((~whole).sum()), x.shape[0])


def _anova(x: Floats) -> _Anova:
    n, k = x.shape
    # Subtracting a value of the data first keeps equal readings exactly equal and large offsets harmless.
    d = x - x[0, 0]
    d = d - d.mean()
    case, reader = d.mean(axis=1), d.mean(axis=0)
    residual = d - case[:, None] - reader[None, :]
    # Below this a sum of squares is what rounding leaves of an exact 0.
    floor = n * k * (16 * np.finfo(np.float64).eps * float(np.abs(x).max())) ** 2
    ssb, ssj, sse = (
        s if s > floor else 0.0
        for s in (float(k * case @ case), float(n * reader @ reader), float((residual**2).sum()))
    )
    return _Anova(n, k, ssb / (n - 1), ssj / (k - 1), sse / ((n - 1) * (k - 1)), (ssj + sse) / (n * (k - 1)))


def _spearman_brown(single: float, k: int) -> float:
    """Reliability of the mean of k readings; it falls to minus infinity as the single one falls to -1/(k - 1)."""
    if isnan(single):
        return nan
    return k * single / (1 + (k - 1) * single) if 1 + (k - 1) * single > 0 else -inf


def _one_way_or_consistency(f: float, df1: int, df2: int, k: int, alpha: float) -> tuple[float, float, float, float]:
    """Limits of the single and the mean form from the F ratio; the same algebra serves ICC(1) and ICC(3)."""
    low = f / float(stats.f.ppf(1 - alpha / 2, df1, df2))
    high = f * float(stats.f.ppf(1 - alpha / 2, df2, df1))
    single = tuple((v - 1) / (v + k - 1) for v in (low, high))
    mean = tuple(1 - 1 / v if v > 0 else -inf for v in (low, high))
    return single[0], single[1], mean[0], mean[1]


def _absolute(a: _Anova, rho: float, alpha: float) -> tuple[float, float]:
    """Limits of ICC(2,1): Satterthwaite's degrees of freedom v (Shrout and Fleiss 1979; McGraw and Wong 1996, table
    7); NaN where v is 0/0."""
    n, k = a.n, a.k
    fj = a.msj / a.mse
    rest = n * (1 + (k - 1) * rho) - k * rho
    bottom = (n - 1) * (k * rho * fj) ** 2 + rest**2
    if bottom == 0:  # neither cases nor readers differ in their means
        return nan, nan
    v = (k - 1) * (n - 1) * (k * rho * fj + rest) ** 2 / bottom
    upper_f = float(stats.f.ppf(1 - alpha / 2, n - 1, v))
    lower_f = float(stats.f.ppf(1 - alpha / 2, v, n - 1))
    spread = k * a.msj + (k * n - k - n) * a.mse
    low = n * (a.msb - upper_f * a.mse) / (upper_f * spread + n * a.msb)
    high = n * (lower_f * a.msb - a.mse) / (spread + n * lower_f * a.msb)
    return low, high


def _estimates(a: _Anova) -> dict[str, float]:
    """The six forms; NaN where the denominator, which stands for the total variance, is not positive.

    Where the reader component is negative it can cancel the others: what rounding leaves of 0 counts as 0.
    """
    n, k = a.n, a.k
    reader = (a.msj - a.mse) / n
    floor = _NO_VARIANCE * a.mse if reader < 0 else 0.0
    parts = {
        "icc1": (a.msb - a.msw, a.msb + (k - 1) * a.msw),
        "icc2": (a.msb - a.mse, a.msb + (k - 1) * a.mse + k * reader),
        "icc3": (a.msb - a.mse, a.msb + (k - 1) * a.mse),
        "icc1k": (a.msb - a.msw, a.msb),
        "icc2k": (a.msb - a.mse, a.msb + reader),
        "icc3k": (a.msb - a.mse, a.msb),
    }
    floors = {"icc2": floor, "icc2k": floor}
    return {form: top / bottom if bottom > floors.get(form, 0.0) else nan for form, (top, bottom) in parts.items()}


def icc(ratings: ArrayLike, confidence_level: float = 0.95) -> tuple[Agreement, ...]:
    """The six intraclass correlations of Shrout and Fleiss.

    Parameters
    ----------
    ratings : array_like of float, shape (n, k)
        Measurements of n cases by k readers, k of at least 2. Cases with a missing reading (NaN) are left out, which `warning` counts.
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.

    Returns
    -------
    tuple of Agreement
        icc1, icc2, icc3, icc1k, icc2k, icc3k. `statistic` is F, with `parameter1` and `parameter2` degrees of freedom, `pvalue` that of ICC = 0
        against ICC > 0. `not_estimable` with fewer than 2 complete cases, with a reader who gave one value throughout, without variance, or where
        the total variance is estimated as not positive. `caution` without limits and F where the residual variance is 0; `caution` where F is 0, as
        the limits then have no width, and for readings of two values, where kappa and AC1 say more.

    Raises
    ------
    InputError
        A wrong shape, a value that is no finite number, or a level outside 0 to 1.

    Notes
    -----
    With the mean squares between cases (MSB), between readers (MSJ), residual (MSE) and within cases (MSW):

    - ICC(1,1) = (MSB - MSW)/(MSB + (k-1) MSW): each case has its own readers (one-way);
    - ICC(2,1) = (MSB - MSE)/(MSB + (k-1) MSE + k (MSJ - MSE)/n): readers are a random sample, absolute agreement;
    - ICC(3,1) = (MSB - MSE)/(MSB + (k-1) MSE): these very readers, consistency.

    ICC(.,k) is the reliability of the mean of k readings. F is MSB/MSW for the one-way forms and MSB/MSE for the others. Nothing is clipped: an
    estimate can be negative, the mean forms are unbounded below. Near the pole ICC(.,1) = -1/(k - 1), where the mean form falls without bound,
    Satterthwaite's degrees of freedom vanish and the limits of ICC(2,.) can miss the estimate: then there are none.

    References
    ----------
    .. [1] Shrout and Fleiss (1979). Psychological Bulletin 86:420-428. doi:10.1037/0033-2909.86.2.420
    .. [2] McGraw and Wong (1996). Psychological Methods 1:30-46. doi:10.1037/1082-989X.1.1.30

    Examples
    --------
    >>> from hybridcx.stats import icc
    >>> ratings = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    >>> [round(r.estimate, 2) for r in icc(ratings)]
    [0.17, 0.29, 0.71, 0.44, 0.62, 0.91]
    """
    alpha = check_level(confidence_level)
    x, note = _complete(ratings)
    n, k = x.shape
    constant = [j + 1 for j in range(k) if n and np.ptp(x[:, j]) == 0]
    reason = ""
    if n < 2:
        reason = f"{n} complete case{'' if n == 1 else 's'}, at least 2 are needed"
    elif constant:
        reason = f"reading {constant[0]} of {k} has the same value for every case"
    if reason:
        warning = join_notes(reason, note)
        return tuple(Agreement(f, "anova", nan, n=n, k=k, status="not_estimable", warning=warning) for f in ICC_FORMS)
    if len(np.unique(x)) == 2:
        note = join_notes(BINARY_NOTE, note)
    a = _anova(x)
    return tuple(_form(form, estimate, a, confidence_level, alpha, note) for form, estimate in _estimates(a).items())


def _form(form: str, estimate: float, a: _Anova, confidence_level: float, alpha: float, note: str) -> Agreement:
    n, k = a.n, a.k
    if isnan(estimate):
        warning = join_notes("the total variance is estimated as 0 or less", note)
        return Agreement(form, "anova", nan, n=n, k=k, status="not_estimable", warning=warning)
    one_way, mean_form = form.startswith("icc1"), form.endswith("k")
    error = a.msw if one_way else a.mse
    df1, df2 = n - 1, (n if one_way else n - 1) * (k - 1)
    if error == 0:
        warning = join_notes("the residual variance is 0: no F and no limits", note)
        return Agreement(
            form, "anova", estimate, parameter1=df1, parameter2=df2, n=n, k=k, status="caution", warning=warning
        )
    f = a.msb / error
    if form in ("icc2", "icc2k"):
        single = _estimates(a)["icc2"]
        low, high = _absolute(a, single, alpha)
        if mean_form:
            low, high = _spearman_brown(low, k), _spearman_brown(high, k)
    else:
        limits = _one_way_or_consistency(f, df1, df2, k, alpha)
        low, high = limits[2:] if mean_form else limits[:2]
    held = low <= estimate <= high  # False for NaN
    if not held:
        low, high, note = nan, nan, join_notes(NO_LIMITS, note)
    elif low == high:
        note = join_notes(ZERO_WIDTH, note)
    return Agreement(
        form,
        "anova",
        estimate,
        conf_low=low,
        conf_high=high,
        conf_level=confidence_level if held else nan,
        statistic=f,
        parameter1=df1,
        parameter2=df2,
        pvalue=float(stats.f.sf(f, df1, df2)),
        n=n,
        k=k,
        status="caution" if note else "ok",
        warning=note,
    )


def sem(ratings: ArrayLike, method: ErrorKind = "anova", confidence_level: float = 0.95) -> Agreement:
    """Standard error of measurement of one reading.

    Parameters
    ----------
    ratings : array_like of float, shape (n, k)
        Measurements; cases with a missing reading (NaN) are left out, which `warning` counts.
    method : {"anova", "consistency"}
        sqrt(reader variance + residual variance), or sqrt(residual variance), where a reader's constant shift does not count.
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.

    Returns
    -------
    Agreement
        In the unit of the readings. `not_estimable` with fewer than 2 complete cases; `caution` without limits where the variance is 0.

    Raises
    ------
    InputError
        As `icc`, or an unknown method.

    Notes
    -----
    The variances are max((MSJ - MSE)/n, 0) and MSE. Limits: for MSE from its chi-square distribution; for the sum, which is MSJ/n + (1 - 1/n) MSE,
    the modified large-sample limits of Graybill and Wang. With two readings the upper absolute limit is far away, since one degree of freedom
    estimates the variance between readers poorly.

    References
    ----------
    .. [1] Graybill and Wang (1980). Journal of the American Statistical Association 75:869-873. doi:10.1080/01621459.1980.10477565

    Examples
    --------
    >>> from hybridcx.stats import sem
    >>> round(sem([[9, 8], [6, 5], [8, 8], [7, 6]]).estimate, 4)
    0.6124
    """
    alpha = check_level(confidence_level)
    if method not in ("anova", "consistency"):
        raise InputError(Problem("unknown method", value=method, column="method", remedy="choose anova or consistency"))
    x, note = _complete(ratings)
    n, k = x.shape
    if n < 2:
        warning = join_notes(f"{n} complete case{'' if n == 1 else 's'}, at least 2 are needed", note)
        return Agreement("sem", method, nan, n=n, k=k, status="not_estimable", warning=warning)
    a = _anova(x)
    status: Status = "caution" if note else "ok"
    if method == "consistency":
        variance, terms = a.mse, [(a.mse, (n - 1) * (k - 1))]
    else:
        variance = max((a.msj - a.mse) / n, 0.0) + a.mse
        if a.msj < a.mse:
            note = join_notes("the variance between the columns came out below 0 and stands as 0", note)
        terms = [(a.msj / n, k - 1), ((1 - 1 / n) * a.mse, (n - 1) * (k - 1))]
    if variance == 0:
        warning = join_notes("the readings agree exactly: no limits", note)
        return Agreement("sem", method, 0.0, n=n, k=k, status="caution", warning=warning)
    total = sum(t for t, _ in terms)
    below = sqrt(sum((t * (1 - df / float(stats.chi2.ppf(1 - alpha / 2, df)))) ** 2 for t, df in terms))
    above = sqrt(sum((t * (df / float(stats.chi2.ppf(alpha / 2, df)) - 1)) ** 2 for t, df in terms))
    return Agreement(
        "sem",
        method,
        sqrt(variance),
        conf_low=sqrt(max(total - below, 0.0)),
        conf_high=sqrt(total + above),
        conf_level=confidence_level,
        n=n,
        k=k,
        status=status,
        warning=note,
    )


def mdc95(ratings: ArrayLike, method: ErrorKind = "anova", confidence_level: float = 0.95) -> Agreement:
    """Minimal detectable change: the difference of two readings that chance exceeds in 5 % of cases.

    Parameters
    ----------
    ratings : array_like of float, shape (n, k)
        As in `sem`.
    method : {"anova", "consistency"}
        As in `sem`.
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.

    Returns
    -------
    Agreement
        In the unit of the readings; statuses as `sem`.

    Raises
    ------
    InputError
        As `sem`.

    Notes
    -----
    1.96 sqrt(2) times the standard error of measurement; the limits are those of the SEM times the factor.

    Examples
    --------
    >>> from hybridcx.stats import mdc95
    >>> round(mdc95([[9, 8], [6, 5], [8, 8], [7, 6]]).estimate, 4)
    1.6974
    """
    s = sem(ratings, method, confidence_level)
    return Agreement(
        "mdc95",
        method,
        MDC_FACTOR * s.estimate,
        conf_low=MDC_FACTOR * s.conf_low,
        conf_high=MDC_FACTOR * s.conf_high,
        conf_level=s.conf_level,
        n=s.n,
        k=s.k,
        status=s.status,
        warning=s.warning,
    )
