"""Ratings of cases by readers: one row per case, one column per reader and occasion, from a file, a manifest or a DataFrame."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import count
from pathlib import Path
from string import ascii_lowercase
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa

from hybridcx.errors import InputError, Problem, printable, raise_if_any
from hybridcx.records.cells import (
    check_spellings,
    check_text,
    is_blank,
    is_number,
    listed,
    some,
    text_array,
    to_float,
)
from hybridcx.records.strict_csv import Table, scan_csv
from hybridcx.records.tables import scan_frame

Scale = Literal["measurement", "nominal", "ordinal"]
SCALES = ("measurement", "nominal", "ordinal")
PREFIXES = ("reader_", "rating_")
OF_SCALE: dict[Scale, str] = {"measurement": "rating_", "ordinal": "rating_", "nominal": "reader_"}
"""The columns of a scale where a file (a manifest) has both kinds: `rating_` are numbers, `reader_` are calls."""

HIGHEST_CODE = 10
"""Whole numbers from 0 to this one could be codes of ordered categories."""

_OCCASION = re.compile(r"(?P<reader>.+)_(?P<occasion>[0-9]+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ReadingColumn:
    """One reading: the column's name, its reader, and the occasion (None where each case is read once)."""

    column: str
    reader: str
    occasion: int | None = None


@dataclass(frozen=True, slots=True)
class Ratings:
    """Ratings that passed every check.

    `frame`: index case_id (sorted), one column per reading in the order of `columns`; float64 with NaN where a case was not read (scale
    "measurement"), otherwise text and None. `scale`: measurement (ICC, Bland-Altman), nominal or ordinal (kappa and related coefficients).
    `categories`: the sorted union of the categories, numbers by value; empty for measurements. `maybe_codes`: no scale was chosen, and the
    measurements are whole numbers from 0 to 10, which could be codes of ordered categories.
    """

    frame: pd.DataFrame
    columns: tuple[ReadingColumn, ...]
    scale: Scale
    categories: tuple[str, ...] = ()
    maybe_codes: bool = False
    warnings: tuple[Problem, ...] = ()

    @property
    def readers(self) -> tuple[str, ...]:
        """The readers in the order of their first column."""
        return tuple(dict.fromkeys(c.reader for c in self.columns))

    @property
    def n_cases(self) -> int:
        """The number of cases with at least one reading."""
        return int(self.frame.notna().any(axis=1).sum())

    def occasions(self, reader: str) -> tuple[ReadingColumn, ...]:
        """Return the readings of one reader, sorted by occasion."""
        return tuple(sorted((c for c in self.columns if c.reader == reader), key=lambda c: c.occasion or 0))


def parse_reading_column(column: str, prefixes: Sequence[str] = PREFIXES) -> ReadingColumn:
    """Parse a column name `reader_<name>` or `reader_<name>_<occasion>` (likewise `rating_`).

    Digits after the last underscore are an occasion, anything else belongs to the name; a name alone is never an occasion.

    >>> parse_reading_column("reader_radiologist_2")
    ReadingColumn(column='reader_radiologist_2', reader='radiologist', occasion=2)
    >>> parse_reading_column("reader_1").reader
    '1'

    Raises InputError where the column has no such form.
    """
    prefix = next((p for p in prefixes if column.startswith(p)), None)
    name = column[len(prefix) :] if prefix else ""
    if not name.strip(" _"):
        forms = " or ".join(f"{p}<name>[_<occasion>]" for p in prefixes)
        raise InputError(Problem("this column names no reader", column=column, remedy=f"call it {forms}"))
    match = _OCCASION.fullmatch(name)
    if match and match["reader"].strip("_ "):
        return ReadingColumn(column, match["reader"], int(match["occasion"]))
    return ReadingColumn(column, name)


def read_ratings(path: str | Path, scale: Scale | None = None) -> Ratings:
    """Read a ratings file: `case_id` and one column per reading.

    Without `scale`, numbers are measurements and text is nominal; whole numbers from 0 to 10 could be codes too: a
    warning, and `maybe_codes`. Empty cells are cases that were not read; among measurements
    so is `NA`. An ordinal scale takes numbers (its categories in their order), for the order of words is not known.

    Raises InputError with every problem: what `strict_csv.read_csv` refuses; blank or repeated case ids; fewer than two
    readings; one reading in two columns; text among numbers; two spellings of one category.
    """
    table, problems = scan_csv(path, ("case_id",))
    if table is None:
        raise InputError(p for p in problems if p.severity == "error")
    return build_ratings(table, problems, scale, PREFIXES)


def ratings_from_frame(frame: pd.DataFrame, scale: Scale | None = None, *, name: str = "the DataFrame") -> Ratings:
    """Check a DataFrame as `read_ratings` checks a file; rows are counted from 1 in messages."""
    table, problems = scan_frame(frame, name, ("case_id",), numeric=())
    if table is None:
        raise InputError(p for p in problems if p.severity == "error")
    return build_ratings(table, problems, scale, PREFIXES)


def build_ratings(
    table: Table,
    problems: list[Problem],
    scale: Scale | None,
    prefixes: Sequence[str],
    *,
    others_expected: bool = False,
) -> Ratings:
    """Return the ratings of a table of text, or raise with `problems` and those found here.

    `others_expected`: further columns are expected (a manifest), otherwise they get a warning.
    """
    problems = list(problems)
    raw, rows, file = table.frame, table.rows, table.file
    if scale is not None and scale not in SCALES:
        problems.append(Problem(f"the scale must be one of {', '.join(SCALES)}", value=scale))
    problems += check_text(raw["case_id"], rows, file=file, column="case_id")
    problems += check_spellings(raw["case_id"], rows, file=file, column="case_id", what="case id", fold_case=False)
    again = raw["case_id"].duplicated().to_numpy() & ~is_blank(text_array(raw["case_id"]))
    problems += listed("a repeated case", rows[again].tolist(), raw["case_id"][again].tolist(), file=file,
                       column="case_id", remedy="one row per case; occasions are columns")  # fmt: skip
    columns, more = _columns(raw, file, prefixes, others_expected, scale)
    problems += more
    arrays = {c.column: text_array(raw[c.column]) for c in columns}
    kind, more = _kind(arrays, scale, rows, file)
    problems += more
    for c in columns:
        problems += check_text(
            raw[c.column], rows, file=file, column=c.column, blank_ok=True, warn_na=kind != "measurement"
        )
    if kind != "measurement" and columns:
        stacked = pd.concat([raw[c.column] for c in columns], ignore_index=True)
        lines = np.concatenate([rows] * len(columns))
        filled = (stacked.str.strip() != "").to_numpy()
        problems += check_spellings(stacked[filled], lines[filled], file=file, column=_span(columns), what="category")
    raise_if_any(problems)

    frame = pd.DataFrame({c.column: _typed(arrays[c.column], kind) for c in columns})
    frame.index = pd.Index(raw["case_id"], name="case_id")
    frame = frame.sort_index()
    problems += _coverage(frame, columns, file)
    codes = scale is None and kind == "measurement" and _could_be_codes(frame)
    if codes:
        values = frame.to_numpy()
        low, high = np.nanmin(values), np.nanmax(values)
        rule = (
            f"whole numbers from {low:g} to {high:g} can be measurements or codes of ordered categories: both analyses are given (ICC and limits of "
            "agreement; weighted kappa, AC2 and ordinal alpha)"
        )
        problems.append(
            Problem(rule, file, remedy="choose with --scale measurement or --scale ordinal", severity="warning")
        )
    categories = _categories(frame) if kind != "measurement" else ()
    return Ratings(frame, tuple(columns), kind, categories, codes, tuple(problems))


def _columns(
    raw: pd.DataFrame, file: str, prefixes: Sequence[str], others_expected: bool, scale: Scale | None = None
) -> tuple[list[ReadingColumn], list[Problem]]:
    """The readings among the columns, and the problems of the names."""
    problems: list[Problem] = []
    kinds = {p for p in prefixes if any(c.startswith(p) for c in raw.columns)}
    if len(kinds) > 1 and scale in OF_SCALE:
        prefixes = (OF_SCALE[scale],)
        apart = [c for c in raw.columns if c.startswith(PREFIXES) and not c.startswith(tuple(prefixes))]
        rule = f"of both kinds of columns --scale {scale} takes {prefixes[0]}<name>, left out: {some(apart)}"
        problems.append(Problem(rule, file, severity="warning"))
        raw = raw.drop(columns=apart)
    elif len(kinds) > 1:
        rule = "columns of both kinds, rating_<name> (numbers) and reader_<name> (calls), which are analysed apart"
        remedy = "choose one: --scale measurement (or ordinal) takes the ratings, --scale nominal the calls"
        return [], [Problem(rule, file, 1, remedy=remedy)]
    names = raw.columns.tolist()
    columns, name_problems = _parsed_names(names, prefixes, file)
    problems += name_problems
    other = [n for n in names if n != "case_id" and not n.startswith(tuple(prefixes))]
    if other and not others_expected:
        problems.append(_other_columns(other, names, prefixes, file))
    columns, occasion_problems = _with_first_occasions(columns, file)
    problems += [*occasion_problems, *_repeated_readings(columns, file)]
    if len(columns) < 2 and not (others_expected and not columns):
        rule = f"agreement needs at least two readings, here are {len(columns)}"
        severity = "warning" if others_expected else "error"
        problems.append(Problem(rule, file, remedy=f"call them {prefixes[0]}<name>[_<occasion>]", severity=severity))
    return columns, problems


def _parsed_names(names: list[str], prefixes: Sequence[str], file: str) -> tuple[list[ReadingColumn], list[Problem]]:
    """The columns with one of the prefixes, and the names that have a prefix but no reader."""
    columns: list[ReadingColumn] = []
    problems: list[Problem] = []
    for name in names:
        if not name.startswith(tuple(prefixes)):
            continue
        try:
            columns.append(parse_reading_column(name, prefixes))
        except InputError as e:
            free = next(n for n in _free_names(name) if n not in names)
            remedy = f"{p}, such as {free!r}" if (p := e.problems[0].remedy) else f"call it {free!r}"
            problems.append(Problem(e.problems[0].rule, file, 1, name, remedy=remedy))
    return columns, problems


def _other_columns(other: list[str], names: list[str], prefixes: Sequence[str], file: str) -> Problem:
    """The warning about columns that are no readings, with the readings whose names they may misspell."""
    corrected = {n: m for n in other if (m := _corrected(n, prefixes)) is not None and m not in names}
    remedy = "readings are columns reader_<name>"
    if corrected:
        guesses = (f"did you mean {m!r} by {printable(n)!r}" for n, m in list(corrected.items())[:3])
        remedy = "; ".join(guesses) + f"? {remedy}"
    return Problem(f"not a reading, left out: {some(other)}", file, remedy=remedy, severity="warning")


def _with_first_occasions(columns: list[ReadingColumn], file: str) -> tuple[list[ReadingColumn], list[Problem]]:
    """Where reader_a_2 exists, reader_a is the first occasion; a warning for each such column."""
    repeated = {c.reader for c in columns if c.occasion is not None}
    rule = "taken as occasion 1, since the same reader has numbered occasions"
    unnumbered = [c for c in columns if c.occasion is None and c.reader in repeated]
    problems = [
        Problem(rule, file, 1, c.column, remedy=f"call it {c.column}_1", severity="warning") for c in unnumbered
    ]
    return [ReadingColumn(c.column, c.reader, 1) if c in unnumbered else c for c in columns], problems


def _repeated_readings(columns: list[ReadingColumn], file: str) -> list[Problem]:
    """Columns of the same reader and occasion as an earlier one."""
    first: dict[tuple[str, int | None], str] = {}
    problems = []
    for c in columns:
        earlier = first.setdefault((c.reader, c.occasion), c.column)
        if earlier != c.column:
            rule = f"the same reader and occasion as the column {earlier!r}"
            problems.append(Problem(rule, file, 1, c.column, remedy="rename one"))
    return problems


def _free_names(column: str) -> Iterator[str]:
    """Names for a reading that names no reader: its prefix and a letter, then a number."""
    prefix = next(p for p in PREFIXES if column.startswith(p))
    yield from (f"{prefix}{letter}" for letter in ascii_lowercase)
    yield from (f"{prefix}r{i}" for i in count(1))


def _corrected(column: str, prefixes: Sequence[str]) -> str | None:
    """The reading whose name a column probably misspells: `raeder_a`, `Reader a` and `reader-a` are reader_a."""
    parts = re.fullmatch(r"([A-Za-z]+)[_\s.-]+(\S.*)", column)
    near = [] if parts is None else get_close_matches(parts[1].casefold(), [p.rstrip("_") for p in prefixes], 1, 0.8)
    return f"{near[0]}_{parts[2]}" if parts and near else None


def _kind(arrays: dict[str, pa.Array], scale: Scale | None, rows: np.ndarray, file: str) -> tuple[Scale, list[Problem]]:
    """Return the scale, and the cells that do not belong to it (bad_input.md 17, 35)."""
    if scale == "nominal":
        return scale, []
    problems: list[Problem] = []
    number = {c: is_number(a) for c, a in arrays.items()}
    absent = {c: is_blank(a) for c, a in arrays.items()}
    words = {
        c: np.array([w is not None and w.strip() == "NA" for w in a.to_pylist()], dtype=bool) for c, a in arrays.items()
    }
    if scale is None and not any(n.any() for n in number.values()):
        return "nominal", []
    missing = {c: absent[c] | words[c] for c in arrays}
    for column, arr in arrays.items():
        bad = ~number[column] & ~missing[column]
        if not bad.any():
            continue
        if scale is None and not number[column].any():
            rule = "a column of text beside columns of numbers"
            remedy = "put measurements and categories into two files, or use --scale nominal"
            problems.append(
                Problem(rule, file, column=column, value=arr[int(np.flatnonzero(bad)[0])].as_py(), remedy=remedy)
            )
            continue
        n_number, at = int(number[column].sum()), np.flatnonzero(bad)
        rule = "text on an ordinal scale" if scale == "ordinal" else f"text among {n_number} numbers"
        remedy = (
            "code the categories as numbers in their order, or use --scale nominal"
            if scale == "ordinal"
            else "correct it, leave it empty if the case was not read, or use --scale nominal if these are categories"
        )
        problems += listed(rule, rows[at].tolist(), arr.take(at).to_pylist(), file=file, column=column, remedy=remedy)
    for column in arrays:
        n = int(words[column].sum())
        if n and not problems:
            problems.append(Problem(f"{n} times NA, taken as not read", file, column=column, severity="warning"))
    return scale or "measurement", problems


def _typed(arr: pa.Array, kind: Scale) -> pd.Series:
    if kind == "measurement":
        return pd.Series(to_float(arr))
    text = np.array(arr.to_pylist(), dtype=object)
    text[is_blank(arr)] = None
    if kind == "ordinal":
        text[[t == "NA" for t in text]] = None
    return pd.Series(text, dtype="object")  # pandas 3 would infer its own type of text, which has no None


def _could_be_codes(frame: pd.DataFrame) -> bool:
    """Whether all measurements are whole numbers from 0 to 10."""
    values = frame.to_numpy()
    values = values[~np.isnan(values)]
    return bool(values.size) and bool(((values == np.round(values)) & (values >= 0) & (values <= HIGHEST_CODE)).all())


def _categories(frame: pd.DataFrame) -> tuple[str, ...]:
    values = {v for column in frame for v in frame[column] if v is not None}
    arr = text_array(sorted(values))
    if len(arr) and is_number(arr).all():
        return tuple(v for _, v in sorted(zip(to_float(arr).tolist(), arr.to_pylist(), strict=True)))
    return tuple(arr.to_pylist())


def _coverage(frame: pd.DataFrame, columns: list[ReadingColumn], file: str) -> list[Problem]:
    """Warnings that count the cases without all readings, and how they are treated."""
    if frame.empty or not columns:
        return []
    by_reader = pd.DataFrame({r: frame[[c.column for c in columns if c.reader == r]].notna().any(axis=1)
                              for r in dict.fromkeys(c.reader for c in columns)})  # fmt: skip
    n_readers = by_reader.sum(axis=1)
    out = []

    def warn(mask: pd.Series, rule: str) -> None:
        if mask.any():
            words = f"{int(mask.sum())} of {len(frame)} {rule}"
            out.append(Problem(words, file, severity="warning", cases=tuple(frame.index[mask])))

    warn(n_readers == 0, "cases were read by nobody; they are left out")
    if by_reader.shape[1] > 1:
        warn(n_readers == 1, "cases were read by one reader only; they take no part in agreement between readers")
    whole = frame.notna().all(axis=1)
    rule = (
        "cases lack some reading; Cohen's kappas and ICCs use the cases that are complete in the readings they compare, percent agreement, "
        "Fleiss' kappa, AC1, AC2 and alpha every case with at least two of them (n says how many)"
    )
    warn(~whole & (n_readers > 0), rule)
    return out


def _span(columns: list[ReadingColumn]) -> str:
    return columns[0].column if len(columns) == 1 else f"{columns[0].column} … {columns[-1].column}"
