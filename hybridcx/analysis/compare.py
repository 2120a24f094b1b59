"""From predictions to the tables of a report: which slices, which families. No formula lives here."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from hybridcx.analysis import comparisons, curves, families, label_rules, metrics, verdicts
from hybridcx.analysis.plan import Plan
from hybridcx.analysis.rows import Keys, Row
from hybridcx.analysis.slices import Slice
from hybridcx.errors import InputError, Problem
from hybridcx.records.predictions import Matrices, Predictions
from hybridcx.stats.bootstrap import Replicates
from hybridcx.stats.confusion import METRICS

TABLES = (
    "metrics", "comparisons", "verdicts", "multiplicity", "omnibus", "confusion", "disagreements", "calibration", "roc", "decision_curve",
)  # fmt: skip
RESERVED = {"case_id", "y_true", "n.models.wrong", "treat_all", "treat_none"}
"""Beside the models in disagreements.csv and decision_curve.csv, so that no model can have these names."""


def analyse(
    predictions: Predictions, plan: Plan, on_progress: Callable[[int, int], None] | None = None
) -> dict[str, pd.DataFrame]:
    """All tables of a comparison of models on their test cases.

    Parameters
    ----------
    predictions : of one seed; more are refused here (analysis over seeds is a later step of the road).
    plan : the pairs, level, resamples and seed.

    Returns
    -------
    A DataFrame for each name of `TABLES`, with the columns of CONTRACT.md; absent numbers are NaN, absent text is None.
    """
    if len(predictions.seeds) > 1:
        raise InputError(
            Problem(
                f"the predictions come from {len(predictions.seeds)} seeds; comparing over seeds is not built yet",
                remedy="give the rows of one seed",
            )
        )
    if taken := sorted(RESERVED & set(predictions.models)):
        raise InputError(
            Problem("a model has the name of a column or row of the report", value=name, remedy="rename the model")
            for name in taken
        )
    pairs = plan.resolved_pairs(predictions.models)
    overall = _slice(predictions.matrices("test"), predictions, Keys())
    parts = [overall, *_subgroups(predictions, plan)]
    metric_rows: list[Row] = []
    comparison_rows: list[Row] = []
    first: Replicates | None = None
    for done, part in enumerate(parts):
        joint = part.replicates(
            plan.n_resamples, plan.n_refits, plan.seed, stratified=plan.stratified, threshold=plan.threshold
        )
        first = first or joint
        m_rows = metrics.analytic_rows(part, plan) + metrics.resampled_rows(part, plan, joint)
        c_rows = comparisons.analytic_rows(part, plan, pairs, joint)
        c_rows += comparisons.resampled_rows(part, plan, pairs, joint)
        metric_rows += metrics.sorted_rows(m_rows, part.models, tuple(METRICS))
        comparison_rows += sorted(
            c_rows, key=lambda r: (pairs.index((r["model"], r["comparator"])), list(METRICS).index(r["metric"]))
        )
        if on_progress:
            on_progress(done + 1, len(parts))
    compared = families.adjust(pd.DataFrame(comparison_rows))
    compared = _with_roles(compared, plan)
    data = predictions.matrices("test")
    has_score, has_probability = overall.y_score is not None, overall.y_score is not None and overall.probabilities
    tables = {
        "metrics": pd.DataFrame(metric_rows),
        "comparisons": compared,
        "verdicts": verdicts.verdicts_table(overall, compared, plan, pairs, first),
        "multiplicity": families.multiplicity_table(compared, overall, plan, first),
        "omnibus": pd.DataFrame(curves.omnibus_rows(overall)),
        "confusion": pd.DataFrame(curves.confusion_rows(overall, predictions.positive)),
        "disagreements": curves.disagreements(data, predictions.labels),
        "calibration": pd.DataFrame(curves.calibration_rows(overall, plan)) if has_probability else pd.DataFrame(),
        "roc": curves.roc_table(overall) if has_score else pd.DataFrame(),
        "decision_curve": curves.decision_curve_table(overall, plan) if has_probability else pd.DataFrame(),
    }
    return label_rules.extended(tables, predictions, plan, pairs)


def _slice(data: Matrices, predictions: Predictions, keys: Keys) -> Slice:
    return Slice(
        models=data.models,
        y_true=data.y_true,
        y_pred=data.y_pred,
        y_score=data.y_score,
        groups=data.groups,
        keys=keys,
        probabilities=predictions.score_kind == "probability",
    )


def _subgroups(predictions: Predictions, plan: Plan) -> list[Slice]:
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
        for level in sorted(values[predictions.frame["split"] == "test"].dropna().unique()):
            data = predictions.subset(values == level).matrices("test")
            parts.append(_slice(data, predictions, Keys(subgroup=column, level=str(level))))
    return parts


def _with_roles(compared: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """Confirmatory is what a plan locked beforehand names: the primary metric of its pairs, on all cases."""
    if compared.empty or not plan.locked:
        return compared
    named = (compared["metric"] == plan.primary_metric) & compared["subgroup"].isna()
    return compared.assign(role=named.map({True: "confirmatory", False: "exploratory"}))
