"""Folds that keep a patient's cases together and give each fold both classes."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hybridcx.errors import InputError, Problem

Split = tuple[NDArray[np.int64], NDArray[np.int64]]
_ATTEMPTS = 20
MIN_TRAINING = 3
"""Two classes and one case more: with fewer no variance within classes exists."""


def grouped_splits(
    y: NDArray[np.int64], groups: NDArray[Any], folds: int, random_state: int, notes: list[str]
) -> list[Split]:
    """(training, held-out) indices per fold: stratified, patients whole, both classes on both sides.

    `y` (n,) of 0 and 1, `groups` (n,) patient codes. `folds` is reduced to the number of patients of the class that has fewer, and further if
    patients with several cases leave a fold without a class in 20 shuffles; a sentence in `notes` says so.

    Raises InputError if a class has fewer than two patients, no such division exists, or a training part has fewer than 3 cases.
    """
    patients = [len(np.unique(groups[y == c])) for c in (0, 1)]
    if min(patients) < 2:
        raise InputError(
            Problem(
                "cross-validation needs two patients of each class",
                value=f"{patients[1]} positive and {patients[0]} negative patients",
                remedy="give these cases more patients, or leave out the heads",
            )
        )
    for k in range(min(folds, *patients), 1, -1):
        for attempt in range(_ATTEMPTS):
            splits = _shuffled(y, groups, k, (random_state + attempt) % 2**32)
            if all(len(np.unique(y[part])) == 2 for split in splits for part in split):
                if k < folds:
                    notes.append(
                        f"{k} folds instead of {folds}: {patients[1]} positive and {patients[0]} negative patients"
                    )
                return _enough(splits)
    raise InputError(
        Problem(
            "the patients cannot be divided into folds that all have both classes",
            value=f"{patients[1]} positive and {patients[0]} negative patients, {len(y)} cases",
            remedy="most cases belong to very few patients; give more patients, or leave out the heads",
        )
    )


def _enough(splits: list[Split]) -> list[Split]:
    smallest = min(len(train) for train, _ in splits)
    if smallest < MIN_TRAINING:
        raise InputError(
            Problem(
                f"a fold leaves {smallest} cases to train on; a head needs {MIN_TRAINING}",
                remedy="give more cases, or leave out the heads",
            )
        )
    return splits


def _shuffled(y: NDArray[np.int64], groups: NDArray[Any], k: int, random_state: int) -> list[Split]:
    from sklearn.model_selection import StratifiedGroupKFold

    with warnings.catch_warnings():
        # scikit-learn warns of a class with fewer cases than folds; here the caller looks at the folds themselves.
        warnings.simplefilter("ignore", UserWarning)
        splitter = StratifiedGroupKFold(n_splits=k, shuffle=True, random_state=random_state)
        return [
            (train.astype(np.int64), test.astype(np.int64))
            for train, test in splitter.split(np.zeros(len(y)), y, groups)
        ]
