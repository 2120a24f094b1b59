"""A published table of metrics, each value as it was printed: one row per model and metric, or one row per model and one column per metric.

The printed text is kept, because its number of decimals sets the rounding interval of the value. What is left out of a value (its interval, its
fraction) and how a qualified metric is read is reported; a range, a bound or an unknown metric is refused with its row.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path

import pandas as pd

from hybridcx.errors import InputError, Problem, printable, raise_if_any
from hybridcx.records.cells import check_spellings, check_text, some
from hybridcx.records.containers import scan_file
from hybridcx.records.published_names import class_number, known_metric, not_used, qualified, suggestion, total
from hybridcx.records.strict_csv import Table
from hybridcx.records.tables import scan_frame
from hybridcx.vocabulary import RATIOS
from hybridcx.vocabulary.audit import AVERAGES

UNITS = ("percent", "proportion")
MODEL_COLUMNS = ("model", "method", "network", "classifier", "architecture", "algorithm")
"""Names of the column of models in a table with one column per metric; the first that is there counts."""
MAX_CASES = 100_000

_NUMBERED = "with a class 2 it is not known which class is the positive one; write (positive class) and (negative class) if there are two"
_ABSENT = frozenset({"", "na", "n/a", "nan", "nr", "none", "null", "-", "–", "—", "--"})
_INFINITE = frozenset({"inf", "infinity", "∞", "+inf"})
_NUMBER = re.compile(r"[+-]?(?P<whole>[0-9]*)(\.(?P<decimals>[0-9]*))?")
_ONE = r"[+-]?(?:[0-9]+(?:[.,·][0-9]*)?|[.·][0-9]+)\s*%?"
_PAIR = rf"(?:95\s*%?\s*)?(?:CI|confidence interval)?\s*[:,=]?\s*{_ONE}\s*(?:to|[-–—;,…]|\.\.)\s*{_ONE}"
_WITH_MORE = re.compile(
    rf"(?P<value>{_ONE})\s*(?P<more>(?:\s*(?:(?:±|\+/-|\+-)\s*{_ONE}|[(\[](?:\s*[0-9]+\s*/\s*[0-9]+\s*|\s*(?:{_PAIR})\s*|\s*±?\s*{_ONE}\s*)[)\]]))+)\s*(?P<sign>%?)",
    re.IGNORECASE,
)
"""A value with its fraction, its interval or its standard deviation: 92.0 (46/50), 92.0 [88.1-95.2], 92.0 ± 1.2."""
_FRACTION = r"(?P<k>[0-9]{1,9})\s*/\s*(?P<n>[0-9]{1,9})"
_IN_BRACKETS = re.compile(rf"[(\[]\s*{_FRACTION}\s*[)\]]")
_FRACTION_FIRST = re.compile(rf"(?P<fraction>{_FRACTION})\s*[(\[]\s*(?P<value>{_ONE})\s*[)\]]")
_COMMA = re.compile(r"([+-]?[0-9]+),([0-9]+\s*%?)")
_FORMS = (
    (re.compile(r"[<>≤≥~≈].*"), "a bound, not a value", "print the value that is meant, or leave the row out"),
    (re.compile(r"[+-]?[0-9]+,[0-9]+\s*%?"), "a comma that may separate decimals or thousands", "write a decimal point, or leave the comma out"),
    (re.compile(_FRACTION), "a fraction alone", "write the percentage with it, as in 92.0 (46/50)"),
    (re.compile(r".*[0-9]\s*(±|\+/-|\(|\[|–|-|to\b|;|/).*"), "a range, or a value with its interval", "keep the value alone"),
    (re.compile(r"[+-]?[0-9.]+[eE][+-]?[0-9]+"), "an exponent", "write the number out, with the decimals that were printed"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PrintedValue:
    """One printed value. `printed_as`: its name in the table; `metric`: the vocabulary's; `complement`: 1 minus that metric.

    `text` as printed, `value` its number, `decimals` how many were printed, `percent` whether with a per cent sign.
    """

    model: str
    printed_as: str
    metric: str
    complement: bool
    text: str
    value: float
    decimals: int
    row: int
    percent: bool = False


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
    """Read a published table (CSV, or a DataFrame, in which the values should be text), long or with one column per metric.

    `positives`, `negatives`: class totals of every model, unless the table has them in columns or rows of that name. `unit`: percent or
    proportion for all metrics, or by printed name.

    Raises InputError with every problem of the file and the options.
    """
    required, optional = ("model", "metric", "value"), ("positives", "negatives")
    table, problems = _long(*_scan(source, ()))
    if table is None or not set(required) <= set(table.frame.columns):
        table, problems = _scan(source, required, optional)
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


def _scan(
    source: str | Path | pd.DataFrame, required: Sequence[str], optional: Sequence[str] = ()
) -> tuple[Table | None, list[Problem]]:
    if isinstance(source, pd.DataFrame):
        return scan_frame(source, "the DataFrame", required, optional)
    return scan_file(Path(source), required, optional)


def _long(table: Table | None, problems: list[Problem]) -> tuple[Table | None, list[Problem]]:
    """A table with one column per metric as one with the columns model, metric and value; any other table as it is."""
    if table is None:
        return table, problems
    raw, header = table.frame, [str(c) for c in table.frame.columns]
    by_name = {c.strip().casefold(): c for c in reversed(header)}
    models = next((by_name[n] for n in MODEL_COLUMNS if n in by_name), None)
    if models is None or {"metric", "value"} & set(by_name):
        return table, problems
    totals = [c for c in ("positives", "negatives") if c in header]
    metrics = [c for c in header if c != models and c not in totals and (known_metric(c) or not_used(c) or total(c))]
    if not metrics:
        return table, problems
    n = len(metrics)
    frame = raw[[models, *totals]].rename(columns={models: "model"})
    frame = frame.loc[frame.index.repeat(n)].reset_index(drop=True)
    frame.insert(1, "metric", pd.Series(metrics * len(raw), dtype="str"))
    frame.insert(2, "value", pd.Series(raw[metrics].to_numpy(dtype=object).ravel(), dtype="str"))
    printed = (~frame["value"].str.strip().str.casefold().isin(_ABSENT)).to_numpy()
    rule = f"read as one row per model ({printable(models)}) and one column per metric: {some(metrics)}"
    problems = [*problems, Problem(rule, table.file, severity="warning")]
    if other := [c for c in header if c not in (models, *totals, *metrics)]:
        rule = f"columns that are no known metric are not used: {some(other)}"
        problems.append(Problem(rule, table.file, remedy=suggestion(other[0]), severity="warning"))
    return replace(table, frame=frame[printed].reset_index(drop=True), rows=table.rows.repeat(n)[printed]), problems


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
    partly: list[tuple[int, str]] = []
    file = table.file
    numbers = {class_number(name) for name in table.frame["metric"]}
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
        elif "2" in numbers and class_number(name):
            unused.append((model, name, text, _NUMBERED))
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
                values.append(PrintedValue(model, name, *known, text, *number[:2], row, percent=number[2]))
                if number[3]:
                    partly.append((row, text))
    problems += [*_read_partly(partly, file), *_read_as(values, file)]
    for reason in dict.fromkeys(r for *_, r in unused if r != "no value was printed"):
        names = dict.fromkeys(n for _, n, _, r in unused if r == reason)
        problems.append(Problem(f"not used: {some(names)}; {reason}", file, column="metric", severity="warning"))
    without = [m for m in dict.fromkeys(m for m, *_ in unused) if m not in {v.model for v in values}]
    if without and values:
        rule = f"nothing of these models can be used, they are left out: {some(without)}"
        problems.append(Problem(rule, file, column="model", severity="warning"))
    return tuple(values), tuple(unused), stated, problems


def _read_partly(values: Sequence[tuple[int, str]], file: str) -> list[Problem]:
    """The warning about values of which a part was left out."""
    if not values:
        return []
    row, text = values[0]
    rule = f"{len(values)} values are used without what stands behind them (an interval, a fraction, a deviation)"
    remedy = "a mean over folds or repetitions does not come from one confusion matrix; leave such values out"
    deviations = any(sign in t for _, t in values for sign in ("±", "+/-", "+-"))
    return [Problem(rule, file, row, "value", text, remedy if deviations else None, severity="warning")]


def _read_as(values: Sequence[PrintedValue], file: str) -> list[Problem]:
    """A warning for each printed name with a qualifier: what it is read as."""
    problems = []
    for name, metric in dict.fromkeys((v.printed_as, v.metric) for v in values):
        if parts := qualified(name):
            base, qualifier = parts
            meaning = AVERAGES.get(metric, metric)
            class_of = {"negative": "0", "positive": "1"}.get(qualifier, "")
            assumed = f" ({class_of} taken as the {qualifier} class)" if class_of and class_of in name else ""
            instead = "" if metric == base else f"; it is not used as the {base} of the positive class"
            rule = f"{printable(name)} is read as {meaning}{assumed}{instead}"
            problems.append(Problem(rule, file, column="metric", severity="warning"))
    return problems


def _number(text: str, metric: str) -> tuple[float, int, bool, bool] | Problem:
    """The number, its decimals, whether it has a per cent sign, and whether more stood behind it; or the problem of the text."""
    plain = text.replace("−", "-").replace("·", ".").replace("\u00a0", " ")
    if first := _FRACTION_FIRST.fullmatch(plain):  # 46/50 (92.0 %)
        plain = f"{first['value']} ({first['fraction']})"
    more = _WITH_MORE.fullmatch(plain)
    if more:
        plain = more["value"] + more["sign"]
    comma = _COMMA.fullmatch(plain)
    thousands = comma and metric in RATIOS and len(comma[2].rstrip("% ")) == 3 and comma[1] not in ("0", "+0", "-0")
    if comma and not thousands:
        plain = f"{comma[1]}.{comma[2]}"
    percent = plain.endswith("%")
    plain = plain.rstrip("% ")
    if plain.casefold() in _INFINITE and metric in RATIOS:
        return inf, 0, False, False
    match = _NUMBER.fullmatch(plain)
    if match and (match["whole"] or match["decimals"]) and len(plain) <= 40:
        if percent and metric in RATIOS:
            return Problem("a percentage of a ratio", remedy="write the ratio as a plain number")
        value, decimals = float(plain), len(match["decimals"] or "")
        return _fraction_problem(value, decimals, more["more"] if more else "") or (
            value, decimals, percent, more is not None
        )  # fmt: skip
    for form, rule, remedy in _FORMS:
        if form.fullmatch(plain):
            return Problem(rule, remedy=remedy)
    return Problem("no number", remedy="write the value as it is printed, or NA where none is")


def _fraction_problem(value: float, decimals: int, more: str) -> Problem | None:
    """The problem of a fraction that is not the value, neither rounded nor cut off, as a percentage or as a proportion."""
    fraction = _IN_BRACKETS.search(more)
    if fraction is None:
        return None
    k, n, unit = int(fraction["k"]), int(fraction["n"]), 10.0**-decimals
    exact = [scale * k / n for scale in (1.0, 100.0)] if n else []
    if any(-0.5 * unit - 1e-9 <= e - value < unit - 1e-9 for e in exact):
        return None
    percentage = f" = {100 * k / n:.{max(decimals, 1)}f} %" if n else ""
    rule = f"the fraction contradicts the value: {k}/{n}{percentage}"
    return Problem(rule, remedy="correct the one that is wrong, or leave the fraction out")


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
        signs = column if "%" in name else [v for v in column if v.percent]
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
