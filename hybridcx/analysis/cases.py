"""The cases behind a comparison: which cell of McNemar's table each falls into, who is right, and which cases a report shows.

casebook.csv has one row per case and model, case_cells.csv one per pair and case. No formula lives here: a case is discordant in a pair if
exactly one of the two models has it right, and near the threshold if a model's score lies within `BAND` of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

import numpy as np
import pandas as pd

from hybridcx.analysis.label_rules import readings
from hybridcx.analysis.plan import Plan
from hybridcx.records.predictions import Matrices, Predictions

BAND = 0.05
"""A score this close to the model's threshold (in probability) is near it."""
MAX_SHOWN = 12
"""Cases that a report shows one by one."""
MAX_PAIRS = 12
"""Pairs whose cells are listed case by case, where no plan names them."""
MAX_CASES = 5000
"""Cases in casebook.csv and case_cells.csv; the noteworthy ones come first."""
CELLS = ("both_right", "only_model", "only_comparator", "both_wrong")

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _CaseFlags:
    """Arrays of k models by n cases, of m pairs by n cases (`cells`), and of n cases (why a case is noteworthy).

    `thresholded` (k,): whether a model's calls come from a threshold on its probability. `discordant`: number of discordant pairs. `distance`: the
    smallest distance of a score from its threshold, infinite without a threshold.
    """

    correct: np.ndarray
    near: np.ndarray
    thresholded: np.ndarray
    cells: np.ndarray
    discordant: np.ndarray
    all_wrong: np.ndarray
    any_near: np.ndarray
    distance: np.ndarray


def case_tables(predictions: Predictions, plan: Plan, pairs: Pairs) -> dict[str, pd.DataFrame]:
    """The tables `casebook` and `case_cells`, empty without predicted classes. With several seeds they describe the first, named in the column
    `seed`."""
    if not predictions.has_pred:
        return {"casebook": pd.DataFrame(), "case_cells": pd.DataFrame()}
    seed = predictions.seeds[0] if len(predictions.seeds) > 1 else None
    data = predictions.matrices("test", seed=seed)
    covered = pairs if plan.pairs is not None else pairs[:MAX_PAIRS]
    covered = tuple(p for p in covered if set(p) <= set(data.models))
    flags = _case_flags(predictions, plan, data, covered)
    numbers = shown_numbers(flags.discordant, flags.all_wrong, flags.any_near, flags.distance)
    listed = _listed(flags, numbers)
    seed_label = None if seed is None else str(seed)
    return {
        "casebook": _casebook(predictions, data, flags, covered, numbers, listed, seed_label),
        "case_cells": _case_cells(data, flags, covered, listed, seed_label),
    }


def threshold_near(predictions: Predictions, plan: Plan, data: Matrices, model: int) -> float:
    """The score threshold that reproduces a model's calls; NaN where no threshold reproduces them, or where scores are ranks."""
    if data.y_score is None or data.y_pred is None or predictions.score_kind != "probability":
        return nan
    chosen = predictions.threshold_of(data.models[model])
    at = plan.threshold if chosen is None else chosen
    return at if np.array_equal(data.y_score[model] >= at, data.y_pred[model]) else nan


def _case_flags(predictions: Predictions, plan: Plan, data: Matrices, pairs: Pairs) -> _CaseFlags:
    if data.y_pred is None:
        raise ValueError("there are no calls")
    n, place = len(data.y_true), {m: j for j, m in enumerate(data.models)}
    correct = data.y_pred == data.y_true
    distance = np.full(correct.shape, np.inf)
    for j in range(len(data.models)):
        at = threshold_near(predictions, plan, data, j)
        if data.y_score is not None and at == at:
            distance[j] = np.abs(data.y_score[j] - at)
    near = distance <= BAND + 1e-12  # 0.55 - 0.5 is a little more than 0.05
    cells = np.empty((len(pairs), n), dtype=np.int64)
    for k, (a, b) in enumerate(pairs):
        right, other = correct[place[a]], correct[place[b]]
        cells[k] = np.where(right, np.where(other, 0, 1), np.where(other, 2, 3))
    compared = sorted({place[m] for pair in pairs for m in pair}) or list(range(len(data.models)))
    return _CaseFlags(
        correct,
        near,
        np.asarray(np.isfinite(distance).all(axis=1)),
        cells,
        discordant=((cells == 1) | (cells == 2)).sum(axis=0),
        all_wrong=~correct.any(axis=0),
        any_near=np.asarray(near[compared].any(axis=0)),
        distance=distance[compared].min(axis=0),
    )


def shown_numbers(
    discordant: np.ndarray, all_wrong: np.ndarray, near: np.ndarray, distance: np.ndarray, limit: int = MAX_SHOWN
) -> np.ndarray:
    """(n,) the running number, from 1, under which each case is shown, or 0.

    In order: cases discordant in most pairs, cases that all models get wrong, cases near the threshold (the nearest first). Above `limit` cases, the
    first kind gets two thirds of the places and the others a sixth each; unused places go to the next kind.

    >>> shown_numbers(np.array([0, 2, 1, 0]), np.array([0, 0, 0, 1], bool), np.zeros(4, bool), np.ones(4)).tolist()
    [0, 1, 2, 3]
    """
    order = np.arange(len(discordant))
    first = [int(i) for i in np.lexsort((order, -discordant)) if discordant[i] > 0]
    second = [int(i) for i in order if all_wrong[i] and not discordant[i]]
    third = [int(i) for i in np.lexsort((order, distance)) if near[i] and not discordant[i] and not all_wrong[i]]
    kinds = [first, second, third]
    places = [limit - 2 * (limit // 6), limit // 6, limit // 6]
    taken = [min(len(k), p) for k, p in zip(kinds, places, strict=True)]
    for i, kind in enumerate(kinds):
        taken[i] += min(len(kind) - taken[i], limit - sum(taken))
    numbers = np.zeros(len(discordant), dtype=np.int64)
    chosen = [i for kind, k in zip(kinds, taken, strict=True) for i in kind[:k]]
    numbers[chosen] = np.arange(1, len(chosen) + 1)
    return numbers


def _listed(flags: _CaseFlags, numbers: np.ndarray) -> np.ndarray:
    """Indices of the cases in the tables, in the order of their ids: all, or the most noteworthy `MAX_CASES`."""
    n = len(numbers)
    if n <= MAX_CASES:
        return np.arange(n)
    rank = np.lexsort((np.arange(n), ~flags.any_near, ~flags.all_wrong, -flags.discordant, numbers == 0))
    return np.sort(rank[:MAX_CASES])


def _casebook(
    predictions: Predictions,
    data: Matrices,
    flags: _CaseFlags,
    pairs: Pairs,
    numbers: np.ndarray,
    listed: np.ndarray,
    seed: str | None,
) -> pd.DataFrame:
    if data.y_pred is None:
        raise ValueError("there are no calls")
    k, n = len(data.models), len(listed)
    names = np.array(predictions.labels, dtype=object)
    right: dict[tuple[int, str], list[str]] = {}
    wrong: dict[tuple[int, str], list[str]] = {}
    for row, (a, b) in zip(flags.cells, pairs, strict=True):
        for i in np.flatnonzero((row == 1) | (row == 2)).tolist():
            winner, loser = (a, b) if row[i] == 1 else (b, a)
            right.setdefault((i, winner), []).append(loser)
            wrong.setdefault((i, loser), []).append(winner)
    cells = [(i, m) for i in listed.tolist() for m in data.models]
    calls = _readings(predictions, data)
    numbered = numbers[listed].astype(np.float64)
    numbered[numbered == 0] = nan
    scores = np.full((k, n), nan) if data.y_score is None else data.y_score[:, listed]
    near = flags.near[:, listed].astype(object)
    near[~flags.thresholded] = None
    return pd.DataFrame(
        {
            "case_id": np.repeat(data.case_ids[listed], k),
            "y_true": np.repeat(names[data.y_true[listed].astype(int)], k),
            "model": np.tile(np.array(data.models, dtype=object), n),
            "score": scores.T.ravel(),
            "y_pred": names[data.y_pred[:, listed].astype(int)].T.ravel(),
            "correct": flags.correct[:, listed].T.ravel(),
            "near.threshold": near.T.ravel(),
            "only.right.against": ["; ".join(right[c]) if c in right else None for c in cells],
            "only.wrong.against": ["; ".join(wrong[c]) if c in wrong else None for c in cells],
            "n.models.wrong": np.repeat((~flags.correct[:, listed]).sum(axis=0), k),
            "all.wrong": np.repeat(flags.all_wrong[listed], k),
            "readings": np.repeat(np.array([calls.get(c) for c in data.case_ids[listed]], dtype=object), k),
            "number": np.repeat(numbered, k),
            "seed": seed,
        }
    )


def _case_cells(data: Matrices, flags: _CaseFlags, pairs: Pairs, listed: np.ndarray, seed: str | None) -> pd.DataFrame:
    if not pairs:
        return pd.DataFrame()
    m, n = len(pairs), len(listed)
    return pd.DataFrame(
        {
            "model": np.repeat(np.array([a for a, _ in pairs], dtype=object), n),
            "comparator": np.repeat(np.array([b for _, b in pairs], dtype=object), n),
            "cell": np.array(CELLS, dtype=object)[flags.cells[:, listed]].ravel(),
            "case_id": np.tile(data.case_ids[listed], m),
            "seed": seed,
        }
    )


def _readings(predictions: Predictions, data: Matrices) -> dict[object, str]:
    """Case -> the readers' calls, as text; no entry for a case without a reading."""
    columns = readings(predictions)
    if not columns:
        return {}
    frame = predictions.test()
    frame = frame[frame["model"] == data.models[0]].drop_duplicates("case_id")
    out: dict[object, str] = {}
    for case, *calls in frame[["case_id", *columns]].itertuples(index=False, name=None):
        texts = [f"{c.removeprefix('reader_')}: {v}" for c, v in zip(columns, calls, strict=True) if pd.notna(v)]
        if texts:
            out[case] = "; ".join(texts)
    return out
