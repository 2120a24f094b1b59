"""What differs in the configuration of the runs that a comparison was made from."""

from __future__ import annotations

from hybridcx.report import numbers
from hybridcx.report.blocks import Section
from hybridcx.report.content import Content
from hybridcx.report.tables import Cells, table

CAP_ROWS = 60
MAX_CHARACTERS = 60


def section(content: Content) -> Section:
    """A table with keys in rows and runs in columns; empty unless folders of runs were compared."""
    section = Section()
    runs = content.table("runs")
    if runs.empty:
        return section
    names = list(dict.fromkeys(runs["run"]))
    values = runs.set_index(["key", "run"])["value"]
    keys = dict.fromkeys(runs["key"])
    rows: list[Cells] = [[key, *(_short(values.get((key, name))) for name in names)] for key in keys]
    caption = f"Differences in the configuration of the {len(names)} runs; all other keys are equal."
    section.table(table("runs", caption, ["Key", *names], rows, source="runs.csv", cap=CAP_ROWS))
    return section


def _short(value: object) -> str:
    if value is None or value != value:
        return numbers.NA
    text = str(value)
    return text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 1] + "…"
