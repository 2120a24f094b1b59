"""Train, validation and test: drawn by class with whole patients, or as the manifest gives them; written with a hash.

Rounding rule of the drawn split, per class of n cases: train = round(share x n) and validation = round(share x n), halves up;
test is the rest. On the study's 170 abnormal and 161 normal cases with 70/15/15 this gives 119/26/25 and 113/24/24 (Table I).
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pandas as pd

from hybridcx.cohort.cohort import SPLITS, Cohort
from hybridcx.errors import InputError, Problem, raise_if_any
from hybridcx.records.cells import some
from hybridcx.streams import rng_for
from hybridcx.vocabulary.extras import need

Method = Literal["stratified", "manifest", "file", "fold", "subset"]


@dataclass(frozen=True, slots=True)
class Split:
    """Each analysed case's split.

    `assignment`: index case_id, sorted; values train, validation or test. `table`: Table I, one row per label (the positive
    one first) and `total`, columns train, validation, test, total. `sha256`: of its CSV (`to_bytes`).
    `method`: stratified, manifest, file, fold (of a cross-validation) or subset (of the training cases); `seed`: of a drawn split.
    `warnings`: for the user.
    `disputed`: the split of the cases in dispute, index case_id, "" for none; only those in test are used, and scored separately.
    """

    assignment: pd.Series
    table: pd.DataFrame
    method: Method
    seed: int | None = None
    warnings: tuple[Problem, ...] = ()
    disputed: pd.Series = field(default_factory=lambda: pd.Series([], index=pd.Index([], name="case_id"), dtype="str"))

    @property
    def disputed_test(self) -> tuple[str, ...]:
        """The disputed cases in test, which are scored separately."""
        return tuple(self.disputed.index[self.disputed == "test"].tolist())

    @property
    def sha256(self) -> str:
        """SHA-256 of the split's file, in hexadecimal."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    @property
    def of_case(self) -> dict[str, str]:
        """The split of each case id."""
        return dict(zip(self.assignment.index.tolist(), self.assignment.tolist(), strict=True))

    def frame(self) -> pd.DataFrame:
        """Return the split as a table, columns case_id and split, sorted by case."""
        return self.assignment.rename_axis("case_id").reset_index()

    def counts(self) -> pd.DataFrame:
        """Return Table I: how many cases of each label stand in train, validation, test and in total."""
        return self.table.copy()

    def of(self, case_ids: Sequence[str] | np.ndarray | pd.Series) -> np.ndarray:
        """Return the split of each case, (n,) text; KeyError for a case that has none."""
        return np.asarray(self.assignment.loc[list(case_ids)].to_numpy(), dtype=object)

    def to_bytes(self) -> bytes:
        """Return the split's file: CSV `case_id,split`, sorted by case, line feeds on every system."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["case_id", "split"])
        writer.writerows(zip(self.assignment.index.tolist(), self.assignment.tolist(), strict=True))
        return text.getvalue().encode()


def quotas(n: int, fractions: tuple[float, float, float]) -> tuple[int, int, int]:
    """Return how many of n cases of a class go to train, validation and test.

    >>> quotas(170, (0.70, 0.15, 0.15)), quotas(161, (0.70, 0.15, 0.15))
    ((119, 26, 25), (113, 24, 24))
    """
    # 0.15 x 170 is 25.499999999999996 in floating point; the shares are meant as decimals.
    train, validation = (math.floor(round(f * n, 9) + 0.5) for f in fractions[:2])
    if not fractions[2]:
        return train, n - train, 0
    validation = min(validation, n - train)
    return train, validation, n - train - validation


def stratified_split(cohort: Cohort, fractions: tuple[float, float, float] = (0.70, 0.15, 0.15), *, seed: int) -> Split:
    """Draw train, validation and test by class, all cases of a patient together.

    Patients are shuffled by the stream `split` of `seed` (from the sorted ids, so that the manifest's order does not matter) and placed, those with
    most cases first, where they lower the squared distance to the quotas of both classes most. Without repeated patients the quotas are met exactly;
    otherwise deviations from them are a warning. Cases in dispute are assigned afterwards by the same shares, so that they do not affect the others;
    a patient's disputed cases join the patient's other cases.

    Raises InputError: fractions that are negative or do not sum to 1; a split that would lack one of the classes.
    """
    if min(fractions) < 0 or not math.isclose(sum(fractions), 1, abs_tol=1e-9):
        raise InputError(
            Problem("the shares of train, validation and test must be 0 or more and sum to 1", value=fractions)
        )
    frame = cohort.analysed
    names, departs = place_patients(cohort, frame, fractions, rng_for(seed, "split"))
    split = make_split(cohort, frame["case_id"].tolist(), names, "stratified", seed)
    if departs:
        split = replace(split, warnings=(Problem(departs, severity="warning"),))
    return replace(split, disputed=_disputed(cohort, split.of_case, fractions, seed))


def place_patients(
    cohort: Cohort, frame: pd.DataFrame, fractions: tuple[float, float, float], rng: np.random.Generator
) -> tuple[list[str], str]:
    """Draw the split of each row of `frame`, analysed cases of `cohort`, as `stratified_split` does; and its deviations from the shares.

    Raises InputError for a split that would lack one of the classes.
    """
    wanted = np.array([quotas(int((frame["label"] == label).sum()), fractions) for label in cohort.labels]).T
    lacking = [
        Problem(
            f"the split {name!r} would have no case of the class {label!r}",
            cohort.source.name,
            column="label",
            remedy="take other shares, or collect more cases",
        )
        for s, name in enumerate(SPLITS)
        for c, label in enumerate(cohort.labels)
        if fractions[s] > 0 and wanted[s, c] == 0
    ]
    raise_if_any(lacking)

    size = pd.crosstab(frame["patient_id"], frame["label"]).reindex(columns=list(cohort.labels)).sort_index()
    counts = size.to_numpy()
    place, left = place_groups(counts, wanted, np.array(fractions) > 0, rng)
    by_patient = dict(zip(size.index.tolist(), place.tolist(), strict=True))
    names = [SPLITS[by_patient[p]] for p in frame["patient_id"]]
    if not left.any():
        return names, ""
    got = "; ".join(
        f"{SPLITS[s]} {label} {wanted[s, c] - left[s, c]} instead of {wanted[s, c]}"
        for s in range(3)
        for c, label in enumerate(cohort.labels)
        if left[s, c]
    )
    return names, f"patients with several cases stay together, and so the split departs from its shares: {got}"


def place_groups(
    counts: np.ndarray, wanted: np.ndarray, allowed: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Place whole groups into splits: those with most cases first, each where it lowers the squared distance to the quotas of all classes most.

    Parameters: `counts` (groups, classes), cases of each; `wanted` (splits, classes), the quotas; `allowed` (splits,), whether a split may have
    any; `rng`, which draws the order of groups of the same size.

    Returns the split of each group (groups,), and what the quotas still lack (splits, classes), all 0 where they are met.
    """
    order = rng.permutation(len(counts))
    order = order[np.argsort(-counts[order].sum(axis=1), kind="stable")]
    left = wanted.astype(np.int64).copy()
    place = np.empty(len(counts), dtype=np.int64)
    for p in order:
        gain = np.where(allowed, (counts[p] * (2 * left - counts[p])).sum(axis=1), np.iinfo(np.int64).min)
        place[p] = int(np.argmax(gain))
        left[place[p]] -= counts[p]
    return place, left


def patients_apart(
    case_ids: pd.Series, patients: pd.Series, positive: pd.Series, share: float, rng: np.random.Generator
) -> frozenset[str]:
    """A share of the patients with all their cases, drawn by class: patients with a positive case and the others.

    All of one length; a case without a patient is its own. Draws depend on the sorted patients, not on the order of the rows.
    """
    frame = pd.DataFrame(
        {
            "case": case_ids.to_numpy(),
            "patient": patients.fillna(case_ids).to_numpy(),
            "positive": positive.to_numpy(bool),
        }
    )
    by_patient = frame.groupby("patient", sort=True)["positive"].any()
    drawn: list[str] = []
    for value in (True, False):
        own = by_patient.index[by_patient == value].to_numpy()
        drawn += rng.permutation(own)[: math.floor(share * len(own) + 0.5)].tolist()
    return frozenset(frame.loc[frame["patient"].isin(drawn), "case"])


def _disputed(cohort: Cohort, of_case: dict[str, str], fractions: tuple[float, float, float], seed: int) -> pd.Series:
    """The split of the cases in dispute: that of the patient's other cases, otherwise by the shares of patients, in an order drawn from a separate
    random stream."""
    frame = cohort.in_dispute
    known = dict(zip(cohort.analysed["patient_id"], (of_case[c] for c in cohort.analysed["case_id"]), strict=True))
    alone = sorted(set(frame["patient_id"]) - set(known))
    if alone:
        names = [name for name, n in zip(SPLITS, quotas(len(alone), fractions), strict=True) for _ in range(n)]
        order = rng_for(seed, "split", "disputed").permutation(len(alone))
        known |= {alone[p]: name for p, name in zip(order.tolist(), names, strict=True)}
    index = pd.Index(frame["case_id"].tolist(), name="case_id")
    return pd.Series([known[p] for p in frame["patient_id"]], index=index, name="split", dtype="str").sort_index()


def manifest_split(cohort: Cohort) -> Split:
    """Return the split that the manifest's column `split` gives (checked when the manifest was read).

    Raises InputError where there is none, or none of train or test.
    """
    frame = cohort.analysed
    if not cohort.has_split:
        rule = "the manifest gives no split"
        raise InputError(Problem(rule, cohort.source.name, column="split", remedy="add the column, or draw the split"))
    split = make_split(cohort, frame["case_id"].tolist(), frame["split"].tolist(), "manifest", None)
    return replace(split, disputed=cohort.in_dispute.set_index("case_id")["split"].sort_index())


def make_split(
    cohort: Cohort,
    case_ids: list[str],
    names: list[str],
    method: Method,
    seed: int | None,
) -> Split:
    """Build a Split after the checks that hold for each: patients apart, both classes in each split that has cases (bad_input.md 15, 16)."""
    assignment = pd.Series(names, index=pd.Index(case_ids, name="case_id"), name="split", dtype="str").sort_index()
    frame = cohort.analysed.set_index("case_id").loc[assignment.index]
    order = [cohort.labels[1], cohort.labels[0]]
    counts = pd.crosstab(frame["label"], assignment).reindex(index=order, columns=list(SPLITS), fill_value=0)
    file = cohort.source.name
    n_splits = assignment.groupby(frame["patient_id"]).nunique()
    shared = n_splits.index[n_splits > 1].tolist()
    problems = []
    if shared:
        rule = f"{len(shared)} patients in two splits: {some(shared)}"
        problems.append(Problem(rule, file, column="split", remedy="put all cases of a patient into one split"))
    for name in SPLITS:
        if name != "validation" and not counts[name].sum():
            problems.append(
                Problem(f"the split {name!r} has no cases", file, column="split", remedy="assign cases to it")
            )
        elif counts[name].sum():
            problems += [
                Problem(
                    f"the split {name!r} has no case of the class {label!r}",
                    file,
                    column="split",
                    remedy="every split needs both classes",
                )
                for label in order
                if not counts.loc[label, name]
            ]
    raise_if_any(problems)
    counts["total"] = counts.sum(axis=1)
    counts.loc["total"] = counts.sum(axis=0)
    counts.columns.name = None
    return Split(assignment, counts, method, seed)


def grouped_stratified_folds(
    labels: np.ndarray, groups: np.ndarray, n_folds: int, *, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return (train, held out) row indices of each fold: stratified by label, whole groups (scikit-learn's StratifiedGroupKFold).

    `labels` and `groups` are (n,); the indices of all held-out parts together are each row once. `seed` is a 32-bit integer.

    Raises InputError: fewer than two folds, a class with fewer groups than folds, a fold without one of the classes.
    """
    need("deep", "drawing the folds of a cross-validation")
    from sklearn.model_selection import StratifiedGroupKFold

    labels, groups = np.asarray(labels), np.asarray(groups)
    classes = np.unique(labels)
    if n_folds < 2:
        raise InputError(Problem("cross-validation needs at least two folds", value=n_folds))
    for label in classes:
        n = len(np.unique(groups[labels == label]))
        if n < n_folds:
            rule = f"{n_folds} folds, but only {n} patients of the class {label!r}"
            raise InputError(Problem(rule, remedy="take fewer folds, or more cases"))
    splitter = StratifiedGroupKFold(n_splits=n_folds, shuffle=True, random_state=seed)
    folds = [(a, b) for a, b in splitter.split(np.zeros(len(labels)), labels, groups)]
    for i, parts in enumerate(folds, start=1):
        for rows, what in zip(parts, ("training part", "held-out part"), strict=True):
            if len(np.unique(labels[rows])) < len(classes):
                raise InputError(Problem(f"the {what} of fold {i} lacks a class", remedy="take fewer folds"))
    return folds
