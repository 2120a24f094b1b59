"""Cleveland's smoother of a scatter plot, for calibration curves."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hybridcx.stats.score_inputs import FloatArray

_NEAR, _FAR = 0.001, 0.999
"""Shares of the bandwidth: nearer points have the full weight, farther ones none."""


def lowess(x: npt.ArrayLike, y: npt.ArrayLike, at: npt.ArrayLike, span: float = 2 / 3) -> FloatArray:
    """Locally weighted linear regression without robustness iterations, at given places.

    Parameters
    ----------
    x, y : array_like of float, shape (n,)
        The points. For a binary y the smooth is an estimate of its expectation at x.
    at : array_like of float, shape (g,)
        Where to evaluate.
    span : float, default 2/3
        Share of the points in each neighbourhood.

    Returns
    -------
    ndarray of float, shape (g,)
        The smooth; the weighted mean of y where all the weight is at one x.

    Raises
    ------
    ValueError
        Fewer than two points, or x and y of different shapes.

    Notes
    -----
    At x0 with bandwidth h, the distance to its max(floor(span n), 2)-th nearest point: weights (1 - (|x - x0| / h)^3)^3, then weighted least
    squares. As R's `lowess(iter = 0, delta = 0)`.

    References
    ----------
    .. [1] Cleveland (1979). Journal of the American Statistical Association 74:829-836. doi:10.1080/01621459.1979.10481038
    """
    x, y, at = (np.asarray(a, dtype=np.float64) for a in (x, y, at))
    if x.ndim != 1 or x.shape != y.shape or x.size < 2:
        raise ValueError("a smooth needs two points or more, and as many y as x")
    k = max(min(int(span * x.size + 1e-7), x.size), 2)
    smooth = np.empty(at.size)
    narrow = 0.001 * float(np.ptp(x))
    for i, place in enumerate(at):
        distance = np.abs(x - place)
        h = float(np.partition(distance, k - 1)[k - 1])
        with np.errstate(divide="ignore", invalid="ignore"):
            weight = np.where(distance <= _NEAR * h, 1.0, (1.0 - (distance / h) ** 3) ** 3)
        weight[distance > _FAR * h] = 0.0
        if h == 0.0:
            weight = (distance == 0.0).astype(np.float64)
        weight /= weight.sum()
        centre, level = float(weight @ x), float(weight @ y)
        spread = float(weight @ (x - centre) ** 2)
        slope = float(weight @ ((x - centre) * (y - level))) / spread if np.sqrt(spread) > narrow else 0.0
        smooth[i] = level + slope * (place - centre)
    return smooth
