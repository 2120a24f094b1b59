"""The readers' calls and ratings that a manifest carries, on all cases read: before exclusions, where agreement is not yet by rule."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from hybridcx.errors import InputError, Problem, raise_if_any
from hybridcx.records.cells import is_blank, listed, some, text_array
from hybridcx.records.ratings import Ratings, Scale, build_ratings
from hybridcx.records.strict_csv import Table

if TYPE_CHECKING:
    from hybridcx.cohort.manifest import Cohort

Kind = Literal["call", "rating"]

_FORMS: dict[Kind, tuple[str, Scale]] = {"call": ("reader_", "nominal"), "rating": ("rating_", "measurement")}


def reader_ratings(cohort: Cohort, kind: Kind = "call") -> Ratings | None:
    """Return the readers' calls (columns `reader_...`, labels) or ratings (columns `rating_...`, numbers) of all screened cases.

    None where the manifest has no such column. Empty cells are cases that a reader did not read.
    """
    if kind not in _FORMS:
        raise InputError(Problem("the kind of reading must be call or rating", value=kind))
    known = cohort.frame.loc[cohort.frame["label"].str.strip() != "", "label"].unique().tolist()
    table = Table(cohort.frame, cohort.rows, cohort.source, Path(cohort.source).name)
    return _ratings(table, kind, known)


def reading_problems(frame: pd.DataFrame, rows: np.ndarray, path: Path, known: list[str]) -> list[Problem]:
    """Return what is wrong with the readings of a manifest, for its reader to report with the rest. `known`: the labels."""
    out: list[Problem] = []
    kinds: tuple[Kind, Kind] = ("call", "rating")
    for kind in kinds:
        try:
            _ratings(Table(frame, rows, path, path.name), kind, known)
        except InputError as e:
            # Case ids are checked once, by the manifest.
            out += [p for p in e.problems if p.column != "case_id"]
    return out


def _ratings(table: Table, kind: Kind, known: list[str]) -> Ratings | None:
    prefix, scale = _FORMS[kind]
    columns = [c for c in table.frame.columns if c.startswith(prefix)]
    if not columns:
        return None
    problems: list[Problem] = []
    if kind == "call":
        for column in columns:
            cells = table.frame[column]
            at = np.flatnonzero(~cells.isin(known).to_numpy() & ~is_blank(text_array(cells)))
            rule = "a reader's call that is none of the labels"
            remedy = f"the labels are {some(sorted(known))}; numbers go into columns rating_<name>"
            problems += listed(rule, table.rows[at].tolist(), cells.iloc[at].tolist(), file=table.file, column=column,
                               remedy=remedy)  # fmt: skip
    try:
        ratings = build_ratings(table, problems, scale, (prefix,), others_expected=True)
    finally:
        raise_if_any(problems)
    return ratings
