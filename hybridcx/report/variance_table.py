"""The table of the section "Variance over seeds": how far the seeds spread, and whose the variance of the mean is."""

from __future__ import annotations

from math import isfinite

import pandas as pd

from hybridcx.report import meaning, select, tables
from hybridcx.report.result_tables import CAP_ROWS
from hybridcx.report.tables import Cell, Notes, Table, table

SHOWN = ("accuracy", "sensitivity", "specificity", "auroc", "brier")


def variance_table(variance: pd.DataFrame, primary: str) -> Table | None:
    """The models, and the differences of the primary metric, with mean spread and shares of variance; None without seeds."""
    if variance.empty:
        return None
    notes = Notes()
    own = variance["comparator"].isna()
    chosen = variance[(own & variance["metric"].isin([primary, *SHOWN])) | (~own & (variance["metric"] == primary))]
    order = meaning.in_order([primary, *chosen["metric"]], meaning.METRIC_ORDER)
    records = sorted(chosen.to_dict("records"), key=lambda r: order.index(r["metric"]))
    rows = []
    shares = any(isfinite(select.number(r["share.case"])) for r in records)
    for r in records:
        kind = meaning.metric(str(r["metric"]))
        scale = 100 if kind.unit == "percent" else 1
        low, high, sd = (
            tables.fixed(select.number(r[c]), kind.decimals, scale=scale) for c in ("seed.min", "seed.max", "sd.seeds")
        )
        of = f"{r['model']} − {r['comparator']}" if isinstance(r["comparator"], str) else str(r["model"])
        said = r["warning"] if isinstance(r["warning"], str) and shares else ""
        unit = tables.unit(kind)
        cells = [Cell(f"{kind.label}, {unit}" if unit else kind.label), Cell(of, "", notes.mark(said), number=False)]
        cells += [Cell(tables.count(select.number(r["n.seeds"]))), Cell(f"{low} to {high}"), Cell(sd)]
        if shares:
            cells += [
                Cell(tables.fixed(select.number(r[f"share.{c}"]), 0, scale=100)) for c in ("case", "seed", "residual")
            ]
        rows.append(cells)
    head = ["Metric", "Model or difference", "Seeds", "Range over seeds", "SD over seeds"]
    head += ["Cases, %", "Seeds, %", "Rest, %"] if shares else []
    remark = (
        "Cases, seeds, rest: shares of the variance of the mean over seeds, from two-way components; the rest is what changes with the seed "
        "on single cases."
        if shares
        else "The seeds have test sets of their own: their spread is that of training and test sets together."
    )
    caption = "Spread of the metrics over seeds" + (", and whose the variance of their mean is." if shares else ".")
    return table("variance", caption, head, rows, notes=notes, remark=remark, source="variance.csv", cap=CAP_ROWS)
