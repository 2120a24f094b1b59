"""Consensus: the label of each case from the calls of its readers, and the cases on which there is none.

A case in dispute differs from an excluded case: it has no label, so it is never fitted on and enters no primary metric, but if the split assigns it
to test it is scored separately. A case that too few readers read is excluded, with that as its reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from hybridcx.cohort.calls import calls_of
from hybridcx.errors import InputError, Problem
from hybridcx.experiment.sections import LabelsSection
from hybridcx.records.cells import listed, nearest, some
from hybridcx.records.ratings import Ratings, ReadingColumn
from hybridcx.records.strict_csv import Table

UNREAD = "read by no reader"
ONE_READER = "read by one reader only"
DIFFER = "in dispute: the readers differ"
TIE = "in dispute: no majority of the readings"
NOT_ADJUDICATED = "in dispute: the readers differ and nobody adjudicated"

Verdict = tuple[str, str]
"""(label, "") where there is one, else ("", the reason)."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """Labels by a rule, one per row of the manifest.

    `label`: the rule's, or the given one where the case is excluded or in dispute. `excluded`: the reason, "" where the case is analysed.
    `disputed`: (n,) bool, the cases in dispute, whose `excluded` says why. `votes`: the columns of the readings that the rule uses.
    """

    label: pd.Series
    excluded: pd.Series
    disputed: np.ndarray
    votes: tuple[str, ...] = ()
    problems: list[Problem] = field(default_factory=list)


def labelled(table: Table, options: LabelsSection) -> Labelled:
    """Label the cases of a manifest by the rule of the experiment. Problems are returned, and `read_manifest` reports them with its own.

    Every reader votes with the reading of the first occasion (or the last, or all). Agreement: at least two readers, no reading that
    differs. Majority: at least two readers, and more readings for one label than for any other. One reader: that reader's reading.
    Adjudicated: agreement, otherwise the adjudicator's call.
    """
    raw, file = table.frame, table.file
    labels = raw["label"]
    excluded = raw["excluded"].str.strip() if "excluded" in raw.columns else pd.Series("", index=raw.index, dtype="str")
    reopened = excluded.isin([r.strip() for r in options.dispute_reasons]).to_numpy()
    unchanged = Labelled(labels, excluded, reopened)
    try:
        ratings = calls_of(table)
    except InputError:  # reported by `reading_problems`
        return unchanged
    if options.rule == "given":
        votes = () if ratings is None else tuple(c.column for c in chosen_columns(ratings, "first"))
        return Labelled(labels, excluded, reopened, votes)
    if ratings is None:
        rule = f"the labels are to come from readers (cohort.labels.rule = {options.rule!r}), but there is no column of readings"
        remedy = 'add columns reader_<name>, or use rule = "given"'
        return Labelled(labels, excluded, reopened, problems=[Problem(rule, file, 1, "reader_", remedy=remedy)])
    voters, adjudicator, problems = _roles(table, ratings, options)
    if problems:
        return Labelled(labels, excluded, reopened, problems=problems)

    columns = [c for c in chosen_columns(ratings, options.occasion) if c.reader in voters]
    readings = ratings.frame.loc[raw["case_id"].tolist(), [c.column for c in columns]].to_numpy(dtype=object)
    decide = _rule(options.rule, [c.reader for c in columns], options.reader)
    label, reason, disputed = labels.tolist(), excluded.tolist(), np.zeros(len(raw), dtype=bool)
    for i in np.flatnonzero((excluded == "").to_numpy() | reopened):
        decided, why = decide(readings[i])
        if not decided and adjudicator is not None:
            decided, why = (adjudicator[i], "") if adjudicator[i] else ("", NOT_ADJUDICATED if why == DIFFER else why)
        label[i], reason[i] = decided or label[i], why
        disputed[i] = why.startswith("in dispute")
    out = Labelled(
        pd.Series(label, index=raw.index, dtype="str"),
        pd.Series(reason, index=raw.index, dtype="str"),
        disputed,
        tuple(c.column for c in columns),
    )
    out.problems.extend(_differences(table, out, reopened))
    return out


def chosen_columns(ratings: Ratings, occasion: str) -> list[ReadingColumn]:
    """The readings that count: of each reader the first or the last occasion, or all of them."""
    out: list[ReadingColumn] = []
    for reader in ratings.readers:
        own = ratings.occasions(reader)
        out += own if occasion == "all" else [own[0] if occasion == "first" else own[-1]]
    return out


def _rule(name: str, readers: Sequence[str], one: str | None) -> Callable[[np.ndarray], Verdict]:
    """The rule as a function of one case's readings, in the order of `readers`."""

    def reading_of_one(values: np.ndarray) -> Verdict:
        own = {v for v, r in zip(values, readers, strict=True) if r == one and v is not None}
        if not own:
            return "", f"not read by {one}"
        return (own.pop(), "") if len(own) == 1 else ("", f"in dispute: the readings of {one} differ")

    def consensus(values: np.ndarray) -> Verdict:
        read = [(v, r) for v, r in zip(values, readers, strict=True) if v is not None]
        n_readers = len({r for _, r in read})
        if n_readers < 2:
            return "", ONE_READER if n_readers else UNREAD
        counts = Counter(v for v, _ in read).most_common()
        if len(counts) == 1:
            return counts[0][0], ""
        if name != "majority":
            return "", DIFFER
        return (counts[0][0], "") if counts[0][1] > counts[1][1] else ("", TIE)

    return reading_of_one if name == "reader" else consensus


def _roles(table: Table, ratings: Ratings, options: LabelsSection) -> tuple[set[str], list[str] | None, list[Problem]]:
    """The voting readers, the adjudicator's calls ("" where none), and problems of the names."""
    raw, file = table.frame, table.file
    problems = []
    for key, names in (("readers", options.readers or []), ("reader", [options.reader] if options.reader else [])):
        for name in names:
            if name not in ratings.readers:
                guess = nearest(name, ratings.readers)
                remedy = f"did you mean {guess!r}?" if guess else f"the readers are {some(list(ratings.readers))}"
                problems.append(
                    Problem(f"cohort.labels.{key} names no reader of the manifest", file, value=name, remedy=remedy)
                )
    voters: set[str] = {options.reader} if options.reader else set(options.readers or ratings.readers)
    calls: list[str] | None = None
    if options.adjudicator is not None:
        if options.adjudicator not in raw.columns:
            guess = nearest(options.adjudicator, raw.columns)
            remedy = f"did you mean {guess!r}?" if guess else "name a column of the manifest"
            rule = "cohort.labels.adjudicator names no column of the manifest"
            problems.append(Problem(rule, file, 1, value=options.adjudicator, remedy=remedy))
        else:
            own = [c.reader for c in ratings.columns if c.column == options.adjudicator]
            voters -= set(own)
            cells = raw[options.adjudicator].str.strip()
            votes = {v for c in ratings.columns if c.reader in voters for v in ratings.frame[c.column] if v is not None}
            at = np.flatnonzero(~cells.isin([*votes, ""]).to_numpy())
            rule, remedy = "an adjudication that no reader ever called", f"the readers' calls are {some(sorted(votes))}"
            problems += listed(rule, table.rows[at].tolist(), cells.iloc[at].tolist(), file=file,
                               column=options.adjudicator, remedy=remedy)  # fmt: skip
            calls = cells.tolist()
    if not problems and options.rule != "reader" and len(voters) < 2:
        rule = f"the rule {options.rule!r} needs two readers or more; voting: {some(sorted(voters))}"
        problems.append(Problem(rule, file, 1, "reader_", remedy="name more readers, or use rule = 'reader'"))
    return voters, calls, problems


def _differences(table: Table, labelled_cases: Labelled, reopened: np.ndarray) -> list[Problem]:
    """Warnings where the rule and the manifest's own labels or exclusions differ."""
    raw, file = table.frame, table.file
    analysed = (labelled_cases.excluded == "").to_numpy()
    out = []
    other = analysed & (raw["label"].str.strip() != "").to_numpy() & (raw["label"] != labelled_cases.label).to_numpy()
    if other.any():
        ids = tuple(raw["case_id"][other])
        rule = f"{len(ids)} cases have another label by the rule than in the column"
        remedy = "the rule's label is used"
        out.append(Problem(rule, file, column="label", remedy=remedy, severity="warning", cases=ids))
    solved = analysed & reopened
    if solved.any():
        ids = tuple(raw["case_id"][solved])
        rule = f"{len(ids)} cases that the manifest calls a dispute have a label by the rule, and are analysed"
        out.append(Problem(rule, file, column="excluded", severity="warning", cases=ids))
    return out
