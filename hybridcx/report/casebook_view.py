"""The casebook as the templates read it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class CasebookView:
    """The folder with the casebook's images (None leaves them out), the side of the prepared images in pixels, and the positive label."""

    folder: Path | None
    size_px: int
    positive: str


@dataclass(frozen=True, slots=True)
class MapView:
    """One map over the image of a case: its title, its picture as a data URI, a description, and whether its cells are tiles."""

    title: str
    uri: str
    alt: str
    tiles: bool


@dataclass(frozen=True, slots=True)
class CaseView:
    """One case. `scores`: each compared model with its score, call and result;
    `filters`: the classes (k1, k2, ...) of the filters that it passes; `boxes`: (left, top, width, height) in percent of the side."""

    number: int
    case_id: str
    truth: str
    filters: str
    why: str
    facts: tuple[tuple[str, str], ...]
    image: str
    boxes: tuple[tuple[float, float, float, float], ...]
    maps: tuple[MapView, ...]
    scores: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class CasebookPage:
    """The filters as (label, number of cases), and the cases."""

    filters: tuple[tuple[str, int], ...]
    cases: tuple[CaseView, ...]
