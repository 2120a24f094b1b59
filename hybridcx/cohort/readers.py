"""The readers' calls and ratings that a manifest carries, on all cases read: before exclusions, because a consensus rule can exclude
disagreements."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hybridcx.cohort.calls import _FORMS, Kind, _ratings
from hybridcx.errors import InputError, Problem
from hybridcx.records.ratings import Ratings
from hybridcx.records.strict_csv import Table

if TYPE_CHECKING:
    from hybridcx.cohort.cohort import Cohort


def reader_ratings(cohort: Cohort, kind: Kind = "call") -> Ratings | None:
    """Return the readers' calls (columns `reader_...`, labels) or ratings (columns `rating_...`, numbers) of all screened cases.

    None where the manifest has no such column. Empty cells are cases that a reader did not read.
    """
    if kind not in _FORMS:
        raise InputError(Problem("the kind of reading must be call or rating", value=kind))
    known = cohort.frame.loc[cohort.frame["label"].str.strip() != "", "label"].unique().tolist()
    table = Table(cohort.frame, cohort.rows, cohort.source, Path(cohort.source).name)
    return _ratings(table, kind, known)


def with_readings(ledger: pd.DataFrame, cohort: Cohort) -> pd.DataFrame:
    """Return predictions with the readings that the cohort's rule uses as further columns, on the evaluated cases: columns
    `reader_...`, and `label_given` where the labels come from a rule. None where a case was not read.

    Where divisions differ a case is tested in one and fitted on in another: it has its readings on all its rows, one value a case.
    """
    calls = reader_ratings(cohort)
    if calls is None or not cohort.votes:
        return ledger
    beside = calls.frame[list(cohort.votes)].astype(object)
    if cohort.given_labels is not None:
        beside["label_given"] = pd.Series(cohort.given_labels.to_numpy(dtype=object), index=cohort.frame["case_id"])
        beside["label_given"] = beside["label_given"].mask(beside["label_given"].str.strip() == "", None)
    evaluated = ledger.loc[ledger["split"].isin(("test", "disputed")), "case_id"].unique()
    here = ledger["case_id"].isin(evaluated).to_numpy()
    readings = beside.reindex(ledger["case_id"]).reset_index(drop=True)
    return ledger.join(readings.where(np.repeat(here[:, None], beside.shape[1], axis=1), None).set_index(ledger.index))


def analysed_apart(cohort: Cohort, ratings: Ratings) -> Iterator[tuple[str, Ratings, str]]:
    """The same readings on the analysed cases only, with a caveat on their agreement; None where all cases read are analysed."""
    analysed = ratings.frame.index.isin(cohort.analysed["case_id"])
    if analysed.all() or not analysed.any():
        return
    note = ""
    if chosen_by_agreement(cohort):
        note = (
            "the analysed cases were chosen by the readers' agreement, so that between the calls that the rule uses it is 1 by construction, "
            "and everything else is higher than on all cases read"
        )
    yield "analysed", replace(ratings, frame=ratings.frame[analysed]), note


def chosen_by_agreement(cohort: Cohort) -> bool:
    """Whether the readers' calls that count are the same on every analysed case, while they differ on others that were read."""
    calls = reader_ratings(cohort)
    if calls is None or len(cohort.votes) < 2:
        return False
    differ = calls.frame[list(cohort.votes)].nunique(axis=1) > 1
    analysed = calls.frame.index.isin(cohort.analysed["case_id"])
    return bool(not differ[analysed].any() and differ[~analysed].any())


def reading_warnings(cohort: Cohort) -> list[Problem]:
    """Warnings about the readings: cases read by nobody, by one reader only, or not on every occasion, and how they are treated (bad_input.md 17)."""
    out: list[Problem] = []
    kinds: dict[Kind, str] = {"call": "calls", "rating": "ratings"}
    for kind, words in kinds.items():
        ratings = reader_ratings(cohort, kind)
        warnings = () if ratings is None else ratings.warnings
        out += [replace(p, rule=f"{words}: {p.rule}", severity="warning") for p in warnings]
    return out


def reading_problems(frame: pd.DataFrame, rows: np.ndarray, path: Path, known: list[str]) -> list[Problem]:
    """Return the problems of a manifest's readings, which `read_manifest` reports with its own. `known`: the labels."""
    out: list[Problem] = []
    kinds: tuple[Kind, Kind] = ("call", "rating")
    for kind in kinds:
        try:
            _ratings(Table(frame, rows, path, path.name), kind, known)
        except InputError as e:
            # Case ids are checked once, by the manifest.
            out += [p for p in e.problems if p.column != "case_id"]
    return out
