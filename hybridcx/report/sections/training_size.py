"""How many more cases would help: performance against the number of training cases, in sentences, a figure and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf, isfinite
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator, PercentFormatter

from hybridcx import vocabulary
from hybridcx.report import numbers, shown_rows
from hybridcx.report.answers import in_sentence
from hybridcx.report.blocks import OPEN_ROWS, Figure, Section
from hybridcx.report.content import Content
from hybridcx.report.figures.svg import (
    MARKERS,
    MUTED,
    SERIES,
    Drawing,
    drawing,
    grid,
    label,
    new_figure,
    outer_labels,
    style,
)
from hybridcx.report.shown_rows import limits, number
from hybridcx.report.tables import Cell, Cells, Notes, Table, table
from hybridcx.vocabulary import Metric

MAX_PANELS = 6
MAX_TIMES = 100
"""More than this many times the present training set is not given as a number of cases."""
CAP_ROWS = 60
PREDICTED_AT = (1.5, 2.0, 4.0)
"""Multiples of the present training set for which the table has a prediction."""
REMARK = (
    "Predicted values hold only if the power law continues beyond the sizes that were trained, and with the same training options, quality and "
    "mix of cases; nothing here can show that it does. Limits are percentiles over resamples of test cases and seeds, given these training cases: "
    "another sample of the same size would shift the curve further."
)


def section(content: Content) -> Section:
    """The curves of the primary models in sentences and a figure, and tables of all models; empty without sizes."""
    section = Section()
    points, terms = content.table("training_size"), content.table("training_size_fit")
    if points.empty:
        return section
    metric = vocabulary.metric(content.metric)
    points, terms = (t[t["metric"] == metric.name] for t in (points, terms))
    everyone = list(dict.fromkeys(points["model"]))
    models = [m for m in content.primary_models if m in everyone] or everyone
    drawn = models[:MAX_PANELS]
    section.items([sentence(points, terms, m, metric) for m in drawn])
    section.text(unsettled(terms[terms["model"].isin(drawn)]))
    caption = (
        f"{metric.label} against the number of training cases (logarithmic scale). Points: means over seeds, with lines from the smallest to the "
        "largest seed; solid: power law fitted to them; dashed and pale: the law beyond the sizes that were trained; bands: confidence intervals."
    )
    caption += "" if len(drawn) == len(everyone) else f" {len(drawn)} of {len(everyone)} models; the file has all."
    section.figures(Figure("training-size", figure(points, drawn, metric), caption, "training_size.csv"))
    in_order = [*models, *(m for m in everyone if m not in models)]
    section.table(size_table(points, in_order, metric), detail=len(in_order) > OPEN_ROWS)
    section.table(needed_table(points, terms, in_order, metric), detail=True)
    return section


def sentence(points: pd.DataFrame, terms: pd.DataFrame, model: str, metric: Metric) -> str:
    """The curve of one model: the observed values, and conditional on the power law the gain from twice as many cases."""
    own = points[points["model"] == model]
    observed, predicted = own[own["kind"] == "observed"], own[own["kind"] == "predicted"]
    first, last = observed.iloc[0], observed.iloc[-1]
    present = float(last["n.train"])
    text = (
        f"{model}: {in_sentence(metric.name)} {_value(metric, first)} with {numbers.count(first['n.train'])} training cases, "
        f"{_value(metric, last)} with all {numbers.count(present)}"
    )
    twice = predicted[predicted["n.train"] == np.ceil(2 * present)]
    if twice.empty or not isfinite(number(twice.iloc[0]["estimate"])):
        reason = next((str(w) for w in predicted["warning"].dropna()), "too few sizes")
        return f"{text}. No curve is fitted: {reason}."
    text += f". If the fitted power law continues, twice as many would give {_value(metric, twice.iloc[0])}"
    row = next((r for r in terms[terms["model"] == model].to_dict("records") if str(r["term"]).endswith("_0.02")), None)
    if row is None:
        return text + "."
    gain = f"{'2 points' if metric.unit == 'percent' else '0.02'} {'more' if metric.better > 0 else 'less'}"
    n, low, high = limits(row)
    interval = "" if low != low else f" ({_cases(low, present)} to {_cases(high, present)})"
    if n == inf:
        return f"{text}, and no number of training cases is enough for {gain}{interval}."
    return f"{text}, and {gain} would take {_cases(n, present)} training cases{interval}."


def unsettled(terms: pd.DataFrame) -> str:
    """The caution where the fits to many resamples end on a bound of their parameters; "" where few do."""
    shares, levels = terms["on.bound"].dropna().to_numpy(float), terms["conf.level"].dropna().to_numpy(float)
    if not shares.size or shares.max() <= (1 - levels.min()) / 2:
        return ""
    low, high = (numbers.percent(float(v), 0) for v in (shares.min(), shares.max()))
    return (
        f"These sizes do not determine how the curves continue: {low if low == high else f'{low} to {high}'} % of the resamples end on a bound of "
        "the fit, so that its limits depend on the ranges allowed for asymptote and exponent as much as on the data."
    )


def _value(metric: Metric, row: pd.Series) -> str:
    """A value with its unit and limits."""
    value, space, interval = numbers.interval(metric, *limits(row)).partition(" ")
    return value + ("\u00a0%" if metric.unit == "percent" else "") + space + interval


def _cases(n: float, present: float) -> str:
    """A number of training cases; a very large one as a multiple of the present number."""
    if not isfinite(n):
        return numbers.fixed(n)
    return f">{MAX_TIMES} times as many" if n > MAX_TIMES * present else numbers.count(float(np.ceil(n)))


def _marks(notes: Notes, warning: object) -> tuple[str, ...]:
    """A footnote for each part of a warning, since many rows share some parts."""
    return notes.mark(*warning.split("; ")) if isinstance(warning, str) else ()


def size_table(points: pd.DataFrame, models: Sequence[str], metric: Metric) -> Table:
    """One row per model, one column per size: observed values, and those that the power law predicts."""
    notes = Notes()
    rows: list[Cells] = []
    observed = points[points["kind"] == "observed"]
    shares = sorted(observed["share"].unique())
    present = float(observed["n.train"].max())
    sizes = [float(np.ceil(f * present)) for f in PREDICTED_AT]
    head = ["Model"]
    for share in shares:
        n = sorted(observed.loc[observed["share"] == share, "n.train"].unique())
        head.append(numbers.count(n[0]) if len(n) == 1 else f"{numbers.count(n[0])} to {numbers.count(n[-1])}")
    head += [f"{numbers.count(n)}, predicted" for n in sizes]
    for model in models:
        own = points[points["model"] == model]
        cells: list[Cell | str] = [model]
        for kind, column, values in (("observed", "share", shares), ("predicted", "n.train", sizes)):
            by_size: dict[Any, Mapping[Any, Any]] = {r[column]: r for r in own[own["kind"] == kind].to_dict("records")}
            for row in (by_size[value] for value in values):
                value, _, interval = numbers.interval(metric, *limits(row)).partition(" ")
                cells.append(Cell(value, interval, _marks(notes, row["warning"])))
        rows.append(cells)
    level = shown_rows.level(points)
    unit = " (%)" if metric.unit == "percent" else ""
    caption = (
        f"{metric.label}{unit} by number of training cases{f', with {level} confidence intervals' if level else ''}."
    )
    source = "training_size.csv"
    return table("training-size", caption, head, rows, notes=notes, remark=REMARK, source=source, cap=CAP_ROWS)


def needed_table(points: pd.DataFrame, terms: pd.DataFrame, models: Sequence[str], metric: Metric) -> Table | None:
    """One row per model: the training cases that each gain would take by the fitted law; None where no law was fitted."""
    own = terms[terms["term"].str.startswith("n_for_")]
    if own["estimate"].isna().all():
        return None
    notes = Notes()
    rows: list[Cells] = []
    present = float(points.loc[points["kind"] == "observed", "n.train"].max())
    gains = list(dict.fromkeys(own["term"]))
    head = ["Model", *(_gain(metric, float(g.rpartition("_")[2])) for g in gains)]
    for model in models:
        by_gain = own[own["model"] == model].set_index("term")
        cells: list[Cell | str] = [model]
        for gain in gains:
            n, low, high = limits(by_gain.loc[gain])
            interval = "" if low != low else f"({_cases(low, present)} to {_cases(high, present)})"
            cells.append(Cell(_cases(n, present), interval, _marks(notes, by_gain.loc[gain, "warning"])))
        rows.append(cells)
    caption = f"Training cases that a gain in {in_sentence(metric.name)} over the present {numbers.count(present)} would take by the fitted law."
    remark, source = "∞: the curve, or its limit, never reaches this gain.", "training_size_fit.csv"
    return table("training-size-needed", caption, head, rows, notes=notes, remark=remark, source=source, cap=CAP_ROWS)


def _gain(metric: Metric, gain: float) -> str:
    """A gain as a heading: "+2 points", "−0.02"."""
    sign = "+" if metric.better > 0 else numbers.MINUS
    if metric.unit == "percent":
        return f"{sign}{100 * gain:g} point{'' if gain == 0.01 else 's'}"
    return f"{sign}{gain:g}"


def figure(points: pd.DataFrame, models: Sequence[str], metric: Metric, prefix: str = "training-size") -> Drawing:
    """One panel per model: observed values, the fitted law, and dashed and paler its continuation."""
    columns = {1: 1, 2: 2, 4: 2}.get(len(models), 3)
    lines = -(-len(models) // columns)
    width = {1: 5.2, 2: 3.4, 3: 2.35}[columns]
    with style():
        canvas = new_figure(0.7 + width * columns + 0.2 * (columns - 1), 0.65 + 2.5 * lines, (0.62, 0.08, 0.5, 0.25))
        axes = grid(canvas, lines, columns, (0.2, 0.4))
        sizes: list[float] = []
        for i, ax in enumerate(axes.flat):
            if i >= len(models):
                ax.axis("off")
                continue
            own = points[points["model"] == models[i]].sort_values("n.train")
            _panel(ax, i, own)
            ax.set_title(label(models[i], 26), fontsize=8.5)
            ax.tick_params(labelbottom=i + columns >= len(models))
            ax.grid(axis="y")
            ax.set_axisbelow(True)
            sizes += own.loc[own["kind"].isin(["observed", "predicted"]), "n.train"].astype(float).tolist()
        first = axes.flat[0]
        first.set_xscale("log")
        smallest, present = min(sizes), float(points.loc[points["kind"] == "observed", "n.train"].max())
        ticks = (smallest, (smallest * present) ** 0.5, present, 2 * present, 4 * present)
        first.xaxis.set_major_locator(FixedLocator([round(t) for t in ticks if t <= max(sizes)]))
        first.xaxis.set_minor_locator(NullLocator())
        first.xaxis.set_major_formatter(FuncFormatter(lambda v, _: numbers.count(round(v))))
        if metric.unit == "percent":
            first.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        outer_labels(canvas, "Training cases", metric.label)
        description = "; ".join(
            f"{label(m)} {_value(metric, r)} with {numbers.count(r['n.train'])} training cases"
            for m in models
            for _, r in points[(points["model"] == m) & (points["kind"] == "observed")].iterrows()
        )
        return drawing(canvas, prefix, f"{metric.label} against the number of training cases", description)


def _panel(ax: Axes, i: int, points: pd.DataFrame) -> None:
    """The curve of one model, with rows sorted by size, in the colour and marker of series `i`."""
    observed, fitted, predicted = (points[points["kind"] == k] for k in ("observed", "fitted", "predicted"))
    colour = SERIES[i]
    for part, dash, alpha, band in (
        (fitted, "solid", 1.0, 0.2),
        (pd.concat([fitted.tail(1), predicted]), (0, (4, 2)), 0.55, 0.09),
    ):
        x, y, low, high = (part[c].to_numpy(float) for c in ("n.train", "estimate", "conf.low", "conf.high"))
        if np.isfinite(y).any():
            ax.fill_between(x, low, high, color=colour, alpha=band, linewidth=0)
            ax.plot(x, y, color=colour, linestyle=dash, alpha=alpha, linewidth=1.5)
    x, y = observed["n.train"].to_numpy(float), observed["estimate"].to_numpy(float)
    low, high = observed["seed.min"].to_numpy(float), observed["seed.max"].to_numpy(float)
    ax.vlines(x, low, high, color=colour, linewidth=1)
    ax.plot(x, y, color=colour, linestyle="none", marker=MARKERS[i], markersize=4.5)
    ax.axvline(x[-1], color=MUTED, linewidth=0.7, linestyle=(0, (1, 2)))
