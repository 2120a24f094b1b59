"""Rows of metrics.csv: every metric of every model, by every method of the vocabulary that applies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

from hybridcx.analysis.plan import Plan
from hybridcx.analysis.rows import Row, also, assumes_independence, metric_row
from hybridcx.analysis.slices import Slice
from hybridcx.stats import calibration, proportions, roc
from hybridcx.stats.confusion import Confusion, fraction
from hybridcx.stats.resampling import intervals as bootstrap_intervals
from hybridcx.stats.resampling.bootstrap import Replicates
from hybridcx.stats.results import Interval
from hybridcx.vocabulary import PROPORTIONS

PREDICTIVE_VALUES: tuple[Literal["ppv"], Literal["npv"]] = ("ppv", "npv")
BOOTSTRAPS: dict[bootstrap_intervals.Method, Callable[[Replicates, str, int, float], Interval]] = {
    "bootstrap_bca": bootstrap_intervals.bca,
    "bootstrap_percentile": bootstrap_intervals.percentile,
    "bootstrap_basic": bootstrap_intervals.basic,
}


def _count_intervals(confusion: Confusion, level: float) -> Iterator[tuple[str, Interval, bool]]:
    """(metric, interval, recommended where cases are independent) of what has a closed form in the four counts."""
    for metric in PROPORTIONS:
        x, n = fraction(metric, confusion)
        for method in (
            proportions.wilson,
            proportions.clopper_pearson,
            proportions.agresti_coull,
            proportions.jeffreys,
        ):
            yield metric, method(x, n, level), method is proportions.wilson
    yield "balanced_accuracy", proportions.balanced_accuracy_mover(confusion, level), True
    yield "youden_j", proportions.youden_mover(confusion, level), True
    yield "lr_positive", proportions.likelihood_ratio_log(confusion, "lr_positive", level), False
    yield "lr_negative", proportions.likelihood_ratio_log(confusion, "lr_negative", level), False
    yield "diagnostic_odds_ratio", proportions.diagnostic_odds_ratio_log(confusion, level), False


def _score_intervals(part: Slice, model: int, level: float) -> Iterator[tuple[str, Interval, bool]]:
    y, s = part.y_true, part.score(model)
    delong = roc.delong(y, s, level)
    perfect = delong.estimate in (0.0, 1.0)
    yield "auroc", roc.delong_logit(y, s, level), not perfect
    yield "auroc", delong, False
    yield "auroc", roc.newcombe_auc(y, s, level), perfect
    if part.probabilities:
        slope, intercept = calibration.calibration_line(y, s, level)
        yield "calibration_slope", slope, False
        yield "calibration_intercept", intercept, False


def analytic_rows(part: Slice, plan: Plan) -> list[Row]:
    """Rows whose limits have a closed form. They never depend on which other models are there."""
    rows = []
    for j, model in enumerate(part.models):
        found: list[tuple[str, Interval, bool]] = []
        if part.y_pred is not None:
            found += _count_intervals(part.confusions[j], plan.confidence_level)
        if part.y_score is not None:
            found += _score_intervals(part, j, plan.confidence_level)
        for metric, result, recommended in found:
            if part.clustered:
                result, recommended = assumes_independence(result, part.n_clusters), False
            keys = part.keys_of(metric, j)
            rows.append(metric_row(model, metric, result, keys, n_cases=part.n, recommended=recommended))
        for prevalence in plan.prevalences if part.y_pred is not None else ():
            for metric in PREDICTIVE_VALUES:
                result = proportions.predictive_value_mercaldo(
                    part.confusions[j], metric, prevalence, plan.confidence_level
                )
                if part.clustered:
                    result = assumes_independence(result, part.n_clusters)
                keys = part.keys_of(metric, j).with_(prevalence=prevalence)
                rows.append(metric_row(model, metric, result, keys, n_cases=part.n, recommended=not part.clustered))
    return rows


def resampled_rows(part: Slice, plan: Plan, replicates: Replicates) -> list[Row]:
    """Rows of the bootstrap, for the metrics that `replicates` holds."""
    rows = []
    analytic: set[str] = set() if part.clustered else {*PROPORTIONS, "balanced_accuracy", "youden_j", "auroc"}
    for metric in replicates.observed:
        for j, model in enumerate(part.models):
            keys = part.keys_of(metric, j)
            keys = keys.with_(threshold=plan.threshold) if metric == "net_benefit" else keys
            clipped = part.clipped(metric, j)
            for method, interval in BOOTSTRAPS.items():
                result = also(interval(replicates, metric, j, plan.confidence_level), *clipped)
                recommended = method == "bootstrap_bca" and metric not in analytic
                error = bootstrap_intervals.monte_carlo_error(
                    replicates, metric, j, method=method, confidence_level=plan.confidence_level
                )
                rows.append(
                    metric_row(model, metric, result, keys, n_cases=part.n, recommended=recommended, mc_error=error)
                )
    return rows


def sorted_rows(rows: list[Row], models: tuple[str, ...], metrics: tuple[str, ...]) -> list[Row]:
    """By model, metric and the order in which the methods were added."""
    place: Callable[[Row], tuple[int, int]] = lambda r: (models.index(r["model"]), metrics.index(r["metric"]))  # noqa: E731
    return sorted(rows, key=place)
