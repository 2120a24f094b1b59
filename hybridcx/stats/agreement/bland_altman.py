"""Bland and Altman's limits of agreement between two readings of the same cases, with exact confidence limits."""

from __future__ import annotations

from functools import lru_cache
from math import nan, sqrt

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from hybridcx.errors import InputError, Problem
from hybridcx.stats import distributions as stats
from hybridcx.stats.agreement.tables import check_level, dropped_note, join_notes, measurements
from hybridcx.stats.results import Agreement, Status

_METRICS = ("bland_altman_bias", "bland_altman_lower", "bland_altman_upper")


def bland_altman(
    a: ArrayLike, b: ArrayLike, confidence_level: float = 0.95, coverage: float = 0.95
) -> tuple[Agreement, ...]:
    """Bland and Altman's bias and limits of agreement of `a` minus `b`, with exact confidence limits.

    Parameters
    ----------
    a, b : array_like of float, shape (n,)
        Measurements in the same unit. Cases with a missing reading (NaN) are left out, which `warning` counts.
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.
    coverage : float, default 0.95
        Share of differences that the limits of agreement shall hold.

    Returns
    -------
    tuple of Agreement
        bland_altman_bias, bland_altman_lower, bland_altman_upper, in the unit of the readings. The bias has `statistic`, Student's t of bias 0, with
        `parameter1` n - 1 degrees of freedom. `not_estimable` with fewer than 2 complete cases; `caution` without confidence limits where all
        differences are equal.

    Raises
    ------
    InputError
        Shapes differ, a value is no finite number, or a level or coverage lies outside 0 to 1.

    Notes
    -----
    With d = a - b, mean m and standard deviation s (n - 1): bias m with Student's limits, limits of agreement m -+ z s, z the normal quantile of
    (1 + coverage)/2. Each limit of agreement is a normal quantile, whose exact confidence limits come from the noncentral t distribution with n - 1
    degrees of freedom and noncentrality z sqrt(n): m + s t'(q)/sqrt(n) for the upper one (each limit taken alone), mirrored for the lower.

    References
    ----------
    .. [1] Bland and Altman (1986). The Lancet 327:307-310. doi:10.1016/S0140-6736(86)90837-8
    .. [2] Carkeet (2015). Optometry and Vision Science 92:e71-e80. doi:10.1097/OPX.0000000000000513

    Examples
    --------
    >>> from hybridcx.stats import bland_altman
    >>> bias, lower, upper = bland_altman([10.1, 12.0, 9.5, 11.2, 10.8], [9.8, 12.4, 9.1, 10.6, 10.9])
    >>> bias
    Agreement(metric='bland_altman_bias', method='exact', estimate=0.16, conf_low=-0.3413, conf_high=0.6613,
        conf_level=0.95, statistic=0.886158, parameter1=4, pvalue=0.425595, std_error=0.180555, n=5, k=2)
    """
    alpha = check_level(confidence_level)
    if not 0 < coverage < 1:
        raise InputError(Problem("the coverage lies between 0 and 1", value=coverage, column="coverage"))
    if np.shape(a) != np.shape(b) or np.ndim(a) != 1:
        raise InputError(
            Problem("two readings of the same cases are needed", value=f"shapes {np.shape(a)} and {np.shape(b)}")
        )
    x = measurements(np.column_stack([np.asarray(a, dtype=object), np.asarray(b, dtype=object)]))
    whole = ~np.isnan(x).any(axis=1)
    note = dropped_note(int((~whole).sum()), x.shape[0])
    d = x[whole, 0] - x[whole, 1]
    n = len(d)
    if n < 2:
        warning = join_notes(f"{n} complete case{'' if n == 1 else 's'}, at least 2 are needed", note)
        return tuple(Agreement(m, "exact", nan, n=n, k=2, status="not_estimable", warning=warning) for m in _METRICS)
    mean, sd = float(d.mean()), float(d.std(ddof=1))
    z = float(stats.norm.ppf((1 + coverage) / 2))
    # Differences of decimals such as 0.3 - 0.2 and 0.2 - 0.1 are equal but for rounding.
    if sd <= 16 * np.finfo(np.float64).eps * float(np.abs(x[whole]).max()):
        warning = join_notes("all differences are equal: no confidence limits", note)
        return tuple(Agreement(m, "exact", mean, n=n, k=2, status="caution", warning=warning) for m in _METRICS)
    se = sd / sqrt(n)
    half = float(special.stdtrit(n - 1, 1 - alpha / 2)) * se
    near, far = (se * _noncentral_quantile(q, n, z) for q in (alpha / 2, 1 - alpha / 2))
    status: Status = "caution" if note else "ok"
    t = mean / se
    bias = Agreement(
        _METRICS[0],
        "exact",
        mean,
        conf_low=mean - half,
        conf_high=mean + half,
        conf_level=confidence_level,
        statistic=t,
        parameter1=n - 1,
        pvalue=float(2 * special.stdtr(n - 1, -abs(t))),
        std_error=se,
        n=n,
        k=2,
        status=status,
        warning=note,
    )

    def limit(metric: str, estimate: float, low: float, high: float) -> Agreement:
        return Agreement(metric, "exact", estimate, low, high, confidence_level, n=n, k=2, status=status, warning=note)

    return (
        bias,
        limit(_METRICS[1], mean - z * sd, mean - far, mean - near),
        limit(_METRICS[2], mean + z * sd, mean + near, mean + far),
    )


@lru_cache(maxsize=256)  # pairs of many readers have the same number of cases, and the search takes a millisecond
def _noncentral_quantile(q: float, n: int, z: float) -> float:
    return float(stats.nct.ppf(q, n - 1, z * sqrt(n)))
