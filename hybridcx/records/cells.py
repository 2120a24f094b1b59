"""Checks on the cells of a table: ids, names and labels, shared by every input and run once per distinct value."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from hybridcx.errors import Problem, printable

MAX_LISTED = 3
"""Rows that a message names where many break one rule; the others are counted."""

NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
"""A finite decimal number as we read it: ASCII digits and a point; no thousands marks, no `nan`, no `inf`."""

# Spreadsheets read text that begins so as a formula, the full-width forms in some locales (OWASP, CSV injection).
_FORMULA = "=+\\-@\t\r\n＝＋－＠"
# Controls, surrogates, line separators, and format characters (bidirectional marks, zero-width spaces). U+200C and U+200D
# stay: Persian and several Indian scripts cannot be written without them.
_UNSAFE = (
    r"[\p{Cc}\p{Zl}\p{Zp}\x{00AD}\x{0600}-\x{0605}\x{061C}\x{180E}\x{200B}\x{200E}\x{200F}\x{202A}-\x{202E}"
    r"\x{2060}-\x{206F}\x{FEFF}\x{FFF9}-\x{FFFB}\x{E0000}-\x{E007F}]"
)
NA_WORDS = frozenset({"na", "n/a", "nan", "none", "null", "<na>", "nil"})
"""Words of missing values, in lower case."""

Row = int | None


def text_array(values: Iterable[object] | pd.Series | pd.Index) -> pa.Array:
    """Return `values` as one Arrow array of text (large_string), missing values as nulls."""
    arr = pa.array(values if isinstance(values, pd.Series | pd.Index) else list(values), from_pandas=True)
    if isinstance(arr, pa.ChunkedArray):
        arr = arr.combine_chunks()
    return arr.cast(pa.large_string())


def as_mask(arr: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Return an Arrow boolean array as a NumPy mask, nulls as False."""
    return np.asarray(pc.fill_null(arr, False).to_numpy(zero_copy_only=False), dtype=bool)


def listed(
    rule: str,
    rows: Iterable[Row],
    values: Iterable[object] | None = None,
    *,
    file: str | None = None,
    column: str | None = None,
    remedy: str | None = None,
    severity: str = "error",
    unit: str = "rows",
) -> list[Problem]:
    """Return one problem for all rows that break a rule, at the first of them: it counts them, and names the first `MAX_LISTED` lines.

    `values` are the cells of these rows, of which the first is quoted. [] without a row.
    """
    lines = list(rows)
    if not lines:
        return []
    if len(lines) > 1:
        places = some([r for r in lines if r is not None][:MAX_LISTED])
        more = f" and {len(lines) - MAX_LISTED:,} more" if len(lines) > MAX_LISTED else ""
        rule += f" ({len(lines):,} {unit}{f': lines {places}{more}' if places else ''})"
    value = None if values is None else next(iter(values), None)
    return [Problem(rule, file=file, row=lines[0], column=column, value=value, remedy=remedy, severity=severity)]


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that `name` probably misspells, or None. Case and separators do not count.

    >>> nearest("caseid", ["case_id", "label"])
    'case_id'
    """
    pool = {squash(c): c for c in candidates}
    close = difflib.get_close_matches(squash(name), list(pool), n=1, cutoff=0.6)
    return pool[close[0]] if close else None


def squash(name: str) -> str:
    """Return a column name without case, separators and surrounding space, for comparing names.

    >>> squash(" Case-ID")
    'caseid'
    """
    return "".join(c for c in name.casefold() if c not in "_-. \t")


def looks_like_formula(values: pa.Array) -> np.ndarray:
    """Return where a text would be a formula in a spreadsheet. Numbers and the bare labels `+` and `-` are fine."""
    begins = pc.match_substring_regex(values, f"\\A[{_FORMULA}]")
    if not pc.any(begins).as_py():
        return np.zeros(len(values), dtype=bool)
    fine = pc.match_substring_regex(values, rf"\A({NUMBER}|[+-])\z")
    mask: np.ndarray = as_mask(begins) & ~as_mask(fine)
    return mask


def unsafe_characters(values: pa.Array) -> np.ndarray:
    """Return where a text holds control, terminal-escape, bidirectional or invisible characters."""
    return as_mask(pc.match_substring_regex(values, _UNSAFE))


def is_blank(values: pa.Array) -> np.ndarray:
    """Return where a text is missing, empty or white space alone."""
    return as_mask(pc.equal(pc.utf8_trim_whitespace(pc.fill_null(values, "")), ""))


def means_missing(values: pa.Array) -> np.ndarray:
    """Return where a text is blank, or stands for a missing value: NA, nan, None (pandas), null, #N/A (spreadsheets), a point (SPSS, Stata, SAS).

    "none" and "nil" are categories (none, mild, severe).
    """
    trimmed = pc.utf8_trim_whitespace(pc.fill_null(values, ""))
    words = text_array(["", ".", "#n/a", *sorted(NA_WORDS - {"none", "nil"})])
    return as_mask(pc.or_(pc.is_in(pc.utf8_lower(trimmed), value_set=words), pc.equal(trimmed, "None")))


def padded(values: pa.Array) -> np.ndarray:
    """Return where a text has white space before or after it."""
    return as_mask(pc.not_equal(pc.utf8_trim_whitespace(values), values))


def is_number(values: pa.Array) -> np.ndarray:
    """Return where a text is a finite decimal number (`NUMBER`)."""
    return as_mask(pc.match_substring_regex(values, rf"\A{NUMBER}\z"))


def to_float(values: pa.Array) -> np.ndarray:
    """Return the texts as float64, correctly rounded, NaN where a text is no number."""
    good = is_number(values)
    clean = pc.if_else(pa.array(good), pc.ascii_ltrim(values, characters="+"), pa.scalar("nan", pa.large_string()))
    return np.asarray(clean.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)


def check_names(names: Sequence[str], file: str | None, row: Row, what: str = "column name") -> list[Problem]:
    """Return the problems of names in a header: blank, a formula, unsafe characters."""
    arr = text_array(names)
    tests: list[tuple[Callable[[pa.Array], np.ndarray], str, str]] = [
        (looks_like_formula, f"a {what} that a spreadsheet would run as a formula", "rename it"),
        (unsafe_characters, f"control or invisible characters in a {what}", "remove them"),
    ]
    return [
        Problem(rule, file=file, row=row, value=names[int(i)], remedy=remedy)
        for test, rule, remedy in tests
        for i in np.flatnonzero(test(arr))
    ]


@dataclass(frozen=True, slots=True)
class Coded:
    """A column as the codes (n,) of its distinct values, which stand in the order of their first rows; missing values are one of them."""

    codes: np.ndarray
    values: pd.Index | np.ndarray | pd.api.extensions.ExtensionArray

    @classmethod
    def of(cls, column: pd.Series) -> Coded:
        """The codes of a column."""
        return cls(*pd.factorize(column, use_na_sentinel=False))

    def where(self, mask: np.ndarray) -> Coded:
        """The codes of the rows of a mask; values that these rows lack stay."""
        return self if mask.all() else Coded(self.codes[mask], self.values)

    @property
    def counts(self) -> np.ndarray:
        """How often each value occurs."""
        return np.bincount(self.codes, minlength=len(self.values))


def check_text(
    values: pd.Series | Coded,
    rows: np.ndarray,
    *,
    file: str | None,
    column: str,
    blank_ok: bool = False,
    warn_na: bool = False,
) -> list[Problem]:
    """Return the problems of one column of ids, names or labels; see bad_input.md 3, 5, 48 and 49.

    `values` is text, `rows` the line of each record. Refused: blanks (unless `blank_ok`), text that a spreadsheet would run as
    a formula, control and invisible characters. With `warn_na`, words that R or pandas read as missing get a warning.
    """
    coded = values if isinstance(values, Coded) else Coded.of(values)
    codes, uniques = coded.codes, coded.values
    arr = text_array(uniques)
    out: list[Problem] = []

    def add(mask: np.ndarray, rule: str, remedy: str, severity: str = "error", once: bool = False) -> None:
        """One problem for the rows of the masked values; with `once`, which suits warnings, one for each of the first few values."""
        if not mask.any():
            return
        at = np.flatnonzero(mask[codes])
        if not len(at):
            return
        groups = [at]
        if once and mask.sum() <= MAX_LISTED:
            groups = [at[codes[at] == c] for c in dict.fromkeys(codes[at].tolist())]
        for group in groups:
            quoted = [uniques[codes[group[0]]]]
            out.extend(
                listed(rule, rows[group].tolist(), quoted, file=file, column=column, remedy=remedy, severity=severity)
            )

    blank = is_blank(arr)
    if not blank_ok:
        add(blank, "blank", "fill it in, or remove the row")
    add(
        looks_like_formula(arr) & ~blank,
        "text that a spreadsheet would run as a formula",
        "let it begin with another character than = + - @ tab or return",
        once=True,
    )
    add(unsafe_characters(arr) & ~blank, "control, bidirectional or invisible characters", "remove them", once=True)
    add(padded(arr) & ~blank, "white space at the beginning or end, kept as it is", "remove it", "warning", once=True)
    if warn_na:
        na = np.array([isinstance(u, str) and u.strip().casefold() in NA_WORDS for u in uniques.tolist()], dtype=bool)
        add(na, "stays text here; R and pandas read it as missing", "use another word", "warning", once=True)
    return out


def without_missing(
    frame: pd.DataFrame, rows: np.ndarray, file: str, *, texts: Sequence[str]
) -> tuple[pd.DataFrame, list[Problem]]:
    """The table with missing values as empty cells, and a warning for each column; `texts` are columns of ids and labels, in which they stay text.

    Missing is NA, as R writes it; in patient ids, splits, seeds, folds and readings also what pandas, SQL and Excel write: nan, None, NULL, N/A.
    """
    problems: list[Problem] = []
    labels = set(frame["y_true"].unique()) if "y_true" in frame else set()
    written = ["NA", "NaN", "nan", "<NA>", "#N/A", "N/A", "n/a", "None", "NULL", "null"]
    readings = [w for w in written if w == "NA" or w not in labels]
    ids = sorted({form for w in NA_WORDS for form in (w, w.upper(), w.capitalize(), "NaN")})
    for column in [c for c in frame.columns if c not in texts]:
        of_reader = column.startswith(("reader_", "rating_"))
        words = ids if column in ("patient_id", "split", "seed", "fold") else readings if of_reader else written[:5]
        missing = frame[column].isin(words).to_numpy(dtype=bool)
        if missing.any():
            what = f"{some(dict.fromkeys(frame[column][missing]))}, read as missing"
            problems += listed(what, rows[missing].tolist(), file=file, column=column, severity="warning")
            frame = frame.assign(**{column: frame[column].mask(missing, "")})
    return frame, problems


def without_names(
    problems: Iterable[Problem], rows: np.ndarray, case_ids: pd.Series, columns: Sequence[str]
) -> list[Problem]:
    """Return problems whose warnings about these columns quote the case id instead of the value, which may be a patient's name."""

    def without_name(p: Problem) -> Problem:
        if p.severity != "warning" or p.column not in columns:
            return p
        at = np.flatnonzero(rows == p.row)  # None where the warning concerns no single row
        return replace(p, value=None, cases=p.cases or tuple(str(case_ids.iloc[i]) for i in at))

    return [without_name(p) for p in problems]


def fold_spelling(text: str, *, fold_case: bool = True) -> str:
    """Return a text as a key for comparing spellings: white space trimmed and collapsed, accents composed, case folded.

    >>> fold_spelling("Benign ") == fold_spelling("benign")
    True
    """
    out = " ".join(unicodedata.normalize("NFC", text).split())
    return unicodedata.normalize("NFC", out.casefold()) if fold_case else out


def check_spellings(
    values: pd.Series | Coded, rows: np.ndarray, *, file: str | None, column: str, what: str, fold_case: bool = True
) -> list[Problem]:
    """Return a problem for each group of texts that differ only in case, surrounding space or accent composition (bad_input.md 9)."""
    coded = values if isinstance(values, Coded) else Coded.of(values)
    codes, uniques = coded.codes, coded.values
    arr = text_array(uniques)
    if not fold_case and not padded(arr).any() and pc.all(pc.string_is_ascii(arr)).as_py():
        return []
    groups: dict[str, list[int]] = {}
    for i, text in enumerate(uniques.tolist()):
        if not isinstance(text, str):
            continue  # missing
        groups.setdefault(fold_spelling(text, fold_case=fold_case), []).append(i)
    out = []
    for members in groups.values():
        if len(members) > 1:
            first = [int(rows[np.argmax(codes == m)]) for m in members]
            each = ", ".join(f"{uniques[m]!a} (line {r})" for m, r in zip(members, first, strict=True))
            out.append(
                Problem(
                    f"{len(members)} spellings of one {what}: {printable_list(each)}",
                    file=file,
                    row=first[1],
                    column=column,
                    remedy="write it the same way everywhere",
                )
            )
    return out


def printable_list(text: str, limit: int = 400) -> str:
    """Return a list made for a message, cut at `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def some(ids: Iterable[object], limit: int = 10) -> str:
    """Return the first `limit` ids for a message, each made printable, and how many more there are.

    >>> some(["a", "b", "c"], limit=2)
    'a, b and 1 more'
    """
    all_ids = [printable(i) for i in ids]
    text = ", ".join(all_ids[:limit])
    return text if len(all_ids) <= limit else f"{text} and {len(all_ids) - limit} more"
