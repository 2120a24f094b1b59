"""Models beside readers: the readers' calls on the test cases, agreement of models with readers, and both against the truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from math import nan
from typing import Literal

import numpy as np
import pandas as pd

from hybridcx.analysis.plan import Plan
from hybridcx.analysis.rows import CLUSTER_WARNING, Keys, Row, also, assumes_independence
from hybridcx.analysis.slices import Slice
from hybridcx.analysis.verdicts import CORRECT, within
from hybridcx.errors import InputError, Problem, raise_if_any
from hybridcx.records.predictions import Matrices, Predictions
from hybridcx.records.ratings import Ratings
from hybridcx.stats import agreement, clusters, mcnemar, multiplicity, paired, proportions, rater_contrast
from hybridcx.stats.results import Agreement, PairedTest, Status
from hybridcx.streams import rng_for

TABLES = ("reader_agreement", "reader_performance", "reader_comparisons")
MadeTruth = Literal["yes", "no", "unknown"]
TRUTH_UNKNOWN = (
    "it was not said whether these readers made the truth (--readers-made-truth); if they did, this favours them"
)
TRUTH_THEIRS = "the readers made the truth: to agree with them is to be right by it"


@dataclass(frozen=True, slots=True)
class ReaderView:
    """The tables of the view, and what must be said of it."""

    tables: dict[str, pd.DataFrame]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReaderCalls:
    """Readers' calls on the test cases in the order of `Matrices`: `calls` (readers, n), 1 positive, 0 negative, -1 not read."""

    names: tuple[str, ...]
    calls: np.ndarray
    notes: tuple[str, ...]


def reader_view(
    predictions: Predictions, ratings: Ratings, plan: Plan, made_truth: MadeTruth = "unknown"
) -> ReaderView:
    """Set the models beside the readers of a ratings file, matched by case_id.

    The readers are fixed. Their calls are compared with the truth, and with the models on it, unless they made it. Raises InputError where the
    models have no calls, no test case was read, a call is none of the labels, or the predictions come from several seeds.
    """
    if not predictions.has_pred:
        raise InputError(
            Problem("models without calls cannot be set beside readers", remedy="give y_pred, or probabilities")
        )
    if len(predictions.seeds) > 1:
        raise InputError(Problem("readers are set beside the models of one seed", remedy="give the rows of one seed"))
    data = predictions.matrices("test")
    read = reader_calls(ratings, data, predictions.labels)
    part = Slice(data.models, data.y_true, data.y_pred, None, data.groups, Keys())
    notes = [*read.notes, _of_number(len(read.names)), _of_truth(made_truth)]
    tables = {"reader_agreement": _agreement_table(part, read, plan, made_truth)}
    tables["reader_performance"] = pd.DataFrame()
    tables["reader_comparisons"] = pd.DataFrame()
    if made_truth != "yes":
        tables["reader_performance"] = pd.DataFrame(_performance_rows(part, read, plan, made_truth))
        tables["reader_comparisons"] = _adjusted(pd.DataFrame(_comparison_rows(part, read, plan, made_truth)))
    return ReaderView(tables, tuple(n for n in notes if n))


def reader_calls(ratings: Ratings, data: Matrices, labels: tuple[str, str]) -> ReaderCalls:
    """The calls of each reader's first occasion on the test cases. Raises InputError as `reader_view`."""
    ids = pd.Index(data.case_ids)
    known = ratings.frame.index.intersection(ids)
    if known.empty:
        raise InputError(
            Problem(
                "the readers read none of the test cases", column="case_id", remedy="give both files the same case ids"
            )
        )
    first = {reader: ratings.occasions(reader)[0].column for reader in ratings.readers}
    order = ratings.frame.index.get_indexer(ids)
    problems = []
    calls = np.full((len(first), len(ids)), -1, dtype=np.int64)
    for i, column in enumerate(first.values()):
        values = ratings.frame[column].to_numpy(dtype=object)[order]
        given = (order >= 0) & np.array([v is not None for v in values])
        strange = [v for v in values[given] if v not in labels]
        if strange:
            problems.append(
                Problem("a call that is none of the labels", column=column, value=strange[0],
                        remedy=f"the labels are {labels[0]!r} and {labels[1]!r}")
            )  # fmt: skip
        calls[i, given] = values[given] == labels[1]
    raise_if_any(problems)
    notes = []
    if any(len(ratings.occasions(r)) > 1 for r in ratings.readers):
        notes.append(
            "Readers who read the cases more than once are here with their first reading; readings are not averaged."
        )
    if unread := int((calls == -1).any(axis=0).sum()):
        notes.append(
            f"Test cases that lack a reading: {unread} of {len(ids)}; each pair is compared on the cases that both called."
        )
    if surplus := len(ratings.frame.index) - len(known):
        notes.append(f"Cases of the ratings that are no test cases, left out: {surplus}.")
    return ReaderCalls(tuple(first), calls, tuple(notes))


def _of_number(readers: int) -> str:
    if readers == 1:
        return "One reader cannot agree with another: there is nothing to hold the models' agreement against."
    if readers == 2:
        return (
            "Two readers make a single pair: what they agree is one number of two people, not the agreement of readers. A model's mean is taken over "
            "its two pairs with them."
        )
    return (
        f"The {readers} readers are fixed: the intervals say how it would be with other cases, not with other readers."
    )


def _of_truth(made_truth: MadeTruth) -> str:
    if made_truth == "yes":
        return (
            "These readers made the truth: they are not compared with the models on it, and a model's agreement with them is its accuracy "
            "in other words."
        )
    if made_truth == "unknown":
        return (
            "It was not said whether these readers made the truth. If they did, every comparison with them on it favours them, and should "
            "not be read."
        )
    return ""


# Agreement


def _agreement_table(part: Slice, read: ReaderCalls, plan: Plan, made_truth: MadeTruth) -> pd.DataFrame:
    rows = list(_pair_rows(part, read, plan, made_truth))
    found = rater_contrast.rater_contrasts(
        np.concatenate([_model_calls(part), read.calls]),
        len(part.models),
        rng_for(plan.seed, "readers", *sorted(part.models), *read.names),
        plan.n_resamples,
        plan.confidence_level,
        part.groups if part.clustered else None,
    )
    n = int((read.calls >= 0).any(axis=0).sum())
    for metric, of in found.items():
        rows.append(_mean_row(metric, "mean_reader_reader", None, of.readers, n, ""))
        for model, mean, difference in zip(part.models, of.models, of.differences, strict=True):
            said = TRUTH_THEIRS if made_truth == "yes" else ""
            rows.append(_mean_row(metric, "mean_model_reader", model, mean, n, said))
            rows.append(_mean_row(metric, "difference", model, difference, n, said))
    return pd.DataFrame([r for name in rater_contrast.COEFFICIENTS for r in rows if r["metric"] == name])


def _model_calls(part: Slice) -> np.ndarray:
    if part.y_pred is None:
        raise ValueError("there are no predicted classes")
    return part.y_pred.astype(np.int64)


def _pair_rows(part: Slice, read: ReaderCalls, plan: Plan, made_truth: MadeTruth) -> Iterator[Row]:
    models = _model_calls(part)
    for j, model in enumerate(part.models):
        for i, reader in enumerate(read.names):
            said = TRUTH_THEIRS if made_truth == "yes" else ""
            yield from _pair(part, "model_reader", model, reader, models[j], read.calls[i], plan, said)
    for i, k in combinations(range(len(read.names)), 2):
        yield from _pair(part, "reader_reader", read.names[i], read.names[k], read.calls[i], read.calls[k], plan, "")


def _pair(
    part: Slice, kind: str, rater: str, other: str, a: np.ndarray, b: np.ndarray, plan: Plan, said: str
) -> Iterator[Row]:
    both = (a >= 0) & (b >= 0)
    x, y, level = a[both], b[both], plan.confidence_level
    two = np.column_stack([x, y])
    if not both.any():
        none = "the two share no case"
        found = [Agreement(m, "", nan, n=0, status="not_estimable", warning=none) for m in rater_contrast.COEFFICIENTS]
    else:
        found = [
            agreement.cohen_kappa(x, y, "unweighted", (0, 1), level),
            agreement.gwet_ac1(two, (0, 1), level),
            agreement.percent_agreement(two, level),
        ]
    for r in found:
        status, words = _doubted(r.status, [r.warning, said, CLUSTER_WARNING if part.clustered else ""])
        yield {
            "metric": r.metric, "method": r.method or None, "kind": kind, "rater": rater, "other": other, "estimate": r.estimate,
            "conf.low": r.conf_low, "conf.high": r.conf_high, "conf.level": r.conf_level, "n": int(both.sum()),
            "n.resamples": nan, "n.resamples.failed": nan, "status": status, "warning": words,
        }  # fmt: skip


def _mean_row(metric: str, kind: str, model: str | None, found: rater_contrast.Contrast, n: int, said: str) -> Row:
    status, words = _doubted(found.status, [found.warning, said])
    return {
        "metric": metric, "method": "bootstrap_percentile", "kind": kind, "rater": model, "other": None, "estimate": found.estimate,
        "conf.low": found.conf_low, "conf.high": found.conf_high, "conf.level": found.conf_level, "n": n,
        "n.resamples": found.n_resamples or nan, "n.resamples.failed": found.n_resamples_failed if found.n_resamples else nan,
        "status": status, "warning": words,
    }  # fmt: skip


def _doubted(status: Status, words: list[str]) -> tuple[Status, str | None]:
    """Every warning but the statistic's own makes a number a caution."""
    said = "; ".join(w for w in words if w) or None
    return ("caution" if status == "ok" and any(words[1:]) else status), said


# Against the truth


def _performance_rows(part: Slice, read: ReaderCalls, plan: Plan, made_truth: MadeTruth) -> Iterator[Row]:
    for i, reader in enumerate(read.names):
        seen = read.calls[i] >= 0
        for metric in CORRECT:
            chosen = within(part, metric) & seen
            right = int(((read.calls[i] == 1) == part.y_true)[chosen].sum())
            found = proportions.wilson(right, int(chosen.sum()), plan.confidence_level)
            found = also(
                found, "caution" if made_truth == "unknown" else "ok", TRUTH_UNKNOWN if made_truth == "unknown" else ""
            )
            if part.clustered:
                found = assumes_independence(found, part.n_clusters)
            yield {
                "reader": reader, "metric": metric, "method": found.method, "estimate": found.estimate, "conf.low": found.conf_low,
                "conf.high": found.conf_high, "conf.level": found.conf_level, "numerator": found.numerator,
                "denominator": found.denominator, "n": int(seen.sum()), "status": found.status, "warning": found.warning or None,
            }  # fmt: skip


def _comparison_rows(part: Slice, read: ReaderCalls, plan: Plan, made_truth: MadeTruth) -> Iterator[Row]:
    for j, model in enumerate(part.models):
        for i, reader in enumerate(read.names):
            seen = read.calls[i] >= 0
            right = (read.calls[i] == 1) == part.y_true
            for metric in CORRECT:
                chosen = within(part, metric) & seen
                for found in _tests(part, part.correct(j)[chosen], right[chosen], chosen, plan):
                    if made_truth == "unknown":
                        found = also(found, "caution", TRUTH_UNKNOWN)
                    yield {
                        "metric": metric, "model": model, "reader": reader, "method": found.method, "estimate": found.estimate,
                        "conf.low": found.conf_low, "conf.high": found.conf_high, "conf.level": found.conf_level,
                        "statistic": found.statistic, "p.value": found.pvalue, "adj.p.value": nan, "b": found.b, "c": found.c,
                        "n": int(seen.sum()), "status": found.status, "warning": found.warning or None,
                    }  # fmt: skip


def _tests(part: Slice, a: np.ndarray, b: np.ndarray, chosen: np.ndarray, plan: Plan) -> list[PairedTest]:
    table = paired.paired_table(a, b)
    found = [paired.tango(*table, plan.confidence_level), mcnemar.mcnemar_midp(table[1], table[2], sum(table))]
    if part.clustered and part.groups is not None:
        found = [assumes_independence(r, part.n_clusters) for r in found]
        found.append(clusters.mcnemar_cluster(a, b, part.groups[chosen], plan.confidence_level))
    return found


def _adjusted(table: pd.DataFrame) -> pd.DataFrame:
    if table.empty:
        return table
    adjusted = np.full(len(table), nan)
    p = table["p.value"].to_numpy(float)
    for rows in table.groupby(["metric", "method"], sort=False).indices.values():
        adjusted[rows] = multiplicity.holm(p[rows])
    return table.assign(**{"adj.p.value": adjusted})
