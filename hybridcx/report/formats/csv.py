"""The CSVs of a report: UTF-8, one line feed per row, full precision, `NA` for missing values.

The kind of a column decides how its cells are written: a number as the shortest text that reads back as the same double (Python's `repr`; `Inf`
and `-Inf` as in R, and never `-0.0`), a count without a decimal point, a boolean as `TRUE` or `FALSE` (as in R, and pandas reads them too), text
unchanged, in quotes where RFC 4180 requires them. The text "NA" is quoted, so that readers that respect quotes can distinguish it from a missing
value (R does not; the loaders warn about it). Empty text is written as `NA`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite, isnan
from pathlib import Path

import numpy as np
import pandas as pd

from hybridcx.vocabulary.columns import SHARED, Column, Kind, Table
from hybridcx.vocabulary.comparison import CALL
from hybridcx.vocabulary.tables import TABLES, tables_of

_CHUNK_ROWS = 50_000


def write_tables(
    folder: Path,
    tables: Mapping[str, pd.DataFrame],
    *,
    command: str = "compare",
    further_columns: Mapping[tuple[str, str], Column] | None = None,
) -> list[str]:
    """Write every table of `command`, further tables, and `data_dictionary.csv`; return the names of the files.

    Parameters
    ----------
    folder : an existing folder (the caller's staging folder: files are written plainly, not atomically).
    tables : table name (a file's name without `.csv`) -> rows. A table of the command that is absent here is written with its header alone.
    command : "run", "compare", "agreement", "audit" or "plan".
    further_columns : (table, or a file that is no CSV, column) -> meaning, for columns that the vocabulary does not know (columns of the input), and
        for files that the caller writes into the folder: their columns go into the dictionary too. `disagreements` has a column for each model,
        which needs none.

    Raises
    ------
    ValueError
        an unknown command; a table that lacks a column of its header; a repeated column; a column without a meaning. Nothing has been written then.
    """
    always = tables_of(command)
    names = [*always, *(t for t in tables if t not in always)]
    frames = {
        t: _ordered(t, tables[t]) if t in tables else pd.DataFrame(columns=list(TABLES[t].columns)) for t in names
    }
    frames["data_dictionary"] = data_dictionary(frames, further_columns)
    for name, frame in frames.items():
        write_table(folder / f"{name}.csv", frame, _kinds(name, frame))
    return [f"{name}.csv" for name in frames]


def write_table(path: Path, table: pd.DataFrame, kinds: Mapping[str, Kind] | None = None) -> None:
    """Write one table. The kind of a column decides how its cells are written; without one its type does."""
    columns = [str(c) for c in table.columns]
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(",".join(_quoted(c) for c in columns) + "\n")
        for start in range(0, len(table), _CHUNK_ROWS):
            part = table.iloc[start : start + _CHUNK_ROWS]
            cells = [_cells(part.iloc[:, i], (kinds or {}).get(c)) for i, c in enumerate(columns)]
            file.writelines(",".join(row) + "\n" for row in zip(*cells, strict=True))


def data_dictionary(
    tables: Mapping[str, pd.DataFrame], further_columns: Mapping[tuple[str, str], Column] | None = None
) -> pd.DataFrame:
    """One row (file, column, description, values) per column of every table, and of the dictionary itself.

    Raises ValueError, naming them all, for columns without a meaning.
    """
    further = dict(further_columns or {})
    rows: list[tuple[str, str, str, str]] = []
    unknown: list[str] = []
    header = TABLES["data_dictionary"].columns
    listed: Mapping[str, Iterable[str]] = {t: f.columns for t, f in tables.items() if t != "data_dictionary"}
    for table, columns in {**listed, "data_dictionary": header}.items():
        for column in map(str, columns):
            meaning = further.pop((table, column), None) or _meaning(table, column)
            if meaning is None:
                unknown.append(f"{table}.csv: {column}")
            else:
                rows.append((f"{table}.csv", column, meaning.description, meaning.values))
    if unknown:
        raise ValueError("columns without a description (further_columns): " + "; ".join(unknown))
    # The rest describes files that the caller writes; a column of ours that was not written is left out.
    rows += [
        (t if "." in t else f"{t}.csv", c, column.description, column.values)
        for (t, c), column in further.items()
        if t not in tables
    ]
    return pd.DataFrame(rows, columns=list(header), dtype=object)


def _meaning(table: str, column: str) -> Column | None:
    known = TABLES[table].column(column) if table in TABLES else None
    if known is not None:
        return known
    # In `disagreements` further columns are models, whatever their names.
    return CALL if table == "disagreements" else SHARED.get(column)


def _ordered(name: str, table: pd.DataFrame) -> pd.DataFrame:
    """The columns of the header first, in their order, further ones after them."""
    columns = [str(c) for c in table.columns]
    repeated = sorted({c for c in columns if columns.count(c) > 1})
    if repeated:
        raise ValueError(f"{name}.csv: repeated columns: {', '.join(repeated)}")
    header = TABLES[name].columns if name in TABLES else {}
    if not columns and not len(table):  # a frame without columns stands for an empty table
        return pd.DataFrame(columns=list(header))
    missing = [c for c in header if c not in columns]
    if missing:
        raise ValueError(f"{name}.csv: missing columns: {', '.join(missing)}")
    return table[[*header, *(c for c in table.columns if c not in header)]]


def _kinds(name: str, table: pd.DataFrame) -> dict[str, Kind]:
    shared = {} if name == "disagreements" else SHARED
    own = TABLES.get(name, Table(name, {}))
    known = {**shared, **{c: m for c, m in {**own.further, **own.columns}.items() if m.kind is not None}}
    return {c: m.kind for c, m in known.items() if c in table.columns and m.kind is not None}


def _cells(column: pd.Series, kind: Kind | None) -> list[str]:
    """The cells of one column as text."""
    dtype = column.dtype
    if isinstance(dtype, np.dtype) and dtype.kind == "f" and kind in (None, "number", "integer"):
        return _float_cells(column.to_numpy(dtype=float), whole=kind == "integer")
    if isinstance(dtype, np.dtype) and dtype.kind in "iu" and kind != "boolean":
        return [str(v) for v in column.tolist()]
    if isinstance(dtype, pd.CategoricalDtype):
        column = column.astype(object)
    known: dict[object, str] = {}  # columns of text have few values; (type, value) distinguishes 1, 1.0 and True
    cells = []
    for value in column.tolist():
        key = value if type(value) is str else (type(value), value)
        text = known.get(key)
        if text is None:
            text = known[key] = _cell(value, kind)
        cells.append(text)
    return cells


def _float_cells(values: np.ndarray, *, whole: bool) -> list[str]:
    if whole or np.isinf(values).any():
        return ["NA" if v != v else _number(v, whole=whole) for v in values.tolist()]
    return ["NA" if v != v else repr(v) for v in (values + 0.0).tolist()]  # as in `_number`, without a call per cell


def _number(v: float, *, whole: bool) -> str:
    if not isfinite(v):
        return "NA" if isnan(v) else ("Inf" if v > 0 else "-Inf")
    if whole and v == int(v):
        return str(int(v))
    return repr(v + 0.0)  # -0.0 + 0.0 is 0.0: zero has no sign


def _cell(value: object, kind: Kind | None) -> str:
    if value is None or value is pd.NA or value is pd.NaT:
        return "NA"
    if isinstance(value, (bool, np.bool_)):
        return "TRUE" if value else "FALSE"
    if isinstance(value, (int, np.integer)):
        return ("TRUE" if value else "FALSE") if kind == "boolean" else str(int(value))
    if isinstance(value, (float, np.floating)):
        if kind == "boolean" and value in (0.0, 1.0):
            return "TRUE" if value else "FALSE"
        # a column of text such as `seed` becomes float where cells are missing: 7.0 is the seed 7
        return _number(float(value), whole=kind in ("integer", "text", "boolean"))
    text = str(value)
    return "NA" if text == "" else _quoted(text)


def _quoted(text: str) -> str:
    if text == "NA" or any(c in text for c in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text
