"""Handing a report on: the same content in the forms that a supervisor, a journal or a co-author asks for.

`handing_on` says what is wanted while a report is made; `write_forms` writes it beside the page. Every form is rendered from the page's own
blocks, so that no number is rounded twice or otherwise.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

import pandas as pd

from hybridcx.errors import InputError, Problem
from hybridcx.report.blocks import Figure
from hybridcx.report.content import Content, ReportData
from hybridcx.report.formats.journal_style import styled

FORMS = {
    "word": "report.docx, the whole report for Word",
    "markdown": "report.md, the whole report as Markdown, with its figures",
    "latex": "latex/, the tables for LaTeX (booktabs)",
    "figures": "figures/, every figure as SVG and PNG",
    "parquet": "parquet/, every table as Parquet",
    "paper": "paper.md and references.bib, text for a paper's methods and results",
}
EXTRAS = {"word": ("docx", "python -m pip install 'hybridcx[word]'")}
_WANTED: ContextVar[tuple[str, ...]] = ContextVar("forms", default=())


def forms_of(also: str | Sequence[str]) -> tuple[str, ...]:
    """The forms that are asked for ("word,latex", or a sequence of such), in the order of `FORMS`; "all" is all of them.

    Raises InputError for a form that there is not, and for one whose package is not installed, with the command that installs it.
    """
    given = [also] if isinstance(also, str) else list(also)
    asked = [name.strip() for text in given for name in text.split(",") if name.strip()]
    problems = [
        Problem(f"--also takes {', '.join(FORMS)} or all", value=name)
        for name in asked
        if name not in FORMS and name != "all"
    ]
    chosen = tuple(f for f in FORMS if f in asked or "all" in asked)
    for form in chosen:
        module, command = EXTRAS.get(form, ("", ""))
        if module and importlib.util.find_spec(module) is None:
            problems.append(
                Problem(f"--also {form} needs a package that is not installed", remedy=f"install it: {command}")
            )
    if problems:
        raise InputError(problems)
    return chosen


@contextmanager
def handing_on(also: str | Sequence[str] = (), style: str = "plain") -> Iterator[None]:
    """Reports that are made inside the block are written in these forms too, and print numbers in this journal style."""
    token = _WANTED.set(forms_of(also))
    try:
        with styled(style):
            yield
    finally:
        _WANTED.reset(token)


def wanted() -> tuple[str, ...]:
    """The forms that are asked for at present."""
    return _WANTED.get()


def write_forms(
    folder: Path, data: ReportData, content: Content, tables: Mapping[str, pd.DataFrame], pictures: Mapping[str, bytes]
) -> None:
    """Write the forms that are asked for into a report's folder. `pictures`: PNGs of the figures by their SVG text."""
    asked = wanted()
    if "word" in asked:
        from hybridcx.report.formats.word import word

        (folder / "report.docx").write_bytes(word(data, content, pictures))
    if "figures" in asked or "markdown" in asked:
        _write_figures(folder / "figures", content, pictures)
    if "markdown" in asked:
        from hybridcx.report.formats.markdown import markdown

        _write(folder / "report.md", markdown(data, content, "figures"))
    if "latex" in asked:
        from hybridcx.report.formats.latex import latex

        for name, text in latex(content).items():
            _write(folder / "latex" / name, text)
    if "parquet" in asked:
        from hybridcx.report.formats.parquet import parquet

        (folder / "parquet").mkdir()
        for name, table in tables.items():
            (folder / "parquet" / f"{name}.parquet").write_bytes(parquet(name, table))
    if "paper" in asked:
        from hybridcx.report.formats.paper import paper

        for name, text in paper(data, content).items():
            _write(folder / name, text)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def _write_figures(folder: Path, content: Content, pictures: Mapping[str, bytes]) -> None:
    from hybridcx.report.figures.svg import as_file

    folder.mkdir()
    for figure in figures_of(content):
        _write(folder / f"{figure.key}.svg", as_file(str(figure.svg)))
        png = pictures.get(str(figure.svg))
        if png is not None:
            (folder / f"{figure.key}.png").write_bytes(png)


def figures_of(content: Content) -> list[Figure]:
    """Every figure, in the order of the page."""
    first, sections = content
    inside = [f for s in sections for b in s.blocks for f in b.figures]
    return [*([first.forest] if first.forest else []), *inside]
