"""The area under the precision-recall curve of one model, with limits on the logit scale."""

from __future__ import annotations

from math import nan, sqrt

import numpy as np
import numpy.typing as npt
from scipy import special

from hybridcx.stats.results import Interval
from hybridcx.stats.score_inputs import check_one_score, check_truth, z_value


def average_precision(y_true: npt.ArrayLike, y_score: npt.ArrayLike) -> float:
    """Return the average precision: the mean over positives of the precision at their score; equal scores are called together.

    NaN without a positive case.
    """
    y = check_truth(y_true)
    score = check_one_score(y_score, y.size)
    if not y.any():
        return nan
    order = np.argsort(-score, kind="stable")
    truth, ordered = y[order], score[order]
    last = np.r_[ordered[1:] != ordered[:-1], True]
    hits, called = np.cumsum(truth)[last], np.flatnonzero(last) + 1
    return float((np.diff(hits, prepend=0) * hits / called).sum() / hits[-1])


def auprc_logit(y_true: npt.ArrayLike, y_score: npt.ArrayLike, confidence_level: float = 0.95) -> Interval:
    """Return the average precision A with the logit limits of Boyd, Eng and Page (2013).

    logit A -+ z / sqrt(n1 A (1 - A)), with n1 positives: A is treated as a binomial proportion of them. `caution` without limits at A = 0 or 1;
    `not_estimable` with one class.
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
