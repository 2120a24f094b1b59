"""Models compared with readers: the readers' calls on the test cases, agreement of models with readers, and accuracy of both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from hybridcx.analysis.plan import Plan
from hybridcx.analysis.readers.rows import (
    MadeTruth,
    ReaderCalls,
    adjusted,
    agreement_rows,
    comparison_rows,
    performance_rows,
)
from hybridcx.analysis.readers.seeds import SeedsAndReaders
from hybridcx.analysis.repeats.slices import SeedSlices
from hybridcx.analysis.rows import Keys
from hybridcx.analysis.slices import Slice
from hybridcx.errors import InputError, Problem, raise_if_any
from hybridcx.records.predictions import Predictions
from hybridcx.records.ratings import Ratings

TABLES = ("reader_agreement", "reader_performance", "reader_comparisons")


@dataclass(frozen=True, slots=True)
class ReaderView:
    """The tables of the comparison with readers, and its caveats."""

    tables: dict[str, pd.DataFrame]
    notes: tuple[str, ...]


def reader_view(
    predictions: Predictions, ratings: Ratings, plan: Plan, made_truth: MadeTruth = "unknown"
) -> ReaderView:
    """Compare the models with the readers of a ratings file, matched by case_id.

    The readers are fixed effects. Their accuracy is estimated and compared with the models', unless their calls define the truth. With several seeds
    the rows over the seeds come first, then those of each seed (column `seed`). Raises InputError where the models have no calls, no test case was
    read, or a call is none of the labels.
    """
    if not predictions.has_pred:
        raise InputError(
            Problem("models without calls cannot be set beside readers", remedy="give y_pred, or probabilities")
        )
    if len(predictions.seeds) > 1:
        return _of_seeds(predictions, ratings, plan, made_truth)
    data = predictions.matrices("test")
    read = reader_calls(ratings, data.case_ids, predictions.labels)
    part = Slice(data.models, data.y_true, data.y_pred, None, data.groups, Keys())
    tables = {"reader_agreement": pd.DataFrame(agreement_rows(part, read, plan, made_truth))}
    tables["reader_performance"] = pd.DataFrame()
    tables["reader_comparisons"] = pd.DataFrame()
    if made_truth != "yes":
        tables["reader_performance"] = pd.DataFrame(performance_rows(part, read, plan, made_truth))
        tables["reader_comparisons"] = adjusted(pd.DataFrame(comparison_rows(part, read, plan, made_truth)))
    return ReaderView(tables, _notes(read, made_truth))


def _of_seeds(predictions: Predictions, ratings: Ratings, plan: Plan, made_truth: MadeTruth) -> ReaderView:
    slices = SeedSlices.of(predictions, Keys())
    cases = predictions.test().drop_duplicates("case_id").sort_values("case_id")
    ids = pd.Index(cases["case_id"])
    patients = cases["patient_id"]
    whole = Slice(
        (),
        np.asarray(cases["y_true"] == predictions.positive, dtype=bool),
        np.empty((0, len(cases)), dtype=bool),
        None,
        None if patients.isna().all() else pd.factorize(patients, sort=True)[0].astype(np.int64),
        Keys(),
    )
    read = reader_calls(ratings, ids.to_numpy(dtype=object), predictions.labels)
    place = tuple(ids.get_indexer(predictions.matrices("test", seed=s).case_ids) for s in slices.seeds)
    both = SeedsAndReaders(slices, whole, read, place)
    tables = {"reader_agreement": both.agreement_table(plan, made_truth)}
    tables["reader_performance"] = tables["reader_comparisons"] = pd.DataFrame()
    if made_truth != "yes":
        tables["reader_performance"] = both.performance_table(plan, made_truth)
        tables["reader_comparisons"] = both.comparisons_table(plan, made_truth)
    return ReaderView(tables, (*_notes(read, made_truth), _of_number_of_seeds(len(slices.seeds), both.crossed)))


def _notes(read: ReaderCalls, made_truth: MadeTruth) -> tuple[str, ...]:
    return tuple(n for n in (*read.notes, _of_number(len(read.names)), _of_truth(made_truth)) if n)


def _of_number_of_seeds(total: int, crossed: bool) -> str:
    if crossed:
        return (
            f"The models come with {total} seeds, the readers with none: what is shown are means over the seeds, with limits from the bootstrap over "
            "seeds and cases; the rows of each seed stand in the files."
        )
    return (
        f"The models come with {total} seeds, each with test cases of its own: the means over the seeds have no limits, and tests stand in the files "
        "seed by seed."
    )


def reader_calls(ratings: Ratings, case_ids: np.ndarray, labels: tuple[str, str]) -> ReaderCalls:
    """The calls of each reader's first occasion on these cases. Raises InputError for the same reasons as `reader_view`."""
    ids = pd.Index(case_ids)
    known = ratings.frame.index.intersection(ids)
    if known.empty:
        raise InputError(
            Problem(
                "the readers read none of the test cases", column="case_id", remedy="give both files the same case ids"
            )
        )
    first = {reader: ratings.occasions(reader)[0].column for reader in ratings.readers}
    order = ratings.frame.index.get_indexer(ids)
    problems = []
    calls = np.full((len(first), len(ids)), -1, dtype=np.int64)
    for i, column in enumerate(first.values()):
        values = ratings.frame[column].to_numpy(dtype=object)[order]
        read = (order >= 0) & np.array([v is not None for v in values])
        strange = [v for v in values[read] if v not in labels]
        if strange:
            problems.append(
                Problem("a call that is none of the labels", column=column, value=strange[0],
                        remedy=f"the labels are {labels[0]!r} and {labels[1]!r}")
            )  # fmt: skip
        calls[i, read] = values[read] == labels[1]
    raise_if_any(problems)
    notes = []
    if any(len(ratings.occasions(r)) > 1 for r in ratings.readers):
        notes.append(
            "Readers who read the cases more than once are here with their first reading; readings are not averaged."
        )
    if unread := int((calls == -1).any(axis=0).sum()):
        notes.append(
            f"Test cases that lack a reading: {unread} of {len(ids)}; each pair is compared on the cases that both called."
        )
    if surplus := len(ratings.frame.index) - len(known):
        notes.append(f"Cases of the ratings that are no test cases, left out: {surplus}.")
    return ReaderCalls(tuple(first), calls, tuple(notes))


def _of_number(readers: int) -> str:
    if readers == 1:
        return "With one reader there is no agreement between readers with which to compare the models' agreement."
    if readers == 2:
        return (
            "Two readers make a single pair: its agreement describes these two readers, not readers in general. A model's mean is taken over "
            "its two pairs with them."
        )
    return (
        f"The {readers} readers are fixed: the intervals say how it would be with other cases, not with other readers."
    )


def _of_truth(made_truth: MadeTruth) -> str:
    if made_truth == "yes":
        return (
            "These readers made the truth: they are not compared with the models on it, and a model's agreement with them is its accuracy "
            "in other words."
        )
    if made_truth == "unknown":
        return (
            "It is not stated whether these readers made the truth. If they did, every comparison with them on it favours them and should "
            "not be read."
        )
    return ""
