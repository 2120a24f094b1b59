"""Non-inferiority, equivalence, and the verdict in words, all by inverting one interval per pair.

Everything here is about a difference for which larger is better. For metrics where lower is better (`METRICS[...].higher_is_better`)
the caller turns the sign first: (low, high) becomes (-high, -low). For likelihood ratios the caller passes log limits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isnan, nan
from typing import Literal

from scipy import optimize, special

from hybridcx.stats.results import PairedTest
from hybridcx.stats.ties import ROUNDING, above, tied

Limits = Callable[[float], tuple[float, float]]
"""A two-sided confidence level in (0, 1) to the limits (low, high) at that level, nested in the level."""

OneSided = Callable[[float], tuple[float, float]]
"""A null value to the one-sided p-values of "difference <= null" and "difference >= null", where a method inverts its interval itself."""

SMALLEST_PVALUE = float(special.ndtr(-8.0))
"""About 6e-16. Beyond it a confidence level is 1 in double precision and no interval can be inverted."""

ZERO_WIDTH = "the interval has zero width and is no evidence"


def pvalue_above(limits: Limits, null: float, smallest: float = SMALLEST_PVALUE) -> float:
    """One-sided p of "difference <= null" against "difference > null", by inverting `limits`.

    It is the a at which the lower limit of level 1 - 2a (for a > 1/2 the upper limit of level 2a - 1) equals `null`, so that p < a exactly
    if the interval of level 1 - 2a lies above `null`. Found by a bracketed search on the normal scale of a, on which most limits are
    nearly straight; a step function (limits that are quantiles of resamples) gives the step. The result lies in
    [smallest, 1 - smallest]; with B resamples pass `smallest` = 1 / (B + 1). NaN if the limits do not exist.
    The other direction, "difference >= null", is `pvalue_above(lambda level: (-high, -low), -null)`; see `pvalue_below`.

    >>> from hybridcx.stats.proportions import normal_quantile
    >>> wald = lambda level: (0.1 - 0.05 * normal_quantile(level), 0.1 + 0.05 * normal_quantile(level))
    >>> round(pvalue_above(wald, 0.0), 5)
    0.02275
    """
    if not 0 < smallest < 0.5:
        raise ValueError(f"the smallest p-value must lie between 0 and 1/2, got {smallest}")
    edge = min(-float(special.ndtri(smallest)), 8.0)

    def bound(t: float) -> float:
        """The limit with one-sided error Phi(t), minus `null`: increasing in t. A limit that equals `null` does not exceed it."""
        # Exactly 0 would ask for the interval of level 0, which not every method has.
        level = 1 - 2 * float(special.ndtr(-max(abs(t), 1e-9)))
        low, high = limits(level)
        limit = low if t < 0 else high
        return -ROUNDING if tied(limit, null) else limit - null

    first, last = bound(-edge), bound(edge)
    if isnan(first) or isnan(last):
        return nan
    if first >= 0:
        return smallest
    if last <= 0:
        return 1 - smallest
    t = float(optimize.brentq(bound, -edge, edge, xtol=1e-11, rtol=1e-11, maxiter=500))
    return float(special.ndtr(t))


def pvalue_below(limits: Limits, null: float, smallest: float = SMALLEST_PVALUE) -> float:
    """One-sided p of "difference >= null" against "difference < null": `pvalue_above` of the mirrored interval."""

    def mirrored(level: float) -> tuple[float, float]:
        low, high = limits(level)
        return -high, -low

    return pvalue_above(mirrored, -null, smallest)


def _inverted(
    method: str,
    limits: Limits,
    margin: float,
    estimate: float,
    confidence_level: float,
    n: float,
    pvalue: Callable[[], float],
) -> PairedTest:
    if not margin > 0:
        raise ValueError(f"the margin must be positive, got {margin}")
    if not 0 < confidence_level < 1:
        raise ValueError(f"confidence_level must lie strictly between 0 and 1, got {confidence_level}")
    low, high = limits(confidence_level)
    if isnan(estimate):
        return PairedTest(
            method,
            nan,
            conf_level=confidence_level,
            n=n,
            margin=margin,
            status="not_estimable",
            warning="the difference is not estimable",
        )
    if isnan(low) or isnan(high):
        return PairedTest(
            method,
            estimate,
            conf_level=confidence_level,
            n=n,
            margin=margin,
            status="caution",
            warning="the interval to invert does not exist",
        )
    if low == high:
        return PairedTest(
            method, estimate, low, high, confidence_level, n=n, margin=margin, status="caution", warning=ZERO_WIDTH
        )
    return PairedTest(method, estimate, low, high, confidence_level, pvalue=pvalue(), n=n, margin=margin)


def non_inferiority(
    limits: Limits,
    margin: float,
    estimate: float,
    confidence_level: float = 0.95,
    n: float = nan,
    smallest: float = SMALLEST_PVALUE,
    one_sided: OneSided | None = None,
) -> PairedTest:
    """Test of "difference <= -margin" (the model is worse by the margin or more) by inverting the pair's interval.

    `limits`: see `Limits`; `estimate` the difference, model minus comparator, larger is better. One-sided, to be held against
    (1 - confidence_level)/2: p is below it exactly if the lower limit at `confidence_level` exceeds -margin. The limits in the result are the
    two-sided ones at `confidence_level`, as in the verdict. An interval of zero width, or none, gives no p and `caution`.
    `one_sided`, where the method has it, spares the search.
    Raises ValueError unless margin > 0.
    """
    return _inverted(
        "non_inferiority",
        limits,
        margin,
        estimate,
        confidence_level,
        n,
        lambda: pvalue_above(limits, -margin, smallest) if one_sided is None else one_sided(-margin)[0],
    )


def tost(
    limits: Limits,
    margin: float,
    estimate: float,
    confidence_level: float = 0.95,
    n: float = nan,
    smallest: float = SMALLEST_PVALUE,
    one_sided: OneSided | None = None,
) -> PairedTest:
    """Two one-sided tests of equivalence (Schuirmann 1987): p is the larger of those of "<= -margin" and ">= margin".

    Each is to be held against (1 - confidence_level)/2, so that equivalence is shown exactly if the interval at `confidence_level` lies
    within (-margin, margin). Arguments and edges as in `non_inferiority`.
    """
    return _inverted(
        "tost",
        limits,
        margin,
        estimate,
        confidence_level,
        n,
        lambda: (
            max(pvalue_above(limits, -margin, smallest), pvalue_below(limits, margin, smallest))
            if one_sided is None
            else max(one_sided(-margin)[0], one_sided(margin)[1])
        ),
    )


def smallest_margin(conf_low: float, conf_high: float) -> float:
    """The smallest margin (an infimum) with which [conf_low, conf_high] would have shown equivalence: max(-low, high), at least 0.

    NaN for an interval of zero width or without a limit: it is no evidence for any margin.

    >>> smallest_margin(-0.04, 0.07)
    0.07
    """
    if isnan(conf_low) or isnan(conf_high) or conf_low == conf_high:
        return nan
    return max(-conf_low, conf_high)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`within_margin` says whether the interval lies within (-margin, margin), whatever the verdict; None without a margin or evidence."""

    verdict: Literal["superior", "inferior", "equivalent", "non_inferior", "inconclusive"]
    within_margin: bool | None


def verdict(
    conf_low: float,
    conf_high: float,
    margin: float | None = None,
    adjusted_pvalue: float = nan,
    alpha: float = 0.05,
) -> Verdict:
    """The rule of docs/reference/conventions.md, "Verdicts", for a difference [L, U] of which larger is better.

    `superior` L > 0 and `inferior` U < 0, both only if the adjusted p-value is below `alpha`; else `equivalent` if -m < L and U < m;
    else `non_inferior` if L > -m; else `inconclusive`. Without a margin only superior, inferior and inconclusive are possible.
    A limit equal to 0 or to the margin within rounding is neither above nor below it (`stats.ties`).
    An interval of zero width, or without a limit, is no evidence: `inconclusive`. A missing adjusted p-value (NaN) is not below `alpha`.
    Raises ValueError for a margin that is not positive, or limits in the wrong order.

    >>> verdict(-0.01, 0.03, margin=0.05, adjusted_pvalue=0.4).verdict
    'equivalent'
    """
    if margin is not None and not margin > 0:
        raise ValueError(f"the margin must be positive, got {margin}")
    if conf_low > conf_high:
        raise ValueError(f"limits in the wrong order: {conf_low} > {conf_high}")
    if isnan(conf_low) or isnan(conf_high) or tied(conf_low, conf_high):
        return Verdict("inconclusive", None)
    within = None if margin is None else above(conf_low, -margin) and above(margin, conf_high)
    significant = adjusted_pvalue < alpha
    if above(conf_low, 0.0) and significant:
        return Verdict("superior", within)
    if above(0.0, conf_high) and significant:
        return Verdict("inferior", within)
    if within:
        return Verdict("equivalent", within)
    if margin is not None and above(conf_low, -margin):
        return Verdict("non_inferior", within)
    return Verdict("inconclusive", within)
