"""The cases on which the models differ, or all of them err."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from hybridcx.report import numbers, shown_rows
from hybridcx.report.blocks import Section
from hybridcx.report.content import Content
from hybridcx.report.sections import casebook
from hybridcx.report.tables import Cell, Cells, Table, table

CAP_CASES = 12
MAX_CALL_COLUMNS = 8
_CASE_COLUMNS = ("case_id", "y_true", "n.models.wrong", "seed")


def section(content: Content) -> Section:
    """The table of these cases, and the number of cases in each cell of a pair."""
    section = Section()
    in_casebook = bool(len(content.table("casebook"))) and content.casebook is not None
    section.table(disagreements_table(content.table("disagreements"), content.primary_models), detail=in_casebook)
    if not in_casebook:
        section.table(casebook.cells_table(content.table("case_cells")), detail=True)
    return section


def disagreements_table(cases: pd.DataFrame, primary_models: Sequence[str]) -> Table | None:
    """Cases in rows, those on which the models differ first, by errors; models in columns, with their wrong calls. None without."""
    if cases.empty:
        return None
    models = [c for c in cases.columns if c not in _CASE_COLUMNS]
    caption = (
        "Cases on which the models differ or all err." if len(models) > 1 else "Cases that the model calls wrongly."
    )
    cases, caption = shown_rows.first_seed(cases, caption, "disagreements.csv")
    columns = [m for m in primary_models if m in models][:MAX_CALL_COLUMNS] or models[:MAX_CALL_COLUMNS]
    # cases on which the models differ decide their comparison; those that all get wrong do not
    differ = (cases["n.models.wrong"] < len(models)) & (len(models) > 1)
    by_errors = cases.assign(differ=differ).sort_values(["differ", "n.models.wrong"], ascending=False, kind="stable")
    rows: list[Cells] = []
    for r in by_errors.head(CAP_CASES).to_dict("records"):
        truth = str(r["y_true"])
        calls = [numbers.NA if pd.isna(r[m]) else str(r[m]) for m in columns]
        calls = ["·" if c == truth else c for c in calls]
        rows.append([str(r["case_id"]), truth, Cell(numbers.count(r["n.models.wrong"])), *calls])
    remark = "A dot is a correct call; wrong calls are given."
    remark += f" Models in error are counted over all {len(models)} models." if len(models) > 1 else ""
    remark += f" Calls of {len(columns)} of them are shown." if len(columns) < len(models) else ""
    if len(by_errors) > CAP_CASES:
        total = numbers.count(len(by_errors))
        remark += f" {CAP_CASES} of {total} cases, those on which the models differ first; the file has all."
    head = ["Case", "Truth", "Models in error", *columns]
    return table("cases", caption, head, rows, remark=remark, source="disagreements.csv")
