"""Bland and Altman's limits of agreement between two readings of the same cases, with exact confidence limits."""

from __future__ import annotations

from math import nan, sqrt

import numpy as np
from numpy.typing import ArrayLike

from hybridcx.errors import InputError, Problem
from hybridcx.stats import distributions as stats
from hybridcx.stats.agreement.tables import check_level, dropped_note, join_notes, measurements
from hybridcx.stats.results import Agreement, Status

_METRICS = ("bland_altman_bias", "bland_altman_lower", "bland_altman_upper")


def bland_altman(
    a: ArrayLike, b: ArrayLike, confidence_level: float = 0.95, coverage: float = 0.95
) -> tuple[Agreement, ...]:
    """Bias and limits of agreement of `a` minus `b` (the earlier column minus the later), method "exact".

    With d = a - b, mean m and standard deviation s (n - 1): bias m, limits m -+ z s, z the normal quantile of (1 +
    coverage)/2. The bias has Student's limits (`statistic` t of bias 0, `parameter1` its n - 1 degrees of freedom).
    Each limit of agreement is a normal quantile, whose exact confidence limits come from the noncentral t distribution
    with n - 1 degrees of freedom and noncentrality z sqrt(n): m + s t'(q)/sqrt(n) for the upper one (Carkeet 2015, each
    limit taken alone), mirrored for the lower.

    Args:
        a, b: (n,) measurements in the same unit. Cases with a missing reading (NaN) are left out, which `warning`
            counts.
        confidence_level: of the confidence limits.
        coverage: share of differences that the limits of agreement shall hold.

    Returns:
        bland_altman_bias, bland_altman_lower, bland_altman_upper in the unit of the ratings. `not_estimable` with fewer
        than 2 complete cases; `caution` without confidence limits where all differences are equal.

    Raises:
        InputError: shapes differ, a value is no finite number, or a level or coverage lies outside 0 to 1.
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
    half = float(stats.t.ppf(1 - alpha / 2, n - 1)) * se
    near, far = (se * float(stats.nct.ppf(q, n - 1, z * sqrt(n))) for q in (alpha / 2, 1 - alpha / 2))
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
        pvalue=float(2 * stats.t.sf(abs(t), n - 1)),
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
