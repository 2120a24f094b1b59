"""The page put together: its first screen, and the sections in their order with numbered tables and figures."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from hybridcx.report.blocks import Block, Figure, Page
from hybridcx.report.content import Content
from hybridcx.report.first_screen import first_screen
from hybridcx.report.order import PAGE

FIRST_FREE_STUDY_TABLE = 4
_ROMAN = ((10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"))


def assemble(content: Content, only: Collection[str] | None = None) -> Page:
    """The first screen and every section with blocks (or those of `only`), numbered in the order of the page: the source of all formats.

    In a section the details follow the other blocks.
    """
    numbering = Numbering(study=content.study_numbers)
    first = first_screen(content)
    if first.forest is not None:
        first = replace(first, forest=numbering.figure(first.forest))
    if first.table is not None:
        first = replace(first, table_number=numbering.table(0))
    sections = []
    for entry in PAGE:
        if only is not None and entry.key not in only:
            continue
        section = entry.section(content)
        if section.blocks:
            blocks = [numbering.numbered(b) for b in sorted(section.blocks, key=lambda b: b.detail)]
            sections.append(replace(section, blocks=blocks, key=entry.key, title=entry.title, group=entry.group))
    return Page(content.title, content.command, content.question, first, tuple(sections))


def roman(n: int) -> str:
    """4 is IV. The study numbers its tables in this way."""
    text = ""
    for value, letters in _ROMAN:
        while n >= value:
            text, n = text + letters, n - value
    return text


@dataclass(slots=True)
class Numbering:
    """Gives tables and figures their numbers, 1, 2, 3 in the order of the page.

    With `study`, under the study's preset, tables have Roman numbers. Tables with a `study_number` have that (Tables I to III), the others follow
    from IV on. A figure has at least its `study_number` (the learning curves begin with Figure 2).
    """

    study: bool
    tables: int = 0
    figures: int = 0

    def __post_init__(self) -> None:
        if self.study:
            self.tables = FIRST_FREE_STUDY_TABLE - 1

    def numbered(self, block: Block) -> Block:
        """The block with the numbers of its table or figures."""
        if block.table is not None:
            return replace(block, number=self.table(block.study_number))
        if block.figures:
            return replace(block, figures=tuple(map(self.figure, block.figures)))
        return block

    def table(self, study_number: int) -> str:
        """The number of the next table."""
        if self.study and study_number:
            return f"Table {roman(study_number)}"
        self.tables += 1
        return f"Table {roman(self.tables) if self.study else self.tables}"

    def figure(self, figure: Figure) -> Figure:
        """The figure with its number."""
        at_least = figure.study_number if self.study else 0
        self.figures = max(self.figures + 1, at_least)
        return replace(figure, number=f"Figure {self.figures}")
