"""The strict reader of CSV files: values stay text, and all faults of the file are reported at once.

A file is UTF-8 (with or without a byte-order mark), quoted as in RFC 4180. Blank lines are skipped. Semicolons, tabs or vertical bars instead of
commas, a line `sep=;` before the header, and a first column of row names without a name are accepted with a warning. Nothing else is guessed: a
short row or another encoding is an error, never repaired.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv

from hybridcx.errors import InputError, Problem
from hybridcx.records.cells import check_names, listed, nearest, squash
from hybridcx.records.file_kinds import EXPORT, container_of, not_a_file

FAST_BYTES = 4_000_000
"""Files of at least this size, and without quotes and blank lines, are parsed by Arrow; the outcome is the same."""

_CHUNK_ROWS = 100_000
_CHUNK_BYTES = 1 << 22
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
MAX_COLUMNS = 2_500
"""A table of more columns is refused; it is a matrix of features or pixels, not predictions."""
_BOMS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_ROW_NAMES = re.compile(r"\s*|Unnamed: 0")  # the latter: such a file, read by pandas and written again
_CONTROLS = bytes(set(range(32)) - {9, 10, 13}) + b"\x7f"


@dataclass(frozen=True, slots=True)
class Table:
    """A table with the text of the file.

    `frame`: one column of text per column of the file, in its order. `rows`: the line of the file on which each record begins,
    as an editor counts (the header is line 1). `file`: the name for messages. `warnings`: accepted irregularities.
    `unread`: how many rows could not be read; infinite where reading stopped before the end. `row_names`: the column of row names, if any.
    """

    frame: pd.DataFrame
    rows: np.ndarray
    path: Path
    file: str
    warnings: tuple[Problem, ...] = ()
    unread: float = 0
    row_names: pd.Series | None = None


@dataclass(frozen=True, slots=True)
class _Form:
    """How a file is written: its separator, the line of its header, whether a line `sep=` stands above it, whether Arrow may parse it, and whether a
    space follows each separator."""

    separator: str
    line: int
    declared: bool
    fast: bool
    spaced: bool = False


def read_csv(path: str | Path, required: Sequence[str], optional: Sequence[str] = ()) -> Table:
    """Read a CSV file as text, or refuse it with every problem of its form.

    Parameters: `required` columns must be there; `optional` ones are known names, so that a misspelt one is noticed (another
    case or separator is an error, something close a warning). Further columns are kept.

    Raises InputError: no such file, empty, a header alone, not UTF-8, NUL bytes or control characters, a row with too few or too many fields, an
    unclosed quote, a header twice, a required column that is absent.
    """
    table, problems = scan_csv(path, required, optional)
    if table is None or any(p.severity == "error" for p in problems):
        raise InputError(p for p in problems if p.severity == "error")
    return replace(table, warnings=tuple(problems))


def scan_csv(
    path: str | Path, required: Sequence[str], optional: Sequence[str] = (), *, name: str | None = None
) -> tuple[Table | None, list[Problem]]:
    """Read a CSV file as `read_csv` does, but return the problems instead of raising, so that callers can add theirs.

    `name` stands for the file in messages. The table lacks the rows of which the number of fields is wrong; it is None where the file could
    not be read as a table.
    """
    path = Path(path)
    file = name or path.name
    problems = _bytes_problems(path, file)
    if problems:
        return None, problems
    try:
        header, form = _header(path)
    except csv.Error as e:
        with path.open(encoding="utf-8-sig", newline="") as fh:
            first = fh.readline(1000).strip()
        return None, [_by_spaces(first, file, 1) or Problem(f"the header cannot be read: {e}", file, 1)]
    if len(header) > MAX_COLUMNS:
        rule = f"{len(header):,} columns, of which at most {MAX_COLUMNS:,} are read"
        return None, [Problem(rule, file, form.line, remedy="give the columns that are needed")]
    problems = _header_problems(header, file, form, required, optional)
    if any(p.severity == "error" for p in problems) and (len(header) == 1 or len(set(header)) < len(header)):
        return None, problems
    parse = _parse_fast if form.fast else _parse
    try:
        frame, rows, unread, more = parse(path, header, file, form)
    except pa.ArrowInvalid as e:
        remedy = "look for a record of several megabytes, such as an image or a list in a cell"
        return None, [*problems, Problem(f"this CSV file cannot be parsed ({str(e)[:120]})", file, remedy=remedy)]
    problems += more
    if not len(frame) and not more:
        problems.append(Problem("a header and no rows", file, remedy="add the data"))
    if not set(required) <= set(header):
        return None, problems
    table = Table(frame, rows, path, file, unread=unread)
    return (_without_row_names(table, problems) if _ROW_NAMES.fullmatch(header[0]) else table), problems


def _without_row_names(table: Table, problems: list[Problem]) -> Table:
    """The table with its first column, which R's write.csv and pandas' to_csv write unless told not to, as `row_names`."""
    rule = "the first column, which has no name, holds row names and is not used"
    problems.append(Problem(rule, table.file, severity="warning"))
    return replace(table, frame=table.frame.iloc[:, 1:], row_names=table.frame.iloc[:, 0])


def _bytes_problems(path: Path, file: str) -> list[Problem]:
    """Return the problems of the file as a whole, before it is read as a table."""
    if problem := not_a_file(path):
        return [problem]
    try:
        size = path.stat().st_size
        with path.open("rb") as fh:
            head = fh.read(4096)
    except OSError as e:
        return [Problem(f"the file cannot be read: {e.strerror or e}", str(path))]
    if not size or not head.removeprefix(codecs.BOM_UTF8).strip():
        return [Problem("an empty file", file, remedy="check how it was written")]
    if container := container_of(head):
        kind = "an Excel workbook or a zip file" if container == "zip" else container
        return [Problem(f"{kind}, not CSV", file, remedy=EXPORT)]
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


def _header(path: Path) -> tuple[list[str], _Form]:
    """The header's fields, and how the file is written."""
    with path.open(encoding="utf-8-sig", newline="") as fh:
        first = fh.readline(_CHUNK_BYTES)
        declared = re.fullmatch(r"sep=(.)\r?\n?", first)
        if declared is None:
            fh.seek(0)
        separator, header, line = declared[1] if declared else ",", [], 1 + bool(declared)
        reader = csv.reader(fh, strict=True, delimiter=separator)
        for record in reader:
            if record:
                header = record
                break
            line = reader.line_num + 1 + bool(declared)
    if (declared is None and len(header) == 1) or (not declared and _semicolons_beside_commas(header)):
        text = ",".join(header)
        separator = max(_SEPARATORS, key=text.count) if any(text.count(mark) for mark in _SEPARATORS) else ","
        header = next(csv.reader([text], strict=True, delimiter=separator))
    spaced = len(header) > 1 and all(name.startswith(" ") for name in header[1:])
    if spaced:
        header = [name.strip() for name in header]
    fast = line == 1 and not spaced and path.stat().st_size >= FAST_BYTES and _is_plain(path)
    return header, _Form(separator, line, declared is not None, fast, spaced)


def _semicolons_beside_commas(header: list[str]) -> bool:
    """Whether the header rather is separated by semicolons or tabs, and a name has a comma: `case_id;label;a,b`."""
    return max(",".join(header).count(mark) for mark in ";\t") >= len(header)


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


def _by_spaces(header: str, file: str, line: int) -> Problem | None:
    """The problem of a header of which only spaces separate the names, as R's write.table writes it."""
    if not re.match(r'"?\w+"? +"?\w+', header):
        return None
    remedy = "write it with commas, in R by write.csv(x, row.names = FALSE)"
    return Problem("separated by spaces, not by commas", file, line, value=header, remedy=remedy)


def _header_problems(
    header: list[str], file: str, form: _Form, required: Sequence[str], optional: Sequence[str]
) -> list[Problem]:
    out = check_names(header, file, form.line)
    if form.separator != ",":
        separator = _SEPARATORS.get(form.separator, repr(form.separator))
        rule = f"read as separated by {separator}{' (as its line sep= states)' if form.declared else ''}, not by commas"
        out.append(Problem(rule, file, severity="warning"))
    if form.spaced:
        out.append(Problem("the spaces after the separators are not read", file, severity="warning"))
    if len(header) == 1 and (spaces := _by_spaces(header[0], file, form.line)):
        return [spaces]
    first: dict[str, int] = {}
    for i, name in enumerate(header):
        if i == 0 and len(header) > 1 and _ROW_NAMES.fullmatch(name):
            continue
        if not name.strip():
            rule = f"column {i + 1} has no name"
            out.append(Problem(rule, file, form.line, remedy="name it, or remove the column"))
        elif name in first:
            both = f"it is column {first[name] + 1} and column {i + 1}"
            rule = f"a repeated column name: {both}"
            out.append(Problem(rule, file, form.line, name, remedy="rename or remove one"))
        first.setdefault(name, i)
    out += name_problems(header, file, form.line, required, optional)
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


def _records(path: Path, form: _Form) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, fields) of every record that is not a blank line, the header first."""
    with path.open(encoding="utf-8-sig", newline="") as fh:
        above = int(form.declared)
        if above:
            fh.readline()
        reader = csv.reader(fh, strict=True, delimiter=form.separator, skipinitialspace=form.spaced)
        line = 1 + above
        for record in reader:
            if record:
                yield line, record
            line = reader.line_num + 1 + above


def _parse(
    path: Path, header: list[str], file: str, form: _Form
) -> tuple[pd.DataFrame, np.ndarray, float, list[Problem]]:
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

    records = _records(path, form)
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
    problems += _ragged(ragged, width, sum(map(len, lines)) + len(ragged), file)
    frame = _frame(header, [pa.chunked_array(c, pa.large_string()) for c in blocks])
    unread = inf if stopped else len(ragged)
    return frame, np.concatenate(lines) if lines else np.empty(0, np.int64), unread, problems


def _parse_fast(
    path: Path, header: list[str], file: str, form: _Form
) -> tuple[pd.DataFrame, np.ndarray, float, list[Problem]]:
    ragged: list[tuple[int, int]] = []

    def skip(row: pacsv.InvalidRow) -> str:
        # Arrow counts the header as row 1 when it reads the names itself; here the names are given and the header skipped.
        ragged.append((0 if row.number is None else row.number, row.actual_columns))
        return "skip"

    table = pacsv.read_csv(
        path,
        read_options=pacsv.ReadOptions(use_threads=False, skip_rows=1, column_names=header, block_size=_CHUNK_BYTES),
        parse_options=pacsv.ParseOptions(
            delimiter=form.separator, quote_char=False, ignore_empty_lines=True, invalid_row_handler=skip
        ),
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
    return (
        _frame(header, list(table.columns)),
        lines,
        len(ragged),
        _ragged(ragged, len(header), len(lines) + len(ragged), file),
    )


def _ragged(ragged: list[tuple[int, int]], width: int, n_rows: int, file: str) -> list[Problem]:
    if len(ragged) == n_rows and {n for _, n in ragged} == {width + 1}:
        rule = f"every row has one field more than the header, which has {width}: the first may be a row name"
        remedy = "write the table without row names, in R by write.csv(x, row.names = FALSE)"
        return [Problem(rule, file, ragged[0][0], remedy=remedy)]
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
