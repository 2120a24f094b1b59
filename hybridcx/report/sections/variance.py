"""The table of the section "Variance over seeds": how far the seeds spread, and whose the variance of the mean is."""

from __future__ import annotations

from math import isfinite

import pandas as pd

from hybridcx import vocabulary
from hybridcx.report import numbers as tables
from hybridcx.report import shown_rows as select
from hybridcx.report.numbers import Cell, Notes, Table, table
from hybridcx.report.sections.comparisons import CAP_ROWS

SHOWN = ("accuracy", "sensitivity", "specificity", "auroc", "brier")


def variance_table(variance: pd.DataFrame, primary: str) -> Table | None:
    """The models, and the differences of the primary metric, with mean spread and shares of variance; None without seeds."""
    if variance.empty:
        return None
    notes = Notes()
    own = variance["comparator"].isna()
    chosen = variance[(own & variance["metric"].isin([primary, *SHOWN])) | (~own & (variance["metric"] == primary))]
    order = vocabulary.in_order([primary, *chosen["metric"]], vocabulary.METRICS)
    records = sorted(chosen.to_dict("records"), key=lambda r: order.index(r["metric"]))
    rows = []
    shares = any(isfinite(select.number(r["share.case"])) for r in records)
    for r in records:
        kind = vocabulary.metric(str(r["metric"]))
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
        "on single cases. A difference takes the seeds of both models in the order of their numbers."
        if shares
        else "The seeds have test sets of their own: their spread is that of training and test sets together."
    )
    caption = "Spread of the metrics over seeds" + (", and whose the variance of their mean is." if shares else ".")
    return table("variance", caption, head, rows, notes=notes, remark=remark, source="variance.csv", cap=CAP_ROWS)


def obuchowski_table(comparisons: pd.DataFrame, primary: str) -> Table | None:
    """Obuchowski and Rockette's tests of the primary metric and the AUROC, beside the bootstrap; None where there are none."""
    if comparisons.empty:
        return None
    frame = select.overall(comparisons)
    frame = frame[(frame["method"] == "obuchowski_rockette") & frame["metric"].isin([primary, "auroc"])]
    notes = Notes()
    rows = []
    for r in frame.sort_values("metric", key=lambda m: m != primary, kind="stable").to_dict("records"):
        kind = vocabulary.metric(str(r["metric"]))
        said = r["warning"] if r["status"] != "ok" and isinstance(r["warning"], str) else ""
        limits = (select.number(r[c]) for c in ("estimate", "conf.low", "conf.high"))
        unit = tables.unit(kind, of_difference=True)
        rows.append(
            [
                Cell(f"{kind.label}, {'points' if unit == 'percentage points' else unit}" if unit else kind.label),
                Cell(str(r["model"]), number=False),
                Cell(str(r["comparator"]), number=False),
                Cell(tables.difference_interval(kind, *limits), "", notes.mark(said)),
                Cell(tables.fixed(select.number(r["statistic"]), 2)),
                Cell(tables.fixed(select.number(r["parameter"]), 1)),
                Cell(tables.p_value(select.number(r["p.value"]))),
                Cell(tables.p_value(select.number(r["adj.p.value"]))),
            ]
        )
    if not rows:
        return None
    level = next((tables.level(x) for x in frame["conf.level"] if pd.notna(x)), "")
    head = [
        "Metric",
        "Model",
        "Comparator",
        f"Difference ({level + ' ' if level else ''}CI)",
        "t",
        "df",
        *tables.p_heading("p", "p, Holm-adjusted"),
    ]
    caption = "The same differences after Obuchowski and Rockette: an analysis of variance of seeds and cases."
    remark = "Beside the bootstrap, which is the recommended method; no verdict rests on it. Points: percentage points."
    return table("obuchowski", caption, head, rows, notes=notes, remark=remark, source="comparisons.csv", cap=CAP_ROWS)
