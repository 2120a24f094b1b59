"""Names of the metrics of a confusion matrix in published tables, and printed quantities that no confusion matrix determines."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from hybridcx.records.cells import nearest, squash

ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "accuracy": "acc, overall accuracy, correct classification rate, ccr",
        "sensitivity": "sens, se, recall, true positive rate, tpr, hit rate, detection rate, sensitivity (recall), recall (sensitivity), "
        "recall/sensitivity, sensitivity/recall",
        "specificity": "spec, sp, true negative rate, tnr, selectivity",
        "ppv": "precision, positive predictive value, pos pred value, precision (ppv), ppv (precision), ppv/precision, precision/ppv",
        "npv": "negative predictive value, neg pred value",
        "f1": "f1 score, f score, f measure, f1 measure, dice, dice coefficient, dsc",
        "balanced_accuracy": "bacc, ba, balanced acc, bal acc, macro recall, unweighted average recall, uar",
        "mcc": "matthews correlation coefficient, matthews correlation, matthews, phi, phi coefficient",
        "youden_j": "youden, youden index, youden's index, youden's j, j, j statistic, informedness, bookmaker informedness",
        "lr_positive": "lr+, plr, lr plus, positive likelihood ratio, likelihood ratio positive, dlr+",
        "lr_negative": "lr-, nlr, lr minus, negative likelihood ratio, likelihood ratio negative, dlr-",
        "diagnostic_odds_ratio": "dor, odds ratio",
    }
)
"""Metric of the vocabulary -> the names under which tables print it (case, spaces, hyphens, underscores and points do not count)."""

COMPLEMENTS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "error_rate": ("accuracy", "error, misclassification rate, classification error"),
        "false_negative_rate": ("sensitivity", "fnr, miss rate"),
        "false_positive_rate": ("specificity", "fpr, fall out, false alarm rate"),
        "false_discovery_rate": ("ppv", "fdr"),
        "false_omission_rate": ("npv", "for"),
    }
)
"""What is printed as 1 minus a metric -> (the metric, further names)."""

NOT_DETERMINED: Mapping[str, str] = MappingProxyType(
    {
        "it depends on the scores, not on a confusion matrix alone": "auroc, auc, roc auc, auc roc, area under the curve, area under the roc "
        "curve, c statistic, auprc, pr auc, auc pr, average precision, ap, map, brier, brier score, log loss, logloss, cross entropy, loss, "
        "calibration slope, calibration intercept, calibration in the large, citl, ece, expected calibration error, net benefit",
        "it is an average over classes, which one matrix of two classes does not name": "macro f1, weighted f1, micro f1, macro precision, "
        "weighted precision, micro precision, weighted recall, micro recall, macro f1 score, weighted f1 score, f1 macro, f1 weighted",
        "it is not among the metrics of the audit": "kappa, cohen kappa, cohen's kappa, g mean, gmean, jaccard, iou, jaccard index, "
        "prevalence, p value, p",
        "it is no metric of correctness": "time, training time, inference time, test time, seconds, parameters, params, number of parameters, "
        "flops, gflops, size, model size, epochs, threshold",
    }
)
"""Why a printed quantity is not used -> its names."""

TOTALS: Mapping[str, str] = MappingProxyType(
    {"positives": "n positive, n positives", "negatives": "n negative, n negatives"}
)
"""Rows that carry a model's class totals instead of a metric."""


def _key(name: str) -> str:
    return squash(name.replace("−", "-").replace("–", "-").replace("’", "'").replace("%", "")) + (
        # only the trailing sign distinguishes LR+ from LR-; squash() would drop the minus
        "-" if name.rstrip("% ").endswith(("-", "−", "–")) else ""
    )


def _split(names: str) -> list[str]:
    return [n.strip() for n in names.split(",")]


_KNOWN: dict[str, tuple[str, bool]] = {}
_OTHERS: dict[str, str] = {}
_TOTAL_OF: dict[str, str] = {}
for _metric, _names in ALIASES.items():
    _KNOWN |= {_key(n): (_metric, False) for n in (_metric, *_split(_names))}
for _printed, (_metric, _names) in COMPLEMENTS.items():
    _KNOWN |= {_key(n): (_metric, True) for n in (_printed, *_split(_names))}
for _reason, _names in NOT_DETERMINED.items():
    _OTHERS |= {_key(n): _reason for n in _split(_names)}
for _total, _names in TOTALS.items():
    _TOTAL_OF |= {_key(n): _total for n in (_total, *_split(_names))}


def known_metric(name: str) -> tuple[str, bool] | None:
    """The metric that a printed name means, and whether what is printed is its complement; None where it means none.

    >>> known_metric("Recall"), known_metric("LR-"), known_metric("FPR (%)"), known_metric("AUC")
    (('sensitivity', False), ('lr_negative', False), ('specificity', True), None)
    """
    return _KNOWN.get(_key(name)) or _KNOWN.get(_key(name.split("(")[0]))


def not_used(name: str) -> str | None:
    """Why a printed quantity cannot be used, None where its name is not known."""
    return _OTHERS.get(_key(name)) or _OTHERS.get(_key(name.split("(")[0]))


def total(name: str) -> str | None:
    """`positives` or `negatives` where the row is a class total."""
    return _TOTAL_OF.get(_key(name))


def suggestion(name: str) -> str:
    """Remedy for an unknown name."""
    guess = nearest(name, [*ALIASES, *(n for names in ALIASES.values() for n in _split(names)), "auroc"])
    return f"did you mean {guess!r}?" if guess else f"the metrics of a confusion matrix are {', '.join(ALIASES)}"
