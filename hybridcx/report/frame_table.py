"""Tables of the page whose rows and columns are those of a table of the command."""

from __future__ import annotations

from numbers import Real

import pandas as pd

from hybridcx.report import numbers
from hybridcx.report.tables import Cell, Table, table

DECIMALS = 3


def frame_table(key: str, caption: str, frame: pd.DataFrame, source: str = "") -> Table:
    """The table with whole numbers as counts and other numbers with three decimals; an index with labels is its first column."""
    frame = with_index(frame)
    rows = [[_cell(v) for v in record.values()] for record in frame.to_dict("records")]
    head = [str(c)[:1].upper() + str(c)[1:] for c in frame.columns]
    return table(key, caption, head, rows, source=source)


def _cell(value: object) -> Cell | str:
    if isinstance(value, Real) and not isinstance(value, bool):
        x = float(value)
        return Cell(numbers.count(x) if x == x and x == round(x) else numbers.fixed(x, DECIMALS))
    return numbers.NA if pd.isna(value) else str(value)  # type: ignore[call-overload]


def with_index(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with its index as the first column ("label" where it has no name), unless the index only counts rows."""
    if isinstance(frame.index, pd.RangeIndex):
        return frame
    return frame.rename_axis(str(frame.index.name or "label")).reset_index()
