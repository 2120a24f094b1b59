"""Adjusted p-values of a family of hypotheses, and max-T over a joint bootstrap distribution.

A NaN p-value (a test that could not be done) stays NaN and does not count as a member of the family.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


def _adjust(pvalues: npt.ArrayLike, rule: Callable[[FloatArray], FloatArray]) -> FloatArray:
    """Apply `rule`, which maps m ascending p-values to adjusted ones in that order, to the p-values that are numbers."""
    p = np.asarray(pvalues, dtype=np.float64)
    if p.ndim != 1:
        raise ValueError(f"p-values must be an array of shape (m,), got shape {p.shape}")
    known = ~np.isnan(p)
    if np.any((p[known] < 0) | (p[known] > 1)):
        raise ValueError("p-values must lie between 0 and 1")
    adjusted = np.full(p.shape, np.nan)
    if known.any():
        values = p[known]
        order = np.argsort(values, kind="stable")
        result = np.empty_like(values)
        result[order] = np.minimum(rule(values[order]), 1.0)
        adjusted[known] = result
    return adjusted


def holm(pvalues: npt.ArrayLike) -> FloatArray:
    """Holm's adjusted p-values: family-wise error under any dependence.

    Parameters
    ----------
    pvalues : array_like of float, shape (m,)
        The p-values of one family; NaN (a test that could not be done) is passed through and does not count.

    Returns
    -------
    ndarray of float, shape (m,)
        Adjusted p-values, in the order of the input.

    Raises
    ------
    ValueError
        A p-value outside 0 to 1, or another shape.

    Notes
    -----
    Step down: running maximum of (m - i + 1) p_(i).

    References
    ----------
    .. [1] Holm (1979). Scandinavian Journal of Statistics 6:65-70.

    Examples
    --------
    >>> from hybridcx.stats import holm
    >>> holm([0.01, 0.04, float("nan"), 0.03]).round(6).tolist()
    [0.03, 0.06, nan, 0.06]
    """
    return _adjust(pvalues, lambda p: np.maximum.accumulate(np.arange(p.size, 0, -1) * p))


def hochberg(pvalues: npt.ArrayLike) -> FloatArray:
    """Hochberg's adjusted p-values: family-wise error of independent or positively dependent tests.

    Parameters
    ----------
    pvalues : array_like of float, shape (m,)
        As in `holm`.

    Returns
    -------
    ndarray of float, shape (m,)
        Adjusted p-values, in the order of the input.

    Raises
    ------
    ValueError
        As `holm`.

    Notes
    -----
    Step up: running minimum from the largest of (m - i + 1) p_(i).

    References
    ----------
    .. [1] Hochberg (1988). Biometrika 75:800-802. doi:10.1093/biomet/75.4.800

    Examples
    --------
    >>> from hybridcx.stats import hochberg
    >>> hochberg([0.01, 0.04, 0.03]).round(6).tolist()
    [0.03, 0.04, 0.04]
    """
    return _adjust(pvalues, lambda p: np.minimum.accumulate((np.arange(p.size, 0, -1) * p)[::-1])[::-1])


def benjamini_hochberg(pvalues: npt.ArrayLike) -> FloatArray:
    """Benjamini and Hochberg's adjusted p-values: false discovery rate.

    Parameters
    ----------
    pvalues : array_like of float, shape (m,)
        As in `holm`.

    Returns
    -------
    ndarray of float, shape (m,)
        Adjusted p-values, in the order of the input.

    Raises
    ------
    ValueError
        As `holm`.

    Notes
    -----
    Step up: running minimum from the largest of m p_(i) / i.

    References
    ----------
    .. [1] Benjamini and Hochberg (1995). Journal of the Royal Statistical Society: Series B 57:289-300. doi:10.1111/j.2517-6161.1995.tb02031.x

    Examples
    --------
    >>> from hybridcx.stats import benjamini_hochberg
    >>> benjamini_hochberg([0.01, 0.04, 0.03]).round(6).tolist()
    [0.03, 0.04, 0.04]
    """
    return _adjust(pvalues, lambda p: np.minimum.accumulate((p.size / np.arange(1, p.size + 1) * p)[::-1])[::-1])


class MaxT(NamedTuple):
    """Single-step max-T over m comparisons. Arrays of shape (m,), NaN where a comparison took no part."""

    pvalue: FloatArray
    conf_low: FloatArray
    conf_high: FloatArray


def max_t(observed: npt.ArrayLike, replicates: npt.ArrayLike, confidence_level: float = 0.95) -> MaxT:
    """Single-step max-T (Westfall and Young 1993) from a joint bootstrap of m differences, with simultaneous limits.

    `observed`: shape (m,), the estimates; `replicates`: shape (B, m), one bootstrap draw of all of them a row. With s_j the standard
    deviation (divisor B - 1) of column j, T_j = |observed_j| / s_j and M_i = max_j |replicates_ij - observed_j| / s_j:
    p_j = (1 + #{M_i >= T_j}) / (B + 1), limits observed_j -+ q s_j with q the type 7 quantile of M at `confidence_level`.
    The correlation of the models enters through M; p is never below 1 / (B + 1).

    A row with a NaN (a failed resample) in a column that takes part is left out, and B counts the rest. A column takes no part if its
    estimate is NaN or none of its replicates is a number. A column without spread has no limits; its p is 1 if its estimate is 0 (two
    identical models), else NaN; the caller marks both as `caution`. Raises ValueError if the shapes do not fit.
    """
    estimate, draws = np.asarray(observed, dtype=np.float64), np.asarray(replicates, dtype=np.float64)
    if estimate.ndim != 1 or draws.ndim != 2 or draws.shape[1] != estimate.size:
        raise ValueError(f"observed (m,) and replicates (B, m) do not fit: {estimate.shape} and {draws.shape}")
    if not 0 < confidence_level < 1:
        raise ValueError(f"confidence_level must lie strictly between 0 and 1, got {confidence_level}")
    p, low, high = (np.full(estimate.size, np.nan) for _ in range(3))
    part = ~np.isnan(estimate) & ~np.isnan(draws).all(axis=0)
    complete = ~np.isnan(draws[:, part]).any(axis=1)
    kept = draws[np.ix_(complete, part)]
    if not part.any() or kept.shape[0] < 2:
        return MaxT(p, low, high)
    centre = estimate[part]
    spread = kept.std(axis=0, ddof=1)
    # A constant column has a standard deviation of rounding error, not of exactly 0.
    flat = spread <= 1e-12 * np.maximum(1.0, np.abs(centre))
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(flat, np.nan, np.abs(centre) / spread)
    p_part = np.where(flat & (centre == 0), 1.0, np.nan)
    low_part, high_part = np.full(centre.size, np.nan), np.full(centre.size, np.nan)
    live = ~flat
    if live.any():
        largest = (np.abs(kept[:, live] - centre[live]) / spread[live]).max(axis=1)
        # Ties count: the comparison allows for rounding, as `observed` may itself be among the draws.
        ranked = np.sort(largest)
        reached = ranked.size - np.searchsorted(ranked, t[live] * (1 - 1e-12), side="left")
        p_part[live] = (1 + reached) / (ranked.size + 1)
        reach = float(np.quantile(largest, confidence_level)) * spread[live]
        low_part[live], high_part[live] = centre[live] - reach, centre[live] + reach
    p[part], low[part], high[part] = p_part, low_part, high_part
    return MaxT(p, low, high)


def max_t_alone(observed: npt.ArrayLike, replicates: npt.ArrayLike) -> FloatArray:
    """Return the p-value (m,) that `max_t` gives each comparison in a family of its own, all of them at once."""
    estimate, draws = np.asarray(observed, dtype=np.float64), np.asarray(replicates, dtype=np.float64)
    p = np.full(estimate.size, np.nan)
    whole = np.isfinite(estimate) & np.isfinite(draws).all(axis=0)
    for j in np.flatnonzero(~whole):
        p[j] = max_t(estimate[j : j + 1], draws[:, j : j + 1]).pvalue[0]
    for start in range(0, estimate.size, 64):  # few columns at a time, which stay in the processor's cache
        at = start + np.flatnonzero(whole[start : start + 64])
        centre, kept = estimate[at], draws[:, at]
        if kept.shape[0] < 2:
            continue
        spread = kept.std(axis=0, ddof=1)
        flat = spread <= 1e-12 * np.maximum(1.0, np.abs(centre))
        reached = (np.abs(kept - centre) >= np.abs(centre) * (1 - 1e-12)).sum(axis=0)
        p[at] = np.where(flat, np.where(centre == 0, 1.0, np.nan), (1 + reached) / (kept.shape[0] + 1))
    return p
