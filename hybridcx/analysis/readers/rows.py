"""Rows of the tables on models and readers: pairs of raters, means over pairs, and the accuracy of both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import nan
from typing import Literal

import numpy as np
import pandas as pd

from hybridcx.analysis.methods import CORRECT, within
from hybridcx.analysis.plan import Plan
from hybridcx.analysis.rows import Row, also, assumes_independence
from hybridcx.analysis.slices import Slice
from hybridcx.stats import agreement, clusters, mcnemar, multiplicity, paired, proportions
from hybridcx.stats.agreement import rater_contrast
from hybridcx.stats.results import Agreement, PairedTest, Status
from hybridcx.streams import rng_for
from hybridcx.vocabulary import ASSUMES_INDEPENDENCE

MadeTruth = Literal["yes", "no", "unknown"]
TRUTH_UNKNOWN = (
    "it was not said whether these readers made the truth (--readers-made-truth); if they did, this favours them"
)
TRUTH_THEIRS = "the readers made the truth: to agree with them is to be right by it"


@dataclass(frozen=True, slots=True)
class ReaderCalls:
    """Readers' calls on the test cases in the order of `Matrices`: `calls` (readers, n), 1 positive, 0 negative, -1 not read."""

    names: tuple[str, ...]
    calls: np.ndarray
    notes: tuple[str, ...]


# Agreement


def agreement_rows(part: Slice, read: ReaderCalls, plan: Plan, made_truth: MadeTruth) -> list[Row]:
    """Rows of reader_agreement.csv: every pair of raters, the means over pairs, and how far a model's is from the readers'."""
    rows = [*model_pair_rows(part, read, plan, made_truth), *reader_pair_rows(part, read, plan)]
    for metric, results in contrasts(part, model_calls(part), read, plan).items():
        rows += mean_rows(metric, results, part.models, read, made_truth)
    return by_coefficient(rows)


def contrasts(
    part: Slice, models: np.ndarray, read: ReaderCalls, plan: Plan, n_seeds: int = 1
) -> dict[str, rater_contrast.RaterContrasts]:
    """The resampled means of the models' calls (k x seeds, n) with the readers; without `models` the readers' alone."""
    return rater_contrast.rater_contrasts(
        np.concatenate([models, read.calls]),
        len(models) // n_seeds,
        rng_for(plan.seed, "readers", *sorted(part.models), *read.names),
        plan.n_resamples,
        plan.confidence_level,
        part.groups if part.clustered else None,
        n_seeds,
    )


def mean_rows(
    metric: str,
    results: rater_contrast.RaterContrasts,
    models: Sequence[str],
    read: ReaderCalls,
    made_truth: MadeTruth,
    method: str = "bootstrap_percentile",
    doubt: str = "",
) -> list[Row]:
    """Rows of the readers' mean, and of each model's mean with its difference; `method` and `doubt` belong to the models' rows."""
    n = int((read.calls >= 0).any(axis=0).sum())
    warnings = [TRUTH_THEIRS if made_truth == "yes" else "", doubt]
    rows = [_mean_row(metric, "mean_reader_reader", None, results.readers, n, "bootstrap_percentile", [])]
    for model, mean, difference in zip(models, results.models, results.differences, strict=True):
        rows.append(_mean_row(metric, "mean_model_reader", model, mean, n, method, warnings))
        rows.append(_mean_row(metric, "difference", model, difference, n, method, warnings))
    return rows


def by_coefficient(rows: Sequence[Row]) -> list[Row]:
    """The rows in the order of the coefficients."""
    return [r for name in rater_contrast.COEFFICIENTS for r in rows if r["metric"] == name]


def model_calls(part: Slice) -> np.ndarray:
    """(k, n): the models' calls, 1 positive and 0 negative."""
    if part.y_pred is None:
        raise ValueError("there are no predicted classes")
    return part.y_pred.astype(np.int64)


def model_pair_rows(part: Slice, read: ReaderCalls, plan: Plan, made_truth: MadeTruth) -> Iterator[Row]:
    """Rows of every model with every reader."""
    models = model_calls(part)
    for j, model in enumerate(part.models):
        for i, reader in enumerate(read.names):
            warning = TRUTH_THEIRS if made_truth == "yes" else ""
            yield from _pair(part, "model_reader", model, reader, models[j], read.calls[i], plan, warning)


def reader_pair_rows(part: Slice, read: ReaderCalls, plan: Plan) -> Iterator[Row]:
    """Rows of every two readers."""
    for i, k in combinations(range(len(read.names)), 2):
        yield from _pair(part, "reader_reader", read.names[i], read.names[k], read.calls[i], read.calls[k], plan, "")


def _pair(
    part: Slice, kind: str, rater: str, other: str, a: np.ndarray, b: np.ndarray, plan: Plan, warning: str
) -> Iterator[Row]:
    both = (a >= 0) & (b >= 0)
    x, y, level = a[both], b[both], plan.confidence_level
    two = np.column_stack([x, y])
    if not both.any():
        none = "the two share no case"
        results = [
            Agreement(m, "", nan, n=0, status="not_estimable", warning=none) for m in rater_contrast.COEFFICIENTS
        ]
    else:
        results = [
            agreement.cohen_kappa(x, y, "unweighted", (0, 1), level),
            agreement.gwet_ac1(two, (0, 1), level),
            agreement.percent_agreement(two, level),
        ]
    for r in results:
        status, words = _doubted(r.status, [r.warning, warning, ASSUMES_INDEPENDENCE if part.clustered else ""])
        yield {
            "metric": r.metric, "method": r.method or None, "kind": kind, "rater": rater, "other": other, "estimate": r.estimate,
            "conf.low": r.conf_low, "conf.high": r.conf_high, "conf.level": r.conf_level, "n": int(both.sum()),
            "n.resamples": nan, "n.resamples.failed": nan, "status": status, "warning": words,
        }  # fmt: skip


def _mean_row(
    metric: str,
    kind: str,
    model: str | None,
    contrast: rater_contrast.Contrast,
    n: int,
    method: str,
    warnings: Sequence[str],
) -> Row:
    status, words = _doubted(contrast.status, [contrast.warning, *warnings])
    return {
        "metric": metric, "method": method or None, "kind": kind, "rater": model, "other": None, "estimate": contrast.estimate,
        "conf.low": contrast.conf_low, "conf.high": contrast.conf_high, "conf.level": contrast.conf_level, "n": n,
        "n.resamples": contrast.n_resamples or nan, "n.resamples.failed": contrast.n_resamples_failed if contrast.n_resamples else nan,
        "status": status, "warning": words,
    }  # fmt: skip


def _doubted(status: Status, words: list[str]) -> tuple[Status, str | None]:
    """Add warnings; any warning besides the statistic's own sets the status `caution`."""
    text = "; ".join(w for w in words if w) or None
    return ("caution" if status == "ok" and any(words[1:]) else status), text


# Against the truth


def performance_rows(part: Slice, read: ReaderCalls, plan: Plan, made_truth: MadeTruth) -> Iterator[Row]:
    """Rows of reader_performance.csv."""
    for i, reader in enumerate(read.names):
        seen = read.calls[i] >= 0
        for metric in CORRECT:
            chosen = within(part, metric) & seen
            right = int(((read.calls[i] == 1) == part.y_true)[chosen].sum())
            result = proportions.wilson(right, int(chosen.sum()), plan.confidence_level)
            result = also(
                result, "caution" if made_truth == "unknown" else "ok", TRUTH_UNKNOWN if made_truth == "unknown" else ""
            )
            if part.clustered:
                result = assumes_independence(result, part.n_clusters)
            yield {
                "reader": reader, "metric": metric, "method": result.method, "estimate": result.estimate, "conf.low": result.conf_low,
                "conf.high": result.conf_high, "conf.level": result.conf_level, "numerator": result.numerator,
                "denominator": result.denominator, "n": int(seen.sum()), "status": result.status, "warning": result.warning or None,
            }  # fmt: skip


def comparison_rows(part: Slice, read: ReaderCalls, plan: Plan, made_truth: MadeTruth) -> Iterator[Row]:
    """Rows of reader_comparisons.csv."""
    for j, model in enumerate(part.models):
        for i, reader in enumerate(read.names):
            seen = read.calls[i] >= 0
            right = (read.calls[i] == 1) == part.y_true
            for metric in CORRECT:
                chosen = within(part, metric) & seen
                for result in _tests(part, part.correct(j)[chosen], right[chosen], chosen, plan):
                    yield comparison_row(metric, model, reader, result, int(seen.sum()), made_truth)


def comparison_row(metric: str, model: str, reader: str, result: PairedTest, n: int, made_truth: MadeTruth) -> Row:
    """One row of reader_comparisons.csv; its adjusted p-value comes with `adjusted`."""
    if made_truth == "unknown":
        result = also(result, "caution", TRUTH_UNKNOWN)
    return {
        "metric": metric, "model": model, "reader": reader, "method": result.method, "estimate": result.estimate,
        "conf.low": result.conf_low, "conf.high": result.conf_high, "conf.level": result.conf_level,
        "statistic": result.statistic, "p.value": result.pvalue, "adj.p.value": nan, "b": result.b, "c": result.c,
        "n": n, "status": result.status, "warning": result.warning or None,
    }  # fmt: skip


def _tests(part: Slice, a: np.ndarray, b: np.ndarray, chosen: np.ndarray, plan: Plan) -> list[PairedTest]:
    table = paired.paired_table(a, b)
    results = [paired.tango(*table, plan.confidence_level), mcnemar.mcnemar_midp(table[1], table[2], sum(table))]
    if part.clustered and part.groups is not None:
        results = [assumes_independence(r, part.n_clusters) for r in results]
        results.append(clusters.mcnemar_cluster(a, b, part.groups[chosen], plan.confidence_level))
    return results


def adjusted(table: pd.DataFrame) -> pd.DataFrame:
    """The table with p adjusted by Holm over the models and readers of one metric, method and seed."""
    if table.empty:
        return table
    adjusted = np.full(len(table), nan)
    p = table["p.value"].to_numpy(float)
    family = ["metric", "method", *(["seed"] if "seed" in table else [])]
    for rows in table.groupby(family, sort=False, dropna=False).indices.values():
        adjusted[rows] = multiplicity.holm(p[rows])
    return table.assign(**{"adj.p.value": adjusted})
