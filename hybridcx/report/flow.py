"""The flow of the cohort on the page: its rows for the figure, and the table in which every case is accounted for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from hybridcx.report import tables
from hybridcx.report.tables import Cell, Table

PARTS = ("train", "validation", "test")


def drawn(flow: pd.DataFrame) -> pd.DataFrame:
    """The boxes of the figure: screened, what leaves, analysed, its classes and its parts; columns step, kind, n.

    A flow without the column `split` is drawn as it is.
    """
    if "split" not in flow:
        return flow
    rows = []
    for r in flow.to_dict("records"):
        kind, part = str(r["kind"]), r["split"]
        if pd.isna(part):
            rows.append((r["step"], "excluded" if kind == "disputed" else kind, r["n"]))
        elif kind == "analysed":
            classes = flow[(flow["kind"] == "class") & (flow["split"] == part)]
            of = ", ".join(f"{n} {label}" for label, n in zip(classes["label"], classes["n"], strict=True))
            rows.append((f"{part}: {of}", "class", r["n"]))
    return pd.DataFrame(rows, columns=["step", "kind", "n"])


def apart(flow: pd.DataFrame) -> str:
    """What the caption says of the cases in dispute; "" where there are none in test."""
    if "split" not in flow:
        return ""
    n = int(flow.loc[(flow["kind"] == "disputed") & (flow["split"] == "test"), "n"].sum())
    if not n:
        return ""
    return f" {n} of the cases in dispute {'is' if n == 1 else 'are'} in test, scored apart and in no primary metric."


def flow_table(flow: pd.DataFrame, caption: str) -> Table | None:
    """Steps by parts of the cohort, with the sum that each step leaves; None for a flow without parts."""
    if "split" not in flow or flow["split"].isna().all():
        return None

    def n(**where: object) -> str:
        rows = flow
        for column, value in where.items():
            rows = rows[rows[column].isna() if value is None else rows[column] == value]
        return tables.count(float(rows["n"].sum())) if len(rows) else ""

    rows = []
    for r in flow[flow["split"].isna()].to_dict("records"):
        kind = str(r["kind"])
        label = None if pd.isna(r["label"]) else r["label"]
        # cases in dispute have parts in all, not by reason
        parts = kind in ("analysed", "class")
        words = {"screened": "Screened", "analysed": "Analysed"}.get(kind, str(r["step"]))
        words = f"Excluded: {words}" if kind == "excluded" else words
        rows.append(_row(words, [n(kind=kind, split=p, label=label) if parts else "" for p in PARTS], r))
        last_disputed = flow[(flow["kind"] == "disputed") & flow["split"].isna()]["step"].tail(1).tolist()
        if kind == "disputed" and last_disputed == [r["step"]]:
            whole = flow[(flow["kind"] == "disputed") & flow["split"].isna()]
            total = {"n": whole["n"].sum(), "n.patients": float("nan")}
            found = [n(kind="disputed", split=p) or "0" for p in PARTS]
            rows.append(_row("In dispute, all", found, total))
    remark = "Screened = excluded + in dispute + analysed. Patients of several steps may be the same."
    head = ["Step", *(p.capitalize() for p in PARTS), "Cases", "Patients"]
    return tables.table("flow-table", caption, head, rows, remark=remark, source="flow.csv")


def _row(words: str, parts: list[str], r: Mapping[Any, Any]) -> list[Cell]:
    total, patients = float(r["n"]), float(r["n.patients"])
    shown = tables.count(patients) if patients == patients else ""
    return [Cell(words), *(Cell(p) for p in parts), Cell(tables.count(total)), Cell(shown)]
