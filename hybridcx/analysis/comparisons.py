"""Rows of comparisons.csv: each pair of models, by every method of the vocabulary that applies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from hybridcx.analysis.plan import Plan
from hybridcx.analysis.rows import Row, also, assumes_independence, comparison_row
from hybridcx.analysis.slices import Slice
from hybridcx.analysis.verdicts import CORRECT, WITHOUT_VERDICT, doubt_of_bca, margin_tests, within
from hybridcx.stats import clusters, clusters_roc, mcnemar, paired, predictive_values, roc, roc_permutation
from hybridcx.stats.resampling import intervals as bootstrap_intervals
from hybridcx.stats.resampling.bootstrap import Replicates
from hybridcx.stats.results import PairedTest
from hybridcx.streams import rng_for

Found = tuple[str, PairedTest, bool]
PERMUTATIONS = 9999
BOOTSTRAPS: tuple[bootstrap_intervals.Method, ...] = ("bootstrap_bca", "bootstrap_percentile")


def _proportion_tests(part: Slice, i: int, j: int, plan: Plan) -> Iterator[Found]:
    """Tests of correct answers: accuracy on all cases, sensitivity and specificity within their class."""
    level = plan.confidence_level
    for metric in CORRECT:
        chosen = within(part, metric)
        a, b = part.correct(i)[chosen], part.correct(j)[chosen]
        table = paired.paired_table(a, b)
        n, n10, n01 = sum(table), table[1], table[2]
        yield metric, paired.tango(*table, level), True
        yield metric, mcnemar.mcnemar_midp(n10, n01, n), True
        yield metric, mcnemar.mcnemar_exact(n10, n01, n), False
        yield metric, mcnemar.mcnemar_asymptotic(n10, n01, n), False
        yield metric, mcnemar.mcnemar_corrected(n10, n01, n), False
        yield metric, paired.newcombe_paired(*table, level), False
        yield metric, paired.agresti_min(*table, level), False
        rng = rng_for(plan.seed, "permutation", metric, *sorted((part.models[i], part.models[j])), str(part.keys))
        yield metric, paired.permutation_paired_counts(n10, n01, n, n_resamples=PERMUTATIONS, rng=rng), False


def _auroc_tests(part: Slice, i: int, j: int, plan: Plan) -> Iterator[Found]:
    y, a, b = part.y_true, part.score(i), part.score(j)
    yield "auroc", roc.delong_paired(y, a, b, plan.confidence_level), True
    rng = rng_for(plan.seed, "permutation", "auroc", *sorted((part.models[i], part.models[j])), str(part.keys))
    yield "auroc", roc_permutation.permutation_paired_auroc(y, a, b, n_resamples=PERMUTATIONS, rng=rng), False


def _predictive_tests(part: Slice, i: int, j: int, plan: Plan) -> Iterator[Found]:
    if part.y_pred is None:
        return
    y, a, b = part.y_true, part.y_pred[i], part.y_pred[j]
    predictive: tuple[Literal["ppv"], Literal["npv"]] = ("ppv", "npv")
    for metric in predictive:
        yield metric, predictive_values.generalized_score(y, a, b, metric, plan.confidence_level), False
        yield metric, predictive_values.weighted_generalized_score(y, a, b, metric, plan.confidence_level), False
    ratios: tuple[Literal["lr_positive"], Literal["lr_negative"]] = ("lr_positive", "lr_negative")
    for ratio in ratios:
        yield ratio, predictive_values.lr_regression(y, a, b, ratio, plan.confidence_level), False


def _cluster_tests(part: Slice, i: int, j: int, plan: Plan) -> Iterator[Found]:
    groups = part.groups
    if groups is None:
        return
    if part.y_pred is not None:
        for metric in CORRECT:
            chosen = within(part, metric)
            a, b = part.correct(i)[chosen], part.correct(j)[chosen]
            yield metric, clusters.mcnemar_cluster(a, b, groups[chosen], plan.confidence_level), True
    if part.y_score is not None:
        a, b = part.score(i), part.score(j)
        yield "auroc", clusters_roc.delong_cluster(part.y_true, a, b, groups, plan.confidence_level), True


def analytic_rows(part: Slice, plan: Plan, pairs: tuple[tuple[str, str], ...], joint: Replicates) -> list[Row]:
    """Rows that need no joint resampling: they never depend on which other models are there. Beside them the tests at the plan's
    margin, which invert the interval of the verdict (for metrics without an analytic one, the joint bootstrap's)."""
    rows = []
    place = {m: k for k, m in enumerate(part.models)}
    for model, comparator in pairs:
        i, j = place[model], place[comparator]
        found: list[Found] = []
        if part.y_pred is not None:
            found += _proportion_tests(part, i, j, plan)
            found += _predictive_tests(part, i, j, plan)
        if part.y_score is not None:
            found += _auroc_tests(part, i, j, plan)
        if part.clustered:
            found = [(metric, assumes_independence(r, part.n_clusters), False) for metric, r, _ in found]
            found += _cluster_tests(part, i, j, plan)
        rows += [
            comparison_row(model, comparator, metric, r, part.keys_of(metric, i, j), n_cases=part.n, recommended=rec)
            for metric, r, rec in found
        ]
        for metric in part.metrics():
            if metric not in WITHOUT_VERDICT:
                keys = part.keys_of(metric, i, j)
                keys = keys.with_(threshold=plan.threshold) if metric == "net_benefit" else keys
                tests = margin_tests(part, metric, i, j, plan, joint)
                rows += [comparison_row(model, comparator, metric, r, keys, n_cases=part.n) for r in tests]
    return rows


def _discordant(part: Slice, metric: str, i: int, j: int) -> tuple[int, int]:
    """The cases, within the metric's class, that only the first and only the second model got right."""
    chosen = within(part, metric)
    _, b, c, _ = paired.paired_table(part.correct(i)[chosen], part.correct(j)[chosen])
    return b, c


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
                    b, c = _discordant(part, metric, i, j)
                    r = replace(r, b=b, c=c)
                error = bootstrap_intervals.monte_carlo_error(replicates, metric, i, j, method, plan.confidence_level)
                recommended = method == "bootstrap_bca" and metric not in analytic
                rows.append(
                    comparison_row(
                        model, comparator, metric, r, keys, n_cases=part.n, recommended=recommended, mc_error=error
                    )
                )
    return rows
