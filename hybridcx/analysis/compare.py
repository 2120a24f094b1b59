"""From predictions to the tables of a report: which slices, which families. No formula lives here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import pandas as pd

from hybridcx.analysis import (
    cases,
    curves,
    extras,
    families,
    hybrid,
    label_rules,
    verdicts,
)
from hybridcx.analysis.one_seed import rows_of_one_seed
from hybridcx.analysis.plan import Plan
from hybridcx.analysis.repeats import crossed
from hybridcx.analysis.rows import Keys
from hybridcx.errors import InputError, Problem
from hybridcx.records.predictions import Predictions
from hybridcx.workers.dask import Workers

TABLES = (
    "metrics", "comparisons", "verdicts", "multiplicity", "omnibus", "confusion", "disagreements", "calibration",
    "calibration_curve", "roc", "decision_curve",
    *extras.TABLES, *hybrid.TABLES, "thresholds", "casebook", "case_cells",
)  # fmt: skip
RESERVED = {"case_id", "y_true", "n.models.wrong", "seed", "treat_all", "treat_none"}
"""Other names in the columns of models of disagreements.csv and decision_curve.csv, so that no model can have them."""


def analyse(
    predictions: Predictions,
    plan: Plan,
    on_progress: Callable[[int, int], None] | None = None,
    workers: Workers = Workers(1),  # noqa: B008 (frozen)
) -> dict[str, pd.DataFrame]:
    """All tables of a comparison of models on their test cases.

    Parameters
    ----------
    predictions : of one seed, or of several, which are never stacked (`crossed.analyse_seeds`).
    plan : the pairs, level, resamples and seed.
    workers : evaluate the resamples of a large comparison; results do not depend on them.

    Returns
    -------
    A DataFrame for each name of `TABLES` (with several seeds also `variance` and `seed_verdicts`), with the columns of docs/reference/files.md;
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
        tables = crossed.analyse_seeds(groups, plan, pairs, on_progress, workers)
        tables |= cases.case_tables(predictions, plan, pairs)
        return label_rules.extended(tables, predictions, plan, pairs, partial(_concluded, workers=workers))
    metric_rows, compared, parts, first = rows_of_one_seed(groups, plan, pairs, on_progress, workers)
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
    return label_rules.extended(tables, predictions, plan, pairs, partial(_concluded, workers=workers))


def _concluded(
    groups: Sequence[label_rules.Group], plan: Plan, pairs: label_rules.Pairs, *, workers: Workers
) -> label_rules.Compared:
    """Metrics, comparisons and verdicts of some groups of cases, the first of which has the verdicts."""
    if len(groups[0][1].seeds) > 1:
        tables = crossed.analyse_seeds(groups, plan, pairs, workers=workers)
        return tables["metrics"], tables["comparisons"], tables["verdicts"]
    metric_rows, compared, parts, first = rows_of_one_seed(groups, plan, pairs, workers=workers)
    return metric_rows, compared, verdicts.verdicts_table(parts[0], compared, plan, pairs, first)


def _unused_options(predictions: Predictions, plan: Plan) -> list[Problem]:
    """Problems for options of several seeds that do not apply to these predictions: an ignored option would mislead."""
    problems = []
    if plan.n_train is not None and not predictions.repeated_holdout:
        rule = "--n-train is for repeated hold-out: seeds with test sets of their own"
        problems.append(Problem(rule, value=plan.n_train, remedy="leave it out"))
    if plan.seed_design != "nested" and (len(predictions.seeds) < 2 or predictions.repeated_holdout):
        rule = "--seed-design is for several seeds on the same test cases"
        problems.append(Problem(rule, value=plan.seed_design, remedy="leave it out"))
    return problems


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
