"""The only place that rounds: numbers as text, and tables of such text with their footnotes.

Rules, each one a test:

- A half is rounded away from zero, on the number as it is written in decimals: 0.8125 is 81.3 %, as on paper.
- A bound is printed only if it is attained: a proportion below 1 is never "100.0" but ">99.9", one above 0 never "0.0"
  but "<0.1".
- A difference that is not zero is never printed as zero: it gets more decimals (up to three), so that an interval's
  limit keeps the side of zero on which it lies.
- A limit that is not the margin is never printed as the margin: it gets more decimals (up to three), so that the verdict can be seen.
- A p-value has three decimals, "<0.001" below that, ">0.999" when rounding would make it 1; it gets a further decimal
  when rounding would print exactly 0.050. This is the plain style; how journals print p-values and intervals is read from
  the style in force (`report.journal_style`).
- Minus is U+2212; what does not exist is "NA".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from math import isfinite, isinf, isnan, nan
from numbers import Real

from hybridcx.report.formats.journal_style import current
from hybridcx.vocabulary.metrics import Metric

NA = "NA"
MINUS = "−"
_EXTRA_DECIMALS = 3
_ZERO = re.compile(r"(?<![\d.])0(?=\.)")
_NOISE = 1e-9  # a bound or a zero missed by less than this is missed by the arithmetic, not by the data


def _missing(x: object) -> bool:
    return x is None or not isinstance(x, Real) or isnan(x)


def fixed(x: float | None, decimals: int = 3, *, scale: int = 1) -> str:
    """`x * scale` with so many decimals, a half away from zero: fixed(0.8125, 1, scale=100) is "81.3"."""
    if x is None or _missing(x):
        return NA
    if isinf(x):
        return "∞" if x > 0 else MINUS + "∞"
    rounded = _round(x, decimals, scale)
    return (MINUS if rounded < 0 else "") + f"{abs(rounded):f}"


def _round(x: float, decimals: int, scale: int = 1) -> Decimal:
    return (Decimal(repr(float(x))) * scale).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)


def percent(p: float | None, decimals: int = 1) -> str:
    """A proportion as a percentage without its sign: percent(0.93877551) is "93.9"."""
    return _within(p, decimals, 0.0, 1.0, 100)


def signed(x: float | None, decimals: int, *, scale: int = 1) -> str:
    """A difference with its sign: signed(-0.0612, 1, scale=100) is "−6.1"; exactly zero has no sign."""
    if x is None or _missing(x):
        return NA
    if isinf(x):
        return "+∞" if x > 0 else MINUS + "∞"
    rounded = _round(x, decimals, scale)
    if abs(x) > _NOISE and rounded == 0:
        for more in range(1, _EXTRA_DECIMALS + 1):
            rounded = _round(x, decimals + more, scale)
            if rounded != 0:
                break
        else:
            return f"{_round(0.0, decimals):f}"
    sign = ("+" if current().numbers.plus else "") if rounded > 0 else MINUS if rounded < 0 else ""
    return sign + f"{abs(rounded):f}"


def _within(x: float | None, decimals: int, low: float, high: float, scale: int = 1) -> str:
    """`x` of the range [low, high], its bounds printed only if attained."""
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
    """A p-value: "0.125", "<0.001", ">0.999"; "1" only if it is 1. With "p = " before it: `p_equals`."""
    if p is None or _missing(p):
        return NA
    style = current().p
    if p < style.smallest:
        return "<" + _led(f"{_plain(style.smallest)}", style.leading_zero)
    if p >= 1 and style.one:
        return "1"
    decimals = style.decimals_small if p < style.decimals_below else style.decimals
    if _round(p, decimals) >= 1:
        return ">" + _led(f"{1 - Decimal(1).scaleb(-decimals):f}", style.leading_zero)
    while p != 0.05 and decimals < 6 and _round(p, decimals) == Decimal("0.05"):
        decimals += 1
    return _led(fixed(p, decimals), style.leading_zero)


def p_equals(p: float | None, name: str = "p") -> str:
    """p = 0.125, p < 0.001, p > 0.999; the letter is the style's."""
    text, name = p_value(p), name.removesuffix("p") + current().p.symbol
    return f"{name} {text[0]} {text[1:]}" if text[0] in "<>" else f"{name} = {text}"


def p_heading(*heads: str) -> list[str]:
    """Headings of columns of p-values, such as "p, exact", with the style's letter."""
    return [current().p.symbol + h.removeprefix("p") for h in heads]


def _led(text: str, zero: bool) -> str:
    """A number below 1 with or without the zero before its point."""
    return text if zero else _ZERO.sub("", text)


def _plain(x: float) -> str:
    return f"{Decimal(repr(x)):f}"


def count(n: float | None) -> str:
    """A count, thousands set apart by a thin space from 10 000 on."""
    if n is None or _missing(n):
        return NA
    if n != int(n):
        return fixed(n, 1)
    return f"{int(n):,}".replace(",", "\u2009") if abs(n) >= 10_000 else str(int(n)).replace("-", MINUS)


def value(metric: Metric, x: float | None) -> str:
    """The value of a metric in its own unit: a percentage without the sign, or a number with its decimals."""
    if metric.unit == "percent":
        return percent(x, metric.decimals)
    bounded = metric.low >= -1 and metric.high <= 1
    return _led(_within(x, metric.decimals, metric.low, metric.high), current().numbers.leading_zero or not bounded)


def interval(metric: Metric, estimate: float, low: float, high: float) -> str:
    """An estimate with its limits: "93.9 (83.5 to 97.9)"; without limits the estimate alone."""
    text = value(metric, estimate)
    return text if _missing(low) or _missing(high) else f"{text} {_limits(value(metric, low), value(metric, high))}"


def _limits(low: str, high: str) -> str:
    """Limits as they stand beside an estimate: "(83.5 to 97.9)"."""
    style = current().interval
    return f"{style.open}{low}{style.join}{high}{style.close}"


def brackets() -> str:
    """What the limits beside an estimate stand in."""
    return "parentheses" if current().interval.open == "(" else "brackets"


def confidence(conf_level: float | None, low: str, high: str) -> str:
    """An interval in a sentence: "95% CI 83.5 to 97.9"; `low` and `high` as the tables print them."""
    style, said = current().interval, level(conf_level)
    return f"{said + ' ' if said else ''}CI{style.said_open}{low}{style.join}{high}{style.said_close}"


def difference(metric: Metric, x: float | None, margin: float = nan) -> str:
    """A comparison of two models: a signed difference (percentage points for proportions), or a ratio as it is.

    A limit that only rounding would put on the margin gets further decimals, so that it lies on the side that the verdict says.
    """
    if metric.null == 1:
        return _within(x, metric.decimals, 0.0, float("inf"))
    scale, decimals = 100 if metric.unit == "percent" else 1, metric.decimals
    if x is not None and not _missing(x) and isfinite(x) and isfinite(margin) and abs(abs(x) - margin) > _NOISE:
        most = decimals + _EXTRA_DECIMALS
        while decimals < most and _round(abs(x), decimals, scale) == _round(margin, decimals, scale):
            decimals += 1
    bounded = metric.unit != "percent" and metric.high - metric.low <= 1
    return _led(signed(x, decimals, scale=scale), current().numbers.leading_zero or not bounded)


def difference_interval(metric: Metric, estimate: float, low: float, high: float, margin: float = nan) -> str:
    """A comparison with its limits: "+6.1 (−2.2 to +15.4)"."""
    text = difference(metric, estimate)
    if _missing(low) or _missing(high):
        return text
    return f"{text} {_limits(difference(metric, low, margin), difference(metric, high, margin))}"


def unit(metric: Metric, *, of_difference: bool = False) -> str:
    """The unit that stands in a table's heading."""
    if metric.unit == "percent":
        return "percentage points" if of_difference else "%"
    return "ratio" if of_difference and metric.null == 1 else ""


def level(conf_level: float | None) -> str:
    """95% of a confidence level 0.95; "confidence" alone stays where it is unknown."""
    return (
        ""
        if conf_level is None or _missing(conf_level)
        else f"{fixed(conf_level, 4, scale=100).rstrip('0').rstrip('.')}%"
    )


def marker(index: int) -> str:
    """The marker of the footnote with this number: a, b … z, aa, ab …"""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(ord("a") + rest) + letters
    return letters


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: its text, a smaller second line, the footnotes it refers to; `number` sets it flush right."""

    text: str
    sub: str = ""
    notes: tuple[str, ...] = ()
    number: bool = True
    header: bool = False


@dataclass(slots=True)
class Notes:
    """The footnotes of one table: the same text has the same marker."""

    texts: list[str] = field(default_factory=list)

    def mark(self, *texts: object) -> tuple[str, ...]:
        """Register the texts (blank and missing ones are passed over) and return their markers."""
        marks = []
        for text in texts:
            if not isinstance(text, str) or not text:
                continue
            if text not in self.texts:
                self.texts.append(text)
            marks.append(marker(self.texts.index(text)))
        return tuple(dict.fromkeys(marks))

    def items(self) -> list[tuple[str, str]]:
        return [(marker(i), text) for i, text in enumerate(self.texts)]


@dataclass(frozen=True, slots=True)
class Table:
    """A table as the page sets it. The first cell of a row is its heading; `numeric` says which columns are numbers."""

    key: str
    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numeric: tuple[bool, ...]
    notes: tuple[tuple[str, str], ...] = ()
    remark: str = ""
    source: str = ""


def table(
    key: str,
    caption: str,
    head: Sequence[str],
    rows: Sequence[Sequence[Cell | str]],
    *,
    notes: Notes | None = None,
    remark: str = "",
    source: str = "",
    cap: int | None = None,
) -> Table:
    """Make a table; plain strings become cells, the first cell of a row its heading. Beyond `cap` rows it is cut, and says so."""
    total = len(rows)
    if cap is not None and total > cap:
        rows = rows[:cap]
        remark = " ".join(
            x
            for x in (
                remark,
                f"The first {cap} of {count(total)} rows" + (f"; all are in {source}." if source else "."),
            )
            if x
        )
    made = []
    for row in rows:
        cells = [c if isinstance(c, Cell) else Cell(c, number=False) for c in row]
        if len(cells) != len(head):
            raise ValueError(f"table {key}: {len(cells)} cells in a row, {len(head)} columns")
        cells[0] = Cell(cells[0].text, cells[0].sub, cells[0].notes, number=False, header=True)
        made.append(tuple(cells))
    numeric = tuple(bool(made) and all(row[i].number for row in made) for i in range(len(head)))
    return Table(key, caption, tuple(head), tuple(made), numeric, tuple((notes or Notes()).items()), remark, source)
