"""Rows of comparisons.csv: each pair of models, by every method of the vocabulary that applies."""

from __future__ import annotations

from dataclasses import replace

from hybridcx.analysis.methods import CORRECT, Pair, comparison_methods
from hybridcx.analysis.plan import Plan
from hybridcx.analysis.rows import Row, also, assumes_independence, comparison_row
from hybridcx.analysis.slices import Slice
from hybridcx.analysis.verdicts import WITHOUT_VERDICT, doubt_of_bca, margin_tests
from hybridcx.stats.resampling import intervals as bootstrap_intervals
from hybridcx.stats.resampling.bootstrap import Replicates

BOOTSTRAPS: tuple[bootstrap_intervals.Method, ...] = ("bootstrap_bca", "bootstrap_percentile")


def analytic_rows(part: Slice, plan: Plan, pairs: tuple[tuple[str, str], ...], joint: Replicates) -> list[Row]:
    """Rows that need no joint resampling: they never depend on which other models are there.

    The tests at the plan's margin follow; they invert the interval of the verdict (of the joint bootstrap, for metrics without an analytic one).
    """
    rows = []
    place = {m: k for k, m in enumerate(part.models)}
    for model, comparator in pairs:
        i, j = place[model], place[comparator]
        for metric in part.metrics():
            pair = Pair(part, i, j, metric, plan.confidence_level, plan.seed)
            keys = part.keys_of(metric, i, j)
            for method in comparison_methods(part):
                if metric in method.metrics:
                    result, recommended = method.compute(pair), method.recommended
                    if part.clustered and not method.clusters:
                        result, recommended = assumes_independence(result, part.n_clusters), False
                    rows.append(
                        comparison_row(model, comparator, metric, result, keys, n_cases=part.n, recommended=recommended)
                    )
            if metric not in WITHOUT_VERDICT:
                keys = keys.with_(threshold=plan.threshold) if metric == "net_benefit" else keys
                tests = margin_tests(part, metric, i, j, plan, joint)
                rows += [comparison_row(model, comparator, metric, r, keys, n_cases=part.n) for r in tests]
    return rows


def resampled_rows(part: Slice, plan: Plan, pairs: tuple[tuple[str, str], ...], replicates: Replicates) -> list[Row]:
    """Rows of the paired bootstrap, for the metrics that `replicates` holds."""
    rows = []
    place = {m: k for k, m in enumerate(part.models)}
    analytic = {"accuracy", "sensitivity", "specificity", "auroc"}
    for metric in replicates.observed:
        for model, comparator in pairs:
            i, j = place[model], place[comparator]
            keys = part.keys_of(metric, i, j)
            keys = keys.with_(threshold=plan.threshold) if metric == "net_benefit" else keys
            doubt = {
                "bootstrap_bca": doubt_of_bca(part, metric, i, j),
                "bootstrap_percentile": part.clipped(metric, i, j),
            }
            for method in BOOTSTRAPS:
                r = bootstrap_intervals.difference(replicates, metric, i, j, method, plan.confidence_level)
                r = also(r, *doubt[method])
                if metric in CORRECT:
                    b, c, _ = Pair(part, i, j, metric, plan.confidence_level).discordant
                    r = replace(r, b=b, c=c)
                error = bootstrap_intervals.monte_carlo_error(replicates, metric, i, j, method, plan.confidence_level)
                recommended = method == "bootstrap_bca" and metric not in analytic
                rows.append(
                    comparison_row(
                        model, comparator, metric, r, keys, n_cases=part.n, recommended=recommended, mc_error=error
                    )
                )
    return rows
