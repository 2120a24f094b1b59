"""The section "How many more cases would help": the learning curve over the number of training cases, in a sentence, a figure and a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf, isfinite

import numpy as np
import pandas as pd
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator, PercentFormatter

from hybridcx.report import meaning, select, tables
from hybridcx.report.blocks import Figure, Numbers, Section, our_own
from hybridcx.report.further_tables import Described
from hybridcx.report.meaning import Metric
from hybridcx.report.svg import MARKERS, MUTED, SERIES, grid, label, new_figure, style, to_svg
from hybridcx.report.tables import Cell, Notes, Table

MAX_PANELS = 6
MAX_TIMES = 100
"""More times the present training set than this are not worth a number on the page."""
CAP_ROWS = 60
_SHOWN = (1.5, 2.0, 4.0)
_COUNT = "whole number from 0, or NA"
_N = "number, Inf or NA"
_P = "0 to 1, or NA"

_ABOUT: Described = {
    "model": ("the model, trained with the same options on each size", "text"),
    "metric": ("what is measured: the primary metric, AUROC and accuracy", "a metric of metrics.csv"),
}
_FOUND: Described = {
    "conf.level": ("confidence level of the two limits", _P, "number"),
    "n.seeds": ("seeds that the row is a mean over", _COUNT, "integer"),
    "n": ("distinct test cases, the same at every size", _COUNT, "integer"),
    "n.resamples": ("resamples asked for", _COUNT, "integer"),
    "n.resamples.failed": ("resamples in which the value was undefined", _COUNT, "integer"),
    "status": ("whether the row can be used as it stands", "ok, not_estimable, caution"),
    "warning": ("why the status is not ok, or what to know beside the number", "text, or NA"),
}
_METHOD = (
    "how the limits were computed: joint draws of cases and seeds for all sizes, percentiles",
    "bootstrap_hierarchical",
)
OF_TRAINING_SIZE: dict[str, Described] = {
    "training_size": {
        **_ABOUT,
        "n.train": ("training cases (mean over seeds where these differ); validation cases are not counted", _N, "number"),
        "share": ("n.train over the number of all training cases", "above 0; above 1 where predicted", "number"),
        "kind": (
            "observed: the mean over seeds at this size; fitted: the power law within the sizes; predicted: beyond them, true only if the law goes on",
            "observed, fitted, predicted",
        ),
        "method": _METHOD,
        "estimate": ("the metric", _N, "number"),
        "conf.low": ("lower confidence limit", _N, "number"),
        "conf.high": ("upper confidence limit", _N, "number"),
        "sd.seeds": ("standard deviation of the seeds' values, where observed", "number from 0, or NA", "number"),
        "seed.min": ("smallest value of a seed, where observed", _N, "number"),
        "seed.max": ("largest value of a seed, where observed", _N, "number"),
        **_FOUND,
    },
    "training_size_fit": {
        **_ABOUT,
        "term": (
            "a term of metric = asymptote - scale x n.train^(-exponent), or the number of training cases at which the curve is so much better than "
            "at the present size",
            "asymptote, scale, exponent, n_for_plus_0.01, n_for_plus_0.02, n_for_plus_0.05",
        ),
        "method": _METHOD,
        "estimate": ("the term by least squares; Inf where the asymptote is nearer than the gain", _N, "number"),
        "conf.low": ("lower confidence limit", _N, "number"),
        "conf.high": ("upper confidence limit; Inf where the resamples have no end", _N, "number"),
        "n.sizes": ("sizes of the training set that the law was fitted to", _COUNT, "integer"),
        "on.bound": (
            "share of the resamples whose fit lies on a bound: the asymptote at an end of the metric's range, the exponent at 0.05 or 2, or no rise",
            _P,
            "number",
        ),
        **_FOUND,
    },
}  # fmt: skip

REMARK = (
    "Predicted values hold only if the power law goes on beyond the sizes that were trained, and with training options, quality and mix of cases as "
    "they are; nothing here can show that it does. Limits are percentiles over resamples of cases and seeds."
)


def section(found: Mapping[str, pd.DataFrame], primary: Sequence[str], metric: str, numbers: Numbers) -> Section:
    """The learning curves of the primary models, the sentence on the best known of them, and the table; empty without sizes."""
    made = Section("training-size", "How many more cases would help")
    points, terms = found.get("training_size", pd.DataFrame()), found.get("training_size_fit", pd.DataFrame())
    if points.empty:
        return made
    points, terms = (t[t["metric"] == metric] for t in (points, terms))
    models = [m for m in primary if m in set(points["model"])] or list(dict.fromkeys(points["model"]))
    made.items([sentence(points, terms, m, meaning.metric(metric)) for m in models[:MAX_PANELS]])
    shown = min(len(models), MAX_PANELS)
    total = points["model"].nunique()
    caption = (
        f"{meaning.metric(metric).label} against the number of training cases (logarithmic scale). Points: means over seeds, with lines from the smallest "
        "to the largest seed; solid: power law fitted to them; dashed and pale: the law continued beyond the sizes that were trained; bands: "
        "confidence intervals."
    )
    caption += "" if shown == total else f" {shown} of {total} models; the file has all."
    svg = figure(points, models[:MAX_PANELS], meaning.metric(metric))
    made.figures(Figure("training-size", our_own(svg), caption, numbers.figure(), "training_size.csv"))
    table = size_table(points, terms, models, metric)
    made.table(table, numbers.table() if table else "")
    return made


def sentence(points: pd.DataFrame, terms: pd.DataFrame, model: str, kind: Metric) -> str:
    """What the curve of one model says, in words that do not promise more than it does."""
    own = points[points["model"] == model]
    seen, ahead = own[own["kind"] == "observed"], own[own["kind"] == "predicted"]
    first, last = seen.iloc[0], seen.iloc[-1]
    said = (
        f"{model}: {_in_sentence(kind)} {_said(kind, first)} with {tables.count(first['n.train'])} training cases and {_said(kind, last)} with "
        f"{tables.count(last['n.train'])}. "
    )
    twice = ahead[ahead["n.train"] == np.ceil(2 * last["n.train"])]
    if twice.empty or not isfinite(select.number(twice.iloc[0]["estimate"])):
        return (
            said
            + "No curve is fitted: "
            + str(ahead["warning"].dropna().iloc[0] if len(ahead) else "too few sizes")
            + "."
        )
    said += f"With twice as many the fitted power law predicts {_said(kind, twice.iloc[0])}, if it goes on. "
    own_terms = terms[terms["model"] == model].set_index("term")
    row = next((r for t, r in own_terms.iterrows() if str(t).endswith("_0.02")), None)
    if row is None:
        return said
    low, n, high = (select.number(row[c]) for c in ("conf.low", "estimate", "conf.high"))
    gain = f"{'2 points' if kind.unit == 'percent' else '0.02'} {'more' if kind.better > 0 else 'less'}"
    present = float(last["n.train"])
    if not isfinite(n):
        said += f"For {gain} no number of training cases would do by the fitted curve"
    else:
        said += f"For {gain} it would take {_cases(n, present)} training cases"
    said += f" (limits {_cases(low, present)} to {_cases(high, present)})."
    if (unsure := select.number(own_terms["on.bound"].iloc[0])) > 0.025:
        said += f" How the curve goes on is not settled by these sizes: {tables.percent(unsure, 0)} % of the resamples end on a bound of the fit."
    return said


def _in_sentence(kind: Metric) -> str:
    return kind.label if kind.label[1:2].isupper() else kind.label[0].lower() + kind.label[1:]


def _said(kind: Metric, row: pd.Series) -> str:
    """A value with its limits and its unit."""
    estimate, low, high = (select.number(row[c]) for c in ("estimate", "conf.low", "conf.high"))
    unit = " %" if kind.unit == "percent" else ""
    text = tables.interval(kind, estimate, low, high)
    value, space, limits = text.partition(" ")
    return f"{value}{unit}{space}{limits}"


def _cases(n: float, present: float) -> str:
    """A number of training cases; beyond what is worth a number, the times the present one."""
    if n != n:
        return tables.NA
    if n == inf:
        return "no number"
    return f"more than {MAX_TIMES} times as many" if n > MAX_TIMES * present else tables.count(float(np.ceil(n)))


def size_table(points: pd.DataFrame, terms: pd.DataFrame, models: Sequence[str], metric: str) -> Table | None:
    """One row a model: the observed sizes, the predictions, and the numbers of cases for some gains."""
    kind = meaning.metric(metric)
    notes, rows = Notes(), []
    order = [*models, *(m for m in dict.fromkeys(points["model"]) if m not in models)]
    head = ["Model", "Training cases", f"{kind.label}{', %' if kind.unit == 'percent' else ''}", "SD over seeds"]
    scale = 100 if kind.unit == "percent" else 1
    for model in order:
        own = points[points["model"] == model]
        seen = own[own["kind"] == "observed"]
        present = float(seen["n.train"].max())
        ahead = own[(own["kind"] == "predicted") & own["n.train"].isin([np.ceil(f * present) for f in _SHOWN])]
        for r in [*seen.to_dict("records"), *ahead.to_dict("records")]:
            predicted = r["kind"] == "predicted"
            limits = [select.number(r[c]) for c in ("estimate", "conf.low", "conf.high")]
            rows.append(
                [
                    Cell(model),
                    Cell(tables.count(r["n.train"]), "predicted" if predicted else ""),
                    Cell(tables.interval(kind, *limits), "", notes.mark(r["warning"])),
                    Cell("" if predicted else tables.fixed(select.number(r["sd.seeds"]), kind.decimals, scale=scale)),
                ]
            )
        for r in terms[terms["model"] == model].to_dict("records"):
            term = str(r["term"])
            if not term.startswith("n_for_"):
                continue
            gain = float(term.rpartition("_")[2])
            by = f"{100 * gain:g} points" if kind.unit == "percent" else f"{gain:g}"
            low, n, high = (select.number(r[c]) for c in ("conf.low", "estimate", "conf.high"))
            text = _cases(n, present)
            text += "" if low != low else f" ({_cases(low, present)} to {_cases(high, present)})"
            rows.append([Cell(model), Cell(text, f"for {by} more" if kind.better > 0 else f"for {by} less", notes.mark(r["warning"])), Cell(""), Cell("")])  # fmt: skip
    level = next((tables.level(x) for x in points["conf.level"] if pd.notna(x)), "")
    caption = f"{kind.label} by number of training cases{f', with {level} confidence intervals' if level else ''}."
    return tables.table(
        "training-size", caption, head, rows, notes=notes, remark=REMARK, source="training_size.csv", cap=CAP_ROWS
    )


def figure(points: pd.DataFrame, models: Sequence[str], kind: Metric, prefix: str = "training-size") -> str:
    """One small panel a model: what was seen at each size, the fitted law, and its continuation, visibly another thing."""
    columns = min(3, max(len(models), 1))
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
            ax.set_title(label(models[i], 30), fontsize=8.5)
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
        drawn.supxlabel("Training cases", fontsize=9, y=0.02)
        drawn.supylabel(kind.label, fontsize=9, x=0.01)
        said = "; ".join(
            f"{label(m)} {_said(kind, r)} with {tables.count(r['n.train'])} training cases"
            for m in models
            for _, r in points[(points["model"] == m) & (points["kind"] == "observed")].iterrows()
        )
        return to_svg(drawn, prefix, f"{kind.label} against the number of training cases", said)
