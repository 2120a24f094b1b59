"""Rows of metrics.csv: every metric of every model, by every method of the vocabulary that applies."""

from __future__ import annotations

from collections.abc import Callable
from math import isnan, nan

from hybridcx.analysis.domains import no_interval, outside
from hybridcx.analysis.methods import ONE_MODEL, PREDICTIVE_VALUES, Model, applies, interval_method
from hybridcx.analysis.plan import Plan
from hybridcx.analysis.rows import Row, also, assumes_independence, metric_row, without_limits
from hybridcx.analysis.slices import Slice
from hybridcx.stats import proportions
from hybridcx.stats.resampling import intervals as bootstrap_intervals
from hybridcx.stats.resampling.bootstrap import Replicates
from hybridcx.stats.results import Interval

BOOTSTRAPS: dict[bootstrap_intervals.Method, Callable[[Replicates, str, int, float], Interval]] = {
    "bootstrap_bca": bootstrap_intervals.bca,
    "bootstrap_percentile": bootstrap_intervals.percentile,
    "bootstrap_basic": bootstrap_intervals.basic,
}


def analytic_rows(part: Slice, plan: Plan) -> list[Row]:
    """Rows whose limits have a closed form. They never depend on which other models are there."""
    rows = []
    for index, name in enumerate(part.models):
        for method in ONE_MODEL:
            for metric in method.metrics if applies(part, method.needs) else ():
                model = Model(part, index, metric, plan.confidence_level, plan.seed, plan.threshold)
                result = also(method.compute(model), *part.clipped(metric, index))
                result, recommended = _recommended(result, part, metric, index)
                if part.clustered and not method.cluster_form:
                    result = assumes_independence(result, part.n_clusters)
                keys = part.keys_of(metric, index)
                keys = keys.with_(threshold=plan.threshold) if metric == "net_benefit" else keys
                rows.append(metric_row(name, metric, result, keys, n_cases=part.n, recommended=recommended))
        rows += _rows_at_prevalences(part, plan, index)
    return rows


def _recommended(result: Interval, part: Slice, metric: str, model: int) -> tuple[Interval, bool]:
    """The result, and whether it is recommended: by the method of choice, inside its domain, with limits that are apart.

    The method of choice outside its domain gets the reason as a warning.
    """
    if result.method != interval_method(part, metric, model):
        return result, False
    reason = outside(part, "interval", metric, result.method)
    if metric == "log_loss":
        reason = reason or ("the value depends on the clip" if part.clipped(metric, model)[0] != "ok" else "")
    return also(result, "caution", reason), result.conf_low < result.conf_high and not reason


def _rows_at_prevalences(part: Slice, plan: Plan, index: int) -> list[Row]:
    """PPV and NPV of a model at the plan's prevalences."""
    rows = []
    for prevalence in plan.prevalences if part.y_pred is not None else ():
        for metric in PREDICTIVE_VALUES:
            result = proportions.predictive_value_mercaldo(
                part.confusions[index], metric, prevalence, plan.confidence_level
            )
            if part.clustered:
                result = assumes_independence(result, part.n_clusters)
            keys = part.keys_of(metric, index).with_(prevalence=prevalence)
            rows.append(
                metric_row(part.models[index], metric, result, keys, n_cases=part.n, recommended=not part.clustered)
            )
    return rows


def resampled_rows(part: Slice, plan: Plan, replicates: Replicates) -> list[Row]:
    """Rows of the bootstrap, for the metrics that `replicates` holds."""
    rows = []
    for metric in replicates.observed:
        for j, model in enumerate(part.models):
            keys = part.keys_of(metric, j)
            keys = keys.with_(threshold=plan.threshold) if metric == "net_benefit" else keys
            clipped = part.clipped(metric, j)
            for method, interval in BOOTSTRAPS.items():
                result = also(interval(replicates, metric, j, plan.confidence_level), *clipped)
                result = without_limits(result, no_interval(metric))
                result, recommended = _recommended(result, part, metric, j)
                error = (nan, nan)
                if not isnan(result.conf_low):
                    error = bootstrap_intervals.monte_carlo_error(
                        replicates, metric, j, method=method, confidence_level=plan.confidence_level
                    )
                rows.append(
                    metric_row(model, metric, result, keys, n_cases=part.n, recommended=recommended, mc_error=error)
                )
    return rows


def sorted_rows(rows: list[Row], models: tuple[str, ...], metrics: tuple[str, ...]) -> list[Row]:
    """By model, metric and the order in which the methods were added."""
    of_model, of_metric = ({name: k for k, name in enumerate(names)} for names in (models, metrics))
    return sorted(rows, key=lambda r: (of_model[r["model"]], of_metric[r["metric"]]))
