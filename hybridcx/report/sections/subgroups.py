"""Subgroups: the effect in each level as a forest plot with the test of interaction, and the tables behind it.

Only the test of interaction says whether an effect differs between levels. Tests within a level do not, so there are none here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, nan

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from hybridcx import vocabulary
from hybridcx.report import answers, numbers, shown_rows
from hybridcx.report.blocks import Figure, Section
from hybridcx.report.content import Content
from hybridcx.report.figures.svg import (
    INK,
    MUTED,
    PAPER,
    RULE,
    SERIES,
    Drawing,
    drawing,
    grid,
    label,
    new_figure,
    style,
)
from hybridcx.report.metrics_table import CAP_ROWS, methods_remark, most_common, value_cell
from hybridcx.report.shown_rows import Pair, caution, limits, number
from hybridcx.report.tables import Cell, Cells, Notes, Table, table

METRICS = ("accuracy", "sensitivity", "specificity", "auroc")
MAX_PANELS = 4
MAX_LEVELS = 36
CAP_INTERACTIONS = 60
COPIES = "copy_in_training"
"""The subgroup that a run makes of the test cases with nearly the same image in training."""
DISPUTED = "stratum"
"""The subgroup of the disputed cases, which the section on labelling rules has."""
ALL = ("", "All cases")
NO_TESTS = "Levels are not tested one by one: the test of interaction examines whether they differ."


@dataclass(frozen=True, slots=True)
class Effect:
    """An estimate with its limits in one level of a subgroup; (`subgroup`, `level`) is `ALL` for all cases."""

    subgroup: str
    level: str
    n: float
    estimate: float
    low: float
    high: float
    warning: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """The effects of one model or one pair, and the p-value of the interaction by subgroup."""

    name: str
    effects: tuple[Effect, ...]
    interaction: Mapping[str, float]


def section(content: Content) -> Section:
    """The forest plot and the tables of differences, metrics and interactions; empty without subgroups."""
    section = Section()
    metric, primary = content.metric, content.primary_pairs
    own = [p for p in primary if p.metric == metric]
    drawn, best = answers.leading(own, content.planned, content.tables, MAX_PANELS)
    panels = pair_panels(content, drawn) if drawn else model_panels(content)
    margins = {p.margin for p in drawn if isfinite(p.margin)}
    margin = margins.pop() if len(margins) == 1 else nan
    if panels:
        of = f"Differences in {answers.in_sentence(metric)}" if drawn else vocabulary.metric(metric).label
        caption = f"{of} in each level of the subgroups, with confidence intervals (exploratory)."
        caption += " The band is the margin." if isfinite(margin) else ""
        if 0 < len(drawn) < len(primary):
            selection = f", those of {answers.short_name(best)}, whose observed value is the best" if best else ""
            caption += f" {len(drawn)} of {len(primary)} comparisons{selection}; the file has all."
        plot = forest(panels, metric, difference=bool(drawn), margin=margin)
        asked = {e.subgroup for p in panels for e in p.effects} - {"", COPIES}
        source = "comparisons.csv" if drawn else "metrics.csv"
        section.figures(Figure("subgroups-forest", plot, caption, source), detail=not asked)
    if drawn and panels:
        section.table(differences_table(panels, metric, margin), detail=True)
    section.table(metrics_table(content.table("metrics")), detail=True)
    section.table(interactions_table(content.table("interactions"), primary), detail=True)
    return section


def pair_panels(content: Content, pairs: Sequence[Pair]) -> list[Panel]:
    """A panel per pair: its difference on all cases and in each level. No panels without subgroups."""
    rows = content.table("comparisons")
    wanted = {(p.model, p.comparator) for p in pairs}
    if not rows.empty:
        rows = rows[(rows["metric"] == content.metric) & rows["subgroup"].notna() & (rows["subgroup"] != DISPUTED)]
        rows = rows[rows[["seed", "label.rule"]].isna().all(axis=1)]
        rows = rows[[key in wanted for key in zip(rows["model"], rows["comparator"], strict=True)]]
    if rows.empty:
        return []
    effects = {(p.model, p.comparator): [Effect(*ALL, p.n, p.estimate, p.low, p.high)] for p in pairs}
    for (subgroup, level), part in rows.groupby(["subgroup", "level"], sort=False):
        for p in shown_rows.pairs(part.assign(subgroup=None, level=None)):
            effect = Effect(str(subgroup), str(level), p.n, p.estimate, p.low, p.high, "; ".join(p.warnings))
            effects[p.model, p.comparator].append(effect)
    p_values = _interactions(content)
    return [
        Panel(f"{a} − {b}", _capped(e), {g: p for (m, c, g), p in p_values.items() if (m, c) == (a, b)})
        for (a, b), e in effects.items()
    ]


def model_panels(content: Content) -> list[Panel]:
    """A panel per model, for reports without comparisons: its metric on all cases and in each level. No panels without subgroups."""
    rows = content.table("metrics")
    if rows.empty:
        return []
    rows = rows[(rows["metric"] == content.metric) & rows[["seed", "label.rule", "prevalence"]].isna().all(axis=1)]
    in_levels = rows[rows["subgroup"].notna() & (rows["subgroup"] != DISPUTED)]
    if in_levels.empty:
        return []
    overall = rows[rows["subgroup"].isna()].assign(subgroup=ALL[0], level=ALL[1])
    values = shown_rows.shown_values(pd.concat([overall, in_levels]), ("model", "subgroup", "level"))
    effects: dict[str, list[Effect]] = {}
    for (model, subgroup, level), r in values.items():
        effects.setdefault(model, []).append(Effect(subgroup, level, number(r["n"]), *limits(r)))
    p_values = _interactions(content)
    return [
        Panel(m, _capped(e), {g: p for (a, c, g), p in p_values.items() if (a, c) == (m, "")})
        for m, e in list(effects.items())[:MAX_PANELS]
    ]


def _capped(effects: Sequence[Effect]) -> tuple[Effect, ...]:
    return tuple(effects[: MAX_LEVELS + 1])


def _interactions(content: Content) -> dict[tuple[str, str, str], float]:
    """(model, comparator or "", subgroup) -> p-value of the interaction in the metric of the answer."""
    rows = content.table("interactions")
    if rows.empty:
        return {}
    p_values = {}
    for r in rows[rows["metric"] == content.metric].to_dict("records"):
        comparator = "" if pd.isna(r["comparator"]) else str(r["comparator"])
        p_values[str(r["model"]), comparator, str(r["subgroup"])] = number(r["p.value"])
    return p_values


def differences_table(panels: Sequence[Panel], name: str, margin: float) -> Table:
    """The values of the forest plot: levels in rows, pairs in columns."""
    metric, notes = vocabulary.metric(name), Notes()
    keys = list(dict.fromkeys((e.subgroup, e.level) for p in panels for e in p.effects))
    by_panel = [{(e.subgroup, e.level): e for e in p.effects} for p in panels]
    rows: list[Cells] = []
    for key in keys:
        n = next(effects[key].n for effects in by_panel if key in effects)
        row: list[Cell | str] = [": ".join(x for x in key if x), Cell(numbers.count(n))]
        for effects in by_panel:
            e = effects.get(key, Effect(*key, nan, nan, nan, nan))
            value = numbers.difference_interval(metric, e.estimate, e.low, e.high, margin)
            row.append(Cell(value, "", notes.mark(e.warning)))
        rows.append(row)
    rows.append(["Interaction, p", Cell(""), *(Cell("; ".join(_p_values(p)) or numbers.NA) for p in panels)])
    unit = numbers.unit(metric, of_difference=True)
    caption = f"Differences in {answers.in_sentence(name)}{', ' + unit if unit else ''} in subgroups (exploratory)."
    head = ["Level", "Cases", *(p.name for p in panels)]
    name, source = "subgroup-differences", "comparisons.csv"
    return table(name, caption, head, rows, notes=notes, remark=NO_TESTS, source=source, cap=CAP_ROWS)


def _p_values(panel: Panel) -> list[str]:
    return [f"{label(g, 20)} {numbers.p_value(p)}" for g, p in panel.interaction.items()]


def metrics_table(metrics: pd.DataFrame) -> Table | None:
    """The main metrics in every level of every subgroup, model by model; None without subgroups."""
    if metrics.empty:
        return None
    rows = metrics[metrics["subgroup"].notna() & metrics[["seed", "prevalence", "label.rule"]].isna().all(axis=1)]
    rows = rows[rows["metric"].isin(METRICS) & (rows["subgroup"] != DISPUTED)]
    if rows.empty:
        return None
    values = shown_rows.shown_values(rows, ("subgroup", "level", "model", "metric"))
    columns = [m for m in METRICS if any(k[3] == m for k in values)]
    notes = Notes()
    common = {m: most_common(str(r["method"]) for k, r in values.items() if k[3] == m) for m in columns}
    body: list[Cells] = []
    for key in dict.fromkeys(k[:3] for k in values):
        records = [values.get((*key, m)) for m in columns]
        n = next((number(r["n"]) for r in records if r is not None), nan)
        cells = [value_cell(r, common[m], notes) for r, m in zip(records, columns, strict=True)]
        body.append([f"{key[0]}: {key[1]}", key[2], Cell(numbers.count(n)), *cells])
    head = ["Subgroup", "Model", "Cases", *(numbers.heading(vocabulary.metric(m)) for m in columns)]
    caption, source = "Performance in subgroups (exploratory).", "metrics.csv"
    remark = methods_remark(values, common)
    return table("subgroup-table", caption, head, body, notes=notes, remark=remark, source=source, cap=CAP_ROWS)


def interactions_table(interactions: pd.DataFrame, pairs: Sequence[Pair]) -> Table | None:
    """The tests that all levels of a subgroup have the same value: those of the pairs first, then those of the models. None without any."""
    if interactions.empty:
        return None
    over_seeds = "seed" in interactions and interactions["seed"].isna().any()
    if over_seeds:
        interactions = interactions[interactions["seed"].isna()]
    wanted = {(p.model, p.comparator) for p in pairs}
    records = interactions.to_dict("records")
    of_pairs = [r for r in records if (str(r["model"]), str(r["comparator"])) in wanted]
    of_models = [r for r in records if pd.isna(r["comparator"])]
    notes = Notes()
    rows: list[Cells] = [
        [
            str(r["subgroup"]),
            vocabulary.metric(str(r["metric"])).label,
            str(r["model"]) if pd.isna(r["comparator"]) else f"{r['model']} − {r['comparator']}",
            Cell(numbers.fixed(number(r["statistic"]), 2), "", notes.mark(caution(r))),
            Cell(numbers.count(number(r["parameter"]))),
            Cell(numbers.p_value(number(r["p.value"]))),
        ]
        for r in of_pairs + of_models
    ]
    head = ["Subgroup", "Metric", "Model or difference", "Chi-square", "df", "p"]
    caption, source = "Do the subgroups differ? Tests of interaction (exploratory).", "interactions.csv"
    wald = "Wald's chi-square of the means over seeds, from the bootstrap over seeds and cases"
    test = wald if over_seeds else "Cochran's Q"
    remark = (
        f"{test}, over the levels of the subgroup; p not adjusted. A large p does not show that the levels are alike."
    )
    return table("interactions", caption, head, rows, notes=notes, remark=remark, source=source, cap=CAP_INTERACTIONS)


def forest(panels: Sequence[Panel], name: str, *, difference: bool, margin: float = nan) -> Drawing:
    """The panels side by side: levels in rows, below a row with the name of their subgroup and the p-value of the interaction."""
    metric = vocabulary.metric(name)
    scale = 100 if metric.unit == "percent" else 1
    effects = {(e.subgroup, e.level): e for p in panels for e in p.effects}
    rows: list[tuple[str, str, str]] = []  # kind of row, subgroup, level
    for subgroup, level in effects:
        if subgroup and ("head", subgroup, "") not in rows:
            rows.append(("head", subgroup, ""))
        rows.append(("level" if subgroup else "all", subgroup, level))
    texts = [
        label(g, 30) if kind == "head" else f"{label(v, 24)}, n = {numbers.count(effects[g, v].n)}"
        for kind, g, v in rows
    ]
    unit = numbers.unit(metric, of_difference=True)
    axis_label = f"Difference{', ' + unit if unit else ''}" if difference else numbers.heading(metric)
    with style():
        left = 0.3 + 0.064 * max(map(len, texts))
        figure = new_figure(left + 2.05 * len(panels), 0.85 + 0.25 * len(rows), (left, 0.1, 0.5, 0.3))
        axes = grid(figure, 1, len(panels), (0.2, 0.0))
        for ax, panel in zip(axes.flat, panels, strict=True):
            _draw_panel(ax, panel, rows, scale)
            if difference:
                ax.axvline(metric.null, color=INK, linewidth=0.9)
            if difference and isfinite(margin):
                ax.axvspan(-margin * scale, margin * scale, color=RULE, alpha=0.5, linewidth=0)
            ax.set_title(label(panel.name, 30), fontsize=8.5)
            ax.set_xlabel(axis_label)
        first = axes.flat[0]
        first.set_yticks(range(len(rows)), texts)
        for text, (kind, _, _) in zip(first.get_yticklabels(), rows, strict=True):
            text.set_fontsize(8)
            text.set_fontweight("bold" if kind == "head" else "normal")
        first.set_ylim(len(rows) - 0.4, -0.6)
        description = ". ".join(
            f"{label(p.name, 60)}: " + ("interaction p " + ", ".join(_p_values(p)) if p.interaction else "no test")
            for p in panels
        )
        return drawing(figure, "subgroups", f"Forest plot of {answers.in_sentence(name)} in subgroups", description)


def _draw_panel(ax: Axes, panel: Panel, rows: Sequence[tuple[str, str, str]], scale: int) -> None:
    at = {(g, v): y for y, (kind, g, v) in enumerate(rows) if kind != "head"}
    for e in panel.effects:
        y = at[e.subgroup, e.level]
        has_limits = isfinite(e.low) and isfinite(e.high)
        colour, mark = (SERIES[0], "s") if e.subgroup else (INK, "D")
        if has_limits:
            ax.plot([e.low * scale, e.high * scale], [y, y], color=colour, linewidth=1.5, solid_capstyle="butt")
        if isfinite(e.estimate):
            face = colour if has_limits else PAPER
            ax.plot([e.estimate * scale], [y], mark, color=colour, markersize=4.5, markerfacecolor=face)
        if not e.subgroup and isfinite(e.estimate):
            ax.axvline(e.estimate * scale, color=MUTED, linewidth=0.7, linestyle=(0, (2, 3)))
    for y, (kind, g, _) in enumerate(rows):
        if kind == "head" and g in panel.interaction:
            text = f"interaction {numbers.p_equals(panel.interaction[g])}"
            # a background in the colour of the paper, so that lines do not cross the words
            box = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.6}
            place = {"transform": ax.get_yaxis_transform(), "ha": "center", "va": "center"}
            ax.text(0.5, y, text, fontsize=7.5, bbox=box, **place)  # type: ignore[arg-type]
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="x")
    ax.set_axisbelow(True)
    ax.xaxis.set_major_locator(MaxNLocator(4))
