"""The folds of a cross-validation: each case is a test case once, and the others of its fold are divided into training and validation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from hybridcx.cohort.cohort import Cohort
from hybridcx.cohort.splits import Split, grouped_stratified_folds, make_split, place_patients
from hybridcx.errors import InputError, Problem, raise_if_any
from hybridcx.streams import rng_for, seed_for


def fold_splits(cohort: Cohort, n_folds: int, validation: float, *, seed: int) -> tuple[Split, ...]:
    """Divide the cohort into `n_folds` splits whose test sets are disjoint and together hold every analysed case.

    Stratified by class, all cases of a patient together (scikit-learn's StratifiedGroupKFold, on cases sorted by id, so that the manifest's order
    does not matter). Of the cases outside a fold the share `validation` (0 to 1, exclusive) is drawn for validation, by class and patient as
    `stratified_split` does. A case in dispute is a test case, scored separately, of the fold of its patient's other cases; a patient without others
    gets a random fold.

    Raises InputError, with the problems of all folds: too few patients of a class; a part without one of the classes.
    """
    frame = cohort.analysed.sort_values("case_id", kind="stable")
    labels = (frame["label"] == cohort.positive).to_numpy()
    groups = pd.factorize(frame["patient_id"], sort=True)[0]
    parts = grouped_stratified_folds(labels, groups, n_folds, seed=seed_for(seed, "folds"))
    disputed = _disputed_folds(cohort, frame, [held for _, held in parts], seed)
    problems: list[Problem] = []
    splits = []
    for number, (rest, _) in enumerate(parts, 1):
        own = frame.iloc[rest]
        names = np.full(len(frame), "test", dtype=object)
        try:
            placed, _ = place_patients(cohort, own, (1 - validation, validation, 0.0), rng_for(seed, "fold", number))
            names[rest] = placed
            split = make_split(cohort, frame["case_id"].tolist(), names.tolist(), "fold", seed)
        except InputError as error:
            problems += [replace(p, rule=f"fold {number}: {p.rule}") for p in error.problems]
            continue
        here = disputed.map(lambda fold, number=number: "test" if fold == number else "")
        splits.append(replace(split, disputed=here.astype("str").rename("split")))
    raise_if_any(problems)
    return tuple(splits)


def _disputed_folds(cohort: Cohort, frame: pd.DataFrame, held: list[np.ndarray], seed: int) -> pd.Series:
    """The fold (from 1) in which each case in dispute is scored; index case_id, sorted."""
    disputed = cohort.in_dispute.sort_values("case_id", kind="stable")
    fold_of = {p: k for k, rows in enumerate(held, 1) for p in frame["patient_id"].iloc[rows]}
    alone = sorted(set(disputed["patient_id"]) - set(fold_of))
    order = rng_for(seed, "folds", "disputed").permutation(len(alone))
    fold_of |= {alone[p]: 1 + i % len(held) for i, p in enumerate(order.tolist())}
    index = pd.Index(disputed["case_id"].tolist(), name="case_id")
    return pd.Series([fold_of[p] for p in disputed["patient_id"]], index=index, dtype="int64")
