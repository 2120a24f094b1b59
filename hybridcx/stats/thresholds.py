"""The threshold at which a score is called positive, chosen on cases that are not the test cases.

A threshold chosen on the same cases that evaluate it makes its model look better than it is. So a rule is applied to validation cases only,
and the chosen threshold is fixed before the test.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from hybridcx.stats.results import Status
from hybridcx.stats.score_inputs import FloatArray, check_one_score, check_truth

Rule = Literal["youden", "sensitivity", "specificity"]
RULES: tuple[Rule, ...] = ("youden", "sensitivity", "specificity")
MIDDLE = 0.5
_TIE = 1e-12

NONE_POSITIVE = "no validation case is called positive at this threshold"


@dataclass(frozen=True, slots=True)
class ChosenThreshold:
    """A score at or above `value` is called positive; sensitivity and specificity are those on the cases it was chosen on."""

    value: float
    rule: Rule
    target: float
    sensitivity: float
    specificity: float
    n: int
    status: Status = "ok"
    warning: str = ""


def choose_threshold(
    y_true: npt.ArrayLike, y_score: npt.ArrayLike, rule: Rule, target: float = float("nan")
) -> ChosenThreshold:
    """Choose a threshold on n cases: y_true (n,) 0/1, y_score (n,).

    Candidates are the midpoints between neighbouring distinct scores, the lowest score (everyone positive) and the next number above the
    highest (no one positive).

    - `youden`: the largest sensitivity + specificity - 1 (Youden 1950); among equal ones the nearest to 0.5, then the lower;
    - `sensitivity`: the highest threshold whose sensitivity is at least `target`, which has the best specificity of all such;
    - `specificity`: the lowest threshold whose specificity is at least `target`, which has the best sensitivity of all such.

    Raises ValueError for an unknown rule, a target outside 0 to 1 (exclusive of 0), cases of one class, and, with `youden`, scores that are
    all equal.

    >>> choose_threshold([0, 0, 1, 1], [0.1, 0.3, 0.7, 0.9], "youden").value
    0.5
    """
    y = check_truth(y_true)
    score = check_one_score(y_score, y.size)
    if rule not in RULES:
        raise ValueError(f"a rule for a threshold is one of {', '.join(RULES)}, not {rule!r}")
    if rule != "youden" and not 0.0 < target <= 1.0:
        raise ValueError(f"the {rule} to reach must lie above 0 and be at most 1, it is {target}")
    positives, negatives = np.sort(score[y]), np.sort(score[~y])
    if not positives.size or not negatives.size:
        raise ValueError("all cases have one class: no threshold can be chosen on them")
    cuts = _candidates(score)
    if rule == "youden" and cuts.size == 2:
        raise ValueError("all scores are equal: no threshold separates anything")
    # How many scores of each class lie at or above each candidate.
    above = positives.size - np.searchsorted(positives, cuts, side="left")
    below = np.searchsorted(negatives, cuts, side="left")
    sensitivity, specificity = above / positives.size, below / negatives.size
    if rule == "youden":
        inner = np.arange(1, cuts.size - 1)
        j = (sensitivity + specificity)[inner]
        best = inner[j >= j.max() - _TIE]
        at = int(best[np.argmin(np.abs(cuts[best] - MIDDLE))])
    elif rule == "sensitivity":
        at = int(np.flatnonzero(sensitivity >= target - _TIE)[-1])
    else:
        at = int(np.flatnonzero(specificity >= target - _TIE)[0])
    doubt = at == cuts.size - 1
    return ChosenThreshold(
        float(cuts[at]),
        rule,
        target,
        float(sensitivity[at]),
        float(specificity[at]),
        y.size,
        "caution" if doubt else "ok",
        NONE_POSITIVE if doubt else "",
    )


def _candidates(score: FloatArray) -> FloatArray:
    """Return the candidates in ascending order."""
    distinct = np.unique(score)
    middle = (distinct[1:] + distinct[:-1]) / 2
    # The midpoint of neighbouring floats can round down onto the lower one, which would then be called positive.
    middle = np.where(middle > distinct[:-1], middle, distinct[1:])
    return np.concatenate([distinct[:1], middle, [np.nextafter(distinct[-1], np.inf)]])
