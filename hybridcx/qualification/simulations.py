"""Coverage and type I error, simulated here and compared with what was stored with the domains of the methods (vocabulary/simulations.csv)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from math import sqrt
from typing import Any

import numpy as np
from scipy.special import expit

from hybridcx.analysis.methods import FEW_ERRORS
from hybridcx.progress import Progress
from hybridcx.qualification.case import DRAWN, Case, compared
from hybridcx.stats import paired, proportions, roc
from hybridcx.stats.confusion import Confusion, count_metrics, fraction
from hybridcx.vocabulary.simulations import stored

SIZES = (49, 331)
PREVALENCE = 0.3
REPLICATES = 2000
SINGLES = ((0.9, 0.9), (0.7, 0.95))
"""Sensitivity and specificity of one model."""
PAIRS = ((0.9, 0.9, 0.9, 0.9), (0.75, 0.9, 0.75, 0.9))
"""Sensitivity and specificity of two models without a difference: the type I error as well."""
SCORED = (((1.8, 1.8), (1.0, 1.0)),)
"""Distances of the classes of two models, and factors on their logits."""
SOURCE = f"simulations.csv of the release ({DRAWN} of both sides)"


def cases(progress: Progress) -> Iterator[Case]:
    """Every simulation."""
    rng = np.random.default_rng(20261130)
    ticks = progress.track("simulating")
    parts = [(part, n) for part in (_one, _two, _areas) for n in SIZES]
    for done, (part, n) in enumerate(parts):
        ticks(done, len(parts))
        yield from part(n, rng)
    ticks(len(parts), len(parts))


def paired_law(a: float, b: float, overlap: float) -> np.ndarray:
    """Probabilities (4,) of right by both, the model, the comparator, neither, for models that are right with probabilities a and b.

    `overlap` 0: independent; 1: as few discordant cases as possible.
    """
    only_a, only_b = a * (1 - b), b * (1 - a)
    only_a += (max(a - b, 0) - only_a) * overlap
    only_b += (max(b - a, 0) - only_b) * overlap
    return np.array([a - only_a, only_a, only_b, 1 - a - only_b])


def class_sizes(n: int, prevalence: float, size: int, rng: np.random.Generator) -> np.ndarray:
    """Random numbers (size,) of positive cases among n, each class with a case at least."""
    return np.clip(rng.binomial(n, prevalence, size), 1, n - 1)


def scored_cases(
    n: int, prevalence: float, distances: tuple[float, float], factors: tuple[float, float], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Truth (n,) and the scores (2, n) of two correlated binormal models; at least two cases of each class."""
    y = rng.random(n) < prevalence
    while min(y.sum(), n - y.sum()) < 2:
        y = rng.random(n) < prevalence
    noise, odds = rng.standard_normal((3, n)), np.log(prevalence / (1 - prevalence))
    latent = [d * np.where(y, 0.5, -0.5) + (noise[0] + noise[1 + k]) / np.sqrt(2) for k, d in enumerate(distances)]
    return y, np.array([expit((d * x + odds) * f) for d, x, f in zip(distances, latent, factors, strict=True)])


def _covered(limits: list[tuple[float, float]], truth: float) -> tuple[float, int]:
    """The share of the defined intervals that hold the truth, and their number."""
    low, high = np.array(limits, dtype=float).T
    defined = ~(np.isnan(low) | np.isnan(high))
    inside = (low[defined] <= truth + 1e-9) & (truth - 1e-9 <= high[defined])
    return float(inside.mean()), int(defined.sum())


def _case(
    use: str,
    metric: str,
    method: str,
    setting: str,
    n: int,
    function: str,
    limits: list[tuple[float, float]],
    truth: float,
) -> Case:
    """Coverage, or the type I error of a comparison without a difference."""
    before = stored(use, metric, method, setting, n, PREVALENCE)
    coverage, number = _covered(limits, truth)
    share = (coverage * number + before.coverage * before.replicates) / (number + before.replicates)
    spread = max(share * (1 - share), 1 / (number + before.replicates))
    tolerance = 4 * sqrt(spread * (1 / number + 1 / before.replicates))
    quantity, found, expected = "coverage", coverage, before.coverage
    if use == "comparison":
        quantity, found, expected = "type I error", 1 - coverage, 1 - before.coverage
    case = f"{metric}, {n} cases, {setting}"
    return compared("simulation", case, method, function, quantity, found, expected, tolerance, SOURCE)


def _one(n: int, rng: np.random.Generator) -> Iterator[Case]:
    """Intervals of one model from its confusion matrix."""
    methods: dict[tuple[str, str], tuple[str, Callable[[Confusion], Any]]] = {
        ("f1", "wilson"): ("proportions.f1_wilson", proportions.f1_wilson),
        ("balanced_accuracy", "mover_wilson"): (
            "proportions.balanced_accuracy_mover",
            proportions.balanced_accuracy_mover,
        ),
        ("youden_j", "mover_wilson"): ("proportions.youden_mover", proportions.youden_mover),
        ("diagnostic_odds_ratio", "mover_wilson"): (
            "proportions.diagnostic_odds_ratio_mover",
            proportions.diagnostic_odds_ratio_mover,
        ),
    }
    for metric in ("accuracy", "sensitivity", "specificity", "ppv", "npv"):
        methods[metric, "wilson"] = ("proportions.wilson", partial(_recommended, metric))
    for se, sp in SINGLES:
        positives = class_sizes(n, PREVALENCE, REPLICATES, rng)
        tp, tn = rng.binomial(positives, se), rng.binomial(n - positives, sp)
        tables = np.stack([tp, positives - tp, n - positives - tn, tn], axis=1)
        distinct, back = np.unique(tables, axis=0, return_inverse=True)
        law = (PREVALENCE * se, PREVALENCE * (1 - se), (1 - PREVALENCE) * (1 - sp), (1 - PREVALENCE) * sp)
        truths = {m: float(v) for m, v in count_metrics(*law).items()}
        for (metric, method), (name, function) in methods.items():
            results = [function(Confusion(*(int(x) for x in t))) for t in distinct]
            limits = [(r.conf_low, r.conf_high) if r else (np.nan, np.nan) for r in (results[i] for i in back.ravel())]
            yield _case("interval", metric, method, f"{se} {sp}", n, name, limits, truths[metric])


def _recommended(metric: str, c: Confusion) -> Any:
    """Wilson's interval, or Clopper-Pearson's with one or two errors, as reports recommend it; None without cases."""
    hits, total = fraction(metric, c)
    if not total:
        return None
    few = 0 < min(hits, total - hits) < FEW_ERRORS
    return proportions.clopper_pearson(hits, total) if few else proportions.wilson(hits, total)


@cache
def _tango(b: int, c: int, n: int) -> tuple[float, float]:
    """Tango's limits, kept: few tables recur often."""
    return paired.tango_limits(b, c, n)


def _two(n: int, rng: np.random.Generator) -> Iterator[Case]:
    """Tango's interval of the difference of two accuracies and of two sensitivities."""
    for se_a, sp_a, se_b, sp_b in PAIRS:
        laws = paired_law(se_a, se_b, 0.2), paired_law(sp_a, sp_b, 0.2)
        positives = class_sizes(n, PREVALENCE, REPLICATES, rng)
        cells = np.concatenate(
            [rng.multinomial(k, p) for k, p in ((positives, laws[0]), (n - positives, laws[1]))], axis=1
        )
        setting = f"{se_a} {sp_a} | {se_b} {sp_b}, many discordant"
        for metric, mine, theirs, chosen in (("accuracy", [1, 5], [2, 6], 8), ("sensitivity", [1], [2], 4)):
            b, c, size = (cells[:, k].sum(axis=1) for k in (mine, theirs, list(range(chosen))))
            limits = [_tango(int(x), int(y), int(z)) for x, y, z in zip(b, c, size, strict=True)]
            yield _case("comparison", metric, "tango", setting, n, "paired.tango", limits, 0.0)


def _areas(n: int, rng: np.random.Generator) -> Iterator[Case]:
    """Intervals of an AUROC and of the difference of two."""
    for distances, factors in SCORED:
        y, s = scored_cases(400_000, PREVALENCE, distances, factors, rng)
        truth = float(np.mean([roc.delong(y, v).estimate for v in s]))
        limits: dict[tuple[str, str], list[tuple[float, float]]] = {}
        for _ in range(REPLICATES):
            y, s = scored_cases(n, PREVALENCE, distances, factors, rng)
            found = {
                ("interval", "delong_logit"): roc.delong_logit(y, s[0]),
                ("interval", "newcombe_auc"): roc.newcombe_auc(y, s[0]),
                ("comparison", "delong_paired"): roc.delong_paired(y, s[0], s[1]),
            }
            for key, r in found.items():
                limits.setdefault(key, []).append((r.conf_low, r.conf_high))
        setting = f"distances {distances}, factors {factors}"
        for (use, method), pairs in limits.items():
            yield _case(use, "auroc", method, setting, n, f"roc.{method}", pairs, 0.0 if use == "comparison" else truth)
