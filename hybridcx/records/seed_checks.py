"""The checks of predictions of several seeds or folds: bad_input.md 12 and 15 from one seed to the next.

Seeds share their test cases (training repeated on one split), or each has a test set of its own, none of which holds all the cases
(repeated hold-out). Anything between is a gap. Within a seed, each case is tested in one fold, and each patient in one fold.
"""

from __future__ import annotations

import pandas as pd

from hybridcx.errors import Problem
from hybridcx.records.cells import some

REPEATS = "give each repetition of the folds, or each random split, a seed of its own"


def check_repeats(frame: pd.DataFrame, file: str, *, whole: bool = True) -> list[Problem]:
    """Return the problems of the test rows' seeds and folds; `frame` as in `Predictions`, before the labels are typed.

    `whole` is False where rows of the file could not be read, which may be what a seed lacks.
    """
    has_seed, has_fold = (not frame[c].isna().all() for c in ("seed", "fold"))
    test = frame[frame["split"] == "test"]
    if test.empty or not (has_seed or has_fold):
        return []
    out = _gaps(test, file, has_fold) if has_seed and whole else []
    if has_fold:
        out += _in_several_folds(test, "case_id", "cases", REPEATS, file)
        if not test["patient_id"].isna().all() and not out:
            remedy = (
                "keep each patient's cases in one fold: otherwise a model is tested on patients that it was trained on"
            )
            out += _in_several_folds(test, "patient_id", "patients", remedy, file)
    return out


def _gaps(test: pd.DataFrame, file: str, has_fold: bool) -> list[Problem]:
    """A seed that lacks cases although another one has all, or that tests them in folds: a gap, not a test set of its own."""
    each = test[["seed", "case_id"]].drop_duplicates()
    cases = pd.Index(each["case_id"].unique())
    by_seed = [(seed, each.loc[each["seed"] == seed, "case_id"]) for seed in sorted(each["seed"].unique().tolist())]
    if not any(len(part) == len(cases) for _, part in by_seed):
        if not has_fold:
            return []  # every test set is its own: repeated hold-out
        rule = f"no seed tests all {len(cases)} cases in its folds: folds of one cross-validation test every case once"
        remedy = "give every seed all cases; random splits (repeated hold-out) have a column seed and no column fold"
        return [Problem(rule, file, column="fold", remedy=remedy)]
    out = []
    for seed, part in by_seed:
        lacking = cases.difference(part)
        if len(lacking):
            rule = f"seed {seed} lacks {len(lacking)} of {len(cases)} test cases: {some(sorted(lacking))}"
            remedy = "give every seed the same test cases, or (repeated hold-out) each one a test set of its own"
            out.append(Problem(rule, file, column="seed", value=seed, remedy=remedy))
    return out


def _in_several_folds(test: pd.DataFrame, column: str, what: str, remedy: str, file: str) -> list[Problem]:
    """Cases or patients that one seed tests in more than one fold, seed by seed."""
    each = test[["seed", "fold", column]].drop_duplicates()
    out = []
    for seed, part in each.groupby(each["seed"].astype(object).fillna(""), sort=False):
        ids = part[column]
        twice = sorted(ids[ids.duplicated()].unique())
        if twice:
            of = f" of seed {seed}" if seed != "" else ""
            rule = f"{len(twice)} {what} are tested in several folds{of}: {some(twice)}"
            out.append(Problem(rule, file, column="fold", value=twice[0], remedy=remedy))
    return out
