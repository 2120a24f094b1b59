"""Parquet files and DataFrames as the same table of text that `strict_csv` reads, so that one set of checks serves all three."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from hybridcx.errors import Problem
from hybridcx.records.cells import check_names
from hybridcx.records.strict_csv import Table, name_problems

_PIECE_ROWS = 1 << 18
ROWS = " (rows counted from 1)"
"""Suffix of the name of a table without lines: its rows are not line numbers of a file."""


def scan_parquet(
    path: Path, required: Sequence[str], optional: Sequence[str] = (), numeric: Sequence[str] = ()
) -> tuple[Table | None, list[Problem]]:
    """Return a Parquet file as a table of text, and its problems; see `scan_frame`.

    It is read column by column in pieces, so that memory never holds a second copy of the file.
    """
    if not path.exists():
        return None, [Problem("there is no such file", str(path), remedy="check the path")]
    try:
        with pq.ParquetFile(path) as file:
            header = (
                file.schema_arrow.empty_table().to_pandas().columns.tolist()
            )  # without what pandas kept as an index
            return _scan(
                header,
                file.metadata.num_rows,
                lambda i: _column_as_text(file, header[i], header[i] in numeric),
                path.name,
                required,
                optional,
                path,
            )
    except (pa.ArrowException, OSError, ValueError) as e:
        why = str(e).splitlines()[0] if str(e) else type(e).__name__
        return None, [
            Problem("this is no Parquet file that can be read", path.name, value=why, remedy="write it again")
        ]


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
    header = [str(c) for c in frame.columns]
    return _scan(
        header,
        len(frame),
        lambda i: _as_text(frame.iloc[:, i], header[i] in numeric),
        name,
        required,
        optional,
        path or Path(name),
    )


def _scan(
    header: list[str],
    n_rows: int,
    column: Callable[[int], pd.Series],
    name: str,
    required: Sequence[str],
    optional: Sequence[str],
    path: Path,
) -> tuple[Table | None, list[Problem]]:
    """The table of text from the i-th columns as `column(i)` gives them, and the problems of names and size."""
    file = f"{name}{ROWS}"
    problems = check_names(header, file, None)
    twice = sorted({h for h in header if header.count(h) > 1})
    problems += [Problem("a repeated column name", file, value=h, remedy="rename or remove one") for h in twice]
    problems += name_problems(header, file, None, required, optional)
    if not n_rows:
        problems.append(Problem("a header and no rows", file, remedy="add the data"))
    if twice or not set(required) <= set(header):
        return None, problems
    text = pd.DataFrame({h: column(i) for i, h in enumerate(header)}, copy=False)
    return Table(text, np.arange(1, n_rows + 1), path, file), problems


def _column_as_text(file: pq.ParquetFile, name: str, numeric: bool) -> pd.Series:
    """One column of a Parquet file, as `_as_text` would give it; text, whole numbers and booleans without an object per cell."""
    kind = file.schema_arrow.field(name).type
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    plain = pa.types.is_string(inner) or pa.types.is_large_string(inner)
    if not pa.types.is_dictionary(kind) and not numeric:
        plain = plain or pa.types.is_integer(kind) or pa.types.is_boolean(kind)
    pieces = [batch.column(name) for batch in file.iter_batches(batch_size=_PIECE_ROWS, columns=[name])]
    if not plain:
        return _as_text(pa.chunked_array(pieces, kind).to_pandas(), numeric)
    for i, piece in enumerate(pieces):  # in place, so that only one piece at a time is in memory twice
        text = piece.dictionary_decode() if pa.types.is_dictionary(kind) else piece
        pieces[i] = text.cast(pa.large_string()).fill_null("")
    whole = pa.chunked_array(pieces, pa.large_string()).combine_chunks()
    return pa.table([whole], names=[name]).to_pandas()[name].astype("str")


def _as_text(column: pd.Series, numeric: bool) -> pd.Series:
    column = column.reset_index(drop=True)
    if numeric and pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype):
        return pd.Series(column.to_numpy(dtype=np.float64, na_value=np.nan, copy=True))
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
