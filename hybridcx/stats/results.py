"""The small frozen results that the functions of `hybridcx.stats` return.

A number that does not exist is NaN here (`NA` in the CSVs) and `status` and `warning` say why:
`ok`; `caution` (a number, or an estimate without limits, that must be read with its warning);
`not_estimable` (the estimate is NaN, the reason stands in `warning`).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan
from typing import Literal

Status = Literal["ok", "caution", "not_estimable"]


@dataclass(frozen=True, slots=True)
class Interval:
    """One metric of one model with its confidence limits (a row of metrics.csv before it has its model's name)."""

    method: str
    estimate: float
    conf_low: float = nan
    conf_high: float = nan
    conf_level: float = nan
    std_error: float = nan
    numerator: float = nan
    denominator: float = nan
    n: float = nan
    n_clusters: float = nan
    n_resamples: float = nan
    n_resamples_failed: float = nan
    status: Status = "ok"
    warning: str = ""


@dataclass(frozen=True, slots=True)
class PairedTest:
    """A comparison of two models on the same cases (a row of comparisons.csv): model minus comparator."""

    method: str
    estimate: float
    conf_low: float = nan
    conf_high: float = nan
    conf_level: float = nan
    statistic: float = nan
    parameter: float = nan
    pvalue: float = nan
    n: float = nan
    b: float = nan
    c: float = nan
    std_error: float = nan
    n_clusters: float = nan
    n_resamples: float = nan
    n_resamples_failed: float = nan
    margin: float = nan
    status: Status = "ok"
    warning: str = ""


@dataclass(frozen=True, slots=True)
class Omnibus:
    """A test of k models at once on the same n cases (a row of omnibus.csv)."""

    method: str
    statistic: float
    parameter: float
    pvalue: float
    n: int
    k: int
    status: Status = "ok"
    warning: str = ""


@dataclass(frozen=True, slots=True)
class Agreement:
    """A coefficient of agreement or reliability of k readings of n cases (a row of agreement.csv)."""

    metric: str
    method: str
    estimate: float
    conf_low: float = nan
    conf_high: float = nan
    conf_level: float = nan
    statistic: float = nan
    parameter1: float = nan
    parameter2: float = nan
    pvalue: float = nan
    std_error: float = nan
    n: float = nan
    k: float = nan
    status: Status = "ok"
    warning: str = ""
