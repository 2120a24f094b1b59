"""The area under the precision-recall curve of one model, with limits on the logit scale."""

from __future__ import annotations

from math import nan, sqrt

import numpy.typing as npt
from scipy import special

from hybridcx.stats.results import Interval
from hybridcx.stats.roc import average_precision
from hybridcx.stats.score_inputs import check_truth, z_value


def auprc_logit(y_true: npt.ArrayLike, y_score: npt.ArrayLike, confidence_level: float = 0.95) -> Interval:
    """Average precision with limits on the logit scale.

    Parameters
    ----------
    y_true : array_like of bool or 0/1, shape (n,)
        Truth; True or 1 for the positive class.
    y_score : array_like of float, shape (n,)
        Scores; a higher one means "more likely positive".
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.

    Returns
    -------
    Interval
        `caution` without limits at 0 or 1; `not_estimable` with one class.

    Raises
    ------
    ValueError
        An array of a wrong shape, truth that is not 0/1, a score that is not finite.

    Notes
    -----
    logit A -+ z / sqrt(n1 A (1 - A)) with n1 positive cases: A is treated as a binomial proportion of them.

    References
    ----------
    .. [1] Boyd, Eng and Page (2013). Machine Learning and Knowledge Discovery in Databases, 451-466. doi:10.1007/978-3-642-40994-3_29

    Examples
    --------
    >>> from hybridcx.stats import auprc_logit
    >>> auprc_logit([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1])
    Interval(method='wald', estimate=0.833333, conf_low=0.108193, conf_high=0.995171, conf_level=0.95,
        std_error=0.263523, n=4)
    """
    y = check_truth(y_true)
    value, positives = average_precision(y_true, y_score), int(y.sum())
    z = z_value(confidence_level)
    n = float(y.size)
    if positives in (0, y.size):
        reason = "the cases hold only one class"
        return Interval("wald", nan, conf_level=confidence_level, n=n, status="not_estimable", warning=reason)
    if not 0 < value < 1:
        reason = f"at {value:g} the logit has no limits"
        return Interval("wald", value, conf_level=confidence_level, n=n, status="caution", warning=reason)
    logit, half = float(special.logit(value)), z / sqrt(positives * value * (1 - value))
    low, high = (float(special.expit(x)) for x in (logit - half, logit + half))
    return Interval("wald", value, low, high, confidence_level, sqrt(value * (1 - value) / positives), n=n)
