"""The figure of the cohort's flow, from screened to analysed cases."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes

from hybridcx.report.figures.svg import MUTED, Drawing, drawing, label, new_figure, style
from hybridcx.report.numbers import count

CHARACTERS_PER_BOX = 33
"""This many fit beside the count at full size; longer steps are set smaller."""


def boxes(flow: pd.DataFrame) -> pd.DataFrame:
    """The boxes of the figure (columns step, kind, n): screened, excluded and analysed cases, and the classes of each part.

    A flow without the column `split` has a box for each of its rows.
    """
    if "split" not in flow:
        return flow
    rows = []
    parts = flow["split"].notna().any()
    for r in flow.to_dict("records"):
        kind, part = str(r["kind"]), r["split"]
        if pd.isna(part) and kind in ("excluded", "disputed"):
            step = f"excluded: {r['step']}" if kind == "excluded" else r["step"]
            rows.append((step, "excluded", r["n"]))
        elif pd.isna(part) and (kind != "class" or not parts):
            step = f"analysed: {_classes(flow, None)}" if kind == "analysed" and parts else r["step"]
            rows.append((step, kind, r["n"]))
        elif kind == "analysed":
            rows.append((f"{part}: {_classes(flow, part)}", "class", r["n"]))
    return pd.DataFrame(rows, columns=["step", "kind", "n"])


def _classes(flow: pd.DataFrame, part: object) -> str:
    """The cases of each class, in one part or (None) in all: "119 abnormal, 113 normal"."""
    in_part = flow["split"].isna() if part is None else flow["split"] == part
    rows = flow[in_part & (flow["kind"] == "class")]
    return ", ".join(f"{n} {label}" for label, n in zip(rows["label"], rows["n"], strict=True))


def cohort_flow(flow: pd.DataFrame, *, prefix: str = "flow") -> Drawing:
    """The flow as boxes from top to bottom; columns step, n and, optionally, kind.

    Boxes of kind "excluded" or "class" are at the side. Without kinds they follow from the counts (`kinds_of`).
    """
    records = flow.to_dict("records")
    kinds = [str(r["kind"]) for r in records] if "kind" in flow else kinds_of([float(r["n"]) for r in records])
    at_side = [k in ("excluded", "class") for k in kinds]
    with style():
        figure = new_figure(6.4, 0.42 * len(records) + 0.05, (0.02, 0.02, 0.02, 0.02))
        ax = figure.subplots()
        last = None
        for y, (row, side) in enumerate(zip(records, at_side, strict=True)):
            _box(ax, y, row["step"], float(row["n"]), side=side)
            if side:
                if last is not None and all(at_side[y:]):  # the classes are connected to the last box
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
        description = "; ".join(f"{label(r['step'], 120)}: {count(float(r['n']))}" for r in records)
        return drawing(figure, prefix, "Flow of the cohort", description)


def _box(ax: Axes, y: int, step: object, n: float, *, side: bool) -> None:
    """One box with its step and count, in the main column or at the side."""
    x, width = (0.50, 0.49) if side else (0.0, 0.46)
    right = x + width
    across, down = [x, right, right, x], [y + 0.13, y + 0.13, y + 0.87, y + 0.87]
    ax.fill(across, down, facecolor="none", edgecolor=MUTED, linewidth=0.8)
    text = label(step, 52)
    ax.text(x + 0.012, y + 0.5, text, va="center", fontsize=8 * min(1.0, CHARACTERS_PER_BOX / max(len(text), 1)))
    ax.text(right - 0.012, y + 0.5, f"n = {count(n)}", va="center", ha="right", fontsize=8)


def kinds_of(n: Sequence[float]) -> list[str]:
    """The kinds of a flow's steps from their counts: [416, 80, 5, 331, 170, 161] is kept, excluded, excluded, kept, class, class.

    The steps after the first are excluded until the first count minus theirs is the next one; the steps after that are its classes where their
    counts sum to it.
    """
    for k in range(2, len(n)):
        if n[0] - sum(n[1:k]) == n[k]:
            rest = n[k + 1 :]
            after = "class" if rest and sum(rest) == n[k] else "kept"
            return ["kept", *["excluded"] * (k - 1), "kept", *[after] * len(rest)]
    return ["kept"] * len(n)
