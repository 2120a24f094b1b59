"""Calibration of probability scores: Brier score and its parts, log loss, slope and intercepts, binned calibration error.

A score is the model's probability of the positive class. Lower is better for Brier, log loss and ECE; slope 1 and intercept 0 are
the ideal of the calibration line.
"""

from __future__ import annotations

from math import nan, sqrt
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from hybridcx.stats.results import Interval
from hybridcx.stats.score_inputs import BoolArray, FloatArray, check_one_score, check_truth, z_value

LOGIT_CLIP = 1e-6
LOG_LOSS_CLIP = 1e-15
ECE_BINS = 10

NO_CASES = "there are no cases"
ONE_CLASS = "the cases hold only one class: no calibration line can be fitted"
SEPARATED = "the scores separate the classes: the slope has no finite maximum-likelihood estimate"
CONSTANT = "all cases have the same score: there is no slope"

_MAX_STEPS = (
    2000  # many, for the step is capped: with logits of 14 a slope of 8 is 100 steps away; few cases need more than 20
)
_STEP_CAP = 1.0  # largest change of a case's linear predictor in one Newton step: keeps the likelihood rising
_TOLERANCE = 1e-6  # of the last step; Newton's error after it is of the order of its square
_EXTREMES = 64  # cases at each end of each class that usually show that a resample is not separated


def brier(y_true: npt.ArrayLike, y_score: npt.ArrayLike) -> float:
    """The Brier score, mean (score - truth)^2.

    Parameters
    ----------
    y_true : array_like of bool or 0/1, shape (n,)
        Truth; True or 1 for the positive class.
    y_score : array_like of float, shape (n,)
        Probabilities of the positive class, 0 to 1.

    Returns
    -------
    float
        0 (best) to 1; NaN without cases.

    Raises
    ------
    ValueError
        An array of a wrong shape, truth that is not 0/1, a score outside 0 to 1.

    Notes
    -----
    Half of Brier's sum over two classes.

    References
    ----------
    .. [1] Brier (1950). Monthly Weather Review 78:1-3. doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2

    Examples
    --------
    >>> from hybridcx.stats import brier
    >>> brier([1, 0], [0.8, 0.4])
    0.1
    """
    y = check_truth(y_true)
    score = check_one_score(y_score, y.size, probability=True)
    return float(np.mean(brier_terms(y, score))) if y.size else nan


def brier_terms(y: BoolArray, score: FloatArray) -> FloatArray:
    """Return (score - truth)^2 per case. Shapes (n,) and (..., n)."""
    return np.asarray((score - y) ** 2)


def log_loss_terms(y: BoolArray, score: FloatArray) -> FloatArray:
    """Return -log(score of the true class) per case, the score clipped to 1e-15 from 0 and 1. Shapes (n,) and (..., n)."""
    clipped = np.clip(score, LOG_LOSS_CLIP, 1.0 - LOG_LOSS_CLIP)
    return np.asarray(-np.where(y, np.log(clipped), np.log1p(-clipped)))


def log_loss(y_true: npt.ArrayLike, y_score: npt.ArrayLike) -> Interval:
    """The log loss: mean negative log-likelihood, natural logarithm, without limits.

    Parameters
    ----------
    y_true : array_like of bool or 0/1, shape (n,)
        Truth; True or 1 for the positive class.
    y_score : array_like of float, shape (n,)
        Probabilities of the positive class, 0 to 1.

    Returns
    -------
    Interval
        `warning` counts clipped scores; `caution` where one of them was wrong, as the value then depends on the clip. `not_estimable` without cases.

    Raises
    ------
    ValueError
        An array of a wrong shape, truth that is not 0/1, a score outside 0 to 1.

    Notes
    -----
    Scores of 0 or 1 are clipped to 1e-15 and 1 - 1e-15.

    Examples
    --------
    >>> from hybridcx.stats import log_loss
    >>> log_loss([1, 0], [0.8, 0.4])
    Interval(estimate=0.366985, n=2)
    """
    y = check_truth(y_true)
    score = check_one_score(y_score, y.size, probability=True)
    if not y.size:
        return Interval("", nan, n=0, status="not_estimable", warning=NO_CASES)
    extreme = (score < LOG_LOSS_CLIP) | (score > 1.0 - LOG_LOSS_CLIP)
    value = float(log_loss_terms(y, score).mean())
    if not extreme.any():
        return Interval("", value, n=y.size)
    wrong = extreme & ((score > 0.5) != y)
    text = f"{int(extreme.sum())} scores of 0 or 1 were clipped to {LOG_LOSS_CLIP:g}"
    if not wrong.any():
        return Interval("", value, n=y.size, warning=text)
    return Interval(
        "",
        value,
        n=y.size,
        status="caution",
        warning=f"{text}, {int(wrong.sum())} of them wrong: the value rests on it",
    )


class BrierParts(NamedTuple):
    """Murphy's (1973) parts: brier = reliability - resolution + uncertainty (exact, as groups are cases of one distinct score)."""

    reliability: float
    resolution: float
    uncertainty: float


def brier_decomposition(y_true: npt.ArrayLike, y_score: npt.ArrayLike) -> BrierParts:
    """Murphy's decomposition of the Brier score over the distinct scores.

    Parameters
    ----------
    y_true : array_like of bool or 0/1, shape (n,)
        Truth; True or 1 for the positive class.
    y_score : array_like of float, shape (n,)
        Probabilities of the positive class, 0 to 1.

    Returns
    -------
    BrierParts
        The named tuple (`reliability`, `resolution`, `uncertainty`); brier = reliability - resolution + uncertainty. NaN without cases.

    Raises
    ------
    ValueError
        An array of a wrong shape, truth that is not 0/1, a score outside 0 to 1.

    Notes
    -----
    With n_g cases, score s_g and fraction positive o_g in group g, and prevalence o: reliability = sum n_g (s_g - o_g)^2 / n (lower is better),
    resolution = sum n_g (o_g - o)^2 / n (higher is better), uncertainty = o (1 - o). With scores that are all distinct the groups are single cases
    and the parts say nothing; round the scores first.

    References
    ----------
    .. [1] Murphy (1973). Journal of Applied Meteorology 12:595-600.

    Examples
    --------
    >>> from hybridcx.stats import brier_decomposition
    >>> [round(part, 4) for part in brier_decomposition([1, 0, 1, 1], [0.8, 0.4, 0.4, 0.8])]
    [0.025, 0.0625, 0.1875]
    """
    y = check_truth(y_true)
    score = check_one_score(y_score, y.size, probability=True)
    if not y.size:
        return BrierParts(nan, nan, nan)
    distinct, group = np.unique(score, return_inverse=True)
    size = np.bincount(group)
    observed = np.bincount(group, weights=y) / size
    overall = float(y.mean())
    reliability = float((size * (distinct - observed) ** 2).sum() / y.size)
    resolution = float((size * (observed - overall) ** 2).sum() / y.size)
    return BrierParts(reliability, resolution, overall * (1.0 - overall))


class BinnedBrierParts(NamedTuple):
    """Parts over bins of the score: brier = reliability - resolution + uncertainty + within_bin (exact)."""

    reliability: float
    resolution: float
    uncertainty: float
    within_bin: float


def brier_decomposition_binned(y_true: npt.ArrayLike, y_score: npt.ArrayLike, bins: int = ECE_BINS) -> BinnedBrierParts:
    """Return Murphy's (1973) decomposition over bins of equal width, closed on the right as the ECE's, with what lies within the bins.

    With the bin's mean score s_g in the place of one score, the three parts leave over within_bin = sum over cases of
    ((score - s_g)^2 - 2 (score - s_g)(truth - o_g)) / n, the two terms of Stephenson, Coelho and Jolliffe (2008) in one; it can be negative.
    Reliability and resolution are biased upwards in small sets. NaN without cases.
    """
    y = check_truth(y_true)
    score = check_one_score(y_score, y.size, probability=True)
    if not y.size:
        return BinnedBrierParts(nan, nan, nan, nan)
    group = score_bin(score, bins)
    size = np.maximum(np.bincount(group, minlength=bins), 1)
    mean = (np.bincount(group, weights=score, minlength=bins) / size)[group]
    observed = (np.bincount(group, weights=y, minlength=bins) / size)[group]
    overall = float(y.mean())
    apart = score - mean
    return BinnedBrierParts(
        float(np.mean((mean - observed) ** 2)),
        float(np.mean((observed - overall) ** 2)),
        overall * (1.0 - overall),
        float(np.mean(apart**2 - 2.0 * apart * (y - observed))),
    )


def score_bin(score: FloatArray, bins: int = ECE_BINS) -> npt.NDArray[np.intp]:
    """Return the bin 0..bins-1 of each score: equal widths, closed on the right ((0.1, 0.2] ...), 0 in the first."""
    edges = np.arange(1, bins) / bins
    return np.searchsorted(edges, score, side="left")


def expected_calibration_error(y_true: npt.ArrayLike, y_score: npt.ArrayLike, bins: int = ECE_BINS) -> float:
    """The expected calibration error (ECE) of the positive class's probability.

    Parameters
    ----------
    y_true : array_like of bool or 0/1, shape (n,)
        Truth; True or 1 for the positive class.
    y_score : array_like of float, shape (n,)
        Probabilities of the positive class, 0 to 1.
    bins : int, default 10
        Bins of equal width, closed on the right.

    Returns
    -------
    float
        0 (best) to 1; NaN without cases.

    Raises
    ------
    ValueError
        An array of a wrong shape, truth that is not 0/1, a score outside 0 to 1.

    Notes
    -----
    Sum over bins of (cases in bin / n) |mean score - fraction positive|. The variant on the winning class's confidence is another number. Biased
    upwards in small sets.

    References
    ----------
    .. [1] Naeini, Cooper and Hauskrecht (2015). Proceedings of the AAAI Conference on Artificial Intelligence 29. doi:10.1609/aaai.v29i1.9602

    Examples
    --------
    >>> from hybridcx.stats import expected_calibration_error
    >>> round(expected_calibration_error([1, 0, 1, 1], [0.8, 0.4, 0.4, 0.8]), 4)
    0.15
    """
    y = check_truth(y_true)
    score = check_one_score(y_score, y.size, probability=True)
    if not y.size:
        return nan
    gap = np.bincount(score_bin(score, bins), weights=score - y, minlength=bins)
    return float(np.abs(gap).sum() / y.size)


class ReliabilityBin(NamedTuple):
    """One point of a reliability curve: cases `n` of the bin, their mean score, the fraction positive with Wilson limits."""

    bin: int
    score_mean: float
    fraction: float
    conf_low: float
    conf_high: float
    n: int


def reliability_curve(
    y_true: npt.ArrayLike,
    y_score: npt.ArrayLike,
    confidence_level: float = 0.95,
    bins: int = ECE_BINS,
    *,
    equal_count: bool = False,
) -> list[ReliabilityBin]:
    """The reliability curve: mean score and fraction positive in bins of the score.

    Parameters
    ----------
    y_true : array_like of bool or 0/1, shape (n,)
        Truth; True or 1 for the positive class.
    y_score : array_like of float, shape (n,)
        Probabilities of the positive class, 0 to 1.
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.
    bins : int, default 10
        Bins of equal width, closed on the right.
    equal_count : bool, default False
        Bins of equal count instead, between quantiles of the score; equal scores share a bin.

    Returns
    -------
    list of ReliabilityBin
        Named tuples (`bin`, `score_mean`, `fraction`, `conf_low`, `conf_high`, `n`) of the bins that hold cases, numbered from 1.

    Raises
    ------
    ValueError
        An array of a wrong shape, truth that is not 0/1, a score outside 0 to 1.

    Notes
    -----
    The limits are Wilson's for the fraction positive.

    References
    ----------
    .. [1] Wilson (1927). Journal of the American Statistical Association 22:209-212. doi:10.1080/01621459.1927.10502953

    Examples
    --------
    >>> from hybridcx.stats import reliability_curve
    >>> [(b.bin, b.n, b.fraction) for b in reliability_curve([1, 0, 1, 1], [0.8, 0.4, 0.4, 0.8])]
    [(4, 2, 0.5), (8, 2, 1.0)]
    """
    y = check_truth(y_true)
    score = check_one_score(y_score, y.size, probability=True)
    z2 = z_value(confidence_level) ** 2
    if equal_count:
        edges = np.unique(np.quantile(score, np.arange(1, bins) / bins)) if score.size else np.zeros(0)
        index = np.searchsorted(edges, score, side="left")
    else:
        index = score_bin(score, bins)
    rows = []
    for b in np.unique(index):
        inside = index == b
        n, x = int(inside.sum()), int(y[inside].sum())
        p = x / n
        centre, half = (p + z2 / (2 * n)) / (1 + z2 / n), sqrt(z2 * (p * (1 - p) / n + z2 / (4 * n * n))) / (1 + z2 / n)
        low, high = 0.0 if x == 0 else centre - half, 1.0 if x == n else centre + half
        rows.append(ReliabilityBin(int(b) + 1, float(score[inside].mean()), p, low, high, n))
    return rows


def clipped_logit(score: FloatArray) -> FloatArray:
    """Return the logit of scores clipped to 1e-6 from 0 and 1."""
    return np.asarray(special.logit(np.clip(score, LOGIT_CLIP, 1.0 - LOGIT_CLIP)))


def separated(x: FloatArray, y: BoolArray, present: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return for each column of `present` (n, C) whether x separates the classes among the cases present.

    Separated means that the largest x of one class is not above the smallest of the other; so are a single class and a constant x.
    """
    column = x[:, None]
    high_pos = np.where(present & y[:, None], column, -np.inf).max(axis=0)
    low_pos = np.where(present & y[:, None], column, np.inf).min(axis=0)
    high_neg = np.where(present & ~y[:, None], column, -np.inf).max(axis=0)
    low_neg = np.where(present & ~y[:, None], column, np.inf).min(axis=0)
    return np.asarray((high_neg <= low_pos) | (high_pos <= low_neg))


def _separated_columns(x: FloatArray, y: BoolArray, present: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return `separated`, most columns decided from the extremes of the classes: an overlap of a few cases is one of all."""
    order = np.argsort(x, kind="stable")
    ends = [side for rows in (order[y[order]], order[~y[order]]) for side in (rows[:_EXTREMES], rows[-_EXTREMES:])]
    few = np.unique(np.concatenate(ends))
    result = separated(x[few], y[few], present[few])
    doubtful = np.flatnonzero(result)
    result[doubtful] = separated(x, y, present[:, doubtful])
    return result


def _inverse_logit(linear: FloatArray) -> FloatArray:
    """Return 1 / (1 + exp(-linear)), in place: NumPy's exp is several times faster than a scalar logistic."""
    np.negative(linear, out=linear)
    with np.errstate(over="ignore"):  # exp overflows to inf, whose inverse is the right 0
        np.exp(linear, out=linear)
    linear += 1.0
    return np.reciprocal(linear, out=linear)


class LineFit(NamedTuple):
    """Logistic fits, one a column of weights: `location` at the mean of x, `slope`, and the slope's and intercept's information."""

    location: FloatArray
    slope: FloatArray
    slope_variance: FloatArray


def fit_slope(
    x: FloatArray, y: BoolArray, weights: npt.NDArray[np.floating], start: tuple[float, float] = (0.0, 1.0)
) -> LineFit:
    """Return the maximum-likelihood fits of logit P(y) = location + slope (x - mean x) for weights (n, C) of the cases.

    Newton's method with the step capped so that no case's linear predictor moves by more than 1. Columns that are separated, lack
    a class or do not converge are NaN.
    """
    w = np.asarray(weights, dtype=np.float64)
    columns = w.shape[1]
    centred = x - x.mean()
    reach = float(np.abs(centred).max())
    fit = LineFit(*(np.full(columns, nan) for _ in range(3)))
    active = np.flatnonzero(~_separated_columns(x, y, w > 0.0))
    location, slope = np.full(active.size, start[0]), np.full(active.size, start[1])
    w = w[:, active]
    basis = np.stack([np.ones_like(centred), centred, centred**2])
    target = basis[:2] @ (w * y[:, None])
    for _ in range(_MAX_STEPS):
        if not active.size:
            break
        p = _inverse_logit(location + centred[:, None] * slope)
        wp = w * p
        gradient = target - basis[:2] @ wp
        wp *= np.subtract(1.0, p, out=p)
        information = basis @ wp
        determinant = information[0] * information[2] - information[1] ** 2
        step_location = (information[2] * gradient[0] - information[1] * gradient[1]) / determinant
        step_slope = (information[0] * gradient[1] - information[1] * gradient[0]) / determinant
        size = np.abs(step_location) + reach * np.abs(step_slope)
        shrink = _STEP_CAP / np.maximum(size, _STEP_CAP)
        location, slope = location + shrink * step_location, slope + shrink * step_slope
        done = size < _TOLERANCE
        if done.any():
            columns_done = active[done]
            fit.location[columns_done], fit.slope[columns_done] = location[done], slope[done]
            fit.slope_variance[columns_done] = (information[0] / determinant)[done]
            left = ~done
            active, location, slope, target, w = active[left], location[left], slope[left], target[:, left], w[:, left]
    return fit


def fit_intercept(
    x: FloatArray, y: BoolArray, weights: npt.NDArray[np.floating], start: float = 0.0
) -> tuple[FloatArray, FloatArray]:
    """Return the fits (C,) of logit P(y) = a + x with x as offset, and their variances; NaN where a class is absent."""
    w = np.asarray(weights, dtype=np.float64)
    positive, total = y @ w, w.sum(axis=0)
    fits, variances = np.full(w.shape[1], nan), np.full(w.shape[1], nan)
    active = np.flatnonzero((positive > 0.0) & (positive < total))
    w, positive, a = w[:, active], positive[active], np.full(active.size, start)
    for _ in range(_MAX_STEPS):
        if not active.size:
            break
        p = _inverse_logit(a + x[:, None])
        wp = w * p
        information = (wp * (1.0 - p)).sum(axis=0)
        step = (positive - wp.sum(axis=0)) / information
        a = a + np.clip(step, -_STEP_CAP, _STEP_CAP)
        done = np.abs(step) < _TOLERANCE
        if done.any():
            fits[active[done]], variances[active[done]] = a[done], 1.0 / information[done]
            active, w, positive, a = active[~done], w[:, ~done], positive[~done], a[~done]
    return fits, variances


def calibration_line(
    y_true: npt.ArrayLike, y_score: npt.ArrayLike, confidence_level: float = 0.95
) -> tuple[Interval, Interval]:
    """Calibration slope and calibration-in-the-large, each with Wald limits.

    Parameters
    ----------
    y_true : array_like of bool or 0/1, shape (n,)
        Truth; True or 1 for the positive class.
    y_score : array_like of float, shape (n,)
        Probabilities of the positive class, 0 to 1.
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.

    Returns
    -------
    slope : Interval
        b of logit P(y) = a + b logit(score); 1 is ideal, below 1 the scores are too extreme. `not_estimable` where the scores separate the classes
        (the largest of one class is not above the smallest of the other), for constant scores, and with one class.
    intercept : Interval
        a of logit P(y) = a + logit(score), the logit as offset; 0 is ideal, above 0 the scores are too low. Estimable under separation.

    Raises
    ------
    ValueError
        An array of a wrong shape, truth that is not 0/1, a score outside 0 to 1.

    Notes
    -----
    Maximum likelihood. The intercept that is estimated together with the slope is another number: `line_intercept`. Scores beyond 1e-6 of 0 or 1 are
    clipped to it, and `warning` says how many.

    References
    ----------
    .. [1] Cox (1958). Biometrika 45:562-565. doi:10.1093/biomet/45.3-4.562
    .. [2] Van Calster et al. (2019). BMC Medicine 17:230. doi:10.1186/s12916-019-1466-7

    Examples
    --------
    >>> from hybridcx.stats import calibration_line
    >>> y, score = [0, 0, 1, 0, 1, 1, 0, 1], [0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9]
    >>> slope, intercept = calibration_line(y, score)
    >>> slope
    Interval(method='wald', estimate=0.804889, conf_low=-0.482779, conf_high=2.09256, conf_level=0.95,
        std_error=0.656986, n=8)
    """
    z = z_value(confidence_level)
    y = check_truth(y_true)
    score = check_one_score(y_score, y.size, probability=True)
    positives = int(y.sum())
    if positives in (0, y.size):
        none = Interval("wald", nan, conf_level=confidence_level, n=y.size, status="not_estimable", warning=ONE_CLASS)
        return none, none
    n_clipped = int(((score < LOGIT_CLIP) | (score > 1.0 - LOGIT_CLIP)).sum())
    warning = f"{n_clipped} scores were clipped to {LOGIT_CLIP:g} from 0 or 1 for the logit" if n_clipped else ""
    x, ones = clipped_logit(score), np.ones((y.size, 1))
    a, a_variance = (float(v[0]) for v in fit_intercept(x, y, ones))
    half = z * sqrt(a_variance)
    intercept = Interval("wald", a, a - half, a + half, confidence_level, sqrt(a_variance), n=y.size, warning=warning)
    fit = fit_slope(x, y, ones)
    b, b_variance = float(fit.slope[0]), float(fit.slope_variance[0])
    if np.isnan(b):
        reason = CONSTANT if np.ptp(x) == 0.0 else SEPARATED
        why = f"{reason}; {warning}" if warning else reason
        return Interval(
            "wald", nan, conf_level=confidence_level, n=y.size, status="not_estimable", warning=why
        ), intercept
    half = z * sqrt(b_variance)
    return Interval(
        "wald", b, b - half, b + half, confidence_level, sqrt(b_variance), n=y.size, warning=warning
    ), intercept


def line_intercept(y_true: npt.ArrayLike, y_score: npt.ArrayLike, confidence_level: float = 0.95) -> Interval:
    """The intercept of the calibration line, estimated together with its slope, with Wald limits.

    Parameters
    ----------
    y_true : array_like of bool or 0/1, shape (n,)
        Truth; True or 1 for the positive class.
    y_score : array_like of float, shape (n,)
        Probabilities of the positive class, 0 to 1.
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.

    Returns
    -------
    Interval
        Statuses and clipping as the slope of `calibration_line`.

    Raises
    ------
    ValueError
        An array of a wrong shape, truth that is not 0/1, a score outside 0 to 1.

    Notes
    -----
    a of logit P(y) = a + b logit(score), the log odds of the positive class at a score of 1/2. It is no measure of calibration alone: it changes
    with the slope. 0 and a slope of 1 are the ideal.

    References
    ----------
    .. [1] Cox (1958). Biometrika 45:562-565. doi:10.1093/biomet/45.3-4.562

    Examples
    --------
    >>> from hybridcx.stats import line_intercept
    >>> y, score = [0, 0, 1, 0, 1, 1, 0, 1], [0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9]
    >>> line_intercept(y, score)
    Interval(method='wald', estimate=2.0035e-17, conf_low=-1.57238, conf_high=1.57238, conf_level=0.95,
        std_error=0.802248, n=8)
    """
    slope, _ = calibration_line(y_true, y_score, confidence_level)
    if slope.status == "not_estimable":
        return slope
    y = check_truth(y_true)
    x = clipped_logit(check_one_score(y_score, y.size, probability=True))
    fit = fit_slope(x, y, np.ones((y.size, 1)))
    centre, location, b = float(x.mean()), float(fit.location[0]), float(fit.slope[0])
    p = special.expit(location + b * (x - centre))
    weight = p * (1.0 - p)
    # The variance of the line at x = 0: 1/sum(w) + m^2 / sum(w (x - m)^2), m the weighted mean of x.
    mean = float(weight @ x / weight.sum())
    error = sqrt(1.0 / float(weight.sum()) + mean**2 / float(weight @ (x - mean) ** 2))
    a = location - b * centre
    half = z_value(confidence_level) * error
    return Interval("wald", a, a - half, a + half, confidence_level, error, n=y.size, warning=slope.warning)
