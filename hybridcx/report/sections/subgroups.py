"""The section on subgroups: the answer level by level as a forest plot with the test of interaction, and the tables behind it.

Whether an effect differs between levels is the interaction's question. Tests within a level do not answer it, so none is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, nan

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from hybridcx import vocabulary
from hybridcx.report import answers
from hybridcx.report import numbers as tables
from hybridcx.report import shown_rows as select
from hybridcx.report.blocks import Figure, Numbers, Section, our_own
from hybridcx.report.figures.svg import INK, MUTED, PAPER, RULE, SERIES, grid, label, new_figure, style, to_svg
from hybridcx.report.numbers import Cell, Notes, Table
from hybridcx.report.sections import comparisons as result_tables
from hybridcx.report.sections import further as further_results
from hybridcx.report.shown_rows import Pair

MAX_PANELS = 4
MAX_LEVELS = 36
CAP_ROWS = 150
DISPUTE = "stratum"  # the cases in dispute stand with the labelling rules
ALL = ("", "All cases")
NO_TESTS = "Levels are not tested one by one: whether they differ is what the test of interaction asks."


@dataclass(frozen=True, slots=True)
class Effect:
    """An estimate with its limits in one level of a subgroup; `level` and `subgroup` are `ALL` over all cases."""

    subgroup: str
    level: str
    n: float
    estimate: float
    low: float
    high: float
    said: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """The effects of one model or one pair, and the p-value of interaction by subgroup."""

    name: str
    effects: tuple[Effect, ...]
    interaction: Mapping[str, float]


def section(
    found: Mapping[str, pd.DataFrame], metric: str, primary: Sequence[Pair], planned: bool, numbers: Numbers
) -> Section:
    """The section; without subgroups it has no blocks, and is left out."""
    made = Section("subgroups", "Subgroups")
    metrics, interactions = (found.get(name, pd.DataFrame()) for name in ("metrics", "interactions"))
    shown, best = answers.leading([p for p in primary if p.metric == metric], planned, found, MAX_PANELS)
    panels = of_pairs(found, metric, shown) if shown else of_models(found, metric)
    source = "comparisons.csv" if shown else "metrics.csv"
    margins = {p.margin for p in shown if isfinite(p.margin)}
    margin = margins.pop() if len(margins) == 1 else nan
    if panels:
        svg = forest(panels, metric, difference=bool(shown), margin=margin)
        of = f"Differences in {answers.in_sentence(metric)}" if shown else vocabulary.metric(metric).label
        caption = f"{of} in each level of the subgroups, with confidence intervals (exploratory)."
        caption += " The band is the margin." if isfinite(margin) else ""
        if 0 < len(shown) < len(primary):
            picked = f", those of {answers.named(best)}, whose observed value is the best" if best else ""
            caption += f" {len(shown)} of {len(primary)} comparisons{picked}; the file has all."
        made.figures(Figure("subgroups-forest", our_own(svg), caption, numbers.figure(), source))
    if shown:
        made.table(t := _differences(panels, metric, margin), numbers.table() if t else "")
    t = result_tables.subgroup_table(metrics, "Performance in subgroups (exploratory).")
    made.table(t, numbers.table() if t else "")
    caption = "Do the subgroups differ? Tests of interaction (exploratory)."
    t = further_results.interactions_table(interactions, caption, [(p.model, p.comparator) for p in primary])
    made.table(t, numbers.table() if t else "")
    return made


def of_pairs(found: Mapping[str, pd.DataFrame], metric: str, shown: Sequence[Pair]) -> list[Panel]:
    """A panel for each pair: its difference over all cases and in each level."""
    frame = found.get("comparisons", pd.DataFrame())
    wanted = {(p.model, p.comparator) for p in shown}
    if not frame.empty:
        frame = frame[(frame["metric"] == metric) & frame["subgroup"].notna() & (frame["subgroup"] != DISPUTE)]
        frame = frame[frame[["seed", "label.rule"]].isna().all(axis=1)]
        frame = frame[[key in wanted for key in zip(frame["model"], frame["comparator"], strict=True)]]
    if frame.empty:
        return []
    by: dict[tuple[str, str], list[Effect]] = {
        (p.model, p.comparator): [Effect(*ALL, p.n, p.estimate, p.low, p.high)] for p in shown
    }
    for (subgroup, level), part in frame.groupby(["subgroup", "level"], sort=False):
        for p in select.pairs(part.assign(subgroup=None, level=None)):
            said = "; ".join(p.warnings)
            by[p.model, p.comparator].append(Effect(str(subgroup), str(level), p.n, p.estimate, p.low, p.high, said))
    tested = _interactions(found, metric)
    return [
        Panel(f"{a} − {b}", _capped(e), {g: p for (m, c, g), p in tested.items() if (m, c) == (a, b)})
        for (a, b), e in by.items()
    ]


def of_models(found: Mapping[str, pd.DataFrame], metric: str) -> list[Panel]:
    """Without comparisons a panel for each model: its metric over all cases and in each level."""
    frame = found.get("metrics", pd.DataFrame())
    if frame.empty:
        return []
    frame = frame[(frame["metric"] == metric) & frame[["seed", "label.rule", "prevalence"]].isna().all(axis=1)]
    inside = frame[frame["subgroup"].notna() & (frame["subgroup"] != DISPUTE)]
    if inside.empty:
        return []
    over_all = frame[frame["subgroup"].isna()].assign(subgroup=ALL[0], level=ALL[1])
    by: dict[str, list[Effect]] = {}
    shown = select.shown_values(pd.concat([over_all, inside]), ("model", "subgroup", "level"))
    for (model, subgroup, level), r in shown.items():
        n, estimate, low, high = (select.number(r[c]) for c in ("n", "estimate", "conf.low", "conf.high"))
        by.setdefault(model, []).append(Effect(subgroup, level, n, estimate, low, high))
    tested = _interactions(found, metric)
    return [
        Panel(m, _capped(e), {g: p for (a, c, g), p in tested.items() if (a, c) == (m, "")})
        for m, e in list(by.items())[:MAX_PANELS]
    ]


def _capped(effects: Sequence[Effect]) -> tuple[Effect, ...]:
    return tuple(effects[: MAX_LEVELS + 1])


def _interactions(found: Mapping[str, pd.DataFrame], metric: str) -> dict[tuple[str, str, str], float]:
    frame = found.get("interactions", pd.DataFrame())
    if frame.empty:
        return {}
    return {
        (str(r["model"]), "" if pd.isna(r["comparator"]) else str(r["comparator"]), str(r["subgroup"])): select.number(
            r["p.value"]
        )
        for r in frame[frame["metric"] == metric].to_dict("records")
    }


def _differences(panels: Sequence[Panel], metric: str, margin: float) -> Table | None:
    """The numbers of the forest plot: levels in rows, pairs in columns."""
    if not panels:
        return None
    kind, notes = vocabulary.metric(metric), Notes()
    keys = list(dict.fromkeys((e.subgroup, e.level) for p in panels for e in p.effects))
    by = [{(e.subgroup, e.level): e for e in p.effects} for p in panels]
    rows = []
    for key in keys:
        there = next(b[key] for b in by if key in b)
        cells = [Cell(": ".join(x for x in key if x)), Cell(tables.count(there.n))]
        for b in by:
            e = b.get(key, Effect(*key, nan, nan, nan, nan))
            shown = tables.difference_interval(kind, e.estimate, e.low, e.high, margin)
            cells.append(Cell(shown, "", notes.mark(e.said)))
        rows.append(cells)
    rows.append(
        [Cell("Interaction, p"), Cell("", number=True), *(Cell("; ".join(_said(p)) or tables.NA) for p in panels)]
    )
    of = tables.unit(kind, of_difference=True)
    caption = f"Differences in {answers.in_sentence(metric)}{', ' + of if of else ''} in subgroups (exploratory)."
    head = ["Level", "Cases", *(p.name for p in panels)]
    return tables.table(
        "subgroup-differences",
        caption,
        head,
        rows,
        notes=notes,
        remark=NO_TESTS,
        source="comparisons.csv",
        cap=CAP_ROWS,
    )


def _said(panel: Panel) -> list[str]:
    return [f"{label(g, 20)} {tables.p_value(p)}" for g, p in panel.interaction.items()]


def forest(panels: Sequence[Panel], metric: str, *, difference: bool, margin: float = nan) -> str:
    """The panels side by side: levels in rows under the name of their subgroup, where the p-value of interaction stands."""
    kind = vocabulary.metric(metric)
    scale = 100 if kind.unit == "percent" else 1
    effects = {(e.subgroup, e.level): e for p in panels for e in p.effects}
    rows: list[tuple[str, str, str]] = []  # kind of row, subgroup, level
    for subgroup, level in effects:
        if subgroup and ("head", subgroup, "") not in rows:
            rows.append(("head", subgroup, ""))
        rows.append(("level" if subgroup else "all", subgroup, level))
    texts = [
        label(g, 30) if what == "head" else f"{label(v, 24)}, n = {tables.count(effects[g, v].n)}"
        for what, g, v in rows
    ]
    of = tables.unit(kind, of_difference=difference)
    axis = f"Difference{', ' + of if of else ''}" if difference else result_tables.heading(metric)
    with style():
        left = 0.3 + 0.064 * max(map(len, texts))
        figure = new_figure(left + 2.05 * len(panels), 0.85 + 0.25 * len(rows), (left, 0.1, 0.5, 0.3))
        axes = grid(figure, 1, len(panels), (0.2, 0.0))
        for ax, panel in zip(axes.flat, panels, strict=True):
            _panel(ax, panel, rows, scale)
            if difference:
                ax.axvline(kind.null, color=INK, linewidth=0.9)
            if difference and isfinite(margin):
                ax.axvspan(-margin * scale, margin * scale, color=RULE, alpha=0.5, linewidth=0)
            ax.set_title(label(panel.name, 30), fontsize=8.5)
            ax.set_xlabel(axis)
        first = axes.flat[0]
        first.set_yticks(range(len(rows)), texts)
        for text, (what, _, _) in zip(first.get_yticklabels(), rows, strict=True):
            text.set_fontsize(8)
            text.set_fontweight("bold" if what == "head" else "normal")
        first.set_ylim(len(rows) - 0.4, -0.6)
        said = ". ".join(
            f"{label(p.name, 60)}: " + ("interaction p " + ", ".join(_said(p)) if p.interaction else "no test")
            for p in panels
        )
        return to_svg(figure, "subgroups", f"Forest plot of {answers.in_sentence(metric)} in subgroups", said)


def _panel(ax: Axes, panel: Panel, rows: Sequence[tuple[str, str, str]], scale: int) -> None:
    at = {(g, v): y for y, (what, g, v) in enumerate(rows) if what != "head"}
    for e in panel.effects:
        y = at[e.subgroup, e.level]
        limits = isfinite(e.low) and isfinite(e.high)
        colour, mark = (SERIES[0], "s") if e.subgroup else (INK, "D")
        if limits:
            ax.plot([e.low * scale, e.high * scale], [y, y], color=colour, linewidth=1.5, solid_capstyle="butt")
        if isfinite(e.estimate):
            face = colour if limits else PAPER
            ax.plot([e.estimate * scale], [y], mark, color=colour, markersize=4.5, markerfacecolor=face)
        if not e.subgroup and isfinite(e.estimate):
            ax.axvline(e.estimate * scale, color=MUTED, linewidth=0.7, linestyle=(0, (2, 3)))
    for y, (what, g, _) in enumerate(rows):
        if what == "head" and g in panel.interaction:
            text = f"interaction {tables.p_equals(panel.interaction[g])}"
            # a ground of paper keeps lines from crossing the words
            ground = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.6}
            ax.text(
                0.5, y, text, transform=ax.get_yaxis_transform(), ha="center", va="center", fontsize=7.5, bbox=ground
            )
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="x")
    ax.set_axisbelow(True)
    ax.xaxis.set_major_locator(MaxNLocator(4))
