"""The labels of a fit: two classes, and which cases validate."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.utils import assert_all_finite, check_consistent_length, column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from hybridcx.cohort.splits import place_groups, quotas
from hybridcx.estimators.refusal import refused
from hybridcx.streams import rng_for


def two_classes(y: ArrayLike | None, estimator: str) -> tuple[np.ndarray, np.ndarray]:
    """The two classes, sorted, and the class of each case (n,), 0 or 1.

    Raises
    ------
    RefusedInputError, ValueError
        for no labels, missing ones, labels of a regression, one class, or more than two.
    """
    if y is None:
        raise refused(f"{estimator} requires y to be passed, but the target y is None")
    labels = column_or_1d(y, warn=True)
    missing = np.flatnonzero(pd.isna(labels))
    if missing.size:
        raise refused("a label is missing", where=f"row {missing[0]} of y", remedy="leave the case out")
    assert_all_finite(labels, input_name="y")
    check_classification_targets(labels)
    kind = type_of_target(labels, input_name="y", raise_unknown=True)
    if kind != "binary":
        rule = f"Only binary classification is supported. The type of the target is {kind}"
        raise refused(rule, remedy="fit a network for each class with sklearn.multiclass.OneVsRestClassifier")
    classes, coded = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise refused("y has 1 class, a classifier needs two", classes[0] if len(classes) else None)
    return classes, coded.astype(np.int64)


def hold_out(coded: np.ndarray, groups: ArrayLike | None, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows that train and rows that validate, both ascending: drawn by class, whole groups together.

    Parameters
    ----------
    coded : (n,), 0 or 1
    groups : (n,), such as patients; None: every case is its own
    fraction : share of each class that validates; (1 - fraction) times its cases, rounded half up, train. 0: none validates. With groups as near
        to it as whole groups allow
    seed : of the draw

    Raises
    ------
    RefusedInputError
        for a fraction outside 0 to 1, a missing group, or too few cases or groups to train on both classes.
    """
    if not isinstance(fraction, int | float | np.number) or isinstance(fraction, bool) or not 0 <= fraction < 1:
        raise refused("validation_fraction is a share of the cases, from 0 up to but not 1", fraction)
    members = np.arange(len(coded)) if groups is None else _codes(groups, coded)
    if fraction == 0:
        return np.arange(len(coded)), np.arange(0)
    counts = np.zeros((members.max() + 1, 2), dtype=np.int64)
    np.add.at(counts, (members, coded), 1)
    shares = (1 - float(fraction), float(fraction), 0.0)
    wanted = np.array([quotas(int(n), shares)[:2] for n in counts.sum(axis=0)]).T
    place, _ = place_groups(counts, wanted, np.array([True, True]), rng_for(seed, "validation"))
    validates = place[members] == 1
    if len(np.unique(coded[~validates])) < 2:
        rule = f"validation_fraction={fraction:g} leaves no case of a class to train on"
        raise refused(rule, f"{len(coded)} cases, {len(counts)} groups", "lower it, or 0 for no validation")
    return np.flatnonzero(~validates), np.flatnonzero(validates)


def _codes(groups: ArrayLike, coded: np.ndarray) -> np.ndarray:
    """The groups as numbers from 0, in the order of their sorted names, so that the order of rows does not decide them."""
    check_consistent_length(coded, groups)
    values = column_or_1d(groups)
    missing = np.flatnonzero(pd.isna(values))
    if missing.size:
        raise refused("a group is missing", where=f"row {missing[0]} of groups", remedy="name the group of every case")
    return np.unique(values, return_inverse=True)[1]
