"""The page: one HTML file that answers the question on its first screen and loads nothing from anywhere.

`ReportData` is what the pipeline hands over, `render` what it gets back. The content is decided in `sections`, the rounding
in `tables`, the look in `templates/`; the template computes nothing and escapes everything but our own drawings.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, Literal

import jinja2
import pandas as pd
from markupsafe import Markup

from hybridcx.errors import printable
from hybridcx.report.blocks import Section, our_own
from hybridcx.report.casebook_section import CasebookView
from hybridcx.report.journal_style import emphasised

if TYPE_CHECKING:
    from hybridcx.report.sections import First

SORT_ROWS = 3
UNSORTABLE = ("split", "flow-table", "options", "subgroup-differences")
"""Tables whose rows stand in an order of their own: sums at the end, steps one after the other."""
FILTERED = ("cases",)
"""Tables of cases, which the page's script lets a reader filter by any text in them."""

Command = Literal["run", "compare", "agreement", "audit", "plan"]


@dataclass(frozen=True, slots=True)
class ReportData:
    """Everything that a report shows.

    Parameters
    ----------
    title, question : as the user gave them, or as the command words them.
    command : decides the numbering (a run's report keeps the study's Tables I to III and Figures 2 to 6).
    tables : contract name without `.csv` -> rows; an absent or empty one leaves its section out.
    answers : the sentences of the first screen; None has them computed from the tables (`report.answers`).
    caveats : what limits the answer, most important first.
    cohort_flow : columns step, n and, optionally, kind ("kept" or "excluded").
    split_table : Table I; columns label (or the labels as index), train, validation, test, total; the row "total" included.
    training_settings : Table II; (option, value, note) each, or a frame whose first column is the option.
    histories : network -> columns iteration, epoch, train_loss, train_accuracy, learning_rate, validation_loss,
        validation_accuracy (NaN where there was no validation).
    heads_table : one row a head, columns as they are to stand in the page.
    methods : paragraphs.
    provenance : name -> value (versions, seed, hashes); one level of nesting is allowed.
    primary_models : those shown in the figures, where all of them could not be told apart.
    primary_metric : the metric of the answer; None takes the plan's (see `answers.primary_metric`).
    warnings : what the run noted besides.
    reader_notes : what must be said where models are set beside readers.
    plan_note : what must be said of a plan that was changed after results; "" where there is nothing.
    casebook : where the pictures of the shown cases are; None where there are none.
    study_methods : those paragraphs of `methods` that tell of cases, models and calls; a paper's text says the statistics itself.
    """

    title: str
    command: Command
    question: str
    tables: Mapping[str, pd.DataFrame]
    answers: Sequence[str] | None = None
    caveats: Sequence[str] = ()
    cohort_flow: pd.DataFrame | None = None
    split_table: pd.DataFrame | None = None
    training_settings: pd.DataFrame | Sequence[tuple[str, str, str]] | None = None
    histories: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    heads_table: pd.DataFrame | None = None
    methods: Sequence[str] = ()
    provenance: Mapping[str, object] = field(default_factory=dict)
    primary_models: Sequence[str] = ()
    primary_metric: str | None = None
    warnings: Sequence[str] = ()
    reader_notes: Sequence[str] = ()
    plan_note: str = ""
    casebook: CasebookView | None = None
    study_methods: Sequence[str] = ()


Content = tuple["First", list[Section]]
"""The first screen and the sections of a report, which the page and every other form of it are made of."""


def content_of(report: ReportData) -> Content:
    """Decide what stands in the report and round it, once for all forms of it."""
    from hybridcx.report import sections  # matplotlib is loaded only when a page is made

    return sections.build(report)


def render(report: ReportData, content: Content | None = None) -> str:
    """Return the page as one HTML document (UTF-8 text, line feeds); the same report gives the same text."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("hybridcx.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_finalize,
    )
    environment.tests["sortable"] = lambda made: made.key not in UNSORTABLE and len(made.rows) >= SORT_ROWS
    environment.filters["heading"] = lambda text: _emphasised(literal(text), head=True)
    first, body = content_of(report) if content is None else content
    template = environment.get_template("report.html.j2")
    script = _own("page.js")
    return template.render(
        report=report,
        first=first,
        sections=body,
        style=our_own(_own("style.css")),
        script=our_own(script),
        script_hash=_hash(script),
        filtered=FILTERED,
    )


def _own(name: str) -> str:
    return resources.files("hybridcx.report").joinpath(f"templates/{name}").read_text(encoding="utf-8")


def _hash(script: str) -> str:
    """What the content security policy allows: this script, byte for byte, and no other."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")


def _finalize(value: object) -> object:
    """Text of the user without control or direction characters, and in a journal's style the letter of p-values in italics."""
    return _emphasised(literal(value)) if type(value) is str else value


def literal(text: str) -> str:
    """`text` with control and direction characters escaped: a name cannot turn the line around that it stands in."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\u2009\u00a0" else printable(c) for c in text)


def _emphasised(text: str, *, head: bool = False) -> str:
    pieces = emphasised(text, head=head)
    if not any(italic for _, italic in pieces):
        return text
    return Markup("").join(Markup("<i>{}</i>").format(p) if italic else p for p, italic in pieces)
