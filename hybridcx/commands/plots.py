"""The figures of a result as matplotlib axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

import pandas as pd

from hybridcx.errors import InputError, Problem
from hybridcx.report.content import Content

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PANEL_IN = 2.6
_PANELS_PER_ROW = 4


@dataclass(frozen=True, slots=True)
class Plots:
    """The figures of a report. Each draws into `ax`, or into a new figure of pyplot, and returns the axes.

    InputError is raised where the result has nothing to draw.
    """

    content: Content

    def forest(self, ax: Axes | None = None) -> Axes:
        """The paired differences of the primary metric with their intervals, and the margin where there is one."""
        from hybridcx.report.figures import plots
        from hybridcx.report.first_screen import forest_rows

        found = forest_rows(self.content)
        if found is None:
            raise InputError(Problem("there is no pair of models to draw"))
        ax = _axes(ax, 7.0, 1.0 + 0.42 * len(found.rows))
        plots.draw_forest(ax, found.rows, found.metric, found.margin)
        for y, text in enumerate(plots.forest_texts(found.rows, found.metric, found.margin)):
            ax.annotate(text, (1.02, y), xycoords=("axes fraction", "data"), va="center", fontsize=8.5)
        return ax

    def roc(self, models: Sequence[str] | None = None, ax: Axes | None = None) -> Axes:
        """The ROC curves of these models; by default of the report's, at most eight."""
        from hybridcx.report.figures import plots

        table = self._table("roc")
        names = self._models(table, models)
        ax = _axes(ax, 4.6, 4.4)
        plots.draw_roc(ax, table, names, legend="lower right")
        return ax

    def calibration(self, models: Sequence[str] | None = None, ax: Axes | None = None) -> Axes:
        """The calibration of these models, a panel each; with `ax` of one model. Returns the first axes; `.figure.axes` has all."""
        from hybridcx.report.figures import plots

        table = self._table("calibration")
        names = self._models(table, models)
        if ax is not None and len(names) > 1:
            raise InputError(Problem("each model has a panel of its own", remedy="name one model for `ax`"))
        panels = [ax] if ax is not None else _panels(len(names))
        for i, (panel, name) in enumerate(zip(panels, names, strict=False)):
            plots.draw_calibration(panel, table, name, i)
            panel.set_xlabel("Mean score in the bin")
            panel.set_ylabel("Fraction positive" if i % _PANELS_PER_ROW == 0 else "")
        return panels[0]

    def decision_curve(self, models: Sequence[str] | None = None, ax: Axes | None = None) -> Axes:
        """The decision curves of these models, with those of treating all and none; by default of the report's models, at most eight."""
        from hybridcx.report.figures import plots

        table = self._table("decision_curve")
        own = table[~table["model"].isin(list(plots.REFERENCE_CURVES))]
        names = self._models(own, models)
        ax = _axes(ax, 5.6, 4.0)
        plots.draw_decision_curve(ax, table, names, legend="upper right")
        return ax

    def _table(self, name: str) -> pd.DataFrame:
        table = self.content.table(name)
        if table.empty:
            raise InputError(
                Problem(f"the table {name} is empty: the input has no scores, or the command has no models")
            )
        return table

    def _models(self, table: pd.DataFrame, models: Sequence[str] | None) -> list[str]:
        from hybridcx.report.figures import plots

        names = [models] if isinstance(models, str) else models
        available = list(dict.fromkeys(table["model"].astype(str)))
        if unknown := [m for m in names or () if m not in available]:
            raise InputError(
                Problem(
                    "a model that the table does not have", value=unknown[0], remedy=f"choose {', '.join(available)}"
                )
            )
        if names is not None and len(names) > plots.MAX_SERIES:
            raise InputError(
                Problem(f"at most {plots.MAX_SERIES} models can be told apart in a figure", value=len(names))
            )
        return plots.drawn_models(table, names or self.content.models_of(table))


def _axes(ax: Axes | None, width: float, height: float) -> Axes:
    """The axes, or those of a new figure, which a notebook shows."""
    if ax is not None:
        return ax
    from matplotlib import pyplot as plt

    return plt.subplots(figsize=(width, height), layout="constrained")[1]


def _panels(n: int) -> list[Axes]:
    """Axes of n equal panels in a new figure."""
    from matplotlib import pyplot as plt

    columns = min(n, _PANELS_PER_ROW)
    rows = ceil(n / columns)
    size = (_PANEL_IN * columns, _PANEL_IN * rows)
    grid = plt.subplots(rows, columns, figsize=size, sharex=True, sharey=True, squeeze=False, layout="constrained")[1]
    panels: list[Axes] = list(grid.flat)
    for unused in panels[n:]:
        unused.set_axis_off()
    return panels
