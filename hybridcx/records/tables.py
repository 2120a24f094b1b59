"""Parquet files and DataFrames as the same table of text that `strict_csv` reads, so that one set of checks serves all three."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from hybridcx.errors import Problem
from hybridcx.records.cells import check_names
from hybridcx.records.strict_csv import Table, name_problems

ROWS = " (rows counted from 1)"
"""Ends the name of a table that has no lines: what is given as a row is then no line of an editor."""


def scan_parquet(
    path: Path, required: Sequence[str], optional: Sequence[str] = (), numeric: Sequence[str] = ()
) -> tuple[Table | None, list[Problem]]:
    """Return a Parquet file as a table of text, and its problems; see `scan_frame`."""
    if not path.exists():
        return None, [Problem("there is no such file", str(path), remedy="check the path")]
    try:
        frame = pq.read_table(path).to_pandas()
    except (pa.ArrowException, OSError, ValueError) as e:
        why = str(e).splitlines()[0] if str(e) else type(e).__name__
        return None, [
            Problem("this is no Parquet file that can be read", path.name, value=why, remedy="write it again")
        ]
    return scan_frame(frame, path.name, required, optional, numeric, path=path)


def scan_frame(
    frame: pd.DataFrame,
    name: str,
    required: Sequence[str],
    optional: Sequence[str] = (),
    numeric: Sequence[str] = (),
    path: Path | None = None,
) -> tuple[Table | None, list[Problem]]:
    """Return a DataFrame as a table of text, and its problems.

    Whole numbers lose their decimal point (a column of integers with a gap is floating in pandas), booleans become `true` and
    `false`, missing values become empty. Floating columns keep full precision. The columns `numeric` stay float64 where they are numbers.
    """
    file = f"{name}{ROWS}"
    header = [str(c) for c in frame.columns]
    problems = check_names(header, file, None)
    twice = sorted({h for h in header if header.count(h) > 1})
    problems += [
        Problem("a column name that stands twice", file, value=h, remedy="rename or remove one") for h in twice
    ]
    problems += name_problems(header, file, None, required, optional)
    if not len(frame):
        problems.append(Problem("a header and no rows", file, remedy="add the data"))
    if twice or not set(required) <= set(header):
        return None, problems
    text = pd.DataFrame({h: _as_text(frame.iloc[:, i], h in numeric) for i, h in enumerate(header)})
    return Table(text, np.arange(1, len(frame) + 1), path or Path(name), file), problems


def _as_text(column: pd.Series, numeric: bool) -> pd.Series:
    column = column.reset_index(drop=True)
    if numeric and pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype):
        return pd.Series(column.to_numpy(dtype=np.float64, na_value=np.nan))
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype if not column.isna().any() else "object")
    missing = column.isna().to_numpy(dtype=bool)
    if pd.api.types.is_bool_dtype(column.dtype):
        out = column.astype("object").map({True: "true", False: "false"})
    elif pd.api.types.is_float_dtype(column.dtype):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        if np.all(values[~missing] == np.floor(values[~missing])) and np.all(np.abs(values[~missing]) < 2**53):
            out = pd.Series(np.where(missing, 0, values).astype(np.int64)).astype("str")
        else:
            # repr() of a float is the shortest text that reads back as the same float; float32 is widened first.
            out = pd.Series([repr(v) for v in values.tolist()])
    else:
        out = column.astype("object").map(str)
    out = out.astype("object")
    out[missing] = ""
    return out.astype("str")
