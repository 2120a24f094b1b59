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
    from hybridcx.report.figures.svg import Drawing

FOLD_ROWS = 24
"""A longer table is folded, so that the page can be read in minutes."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing with its caption; `source` is the file with its values.

    `study_number`: in the report of a run the figure has at least this number.
    """

    key: str
    drawing: Drawing
    caption: str
    source: str = ""
    study_number: int = 0
    number: str = ""

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

    `study_number`: in the report of a run the table has this number. `folded`: the table is hidden behind a line that opens it (not on paper).
    """

    kind: Literal["text", "list", "table", "figures", "definitions", "casebook", "pairs"]
    text: str = ""
    items: tuple[str, ...] = ()
    table: Table | None = None
    study_number: int = 0
    number: str = ""
    figures: tuple[Figure, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    casebook: CasebookPage | None = None
    pictures: tuple[PicturePair, ...] = ()
    folded: bool = False


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

    def items(self, items: Sequence[str]) -> None:
        """Add a list."""
        if items:
            self.blocks.append(Block("list", items=tuple(items)))

    def table(self, table: Table | None, *, study_number: int = 0, fold: bool = True) -> None:
        """Add a table, if there is one with rows; with `fold` it is folded where it has more than `FOLD_ROWS` rows."""
        if table is not None and table.rows:
            folded = fold and len(table.rows) > FOLD_ROWS
            self.blocks.append(Block("table", table=table, study_number=study_number, folded=folded))

    def figures(self, *figures: Figure | None) -> None:
        """Add figures side by side, apart from missing ones."""
        present = tuple(f for f in figures if f is not None)
        if present:
            self.blocks.append(Block("figures", figures=present))

    def definitions(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Add names with their values."""
        if pairs:
            self.blocks.append(Block("definitions", pairs=tuple(pairs)))


@dataclass(frozen=True, slots=True)
class FirstScreen:
    """The first screen: what the test set could show at all (`before`), the answer, its forest plot, caveats and warnings.

    `lead` is the first sentence of the answer, `answers` are the others, each as (subject, rest of the sentence).
    """

    before: tuple[str, ...]
    lead: str
    answers: tuple[tuple[str, str], ...]
    forest: Figure | None
    caveats: tuple[str, ...]
    warnings: tuple[str, ...]


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
        return [(b.number, b.table) for s in self.sections for b in s.blocks if b.table is not None]

    @property
    def figures(self) -> list[Figure]:
        """Every figure, in the order of the page."""
        forest = [self.first.forest] if self.first.forest else []
        return [*forest, *(f for s in self.sections for b in s.blocks for f in b.figures)]
