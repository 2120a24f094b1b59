"""Percent agreement, Gwet's AC1 and AC2, and Krippendorff's alpha of any number of readings, some of which may be
missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import nan, sqrt
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hybridcx.errors import InputError, Problem
from hybridcx.stats import distributions as stats
from hybridcx.stats.agreement.kappa import t_interval
from hybridcx.stats.agreement.tables import (
    Codes,
    Floats,
    Weights,
    agreement_weights,
    category_counts,
    check_level,
    encode,
    join_notes,
    numeric_categories,
    single_note,
)
from hybridcx.stats.results import Agreement

MeasurementLevel = Literal["nominal", "ordinal", "interval"]
BELOW = "the coefficient lies below -1, which limits truncated to -1 to 1 would not hold: no limits"
# Numbers held at once while resampling.
_CHUNK = 4_000_000


def percent_agreement(ratings: ArrayLike, confidence_level: float = 0.95) -> Agreement:
    """Share of pairs of readings that agree, averaged over the cases.

    Parameters
    ----------
    ratings : array_like, shape (n, k)
        Categories of n cases in k readings; None or NaN where a reading is missing. A case with fewer than two readings is left out.
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.

    Returns
    -------
    Agreement
        0 to 1; `n` counts the cases used. `not_estimable` where no case has two readings.

    Raises
    ------
    InputError
        A wrong shape or a level outside 0 to 1.

    Notes
    -----
    Wilson's limits for a proportion on the effective number of cases p(1 - p)/v, v the variance of the mean (divisor n) over cases. With two
    readings that is Wilson's interval on n cases exactly; with more, a case is worth more than one, at most its number of pairs. At p = 0 or 1 a
    case counts once.

    References
    ----------
    .. [1] Wilson (1927). Journal of the American Statistical Association 22:209-212. doi:10.1080/01621459.1927.10502953
    .. [2] Dean and Pagano (2015). Journal of Survey Statistics and Methodology 3:484-503.

    Examples
    --------
    >>> from hybridcx.stats import percent_agreement
    >>> percent_agreement([["x", "x"], ["x", "y"], ["y", "y"], ["y", "y"]])
    Agreement(metric='percent_agreement', method='wilson', estimate=0.75, conf_low=0.300642, conf_high=0.954413,
        conf_level=0.95, n=4, k=2)
    """
    alpha = check_level(confidence_level)
    codes, order = encode(ratings)
    k = codes.shape[1]
    r = category_counts(codes, len(order))
    readings = r.sum(axis=1)
    note = single_note(readings, "left out")
    r, readings = r[readings >= 2], readings[readings >= 2]
    n = len(readings)
    if n == 0:
        warning = join_notes("no case has two readings", note)
        return Agreement("percent_agreement", "wilson", nan, n=0, k=k, status="not_estimable", warning=warning)
    pairs = readings * (readings - 1)
    share = (r * (r - 1)).sum(axis=1) / pairs
    p = float(share.mean())
    variance = float(((share - p) ** 2).sum()) / n**2
    n_effective = float(n)
    if 0 < p < 1:
        most = float(pairs.sum()) / 2
        n_effective = min(p * (1 - p) / variance, most) if variance > 0 else most
    z = float(stats.norm.ppf(1 - alpha / 2))
    centre = (p + z**2 / (2 * n_effective)) / (1 + z**2 / n_effective)
    half = z * sqrt(p * (1 - p) / n_effective + z**2 / (4 * n_effective**2)) / (1 + z**2 / n_effective)
    return Agreement(
        "percent_agreement",
        "wilson",
        p,
        conf_low=max(centre - half, 0.0) if p > 0 else 0.0,
        conf_high=min(centre + half, 1.0) if p < 1 else 1.0,
        conf_level=confidence_level,
        n=n,
        k=k,
        status="ok",
        warning=note,
    )


def gwet_ac1(
    ratings: ArrayLike, categories: Sequence[object] | None = None, confidence_level: float = 0.95
) -> Agreement:
    """Gwet's AC1: agreement beyond chance where chance does not grow with prevalence.

    Parameters
    ----------
    ratings : array_like, shape (n, k)
        Categories of n cases in k readings; None or NaN where a reading is missing.
    categories : sequence, optional
        All that could occur (their number q enters the chance agreement); by default those that do.
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.

    Returns
    -------
    Agreement
        `statistic` is t of AC1 = 0, `parameter1` its n - 1 degrees of freedom. Cases with a single reading count for the shares of the categories
        alone, which `warning` says. `not_estimable` with fewer than two categories or no case of two readings; `caution` without limits where the
        error is 0.

    Raises
    ------
    InputError
        A wrong shape, a rating that is none of `categories`, or a level outside 0 to 1.

    Notes
    -----
    Pa is the mean over cases with two readings or more of the share of agreeing pairs, p_j the mean over all n cases read of the share of category
    j, and Pe = sum p_j (1 - p_j)/(q - 1): AC1 = (Pa - Pe)/(1 - Pe). Linearised standard error (with missing readings Gwet 2014), its variance with n
    - 1: the sum of squared deviations over n (n - 1); limits by t with n - 1 degrees of freedom, truncated to -1 to 1.

    References
    ----------
    .. [1] Gwet (2008). British Journal of Mathematical and Statistical Psychology 61:29-48. doi:10.1348/000711006X126600
    .. [2] Gwet (2014). Handbook of Inter-Rater Reliability, Advanced Analytics.

    Examples
    --------
    >>> from hybridcx.stats import gwet_ac1
    >>> gwet_ac1([["x", "x"], ["x", "y"], ["y", "y"], ["y", "y"]])
    Agreement(metric='gwet_ac1', method='unweighted', estimate=0.529412, conf_low=-1, conf_high=1, conf_level=0.95,
        statistic=1.05869, parameter1=3, pvalue=0.367437, std_error=0.500061, n=4, k=2)
    """
    return _gwet("gwet_ac1", ratings, "unweighted", categories, confidence_level)


def gwet_ac2(
    ratings: ArrayLike,
    weights: Weights = "quadratic",
    categories: Sequence[object] | None = None,
    confidence_level: float = 0.95,
) -> Agreement:
    """Gwet's AC2: AC1 with weights of agreement, for ordered categories.

    Parameters
    ----------
    ratings : array_like, shape (n, k)
        Categories of n cases in k readings; None or NaN where a reading is missing.
    weights : {"quadratic", "linear"}
        1 - (i - j)^2/(q - 1)^2 or 1 - |i - j|/(q - 1) for positions i and j in the sorted categories.
    categories : sequence, optional
        The categories in order; needed where they are no numbers.
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.

    Returns
    -------
    Agreement
        As `gwet_ac1`. Weights can lift Pe above 1/2, and AC2 then falls below -1 (to -Pe/(1 - Pe)): `caution`, without limits.

    Raises
    ------
    InputError
        As `gwet_ac1`, for other weights, and for categories that are no numbers and were not given in order.

    Notes
    -----
    Pa counts pairs by their weight, and Pe is sum(w)/(q(q - 1)) times sum p_j (1 - p_j).

    References
    ----------
    .. [1] Gwet (2014). Handbook of Inter-Rater Reliability, Advanced Analytics.

    Examples
    --------
    >>> from hybridcx.stats import gwet_ac2
    >>> round(gwet_ac2([[1, 1], [1, 2], [2, 3], [3, 3]]).estimate, 4)
    0.6364
    """
    if weights == "unweighted":
        raise InputError(Problem("AC2 without weights is AC1", value=weights, column="weights", remedy="call gwet_ac1"))
    return _gwet("gwet_ac2", ratings, weights, categories, confidence_level)


def _gwet(
    metric: str, ratings: ArrayLike, weights: Weights, categories: Sequence[object] | None, confidence_level: float
) -> Agreement:
    alpha = check_level(confidence_level)
    codes, order = encode(ratings, categories)
    if weights != "unweighted" and categories is None:
        numeric_categories(order, "AC2")
    q, k = len(order), codes.shape[1]
    w = agreement_weights(q, weights)
    r = category_counts(codes, q)
    readings = r.sum(axis=1)
    note = single_note(readings, "they count for the shares of the categories alone")
    r, readings = r[readings > 0], readings[readings > 0]
    n, rated_twice = len(readings), readings >= 2
    reason = ""
    if not rated_twice.any():
        reason = "no case has two readings"
    elif q < 2:
        reason = "all readings are one category"
    if reason:
        return Agreement(metric, weights, nan, n=n, k=k, status="not_estimable", warning=join_notes(reason, note))
    pairs = np.where(rated_twice, readings * (readings - 1), 1.0)
    share = np.where(rated_twice, (r * (r @ w - 1)).sum(axis=1) / pairs, 0.0)
    pa = float(share[rated_twice].mean())
    shares = r / readings[:, None]
    p = shares.mean(axis=0)
    factor = float(w.sum()) / (q * (q - 1))
    pe = factor * float((p * (1 - p)).sum())
    ac = (pa - pe) / (1 - pe)
    influence = (n / rated_twice.sum()) * (share - pe * rated_twice) / (1 - pe)
    influence = influence - 2 * (1 - ac) * (factor * (shares @ (1 - p)) - pe) / (1 - pe)
    half, se, no_limits = t_interval(influence, ac, alpha)
    t = nan if no_limits else ac / se
    df = nan if no_limits else n - 1
    if not no_limits and ac < -1 - 1e-12:  # below -1 by more than rounding
        no_limits = BELOW
    return Agreement(
        metric,
        weights,
        ac,
        conf_low=nan if no_limits else max(ac - half, -1.0),
        conf_high=nan if no_limits else min(ac + half, 1.0),
        conf_level=nan if no_limits else confidence_level,
        statistic=t,
        parameter1=df,
        pvalue=float(2 * stats.t.sf(abs(t), df)),
        std_error=se,
        n=n,
        k=k,
        status="caution" if no_limits else "ok",
        warning=join_notes(no_limits, note),
    )


def krippendorff_alpha(
    ratings: ArrayLike,
    level: MeasurementLevel = "nominal",
    categories: Sequence[object] | None = None,
    confidence_level: float = 0.95,
    n_resamples: int = 2000,
    rng: np.random.Generator | None = None,
) -> Agreement:
    """Krippendorff's alpha: observed over expected disagreement of any number of readings, some of which may be missing.

    Parameters
    ----------
    ratings : array_like, shape (n, k)
        Categories or measurements; None or NaN where a reading is missing. Cases with one reading are left out, as the method says.
    level : {"nominal", "ordinal", "interval"}
        Level of measurement.
    categories : sequence, optional
        The categories in order; needed for "ordinal" where they are no numbers. For "interval" they must be numbers.
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.
    n_resamples : int, default 2000
        Bootstrap resamples of cases.
    rng : numpy.random.Generator, optional
        Draws them; without it there are no limits.

    Returns
    -------
    Agreement
        `n` counts the cases with two readings or more. `not_estimable` with fewer than 2 of them, or where all readings are equal; `caution` without
        limits where there is no `rng` or every resample gives the same value.

    Raises
    ------
    InputError
        A wrong shape, an unknown level, text where numbers are needed, or a confidence level outside 0 to 1.

    Notes
    -----
    1 - Do/De. A case of m >= 2 readings gives each of its ordered pairs the weight 1/(m - 1); De is the mean over all pairs of the N readings so
    used, with N - 1. The squared difference of two categories is 0 or 1 (nominal), that of their values (interval), or that of their mid-ranks in
    the N readings (ordinal), which is the sum of the ranks between. Limits: percentile bootstrap of cases (quantiles of type 7); the mid-ranks are
    those of the resample. A resample in which all readings are equal has no alpha; `warning` counts these.

    References
    ----------
    .. [1] Krippendorff (2011). Computing Krippendorff's alpha-reliability.

    Examples
    --------
    >>> from hybridcx.stats import krippendorff_alpha
    >>> round(krippendorff_alpha([[1, 1], [1, 2], [2, 3], [3, 3]], "ordinal").estimate, 4)
    0.7083
    """
    alpha = check_level(confidence_level)
    if level not in ("nominal", "ordinal", "interval"):
        raise InputError(
            Problem("unknown level", value=level, column="level", remedy="choose nominal, ordinal or interval")
        )
    codes, order = encode(ratings, categories)
    values = np.arange(len(order), dtype=np.float64)
    if level == "interval" or (level == "ordinal" and categories is None):
        values = numeric_categories(order, f"an alpha of {level} level")
    k = codes.shape[1]
    readings = (codes >= 0).sum(axis=1).astype(np.float64)
    note = single_note(readings, "left out")
    # Cases with the same readings, in whatever order of readers, are one pattern; sorted, so the draws depend on no
    # order of rows.
    patterns, multiplicity = np.unique(np.sort(codes[readings >= 2], axis=1), axis=0, return_counts=True)
    n = int(multiplicity.sum())
    used = np.unique(patterns[patterns >= 0])
    if n < 2 or len(used) < 2:
        reason = (
            f"{n} case{'' if n == 1 else 's'} with two readings, at least 2 are needed"
            if n < 2
            else "all readings are equal"
        )
        warning = join_notes(reason, note)
        return Agreement("krippendorff_alpha", level, nan, n=n, k=k, status="not_estimable", warning=warning)
    alphas: Callable[[Floats], Floats]
    if level == "interval":
        alphas = partial(_interval_alphas, _scores(patterns, values, used))
    else:
        alphas = partial(_category_alphas, category_counts(patterns, len(order))[:, used], level)
    estimate = float(alphas(multiplicity[None, :].astype(np.float64))[0])
    low, high, reason = nan, nan, "no limits: no generator was given to resample with"
    if rng is not None and n_resamples > 0:
        low, high, reason = _bootstrap_limits(multiplicity, alphas, alpha, n_resamples, rng)
    return Agreement(
        "krippendorff_alpha",
        level,
        estimate,
        conf_low=low,
        conf_high=high,
        conf_level=nan if np.isnan(low) else confidence_level,
        n=n,
        k=k,
        status="caution" if np.isnan(low) else "ok",
        warning=join_notes(reason, note),
    )


def _ratio(observed: Floats, expected: Floats, size: Floats, varied: NDArray[np.bool_]) -> Floats:
    return np.where(varied, 1 - observed * (size - 1) / np.where(varied, expected, 1.0), nan)


def _category_alphas(counts: Floats, level: MeasurementLevel, draws: Floats) -> Floats:
    """Nominal or ordinal alpha of each of the (B, P) draws of patterns with (P, q) `counts`; NaN if all drawn are
    equal.

    With x the scores of the categories, the sum over ordered pairs of squared differences is
    2(m sum c x^2 - (sum c x)^2).
    """
    m = counts.sum(axis=1)
    totals = draws @ counts
    size = totals.sum(axis=1)
    varied = (totals > 0).sum(axis=1) > 1
    if level == "nominal":
        observed = draws @ ((m**2 - (counts**2).sum(axis=1)) / (m - 1))
        return _ratio(observed, size**2 - (totals**2).sum(axis=1), size, varied)
    x = np.cumsum(totals, axis=1) - totals / 2
    x = x - x.mean(axis=1, keepdims=True)
    # Exactly 0 where all readings of a case are equal, not what rounding leaves.
    mixed = (counts > 0).sum(axis=1) > 1
    within = np.where(mixed, (x**2 @ counts.T) * m - (x @ counts.T) ** 2, 0.0)
    observed = 2 * (draws * within / (m - 1)).sum(axis=1)
    expected = 2 * (size * (totals * x**2).sum(axis=1) - (totals * x).sum(axis=1) ** 2)
    return _ratio(observed, expected, size, varied)


def _scores(patterns: Codes, values: Floats, used: Codes) -> Floats:
    """The (P, k) values of the patterns, NaN where missing, moved and scaled to within -1 to 1, which leaves alpha unchanged."""
    centred = values - (values[used].min() + values[used].max()) / 2
    return np.where(patterns >= 0, centred[patterns] / np.abs(centred[used]).max(), nan)


def _interval_alphas(scores: Floats, draws: Floats) -> Floats:
    """Interval alpha of each of the (B, P) draws of patterns with (P, k) `scores`; NaN if all drawn are equal."""
    m = (~np.isnan(scores)).sum(axis=1).astype(np.float64)
    mean = np.nanmean(scores, axis=1)
    squares = np.nansum((scores - mean[:, None]) ** 2, axis=1)
    low, high = np.nanmin(scores, axis=1), np.nanmax(scores, axis=1)
    size = draws @ m
    drawn = draws > 0
    varied = np.where(drawn, high, -np.inf).max(axis=1) > np.where(drawn, low, np.inf).min(axis=1)
    observed = 2 * (draws @ np.where(high > low, m * squares / (m - 1), 0.0))
    # Between and within cases apart: no difference of large sums.
    centre = (draws @ (m * mean)) / size
    between = (draws * m * (mean - centre[:, None]) ** 2).sum(axis=1)
    return _ratio(observed, 2 * size * (draws @ squares + between), size, varied)


def _bootstrap_limits(
    multiplicity: Codes,
    alphas: Callable[[Floats], Floats],
    alpha: float,
    n_resamples: int,
    rng: np.random.Generator,
) -> tuple[float, float, str]:
    n = int(multiplicity.sum())
    step = max(1, _CHUNK // len(multiplicity))
    parts = []
    for start in range(0, n_resamples, step):
        draws = rng.multinomial(n, multiplicity / n, size=min(step, n_resamples - start)).astype(np.float64)
        parts.append(alphas(draws))
    drawn = np.concatenate(parts)
    kept = drawn[~np.isnan(drawn)]
    failed = n_resamples - len(kept)
    note = f"{failed} of {n_resamples} resamples have one value only and no alpha" if failed else ""
    if len(kept) == 0 or np.ptp(kept) < 1e-12:
        return nan, nan, join_notes("every resample gives the same value: no limits", note)
    low, high = np.quantile(kept, [alpha / 2, 1 - alpha / 2])
    return float(low), float(high), note
