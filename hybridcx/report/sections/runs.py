"""The section "Runs compared": what differs in the configuration of the folders that a comparison was made of."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from hybridcx.report import numbers as tables
from hybridcx.report.blocks import Numbers, Section
from hybridcx.report.numbers import Cell

MAX_CHARACTERS = 60


def section(found: Mapping[str, pd.DataFrame], numbers: Numbers) -> Section:
    """A table of keys by runs; nothing where no folders were compared."""
    made = Section("runs", "Runs compared")
    runs = found.get("runs", pd.DataFrame())
    if runs.empty:
        return made
    names = list(dict.fromkeys(runs["run"]))
    wide = runs.set_index(["key", "run"])["value"]
    rows = [
        [Cell(key), *(Cell(_short(wide.get((key, name))), number=False) for name in names)]
        for key in dict.fromkeys(runs["key"])
    ]
    caption = f"What differs in the configuration of the {len(names)} runs; what is not named is the same."
    made.table(tables.table("runs", caption, ["Key", *names], rows, source="runs.csv", cap=60), numbers.table())
    return made


def _short(value: object) -> str:
    if value is None or value != value:
        return tables.NA
    text = str(value)
    return text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 1] + "…"
