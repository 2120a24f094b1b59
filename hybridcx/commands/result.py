"""The result of a command: its tables, its answer, and the report that can be written from it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from html import escape
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from hybridcx.errors import InputError, Problem
from hybridcx.progress import Progress
from hybridcx.store.report_folder import INNER, OutputFolder, open_output

if TYPE_CHECKING:
    from hybridcx.commands.plots import Plots
    from hybridcx.report.blocks import Page
    from hybridcx.report.content import Content
    from hybridcx.report.manuscript_table import ManuscriptTable

_NAME = "<name>"
_REPR_CHARS = 600
_HINT = " Also .tables, .table(), .plot, .save(folder)."
_FRAME_PX = (240, 900)
_FIT = (
    "const f=this,d=f.contentDocument?.documentElement,fit=()=>{f.style.height=d.offsetHeight+2+'px'};"
    "if(d){d.style.overflow='hidden';fit();new ResizeObserver(()=>setTimeout(fit)).observe(d)}"
)
"""Gives the frame the height of its content where a notebook runs scripts; elsewhere it keeps its estimated height and scrolls."""
_PARTS = ("subgroup", "seed", "label.rule")
"""Columns that name a part of the cases, the seeds or other labels; NA in the rows of the whole."""
_TABLES_SHOWN = {"audit": ("audit",), "plan": ("plan",)}
"""The section of commands without a table on the first screen, whose first table a notebook shows below the answer."""


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Report:
    """The result of a command. In a notebook it shows the first screen of its report; nothing is written before `save`, unless `out` was given.

    Attributes
    ----------
    tables : the CSVs of the report as DataFrames; `report.metrics` is `report.tables["metrics"]`.
    content : what the page is made of.
    folder : the folder of the report, None where nothing was written.
    """

    tables: Mapping[str, pd.DataFrame]
    content: Content
    folder: Path | None = None
    _write: Callable[[OutputFolder], None] | None = None
    _ledger: Callable[[], pd.DataFrame] | None = None

    def __getattr__(self, name: str) -> pd.DataFrame:
        if not name.startswith("_") and name in self.tables:
            return self.tables[name].copy()  # what is changed in it never reaches a report
        raise AttributeError(f"no table and no attribute {name!r}; the tables are {', '.join(self.tables)}")

    def __dir__(self) -> list[str]:
        return sorted({*super(Report, self).__dir__(), *self.tables} - {"content", "written", "page"})

    def __getstate__(self) -> tuple[object, ...]:
        return self.tables, self.content, self.folder, None, None  # functions that write are of this process

    def __setstate__(self, state: tuple[object, ...]) -> None:
        for name, value in zip(("tables", "content", "folder", "_write", "_ledger"), state, strict=True):
            object.__setattr__(self, name, value)

    @property
    def predictions(self) -> pd.DataFrame:
        """The predictions of every case, as in predictions.csv; whole numbers are numbers.

        Raises
        ------
        InputError
            where the command has none, and for a result that came out of a pickle.
        """
        if self._ledger is None:
            raise InputError(Problem(f"this result of {self.content.command} has no predictions"))
        ledger = self._ledger()
        return ledger.assign(**{c: _numbers_of(ledger[c]) for c in ledger.columns if c != "score"})

    @property
    def page(self) -> Path | None:
        """The page of the written report."""
        return None if self.folder is None else self.folder / "report.html"

    def rows(self, table: str, *, recommended: bool = False) -> pd.DataFrame:
        """A table, or with `recommended` its recommended rows of all cases, all seeds and the given labels alone.

        These are one row per model and metric, or per pair and metric (two where the interval and the test are two methods). Metrics for
        which no method is shown to hold for these data have none.

        Parameters
        ----------
        table : the name of a table, such as "metrics"; `tables` has all.
        recommended : whether to leave out all rows but the recommended ones.

        Raises
        ------
        InputError
            for a table that the result does not have, and with `recommended` for one that recommends no method.
        """
        if table not in self.tables:
            raise InputError(Problem("no such table", value=table, remedy=f"choose {', '.join(self.tables)}"))
        frame = self.tables[table].copy()
        if not recommended:
            return frame
        if "recommended" not in frame:
            remedy = "call rows without `recommended`, and choose by the column method"
            raise InputError(Problem("the table recommends no method", value=table, remedy=remedy))
        parts = frame[[c for c in _PARTS if c in frame]].notna().any(axis=1)
        return frame[frame["recommended"].eq(True) & ~parts].reset_index(drop=True)

    def summary(self) -> str:
        """The title, the question, the answer and its caveats as text."""
        lines = [self.content.title, self.content.question, "", *self._answers(), ""]
        return "\n".join([*lines, *(f"- {c}" for c in (*self.content.caveats, *self.content.warnings))]).strip()

    def table(self, metrics: Sequence[str] | None = None, models: Sequence[str] | None = None) -> ManuscriptTable:
        """A table for a manuscript: models in rows, metrics in columns, each with its interval, rounded as on the page.

        Parameters
        ----------
        metrics : names as in the table `metrics`, in the order of the columns; default accuracy, sensitivity, specificity, ppv, npv, auroc.
        models : the rows and their order; default all.

        Returns
        -------
        ManuscriptTable: `to_frame()`, `to_html(path)`, `to_latex(path)`, `to_word(path)`. Of agreement, audit and plan the main table of the page.

        Raises
        ------
        InputError
            for metrics and models that the result does not have.
        """
        from hybridcx.report.manuscript_table import manuscript_table

        return manuscript_table(self.content, metrics, models)

    def save(self, folder: str | Path) -> Report:
        """Write the report into a folder, the same files that the command writes, and return the result with its `folder`.

        Parameters
        ----------
        folder : a new or an empty one, or one with an earlier report of the same command, which is replaced; `~` is your home.

        Raises
        ------
        InputError
            where the folder has files that are not of a report of this command, or another process writes into it.
        ValueError
            for a result that came out of a pickle, which has no predictions to write.
        """
        if self._write is None and self.folder is None:
            raise ValueError("this result came out of a pickle and has no predictions to write: save it before")
        folder = Path(folder).expanduser()
        with open_output(folder, self.content.command, Progress(quiet=True).notice) as output:
            if self._write is not None:
                self._write(output)
            elif self.folder is not None:  # of a run: training is not repeated
                shutil.copytree(self.folder, output.begin(), ignore=shutil.ignore_patterns(INNER), dirs_exist_ok=True)
                output.commit()
        return replace(self, folder=folder)

    def to_html(self, path: str | Path) -> Path:
        """Write the page alone, a single file that loads nothing from anywhere.

        Parameters
        ----------
        path : the file; `~` is your home.
        """
        path = Path(path).expanduser()
        if self.page is not None:
            shutil.copyfile(self.page, path)
            return path
        from hybridcx.report.formats.html import render
        from hybridcx.report.page import assemble

        path.write_text(render(assemble(self.content)), encoding="utf-8", newline="\n")
        return path

    @property
    def plot(self) -> Plots:
        """The figures of the page as matplotlib axes: `plot.forest()`, `roc()`, `calibration()`, `decision_curve()`."""
        from hybridcx.commands.plots import Plots

        return Plots(self.content)

    def written(self, folder: OutputFolder | None) -> Report:
        """Write the report into a folder that is held already. For the commands.

        Parameters
        ----------
        folder : None writes nothing.
        """
        if folder is None or self._write is None:
            return self
        self._write(folder)
        return replace(self, folder=folder.path)

    def _answers(self) -> list[str]:
        from hybridcx.report.answers import sentences

        return sentences(self.content)

    def __repr__(self) -> str:
        n = len(self.content.caveats) + len(self.content.warnings)
        caveats = f" {n} caveat{'' if n == 1 else 's'} in .summary()." if n else ""
        more = caveats + (f" Written to {self.folder}." if self.folder is not None else _HINT)
        text = self.content.title + ". " + " ".join(self._answers()[:1])
        room = _REPR_CHARS - len(more)
        return (text if len(text) <= room else text[: room - 1] + "…") + more

    def _repr_html_(self) -> str:
        from hybridcx.report.formats.html import render
        from hybridcx.report.page import assemble

        page = assemble(self.content, only=_TABLES_SHOWN.get(self.content.command, ()))
        first = [replace(s, blocks=[b for b in s.blocks if b.table is not None][:1]) for s in page.sections]
        page = replace(page, sections=tuple(s for s in first if s.blocks))
        # a frame keeps the styles of the page and of the notebook apart, and runs no script
        return (
            f'<iframe srcdoc="{escape(render(page, embedded=True))}" title="{escape(page.title)}" sandbox="allow-same-origin" '
            f'onload="{escape(_FIT)}" style="width: 100%; height: {_height(page)}px; border: 0"></iframe>'
        )


def _numbers_of(column: pd.Series) -> pd.Series:
    """A column of text as whole numbers where every value is one, as pandas reads it from the CSV; otherwise as it is."""
    text = column.dropna().astype(str)
    return (
        column.astype("int64")
        if len(text) == len(column) and text.str.fullmatch("0|-?[1-9][0-9]{0,17}").all()
        else column
    )


def _height(page: Page) -> int:
    """The height that the page takes in a notebook of usual width, in pixels."""
    first, line = page.first, 110
    height = 170 + 30 * ceil(len(first.lead) / 70) + 24 * sum(ceil(len(t) / line) for t in first.caveats)
    if first.forest is not None:
        rows = (
            len(first.forest.chart[0].bars)
            if first.forest.chart
            else len(first.forest.drawing.figure.axes[0].get_yticks())
        )
        height += 110 + 40 * rows
    for _, table in page.tables:
        subs = any(c.sub for row in table.rows for c in row)
        height += 150 + (44 if subs else 28) * len(table.rows) + 20 * len(table.notes)
    return min(max(height, _FRAME_PX[0]), _FRAME_PX[1])


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
    return Path(str(out).replace(_NAME, safe)).expanduser()
