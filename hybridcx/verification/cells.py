"""Two versions of one CSV, cell by cell: that of the report, and its recomputation."""

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
"""Columns that identify a row of a table; messages name rows by those that the table has."""

RELATIVE = 1e-9
MONTE_CARLO_ERRORS = 4.0
OF_WIDTH = 0.1
"""Four Monte Carlo errors of a 95 % limit of 2000 resamples, about 4 x sqrt(2) x 0.06 standard errors, as a share of the interval's width."""
_RESAMPLED = ("bootstrap", "permutation", "maxT")


@dataclass(slots=True)
class Compared:
    """The comparison of one file: how many recomputed `numbers` and other `words` were compared, and the cells that differ."""

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


def compare_cells(reported: Path, recomputed: Path, *, exact: bool, wording: bool = True) -> Compared:
    """Compare a table of a report with its recomputation.

    Rows are matched by their keys; where keys were changed and both tables have as many rows, by their order. `exact`: numbers must be the
    same text; otherwise `alike` decides. Without `wording` the column `warning` is left out (another version words it differently).
    """
    out, name = Compared(), reported.name
    try:
        head, rows = read_cells(reported)
    except ValueError as error:
        out.differences.append(_difference(name, "", "", str(error), "a table"))
        return out
    expected_head, expected = read_cells(recomputed)
    out.differences += _differing_columns(name, head, expected_head, exact=exact)
    columns = [c for c in expected_head if c in head and (wording or c != "warning")]
    keys = [c for c in KEYS if c in columns]
    reported_rows = [dict(zip(head, r, strict=True)) for r in rows]
    expected_rows = [dict(zip(expected_head, r, strict=True)) for r in expected]
    for row, other in _aligned(reported_rows, expected_rows, keys):
        key = ", ".join(f"{k} {v}" for k in keys if (v := (row or other or {}).get(k, "NA")) != "NA")
        if row is None:
            out.differences.append(_difference(name, key, "", "no such row", "a row"))
        elif other is None:
            out.differences.append(_difference(name, key, "", "a row", "no such row"))
        else:
            _compare_row(out, name, key, columns, row, other, exact=exact)
    return out


def _differing_columns(name: str, head: Sequence[str], expected: Sequence[str], *, exact: bool) -> list[dict[str, str]]:
    """Columns that one of the tables lacks; without `exact` only missing keys count, since versions may add and drop columns."""
    missing = [c for c in expected if c not in head and (exact or c in KEYS)]
    surplus = [c for c in head if c not in expected and exact]
    return [
        *(_difference(name, "", c, "no such column", "a column") for c in missing),
        *(_difference(name, "", c, "a column", "no such column") for c in surplus),
    ]


def _compare_row(
    out: Compared, name: str, key: str, columns: Sequence[str], reported: Row, recomputed: Row, *, exact: bool
) -> None:
    """Count the cells of a row by their kind, and add those that differ."""
    for column in columns:
        a, b = reported[column], recomputed[column]
        is_number = _number(b) is not None
        out.numbers += is_number
        out.words += not is_number and b != "NA"
        if a != b and (exact or not alike(a, b, column, recomputed)):
            out.differences.append(_difference(name, key, column, a, b))


def _difference(file: str, row: str, column: str, reported: str, recomputed: str) -> dict[str, str]:
    return {"file": file, "row": row, "column": column, "found": reported, "recomputed": recomputed}


def _aligned(reported: list[Row], recomputed: list[Row], keys: Sequence[str]) -> list[tuple[Row | None, Row | None]]:
    """Pairs of rows with the same keys; None for the partner of a row that one table alone has."""
    identities = [sorted(tuple(row.get(k, "") for k in keys) for row in table) for table in (reported, recomputed)]
    if len(reported) == len(recomputed) and identities[0] != identities[1]:
        return list(zip(reported, recomputed, strict=True))
    places: dict[tuple[str, ...], list[Row]] = {}
    for row in reported:
        places.setdefault(tuple(row.get(k, "") for k in keys), []).append(row)
    pairs: list[tuple[Row | None, Row | None]] = []
    for row in recomputed:
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


def alike(reported: str, recomputed: str, column: str, row: Row) -> bool:
    """Whether two cells agree where versions or machines differ: to 1e-9 relative, resampled values within 4 Monte Carlo errors.

    The Monte Carlo error of a limit is its own column where the table has one (`mc.error.low`, `mc.error.high`), otherwise four of them are
    taken as a tenth of the interval's width; that of a resampled p is sqrt(p (1 - p) / B), two of them differing by sqrt 2 of it.
    """
    a, b = _number(reported), _number(recomputed)
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
