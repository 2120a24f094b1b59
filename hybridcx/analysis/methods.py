"""For each method of the vocabulary: its function, its metrics, when it applies, and whether it is recommended.

`metrics.py`, `comparisons.py` and `verdicts.py` loop over the tables `ONE_MODEL` and `TWO_MODELS`. To add a test for two models: its function in
`hybridcx/stats/`, its card in `vocabulary/methods.py`, and a line in `TWO_MODELS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, cast

import numpy as np

from hybridcx.analysis.slices import Slice
from hybridcx.stats import (
    calibration,
    clusters,
    clusters_one_model,
    clusters_roc,
    mcnemar,
    paired,
    predictive_values,
    proportions,
    roc,
    roc_permutation,
)
from hybridcx.stats.confusion import Confusion, fraction
from hybridcx.stats.results import Interval, PairedTest
from hybridcx.streams import rng_for
from hybridcx.vocabulary import PROPORTIONS

CORRECT = ("accuracy", "sensitivity", "specificity")
"""Metrics that are a share of correct answers, on all cases or within a class."""
PREDICTIVE_VALUES: tuple[Literal["ppv"], Literal["npv"]] = ("ppv", "npv")
PERMUTATIONS = 9999
Needs = Literal["calls", "scores", "probabilities"]


def within(part: Slice, metric: str) -> np.ndarray:
    """(n,) bool: the cases that a metric of `CORRECT` counts."""
    if metric == "sensitivity":
        return part.y_true
    if metric == "specificity":
        return ~part.y_true
    return np.ones(part.n, dtype=bool)


@dataclass(frozen=True)
class Model:
    """One model of a slice, and the metric and level of an interval."""

    part: Slice
    index: int
    metric: str
    level: float

    @cached_property
    def scores(self) -> tuple[np.ndarray, np.ndarray, float]:
        """Truth, scores and level."""
        return self.part.y_true, self.part.score(self.index), self.level

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
    """Two models of a slice, the metric, the level, and the seed of the random draws."""

    part: Slice
    i: int
    j: int
    metric: str
    level: float
    seed: int = 0

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

    def rng(self) -> np.random.Generator:
        """The generator of this pair's permutations, the same in either order of the models."""
        names = sorted((self.part.models[self.i], self.part.models[self.j]))
        return rng_for(self.seed, "permutation", self.metric, *names, str(self.part.keys))


@dataclass(frozen=True, slots=True)
class IntervalMethod:
    """An interval of one model's metric. `recommended` where cases are independent. `cluster_form`: it has a form for patients with several cases."""

    name: str
    metrics: tuple[str, ...]
    needs: Needs
    compute: Callable[[Model], Interval]
    recommended: Callable[[Model], bool] = lambda _: False
    cluster_form: bool = False


@dataclass(frozen=True, slots=True)
class ComparisonMethod:
    """An interval or test of two models. `clusters`: made for patients with several cases; the others assume independent cases."""

    name: str
    metrics: tuple[str, ...]
    needs: Needs
    compute: Callable[[Pair], PairedTest]
    recommended: bool = False
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


def _perfect(m: Model) -> bool:
    return roc.delong(*m.scores).estimate in (0.0, 1.0)


def _calibration(m: Model) -> Interval:
    slope, intercept = calibration.calibration_line(*m.scores)
    return slope if m.metric == "calibration_slope" else intercept


def _predictive(method: Callable[..., PairedTest]) -> Callable[[Pair], PairedTest]:
    return lambda p: method(*p.calls, p.metric, p.level)


ONE_MODEL: tuple[IntervalMethod, ...] = (
    IntervalMethod("wilson", PROPORTIONS, "calls", _wilson, recommended=lambda _: True, cluster_form=True),
    IntervalMethod("clopper_pearson", PROPORTIONS, "calls", _proportion(proportions.clopper_pearson)),
    IntervalMethod("agresti_coull", PROPORTIONS, "calls", _proportion(proportions.agresti_coull)),
    IntervalMethod("jeffreys", PROPORTIONS, "calls", _proportion(proportions.jeffreys)),
    IntervalMethod("mover_wilson", ("balanced_accuracy", "youden_j"), "calls", _mover, recommended=lambda _: True, cluster_form=True),
    IntervalMethod("log", ("lr_positive", "lr_negative"), "calls", _likelihood_ratio),
    IntervalMethod("log", ("diagnostic_odds_ratio",), "calls", lambda m: proportions.diagnostic_odds_ratio_log(m.confusion, m.level)),
    IntervalMethod("delong_logit", ("auroc",), "scores", lambda m: roc.delong_logit(*m.scores), recommended=lambda m: not _perfect(m)),
    IntervalMethod("delong", ("auroc",), "scores", lambda m: roc.delong(*m.scores)),
    IntervalMethod("newcombe_auc", ("auroc",), "scores", lambda m: roc.newcombe_auc(*m.scores), recommended=_perfect),
    IntervalMethod("wald", ("calibration_slope", "calibration_intercept"), "probabilities", _calibration),
)  # fmt: skip
"""Intervals of one model with a closed form, in the order of their rows within a metric."""

TWO_MODELS: tuple[ComparisonMethod, ...] = (
    ComparisonMethod("tango", CORRECT, "calls", lambda p: paired.tango(*p.cells, p.level), recommended=True),
    ComparisonMethod("mcnemar_midp", CORRECT, "calls", lambda p: mcnemar.mcnemar_midp(*p.discordant), recommended=True),
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
    ComparisonMethod("lr_regression", ("lr_positive", "lr_negative"), "calls", _predictive(predictive_values.lr_regression)),
    ComparisonMethod("delong_paired", ("auroc",), "scores", lambda p: roc.delong_paired(*p.scores, p.level), recommended=True),
    ComparisonMethod(
        "permutation_paired", ("auroc",), "scores",
        lambda p: roc_permutation.permutation_paired_auroc(*p.scores, n_resamples=PERMUTATIONS, rng=p.rng()),
    ),
    ComparisonMethod(
        "mcnemar_cluster", CORRECT, "calls", lambda p: clusters.mcnemar_cluster(*p.correct, p.patients, p.level), recommended=True, clusters=True
    ),
    ComparisonMethod(
        "delong_cluster", ("auroc",), "scores", lambda p: clusters_roc.delong_cluster(*p.scores, p.patients, p.level), recommended=True, clusters=True
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


def verdict_method(part: Slice, metric: str, *, resampled: bool) -> str | None:
    """The method of the interval that a verdict on this metric uses; None where there is none. `resampled`: the joint bootstrap has the metric."""
    if metric in CORRECT and part.y_pred is not None:
        return "mcnemar_cluster" if part.clustered else "tango"
    # DeLong ranks all scores together, which the scores of several folds do not allow.
    if metric == "auroc" and part.y_score is not None and part.folds is None:
        return "delong_cluster" if part.clustered else "delong_paired"
    return "bootstrap_bca" if resampled else None
