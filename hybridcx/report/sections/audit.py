"""The audit of a published table: its readings, confusion matrices, recomputed metrics, printed values, and the range of its paired tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any

import pandas as pd

from hybridcx import vocabulary
from hybridcx.report import numbers, shown_rows
from hybridcx.report.blocks import Section
from hybridcx.report.content import Content
from hybridcx.report.shown_rows import limits, number
from hybridcx.report.tables import Cell, Cells, Notes, Table, table
from hybridcx.vocabulary.audit import AVERAGES

PROPORTIONS = ("accuracy", "sensitivity", "specificity", "ppv", "npv")
FURTHER = ("f1", "balanced_accuracy", "mcc", "youden_j", "lr_positive", "lr_negative", "diagnostic_odds_ratio")
COUNTS = ("tp", "fn", "fp", "tn")
TESTS = ("mcnemar_exact", "mcnemar_midp", "mcnemar_corrected", "mcnemar_asymptotic")
MAX_TOTALS = 3
MAX_MATRICES = 5
CAP_ROWS = 150
READINGS = {
    "as_printed": "As printed",
    "rows_columns_swapped": "Rows and columns swapped",
    "classes_swapped": "Classes swapped",
    "both_swapped": "Rows and columns, and classes, swapped",
    "other_totals": "Other class totals, one for all models",
    "other_totals_per_model": "Other class totals, model by model",
}
WILSON = "Wilson intervals."
OTHER_INTERVALS = "Balanced accuracy and Youden's J: MOVER from Wilson limits; ratios: log scale."


def section(content: Content) -> Section:
    """The tables of the audit; empty without one."""
    section = Section()
    metrics = content.table("audit_metrics")
    section.table(readings_table(content.table("audit_readings")))
    for i, t in enumerate(metrics_tables(metrics, PROPORTIONS, "audit-metrics", "The table recomputed, in %", WILSON)):
        section.table(t, detail=None if i == 0 else True)
    section.table(pairs_table(content.table("audit_comparisons")))
    section.table(matrices_table(content.table("audit_matrices")), detail=True)
    section.table(values_table(content.table("audit_values"), metrics), detail=True)
    for t in metrics_tables(metrics, FURTHER, "audit-further", "Further metrics recomputed", OTHER_INTERVALS):
        section.table(t, detail=True)
    return section


def _reading(name: object) -> str:
    return READINGS.get(str(name), str(name))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def readings_table(readings: pd.DataFrame) -> Table | None:
    """Each reading of the table: how many models have a confusion matrix under it, and whether it explains the whole table."""
    if readings.empty:
        return None
    rows: list[Cells] = []
    for r in readings.to_dict("records"):
        searched = pd.notna(r["fits"])
        explains = ("yes" if r["fits"] else "no") if searched else "not searched"
        models = f"{int(r['n.models.fit'])} of {int(r['n.models'])}" if searched else numbers.NA
        totals = "; ".join(_totals(part) for part in _text(r["positives"]).split("; ")) or numbers.NA
        rows.append([_reading(r["reading"]), models, explains, totals])
    head = ["Reading", "Models with a confusion matrix", "Explains the whole table", "Positives"]
    caption = "Readings under which the printed values are possible."
    remark = "Other class totals are searched only where the table cannot be true as printed; those of single models are in the order of the table."
    return table("audit-readings", caption, head, rows, remark=remark, source="audit_readings.csv")


def _totals(totals: str) -> str:
    """The possible numbers of positive cases of one model, or of many only how many there are."""
    parts = totals.split(" or ")
    if len(parts) <= MAX_TOTALS:
        return totals
    return f"{len(parts)}{' numbers and more' if ' more' in totals else ' numbers'}"


def matrices_table(matrices: pd.DataFrame) -> Table | None:
    """The confusion matrices of each model: those that explain the table first, then as printed, then under other readings."""
    if matrices.empty:
        return None
    ordered = matrices
    if "explanation" in matrices:
        explaining = matrices["explanation"].eq(True)
        printed = matrices["reading"].eq("as_printed") & ~explaining
        others = ~explaining & ~printed & matrices["tp"].notna()
        ordered = pd.concat([matrices[explaining], matrices[printed], matrices[others]])
    rows: list[Cells] = []
    for (model, reading), own in ordered.groupby(["model", "reading"], sort=False):
        solutions = Cell(numbers.count(number(own["n.solutions"].iloc[0])))
        counts = own[list(COUNTS)].astype(float)
        if len(counts) <= MAX_MATRICES:
            shown = [[numbers.count(x) for x in row] for row in counts.to_numpy().tolist()]
        else:
            shown = [[_range(numbers.count(counts[c].min()), numbers.count(counts[c].max())) for c in COUNTS]]
        rows += [[str(model), _reading(reading), solutions, *map(Cell, row)] for row in shown]
    head = ["Model", "Reading", "Solutions", "TP", "FN", "FP", "TN"]
    caption = "Confusion matrices that produce the printed values."
    remark = (
        "Positive and negative are the true classes. Readings without a matrix, other than as printed, are omitted; more than "
        f"{MAX_MATRICES} solutions are given as ranges."
    )
    return table("audit-matrices", caption, head, rows, remark=remark, source="audit_matrices.csv", cap=CAP_ROWS)


def _range(low: str, high: str) -> str:
    return low if low == high else f"{low} to {high}"


def metrics_tables(metrics: pd.DataFrame, names: Sequence[str], key: str, title: str, method: str) -> list[Table]:
    """The metrics of every model, recomputed from its confusion matrices: a table per reading."""
    if metrics.empty:
        return []
    tables = []
    for i, (reading, own) in enumerate(metrics.groupby("reading", sort=False)):
        notes = Notes()
        rows: list[Cells] = []
        for model, of_model in own.groupby("model", sort=False):
            by_name = {str(r["metric"]): r for r in of_model.to_dict("records")}
            rows.append([str(model), *(_value(by_name[n], notes) for n in names)])
        level = shown_rows.level(own)
        caption = f"{title}{f', with {level} limits' if level else ''}; reading: {_reading(reading).lower()}."
        head = ["Model", *(vocabulary.metric(n).label for n in names)]
        tables.append(table(f"{key}-{i}", caption, head, rows, notes=notes, remark=method, source="audit_metrics.csv"))
    return tables


def _value(row: Mapping[Any, Any], notes: Notes) -> Cell:
    """A metric with its limits; a range where several confusion matrices give several values."""
    metric = vocabulary.metric(str(row["metric"]))
    estimate, low, high = limits(row)
    interval = "" if isnan(low) or isnan(high) else f"{numbers.value(metric, low)} to {numbers.value(metric, high)}"
    marks = notes.mark(row["warning"]) if row["status"] != "ok" else ()
    if row["status"] == "caution" and isnan(estimate):
        values = _range(*(numbers.value(metric, number(row[c])) for c in ("estimate.min", "estimate.max")))
        return Cell(values, sub=interval and f"limits {interval}", notes=marks)
    return Cell(numbers.value(metric, estimate), sub=interval, notes=marks)


def pairs_table(comparisons: pd.DataFrame) -> Table | None:
    """The ranges of the p-values that paired tests of accuracy can have, pair by pair; None without any."""
    if comparisons.empty:
        return None
    accuracy = comparisons[comparisons["metric"] == "accuracy"]
    notes = Notes()
    metric = vocabulary.metric("accuracy")
    rows: list[Cells] = []
    for (model, comparator), own in accuracy.groupby(["model", "comparator"], sort=False):
        by_method: dict[str, Mapping[Any, Any]] = {str(r["method"]): r for r in own.to_dict("records")}
        tango = by_method.get("tango", {})
        low, high = number(tango.get("conf.low")), number(tango.get("conf.high"))
        interval = (
            f"{numbers.difference(metric, low)} to {numbers.difference(metric, high)}" if low == low else numbers.NA
        )
        discordant = ", ".join(numbers.count(number(tango.get(c))) for c in "bc")
        marks = notes.mark(*(r.get("warning") for r in own.to_dict("records") if r.get("status", "ok") != "ok"))
        p_values = (_p_range(by_method.get(t, {})) for t in TESTS)
        rows.append([Cell(str(model), notes=marks), str(comparator), *map(Cell, p_values), discordant, Cell(interval)])
    tests = (vocabulary.method_label(t).replace("McNemar, ", "p, ") for t in TESTS)
    head = ["Model", "Comparator", *tests, "Best b, c", "Tango interval of these, percentage points"]
    caption = "What the paired tests of accuracy could have shown: ranges of p over all solutions and all pairings of the errors within the classes."
    remark = "b, c: the discordant cases of the most favourable pairing. Sensitivity, specificity and other intervals are in the file."
    source = "audit_comparisons.csv"
    return table("audit-pairs", caption, head, rows, notes=notes, remark=remark, source=source, cap=CAP_ROWS)


def _p_range(row: Mapping[Any, Any]) -> str:
    return _range(*(numbers.p_value(number(row.get(f"p.value.{end}"))) for end in ("min", "max")))


def values_table(values: pd.DataFrame, metrics: pd.DataFrame) -> Table | None:
    """Every printed value: the metric that it is, whether it is possible, and how far the nearest confusion matrix is from it."""
    if values.empty:
        return None
    labels: dict[tuple[str, str], list[str]] = {}
    for r in metrics.to_dict("records") if not metrics.empty else []:
        for printed_as in _text(r["printed.as"]).split("; "):
            own = labels.setdefault((str(r["model"]), printed_as), [])
            label = vocabulary.metric(str(r["metric"])).label
            own += [label] if label not in own else []
    notes = Notes()
    rows: list[Cells] = []
    for r in values.to_dict("records"):
        missed, nearest = number(r.get("missed.by")), number(r.get("nearest"))
        decimals, scale = (2, 100) if r.get("unit") == "percent" else (4, 1)
        model, printed_as = str(r["model"]), str(r["printed.as"])
        rows.append(
            [
                model,
                Cell(printed_as, number=False, notes=notes.mark(r.get("warning"))),
                Cell(_text(r["printed"]) or numbers.NA),
                ", ".join(labels.get((model, printed_as), [])) or AVERAGES.get(str(r["metric"]), numbers.NA),
                "not used" if not r["used"] else "yes" if isnan(missed) else "met" if missed == 0 else "missed",
                Cell("" if isnan(nearest) else numbers.fixed(nearest, decimals, scale=scale)),
                Cell(numbers.fixed(missed, decimals, scale=scale) if missed > 0 else ""),
            ]
        )
    head = ["Model", "Printed as", "Printed", "Is, by the reading used", "Possible as printed", "Nearest matrix gives"]
    head += ["Beyond rounding by"]
    caption = "Printed values, and their distance from the nearest confusion matrix."
    remark = (
        "yes: the model has a confusion matrix as printed. met, missed: it has none, and its nearest one gives or misses this value; distances are "
        "in the printed unit."
    )
    source = "audit_values.csv"
    return table("audit-values", caption, head, rows, notes=notes, remark=remark, source=source, cap=CAP_ROWS)
