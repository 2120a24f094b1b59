"""The figures of a report: tidy tables in, SVG text out. Nothing is computed here but where a mark stands.

Every function takes the rows that it draws, `prefix` for unique ids, and `models` where many could not be told apart: the
figures then show these alone, the tables show all. Colour is never the only difference: lines differ in dashes and markers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, isfinite
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from hybridcx import vocabulary
from hybridcx.report import numbers as tables
from hybridcx.report.figures.svg import (
    INK,
    LINES,
    MARKERS,
    MUTED,
    PAPER,
    RULE,
    SERIES,
    grid,
    label,
    new_figure,
    style,
    to_svg,
)

MAX_SERIES = 8
MAX_MATRICES = 12


def _chosen(table: pd.DataFrame, models: Sequence[str] | None) -> list[str]:
    """The models to draw: the asked ones that are there, in the asked order, at most as many as can be told apart."""
    there = list(dict.fromkeys(table["model"].astype(str)))
    wanted = there if models is None else [m for m in models if m in there]
    return wanted[:MAX_SERIES]


def _legend(ax: Axes, names: Sequence[str], *, beside: bool = True) -> None:
    """A legend of the lines drawn so far; texts are set afterwards, as matplotlib hides labels that begin with "_"."""
    handles = [line for line in ax.lines if line.get_gid() == "series"]
    placed: dict[str, Any] = {"loc": "center left", "bbox_to_anchor": (1.02, 0.5)} if beside else {"loc": "lower right"}
    legend = ax.legend(handles, ["."] * len(handles), handlelength=2.6, **placed)
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_text(label(name))


def _draw(ax: Axes, i: int, x: np.ndarray, y: np.ndarray, **options: object) -> None:
    ax.plot(x, y, color=SERIES[i], linestyle=LINES[i], gid="series", **options)  # type: ignore[arg-type]


MAX_RATE_DROPS = 12
"""More drops than this are a schedule that falls at every step, not steps to be marked."""


def forest(
    rows: pd.DataFrame,
    *,
    metric: str = "accuracy",
    prefix: str = "forest",
    margin: float | None = None,
    title: str = "",
) -> str:
    """Paired differences with their intervals, one row each; columns model, comparator, estimate, conf.low, conf.high.

    A row whose estimate is NaN says so; one without limits is a hollow mark. `margin` draws the equivalence band.
    """
    kind = vocabulary.metric(metric)
    scale = 100 if kind.unit == "percent" else 1
    n = len(rows)
    with style():
        longest = max((len(label(m)) for m in [*rows["model"], *rows["comparator"]]), default=0)
        left = 0.35 + 0.066 * longest
        figure = new_figure(left + 4.9, 0.55 + 0.38 * max(n, 1), (left, 0.05, 0.5, 0.05))
        ax, numbers = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2.2), gridspec_kw={"wspace": 0.06})
        ax.axvline(kind.null, color=INK, linewidth=0.9)
        if margin is not None and isfinite(margin):
            ax.axvspan(-margin * scale, margin * scale, color=RULE, alpha=0.5, linewidth=0)
        for y, row in enumerate(rows.to_dict("records")):
            estimate, low, high = (float(row[c]) * scale for c in ("estimate", "conf.low", "conf.high"))
            limits = isfinite(low) and isfinite(high)
            if limits:
                ax.plot([low, high], [y, y], color=SERIES[0], linewidth=1.6, solid_capstyle="butt")
                ax.plot([low, high], [y, y], color=SERIES[0], linestyle="none", marker="|", markersize=6)
            if isfinite(estimate):
                ax.plot(
                    [estimate], [y], "s", color=SERIES[0], markersize=5, markerfacecolor=SERIES[0] if limits else PAPER
                )
            point, *limit = (float(row[c]) for c in ("estimate", "conf.low", "conf.high"))
            text = tables.difference_interval(
                kind, point, limit[0], limit[1], float("nan") if margin is None else margin
            )
            numbers.text(0, y, text if isfinite(estimate) else "not estimable", va="center", fontsize=8.5)
        ax.set_yticks(
            range(n), [f"{label(m)}\n− {label(c)}" for m, c in zip(rows["model"], rows["comparator"], strict=True)]
        )
        for text in ax.get_yticklabels():
            text.set_fontsize(8)
        ax.tick_params(axis="y", length=0)
        ax.set_ylim(n - 0.4, -0.6)
        ax.spines["left"].set_visible(False)
        ax.grid(axis="x")
        ax.set_axisbelow(True)
        ax.xaxis.set_major_locator(MaxNLocator(6))
        of = tables.unit(kind, of_difference=True)
        ax.set_xlabel(f"Difference in {_lower(kind.label)}" + (f", {of}" if of else ""))
        numbers.set_xlim(0, 1)
        numbers.axis("off")
        described = "; ".join(
            f"{label(r['model'])} minus {label(r['comparator'])} "
            + tables.difference_interval(kind, float(r["estimate"]), float(r["conf.low"]), float(r["conf.high"]))
            for r in rows.to_dict("records")
        )
        return to_svg(figure, prefix, title or f"Forest plot of paired differences in {_lower(kind.label)}", described)


def roc(table: pd.DataFrame, *, models: Sequence[str] | None = None, prefix: str = "roc") -> str:
    """ROC curves as steps through every threshold; columns model, sensitivity, specificity."""
    names = _chosen(table, models)
    with style():
        figure = new_figure(6.4, 4.2, (0.55, 2.25, 0.5, 0.1))
        ax = figure.subplots()
        ax.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=(0, (2, 3)))
        for i, name in enumerate(names):
            rows = table[table["model"].astype(str) == name]
            x, y = 1 - rows["specificity"].to_numpy(float), rows["sensitivity"].to_numpy(float)
            order = np.lexsort((y, x))
            _draw(ax, i, x[order], y[order], drawstyle="steps-post")
        _unit_square(ax, "1 − specificity", "Sensitivity")
        _legend(ax, names)
        said = "Sensitivity against one minus specificity for " + ", ".join(label(n) for n in names)
        return to_svg(figure, prefix, "ROC curves", said)


def calibration(table: pd.DataFrame, *, models: Sequence[str] | None = None, prefix: str = "calibration") -> str:
    """Reliability curves with their limits, one small panel a model; columns model, score.mean, fraction, conf.low, conf.high."""
    names = _chosen(table, models)
    columns = min(4, max(len(names), 1))
    rows_of = ceil(max(len(names), 1) / columns)
    with style():
        figure = new_figure(0.6 + 2.0 * columns, 0.55 + 2.15 * rows_of, (0.55, 0.05, 0.5, 0.25))
        axes = grid(figure, rows_of, columns, (0.2, 0.35))
        for i, ax in enumerate(axes.flat):
            if i >= len(names):
                ax.axis("off")
                continue
            rows = table[table["model"].astype(str) == names[i]].sort_values("score.mean")
            x, y = rows["score.mean"].to_numpy(float), rows["fraction"].to_numpy(float)
            low, high = rows["conf.low"].to_numpy(float), rows["conf.high"].to_numpy(float)
            ax.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=(0, (2, 3)))
            ax.vlines(x, low, high, color=SERIES[i], linewidth=1)
            ax.plot(x, y, color=SERIES[i], linewidth=1, marker=MARKERS[i], markersize=4)
            _unit_square(ax, "", "")
            ax.set_title(label(names[i], 24), fontsize=8.5)
        outer_labels(figure, "Mean score in the bin", "Fraction positive")
        said = "Fraction of positive cases against mean score, with confidence limits, for " + ", ".join(
            map(label, names)
        )
        return to_svg(figure, prefix, "Calibration", said)


def decision_curve(table: pd.DataFrame, *, models: Sequence[str] | None = None, prefix: str = "decision") -> str:
    """Net benefit against the threshold probability, with `treat_all` and `treat_none`; columns model, threshold, net_benefit."""
    references = {"treat_all": "treat all", "treat_none": "treat none"}
    own = table[~table["model"].isin(list(references))]
    names = _chosen(own, models)
    with style():
        figure = new_figure(6.4, 3.6, (0.65, 2.25, 0.5, 0.1))
        ax = figure.subplots()
        for i, name in enumerate(names):
            rows = own[own["model"].astype(str) == name].sort_values("threshold")
            _draw(ax, i, rows["threshold"].to_numpy(float), rows["net_benefit"].to_numpy(float))
        shown = list(names)
        for (name, said), dash in zip(references.items(), ((0, (1, 1)), "solid"), strict=True):
            rows = table[table["model"] == name].sort_values("threshold")
            if len(rows):
                x, y = rows["threshold"].to_numpy(float), rows["net_benefit"].to_numpy(float)
                ax.plot(x, y, color=MUTED, linewidth=1, linestyle=dash, gid="series")
                shown.append(said)
        drawn = own[own["model"].isin(names)]["net_benefit"].to_numpy(float)
        top = float(np.nanmax(drawn)) if np.isfinite(drawn).any() else 1.0
        ax.set_ylim(-0.15 * max(top, 0.1), 1.1 * max(top, 0.1))  # treat all falls without bound
        ax.set_xlim(0, 1)
        ax.grid()
        ax.set_axisbelow(True)
        ax.set_xlabel("Threshold probability")
        ax.set_ylabel("Net benefit")
        _legend(ax, shown)
        said = "Net benefit against threshold probability for " + ", ".join(label(n) for n in shown)
        return to_svg(figure, prefix, "Decision curves", said)


def rate_drops(history: pd.DataFrame) -> list[float]:
    """The iterations at which a stepwise learning rate drops; none for a rate that falls all the time."""
    if "learning_rate" not in history:
        return []
    rate = history["learning_rate"].to_numpy(float)
    at = history["iteration"].to_numpy(float)[1:][rate[1:] < rate[:-1]]
    return at.tolist() if len(at) <= MAX_RATE_DROPS else []


def _of_trainings(history: pd.DataFrame) -> tuple[pd.DataFrame, ...]:
    """The history of one training; of several their median, smallest and largest value at each iteration that all of them have.

    A training that stopped early, or was validated at another iteration, would otherwise leave the median to the rest of them.
    """
    units = [c for c in ("seed", "fold") if c in history]
    trainings = len(history[units].drop_duplicates()) if units else 1
    if trainings < 2:
        return (history,)
    each = history.drop(columns=[*units, *(c for c in ("network",) if c in history)]).groupby("iteration")
    whole = each.count() == trainings
    return tuple(each.agg(how).where(whole)[each.size() == trainings].reset_index() for how in ("median", "min", "max"))


def learning_curves(history: pd.DataFrame, *, name: str = "", prefix: str = "learning") -> str:
    """Accuracy and loss of training and validation against iteration.

    Columns iteration, train_loss, train_accuracy, validation_loss, validation_accuracy (the last two NaN where there was no
    validation) and, optionally, epoch and learning_rate: a faint line marks each drop of the rate. Of several trainings (columns seed, fold)
    the median, and a band from the smallest to the largest.
    """
    band = _of_trainings(history)
    history = band[0]
    x = history["iteration"].to_numpy(float)
    with style():
        figure = new_figure(4.9, 3.9, (0.65, 0.12, 0.5, 0.08))
        top, bottom = figure.subplots(2, 1, sharex=True, gridspec_kw={"hspace": 0.12})
        for ax, what in ((top, "accuracy"), (bottom, "loss")):
            train, validation = (history[f"{part}_{what}"].to_numpy(float) for part in ("train", "validation"))
            there = np.isfinite(validation)
            for part, colour in (("train", SERIES[0]), ("validation", SERIES[1])) if len(band) > 1 else ():
                low, high = (b[f"{part}_{what}"].to_numpy(float) for b in band[1:])
                known = np.isfinite(low)
                ax.fill_between(x[known], low[known], high[known], color=colour, alpha=0.2, linewidth=0)
            ax.plot(x, train, color=SERIES[0], linewidth=0.8, gid="series")
            ax.plot(
                x[there],
                validation[there],
                color=SERIES[1],
                linestyle=LINES[1],
                linewidth=1.5,
                marker="o",
                markersize=3,
                gid="series",
            )
            for at in rate_drops(history):
                ax.axvline(at, color=MUTED, linewidth=0.7, linestyle=(0, (1, 2)))
            ax.grid(axis="y")
            ax.set_axisbelow(True)
        top.set_ylim(0, 1.02)
        top.yaxis.set_major_formatter(PercentFormatter(1.0))
        top.set_ylabel("Accuracy")
        finite = bottom.get_ylim()
        bottom.set_ylim(0, finite[1])
        bottom.set_ylabel("Loss")
        bottom.set_xlabel("Iteration")
        bottom.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        if len(x):
            bottom.set_xlim(min(0.0, x.min()), max(x.max(), 1.0))
        _legend(top, ["training, each mini-batch", "validation"], beside=False)
        last = history.iloc[-1] if len(history) else None
        said = "Accuracy and loss in training and validation against iteration"
        if len(band) > 1:
            said += ", median over the trainings with a band from the smallest to the largest"
        if last is not None:
            said += f"; last iteration {tables.count(float(last['iteration']))}, training loss {tables.fixed(float(last['train_loss']))}"
        return to_svg(figure, prefix, f"Learning curves of {label(name)}" if name else "Learning curves", said)


def confusion(
    table: pd.DataFrame, *, models: Sequence[str] | None = None, prefix: str = "confusion", negative: str = ""
) -> str:
    """Confusion matrices side by side, truth in rows; columns model, positive, tp, fn, fp, tn. Shading is by row fraction."""
    there = list(dict.fromkeys(table["model"].astype(str)))
    names = (there if models is None else [m for m in models if m in there])[:MAX_MATRICES]
    columns = min(4, max(len(names), 1))
    rows_of = ceil(max(len(names), 1) / columns)
    said = []
    with style():
        figure = new_figure(0.6 + 1.6 * columns, 0.55 + 1.8 * rows_of, (0.55, 0.05, 0.5, 0.25))
        axes = grid(figure, rows_of, columns, (0.15, 0.35))
        for i, ax in enumerate(axes.flat):
            if i >= len(names):
                ax.axis("off")
                continue
            row = table[table["model"].astype(str) == names[i]].iloc[0]
            cells = np.array([[row["tp"], row["fn"]], [row["fp"], row["tn"]]], dtype=float)
            totals = cells.sum(axis=1, keepdims=True)
            for (r, c), n in np.ndenumerate(cells):
                share = n / totals[r, 0] if totals[r, 0] > 0 else 0.0
                right = r == c
                ax.fill(
                    [c, c + 1, c + 1, c],
                    [r, r, r + 1, r + 1],
                    color=SERIES[0 if right else 1],
                    alpha=0.38 * share,
                    linewidth=0,
                )
                ax.text(c + 0.5, r + 0.5, tables.count(n), ha="center", va="center", fontsize=12)
            for at in (0, 1, 2):
                ax.plot([at, at], [0, 2], color=MUTED, linewidth=0.8)
                ax.plot([0, 2], [at, at], color=MUTED, linewidth=0.8)
            ax.set_xlim(-0.02, 2.02)
            ax.set_ylim(2.02, -0.02)
            ax.set_aspect("equal")
            positive, other = label(row["positive"], 14), label(negative or f"not {row['positive']}", 14)
            ax.set_xticks([0.5, 1.5], [positive, other])
            ax.set_yticks([0.5, 1.5], [positive, other], rotation=90, va="center")
            ax.tick_params(length=0)
            for spine in ax.spines.values():
                spine.set_visible(False)
            ax.set_title(label(names[i], 20), fontsize=8.5)
            said.append(
                f"{label(names[i])}: {', '.join(f'{k} {tables.count(float(row[k]))}' for k in ('tp', 'fn', 'fp', 'tn'))}"
            )
        outer_labels(figure, "Predicted", "Truth")
        return to_svg(figure, prefix, "Confusion matrices", "; ".join(said))


def bland_altman(
    means: Sequence[float], differences: Sequence[float], lines: Mapping[str, float], *, prefix: str = "bland-altman"
) -> str:
    """Difference of two readings against their mean; `lines` (name -> value) are the bias and the limits of agreement."""
    with style():
        figure = new_figure(6.0, 3.4, (0.65, 1.6, 0.5, 0.1))
        ax = figure.subplots()
        ax.plot(np.asarray(means, float), np.asarray(differences, float), "o", color=SERIES[0], markersize=3, alpha=0.6)
        for i, (name, at) in enumerate(lines.items()):
            ax.axhline(at, color=INK if i == 0 else MUTED, linewidth=0.9, linestyle="solid" if i == 0 else (0, (4, 2)))
            ax.annotate(
                f"{label(name)} {tables.fixed(at, 2)}",
                (1.01, at),
                xycoords=("axes fraction", "data"),
                va="center",
                fontsize=8,
            )
        ax.set_xlabel("Mean of the two readings")
        ax.set_ylabel("Difference")
        ax.grid()
        ax.set_axisbelow(True)
        said = "; ".join(f"{label(k)} {tables.fixed(v, 2)}" for k, v in lines.items())
        return to_svg(figure, prefix, "Bland-Altman plot", said)


def outer_labels(figure: Figure, x: str, y: str) -> None:
    """One label for the shared axes of a grid."""
    width, height = figure.get_size_inches()
    p = figure.subplotpars
    figure.text((p.left + p.right) / 2, 0.08 / height, x, ha="center", va="bottom", fontsize=9)
    figure.text(0.06 / width, (p.bottom + p.top) / 2, y, ha="left", va="center", rotation=90, fontsize=9)


def _unit_square(ax: Axes, x: str, y: str) -> None:
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(-0.02, 1.02)
    ax.set_aspect("equal")
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "", "0.5", "", "1"])
    ax.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "", "0.5", "", "1"])
    ax.grid()
    ax.set_axisbelow(True)
    ax.set_xlabel(x)
    ax.set_ylabel(y)


def _lower(text: str) -> str:
    """The metric's name inside a sentence: "accuracy", but "AUROC" and "F1" stay."""
    return text[0].lower() + text[1:] if len(text) > 1 and text[1].islower() and text not in ("Youden's J",) else text
