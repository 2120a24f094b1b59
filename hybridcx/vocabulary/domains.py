"""The domain of each recommended method: where the simulations show its coverage at 93.5 to 97 % and its type I error at most 6 %.

A domain is a lower bound for sizes of the data: `cases`, `events` (cases of the smaller class), `errors` and `right` (the fewest wrong and right
calls of a model in a class), `clusters` (patients). The simulations are in `simulations.csv`, made by experiments/simulations/domains.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

Use = Literal["interval", "comparison"]
WORDS: Mapping[str, str] = MappingProxyType(
    {
        "cases": "cases",
        "events": "cases in the smaller class",
        "errors": "wrong calls of each model in each class",
        "right": "right calls of each model in each class",
        "clusters": "patients",
    }
)
NEVER = 10**9
"""A bound that no data meet: no method holds at any size that was simulated."""


@dataclass(frozen=True, slots=True)
class Domain:
    """The sizes from which a method holds for a metric.

    `clustered`: patients with several cases (True), independent cases (False), or both (None). `never`: why it holds at no size, "" where it does.
    """

    use: Use
    metrics: tuple[str, ...]
    method: str
    least: Mapping[str, int] = field(default_factory=dict)
    clustered: bool | None = None
    never: str = ""

    def problem(self, sizes: Mapping[str, int]) -> str:
        """Why data of these sizes are outside the domain; "" where they are inside."""
        if self.never:
            return self.never
        for name, least in self.least.items():
            if name in sizes and sizes[name] < least:
                return f"outside the simulated domain of this method: {sizes[name]} {WORDS[name]}, it holds from {least} on"
        return ""

    @property
    def text(self) -> str:
        """The domain in words."""
        if self.never:
            return self.never
        return (
            "from " + ", ".join(f"{n} {WORDS[k]}" for k, n in self.least.items())
            if self.least
            else "at every simulated size"
        )


_BIASED = "no interval covers: the plug-in estimate is biased upwards"
_CALLS = ("ppv", "npv", "f1", "balanced_accuracy", "mcc", "youden_j", "net_benefit")
DOMAINS = (
    Domain("comparison", ("accuracy", "sensitivity", "specificity"), "tango"),
    Domain("comparison", _CALLS, "permutation_paired"),
    Domain("comparison", ("brier",), "permutation_paired", {"events": 15}),
    Domain("comparison", ("log_loss",), "permutation_paired", {"events": 50}),
    Domain("comparison", ("lr_positive", "lr_negative"), "lr_regression", {"errors": 5}),
    Domain("comparison", ("auroc",), "delong_paired", {"events": 10}),
    Domain("comparison", ("auprc",), "bootstrap_percentile", {"events": 50}),
    Domain("comparison", ("calibration_slope", "calibration_intercept"), "bootstrap_percentile", {"events": 50}),
    Domain("comparison", ("ece",), "bootstrap_percentile", never=_BIASED),
    Domain("interval", ("ece",), "bootstrap_percentile", never=_BIASED),
)
"""In the order of the metrics; a method without an entry is not recommended."""


def domain_of(use: Use, metric: str, method: str, *, clustered: bool = False) -> Domain | None:
    """The domain of a method for a metric; None where none is stated."""
    return next(
        (
            d
            for d in DOMAINS
            if d.use == use and metric in d.metrics and d.method == method and d.clustered in (None, clustered)
        ),
        None,
    )
