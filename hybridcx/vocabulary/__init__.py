"""The words of the contract as data: metrics, methods, columns, tables. Every room may import it; it imports no other room.

`vocabulary.metric("auroc")` and `vocabulary.method_label("tango")` are what most rooms need.
"""

from hybridcx.vocabulary.methods import (
    ADJUSTMENTS,
    AGREEMENT,
    ASSUMES_INDEPENDENCE,
    DIFFERENCE_ORDER,
    INTERVAL_ORDER,
    METHODS,
    TEST_ORDER,
    VERDICTS,
    Evidence,
    Method,
    coefficient,
    coefficient_label,
    method_label,
)
from hybridcx.vocabulary.metrics import (
    COUNT_METRICS,
    METRICS,
    PROBABILITY_METRICS,
    PROPORTIONS,
    RANK_METRICS,
    RATIOS,
    Metric,
    in_order,
    metric,
)

__all__ = [
    "ADJUSTMENTS",
    "ASSUMES_INDEPENDENCE",
    "AGREEMENT",
    "COUNT_METRICS",
    "DIFFERENCE_ORDER",
    "Evidence",
    "INTERVAL_ORDER",
    "METHODS",
    "METRICS",
    "Method",
    "Metric",
    "PROBABILITY_METRICS",
    "PROPORTIONS",
    "RANK_METRICS",
    "RATIOS",
    "TEST_ORDER",
    "VERDICTS",
    "coefficient",
    "coefficient_label",
    "in_order",
    "method_label",
    "metric",
]
