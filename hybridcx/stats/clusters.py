"""Comparisons that stay valid when a patient has several cases: McNemar's test for clustered pairs."""

from __future__ import annotations

from math import nan, sqrt
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from hybridcx.stats.confusion import boolean_columns
from hybridcx.stats.mcnemar import NO_DISCORDANT
from hybridcx.stats.proportions import normal_quantile
from hybridcx.stats.results import PairedTest

TOO_FEW = "so few patients, or so unequal numbers of cases, that the test cannot reject any difference"


def mcnemar_cluster(
    correct_a: npt.ArrayLike, correct_b: npt.ArrayLike, groups: npt.ArrayLike, confidence_level: float = 0.95
) -> PairedTest:
    """McNemar's test for clustered pairs, with an interval of the difference, for patients with several cases.

    Parameters
    ----------
    correct_a, correct_b : array_like of bool, shape (n,)
        Whether the model, the comparator is right on each case.
    groups : array_like, shape (n,)
        The patient (cluster) of each case.
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.

    Returns
    -------
    PairedTest
        `statistic` is a chi-square with `df` 1, `n` counts cases, `n_clusters` K. No discordant pair, or b_k = c_k in every cluster: p = 1, no
        statistic, `caution`. A standard error of 0 is no evidence: no limits. Clusters so few or so unequal that the test rejects no difference:
        limits -1 and 1, `caution`. Fewer than two clusters: the estimate alone, `caution`. No cases: `not_estimable`.

    Raises
    ------
    ValueError
        Arrays that are not boolean or differ in length. 0 and 1 are refused, as they may be predictions passed by mistake.

    Notes
    -----
    With b_k and c_k the discordant counts, n_k the cases of cluster k of K and N = sum n_k:

    - test: chi-square = (K - 1)/K (sum (b_k - c_k))^2 / sum (b_k - c_k)^2, 1 degree of freedom. Obuchowski's variance with the pooled proportion
    under
      the null hypothesis; the pooled proportion cancels from that of the difference (Yang, Sun and Hardin 2010). With one case a cluster it is
      (K - 1)/K times McNemar's asymptotic chi-square;
    - interval: every difference that this test does not reject, so that test and interval agree. d -+ z se has coverage 0.85 to 0.93 with 8 to 40
      clusters, the inverted test 0.94 to 0.99 (vocabulary/simulations_dependent.csv). The standard error is that of the ratio estimator,
      se^2 = K/(K - 1) sum (b_k - c_k - n_k d)^2 / N^2.

    No assumption is made on the correlation within clusters. For sensitivity and specificity pass the cases of the class alone.

    References
    ----------
    .. [1] Obuchowski (1998). Statistics in Medicine 17:1495-1507. doi:10.1002/(SICI)1097-0258(19980715)17:13<1495::AID-SIM863>3.0.CO;2-I

    Examples
    --------
    >>> from hybridcx.stats import mcnemar_cluster
    >>> a = [True, True, True, False, True, True, True, False]
    >>> b = [True, False, True, False, False, True, False, True]
    >>> mcnemar_cluster(a, b, groups=[1, 1, 2, 3, 4, 5, 6, 7])
    PairedTest(method='mcnemar_cluster', estimate=0.25, conf_low=-0.729216, conf_high=0.995587, conf_level=0.95,
        statistic=0.857143, parameter=1, pvalue=0.354539, n=8, b=3, c=1, std_error=0.238676, n_clusters=7)
    """
    method = "mcnemar_cluster"
    a, b = boolean_columns(correct_a=correct_a, correct_b=correct_b)
    labels = np.asarray(groups)
    if labels.shape != a.shape:
        raise ValueError(f"groups must have the shape of the cases, got {labels.shape} and {a.shape}")
    z = normal_quantile(confidence_level)
    if a.size == 0:
        return PairedTest(
            method,
            nan,
            conf_level=confidence_level,
            n=0,
            b=0,
            c=0,
            n_clusters=0,
            status="not_estimable",
            warning="there are no cases to compare the models on",
        )
    counts = _counts(a, b, labels)
    if counts.k < 2:
        warnings = ["one cluster alone: neither a variance nor a p-value can be estimated"]
        statistic, p, error, low, high = nan, nan, nan, nan, nan
    else:
        statistic, p, warning = _chi_square(counts)
        error, low, high, no_limits = _limits(counts, z)
        warnings = [w for w in (warning, no_limits) if w]
    return PairedTest(
        method,
        (counts.only_a - counts.only_b) / counts.n,
        low,
        high,
        confidence_level,
        statistic=statistic,
        parameter=nan if counts.k < 2 else 1.0,
        pvalue=p,
        n=counts.n,
        b=counts.only_a,
        c=counts.only_b,
        std_error=error,
        n_clusters=counts.k,
        status="caution" if warnings else "ok",
        warning="; ".join(warnings),
    )


class _Counts(NamedTuple):
    """Counts of the K clusters, integers, so that sums that are 0 are exactly 0.

    `gap` (K,): b_k - c_k; `size` (K,): n_k; `only_a`, `only_b`: sums of b_k and of c_k.
    """

    gap: npt.NDArray[np.int64]
    size: npt.NDArray[np.int64]
    only_a: int
    only_b: int

    @property
    def k(self) -> int:
        return self.size.size

    @property
    def n(self) -> int:
        return int(self.size.sum())


def _counts(a: npt.NDArray[np.bool_], b: npt.NDArray[np.bool_], groups: npt.NDArray[Any]) -> _Counts:
    _, cluster = np.unique(groups, return_inverse=True)
    k = int(cluster.max()) + 1
    only_a, only_b = a & ~b, ~a & b
    gap = np.bincount(cluster[only_a], minlength=k) - np.bincount(cluster[only_b], minlength=k)
    return _Counts(gap, np.bincount(cluster, minlength=k), int(np.count_nonzero(only_a)), int(np.count_nonzero(only_b)))


def _chi_square(counts: _Counts) -> tuple[float, float, str]:
    """Statistic, p-value and warning; p is 1 by definition, without a statistic, where the variance under the null hypothesis is 0."""
    squares = int(np.dot(counts.gap, counts.gap))
    if squares:
        statistic = (counts.k - 1) / counts.k * (counts.only_a - counts.only_b) ** 2 / squares
        return statistic, float(special.chdtrc(1, statistic)), ""
    if counts.only_a + counts.only_b == 0:
        return nan, 1.0, NO_DISCORDANT
    return nan, 1.0, "the models are equally often right in every cluster: the variance is 0, p is 1 by definition"


def _limits(counts: _Counts, z: float) -> tuple[float, float, float, str]:
    """Standard error, both limits and warning; NaN where the standard error is 0."""
    k, n = counts.k, counts.n
    # n (b_k - c_k) - n_k (b - c) in integers: a difference that is the same in every cluster leaves exactly 0.
    residual = n * counts.gap - counts.size * (counts.only_a - counts.only_b)
    if not residual.any():
        same = "the difference is the same in every cluster: a standard error of 0 is no evidence, no limits"
        return nan, nan, nan, same if counts.gap.any() else ""
    error = sqrt(k / (k - 1) * float(np.dot(residual.astype(np.float64), residual))) / n**2
    low, high = _inverted(counts.gap, counts.size, z)
    return error, low, high, TOO_FEW if (low, high) == (-1.0, 1.0) else ""


def _inverted(gap: npt.NDArray[np.int64], size: npt.NDArray[np.int64], z: float) -> tuple[float, float]:
    """The differences x with (K - 1)/K (sum g_k - N x)^2 <= z^2 sum (g_k - n_k x)^2, which is a quadratic inequality; clipped to -1 to 1.

    `gap` g_k and `size` n_k of each cluster (K,). At x = 0 it is the test. (-1, 1) where (K - 1)/K N^2 <= z^2 sum n_k^2: the test has no power then.
    """
    g, s = gap.astype(np.float64), size.astype(np.float64)
    c, n, total = z * z, float(s.sum()), float(g.sum())
    shrunk = (g.size - 1) / g.size
    a = shrunk * n * n - c * float(s @ s)
    if a <= 0.0:
        return -1.0, 1.0
    b = shrunk * n * total - c * float(g @ s)
    root = sqrt(max(b * b - a * (shrunk * total * total - c * float(g @ g)), 0.0))
    return max((b - root) / a, -1.0), min((b + root) / a, 1.0)
