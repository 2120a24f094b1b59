"""Calls made by a rule on the validation cases: each model's own threshold, never chosen on a test case."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from math import nan
from typing import Any, cast

import numpy as np
import pandas as pd

from hybridcx.analysis.rows import Row
from hybridcx.errors import InputError, Problem, printable, raise_if_any
from hybridcx.records.predictions import Predictions
from hybridcx.stats import thresholds

SYNTAX = "a number (0.5), youden, sensitivity=0.95 or specificity=0.9"
_TARGET = re.compile(r"(sensitivity|specificity)\s*=\s*([0-9]*\.?[0-9]+)")


@dataclass(frozen=True, slots=True)
class ThresholdRule:
    """How scores become calls: by a given number (`rule` None), or by a rule on the validation cases."""

    value: float = 0.5
    rule: thresholds.Rule | None = None
    target: float = nan

    @property
    def text(self) -> str:
        """The rule as `--threshold` spells it; empty for a number."""
        if self.rule is None:
            return ""
        return self.rule if np.isnan(self.target) else f"{self.rule}={self.target:g}"


def parse_threshold(option: float | str) -> ThresholdRule:
    """Parse the value of `--threshold`: a number or a rule. Raises InputError naming the syntax."""
    text = str(option).strip()
    try:
        return ThresholdRule(float(text))
    except ValueError:
        pass
    if text == "youden":
        return ThresholdRule(rule="youden")
    match = _TARGET.fullmatch(text)
    if match and 0 < float(match[2]) <= 1:
        return ThresholdRule(rule="sensitivity" if match[1] == "sensitivity" else "specificity", target=float(match[2]))
    raise InputError(Problem("the threshold is no number and no rule", value=option, remedy=f"give {SYNTAX}"))


def with_chosen_thresholds(predictions: Predictions, wanted: ThresholdRule) -> Predictions:
    """The predictions with their calls made by each model's own threshold, chosen on its rows of the split `validation`.

    Each seed and fold has its own threshold, because its model was trained separately. Raises InputError, with a remedy, where the input
    states the calls itself, has ranks as scores, or a model has no validation cases, or none of one class.
    """
    if wanted.rule is None:
        return predictions
    if predictions.score_kind == "rank":
        raise InputError(
            Problem("ranks get no calls", value=wanted.text, remedy="leave --threshold out, or give probabilities")
        )
    if predictions.threshold is None:
        remedy = "leave the column y_pred out to have the calls made from the scores"
        if not predictions.has_score:
            remedy = "give a column score"
        raise InputError(
            Problem("the input states the calls itself", column="y_pred", value=wanted.text, remedy=remedy)
        )
    frame = predictions.frame
    calls = frame["y_pred"].to_numpy(dtype=object).copy()
    labels = np.array(predictions.labels, dtype=object)
    split = frame["split"].to_numpy()
    problems: list[Problem] = []
    rows: list[Row] = []
    unit = ["model", "seed", "fold"]
    units = frame.groupby(unit, dropna=False, sort=False).indices
    truth, score = frame["y_true"].to_numpy() == predictions.positive, frame["score"].to_numpy(dtype=float)
    for key, index in cast("dict[tuple[Any, ...], np.ndarray]", units).items():
        name = " ".join(printable(str(k)) for k in key if not pd.isna(k))
        chosen_on = index[split[index] == "validation"]
        if not (split[index] == "test").any():
            continue
        if not len(chosen_on):
            rule = f"no validation rows to choose the threshold of {name} on; it is never chosen on test cases"
            remedy = "add rows with split validation, or give --threshold a number"
            problems.append(Problem(rule, column="split", value=wanted.text, remedy=remedy))
            continue
        try:
            chosen = thresholds.choose_threshold(truth[chosen_on], score[chosen_on], wanted.rule, wanted.target)
        except ValueError as error:
            problems.append(Problem(f"the threshold of {name} cannot be chosen: {error}", remedy="give it a number"))
            continue
        calls[index] = labels[(score[index] >= chosen.value).astype(int)]
        rows.append(_row(key, chosen, wanted))
    raise_if_any(problems)
    place = {m: i for i, m in enumerate(predictions.models)}
    rows.sort(key=lambda r: (place[str(r["model"])], str(r["seed"]), str(r["fold"])))
    table = pd.DataFrame(rows)
    alone = table.groupby("model")["threshold"].agg(lambda t: t.iloc[0] if t.nunique() == 1 else nan)
    return replace(
        predictions,
        frame=frame.assign(y_pred=pd.Series(calls, index=frame.index, dtype="str")),
        threshold=None,
        threshold_rule=wanted.text,
        thresholds={str(m): float(t) for m, t in alone.items()},
        chosen_thresholds=table,
    )


def _row(key: tuple[Any, ...], chosen: thresholds.ChosenThreshold, rule: ThresholdRule) -> Row:
    model, seed, fold = (None if pd.isna(k) else k for k in key)
    return {
        "model": model,
        "rule": rule.text,
        "threshold": chosen.value,
        "sensitivity": chosen.sensitivity,
        "specificity": chosen.specificity,
        "n": chosen.n,
        "status": chosen.status,
        "warning": chosen.warning or None,
        "seed": seed,
        "fold": fold,
    }
