"""What a file is, by its mode and its first bytes: so that a pipe never hangs a command, and a workbook is not called wrongly encoded text."""

from __future__ import annotations

import stat
from pathlib import Path

from hybridcx.errors import Problem

EXPORT = "export the table as CSV or Parquet"
READ = frozenset({"Parquet", "gzip", "Feather", "Stata", "SPSS", "SPSS (zsav)", "zip"})
"""The containers that `containers.scan_file` reads; a zip file where it is an Excel workbook."""

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"PAR1", "Parquet"),
    (b"\x1f\x8b", "gzip"),
    (b"ARROW1", "Feather"),
    (b"FEA1", "Feather (version 1)"),
    (b"<stata_dta>", "Stata"),
    (b"$FL2", "SPSS"),
    (b"$FL3", "SPSS (zsav)"),
    (b"PK\x03\x04", "zip"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls)"),
    (b"RDX", "an R data file"),
    (b"RDA", "an R data file"),
    (b"X\n\x00\x00\x00", "an R object (.rds)"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x89HDF", "an HDF5 file (or a MATLAB 7.3 file)"),
    (b"MATLAB 5.0", "a MATLAB file"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xc2\xea\x81\x60", "a SAS file (.sas7bdat)"),
    (b"HEADER RECORD*******LIBRARY", "a SAS transport file (.xpt)"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ", "an xz file"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"%PDF", "a PDF"),
    (b"\x80\x04\x95", "a pickle (which could run any code)"),
    (b"\x80\x05\x95", "a pickle (which could run any code)"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"ORC", "an ORC file"),
    (b"Obj\x01", "an Avro file"),
)  # fmt: skip
_TEXTUAL = (
    (b"<!doctype html", "an HTML page"),
    (b"<html", "an HTML page"),
    (b"{", "JSON"),
    (b"[{", "JSON"),
    (b"<?xml", "XML"),
)


def not_a_file(path: Path) -> Problem | None:
    """The problem of a path that is no regular file; reading a pipe or a device could wait for ever."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return Problem("there is no such file", str(path), remedy="check the path")
    except OSError as e:
        return Problem(f"the file cannot be read: {e.strerror or e}", str(path))
    if stat.S_ISDIR(mode):
        return Problem("a folder, not a file", str(path), remedy="name the file in it")
    if stat.S_ISREG(mode):
        return None
    kind = "a named pipe" if stat.S_ISFIFO(mode) else "a socket" if stat.S_ISSOCK(mode) else "a device"
    return Problem(f"{kind}, not a file", str(path), remedy="give a file, or pipe the table to `-`")


def container_of(head: bytes) -> str | None:
    """The container that begins with these bytes; None for text and for what is not known.

    >>> container_of(b"PAR1"), container_of(b"case_id,y_true")
    ('Parquet', None)
    """
    if head[:1] in (b"i", b"l", b"n", b"o", b"q", b"r", b"s") and head[1:4] in (b"\x01\x01\x00", b"\x02\x01\x00"):
        return "Stata"  # up to version 12: release, byte order, file type
    known = next((name for magic, name in _MAGIC if head.startswith(magic)), None)
    begins = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return known or next((name for text, name in _TEXTUAL if begins.startswith(text)), None)
