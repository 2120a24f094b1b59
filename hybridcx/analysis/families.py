"""Families of comparisons: adjusted p-values (Holm in comparisons.csv, every adjustment in multiplicity.csv)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from hybridcx.analysis.domains import no_interval
from hybridcx.analysis.plan import Plan
from hybridcx.analysis.rows import Row
from hybridcx.analysis.slices import Slice
from hybridcx.stats import multiplicity, ties
from hybridcx.stats.resampling.bootstrap import Replicates
from hybridcx.vocabulary import RATIOS

FAMILY = ["metric", "method", "subgroup", "level", "seed", "label.rule", "threshold", "prevalence"]
ADJUSTMENTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "holm": multiplicity.holm,
    "hochberg": multiplicity.hochberg,
    "BH": multiplicity.benjamini_hochberg,
}


def adjust(comparisons: pd.DataFrame) -> pd.DataFrame:
    """The comparisons with Holm's adjustment over each family: all its rows, which are the plan's pairs or all pairs."""
    if comparisons.empty:
        return comparisons
    out = comparisons.copy()
    p = out["p.value"].to_numpy(float)
    adjusted = np.full(len(out), np.nan)
    for rows in out.groupby(FAMILY, dropna=False, sort=False).indices.values():
        adjusted[rows] = multiplicity.holm(p[rows])
    out["adj.p.value"] = adjusted
    out["p.adjust.method"] = np.where(np.isfinite(p), "holm", "none")
    return out


def with_roles(compared: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """Mark rows as confirmatory: those of a locked plan's pairs and primary metric, on all cases (with several seeds: over all seeds)."""
    if compared.empty or not plan.locked:
        return compared
    confirmatory = (compared["metric"] == plan.primary_metric) & compared["subgroup"].isna() & compared["seed"].isna()
    return compared.assign(role=confirmatory.map({True: "confirmatory", False: "exploratory"}))


def with_metric_roles(metrics: pd.DataFrame, plan: Plan, pairs: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """The same for the single models: the primary metric of those that a locked plan compares, on all cases."""
    if metrics.empty or not plan.locked:
        return metrics
    confirmatory = (metrics["metric"] == plan.primary_metric) & metrics["model"].isin(
        {m for pair in pairs for m in pair}
    )
    confirmatory &= metrics["subgroup"].isna() & metrics["seed"].isna()
    return metrics.assign(role=confirmatory.map({True: "confirmatory", False: "exploratory"}))


def multiplicity_table(
    comparisons: pd.DataFrame,
    part: Slice,
    plan: Plan,
    joint: Replicates | None,
    drawn_by: str = "bootstrap_percentile",
) -> pd.DataFrame:
    """One row per overall comparison and adjustment. Simultaneous limits exist for max-T alone (on the draws of method `drawn_by`)."""
    rows: list[Row] = []
    if comparisons.empty:
        return pd.DataFrame(rows)
    overall = comparisons[comparisons["subgroup"].isna() & comparisons["seed"].isna() & comparisons["p.value"].notna()]
    for (metric, method), family in overall.groupby(["metric", "method"], sort=False):
        p = family["p.value"].to_numpy(float)
        for name, by in {"none": lambda x: x, **ADJUSTMENTS}.items():
            for a, b, alone, adjusted in zip(family["model"], family["comparator"], p, by(p), strict=True):
                rows.append(_row(str(metric), a, b, str(method), alone, name, adjusted, None, None))
    pairs = list(dict.fromkeys(zip(overall["model"], overall["comparator"], strict=True)))
    if joint is not None:
        rows += _max_t_rows(part, plan, joint, pairs, drawn_by)
    return pd.DataFrame(rows)


def _max_t_rows(part: Slice, plan: Plan, joint: Replicates, pairs: list[tuple[str, str]], drawn_by: str) -> list[Row]:
    place = {m: k for k, m in enumerate(part.models)}
    i = [place[a] for a, _ in pairs]
    j = [place[b] for _, b in pairs]
    rows: list[Row] = []
    for metric in joint.observed:
        if metric in RATIOS or not pairs or no_interval(metric):
            continue
        observed = ties.difference(joint.observed[metric][i], joint.observed[metric][j])
        drawn = joint.replicates[metric][:, i] - joint.replicates[metric][:, j]
        together = multiplicity.max_t(observed, drawn, plan.confidence_level)
        alone = multiplicity.max_t_alone(observed, drawn)
        for m, (a, b) in enumerate(pairs):
            rows.append(
                _row(
                    metric, a, b, drawn_by, alone[m], "maxT",
                    together.pvalue[m], together.conf_low[m], together.conf_high[m],
                )
            )  # fmt: skip
    return rows


def _row(
    metric: str,
    model: str,
    comparator: str,
    method: str,
    p: float,
    name: str,
    adjusted: float,
    low: float | None,
    high: float | None,
) -> Row:
    return {
        "metric": metric,
        "model": model,
        "comparator": comparator,
        "method": method,
        "p.value": p,
        "p.adjust.method": name,
        "adj.p.value": adjusted,
        "conf.low": low,
        "conf.high": high,
    }
