"""The performance of each model: its metrics, confusion matrix and threshold."""

from __future__ import annotations

import pandas as pd

from hybridcx import vocabulary
from hybridcx.report import numbers, shown_rows
from hybridcx.report.blocks import OPEN_ROWS, Figure, Section
from hybridcx.report.content import Content
from hybridcx.report.figures import plots
from hybridcx.report.frame_table import frame_table, with_index
from hybridcx.report.metrics_table import CAP_ROWS, MAIN, methods_remark, metrics_table, value_cell
from hybridcx.report.shown_rows import caution, number
from hybridcx.report.tables import Cell, Cells, Notes, Table, table

CALL_METRICS = ("balanced_accuracy", "f1", "mcc", "youden_j", "lr_positive", "lr_negative", "diagnostic_odds_ratio")
CAP_THRESHOLDS = 40
COUNTS = ("tp", "fn", "fp", "tn")


def section(content: Content) -> Section:
    """Table III (main metrics), confusion matrices, thresholds, further metrics of the calls, predictive values and heads."""
    section = Section()
    metrics, confusion = content.table("metrics"), content.table("confusion")
    caption = "Performance on the test set with confidence intervals."
    total = metrics["model"].nunique() if len(metrics) else 0
    caption += f" The models of the comparisons; metrics.csv has all {total}." if total > OPEN_ROWS else ""
    section.table(metrics_table(_main_rows(content), MAIN, "table-iii", caption), study_number=3, detail=False)
    if len(confusion):
        confusion, seed = shown_rows.one_seed(confusion)
        section.figures(_confusion_figure(content, confusion, seed))
        section.table(confusion_table(confusion), detail=True)
    section.table(prevalence_table(metrics))
    section.table(thresholds_table(content.table("thresholds")), detail=True)
    section.table(metrics_table(metrics, CALL_METRICS, "calls", "Further metrics of the calls."), detail=True)
    if content.heads_table is not None and len(content.heads_table):
        caption = "Heads: the features each was fitted on, and the choice of cross-validation within the training set."
        section.table(frame_table("heads", caption, content.heads_table, source="heads.csv"), detail=True)
    return section


def _main_rows(content: Content) -> pd.DataFrame:
    """The metrics of all models, or of many those of the primary ones; the file has all."""
    metrics = content.table("metrics")
    if metrics.empty or metrics["model"].nunique() <= OPEN_ROWS:
        return metrics
    names = content.models_of(metrics) or list(dict.fromkeys(metrics["model"].astype(str)))[:OPEN_ROWS]
    return metrics[metrics["model"].astype(str).isin(names)]


def _confusion_figure(content: Content, confusion: pd.DataFrame, seed: object) -> Figure:
    models, total = content.models_of(confusion), confusion["model"].nunique()
    drawn = min(len(models) if models else total, plots.MAX_MATRICES)
    caption = "Confusion matrices" + (f" of seed {seed}." if seed is not None else ".")
    caption += "" if drawn == total else f" {drawn} of {total} models; the file has all."
    drawing = plots.confusion(confusion, models=models, negative=_negative_label(content, confusion))
    return Figure("confusion", drawing, caption, "confusion.csv")


def _negative_label(content: Content, confusion: pd.DataFrame) -> str:
    """The label that is not positive, where the tables have exactly two; "" otherwise."""
    positive = set(confusion["positive"].astype(str))
    labels: set[str] = set()
    if content.split_table is not None and len(content.split_table):
        labels |= set(with_index(content.split_table).iloc[:, 0].astype(str)) - {"total"}
    cases = content.table("disagreements")
    if len(cases):
        labels |= set(cases["y_true"].astype(str))
    others = sorted(labels - positive)
    return others[0] if len(others) == 1 else ""


def confusion_table(confusion: pd.DataFrame) -> Table | None:
    """The four counts of every model; None without any."""
    if confusion.empty:
        return None
    rows: list[Cells] = [
        [str(r["model"]), *(Cell(numbers.count(number(r[c]))) for c in COUNTS)] for r in confusion.to_dict("records")
    ]
    positive = " or ".join(dict.fromkeys(confusion["positive"].astype(str)))
    head = ["Model", "True positive", "False negative", "False positive", "True negative"]
    caption = "Counts behind the confusion matrices."
    return table(
        "confusion-counts",
        caption,
        head,
        rows,
        remark="" if positive.lower() == "positive" else f"The positive class is {positive}.",
        source="confusion.csv",
    )


def thresholds_table(thresholds: pd.DataFrame) -> Table | None:
    """The thresholds that a rule chose, with the sensitivity and specificity on the validation cases; None without any."""
    if thresholds.empty:
        return None
    notes = Notes()
    units = [c for c in ("seed", "fold") if thresholds[c].notna().any()]
    rows: list[Cells] = [
        [
            str(r["model"]),
            *(numbers.NA if pd.isna(r[c]) else str(r[c]) for c in units),
            str(r["rule"]),
            Cell(numbers.fixed(float(r["threshold"]), 4), "", notes.mark(caution(r))),
            Cell(numbers.percent(float(r["sensitivity"]), 1)),
            Cell(numbers.percent(float(r["specificity"]), 1)),
            Cell(numbers.count(r["n"])),
        ]
        for r in thresholds.to_dict("records")
    ]
    head = ["Model", *(u.capitalize() for u in units), "Rule", "Threshold"]
    head += ["Sensitivity in validation, %", "Specificity in validation, %", "Validation cases"]
    caption = "Thresholds, chosen on validation cases."
    remark = "Sensitivity and specificity are those of the cases on which the threshold was chosen, not results on the test set."
    return table(
        "thresholds", caption, head, rows, notes=notes, remark=remark, source="thresholds.csv", cap=CAP_THRESHOLDS
    )


def prevalence_table(metrics: pd.DataFrame) -> Table | None:
    """PPV and NPV of every model at each assumed prevalence; None without any."""
    caption = "Predictive values at assumed prevalences."
    rows = metrics
    if len(rows):
        rows = rows[rows["prevalence"].notna() & rows["subgroup"].isna() & rows["label.rule"].isna()]
    rows, caption = shown_rows.first_seed(rows, caption, "metrics.csv")
    if rows.empty:
        return None
    values = shown_rows.shown_values(rows, ("model", "prevalence", "metric"))
    columns = [m for m in ("ppv", "npv") if any(k[2] == m for k in values)]
    common: dict[str, str | None] = {m: next(str(r["method"]) for k, r in values.items() if k[2] == m) for m in columns}
    notes = Notes()
    body: list[Cells] = [
        [
            model,
            Cell(numbers.fixed(float(prevalence), 4, scale=100).rstrip("0").rstrip(".")),
            *(value_cell(values.get((model, prevalence, m)), common[m], notes) for m in columns),
        ]
        for model, prevalence in dict.fromkeys(k[:2] for k in values)
    ]
    head = ["Model", "Prevalence, %", *(numbers.heading(vocabulary.metric(m)) for m in columns)]
    remark = methods_remark(values, common)
    return table("prevalence", caption, head, body, notes=notes, remark=remark, source="metrics.csv", cap=CAP_ROWS)
