"""Ratings of cases by readers, from a file, a manifest or a DataFrame.

Wide: one row per case, one column per reader and occasion. Long: one row per reading, with the columns case_id, reader, rating and, where cases
were read repeatedly, occasion.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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
    Coded,
    check_spellings,
    check_text,
    is_blank,
    is_number,
    listed,
    means_missing,
    some,
    text_array,
    to_float,
)
from hybridcx.records.containers import scan_file
from hybridcx.records.labels import misspelt_labels
from hybridcx.records.strict_csv import Table
from hybridcx.records.tables import scan_frame

Scale = Literal["measurement", "nominal", "ordinal"]
SCALES = ("measurement", "nominal", "ordinal")
PREFIXES = ("reader_", "rating_")
OF_SCALE: dict[Scale, str] = {"measurement": "rating_", "ordinal": "rating_", "nominal": "reader_"}
"""The columns of a scale where a file (a manifest) has both kinds: `rating_` are numbers, `reader_` are calls."""

HIGHEST_CODE = 10
"""Whole numbers from 0 to this one could be codes of ordered categories."""

LONG: Mapping[str, tuple[str, ...]] = {
    "reader": ("reader", "rater", "observer", "annotator"),
    "rating": ("rating", "reading", "call", "score", "value", "grade", "category", "label"),
    "occasion": ("occasion", "session", "round", "repeat", "time"),
}
"""The columns of the long form and other names that they have; the first name wins."""

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
    """Read a ratings file: `case_id` and one column per reading, or one row per reading (`case_id`, `reader`, `rating`, perhaps `occasion`).

    Without `scale`, numbers are measurements and text is nominal; whole numbers from 0 to 10 could be codes too: a
    warning, and `maybe_codes`. Empty cells and words for a missing value (NA, nan, None, NULL) are cases that were not read.
    An ordinal scale takes numbers (its categories in their order), for the order of words is not known.

    Raises InputError with every problem: what `strict_csv.read_csv` refuses; blank or repeated case ids; fewer than two
    readings; one reading in two columns; text among numbers; two spellings of one category.
    """
    return _read(*scan_file(Path(path), ("case_id",)), scale)


def ratings_from_frame(frame: pd.DataFrame, scale: Scale | None = None, *, name: str = "the DataFrame") -> Ratings:
    """Check a DataFrame as `read_ratings` checks a file; rows are counted from 1 in messages."""
    return _read(*scan_frame(frame, name, ("case_id",), numeric=()), scale)


def _read(table: Table | None, problems: list[Problem], scale: Scale | None) -> Ratings:
    """The ratings of a table in either form."""
    if table is None:
        raise InputError(p for p in problems if p.severity == "error")
    names = long_columns(table.frame.columns)
    if names is None:
        return build_ratings(table, problems, scale, PREFIXES)
    wide, lines, more = _wide(table, names)
    rated = names["rating"]
    try:
        ratings = build_ratings(wide, [*problems, *more], scale, PREFIXES, lines=lines)
    except InputError as error:  # the file has no column reader_<name>
        raise InputError(replace(p, column=rated if p.column in lines else p.column) for p in error.problems) from None
    return ratings


def long_columns(columns: Iterable[str]) -> dict[str, str] | None:
    """The columns of a table in the long form by their role in `LONG`; None for a table in the wide form."""
    by_name = {c.strip().casefold(): c for c in reversed(list(columns))}
    if any(c.startswith(PREFIXES) for c in by_name):
        return None
    names = {role: next((by_name[n] for n in LONG[role] if n in by_name), None) for role in LONG}
    return {r: c for r, c in names.items() if c is not None} if names["reader"] and names["rating"] else None


def _wide(table: Table, names: Mapping[str, str]) -> tuple[Table, dict[str, np.ndarray], list[Problem]]:
    """A table of the long form as one of the wide form, the lines of the cells of each of its columns, and the problems of the long form.

    Where the columns have other names than those of the contract a warning says how they were read.
    """
    raw, file = table.frame, table.file
    problems: list[Problem] = []
    for role in [r for r in ("case_id", "reader", "occasion") if r == "case_id" or r in names]:
        column, what = names.get(role, role), role.replace("_", " ")
        problems += check_text(raw[column], table.rows, file=file, column=column)
        problems += check_spellings(
            raw[column], table.rows, file=file, column=column, what=what, fold_case=role == "reader"
        )
    case, reader = raw["case_id"], raw[names["reader"]]
    occasion = raw[names["occasion"]].str.strip() if "occasion" in names else pd.Series("", index=raw.index)
    if "occasion" in names:
        at = np.flatnonzero(~occasion.str.fullmatch("[0-9]{1,6}").to_numpy(dtype=bool) & (occasion != "").to_numpy())
        rule, remedy = "the occasion is no whole number", "number the occasions 1, 2, ..."
        problems += listed(rule, table.rows[at].tolist(), occasion.iloc[at].tolist(), file=file,
                           column=names["occasion"], remedy=remedy)  # fmt: skip
        occasion = occasion.str.lstrip("0").replace("", "0")
    elif reader.str.fullmatch(_OCCASION.pattern, flags=re.DOTALL).any():
        occasion = occasion.replace("", "1")  # without it "a_2" would be the second occasion of "a"
    again = pd.DataFrame({"case": case, "reader": reader, "occasion": occasion}).duplicated().to_numpy()
    again = again & (case.str.strip() != "").to_numpy()
    remedy = "one row per case and reader; where cases were read repeatedly number the readings in a column occasion"
    pairs = (case + ", " + reader).iloc[np.flatnonzero(again)]
    problems += listed("a repeated reading", table.rows[again].tolist(), pairs.tolist(), file=file,
                       column=names["reader"], remedy=remedy)  # fmt: skip
    raise_if_any(problems)
    of_row = pd.Series(PREFIXES[0] + reader + occasion.map(lambda n: f"_{n}" if n else ""))
    row, cases = pd.factorize(case.array)
    place, columns = pd.factorize(of_row.array)
    cells = np.full((len(cases), len(columns)), "", dtype=object)
    lines = np.zeros(cells.shape, dtype=np.int64)
    cells[row, place] = raw[names["rating"]].to_numpy(dtype=object)
    lines[row, place] = table.rows
    frame = pd.DataFrame(cells, columns=columns).astype("str")
    frame.insert(0, "case_id", pd.Series(cases).astype("str"))
    if other := {role: c for role, c in names.items() if c != role}:
        rule = f"read as one row per reading: {', '.join(f'{role} from the column {printable(c)}' for role, c in other.items())}"
        problems.append(Problem(rule, file, remedy="rename them if that is wrong", severity="warning"))
    used = {"case_id", *names.values()}
    if further := [c for c in raw if c not in used]:
        problems.append(Problem(f"further columns are not used: {some(further)}", file, severity="warning"))
    first = lines.max(axis=1)
    return replace(table, frame=frame, rows=first), {c: lines[:, i] for i, c in enumerate(columns)}, problems


def build_ratings(
    table: Table,
    problems: list[Problem],
    scale: Scale | None,
    prefixes: Sequence[str],
    *,
    others_expected: bool = False,
    lines: Mapping[str, np.ndarray] | None = None,
) -> Ratings:
    """Return the ratings of a table of text, or raise with `problems` and those found here.

    `others_expected`: further columns are expected (a manifest), otherwise they get a warning. `lines`: the lines of the cells by column, where
    these are not those of the table's rows.
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
    lines = lines or {c.column: rows for c in columns}
    raw, not_read = _without_na(raw, columns, file)
    arrays = {c.column: text_array(raw[c.column]) for c in columns}
    kind, more = _kind(arrays, scale, lines, file)
    problems += more
    for c in columns:
        problems += check_text(raw[c.column], lines[c.column], file=file, column=c.column, blank_ok=True)
    if kind != "measurement" and columns:
        stacked = pd.concat([raw[c.column] for c in columns], ignore_index=True)
        of_cells = np.concatenate([lines[c.column] for c in columns])
        filled = (stacked.str.strip() != "").to_numpy()
        problems += check_spellings(
            stacked[filled], of_cells[filled], file=file, column=_span(columns), what="category"
        )
        misspelt = misspelt_labels(
            Coded.of(stacked[filled]), of_cells[filled], file=file, column=_span(columns), unit="readings"
        )
        problems += [replace(p, severity="warning") for p in misspelt]
    raise_if_any(problems)
    problems += not_read

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


def _without_na(raw: pd.DataFrame, columns: list[ReadingColumn], file: str) -> tuple[pd.DataFrame, list[Problem]]:
    """The table with blank cells for words that mean a missing value (NA, nan, None), on every scale, and the warning that counts them."""
    arrays = {c.column: text_array(raw[c.column]) for c in columns}
    masks = {c: means_missing(arr) & ~is_blank(arr) for c, arr in arrays.items()}
    counts = {c: int(m.sum()) for c, m in masks.items() if m.any()}
    if not counts:
        return raw, []
    words = some(dict.fromkeys(w for c in counts for w in raw[c][masks[c]].str.strip()))
    each = some([f"{c} ({n})" for c, n in counts.items()])
    rule = f"{sum(counts.values())} times {words}, taken as not read: {each}"
    remedy = None if words == "NA" else "a category of this name needs another one"
    problem = Problem(rule, file, remedy=remedy, severity="warning")
    return raw.assign(**{c: raw[c].mask(masks[c], "") for c in counts}), [problem]


def _kind(
    arrays: dict[str, pa.Array], scale: Scale | None, lines: Mapping[str, np.ndarray], file: str
) -> tuple[Scale, list[Problem]]:
    """Return the scale, and the cells that do not belong to it (bad_input.md 17, 35)."""
    if scale == "nominal":
        return scale, []
    problems: list[Problem] = []
    number = {c: is_number(a) for c, a in arrays.items()}
    if scale is None and not any(n.any() for n in number.values()):
        return "nominal", []
    for column, arr in arrays.items():
        bad = ~number[column] & ~is_blank(arr)
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
        problems += listed(
            rule, lines[column][at].tolist(), arr.take(at).to_pylist(), file=file, column=column, remedy=remedy
        )
    return scale or "measurement", problems


def _typed(arr: pa.Array, kind: Scale) -> pd.Series:
    if kind == "measurement":
        return pd.Series(to_float(arr))
    text = np.array(arr.to_pylist(), dtype=object)
    text[is_blank(arr)] = None
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
