"""Which of the labels is the positive class, and the names of the two classes: one rule for manifests and predictions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hybridcx.errors import Problem, printable
from hybridcx.records.cells import Coded, nearest, some

POSITIVE_NAMES = ("abnormal", "1", "1.0", "true", "positive")
"""Labels, in any case, taken for the positive class where exactly one of them occurs and none is named."""


def _default_positive(distinct: Sequence[str]) -> str | None:
    """The one of two labels that is a usual name of the positive class; None for 1 beside a greater number, which says nothing.

    >>> _default_positive(["0", "1"]), _default_positive(["1", "2"])
    ('1', None)
    """
    hits = [label for label in distinct if label.casefold() in POSITIVE_NAMES]
    if len(distinct) != 2 or len(hits) != 1:
        return None
    other = next(label for label in distinct if label != hits[0])
    try:
        above = hits[0].casefold() in ("1", "1.0") and float(other) > 1
    except ValueError:
        above = False
    return None if above else hits[0]


def two_labels(
    labels: Sequence[str], positive: str | None, *, file: str | None, column: str, one_vs_rest: bool
) -> tuple[tuple[str, str] | None, list[Problem]]:
    """Return (negative, positive) and the problems.

    `labels` are the distinct labels of the cases. Without `positive`, the one of `POSITIVE_NAMES` that is a label is taken, where
    exactly one is and the other is no number above it (1 and 2 are asked for). More than two labels are refused unless `positive` is given and
    `one_vs_rest` allowed: then the negative class is called `not <positive>`, and a warning says so.

    >>> two_labels(["normal", "abnormal"], None, file=None, column="label", one_vs_rest=False)
    (('normal', 'abnormal'), [])
    """
    distinct = sorted(labels)
    if not distinct:
        return None, []
    if len(distinct) == 1:
        rule = "a single class: every case has the same label"
        return None, [Problem(rule, file, column=column, value=distinct[0], remedy="both classes are needed")]
    positive = _SAME.get((positive or "", frozenset(distinct)), positive)
    if positive is not None and positive not in distinct:
        guess = nearest(positive, distinct)
        remedy = f"did you mean {printable(guess)!r}?" if guess else f"the labels are {some(distinct)}"
        return None, [
            Problem("the positive class is none of the labels", file, column=column, value=positive, remedy=remedy)
        ]
    if len(distinct) > 2 and not one_vs_rest:
        rule = f"{len(distinct)} labels where two are needed: {some(distinct)}"
        return None, [
            Problem(rule, file, column=column, remedy="recode the labels, or exclude the cases of the others")
        ]
    if positive is None:
        positive = _default_positive(distinct)
        if positive is None:
            rule = f"which label is the positive class? There are {len(distinct)}: {some(distinct)}"
            remedy = "name it with --positive LABEL (in an experiment: cohort.positive)" + (
                " (then it is one against the rest)" if len(distinct) > 2 else ""
            )
            return None, [Problem(rule, file, column=column, remedy=remedy)]
    rest = [name for name in distinct if name != positive]
    if len(rest) == 1:
        return (rest[0], positive), []
    rule = f"{len(distinct)} labels: {printable(positive)} against the rest ({some(rest)})"
    return (f"not {positive}", positive), [Problem(rule, file, column=column, severity="warning")]


_SAME = {
    **{(text, frozenset(("false", "true"))): same for text, same in (("1", "true"), ("0", "false"))},
    **{(text, frozenset(("0", "1"))): same for text, same in (("true", "1"), ("false", "0"))},
}
"""(the label that is named, the labels that there are) -> the one that is meant: True and 1 are one label."""
_MANY_LABELS = 50
_WORD_CHARS = 5
"""Letters of the shortest word that is compared for misspellings."""


def misspelt_labels(
    values: Coded, rows: np.ndarray, *, file: str | None, column: str, unit: str = "rows"
) -> list[Problem]:
    """Return a problem for two labels that differ by one typing error: a letter more, less, wrong, or two exchanged.

    Words of fewer than five letters, first letters (typical, atypical), and labels with digits or single capitals that differ (grade2, typeB)
    are not taken for errors.
    """
    codes, counts = values.codes, values.counts
    labels = [str(u) for u in values.values]
    if len(labels) > _MANY_LABELS:
        return []
    out = []
    for i, first in enumerate(labels):
        for j in range(i + 1, len(labels)):
            if counts[i] and counts[j] and _one_error(first, labels[j]):
                rare, other = (i, j) if counts[i] < counts[j] else (j, i)
                line = int(rows[np.argmax(codes == rare)])
                words = [f"{printable(labels[k])!r} ({counts[k]:,} {unit})" for k in (rare, other)]
                rule = f"{words[0]} is probably a misspelling of {words[1]}"
                remedy = (
                    "write the label the same way everywhere; if they are two classes, give them names that differ more"
                )
                out.append(Problem(rule, file, line, column, remedy=remedy))
    return out


def _one_error(a: str, b: str) -> bool:
    """Whether two labels differ in one word by one typing error.

    >>> _one_error("abnormal", "abnornal"), _one_error("normal", "abnormal"), _one_error("typical", "atypical")
    (True, False, False)
    """
    words = list(zip(a.split(), b.split(), strict=False))
    differing = [(x, y) for x, y in words if x != y]
    if len(a.split()) != len(b.split()) or len(differing) != 1:
        return False
    x, y = differing[0]
    if (
        not (x.isalpha() and y.isalpha())
        or min(len(x), len(y)) < _WORD_CHARS
        or abs(len(x) - len(y)) > 1
        or x[0] != y[0]
    ):
        return False
    start = next((k for k, (p, q) in enumerate(zip(x, y, strict=False)) if p != q), min(len(x), len(y)))
    if len(x) == len(y):
        capital = x[start].isupper() != x[start - 1].isupper()
        swapped = x[start : start + 2] == y[start : start + 2][::-1] and x[start + 2 :] == y[start + 2 :]
        return not capital and (x[start + 1 :] == y[start + 1 :] or swapped)
    longer, shorter = (x, y) if len(x) > len(y) else (y, x)
    return longer[start + 1 :] == shorter[start:] and not longer[start].isupper()
