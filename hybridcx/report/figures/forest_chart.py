"""A forest plot as rows of a table on the page: each with its bar, its numbers and its verdict.

Unlike a drawing it is read aloud row by row, keeps its type size on every screen, and folds on a narrow one. Places are percentages of
the bar's width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from matplotlib.ticker import MaxNLocator

from hybridcx import vocabulary
from hybridcx.report import answers, numbers
from hybridcx.report.shown_rows import Pair

_ROOM = 0.04
"""The share of the axis that is left free on either side of the longest interval."""
_TICKS = 6


@dataclass(frozen=True, slots=True)
class Bar:
    """One comparison. `low`, `high`: its own interval; `outer`: the simultaneous one; None where there is none. `numbers`, `verdict`: in words."""

    model: str
    comparator: str
    estimate: float | None
    interval: tuple[float, float] | None
    outer: tuple[float, float] | None
    numbers: str
    verdict: str


@dataclass(frozen=True, slots=True)
class ForestChart:
    """The comparisons in one metric.

    `heading`: of the numbers; `null`: the place of "no difference"; `band`: that of the margin; `ticks`: (place, label).
    """

    metric: str
    label: str
    axis: str
    heading: str
    bars: tuple[Bar, ...]
    null: float
    band: tuple[float, float] | None
    ticks: tuple[tuple[float, str], ...]
    with_verdicts: bool


def forest_chart(pairs: Sequence[Pair], name: str, margin: float | None) -> ForestChart:
    """The chart of `pairs`, comparisons in the metric `name`; `margin` draws the band of equivalence."""
    metric = vocabulary.metric(name)
    scale = 100.0 if metric.unit == "percent" else 1.0
    band = None if margin is None or not isfinite(margin) else (-margin * scale, margin * scale)
    drawn = [x * scale for p in pairs for x in (p.estimate, p.low, p.high, *p.simultaneous) if isfinite(x)]
    drawn += [float(metric.null), *(band or ())]
    low, high = min(drawn), max(drawn)
    room = _ROOM * (high - low or 1.0)
    low, high = low - room, high + room

    def at(x: float) -> float:
        return round(100 * (x - low) / (high - low), 2)

    def span(limits: tuple[float, float]) -> tuple[float, float] | None:
        return (at(limits[0] * scale), at(limits[1] * scale)) if all(map(isfinite, limits)) else None

    ticks = [t for t in MaxNLocator(_TICKS).tick_values(low, high) if low <= t <= high]
    bars = tuple(
        Bar(
            p.model,
            p.comparator,
            at(p.estimate * scale) if isfinite(p.estimate) else None,
            span((p.low, p.high)),
            span(p.simultaneous) if p.has_simultaneous else None,
            _numbers(metric, p),
            answers.verdict_text(p) + answers.withheld(p) if p.verdict else "",
        )
        for p in pairs
    )
    unit = numbers.unit(metric, of_difference=True)
    return ForestChart(
        metric=name,
        label=metric.label,
        axis=f"{'Ratio of' if metric.null == 1 else 'Difference in'} {answers.in_sentence(name)}"
        + (f", {unit}" if unit and metric.null != 1 else "")
        + (" (lower is better)" if metric.better < 0 else ""),
        heading=_heading(pairs),
        bars=bars,
        null=at(float(metric.null)),
        band=None if band is None else (at(band[0]), at(band[1])),
        ticks=tuple((at(t), _tick(t)) for t in ticks),
        with_verdicts=any(b.verdict for b in bars),
    )


def _heading(pairs: Sequence[Pair]) -> str:
    """The heading of the numbers: which interval they have, the one that the verdict uses."""
    level = next((numbers.level(p.conf_level) for p in pairs if isfinite(p.conf_level)), "")
    simultaneous = "simultaneous " if len(pairs) > 1 and any(p.has_simultaneous for p in pairs) else ""
    return f"Estimate ({simultaneous}{level} CI)" if level else "Estimate"


def _numbers(metric: vocabulary.Metric, p: Pair) -> str:
    if not isfinite(p.estimate):
        return "not estimable"
    low, high = p.simultaneous if p.has_simultaneous else (p.low, p.high)
    return numbers.difference_interval(metric, p.estimate, low, high, p.margin)


def _tick(x: float) -> str:
    return f"{x:g}".replace("-", numbers.MINUS)
