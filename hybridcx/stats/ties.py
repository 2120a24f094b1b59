"""Equality within rounding: 3/49 - 1/49 and 2/49 are one number, although their doubles differ in the last bit.

Metrics of n cases lie on a lattice: a difference of accuracies is a multiple of 1/n, one of AUROCs of 1/(2 m n). Sums and quotients leave it by some
units in the last place, and a comparison of doubles then decides a tie by chance. Values within `ROUNDING` of each other, relative to the larger
of both and 1, count as equal, everywhere.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

ROUNDING = 1e-12


def tied(a: npt.ArrayLike, b: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Whether values are equal within rounding, elementwise; infinities of one sign are, NaN never is.

    >>> bool(tied(3 / 49 - 1 / 49, 2 / 49)), bool(tied(0.1, 0.1 + 1e-9))
    (True, False)
    """
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        reach = ROUNDING * np.maximum(1.0, np.maximum(np.abs(x), np.abs(y)))
        return np.asarray((x == y) | (np.isfinite(reach) & (np.abs(x - y) <= reach)))


def above(a: float, b: float) -> bool:
    """Whether a is greater than b by more than rounding."""
    return a > b and not tied(a, b)


def difference(a: npt.ArrayLike, b: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """a - b, exactly 0 where both are equal within rounding; NaN for two infinities of one sign."""
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(np.isfinite(x) & tied(x, y), 0.0, x - y))
