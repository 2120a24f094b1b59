"""Whether one effect is the same in every subgroup: the test of interaction behind a table of subgroups."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan, sqrt

import numpy as np
import numpy.typing as npt
from scipy import special

from hybridcx.stats.results import Status

FEW_CASES = 20
METHOD = "heterogeneity_chisq"
JOINT_METHOD = "heterogeneity_hierarchical"
MANY_FAILED = 0.05


@dataclass(frozen=True, slots=True)
class Heterogeneity:
    """Chi-square test that k subgroups share one effect; `n` cases in those that took part."""

    statistic: float
    parameter: float
    pvalue: float
    k: int
    n: int
    method: str = METHOD
    status: Status = "ok"
    warning: str = ""


def heterogeneity(effects: npt.ArrayLike, std_errors: npt.ArrayLike, sizes: npt.ArrayLike) -> Heterogeneity:
    """Test that the effects of disjoint subgroups are one: Q = sum w (effect - mean)^2, w = 1/se^2, mean the weighted one.

    Cochran's (1954) Q: chi-square with k - 1 degrees of freedom where all are equal. `effects`, `std_errors`, `sizes` have the shape (k,). A subgroup
    without an effect or with a standard error of 0 takes no part, which `warning` says (`caution`); fewer than two that do are `not_estimable`.
    Large-sample: `caution` where one has fewer than 20 cases. The test does not identify the subgroup that differs, and a large p is no evidence that
    all are alike.

    >>> round(heterogeneity([0.2, 0.0], [0.1, 0.1], [60, 60]).pvalue, 4)
    0.1573
    """
    effect, error = np.asarray(effects, dtype=np.float64), np.asarray(std_errors, dtype=np.float64)
    size = np.asarray(sizes, dtype=np.int64)
    if effect.ndim != 1 or effect.shape != error.shape or effect.shape != size.shape:
        raise ValueError("effects, standard errors and sizes are one number a subgroup each")
    with np.errstate(invalid="ignore"):
        used = np.isfinite(effect) & np.isfinite(error) & (error > 0.0)
    k, n, left = int(used.sum()), int(size[used].sum()), int((~used).sum())
    messages = [f"{left} of {used.size} subgroups without an effect or a standard error take no part"] if left else []
    if k < 2:
        reason = "fewer than two subgroups have an effect with a standard error"
        return Heterogeneity(nan, nan, nan, k, n, status="not_estimable", warning="; ".join([reason, *messages]))
    weight = 1.0 / error[used] ** 2
    mean = float(weight @ effect[used] / weight.sum())
    q = float(weight @ (effect[used] - mean) ** 2)
    smallest = int(size[used].min())
    if smallest < FEW_CASES:
        messages.append(f"a subgroup has {smallest} cases: the chi-square is a large-sample test")
    return Heterogeneity(
        q,
        k - 1.0,
        float(special.chdtrc(k - 1, q)),
        k,
        n,
        status="caution" if messages else "ok",
        warning="; ".join(messages),
    )


def joint_heterogeneity(effects: npt.ArrayLike, replicates: npt.ArrayLike, sizes: npt.ArrayLike) -> Heterogeneity:
    """Test that the effects of subgroups are one where they share a part of their error, such as the seeds of the same trained models.

    Wald's chi-square of the k - 1 differences from the last subgroup, with the covariance of joint `replicates` (B, k): a resample draws
    the cases of each subgroup apart and the seeds once for all. Where the subgroups' replicates are independent this is Cochran's Q of
    `heterogeneity` with the bootstrap's standard errors. `effects`, `sizes` have the shape (k,). A subgroup without an effect, or whose
    resamples never vary, takes no part (`caution`); fewer than two that do, or differences that do not vary, are `not_estimable`. Resamples in
    which an effect is undefined are left out, `caution` beyond 5 %.
    """
    effect, drawn = np.asarray(effects, dtype=np.float64), np.asarray(replicates, dtype=np.float64)
    size = np.asarray(sizes, dtype=np.int64)
    if effect.ndim != 1 or drawn.ndim != 2 or drawn.shape[1] != effect.size or effect.shape != size.shape:
        raise ValueError("an effect and a size a subgroup are needed, and a column of replicates each")
    low, high = (
        np.where(np.isnan(drawn), np.inf, drawn).min(axis=0),
        np.where(np.isnan(drawn), -np.inf, drawn).max(axis=0),
    )
    used = np.isfinite(effect) & (high > low)
    k, n, left = int(used.sum()), int(size[used].sum()), int((~used).sum())
    messages = [f"{left} of {used.size} subgroups without an effect or a standard error take no part"] if left else []
    reason = "fewer than two subgroups have an effect with a standard error" if k < 2 else ""
    kept = drawn[:, used][~np.isnan(drawn[:, used]).any(axis=1)]
    if not reason and len(kept) <= k:
        reason = f"only {len(kept)} of {len(drawn)} resamples have an effect in every subgroup"
    if not reason:
        contrasts = kept[:, :-1] - kept[:, -1:]
        covariance = np.atleast_2d(np.cov(contrasts, rowvar=False))
        scale = np.sqrt(np.diag(covariance))
        nothing = 1e-9 * kept.std(axis=0).max()  # what rounding leaves of a difference that never varies
        if (scale <= nothing).any() or np.linalg.cond(covariance / np.outer(scale, scale)) > 1e10:
            reason = "the differences between the subgroups do not vary over the resamples"
    if reason:
        return Heterogeneity(
            nan, nan, nan, k, n, JOINT_METHOD, status="not_estimable", warning="; ".join([reason, *messages])
        )
    gap = effect[used][:-1] - effect[used][-1]
    q = float(gap @ np.linalg.solve(covariance, gap))
    failed = len(drawn) - len(kept)
    if failed > MANY_FAILED * len(drawn):
        messages.append(f"{failed} of {len(drawn)} resamples lack an effect of some subgroup")
    smallest = int(size[used].min())
    if smallest < FEW_CASES:
        messages.append(f"a subgroup has {smallest} cases: the chi-square is a large-sample test")
    pvalue = float(special.chdtrc(k - 1, q))
    status: Status = "caution" if messages else "ok"
    return Heterogeneity(q, k - 1.0, pvalue, k, n, JOINT_METHOD, status, "; ".join(messages))


def paired_difference_error(n: int, b: int, c: int) -> float:
    """Return the standard error of (b - c)/n, with 1/2 added to each cell of the paired table (Agresti and Min 2005), so that it is never 0.

    NaN without cases.
    """
    if not n:
        return nan
    size = n + 2.0
    return sqrt(b + c + 1.0 - (b - c) ** 2 / size) / size


def proportion_error(x: int, n: int) -> float:
    """Return the standard error of x/n after adding two of each kind (Agresti and Coull 1998), so that it is never 0. NaN without cases."""
    if not n:
        return nan
    p = (x + 2.0) / (n + 4.0)
    return sqrt(p * (1.0 - p) / (n + 4.0))
