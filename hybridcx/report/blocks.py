"""The parts of a page: sections of tables, figures, lists and paragraphs, and the first screen."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from markupsafe import Markup

from hybridcx.report.tables import Table

if TYPE_CHECKING:
    from hybridcx.report.casebook_view import CasebookPage
    from hybridcx.report.figures.forest_chart import ForestChart
    from hybridcx.report.figures.svg import Drawing

OPEN_ROWS = 24
"""A longer table is a detail, unless its section says otherwise."""
DETAIL_ROWS = 30
"""Of a longer detail the page names the file and its number of rows."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing with its caption; `source` is the file with its values.

    `study_number`: under the study's preset the figure has at least this number. `chart`: the same as a table with bars, which the page shows
    instead of the drawing.
    """

    key: str
    drawing: Drawing
    caption: str
    source: str = ""
    study_number: int = 0
    number: str = ""
    chart: tuple[ForestChart, ...] = ()

    @property
    def svg(self) -> Markup:
        return self.drawing.svg

    @property
    def alt(self) -> str:
        """The figure in words, for screen readers: the title and description of its drawing."""
        parts = (re.search(rf"<{tag} [^>]*>([^<]*)</{tag}>", self.svg) for tag in ("title", "desc"))
        return ". ".join(html.unescape(m.group(1)) for m in parts if m and m.group(1))


@dataclass(frozen=True, slots=True)
class PicturePair:
    """Two images side by side, as data URIs, with a caption."""

    first: str
    second: str
    caption: str


def data_uri(path: Path) -> str:
    """An image file (JPEG or PNG) as a data URI."""
    kind = "jpeg" if path.suffix == ".jpg" else "png"
    return f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"


@dataclass(frozen=True, slots=True)
class Block:
    """One element of a section; `kind` says which field is filled.

    `study_number`: under the study's preset the table has this number. `detail`: closed behind a line that opens it, and not printed unless open.
    A "pointer" names the file (`text`) of a table that is too long for the page, its caption (`title`) and its number of rows (`n`).
    """

    kind: Literal["text", "list", "table", "figures", "definitions", "casebook", "pairs", "pointer", "curves"]
    text: str = ""
    items: tuple[str, ...] = ()
    table: Table | None = None
    study_number: int = 0
    number: str = ""
    figures: tuple[Figure, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    casebook: CasebookPage | None = None
    pictures: tuple[PicturePair, ...] = ()
    detail: bool = False
    title: str = ""
    n: int = 0


@dataclass(slots=True)
class Section:
    """The blocks of a section. The page gives it its anchor (`key`), title and group (`report.order`), and omits it where it has no blocks."""

    blocks: list[Block] = field(default_factory=list)
    key: str = ""
    title: str = ""
    group: str = ""

    def text(self, *paragraphs: str) -> None:
        """Add paragraphs, apart from empty ones."""
        self.blocks += [Block("text", text=p) for p in paragraphs if p]

    def items(self, items: Sequence[str], *, title: str = "", detail: bool = False) -> None:
        """Add a list; one that is a detail has a title."""
        if items:
            self.blocks.append(Block("list", items=tuple(items), title=title, detail=detail))

    def table(self, table: Table | None, *, study_number: int = 0, detail: bool | None = None) -> None:
        """Add a table, if there is one with rows. `detail`: whether it is a detail; None for one with more than `OPEN_ROWS` rows.

        Of a detail with more than `DETAIL_ROWS` rows and a file, the page names the file.
        """
        if table is None or not table.rows:
            return
        detail = len(table.rows) > OPEN_ROWS if detail is None else detail
        if detail and len(table.rows) > DETAIL_ROWS and table.source and not study_number:
            pointer = Block("pointer", title=table.caption, text=table.source, n=table.total, detail=True)
            self.blocks.append(pointer)
            return
        self.blocks.append(Block("table", table=table, study_number=study_number, detail=detail))

    def figures(self, *figures: Figure | None, detail: bool = False) -> None:
        """Add figures side by side, apart from missing ones."""
        present = tuple(f for f in figures if f is not None)
        if present:
            self.blocks.append(Block("figures", figures=present, detail=detail))

    def definitions(self, pairs: Sequence[tuple[str, str]], *, title: str = "", detail: bool = False) -> None:
        """Add names with their values; those that are a detail have a title."""
        if pairs:
            self.blocks.append(Block("definitions", pairs=tuple(pairs), title=title, detail=detail))


@dataclass(frozen=True, slots=True)
class FirstScreen:
    """The first screen: the answer in a sentence, its forest plot, the models' main metrics, and the caveats that matter most."""

    lead: str
    forest: Figure | None
    table: Table | None
    caveats: tuple[str, ...]
    table_number: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """A whole report, with rounded and numbered tables and figures: what every format of it is written from."""

    title: str
    command: str
    question: str
    first: FirstScreen
    sections: tuple[Section, ...]

    @property
    def tables(self) -> list[tuple[str, Table]]:
        """(number, table) of every table, in the order of the page."""
        first = [(self.first.table_number, self.first.table)] if self.first.table else []
        return [*first, *((b.number, b.table) for s in self.sections for b in s.blocks if b.table is not None)]

    @property
    def figures(self) -> list[Figure]:
        """Every figure, in the order of the page."""
        forest = [self.first.forest] if self.first.forest else []
        return [*forest, *(f for s in self.sections for b in s.blocks for f in b.figures)]
