"""The values of a published table compared with the results here."""

from __future__ import annotations

import pandas as pd

from hybridcx import vocabulary
from hybridcx.report import numbers, shown_rows
from hybridcx.report.blocks import Section
from hybridcx.report.content import Content
from hybridcx.report.shown_rows import Row, number
from hybridcx.report.tables import Cell, Cells, Notes, Table, table

REMARK = (
    "The printed values are from other cases and have an uncertainty of their own. A printed value outside the interval is therefore no "
    "contradiction, and one inside it no confirmation. hybridcx audit examines whether a published table can be true as it is printed."
)


def section(content: Content) -> Section:
    """The table of printed and recomputed values; empty without a published table."""
    section = Section()
    section.table(printed_table(content.table("published")))
    return section


def printed_table(published: pd.DataFrame) -> Table | None:
    """Models in rows; two columns per metric, the printed value and the one found here with its interval. None without any."""
    if published.empty:
        return None
    notes = Notes()
    metrics = list(dict.fromkeys(published["metric"].astype(str)))
    by_key: dict[tuple[str, str], Row] = {}
    for r in published.to_dict("records"):
        by_key[str(r["printed.model"]), str(r["metric"])] = {str(k): v for k, v in r.items()}
    rows: list[Cells] = []
    for model in dict.fromkeys(published["printed.model"].astype(str)):
        row: list[Cell | str] = [model]
        for metric in metrics:
            row += _both_values(by_key.get((model, metric)), metric, notes)
        rows.append(row)
    head = ["Model"]
    for name in metrics:
        label, unit = vocabulary.metric(name).label, numbers.unit(vocabulary.metric(name))
        unit = f" ({unit})" if unit else ""
        head += [f"{label}, printed{unit}", f"{label}, found here{unit}"]
    intervals = f"{shown_rows.level(published)} confidence intervals".lstrip()
    caption = f"Values of the published table as printed, and as found here with {intervals}."
    return table("printed", caption, head, rows, notes=notes, remark=REMARK, source="published.csv")


def _both_values(row: Row | None, name: str, notes: Notes) -> tuple[Cell, Cell]:
    """The printed value and the one found here, with a note where the interval does not contain the printed one."""
    if row is None:
        return Cell(numbers.NA), Cell(numbers.NA)
    metric = vocabulary.metric(name)
    remarks = []
    if pd.notna(row["inside"]) and not bool(row["inside"]):
        remarks.append("the interval does not contain the printed value")
    if isinstance(row["warning"], str):
        remarks.append(row["warning"])
    here = numbers.interval(metric, *shown_rows.limits(row))
    return Cell(numbers.value(metric, number(row["printed"]))), Cell(here, "", notes.mark(*remarks))
