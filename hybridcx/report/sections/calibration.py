"""Calibration: reliability curves, metrics of the scores, and the parts of the Brier score."""

from __future__ import annotations

import pandas as pd

from hybridcx.report import numbers, shown_rows
from hybridcx.report.blocks import Figure, Section
from hybridcx.report.content import Content
from hybridcx.report.figures import plots
from hybridcx.report.metrics_table import metrics_table
from hybridcx.report.shown_rows import number
from hybridcx.report.tables import Cell, Cells, Table, table

SCORE_METRICS = ("auprc", "brier", "log_loss", "calibration_slope", "calibration_intercept", "ece")
CAP_ROWS = 40


def section(content: Content) -> Section:
    """The figure of the curves and the two tables."""
    section = Section()
    bins = content.table("calibration")
    section.figures(_figure(content, bins) if len(bins) else None)
    section.table(metrics_table(content.table("metrics"), SCORE_METRICS, "scores", "Metrics of the scores."))
    section.table(brier_table(content.table("brier_decomposition")))
    return section


def _figure(content: Content, bins: pd.DataFrame) -> Figure:
    bins, seed = shown_rows.one_seed(bins)
    models = content.models_of(bins)
    caption = "Fraction positive against mean score in bins of equal width, with Wilson confidence intervals"
    caption += (f", seed {seed}." if seed is not None else ".") + plots.omitted_note(bins, models)
    if "warning" in bins and bins["warning"].notna().any():
        caption += " Caution: " + "; ".join(dict.fromkeys(bins["warning"].dropna().astype(str))) + "."
    return Figure("calibration", plots.calibration(bins, models=models), caption, "calibration.csv")


def brier_table(parts: pd.DataFrame) -> Table | None:
    """The parts of each model's Brier score over bins of the score; None without any."""
    rows, seed = shown_rows.one_seed(parts)
    if len(rows):
        rows = rows[rows["grouping"] != "distinct scores"]
    if rows.empty:
        return None
    columns = ("brier", "reliability", "resolution", "uncertainty", "within.bin")
    body: list[Cells] = [
        [str(r["model"]), *(Cell(numbers.fixed(number(r[c]), 4)) for c in columns)] for r in rows.to_dict("records")
    ]
    head = ["Model", "Brier score", "Reliability (lower is better)", "Resolution (higher is better)", "Uncertainty"]
    head += ["Within bins"]
    caption = "Parts of the Brier score." + shown_rows.seed_note(seed)
    remark = (
        "Brier = reliability − resolution + uncertainty + within bins; 10 bins of equal width. Reliability and resolution are biased upwards in "
        "small sets."
    )
    return table("brier-parts", caption, head, body, remark=remark, source="brier_decomposition.csv", cap=CAP_ROWS)
