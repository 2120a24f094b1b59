"""The small frozen results that the functions of `hybridcx.stats` return.

A number that does not exist is NaN here (`NA` in the CSVs) and `status` and `warning` say why:
`ok`; `caution` (a number, or an estimate without limits, that must be read with its warning);
`not_estimable` (the estimate is NaN, the reason stands in `warning`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import isfinite, isnan, nan
from typing import Literal, NamedTuple

Status = Literal["ok", "caution", "not_estimable"]


class ConfidenceInterval(NamedTuple):
    """The limits of a two-sided confidence interval; NaN where there are none."""

    low: float
    high: float


class Result:
    """A result whose `repr` leaves out what does not exist (NaN), an empty warning and the status "ok"."""

    __slots__ = ()

    def __repr__(self) -> str:
        texts: list[str] = []
        for field in fields(self):  # type: ignore[arg-type]  # every subclass is a dataclass
            value = getattr(self, field.name)
            if value in ("", "ok") or (isinstance(value, float) and isnan(value)):
                continue
            gap = "\n    " if field.name == "warning" else " " if texts else ""
            texts.append(f"{gap}{field.name}={_number(value) if isinstance(value, float) else repr(value)}")
        return f"{type(self).__name__}({','.join(texts)})"


class WithLimits(Result):
    """A result with the limits `conf_low` and `conf_high`."""

    __slots__ = ()
    conf_low: float
    conf_high: float

    @property
    def confidence_interval(self) -> ConfidenceInterval:
        """The limits (low, high) at the level `conf_level`."""
        return ConfidenceInterval(self.conf_low, self.conf_high)


def _number(value: float) -> str:
    return str(int(value)) if isfinite(value) and value.is_integer() and abs(value) < 1e15 else f"{value:.6g}"


@dataclass(frozen=True, slots=True, repr=False)
class Interval(WithLimits):
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


@dataclass(frozen=True, slots=True, repr=False)
class PairedTest(WithLimits):
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

    @property
    def df(self) -> float:
        """Degrees of freedom of `statistic` (`parameter`)."""
        return self.parameter


@dataclass(frozen=True, slots=True, repr=False)
class Omnibus(Result):
    """A test of k models at once on the same n cases (a row of omnibus.csv)."""

    method: str
    statistic: float
    parameter: float
    pvalue: float
    n: int
    k: int
    status: Status = "ok"
    warning: str = ""

    @property
    def df(self) -> float:
        """Degrees of freedom of `statistic` (`parameter`)."""
        return self.parameter


@dataclass(frozen=True, slots=True, repr=False)
class Agreement(WithLimits):
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
