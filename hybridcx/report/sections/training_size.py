"""The section "How many more cases would help": the learning curve over the number of training cases, in a sentence, a figure and a table."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from math import inf, isfinite

import numpy as np
import pandas as pd
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator, PercentFormatter

from hybridcx import vocabulary
from hybridcx.report import numbers as tables
from hybridcx.report import shown_rows as select
from hybridcx.report.blocks import Figure, Numbers, Section, our_own
from hybridcx.report.figures.plots import outer_labels
from hybridcx.report.figures.svg import MARKERS, MUTED, SERIES, grid, label, new_figure, style, to_svg
from hybridcx.report.numbers import Cell, Notes, Table
from hybridcx.vocabulary.metrics import Metric

MAX_PANELS = 6
MAX_TIMES = 100
"""More times the present training set than this are not worth a number on the page."""
CAP_ROWS = 60
_SHOWN = (1.5, 2.0, 4.0)

REMARK = (
    "Predicted values hold only if the power law goes on beyond the sizes that were trained, and with training options, quality and mix of cases as "
    "they are; nothing here can show that it does. Limits are percentiles over resamples of test cases and seeds, given these training cases: "
    "another sample of as many would move the curve further."
)


def section(found: Mapping[str, pd.DataFrame], primary: Sequence[str], metric: str, numbers: Numbers) -> Section:
    """The learning curves of the primary models in sentences and a figure, and the tables of all models; empty without sizes."""
    made = Section("training-size", "How many more cases would help")
    points, terms = found.get("training_size", pd.DataFrame()), found.get("training_size_fit", pd.DataFrame())
    if points.empty:
        return made
    points, terms = (t[t["metric"] == metric] for t in (points, terms))
    kind, everyone = vocabulary.metric(metric), list(dict.fromkeys(points["model"]))
    models = [m for m in primary if m in everyone] or everyone
    shown = models[:MAX_PANELS]
    made.items([sentence(points, terms, m, kind) for m in shown])
    made.text(unsettled(terms[terms["model"].isin(shown)]))
    caption = (
        f"{kind.label} against the number of training cases (logarithmic scale). Points: means over seeds, with lines from the smallest to the "
        "largest seed; solid: power law fitted to them; dashed and pale: the law continued beyond the sizes trained; bands: confidence intervals."
    )
    caption += "" if len(shown) == len(everyone) else f" {len(shown)} of {len(everyone)} models; the file has all."
    svg = figure(points, shown, kind)
    made.figures(Figure("training-size", our_own(svg), caption, numbers.figure(), "training_size.csv"))
    order = [*models, *(m for m in everyone if m not in models)]
    for table in (size_table(points, order, kind), needed_table(points, terms, order, kind)):
        made.table(table, numbers.table() if table else "", whole=True)
    return made


def sentence(points: pd.DataFrame, terms: pd.DataFrame, model: str, kind: Metric) -> str:
    """What the curve of one model says, in words that do not promise more than it does."""
    own = points[points["model"] == model]
    seen, ahead = own[own["kind"] == "observed"], own[own["kind"] == "predicted"]
    first, last = seen.iloc[0], seen.iloc[-1]
    present = float(last["n.train"])
    said = (
        f"{model}: {_in_sentence(kind)} {_said(kind, first)} with {tables.count(first['n.train'])} training cases, {_said(kind, last)} with all "
        f"{tables.count(present)}"
    )
    twice = ahead[ahead["n.train"] == np.ceil(2 * present)]
    if twice.empty or not isfinite(select.number(twice.iloc[0]["estimate"])):
        why = next((str(w) for w in ahead["warning"].dropna()), "too few sizes")
        return f"{said}. No curve is fitted: {why}."
    said += f". If the fitted power law goes on, twice as many would give {_said(kind, twice.iloc[0])}"
    row = next((r for r in terms[terms["model"] == model].to_dict("records") if str(r["term"]).endswith("_0.02")), None)
    if row is None:
        return said + "."
    gain = f"{'2 points' if kind.unit == 'percent' else '0.02'} {'more' if kind.better > 0 else 'less'}"
    low, n, high = (select.number(row[c]) for c in ("conf.low", "estimate", "conf.high"))
    limits = "" if low != low else f" ({_cases(low, present)} to {_cases(high, present)})"
    if n == inf:
        return f"{said}, and no number of training cases is enough for {gain}{limits}."
    return f"{said}, and {gain} would take {_cases(n, present)} training cases{limits}."


def unsettled(terms: pd.DataFrame) -> str:
    """What is to be said where many resamples end on a bound of the fit; "" where few do."""
    shares, levels = terms["on.bound"].dropna().to_numpy(float), terms["conf.level"].dropna().to_numpy(float)
    if not shares.size or shares.max() <= (1 - levels.min()) / 2:
        return ""
    low, high = (tables.percent(float(v), 0) for v in (shares.min(), shares.max()))
    return (
        f"These sizes do not settle how the curves go on: {low if low == high else f'{low} to {high}'} % of the resamples end on a bound of the fit, "
        "so that its limits come from the ranges allowed to asymptote and exponent as much as from the data."
    )


def _in_sentence(kind: Metric) -> str:
    return kind.label if kind.label[1:2].isupper() else kind.label[0].lower() + kind.label[1:]


def _said(kind: Metric, row: pd.Series) -> str:
    """A value with its limits and its unit."""
    value, space, limits = _interval(kind, row).partition(" ")
    return value + ("\u00a0%" if kind.unit == "percent" else "") + space + limits


def _interval(kind: Metric, row: Mapping[Hashable, object] | pd.Series) -> str:
    return tables.interval(kind, *(select.number(row[c]) for c in ("estimate", "conf.low", "conf.high")))


def _cases(n: float, present: float) -> str:
    """A number of training cases; beyond what is worth a number, in times the present one."""
    if not isfinite(n):
        return tables.fixed(n)
    return f">{MAX_TIMES} times as many" if n > MAX_TIMES * present else tables.count(float(np.ceil(n)))


def _marks(notes: Notes, warning: object) -> tuple[str, ...]:
    """A footnote for each part of a warning, so that what many rows share stands once."""
    return notes.mark(*warning.split("; ")) if isinstance(warning, str) else ()


def size_table(points: pd.DataFrame, models: Sequence[str], kind: Metric) -> Table | None:
    """One row a model, one column a size: what was seen, and what the law predicts."""
    notes, rows = Notes(), []
    seen = points[points["kind"] == "observed"]
    shares = sorted(seen["share"].unique())
    present = float(seen["n.train"].max())
    ahead = [float(np.ceil(f * present)) for f in _SHOWN]
    head = ["Model"]
    for share in shares:
        n = sorted(seen.loc[seen["share"] == share, "n.train"].unique())
        head.append(f"{tables.count(n[0])}" if len(n) == 1 else f"{tables.count(n[0])} to {tables.count(n[-1])}")
    head += [f"{tables.count(n)}, predicted" for n in ahead]
    for model in models:
        own = points[points["model"] == model]
        cells = [Cell(model)]
        for part, column, values in (("observed", "share", shares), ("predicted", "n.train", ahead)):
            of = {r[column]: r for r in own[own["kind"] == part].to_dict("records")}
            for at in values:
                value, _, limits = _interval(kind, of[at]).partition(" ")
                cells.append(Cell(value, limits, _marks(notes, of[at]["warning"])))
        rows.append(cells)
    level = next((tables.level(x) for x in points["conf.level"] if pd.notna(x)), "")
    unit = " (%)" if kind.unit == "percent" else ""
    caption = (
        f"{kind.label}{unit} by number of training cases{f', with {level} confidence intervals' if level else ''}."
    )
    return tables.table(
        "training-size", caption, head, rows, notes=notes, remark=REMARK, source="training_size.csv", cap=CAP_ROWS
    )


def needed_table(points: pd.DataFrame, terms: pd.DataFrame, models: Sequence[str], kind: Metric) -> Table | None:
    """One row a model: how many training cases each gain would take by the fitted law; None where no law was fitted."""
    own = terms[terms["term"].str.startswith("n_for_")]
    if own["estimate"].isna().all():
        return None
    notes, rows = Notes(), []
    present = float(points.loc[points["kind"] == "observed", "n.train"].max())
    gains = list(dict.fromkeys(own["term"]))
    sign = "+" if kind.better > 0 else tables.MINUS
    by = [float(g.rpartition("_")[2]) for g in gains]
    head = [
        "Model",
        *(
            f"{sign}{100 * g:g} point{'' if g == 0.01 else 's'}" if kind.unit == "percent" else f"{sign}{g:g}"
            for g in by
        ),
    ]
    for model in models:
        of = own[own["model"] == model].set_index("term")
        cells = [Cell(model)]
        for gain in gains:
            low, n, high = (select.number(of.loc[gain, c]) for c in ("conf.low", "estimate", "conf.high"))
            limits = "" if low != low else f"({_cases(low, present)} to {_cases(high, present)})"
            cells.append(Cell(_cases(n, present), limits, _marks(notes, of.loc[gain, "warning"])))
        rows.append(cells)
    caption = f"Training cases that a gain in {_in_sentence(kind)} over the present {tables.count(present)} would take by the fitted law."
    remark = "∞: the curve, or its limit, never gets there."
    return tables.table(
        "training-size-needed",
        caption,
        head,
        rows,
        notes=notes,
        remark=remark,
        source="training_size_fit.csv",
        cap=CAP_ROWS,
    )


def figure(points: pd.DataFrame, models: Sequence[str], kind: Metric, prefix: str = "training-size") -> str:
    """One small panel a model: what was seen at each size, the fitted law, and its continuation, visibly another thing."""
    columns = {1: 1, 2: 2, 4: 2}.get(len(models), 3)
    rows_of = -(-len(models) // columns)
    width = {1: 5.2, 2: 3.4, 3: 2.35}[columns]
    with style():
        drawn = new_figure(0.7 + width * columns + 0.2 * (columns - 1), 0.65 + 2.5 * rows_of, (0.62, 0.08, 0.5, 0.25))
        axes = grid(drawn, rows_of, columns, (0.2, 0.4))
        sizes: list[float] = []
        for i, ax in enumerate(axes.flat):
            if i >= len(models):
                ax.axis("off")
                continue
            own = points[points["model"] == models[i]].sort_values("n.train")
            seen, fitted, ahead = (own[own["kind"] == k] for k in ("observed", "fitted", "predicted"))
            colour = SERIES[i]
            for part, dash, alpha, band in (
                (fitted, "solid", 1.0, 0.2),
                (pd.concat([fitted.tail(1), ahead]), (0, (4, 2)), 0.55, 0.09),
            ):
                x, y, low, high = (part[c].to_numpy(float) for c in ("n.train", "estimate", "conf.low", "conf.high"))
                if np.isfinite(y).any():
                    ax.fill_between(x, low, high, color=colour, alpha=band, linewidth=0)
                    ax.plot(x, y, color=colour, linestyle=dash, alpha=alpha, linewidth=1.5)
            x, y = seen["n.train"].to_numpy(float), seen["estimate"].to_numpy(float)
            ax.vlines(x, seen["seed.min"].to_numpy(float), seen["seed.max"].to_numpy(float), color=colour, linewidth=1)
            ax.plot(x, y, color=colour, linestyle="none", marker=MARKERS[i], markersize=4.5)
            ax.axvline(x[-1], color=MUTED, linewidth=0.7, linestyle=(0, (1, 2)))
            ax.set_title(label(models[i], 26), fontsize=8.5)
            ax.tick_params(labelbottom=i + columns >= len(models))
            ax.grid(axis="y")
            ax.set_axisbelow(True)
            sizes += [*x, *ahead["n.train"].to_numpy(float)]
        first = axes.flat[0]
        first.set_xscale("log")
        lowest, present = min(sizes), float(points.loc[points["kind"] == "observed", "n.train"].max())
        ticks = [t for t in (lowest, (lowest * present) ** 0.5, present, 2 * present, 4 * present) if t <= max(sizes)]
        first.xaxis.set_major_locator(FixedLocator([round(t) for t in ticks]))
        first.xaxis.set_minor_locator(NullLocator())
        first.xaxis.set_major_formatter(FuncFormatter(lambda v, _: tables.count(round(v))))
        if kind.unit == "percent":
            first.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        outer_labels(drawn, "Training cases", kind.label)
        said = "; ".join(
            f"{label(m)} {_said(kind, r)} with {tables.count(r['n.train'])} training cases"
            for m in models
            for _, r in points[(points["model"] == m) & (points["kind"] == "observed")].iterrows()
        )
        return to_svg(drawn, prefix, f"{kind.label} against the number of training cases", said)
