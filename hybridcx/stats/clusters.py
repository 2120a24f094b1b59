"""Comparisons that stay valid when a patient has several cases: McNemar's test for clustered pairs."""

from __future__ import annotations

from math import nan, sqrt

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
    """McNemar's test for clustered pairs of Obuchowski (1998, Statistics in Medicine 17:1495), with an interval of the difference.

    `correct_a`, `correct_b`: boolean arrays (n,), who is right on each case; `groups`: (n,), the cluster (patient) of each case.
    With b_k and c_k the discordant counts, n_k the cases of cluster k of K and N = sum n_k:

    - test: chi-square = (K - 1)/K (sum (b_k - c_k))^2 / sum (b_k - c_k)^2, 1 degree of freedom. Her variance with the pooled proportion
      under the null hypothesis; the pooled proportion cancels from that of the difference (Yang, Sun and Hardin 2010). With one case a
      cluster it is (K - 1)/K times McNemar's asymptotic chi-square;
    - interval: every difference that this test does not reject (`_inverted`), so that test and interval agree. d -+ z se has coverage 0.85 to 0.93
      with 8 to 40 clusters, the inverted test 0.94 to 0.99 (vocabulary/simulations_dependent.csv). The standard error is that of the ratio estimator,
      se^2 = K/(K - 1) sum (b_k - c_k - n_k d)^2 / N^2.

    No assumption is made on the correlation within clusters. `n` counts cases, `n_clusters` K. For sensitivity and specificity pass the cases of
    the class alone. No discordant pair: p = 1, no statistic, `caution`. b_k = c_k in every cluster: difference 0, p = 1, no statistic,
    `caution`. A standard error of 0 is no evidence: no limits. Clusters so few or so unequal that the test rejects no difference: limits -1 and 1,
    `caution`. Fewer than two clusters: the estimate alone, `caution`; no cases:
    `not_estimable`. Raises ValueError for arrays that are not boolean or differ in length.
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
    _, cluster = np.unique(labels, return_inverse=True)
    k = int(cluster.max()) + 1
    size = np.bincount(cluster, minlength=k)
    # Integers throughout: sums that are 0 are exactly 0.
    gap = np.bincount(cluster[a & ~b], minlength=k) - np.bincount(cluster[~a & b], minlength=k)
    n, only_a, only_b = a.size, int(np.count_nonzero(a & ~b)), int(np.count_nonzero(~a & b))
    estimate = (only_a - only_b) / n
    warnings = []
    error, low, high, statistic, p = nan, nan, nan, nan, nan
    if k < 2:
        warnings.append("one cluster alone: neither a variance nor a p-value can be estimated")
    else:
        squares = int(np.dot(gap, gap))
        if squares == 0:
            p = 1.0
            warnings.append(
                NO_DISCORDANT
                if only_a + only_b == 0
                else "the models are equally often right in every cluster: the variance is 0, p is 1 by definition"
            )
        else:
            statistic = (k - 1) / k * (only_a - only_b) ** 2 / squares
            p = float(special.chdtrc(1, statistic))
        # n (b_k - c_k) - n_k (b - c) in integers, for the same reason.
        residual = n * gap - size * (only_a - only_b)
        if residual.any():
            error = sqrt(k / (k - 1) * float(np.dot(residual.astype(np.float64), residual))) / n**2
            low, high = _inverted(gap, size, z)
            if (low, high) == (-1.0, 1.0):
                warnings.append(TOO_FEW)
        elif squares:
            warnings.append(
                "the difference is the same in every cluster: a standard error of 0 is no evidence, no limits"
            )
    return PairedTest(
        method,
        estimate,
        low,
        high,
        confidence_level,
        statistic=statistic,
        parameter=nan if k < 2 else 1.0,
        pvalue=p,
        n=n,
        b=only_a,
        c=only_b,
        std_error=error,
        n_clusters=k,
        status="caution" if warnings else "ok",
        warning="; ".join(warnings),
    )


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
