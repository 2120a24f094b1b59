"""Decision curves: net benefit against the threshold probability, and paired differences along them."""

from __future__ import annotations

import pandas as pd

from hybridcx import vocabulary
from hybridcx.report import numbers, shown_rows
from hybridcx.report.blocks import Figure, Section
from hybridcx.report.content import Content
from hybridcx.report.figures import plots
from hybridcx.report.shown_rows import caution
from hybridcx.report.tables import Cell, Cells, Notes, Table, table

THRESHOLDS = (0.1, 0.2, 0.3, 0.5)
CAP_ROWS = 40


def section(content: Content) -> Section:
    """The figure of the curves and the table of differences."""
    section = Section()
    curves = content.table("decision_curve")
    if len(curves):
        curves, seed = shown_rows.one_seed(curves)
        models = content.models_of(curves)
        caption = "Net benefit against threshold probability" + (f", seed {seed}." if seed is not None else ".")
        caption += plots.omitted_note(curves, models)
        section.figures(Figure("decision", plots.decision_curve(curves, models=models), caption, "decision_curve.csv"))
    section.table(differences_table(content.table("decision_curve_differences")), detail=True)
    return section


def differences_table(differences: pd.DataFrame) -> Table | None:
    """Differences of net benefit at a few thresholds, pair by pair; None without any."""
    if differences.empty:
        return None
    differences, seed = shown_rows.one_seed(differences)
    metric = vocabulary.metric("net_benefit")
    cells: dict[tuple[str, str], dict[float, Cell]] = {}
    notes = Notes()
    for t in THRESHOLDS:
        for r in differences[(differences["threshold"] - t).abs() < 1e-9].to_dict("records"):
            value = numbers.difference_interval(metric, *shown_rows.limits(r))
            cells.setdefault((str(r["model"]), str(r["comparator"])), {})[t] = Cell(value, "", notes.mark(caution(r)))
    columns = [t for t in THRESHOLDS if any(t in row for row in cells.values())]
    if not columns:
        return None
    rows: list[Cells] = [[model, comparator, *(row[t] for t in columns)] for (model, comparator), row in cells.items()]
    caption = "Paired differences of net benefit along the decision curve." + shown_rows.seed_note(seed)
    limits = f"pointwise {shown_rows.level(differences)} Wald limits"
    remark = f"Net benefit of model minus comparator; {limits}, not adjusted for the number of thresholds."
    head = ["Model", "Comparator", *(f"t = {t:g}" for t in columns)]
    source = "decision_curve_differences.csv"
    return table("curve-differences", caption, head, rows, notes=notes, remark=remark, source=source, cap=CAP_ROWS)
