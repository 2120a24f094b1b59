"""Names of the metrics of a confusion matrix in published tables, and printed quantities that no confusion matrix determines.

A qualifier ("macro", "weighted avg", "class 0") belongs to the metric: "Precision (macro)" is another quantity than the precision of the positive
class. What stands in parentheses and is neither a known qualifier nor another name of the metric may change its meaning too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from hybridcx.errors import printable
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


_QUALIFIERS: Mapping[str, str] = MappingProxyType(
    {
        "macro": "macro, macro avg, macro average, macro averaged, avg macro, average macro, macroavg",
        "weighted": "weighted, weighted avg, weighted average, weighted averaged, avg weighted, average weighted",
        "micro": "micro, micro avg, micro average, micro averaged, avg micro, average micro",
        "average": "average, avg, mean",
        "negative": "class 0, label 0, class negative, negative class, class neg, neg class, for class 0, of class 0, of the negative class",
        "positive": "class 1, label 1, class positive, positive class, class pos, pos class, for class 1, of class 1, of the positive class",
        "class 2": "class 2, label 2, for class 2, of class 2",
    }
)
_IN_PARENTHESES: Mapping[str, str] = MappingProxyType(
    {"negative": "0, negative, neg", "positive": "1, positive, pos, binary", "class 2": "2"}
)
"""Further qualifiers, which are none without parentheses (positive predictive value)."""
_HARMLESS = frozenset(
    [
        "",
        "95 ci",
        "ci",
        "95 confidence interval",
        "n n",
        "test",
        "test set",
        "in percent",
        "percent",
        "proportion",
        "sd",
    ]
)

_QUALIFIED: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "macro": {"sensitivity": "balanced_accuracy", "specificity": "balanced_accuracy", "ppv": "macro_ppv",
                  "npv": "macro_ppv", "f1": "macro_f1"},
        "weighted": {"sensitivity": "accuracy", "ppv": "weighted_ppv", "f1": "weighted_f1"},
        "micro": {"sensitivity": "accuracy", "ppv": "accuracy", "f1": "accuracy", "accuracy": "accuracy"},
        "negative": {"sensitivity": "specificity", "specificity": "sensitivity", "ppv": "npv", "npv": "ppv",
                     "f1": "negative_f1"},
        "positive": {m: m for m in ("sensitivity", "specificity", "ppv", "npv", "f1")},
    }
)  # fmt: skip
"""Qualifier -> metric -> what both together are; other pairs are not known."""


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
_INSIDE: dict[str, str] = {}
for _qualifier, _names in _QUALIFIERS.items():
    _INSIDE |= dict.fromkeys(_split(_names), _qualifier)
_OUTSIDE = [
    *sorted(_INSIDE.items(), key=lambda pair: -len(pair[0])),
    ("0", "negative"),
    ("1", "positive"),
    ("2", "class 2"),
]
"""Qualifiers before or after a name, the longest first."""
for _qualifier, _names in _IN_PARENTHESES.items():
    _INSIDE |= dict.fromkeys(_split(_names), _qualifier)
for _total, _names in TOTALS.items():
    _TOTAL_OF |= {_key(n): _total for n in (_total, *_split(_names))}


def known_metric(name: str) -> tuple[str, bool] | None:
    """The metric that a printed name means, and whether what is printed is its complement; None where it means none.

    >>> known_metric("Recall"), known_metric("LR-"), known_metric("FPR (%)"), known_metric("AUC")
    (('sensitivity', False), ('lr_negative', False), ('specificity', True), None)
    >>> known_metric("Precision (macro)"), known_metric("weighted avg F1-score"), known_metric("Recall (class 0)")
    (('macro_ppv', False), ('weighted_f1', False), ('specificity', False))
    """
    base, qualifiers = _parts(name)
    if base is None or not qualifiers:
        return base
    metric = None if base[1] or len(qualifiers) > 1 else _QUALIFIED.get(qualifiers[0], {}).get(base[0])
    return None if metric is None else (metric, False)


def qualified(name: str) -> tuple[str, str] | None:
    """The metric without its qualifier, and the qualifiers in words; None for a name without any.

    >>> qualified("Precision (macro)"), qualified("Precision")
    (('ppv', 'macro'), None)
    """
    base, qualifiers = _parts(name)
    return (base[0], ", ".join(qualifiers)) if base is not None and qualifiers else None


def class_number(name: str) -> str | None:
    """The number of the class in a printed name, 0, 1 or 2; None where the name has none.

    >>> class_number("Recall (class 1)"), class_number("F1_2"), class_number("F1 (positive class)")
    ('1', '2', None)
    """
    parts = qualified(name)
    number = None if parts is None else {"negative": "0", "positive": "1", "class 2": "2"}.get(parts[1])
    return number if number and re.search(rf"(?<![a-z0-9.]){number}(?![0-9.])", name.casefold()) else None


def _parts(name: str) -> tuple[tuple[str, bool] | None, list[str]]:
    """The metric of a name without its qualifiers, None where it is none, and the qualifiers: known ones by their key in `_QUALIFIED`."""
    if whole := _KNOWN.get(_key(name)):
        return whole, []
    inner = [t for pair in re.findall(r"\(([^()]*)\)|\[([^\[\]]*)\]", name) for t in pair if t]
    outer = re.sub(r"\([^()]*\)|\[[^\[\]]*\]", " ", name).strip(" ,;:/%")
    base = _KNOWN.get(_key(outer))
    qualifiers: list[str] = []
    if base is None:
        words = _words(outer)
        for phrase, key in _OUTSIDE:
            rest = (
                words.removeprefix(f"{phrase} ") if words.startswith(f"{phrase} ") else words.removesuffix(f" {phrase}")
            )
            if rest != words and (base := _KNOWN.get(_key(rest))):
                qualifiers.append(key)
                break
    for text in inner:
        words = _words(text)
        if words in _INSIDE:
            qualifiers.append(_INSIDE[words])
        elif words not in _HARMLESS and (base is None or _KNOWN.get(_key(text)) != base):
            qualifiers.append(text.strip())
    return base, qualifiers


def _words(text: str) -> str:
    """Words in lower case with single spaces; signs between them are separators."""
    return " ".join(re.findall(r"[^\W_]+", text.casefold()))


def not_used(name: str) -> str | None:
    """Why a printed quantity cannot be used, None where its name is not known."""
    if reason := _OTHERS.get(_key(name)) or _OTHERS.get(_key(name.split("(")[0])):
        return reason
    return (
        None
        if (parts := qualified(name)) is None
        else f'it is not known what "{printable(parts[1])}" means for the {parts[0]}'
    )


def total(name: str) -> str | None:
    """`positives` or `negatives` where the row is a class total."""
    return _TOTAL_OF.get(_key(name))


def suggestion(name: str) -> str:
    """Remedy for an unknown name."""
    guess = nearest(name, [*ALIASES, *(n for names in ALIASES.values() for n in _split(names)), "auroc"])
    return f"did you mean {guess!r}?" if guess else f"the metrics of a confusion matrix are {', '.join(ALIASES)}"
