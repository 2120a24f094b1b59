"""Which of the labels is the positive class, and the names of the two classes: one rule for manifests and predictions."""

from __future__ import annotations

from collections.abc import Sequence

from hybridcx.errors import Problem, printable
from hybridcx.records.cells import nearest, some

POSITIVE_NAMES = ("abnormal", "1", "true", "positive")
"""Labels taken for the positive class where exactly one of them occurs and none is named."""


def two_labels(
    labels: Sequence[str], positive: str | None, *, file: str | None, column: str, one_vs_rest: bool
) -> tuple[tuple[str, str] | None, list[Problem]]:
    """Return (negative, positive) and the problems.

    `labels` are the distinct labels of the cases. Without `positive`, the one of `POSITIVE_NAMES` that is a label is taken, where
    exactly one is. More than two labels are refused unless `positive` is given and `one_vs_rest` allowed: then the negative
    class is called `not <positive>`, and a warning says so.

    >>> two_labels(["normal", "abnormal"], None, file=None, column="label", one_vs_rest=False)
    (('normal', 'abnormal'), [])
    """
    distinct = sorted(labels)
    if not distinct:
        return None, []
    if len(distinct) == 1:
        rule = "a single class: every case has the same label"
        return None, [Problem(rule, file, column=column, value=distinct[0], remedy="both classes are needed")]
    if positive is not None and positive not in distinct:
        guess = nearest(positive, distinct)
        remedy = f"did you mean {printable(guess)!r}?" if guess else f"the labels are {some(distinct)}"
        return None, [
            Problem("the positive class is none of the labels", file, column=column, value=positive, remedy=remedy)
        ]
    if positive is None:
        hits = [name for name in POSITIVE_NAMES if name in distinct]
        if len(distinct) == 2 and len(hits) == 1:
            positive = hits[0]
        else:
            rule = f"which label is the positive class? There are {len(distinct)}: {some(distinct)}"
            remedy = "name it with --positive LABEL (in an experiment: cohort.positive)" + (
                " (then it is one against the rest)" if len(distinct) > 2 else ""
            )
            return None, [Problem(rule, file, column=column, remedy=remedy)]
    rest = [name for name in distinct if name != positive]
    if len(rest) == 1:
        return (rest[0], positive), []
    if not one_vs_rest:
        rule = f"{len(distinct)} labels where two are needed: {some(distinct)}"
        return None, [
            Problem(rule, file, column=column, remedy="recode the labels, or exclude the cases of the others")
        ]
    rule = f"{len(distinct)} labels: {printable(positive)} against the rest ({some(rest)})"
    return (f"not {positive}", positive), [Problem(rule, file, column=column, severity="warning")]
