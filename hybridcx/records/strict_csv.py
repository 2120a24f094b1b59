"""The strict reader of CSV files: values stay text, and all faults of the file are reported at once.

A file is UTF-8 (with or without a byte-order mark), separated by commas, quoted as in RFC 4180. Blank lines are skipped.
Nothing is guessed: a semicolon, a short row or another encoding is an error, never repaired.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv

from hybridcx.errors import InputError, Problem
from hybridcx.records.cells import check_names, listed, nearest, squash

FAST_BYTES = 4_000_000
"""Files of at least this size, and without quotes and blank lines, are parsed by Arrow; the outcome is the same."""

_CHUNK_ROWS = 100_000
_CHUNK_BYTES = 1 << 22
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_BOMS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_CONTROLS = bytes(set(range(32)) - {9, 10, 13}) + b"\x7f"


@dataclass(frozen=True, slots=True)
class Table:
    """A table with the text of the file.

    `frame`: one column of text per column of the file, in its order. `rows`: the line of the file on which each record begins,
    as an editor counts (the header is line 1). `file`: the name for messages. `warnings`: accepted irregularities.
    `unread`: how many rows could not be read; infinite where reading stopped before the end.
    """

    frame: pd.DataFrame
    rows: np.ndarray
    path: Path
    file: str
    warnings: tuple[Problem, ...] = ()
    unread: float = 0


def read_csv(path: str | Path, required: Sequence[str], optional: Sequence[str] = ()) -> Table:
    """Read a CSV file as text, or refuse it with every problem of its form.

    Parameters: `required` columns must be there; `optional` ones are known names, so that a misspelt one is noticed (another
    case or separator is an error, something close a warning). Further columns are kept.

    Raises InputError: no such file, empty, a header alone, not UTF-8, another separator, NUL bytes or control characters,
    a row with too few or too many fields, an unclosed quote, a header twice, a required column that is absent.
    """
    table, problems = scan_csv(path, required, optional)
    if table is None or any(p.severity == "error" for p in problems):
        raise InputError(p for p in problems if p.severity == "error")
    return Table(table.frame, table.rows, table.path, table.file, tuple(problems))


def scan_csv(
    path: str | Path, required: Sequence[str], optional: Sequence[str] = ()
) -> tuple[Table | None, list[Problem]]:
    """Read a CSV file as `read_csv` does, but return the problems instead of raising, so that callers can add theirs.

    The table lacks the rows of which the number of fields is wrong; it is None where the file could not be read as a table.
    """
    path = Path(path)
    file = path.name
    problems = _bytes_problems(path, file)
    if problems:
        return None, problems
    try:
        header, start_line, fast = _header(path)
    except csv.Error as e:
        return None, [Problem(f"the header cannot be read: {e}", file, 1)]
    problems = _header_problems(header, file, start_line, required, optional)
    if any(p.severity == "error" for p in problems) and (len(header) == 1 or len(set(header)) < len(header)):
        return None, problems
    if fast:
        frame, rows, unread, more = _parse_fast(path, header, file)
    else:
        frame, rows, unread, more = _parse(path, header, file)
    problems += more
    if not len(frame) and not more:
        problems.append(Problem("a header and no rows", file, remedy="add the data"))
    if not set(required) <= set(header):
        return None, problems
    return Table(frame, rows, path, file, unread=unread), problems


def _bytes_problems(path: Path, file: str) -> list[Problem]:
    """Return the problems of the file as a whole, before it is read as a table."""
    try:
        size = path.stat().st_size
        if path.is_dir():
            return [Problem("a folder, not a file", file, remedy="name the CSV file in it")]
        with path.open("rb") as fh:
            head = fh.read(4096)
    except FileNotFoundError:
        return [Problem("there is no such file", str(path), remedy="check the path")]
    except OSError as e:
        return [Problem(f"the file cannot be read: {e.strerror or e}", str(path))]
    if not size or not head.removeprefix(codecs.BOM_UTF8).strip():
        return [Problem("an empty file", file, remedy="check how it was written")]
    if head.startswith(b"PAR1"):
        return [Problem("a Parquet file, not CSV", file, remedy="let its name end in .parquet")]
    if head.startswith(b"PK\x03\x04"):
        return [Problem("a spreadsheet or zip file, not CSV", file, remedy="save it as CSV UTF-8")]
    for bom, name in _BOMS:
        if head.startswith(bom):
            return [_encoding(file, name)]
    if len(head) >= 4 and (head[1::2].count(0) > len(head) // 4 or head[0::2].count(0) > len(head) // 4):
        return [_encoding(file, "UTF-16 without a byte-order mark")]
    return _scan_bytes(path, file)


def _encoding(file: str, name: str, row: int | None = None) -> Problem:
    return Problem(f"encoded as {name}, not UTF-8", file, row, remedy="save it as UTF-8")


def _scan_bytes(path: Path, file: str) -> list[Problem]:
    """Walk through the file once: UTF-8, NUL bytes, control characters. Returns at most one problem of each kind."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    problems: dict[str, Problem] = {}
    line = 1
    with path.open("rb") as fh:
        while chunk := fh.read(_CHUNK_BYTES):
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as e:
                at = line + e.object[: e.start].count(b"\n")
                rest = e.object[e.start :]
                name = "Windows-1252 (or Latin-1)" if any(0x80 <= b < 0xA0 for b in rest) else "Latin-1 (ISO 8859-1)"
                problems["encoding"] = Problem(
                    f"not UTF-8, probably {name}", file, at, value=f"byte 0x{rest[0]:02x}", remedy="save it as UTF-8"
                )
                break
            # translate() is the fastest test whether a large block contains any of a set of bytes.
            if len(chunk.translate(None, _CONTROLS)) != len(chunk):
                hit = next(re.finditer(b"[" + re.escape(_CONTROLS) + b"]", chunk))
                what = "a NUL byte" if hit[0] == b"\0" else "a control character (terminal escape or the like)"
                at = line + chunk.count(b"\n", 0, hit.start())
                value = f"byte 0x{hit[0][0]:02x}"
                problems.setdefault(what, Problem(what, file, at, value=value, remedy="remove it"))
            line += chunk.count(b"\n")
        else:
            try:
                decoder.decode(b"", final=True)
            except UnicodeDecodeError:
                problems["encoding"] = Problem(
                    "not UTF-8: the file ends within a character", file, remedy="check whether it is whole"
                )
    return list(problems.values())


def _header(path: Path) -> tuple[list[str], int, bool]:
    """Return the header's fields, the line it stands on, and whether the fast parser may be used."""
    with path.open(encoding="utf-8-sig", newline="") as fh:
        reader = csv.reader(fh, strict=True)
        line = 1
        header: list[str] = []
        for record in reader:
            if record:
                header = record
                break
            line = reader.line_num + 1
    fast = line == 1 and path.stat().st_size >= FAST_BYTES and _is_plain(path)
    return header, line, fast


def _is_plain(path: Path) -> bool:
    """Return whether record i of the file is line i + 1: no quotes, no blank lines but at the end, line ends of one kind."""
    tail = b""
    end = False
    with path.open("rb") as fh:
        while chunk := fh.read(_CHUNK_BYTES):
            block = tail + chunk
            if end and chunk.strip(b"\r\n"):
                return False
            if b'"' in chunk or block.count(b"\r") != block.count(b"\r\n") + block.endswith(b"\r"):
                return False
            body = block.rstrip(b"\r\n")
            if b"\n\n" in body or b"\n\r\n" in body:
                return False
            gap = block[len(body) :]
            end = gap.count(b"\n") > 1
            tail = gap[-2:]
    return True


def _header_problems(
    header: list[str], file: str, line: int, required: Sequence[str], optional: Sequence[str]
) -> list[Problem]:
    joined = ",".join(header)
    missing = [c for c in required if c not in header]
    for mark, name in _SEPARATORS.items():
        if missing and mark in joined:
            fields = [f.strip().strip('"') for f in joined.split(mark)]
            if len(header) == 1 or any(c in fields for c in missing):
                remedy = "save it with commas (in R write.csv, not write.csv2; in a spreadsheet: CSV, comma separated)"
                return [Problem(f"separated by {name}, not by commas", file, line, value=joined, remedy=remedy)]
    out = check_names(header, file, line)
    for i, name in enumerate(header):
        if not name.strip():
            out.append(Problem(f"column {i + 1} has no name", file, line, remedy="name it, or remove the column"))
        elif header.index(name) != i:
            both = f"it is column {header.index(name) + 1} and column {i + 1}"
            out.append(Problem(f"a repeated column name: {both}", file, line, name, remedy="rename or remove one"))
    out += name_problems(header, file, line, required, optional)
    return out


def name_problems(
    header: Sequence[str], file: str | None, line: int | None, required: Sequence[str], optional: Sequence[str]
) -> list[Problem]:
    """Return the problems of column names against the known ones: absent, or written otherwise (bad_input.md 7)."""
    out = []
    known = [*required, *optional]
    free = [h for h in header if h not in known]
    for column in required:
        if column not in header:
            guess = nearest(column, free)
            remedy = f"did you mean the column {guess!r}?" if guess else f"the columns are {', '.join(header)}"
            out.append(Problem("a required column is absent", file, line, column, remedy=remedy))
    for column in optional:
        same = [h for h in free if squash(h) == squash(column)]
        if column not in header and same:
            rule = f"this column would not be recognised as {column!r}"
            out.append(Problem(rule, file, line, same[0], remedy=f"rename it to {column!r}"))
    return out


def _records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, fields) of every record that is not a blank line, the header first."""
    with path.open(encoding="utf-8-sig", newline="") as fh:
        reader = csv.reader(fh, strict=True)
        line = 1
        for record in reader:
            if record:
                yield line, record
            line = reader.line_num + 1


def _parse(path: Path, header: list[str], file: str) -> tuple[pd.DataFrame, np.ndarray, float, list[Problem]]:
    """Parse by the csv module, in blocks that are packed as Arrow text, so that large quoted files stay within memory."""
    width = len(header)
    blocks: list[list[pa.Array]] = [[] for _ in header]
    lines: list[np.ndarray] = []
    ragged: list[tuple[int, int]] = []
    problems: list[Problem] = []
    block: list[list[str]] = []
    block_lines: list[int] = []

    def flush() -> None:
        for column, cells in zip(blocks, zip(*block, strict=True), strict=True):
            column.append(pa.array(cells, pa.large_string()))
        lines.append(np.array(block_lines, dtype=np.int64))
        block.clear()
        block_lines.clear()

    records = _records(path)
    next(records)
    line = 1
    try:
        for line, record in records:
            if len(record) != width:
                ragged.append((line, len(record)))
                continue
            block.append(record)
            block_lines.append(line)
            if len(block) == _CHUNK_ROWS:
                flush()
    except csv.Error as e:
        why = "a quote that is never closed" if "end of data" in str(e) else f"a record that cannot be read ({e})"
        problems.append(
            Problem(why, file, line + 1, remedy="look for a stray quotation mark on this line or just below")
        )
    stopped = bool(problems)
    if block:
        flush()
    problems += _ragged(ragged, width, file)
    frame = _frame(header, [pa.chunked_array(c, pa.large_string()) for c in blocks])
    unread = inf if stopped else len(ragged)
    return frame, np.concatenate(lines) if lines else np.empty(0, np.int64), unread, problems


def _parse_fast(path: Path, header: list[str], file: str) -> tuple[pd.DataFrame, np.ndarray, float, list[Problem]]:
    ragged: list[tuple[int, int]] = []

    def skip(row: pacsv.InvalidRow) -> str:
        # Arrow counts the header as row 1 when it reads the names itself; here the names are given and the header skipped.
        ragged.append((0 if row.number is None else row.number, row.actual_columns))
        return "skip"

    table = pacsv.read_csv(
        path,
        read_options=pacsv.ReadOptions(use_threads=False, skip_rows=1, column_names=header, block_size=_CHUNK_BYTES),
        parse_options=pacsv.ParseOptions(quote_char=False, ignore_empty_lines=True, invalid_row_handler=skip),
        convert_options=pacsv.ConvertOptions(
            check_utf8=False,
            column_types=dict.fromkeys(header, pa.large_string()),
            strings_can_be_null=False,
            quoted_strings_can_be_null=False,
        ),
    )
    lines = np.arange(2, len(table) + len(ragged) + 2)
    if ragged:
        lines = np.delete(lines, [r - 2 for r, _ in ragged])
    return _frame(header, list(table.columns)), lines, len(ragged), _ragged(ragged, len(header), file)


def _ragged(ragged: list[tuple[int, int]], width: int, file: str) -> list[Problem]:
    few = [(r, n) for r, n in ragged if n < width]
    many = [(r, n) for r, n in ragged if n > width]
    out = []
    for kind, lines in (("few", few), ("many", many)):
        remedy = (
            "quote a value that holds a comma"
            if kind == "many"
            else "write a field, if only an empty one, for each column"
        )
        rule = f"too {kind} fields: the header has {width}"
        out += listed(rule, [r for r, _ in lines], [f"{n} fields" for _, n in lines], file=file, remedy=remedy)
    return out


def _frame(header: list[str], columns: list[pa.ChunkedArray]) -> pd.DataFrame:
    frame: pd.DataFrame = pa.table(columns, names=header).to_pandas()
    return frame.astype("str")
