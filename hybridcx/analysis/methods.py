"""For each method of the vocabulary: its function, its metrics, when it applies; and the recommended one of each metric.

`metrics.py`, `comparisons.py` and `verdicts.py` loop over the tables `ONE_MODEL` and `TWO_MODELS`. To add a test for two models: its function in
`hybridcx/stats/`, its card in `vocabulary/methods.py`, and a line in `TWO_MODELS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, cast

import numpy as np

from hybridcx.analysis.domains import outside
from hybridcx.analysis.slices import Slice
from hybridcx.stats import (
    calibration,
    clusters,
    clusters_one_model,
    clusters_roc,
    mcnemar,
    paired,
    paired_metrics,
    precision_recall,
    predictive_values,
    proportions,
    roc,
    roc_permutation,
)
from hybridcx.stats.confusion import Confusion, fraction
from hybridcx.stats.results import Interval, PairedTest
from hybridcx.streams import rng_for
from hybridcx.vocabulary import METRICS, PROPORTIONS, RANK_METRICS, RATIOS

CORRECT = ("accuracy", "sensitivity", "specificity")
"""Metrics that are a share of correct answers, on all cases or within a class."""
PREDICTIVE_VALUES: tuple[Literal["ppv"], Literal["npv"]] = ("ppv", "npv")
COMPOSITE = ("ppv", "npv", "f1", "balanced_accuracy", "mcc", "youden_j")
"""Count metrics of both classes, whose difference is no proportion of discordant cases."""
LOSSES = ("brier", "log_loss")
"""Metrics that are a mean over cases of a loss."""
PERMUTATIONS = 9999
FEW_ERRORS = 3
"""Below so many hits or misses, but not at 0, Clopper-Pearson is recommended for a proportion."""
Needs = Literal["calls", "scores", "probabilities"]


def within(part: Slice, metric: str) -> np.ndarray:
    """(n,) bool: the cases that a metric of `CORRECT` counts."""
    if metric == "sensitivity":
        return part.y_true
    if metric == "specificity":
        return ~part.y_true
    return np.ones(part.n, dtype=bool)


def _cases_of(part: Slice) -> tuple[str, str]:
    """The subgroup and level of a slice, which its random draws depend on: rows of one seed are the same with and without other seeds."""
    return part.keys.subgroup or "", part.keys.level or ""


@dataclass(frozen=True)
class Model:
    """One model of a slice, the metric and level of an interval, the seed of random draws, and the threshold of net benefit."""

    part: Slice
    index: int
    metric: str
    level: float
    seed: int = 0
    threshold: float = 0.5

    @cached_property
    def scores(self) -> tuple[np.ndarray, np.ndarray, float]:
        """Truth, scores and level."""
        return self.part.y_true, self.part.score(self.index), self.level

    def rng(self) -> np.random.Generator:
        """The generator of this model's draws."""
        return rng_for(self.seed, "interval", self.metric, self.part.models[self.index], *_cases_of(self.part))

    @cached_property
    def confusion(self) -> Confusion:
        """The model's confusion matrix."""
        return self.part.confusions[self.index]

    @cached_property
    def hits(self) -> tuple[np.ndarray, np.ndarray]:
        """Of the cases in the denominator of a proportion: which ones count in the numerator (m,), and their patients (m,)."""
        if self.part.y_pred is None or self.part.groups is None:
            raise ValueError("there are no predicted classes, or no patients")
        called, chosen = self.part.y_pred[self.index], within(self.part, self.metric)
        chosen = {"ppv": called, "npv": ~called}.get(self.metric, chosen)
        return self.part.correct(self.index)[chosen], self.part.groups[chosen]


@dataclass(frozen=True)
class Pair:
    """Two models of a slice, the metric, the level, the seed of the random draws, and the threshold of net benefit."""

    part: Slice
    i: int
    j: int
    metric: str
    level: float
    seed: int = 0
    threshold: float = 0.5

    @cached_property
    def correct(self) -> tuple[np.ndarray, np.ndarray]:
        """Two (m,) bool arrays: which cases of the metric each model got right."""
        chosen = within(self.part, self.metric)
        return self.part.correct(self.i)[chosen], self.part.correct(self.j)[chosen]

    @cached_property
    def cells(self) -> tuple[int, int, int, int]:
        """n11, n10, n01, n00: cases that both, only the first, only the second, and neither model got right."""
        return paired.paired_table(*self.correct)

    @cached_property
    def discordant(self) -> tuple[int, int, int]:
        """n10, n01 and the number of cases."""
        n11, n10, n01, n00 = self.cells
        return n10, n01, n11 + n10 + n01 + n00

    @cached_property
    def calls(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Truth and the two models' calls."""
        if self.part.y_pred is None:
            raise ValueError("there are no predicted classes")
        return self.part.y_true, self.part.y_pred[self.i], self.part.y_pred[self.j]

    @cached_property
    def scores(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Truth and the two models' scores."""
        return self.part.y_true, self.part.score(self.i), self.part.score(self.j)

    @cached_property
    def patients(self) -> np.ndarray:
        """Patient codes of the cases of the metric."""
        if self.part.groups is None:
            raise ValueError("there are no patients")
        return self.part.groups[within(self.part, self.metric)]

    @property
    def studentised(self) -> paired_metrics.Studentised:
        """The studentised permutation of a composite count metric, of net benefit, or of a mean loss. Kept with the slice: three tables use it."""
        key = self.metric, self.i, self.j, self.threshold, self.seed
        if key not in self.part.kept:
            self.part.kept[key] = self._studentised()
        return self.part.kept[key]

    def _studentised(self) -> paired_metrics.Studentised:
        draws: dict[str, Any] = {
            "n_resamples": PERMUTATIONS,
            "rng": self.rng(),
            "limits": METRICS[self.metric].difference_limits,
        }
        if self.metric in LOSSES:
            y, a, b = self.scores
            losses = calibration.brier_terms if self.metric == "brier" else calibration.log_loss_terms
            return paired_metrics.studentised_mean(losses(y, a) - losses(y, b), **draws)
        if self.metric == "net_benefit":
            y, a, b = self.scores
            cells = paired_metrics.paired_cells(y, a >= self.threshold, b >= self.threshold)
            odds = self.threshold / (1 - self.threshold)
            return paired_metrics.studentised_counts(cells, self.metric, odds=odds, **draws)
        return paired_metrics.studentised_counts(paired_metrics.paired_cells(*self.calls), self.metric, **draws)

    def rng(self) -> np.random.Generator:
        """The generator of this pair's permutations, the same in either order of the models."""
        names = sorted((self.part.models[self.i], self.part.models[self.j]))
        return rng_for(self.seed, "permutation", self.metric, *names, *_cases_of(self.part))


@dataclass(frozen=True, slots=True)
class IntervalMethod:
    """An interval of one model's metric. `cluster_form`: it has a form for patients with several cases."""

    name: str
    metrics: tuple[str, ...]
    needs: Needs
    compute: Callable[[Model], Interval]
    cluster_form: bool = False


@dataclass(frozen=True, slots=True)
class ComparisonMethod:
    """An interval or test of two models. `clusters`: made for patients with several cases; the others assume independent cases."""

    name: str
    metrics: tuple[str, ...]
    needs: Needs
    compute: Callable[[Pair], PairedTest]
    clusters: bool = False


def _proportion(method: Callable[[int, int, float], Interval]) -> Callable[[Model], Interval]:
    return lambda m: method(*fraction(m.metric, m.confusion), m.level)


def _wilson(m: Model) -> Interval:
    if m.part.clustered:
        # As n, n.clusters is the same for every method of a row; the patients of the denominator may be fewer.
        return replace(clusters_one_model.wilson_cluster(*m.hits, m.level), n_clusters=m.part.n_clusters)
    return proportions.wilson(*fraction(m.metric, m.confusion), m.level)


def _mover(m: Model) -> Interval:
    if m.part.clustered and m.part.groups is not None:
        correct = m.part.correct(m.index)
        return clusters_one_model.mover_wilson_cluster(m.metric, m.part.y_true, correct, m.part.groups, m.level)
    method = proportions.balanced_accuracy_mover if m.metric == "balanced_accuracy" else proportions.youden_mover
    return method(m.confusion, m.level)


def _likelihood_ratio(m: Model) -> Interval:
    return proportions.likelihood_ratio_log(m.confusion, cast(Any, m.metric), m.level)


def _delong_logit(m: Model) -> Interval:
    if not m.part.clustered or m.part.groups is None:
        return roc.delong_logit(*m.scores)
    y, score, level = m.scores
    result = clusters_roc.delong_cluster_interval(y, score, m.part.groups, level)
    return replace(result, method="delong_logit", n_clusters=m.part.n_clusters)


def _calibration(m: Model) -> Interval:
    slope, intercept = calibration.calibration_line(*m.scores)
    return slope if m.metric == "calibration_slope" else intercept


def _net_benefit(m: Model) -> Interval:
    y, score, level = m.scores
    return proportions.net_benefit_mover(Confusion.from_labels(y, score >= m.threshold), m.threshold, level)


def _mean_loss(m: Model) -> Interval:
    y, score, level = m.scores
    losses = calibration.brier_terms(y, score) if m.metric == "brier" else calibration.log_loss_terms(y, score)
    return paired_metrics.mean_loss_interval(losses, level, rng=m.rng(), largest=METRICS[m.metric].high)


def _predictive(method: Callable[..., PairedTest]) -> Callable[[Pair], PairedTest]:
    return lambda p: method(*p.calls, p.metric, p.level)


def _permutation(p: Pair) -> PairedTest:
    return p.studentised(p.level)


ONE_MODEL: tuple[IntervalMethod, ...] = (
    IntervalMethod("wilson", PROPORTIONS, "calls", _wilson, cluster_form=True),
    IntervalMethod("wilson", ("f1",), "calls", lambda m: proportions.f1_wilson(m.confusion, m.level)),
    IntervalMethod("clopper_pearson", PROPORTIONS, "calls", _proportion(proportions.clopper_pearson)),
    IntervalMethod("agresti_coull", PROPORTIONS, "calls", _proportion(proportions.agresti_coull)),
    IntervalMethod("jeffreys", PROPORTIONS, "calls", _proportion(proportions.jeffreys)),
    IntervalMethod("mover_wilson", ("balanced_accuracy", "youden_j"), "calls", _mover, cluster_form=True),
    IntervalMethod(
        "mover_wilson", ("lr_positive", "lr_negative"), "calls",
        lambda m: proportions.likelihood_ratio_mover(m.confusion, cast(Any, m.metric), m.level),
    ),
    IntervalMethod(
        "mover_wilson", ("diagnostic_odds_ratio",), "calls", lambda m: proportions.diagnostic_odds_ratio_mover(m.confusion, m.level)
    ),
    IntervalMethod("mover_wilson", ("net_benefit",), "probabilities", _net_benefit),
    IntervalMethod("log", ("lr_positive", "lr_negative"), "calls", _likelihood_ratio),
    IntervalMethod("log", ("diagnostic_odds_ratio",), "calls", lambda m: proportions.diagnostic_odds_ratio_log(m.confusion, m.level)),
    IntervalMethod("delong_logit", ("auroc",), "scores", _delong_logit, cluster_form=True),
    IntervalMethod("delong", ("auroc",), "scores", lambda m: roc.delong(*m.scores)),
    IntervalMethod("newcombe_auc", ("auroc",), "scores", lambda m: roc.newcombe_auc(*m.scores)),
    IntervalMethod("wald", ("auprc",), "scores", lambda m: precision_recall.auprc_logit(*m.scores)),
    IntervalMethod("wald", LOSSES, "probabilities", _mean_loss),
    IntervalMethod("wald", ("calibration_slope", "calibration_intercept"), "probabilities", _calibration),
)  # fmt: skip
"""Intervals of one model with a closed form, in the order of their rows within a metric."""

TWO_MODELS: tuple[ComparisonMethod, ...] = (
    ComparisonMethod("tango", CORRECT, "calls", lambda p: paired.tango(*p.cells, p.level)),
    ComparisonMethod("mcnemar_midp", CORRECT, "calls", lambda p: mcnemar.mcnemar_midp(*p.discordant)),
    ComparisonMethod("mcnemar_exact", CORRECT, "calls", lambda p: mcnemar.mcnemar_exact(*p.discordant)),
    ComparisonMethod("mcnemar_asymptotic", CORRECT, "calls", lambda p: mcnemar.mcnemar_asymptotic(*p.discordant)),
    ComparisonMethod("mcnemar_corrected", CORRECT, "calls", lambda p: mcnemar.mcnemar_corrected(*p.discordant)),
    ComparisonMethod("newcombe_paired", CORRECT, "calls", lambda p: paired.newcombe_paired(*p.cells, p.level)),
    ComparisonMethod("agresti_min", CORRECT, "calls", lambda p: paired.agresti_min(*p.cells, p.level)),
    ComparisonMethod(
        "permutation_paired", CORRECT, "calls",
        lambda p: paired.permutation_paired_counts(*p.discordant, n_resamples=PERMUTATIONS, rng=p.rng()),
    ),
    ComparisonMethod("generalized_score", PREDICTIVE_VALUES, "calls", _predictive(predictive_values.generalized_score)),
    ComparisonMethod("weighted_generalized_score", PREDICTIVE_VALUES, "calls", _predictive(predictive_values.weighted_generalized_score)),
    ComparisonMethod("permutation_paired", COMPOSITE, "calls", _permutation),
    ComparisonMethod("permutation_paired", (*LOSSES, "net_benefit"), "probabilities", _permutation),
    ComparisonMethod("lr_regression", ("lr_positive", "lr_negative"), "calls", _predictive(predictive_values.lr_regression)),
    ComparisonMethod("delong_paired", ("auroc",), "scores", lambda p: roc.delong_paired(*p.scores, p.level)),
    ComparisonMethod(
        "permutation_paired", ("auroc",), "scores",
        lambda p: roc_permutation.permutation_paired_auroc(*p.scores, n_resamples=PERMUTATIONS, rng=p.rng()),
    ),
    ComparisonMethod(
        "mcnemar_cluster", CORRECT, "calls", lambda p: clusters.mcnemar_cluster(*p.correct, p.patients, p.level), clusters=True
    ),
    ComparisonMethod(
        "delong_cluster", ("auroc",), "scores", lambda p: clusters_roc.delong_cluster(*p.scores, p.patients, p.level), clusters=True
    ),
)  # fmt: skip
"""Intervals and tests of two models with a closed form or within the pair, in the order of their rows within a metric."""


def applies(part: Slice, needs: Needs) -> bool:
    """Whether the slice has what a method needs."""
    if needs == "calls":
        return part.y_pred is not None
    return part.y_score is not None and (needs == "scores" or part.probabilities)


def comparison_methods(part: Slice) -> list[ComparisonMethod]:
    """The methods for two models of this slice. Cluster methods come last, and only where patients have several cases."""
    usable = [m for m in TWO_MODELS if applies(part, m.needs)]
    return [m for m in usable if not m.clusters] + [m for m in usable if m.clusters and part.clustered]


def _separated(part: Slice, model: int) -> bool:
    """Whether the scores of one class all lie above those of the other: an AUROC of 0 or 1."""
    ill, well = part.score(model)[part.y_true], part.score(model)[~part.y_true]
    return bool(ill.size and well.size and (ill.min() > well.max() or ill.max() < well.min()))


def interval_method(part: Slice, metric: str, model: int) -> str:
    """The method that is recommended for the metric of one model."""
    if metric in RANK_METRICS and part.folds is not None:
        return "bootstrap_percentile"
    if part.clustered:
        by_cluster = {
            **dict.fromkeys(PROPORTIONS, "wilson"),
            "balanced_accuracy": "mover_wilson",
            "youden_j": "mover_wilson",
            "auroc": "delong_logit",
        }
        return by_cluster.get(metric, "bootstrap_percentile")
    if metric == "auroc":
        few = outside(part, "interval", "auroc", "delong_logit")
        return "newcombe_auc" if few or _separated(part, model) else "delong_logit"
    if metric in PROPORTIONS and part.y_pred is not None:
        hits, total = fraction(metric, part.confusions[model])
        # With one or two hits or misses Wilson's limits are too short on one side (Brown, Cai and DasGupta 2001): coverage falls to 0.86.
        return "clopper_pearson" if 0 < min(hits, total - hits) < FEW_ERRORS else "wilson"
    return _RECOMMENDED_INTERVALS.get(metric, "bootstrap_percentile")


_RECOMMENDED_INTERVALS = {
    **dict.fromkeys((*PROPORTIONS, "f1"), "wilson"),
    **dict.fromkeys(("balanced_accuracy", "youden_j", *RATIOS, "net_benefit"), "mover_wilson"),
    **dict.fromkeys((*LOSSES, "auprc", "calibration_slope"), "wald"),
}


def verdict_method(part: Slice, metric: str) -> str:
    """The method that is recommended for the difference of two models' metric, and that carries the verdict where the metric has one."""
    # DeLong ranks all scores together, which the scores of several folds do not allow.
    if part.clustered:
        by_cluster = {
            **dict.fromkeys(CORRECT, "mcnemar_cluster"),
            "auroc": "delong_cluster" if part.folds is None else "",
        }
        return by_cluster.get(metric) or "bootstrap_percentile"
    return (
        _RECOMMENDED.get(metric, "bootstrap_percentile")
        if metric != "auroc" or part.folds is None
        else "bootstrap_percentile"
    )


_RECOMMENDED = {
    **dict.fromkeys(CORRECT, "tango"),
    **dict.fromkeys((*COMPOSITE, *LOSSES, "net_benefit"), "permutation_paired"),
    **dict.fromkeys(("lr_positive", "lr_negative"), "lr_regression"),
    "auroc": "delong_paired",
}
