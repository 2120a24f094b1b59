"""Two versions of one CSV, cell by cell: the one found in a report's folder, and the one recomputed."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

Row = dict[str, str]

KEYS = (
    "file", "column", "case_id", "metric", "model", "comparator", "printed.model", "reader", "kind", "rater", "other", "method", "grouping",
    "subgroup", "level", "seed", "fold", "label.rule", "bin", "prevalence", "threshold", "p.adjust.method", "scope", "readers", "occasion",
    "subset", "step", "reading", "printed.as", "question", "part", "size", "target", "factor", "features", "reference", "share", "term",
)  # fmt: skip
"""Columns that say which row of a table is meant; those that a table has name its rows in messages."""

RELATIVE = 1e-9
MONTE_CARLO_ERRORS = 4.0
OF_WIDTH = 0.1
"""Four Monte Carlo errors of a 95 % limit of 2000 resamples, about 4 x sqrt(2) x 0.06 standard errors, as a share of the interval's width."""
_RESAMPLED = ("bootstrap", "permutation", "maxT")


@dataclass(slots=True)
class Compared:
    """What was held against each other in one file: `numbers` and other `words` that were recomputed, and the cells that differ."""

    numbers: int = 0
    words: int = 0
    differences: list[dict[str, str]] = field(default_factory=list)


def read_cells(path: Path) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a CSV as text. Raises ValueError where it is no table of UTF-8 text."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file, strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"cannot be read as a table ({error})") from None
    if not rows:
        raise ValueError("is empty")
    if any(len(r) != len(rows[0]) for r in rows):
        raise ValueError("has rows of unequal length")
    return rows[0], rows[1:]


def compare_cells(found: Path, recomputed: Path, *, exact: bool, wording: bool = True) -> Compared:
    """Hold a table against its recomputation.

    Rows are matched by their keys; where keys were changed and both have as many rows, in their order. `exact`: numbers have to be the same text;
    otherwise `alike` decides. Without `wording` the column `warning` is not looked at (another version words it in another way).
    """
    out = Compared()
    name = found.name
    try:
        head, rows = read_cells(found)
    except ValueError as error:
        out.differences.append(_difference(name, "", "", str(error), "a table"))
        return out
    want_head, want = read_cells(recomputed)
    missing, surplus = [c for c in want_head if c not in head], [c for c in head if c not in want_head]
    out.differences += [_difference(name, "", c, "no such column", "a column") for c in missing if exact or c in KEYS]
    out.differences += [_difference(name, "", c, "a column", "no such column") for c in surplus if exact]
    columns = [c for c in want_head if c in head and (wording or c != "warning")]
    keys = [c for c in KEYS if c in columns]
    mine = [dict(zip(head, r, strict=True)) for r in rows]
    theirs = [dict(zip(want_head, r, strict=True)) for r in want]
    for here, there in _aligned(mine, theirs, keys):
        key = ", ".join(f"{k} {v}" for k in keys if (v := (here or there or {}).get(k, "NA")) != "NA")
        if here is None or there is None:
            out.differences.append(
                _difference(name, key, "", "a row" if there is None else "no such row", "no such row" if there is None else "a row")
            )  # fmt: skip
            continue
        for column in columns:
            a, b = here[column], there[column]
            number = _number(b) is not None
            out.numbers += number
            out.words += not number and b != "NA"
            if a != b and (exact or not alike(a, b, column, there)):
                out.differences.append(_difference(name, key, column, a, b))
    return out


def _difference(file: str, row: str, column: str, found: str, recomputed: str) -> dict[str, str]:
    return {"file": file, "row": row, "column": column, "found": found, "recomputed": recomputed}


def _aligned(found: list[Row], want: list[Row], keys: Sequence[str]) -> list[tuple[Row | None, Row | None]]:
    named = [sorted(tuple(row.get(k, "") for k in keys) for row in table) for table in (found, want)]
    if len(found) == len(want) and named[0] != named[1]:
        return list(zip(found, want, strict=True))
    places: dict[tuple[str, ...], list[Row]] = {}
    for row in found:
        places.setdefault(tuple(row.get(k, "") for k in keys), []).append(row)
    pairs: list[tuple[Row | None, Row | None]] = []
    for row in want:
        same = places.get(tuple(row.get(k, "") for k in keys))
        pairs.append((same.pop(0) if same else None, row))
    return pairs + [(row, None) for rest in places.values() for row in rest]


def _number(text: str) -> float | None:
    if text == "NA":
        return None
    try:
        return float(text)
    except ValueError:
        return None


def alike(found: str, recomputed: str, column: str, row: Row) -> bool:
    """Whether two cells agree where versions or machines differ: to 1e-9 relative, resampled ones within 4 Monte Carlo errors.

    The Monte Carlo error of a limit is its own column where the table has one (`mc.error.low`, `mc.error.high`), otherwise four of them are
    taken as a tenth of the interval's width; that of a resampled p is sqrt(p (1 - p) / B), two of them differing by sqrt 2 of it.
    """
    a, b = _number(found), _number(recomputed)
    if a is None or b is None:
        return False
    if a == b or math.isclose(a, b, rel_tol=RELATIVE, abs_tol=1e-12):
        return True
    words = " ".join(row.get(c, "") for c in ("method", "p.adjust.method"))
    draws = _number(row.get("n.resamples", "NA"))
    if draws is None and not any(w in words for w in _RESAMPLED):
        return False
    if column in ("mc.error.low", "mc.error.high"):
        return abs(a - b) <= 0.5 * max(abs(a), abs(b))  # an estimate of an error, itself drawn
    if "p.value" in column or column.startswith("prob"):
        p = min(max(b, 1 / (draws or 2000)), 0.5)
        return abs(a - b) <= MONTE_CARLO_ERRORS * math.sqrt(2 * p * (1 - p) / (draws or 2000)) + 2 / (draws or 2000)
    if column in ("conf.low", "conf.high", "std.error", "smallest.margin"):
        own = _number(row.get("mc.error." + column[5:], "NA")) if column.startswith("conf.") else None
        if own is not None and math.isfinite(own):
            return abs(a - b) <= MONTE_CARLO_ERRORS * own
        low, high = _number(row.get("conf.low", "NA")), _number(row.get("conf.high", "NA"))
        return low is not None and high is not None and abs(a - b) <= OF_WIDTH * (high - low)
    return False
