"""Agreement and reliability of the readers."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite

import pandas as pd

from hybridcx import vocabulary
from hybridcx.report import numbers, shown_rows
from hybridcx.report.blocks import FOLD_ROWS, Section
from hybridcx.report.content import Content
from hybridcx.report.shown_rows import caution, number
from hybridcx.report.tables import Cell, Cells, Notes, Table, table

CAP_ROWS = 150
MAIN_COEFFICIENTS = ("icc2", "cohen_kappa", "gwet_ac1", "gwet_ac2")
_DEFAULT_METHODS = ("anova", "unweighted", "wilson")
"""Methods that a row does not name."""


def section(content: Content) -> Section:
    """The coefficients of agreement; where they are folded, a table of the main ones precedes them."""
    section = Section()
    agreement = content.table("agreement")
    caption = "Agreement and reliability of the readers."
    if len(agreement) > FOLD_ROWS:
        main = agreement_table(agreement[agreement["metric"].isin(MAIN_COEFFICIENTS)], f"{caption} Main coefficients.")
        section.table(replace(main, key="agreement-main") if main else None, fold=False)
        caption += " All coefficients."
    section.table(agreement_table(agreement, caption))
    return section


def agreement_table(agreement: pd.DataFrame, caption: str) -> Table | None:
    """Coefficients of agreement and reliability, those between readers first; None without any."""
    if agreement.empty:
        return None
    notes = Notes()
    frame = agreement.sort_values("scope", key=lambda s: s.map({"between": 0, "within": 1}), kind="stable")
    slices = [c for c in ("readers", "occasion", "subset") if frame[c].notna().any()]
    rows: list[Cells] = []
    for r in frame.to_dict("records"):
        name = str(r["metric"])
        metric = vocabulary.coefficient(name)
        value = numbers.interval(metric, *shown_rows.limits(r))
        value += " %" if metric.unit == "percent" and value != numbers.NA else ""
        statistic = numbers.fixed(number(r["statistic"]), 2)
        df = [x for x in (number(r["parameter1"]), number(r["parameter2"])) if isfinite(x)]
        if isfinite(number(r["parameter1"])):
            statistic += f" ({', '.join(map(numbers.count, df))})"
        method = "" if pd.isna(r["method"]) or r["method"] in _DEFAULT_METHODS else f", {r['method']}"
        rows.append(
            [
                vocabulary.AGREEMENT.get(name, name) + method,
                str(r["scope"]),
                *(numbers.NA if pd.isna(r[c]) else str(r[c]) for c in slices),
                Cell(value, "", notes.mark(caution(r))),
                Cell(statistic),
                Cell(numbers.p_value(number(r["p.value"]))),
                Cell(numbers.count(number(r["n"]))),
                Cell(numbers.count(number(r["k"]))),
            ]
        )
    head = ["Coefficient", "Observers", *(c.capitalize() for c in slices), f"Estimate ({shown_rows.ci(frame)})"]
    head += ["F or z (df)", "p", "Cases", "Readings"]
    return table("agreement-table", caption, head, rows, notes=notes, source="agreement.csv", cap=CAP_ROWS)
