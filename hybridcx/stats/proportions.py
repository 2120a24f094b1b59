"""Intervals for one model: proportions, and the sums and ratios of two independent proportions.

Sensitivity and specificity come from different cases and are therefore independent given the numbers of each class;
MOVER (Zou and Donner 2008) and the delta method on the log scale both rest on that.
`std_error` stays NaN: none of these intervals is estimate plus or minus a standard error on the metric's own scale.
"""

from __future__ import annotations

from functools import lru_cache
from math import exp, inf, isfinite, isnan, log, nan, sqrt
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import special

from hybridcx.stats import distributions as stats
from hybridcx.stats.confusion import Confusion, count_metrics, undefined_reason
from hybridcx.stats.results import Interval

FloatArray = npt.NDArray[np.float64]


def normal_quantile(confidence_level: float) -> float:
    """The two-sided standard normal quantile z with P(|Z| < z) = confidence_level; ValueError unless 0 <= level < 1.

    >>> round(normal_quantile(0.95), 6)
    1.959964
    """
    if not 0 <= confidence_level < 1:
        raise ValueError(f"confidence_level must lie in [0, 1), got {confidence_level}")
    # The lower tail keeps its relative precision for levels close to 1, where (1 + level) / 2 rounds to 1.
    return -float(special.ndtri((1 - confidence_level) / 2))


def _check_counts(x: int, n: int) -> None:
    if not 0 <= x <= n:
        raise ValueError(f"a count x out of n needs 0 <= x <= n, got x = {x}, n = {n}")


@lru_cache(maxsize=4096)  # subgroups and readers share many counts, and scipy's quantiles take a millisecond
def _beta_limits(
    first: tuple[float, float], second: tuple[float, float], confidence_level: float
) -> tuple[float, float]:
    """The lower quantile of the beta distribution `first` and the upper one of `second`, each with half of 1 - level beyond it."""
    tail = (1 - confidence_level) / 2
    return float(stats.beta.ppf(tail, *first)), float(stats.beta.isf(tail, *second))


def _proportion(method: str, x: int, n: int, limits: tuple[float, float], confidence_level: float) -> Interval:
    if n == 0:
        return Interval(
            method,
            nan,
            conf_level=confidence_level,
            numerator=x,
            denominator=n,
            n=n,
            status="not_estimable",
            warning="the denominator is 0: no case to estimate a proportion from",
        )
    low, high = limits
    return Interval(method, x / n, low, high, confidence_level, numerator=x, denominator=n, n=n)


def wilson_limits(x: npt.ArrayLike, n: npt.ArrayLike, confidence_level: float = 0.95) -> tuple[FloatArray, FloatArray]:
    """Wilson's (1927) score limits for arrays of counts x out of n, which broadcast; NaN where n = 0.

    (x + z^2/2 -+ z sqrt(x (n - x) / n + z^2/4)) / (n + z^2), without continuity correction. At x = 0 the lower limit is exactly 0, at
    x = n the upper exactly 1.
    """
    return score_limits(x, n, normal_quantile(confidence_level))


def score_limits(x: npt.ArrayLike, n: npt.ArrayLike, z: float) -> tuple[FloatArray, FloatArray]:
    """`wilson_limits` with a given quantile z; x and n need not be whole numbers (effective sample sizes)."""
    hits, total = np.broadcast_arrays(np.asarray(x, dtype=np.float64), np.asarray(n, dtype=np.float64))
    size = np.where(total > 0, total, np.nan)
    half = z * np.sqrt(hits * (size - hits) / size + z * z / 4)
    low = (hits + z * z / 2 - half) / (size + z * z)
    high = (hits + z * z / 2 + half) / (size + z * z)
    low = np.where(hits == 0, low * 0, np.clip(low, 0, None))
    high = np.where(hits == total, high * 0 + 1, np.clip(high, None, 1))
    return low, high


def wilson(x: int, n: int, confidence_level: float = 0.95) -> Interval:
    """Wilson's score interval of a proportion.

    Parameters
    ----------
    x : int
        Cases that count (successes).
    n : int
        Cases of the denominator.
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.

    Returns
    -------
    Interval
        `not_estimable` for n = 0.

    Raises
    ------
    ValueError
        A count that is negative or above its total, or a level outside 0 to 1.

    Notes
    -----
    (x + z^2/2 -+ z sqrt(x (n - x) / n + z^2/4)) / (n + z^2), without continuity correction; exactly 0 at x = 0 and 1 at x = n.

    References
    ----------
    .. [1] Wilson (1927). Journal of the American Statistical Association 22:209-212. doi:10.1080/01621459.1927.10502953

    Examples
    --------
    >>> from hybridcx.stats import wilson
    >>> wilson(36, 49)
    Interval(method='wilson', estimate=0.734694, conf_low=0.597377, conf_high=0.837887, conf_level=0.95, numerator=36,
        denominator=49, n=49)
    """
    _check_counts(x, n)
    low, high = wilson_limits(x, n, confidence_level)
    return _proportion("wilson", x, n, (float(low), float(high)), confidence_level)


def clopper_pearson(x: int, n: int, confidence_level: float = 0.95) -> Interval:
    """The exact interval of a proportion.

    Parameters
    ----------
    x : int
        Cases that count (successes).
    n : int
        Cases of the denominator.
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.

    Returns
    -------
    Interval
        `not_estimable` for n = 0.

    Raises
    ------
    ValueError
        A count that is negative or above its total, or a level outside 0 to 1.

    Notes
    -----
    Beta quantiles at alpha/2 with (x, n - x + 1) and at 1 - alpha/2 with (x + 1, n - x); 0 and 1 are exact at x = 0 and x = n. Both tails get
    alpha/2, also at the ends (no one-sided alpha there).

    References
    ----------
    .. [1] Clopper and Pearson (1934). Biometrika 26:404-413. doi:10.1093/biomet/26.4.404

    Examples
    --------
    >>> from hybridcx.stats import clopper_pearson
    >>> clopper_pearson(36, 49)
    Interval(method='clopper_pearson', estimate=0.734694, conf_low=0.589183, conf_high=0.850529, conf_level=0.95,
        numerator=36, denominator=49, n=49)
    """
    _check_counts(x, n)
    normal_quantile(confidence_level)  # checks it
    low, high = _beta_limits((x, n - x + 1), (x + 1, n - x), confidence_level)
    return _proportion("clopper_pearson", x, n, (low if x > 0 else 0.0, high if x < n else 1.0), confidence_level)


def agresti_coull(x: int, n: int, confidence_level: float = 0.95) -> Interval:
    """Agresti and Coull's interval of a proportion: Wald's about Wilson's midpoint.

    Parameters
    ----------
    x : int
        Cases that count (successes).
    n : int
        Cases of the denominator.
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.

    Returns
    -------
    Interval
        The estimate stays x / n. `not_estimable` for n = 0.

    Raises
    ------
    ValueError
        A count that is negative or above its total, or a level outside 0 to 1.

    Notes
    -----
    p -+ z sqrt(p (1 - p) / (n + z^2)) with p = (x + z^2/2) / (n + z^2), clipped to 0 and 1: the version with z^2, not the "add two successes and two
    failures" of its 95 % special case.

    References
    ----------
    .. [1] Agresti and Coull (1998). The American Statistician 52:119-126. doi:10.1080/00031305.1998.10480550

    Examples
    --------
    >>> from hybridcx.stats import agresti_coull
    >>> agresti_coull(36, 49)
    Interval(method='agresti_coull', estimate=0.734694, conf_low=0.59626, conf_high=0.839004, conf_level=0.95,
        numerator=36, denominator=49, n=49)
    """
    _check_counts(x, n)
    z = normal_quantile(confidence_level)
    size = n + z**2
    p = (x + z**2 / 2) / size if size else nan
    half = z * sqrt(p * (1 - p) / size) if size else nan
    return _proportion("agresti_coull", x, n, (max(p - half, 0.0), min(p + half, 1.0)), confidence_level)


def jeffreys(x: int, n: int, confidence_level: float = 0.95) -> Interval:
    """The modified Jeffreys interval of a proportion.

    Parameters
    ----------
    x : int
        Cases that count (successes).
    n : int
        Cases of the denominator.
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.

    Returns
    -------
    Interval
        `not_estimable` for n = 0.

    Raises
    ------
    ValueError
        A count that is negative or above its total, or a level outside 0 to 1.

    Notes
    -----
    Equal-tailed quantiles of the posterior Beta(x + 1/2, n - x + 1/2). Modified at the ends: the lower limit is 0 at x = 0 and the upper limit 1 at
    x = n. The further change of Brown, Cai and DasGupta for x = 1 and n - 1 is not made.

    References
    ----------
    .. [1] Brown, Cai and DasGupta (2001). Statistical Science 16:101-133. doi:10.1214/ss/1009213286

    Examples
    --------
    >>> from hybridcx.stats import jeffreys
    >>> jeffreys(36, 49)
    Interval(method='jeffreys', estimate=0.734694, conf_low=0.600204, conf_high=0.842383, conf_level=0.95, numerator=36,
        denominator=49, n=49)
    """
    _check_counts(x, n)
    normal_quantile(confidence_level)  # checks it
    posterior = (x + 0.5, n - x + 0.5)
    low, high = _beta_limits(posterior, posterior, confidence_level)
    return _proportion("jeffreys", x, n, (low if x > 0 else 0.0, high if x < n else 1.0), confidence_level)


def _not_estimable(method: str, metric: str, confusion: Confusion, confidence_level: float) -> Interval:
    return Interval(
        method,
        nan,
        conf_level=confidence_level,
        n=confusion.n,
        status="not_estimable",
        warning=undefined_reason(metric, confusion),
    )


def _mover(metric: str, scale: float, shift: float, confusion: Confusion, confidence_level: float) -> Interval:
    """MOVER for scale (sensitivity + specificity) + shift."""
    c = confusion
    if c.positives == 0 or c.negatives == 0:
        return _not_estimable("mover_wilson", metric, c, confidence_level)
    se, sp = wilson(c.tp, c.positives, confidence_level), wilson(c.tn, c.negatives, confidence_level)
    total, low, high = mover_sum(se, sp)
    return Interval(
        "mover_wilson",
        scale * total + shift,
        scale * low + shift,
        scale * high + shift,
        confidence_level,
        n=c.n,
    )


def mover_sum(a: Interval, b: Interval, correlation: float = 0.0) -> tuple[float, float, float]:
    """The sum of two proportions with MOVER limits (Zou and Donner 2008), clipped to 0 to 2.

    L = S - sqrt(d1^2 + d2^2 + 2 r d1 d2) with d the distances to the lower limits and r the correlation of the two estimates; U likewise.
    """
    total, r = a.estimate + b.estimate, correlation
    d1, d2 = a.estimate - a.conf_low, b.estimate - b.conf_low
    u1, u2 = a.conf_high - a.estimate, b.conf_high - b.estimate
    down, up = sqrt(d1**2 + d2**2 + 2 * r * d1 * d2), sqrt(u1**2 + u2**2 + 2 * r * u1 * u2)
    return total, max(total - down, 0.0), min(total + up, 2.0)


def balanced_accuracy_mover(confusion: Confusion, confidence_level: float = 0.95) -> Interval:
    """Balanced accuracy with MOVER limits from Wilson's for sensitivity and specificity.

    Parameters
    ----------
    confusion : Confusion
        The counts TP, FN, FP, TN.
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.

    Returns
    -------
    Interval
        `not_estimable` where a class is absent.

    Notes
    -----
    L = S - sqrt((se - l1)^2 + (sp - l2)^2), U = S + sqrt((u1 - se)^2 + (u2 - sp)^2) for S = se + sp, then halved; clipped to 0 to 1.

    References
    ----------
    .. [1] Zou and Donner (2008). Statistics in Medicine 27:1693-1702. doi:10.1002/sim.3095

    Examples
    --------
    >>> from hybridcx.stats import Confusion, balanced_accuracy_mover
    >>> balanced_accuracy_mover(Confusion(tp=23, fn=2, fp=1, tn=23))
    Interval(method='mover_wilson', estimate=0.939167, conf_low=0.822306, conf_high=0.972757, conf_level=0.95, n=49)
    """
    return _mover("balanced_accuracy", 0.5, 0.0, confusion, confidence_level)


def youden_mover(confusion: Confusion, confidence_level: float = 0.95) -> Interval:
    """Youden's J, sensitivity + specificity - 1, with MOVER limits from Wilson's.

    Parameters
    ----------
    confusion : Confusion
        The counts TP, FN, FP, TN.
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.

    Returns
    -------
    Interval
        `not_estimable` where a class is absent.

    Notes
    -----
    The limits of `balanced_accuracy_mover`, as J = 2 BA - 1; clipped to -1 to 1.

    References
    ----------
    .. [1] Youden (1950). Cancer 3:32-35.
    .. [2] Zou and Donner (2008). Statistics in Medicine 27:1693-1702. doi:10.1002/sim.3095

    Examples
    --------
    >>> from hybridcx.stats import Confusion, youden_mover
    >>> round(youden_mover(Confusion(tp=23, fn=2, fp=1, tn=23)).estimate, 4)
    0.8783
    """
    return _mover("youden_j", 1.0, -1.0, confusion, confidence_level)


def _log_interval(method: str, metric: str, variance: float, confusion: Confusion, confidence_level: float) -> Interval:
    """estimate * exp(-+ z sqrt(variance)), or the estimate alone where an empty cell leaves its logarithm without a variance."""
    c = confusion
    estimate = float(count_metrics(c.tp, c.fn, c.fp, c.tn)[metric])
    z = normal_quantile(confidence_level)
    if not isfinite(estimate) and estimate != inf:
        return _not_estimable(method, metric, c, confidence_level)
    if estimate in (0.0, inf):
        what = "infinite" if estimate == inf else "0"
        return Interval(
            method,
            estimate,
            conf_level=confidence_level,
            n=c.n,
            status="caution",
            warning=f"a cell of the confusion matrix is empty, the ratio is {what} and has no limits on the log scale",
        )
    if variance <= 0:
        return Interval(
            method,
            estimate,
            conf_level=confidence_level,
            n=c.n,
            status="caution",
            warning="every case is predicted alike, the estimated variance is 0 and no evidence: no limits",
        )
    half = z * sqrt(variance)
    return Interval(method, estimate, estimate * exp(-half), estimate * exp(half), confidence_level, n=c.n)


def likelihood_ratio_log(
    confusion: Confusion, metric: Literal["lr_positive", "lr_negative"], confidence_level: float = 0.95
) -> Interval:
    """A likelihood ratio with limits on the log scale.

    Parameters
    ----------
    confusion : Confusion
        The counts TP, FN, FP, TN.
    metric : {"lr_positive", "lr_negative"}
        LR+ = sensitivity / (1 - specificity) or LR- = (1 - sensitivity) / specificity.
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.

    Returns
    -------
    Interval
        A ratio of 0 or Inf (an empty cell) is `caution` without limits, 0/0 is `not_estimable`.

    Raises
    ------
    ValueError
        Another metric.

    Notes
    -----
    var(log LR+) = 1/TP - 1/(TP + FN) + 1/FP - 1/(FP + TN); for LR- with FN and TN instead of TP and FP. 1/2 is never added.

    References
    ----------
    .. [1] Simel, Samsa and Matchar (1991). Journal of Clinical Epidemiology 44:763-770. doi:10.1016/0895-4356(91)90128-V

    Examples
    --------
    >>> from hybridcx.stats import Confusion, likelihood_ratio_log
    >>> likelihood_ratio_log(Confusion(tp=23, fn=2, fp=1, tn=23), "lr_positive")
    Interval(method='log', estimate=22.08, conf_low=3.23005, conf_high=150.935, conf_level=0.95, n=49)
    """
    c = confusion
    if metric not in ("lr_positive", "lr_negative"):
        raise ValueError(f"metric must be lr_positive or lr_negative, got {metric!r}")
    one, other = (c.tp, c.fp) if metric == "lr_positive" else (c.fn, c.tn)
    variance = 1 / one - 1 / c.positives + 1 / other - 1 / c.negatives if one and other else nan
    return _log_interval("log", metric, variance, c, confidence_level)


def diagnostic_odds_ratio_log(confusion: Confusion, confidence_level: float = 0.95) -> Interval:
    """The diagnostic odds ratio with Woolf's limits.

    Parameters
    ----------
    confusion : Confusion
        The counts TP, FN, FP, TN.
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.

    Returns
    -------
    Interval
        A ratio of 0 or Inf (an empty cell) is `caution` without limits, 0/0 is `not_estimable`.

    Notes
    -----
    var(log DOR) = 1/TP + 1/FN + 1/FP + 1/TN. 1/2 is never added.

    References
    ----------
    .. [1] Woolf (1955). Annals of Human Genetics 19:251-253.
    .. [2] Glas et al. (2003). Journal of Clinical Epidemiology 56:1129-1135. doi:10.1016/S0895-4356(03)00177-X

    Examples
    --------
    >>> from hybridcx.stats import Confusion, diagnostic_odds_ratio_log
    >>> diagnostic_odds_ratio_log(Confusion(tp=23, fn=2, fp=1, tn=23))
    Interval(method='log', estimate=264.5, conf_low=22.3939, conf_high=3124.08, conf_level=0.95, n=49)
    """
    c = confusion
    cells = (c.tp, c.fn, c.fp, c.tn)
    variance = sum(1 / cell for cell in cells) if all(cells) else nan
    return _log_interval("log", "diagnostic_odds_ratio", variance, c, confidence_level)


def f1_wilson(confusion: Confusion, confidence_level: float = 0.95) -> Interval:
    """F1 with Wilson's limits of Jaccard's index, of which it is an increasing function.

    Parameters
    ----------
    confusion : Confusion
        The counts TP, FN, FP, TN.
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.

    Returns
    -------
    Interval
        `numerator` and `denominator` are those of Jaccard's index. `not_estimable` without a positive case.

    Notes
    -----
    F1 = 2 J / (1 + J) with J = TP / (TP + FP + FN), the share of true positives among the cases that truth or model calls positive.

    References
    ----------
    .. [1] Wilson (1927). Journal of the American Statistical Association 22:209-212. doi:10.1080/01621459.1927.10502953

    Examples
    --------
    >>> from hybridcx.stats import Confusion, f1_wilson
    >>> f1_wilson(Confusion(tp=23, fn=2, fp=1, tn=23))
    Interval(method='wilson', estimate=0.938776, conf_low=0.830574, conf_high=0.979575, conf_level=0.95, numerator=23,
        denominator=26, n=49)
    """
    c = confusion
    estimate = float(count_metrics(c.tp, c.fn, c.fp, c.tn)["f1"])
    size = c.tp + c.fp + c.fn
    if isnan(estimate):
        return _not_estimable("wilson", "f1", c, confidence_level)
    low, high = (float(v) for v in wilson_limits(c.tp, size, confidence_level))
    return Interval(
        "wilson", estimate, 2 * low / (1 + low), 2 * high / (1 + high), confidence_level, numerator=c.tp, denominator=size, n=c.n
    )  # fmt: skip


def likelihood_ratio_mover(
    confusion: Confusion, metric: Literal["lr_positive", "lr_negative"], confidence_level: float = 0.95
) -> Interval:
    """A likelihood ratio with MOVER limits for a ratio of two proportions, from Wilson's.

    Parameters
    ----------
    confusion : Confusion
        The counts TP, FN, FP, TN.
    metric : {"lr_positive", "lr_negative"}
        LR+ = sensitivity / (1 - specificity) or LR- = (1 - sensitivity) / specificity.
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.

    Returns
    -------
    Interval
        Also for a ratio of 0 or Inf, which has one limit of its own. `not_estimable` for 0/0 and without a class.

    Raises
    ------
    ValueError
        Another metric.

    Notes
    -----
    With the proportions p1, p2 and their limits (l1, u1), (l2, u2):
    L = (p1 p2 - sqrt((p1 p2)^2 - l1 u2 (2 p1 - l1)(2 p2 - u2))) / (u2 (2 p2 - u2)),
    U = (p1 p2 + sqrt((p1 p2)^2 - u1 l2 (2 p1 - u1)(2 p2 - l2))) / (l2 (2 p2 - l2)).
    For p2 = 0, L = sqrt(l1 (2 p1 - l1)) / u2 and U = Inf.

    References
    ----------
    .. [1] Donner and Zou (2012). Statistical Methods in Medical Research 21:347-359.

    Examples
    --------
    >>> from hybridcx.stats import Confusion, likelihood_ratio_mover
    >>> likelihood_ratio_mover(Confusion(tp=23, fn=2, fp=1, tn=23), "lr_positive")
    Interval(method='mover_wilson', estimate=22.08, conf_low=4.44695, conf_high=124.487, conf_level=0.95, n=49)
    """
    if metric not in ("lr_positive", "lr_negative"):
        raise ValueError(f"metric must be lr_positive or lr_negative, got {metric!r}")
    c = confusion
    estimate = float(count_metrics(c.tp, c.fn, c.fp, c.tn)[metric])
    if isnan(estimate):
        return _not_estimable("mover_wilson", metric, c, confidence_level)
    above, below = (c.tp, c.fp) if metric == "lr_positive" else (c.fn, c.tn)
    p1, p2 = above / c.positives, below / c.negatives
    (l1, u1), (l2, u2) = (
        tuple(float(v) for v in wilson_limits(x, n, confidence_level))
        for x, n in ((above, c.positives), (below, c.negatives))
    )
    product = p1 * p2
    if below == 0:
        low, high = sqrt(l1 * (2 * p1 - l1)) / u2, inf
    else:
        # The same number as in the formula, which is 0/0 at 2 p2 = u2.
        root = sqrt(max(product**2 - l1 * u2 * (2 * p1 - l1) * (2 * p2 - u2), 0.0))
        low = l1 * (2 * p1 - l1) / (product + root) if above else 0.0
        root = sqrt(max(product**2 - u1 * l2 * (2 * p1 - u1) * (2 * p2 - l2), 0.0))
        high = (product + root) / (l2 * (2 * p2 - l2))
    return Interval("mover_wilson", estimate, low, high, confidence_level, n=c.n)


def diagnostic_odds_ratio_mover(confusion: Confusion, confidence_level: float = 0.95) -> Interval:
    """The diagnostic odds ratio with MOVER limits for the sum of two logits, from Wilson's.

    Parameters
    ----------
    confusion : Confusion
        The counts TP, FN, FP, TN.
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.

    Returns
    -------
    Interval
        Where sensitivity or specificity is 1 (0) the upper (lower) limit is Inf (0). `not_estimable` for 0/0.

    Notes
    -----
    log DOR = logit(sensitivity) + logit(specificity). L = log DOR - sqrt((logit se - logit l1)^2 + (logit sp - logit l2)^2), U likewise. At a limit
    of Inf or 0 the other limit is the sum of the two limits' logits.

    References
    ----------
    .. [1] Zou and Donner (2008). Statistics in Medicine 27:1693-1702. doi:10.1002/sim.3095

    Examples
    --------
    >>> from hybridcx.stats import Confusion, diagnostic_odds_ratio_mover
    >>> diagnostic_odds_ratio_mover(Confusion(tp=23, fn=2, fp=0, tn=24))
    Interval(method='mover_wilson', estimate=inf, conf_low=18.7768, conf_high=inf, conf_level=0.95, n=49)
    """
    c = confusion
    estimate = float(count_metrics(c.tp, c.fn, c.fp, c.tn)["diagnostic_odds_ratio"])
    if isnan(estimate):
        return _not_estimable("mover_wilson", "diagnostic_odds_ratio", c, confidence_level)
    shares = ((c.tp, c.positives), (c.tn, c.negatives))
    lows, highs = zip(*(wilson_limits(x, n, confidence_level) for x, n in shares), strict=True)
    low_sum, high_sum = (float(sum(special.logit(v) for v in limits)) for limits in (lows, highs))
    if estimate == 0.0:
        low, high = -inf, high_sum
    elif estimate == inf:
        low, high = low_sum, inf
    else:
        logits = [float(special.logit(x / n)) for x, n in shares]
        centre = sum(logits)
        low = centre - sqrt(sum((v - float(special.logit(w))) ** 2 for v, w in zip(logits, lows, strict=True)))
        high = centre + sqrt(sum((float(special.logit(w)) - v) ** 2 for v, w in zip(logits, highs, strict=True)))
    return Interval("mover_wilson", estimate, exp(low), exp(high), confidence_level, n=c.n)


def net_benefit_mover(confusion: Confusion, threshold: float, confidence_level: float = 0.95) -> Interval:
    """Net benefit at one threshold with MOVER limits from Wilson's.

    Parameters
    ----------
    confusion : Confusion
        The counts of the calls score >= threshold.
    threshold : float
        Threshold probability t, in [0, 1).
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.

    Returns
    -------
    Interval
        Not clipped: the prevalence, its upper bound, is estimated too. `not_estimable` without cases.

    Notes
    -----
    p1 - w p2 with p1 = TP / n, p2 = FP / n, w = t / (1 - t). L = NB - sqrt(a^2 - 2 r a b + b^2) with a = p1 - l1, b = w (u2 - p2), and U with u1 and
    l2 likewise; r = -sqrt(p1 p2 / ((1 - p1)(1 - p2))) is the correlation of two cells of a multinomial.

    References
    ----------
    .. [1] Vickers and Elkin (2006). Medical Decision Making 26:565-574. doi:10.1177/0272989X06295361
    .. [2] Zou and Donner (2008). Statistics in Medicine 27:1693-1702. doi:10.1002/sim.3095

    Examples
    --------
    >>> from hybridcx.stats import Confusion, net_benefit_mover
    >>> net_benefit_mover(Confusion(tp=23, fn=2, fp=1, tn=23), threshold=0.2)
    Interval(method='mover_wilson', estimate=0.464286, conf_low=0.327309, conf_high=0.601722, conf_level=0.95, n=49)
    """
    c = confusion
    if c.n == 0:
        return Interval(
            "mover_wilson", nan, conf_level=confidence_level, n=0, status="not_estimable", warning="there are no cases"
        )
    odds = threshold / (1 - threshold)
    p1, p2 = c.tp / c.n, c.fp / c.n
    (l1, l2), (u1, u2) = wilson_limits([c.tp, c.fp], c.n, confidence_level)
    r = -sqrt(p1 * p2 / ((1 - p1) * (1 - p2))) if 0 < p1 < 1 and 0 < p2 < 1 else 0.0

    def reach(a: float, b: float) -> float:
        return sqrt(max(a * a - 2 * r * a * b + b * b, 0.0))

    value = p1 - odds * p2
    low = value - reach(p1 - float(l1), odds * (float(u2) - p2))
    return Interval(
        "mover_wilson", value, low, value + reach(float(u1) - p1, odds * (p2 - float(l2))), confidence_level, n=c.n
    )


def predictive_value_mercaldo(
    confusion: Confusion, metric: Literal["ppv", "npv"], prevalence: float, confidence_level: float = 0.95
) -> Interval:
    """PPV or NPV at a given prevalence (Bayes), with limits on the logit scale.

    Parameters
    ----------
    confusion : Confusion
        The counts TP, FN, FP, TN.
    metric : {"ppv", "npv"}
        The predictive value.
    prevalence : float
        Prevalence p, strictly between 0 and 1, taken as known.
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.

    Returns
    -------
    Interval
        `not_estimable` where a class is absent or Bayes' formula is 0/0; `caution` without limits where the value is 0 or 1 or the variance 0;
        `caution` with limits where sensitivity or specificity is 0 or 1, as its sampling error is then estimated as 0.

    Raises
    ------
    ValueError
        Another metric, or a prevalence outside 0 to 1.

    Notes
    -----
    logit PPV = log(se p / ((1 - sp)(1 - p))), variance (1 - se)/(se n1) + sp/((1 - sp) n0);
    logit NPV = log(sp (1 - p) / ((1 - se) p)), variance se/((1 - se) n1) + (1 - sp)/(sp n0),
    n1 and n0 the numbers of positive and negative cases. The standard logit interval: no adjustment is added to empty cells.

    References
    ----------
    .. [1] Mercaldo, Lau and Zhou (2007). Statistics in Medicine 26:2170-2183. doi:10.1002/sim.2677

    Examples
    --------
    >>> from hybridcx.stats import Confusion, predictive_value_mercaldo
    >>> predictive_value_mercaldo(Confusion(tp=23, fn=2, fp=1, tn=23), "ppv", prevalence=0.1)
    Interval(method='mercaldo_logit', estimate=0.710425, conf_low=0.264107, conf_high=0.943727, conf_level=0.95, n=49)
    """
    if metric not in ("ppv", "npv"):
        raise ValueError(f"metric must be ppv or npv, got {metric!r}")
    if not 0 < prevalence < 1:
        raise ValueError(f"prevalence must lie strictly between 0 and 1, got {prevalence}")
    method, c = "mercaldo_logit", confusion
    z = normal_quantile(confidence_level)
    if c.positives == 0 or c.negatives == 0:
        which = "positive" if c.positives == 0 else "negative"
        return Interval(
            method,
            nan,
            conf_level=confidence_level,
            n=c.n,
            status="not_estimable",
            warning=f"there are no {which} cases",
        )
    # `hit` counts the cases whose call is right, in the class that this predictive value is about, `miss` the wrong ones in the other.
    if metric == "ppv":
        hit, n_hit, miss, n_miss, odds = c.tp, c.positives, c.fp, c.negatives, prevalence / (1 - prevalence)
    else:
        hit, n_hit, miss, n_miss, odds = c.tn, c.negatives, c.fn, c.positives, (1 - prevalence) / prevalence
    if hit == 0 and miss == 0:
        called = "positive" if metric == "ppv" else "negative"
        return Interval(
            method,
            nan,
            conf_level=confidence_level,
            n=c.n,
            status="not_estimable",
            warning=f"no case is predicted {called}",
        )
    right, wrong = hit / n_hit * odds, miss / n_miss
    estimate = right / (right + wrong)
    if hit == 0 or miss == 0:
        return Interval(
            method,
            estimate,
            conf_level=confidence_level,
            n=c.n,
            status="caution",
            warning=f"the value is {estimate:g} because a cell of the confusion matrix is empty; its logit has no limits",
        )
    variance = 1 / hit - 1 / n_hit + 1 / miss - 1 / n_miss
    if hit == n_hit and miss == n_miss:
        return Interval(
            method,
            estimate,
            conf_level=confidence_level,
            n=c.n,
            status="caution",
            warning="every case is predicted alike, the estimated variance is 0 and no evidence: no limits",
        )
    logit, half = log(right / wrong), z * sqrt(variance)
    edge = hit == n_hit or miss == n_miss
    return Interval(
        method,
        estimate,
        float(special.expit(logit - half)),
        float(special.expit(logit + half)),
        confidence_level,
        n=c.n,
        status="caution" if edge else "ok",
        warning="sensitivity or specificity is 0 or 1, its sampling error is estimated as 0: the limits are too narrow"
        if edge
        else "",
    )
