"""The figures of agreement: coefficients with intervals, Bland-Altman plots, pairwise kappas, and the readings of each reader."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, isfinite

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from hybridcx.report import numbers
from hybridcx.report.figures.svg import (
    INK,
    PAPER,
    RULE,
    SERIES,
    Drawing,
    drawing,
    grid,
    label,
    new_figure,
    outer_labels,
    rows_on_y,
    style,
)

_COLUMNS = 3
_SHADES = (0.6, 0.4, 0.25, 0.14, 0.07)


@dataclass(frozen=True, slots=True)
class Differences:
    """The readings of a pair: mean and difference of each case, and bias and limits of agreement as (estimate, low, high)."""

    title: str
    mean: np.ndarray
    difference: np.ndarray
    bias: tuple[float, float, float]
    lower: tuple[float, float, float]
    upper: tuple[float, float, float]


def coefficients(rows: Sequence[tuple[str, float, float, float]], prefix: str = "coefficients") -> Drawing:
    """Coefficients with their intervals, one row each: (name, estimate, low, high); the axis ends at 1."""
    with style():
        left = 0.3 + 0.067 * max(len(name) for name, *_ in rows)
        figure = new_figure(left + 5.6, 0.6 + 0.3 * len(rows), (left, 1.75, 0.5, 0.05))
        ax = figure.subplots()
        for y, (_, estimate, low, high) in enumerate(rows):
            if isfinite(low) and isfinite(high):
                ax.plot([low, high], [y, y], color=SERIES[0], linewidth=1.8, solid_capstyle="butt")
            if isfinite(estimate):
                face = SERIES[0] if isfinite(low) else PAPER
                ax.plot([estimate], [y], "s", color=SERIES[0], markersize=5, markerfacecolor=face)
            text = numbers.fixed(estimate, 2)
            text += f" ({numbers.fixed(low, 2)} to {numbers.fixed(high, 2)})" if isfinite(low) else ""
            ax.annotate(text, (1.02, y), xycoords=("axes fraction", "data"), va="center", fontsize=8.5)
        known = [x for _, *values in rows for x in values if isfinite(x)]
        ax.set_xlim(min([0.0, *known]), 1.02)
        rows_on_y(ax, [name for name, *_ in rows])
        ax.set_xlabel("Coefficient (1: perfect agreement)")
        described = "; ".join(
            f"{name} {numbers.fixed(e, 2)} ({numbers.fixed(low, 2)} to {numbers.fixed(high, 2)})"
            for name, e, low, high in rows
        )
        return drawing(figure, prefix, "Coefficients of agreement with their intervals", described)


def bland_altman(pairs: Sequence[Differences], prefix: str = "bland-altman") -> Drawing:
    """Difference against mean, one panel per pair: bias and limits of agreement as lines, their confidence intervals as bands."""
    columns = min(_COLUMNS, len(pairs))
    lines = ceil(len(pairs) / columns)
    width = {1: 5.4, 2: 3.7, 3: 2.75}[columns]
    with style():
        figure = new_figure(0.7 + width * columns, 0.6 + 2.4 * lines, (0.65, 0.1, 0.5, 0.42))
        axes = grid(figure, lines, columns, (0.2, 0.55))
        for ax, pair in zip(axes.flat, pairs, strict=False):
            for middle, low, high in (pair.bias, pair.lower, pair.upper):
                if isfinite(low) and isfinite(high):
                    ax.axhspan(low, high, color=RULE, alpha=0.6, linewidth=0)
                if isfinite(middle):
                    ax.axhline(
                        middle,
                        color=SERIES[1],
                        linewidth=1.1,
                        linestyle="solid" if middle == pair.bias[0] else (0, (5, 2)),
                    )
            ax.axhline(0, color=INK, linewidth=0.7)
            ax.plot(pair.mean, pair.difference, "o", color=SERIES[0], markersize=3.2, alpha=0.75)
            ax.set_title("\n".join(label(t, 34) for t in pair.title.split("\n")), fontsize=8.5)
            ax.xaxis.set_major_locator(MaxNLocator(5))
        for ax in axes.flat[len(pairs) :]:
            ax.axis("off")
        outer_labels(figure, "Mean of the two readings", "First minus second")
        described = "; ".join(
            f"{label(' '.join(p.title.split()), 80)}: bias {numbers.fixed(p.bias[0], 2)}, limits "
            f"{numbers.fixed(p.lower[0], 2)} to {numbers.fixed(p.upper[0], 2)}"
            for p in pairs
        )
        return drawing(figure, prefix, "Bland-Altman plots", described)


def kappa_map(names: Sequence[str], values: np.ndarray, coefficient: str, prefix: str = "kappas") -> Drawing:
    """Pairwise coefficients as a heat map, shape (readers, readers), NaN where there is none; each cell has its number."""
    n = len(names)
    side = max(0.5, min(0.75, 4.4 / n))
    with style():
        left = 0.25 + 0.066 * max(len(label(m, 20)) for m in names)
        figure = new_figure(left + side * n + 0.1, 0.55 + side * n, (left, 0.1, 0.45, 0.1))
        ax = figure.subplots()
        for (i, j), x in np.ndenumerate(values):
            if i <= j or not isfinite(x):
                continue
            corners = [j, j + 1, j + 1, j], [i, i, i + 1, i + 1]
            colour = SERIES[0] if x >= 0 else SERIES[1]
            ax.fill(*corners, color=colour, alpha=min(1.0, abs(x)) * 0.55, linewidth=0)
            ax.plot([*corners[0], j], [*corners[1], i], color=PAPER, linewidth=1.5)
            ax.text(j + 0.5, i + 0.5, numbers.fixed(float(x), 2), ha="center", va="center", fontsize=9)
        ax.set_xlim(0, n - 1)
        ax.set_ylim(n, 1)
        ax.set_aspect("equal")
        ax.set_xticks(np.arange(n - 1) + 0.5, [label(m, 12) for m in names[:-1]])
        ax.set_yticks(np.arange(1, n) + 0.5, [label(m, 20) for m in names[1:]])
        ax.tick_params(length=0)
        for spine in ax.spines.values():
            spine.set_visible(False)
        described = "; ".join(
            f"{label(names[j])} and {label(names[i])} {numbers.fixed(float(values[i, j]), 2)}"
            for i in range(n)
            for j in range(i)
            if isfinite(values[i, j])
        )
        return drawing(figure, prefix, f"{coefficient} of each pair of readings", described)


def cross_table(
    names: tuple[str, str], categories: Sequence[str], counts: np.ndarray, prefix: str = "calls"
) -> Drawing:
    """The calls of two readers against each other, shape (categories of the first, of the second), shaded by the share of all cases."""
    n = len(categories)
    side = max(0.55, min(0.9, 4.2 / n))
    with style():
        left = 0.55 + 0.066 * max(len(label(c, 16)) for c in categories)
        figure = new_figure(left + side * n + 0.2, 0.75 + side * n, (left, 0.2, 0.65, 0.1))
        ax = figure.subplots()
        total = max(float(counts.sum()), 1.0)
        for (i, j), count in np.ndenumerate(counts):
            corners = [j, j + 1, j + 1, j], [i, i, i + 1, i + 1]
            ax.fill(*corners, color=SERIES[0 if i == j else 1], alpha=0.6 * count / total, linewidth=0)
            ax.plot([*corners[0], j], [*corners[1], i], color=RULE, linewidth=0.8)
            ax.text(j + 0.5, i + 0.5, numbers.count(float(count)), ha="center", va="center", fontsize=10)
        ax.set_xlim(0, n)
        ax.set_ylim(n, 0)
        ax.set_aspect("equal")
        ax.set_xticks(np.arange(n) + 0.5, [label(c, 10) for c in categories])
        ax.set_yticks(np.arange(n) + 0.5, [label(c, 16) for c in categories])
        ax.tick_params(length=0)
        ax.set_ylabel(label(names[0], 24))
        ax.set_xlabel(label(names[1], 24))
        for spine in ax.spines.values():
            spine.set_visible(False)
        described = "; ".join(
            f"{label(a)} and {label(b)}: {numbers.count(float(counts[i, j]))}"
            for i, a in enumerate(categories)
            for j, b in enumerate(categories)
        )
        return drawing(figure, prefix, f"Calls of {label(names[0])} and {label(names[1])}", described)


def measurements(columns: Sequence[tuple[str, np.ndarray]], prefix: str = "readings") -> Drawing:
    """The measurements of each reading as points with median and quartiles."""
    with style():
        left = 0.3 + 0.067 * max(len(label(name, 24)) for name, _ in columns)
        figure = new_figure(left + 5.4, 0.6 + 0.38 * len(columns), (left, 0.15, 0.5, 0.05))
        ax = figure.subplots()
        offsets = np.random.default_rng(0)  # points beside each other, the same in every drawing
        described = []
        for y, (name, values) in enumerate(columns):
            x = values[np.isfinite(values)]
            ax.plot(x, y + offsets.uniform(-0.2, 0.2, len(x)), "o", color=SERIES[0], markersize=2.6, alpha=0.45)
            if len(x):
                low, middle, high = map(float, np.quantile(x, [0.25, 0.5, 0.75]))
                ax.plot([low, high], [y, y], color=INK, linewidth=2)
                ax.plot([middle], [y], "o", color=INK, markersize=5, markerfacecolor=PAPER)
                quartiles = f"{numbers.fixed(low, 2)} to {numbers.fixed(high, 2)}"
                described.append(f"{label(name)}: median {numbers.fixed(middle, 2)}, quartiles {quartiles}")
        rows_on_y(ax, [label(name, 24) for name, _ in columns])
        ax.set_xlabel("Reading")
        return drawing(figure, prefix, "Readings of each reader", "; ".join(described))


def categories(shares: pd.DataFrame, prefix: str = "readings") -> Drawing:
    """The share of each category in every reading, as stacked bars: readings in rows, categories in columns."""
    with style():
        left = 0.3 + 0.067 * max(len(label(name, 24)) for name in shares.index)
        figure = new_figure(left + 6.4, 0.6 + 0.34 * len(shares), (left, 1.9, 0.5, 0.05))
        ax = figure.subplots()
        for y, row in enumerate(shares.to_numpy(float)):
            start = 0.0
            for i, share in enumerate(row):
                shade = _SHADES[i % len(_SHADES)]
                bar = ax.barh([y], [share], left=[start], height=0.7, color=SERIES[0], alpha=shade, edgecolor=PAPER)
                if y == 0:
                    bar.set_label(".")
                if share >= 0.08:
                    ax.text(start + share / 2, y, numbers.percent(share, 0), ha="center", va="center", fontsize=8)
                start += share
        legend = ax.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), handlelength=1.2)
        for text, name in zip(legend.get_texts(), shares.columns, strict=True):
            text.set_text(label(name, 20))
        rows_on_y(ax, [label(name, 24) for name in shares.index])
        ax.set_xlim(0, 1)
        ax.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100"])
        ax.set_xlabel("Cases, %")
        described = "; ".join(
            f"{label(name)}: " + ", ".join(f"{label(c)} {numbers.percent(float(x), 0)} %" for c, x in row.items())
            for name, row in shares.iterrows()
        )
        return drawing(figure, prefix, "Categories of each reader", described)
