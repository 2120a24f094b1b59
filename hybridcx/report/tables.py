"""Tables of a report: rows of text, whose numbers are rounded already, with footnotes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from hybridcx.report.numbers import count


def marker(index: int) -> str:
    """The marker of the footnote with this index: a, b … z, aa, ab …"""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(ord("a") + rest) + letters
    return letters


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: its text, a smaller second line, and the markers of its footnotes; `number` aligns it to the right, `strong` sets it in bold."""

    text: str
    sub: str = ""
    notes: tuple[str, ...] = ()
    number: bool = True
    header: bool = False
    strong: bool = False


Cells = Sequence[Cell | str]
"""A row of a table; a string is a cell of text."""


@dataclass(slots=True)
class Notes:
    """The footnotes of one table; equal texts share a marker."""

    texts: list[str] = field(default_factory=list)

    def mark(self, *texts: object) -> tuple[str, ...]:
        """Add these texts, apart from empty and missing ones, and return their markers."""
        marks = []
        for text in texts:
            if not isinstance(text, str) or not text:
                continue
            if text not in self.texts:
                self.texts.append(text)
            marks.append(marker(self.texts.index(text)))
        return tuple(dict.fromkeys(marks))

    def items(self) -> list[tuple[str, str]]:
        """(marker, text) of each footnote."""
        return [(marker(i), text) for i, text in enumerate(self.texts)]


@dataclass(frozen=True, slots=True)
class Table:
    """A finished table. The first cell of a row is its heading; `numeric` marks columns of numbers; `source` is the file with all `total` rows."""

    key: str
    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numeric: tuple[bool, ...]
    notes: tuple[tuple[str, str], ...] = ()
    remark: str = ""
    source: str = ""
    total: int = 0


def table(
    key: str,
    caption: str,
    head: Sequence[str],
    rows: Sequence[Cells],
    *,
    notes: Notes | None = None,
    remark: str = "",
    source: str = "",
    cap: int | None = None,
    total: int | None = None,
) -> Table:
    """A table from its rows: a string is a cell of text, the first cell of a row is its heading.

    With more than `cap` rows the table ends there, and its remark says so; `total` is the number of rows where the caller made only the first of
    them. Raises ValueError where a row has another number of cells than `head`.
    """
    total = len(rows) if total is None else total
    if cap is not None and total > cap:
        rows = rows[:cap]
        rest = f"The first {cap} of {count(total)} rows" + (f"; all are in {source}." if source else ".")
        remark = f"{remark} {rest}".lstrip()
    body = []
    for row in rows:
        cells = [c if isinstance(c, Cell) else Cell(c, number=False) for c in row]
        if len(cells) != len(head):
            raise ValueError(f"table {key}: {len(cells)} cells in a row, {len(head)} columns")
        cells[0] = replace(cells[0], number=False, header=True)
        body.append(tuple(cells))
    numeric = tuple(bool(body) and all(row[i].number for row in body) for i in range(len(head)))
    return Table(
        key, caption, tuple(head), tuple(body), numeric, tuple((notes or Notes()).items()), remark, source, total
    )
