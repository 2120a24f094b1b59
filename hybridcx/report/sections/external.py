"""External validation: each model inside (the run's test cases) and outside (the new cases), and the difference."""

from __future__ import annotations

from typing import Any

import pandas as pd

from hybridcx import vocabulary
from hybridcx.report import numbers, shown_rows
from hybridcx.report.blocks import Figure, Section
from hybridcx.report.content import Content
from hybridcx.report.figures import plots
from hybridcx.report.tables import Cell, Cells, Notes, Table, table

SHOWN = ("auroc", "sensitivity", "specificity", "calibration_intercept", "calibration_slope", "brier", "net_benefit")
"""Metrics of the open table; the closed one has all."""
SHORT = ("auroc", "calibration_intercept", "calibration_slope")
"""Metrics of the first screen."""
MAX_MODELS, MAX_OPEN = 8, 4
CAP_ROWS = 150


def section(content: Content) -> Section:
    """Inside and outside, metric by metric; the overlap with the training."""
    section = Section()
    validation = content.table("validation")
    if validation.empty:
        return section
    first = validation["model"].isin(content.primary_models[:MAX_OPEN]) & validation["metric"].isin(SHOWN)
    section.table(
        validation_table(validation[first], "validation", "Inside and outside, and the difference."), detail=False
    )
    section.table(validation_table(validation[~first], "validation-more", "Further models and metrics."), detail=True)
    section.table(overlap_table(content.table("overlap")), detail=True)
    return section


def row_of(validation: pd.DataFrame, model: str, metric: str) -> dict[str, Any] | None:
    """The row of a model and a metric; None where there is none."""
    rows = validation[(validation["model"] == model) & (validation["metric"] == metric)]
    return None if rows.empty else {str(k): v for k, v in rows.iloc[0].items()}


def validation_table(validation: pd.DataFrame, key: str, caption: str) -> Table | None:
    """Model and metric in rows; inside, outside and the difference in columns."""
    if validation.empty:
        return None
    notes = Notes()
    body: list[Cells] = []
    for row in validation.to_dict("records"):
        kind = vocabulary.metric(str(row["metric"]))
        sides = [
            Cell(numbers.interval(kind, *(float(row[c]) for c in (side, f"{side}.conf.low", f"{side}.conf.high"))))
            for side in ("inside", "outside")
        ]
        difference = numbers.difference_interval(kind, *shown_rows.limits(row))
        body.append([str(row["model"]), kind.label, *sides, Cell(difference, "", notes.mark(shown_rows.caution(row)))])
    first = validation.iloc[0]
    head = ["Model", "Metric", f"Inside (n = {int(first['n.inside'])})", f"Outside (n = {int(first['n.outside'])})"]
    head.append(f"Outside minus inside ({shown_rows.ci(validation)})")
    remark = "Difference of two independent estimates, its interval recovered from theirs (MOVER). Likelihood ratios: outside over inside."
    return table(key, caption, head, body, notes=notes, remark=remark, source="validation.csv", cap=CAP_ROWS)


def main_table(content: Content) -> Table | None:
    """The table of the first screen: AUROC inside and outside, and the calibration outside."""
    validation = content.table("validation")
    if validation.empty:
        return None
    metrics = [m for m in SHORT if m in set(validation["metric"])] or ["accuracy"]
    head = ["Model"]
    for m in metrics:
        label = vocabulary.metric(m).label
        head += [f"{label} inside", f"{label} outside"] if m == metrics[0] else [f"{label} outside"]
    body: list[Cells] = []
    models = [m for m in content.primary_models if m in set(validation["model"])]
    for model in models[:MAX_MODELS]:
        cells: list[Cell | str] = [str(model)]
        for m in metrics:
            row, kind = row_of(validation, model, m), vocabulary.metric(m)
            sides = ("inside", "outside") if m == metrics[0] else ("outside",)
            for side in sides:
                text = numbers.NA if row is None else numbers.interval(
                    kind, *(float(row[c]) for c in (side, f"{side}.conf.low", f"{side}.conf.high"))
                )  # fmt: skip
                cells.append(Cell(text.replace(" to ", "–")))
        body.append(cells)
    rest = len(models) - MAX_MODELS
    caption = "Models inside and outside." + (f" {rest} more below." if rest > 0 else "")
    remark = f"{shown_rows.ci(validation)} in parentheses. Ideal calibration: intercept 0, slope 1."
    return table("models", caption, head, body, remark=remark, source="validation.csv")


def forest(content: Content) -> Figure | None:
    """The differences in AUROC (accuracy without scores) between outside and inside."""
    validation = content.table("validation")
    if validation.empty:
        return None
    metric = "auroc" if "auroc" in set(validation["metric"]) else "accuracy"
    models = [m for m in content.primary_models if row_of(validation, m, metric) is not None][:MAX_MODELS]
    rows = pd.DataFrame([row_of(validation, m, metric) for m in models])
    if rows.empty:
        return None
    rows = rows.assign(model=[f"{m} outside" for m in models], comparator="inside")
    label = vocabulary.metric(metric).label
    drawn = plots.forest(rows, metric=metric, title=f"{label} outside minus inside")
    return Figure("forest", drawn, f"{label} outside minus inside, with {shown_rows.ci(validation)}.", "validation.csv")


def overlap_table(overlap: pd.DataFrame) -> Table | None:
    """New cases that share an image or a patient with the run, counted; the file has the cases."""
    if overlap.empty:
        return None
    counts = overlap.groupby("overlap", sort=True)["case_id"].nunique()
    body: list[Cells] = [[str(kind), Cell(numbers.count(n))] for kind, n in counts.items()]
    remark = (
        "Not evaluated: cases with an identical image, with a nearly identical one whose detail correlates at 0.95 or more, and of the same patient. "
        "Other cases with a nearly identical image are evaluated."
    )
    return table(
        "overlap",
        "New cases that share something with the run.",
        ["Shared", "New cases"],
        body,
        remark=remark,
        source="overlap.csv",
    )
