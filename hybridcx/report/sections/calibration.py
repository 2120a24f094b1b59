"""Calibration: reliability curves, metrics of the scores, calibration lines, and the parts of the Brier score."""

from __future__ import annotations

import pandas as pd

from hybridcx import vocabulary
from hybridcx.report import numbers, shown_rows
from hybridcx.report.blocks import Figure, Section
from hybridcx.report.content import Content
from hybridcx.report.figures import plots
from hybridcx.report.metrics_table import metrics_table
from hybridcx.report.shown_rows import number
from hybridcx.report.tables import Cell, Cells, Notes, Table, table

SCORE_METRICS = ("auprc", "brier", "log_loss", "calibration_slope", "calibration_intercept", "ece")
CAP_ROWS = 40


def section(content: Content) -> Section:
    """The figure of the curves and the tables."""
    section = Section()
    curves = content.table("calibration_curve")
    section.figures(_figure(content, curves) if len(curves) else None)
    section.table(metrics_table(content.table("metrics"), SCORE_METRICS, "scores", "Metrics of the scores."))
    section.table(line_table(content.table("calibration_line")), detail=True)
    section.table(brier_table(content.table("brier_decomposition")), detail=True)
    return section


def _figure(content: Content, curves: pd.DataFrame) -> Figure:
    curves, seed = shown_rows.one_seed(curves)
    models = content.models_of(curves)
    caption = "Calibration: fraction positive in ten bins of equal count with Wilson intervals, and locally weighted regression (line)"
    caption += f", seed {seed}." if seed is not None else "."
    caption += " Below: scores of positive (up) and other cases (down)." + plots.omitted_note(curves, models)
    if "warning" in curves and (doubts := dict.fromkeys(curves["warning"].dropna().astype(str))):
        caption += f" Caution: {'; '.join(doubts)}."
    return Figure("calibration", plots.calibration(curves, models=models), caption, "calibration_curve.csv")


def line_table(lines: pd.DataFrame) -> Table | None:
    """Slope and intercept of each model's calibration line, estimated together; None without any."""
    rows, seed = shown_rows.one_seed(lines)
    if rows.empty:
        return None
    notes = Notes()
    meaning = vocabulary.metric("calibration_slope")
    body: list[Cells] = []
    for model, terms in rows.groupby("model", sort=False):
        by_term = {str(r["term"]): r for r in terms.to_dict("records")}
        cells = [
            Cell(numbers.interval(meaning, *shown_rows.limits(r)), "", notes.mark(shown_rows.caution(r)))
            for r in (by_term["slope"], by_term["intercept"])
        ]
        body.append([str(model), *cells])
    head = ["Model", *(f"{term} ({shown_rows.ci(rows)})" for term in ("Slope", "Intercept estimated with the slope"))]
    caption = "Calibration line: logistic regression of the truth on the score's logit." + shown_rows.seed_note(seed)
    remark = (
        "Ideal: slope 1, intercept 0. Calibration-in-the-large, in the table of metrics, is the calibration intercept with the slope fixed at 1 "
        "(Van Calster et al. 2019). Wald limits."
    )
    return table(
        "calibration-line", caption, head, body, notes=notes, remark=remark, source="calibration_line.csv", cap=CAP_ROWS
    )


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
