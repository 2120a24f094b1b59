"""The flow of the cohort on the page: its rows and its drawing, and the table in which every case is accounted for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from hybridcx.report import numbers as tables
from hybridcx.report.figures.svg import MUTED, label, new_figure, style, to_svg
from hybridcx.report.numbers import Cell, Table

PARTS = ("train", "validation", "test")


def drawn(flow: pd.DataFrame) -> pd.DataFrame:
    """The boxes of the figure: screened, what leaves, analysed, its classes and its parts; columns step, kind, n.

    A flow without the column `split` is drawn as it is.
    """
    if "split" not in flow:
        return flow
    rows = []
    parts = flow["split"].notna().any()
    for r in flow.to_dict("records"):
        kind, part = str(r["kind"]), r["split"]
        if pd.isna(part) and kind in ("excluded", "disputed"):
            words = f"excluded: {r['step']}" if kind == "excluded" else r["step"]
            rows.append((words, "excluded", r["n"]))
        elif pd.isna(part) and (kind != "class" or not parts):
            rows.append(
                (f"analysed: {_classes(flow, None)}" if kind == "analysed" and parts else r["step"], kind, r["n"])
            )
        elif kind == "analysed":
            rows.append((f"{part}: {_classes(flow, part)}", "class", r["n"]))
    return pd.DataFrame(rows, columns=["step", "kind", "n"])


def _classes(flow: pd.DataFrame, part: object) -> str:
    here = flow["split"].isna() if part is None else flow["split"] == part
    rows = flow[here & (flow["kind"] == "class")]
    return ", ".join(f"{n} {label}" for label, n in zip(rows["label"], rows["n"], strict=True))


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
    disputes = flow[(flow["kind"] == "disputed") & flow["split"].isna()]
    for r in flow[flow["split"].isna()].to_dict("records"):
        kind, step = str(r["kind"]), str(r["step"])
        label = None if pd.isna(r["label"]) else r["label"]
        # cases in dispute have parts all together, not by reason
        parts = kind in ("analysed", "class") or (kind == "disputed" and len(disputes) == 1)
        words = {"excluded": f"Excluded: {step}", "class": f"Analysed, {step}"}.get(kind, step[:1].upper() + step[1:])
        rows.append(_row(words, [n(kind=kind, split=p, label=label) or "0" if parts else "" for p in PARTS], r))
        if kind == "disputed" and len(disputes) > 1 and step == disputes["step"].iloc[-1]:
            total = {"n": disputes["n"].sum(), "n.patients": float("nan")}
            rows.append(_row("In dispute, all", [n(kind=kind, split=p) or "0" for p in PARTS], total))
    remark = "Screened = excluded + in dispute + analysed. Patients of several steps may be the same."
    head = ["Step", *(p.capitalize() for p in PARTS), "Cases", "Patients"]
    return tables.table("flow-table", caption, head, rows, remark=remark, source="flow.csv")


def _row(words: str, parts: list[str], r: Mapping[Any, Any]) -> list[Cell]:
    total, patients = float(r["n"]), float(r["n.patients"])
    shown = tables.count(patients) if patients == patients else ""
    return [Cell(words), *(Cell(p) for p in parts), Cell(tables.count(total)), Cell(shown)]


FLOW_CHARACTERS = 33  # as many stand beside the number at full size; longer steps are set smaller


def cohort_flow(flow: pd.DataFrame, *, prefix: str = "flow") -> str:
    """The cohort's flow as boxes from top to bottom; columns step, n and, optionally, kind.

    Steps of kind "excluded" or "class" stand to the side. Without kinds they follow from the numbers: steps after the first
    are excluded as long as what they leave is not yet the next step; steps after that which sum to it are its classes.
    """
    records = flow.to_dict("records")
    n_of = [float(r["n"]) for r in records]
    kinds = [str(r["kind"]) for r in records] if "kind" in flow else _kinds(n_of)
    side = [k in ("excluded", "class") for k in kinds]
    with style():
        figure = new_figure(6.4, 0.42 * len(records) + 0.05, (0.02, 0.02, 0.02, 0.02))
        ax = figure.subplots()
        last = None
        for y, (row, out) in enumerate(zip(records, side, strict=True)):
            x, width = (0.50, 0.49) if out else (0.0, 0.46)
            ax.fill(
                [x, x + width, x + width, x],
                [y + 0.13, y + 0.13, y + 0.87, y + 0.87],
                facecolor="none",
                edgecolor=MUTED,
                linewidth=0.8,
            )
            step = label(row["step"], 52)
            ax.text(x + 0.012, y + 0.5, step, va="center", fontsize=8 * min(1.0, FLOW_CHARACTERS / max(len(step), 1)))
            ax.text(
                x + width - 0.012,
                y + 0.5,
                f"n = {tables.count(float(row['n']))}",
                va="center",
                ha="right",
                fontsize=8,
            )
            if out:
                if last is not None and all(side[y:]):  # the classes hang from the last box
                    ax.plot([0.23, 0.23], [last + 0.87, y + 0.5], color=MUTED, linewidth=0.8)
                ax.plot([0.23, 0.50], [y + 0.5, y + 0.5], color=MUTED, linewidth=0.8)
                ax.plot([0.488], [y + 0.5], marker=">", color=MUTED, markersize=3.5)
            else:
                if last is not None:
                    ax.plot([0.23, 0.23], [last + 0.87, y + 0.13], color=MUTED, linewidth=0.8)
                    ax.plot([0.23], [y + 0.08], marker="v", color=MUTED, markersize=3.5)
                last = y
        ax.set_xlim(-0.005, 1.0)
        ax.set_ylim(len(records), 0)
        ax.axis("off")
        said = "; ".join(f"{label(r['step'], 120)}: {tables.count(float(r['n']))}" for r in records)
        return to_svg(figure, prefix, "Flow of the cohort", said)


def _kinds(n: Sequence[float]) -> list[str]:
    """What each step of a flow is: ([416, 80, 5, 331, 170, 161]) is kept, excluded, excluded, kept, class, class."""
    for k in range(2, len(n)):
        if n[0] - sum(n[1:k]) == n[k]:
            rest = n[k + 1 :]
            after = "class" if rest and sum(rest) == n[k] else "kept"
            return ["kept", *["excluded"] * (k - 1), "kept", *[after] * len(rest)]
    return ["kept"] * len(n)
