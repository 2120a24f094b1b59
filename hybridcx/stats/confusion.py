"""The metrics of a confusion matrix: functions of its four counts alone.

Conventions, where textbooks differ (docs/reference/conventions.md, "Ratios and rare counts"):

- a ratio 0/0 is undefined (NaN here), x/0 with x > 0 is infinite for the likelihood ratios and the odds ratio; 1/2 is never added;
- MCC with an empty margin is undefined, not 0;
- F1 is the Dice form 2 TP / (2 TP + FP + FN). It is 0 if no case is predicted positive (no true positive was found), and undefined
  only if there is no positive case at all, since sensitivity is undefined then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hybridcx.vocabulary import COUNT_METRICS, PROPORTIONS

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Confusion:
    """The four counts of a two-class confusion matrix.

    Parameters
    ----------
    tp, fn, fp, tn : int
        True positives, false negatives, false positives, true negatives.

    Raises
    ------
    ValueError
        A negative count.

    Examples
    --------
    >>> from hybridcx.stats import Confusion
    >>> Confusion.from_labels([1, 1, 0, 0, 0], [1, 0, 0, 0, 1])
    Confusion(tp=1, fn=1, fp=1, tn=2)
    """

    tp: int
    fn: int
    fp: int
    tn: int

    def __post_init__(self) -> None:
        if min(self.tp, self.fn, self.fp, self.tn) < 0:
            raise ValueError(f"counts of a confusion matrix cannot be negative: {self}")

    @classmethod
    def from_labels(cls, y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Confusion:
        """Count the cases of `y_true` and `y_pred` (n,), True or 1 for the positive class.

        Raises ValueError for other values, arrays that are not one-dimensional, or of different length.
        """
        truth, predicted = label_columns(y_true=y_true, y_pred=y_pred)
        tp = int(np.count_nonzero(truth & predicted))
        positives, called = int(np.count_nonzero(truth)), int(np.count_nonzero(predicted))
        return cls(tp=tp, fn=positives - tp, fp=called - tp, tn=truth.size - positives - called + tp)

    @property
    def n(self) -> int:
        """Number of cases."""
        return self.tp + self.fn + self.fp + self.tn

    @property
    def positives(self) -> int:
        """Number of cases of the positive class."""
        return self.tp + self.fn

    @property
    def negatives(self) -> int:
        """Number of cases of the negative class."""
        return self.fp + self.tn


def boolean_columns(**columns: npt.ArrayLike) -> list[npt.NDArray[np.bool_]]:
    """Return the named columns as boolean arrays of one length, or raise ValueError that names the offending one.

    0/1 integers are refused: where the columns say who is right, predictions passed by mistake would be read as "right where 1".
    """
    arrays = {name: np.asarray(column) for name, column in columns.items()}
    for name, array in arrays.items():
        if array.dtype != np.bool_ or array.ndim != 1:
            raise ValueError(
                f"{name} must be a boolean array of shape (n,), got dtype {array.dtype} and shape {array.shape}"
            )
    lengths = {name: array.size for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"arrays of the same cases must have one length, got {lengths}")
    return list(arrays.values())


def label_columns(**columns: npt.ArrayLike) -> list[npt.NDArray[np.bool_]]:
    """`boolean_columns` for labels and calls, which may also be 0 and 1 (1 for the positive class)."""
    arrays = {name: np.asarray(column) for name, column in columns.items()}
    for name, array in arrays.items():
        if array.dtype != np.bool_:
            if not np.isin(array, (0, 1)).all():
                raise ValueError(f"{name} must be a boolean array of shape (n,), or hold 0 and 1 alone")
            arrays[name] = array.astype(np.bool_)
    return boolean_columns(**arrays)


def _ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """numerator / denominator with 0/0 = NaN and x/0 = Inf, without warnings."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(numerator / denominator, dtype=np.float64)


def count_metrics(
    tp: npt.ArrayLike, fn: npt.ArrayLike, fp: npt.ArrayLike, tn: npt.ArrayLike, only: Iterable[str] | None = None
) -> dict[str, FloatArray]:
    """Metrics of confusion matrices, from sensitivity to the diagnostic odds ratio.

    Parameters
    ----------
    tp, fn, fp, tn : array_like of int
        Counts, which broadcast to one shape.
    only : iterable of str, optional
        Names of the metrics to compute; by default all: accuracy, sensitivity, specificity, ppv, npv, f1, balanced_accuracy, mcc, youden_j,
        lr_positive, lr_negative, diagnostic_odds_ratio.

    Returns
    -------
    dict of str to ndarray
        The values by metric, of the broadcast shape. Undefined values are NaN, infinite ratios Inf.

    Notes
    -----
    LR+ is TP (FP + TN) / (FP (TP + FN)), a single division, so that an empty cell gives exactly 0, Inf or NaN.

    Examples
    --------
    >>> from hybridcx.stats import count_metrics
    >>> float(count_metrics(8, 2, 1, 9)["lr_positive"])
    8.0
    >>> float(count_metrics(8, 2, 0, 10)["lr_positive"])
    inf
    """
    a, b, c, d = np.broadcast_arrays(*(np.asarray(cell, dtype=np.float64) for cell in (tp, fn, fp, tn)))
    positives, negatives, called, cleared = a + b, c + d, a + c, b + d

    def both() -> FloatArray:
        # With a class absent, TP * negatives is 0 and the single division below would give a made-up 0.
        return np.where((positives > 0) & (negatives > 0), 1.0, np.nan)

    formulas: dict[str, Callable[[], FloatArray]] = {
        "accuracy": lambda: _ratio(a + d, positives + negatives),
        "sensitivity": lambda: _ratio(a, positives),
        "specificity": lambda: _ratio(d, negatives),
        "ppv": lambda: _ratio(a, called),
        "npv": lambda: _ratio(d, cleared),
        "f1": lambda: np.where(positives > 0, _ratio(2 * a, 2 * a + b + c), np.nan),
        "balanced_accuracy": lambda: (_ratio(a, positives) + _ratio(d, negatives)) / 2,
        "mcc": lambda: _ratio(a * d - b * c, np.sqrt(positives * negatives) * np.sqrt(called * cleared)),
        "youden_j": lambda: _ratio(a, positives) + _ratio(d, negatives) - 1,
        "lr_positive": lambda: _ratio(both() * a * negatives, c * positives),
        "lr_negative": lambda: _ratio(both() * b * negatives, d * positives),
        "diagnostic_odds_ratio": lambda: _ratio(both() * a * d, b * c),
    }
    return {name: formulas[name]() for name in (formulas if only is None else only)}


def fraction(metric: str, confusion: Confusion) -> tuple[int, int]:
    """(numerator, denominator) of a metric that is a proportion of cases; raises ValueError for any other metric.

    >>> fraction("ppv", Confusion(tp=8, fn=2, fp=1, tn=9))
    (8, 9)
    """
    c = confusion
    match metric:
        case "accuracy":
            return c.tp + c.tn, c.n
        case "sensitivity":
            return c.tp, c.positives
        case "specificity":
            return c.tn, c.negatives
        case "ppv":
            return c.tp, c.tp + c.fp
        case "npv":
            return c.tn, c.tn + c.fn
    raise ValueError(f"{metric!r} is no proportion of cases; those are {', '.join(PROPORTIONS)}")


def undefined_reason(metric: str, confusion: Confusion) -> str:
    """Why a count metric has no value (NaN) for this confusion matrix, in words; "" where it has one (Inf is a value).

    Raises ValueError for a metric that is not computed from counts.

    >>> undefined_reason("ppv", Confusion(tp=0, fn=3, fp=0, tn=7))
    'no case is predicted positive'
    """
    if metric not in COUNT_METRICS:
        raise ValueError(f"{metric!r} is not computed from the confusion matrix; those are {', '.join(COUNT_METRICS)}")
    c = confusion
    if not np.isnan(float(count_metrics(c.tp, c.fn, c.fp, c.tn)[metric])):
        return ""
    if c.n == 0:
        return "there are no cases"
    uses_positives = metric not in ("accuracy", "specificity", "ppv", "npv")
    uses_negatives = metric not in ("accuracy", "sensitivity", "ppv", "npv", "f1")
    if uses_positives and c.positives == 0:
        return "there are no positive cases"
    if uses_negatives and c.negatives == 0:
        return "there are no negative cases"
    # With both classes there, a metric is undefined only where one of the predicted classes is empty.
    return "no case is predicted positive" if c.tp + c.fp == 0 else "no case is predicted negative"
