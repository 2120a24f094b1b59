"""The result of a command: its tables, its answer, and the report that can be written from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from hybridcx.progress import Progress
from hybridcx.store.report_folder import OutputFolder, open_output

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hybridcx.report.blocks import Page
    from hybridcx.report.content import Content

_NAME = "<name>"
_REPR_CHARS = 600
_FRAME_PX = 760
_ON_FIRST_SCREEN = ("performance",)
"""Sections that a notebook shows below the first screen."""


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Report:
    """The result of a command. In a notebook it shows the first screen of its report; nothing is written before `save`, unless `out` was given.

    Attributes
    ----------
    tables : the CSVs of the report as DataFrames; `report.metrics` is `report.tables["metrics"]`.
    content : what the page is made of; None for `run`, whose report is in its folder.
    folder : the folder of the report, None where nothing was written.
    """

    tables: Mapping[str, pd.DataFrame]
    content: Content | None = None
    folder: Path | None = None
    _write: Callable[[OutputFolder], None] | None = None

    def __getattr__(self, name: str) -> pd.DataFrame:
        if not name.startswith("_") and name in self.tables:
            return self.tables[name]
        raise AttributeError(f"no table and no attribute {name!r}; the tables are {', '.join(self.tables)}")

    def __dir__(self) -> list[str]:
        return sorted({*super(Report, self).__dir__(), *self.tables})

    @property
    def page(self) -> Path | None:
        """The page of the written report."""
        return None if self.folder is None else self.folder / "report.html"

    def rows(self, table: str, *, recommended: bool = False) -> pd.DataFrame:
        """A table, or with `recommended` its recommended rows alone: one per model and metric, or per pair and metric."""
        frame = self.tables[table]
        return frame[frame["recommended"].eq(True)].reset_index(drop=True) if recommended else frame

    def summary(self) -> str:
        """The title, the question, the answer and its caveats as text."""
        if self.content is None:
            return f"The report is in {self.folder}."
        lines = [self.content.title, self.content.question, "", *self._answers(), ""]
        return "\n".join([*lines, *(f"- {c}" for c in (*self.content.caveats, *self.content.warnings))]).strip()

    def save(self, folder: str | Path) -> Report:
        """Write the report into a folder, the same files that the command writes, and return the result with its `folder`.

        Raises
        ------
        InputError
            where the folder has files that are not of a report of this command, or another process writes into it.
        """
        if self._write is None or self.content is None:
            raise ValueError(f"the report is in {self.folder}; copy that folder")
        with open_output(Path(folder), self.content.command, Progress(quiet=True).notice) as output:
            self._write(output)
        return replace(self, folder=Path(folder))

    def to_html(self, path: str | Path) -> Path:
        """Write the page alone, a single file that loads nothing from anywhere."""
        from hybridcx.report.formats.html import render
        from hybridcx.report.page import assemble

        Path(path).write_text(render(assemble(self._content())), encoding="utf-8", newline="\n")
        return Path(path)

    @property
    def plot(self) -> Plots:
        """The figures of the page as matplotlib axes: `plot.forest()`, `roc()`, `calibration()`, `decision_curve()`."""
        return Plots(self)

    def written(self, folder: OutputFolder | None) -> Report:
        """Write the report into a folder that is held already; None writes nothing. For the commands."""
        if folder is None or self._write is None:
            return self
        self._write(folder)
        return replace(self, folder=folder.path)

    def _content(self) -> Content:
        if self.content is None:
            raise ValueError(f"the page is in {self.folder}")
        return self.content

    def _answers(self) -> list[str]:
        from hybridcx.report.first_screen import sentences

        return sentences(self._content())

    def __repr__(self) -> str:
        if self.content is None:
            return f"<hybridcx report in {self.folder}>"
        more = (
            f" Written to {self.folder}." if self.folder is not None else " .summary(), .tables, .plot, .save(folder)"
        )
        text = self.content.title + ". " + " ".join(self._answers())
        room = _REPR_CHARS - len(more)
        return (text if len(text) <= room else text[: room - 1] + "…") + more

    def _repr_html_(self) -> str:
        from hybridcx.report.formats.html import render
        from hybridcx.report.page import assemble

        if self.content is None:
            return f"<p>{escape(repr(self))}</p>"
        page: Page = assemble(self.content, only=_ON_FIRST_SCREEN)
        # a frame keeps the styles of the page and of the notebook apart
        return (
            f'<iframe srcdoc="{escape(render(page))}" style="width: 100%; height: {_FRAME_PX}px; border: 0"></iframe>'
        )


@dataclass(frozen=True, slots=True)
class Plots:
    """The figures of a report's page."""

    report: Report

    def forest(self) -> Axes:
        """The paired differences of the primary metric with their intervals."""
        from hybridcx.report.first_screen import forest

        figure = forest(self.report._content())
        if figure is None:
            raise ValueError("there is no pair of models to draw")
        return figure.drawing.figure.axes[0]

    def roc(self) -> Axes:
        """The ROC curves."""
        return self._of("roc")

    def calibration(self) -> Axes:
        """The calibration curves, one panel per model; the axes of the first, the others are in its `figure.axes`."""
        return self._of("calibration")

    def decision_curve(self) -> Axes:
        """The decision curves."""
        return self._of("decision_curve")

    def _of(self, name: str) -> Axes:
        from hybridcx.report.figures import plots

        table = self.report.tables[name]
        if table.empty:
            raise ValueError(f"the table {name} is empty: the input has no scores")
        models = self.report._content().primary_models or None
        return getattr(plots, name)(table, models=models).figure.axes[0]


@contextmanager
def output(out: str | Path | None, name: str, command: str, progress: Progress) -> Iterator[OutputFolder | None]:
    """The folder of a report, held for this process before anything is computed; None where nothing is written."""
    if out is None:
        yield None
        return
    with open_output(folder_of(out, name), command, progress.notice) as folder:
        yield folder


def folder_of(out: str | Path, name: str) -> Path:
    """The folder `out`, in which `<name>` becomes the name of the input.

    >>> folder_of("reports/<name>", "my predictions").as_posix()
    'reports/my_predictions'
    """
    safe = "".join(c if c.isalnum() or c in "-_." else "_" for c in name).lstrip(".") or "report"
    return Path(str(out).replace(_NAME, safe))
