"""Predictions of several folds: scores that must not be pooled, and tests that need random splits instead."""

from __future__ import annotations

from math import nan

from hybridcx.analysis.plan import Plan
from hybridcx.analysis.rows import Row, comparison_row
from hybridcx.analysis.slices import Slice
from hybridcx.stats.results import PairedTest
from hybridcx.stats.variance import NADEAU_BENGIO
from hybridcx.vocabulary import RANK_METRICS

NOT_POOLED = (
    "scores of different folds come from different models and have no common scale, so they are never ranked together: the AUROC over "
    "folds is the mean of the folds' AUROCs, whose limits are resampled"
)
SHARED_TRAINING = "the models of the folds share training cases, so that the folds are not independent; the interval does not account for that"
OUT_OF_FOLD = (
    "no verdict on out-of-fold predictions: the models of the folds share training cases, and tests that ignore it reject too often (up to 10.5 % "
    "instead of 5 % in simulations); random splits have a test that corrects for it (Nadeau and Bengio 2003; 4 to 6 %)"
)
"""Measured by experiments/simulations/cross_validation.py."""
NOT_INDEPENDENT = (
    "folds of one cross-validation are not independent splits: their training sets overlap by design, and no unbiased estimate of the "
    "variance over them exists (Bengio and Grandvalet 2004); for this test give random splits, each as a seed of its own"
)
_NUMBERS = ("estimate", "conf.low", "conf.high", "statistic", "parameter", "p.value", "std.error")


def never_pooled(rows: list[Row]) -> list[Row]:
    """The rows of a slice with folds: ranks of pooled scores become `not_estimable`, everything else is `caution`."""
    return [_one(row) for row in rows]


def _one(row: Row) -> Row:
    resampled = row["method"].startswith("bootstrap_") or row["method"] in ("tost", "non_inferiority")
    if row["metric"] in RANK_METRICS and not resampled:
        absent = {name: nan for name in _NUMBERS if name in row}
        return row | absent | {"status": "not_estimable", "warning": NOT_POOLED, "recommended": False}
    if row["metric"] in RANK_METRICS and row["method"] in ("bootstrap_bca", "bootstrap_hierarchical"):
        row = row | {"recommended": True}
    if row["status"] == "not_estimable":
        return row
    messages = [row["warning"], SHARED_TRAINING]
    return row | {"status": "caution", "warning": "; ".join(w for w in messages if w)}


def never_pooled_omnibus() -> Row:
    """What the row of an omnibus test says instead of a result where the test would rank the pooled scores of several folds."""
    return {"statistic": nan, "parameter": nan, "p.value": nan, "status": "not_estimable", "warning": NOT_POOLED}


def refusals(part: Slice, plan: Plan, pairs: tuple[tuple[str, str], ...]) -> list[Row]:
    """Rows that say why folds get no test over random splits."""
    refused = PairedTest(
        NADEAU_BENGIO, nan, conf_level=plan.confidence_level, status="not_estimable", warning=NOT_INDEPENDENT
    )
    metrics = [m for m in ("accuracy", "auroc") if m in part.metrics()]
    return [comparison_row(a, b, m, refused, part.keys, n_cases=part.n) for a, b in pairs for m in metrics]
