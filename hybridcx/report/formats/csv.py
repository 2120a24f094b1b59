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

from hybridcx.vocabulary.columns import SHARED, Column, Kind
from hybridcx.vocabulary.tables import BESIDE_CONTRACT, COLUMNS, DICTIONARY, TABLES_OF_COMMAND

_MODEL_COLUMN = Column("what this model called the case", "a label of the input, or NA")
_CHUNK_ROWS = 50_000


def write_tables(
    folder: Path,
    tables: Mapping[str, pd.DataFrame],
    *,
    command: str = "compare",
    extra_descriptions: Mapping[tuple[str, str], tuple[str, str]] | None = None,
) -> list[str]:
    """Write every table of `command`, further tables, and `data_dictionary.csv`; return the names of the files.

    Parameters
    ----------
    folder : an existing folder. Files are not written atomically: it is the staging folder of the caller.
    tables : name (a file's name without `.csv`) -> rows. A table of the command that is missing here is written with its header only.
    command : "run", "compare", "agreement", "audit" or "plan": decides which tables every report has.
    extra_descriptions : (table, column) -> (description, values), for columns that the vocabulary does not have, and for CSVs that others
        write into the folder. The additional columns of `disagreements` are models and need none.

    Raises
    ------
    ValueError
        for an unknown command; a table without one of its columns; a repeated column; an additional column without a description. Then nothing
        has been written.
    """
    if command not in TABLES_OF_COMMAND:
        raise ValueError(f"unknown command {command!r}; known are {', '.join(TABLES_OF_COMMAND)}")
    extra = dict(extra_descriptions or {})
    names = [*TABLES_OF_COMMAND[command], *(t for t in tables if t not in TABLES_OF_COMMAND[command])]
    frames = {t: _ordered(t, tables[t]) if t in tables else pd.DataFrame(columns=list(COLUMNS[t])) for t in names}
    frames["data_dictionary"] = data_dictionary(frames, extra)
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
    tables: Mapping[str, pd.DataFrame], extra_descriptions: Mapping[tuple[str, str], tuple[str, str]] | None = None
) -> pd.DataFrame:
    """One row (file, column, description, values) per column of every table, and of the dictionary itself.

    Raises ValueError with all additional columns that have no description.
    """
    extra = dict(extra_descriptions or {})
    rows: list[tuple[str, str, str, str]] = []
    unknown: list[str] = []
    described: Mapping[str, Iterable[str]] = {t: f.columns for t, f in tables.items() if t != "data_dictionary"}
    for table, columns in {**described, "data_dictionary": COLUMNS["data_dictionary"]}.items():
        for column in map(str, columns):
            known = DICTIONARY.get(table, {}).get(column) or BESIDE_CONTRACT.get(table, {}).get(column)
            if known is None and table != "disagreements":
                known = SHARED.get(column)  # such as the seed of a curve
            if (table, column) in extra:
                rows.append((f"{table}.csv", column, *extra.pop((table, column))))
            elif known is not None:
                rows.append((f"{table}.csv", column, known.description, known.values))
            elif table == "disagreements":
                rows.append((f"{table}.csv", column, _MODEL_COLUMN.description, _MODEL_COLUMN.values))
            else:
                unknown.append(f"{table}.csv: {column}")
    if unknown:
        raise ValueError("columns without a description (extra_descriptions): " + "; ".join(unknown))
    # the rest describes files that others write; columns of our tables that were not written are omitted
    rows += [(f"{t}.csv", c, *text) for (t, c), text in extra.items() if t not in tables]
    return pd.DataFrame(rows, columns=list(COLUMNS["data_dictionary"]), dtype=object)


def _ordered(name: str, table: pd.DataFrame) -> pd.DataFrame:
    """The columns of the vocabulary in their order, and additional ones after them."""
    columns = [str(c) for c in table.columns]
    twice = sorted({c for c in columns if columns.count(c) > 1})
    if twice:
        raise ValueError(f"{name}.csv: repeated columns: {', '.join(twice)}")
    known = COLUMNS.get(name, ())
    if not columns and not len(table):
        return pd.DataFrame(columns=list(known))
    missing = [c for c in known if c not in columns]
    if missing:
        raise ValueError(f"{name}.csv: missing columns: {', '.join(missing)}")
    return table[[*known, *(c for c in table.columns if c not in known)]]


def _kinds(name: str, table: pd.DataFrame) -> dict[str, Kind]:
    known = {} if name == "disagreements" else {c: column.kind for c, column in SHARED.items()}
    known |= {c: column.kind for own in (BESIDE_CONTRACT, DICTIONARY) for c, column in own.get(name, {}).items()}
    return {c: kind for c, kind in known.items() if c in table.columns}


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
