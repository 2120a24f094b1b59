"""Parquet files and DataFrames as the same table of text that `strict_csv` reads, so that one set of checks serves all three."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hybridcx.errors import Problem
from hybridcx.records.cells import check_names
from hybridcx.records.strict_csv import MAX_COLUMNS, Table, name_problems

MAX_CELL = 100_000
"""Bytes of the longest text of a cell; the csv module has a similar limit."""

_PIECE_ROWS = 1 << 18
_INDEX = re.compile(r"__index_level_[0-9]+__")  # pandas' name of an index without a name, which holds row names
ROWS = " (rows counted from 1)"
"""Suffix of the name of a table without lines: its rows are not line numbers of a file."""


def scan_parquet(
    path: Path,
    required: Sequence[str],
    optional: Sequence[str] = (),
    numeric: Sequence[str] = (),
    *,
    name: str | None = None,
) -> tuple[Table | None, list[Problem]]:
    """Return a Parquet file as a table of text, and its problems; see `scan_frame`.

    It is read column by column in pieces, so that memory never holds a second copy of the file. What pandas noted about its own types is not
    used: an index with a name is a column like any other, one without a name holds row names.
    """
    name = name or path.name
    if not path.exists():
        return None, [Problem("there is no such file", str(path), remedy="check the path")]
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            header = [c for c in names if not _INDEX.fullmatch(c)]
            if problem := damaged_notes(file.schema_arrow, name) or long_text(path, file, name):
                return None, [problem]
            return _scan(
                header,
                file.metadata.num_rows,
                lambda i: _column_as_text(file, header[i], header[i] in numeric),
                name,
                required,
                optional,
                path,
            )
    except (pa.ArrowException, OSError, ValueError) as e:
        why = str(e).splitlines()[0][:120] if str(e) else type(e).__name__
        return None, [Problem("this is no Parquet file that can be read", name, value=why, remedy="write it again")]


def scan_arrow(
    table: pa.Table,
    name: str,
    required: Sequence[str],
    optional: Sequence[str] = (),
    numeric: Sequence[str] = (),
    *,
    path: Path,
) -> tuple[Table | None, list[Problem]]:
    """Return an Arrow table as a table of text, and its problems; see `scan_parquet`."""
    header = [c for c in table.column_names if not _INDEX.fullmatch(c)]
    if len(set(table.column_names)) < len(table.column_names):
        return scan_frame(table.to_pandas(ignore_metadata=True), name, required, optional, numeric, path)
    return _scan(
        header,
        table.num_rows,
        lambda i: _arrow_as_text(table[header[i]].chunks, table.schema.field(header[i]).type, header[i] in numeric),
        name,
        required,
        optional,
        path,
    )


def damaged_notes(schema: pa.Schema, name: str) -> Problem | None:
    """The problem of pandas' notes in the schema, where pandas itself could not read them."""
    try:
        schema.empty_table().to_pandas()
    except Exception as e:  # pandas raises what its code happens to meet: KeyError, TypeError, RecursionError ...
        rule = f"pandas' notes in this Parquet file are damaged ({type(e).__name__})"
        return Problem(rule, name, remedy="write it again, or without them")
    return None


def long_text(path: Path, file: pq.ParquetFile, name: str) -> Problem | None:
    """The problem of a text too long for a name, found in the dictionaries of the parts: few bytes can repeat it on every row."""
    texts = text_columns(file.schema_arrow)
    if not texts:
        return None
    for column in texts:
        if (mean := mean_bytes(file, column)) > MAX_CELL:
            rule = f"texts of about {mean:,.0f} bytes; at most {MAX_CELL:,} are read"
            return Problem(rule, name, column=column, remedy="leave out this column")
    with pq.ParquetFile(path, read_dictionary=texts) as coded:
        for part in range(coded.num_row_groups):
            first = next(coded.iter_batches(batch_size=1, row_groups=[part], columns=texts), None)
            for column, values in zip(texts, first.columns if first is not None else (), strict=False):
                words = values.dictionary if pa.types.is_dictionary(values.type) else values
                longest = pc.max(pc.binary_length(words)).as_py() or 0
                if longest > MAX_CELL:
                    rule = f"a text of {longest:,} bytes; at most {MAX_CELL:,} are read"
                    return Problem(rule, name, column=column, remedy="leave out this column")
    return None


def text_columns(schema: pa.Schema) -> list[str]:
    """The columns of text or bytes, plain or with a dictionary."""
    return [f.name for f in schema if _is_text(_value_type(f.type))]


def mean_bytes(file: pq.ParquetFile, column: str) -> float:
    """The largest mean of unpacked bytes per value that the footer states for a part of a column; nothing is decoded."""
    meta = file.metadata
    parts = [meta.row_group(i) for i in range(meta.num_row_groups)]
    at = next((i for i in range(meta.num_columns) if meta.schema.column(i).path == column), None)
    if at is None:
        return 0.0
    return max((p.column(at).total_uncompressed_size / max(1, p.column(at).num_values) for p in parts), default=0.0)


def _value_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_text(kind: pa.DataType) -> bool:
    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    return any(test(kind) for test in tests)


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
    if len(header) > MAX_COLUMNS:
        rule = f"{len(header):,} columns, of which at most {MAX_COLUMNS:,} are read"
        return None, [Problem(rule, name, remedy="give the columns that are needed")]
    problems = check_names(header, file, None)
    twice = sorted(h for h, count in Counter(header).items() if count > 1)
    problems += [Problem("a repeated column name", file, value=h, remedy="rename or remove one") for h in twice]
    problems += name_problems(header, file, None, required, optional)
    if not n_rows:
        problems.append(Problem("a header and no rows", file, remedy="add the data"))
    if twice or not set(required) <= set(header):
        return None, problems
    text = pd.DataFrame({h: column(i) for i, h in enumerate(header)}, copy=False)
    return Table(text, np.arange(1, n_rows + 1), path, file), problems


def _column_as_text(file: pq.ParquetFile, name: str, numeric: bool) -> pd.Series:
    """One column of a Parquet file, as `_as_text` would give it."""
    kind = file.schema_arrow.field(name).type
    pieces = [batch.column(name) for batch in file.iter_batches(batch_size=_PIECE_ROWS, columns=[name])]
    return _arrow_as_text(pieces, kind, numeric)


def _arrow_as_text(pieces: list[pa.Array], kind: pa.DataType, numeric: bool) -> pd.Series:
    """The pieces of a column as `_as_text` would give them; text, bytes of text, whole numbers and booleans without an object per cell.

    Raises ArrowInvalid for bytes that are no UTF-8 text.
    """
    inner = _value_type(kind)
    if numeric and pa.types.is_floating(kind):
        return pd.Series(pa.chunked_array(pieces, kind).cast(pa.float64()).to_numpy())  # nulls are NaN
    plain = _is_text(inner)
    if not pa.types.is_dictionary(kind) and not numeric:
        plain = plain or pa.types.is_integer(kind) or pa.types.is_boolean(kind)
    if not plain:
        return _as_text(pa.chunked_array(pieces, kind).to_pandas(), numeric)
    for i, piece in enumerate(pieces):  # in place, so that only one piece at a time is in memory twice
        text = piece.dictionary_decode() if pa.types.is_dictionary(kind) else piece
        pieces[i] = text.cast(pa.large_string()).fill_null("")
    whole = pa.chunked_array(pieces, pa.large_string()).combine_chunks()
    return pa.table([whole], names=["column"]).to_pandas()["column"].astype("str")


def text_of(column: pd.Series) -> pd.Series:
    """The values as text; see `scan_frame`."""
    return _as_text(column, False)


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
