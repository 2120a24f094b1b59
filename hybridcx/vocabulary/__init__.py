"""The words of the contract as data: metrics, methods, columns, tables. Every room may import it; it imports no other room.

`vocabulary.metric("auroc")` and `vocabulary.method_label("tango")` are what most rooms need.
"""

from hybridcx.vocabulary.methods import (
    ADJUSTMENTS,
    AGREEMENT,
    DIFFERENCE_ORDER,
    INTERVAL_ORDER,
    METHODS,
    TEST_ORDER,
    VERDICTS,
    coefficient,
    method_label,
)
from hybridcx.vocabulary.metrics import METRIC_ORDER, METRICS, Metric, in_order, metric

__all__ = [
    "ADJUSTMENTS",
    "AGREEMENT",
    "DIFFERENCE_ORDER",
    "INTERVAL_ORDER",
    "METHODS",
    "METRICS",
    "METRIC_ORDER",
    "Metric",
    "TEST_ORDER",
    "VERDICTS",
    "coefficient",
    "in_order",
    "method_label",
    "metric",
]
