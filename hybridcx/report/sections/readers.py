"""Models beside readers, as the page shows them: what must be said first, then agreement, and both against the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import pandas as pd

from hybridcx import vocabulary
from hybridcx.report import numbers as tables
from hybridcx.report import shown_rows as select
from hybridcx.report.blocks import Numbers, Section
from hybridcx.report.numbers import Cell, Notes, Table, table

CAP_ROWS = 60


def readers_section(found: Mapping[str, pd.DataFrame], notes: Sequence[str], numbers: Numbers) -> Section:
    """The section; without a table of agreement it has no blocks, and is left out."""
    section = Section("readers", "Models beside the readers")
    empty = pd.DataFrame()
    agreement = reader_agreement_table(
        found.get("reader_agreement", empty), "Agreement of models with readers, beside that of the readers."
    )
    if agreement is None:
        return section
    section.text(*notes)
    section.table(agreement, numbers.table())
    made = reader_performance_table(found.get("reader_performance", empty), "Readers against the truth.")
    section.table(made, numbers.table() if made else "")
    caption = "Paired comparisons of accuracy: model against reader (exploratory)."
    made = reader_comparisons_table(found.get("reader_comparisons", empty), caption)
    section.table(made, numbers.table() if made else "")
    return section


def _over_seeds(found: pd.DataFrame) -> tuple[pd.DataFrame, bool]:
    """The rows over the seeds, where there are several, and whether there are."""
    several = "seed" in found and bool(found["seed"].isna().any())
    return (found[found["seed"].isna()] if several else found), several


def _said(r: Mapping[Any, Any]) -> str:
    return str(r["warning"]) if r["status"] != "ok" and isinstance(r["warning"], str) else ""


def reader_agreement_table(found: pd.DataFrame, caption: str) -> Table | None:
    """For each coefficient the readers' mean, and each model's mean with the difference between the two."""
    found, over_seeds = _over_seeds(found)
    frame = (
        found[found["kind"].isin(["mean_model_reader", "mean_reader_reader", "difference"])] if len(found) else found
    )
    if frame.empty:
        return None
    notes = Notes()
    by: dict[tuple[str, str], dict[str, Mapping[Any, Any]]] = {}
    readers: dict[str, Mapping[Any, Any]] = {}
    for r in frame.to_dict("records"):
        if r["kind"] == "mean_reader_reader":
            readers[str(r["metric"])] = r
        else:
            by.setdefault((str(r["metric"]), str(r["rater"])), {})[str(r["kind"])] = r
    rows = []
    for (metric, model), kinds in by.items():
        label = vocabulary.AGREEMENT.get(metric, metric)
        own, gap = kinds["mean_model_reader"], kinds["difference"]
        rows.append(
            [
                Cell(label),
                Cell(model, number=False),
                *(_coefficient(r, notes) for r in (own, readers[metric])),
                _coefficient(gap, notes, sign=True),
            ]
        )
    level = next((tables.level(x) for x in frame["conf.level"] if pd.notna(x)), "")
    head = ["Coefficient", "Model", f"Model with readers ({level} CI)", "Readers among each other", "Difference"]
    drawn = "seeds (of the models) and cases" if over_seeds else "cases"
    remark = f"Means over pairs of raters; percentile bootstrap over {drawn}, the readers fixed. Each pair stands in the file."
    return table(
        "reader-agreement", caption, head, rows, notes=notes, remark=remark, source="reader_agreement.csv", cap=CAP_ROWS
    )


def _coefficient(r: Mapping[Any, Any], notes: Notes, *, sign: bool = False) -> Cell:
    kind = vocabulary.Metric("coefficient", "coefficient", low=-1.0, decimals=2)
    numbers = [select.number(r[c]) for c in ("estimate", "conf.low", "conf.high")]
    shown = tables.difference_interval(kind, *numbers) if sign else tables.interval(kind, *numbers)
    return Cell(shown, "", notes.mark(_said(r)))


def reader_performance_table(found: pd.DataFrame, caption: str) -> Table | None:
    """Readers in rows, accuracy, sensitivity and specificity in columns."""
    if found.empty:
        return None
    notes = Notes()
    cells: dict[str, dict[str, Cell]] = {}
    for r in found.to_dict("records"):
        kind = vocabulary.metric(str(r["metric"]))
        shown = tables.interval(kind, *(select.number(r[c]) for c in ("estimate", "conf.low", "conf.high")))
        top, bottom = (tables.count(select.number(r[c])) for c in ("numerator", "denominator"))
        cells.setdefault(str(r["reader"]), {})[kind.name] = Cell(shown, f"{top}/{bottom}", notes.mark(_said(r)))
    columns = list(dict.fromkeys(str(m) for m in found["metric"]))
    rows = [[Cell(reader), *(c[m] for m in columns)] for reader, c in cells.items()]
    head = ["Reader", *(f"{vocabulary.metric(m).label}, %" for m in columns)]
    return table("reader-performance", caption, head, rows, notes=notes, remark="Wilson intervals, on the cases that the reader read.",
                 source="reader_performance.csv", cap=CAP_ROWS)  # fmt: skip


def reader_comparisons_table(found: pd.DataFrame, caption: str) -> Table | None:
    """Model minus reader in accuracy: Tango's interval, or the cluster's, with its test."""
    found, over_seeds = _over_seeds(found)
    frame = found[found["metric"] == "accuracy"] if len(found) else found
    if frame.empty:
        return None
    notes = Notes()
    clustered = (frame["method"] == "mcnemar_cluster").any()
    interval, test = ("mcnemar_cluster", "mcnemar_cluster") if clustered else ("tango", "mcnemar_midp")
    if over_seeds:
        interval = test = "bootstrap_hierarchical"
    by = {(str(r["model"]), str(r["reader"]), str(r["method"])): r for r in frame.to_dict("records")}
    kind = vocabulary.metric("accuracy")
    rows = []
    for model, reader in dict.fromkeys(k[:2] for k in by):
        limits, tested = by[model, reader, interval], by[model, reader, test]
        shown = tables.difference_interval(
            kind, *(select.number(limits[c]) for c in ("estimate", "conf.low", "conf.high"))
        )
        rows.append(
            [
                Cell(model), Cell(reader, number=False), Cell(shown, "", notes.mark(_said(limits))),
                Cell(tables.count(select.number(limits["b"]))), Cell(tables.count(select.number(limits["c"]))),
                Cell(tables.p_value(select.number(tested["p.value"]))), Cell(tables.p_value(select.number(tested["adj.p.value"]))),
            ]
        )  # fmt: skip
    level = next((tables.level(x) for x in frame["conf.level"] if isfinite(select.number(x))), "")
    head = [
        "Model",
        "Reader",
        f"Difference, percentage points ({level} CI)",
        "b",
        "c",
        *tables.p_heading("p", "p, Holm-adjusted"),
    ]
    remark = "Model minus reader on the cases that the reader read; "
    remark += f"interval: {vocabulary.method_label(interval)}, test: {vocabulary.method_label(test)}."
    return table(
        "reader-comparisons",
        caption,
        head,
        rows,
        notes=notes,
        remark=remark,
        source="reader_comparisons.csv",
        cap=CAP_ROWS,
    )
