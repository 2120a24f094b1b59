"""The table "printed in the study, found here"."""

from __future__ import annotations

from math import isfinite

import pandas as pd

from hybridcx import vocabulary
from hybridcx.report import numbers as tables
from hybridcx.report import shown_rows as select
from hybridcx.report.numbers import Cell, Notes, Table

CAPTION = "Values as printed in the published table, and as found here with {}confidence intervals."
REMARK = (
    "The printed values come from other cases and have an uncertainty of their own, so that one outside the interval is no contradiction, and one "
    "inside no confirmation. Whether a published table can be true as it is printed, hybridcx audit examines."
)


def printed_table(published: pd.DataFrame) -> Table | None:
    """Models in rows, metrics in columns: printed, found here with its interval; None where nothing was printed."""
    if published.empty:
        return None
    notes = Notes()
    metrics = list(dict.fromkeys(published["metric"].astype(str)))
    cells: dict[tuple[str, str], select.Row] = {}
    for r in published.to_dict("records"):
        cells[str(r["printed.model"]), str(r["metric"])] = {str(k): v for k, v in r.items()}
    rows = []
    for model in dict.fromkeys(published["printed.model"].astype(str)):
        row = [Cell(model)]
        for metric in metrics:
            row += _pair(cells.get((model, metric)), metric, notes)
        rows.append(row)
    head = ["Model"]
    for metric in metrics:
        label, unit = vocabulary.metric(metric).label, tables.unit(vocabulary.metric(metric))
        said = f" ({unit})" if unit else ""
        head += [f"{label}, printed{said}", f"{label}, found here{said}"]
    level = tables.level(next((select.number(x) for x in published["conf.level"].dropna()), None))
    caption = CAPTION.format(f"{level} " if level else "")
    return tables.table("printed", caption, head, rows, notes=notes, remark=REMARK, source="published.csv")


def _pair(row: select.Row | None, metric: str, notes: Notes) -> tuple[Cell, Cell]:
    """The printed value and the one found here, which is marked where its interval does not hold the printed one."""
    if row is None:
        return Cell(tables.NA), Cell(tables.NA)
    kind = vocabulary.metric(metric)
    estimate, low, high = (select.number(row[c]) for c in ("estimate", "conf.low", "conf.high"))
    said = []
    if pd.notna(row["inside"]) and not bool(row["inside"]):
        said.append("the interval does not hold the printed value")
    if isinstance(row["warning"], str):
        said.append(row["warning"])
    found = tables.interval(kind, estimate, low, high) if isfinite(estimate) else tables.NA
    return Cell(tables.value(kind, select.number(row["printed"]))), Cell(found, "", notes.mark(*said))
