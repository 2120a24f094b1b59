"""Type I error of the paired tests and coverage of the paired intervals, on one generator for calls and scores.

Two models' latent scores are normal with means -+d/2 by class and correlation r between the models within a class; a call is positive above
0, so that sensitivity and specificity are the setting's accuracy. Equal accuracies are the null hypothesis of every test here.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
from one_model import SCORE_METRICS, Binormal, count_truth
from tally import Key, Tally

from hybridcx.stats import mcnemar, paired, predictive_values, roc
from hybridcx.stats.resampling import intervals as bi
from hybridcx.stats.resampling.bootstrap import bootstrap_replicates
from hybridcx.stats.resampling.intervals import RATIO_METRICS
from hybridcx.vocabulary import COUNT_METRICS

SETTINGS = ((0.86, 0.86), (0.90, 0.90), (0.94, 0.94), (0.94, 0.86))
RESAMPLED_SETTINGS = ((0.90, 0.90), (0.94, 0.86))
CORRELATIONS = (0.3, 0.8)
KERNELS = {
    "mcnemar_exact": mcnemar.exact_pvalues,
    "mcnemar_midp": mcnemar.midp_pvalues,
    "mcnemar_asymptotic": mcnemar.asymptotic_pvalues,
    "mcnemar_corrected": mcnemar.corrected_pvalues,
}
ONE_SIDED = 0.025


@cache
def tango_limits(b: int, c: int, n: int) -> tuple[float, float]:
    """Tango's limits, kept: few tables recur often."""
    return paired.tango_limits(b, c, n)


@cache
def pvalues(b: int, c: int) -> dict[str, float]:
    """The four McNemar p-values."""
    return {name: float(kernel(b, c)) for name, kernel in KERNELS.items()}


@cache
def closed_limits(table: tuple[int, int, int, int]) -> tuple[tuple[str, float, float], ...]:
    """Newcombe's and Agresti and Min's limits."""
    found = (paired.newcombe_paired(*table), paired.agresti_min(*table))
    return tuple((f.method, f.conf_low, f.conf_high) for f in found)


class Pair:
    """One setting's generator and truths."""

    def __init__(self, accuracies: tuple[float, float], r: float, n1: int, n0: int) -> None:
        self.y = np.repeat([True, False], [n1, n0])
        self.laws = [Binormal(a, n1, n0) for a in accuracies]
        self.means = np.array([law.d for law in self.laws])[:, None] * np.where(self.y, 0.5, -0.5)
        self.mix = np.linalg.cholesky([[1, r], [r, 1]])
        self.null = accuracies[0] == accuracies[1]
        self.truth = [count_truth(n1, n0, a, a) | law.truth() for a, law in zip(accuracies, self.laws, strict=True)]
        self.name, self.r, self.n = f"accuracies {accuracies[0]:.2f} and {accuracies[1]:.2f}", r, n1 + n0

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Latent scores (2, n)."""
        return self.means + self.mix @ rng.normal(size=self.means.shape)

    def difference(self, metric: str) -> float:
        """The true difference, for likelihood ratios the true ratio."""
        a, b = (t[metric] for t in self.truth)
        return a / b if metric in RATIO_METRICS else a - b

    def keys(self, metric: str, method: str) -> tuple[Key, Key]:
        """Keys of the interval and of the test."""
        about = ("two models", str(self.n), self.name, f"{self.r:g}", metric, method)
        return Key(*about, "coverage"), Key(*about, "type1" if self.null else "power")


def analytic(y: np.ndarray, x: np.ndarray) -> Iterator[tuple[str, str, float, float, float]]:
    """Yield metric, method, limits and p-value (NaN where a method has none)."""
    called = x > 0
    right = called == y
    for metric, within in (("accuracy", None), ("sensitivity", y), ("specificity", ~y)):
        a, b = right if within is None else right[:, within]
        table = paired.paired_table(a, b)
        _, only_a, only_b, _ = table
        for method, p in pvalues(only_a, only_b).items():
            yield metric, method, np.nan, np.nan, p
        yield metric, "tango", *tango_limits(only_a, only_b, sum(table)), pvalues(only_a, only_b)["mcnemar_asymptotic"]
        for method, low, high in closed_limits(table):
            yield metric, method, low, high, np.nan
    for metric in ("ppv", "npv"):
        for test in (predictive_values.generalized_score, predictive_values.weighted_generalized_score):
            f = test(y, *called, metric)
            yield metric, f.method, f.conf_low, f.conf_high, f.pvalue
    for metric in ("lr_positive", "lr_negative"):
        f = predictive_values.lr_regression(y, *called, metric)
        yield metric, f.method, f.conf_low, f.conf_high, f.pvalue
    f = roc.delong_paired(y, *x)
    yield "auroc", f.method, f.conf_low, f.conf_high, f.pvalue


def run(tally: Tally, n1: int, n0: int, runs: int, resampled: int, n_resamples: int, rng: np.random.Generator) -> None:
    """All settings and both correlations."""
    for accuracies in SETTINGS:
        for r in CORRELATIONS:
            pair = Pair(accuracies, r, n1, n0)
            for _ in range(runs):
                x = pair.draw(rng)
                for metric, method, low, high, p in analytic(pair.y, x):
                    interval, test = pair.keys(metric, method)
                    if not method.startswith("mcnemar"):
                        tally.interval(interval, low, high, pair.difference(metric))
                    if method not in ("newcombe_paired", "agresti_min"):
                        tally.pvalue(test, p)
                if not pair.null:
                    margins(tally, pair, x)
            if accuracies in RESAMPLED_SETTINGS:
                resample(tally, pair, resampled, n_resamples, rng)


def margins(tally: Tally, pair: Pair, x: np.ndarray) -> None:
    """Non-inferiority and equivalence where the truth lies on the margin: the worse model against the better by 0.08."""
    right = (x > 0) == pair.y
    _, only_a, only_b, _ = paired.paired_table(*right)
    gap = pair.difference("accuracy")
    above = paired.tango_pvalue(only_b, only_a, pair.n, -gap)
    below = paired.tango_pvalue(only_a, only_b, pair.n, -gap)
    for method, p in (("non_inferiority", above), ("tost", max(above, below))):
        about = ("two models", str(pair.n), f"{pair.name}, margin {gap:.2f}", f"{pair.r:g}", "accuracy", method)
        tally.pvalue(Key(*about, "type1"), p, ONE_SIDED)


def resample(tally: Tally, pair: Pair, runs: int, n_resamples: int, rng: np.random.Generator) -> None:
    """Paired bootstrap of every metric, and the permutation tests."""
    for _ in range(runs):
        x = pair.draw(rng)
        s = np.stack([law.score(row) for law, row in zip(pair.laws, x, strict=True)])
        called = x > 0
        metrics = (*COUNT_METRICS, *SCORE_METRICS)
        drawn = bootstrap_replicates(pair.y, called, s, metrics=metrics, n_resamples=n_resamples, rng=rng)
        for metric in metrics:
            for method in ("bootstrap_percentile", "bootstrap_bca"):
                f = bi.difference(drawn, metric, 0, 1, method)
                interval, test = pair.keys(metric, method)
                tally.interval(interval, f.conf_low, f.conf_high, pair.difference(metric))
                tally.pvalue(test, f.pvalue)
        right = called == pair.y
        _, b, c, _ = paired.paired_table(*right)
        swaps = paired.permutation_paired_counts(b, c, pair.n, n_resamples, rng)
        tally.pvalue(pair.keys("accuracy", swaps.method)[1], swaps.pvalue)
        swaps = roc.permutation_paired_auroc(pair.y, *x, n_resamples, rng)
        tally.pvalue(pair.keys("auroc", swaps.method)[1], swaps.pvalue)
