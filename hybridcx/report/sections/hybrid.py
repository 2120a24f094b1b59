"""Deep against hybrid: each network's softmax compared with the heads on its features, and main effects over the grid of models."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite, nan
from typing import Any

import pandas as pd

from hybridcx import vocabulary
from hybridcx.report import numbers, shown_rows
from hybridcx.report.blocks import Figure, Section
from hybridcx.report.content import Content
from hybridcx.report.figures import plots
from hybridcx.report.shown_rows import limits, number
from hybridcx.report.tables import Cell, Cells, Notes, Table, table

ABOVE, BELOW = "▲", "▼"
"""Marks of a cell whose interval lies on one side of no difference; shapes, since not everybody sees colours."""
CAP_ROWS = 60
MAX_MODELS_LISTED = 6
FACTORS = {
    "network": "Network",
    "head": "Head",
    "fine_tuning": "Fine-tuning",
    "head_minus_softmax": "Head against softmax",
}
ONE_TRAINING = (
    "All results here are conditional on a single training of the networks: the uncertainty is that of the test cases alone, and another "
    "training of the same networks may give another order."
)
OVER_SEEDS = "Values are means over the seeds; the uncertainty is that of the test cases and of the trained seeds."
AVERAGES = (
    "A main effect is an average over the models of the complete grid. Where the factors interact (a head that suits one network and not another) "
    "it need not hold for any single model: the matrix has each of them."
)


def section(content: Content) -> Section:
    """A summary, the matrix of differences, and the main effects as figures and table; empty without heads on features of a network."""
    section = Section()
    matrix, effects = content.table("hybrid_matrix"), content.table("main_effects")
    if matrix.empty and effects.empty:
        return section
    over_seeds = not effects.empty and (effects["method"] == "bootstrap_hierarchical").any()
    section.text(
        "Each network's own softmax against the classical heads on its penultimate features, on identical test cases."
        + _roles(matrix),
        _summary(effects),
        OVER_SEEDS if over_seeds else ONE_TRAINING,
    )
    for i, metric in enumerate(_metrics(matrix)):
        section.table(matrix_table(matrix, metric), detail=i > 0)
    if not effects.empty:
        section.text(AVERAGES)
        metric = _metrics(effects)[0]
        for part in ("grid", "softmax"):
            section.figures(_forest(effects, metric, part), detail=True)
        section.table(effects_table(effects), detail=True)
    return section


def _metrics(frame: pd.DataFrame) -> list[str]:
    return [] if frame.empty else list(dict.fromkeys(frame["metric"].astype(str)))


def _roles(matrix: pd.DataFrame) -> str:
    """The sentence on the comparisons that a plan named."""
    planned = [] if matrix.empty else matrix[matrix["role"] == "confirmatory"]["model"].astype(str).tolist()
    if not planned:
        return " All comparisons are exploratory."
    rest = f" and {len(planned) - MAX_MODELS_LISTED} more" if len(planned) > MAX_MODELS_LISTED else ""
    return (
        f" The plan names {', '.join(planned[:MAX_MODELS_LISTED])}{rest}, each against its softmax (confirmatory, marked C; the p-value adjusted "
        "over the plan is in the section of paired comparisons); all other comparisons here are exploratory."
    )


def _summary(effects: pd.DataFrame) -> str:
    """The effect of all heads together for each feature set, and that of fine-tuning, in the first metric; "" without either."""
    if effects.empty:
        return ""
    metric = vocabulary.metric(_metrics(effects)[0])
    unit = numbers.unit(metric, of_difference=True)
    own = effects[(effects["metric"] == metric.name) & effects["estimate"].notna()]
    parts, level = [], ""
    for r in own.to_dict("records"):
        value = numbers.difference_interval(metric, *limits(r)) + (f" {unit}" if unit else "")
        level = numbers.level(number(r["conf.level"]))
        if r["factor"] == "head_minus_softmax" and r["level"] == "all heads":
            parts.append(f"heads on {_plain(r['features'])} features minus the softmax {value}")
        elif r["factor"] == "fine_tuning":
            parts.append(f"fine-tuned minus {_plain(r['reference'])} features, over all heads, {value}")
    if not parts:
        return ""
    return f"{metric.label}, averaged over networks and heads, with {level} limits: {'; '.join(parts)}."


def _plain(features: object) -> str:
    return str(features).replace("_", "-")


def _warning(r: Mapping[Any, Any]) -> str:
    return r["warning"] if isinstance(r["warning"], str) else ""


def matrix_table(matrix: pd.DataFrame, name: str) -> Table | None:
    """Networks in columns; the first row has the value of the softmax, the others each head's difference from it, by feature set."""
    own = matrix[matrix["metric"] == name]
    if own.empty:
        return None
    metric = vocabulary.metric(name)
    notes = Notes()
    records = own.to_dict("records")
    networks = list(dict.fromkeys(str(r["network"]) for r in records))
    softmax = {str(r["network"]): number(r["comparator.estimate"]) for r in records if isinstance(r["comparator"], str)}
    unit = numbers.unit(metric)
    own_value = "its own value" + (f", {unit}" if unit else "")
    rows: list[Cells] = [["softmax", own_value, *(Cell(numbers.value(metric, softmax.get(n, nan))) for n in networks)]]
    cells: dict[tuple[str, str], dict[str, Cell]] = {}
    for r in records:
        cells.setdefault((str(r["features"]), str(r["head"])), {})[str(r["network"])] = _cell(metric, r, notes)
    for (features, head), row in cells.items():
        rows.append([head, _plain(features), *(row[n] for n in networks)])
    methods = ", ".join(vocabulary.method_label(m) for m in dict.fromkeys(own["method"].dropna().astype(str)))
    of_difference = numbers.unit(metric, of_difference=True)
    caption = f"{metric.label}: each head minus the softmax of the same network{f', {of_difference}' if of_difference else ''}"
    caption += f", with {shown_rows.level(own)} limits" + (f" ({methods})." if methods else ".")
    remark = (
        f"{ABOVE} the interval lies above no difference, {BELOW} below it; intervals and p are those of single cells, not adjusted "
        "(Holm over the whole matrix: adj.p.value in the file)."
    )
    head_row = ["Head", "Features", *networks]
    key = f"hybrid-{name}"
    return table(key, caption, head_row, rows, notes=notes, remark=remark, source="hybrid_matrix.csv", cap=CAP_ROWS)


def _cell(metric: vocabulary.Metric, r: Mapping[Any, Any], notes: Notes) -> Cell:
    estimate, low, high = limits(r)
    if not isfinite(estimate):
        return Cell(numbers.NA, "", notes.mark(_warning(r)))
    mark = f"{ABOVE} " if low > 0 else f"{BELOW} " if high < 0 else ""
    below = [numbers.p_equals(number(r["p.value"]))] if pd.notna(r["p.value"]) else []
    below += ["C"] if r["role"] == "confirmatory" else []
    text = mark + numbers.difference_interval(metric, estimate, low, high)
    return Cell(text, "; ".join(below), notes.mark(_warning(r)))


def _forest(effects: pd.DataFrame, name: str, part: str) -> Figure | None:
    """The effects in one metric: of the heads against the softmax ("softmax"), or of network, head and fine-tuning ("grid")."""
    against_softmax = effects["factor"] == "head_minus_softmax"
    in_part = against_softmax if part == "softmax" else ~against_softmax
    own = effects[(effects["metric"] == name) & in_part & effects["estimate"].notna()]
    if own.empty:
        return None
    records = own.to_dict("records")
    rows = pd.DataFrame(
        [(_level(r), str(r["reference"]), *limits(r)) for r in records],
        columns=["model", "comparator", "estimate", "conf.low", "conf.high"],
    )
    metric = vocabulary.metric(name)
    title = "Heads minus the softmax" if part == "softmax" else "Main effects of network, head and fine-tuning"
    level = numbers.level(number(records[0]["conf.level"]))
    caption = f"{title}: {metric.label}, averaged over the models of the grid, with {level} limits by resampling cases."
    drawing = plots.forest(rows, metric=name, prefix=f"effects-{part}", title=f"{title}, {metric.label}")
    return Figure(f"effects-{part}", drawing, caption, "main_effects.csv")


def _level(r: Mapping[Any, Any]) -> str:
    if r["factor"] == "head_minus_softmax":
        return f"{r['level']}, {_plain(r['features'])}"
    return _plain(r["level"]) if r["factor"] == "fine_tuning" else str(r["level"])


def effects_table(effects: pd.DataFrame) -> Table | None:
    """Every effect in every metric with its limits and p-values; None without any."""
    if effects.empty:
        return None
    notes = Notes()
    rows: list[Cells] = []
    errors: dict[str, float] = {}
    for r in effects.to_dict("records"):
        metric = vocabulary.metric(str(r["metric"]))
        estimate, low, high = limits(r)
        for error in (number(r["mc.error.low"]), number(r["mc.error.high"])):
            if isfinite(error):
                errors[metric.name] = max(errors.get(metric.name, 0.0), error)
        factor = FACTORS[str(r["factor"])]
        if isinstance(r["features"], str) and r["factor"] == "head_minus_softmax":
            factor += f", {_plain(r['features'])} features"
        level = _plain(r["level"]) if r["factor"] == "fine_tuning" else r["level"]
        value = numbers.difference_interval(metric, estimate, low, high) if isfinite(estimate) else numbers.NA
        rows.append(
            [
                numbers.difference_heading(metric),
                factor,
                f"{level} − {r['reference']}",
                Cell(value, "", notes.mark(_warning(r))),
                Cell(numbers.p_value(number(r["p.value"]))),
                Cell(numbers.p_value(number(r["adj.p.value"]))),
                Cell(numbers.count(r["n.models"])),
            ]
        )
    head = ["Metric", "Effect of", "Level − reference", f"Effect ({shown_rows.level(effects)} CI)", "p"]
    head += ["p, Holm-adjusted", "Models"]
    largest = "; ".join(f"{vocabulary.metric(m).label} {_error(m, x)}" for m, x in errors.items())
    caption = (
        "Main effects over the grid of networks, heads and feature sets, by resampling the test cases (exploratory)."
    )
    remark = "Points: percentage points. Holm adjustment within one metric, effect and feature set."
    remark += f" Largest Monte Carlo error of a limit: {largest}." if largest else ""
    return table(
        "main-effects", caption, head, rows, notes=notes, remark=remark, source="main_effects.csv", cap=CAP_ROWS
    )


def _error(name: str, error: float) -> str:
    metric = vocabulary.metric(name)
    return f"{numbers.amount(metric, error, extra_decimals=1)}{' points' if metric.unit == 'percent' else ''}"
