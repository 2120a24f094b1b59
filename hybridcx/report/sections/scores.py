"""The sections on scores (ROC curves, calibration, decision curves), and what the sections share: a table by name, a figure with its caption."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from hybridcx.report import shown_rows as select
from hybridcx.report.blocks import Figure, Numbers, Section, our_own
from hybridcx.report.content import ReportData
from hybridcx.report.figures import plots as figures
from hybridcx.report.sections import comparisons as result_tables
from hybridcx.report.sections import further as further_results


def table_of(found: Mapping[str, pd.DataFrame], name: str) -> pd.DataFrame:
    frame = found.get(name)
    return pd.DataFrame() if frame is None else frame


def models_of(report: ReportData, table: pd.DataFrame) -> list[str] | None:
    """The primary models that the table has; None (all that can be told apart) where none are named."""
    there = set(table["model"].astype(str))
    return [m for m in report.primary_models if m in there] or None


def figure_of(key: str, svg: str, caption: str, number: str = "", source: str = "") -> Figure:
    return Figure(key, our_own(svg), caption, number, source)


def _some(report: ReportData, table: pd.DataFrame) -> tuple[list[str] | None, str]:
    """The models that a figure shows, and the words that say so when they are not all."""
    models = models_of(report, table)
    total = table.loc[~table["model"].isin(["treat_all", "treat_none"]), "model"].nunique()
    shown = min(len(models) if models else total, figures.MAX_SERIES)
    return models, "" if shown == total else f" {shown} of {total} models; the file has all."


def curves(report: ReportData, numbers: Numbers) -> Section:
    section = Section("roc", "ROC curves")
    roc = table_of(report.tables, "roc")
    if len(roc):
        roc, seed = select.one_seed(roc)
        roc, fold = select.one_seed(roc, "fold")
        models, note = _some(report, roc)
        which = "".join(f", {n} {v}" for n, v in (("seed", seed), ("fold", fold)) if v is not None)
        caption = f"Receiver operating characteristic{which}.{note}"
        section.figures(figure_of("roc", figures.roc(roc, models=models), caption, numbers.figure(), "roc.csv"))
    return section


def calibration(report: ReportData, numbers: Numbers) -> Section:
    section = Section("calibration", "Calibration")
    bins = table_of(report.tables, "calibration")
    if len(bins):
        bins, seed = select.one_seed(bins)
        models, note = _some(report, bins)
        caption = "Fraction positive against mean score in bins of equal width, with Wilson confidence intervals"
        caption += (f", seed {seed}." if seed is not None else ".") + note
        if "warning" in bins and bins["warning"].notna().any():
            caption += " Caution: " + "; ".join(dict.fromkeys(bins["warning"].dropna().astype(str))) + "."
        svg = figures.calibration(bins, models=models)
        section.figures(figure_of("calibration", svg, caption, numbers.figure(), "calibration.csv"))
    caption = "Metrics of the scores."
    made = result_tables.metrics_table(table_of(report.tables, "metrics"), result_tables.OF_SCORES, "scores", caption)
    section.table(made, numbers.table() if made else "")
    caption = "Parts of the Brier score."
    made = further_results.brier_table(table_of(report.tables, "brier_decomposition"), caption)
    section.table(made, numbers.table() if made else "")
    return section


def utility(report: ReportData, numbers: Numbers) -> Section:
    section = Section("utility", "Decision curves")
    curve = table_of(report.tables, "decision_curve")
    if len(curve):
        curve, seed = select.one_seed(curve)
        models, note = _some(report, curve)
        caption = "Net benefit against threshold probability" + (f", seed {seed}." if seed is not None else ".") + note
        svg = figures.decision_curve(curve, models=models)
        section.figures(figure_of("decision", svg, caption, numbers.figure(), "decision_curve.csv"))
    caption = "Paired differences of net benefit along the decision curve."
    made = further_results.curve_differences_table(table_of(report.tables, "decision_curve_differences"), caption)
    section.table(made, numbers.table() if made else "")
    return section
