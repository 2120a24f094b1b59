"""Tables of an audit: readings of a published table, matrices, metrics, values, and what its tests could have shown."""

from __future__ import annotations

from hybridcx.vocabulary.columns import COUNT, LOGICAL, NUMBER, PROBABILITY, TEXT, Column, Table, described
from hybridcx.vocabulary.comparison import COMPARISON_METHODS
from hybridcx.vocabulary.metrics import COUNT_METRICS

_READING = "as_printed, rows_columns_swapped, classes_swapped, both_swapped, other_totals, other_totals_per_model"
AVERAGES = {
    "macro_ppv": "mean of the precisions of both classes (PPV and NPV)",
    "weighted_ppv": "mean of the precisions of both classes (PPV and NPV), weighted by their cases",
    "macro_f1": "mean of the F1 of both classes",
    "weighted_f1": "mean of the F1 of both classes, weighted by their cases",
    "negative_f1": "F1 of the negative class",
}
"""What classification reports print besides the count metrics: averages over the classes, and the negative class."""
_METRIC = ", ".join(COUNT_METRICS)
_AS_GIVEN = "as given in the input"

AUDIT_MATRICES = Table(
    "audit_matrices",
    described(
        "model reading n.solutions tp fn fp tn",
        {
            "model": Column("the published model", "text"),
            "reading": Column("the assumed meaning of the printed columns (as printed, transposed ...)", "text"),
            "n.solutions": Column(
                "confusion matrices that produce the printed values under this reading", COUNT, "integer"
            ),
        },
    ),
    further={"explanation": Column("whether this reading explains the whole table", "TRUE, FALSE", None)},
    commands=("audit",),
)
AUDIT_COMPARISONS = Table(
    "audit_comparisons",
    described(
        "model comparator p.value.min p.value.max metric method",
        {
            "model": Column("the published model that comes first", "text"),
            "comparator": Column("the published model that it is compared with", "text"),
            "p.value.min": Column("smallest p-value over all solutions and pairings", PROBABILITY, "number"),
            "p.value.max": Column("largest p-value over all solutions and pairings", PROBABILITY, "number"),
            "method": Column("the paired test", COMPARISON_METHODS),
        },
    ),
    further={
        "estimate.min": Column(
            "smallest difference, model minus comparator, over all solutions", "-1 to 1, or NA", None
        ),
        "estimate.max": Column("largest difference over all solutions", "-1 to 1, or NA", None),
        "estimate": Column(
            "difference at the most favourable pairing (smallest exact p-value)", "-1 to 1, or NA", None
        ),
        "conf.low": Column("lower limit of the method's interval at the most favourable pairing", NUMBER, None),
        "conf.high": Column("upper limit of the method's interval at the most favourable pairing", NUMBER, None),
        "conf.level": Column("confidence level of the two limits", PROBABILITY, None),
        "n": Column(
            "cases compared: all for accuracy, those of the class for sensitivity and specificity", COUNT, None
        ),
        "b": Column("cases that only model got right at the most favourable pairing", COUNT, None),
        "c": Column("cases that only comparator got right at the most favourable pairing", COUNT, None),
        "reading": Column(
            "the readings of the table that the range covers", f"{_READING}; several are joined by a semicolon", None
        ),
    },
    commands=("audit",),
)
AUDIT_READINGS = Table(
    "audit_readings",
    {},
    further={
        "reading": Column("a way in which the table may have been made", _READING, None),
        "description": Column("what the reading assumes", "text", None),
        "n.models": Column("models of the table", COUNT, None),
        "n.models.fit": Column(
            "models with a confusion matrix under the reading; NA where it was not searched", COUNT, None
        ),
        "fits": Column(
            "whether the reading explains every model of the table; NA where it was not searched", LOGICAL, None
        ),
        "explanation": Column(
            "whether the reading explains the table (as printed, only where no other reading is needed)",
            "TRUE, FALSE",
            None,
        ),
        "models.without": Column(
            "the models without a confusion matrix under the reading", "text, joined by semicolons, or NA", None
        ),
        "positives": Column("numbers of positive cases under the reading, by model where they differ", TEXT, None),
    },
)
AUDIT_METRICS = Table(
    "audit_metrics",
    {},
    further={
        "model": Column("the published model", "text", None),
        "reading": Column("the reading under which the metric was recomputed", _READING, None),
        "metric": Column("the metric", _METRIC, None),
        "method": Column("the method of the limits; NA where there are none", "wilson, mover_wilson, log, or NA", None),
        "estimate": Column("the metric of the confusion matrix, where there is only one", NUMBER, None),
        "conf.low": Column("lower confidence limit, the smallest over all matrices", NUMBER, None),
        "conf.high": Column("upper confidence limit, the largest over all matrices", NUMBER, None),
        "conf.level": Column("confidence level of the two limits", PROBABILITY, None),
        "numerator": Column("numerator of a proportion", COUNT, None),
        "denominator": Column("denominator of a proportion", COUNT, None),
        "status": Column("whether the row can be used as it stands", "ok, not_estimable, caution", None),
        "warning": Column("why the status is not ok", TEXT, None),
        "estimate.min": Column("smallest value over all confusion matrices that fit", NUMBER, None),
        "estimate.max": Column("largest value over all confusion matrices that fit", NUMBER, None),
        "n.solutions": Column("confusion matrices that fit", COUNT, None),
        "printed.as": Column("the names under which the table prints this metric, by the reading", TEXT, None),
        "printed": Column("the printed values", TEXT, None),
    },
)
AUDIT_VALUES = Table(
    "audit_values",
    {},
    further={
        "model": Column("the published model", "text", None),
        "printed.as": Column("the metric as the table names it", "text", None),
        "printed": Column("the value as printed", TEXT, None),
        "metric": Column(
            "the metric that the name means; NA where the value is not used",
            f"{_METRIC}, {', '.join(AVERAGES)}, or NA",
            None,
        ),
        "unit": Column("the unit of the printed number", "percent, proportion, ratio, or NA", None),
        "low": Column("smallest value of the metric that rounds to the printed one", NUMBER, None),
        "high": Column("largest value of the metric that rounds to the printed one", NUMBER, None),
        "used": Column("whether a confusion matrix determines the value", "TRUE, FALSE", None),
        "nearest": Column(
            "the metric's value in the nearest confusion matrix, where that misses the printed value", NUMBER, None
        ),
        "missed.by": Column(
            "distance from the rounding interval to that value; NA where the model fits as printed", NUMBER, None
        ),
        "alone": Column("whether the model would fit as printed without the one value that is missed", LOGICAL, None),
        "nearest.tp": Column("true positives of the nearest matrix", COUNT, None),
        "nearest.fn": Column("false negatives of the nearest matrix", COUNT, None),
        "nearest.fp": Column("false positives of the nearest matrix", COUNT, None),
        "nearest.tn": Column("true negatives of the nearest matrix", COUNT, None),
        "warning": Column("why the value is not used", TEXT, None),
    },
)
PUBLISHED_INPUT = {
    "model": Column("the published model", _AS_GIVEN, None),
    "metric": Column("the metric as printed", _AS_GIVEN, None),
    "value": Column("the value as printed", _AS_GIVEN, None),
    "positives": Column("cases of the positive class", _AS_GIVEN, None),
    "negatives": Column("cases of the negative class", _AS_GIVEN, None),
}
"""Columns of published.csv, the copy of an audit's input."""
AUDIT = (AUDIT_MATRICES, AUDIT_COMPARISONS, AUDIT_READINGS, AUDIT_METRICS, AUDIT_VALUES)
