"""Columns: what a cell means, and how it is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "number", "integer", "boolean"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column: what it holds, the values it takes, and how its cells are written.

    `kind` "integer" is written without a decimal point, "number" as the shortest text that reads back as the same
    double, "boolean" as TRUE or FALSE, "text" as it stands.
    """

    description: str
    values: str
    kind: Kind = "text"


_PROBABILITY = "0 to 1, or NA"


_COUNT = "whole number from 0, or NA"


_NUMBER = "number, Inf, -Inf or NA"


_METRIC = (
    "accuracy, sensitivity, specificity, ppv, npv, f1, balanced_accuracy, mcc, youden_j, lr_positive, lr_negative, "
    "diagnostic_odds_ratio, auroc, auprc, brier, log_loss, calibration_slope, calibration_intercept, ece, net_benefit"
)


_ADJUST = "none, holm, hochberg, BH, maxT"


SHARED: dict[str, Column] = {  # what a column means wherever a table does not say otherwise
    "model": Column("the model; in a comparison the one whose value comes first (model minus comparator)", "text"),
    "comparator": Column("the model that is subtracted (for likelihood ratios: divided by)", "text"),
    "metric": Column("what is measured", _METRIC),
    "method": Column("how the interval or the test was computed", "text"),
    "estimate": Column("the value; proportions stay in 0 to 1", _NUMBER, "number"),
    "conf.low": Column("lower confidence limit", _NUMBER, "number"),
    "conf.high": Column("upper confidence limit", _NUMBER, "number"),
    "conf.level": Column("confidence level of the two limits", _PROBABILITY, "number"),
    "numerator": Column("count above the line of a proportion", _COUNT, "integer"),
    "denominator": Column("count below the line of a proportion", _COUNT, "integer"),
    "n": Column("distinct cases", _COUNT, "integer"),
    "k": Column("models (of an omnibus test) or readings (of an agreement)", _COUNT, "integer"),
    "n.resamples": Column("resamples asked for", _COUNT, "integer"),
    "n.resamples.failed": Column("resamples in which the metric was undefined", _COUNT, "integer"),
    "n.clusters": Column("distinct clusters (patients), where the method uses them", _COUNT, "integer"),
    "status": Column("whether the row can be used as it stands", "ok, not_estimable, caution"),
    "warning": Column("why the status is not ok, or what to know beside the number", "text, or NA"),
    "std.error": Column("standard error of the estimate", "number from 0, or NA", "number"),
    "subgroup": Column("column that the cases were divided by; NA for all cases", "text, or NA"),
    "level": Column("value of that column in these cases", "text, or NA"),
    "seed": Column("seed of the training runs in this row; NA where there is one or they are averaged", "text, or NA"),
    "label.rule": Column(
        "whose truth these rows are about; NA for the labels of the analysis",
        "reader_<name> (one reading), agreed (all readings the same), majority, all (those in dispute too), or NA",
    ),
    "fold": Column("fold in which these cases were tested; NA where there is one", "text, or NA"),
    "n.seeds": Column("seeds that the row is a mean over", _COUNT, "integer"),
    "sd.seeds": Column(
        "standard deviation of the seeds' values (denominator: seeds less one)", "number from 0, or NA", "number"
    ),
    "threshold": Column("score at or above which a case is called positive", _NUMBER, "number"),
    "prevalence": Column("prevalence that predictive values were computed for", _PROBABILITY, "number"),
    "role": Column("named in the plan before the results were seen, or not", "confirmatory, exploratory, or NA"),
    "recommended": Column("whether this is the row that the page shows", "TRUE, FALSE, or NA", "boolean"),
    "statistic": Column("test statistic: chi-square, F, or signed z or t; NA for exact tests", _NUMBER, "number"),
    "parameter": Column("degrees of freedom of a chi-square or t", "number, or NA", "number"),
    "parameter1": Column("numerator degrees of freedom of F", "number, or NA", "number"),
    "parameter2": Column("denominator degrees of freedom of F", "number, or NA", "number"),
    "p.value": Column("p-value, two-sided, not adjusted", _PROBABILITY, "number"),
    "adj.p.value": Column("p-value adjusted for the family of comparisons by p.adjust.method", _PROBABILITY, "number"),
    "p.adjust.method": Column("adjustment for multiple comparisons", _ADJUST + ", or NA"),
    "b": Column(
        "cases that only model got right (within the class for sensitivity and specificity)", _COUNT, "integer"
    ),
    "c": Column("cases that only comparator got right (within the class likewise)", _COUNT, "integer"),
    "margin": Column(
        "margin of equivalence or non-inferiority, in the metric's own unit", "number from 0, or NA", "number"
    ),
    "tp": Column("true positives: positive cases called positive", _COUNT, "integer"),
    "fn": Column("false negatives: positive cases called negative", _COUNT, "integer"),
    "fp": Column("false positives: negative cases called positive", _COUNT, "integer"),
    "tn": Column("true negatives: negative cases called negative", _COUNT, "integer"),
    "mc.error.low": Column("Monte Carlo standard error of a resampled lower limit", "number from 0, or NA", "number"),
    "mc.error.high": Column("Monte Carlo standard error of a resampled upper limit", "number from 0, or NA", "number"),
    # of plan.csv, after the contract's columns
    "part": Column(
        "the answer, a point of the curve over sizes, or of the curve over the least certain assumption",
        "answer, by_size, by_assumption",
    ),
    "target": Column("what was asked for: power, or half-width", _PROBABILITY, "number"),
    "alpha": Column("level of the test: two-sided, one-sided for non-inferiority", _PROBABILITY, "number"),
    "p10": Column("assumed probability that only the model is right", _PROBABILITY, "number"),
    "p01": Column("assumed probability that only the comparator is right", _PROBABILITY, "number"),
    "difference": Column("assumed difference, model minus comparator", "-1 to 1, or NA", "number"),
    "discordance": Column("assumed share of cases that exactly one model has right", _PROBABILITY, "number"),
    "proportion": Column("anticipated proportion", _PROBABILITY, "number"),
    "auc": Column("assumed AUROC of the model", _PROBABILITY, "number"),
    "comparator.auc": Column("assumed AUROC of the comparator", _PROBABILITY, "number"),
    "correlation": Column(
        "assumed correlation of the two estimated AUROCs over samples of cases", "-1 to 1, or NA", "number"
    ),
    "ratio": Column("negative cases per positive case", "number above 0, or NA", "number"),
    "n.positive": Column("positive cases among them", _COUNT, "integer"),
    "n.negative": Column("negative cases among them", _COUNT, "integer"),
    "cases.all": Column("cases of both classes that hold so many of the class, at the prevalence", _COUNT, "integer"),
    "case_id": Column("the case, as the input names it", "text"),
    "y_true": Column("the true label", "a label of the input"),
}
