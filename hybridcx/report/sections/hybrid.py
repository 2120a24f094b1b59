"""The section "Deep against hybrid": each network's softmax against the heads on its features, and main effects over the grid."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite, nan
from typing import Any

import pandas as pd

from hybridcx import vocabulary
from hybridcx.report import numbers as tables
from hybridcx.report import shown_rows as select
from hybridcx.report.blocks import Figure, Numbers, Section, our_own
from hybridcx.report.figures import plots as figures
from hybridcx.report.numbers import Cell, Notes, Table, table

Rows = list[dict[str, Any]]
ABOVE, BELOW = "▲", "▼"
"""Marks of a cell whose interval lies on one side of no difference: shape, not colour, says it."""
CAP_ROWS = 60
MAX_MODELS_SAID = 6
FACTORS = {
    "network": "Network",
    "head": "Head",
    "fine_tuning": "Fine-tuning",
    "head_minus_softmax": "Head against softmax",
}
ONE_TRAINING = (
    "Everything here is conditional on the networks as they were trained, once: the uncertainty is that of the test cases alone, and another "
    "training of the same networks may order them otherwise."
)
OVER_SEEDS = (
    "Values are means over the seeds; the uncertainty is that of the test cases and of the seeds that were trained."
)
AVERAGES = (
    "A main effect is an average over the models of the complete grid. Where the factors interact (a head that suits one network and not another) "
    "it need not hold for any one model: the matrix shows the cells."
)


def section(found: Mapping[str, pd.DataFrame], numbers: Numbers) -> Section:
    """The section; without blocks where no model is a head on a network's features."""
    made = Section("hybrid", "Deep against hybrid")
    matrix, effects = (found.get(n, pd.DataFrame()) for n in ("hybrid_matrix", "main_effects"))
    if matrix.empty and effects.empty:
        return made
    over_seeds = not effects.empty and (effects["method"] == "bootstrap_hierarchical").any()
    made.text(
        "Each network's own softmax against the classical heads on its penultimate features, on identical test cases."
        + _roles(matrix),
        *_in_short(effects),
        OVER_SEEDS if over_seeds else ONE_TRAINING,
    )
    for metric in _metrics(matrix):
        one = matrix_table(matrix, metric)
        made.table(one, numbers.table() if one else "")
    if not effects.empty:
        made.text(AVERAGES)
        metric = _metrics(effects)[0]
        drawn = [_forest(effects, metric, part, numbers) for part in ("grid", "softmax")]
        made.figures(*[f for f in drawn if f is not None])
        one = effects_table(effects)
        made.table(one, numbers.table() if one else "")
    return made


def _metrics(frame: pd.DataFrame) -> list[str]:
    return [] if frame.empty else list(dict.fromkeys(frame["metric"].astype(str)))


def _roles(matrix: pd.DataFrame) -> str:
    named = [] if matrix.empty else matrix[matrix["role"] == "confirmatory"]["model"].astype(str).tolist()
    if not named:
        return " All of it is exploratory."
    more = f" and {len(named) - MAX_MODELS_SAID} more" if len(named) > MAX_MODELS_SAID else ""
    return (
        f" The plan names {', '.join(named[:MAX_MODELS_SAID])}{more}, each against its softmax (confirmatory, marked C; its adjusted p-value "
        "over the plan stands with the paired comparisons); everything else here is exploratory."
    )


def _in_short(effects: pd.DataFrame) -> list[str]:
    """One sentence per feature set on all heads together, and one on fine-tuning, for the first metric."""
    if effects.empty:
        return []
    metric = _metrics(effects)[0]
    kind = vocabulary.metric(metric)
    unit = tables.unit(kind, of_difference=True)
    own = effects[(effects["metric"] == metric) & effects["estimate"].notna()]
    said = []
    for r in own.to_dict("records"):
        value = tables.difference_interval(kind, *_limits(r)) + (f" {unit}" if unit else "")
        level = tables.level(select.number(r["conf.level"]))
        if r["factor"] == "head_minus_softmax" and r["level"] == "all heads":
            said.append(f"heads on {_plain(r['features'])} features less the softmax {value}")
        elif r["factor"] == "fine_tuning":
            said.append(f"fine-tuned less {_plain(r['reference'])} features, over all heads, {value}")
    if not said:
        return []
    return [f"{kind.label}, averaged over networks and heads, with {level} limits: " + "; ".join(said) + "."]


def _plain(features: object) -> str:
    return str(features).replace("_", "-")


def _limits(r: Mapping[Any, Any]) -> tuple[float, float, float]:
    return select.number(r["estimate"]), select.number(r["conf.low"]), select.number(r["conf.high"])


def _said(r: Mapping[Any, Any]) -> str:
    return r["warning"] if isinstance(r["warning"], str) else ""


def matrix_table(matrix: pd.DataFrame, metric: str) -> Table | None:
    """Networks in columns; the softmax's own value in the first row, below it each head's difference from it, per feature set."""
    own = matrix[matrix["metric"] == metric]
    if own.empty:
        return None
    kind = vocabulary.metric(metric)
    notes = Notes()
    records = own.to_dict("records")
    networks = list(dict.fromkeys(str(r["network"]) for r in records))
    softmax = {
        str(r["network"]): select.number(r["comparator.estimate"]) for r in records if isinstance(r["comparator"], str)
    }
    unit = tables.unit(kind)
    first = [Cell("softmax"), Cell("its own value" + (f", {unit}" if unit else ""), number=False)]
    rows = [[*first, *(Cell(tables.value(kind, softmax.get(n, nan))) for n in networks)]]
    cells: dict[tuple[str, str], dict[str, Cell]] = {}
    for r in records:
        cells.setdefault((str(r["features"]), str(r["head"])), {})[str(r["network"])] = _cell(kind, r, notes)
    for (features, head), row in cells.items():
        rows.append([Cell(head), Cell(_plain(features), number=False), *(row[n] for n in networks)])
    methods = ", ".join(vocabulary.method_label(m) for m in dict.fromkeys(own["method"].dropna().astype(str)))
    level = next((tables.level(x) for x in own["conf.level"] if pd.notna(x)), "")
    of = tables.unit(kind, of_difference=True)
    caption = (
        f"{kind.label}: each head less the softmax of the same network{f', {of}' if of else ''}, with {level} limits"
    )
    caption += f" ({methods})." if methods else "."
    remark = (
        f"{ABOVE} the interval lies above no difference, {BELOW} below; intervals and p are those of single cells, not adjusted "
        "(Holm over the whole matrix: adj.p.value in the file)."
    )
    columns = ["Head", "Features", *networks]
    key = f"hybrid-{metric}"
    return table(key, caption, columns, rows, notes=notes, remark=remark, source="hybrid_matrix.csv", cap=CAP_ROWS)


def _cell(kind: vocabulary.Metric, r: Mapping[Any, Any], notes: Notes) -> Cell:
    estimate, low, high = _limits(r)
    if not isfinite(estimate):
        return Cell(tables.NA, "", notes.mark(_said(r)))
    mark = f"{ABOVE} " if low > 0 else f"{BELOW} " if high < 0 else ""
    sub = tables.p_equals(select.number(r["p.value"])) if pd.notna(r["p.value"]) else ""
    sub += ("; C" if sub else "C") if r["role"] == "confirmatory" else ""
    return Cell(mark + tables.difference_interval(kind, estimate, low, high), sub, notes.mark(_said(r)))


def _forest(effects: pd.DataFrame, metric: str, part: str, numbers: Numbers) -> Figure | None:
    apart = effects["factor"] == "head_minus_softmax"
    own = effects[
        (effects["metric"] == metric) & (apart if part == "softmax" else ~apart) & effects["estimate"].notna()
    ]
    if own.empty:
        return None
    records = own.to_dict("records")
    rows = pd.DataFrame(
        [(_level(r), str(r["reference"]), *_limits(r)) for r in records],
        columns=["model", "comparator", "estimate", "conf.low", "conf.high"],
    )
    kind = vocabulary.metric(metric)
    what = "Heads less the softmax" if part == "softmax" else "Main effects of network, head and fine-tuning"
    level = tables.level(select.number(records[0]["conf.level"]))
    caption = f"{what}: {kind.label}, averaged over the models of the grid, with {level} limits by resampling cases."
    svg = figures.forest(rows, metric=metric, prefix=f"effects-{part}", title=f"{what}, {kind.label}")
    return Figure(f"effects-{part}", our_own(svg), caption, numbers.figure(), "main_effects.csv")


def _level(r: Mapping[Any, Any]) -> str:
    if r["factor"] == "head_minus_softmax":
        return f"{r['level']}, {_plain(r['features'])}"
    return _plain(r["level"]) if r["factor"] == "fine_tuning" else str(r["level"])


def effects_table(effects: pd.DataFrame) -> Table | None:
    """Every effect of every metric with its limits, p and what had to be left out."""
    notes = Notes()
    rows = []
    errors: dict[str, float] = {}
    for r in effects.to_dict("records"):
        kind = vocabulary.metric(str(r["metric"]))
        estimate, low, high = _limits(r)
        for error in (select.number(r["mc.error.low"]), select.number(r["mc.error.high"])):
            if isfinite(error):
                errors[kind.name] = max(errors.get(kind.name, 0.0), error)
        unit = tables.unit(kind, of_difference=True)
        label = kind.label + (", points" if unit else "")
        factor = FACTORS[str(r["factor"])]
        if isinstance(r["features"], str) and r["factor"] == "head_minus_softmax":
            factor += f", {_plain(r['features'])} features"
        shown = tables.difference_interval(kind, estimate, low, high) if isfinite(estimate) else tables.NA
        rows.append(
            [
                Cell(label),
                Cell(factor, number=False),
                Cell(
                    f"{_plain(r['level']) if r['factor'] == 'fine_tuning' else r['level']} − {r['reference']}",
                    number=False,
                ),
                Cell(shown, "", notes.mark(_said(r))),
                Cell(tables.p_value(select.number(r["p.value"]))),
                Cell(tables.p_value(select.number(r["adj.p.value"]))),
                Cell(tables.count(r["n.models"])),
            ]
        )
    if not rows:
        return None
    level = next((tables.level(x) for x in effects["conf.level"] if pd.notna(x)), "")
    head = [
        "Metric",
        "Effect of",
        "Level − reference",
        f"Effect ({level} CI)",
        *tables.p_heading("p", "p, Holm-adjusted"),
        "Models",
    ]
    largest = "; ".join(
        f"{vocabulary.metric(m).label} {tables.fixed(100 * x, 2) + ' points' if vocabulary.metric(m).unit == 'percent' else tables.fixed(x, 4)}"
        for m, x in errors.items()
    )
    remark = "Points: percentage points. Holm within one metric, effect and feature set."
    remark += f" Largest Monte Carlo error of a limit: {largest}." if largest else ""
    caption = (
        "Main effects over the grid of networks, heads and feature sets, by resampling the test cases (exploratory)."
    )
    return table(
        "main-effects", caption, head, rows, notes=notes, remark=remark, source="main_effects.csv", cap=CAP_ROWS
    )
