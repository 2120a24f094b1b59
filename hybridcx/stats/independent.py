"""Differences and ratios of two independent estimates, from their intervals."""

from __future__ import annotations

from math import exp, isfinite, log, nan, sqrt
from typing import NamedTuple


class Limits(NamedTuple):
    """An estimate with its confidence limits; NaN where they do not exist."""

    estimate: float
    conf_low: float
    conf_high: float


def mover_difference(first: tuple[float, float, float], second: tuple[float, float, float]) -> Limits:
    """The difference of two independent estimates with an interval recovered from theirs (MOVER; Zou and Donner 2008).

    With estimates a, b and limits (l_a, u_a), (l_b, u_b) the limits of a - b are
    a - b - sqrt((a - l_a)^2 + (u_b - b)^2) and a - b + sqrt((u_a - a)^2 + (b - l_b)^2). With Wilson's limits this is Newcombe's (1998)
    method 10 for two independent proportions; with Wald's limits it is Wald's interval of the difference.

    Parameters
    ----------
    first, second : (estimate, lower, upper) of a and of b, at one confidence level. Limits may be NaN.

    Returns
    -------
    Limits: the difference and its limits; NaN where the estimate, or one of the limits, is missing.

    >>> [round(x, 4) for x in mover_difference((0.8, 0.6919, 0.8767), (0.6, 0.4905, 0.7004))]
    [0.2, 0.0524, 0.3339]
    """
    (a, low_a, high_a), (b, low_b, high_b) = first, second
    difference = a - b if isfinite(a) and isfinite(b) else nan
    if not all(map(isfinite, (difference, low_a, high_a, low_b, high_b))):
        return Limits(difference, nan, nan)
    low = difference - sqrt((a - low_a) ** 2 + (high_b - b) ** 2)
    high = difference + sqrt((high_a - a) ** 2 + (b - low_b) ** 2)
    return Limits(difference, low, high)


def mover_ratio(first: tuple[float, float, float], second: tuple[float, float, float]) -> Limits:
    """The ratio a / b of two independent positive estimates: `mover_difference` of their logarithms, and back.

    Returns NaN where an estimate or a limit is not a positive finite number.
    """
    if not all(isfinite(x) and x > 0 for x in (first[0], second[0])):
        return Limits(nan, nan, nan)
    logs = [tuple(log(x) if isfinite(x) and x > 0 else nan for x in one) for one in (first, second)]
    estimate, low, high = mover_difference(*logs)  # type: ignore[arg-type]
    return Limits(exp(estimate), exp(low) if isfinite(low) else nan, exp(high) if isfinite(high) else nan)
