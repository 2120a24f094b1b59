"""The figures of a result as matplotlib axes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any, cast

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

    A new figure has the fonts of the report, `ax` those of your own settings. Of several seeds or folds the first is drawn, as on the page, and
    the title names it. InputError is raised where the result has nothing to draw.
    """

    content: Content

    def __repr__(self) -> str:
        return ".forest(), .roc(), .calibration(), .decision_curve()"

    def forest(self, *, ax: Axes | None = None) -> Axes:
        """The paired differences of the primary metric with their intervals, and the margin where there is one.

        Parameters
        ----------
        ax : where to draw; default a new figure of pyplot.
        """
        from hybridcx.report.figures import plots
        from hybridcx.report.first_screen import forest_rows

        found = forest_rows(self.content)
        if found is None:
            raise InputError(Problem("there is no pair of models to draw"))
        with _look(ax is None):
            ax = _axes(ax, 7.0, 0.9 + 0.38 * len(found.rows))
            plots.draw_forest(ax, found.rows, found.metric, found.margin)
            for y, text in enumerate(plots.forest_texts(found.rows, found.metric, found.margin)):
                ax.annotate(text, (1.02, y), xycoords=("axes fraction", "data"), va="center", fontsize=8.5)
        return _finished(ax)

    def roc(self, models: str | Sequence[str] | None = None, *, ax: Axes | None = None) -> Axes:
        """The ROC curves.

        Parameters
        ----------
        models : a name, or names, at most eight; default the report's.
        ax : where to draw; default a new figure of pyplot.
        """
        from hybridcx.report.figures import plots
        from hybridcx.report.sections.roc import legend

        table, which = self._table("roc")
        names = self._models(table, models)
        with _look(ax is None):
            ax = _axes(ax, 4.6, 4.4)
            plots.draw_roc(ax, table, names, legend="lower right", labels=legend(self.content, names))
            ax.set_title(which, fontsize=8.5)
        return _finished(ax)

    def calibration(self, models: str | Sequence[str] | None = None, *, ax: Axes | None = None) -> Axes:
        """The calibration, a panel per model. Returns the first axes; `.figure.axes` has all.

        Parameters
        ----------
        models : a name, or names, at most eight; default the report's.
        ax : where to draw a single model, as in `calibration("rf", ax=ax)`; default a new figure of pyplot.
        """
        from hybridcx.report.figures import plots

        table, which = self._table("calibration_curve")
        names = self._models(table, models)
        if ax is not None and len(names) > 1:
            raise InputError(
                Problem("each model has a panel of its own", remedy=f"name one model: calibration({names[0]!r}, ax=ax)")
            )
        with _look(ax is None):
            panels = [ax] if ax is not None else _panels(len(names))
            for i, (panel, name) in enumerate(zip(panels, names, strict=False)):
                plots.draw_calibration(panel, table, name, i)
                panel.set_title(", ".join(filter(None, (panel.get_title(), which))), fontsize=8.5)
                panel.set_xlabel("Score")
                panel.set_ylabel("Fraction positive" if i % _PANELS_PER_ROW == 0 else "")
        drawn = [_finished(panel) for panel in panels[: len(names)]]
        return drawn[0]

    def decision_curve(self, models: str | Sequence[str] | None = None, *, ax: Axes | None = None) -> Axes:
        """The decision curves, with those of treating all and none.

        Parameters
        ----------
        models : a name, or names, at most eight; default the report's.
        ax : where to draw; default a new figure of pyplot.
        """
        from hybridcx.report.figures import plots

        table, which = self._table("decision_curve")
        own = table[~table["model"].isin(list(plots.REFERENCE_CURVES))]
        names = self._models(own, models)
        with _look(ax is None):
            ax = _axes(ax, 5.6, 4.0)
            plots.draw_decision_curve(ax, table, names, legend="best")
            ax.set_title(which, fontsize=8.5)
        return _finished(ax)

    def _table(self, name: str) -> tuple[pd.DataFrame, str]:
        """The rows of the first seed and fold, and their names: "seed 0, fold 1"; "" where there is only one."""
        from hybridcx.report import shown_rows

        table = self.content.table(name)
        if table.empty:
            raise InputError(
                Problem(f"the table {name} is empty: the input has no scores, or the command has no models")
            )
        table, seed = shown_rows.one_seed(table)
        table, fold = shown_rows.one_seed(table, "fold")
        return table, ", ".join(f"{n} {value}" for n, value in (("seed", seed), ("fold", fold)) if value is not None)

    def _models(self, table: pd.DataFrame, models: str | Sequence[str] | None) -> list[str]:
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


@contextmanager
def _look(own: bool) -> Iterator[None]:
    """The settings for drawing: those of the report in a figure of our own, otherwise the user's, with our lines.

    The ground of our own figure is white, since a notebook may be dark.
    """
    import matplotlib as mpl

    from hybridcx.report.figures.svg import style

    if own:
        white = {"figure.facecolor": "white", "axes.facecolor": "white"}
        kept = {k: mpl.rcParams[k] for k in ("interactive", "figure.dpi")}
        with style(), mpl.rc_context(cast(Any, white | kept)):
            yield
        return
    with mpl.rc_context({"text.parse_math": False, "legend.frameon": False}):
        yield


def _finished(ax: Axes) -> Axes:
    """The axes without a box and with a light grid, and with names as text in labels that the user's settings made."""
    from hybridcx.report.figures.svg import RULE

    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(grid_color=RULE, grid_linewidth=0.6)
    for text in (*ax.get_yticklabels(), ax.title):
        text.set_parse_math(False)
    return ax


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
