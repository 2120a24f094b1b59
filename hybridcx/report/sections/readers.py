"""Models compared with readers: their agreement, and the accuracy of both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from hybridcx import vocabulary
from hybridcx.report import numbers, shown_rows
from hybridcx.report.blocks import Section
from hybridcx.report.content import Content
from hybridcx.report.shown_rows import caution, limits, number
from hybridcx.report.tables import Cell, Cells, Notes, Table, table

CAP_ROWS = 60


def section(content: Content) -> Section:
    """The notes on such comparisons, and the three tables; empty without a table of agreement."""
    section = Section()
    agreement = agreement_table(content.table("reader_agreement"))
    if agreement is None:
        return section
    section.text(*content.reader_notes)
    section.table(agreement, detail=True)
    section.table(performance_table(content.table("reader_performance")))
    section.table(comparisons_table(content.table("reader_comparisons")))
    return section


def _over_seeds(rows: pd.DataFrame) -> tuple[pd.DataFrame, bool]:
    """The rows over all seeds and True, where there are several seeds; otherwise all rows and False."""
    several = "seed" in rows and bool(rows["seed"].isna().any())
    return (rows[rows["seed"].isna()] if several else rows), several


def agreement_table(agreement: pd.DataFrame) -> Table | None:
    """For each coefficient and model: mean agreement with the readers, mean agreement among the readers, and the difference."""
    rows, over_seeds = _over_seeds(agreement)
    if len(rows):
        rows = rows[rows["kind"].isin(["mean_model_reader", "mean_reader_reader", "difference"])]
    if rows.empty:
        return None
    notes = Notes()
    by_model: dict[tuple[str, str], dict[str, Mapping[Any, Any]]] = {}
    among_readers: dict[str, Mapping[Any, Any]] = {}
    for r in rows.to_dict("records"):
        if r["kind"] == "mean_reader_reader":
            among_readers[str(r["metric"])] = r
        else:
            by_model.setdefault((str(r["metric"]), str(r["rater"])), {})[str(r["kind"])] = r
    body: list[Cells] = [
        [
            vocabulary.AGREEMENT.get(metric, metric),
            model,
            _coefficient(kinds["mean_model_reader"], notes),
            _coefficient(among_readers[metric], notes),
            _coefficient(kinds["difference"], notes, difference=True),
        ]
        for (metric, model), kinds in by_model.items()
    ]
    head = ["Coefficient", "Model", f"Model with readers ({shown_rows.level(rows)} CI)", "Readers among each other"]
    head += ["Difference"]
    caption = "Agreement of models with readers, compared with that among the readers."
    resampled = "seeds (of the models) and cases" if over_seeds else "cases"
    remark = f"Means over pairs of raters; percentile bootstrap over {resampled}, the readers fixed. The file has every pair."
    return table(
        "reader-agreement", caption, head, body, notes=notes, remark=remark, source="reader_agreement.csv", cap=CAP_ROWS
    )


def _coefficient(r: Mapping[Any, Any], notes: Notes, *, difference: bool = False) -> Cell:
    metric = vocabulary.Metric("coefficient", "coefficient", low=-1.0, decimals=2)
    text = numbers.difference_interval if difference else numbers.interval
    return Cell(text(metric, *limits(r)), "", notes.mark(caution(r)))


def performance_table(performance: pd.DataFrame) -> Table | None:
    """Readers in rows, accuracy, sensitivity and specificity in columns; None without any."""
    if performance.empty:
        return None
    notes = Notes()
    cells: dict[str, dict[str, Cell]] = {}
    for r in performance.to_dict("records"):
        metric = vocabulary.metric(str(r["metric"]))
        value = numbers.interval(metric, *limits(r))
        counts = "/".join(numbers.count(number(r[c])) for c in ("numerator", "denominator"))
        cells.setdefault(str(r["reader"]), {})[metric.name] = Cell(value, counts, notes.mark(caution(r)))
    columns = list(dict.fromkeys(str(m) for m in performance["metric"]))
    rows: list[Cells] = [[reader, *(row[m] for m in columns)] for reader, row in cells.items()]
    head = ["Reader", *(f"{vocabulary.metric(m).label}, %" for m in columns)]
    caption, source = "Readers against the truth.", "reader_performance.csv"
    remark = "Wilson intervals, on the cases that the reader read."
    return table("reader-performance", caption, head, rows, notes=notes, remark=remark, source=source, cap=CAP_ROWS)


def comparisons_table(comparisons: pd.DataFrame) -> Table | None:
    """Accuracy of model minus reader, with Tango's interval or, with clusters or seeds, that of their methods; None without any."""
    rows, over_seeds = _over_seeds(comparisons)
    if len(rows):
        rows = rows[rows["metric"] == "accuracy"]
    if rows.empty:
        return None
    notes = Notes()
    clustered = (rows["method"] == "mcnemar_cluster").any()
    interval, test = ("mcnemar_cluster", "mcnemar_cluster") if clustered else ("tango", "mcnemar_midp")
    if over_seeds:
        interval = test = "bootstrap_hierarchical"
    by_key = {(str(r["model"]), str(r["reader"]), str(r["method"])): r for r in rows.to_dict("records")}
    metric = vocabulary.metric("accuracy")
    body: list[Cells] = []
    for model, reader in dict.fromkeys(k[:2] for k in by_key):
        with_limits, tested = by_key[model, reader, interval], by_key[model, reader, test]
        body.append(
            [
                model,
                reader,
                Cell(numbers.difference_interval(metric, *limits(with_limits)), "", notes.mark(caution(with_limits))),
                *(Cell(numbers.count(number(with_limits[c]))) for c in "bc"),
                *(Cell(numbers.p_value(number(tested[c]))) for c in ("p.value", "adj.p.value")),
            ]
        )
    head = ["Model", "Reader", f"Difference, percentage points ({shown_rows.level(rows)} CI)", "b", "c", "p"]
    head += ["p, Holm-adjusted"]
    caption, source = "Paired comparisons of accuracy: model against reader (exploratory).", "reader_comparisons.csv"
    remark = "Model minus reader on the cases that the reader read; "
    remark += f"interval: {vocabulary.method_label(interval)}, test: {vocabulary.method_label(test)}."
    return table("reader-comparisons", caption, head, body, notes=notes, remark=remark, source=source, cap=CAP_ROWS)
