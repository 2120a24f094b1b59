"""Check before reading whether a file of predictions fits into memory; its number of rows comes from its size (CSV) or footer (Parquet)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hybridcx.errors import InputError, Problem
from hybridcx.records.tables import MAX_CELL, mean_bytes, text_columns
from hybridcx.store.machine import Memory, gb, memory_there

LIBRARIES = 250_000_000
"""The process before it reads anything."""
ROW = 350
"""Bytes of a prediction at the peak of a comparison, without its text (measured: docs/limits.md)."""
CELL = 12
"""Bytes of a cell without its characters."""
TEXT = 1.5
"""Copies of a file's text in memory: the text read, and part of it during the checks."""
_UNPACKED_LIMIT, _PACKED_LIMIT = 1 << 31, 5000
"""A file may need this many bytes of memory, or this many times its size; measured on 800,000 simulated predictions:
37 (snappy) to 450 times the size (scores of one decimal, zstd level 19)."""
_BUFFER = 1 << 16
_SAMPLE_BYTES, _SAMPLE_ROWS = 1 << 20, 4096


@dataclass(frozen=True, slots=True)
class Size:
    """Rows, columns and bytes of text of a table; estimated from its beginning where the file does not state them."""

    rows: int
    columns: int
    text: int

    @property
    def memory(self) -> int:
        """Bytes that comparing these predictions takes at the peak."""
        return LIBRARIES + int(self.rows * (ROW + CELL * self.columns) + TEXT * self.text)


def size_of(path: Path) -> Size | None:
    """The size of a predictions file; None where it cannot be read as one: its reader then reports the reason."""
    try:
        with path.open("rb") as file:
            parquet = file.read(4) == b"PAR1"
        return _of_parquet(path) if parquet else _of_csv(path)
    except (OSError, ValueError, pa.ArrowException):
        return None


def _of_csv(path: Path) -> Size | None:
    n_bytes = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(_SAMPLE_BYTES)
    lines = start.count(b"\n")
    if lines < 2:
        return None
    header = start.index(b"\n") + 1
    whole = start.rindex(b"\n") + 1
    rows = round((n_bytes - header) * (lines - 1) / (whole - header))
    return Size(rows, start[:header].count(b",") + 1, n_bytes)


def _of_parquet(path: Path) -> Size:
    """Texts too long by the footer are not sampled: their reader refuses them. Texts of a dictionary are not repeated."""
    with pq.ParquetFile(path) as file:
        rows, columns = file.metadata.num_rows, file.metadata.num_columns
        texts = [c for c in text_columns(file.schema_arrow) if mean_bytes(file, c) <= MAX_CELL]
    with pq.ParquetFile(path, read_dictionary=texts, buffer_size=_BUFFER) as coded:
        first = next(coded.iter_batches(batch_size=_SAMPLE_ROWS, columns=texts), None) if texts else None
        text = 0.0
        for column in first.columns if first is not None else ():
            lengths = pc.binary_length(column.dictionary if pa.types.is_dictionary(column.type) else column)
            if (pc.max(lengths).as_py() or 0) > MAX_CELL:
                continue  # its reader refuses it
            if pa.types.is_dictionary(column.type):
                lengths = lengths.take(column.indices)
            text += 8 + (pc.sum(lengths).as_py() or 0) / len(column)
    return Size(rows, columns, int(rows * text))


def check_memory(path: Path, memory: Memory | None = None, *, name: str | None = None) -> None:
    """Raise InputError, with the size that fits, for predictions that would need more memory than the machine has (bad_input.md 50)."""
    if (size := size_of(path)) is not None:
        _check_ratio(size, path, name or path.name)
        check_size(size, name or path.name, memory)


def _check_ratio(size: Size, path: Path, name: str) -> None:
    """Raise InputError for a small file that unpacks to far more than predictions do: they take some bits per row."""
    n_bytes = path.stat().st_size
    if size.memory > max(_UNPACKED_LIMIT, _PACKED_LIMIT * n_bytes):
        rule = f"a file of {n_bytes:,} bytes with {size.rows:,} rows that would need about {gb(size.memory)} of memory; no predictions are so alike"
        raise InputError(
            Problem(rule, name, remedy="check how it was written, and leave out columns that are not needed")
        )


def check_size(size: Size, name: str, memory: Memory | None = None) -> None:
    """Raise InputError for a table of this size, as `check_memory` does for a file."""
    total = (memory or memory_there()).total
    if size.memory <= total:
        return
    fits = int(size.rows * max(0, total - LIBRARIES) / (size.memory - LIBRARIES))
    rule = f"about {size.rows:,} rows of {size.columns} columns need about {gb(size.memory)} of memory, and there are {gb(total)}"
    remedy = f"about {fits:,} such rows fit: give fewer models at a time, leave out columns that are not needed, or take a machine with more memory"
    raise InputError(Problem(rule, name, remedy=remedy))
