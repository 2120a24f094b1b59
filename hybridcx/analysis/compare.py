"""From predictions to the tables of a report: which slices, which families. No formula lives here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pandas as pd

from hybridcx.analysis import cases, comparisons, curves, extras, families, hybrid, label_rules, metrics, verdicts
from hybridcx.analysis.plan import Plan
from hybridcx.analysis.repeats import crossed as seeds
from hybridcx.analysis.repeats import folds
from hybridcx.analysis.rows import Keys, Row
from hybridcx.analysis.slices import Slice
from hybridcx.errors import InputError, Problem
from hybridcx.records.predictions import Predictions
from hybridcx.stats.resampling.bootstrap import Replicates
from hybridcx.vocabulary import METRICS

TABLES = (
    "metrics", "comparisons", "verdicts", "multiplicity", "omnibus", "confusion", "disagreements", "calibration", "roc", "decision_curve",
    *extras.TABLES, *hybrid.TABLES, "thresholds", "casebook", "case_cells",
)  # fmt: skip
RESERVED = {"case_id", "y_true", "n.models.wrong", "seed", "treat_all", "treat_none"}
"""Beside the models in disagreements.csv and decision_curve.csv, so that no model can have these names."""


def analyse(
    predictions: Predictions, plan: Plan, on_progress: Callable[[int, int], None] | None = None
) -> dict[str, pd.DataFrame]:
    """All tables of a comparison of models on their test cases.

    Parameters
    ----------
    predictions : of one seed, or of several, which are never stacked (`seeds.analyse_seeds`).
    plan : the pairs, level, resamples and seed.

    Returns
    -------
    A DataFrame for each name of `TABLES` (with several seeds also `variance` and `seed_verdicts`), with the columns of CONTRACT.md;
    absent numbers are NaN, absent text is None.
    """
    if taken := sorted(RESERVED & set(predictions.models)):
        raise InputError(
            Problem("a model has the name of a column or row of the report", value=name, remedy="rename the model")
            for name in taken
        )
    pairs = plan.resolved_pairs(predictions.models)
    if unused := _unused_options(predictions, plan):
        raise InputError(unused)
    groups = [(Keys(), predictions), *_subgroups(predictions, plan), *label_rules.own_stratum(predictions)]
    if len(predictions.seeds) > 1:
        tables = seeds.analyse_seeds(groups, plan, pairs, on_progress) | cases.case_tables(predictions, plan, pairs)
        return label_rules.extended(tables, predictions, plan, pairs, _concluded)
    metric_rows, compared, parts, first = _one_seed(groups, plan, pairs, on_progress)
    overall = parts[0]
    tables = {
        "metrics": metric_rows,
        "comparisons": compared,
        "verdicts": verdicts.verdicts_table(overall, compared, plan, pairs, first),
        "multiplicity": families.multiplicity_table(compared, overall, plan, first),
        **curves.tables_of(overall, predictions.matrices("test"), predictions.labels, plan),
        **extras.extra_tables(overall, [p for p in parts[1:] if p.keys.subgroup in plan.by], plan, pairs, first),
        **hybrid.hybrid_tables(overall, plan, first),
        "thresholds": predictions.chosen_thresholds,
        **cases.case_tables(predictions, plan, pairs),
    }
    return label_rules.extended(tables, predictions, plan, pairs, _concluded)


def _one_seed(
    groups: Sequence[label_rules.Group],
    plan: Plan,
    pairs: label_rules.Pairs,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame, list[Slice], Replicates | None]:
    """Metrics, comparisons, the slices of the groups, and the bootstrap of the first."""
    parts = [_slice(p, k) for k, p in groups]
    metric_rows: list[Row] = []
    comparison_rows: list[Row] = []
    first: Replicates | None = None
    of_pair, of_metric = ({name: k for k, name in enumerate(names)} for names in (pairs, METRICS))
    for done, part in enumerate(parts):
        joint = part.replicates(
            plan.n_resamples, plan.n_refits, plan.seed, stratified=plan.stratified, threshold=plan.threshold
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


def metrics_and_comparisons(predictions: Predictions, plan: Plan) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables `metrics` and `comparisons` of predictions of one seed on all cases, and nothing else."""
    return _one_seed([(Keys(), predictions)], plan, plan.resolved_pairs(predictions.models))[:2]


def _concluded(groups: Sequence[label_rules.Group], plan: Plan, pairs: label_rules.Pairs) -> label_rules.Compared:
    """Metrics, comparisons and verdicts of some groups of cases, the first of which has the verdicts."""
    if len(groups[0][1].seeds) > 1:
        tables = seeds.analyse_seeds(groups, plan, pairs)
        return tables["metrics"], tables["comparisons"], tables["verdicts"]
    metric_rows, compared, parts, first = _one_seed(groups, plan, pairs)
    return metric_rows, compared, verdicts.verdicts_table(parts[0], compared, plan, pairs, first)


def _slice(predictions: Predictions, keys: Keys) -> Slice:
    part = Slice.of(predictions.matrices("test"), keys, probabilities=predictions.score_kind == "probability")
    return replace(part, call_thresholds=tuple(predictions.threshold_of(m) for m in part.models))


def _unused_options(predictions: Predictions, plan: Plan) -> list[Problem]:
    """Options of several seeds that these predictions give no use for: said, not passed over."""
    found = []
    if plan.n_train is not None and not predictions.repeated_holdout:
        rule = "--n-train is for repeated hold-out: seeds with test sets of their own"
        found.append(Problem(rule, value=plan.n_train, remedy="leave it out"))
    if plan.seed_design != "nested" and (len(predictions.seeds) < 2 or predictions.repeated_holdout):
        rule = "--seed-design is for several seeds on the same test cases"
        found.append(Problem(rule, value=plan.seed_design, remedy="leave it out"))
    return found


def _subgroups(predictions: Predictions, plan: Plan) -> list[tuple[Keys, Predictions]]:
    unknown = [c for c in plan.by if c not in predictions.subgroups]
    if unknown:
        have = ", ".join(predictions.subgroups) or "none"
        raise InputError(
            Problem("--by names no column that has one value per case", value=c, remedy=f"columns: {have}")
            for c in unknown
        )
    parts = []
    for column in plan.by:
        values = predictions.frame[column]
        levels = sorted(values[predictions.frame["split"] == "test"].dropna().unique())
        parts += [(Keys(subgroup=column, level=str(v)), predictions.subset(values == v)) for v in levels]
    return parts
