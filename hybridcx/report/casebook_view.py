"""The casebook as the templates read it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hybridcx.report.numbers import Table


@dataclass(frozen=True, slots=True)
class CasebookView:
    """The picture files of a casebook (None: images are left out), the side of the prepared images in pixels, and the positive label."""

    folder: Path | None
    size_px: int
    positive: str


@dataclass(frozen=True, slots=True)
class MapView:
    """One map over the case's image: what it is called, its picture as data URI, what it shows in words, whether its cells are tiles."""

    title: str
    uri: str
    alt: str
    tiles: bool


@dataclass(frozen=True, slots=True)
class CaseView:
    """One case as the page shows it. `filters`: the classes k1, k2, ... of the filters that it passes; boxes in hundredths of the side."""

    number: int
    case_id: str
    truth: str
    filters: str
    why: str
    facts: tuple[tuple[str, str], ...]
    image: str
    boxes: tuple[tuple[float, float, float, float], ...]
    maps: tuple[MapView, ...]
    scores: Table
    others: str


@dataclass(frozen=True, slots=True)
class CasebookPage:
    """The filters (label, number of cases) and the cases."""

    filters: tuple[tuple[str, int], ...]
    cases: tuple[CaseView, ...]
    lists: tuple[tuple[str, tuple[tuple[str, tuple[tuple[str, int], ...], str], ...]], ...]
