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

    Cochran's (1954) Q: chi-square with k - 1 degrees of freedom where all are equal. `effects`, `std_errors`, `sizes` have the shape (k,). A
    subgroup without an effect or with a standard error of 0 takes no part, which `warning` says (`caution`); fewer than two that do are
    `not_estimable`. Large-sample: `caution` where one has fewer than 20 cases. It says nothing of which subgroup differs, and a large p
    is no evidence that all are alike.

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
    said = [f"{left} of {used.size} subgroups without an effect or a standard error take no part"] if left else []
    if k < 2:
        reason = "fewer than two subgroups have an effect with a standard error"
        return Heterogeneity(nan, nan, nan, k, n, status="not_estimable", warning="; ".join([reason, *said]))
    weight = 1.0 / error[used] ** 2
    mean = float(weight @ effect[used] / weight.sum())
    q = float(weight @ (effect[used] - mean) ** 2)
    smallest = int(size[used].min())
    if smallest < FEW_CASES:
        said.append(f"a subgroup has {smallest} cases: the chi-square is a large-sample test")
    return Heterogeneity(
        q, k - 1.0, float(special.chdtrc(k - 1, q)), k, n, status="caution" if said else "ok", warning="; ".join(said)
    )


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
