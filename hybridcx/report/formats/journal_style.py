"""Journal styles: how p-values and intervals are printed, as data files (`styles/*.toml`) with their source and date.

A style is in force while a report is made (`styled`), and is read by `report.tables` alone, the one place that rounds. CSVs know no style.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from importlib import resources

from hybridcx.errors import InputError, Problem

STYLES = ("plain", "ama", "apa")
_P_IN_SENTENCE = re.compile(r"(?<!\w)([pP])(?=[ \u00a0][=<>])")
_P_OF_HEAD = re.compile(r"^([pP])(?=$|, )")


@dataclass(frozen=True, slots=True)
class PValues:
    """See the comments in `styles/plain.toml`."""

    symbol: str
    italic: bool
    leading_zero: bool
    decimals: int
    decimals_below: float
    decimals_small: int
    smallest: float
    one: bool


@dataclass(frozen=True, slots=True)
class Intervals:
    open: str
    close: str
    said_open: str
    said_close: str
    join: str


@dataclass(frozen=True, slots=True)
class Numbers:
    leading_zero: bool
    plus: bool


@dataclass(frozen=True, slots=True)
class JournalStyle:
    """One style; `not_checked` says what could not be held against the manual's own text."""

    name: str
    title: str
    source: str
    date: str
    not_checked: str
    p: PValues
    interval: Intervals
    numbers: Numbers


@cache
def read_style(name: str) -> JournalStyle:
    """The style of that name; InputError where there is none."""
    if name not in STYLES:
        raise InputError(Problem(f"--style is {', '.join(STYLES[:-1])} or {STYLES[-1]}", value=name))
    file = resources.files("hybridcx.report").joinpath(f"styles/{name}.toml")
    read = tomllib.loads(file.read_text(encoding="utf-8"))
    p, interval, numbers = PValues(**read.pop("p")), Intervals(**read.pop("interval")), Numbers(**read.pop("numbers"))
    return JournalStyle(name, **read, p=p, interval=interval, numbers=numbers)


_STYLE: ContextVar[str] = ContextVar("journal style", default="plain")


def current() -> JournalStyle:
    """The style in force: plain unless `styled` says otherwise."""
    return read_style(_STYLE.get())


@contextmanager
def styled(name: str) -> Iterator[JournalStyle]:
    """Print p-values and intervals in this style inside the block."""
    token = _STYLE.set(read_style(name).name)
    try:
        yield current()
    finally:
        _STYLE.reset(token)


def emphasised(text: str, *, head: bool = False) -> list[tuple[str, bool]]:
    """`text` in pieces, each with whether it is set in italics: the letter of a p-value, where the style asks for it."""
    if not current().p.italic:
        return [(text, False)]
    pieces = (_P_OF_HEAD if head else _P_IN_SENTENCE).split(text)
    return [(piece, i % 2 == 1) for i, piece in enumerate(pieces) if piece]
