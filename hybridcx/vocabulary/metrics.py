"""Metrics: what each one is computed from, its range, which direction is better, and how it is shown.

Statistics, verdicts, tables and sentences read a metric's properties here; no other place decides that higher is better.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf
from types import MappingProxyType
from typing import Literal


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of the vocabulary.

    Attributes
    ----------
    kind : "count" (computed from TP, FN, FP, TN), "rank" (from the order of the scores) or "probability" (from the scores as probabilities).
    formula : the definition in one line.
    better : 1 where higher is better, -1 where lower is better, 0 where a target value is best (a calibration slope of 1).
    low, high : the closed range; infinite where there is no bound.
    target : the ideal value of a metric with `better` 0, else None.
    null : the value of a comparison of two equal models: 0 for a difference, 1 for a ratio.
    unit, decimals : "percent" is shown as a percentage (differences in percentage points), "number" with so many decimals.
    """

    name: str
    label: str
    kind: Literal["count", "rank", "probability", "other"] = "other"
    formula: str = ""
    better: Literal[1, 0, -1] = 1
    low: float = 0.0
    high: float = 1.0
    target: float | None = None
    null: Literal[0, 1] = 0
    unit: Literal["percent", "number"] = "number"
    decimals: int = 3

    @property
    def higher_is_better(self) -> bool:
        """False where verdicts turn the sign of a difference. Metrics with a target keep theirs."""
        return self.better >= 0

    @property
    def difference_limits(self) -> tuple[float, float]:
        """The smallest and the largest difference of two values."""
        return self.low - self.high, self.high - self.low


_METRICS = (
    Metric("accuracy", "Accuracy", "count", "(TP + TN) / n", unit="percent", decimals=1),
    Metric("sensitivity", "Sensitivity", "count", "TP / (TP + FN)", unit="percent", decimals=1),
    Metric("specificity", "Specificity", "count", "TN / (TN + FP)", unit="percent", decimals=1),
    Metric("ppv", "PPV", "count", "TP / (TP + FP)", unit="percent", decimals=1),
    Metric("npv", "NPV", "count", "TN / (TN + FN)", unit="percent", decimals=1),
    Metric("f1", "F1", "count", "2 TP / (2 TP + FP + FN)"),
    Metric("balanced_accuracy", "Balanced accuracy", "count", "(sensitivity + specificity) / 2", unit="percent", decimals=1),
    Metric("mcc", "MCC", "count", "(TP TN - FP FN) / sqrt of the product of the margins", low=-1.0),
    Metric("youden_j", "Youden's J", "count", "sensitivity + specificity - 1", low=-1.0),
    Metric("lr_positive", "LR+", "count", "sensitivity / (1 - specificity)", high=inf, null=1, decimals=2),
    Metric("lr_negative", "LR−", "count", "(1 - sensitivity) / specificity", better=-1, high=inf, null=1, decimals=2),
    Metric("diagnostic_odds_ratio", "Diagnostic odds ratio", "count", "TP TN / (FP FN)", high=inf, decimals=1),
    Metric("auroc", "AUROC", "rank", "P(score of a positive > of a negative) + P(equal) / 2"),
    Metric("auprc", "AUPRC", "rank", "average precision"),
    Metric("brier", "Brier score", "probability", "mean (score - truth)^2", better=-1),
    Metric("log_loss", "Log loss", "probability", "mean -log(score of the true class)", better=-1, high=inf),
    Metric(
        "calibration_slope", "Calibration slope", "probability", "slope of the logistic regression of truth on logit(score)",
        better=0, low=-inf, high=inf, target=1.0, decimals=2,
    ),
    Metric(
        "calibration_intercept", "Calibration-in-the-large", "probability",
        "calibration intercept with the slope fixed at 1: intercept of the logistic regression of truth with offset logit(score)",
        better=0, low=-inf, high=inf, target=0.0, decimals=2,
    ),
    Metric("ece", "ECE", "probability", "sum over bins of n_bin/n |mean score - fraction positive|", better=-1),
    Metric("net_benefit", "Net benefit", "probability", "TP/n - FP/n t/(1 - t) at the threshold t", low=-inf),
)  # fmt: skip
METRICS: Mapping[str, Metric] = MappingProxyType({m.name: m for m in _METRICS})
"""Name -> metric, in the order of the tables."""
COUNT_METRICS = tuple(m.name for m in _METRICS if m.kind == "count")
RANK_METRICS = tuple(m.name for m in _METRICS if m.kind == "rank")
PROBABILITY_METRICS = tuple(m.name for m in _METRICS if m.kind == "probability")
PROPORTIONS = ("accuracy", "sensitivity", "specificity", "ppv", "npv")
"""Metrics that are a count over a count, in this order."""
RATIOS = ("lr_positive", "lr_negative", "diagnostic_odds_ratio")


def metric(name: str) -> Metric:
    """The metric of that name. A name outside the vocabulary is shown as a plain number under its own name."""
    return METRICS.get(name) or Metric(name, name, better=0, low=-inf, high=inf)


def in_order(names: Iterable[str], order: Iterable[str]) -> list[str]:
    """`names` without repeats in the order of `order`; names that `order` lacks follow in the order in which they come."""
    rank = {name: i for i, name in enumerate(order)}
    unique = list(dict.fromkeys(names))
    return sorted(unique, key=lambda name: rank.get(name, len(rank)))
