"""Columns and tables of the CSVs: what a cell means, which values it takes, and how it is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from hybridcx.vocabulary.metrics import METRICS

Kind = Literal["text", "number", "integer", "boolean"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column: what it holds, the values it takes, and how its cells are written.

    `kind`: "integer" is written without a decimal point, "number" as the shortest text that reads back as the same double, "boolean" as
    TRUE or FALSE, "text" as it stands; None leaves it to the type of the data.
    """

    description: str
    values: str
    kind: Kind | None = "text"


@dataclass(frozen=True, slots=True)
class Table:
    """One CSV: its columns in order, and columns that may follow.

    Attributes
    ----------
    columns : the header, always there in this order.
    further : columns that may follow, in any order; a column that neither names takes its meaning from `SHARED`.
    commands : commands that always write the file, with its header alone where they have nothing for it.
    """

    name: str
    columns: dict[str, Column]
    further: dict[str, Column] = field(default_factory=dict)
    commands: tuple[str, ...] = ()

    @property
    def header(self) -> list[str]:
        """All column names in order."""
        return [*self.columns, *self.further]

    def column(self, name: str) -> Column | None:
        """What a column of this table means; None where only `SHARED` may know."""
        return self.columns.get(name) or self.further.get(name)


PROBABILITY = "0 to 1, or NA"
COUNT = "whole number from 0, or NA"
NUMBER = "number, Inf, -Inf or NA"
FROM_ZERO = "number from 0, or NA"
TEXT = "text, or NA"
LABEL = "a label of the input"
LOGICAL = "TRUE, FALSE, or NA"
METRIC_NAMES = ", ".join(METRICS)
VERDICT_NAMES = "superior, inferior, equivalent, non_inferior, inconclusive"
ADJUSTMENT_NAMES = "none, holm, hochberg, BH, maxT"
PAIR_NAMES = {
    "model": Column("the model; in a pair the one that comes first (model minus comparator)", "text"),
    "comparator": Column("the model it is compared with", "text"),
}

SHARED: Mapping[str, Column] = MappingProxyType(
    {
        "model": Column("the model; in a comparison the one whose value comes first (model minus comparator)", "text"),
        "comparator": Column("the model that is subtracted (for likelihood ratios: divided by)", "text"),
        "metric": Column("the metric", METRIC_NAMES),
        "method": Column("the method of the interval or test", "text"),
        "estimate": Column("the value; proportions stay in 0 to 1", NUMBER, "number"),
        "conf.low": Column("lower confidence limit", NUMBER, "number"),
        "conf.high": Column("upper confidence limit", NUMBER, "number"),
        "conf.level": Column("confidence level of the two limits", PROBABILITY, "number"),
        "numerator": Column("numerator of a proportion", COUNT, "integer"),
        "denominator": Column("denominator of a proportion", COUNT, "integer"),
        "n": Column("distinct cases", COUNT, "integer"),
        "k": Column("models (of an omnibus test) or readings (of an agreement)", COUNT, "integer"),
        "n.resamples": Column("resamples requested", COUNT, "integer"),
        "n.resamples.failed": Column("resamples in which the metric was undefined", COUNT, "integer"),
        "n.clusters": Column("distinct clusters (patients), where the method uses them", COUNT, "integer"),
        "status": Column("whether the row can be used as it stands", "ok, not_estimable, caution"),
        "warning": Column("why the status is not ok, or what limits the number", TEXT),
        "std.error": Column("standard error of the estimate", FROM_ZERO, "number"),
        "subgroup": Column("the column that defines the subgroups; NA for all cases", TEXT),
        "level": Column("the value of that column in these cases", TEXT),
        "seed": Column("seed of the training runs in this row; NA where there is one or they are averaged", TEXT),
        "label.rule": Column(
            "the rule that gives the true labels of these rows; NA for the labels of the analysis",
            "reader_<name> (one reading), agreed (all readings the same), majority, all (with disputed cases), or NA",
        ),
        "fold": Column("fold in which these cases were tested; NA where there is one", TEXT),
        "n.seeds": Column("seeds in the mean of this row", COUNT, "integer"),
        "sd.seeds": Column(
            "standard deviation of the seeds' values (denominator: seeds less one)", FROM_ZERO, "number"
        ),
        "threshold": Column("score at or above which a case is called positive", NUMBER, "number"),
        "prevalence": Column("prevalence at which the predictive values were computed", PROBABILITY, "number"),
        "role": Column(
            "whether the plan named the comparison before the results existed", "confirmatory, exploratory, or NA"
        ),
        "recommended": Column(
            "whether the method is recommended for the metric on these cases (docs/reference/conventions.md)",
            LOGICAL,
            "boolean",
        ),
        "statistic": Column("test statistic: chi-square, F, or signed z or t; NA for exact tests", NUMBER, "number"),
        "parameter": Column("degrees of freedom of a chi-square or t", "number, or NA", "number"),
        "parameter1": Column("numerator degrees of freedom of F", "number, or NA", "number"),
        "parameter2": Column("denominator degrees of freedom of F", "number, or NA", "number"),
        "p.value": Column("p-value, two-sided, not adjusted", PROBABILITY, "number"),
        "adj.p.value": Column(
            "p-value adjusted for the family of comparisons by p.adjust.method", PROBABILITY, "number"
        ),
        "p.adjust.method": Column("adjustment for multiple comparisons", f"{ADJUSTMENT_NAMES}, or NA"),
        "b": Column(
            "cases that only model got right (within the class for sensitivity and specificity)", COUNT, "integer"
        ),
        "c": Column("cases that only comparator got right (within the class likewise)", COUNT, "integer"),
        "margin": Column("margin of equivalence or non-inferiority, in the metric's own unit", FROM_ZERO, "number"),
        "tp": Column("true positives: positive cases called positive", COUNT, "integer"),
        "fn": Column("false negatives: positive cases called negative", COUNT, "integer"),
        "fp": Column("false positives: negative cases called positive", COUNT, "integer"),
        "tn": Column("true negatives: negative cases called negative", COUNT, "integer"),
        "mc.error.low": Column("Monte Carlo standard error of a resampled lower limit", FROM_ZERO, "number"),
        "mc.error.high": Column("Monte Carlo standard error of a resampled upper limit", FROM_ZERO, "number"),
        "case_id": Column("the case, as the input names it", "text"),
        "y_true": Column("the true label", LABEL),
    }
)
"""What a column means wherever its table does not say otherwise."""

STATE = {name: SHARED[name] for name in ("status", "warning")}
LIMITS = {name: SHARED[name] for name in ("conf.low", "conf.high", "conf.level")}


def described(header: str, own: Mapping[str, Column] | None = None) -> dict[str, Column]:
    """The columns named in `header` (separated by blanks), each with its own meaning in this table or the shared one."""
    own = own or {}
    if unknown := own.keys() - set(header.split()):
        raise ValueError(f"described, but not in the header: {', '.join(sorted(unknown))}")
    return {name: own.get(name) or SHARED[name] for name in header.split()}
