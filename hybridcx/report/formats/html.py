"""The page: one HTML file that answers the question on its first screen and loads nothing from anywhere.

`ReportData` is what the pipeline hands over, `render` what it gets back. The content is decided in `sections`, the rounding
in `tables`, the look in `templates/`; the template computes nothing and escapes everything but our own drawings.
"""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from typing import TYPE_CHECKING

import jinja2
from markupsafe import Markup

from hybridcx.errors import printable
from hybridcx.report.blocks import our_own
from hybridcx.report.content import Content, ReportData
from hybridcx.report.formats.journal_style import emphasised

if TYPE_CHECKING:
    pass

SORT_ROWS = 3
UNSORTABLE = ("split", "flow-table", "options", "subgroup-differences")
"""Tables whose rows stand in an order of their own: sums at the end, steps one after the other."""
FILTERED = ("cases",)
"""Tables of cases, which the page's script lets a reader filter by any text in them."""


def content_of(report: ReportData) -> Content:
    """Decide what stands in the report and round it, once for all forms of it."""
    from hybridcx.report import order as sections  # matplotlib is loaded only when a page is made

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
