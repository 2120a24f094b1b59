"""Metrics: label, range, direction, unit, kind."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf
from typing import Literal


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric as a reader meets it.

    `unit` "percent" is shown as a percentage (differences in percentage points), "number" with `decimals` decimals.
    `better` is +1 where higher is better, -1 where lower is, 0 where a target value is (a calibration slope of 1).
    `null` is the value of a comparison when both models are alike: 0 for a difference, 1 for a ratio.
    """

    name: str
    label: str
    unit: Literal["percent", "number"] = "number"
    decimals: int = 3
    better: Literal[1, 0, -1] = 1
    low: float = 0.0
    high: float = 1.0
    null: Literal[0, 1] = 0


_METRICS = (
    Metric("accuracy", "Accuracy", "percent", 1),
    Metric("sensitivity", "Sensitivity", "percent", 1),
    Metric("specificity", "Specificity", "percent", 1),
    Metric("ppv", "PPV", "percent", 1),
    Metric("npv", "NPV", "percent", 1),
    Metric("f1", "F1"),
    Metric("balanced_accuracy", "Balanced accuracy", "percent", 1),
    Metric("mcc", "MCC", low=-1.0),
    Metric("youden_j", "Youden's J", low=-1.0),
    Metric("lr_positive", "LR+", decimals=2, high=inf, null=1),
    Metric("lr_negative", "LR−", decimals=2, better=-1, high=inf, null=1),
    Metric("diagnostic_odds_ratio", "Diagnostic odds ratio", decimals=1, high=inf),
    Metric("auroc", "AUROC"),
    Metric("auprc", "AUPRC"),
    Metric("brier", "Brier score", better=-1),
    Metric("log_loss", "Log loss", better=-1, high=inf),
    Metric("calibration_slope", "Calibration slope", decimals=2, better=0, low=-inf, high=inf),
    Metric("calibration_intercept", "Calibration intercept", decimals=2, better=0, low=-inf, high=inf),
    Metric("ece", "ECE", better=-1),
    Metric("net_benefit", "Net benefit", low=-inf),
)


METRICS = {m.name: m for m in _METRICS}


METRIC_ORDER = tuple(METRICS)


def metric(name: str) -> Metric:
    """The metric's meaning; a metric outside the vocabulary is shown under its own name as a plain number."""
    return METRICS.get(name) or Metric(name, name, better=0, low=-inf, high=inf)


def in_order(names: Iterable[str], order: Iterable[str]) -> list[str]:
    """`names` in the order of `order`, unknown ones after them in the order in which they come."""
    rank = {name: i for i, name in enumerate(order)}
    unique = list(dict.fromkeys(names))
    return sorted(unique, key=lambda name: rank.get(name, len(rank)))
