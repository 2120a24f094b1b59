"""The page: one HTML file, with the answer on its first screen, that loads nothing from anywhere.

The sections decide what it shows, `report.numbers` rounds, `templates/` has the look. The template computes nothing and escapes everything but our
own drawings.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from functools import cache
from importlib import resources

import jinja2
from markupsafe import Markup, escape

from hybridcx.errors import printable
from hybridcx.report.blocks import Page
from hybridcx.report.numbers import count
from hybridcx.report.tables import Table

_INTERVAL = re.compile(r"(?:CI )?[^\s(]*\d[^\s(]* to [^\s)]*\d[^\s)]*|\(\d+, \d+\)")
_JOINTS = re.compile(r"([:+_/])(?=\w)")
SORT_ROWS = 3
"""Tables with fewer rows are not sortable."""
UNSORTABLE = ("split", "flow-table", "options", "subgroup-differences")
"""Tables whose rows have an order of their own: steps one after the other, or sums at the end."""
FILTERED = ("cases",)
"""Tables of cases, which the page's script can filter by any text in them."""


def render(page: Page, *, embedded: bool = False, summary: bool = False) -> str:
    """The page as one HTML document (UTF-8 text, line feeds); equal pages give equal text.

    `embedded` is for a frame inside another page: without script, contents and footer. `summary`: the first screen alone, without script, which
    fits on one printed page.
    """
    template = _environment().get_template("report.html.j2")
    script = _resource("page.js")
    return template.render(
        page=replace(page, sections=()) if summary else page,
        first=page.first,
        style=Markup(_resource("style.css")),
        running_title=Markup(_css_text(page.title)),
        script=None if embedded or summary else Markup(script),
        script_hash=_hash(script),
        filtered=FILTERED,
        embedded=embedded,
        count=count,
    )


def _css_text(text: str) -> str:
    """`text` inside the quotation marks of a style sheet: every character but letters, digits and spaces as its code point."""
    return "".join(c if c.isascii() and (c.isalnum() or c == " ") else f"\\{ord(c):x} " for c in literal(text))


def render_table(table: Table) -> str:
    """One table as an HTML fragment, which stands on a page without our styles too."""
    macro = _environment().get_template("table.html.j2").make_module({"filtered": (), "alone": True}).table  # type: ignore[attr-defined]
    return str(macro(table, "")).strip() + "\n"


def render_table_page(table: Table) -> str:
    """One table as an HTML document."""
    template = _environment().get_template("table_page.html.j2")
    return template.render(
        caption=table.caption, table=Markup(render_table(table)), style=Markup(_resource("style.css"))
    )


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("hybridcx.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_finalize,
    )
    environment.filters["together"] = together
    environment.filters["breakable"] = breakable
    environment.tests["sortable"] = lambda table: table.key not in UNSORTABLE and len(table.rows) >= SORT_ROWS
    return environment


def _resource(name: str) -> str:
    return resources.files("hybridcx.report").joinpath(f"templates/{name}").read_text(encoding="utf-8")


def _hash(script: str) -> str:
    """The entry of the content security policy that allows exactly this script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")


def together(text: str) -> str:
    """A text whose intervals and "mid-p" stay on one line: "93.9 (83.5 to 97.9)" breaks before the parenthesis alone."""
    return _INTERVAL.sub(lambda m: m.group().replace(" ", "\u00a0"), text).replace("mid-p", "mid\u2011p")


def breakable(text: str) -> Markup:
    """A heading that may break after the signs inside a model's name: "vgg16:untrained+knn"."""
    return Markup(_JOINTS.sub(r"\1<wbr>", str(escape(literal(text)))))


def _finalize(value: object) -> object:
    return literal(value) if type(value) is str else value


def literal(text: str) -> str:
    """`text` with control and direction characters escaped, so that a name cannot reverse the line around it."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\u2009\u00a0" else printable(c) for c in text)
