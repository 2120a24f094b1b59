"""Readers' calls and ratings in the columns of a manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from hybridcx.errors import Problem, raise_if_any
from hybridcx.records.cells import is_blank, listed, some, text_array
from hybridcx.records.ratings import Ratings, Scale, build_ratings
from hybridcx.records.strict_csv import Table

if TYPE_CHECKING:
    pass


Kind = Literal["call", "rating"]


_FORMS: dict[Kind, tuple[str, Scale]] = {"call": ("reader_", "nominal"), "rating": ("rating_", "measurement")}


def calls_of(table: Table) -> Ratings | None:
    """Return the readers' calls of a manifest, before labels are derived from them. Raises InputError for columns that cannot be read."""
    columns = [c for c in table.frame.columns if c.startswith("reader_")]
    calls = pd.unique(table.frame[columns].to_numpy(dtype=object).ravel()).tolist() if columns else []
    return _ratings(table, "call", calls)


def _ratings(table: Table, kind: Kind, known: list[str]) -> Ratings | None:
    prefix, scale = _FORMS[kind]
    columns = [c for c in table.frame.columns if c.startswith(prefix)]
    if not columns:
        return None
    problems: list[Problem] = []
    if kind == "call":
        for column in columns:
            cells = table.frame[column]
            at = np.flatnonzero(~cells.isin([*known, "NA"]).to_numpy() & ~is_blank(text_array(cells)))
            rule = "a reader's call that is none of the labels"
            remedy = f"the labels are {some(sorted(known))}; numbers go into columns rating_<name>"
            problems += listed(rule, table.rows[at].tolist(), cells.iloc[at].tolist(), file=table.file, column=column,
                               remedy=remedy)  # fmt: skip
    try:
        ratings = build_ratings(table, problems, scale, (prefix,), others_expected=True)
    finally:
        raise_if_any(problems)
    return ratings
