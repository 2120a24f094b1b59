"""What the columns of an audit mean that stand beside the contract's (`report.dictionary` has those)."""

from __future__ import annotations

from collections.abc import Mapping

_READING = "as_printed, rows_columns_swapped, classes_swapped, both_swapped, other_totals, other_totals_per_model"
_COUNT = "whole number from 0, or NA"
_NUMBER = "number, Inf, -Inf or NA"
_PROBABILITY = "0 to 1, or NA"
_LOGICAL = "TRUE, FALSE, or NA"
_METRIC = "accuracy, sensitivity, specificity, ppv, npv, f1, balanced_accuracy, mcc, youden_j, lr_positive, lr_negative, diagnostic_odds_ratio"

AUDIT_COLUMNS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "audit_matrices": {"explanation": ("whether the reading is one that explains the whole table", "TRUE, FALSE")},
    "audit_comparisons": {
        "estimate.min": ("smallest difference, model minus comparator, over all solutions", "-1 to 1, or NA"),
        "estimate.max": ("largest difference over all solutions", "-1 to 1, or NA"),
        "estimate": ("difference at the most favourable pairing, the one with the smallest exact p-value", "-1 to 1, or NA"),
        "conf.low": ("lower limit of the method's interval at the most favourable pairing", _NUMBER),
        "conf.high": ("upper limit of the method's interval at the most favourable pairing", _NUMBER),
        "conf.level": ("confidence level of the two limits", _PROBABILITY),
        "n": ("cases compared: all for accuracy, those of the class for sensitivity and specificity", _COUNT),
        "b": ("cases that only model got right at the most favourable pairing", _COUNT),
        "c": ("cases that only comparator got right at the most favourable pairing", _COUNT),
        "reading": ("the readings of the table that the range runs over", f"{_READING}; several are joined by a semicolon"),
    },
    "audit_readings": {
        "reading": ("a way in which the table could have been made", _READING),
        "description": ("what the reading supposes", "text"),
        "n.models": ("models of the table", _COUNT),
        "n.models.fit": ("models that have a confusion matrix under the reading; NA where it was not searched", _COUNT),
        "fits": ("whether the reading explains every model of the table; NA where it was not searched", _LOGICAL),
        "explanation": ("whether the reading is used further: it explains the table, and as printed does so only by itself", "TRUE, FALSE"),
        "models.without": ("the models that have no confusion matrix under the reading", "text, joined by semicolons, or NA"),
        "positives": ("numbers of positive cases under the reading, model by model where they differ", "text, or NA"),
    },
    "audit_metrics": {
        "model": ("the published model", "text"),
        "reading": ("the reading under which the metric was recomputed", _READING),
        "metric": ("what is measured", _METRIC),
        "method": ("how the limits were computed; NA where there are none", "wilson, mover_wilson, log, or NA"),
        "estimate": ("the metric of the confusion matrix, where there is only one", _NUMBER),
        "conf.low": ("lower confidence limit, the smallest over all matrices", _NUMBER),
        "conf.high": ("upper confidence limit, the largest over all matrices", _NUMBER),
        "conf.level": ("confidence level of the two limits", _PROBABILITY),
        "numerator": ("count above the line of a proportion", _COUNT),
        "denominator": ("count below the line of a proportion", _COUNT),
        "status": ("whether the row can be used as it stands", "ok, not_estimable, caution"),
        "warning": ("why the status is not ok", "text, or NA"),
        "estimate.min": ("smallest value over all confusion matrices that fit", _NUMBER),
        "estimate.max": ("largest value over all confusion matrices that fit", _NUMBER),
        "n.solutions": ("confusion matrices that fit", _COUNT),
        "printed.as": ("the names under which the table prints this metric, by the reading", "text, or NA"),
        "printed": ("the printed values", "text, or NA"),
    },
    "audit_values": {
        "model": ("the published model", "text"),
        "printed.as": ("the metric as the table names it", "text"),
        "printed": ("the value as printed", "text, or NA"),
        "metric": ("the metric that the name means; NA where the value is not used", f"{_METRIC}, or NA"),
        "unit": ("how the printed number was read", "percent, proportion, ratio, or NA"),
        "low": ("smallest value of the metric that rounds to the printed one", _NUMBER),
        "high": ("largest value of the metric that rounds to the printed one", _NUMBER),
        "used": ("whether a confusion matrix determines the value", "TRUE, FALSE"),
        "nearest": ("the metric's value in the nearest confusion matrix, where that misses the print", _NUMBER),
        "missed.by": ("distance from the rounding interval to that value; NA where the model fits as printed", _NUMBER),
        "alone": ("whether the model would fit as printed without the one value that is missed", _LOGICAL),
        "nearest.tp": ("true positives of the nearest matrix", _COUNT),
        "nearest.fn": ("false negatives of the nearest matrix", _COUNT),
        "nearest.fp": ("false positives of the nearest matrix", _COUNT),
        "nearest.tn": ("true negatives of the nearest matrix", _COUNT),
        "warning": ("why the value is not used", "text, or NA"),
    },
    "published": {
        "model": ("the published model", "as given in the input"),
        "metric": ("the metric as printed", "as given in the input"),
        "value": ("the value as printed", "as given in the input"),
        "positives": ("cases of the positive class", "as given in the input"),
        "negatives": ("cases of the negative class", "as given in the input"),
    },
}  # fmt: skip
"""Table (a file without `.csv`) -> column -> (description, values)."""


def descriptions(published: tuple[str, ...]) -> dict[tuple[str, str], tuple[str, str]]:
    """As `write_tables` takes them; `published` are the columns of the copied input."""
    return {
        (table, column): text
        for table, columns in AUDIT_COLUMNS.items()
        for column, text in columns.items()
        if table != "published" or column in published
    }
