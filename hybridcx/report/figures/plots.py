"""The figures of a report, drawn from tidy tables. Nothing is computed here but the places of marks.

Every function takes the rows that it draws and `prefix`, which makes ids unique. With `models` it draws only these, since lines of many models
cannot be told apart; tables show all. Lines differ in dashes and markers as well as in colour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, isfinite
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from hybridcx import vocabulary
from hybridcx.report import numbers
from hybridcx.report.answers import in_sentence
from hybridcx.report.figures.svg import (
    INK,
    LINES,
    MARKERS,
    MUTED,
    PAPER,
    RULE,
    SERIES,
    Drawing,
    add_legend,
    add_line,
    drawing,
    grid,
    label,
    new_figure,
    outer_labels,
    rows_on_y,
    style,
)
from hybridcx.report.shown_rows import limits

REFERENCE_CURVES = {"treat_all": "treat all", "treat_none": "treat none"}
"""The two decision curves that are no models, with their labels."""
MAX_SERIES = 8
SIMULTANEOUS = ("conf.low.simultaneous", "conf.high.simultaneous")
"""The columns of the limits that the verdict uses, where there are several pairs."""
MAX_MATRICES = 12
MAX_BANDS = 4
"""Bands of more ROC curves would cover each other."""
_HISTOGRAM_HEIGHT = 0.2


MAX_RATE_DROPS = 12
"""With more drops than this the learning rate falls all the time, and no single drop is marked."""


def drawn_models(table: pd.DataFrame, models: Sequence[str] | None) -> list[str]:
    """The models to draw: those of `models` that the table has, or all of them, at most `MAX_SERIES`."""
    available = list(dict.fromkeys(table["model"].astype(str)))
    return (available if models is None else [m for m in models if m in available])[:MAX_SERIES]


def omitted_note(table: pd.DataFrame, models: Sequence[str] | None) -> str:
    """The end of a caption where a figure of curves does not draw all models of the table; "" where it does."""
    total = table.loc[~table["model"].isin(list(REFERENCE_CURVES)), "model"].nunique()
    n_drawn = min(len(models) if models else total, MAX_SERIES)
    return "" if n_drawn == total else f" {n_drawn} of {total} models; the file has all."


def forest(
    rows: pd.DataFrame,
    *,
    metric: str = "accuracy",
    prefix: str = "forest",
    margin: float | None = None,
    title: str = "",
) -> Drawing:
    """Paired differences with their intervals, one row each; columns model, comparator, estimate, conf.low, conf.high, and `SIMULTANEOUS`.

    A row whose estimate is NaN is labelled "not estimable"; one without limits has a hollow mark. `margin` draws the band of equivalence.
    """
    kind = vocabulary.metric(metric)
    n = len(rows)
    with style():
        longest = max((len(label(m)) for m in [*rows["model"], *rows["comparator"]]), default=0)
        left = 0.35 + 0.066 * longest
        figure = new_figure(left + 4.9, 0.55 + 0.38 * max(n, 1), (left, 0.05, 0.5, 0.05))
        ax, texts = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2.2), gridspec_kw={"wspace": 0.06})
        draw_forest(ax, rows, metric, margin)
        for y, text in enumerate(forest_texts(rows, metric, margin)):
            texts.text(0, y, text, va="center", fontsize=8.5)
        texts.set_xlim(0, 1)
        texts.axis("off")
        description = "; ".join(
            f"{label(r['model'])} minus {label(r['comparator'])} {numbers.difference_interval(kind, *limits(r))}"
            for r in rows.to_dict("records")
        )
        title = title or f"Forest plot of paired differences in {in_sentence(metric)}"
        return drawing(figure, prefix, title, description)


def draw_forest(ax: Axes, rows: pd.DataFrame, metric: str, margin: float | None) -> None:
    """The intervals of a forest plot, the first row at the top."""
    kind = vocabulary.metric(metric)
    scale = 100 if kind.unit == "percent" else 1
    ax.axvline(kind.null, color=INK, linewidth=0.9)
    if margin is not None and isfinite(margin):
        ax.axvspan(-margin * scale, margin * scale, color=RULE, alpha=0.5, linewidth=0)
    for y, row in enumerate(rows.to_dict("records")):
        outer = [float(row.get(c, float("nan"))) * scale for c in SIMULTANEOUS]
        if all(map(isfinite, outer)):
            ax.plot(outer, [y, y], color=SERIES[0], linewidth=0.8)
        _interval_mark(ax, y, *(x * scale for x in limits(row)))
    rows_on_y(ax, [f"{label(m)}\n− {label(c)}" for m, c in zip(rows["model"], rows["comparator"], strict=True)])
    for text in ax.get_yticklabels():
        text.set_fontsize(8)
    ax.xaxis.set_major_locator(MaxNLocator(6))
    unit = numbers.unit(kind, of_difference=True)
    ax.set_xlabel(f"Difference in {in_sentence(metric)}" + (f", {unit}" if unit else ""))


def forest_texts(rows: pd.DataFrame, metric: str, margin: float | None) -> list[str]:
    """The estimate and interval of each row in words: the simultaneous one where there is one, since the verdict uses it."""
    kind, band = vocabulary.metric(metric), float("nan") if margin is None else margin
    texts = []
    for row in rows.to_dict("records"):
        estimate, *own = limits(row)
        outer = [float(row.get(c, float("nan"))) for c in SIMULTANEOUS]
        low, high = outer if all(map(isfinite, outer)) else own
        texts.append(
            numbers.difference_interval(kind, estimate, low, high, band) if isfinite(estimate) else "not estimable"
        )
    return texts


def _interval_mark(ax: Axes, y: int, estimate: float, low: float, high: float) -> None:
    """One row of a forest plot: the interval as a line with ends, the estimate as a square."""
    has_limits = isfinite(low) and isfinite(high)
    if has_limits:
        ax.plot([low, high], [y, y], color=SERIES[0], linewidth=1.6, solid_capstyle="butt")
        ax.plot([low, high], [y, y], color=SERIES[0], linestyle="none", marker="|", markersize=6)
    if isfinite(estimate):
        face = SERIES[0] if has_limits else PAPER
        ax.plot([estimate], [y], "s", color=SERIES[0], markersize=5, markerfacecolor=face)


def roc(
    table: pd.DataFrame,
    *,
    models: Sequence[str] | None = None,
    labels: Mapping[str, str] | None = None,
    points: Mapping[str, tuple[float, float]] | None = None,
    prefix: str = "roc",
) -> Drawing:
    """ROC curves as steps through every threshold; columns model, sensitivity, specificity and, for the bands, conf.low, conf.high.

    `labels`: what the legend says of a model. `points`: (sensitivity, specificity) of the calls of a model.
    """
    names = drawn_models(table, models)
    with style():
        figure = new_figure(9.0, 4.6, (0.55, 4.3, 0.5, 0.1))
        draw_roc(figure.subplots(), table, names, labels=labels, points=points)
        described = ", ".join(label((labels or {}).get(n, n), 80) for n in names)
        return drawing(figure, prefix, "ROC curves", f"Sensitivity against one minus specificity for {described}")


def draw_roc(
    ax: Axes,
    table: pd.DataFrame,
    names: Sequence[str],
    *,
    legend: str = "",
    labels: Mapping[str, str] | None = None,
    points: Mapping[str, tuple[float, float]] | None = None,
) -> None:
    """ROC curves with a legend beside the axes, or at a `legend` location of matplotlib's."""
    ax.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=(0, (2, 3)))
    with_bands = len(names) <= MAX_BANDS and "conf.low" in table
    for i, name in enumerate(names):
        rows = table[table["model"].astype(str) == name]
        x, y = 1 - rows["specificity"].to_numpy(float), rows["sensitivity"].to_numpy(float)
        order = np.lexsort((y, x))
        if with_bands and rows["conf.low"].notna().any():
            low, high = (rows[c].to_numpy(float)[order] for c in ("conf.low", "conf.high"))
            ax.fill_between(x[order], low, high, color=SERIES[i], alpha=0.12, linewidth=0, step="post")
        add_line(ax, i, x[order], y[order], drawstyle="steps-post")
        if points and name in points:
            sensitivity, specificity = points[name]
            mark = {"color": SERIES[i], "marker": MARKERS[i], "markersize": 7, "markeredgecolor": PAPER}
            ax.plot([1 - specificity], [sensitivity], linestyle="none", **mark)  # type: ignore[arg-type]
    _unit_square(ax, "1 − specificity", "Sensitivity")
    add_legend(ax, [(labels or {}).get(n, n) for n in names], location=legend, max_chars=64)


def calibration(table: pd.DataFrame, *, models: Sequence[str] | None = None, prefix: str = "calibration") -> Drawing:
    """Calibration curves, one panel per model, each with a histogram of the scores below zero.

    Columns model, part (bin, smooth, histogram), score, fraction, conf.low, conf.high, n, n.positive.
    """
    names = drawn_models(table, models)
    columns = min(4, max(len(names), 1))
    lines = ceil(max(len(names), 1) / columns)
    width = {1: 4.4, 2: 3.4, 3: 2.8, 4: 2.25}[columns]
    with style():
        figure = new_figure(0.7 + width * columns, 0.55 + (1.22 * width + 0.2) * lines, (0.6, 0.1, 0.5, 0.25))
        axes = grid(figure, lines, columns, (0.2, 0.35))
        for i, ax in enumerate(axes.flat):
            if i >= len(names):
                ax.axis("off")
                continue
            draw_calibration(ax, table, names[i], i)
        outer_labels(figure, "Score", "Fraction positive")
        described = ", ".join(map(label, names))
        text = f"Fraction of positive cases against the score, with confidence limits, a smooth curve and a histogram, for {described}"
        return drawing(figure, prefix, "Calibration", text)


def draw_calibration(ax: Axes, table: pd.DataFrame, name: str, i: int = 0) -> None:
    """The calibration curve of one model in the colour of series `i`.

    Bins of equal count with their limits, the smooth, and below zero a histogram: positive cases upwards, the others downwards.
    """
    rows = table[table["model"].astype(str) == name].sort_values("score")
    bins, smooth, counts = (rows[rows["part"] == part] for part in ("bin", "smooth", "histogram"))
    ax.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=(0, (2, 3)))
    ax.plot(smooth["score"].to_numpy(float), smooth["fraction"].to_numpy(float), color=SERIES[i], linewidth=1.6)
    x, y = bins["score"].to_numpy(float), bins["fraction"].to_numpy(float)
    ax.vlines(x, bins["conf.low"].to_numpy(float), bins["conf.high"].to_numpy(float), color=SERIES[i], linewidth=1)
    ax.plot(x, y, color=SERIES[i], linestyle="none", marker=MARKERS[i], markersize=4)
    _unit_square(ax, "", "")
    place, n, positive = (counts[c].to_numpy(float) for c in ("score", "n", "n.positive"))
    scale = _HISTOGRAM_HEIGHT / max(float(positive.max(initial=0) + (n - positive).max(initial=0)), 1.0)
    up, down = positive * scale, (n - positive) * scale
    middle = -0.04 - up.max(initial=0)
    ax.vlines(place, middle, middle + up, color=SERIES[i], linewidth=3)
    ax.vlines(place, middle - down, middle, color=MUTED, linewidth=3)
    ax.axhline(middle, color=INK, linewidth=0.6)
    ax.set_ylim(-0.06 - _HISTOGRAM_HEIGHT, 1.02)
    ax.set_title(label(name, 24), fontsize=8.5)


def decision_curve(table: pd.DataFrame, *, models: Sequence[str] | None = None, prefix: str = "decision") -> Drawing:
    """Net benefit against threshold probability, with the models `treat_all` and `treat_none`; columns model, threshold, net_benefit."""
    own = table[~table["model"].isin(list(REFERENCE_CURVES))]
    names = drawn_models(own, models)
    with style():
        figure = new_figure(9.0, 3.9, (0.65, 2.4, 0.5, 0.1))
        entries = draw_decision_curve(figure.subplots(), table, names)
        description = "Net benefit against threshold probability for " + ", ".join(label(n) for n in entries)
        return drawing(figure, prefix, "Decision curves", description)


def draw_decision_curve(ax: Axes, table: pd.DataFrame, names: Sequence[str], *, legend: str = "") -> list[str]:
    """Decision curves with a legend beside the axes, or at a `legend` location of matplotlib's; returns its entries."""
    own = table[~table["model"].isin(list(REFERENCE_CURVES))]
    for i, name in enumerate(names):
        rows = own[own["model"].astype(str) == name].sort_values("threshold")
        add_line(ax, i, rows["threshold"].to_numpy(float), rows["net_benefit"].to_numpy(float))
    entries = list(names)
    for (name, entry), dash in zip(REFERENCE_CURVES.items(), ((0, (1, 1)), "solid"), strict=True):
        rows = table[table["model"] == name].sort_values("threshold")
        if len(rows):
            x, y = rows["threshold"].to_numpy(float), rows["net_benefit"].to_numpy(float)
            ax.plot(x, y, color=MUTED, linewidth=1, linestyle=dash, gid="series")
            entries.append(entry)
    drawn = own[own["model"].isin(names)]
    benefit = drawn["net_benefit"].to_numpy(float)
    top = float(np.nanmax(benefit)) if np.isfinite(benefit).any() else 1.0
    ax.set_ylim(-0.15 * max(top, 0.1), 1.1 * max(top, 0.1))  # the line of treat_all has no lower bound
    ax.set_xlim(0, _relevant(drawn))
    ax.grid()
    ax.set_axisbelow(True)
    ax.set_xlabel("Threshold probability")
    ax.set_ylabel("Net benefit")
    add_legend(ax, entries, location=legend)
    return entries


def _relevant(curves: pd.DataFrame) -> float:
    """The end of the thresholds at which a model has a net benefit, and at least 0.2: beyond it no model is of use."""
    of_use = curves.loc[curves["net_benefit"] > 0, "threshold"]
    return min(1.0, max(0.2, float(of_use.max()) + 0.05)) if len(of_use) else 1.0


def rate_drops(history: pd.DataFrame) -> list[float]:
    """The iterations at which a stepwise learning rate drops; none for one that falls all the time."""
    if "learning_rate" not in history:
        return []
    rate = history["learning_rate"].to_numpy(float)
    at = history["iteration"].to_numpy(float)[1:][rate[1:] < rate[:-1]]
    return at.tolist() if len(at) <= MAX_RATE_DROPS else []


def over_trainings(history: pd.DataFrame) -> tuple[pd.DataFrame, ...]:
    """The history of one training; of several (columns seed, fold) the median, minimum and maximum at each iteration that all of them have.

    Without this condition a training that stopped early, or was validated at other iterations, would leave the median to the others.
    """
    units = [c for c in ("seed", "fold") if c in history]
    trainings = len(history[units].drop_duplicates()) if units else 1
    if trainings < 2:
        return (history,)
    by_iteration = history.drop(columns=[*units, *(c for c in ("network",) if c in history)]).groupby("iteration")
    complete = by_iteration.count() == trainings
    present = by_iteration.size() == trainings
    return tuple(by_iteration.agg(how).where(complete)[present].reset_index() for how in ("median", "min", "max"))


def learning_curves(histories: Mapping[str, pd.DataFrame], *, prefix: str = "learning") -> Drawing:
    """Accuracy (above) and loss (below) in training and validation against iteration, one column per network; the loss has one scale for all.

    Columns iteration, train_loss, train_accuracy, validation_loss, validation_accuracy (the last two NaN at iterations without validation) and,
    optionally, learning_rate: a faint line marks each drop. Of several trainings (columns seed, fold) the median, with a band from the minimum to
    the maximum.
    """
    drawn = list(histories.items())[:MAX_SERIES]
    n = len(drawn)
    width = max(2.2, 9.2 / n) if n > 1 else 5.4
    descriptions = []
    with style():
        figure = new_figure(0.75 + width * n, 4.1, (0.65, 0.12, 0.5, 0.3))
        axes = figure.subplots(
            2, n, squeeze=False, sharex="col", sharey="row", gridspec_kw={"hspace": 0.12, "wspace": 0.08}
        )
        for column, (name, whole) in enumerate(drawn):
            curves = over_trainings(whole)
            history = curves[0]
            top, bottom = axes[0, column], axes[1, column]
            for ax, quantity in ((top, "accuracy"), (bottom, "loss")):
                _learning_curve(ax, curves, quantity)
            x = history["iteration"].to_numpy(float)
            if len(x):
                bottom.set_xlim(min(0.0, x.min()), max(x.max(), 1.0))
                last = history.iloc[-1]
                text = f"{label(name)}: last iteration {numbers.count(float(last['iteration']))}"
                descriptions.append(f"{text}, training loss {numbers.fixed(float(last['train_loss']))}")
            bottom.xaxis.set_major_locator(MaxNLocator(4 if n > 1 else 8, integer=True))
            top.set_title(label(name, 24), fontsize=8.5)
        first = axes[0, 0]
        first.set_ylim(0, 1.02)
        first.yaxis.set_major_formatter(PercentFormatter(1.0))
        first.set_ylabel("Accuracy")
        axes[1, 0].set_ylim(0, _loss_top(drawn))
        axes[1, 0].set_ylabel("Loss")
        figure.text(0.5, 0.02, "Iteration", ha="center", va="bottom", fontsize=9)
        add_legend(axes[0, -1], ["training", "validation"], location="lower right")
        title = f"Learning curves of {label(drawn[0][0])}" if n == 1 else "Learning curves"
        return drawing(figure, prefix, title, "; ".join(descriptions))


def _loss_top(histories: Sequence[tuple[str, pd.DataFrame]]) -> float:
    """The end of the axis of the loss: single mini-batches with a very large loss do not flatten the curves."""
    losses = np.concatenate([h[["train_loss", "validation_loss"]].to_numpy(float).ravel() for _, h in histories])
    losses = losses[np.isfinite(losses)]
    return 1.1 * float(np.quantile(losses, 0.98)) if len(losses) and losses.max() > 0 else 1.0


def _learning_curve(ax: Axes, curves: Sequence[pd.DataFrame], quantity: str) -> None:
    """Accuracy or loss of training and validation; `curves` as `over_trainings` returns them."""
    history, *extremes = curves
    x = history["iteration"].to_numpy(float)
    train, validation = (history[f"{part}_{quantity}"].to_numpy(float) for part in ("train", "validation"))
    for part, colour in (("train", SERIES[0]), ("validation", SERIES[1])) if extremes else ():
        low, high = (e[f"{part}_{quantity}"].to_numpy(float) for e in extremes)
        known = np.isfinite(low)
        ax.fill_between(x[known], low[known], high[known], color=colour, alpha=0.2, linewidth=0)
    ax.plot(x, train, color=SERIES[0], linewidth=0.8, gid="series")
    known = np.isfinite(validation)
    dashes: dict[str, Any] = {"linestyle": LINES[1], "linewidth": 1.5, "marker": "o", "markersize": 3}
    ax.plot(x[known], validation[known], color=SERIES[1], gid="series", **dashes)
    for at in rate_drops(history):
        ax.axvline(at, color=MUTED, linewidth=0.7, linestyle=(0, (1, 2)))
    ax.grid(axis="y")
    ax.set_axisbelow(True)


def confusion(
    table: pd.DataFrame, *, models: Sequence[str] | None = None, prefix: str = "confusion", negative: str = ""
) -> Drawing:
    """Confusion matrices side by side, the truth in rows, shaded by the fraction of the row; columns model, positive, tp, fn, fp, tn."""
    available = list(dict.fromkeys(table["model"].astype(str)))
    names = (available if models is None else [m for m in models if m in available])[:MAX_MATRICES]
    columns = min(4, max(len(names), 1))
    lines = ceil(max(len(names), 1) / columns)
    descriptions = []
    with style():
        figure = new_figure(0.6 + 2.1 * columns, 0.55 + 2.3 * lines, (0.55, 0.05, 0.5, 0.25))
        axes = grid(figure, lines, columns, (0.15, 0.35))
        for i, ax in enumerate(axes.flat):
            if i >= len(names):
                ax.axis("off")
                continue
            row = table[table["model"].astype(str) == names[i]].iloc[0]
            _matrix(ax, np.array([[row["tp"], row["fn"]], [row["fp"], row["tn"]]], dtype=float))
            positive, other = label(row["positive"], 14), label(negative or f"not {row['positive']}", 14)
            ax.set_xticks([0.5, 1.5], [positive, other])
            ax.set_yticks([0.5, 1.5], [positive, other], rotation=90, va="center")
            ax.set_title(label(names[i], 20), fontsize=8.5)
            counts = ", ".join(f"{k} {numbers.count(float(row[k]))}" for k in ("tp", "fn", "fp", "tn"))
            descriptions.append(f"{label(names[i])}: {counts}")
        outer_labels(figure, "Predicted", "Truth")
        return drawing(figure, prefix, "Confusion matrices", "; ".join(descriptions))


def _matrix(ax: Axes, cells: np.ndarray) -> None:
    """The counts of one confusion matrix, shape (truth, predicted), as shaded squares."""
    totals = cells.sum(axis=1, keepdims=True)
    for (r, c), n in np.ndenumerate(cells):
        share = n / totals[r, 0] if totals[r, 0] > 0 else 0.0
        colour = SERIES[0 if r == c else 1]
        ax.fill([c, c + 1, c + 1, c], [r, r, r + 1, r + 1], color=colour, alpha=0.38 * share, linewidth=0)
        ax.text(c + 0.5, r + 0.46, numbers.count(n), ha="center", va="center", fontsize=12)
        if totals[r, 0] > 0:
            ax.text(c + 0.5, r + 0.74, f"{numbers.percent(share)}%", ha="center", va="center", fontsize=8)
    for at in (0, 1, 2):
        ax.plot([at, at], [0, 2], color=MUTED, linewidth=0.8)
        ax.plot([0, 2], [at, at], color=MUTED, linewidth=0.8)
    ax.set_xlim(-0.02, 2.02)
    ax.set_ylim(2.02, -0.02)
    ax.set_aspect("equal")
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)


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
