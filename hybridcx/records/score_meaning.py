"""Scores as numbers, and what they mean: probabilities of the positive class, or numbers that look like something else."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from scipy.special import expit

from hybridcx.errors import Problem
from hybridcx.records.cells import Coded, as_mask, is_number, listed, some, text_array, to_float
from hybridcx.stats.roc import delong

ScoreKind = Literal["probability", "rank", "percent", "logit", "confidence", "other-class"]
CONVERTED = ("percent", "logit", "confidence", "other-class")
"""Kinds that are converted to the probability of the positive class."""

OVERSHOOT = 1e-6
"""Rounding of float32 may leave a probability this far outside 0 to 1."""
_MANY = 10
"""Rows from which a pattern of all scores says something."""
_SLIPS = 0.02
"""Share of scores below 0.5 that confidences may have by rounding or a slip."""
_SHARE = 0.25
"""Share of scores outside 0 to 1 from which they probably have another unit; a single one is probably a slip."""
_SAMPLE = 50_000


def parse_scores(column: pd.Series, rows: np.ndarray, file: str, name: str) -> tuple[np.ndarray, list[Problem]]:
    """A column of scores as float64, and its cells that are no finite numbers.

    Decimal commas are read where every number with a mark has one, with a warning.
    """
    if pd.api.types.is_numeric_dtype(column.dtype):
        values = column.to_numpy(dtype=np.float64)
        bad = ~np.isfinite(values)
        return values, listed(
            "a score that is no finite number", rows[bad].tolist(), values[bad].tolist(), file=file, column=name
        )
    text, problems = decimal_points(text_array(column), rows, file, name)
    bad = ~is_number(text)
    values = to_float(text)
    bad |= ~np.isfinite(values)
    at = np.flatnonzero(bad)
    commas = pc.any(pc.match_substring_regex(text.filter(pa.array(bad)), r"\A\s*[0-9]+,[0-9]+\s*\z")).as_py()
    remedy = "write decimals with a point, not a comma" if commas else "a score is a finite number with a decimal point"
    problems += listed("a score that is no finite number", rows[at].tolist(), column.iloc[at[:1]].tolist(), file=file, column=name,
                       remedy=remedy)  # fmt: skip
    return values, problems


def decimal_points(text: pa.Array, rows: np.ndarray, file: str, name: str) -> tuple[pa.Array, list[Problem]]:
    """The cells of a column of numbers with decimal points, where all of them are written with decimal commas; otherwise as they are.

    A column in which points and commas occur is left alone, and so is one of which the commas may separate thousands (1,234).
    """
    commas = pc.match_substring(text, ",")
    if not pc.any(commas).as_py():
        return text, []
    written = text.filter(commas)
    decimal = pc.all(pc.match_substring_regex(written, r"\A\s*[+-]?[0-9]*,[0-9]+([eE][+-]?[0-9]+)?\s*\z")).as_py()
    thousands = pc.all(pc.match_substring_regex(written, r"\A\s*[+-]?[1-9][0-9]{0,2},[0-9]{3}\s*\z")).as_py()
    if not decimal or thousands or pc.any(pc.match_substring(text, ".")).as_py():
        return text, []
    at = np.flatnonzero(as_mask(commas))
    problems = listed("decimal commas, read as decimal points", rows[at].tolist(), [text[int(at[0])].as_py()], file=file, column=name,
                      severity="warning")  # fmt: skip
    return pc.replace_substring(text, ",", "."), problems


def to_probabilities(
    values: np.ndarray, rows: np.ndarray, file: str, name: str, kind: str
) -> tuple[np.ndarray, list[Problem]]:
    """Scores of a kind as probabilities (of the predicted class for "confidence"), and the problems of those outside 0 to 1."""
    if kind == "rank":
        return values, []
    out: list[Problem] = []
    if kind in CONVERTED:
        done = {
            "percent": "percentages, divided by 100",
            "logit": "log odds, converted to probabilities: 1/(1 + exp(-score))",
            "confidence": "the probability of the predicted class; where that is the negative class, 1 - score is used",
            "other-class": "the probability of the negative class; 1 - score is used",
        }
        out.append(Problem(f"scores read as {done[kind]}", file, column=name, severity="warning"))
    if kind == "logit":
        return expit(values), out
    finite = values[np.isfinite(values)]
    percent = kind == "confidence" and finite.size > 0 and 20 < finite.max() <= 100 and finite.min() >= 0
    if kind == "percent" or percent:
        values = values / 100
    if percent:
        out.append(Problem("the confidences are percentages, divided by 100", file, column=name, severity="warning"))
    with np.errstate(invalid="ignore"):
        outside = (values < 0) | (values > 1)
        slight = outside & (values >= -OVERSHOOT) & (values <= 1 + OVERSHOOT)
    if slight.any():
        rule = f"scores outside 0 to 1 by rounding (at most {OVERSHOOT:g}), set to 0 or 1"
        out += listed(
            rule, rows[slight].tolist(), values[slight][:1].tolist(), file=file, column=name, severity="warning"
        )
        values = np.clip(values, 0, 1) if not (outside & ~slight).any() else values
        outside &= ~slight
    if outside.any():
        remedy = (
            _remedy_outside(values[np.isfinite(values)])
            if kind == "probability"
            else "check the scores and --score-kind"
        )
        at = np.flatnonzero(outside)
        out += listed(
            "a score outside 0 to 1", rows[at].tolist(), values[at[:1]].tolist(), file=file, column=name, remedy=remedy
        )
    return (1 - values if kind == "other-class" else values), out


def _remedy_outside(values: np.ndarray) -> str:
    """What scores outside 0 to 1 probably are, and the command that reads them."""
    general = "give the positive class's probability, or use --score-kind rank"
    if not len(values):
        return "a score is a finite number"
    outside = float(np.mean((values < 0) | (values > 1)))
    if outside < _SHARE:
        return general
    if values.min() >= 0 and np.median(values) > 1 and 20 < values.max() <= 100:
        return "these look like percentages: read them by --score-kind percent, or divide them by 100"
    if values.min() < 0:
        return (
            "these look like logits (log odds): read them by --score-kind logit, which converts them to probabilities, or use --score-kind rank "
            "for any other scale"
        )
    return general


def _is_confidence(scores: np.ndarray, called: np.ndarray | None) -> bool:
    """Whether a model's scores are probably the probability of the predicted class: hardly any is below 0.5, although not all cases were called
    positive (`called`, None where the file has no calls)."""
    if len(scores) < _MANY or scores.max() <= 0.5 or np.mean(scores < 0.5) > _SLIPS:
        return False
    return called is None or bool(np.mean(~called) > 2 * _SLIPS)


def of_predicted_class(values: np.ndarray, called_positive: np.ndarray) -> np.ndarray:
    """The probability of the positive class from that of the predicted class."""
    return np.where(called_positive, values, 1 - values)


def meaning_warnings(
    model: Coded, positive: np.ndarray, scores: np.ndarray, called: np.ndarray | None, file: str
) -> list[Problem]:
    """Warnings of scores that are probably not the positive class's probability: calls, or of the predicted class, or of the other class.

    Parameters: `positive` and `called` (n,) bool, the truth and the calls of the file (None without calls); `scores` (n,) in 0 to 1. Of a
    large file the first rows of each model are examined.
    """
    if not len(scores):
        return []
    confident, reversed_models, calls, slips = [], [], [], False
    for code, name in enumerate(model.values.tolist()):
        at = np.flatnonzero(model.codes == code)[:_SAMPLE]
        y, s = positive[at], scores[at]
        if len(at) >= _MANY and set(np.unique(s)) == {0.0, 1.0}:
            calls.append(name)
        elif _is_confidence(s, None if called is None else called[at]):
            confident.append(name)
            slips = slips or bool(np.any(s < 0.5))
        elif y.any() and not y.all():
            area = delong(y, s)
            if area.conf_high < 0.5 or (area.estimate < 0.05 and len(at) >= _MANY):
                reversed_models.append(f"{name} (AUROC {area.estimate:.2f})")
    out = []
    if calls:
        whose = "" if len(calls) == len(model.values) else f" of {some(calls)}"
        rule = f"every score{whose} is 0 or 1: these are calls, not probabilities, and AUROC and calibration are those of calls"
        out.append(Problem(rule, file, column="score", remedy="give them as y_pred", severity="warning"))
    if confident:
        whose = "" if len(confident) == len(model.values) else f" of {some(confident)}"
        few = "hardly any" if slips else "no"
        rule = (
            f"{few} score{whose or ' of any model'} is below 0.5: score{whose} is probably the confidence in the predicted class, not the positive "
            "class's probability"
        )
        remedy = "use --score-kind confidence, which takes 1 - score where the negative class is predicted"
        remedy += " (it needs the column y_pred)" if called is None else ""
        remedy += "; other models' scores must be confidences too" if whose else ""
        out.append(Problem(rule, file, column="score", remedy=remedy, severity="warning"))
    if reversed_models:
        rule = f"the AUROC is below 0.5, with its upper limit: score is probably the other class's probability: {some(reversed_models)}"
        remedy = "use --score-kind other-class, which takes 1 - score, or name the other class with --positive"
        out.append(Problem(rule, file, column="score", remedy=remedy, severity="warning"))
    return out
