"""The cohort: its flow from screened to analysed cases, and the cases of its parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from hybridcx.report.blocks import Figure, Section
from hybridcx.report.content import Content
from hybridcx.report.figures.flow import boxes, cohort_flow
from hybridcx.report.frame_table import frame_table
from hybridcx.report.numbers import count
from hybridcx.report.tables import Cell, Cells, Table, table

PARTS = ("train", "validation", "test")


def section(content: Content) -> Section:
    """The figure of the flow, Table I (cases by part and label) and the table of the flow."""
    section = Section()
    flow, split = content.cohort_flow, content.split_table
    has_flow = flow is not None and len(flow) > 0
    if flow is not None and has_flow:
        caption = "Flow of the cohort." + disputed_in_test(flow)
        source = "flow.csv" if "flow" in content.tables else ""
        section.figures(Figure("flow", cohort_flow(boxes(flow)), caption, source))
    if split is not None and len(split):
        several = "seed" in content.table("split")  # each seed or fold has its own division
        of_each = " of each division of the cohort" if several else ""
        caption = f"Cases of the training, validation and test sets{of_each}."
        section.table(frame_table("split", caption, split), study_number=1)
    if flow is not None and has_flow:
        section.table(flow_table(flow), detail=True)
    return section


def disputed_in_test(flow: pd.DataFrame) -> str:
    """The sentence of the caption on disputed cases in the test set; "" without any."""
    if "split" not in flow:
        return ""
    n = int(flow.loc[(flow["kind"] == "disputed") & (flow["split"] == "test"), "n"].sum())
    if not n:
        return ""
    are = "is" if n == 1 else "are"
    return f" {n} of the cases in dispute {are} in the test set, scored separately and not part of the primary metrics."


def flow_table(flow: pd.DataFrame) -> Table | None:
    """The steps of the flow in rows, with the cases of each part in columns; None for a flow without parts."""
    if "split" not in flow or flow["split"].isna().all():
        return None

    def cases(**where: object) -> str:
        rows = flow
        for column, value in where.items():
            rows = rows[rows[column].isna() if value is None else rows[column] == value]
        return count(float(rows["n"].sum())) if len(rows) else ""

    rows: list[Cells] = []
    disputes = flow[(flow["kind"] == "disputed") & flow["split"].isna()]
    for r in flow[flow["split"].isna()].to_dict("records"):
        kind, step = str(r["kind"]), str(r["step"])
        label = None if pd.isna(r["label"]) else r["label"]
        # of several reasons for a dispute only the sum has parts
        has_parts = kind in ("analysed", "class") or (kind == "disputed" and len(disputes) == 1)
        title = {"excluded": f"Excluded: {step}", "class": f"Analysed, {step}"}.get(kind, step[:1].upper() + step[1:])
        parts = [cases(kind=kind, split=p, label=label) or "0" if has_parts else "" for p in PARTS]
        rows.append(_row(title, parts, r))
        if kind == "disputed" and len(disputes) > 1 and step == disputes["step"].iloc[-1]:
            total = {"n": disputes["n"].sum(), "n.patients": float("nan")}
            rows.append(_row("In dispute, all", [cases(kind=kind, split=p) or "0" for p in PARTS], total))
    caption = "Every case from screened to analysed."
    remark = "Screened = excluded + in dispute + analysed. A patient may be counted in several steps."
    head = ["Step", *(p.capitalize() for p in PARTS), "Cases", "Patients"]
    return table("flow-table", caption, head, rows, remark=remark, source="flow.csv")


def _row(title: str, parts: list[str], r: Mapping[Any, Any]) -> list[Cell]:
    cases, patients = float(r["n"]), float(r["n.patients"])
    return [Cell(title), *map(Cell, parts), Cell(count(cases)), Cell(count(patients) if patients == patients else "")]
