"""Further forms of a report: Word, LaTeX, figures as files, the text of a paper. All have the blocks of the page, and so its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hybridcx.errors import InputError, Problem
from hybridcx.report.blocks import Page
from hybridcx.report.content import Content
from hybridcx.vocabulary.extras import EXTRAS, absent, remedy

FORMS = {
    "summary": "summary.html, the answer alone, on one printed page",
    "word": "report.docx, the whole report for Word",
    "latex": "latex/, the tables for LaTeX (booktabs)",
    "figures": "figures/, every figure as SVG and PNG",
    "paper": "paper.md and references.bib, text for a paper's methods and results",
}
EXPORTS = {
    "onnx": "models/NETWORK/model.onnx, each fine-tuned network for ONNX, compared with ours",
    "tensorboard": "tensorboard/, the learning curves for TensorBoard",
}
"""Forms of trainings and trained models, which `run` alone has and "all" leaves out."""
REMOVED = {
    "markdown": "pandoc writes Markdown from report.html or report.docx",
    "parquet": "pandas writes Parquet from the CSVs: pandas.read_csv(...).to_parquet(...)",
}


def forms_of(also: str | Sequence[str], *, exports: bool = False) -> tuple[str, ...]:
    """The forms named by `--also` ("word,latex", or a sequence of such), in the order of `FORMS`; "all" is every one of them.

    `exports`: those of `EXPORTS` are known too.

    Raises InputError for an unknown form, and for one whose package is not installed, with the command that installs it.
    """
    texts = [also] if isinstance(also, str) else list(also)
    names = [name.strip() for text in texts for name in text.split(",") if name.strip()]
    known = {**FORMS, **(EXPORTS if exports else {})}
    of_run = dict.fromkeys(EXPORTS, "it exports what was trained: give it to `hybridcx run`")
    problems = [
        Problem(f"--also takes {', '.join(known)} or all", value=name, remedy=(REMOVED | of_run).get(name))
        for name in names
        if name not in known and name != "all"
    ]
    forms = tuple(f for f in known if f in names or ("all" in names and f in FORMS))
    for form in forms:
        if form in EXTRAS and absent(form):
            rule = f"--also {form} needs {', '.join(absent(form))}, which is not installed"
            problems.append(Problem(rule, remedy=remedy(form)))
    if problems:
        raise InputError(problems)
    return forms


def write_forms(folder: Path, forms: Sequence[str], content: Content, page: Page) -> None:
    """Write these forms into the folder of the report."""
    if "summary" in forms:
        from hybridcx.report.formats.html import render

        _write(folder / "summary.html", render(page, summary=True))
    if "word" in forms:
        from hybridcx.report.formats.word import word

        (folder / "report.docx").write_bytes(word(page))
    if "figures" in forms:
        write_figures(folder / "figures", page)
    if "latex" in forms:
        from hybridcx.report.formats.latex import latex

        for name, text in latex(page).items():
            _write(folder / "latex" / name, text)
    if "paper" in forms:
        from hybridcx.report.formats.paper import paper

        for name, text in paper(content, page).items():
            _write(folder / name, text)


def write_figures(folder: Path, page: Page) -> None:
    """Every figure of the page as SVG and PNG, into a new folder."""
    from hybridcx.report.figures.svg import as_file

    folder.mkdir()
    for figure in page.figures:
        _write(folder / f"{figure.key}.svg", as_file(str(figure.svg)))
        (folder / f"{figure.key}.png").write_bytes(figure.drawing.png())


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
