"""The result of a command: its folder, page and tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd


@dataclass(frozen=True, slots=True)
class Report:
    """The report of a command: its folder, page and tables (`tables["metrics"]` is metrics.csv, and so on)."""

    folder: Path
    page: Path
    tables: Mapping[str, pd.DataFrame]


def default_out(name: str) -> Path:
    """`reports/<name>` below the working directory."""
    safe = "".join(c if c.isalnum() or c in "-_." else "_" for c in name).lstrip(".") or "report"
    return Path("reports") / safe
