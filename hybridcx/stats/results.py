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


_WIDTH = 118


class ConfidenceInterval(NamedTuple):
    """The limits of a two-sided confidence interval; NaN where there are none."""

    low: float
    high: float


class Result:
    """A result whose `repr` leaves out what does not exist (NaN), an empty warning and the status "ok"."""

    __slots__ = ()

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__}("]
        for field in fields(self):  # type: ignore[arg-type]  # every subclass is a dataclass
            value = getattr(self, field.name)
            if value in ("", "ok") or (isinstance(value, float) and isnan(value)):
                continue
            text = f"{field.name}={_number(value) if isinstance(value, float) else repr(value)}, "
            if len(lines[-1] + text) > _WIDTH:
                lines.append("    ")
            lines[-1] += text
        return "\n".join(line.rstrip() for line in lines).rstrip(",") + ")"


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
    """One metric of one model with its confidence limits.

    Attributes
    ----------
    method : str
        Name of the interval; empty where there is none.
    estimate : float
        In the metric's own unit (proportions 0 to 1).
    conf_low, conf_high, conf_level : float
        Two-sided limits and their level.
    std_error : float
        Standard error of the estimate; NaN where the interval does not rest on one.
    numerator, denominator : float
        Of a proportion.
    n, n_clusters : float
        Cases and patients.
    n_resamples, n_resamples_failed : float
        Resamples drawn, and those that left the metric undefined.
    status : {"ok", "caution", "not_estimable"}
        See the module.
    warning : str
        The reason of the status.
    """

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
    """A comparison of two models on the same cases: model minus comparator.

    Attributes
    ----------
    method : str
        Name of the interval or test.
    estimate : float
        Difference, in the metric's own unit; for likelihood ratios the ratio.
    conf_low, conf_high, conf_level : float
        Two-sided limits and their level.
    statistic, parameter : float
        Test statistic and its degrees of freedom (`df`).
    pvalue : float
        Two-sided, unless the method says otherwise.
    n, n_clusters : float
        Cases and patients.
    b, c : float
        Cases that only the model, only the comparator got right.
    std_error : float
        Standard error of the difference (of a ratio: of its logarithm).
    n_resamples, n_resamples_failed : float
        Resamples drawn, and those that left the difference undefined.
    margin : float
        Margin of non-inferiority or equivalence.
    status : {"ok", "caution", "not_estimable"}
        See the module.
    warning : str
        The reason of the status.
    """

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
    """A test of k models at once on the same n cases.

    Attributes
    ----------
    method : str
        Name of the test.
    statistic, parameter : float
        Test statistic and its degrees of freedom (`df`).
    pvalue : float
        Of the hypothesis that all models are equal.
    n, k : int
        Cases and models.
    status : {"ok", "caution", "not_estimable"}
        See the module.
    warning : str
        The reason of the status.
    """

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
    """A coefficient of agreement or reliability of k readings of n cases.

    Attributes
    ----------
    metric, method : str
        Name of the coefficient, and its variant.
    estimate : float
        The coefficient (for `sem`, `mdc95` and `bland_altman` in the unit of the readings).
    conf_low, conf_high, conf_level : float
        Two-sided limits and their level.
    statistic, parameter1, parameter2 : float
        Test statistic of "no agreement" and its degrees of freedom (two for F).
    pvalue, std_error : float
        Of that test; standard error of the coefficient.
    n, k : float
        Cases and readings.
    status : {"ok", "caution", "not_estimable"}
        See the module.
    warning : str
        The reason of the status.
    """

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
