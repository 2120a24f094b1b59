"""Metrics and comparisons of predictions of one seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pandas as pd

from hybridcx.analysis import (
    comparisons,
    families,
    folds,
    label_rules,
    metrics,
)
from hybridcx.analysis.plan import Plan
from hybridcx.analysis.rows import Keys, Row
from hybridcx.analysis.slices import Slice
from hybridcx.records.predictions import Predictions
from hybridcx.stats.resampling.bootstrap import Replicates
from hybridcx.vocabulary import METRICS
from hybridcx.workers.dask import Workers


def rows_of_one_seed(
    groups: Sequence[label_rules.Group],
    plan: Plan,
    pairs: label_rules.Pairs,
    on_progress: Callable[[int, int], None] | None = None,
    workers: Workers = Workers(1),  # noqa: B008 (frozen)
) -> tuple[pd.DataFrame, pd.DataFrame, list[Slice], Replicates | None]:
    """Metrics, comparisons, the slices of the groups, and the bootstrap of the first."""
    parts = [_slice(p, k) for k, p in groups]
    metric_rows: list[Row] = []
    comparison_rows: list[Row] = []
    first: Replicates | None = None
    of_pair, of_metric = ({name: k for k, name in enumerate(names)} for names in (pairs, METRICS))
    for done, part in enumerate(parts):
        joint = part.replicates(
            plan.n_resamples,
            plan.n_refits,
            plan.seed,
            stratified=plan.stratified,
            threshold=plan.threshold,
            workers=workers,
        )
        first = first or joint
        m_rows = metrics.analytic_rows(part, plan) + metrics.resampled_rows(part, plan, joint)
        c_rows = comparisons.analytic_rows(part, plan, pairs, joint)
        c_rows += comparisons.resampled_rows(part, plan, pairs, joint)
        if part.folds is not None:
            m_rows, c_rows = folds.never_pooled(m_rows), folds.never_pooled(c_rows) + folds.refusals(part, plan, pairs)
        metric_rows += metrics.sorted_rows(m_rows, part.models, tuple(METRICS))
        comparison_rows += sorted(c_rows, key=lambda r: (of_pair[r["model"], r["comparator"]], of_metric[r["metric"]]))
        if on_progress:
            on_progress(done + 1, len(parts))
    compared = families.with_roles(families.adjust(pd.DataFrame(comparison_rows)), plan)
    return families.with_metric_roles(pd.DataFrame(metric_rows), plan, pairs), compared, parts, first


def metrics_and_comparisons(
    predictions: Predictions,
    plan: Plan,
    workers: Workers = Workers(1),  # noqa: B008 (frozen)
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables `metrics` and `comparisons` of predictions of one seed on all cases, and nothing else."""
    return rows_of_one_seed([(Keys(), predictions)], plan, plan.resolved_pairs(predictions.models), workers=workers)[:2]


def _slice(predictions: Predictions, keys: Keys) -> Slice:
    part = Slice.of(predictions.matrices("test"), keys, probabilities=predictions.score_kind == "probability")
    return replace(part, call_thresholds=tuple(predictions.threshold_of(m) for m in part.models))
