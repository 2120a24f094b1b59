"""The tables of a report as Parquet: the columns and values of the CSVs, typed, with missing values as nulls."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd

from hybridcx.report.formats.csv import as_written
from hybridcx.vocabulary.columns import Kind


def parquet(name: str, table: pd.DataFrame) -> bytes:
    """The table `name` (a CSV's name without its ending) as the bytes of a Parquet file; the same table gives the same bytes."""
    ordered, kinds = as_written(name, table)
    typed = pd.DataFrame({c: _typed(ordered[c], kinds.get(str(c))) for c in ordered.columns})
    buffer = io.BytesIO()
    typed.to_parquet(buffer, index=False)
    return buffer.getvalue()


def _typed(column: pd.Series, kind: Kind | None) -> pd.Series:
    """One column with one type: a number, a count, a logical or text, as its kind says or, without one, its values."""
    values = column.reset_index(drop=True)
    plain = values.dropna()
    if kind in ("number", "integer") or (kind is None and pd.api.types.is_numeric_dtype(values.dtype)):
        numbers = pd.to_numeric(values, errors="coerce").astype("Float64").to_numpy(dtype=float, na_value=np.nan)
        if kind == "integer" and np.all(np.isnan(numbers) | (numbers == np.round(numbers))):
            return pd.Series(pd.array([None if x != x else int(x) for x in numbers], dtype="Int64"))
        return pd.Series(numbers)
    if kind == "boolean" or (
        kind is None and len(plain) and plain.map(lambda x: isinstance(x, (bool, np.bool_))).all()
    ):
        return pd.Series(pd.array([None if pd.isna(x) else bool(x) for x in values], dtype="boolean"))
    return pd.Series([_text(x) for x in values], dtype="string")


def _text(x: object) -> str | None:
    """Text as the CSV has it; a whole number that its column has turned into a float is a whole number."""
    if x is None or x is pd.NA or x is pd.NaT or x == "" or (isinstance(x, float) and x != x):
        return None
    return str(int(x)) if isinstance(x, float) and x.is_integer() else str(x)
