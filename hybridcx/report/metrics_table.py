"""Tables of metrics with their intervals, models in rows and metrics in columns; several sections have one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite, isnan

import pandas as pd

from hybridcx import vocabulary
from hybridcx.report import numbers, shown_rows
from hybridcx.report.shown_rows import Row, number
from hybridcx.report.tables import Cell, Cells, Notes, Table, table

MAIN = ("accuracy", "sensitivity", "specificity", "ppv", "npv", "auroc")
"""The metrics of the study's Table III."""
CAP_ROWS = 150
LARGE_ERROR = 0.1
"""The Monte Carlo error of a limit is mentioned from this share of the interval's width on."""


def metrics_table(metrics: pd.DataFrame, columns: Sequence[str], key: str, caption: str) -> Table | None:
    """Models in rows, metrics in columns, each with its interval; the remark names the methods. None without such metrics."""
    if metrics.empty:
        return None
    rows = shown_rows.overall(metrics)
    values = shown_rows.shown_values(rows[rows["metric"].isin(list(columns))])
    models = list(dict.fromkeys(k[0] for k in values))
    columns = [m for m in columns if any((n, m) in values for n in models)]
    if not columns:
        return None
    notes = Notes()
    common: dict[str, str | None] = {}
    for m in columns:
        with_limits = [str(r["method"]) for (_, x), r in values.items() if x == m and isfinite(number(r["conf.low"]))]
        common[m] = most_common(with_limits)
    body: list[Cells] = [[n, *(value_cell(values.get((n, m)), common[m], notes) for m in columns)] for n in models]
    head = ["Model", *(numbers.heading(vocabulary.metric(m)) for m in columns)]
    return table(key, caption, head, body, notes=notes, remark=methods_remark(values, common), source="metrics.csv")


def most_common(methods: Iterable[str]) -> str | None:
    """The most common method of a column, which the remark names; None without any."""
    counts = Counter(methods).most_common(1)
    return counts[0][0] if counts else None


def value_cell(row: Row | None, common: str | None, notes: Notes) -> Cell:
    """One metric of one model: the estimate with its limits, and notes on a warning or on a method other than the `common` one."""
    if row is None:
        return Cell(numbers.NA)
    metric = vocabulary.metric(str(row["metric"]))
    estimate, low, high = shown_rows.limits(row)
    remarks = []
    if isinstance(row["warning"], str):
        status = {"ok": "", "not_estimable": "not estimable: "}.get(str(row["status"]), "caution: ")
        remarks.append(status + row["warning"])
    if isfinite(low) and row["method"] != common:
        remarks.append(f"interval: {vocabulary.method_label(row['method'])}")
    numerator, denominator = number(row["numerator"]), number(row["denominator"])
    counts = (
        "" if isnan(numerator) or isnan(denominator) else f"{numbers.count(numerator)}/{numbers.count(denominator)}"
    )
    errors = [number(row.get(f"mc.error.{side}")) for side in ("low", "high")]
    remarks.append(monte_carlo(metric, errors, (low, high)))
    return Cell(numbers.interval(metric, estimate, low, high), counts, notes.mark(*remarks))


def monte_carlo(metric: vocabulary.Metric, errors: Sequence[float], limits: tuple[float, float]) -> str:
    """A note on the Monte Carlo errors of resampled limits where they are large; "" elsewhere."""
    known = [e for e in errors if isfinite(e)]
    if not known or not max(known) > LARGE_ERROR * (limits[1] - limits[0]):
        return ""
    return f"Monte Carlo error of a limit up to {numbers.amount(metric, max(known), extra_decimals=1)}: more resamples would settle it"


def methods_remark(values: Mapping[tuple[str, ...], Row], common: Mapping[str, str | None]) -> str:
    """The level and the methods of a table's intervals; `common` is the method of each metric."""
    by_method: dict[str, list[str]] = {}
    for metric, method in common.items():
        if method is not None and method not in ("None", "nan"):  # rows without an interval have no method
            by_method.setdefault(method, []).append(vocabulary.metric(metric).label)
    if not by_method:
        return ""
    levels = {numbers.level(number(r["conf.level"])) for r in values.values()} - {""}
    intervals = f"{levels.pop()} confidence intervals" if len(levels) == 1 else "Confidence intervals"
    methods = "; ".join(f"{', '.join(labels)}: {vocabulary.method_label(m)}" for m, labels in by_method.items())
    return f"{intervals} in parentheses. {methods}."
