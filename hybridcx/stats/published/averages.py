"""Averages over the two classes, and values of the negative class, as classification reports print them.

`macro` is the plain mean over both classes; `weighted` weights each class by its number of cases. A class without a value (0/0) counts as 0, as in
scikit-learn's `classification_report`. Macro F1 is the mean of the two F1 (Opitz and Burst 2019), not the F1 of the mean precision and recall.
The macro recall is the balanced accuracy, the weighted recall and every micro average the accuracy: these are count metrics already.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from hybridcx.stats.confusion import FloatArray, count_metrics
from hybridcx.vocabulary import COUNT_METRICS
from hybridcx.vocabulary.audit import AVERAGES

WEIGHTED = ("weighted_ppv", "weighted_f1")


def printed_metrics(
    tp: npt.ArrayLike, fn: npt.ArrayLike, fp: npt.ArrayLike, tn: npt.ArrayLike, only: Iterable[str] | None = None
) -> dict[str, FloatArray]:
    """`count_metrics` with the `AVERAGES`, all or `only` some.

    >>> round(float(printed_metrics(46, 4, 6, 44)["macro_ppv"]), 4)
    0.9006
    """
    names = (*COUNT_METRICS, *AVERAGES) if only is None else tuple(only)
    values = count_metrics(tp, fn, fp, tn, only=[n for n in names if n not in AVERAGES])
    if averages := [n for n in names if n in AVERAGES]:
        positive = count_metrics(tp, fn, fp, tn, only=("ppv", "f1"))
        negative = count_metrics(tn, fp, fn, tp, only=("ppv", "f1"))
        a, b, c, d = (np.asarray(cell, dtype=np.float64) for cell in (tp, fn, fp, tn))
        share = (a + b) / (a + b + c + d)
        for name in averages:
            kind, metric = name.split("_")
            if kind == "negative":
                values[name] = negative[metric]
                continue
            weight = share if kind == "weighted" else np.full_like(share, 0.5)
            values[name] = weight * np.nan_to_num(positive[metric]) + (1 - weight) * np.nan_to_num(negative[metric])
    return values
