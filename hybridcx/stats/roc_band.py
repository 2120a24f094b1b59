"""Pointwise confidence band of an ROC curve: resampled limits of the sensitivity at given specificities."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hybridcx.stats.resampling.draws import UnitDraws
from hybridcx.stats.score_inputs import FloatArray, check_one_score, check_truth


def roc_band(
    y_true: npt.ArrayLike,
    y_score: npt.ArrayLike,
    specificity: npt.ArrayLike,
    rng: np.random.Generator,
    *,
    n_resamples: int = 1000,
    confidence_level: float = 0.95,
    groups: npt.ArrayLike | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Percentile limits of the sensitivity at each specificity, by drawing cases, or with `groups` patients.

    Parameters
    ----------
    y_true : array_like of bool or 0/1, shape (n,)
        Truth; True or 1 for the positive class.
    y_score : array_like of float, shape (n,)
        Scores; a higher one means "more likely positive".
    specificity : array_like of float, shape (g,)
        Where to evaluate.
    rng : Generator
        Draws the resamples.
    n_resamples : int, default 1000
        Resamples.
    confidence_level : float, default 0.95
        Level of the two-sided limits at each specificity, between 0 and 1.
    groups : array_like, shape (n,), optional
        Patients; all cases of one are drawn together.

    Returns
    -------
    (low, high) : ndarrays of float, shape (g,)
        NaN where a class is absent, from the data or from all resamples.

    Notes
    -----
    In each resample the curve is interpolated linearly between its points; at a vertical step the highest sensitivity counts. Resamples without
    one of the classes are left out. As R's `pROC::ci.se(boot.stratified = FALSE)`.

    References
    ----------
    .. [1] Robin et al. (2011). BMC Bioinformatics 12:77. doi:10.1186/1471-2105-12-77
    """
    y = check_truth(y_true)
    score = check_one_score(y_score, y.size)
    places = 1.0 - np.asarray(specificity, dtype=np.float64)
    if y.all() or not y.any():
        return np.full(places.size, np.nan), np.full(places.size, np.nan)
    units = np.arange(y.size) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    order = np.argsort(-score, kind="stable")
    ends = np.flatnonzero(np.r_[np.diff(score[order]) != 0, True])
    positive, unit = y[order][:, None], units[order]
    draws = UnitDraws(np.ones(int(units.max()) + 1, dtype=np.int64), np.zeros(int(units.max()) + 1, dtype=np.int64))
    sensitivity = np.full((n_resamples, places.size), np.nan)
    for start, weights in draws.chunks(n_resamples, rng):
        own = weights[unit].astype(np.float64)
        true, false = (np.cumsum(np.where(positive == which, own, 0.0), axis=0)[ends] for which in (True, False))
        both = np.flatnonzero((true[-1] > 0) & (false[-1] > 0))
        # From (0, 0) on, one curve a row.
        up, right = (
            np.concatenate([np.zeros((1, both.size)), x[:, both] / x[-1, both]]).T.copy() for x in (true, false)
        )
        for b, x, y_up in zip(both, right, up, strict=True):
            sensitivity[start + b] = np.interp(places, x, y_up)
    drawn = sensitivity[~np.isnan(sensitivity[:, 0])]
    if not len(drawn):
        return np.full(places.size, np.nan), np.full(places.size, np.nan)
    tail = (1.0 - confidence_level) / 2
    low, high = np.quantile(drawn, [tail, 1.0 - tail], axis=0)
    return low, high
