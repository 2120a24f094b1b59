"""Errors of a disk that is full or no longer writable while a command works, with folder and free space in the message."""

from __future__ import annotations

import contextlib
import errno
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from hybridcx.errors import HybridcxError, StoppedError, printable_path

FULL, QUOTA, TOO_LARGE, READ_ONLY, DENIED = "full", "quota", "file too large", "read-only", "denied"
_KIND = {
    errno.ENOSPC: FULL,
    errno.EFBIG: TOO_LARGE,  # a limit of the system or of the process on one file
    errno.EROFS: READ_ONLY,
    errno.EACCES: DENIED,
    errno.EPERM: DENIED,
    **({errno.EDQUOT: QUOTA} if hasattr(errno, "EDQUOT") else {}),
}
# Libraries in Rust give the number of the system's error only in their text, NumPy not even there.
_RUST = re.compile(r"\(os error (\d+)\)")
_NUMPY = re.compile(r"\d+ requested and \d+ written")


def disk_fault(error: BaseException) -> str | None:
    """The kind of disk error of `error`, or of one that caused it; None for any other error.

    >>> disk_fault(OSError(errno.ENOSPC, "No space left on device"))
    'full'
    """
    seen: BaseException | None = error
    while seen is not None:
        number = seen.errno if isinstance(seen, OSError) else None
        if number is None and (match := _RUST.search(str(seen))):
            number = int(match[1])
        if number in _KIND:
            return _KIND[number]
        if isinstance(seen, OSError) and number is None and _NUMPY.search(str(seen)):
            return FULL
        seen = seen.__cause__ or seen.__context__
    return None


@contextlib.contextmanager
def disk_faults(folder: Path, what: str, taken: Path | None = None) -> Iterator[None]:
    """Raise StoppedError where writing `what` below `folder` fails because of the disk. `taken`: the folder of what is written so far.

    For an error that names a file elsewhere the message names that file's folder; an error of access counts only where its file is below `folder`.
    """
    try:
        yield
    except HybridcxError:
        raise
    except Exception as error:
        kind = disk_fault(error)
        name = getattr(error, "filename", None)
        where = Path(name).absolute().parent if isinstance(name, str) else folder
        inside = where.is_relative_to(folder.absolute()) or where == folder
        if kind is None or (kind == DENIED and not inside):
            raise
        written = bytes_below(taken) if taken is not None and inside else 0
        raise StoppedError(_sentence(kind, folder if inside else where, what if inside else "", written)) from error


def _sentence(kind: str, folder: Path, what: str, written: int) -> str:
    name, room = printable_path(folder), "an unknown space"
    with contextlib.suppress(OSError):
        room = size_words(shutil.disk_usage(folder).free)
    sentence = {
        FULL: f"The disk of {name} is too full ({room} free)",
        QUOTA: f"The quota on the disk of {name} is used up",
        TOO_LARGE: f"A file in {name} is larger than the system allows",
        READ_ONLY: f"{name} is read-only",
        DENIED: f"{name} is no longer writable",
    }[kind]
    sentence += f": {what} cannot be written." if what else "."
    sentence += f" {size_words(written)} had been written." if written else ""
    remedy = "Make it writable." if kind in (READ_ONLY, DENIED) else "Free some space."
    return f"{sentence} {'Raise that limit.' if kind == TOO_LARGE else remedy}"


def bytes_below(folder: Path) -> int:
    """Bytes of all files below a folder; 0 where it does not exist."""
    total = 0
    for path in folder.rglob("*") if folder.is_dir() else ():
        with contextlib.suppress(OSError):  # a file may disappear meanwhile
            total += path.stat().st_size
    return total


def size_words(n: int) -> str:
    """A number of bytes in words.

    >>> size_words(2_340_000)
    '2.3 MB'
    """
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if n >= size:
            return f"{n / size:.1f} {unit}"
    return f"{n} bytes"
