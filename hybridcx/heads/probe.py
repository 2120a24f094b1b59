"""A probe for shortcuts: how well a flexible classifier predicts the label from features that should carry no information on it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hybridcx.heads.folds import grouped_splits

TREES, LEAF = 100, 5


def out_of_fold(
    features: NDArray[np.float64], y: NDArray[np.int64], groups: NDArray[Any], *, folds: int, random_state: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Probability of the positive class of each case by a forest that saw neither it nor its patient, and the fold it was left out in.

    `features` (n, d), `y` (n,) of 0 and 1, `groups` (n,) patient codes. A random forest (Breiman 2001) of 100 trees with leaves of 5 cases: it needs
    no scaling of numbers and codes, and finds associations that are not monotone (labels in blocks of an order).

    Raises InputError where no folds with both classes exist.
    """
    from sklearn.ensemble import RandomForestClassifier  # here, so that `check` loads without scikit-learn

    scores, fold_of = np.full(len(y), np.nan), np.zeros(len(y), np.int64)
    for fold, (train, held) in enumerate(grouped_splits(y, groups, folds, random_state, [])):
        forest = RandomForestClassifier(TREES, min_samples_leaf=LEAF, random_state=random_state, n_jobs=1)
        scores[held] = forest.fit(features[train], y[train]).predict_proba(features[held])[:, 1]
        fold_of[held] = fold
    return scores, fold_of
