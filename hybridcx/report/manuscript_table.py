"""A table for a manuscript: selected metrics of the models, or the main table of a report, in the formats that journals take."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from hybridcx.errors import InputError, Problem
from hybridcx.report.content import Content
from hybridcx.report.metrics_table import MAIN, metrics_table
from hybridcx.report.tables import Cell, Table
from hybridcx.vocabulary import extras


@dataclass(frozen=True, slots=True, repr=False)
class ManuscriptTable:
    """A finished table with rounded numbers. In a notebook it shows itself.

    Attributes
    ----------
    table : caption, head, rows, notes and remark as text.
    """

    table: Table

    def to_frame(self) -> pd.DataFrame:
        """The cells as text, the first column as the index."""
        return self._frame(lambda cell: cell.text)

    def to_html(self, path: str | Path | None = None) -> str:
        """The table as an HTML fragment.

        Parameters
        ----------
        path : where the table is also written, as a page of its own; `~` is your home; None writes nothing.
        """
        from hybridcx.report.formats.html import render_table, render_table_page

        if path is not None:
            _write(path, render_table_page(self.table))
        return render_table(self.table)

    def to_latex(self, path: str | Path | None = None) -> str:
        r"""The table for LaTeX (booktabs). A comment at its head names the lines that the preamble needs.

        Parameters
        ----------
        path : where the text is also written; `~` is your home; None writes nothing.
        """
        from hybridcx.report.formats.latex import single_table

        text = single_table(self.table)
        if path is not None:
            _write(path, text)
        return text

    def to_word(self, path: str | Path) -> Path:
        """Write the table into a Word document.

        Parameters
        ----------
        path : the document, .docx; `~` is your home.

        Raises
        ------
        InputError
            where python-docx is not installed, with the command that installs it.
        """
        extras.need("word", "to_word")
        from hybridcx.report.formats.word import word_of_table

        path = Path(path).expanduser()
        path.write_bytes(word_of_table(self.table))
        return path

    def _frame(self, text: Callable[[Cell], str]) -> pd.DataFrame:
        head = list(self.table.head)
        return pd.DataFrame([[text(c) for c in row] for row in self.table.rows], columns=head).set_index(head[0])

    def _repr_html_(self) -> str:
        return self.to_html()

    def __repr__(self) -> str:
        marked = self._frame(lambda cell: " ".join([cell.text, *(f"[{n}]" for n in cell.notes)]))
        notes = [f"[{mark}] {text}" for mark, text in self.table.notes]
        return "\n".join([self.table.caption, "", marked.to_string(), "", self.table.remark, *notes]).strip()


def manuscript_table(content: Content, metrics: Sequence[str] | None, models: Sequence[str] | None) -> ManuscriptTable:
    """The table of these metrics (default the six main ones) and models (default all); of a report without metrics its main table.

    Raises InputError for metrics and models that the report does not have.
    """
    rows = content.table("metrics")
    if rows.empty:
        return ManuscriptTable(_main_table(content, metrics, models))
    if isinstance(metrics, str):
        metrics = [metrics]
    available = list(dict.fromkeys(rows["metric"].astype(str)))
    problems = [
        Problem("a metric that the result does not have", value=m, remedy=f"choose {', '.join(available)}")
        for m in metrics or ()
        if m not in available
    ]
    names = list(dict.fromkeys(rows["model"].astype(str)))
    problems += [
        Problem("a model that the result does not have", value=m, remedy=f"choose {', '.join(names)}")
        for m in models or ()
        if m not in names
    ]
    if problems:
        raise InputError(problems)
    if models:
        rows = pd.concat([rows[rows["model"].astype(str) == m] for m in models])
    table = metrics_table(rows, list(metrics or MAIN), "performance", _caption(content))
    if table is None:
        raise InputError(Problem("the result has none of the main metrics", remedy=f"choose {', '.join(available)}"))
    return ManuscriptTable(replace(table, source=""))


def _main_table(content: Content, metrics: Sequence[str] | None, models: Sequence[str] | None) -> Table:
    """The first table of the sections of a report without metrics."""
    if metrics or models:
        raise InputError(Problem(f"the result of {content.command} has no metrics of models", remedy="call table()"))
    from hybridcx.report.page import assemble

    tables = [b.table for s in assemble(content).sections for b in s.blocks if b.table is not None]
    if not tables:
        raise InputError(Problem(f"the result of {content.command} has no table"))
    return replace(tables[0], source="")


def _caption(content: Content) -> str:
    """The number of models and cases."""
    rows = content.table("metrics")
    n = _counted(int(rows["model"].nunique()), "model")
    overall = rows[rows["subgroup"].isna()] if "subgroup" in rows else rows
    return f"Performance of {n} on {_counted(int(overall['n'].max()), 'case')}."


def _counted(n: int, noun: str) -> str:
    """The number with its noun in the right form."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def _write(path: str | Path, text: str) -> None:
    Path(path).expanduser().write_text(text, encoding="utf-8", newline="\n")
