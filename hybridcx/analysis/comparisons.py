"""Rows of comparisons.csv: each pair of models, by every method of the vocabulary that applies."""

from __future__ import annotations

from dataclasses import replace
from math import isnan, nan

from hybridcx.analysis.domains import no_interval
from hybridcx.analysis.methods import CORRECT, Pair, comparison_methods, verdict_method
from hybridcx.analysis.plan import Plan
from hybridcx.analysis.rows import Row, also, assumes_independence, comparison_row, without_limits
from hybridcx.analysis.slices import Slice
from hybridcx.analysis.verdicts import WITHOUT_VERDICT, margin_tests, outside_domain
from hybridcx.stats.resampling import intervals as bootstrap_intervals
from hybridcx.stats.resampling.bootstrap import Replicates
from hybridcx.stats.results import PairedTest

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
            pair = Pair(part, i, j, metric, plan.confidence_level, plan.seed, plan.threshold)
            keys = part.keys_of(metric, i, j)
            keys = keys.with_(threshold=plan.threshold) if metric == "net_benefit" else keys
            for method in comparison_methods(part):
                if metric in method.metrics:
                    result, recommended = _recommended(
                        also(method.compute(pair), *part.clipped(metric, i, j)), part, metric, i, j
                    )
                    if part.clustered and not method.clusters:
                        result = assumes_independence(result, part.n_clusters)
                    rows.append(
                        comparison_row(model, comparator, metric, result, keys, n_cases=part.n, recommended=recommended)
                    )
            if metric not in WITHOUT_VERDICT:
                tests = margin_tests(part, metric, i, j, plan, joint)
                rows += [comparison_row(model, comparator, metric, r, keys, n_cases=part.n) for r in tests]
    return rows


def _recommended(result: PairedTest, part: Slice, metric: str, i: int, j: int) -> tuple[PairedTest, bool]:
    """The result, and whether it is recommended: by the method of choice, inside its domain, with limits that are apart.

    The mid-p test is recommended beside Tango's interval. The method of choice outside its domain gets the reason as a warning.
    """
    method = verdict_method(part, metric)
    if result.method == "mcnemar_midp" and method == "tango":
        return result, True
    if result.method != method:
        return result, False
    reason = outside_domain(part, metric, i, j, None)
    limits = result.conf_low < result.conf_high
    return also(result, "caution", reason), limits and not reason


def resampled_rows(part: Slice, plan: Plan, pairs: tuple[tuple[str, str], ...], replicates: Replicates) -> list[Row]:
    """Rows of the paired bootstrap, for the metrics that `replicates` holds."""
    rows = []
    place = {m: k for k, m in enumerate(part.models)}
    for metric in replicates.observed:
        for model, comparator in pairs:
            i, j = place[model], place[comparator]
            keys = part.keys_of(metric, i, j)
            keys = keys.with_(threshold=plan.threshold) if metric == "net_benefit" else keys
            for method in BOOTSTRAPS:
                r = bootstrap_intervals.difference(replicates, metric, i, j, method, plan.confidence_level)
                r, recommended = _recommended(also(r, *part.clipped(metric, i, j)), part, metric, i, j)
                if metric in CORRECT:
                    b, c, _ = Pair(part, i, j, metric, plan.confidence_level).discordant
                    r = replace(r, b=b, c=c)
                r = without_limits(r, no_interval(metric))
                error = (nan, nan)
                if not isnan(r.conf_low):
                    error = bootstrap_intervals.monte_carlo_error(
                        replicates, metric, i, j, method, plan.confidence_level
                    )
                rows.append(
                    comparison_row(
                        model, comparator, metric, r, keys, n_cases=part.n, recommended=recommended, mc_error=error
                    )
                )
    return rows
