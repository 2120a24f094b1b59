"""Damage done to files for the tests that feed them to the readers: bytes flipped, cells swapped, what spreadsheets and editors do.

Each mutation takes bytes and a random generator and returns bytes; none knows the format beyond lines and commas.
"""

from __future__ import annotations

import contextlib
import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

Mutation = Callable[[bytes, Random], bytes]

VALUES = [
    b"", b" ", b"NA", b"nan", b"inf", b"-inf", b"1e400", b"-1e400", b"1e308", b"1e-400", b"9" * 400, b"9" * 5000, b"0x10", b"1_000", b"1,5", b"-0",
    b"=1+1", b"@SUM(A1)", b"+", b"-", b"\t=1", b"'", b'"', b'""', b'"a,b"', b'"a\nb"',
    b"{{7*7}}", b"$\\frac$", b"<script>alert(1)</script>",
    b"../../etc/passwd", b"/etc/passwd", b"a" * 5000, b"\x00", b"\x1b[2J", "аbnormal".encode(), "nоrmal".encode(), "ａ".encode(),
    "\u202eabc".encode(), "\u200b".encode(),
    "é".encode(), "e\u0301".encode(), "١٢".encode(), "½".encode(), "−1".encode(), "💥".encode(), b"\xff\xfe", b"\xc3", b"True", b"null",
    b"1", b"0", b"0.5", b"50%",
    b"0.5000000000000000000000000000000000000000001", b"2026-11-24", b"[1]", b"[[a", b"{}", b"#frame=99999999999999999999",
]  # fmt: skip
BOMS = [b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\xff\xfe\x00\x00"]


def flip(data: bytes, rng: Random) -> bytes:
    """One to eight bytes changed."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        if out:
            out[rng.randrange(len(out))] = rng.choice((rng.randrange(256), 0, 255, 127, 128))
    return bytes(out)


def flip_near_the_beginning(data: bytes, rng: Random) -> bytes:
    """Bytes changed where headers stand."""
    return flip(data[:400], rng) + data[400:]


def delete(data: bytes, rng: Random) -> bytes:
    """A stretch of bytes gone."""
    a = rng.randint(0, len(data))
    return data[:a] + data[a + rng.choice((1, 2, 7, 100)) :]


def duplicate(data: bytes, rng: Random) -> bytes:
    """A stretch of bytes twice."""
    a = rng.randint(0, len(data))
    b = a + rng.choice((1, 2, 7, 100, 1000))
    return data[:b] + data[a:b] + data[b:]


def truncate(data: bytes, rng: Random) -> bytes:
    """The end gone."""
    return data[: rng.randint(0, len(data))]


def splice(data: bytes, rng: Random) -> bytes:
    """The beginning of the file joined to another stretch of it."""
    return data[: rng.randint(0, len(data))] + data[rng.randint(0, len(data)) :]


def insert(data: bytes, rng: Random) -> bytes:
    """A hostile value anywhere."""
    a = rng.randint(0, len(data))
    return data[:a] + rng.choice(VALUES) + data[a:]


def _at_a_cell(data: bytes, rng: Random, change: Callable[[list[bytes], int], None]) -> bytes:
    lines = data.split(b"\n")
    i = rng.randrange(len(lines))
    cells = lines[i].split(b",")
    change(cells, rng.randrange(len(cells)))
    lines[i] = b",".join(cells)
    return b"\n".join(lines)


def cell(data: bytes, rng: Random) -> bytes:
    """A cell replaced by a hostile value."""
    return _at_a_cell(data, rng, lambda cells, j: cells.__setitem__(j, rng.choice(VALUES)))


def huge_cell(data: bytes, rng: Random) -> bytes:
    """A cell of 140,000 or a million characters."""
    return _at_a_cell(
        data,
        rng,
        lambda cells, j: cells.__setitem__(j, rng.choice((b"x", b"9", b'"')) * rng.choice((140_000, 1_000_000))),
    )


def column(data: bytes, rng: Random) -> bytes:
    """Every cell of a column replaced by one value, the header's left."""
    lines = [line.split(b",") for line in data.split(b"\n")]
    j, value = rng.randrange(len(lines[0])), rng.choice(VALUES)
    for cells in lines[1:]:
        if j < len(cells) and cells != [b""]:
            cells[j] = value
    return b"\n".join(b",".join(cells) for cells in lines)


def without_a_column(data: bytes, rng: Random) -> bytes:
    """A column gone, or every cell of a column twice."""
    lines = [line.split(b",") for line in data.split(b"\n")]
    j, again = rng.randrange(len(lines[0])), rng.random() < 0.5
    return b"\n".join(b",".join(cells[: j + again] + cells[j + (not again) :]) for cells in lines)


def swap_cells(data: bytes, rng: Random) -> bytes:
    """Two cells of a line change places."""

    def change(cells: list[bytes], j: int) -> None:
        k = rng.randrange(len(cells))
        cells[j], cells[k] = cells[k], cells[j]

    return _at_a_cell(data, rng, change)


def add_cell(data: bytes, rng: Random) -> bytes:
    """A field too many."""
    return _at_a_cell(data, rng, lambda cells, j: cells.insert(j, rng.choice(VALUES)))


def drop_cell(data: bytes, rng: Random) -> bytes:
    """A field too few."""
    return _at_a_cell(data, rng, lambda cells, j: cells.pop(j))


def permute_header(data: bytes, rng: Random) -> bytes:
    """The names of the columns in another order than the columns."""
    head, mark, rest = data.partition(b"\n")
    names = head.split(b",")
    rng.shuffle(names)
    return b",".join(names) + mark + rest


def swap_lines(data: bytes, rng: Random) -> bytes:
    """Two lines change places, or one stands twice, or is gone."""
    lines = data.split(b"\n")
    i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
    how = rng.randrange(3)
    if how == 0:
        lines[i], lines[j] = lines[j], lines[i]
    elif how == 1:
        lines.insert(i, lines[j])
    else:
        del lines[i]
    return b"\n".join(lines)


def empty_lines(data: bytes, rng: Random) -> bytes:
    """Empty lines in between or at the beginning."""
    lines = data.split(b"\n")
    i = rng.choice((0, rng.randrange(len(lines))))
    return b"\n".join([*lines[:i], *[rng.choice((b"", b" ", b",,"))] * rng.randint(1, 3), *lines[i:]])


def line_ends(data: bytes, rng: Random) -> bytes:
    """CRLF, a bare CR, or both mixed with LF."""
    how = rng.choice((b"\r\n", b"\r", b"\n\r", b"\x0b", "\u2028".encode()))
    if rng.random() < 0.7:
        return data.replace(b"\n", how)
    half = len(data) // 2
    return data[:half].replace(b"\n", how) + data[half:]


def separators(data: bytes, rng: Random) -> bytes:
    """Semicolons, tabs or bars instead of commas, throughout or in half of the file."""
    half = rng.choice((0, len(data) // 2))
    return data[:half] + data[half:].replace(b",", rng.choice((b";", b"\t", b"|", b" ,", b", ")))


def quotes(data: bytes, rng: Random) -> bytes:
    """Every cell quoted, or a stray quotation mark."""
    if rng.random() < 0.4:
        return b"\n".join(b",".join(b'"' + c + b'"' for c in line.split(b",")) for line in data.split(b"\n"))
    a = rng.randint(0, len(data))
    return data[:a] + rng.choice((b'"', b'""', b"'", b'\\"')) + data[a:]


def byte_order_mark(data: bytes, rng: Random) -> bytes:
    """A byte-order mark in front, twice, or somewhere."""
    a = rng.choice((0, 0, rng.randint(0, len(data))))
    return data[:a] + rng.choice(BOMS) * rng.randint(1, 2) + data[a:]


def encode_otherwise(data: bytes, rng: Random) -> bytes:
    """Another encoding."""
    text = data.decode("utf-8", "replace")
    return text.encode(rng.choice(("utf-16", "utf-16-le", "utf-32", "cp1252", "utf-7", "cp037")), "replace")


def nest(data: bytes, rng: Random) -> bytes:
    """A value nested beyond measure, as TOML and JSON allow it."""
    n = rng.choice((50, 1000, 100_000))
    opened, closed = rng.choice(((b"[", b"]"), (b"{a=", b"}")))
    return data + b"\n" + rng.choice((b"seed = ", b"name = ", b"x = ")) + opened * n + b"1" + closed * n + b"\n"


def hostile_key(data: bytes, rng: Random) -> bytes:
    """The value of one key of a TOML file replaced."""
    lines = data.split(b"\n")
    at = [i for i, line in enumerate(lines) if b"=" in line]
    if not at:
        return data
    i = rng.choice(at)
    value = rng.choice(
        [
            *VALUES,
            b'"' + rng.choice(VALUES) + b'"',
            b"[]",
            b"true",
            b"-1",
            b"0",
            b"[[1]]",
            b'["a"]',
            b"1979-05-27",
            b'"""',
            b"1e999",
        ]
    )
    lines[i] = lines[i].split(b"=")[0] + b"= " + value
    return b"\n".join(lines)


BYTES: list[Mutation] = [flip, flip_near_the_beginning, delete, duplicate, truncate, splice]
TEXT: list[Mutation] = [
    *BYTES, insert, cell, cell, cell, huge_cell, column, column, without_a_column, swap_cells, add_cell, drop_cell, permute_header, swap_lines,
    empty_lines, line_ends, separators, quotes, byte_order_mark, encode_otherwise,
]  # fmt: skip
TOML: list[Mutation] = [
    *BYTES,
    insert,
    swap_lines,
    line_ends,
    quotes,
    byte_order_mark,
    encode_otherwise,
    nest,
    *[hostile_key] * 8,
]

SECONDS = 10.0
ADDRESS_SPACE = 2 * 1024**3


class HangError(BaseException):
    """A case took longer than it may. Not an Exception, so that no reader takes it for a damaged file."""


@contextlib.contextmanager
def bounded(seconds: float = SECONDS, more: int = ADDRESS_SPACE) -> Iterator[None]:
    """End what takes longer than `seconds` (HangError) or asks for more than `more` bytes beyond what the process has mapped (MemoryError)."""

    def stop(*_: object) -> None:
        raise HangError(f"longer than {seconds} s")

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = signal.signal(signal.SIGALRM, stop)
    resource.setrlimit(resource.RLIMIT_AS, (mapped + more, hard))
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.signal(signal.SIGALRM, before)


SEARCHING = not settings().derandomize


def examples(n: int) -> settings:
    """`n` cases, or as many as the profile asks for where somebody searches."""
    n = max(n, settings().max_examples) if SEARCHING else n
    return settings(max_examples=n, deadline=None, suppress_health_check=list(HealthCheck), database=None)


def damages(mutations: list[Mutation]) -> st.SearchStrategy[list[tuple[Mutation, int]]]:
    """One to four mutations, each with the seed of its random choices."""
    return st.lists(st.tuples(st.sampled_from(mutations), st.integers(0, 2**32 - 1)), min_size=1, max_size=4)


def damaged(data: bytes, damage: list[tuple[Mutation, int]]) -> bytes:
    for mutation, seed in damage:
        data = mutation(data, Random(seed))
    return data
