"""Recalibration on a part of the new cases, and what it gains on the others."""

from __future__ import annotations

import pandas as pd

from hybridcx import vocabulary
from hybridcx.report import numbers, shown_rows
from hybridcx.report.blocks import Section
from hybridcx.report.content import Content
from hybridcx.report.tables import Cell, Cells, Notes, Table, table

UPDATES = {"intercept": "Intercept", "logistic": "Intercept and slope"}
OPEN = ("brier", "calibration_slope")
CAP_ROWS, MAX_OPEN = 120, 4


def section(content: Content) -> Section:
    """What intercept and slope gain, in the Brier score and the slope; all metrics in the details."""
    section = Section()
    rows = content.table("recalibration")
    if rows.empty or rows["estimate"].isna().all():
        return section
    first = (
        rows["model"].isin(content.primary_models[:MAX_OPEN])
        & rows["metric"].isin(OPEN)
        & (rows["update"] == "logistic")
    )
    section.table(gain_table(rows[first], "recalibration", "Before and after recalibration."), detail=False)
    others = "Before and after recalibration: further models, updates and metrics."
    section.table(gain_table(rows[~first], "recalibration-more", others), detail=True)
    return section


def gain_table(rows: pd.DataFrame, key: str, caption: str) -> Table | None:
    """Model, update and metric in rows; before, after and the difference in columns."""
    if rows.empty:
        return None
    notes = Notes()
    body: list[Cells] = []
    for r in rows.to_dict("records"):
        kind = vocabulary.metric(str(r["metric"]))
        difference = numbers.difference_interval(kind, *shown_rows.limits(r))
        body.append(
            [
                str(r["model"]),
                UPDATES[str(r["update"])],
                kind.label,
                Cell(numbers.value(kind, float(r["before"]))),
                Cell(numbers.value(kind, float(r["after"]))),
                Cell(difference, "", notes.mark(shown_rows.caution(r))),
            ]
        )
    first = rows.iloc[0]
    head = ["Model", "Update", "Metric", "Before", "After", f"After minus before ({shown_rows.ci(rows)})"]
    remark = f"Fitted on {int(first['n.fitted'])} new cases, measured on the other {int(first['n'])}."
    remark += " Lower Brier scores are better; the ideal slope is 1."
    return table(key, caption, head, body, notes=notes, remark=remark, source="recalibration.csv", cap=CAP_ROWS)
