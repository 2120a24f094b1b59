"""Checks of truth and score arrays, shared by all functions that take them.

Errors are ValueError, for programmers. Users' files are checked before, in `records/`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]


def check_truth(y_true: npt.ArrayLike) -> BoolArray:
    """Return `y_true` (n,) as booleans, True for the positive class. ValueError unless one-dimensional and all 0/1 or boolean."""
    y = np.asarray(y_true)
    if y.ndim != 1:
        raise ValueError(f"y_true must have one dimension (cases), it has the shape {y.shape}")
    if y.dtype == np.bool_:
        return y
    if not np.isin(y, (0, 1)).all():
        raise ValueError("y_true must hold booleans or 0 and 1 (1 for the positive class)")
    return y.astype(np.bool_)


def check_scores(y_score: npt.ArrayLike, n: int, *, probability: bool = False) -> FloatArray:
    """Return scores as a float64 array (k, n); one model may come as (n,).

    ValueError when the number of cases is not `n`, a score is not finite, or (`probability`) outside 0 to 1.
    """
    s = np.atleast_2d(np.asarray(y_score, dtype=np.float64))
    if s.ndim != 2 or s.shape[1] != n:
        raise ValueError(f"scores must have the shape (models, {n}) or ({n},), they have {np.shape(y_score)}")
    if not np.isfinite(s).all():
        raise ValueError(
            "scores must be finite: a case without a score cannot be ranked; leave it out for all models or none"
        )
    if probability and s.size and (s.min() < 0.0 or s.max() > 1.0):
        raise ValueError("scores must lie within 0 and 1 to be read as probabilities of the positive class")
    return s


def check_one_score(y_score: npt.ArrayLike, n: int, *, probability: bool = False) -> FloatArray:
    """Return one model's scores as float64 (n,), checked as `check_scores` does."""
    s = check_scores(y_score, n, probability=probability)
    if s.shape[0] != 1:
        raise ValueError(f"the scores of one model are wanted, not of {s.shape[0]}")
    return np.asarray(s[0])


def check_groups(groups: npt.ArrayLike, n: int) -> tuple[npt.NDArray[np.intp], int]:
    """Return the clusters of n cases as indices 0..G-1 (in sorted order of their labels) and their number G."""
    labels = np.asarray(groups)
    if labels.shape != (n,):
        raise ValueError(f"groups must have the shape ({n},), they have {labels.shape}")
    names, index = np.unique(labels, return_inverse=True)
    return index.astype(np.intp), int(names.size)


def z_value(confidence_level: float) -> float:
    """Return the normal quantile of a two-sided interval at `confidence_level` (between 0 and 1, exclusive)."""
    if not 0.0 < confidence_level < 1.0:
        raise ValueError(f"confidence_level must lie between 0 and 1, it is {confidence_level}")
    return float(special.ndtri(0.5 + confidence_level / 2.0))
