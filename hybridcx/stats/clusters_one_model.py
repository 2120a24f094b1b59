"""Intervals of one model when patients have several cases: Wilson's on the effective sample size, and MOVER from it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import nan, sqrt

import numpy as np
import numpy.typing as npt

from hybridcx.stats import distributions as stats
from hybridcx.stats.confusion import boolean_columns
from hybridcx.stats.proportions import mover_sum, normal_quantile, score_limits
from hybridcx.stats.results import Interval
from hybridcx.stats.score_inputs import FloatArray

ONE_PATIENT = "all cases are of one patient: no variance between patients can be estimated"
FEW_HOLD_MOST = "a few patients have most of the cases: the limits are too narrow if their cases are alike"
UNEQUAL = 0.3
"""Below this ratio of the effective number of patients n^2 / sum n_k^2 to their number the simulated coverage falls to 0.91."""


@dataclass(frozen=True, slots=True)
class Shares:
    """A proportion over patients: `hits` (K,) out of `sizes` (K,) cases of each patient that has a case in the denominator."""

    hits: FloatArray
    sizes: FloatArray

    @staticmethod
    def of(hits: npt.ArrayLike, groups: npt.ArrayLike) -> Shares:
        """Count the cases of each patient. `hits` (n,) bool over the cases of the denominator, `groups` (n,) their patients."""
        (found,) = boolean_columns(hits=hits)
        labels = np.asarray(groups)
        if labels.shape != found.shape:
            raise ValueError(f"groups must have the shape of the cases, got {labels.shape} and {found.shape}")
        _, unit = np.unique(labels, return_inverse=True)
        sizes = np.bincount(unit).astype(np.float64)
        return Shares(np.bincount(unit, weights=found, minlength=sizes.size).astype(np.float64), sizes)

    @property
    def mean_size(self) -> float:
        """The size of the patient of a case drawn at random, sum n_k^2 / sum n_k: the design effect if a patient's cases are all alike."""
        return float((self.sizes**2).sum() / self.sizes.sum())

    @property
    def observed_design_effect(self) -> float:
        """The ratio-estimator variance K / (K - 1) sum (x_k - n_k p)^2 / n^2 over p (1 - p) / n, at least 1; `mean_size` at p = 0 or 1."""
        n, k = float(self.sizes.sum()), self.sizes.size
        p = float(self.hits.sum()) / n
        if p in (0.0, 1.0):
            return self.mean_size
        variance = k / (k - 1) * float(((self.hits - self.sizes * p) ** 2).sum()) / n**2
        return max(variance * n / (p * (1.0 - p)), 1.0)

    @property
    def design_effect(self) -> float:
        """The observed design effect, drawn towards `mean_size` with weight 1 / (1 + e) where that is larger; e: the rarer of hits and misses.

        With e = 0 nothing can be observed and the cases of a patient are taken as all alike; each event counts as much as that assumption.
        """
        events = float(min(self.hits.sum(), self.sizes.sum() - self.hits.sum()))
        observed, weight = self.observed_design_effect, 1.0 / (1.0 + events)
        return max(observed, weight * self.mean_size + (1.0 - weight) * observed)

    @property
    def freedom(self) -> float:
        """Degrees of freedom (sum s_k)^2 / sum s_k^2 - 1, at least 1, with s_k = n_k (1 + (n_k - 1) rho); patients - 1 if all are of one size.

        Satterthwaite's (1946) for a sum of squares with variances proportional to s_k; rho = (observed design effect - 1) / (mean size - 1), 0 to 1.
        """
        excess = self.mean_size - 1.0
        rho = min((self.observed_design_effect - 1.0) / excess, 1.0) if excess > 0.0 else 0.0
        s = self.sizes * (1.0 + (self.sizes - 1.0) * rho)
        return max(float(s.sum() ** 2 / (s**2).sum()) - 1.0, 1.0)


def wilson_cluster(hits: npt.ArrayLike, groups: npt.ArrayLike, confidence_level: float = 0.95) -> Interval:
    """Wilson's interval of a proportion on the effective sample size, for patients with several cases.

    Parameters
    ----------
    hits : array_like of bool, shape (n,)
        Whether each case of the denominator counts. The denominator may be random (PPV, NPV).
    groups : array_like, shape (n,)
        The patient (cluster) of each case.
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.

    Returns
    -------
    Interval
        `n_clusters` counts the patients of the denominator. One patient: estimate alone, `caution`. A few patients with most cases: `caution`. No
        case: `not_estimable`.

    Raises
    ------
    ValueError
        Arrays that are not boolean or differ in length.

    Notes
    -----
    With the design effect D the limits are Wilson's for p n / D out of n / D cases, with the quantile of Student's t with Satterthwaite's degrees of
    freedom (Saha, Miller and Wang 2016). D is the ratio-estimator variance over the binomial one, at least 1: clusters never narrow the interval.
    With e, the rarer of hits and misses, D is drawn towards that of cases all alike with weight 1 / (1 + e). With one case a patient D = n / (n -
    1).

    References
    ----------
    .. [1] Wilson (1927). Journal of the American Statistical Association 22:209-212. doi:10.1080/01621459.1927.10502953
    .. [2] Rao and Scott (1992). Biometrics 48:577-585.

    Examples
    --------
    >>> from hybridcx.stats import wilson_cluster
    >>> wilson_cluster([True, True, False, True, True, False, True, True], groups=[1, 1, 2, 2, 3, 4, 4, 5])
    Interval(method='wilson', estimate=0.75, conf_low=0.250852, conf_high=0.964129, conf_level=0.95, numerator=6,
        denominator=8, n=8, n_clusters=5)
    """
    normal_quantile(confidence_level)
    shares = Shares.of(hits, groups)
    n, x, k = int(shares.sizes.sum()), int(shares.hits.sum()), shares.sizes.size
    blank = Interval("wilson", nan, conf_level=confidence_level, numerator=x, denominator=n, n=n, n_clusters=k)
    if n == 0:
        reason = "the denominator is 0: no case to estimate a proportion from"
        return replace(blank, status="not_estimable", warning=reason)
    if k < 2:
        return replace(blank, estimate=x / n, status="caution", warning=ONE_PATIENT)
    size = n / shares.design_effect
    t = float(stats.t.ppf(0.5 + confidence_level / 2.0, shares.freedom))
    # x = n stays exactly the whole effective size, so that the upper limit is exactly 1.
    low, high = score_limits(size if x == n else x / n * size, size, t)
    result = replace(blank, estimate=x / n, conf_low=float(low), conf_high=float(high))
    if n / shares.mean_size < UNEQUAL * k:
        return replace(result, status="caution", warning=FEW_HOLD_MOST)
    return result


def mover_wilson_cluster(
    metric: str, y_true: npt.ArrayLike, correct: npt.ArrayLike, groups: npt.ArrayLike, confidence_level: float = 0.95
) -> Interval:
    """Balanced accuracy or Youden's J with MOVER limits from `wilson_cluster` of sensitivity and specificity (method `mover_wilson`).

    `y_true`, `correct` (n,): boolean; `groups` (n,): patients. Patients with cases of both classes correlate the two proportions: MOVER with
    r = sum_k e_k f_k / sqrt(sum e_k^2 sum f_k^2), e_k and f_k the hits of patient k less its cases times the proportion; r below 0 counts as 0.
    A class of one patient: estimate alone, `caution`; an absent class: `not_estimable`. Raises ValueError for another metric.
    """
    if metric not in ("balanced_accuracy", "youden_j"):
        raise ValueError(f"metric must be balanced_accuracy or youden_j, got {metric!r}")
    y, right = boolean_columns(y_true=y_true, correct=correct)
    labels = np.asarray(groups)
    parts = [wilson_cluster(right[chosen], labels[chosen], confidence_level) for chosen in (y, ~y)]
    blank = Interval(
        "mover_wilson", nan, conf_level=confidence_level, n=y.size, n_clusters=float(np.unique(labels).size)
    )
    if min(part.n for part in parts) == 0:
        which = "positive" if parts[0].n == 0 else "negative"
        return replace(blank, status="not_estimable", warning=f"there are no {which} cases")
    scale, shift = (0.5, 0.0) if metric == "balanced_accuracy" else (1.0, -1.0)
    total, low, high = mover_sum(parts[0], parts[1], _correlation(y, right, labels))
    reasons = dict.fromkeys(part.warning for part in parts if part.warning)
    return replace(
        blank, estimate=scale * total + shift, conf_low=scale * low + shift, conf_high=scale * high + shift,
        status="caution" if reasons else "ok", warning="; ".join(reasons),
    )  # fmt: skip


def _correlation(y: npt.NDArray[np.bool_], right: npt.NDArray[np.bool_], labels: npt.NDArray[np.generic]) -> float:
    """The correlation of sensitivity and specificity through patients with cases of both classes, at least 0."""
    _, unit = np.unique(labels, return_inverse=True)
    residuals = []
    for chosen in (y, ~y):
        values = np.where(chosen, right - right[chosen].mean(), 0.0)
        residuals.append(np.bincount(unit, weights=values))
    e, f = residuals
    scale = sqrt(float(e @ e) * float(f @ f))
    return min(max(float(e @ f) / scale, 0.0), 1.0) if scale > 0.0 else 0.0
