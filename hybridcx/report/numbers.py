"""Numbers as text. All rounding of a report happens here.

Rules, each with a test:

- A half is rounded away from zero, in the decimal notation of the number: 0.8125 is 81.3 %, as on paper.
- A bound is printed only where it is attained: a proportion below 1 is never "100.0" but ">99.9", one above 0 never "0.0" but "<0.1".
- A difference other than zero is never printed as zero: it gets up to three more decimals, so that a limit stays on its side of zero.
- A limit that differs from the margin is never printed as the margin: it gets up to three more decimals, so that the verdict can be checked.
- A p-value has three decimals: "<0.001" below that, ">0.999" where rounding would give 1, and further decimals where rounding would give 0.050.
- Minus is U+2212; a missing value is "NA".
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from math import isfinite, isinf, isnan, nan
from numbers import Real

from hybridcx.vocabulary.metrics import Metric

NA = "NA"
MINUS = "−"
_EXTRA_DECIMALS = 3
_NOISE = 1e-9
"""Floating point error: a bound or zero that is missed by less counts as attained."""
_SMALLEST_P = 0.001
_P_DECIMALS = 3
_MAX_P_DECIMALS = 6


def _missing(x: object) -> bool:
    return x is None or not isinstance(x, Real) or isnan(x)


def fixed(x: float | None, decimals: int = 3, *, scale: int = 1) -> str:
    """`x * scale` with this many decimals, halves away from zero: fixed(0.8125, 1, scale=100) is "81.3"."""
    if x is None or _missing(x):
        return NA
    if isinf(x):
        return "∞" if x > 0 else MINUS + "∞"
    rounded = _round(x, decimals, scale)
    return (MINUS if rounded < 0 else "") + f"{abs(rounded):f}"


def _round(x: float, decimals: int, scale: int = 1) -> Decimal:
    return (Decimal(repr(float(x))) * scale).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)


def percent(p: float | None, decimals: int = 1) -> str:
    """A proportion as a percentage without the sign: percent(0.93877551) is "93.9"."""
    return _within(p, decimals, 0.0, 1.0, 100)


def signed(x: float | None, decimals: int, *, scale: int = 1) -> str:
    """A difference with its sign: signed(-0.0612, 1, scale=100) is "−6.1"; zero has no sign."""
    if x is None or _missing(x):
        return NA
    if isinf(x):
        return "+∞" if x > 0 else MINUS + "∞"
    rounded = _round(x, decimals, scale)
    if abs(x) > _NOISE and rounded == 0:
        for extra in range(1, _EXTRA_DECIMALS + 1):
            rounded = _round(x, decimals + extra, scale)
            if rounded != 0:
                break
        else:
            return f"{_round(0.0, decimals):f}"
    sign = "+" if rounded > 0 else MINUS if rounded < 0 else ""
    return sign + f"{abs(rounded):f}"


def _within(x: float | None, decimals: int, low: float, high: float, scale: int = 1) -> str:
    """A value of the range [low, high], whose bounds are printed only where they are attained."""
    if x is None or _missing(x) or isinf(x):
        return fixed(x, decimals)
    rounded = _round(x, decimals, scale)
    step = Decimal(1).scaleb(-decimals)
    if isfinite(high) and x < high - _NOISE and rounded >= _round(high, decimals, scale):
        return ">" + f"{_round(high, decimals, scale) - step:f}"
    if low == 0 and x > _NOISE and rounded == 0:
        return "<" + f"{step:f}"
    return fixed(x, decimals, scale=scale)


def p_value(p: float | None) -> str:
    """A p-value: "0.125", "<0.001", ">0.999"; "1" only where it is 1. `p_equals` puts "p = " before it."""
    if p is None or _missing(p):
        return NA
    if p < _SMALLEST_P:
        return f"<{_SMALLEST_P}"
    if p >= 1:
        return "1"
    decimals = _P_DECIMALS
    if _round(p, decimals) >= 1:
        return f">{1 - Decimal(1).scaleb(-decimals):f}"
    while p != 0.05 and decimals < _MAX_P_DECIMALS and _round(p, decimals) == Decimal("0.05"):
        decimals += 1
    return fixed(p, decimals)


def p_equals(p: float | None, name: str = "p") -> str:
    """A p-value in a sentence: "p = 0.125", "p < 0.001", "p > 0.999"."""
    text = p_value(p)
    return f"{name} {text[0]} {text[1:]}" if text[0] in "<>" else f"{name} = {text}"


def count(n: float | None) -> str:
    """A count; from 10 000 on a thin space separates the thousands."""
    if n is None or _missing(n):
        return NA
    if n != int(n):
        return fixed(n, 1)
    return f"{int(n):,}".replace(",", "\u2009") if abs(n) >= 10_000 else str(int(n)).replace("-", MINUS)


def value(metric: Metric, x: float | None) -> str:
    """The value of a metric in the metric's unit: a percentage without the sign, or a number with the metric's decimals."""
    if metric.unit == "percent":
        return percent(x, metric.decimals)
    return _within(x, metric.decimals, metric.low, metric.high)


def amount(metric: Metric, x: float | None, extra_decimals: int = 0) -> str:
    """A margin, range, standard deviation or error in the metric's unit: percentage points, or a number; without sign and bounds."""
    return fixed(x, metric.decimals + extra_decimals, scale=100 if metric.unit == "percent" else 1)


def interval(metric: Metric, estimate: float, low: float, high: float) -> str:
    """An estimate with its limits: "93.9 (83.5 to 97.9)"; without limits the estimate alone."""
    text = value(metric, estimate)
    return text if _missing(low) or _missing(high) else f"{text} ({value(metric, low)} to {value(metric, high)})"


def confidence_interval(conf_level: float | None, low: str, high: str) -> str:
    """An interval in a sentence: "95% CI 83.5 to 97.9", from limits as the tables print them."""
    return f"{level(conf_level)} CI {low} to {high}".lstrip()


def difference(metric: Metric, x: float | None, margin: float = nan) -> str:
    """A comparison of two models: a signed difference (in percentage points for proportions), or a ratio.

    A limit that rounding would move onto the margin gets further decimals, so that it stays on its side of the margin.
    """
    if metric.null == 1:
        return _within(x, metric.decimals, 0.0, float("inf"))
    scale, decimals = 100 if metric.unit == "percent" else 1, metric.decimals
    if x is not None and not _missing(x) and isfinite(x) and isfinite(margin) and abs(abs(x) - margin) > _NOISE:
        most = decimals + _EXTRA_DECIMALS
        while decimals < most and _round(abs(x), decimals, scale) == _round(margin, decimals, scale):
            decimals += 1
    return signed(x, decimals, scale=scale)


def difference_interval(metric: Metric, estimate: float, low: float, high: float, margin: float = nan) -> str:
    """A comparison with its limits: "+6.1 (−2.2 to +15.4)"."""
    text = difference(metric, estimate)
    if _missing(low) or _missing(high):
        return text
    return f"{text} ({difference(metric, low, margin)} to {difference(metric, high, margin)})"


def unit(metric: Metric, *, of_difference: bool = False) -> str:
    """The unit in a table's heading: "%", "percentage points", "ratio" or nothing."""
    if metric.unit == "percent":
        return "percentage points" if of_difference else "%"
    return "ratio" if of_difference and metric.null == 1 else ""


def heading(metric: Metric) -> str:
    """The metric and its unit: "Accuracy, %", "AUROC"."""
    return ", ".join(x for x in (metric.label, unit(metric)) if x)


def difference_heading(metric: Metric) -> str:
    """The metric and the short unit of its comparison: "PPV, points", "LR+, ratio", "AUROC"."""
    short = {"percentage points": "points"}
    of_difference = unit(metric, of_difference=True)
    return ", ".join(x for x in (metric.label, short.get(of_difference, of_difference)) if x)


def level(conf_level: float | None) -> str:
    """A confidence level: 0.95 is "95%"; "" where it is missing."""
    if conf_level is None or _missing(conf_level):
        return ""
    return f"{fixed(conf_level, 4, scale=100).rstrip('0').rstrip('.')}%"
