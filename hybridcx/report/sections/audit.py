"""The audit of a published table on the page: readings, matrices, the table recomputed, printed values, what the tests could have shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from hybridcx import vocabulary
from hybridcx.report import numbers as tables
from hybridcx.report import shown_rows as select
from hybridcx.report.blocks import Numbers, Section
from hybridcx.report.numbers import Cell, Table
from hybridcx.report.sections.comparisons import CAP_ROWS
from hybridcx.vocabulary import PROPORTIONS

MAX_TOTALS = 3
MAX_MATRICES = 5
CELLS = ("tp", "fn", "fp", "tn")
FURTHER = ("f1", "balanced_accuracy", "mcc", "youden_j", "lr_positive", "lr_negative", "diagnostic_odds_ratio")
TESTS = ("mcnemar_exact", "mcnemar_midp", "mcnemar_corrected", "mcnemar_asymptotic")
READINGS = {
    "as_printed": "As printed",
    "rows_columns_swapped": "Rows and columns swapped",
    "classes_swapped": "Classes swapped",
    "both_swapped": "Rows and columns, and classes, swapped",
    "other_totals": "Other class totals, one for all models",
    "other_totals_per_model": "Other class totals, model by model",
}


def section(found: Mapping[str, pd.DataFrame], numbers: Numbers) -> Section:
    """The section of the page; only the tables that are there, and without rows none of it."""
    made = Section("audit", "Audit of the published table")
    readings, matrices = _frame(found, "audit_readings"), _frame(found, "audit_matrices")
    compared = _frame(found, "audit_comparisons")
    for table in (
        _readings(readings),
        *_recomputed(_frame(found, "audit_metrics"), PROPORTIONS, "audit-metrics", "The table recomputed, in %"),
        _matrices(matrices),
        _pairs(compared),
        _printed(_frame(found, "audit_values"), _frame(found, "audit_metrics")),
        *_recomputed(_frame(found, "audit_metrics"), FURTHER, "audit-further", "Further metrics recomputed"),
    ):
        if table is not None and table.rows:
            made.table(table, numbers.table())
    return made


def _frame(found: Mapping[str, pd.DataFrame], name: str) -> pd.DataFrame:
    frame = found.get(name)
    return pd.DataFrame() if frame is None else frame


def label(reading: object) -> str:
    """The reading in words; one that is not known stays as it is."""
    return READINGS.get(str(reading), str(reading))


def _readings(readings: pd.DataFrame) -> Table | None:
    if readings.empty:
        return None
    rows = []
    for r in readings.to_dict("records"):
        searched = pd.notna(r["fits"])
        fits = ("yes" if r["fits"] else "no") if searched else "not searched"
        number = f"{int(r['n.models.fit'])} of {int(r['n.models'])}" if searched else tables.NA
        totals = "; ".join(_few(part) for part in _text(r["positives"]).split("; ")) or tables.NA
        rows.append(
            [
                Cell(label(r["reading"])),
                Cell(number, number=False),
                Cell(fits, number=False),
                Cell(totals, number=False),
            ]
        )
    head = ["Reading", "Models with a confusion matrix", "Explains the whole table", "Positives"]
    remark = "Other class totals are searched only where the table cannot be true as printed; model by model, they stand in the table's order."
    return tables.table(
        "audit-readings",
        "Readings under which the table could have been made.",
        head,
        rows,
        remark=remark,
        source="audit_readings.csv",
    )


def _few(totals: str) -> str:
    """The numbers of positives of one model, or how many there are."""
    parts = totals.split(" or ")
    if len(parts) <= MAX_TOTALS:
        return totals
    return f"{len(parts)}{' numbers and more' if ' more' in totals else ' numbers'}"


def _matrices(matrices: pd.DataFrame) -> Table | None:
    if matrices.empty:
        return None
    order = matrices
    if "explanation" in matrices:  # those that explain the table first, then as printed, then the others that exist
        first = matrices["explanation"].eq(True)
        printed = matrices["reading"].eq("as_printed") & ~first
        rest = ~first & ~printed & matrices["tp"].notna()
        order = pd.concat([matrices[first], matrices[printed], matrices[rest]])
    rows = []
    for (model, reading), mine in order.groupby(["model", "reading"], sort=False):
        number = tables.count(select.number(mine["n.solutions"].iloc[0]))
        each = mine[list(CELLS)].astype(float)
        if len(each) <= MAX_MATRICES:
            shown = [[tables.count(x) for x in r] for r in each.to_numpy().tolist()]
        else:
            ends = zip(each.min().tolist(), each.max().tolist(), strict=True)
            shown = [[tables.count(x) if x == y else f"{tables.count(x)} to {tables.count(y)}" for x, y in ends]]
        rows += [[Cell(str(model)), Cell(label(reading), number=False), Cell(number), *map(Cell, r)] for r in shown]
    head = ["Model", "Reading", "Solutions", "TP", "FN", "FP", "TN"]
    remark = (
        "Positives and negatives are the true classes. Readings without a matrix other than as printed are left out here; more than "
        f"{MAX_MATRICES} solutions are shown as ranges."
    )
    caption = "Confusion matrices that produce the printed values."
    return tables.table("audit-matrices", caption, head, rows, remark=remark, source="audit_matrices.csv", cap=CAP_ROWS)


def _recomputed(metrics: pd.DataFrame, names: Sequence[str], key: str, caption: str) -> list[Table | None]:
    if metrics.empty:
        return []
    made: list[Table | None] = []
    for i, (reading, of_reading) in enumerate(metrics.groupby("reading", sort=False)):
        notes = tables.Notes()
        rows = []
        for model, mine in of_reading.groupby("model", sort=False):
            by_name: dict[str, select.Row] = {
                str(r["metric"]): {str(k): v for k, v in r.items()} for r in mine.to_dict("records")
            }
            rows.append([Cell(str(model)), *(_value(by_name[n], notes) for n in names)])
        levels = of_reading["conf.level"].dropna().unique()
        text = caption + (f", with {tables.level(float(levels[0]))} limits" if len(levels) else "")
        head = ["Model", *(vocabulary.metric(n).label for n in names)]
        method = (
            "Wilson intervals."
            if names is PROPORTIONS
            else "Balanced accuracy and Youden's J: MOVER from Wilson limits; ratios: log scale."
        )
        made.append(
            tables.table(
                f"{key}-{i}",
                f"{text}; reading: {label(reading).lower()}.",
                head,
                rows,
                notes=notes,
                remark=method,
                source="audit_metrics.csv",
            )
        )
    return made


def _value(row: Mapping[str, object], notes: tables.Notes) -> Cell:
    kind = vocabulary.metric(str(row["metric"]))
    low, high = select.number(row["conf.low"]), select.number(row["conf.high"])
    limits = f"{tables.value(kind, low)} to {tables.value(kind, high)}" if low == low and high == high else ""
    marks = notes.mark(row["warning"]) if row["status"] != "ok" else ()
    if row["status"] == "caution" and select.number(row["estimate"]) != select.number(row["estimate"]):
        least, most = (tables.value(kind, select.number(row[c])) for c in ("estimate.min", "estimate.max"))
        return Cell(least if least == most else f"{least} to {most}", sub=limits and f"limits {limits}", notes=marks)
    return Cell(tables.value(kind, select.number(row["estimate"])), sub=limits, notes=marks)


def _pairs(compared: pd.DataFrame) -> Table | None:
    if compared.empty:
        return None
    accuracy = compared[compared["metric"] == "accuracy"]
    notes = tables.Notes()
    kind = vocabulary.metric("accuracy")
    rows = []
    for (model, comparator), mine in accuracy.groupby(["model", "comparator"], sort=False):
        by_method: dict[str, select.Row] = {
            str(r["method"]): {str(k): v for k, v in r.items()} for r in mine.to_dict("records")
        }
        tango = by_method.get("tango", {})
        low, high = select.number(tango.get("conf.low")), select.number(tango.get("conf.high"))
        interval = f"{tables.difference(kind, low)} to {tables.difference(kind, high)}" if low == low else tables.NA
        b, c = (tables.count(select.number(tango.get(k))) for k in "bc")
        marks = notes.mark(*(r.get("warning") for r in mine.to_dict("records") if r.get("status", "ok") != "ok"))
        rows.append(
            [
                Cell(str(model), notes=marks),
                Cell(str(comparator), number=False),
                *(Cell(_range(by_method.get(t, {}))) for t in TESTS),
                Cell(f"{b}, {c}", number=False),
                Cell(interval),
            ]
        )
    head = [
        "Model",
        "Comparator",
        *tables.p_heading(*(vocabulary.method_label(t).replace("McNemar, ", "p, ") for t in TESTS)),
        "Best b, c",
        "Tango there, percentage points",
    ]
    caption = "What the paired tests of accuracy could have shown: ranges of p over all solutions and all pairings of the errors within the classes."
    remark = "b, c: the discordant cases of the most favourable pairing. Sensitivity, specificity and other intervals are in the file."
    return tables.table(
        "audit-pairs", caption, head, rows, notes=notes, remark=remark, source="audit_comparisons.csv", cap=CAP_ROWS
    )


def _range(row: Mapping[str, object]) -> str:
    low, high = (
        tables.p_value(select.number(row.get("p.value.min"))),
        tables.p_value(select.number(row.get("p.value.max"))),
    )
    return low if low == high else f"{low} to {high}"


def _printed(values: pd.DataFrame, metrics: pd.DataFrame) -> Table | None:
    if values.empty:
        return None
    real: dict[tuple[str, str], list[str]] = {}
    for r in metrics.to_dict("records") if not metrics.empty else []:
        for name in (_text(r["printed.as"]) or "").split("; "):
            labels = real.setdefault((str(r["model"]), name), [])
            labels += [x for x in [vocabulary.metric(str(r["metric"])).label] if x not in labels]
    notes = tables.Notes()
    rows = []
    for r in values.to_dict("records"):
        used = bool(r["used"])
        percent = r.get("unit") == "percent"
        missed, nearest = select.number(r.get("missed.by")), select.number(r.get("nearest"))
        if not used:
            state = "not used"
        elif missed != missed:
            state = "yes"
        else:
            state = "met" if missed == 0 else "missed"
        decimals, scale = (2, 100) if percent else (4, 1)
        off = tables.fixed(missed, decimals, scale=scale) if missed > 0 else ""
        rows.append(
            [
                Cell(str(r["model"])),
                Cell(str(r["printed.as"]), number=False, notes=notes.mark(r.get("warning"))),
                Cell(_text(r["printed"]) or tables.NA),
                Cell(", ".join(real.get((str(r["model"]), str(r["printed.as"])), [])) or tables.NA, number=False),
                Cell(state, number=False),
                Cell(tables.fixed(nearest, decimals, scale=scale) if nearest == nearest else ""),
                Cell(off),
            ]
        )
    head = [
        "Model",
        "Printed as",
        "Printed",
        "Is, by the reading used",
        "Possible as printed",
        "Nearest matrix gives",
        "Beyond rounding by",
    ]
    caption = "Printed values, and how far the nearest confusion matrix is from them as they are printed."
    remark = (
        "yes: the model has a confusion matrix as printed. met, missed: it has none, and this is what its nearest one does; differences are in the "
        "printed unit."
    )
    return tables.table(
        "audit-values", caption, head, rows, notes=notes, remark=remark, source="audit_values.csv", cap=CAP_ROWS
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
