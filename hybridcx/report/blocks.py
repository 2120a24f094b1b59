"""What a page is made of: sections of tables, figures, lists and paragraphs, and the numbers they carry."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from markupsafe import Markup

from hybridcx.report.numbers import Table

if TYPE_CHECKING:
    from hybridcx.report.casebook_view import CasebookPage

_ROMAN = ((10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"))
FIRST_LEARNING_FIGURE = 2
FIRST_FREE_STUDY_TABLE = 4
FOLD_ROWS = 24


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing with its caption; `svg` is our own markup, everything else is text."""

    key: str
    svg: Markup
    caption: str
    number: str = ""
    source: str = ""

    @property
    def alt(self) -> str:
        """The drawing in words: its title and description, as a screen reader says them."""
        said = (re.search(rf"<{tag} [^>]*>([^<]*)</{tag}>", self.svg) for tag in ("title", "desc"))
        return ". ".join(html.unescape(m.group(1)) for m in said if m and m.group(1))


@dataclass(frozen=True, slots=True)
class PicturePair:
    """Two pictures side by side, as data URIs, and what they are."""

    first: str
    second: str
    caption: str


def data_uri(path: Path) -> str:
    """A picture's file (JPEG or PNG) as it stands inside the page."""
    kind = "jpeg" if path.suffix == ".jpg" else "png"
    return f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"


@dataclass(frozen=True, slots=True)
class Block:
    """One element of a section; which field is filled follows from `kind`."""

    kind: Literal["text", "list", "heading", "table", "figures", "definitions", "casebook", "pairs"]
    text: str = ""
    items: tuple[str, ...] = ()
    table: Table | None = None
    number: str = ""
    figures: tuple[Figure, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    casebook: CasebookPage | None = None
    pictures: tuple[PicturePair, ...] = ()
    folded: bool = False  # a long table behind a line that opens it; in print it is open


@dataclass(slots=True)
class Section:
    """A section with its anchor and title; without blocks it is left out, and out of the contents list."""

    key: str
    title: str
    blocks: list[Block] = field(default_factory=list)
    group: str = ""

    def text(self, *paragraphs: str) -> None:
        self.blocks += [Block("text", text=p) for p in paragraphs if p]

    def heading(self, text: str) -> None:
        self.blocks.append(Block("heading", text=text))

    def items(self, items: Sequence[str]) -> None:
        if items:
            self.blocks.append(Block("list", items=tuple(items)))

    def table(self, made: Table | None, number: str, *, whole: bool = False) -> None:
        """Add a table; one of more than `FOLD_ROWS` rows is folded, so that the page is read in minutes, unless `whole`."""
        if made is not None and made.rows:
            folded = not whole and len(made.rows) > FOLD_ROWS
            self.blocks.append(Block("table", table=made, number=number, folded=folded))

    def figures(self, *figures: Figure) -> None:
        if figures:
            self.blocks.append(Block("figures", figures=figures))

    def definitions(self, pairs: Sequence[tuple[str, str]]) -> None:
        if pairs:
            self.blocks.append(Block("definitions", pairs=tuple(pairs)))


def our_own(markup: str) -> Markup:
    """Mark as safe what this package itself has written: drawings (names in them are escaped) and the style sheet."""
    return Markup(markup)


def roman(n: int) -> str:
    """4 is IV; the study numbers its tables so."""
    text = ""
    for value, letters in _ROMAN:
        while n >= value:
            text, n = text + letters, n - value
    return text


@dataclass(slots=True)
class Numbers:
    """Numbers of tables and figures. A run's report keeps the study's: Tables I to III, learning curves from Figure 2 on."""

    study: bool
    tables: int = 0
    figures: int = 0

    def __post_init__(self) -> None:
        if self.study:
            self.tables = FIRST_FREE_STUDY_TABLE - 1

    def table(self, fixed: int | None = None) -> str:
        if self.study and fixed is not None:
            return f"Table {roman(fixed)}"
        self.tables += 1
        return f"Table {roman(self.tables) if self.study else self.tables}"

    def figure(self) -> str:
        self.figures += 1
        return f"Figure {self.figures}"

    def learning(self) -> str:
        """The number of a network's learning curves: in a run's report they begin at Figure 2."""
        if self.study:
            self.figures = max(self.figures, FIRST_LEARNING_FIGURE - 1)
        return self.figure()
