"""Ratings as arrays: categories put in order, missing readings marked, weights and counts made.

Shared by the coefficients of agreement. Rows are cases, columns are readings (readers, or the occasions of one
reader).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hybridcx.errors import InputError, Problem

Weights = Literal["unweighted", "linear", "quadratic"]
Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def is_number(value: object) -> bool:
    """Whether `value` is a finite number or a text that spells one (`"2"`, `"-1.5"`; not `"nan"`, `"1_000"` or
    `"II"`)."""
    if isinstance(value, str):
        return _NUMBER.fullmatch(value.strip()) is not None and bool(np.isfinite(float(value)))
    return isinstance(value, (int, float, np.integer, np.floating)) and bool(np.isfinite(value))


def is_missing(value: object) -> bool:
    """Whether `value` stands for no reading: None or NaN."""
    return value is None or (isinstance(value, (float, np.floating)) and bool(np.isnan(value)))


def sorted_categories(values: Sequence[Any]) -> tuple[Any, ...]:
    """Return the distinct `values` in order: by size if every one is a number, otherwise as text by code point.

    >>> sorted_categories(["10", "9", "10"])
    ('9', '10')
    """
    distinct = list(dict.fromkeys(values))
    if all(is_number(v) for v in distinct):
        return tuple(sorted(distinct, key=lambda v: (float(v), str(v))))
    return tuple(sorted(distinct, key=str))


def numeric_categories(categories: Sequence[Any], purpose: str) -> Floats:
    """Return `categories` as numbers.

    Raises:
        InputError: a category is text that is no number; `purpose` says what needed one.
    """
    bad = [c for c in categories if not is_number(c)]
    if bad:
        raise InputError(
            Problem(
                f"{purpose} needs categories that are numbers",
                value=c,
                remedy="number the categories in their order, or treat the scale as nominal",
            )
            for c in bad
        )
    return np.array([float(c) for c in categories], dtype=np.float64)


def encode(ratings: ArrayLike, categories: Sequence[Any] | None = None) -> tuple[Codes, tuple[Any, ...]]:
    """Return ratings of shape (n, k) as positions in their categories, -1 where missing, and the categories.

    Args:
        ratings: numbers (NaN missing) or objects such as text (None or NaN missing).
        categories: the categories in order; by default those that occur, by `sorted_categories`.

    Raises:
        InputError: the shape is not (n, k) with k of at least 2, a repeated category, or a rating is none of
            `categories`.
    """
    x = np.asarray(ratings)
    if x.ndim != 2 or x.shape[1] < 2:
        raise InputError(
            Problem(
                "ratings must have a row per case and at least two readings", value=f"shape {x.shape}", column="ratings"
            )
        )
    if categories is None and x.dtype.kind in "iuf":
        distinct = np.unique(x[~np.isnan(x)])
        codes = np.where(np.isnan(x), -1, np.searchsorted(distinct, x)).astype(np.int64)
        return codes, tuple(distinct.tolist())
    cells = [None if is_missing(v) else v for v in x.ravel().tolist()]
    order = tuple(categories) if categories is not None else sorted_categories([v for v in cells if v is not None])
    position: dict[Any, int] = {c: i for i, c in enumerate(order)}
    if len(position) < len(order):
        raise InputError(Problem("a repeated category", value=order, column="categories"))
    unknown = list(dict.fromkeys(v for v in cells if v is not None and v not in position))
    if unknown:
        raise InputError(
            Problem("a rating is none of the categories", value=v, remedy=f"the categories are {order}")
            for v in unknown
        )
    flat = np.array([-1 if v is None else position[v] for v in cells], dtype=np.int64)
    return flat.reshape(x.shape), order


def measurements(ratings: ArrayLike) -> Floats:
    """Return ratings of shape (n, k) as float64, NaN where missing.

    Raises:
        InputError: the shape is not (n, k) with k of at least 2, or a value is no number or infinite.
    """
    try:
        x = np.asarray(ratings, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            Problem(
                "an ICC, a limit of agreement and an SEM need measurements", value=str(error), remedy="give numbers"
            )
        ) from None
    if x.ndim != 2 or x.shape[1] < 2:
        raise InputError(
            Problem(
                "ratings must have a row per case and at least two readings", value=f"shape {x.shape}", column="ratings"
            )
        )
    if np.isinf(x).any():
        raise InputError(
            Problem("a measurement is infinite", column="ratings", remedy="leave it blank if it is missing")
        )
    return x


def check_level(confidence_level: float) -> float:
    """Return the tail probability alpha = 1 - `confidence_level`.

    Raises:
        InputError: the level is not strictly between 0 and 1.
    """
    if not 0 < confidence_level < 1:
        raise InputError(
            Problem("a confidence level lies between 0 and 1", value=confidence_level, column="confidence_level")
        )
    return 1 - confidence_level


def agreement_weights(n_categories: int, weights: Weights) -> Floats:
    """Return the (q, q) weights of agreement: 1 on the diagonal, for i and j apart 0, 1 - |i-j|/(q-1) or 1 -
    (i-j)^2/(q-1)^2.

    Positions, not values, make the distance (Cicchetti and Allison 1971 linear, Fleiss and Cohen 1973 quadratic).

    Raises:
        InputError: `weights` is none of unweighted, linear, quadratic.
    """
    if weights not in ("unweighted", "linear", "quadratic"):
        raise InputError(
            Problem("unknown weights", value=weights, column="weights", remedy="choose unweighted, linear or quadratic")
        )
    i = np.arange(n_categories, dtype=np.float64)
    distance = np.abs(i[:, None] - i[None, :]) / max(n_categories - 1, 1)
    if weights == "linear":
        return np.asarray(1 - distance)
    return np.asarray(1 - distance**2) if weights == "quadratic" else np.eye(n_categories)


def category_counts(codes: Codes, n_categories: int) -> Floats:
    """Return the (n, q) numbers of readings that put each case into each category; missing readings (-1) count
    nowhere."""
    counts = np.zeros((codes.shape[0], n_categories), dtype=np.float64)
    rows, columns = np.nonzero(codes >= 0)
    np.add.at(counts, (rows, codes[rows, columns]), 1.0)
    return counts


def dropped_note(n_dropped: int, n_all: int) -> str:
    """Warning with the number of cases left out because a reading is missing; empty if none were."""
    return f"{n_dropped} of {n_all} cases left out, a reading is missing (complete cases only)" if n_dropped else ""


def single_note(readings: Floats, treatment: str) -> str:
    """Warning with the numbers of cases with a single reading and without any; empty if there are none."""
    one, none = int((readings == 1).sum()), int((readings == 0).sum())
    return join_notes(
        f"{one} of {len(readings)} cases have a single reading: {treatment}" if one else "",
        f"{none} of {len(readings)} cases have no reading" if none else "",
    )


def join_notes(*notes: str) -> str:
    """Join the notes that are not empty."""
    return "; ".join(n for n in notes if n)
