"""A published table of metrics, long: one row per model and metric, each value as it was printed.

The printed text is kept, because its number of decimals sets the rounding interval of the value. Nothing is guessed: a range, a bound,
a decimal comma or an unknown metric is named with its row.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path

import pandas as pd

from hybridcx.errors import InputError, Problem, printable, raise_if_any
from hybridcx.records.cells import check_spellings, check_text, some
from hybridcx.records.published_names import known_metric, not_used, suggestion, total
from hybridcx.records.strict_csv import Table, scan_csv
from hybridcx.records.tables import scan_frame
from hybridcx.vocabulary import RATIOS

UNITS = ("percent", "proportion")

"""Metrics that are no proportion and are never printed as a percentage."""
MAX_CASES = 100_000

_ABSENT = frozenset({"", "na", "n/a", "nan", "nr", "none", "null", "-", "–", "—", "--"})
_INFINITE = frozenset({"inf", "infinity", "∞", "+inf"})
_NUMBER = re.compile(r"[+-]?(?P<whole>[0-9]*)(\.(?P<decimals>[0-9]*))?")
_FORMS = (
    (re.compile(r"[<>≤≥~≈].*"), "a bound, not a value", "print the value that is meant, or leave the row out"),
    (re.compile(r"[+-]?[0-9]+,[0-9]+\s*%?"), "a decimal comma", "write a decimal point"),
    (re.compile(r".*[0-9]\s*(±|\+/-|\(|\[|–|-|to\b|;|/).*"), "a range, or a value with its interval", "keep the value alone"),
    (re.compile(r"[+-]?[0-9.]+[eE][+-]?[0-9]+"), "an exponent", "write the number out, with the decimals that were printed"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PrintedValue:
    """One printed value. `printed_as`: its name in the table; `metric`: the vocabulary's; `complement`: 1 minus that metric.

    `text` as printed, `value` its number, `decimals` how many were printed.
    """

    model: str
    printed_as: str
    metric: str
    complement: bool
    text: str
    value: float
    decimals: int
    row: int


@dataclass(frozen=True, slots=True)
class PublishedTable:
    """A published table that passed every check.

    `values` in the order of the file. `totals`: model -> (positives, negatives). `units`: printed name -> percent, proportion or ratio.
    `ambiguous`: printed names that were read as proportions and may be percentages. `unused`: (model, printed name, text, reason).
    `frame`: the input, for a copy with the results.
    """

    values: tuple[PrintedValue, ...]
    totals: Mapping[str, tuple[int, int]]
    units: Mapping[str, str]
    ambiguous: tuple[str, ...]
    unused: tuple[tuple[str, str, str, str], ...]
    frame: pd.DataFrame
    warnings: tuple[Problem, ...] = ()

    @property
    def models(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(v.model for v in self.values))


def read_published(
    source: str | Path | pd.DataFrame,
    positives: int | None = None,
    negatives: int | None = None,
    unit: str | Mapping[str, str] | None = None,
) -> PublishedTable:
    """Read a published table (CSV, or a DataFrame, in which the values should be text).

    `positives`, `negatives`: class totals of every model, unless the table has them in columns or rows of that name. `unit`: percent or
    proportion for all metrics, or by printed name.

    Raises InputError with every problem of the file and the options.
    """
    required, optional = ("model", "metric", "value"), ("positives", "negatives")
    if isinstance(source, pd.DataFrame):
        table, problems = scan_frame(source, "the DataFrame", required, optional)
    else:
        table, problems = scan_csv(source, required, optional)
    problems = [*_option_problems(positives, negatives, unit), *problems]
    if table is None:
        raise InputError(p for p in problems if p.severity == "error")
    for column in ("model", "metric"):
        problems += check_text(table.frame[column], table.rows, file=table.file, column=column)
    problems += check_spellings(table.frame["model"], table.rows, file=table.file, column="model", what="model")
    values, unused, stated, more = _rows(table)
    totals, of_totals = _totals(table, values, stated, positives, negatives)
    units, ambiguous, of_units = _units(values, unit, table.file)
    problems += [*more, *of_totals, *of_units]
    if not values and not any(p.severity == "error" for p in problems):
        rule = "no metric of a confusion matrix among the values"
        problems.append(Problem(rule, table.file, remedy="add accuracy, sensitivity, specificity, PPV or the like"))
    raise_if_any(problems)
    used = [c for c in (*required, *optional) if c in table.frame]
    further = [c for c in table.frame if c not in used]
    if further:
        problems.append(Problem(f"further columns are not used: {some(further)}", table.file, severity="warning"))
    return PublishedTable(values, totals, units, ambiguous, unused, table.frame[used], tuple(problems))


def _option_problems(
    positives: int | None, negatives: int | None, unit: str | Mapping[str, str] | None
) -> list[Problem]:
    problems = []
    for name, n in (("--positives", positives), ("--negatives", negatives)):
        if n is not None and not 1 <= n <= MAX_CASES:
            problems.append(Problem(f"{name} must lie between 1 and {MAX_CASES:,}", value=n))
    if (positives is None) != (negatives is None):
        problems.append(Problem("both class totals are needed: --positives N --negatives N"))
    chosen = [unit] if isinstance(unit, str) else list((unit or {}).values())
    return problems + [
        Problem("the unit is percent or proportion", column="--unit", value=u) for u in chosen if u not in UNITS
    ]


def _rows(
    table: Table,
) -> tuple[
    tuple[PrintedValue, ...],
    tuple[tuple[str, str, str, str], ...],
    dict[tuple[str, str], tuple[str, int]],
    list[Problem],
]:
    """The printed values, the unused values, the class totals in rows, and the problems."""
    values: list[PrintedValue] = []
    unused: list[tuple[str, str, str, str]] = []
    stated: dict[tuple[str, str], tuple[str, int]] = {}
    problems: list[Problem] = []
    seen: dict[tuple[str, str], int] = {}
    file = table.file
    for row, (model, name, text) in zip(
        table.rows.tolist(), table.frame[["model", "metric", "value"]].itertuples(index=False), strict=True
    ):
        if not model.strip() or not name.strip():
            continue  # reported by check_text
        text = text.strip()
        earlier = seen.setdefault((model, name.strip().casefold()), row)
        if earlier != row:
            rule = f"the same model and metric as on line {earlier}"
            problems.append(Problem(rule, file, row, "metric", f"{model}, {name}", "keep one of them"))
            continue
        known = known_metric(name)
        if which := total(name):
            stated[model, which] = (text, row)
        elif known is None:
            if reason := not_used(name):
                unused.append((model, name, text, reason))
            else:
                problems.append(Problem("an unknown metric", file, row, "metric", name, suggestion(name)))
        elif text.casefold() in _ABSENT:
            unused.append((model, name, text, "no value was printed"))
            problems.append(Problem("no value, taken as not printed", file, row, "value", text, severity="warning"))
        else:
            number = _number(text, known[0])
            if isinstance(number, Problem):
                problems.append(Problem(number.rule, file, row, "value", text, number.remedy))
            else:
                values.append(PrintedValue(model, name, *known, text, *number, row))
    for reason in dict.fromkeys(r for *_, r in unused if r != "no value was printed"):
        names = dict.fromkeys(n for _, n, _, r in unused if r == reason)
        problems.append(Problem(f"not used: {some(names)}; {reason}", file, column="metric", severity="warning"))
    without = [m for m in dict.fromkeys(m for m, *_ in unused) if m not in {v.model for v in values}]
    if without and values:
        rule = f"nothing of these models can be used, they are left out: {some(without)}"
        problems.append(Problem(rule, file, column="model", severity="warning"))
    return tuple(values), tuple(unused), stated, problems


def _number(text: str, metric: str) -> tuple[float, int] | Problem:
    """The number and its decimals, or the problem of the text."""
    plain = text.removesuffix("%").rstrip().replace("−", "-") if text.endswith("%") else text.replace("−", "-")
    if plain.casefold() in _INFINITE and metric in RATIOS:
        return inf, 0
    match = _NUMBER.fullmatch(plain)
    if match and (match["whole"] or match["decimals"]) and len(plain) <= 40:
        if text.endswith("%") and metric in RATIOS:
            return Problem("a percentage of a ratio", remedy="write the ratio as a plain number")
        return float(plain), len(match["decimals"] or "")
    for form, rule, remedy in _FORMS:
        if form.fullmatch(plain):
            return Problem(rule, remedy=remedy)
    return Problem("no number", remedy="write the value as it is printed, or NA where none is")


def _totals(
    table: Table,
    values: tuple[PrintedValue, ...],
    stated: Mapping[tuple[str, str], tuple[str, int]],
    positives: int | None,
    negatives: int | None,
) -> tuple[dict[str, tuple[int, int]], list[Problem]]:
    """Each model's class totals: its own rows or columns, else the options."""
    problems: list[Problem] = []
    own: dict[tuple[str, str], tuple[int, int]] = {}

    def note(model: str, which: str, text: str, row: int, column: str) -> None:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= MAX_CASES:
            rule = f"a class total must be a whole number between 1 and {MAX_CASES:,}"
            problems.append(Problem(rule, table.file, row, column, text))
            return
        earlier = own.setdefault((model, which), (int(text), row))
        if earlier[0] != int(text):
            rule = f"another number of {which} than on line {earlier[1]} for {printable(model)}"
            problems.append(Problem(rule, table.file, row, column, text, "give each model one total"))

    for which in ("positives", "negatives"):
        if which in table.frame:
            cells = table.frame[["model", which]].itertuples(index=False)
            for row, (model, text) in zip(table.rows.tolist(), cells, strict=True):
                if text.strip().casefold() not in _ABSENT:
                    note(model, which, text.strip(), row, which)
    for (model, which), (text, row) in stated.items():
        note(model, which, text, row, "value")
    totals: dict[str, tuple[int, int]] = {}
    lacking: list[str] = []
    for model in dict.fromkeys(v.model for v in values):
        p, n = own.get((model, "positives"), (positives, 0))[0], own.get((model, "negatives"), (negatives, 0))[0]
        if p is None or n is None:
            lacking.append(model)
        else:
            totals[model] = (p, n)
    invalid = any(which in table.frame for which in ("positives", "negatives")) and problems
    if lacking and not invalid and (positives is None) == (negatives is None):
        rule = f"the class totals of {some(lacking)} are not known"
        remedy = "give --positives N --negatives N, or columns of that name"
        problems.append(Problem(rule, table.file, remedy=remedy))
    if own and positives is not None and (positives, negatives) not in {totals.get(m) for m, _ in own}:
        rule = "the table's own class totals win over --positives and --negatives"
        problems.append(Problem(rule, table.file, severity="warning"))
    return totals, problems


def _units(
    values: tuple[PrintedValue, ...], unit: str | Mapping[str, str] | None, file: str
) -> tuple[dict[str, str], tuple[str, ...], list[Problem]]:
    """Percent or proportion for each printed name, over the whole table; the names that could be either; the problems."""
    problems: list[Problem] = []
    units: dict[str, str] = {}
    ambiguous: list[str] = []
    names = dict.fromkeys(v.printed_as for v in values)
    chosen = dict.fromkeys(names, unit) if isinstance(unit, str) else dict(unit or {})
    problems += [
        Problem("--unit names a metric that is not printed", file, value=name, remedy=f"printed are {some(names)}")
        for name in chosen
        if name not in names
    ]
    for name in names:
        column = [v for v in values if v.printed_as == name]
        if column[0].metric in RATIOS:
            units[name] = "ratio"
            continue
        above = [v for v in column if abs(v.value) > 1]
        signs = column if "%" in name else [v for v in column if v.text.endswith("%")]
        option = chosen.get(name)
        units[name] = option or ("percent" if above or signs else "proportion")
        if option is None and not above and not signs:
            ambiguous.append(name)
        if option == "proportion" and (above or signs):
            problems.append(_no_proportion((above or signs)[0], file))
        if option is None and above:
            problems += [_small_percentage(v, file) for v in column if 0 < abs(v.value) < 1 and v.decimals > 1]
    return units, _could_be_percent(values, units, ambiguous), problems


def _no_proportion(value: PrintedValue, file: str) -> Problem:
    rule = "no proportion, although --unit says so"
    return Problem(rule, file, value.row, "value", value.text, "use --unit percent")


def _small_percentage(value: PrintedValue, file: str) -> Problem:
    """A warning: a value below 1 among percentages of which others are above 1."""
    name = printable(value.printed_as)
    rule = f"read as a percentage like the other values of {name}, although it looks like a proportion"
    return Problem(rule, file, value.row, "value", value.text, "correct it if it is one", severity="warning")


def _could_be_percent(
    values: tuple[PrintedValue, ...], units: Mapping[str, str], ambiguous: list[str]
) -> tuple[str, ...]:
    """Those of the printed names without a value above 1 that may be percentages after all.

    A table without a value above 1 holds proportions: read as percentages, every false value could be true. Among percentages, a column with no
    more decimals than theirs may hold percentages too (a sensitivity of 0.5 %); MCC and Youden's J alone may be below 1 by chance.
    """
    decimals = [v.decimals for v in values if units[v.printed_as] == "percent"]
    if not decimals:
        return tuple(ambiguous) if {v.metric for v in values} <= {"mcc", "youden_j"} else ()
    most = {name: max(v.decimals for v in values if v.printed_as == name) for name in ambiguous}
    return tuple(name for name in ambiguous if most[name] <= max(decimals))
