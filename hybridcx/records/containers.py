"""The containers of a table: a text file, plain or gzipped; a workbook; Parquet, Feather, Stata, SPSS; a dataset folder; standard input.

`scan_file` brings each to the same table of text. The container is known by its first bytes and its name; one that is not read is
named as what it is, with the way to a file that is.
"""

from __future__ import annotations

import gzip
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.feather as feather

from hybridcx.errors import InputError, Problem
from hybridcx.records.file_kinds import EXPORT, READ, container_of, not_a_file
from hybridcx.records.memory import Size, check_memory, check_size
from hybridcx.records.strict_csv import MAX_COLUMNS, Table, scan_csv
from hybridcx.records.tables import scan_arrow, scan_frame, scan_parquet
from hybridcx.store.machine import gb, memory_there
from hybridcx.vocabulary import extras

STANDARD_INPUT = "-"
PARQUET = (".parquet", ".pq")
DATASET_PARTS = {".parquet": "parquet", ".pq": "parquet", ".feather": "feather", ".arrow": "feather"}
"""Endings of the files of a dataset folder, and their format."""
_CHUNK = 1 << 22
_ROWS_BETWEEN_CHECKS = 1000
_ZIPPED_LIMIT = 50
"""The contents of a workbook may be this many times larger than its file, beyond 200 MB; ordinary ones are about ten times."""


def scan_file(
    path: Path, required: Sequence[str] = (), optional: Sequence[str] = (), numeric: Sequence[str] = ()
) -> tuple[Table | None, list[Problem]]:
    """Return the table of a file, a dataset folder or standard input (`-`), and its problems; see `strict_csv.scan_csv`.

    `numeric`: columns of scores, which stay float64 where the container holds numbers.
    """
    if is_stream(path):
        with spooled(path) as (copy, name):
            return _scan(copy, name, required, optional, numeric)
    if path.is_dir():
        return _scan_dataset(path, required, optional, numeric)
    if problem := not_a_file(path):
        return None, [problem]
    return _scan(path, path.name, required, optional, numeric)


def _scan(
    path: Path, name: str, required: Sequence[str], optional: Sequence[str], numeric: Sequence[str]
) -> tuple[Table | None, list[Problem]]:
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError as e:
        return None, [Problem(f"the file cannot be read: {e.strerror or e}", name)]
    kind = "Parquet" if path.suffix.lower() in PARQUET else container_of(head)
    if kind == "gzip":
        with _unzipped(path, name) as copy:
            return _scan(copy, name, required, optional, numeric)
    check_memory(path, name=name)
    if kind is None:
        return scan_csv(path, required, optional, name=name)
    if kind == "Parquet":
        return scan_parquet(path, required, optional, numeric, name=name)
    readers: dict[str, Callable[[Path, str], pd.DataFrame | pa.Table]] = {
        "Feather": _feather,
        "Stata": _stata,
        "SPSS": _spss,
        "SPSS (zsav)": _spss,
        "zip": _workbook,
    }
    assert set(readers) | {"Parquet", "gzip"} == READ
    if kind not in readers:
        return None, [Problem(f"{kind}, which is not read", name, remedy=EXPORT)]
    try:
        table = readers[kind](path, name)
    except InputError as error:
        return None, list(error.problems)
    except Exception as e:  # the libraries raise many kinds of errors for a damaged file
        rule = f"this {kind if kind != 'zip' else 'workbook'} file cannot be read ({type(e).__name__}: {str(e)[:120]})"
        return None, [Problem(rule, name, remedy=f"write it again, or {EXPORT}")]
    if isinstance(table, pa.Table):
        return scan_arrow(table, name, required, optional, numeric, path=path)
    return scan_frame(table, name, required, optional, numeric, path=path)


def is_stream(path: Path) -> bool:
    """Whether the path is standard input or that of process substitution, `<(command)`: an open pipe of this process, which can be read once."""
    return str(path) == STANDARD_INPUT or str(path.parent) in ("/dev/fd", "/proc/self/fd") or str(path) == "/dev/stdin"


@contextmanager
def spooled(path: Path) -> Iterator[tuple[Path, str]]:
    """Standard input or an open pipe as a temporary file, and its name for messages."""
    name = "standard input" if str(path) in (STANDARD_INPUT, "/dev/stdin") else str(path)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "input"
        if name == "standard input":
            if sys.stdin is None or sys.stdin.closed:
                raise InputError(Problem("standard input is closed", remedy="pipe the table into the command"))
            _copy(sys.stdin.buffer, copy, name)
        else:
            with path.open("rb") as pipe:
                _copy(pipe, copy, name)
        yield copy, name


@contextmanager
def _unzipped(path: Path, name: str) -> Iterator[Path]:
    """The content of a gzip file as a temporary file, no larger than what fits into memory."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "input"
        try:
            with gzip.open(path) as source:
                _copy(source, copy, name)
        except (EOFError, OSError, zlib.error) as e:
            raise InputError(
                Problem(f"this gzip file cannot be unpacked ({e})", name, remedy="copy it again")
            ) from None
        yield copy


def _copy(source: IO[bytes] | gzip.GzipFile, target: Path, name: str) -> None:
    """Copy a stream whose size is not known; refused beyond the memory of the machine, because the table would not fit into it."""
    limit, size = memory_there().total // 2, 0
    with target.open("wb") as file:
        while chunk := source.read(_CHUNK):
            size += len(chunk)
            if size > limit:
                raise InputError(Problem(f"more than {gb(limit)} of text", name, remedy="give a smaller table"))
            file.write(chunk)


def _scan_dataset(
    path: Path, required: Sequence[str], optional: Sequence[str], numeric: Sequence[str]
) -> tuple[Table | None, list[Problem]]:
    """A folder of Parquet, Feather or CSV parts as one table; names of the form `key=value` of its subfolders are columns."""
    files = [p for p in path.rglob("*") if p.is_file() and not p.name.startswith(("_", "."))]
    kinds = {p.suffix.lower() for p in files}
    names = {DATASET_PARTS.get(k) for k in kinds}
    if len(names) != 1 or None in names:
        rule = "a folder that is neither a finished report nor a dataset of Parquet or Feather files"
        return None, [Problem(rule, str(path), remedy="name the file in it")]
    try:
        dataset = ds.dataset([str(p) for p in sorted(files)], format=names.pop(), partitioning=ds.partitioning(flavor="hive"),
                             partition_base_dir=str(path))  # fmt: skip
        table = dataset.to_table()
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as e:
        return None, [Problem(f"this dataset cannot be read ({str(e)[:120]})", str(path), remedy="write it again")]
    return scan_arrow(table, path.name, required, optional, numeric, path=path)


def _feather(path: Path, name: str) -> pa.Table:
    """Damaged offsets would crash later reading, so every buffer is validated first."""
    try:
        table = feather.read_table(path, memory_map=False)
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as e:
        rule = f"this Feather file is damaged ({str(e)[:120]})"
        raise InputError(Problem(rule, name, remedy=f"write it again, or {EXPORT}")) from None
    return table


def _stata(path: Path, name: str) -> pd.DataFrame:
    """Stata's value labels replace the codes; dates and missing values follow pandas."""
    return pd.read_stata(path)


def _spss(path: Path, name: str) -> pd.DataFrame:
    if extras.absent("spss"):
        remedy = f"{extras.remedy('spss')}, or export the table as CSV"
        raise InputError(Problem("an SPSS file, which needs the package pyreadstat", name, remedy=remedy))
    return pd.read_spss(path)


def _workbook(path: Path, name: str) -> pd.DataFrame:
    """The only sheet with content of an .xlsx workbook; numbers as Excel stores them, text as it is."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except zipfile.BadZipFile:
        raise InputError(Problem("a damaged workbook or zip file", name, remedy="save it again")) from None
    names = {m.filename for m in members}
    if "xl/workbook.xml" not in names:
        kind = "an OpenDocument file" if "mimetype" in names else "a NumPy archive (.npz)" if any(
            n.endswith(".npy") for n in names) else "a zip archive"  # fmt: skip
        raise InputError(Problem(f"{kind}, which is not read", name, remedy=EXPORT))
    size = sum(m.file_size for m in members)
    if size > max(200_000_000, _ZIPPED_LIMIT * path.stat().st_size) or size > 1_000_000_000:
        raise InputError(Problem(f"a workbook that unpacks to {gb(size)}", name, remedy=EXPORT))
    if extras.absent("excel"):
        remedy = f"{extras.remedy('excel')}, or save the sheet as CSV UTF-8"
        raise InputError(Problem("an Excel workbook, which needs the package openpyxl", name, remedy=remedy))
    import openpyxl

    book = openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
    try:
        sheets = {sheet.title: _filled_rows(sheet, name) for sheet in book.worksheets}
    finally:
        book.close()
    filled = {title: rows for title, rows in sheets.items() if len(rows) > 1}
    if len(filled) != 1:
        rule = f"a workbook with {len(filled)} sheets that hold a table: {', '.join(filled)}"
        raise InputError(Problem(rule, name, remedy="keep the sheet of the predictions alone, or save it as CSV UTF-8"))
    return _frame_of_sheet(next(iter(filled.values())), name)


def _filled_rows(sheet: Any, name: str) -> dict[int, dict[int, object]]:
    """The filled cells of a sheet by row and column (from 1): its declared size may be far beyond them."""
    sheet.reset_dimensions()
    rows: dict[int, dict[int, object]] = {}
    text = 0
    for at, row in enumerate(sheet.iter_rows(), 1):
        cells = {i: _cell(cell) for i, cell in enumerate(row, 1) if cell.value is not None and cell.data_type != "e"}
        cells = {i: value for i, value in cells.items() if not isinstance(value, str) or value.strip()}
        if not cells:
            continue
        rows[at] = cells
        text += sum(len(value) if isinstance(value, str) else 8 for value in cells.values())
        if len(rows) % _ROWS_BETWEEN_CHECKS == 0:
            check_size(Size(len(rows), len(cells), text), name)
    return rows


def _cell(cell: Any) -> object:
    """The value of a cell; whole numbers without a decimal point."""
    value = cell.value
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _frame_of_sheet(rows: dict[int, dict[int, object]], name: str) -> pd.DataFrame:
    """The table below the first filled row, which is its header. Empty rows are left out; refused are cells beside and below the table."""
    line, first = next(iter(rows.items()))
    width = max(first)
    if width > MAX_COLUMNS:
        rule = f"a header that reaches to cell {_address(line, width)}; at most {MAX_COLUMNS:,} columns are read"
        raise InputError(Problem(rule, name, remedy="give the columns that are needed"))
    stray = [(row, i) for row, cells in rows.items() for i in (min(cells), max(cells)) if i > width]
    if not stray and len(first) > 2:  # a single cell below empty rows
        stray = [(row, min(rows[row])) for row in rows if row > line and len(rows[row]) == 1 and row - 1 not in rows]
    if stray:
        top, bottom = min(r for r, _ in stray), max(r for r, _ in stray)
        left, right = min(i for _, i in stray), max(i for _, i in stray)
        begin, end = _address(top, left), _address(bottom, right)
        rule = f"cells outside the table, whose header is in row {line} and ends in cell {_address(line, width)}"
        remedy = "remove them; the header is the first row that is not empty, and each column needs a name"
        raise InputError(Problem(rule, name, value=begin if begin == end else f"{begin}:{end}", remedy=remedy))
    header = [str(first.get(i, f"Unnamed: {i - 1}")) for i in range(1, width + 1)]
    body = [[cells.get(i) for i in range(1, width + 1)] for row, cells in rows.items() if row != line]
    return pd.DataFrame(body, columns=header, dtype=object)


def _address(row: int, column: int) -> str:
    """The name of a cell as spreadsheets show it: `C7` for row 7, column 3."""
    from openpyxl.utils import get_column_letter

    return f"{get_column_letter(column)}{row}"
