"""The domain of each recommended method: where the simulations show its coverage at 93.5 to 97 % and its type I error at most 6 %.

A domain is a lower bound for what is fixed before the models are seen: `cases`, `events` (cases of the smaller class), `share` (their percentage),
`clusters` (patients). A method holds at a size where its mean coverage over the settings is at least 93.5 % and no setting is below 92 % (limits of
counts oscillate: Brown, Cai and DasGupta 2001). The simulations are in `simulations.csv` (independent cases, made by
experiments/simulations/domains.py) and `simulations_dependent.csv` (patients and seeds, made by patients_and_seeds.py beside it).
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
        "share": "% of the cases in the smaller class",
        "clusters": "patients",
    }
)
NOT_SIMULATED = "no simulation shows that a method holds for it"


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
_NO_DIFFERENCE_OF_ODDS = "no interval for a difference of odds ratios was found to hold"
_CALLS = ("ppv", "npv", "f1", "balanced_accuracy", "mcc", "youden_j")
_CORRECT = ("accuracy", "sensitivity", "specificity")
_LINE = ("calibration_slope", "calibration_intercept")
DOMAINS = (
    Domain("interval", (*_CORRECT, "ppv", "npv", "f1"), "wilson", clustered=False),
    Domain("interval", (*_CORRECT, "ppv", "npv"), "clopper_pearson", clustered=False),
    Domain("interval", ("balanced_accuracy", "youden_j"), "mover_wilson", {"cases": 49}, clustered=False),
    Domain("interval", ("lr_positive", "diagnostic_odds_ratio", "net_benefit"), "mover_wilson", clustered=False),
    Domain("interval", ("lr_negative",), "mover_wilson", {"events": 20}, clustered=False),
    Domain("interval", ("mcc",), "bootstrap_percentile", {"cases": 300}, clustered=False),
    Domain("interval", ("auroc",), "delong_logit", {"events": 15, "share": 25}, clustered=False),
    Domain("interval", ("auroc",), "delong_logit", {"events": 100}, clustered=False),
    Domain("interval", ("auroc",), "newcombe_auc", {"events": 10}, clustered=False),
    Domain("interval", ("auprc", "brier", "log_loss", "calibration_slope"), "wald", {"events": 10}, clustered=False),
    # Wald's error of the intercept takes the model for true: it covers 0.87 at every size where scores are overconfident.
    Domain("interval", ("calibration_intercept",), "bootstrap_percentile", {"cases": 300}, clustered=False),
    Domain("interval", ("ece",), "bootstrap_percentile", never=_BIASED),
    Domain("comparison", _CORRECT, "tango", clustered=False),
    Domain("comparison", ("ppv", "npv"), "permutation_paired", {"events": 10}, clustered=False),
    Domain("comparison", (*_CALLS[2:], "net_benefit"), "permutation_paired", clustered=False),
    Domain("comparison", ("brier",), "permutation_paired", {"events": 10}, clustered=False),
    Domain("comparison", ("log_loss",), "permutation_paired", {"events": 30}, clustered=False),
    Domain("comparison", ("lr_positive", "lr_negative"), "lr_regression", {"events": 99}, clustered=False),
    Domain("comparison", ("auroc",), "delong_paired", {"events": 30, "share": 25}, clustered=False),
    Domain("comparison", ("auroc",), "delong_paired", {"events": 100}, clustered=False),
    Domain("comparison", ("auprc", *_LINE), "bootstrap_percentile", {"cases": 300}, clustered=False),
    Domain("comparison", ("ece",), "bootstrap_percentile", never=_BIASED),
    Domain("comparison", ("diagnostic_odds_ratio",), "bootstrap_percentile", never=_NO_DIFFERENCE_OF_ODDS),
    # Patients with several cases.
    Domain("interval", (*_CORRECT, "ppv", "npv"), "wilson", clustered=True),
    Domain("interval", ("balanced_accuracy", "youden_j"), "mover_wilson", clustered=True),
    Domain("interval", ("auroc",), "delong_logit", {"clusters": 20}, clustered=True),
    Domain("comparison", _CORRECT, "mcnemar_cluster", {"clusters": 40}, clustered=True),
    # Of models that differ it covers 0.85 to 0.89 with 20 to 50 patients, although it keeps its level for equal ones.
    Domain("comparison", ("auroc",), "delong_cluster", {"clusters": 100}, clustered=True),
)
"""In the order of the metrics; a method without an entry is not recommended, one with several holds in any of them."""


def domains_of(use: Use, metric: str, method: str, *, clustered: bool = False) -> list[Domain]:
    """The domains of a method for a metric: it holds in any of them. Empty where none is stated."""
    return [
        d
        for d in DOMAINS
        if d.use == use and metric in d.metrics and d.method == method and d.clustered in (None, clustered)
    ]
