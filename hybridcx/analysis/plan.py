"""What is compared, how, and which of it was named before the results were seen."""

from __future__ import annotations

import hashlib
import itertools
import json
from dataclasses import asdict, dataclass

from hybridcx.errors import InputError, Problem
from hybridcx.stats.readers import Design

MIN_RESAMPLES, MAX_RESAMPLES = 100, 1_000_000
MAX_ALL_PAIRS = 12
"""Models up to which all pairs are compared without being asked for."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The analysis plan.

    `pairs` are the comparisons (model, comparator); None means all pairs. `locked` says that the plan was written down before the results
    existed: then the primary metric's rows of these pairs are confirmatory. `n_resamples` is the number of bootstrap resamples;
    calibration refits use `n_refits`. `by` names subgroup columns, `prevalences` those for which PPV and NPV are also given.
    `seed_design` says what seeds of one number are: networks trained apart (nested in the model) or the same reader with every model
    (crossed; fixed: these readers alone). `n_train` is the size of the training set (validation cases included) of repeated hold-out.
    """

    seed: int = 0
    confidence_level: float = 0.95
    n_resamples: int = 2000
    n_refits: int = 500
    threshold: float = 0.5
    primary_metric: str = "accuracy"
    pairs: tuple[tuple[str, str], ...] | None = None
    locked: bool = False
    margin: float | None = None
    by: tuple[str, ...] = ()
    prevalences: tuple[float, ...] = ()
    stratified: bool = False
    reference: str | None = None
    all_pairs: bool = False
    seed_design: Design = "nested"
    n_train: int | None = None

    def sha256(self) -> str:
        """Hash of the plan, by which a changed one is recognised."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def problems(self) -> list[Problem]:
        """Options out of their range, all at once."""
        found = [*level_problems(self.confidence_level), *resample_problems(self.n_resamples)]
        if self.margin is not None and not 0 < self.margin < 1:
            found.append(Problem("the margin must lie between 0 and 1", value=self.margin))
        if self.n_train is not None and self.n_train < 1:
            found.append(Problem("the size of the training set must be positive", value=self.n_train))
        if self.seed_design not in ("nested", "crossed", "fixed"):
            found.append(Problem("--seed-design is nested, crossed or fixed", value=self.seed_design))
        outside = [p for p in self.prevalences if not 0 < p < 1]
        return found + [Problem("a prevalence must lie between 0 and 1", value=p) for p in outside]

    def resolved_pairs(self, models: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
        """The pairs to compare among `models`.

        Raises
        ------
        InputError
            for a pair or a reference that names no model, and for more than 12 models without a choice.
        """
        known = set(models)
        if self.pairs is not None:
            unknown = sorted({m for pair in self.pairs for m in pair} - known)
            problems = [
                Problem(
                    "the plan compares a model that has no predictions",
                    value=m,
                    remedy=f"models are: {_listed(models)}",
                )
                for m in unknown
            ]
            problems += [Problem("the plan compares a model with itself", value=a) for a, b in self.pairs if a == b]
            if problems:
                raise InputError(problems)
            return self.pairs
        if self.reference is not None:
            if self.reference not in known:
                raise InputError(
                    Problem("--reference names no model", value=self.reference, remedy=f"models are: {_listed(models)}")
                )
            return tuple((m, self.reference) for m in models if m != self.reference)
        if len(models) > MAX_ALL_PAIRS and not self.all_pairs:
            n_pairs = len(models) * (len(models) - 1) // 2
            raise InputError(
                Problem(
                    f"{len(models)} models make {n_pairs} pairs; above {MAX_ALL_PAIRS} models the pairs must be chosen",
                    remedy="give --reference MODEL to compare each with one, or --all-pairs",
                )
            )
        return tuple(itertools.combinations(models, 2))


def _listed(models: tuple[str, ...]) -> str:
    return ", ".join(models[:12]) + (f" and {len(models) - 12} more" if len(models) > 12 else "")


def level_problems(level: float) -> list[Problem]:
    """What is wrong with a confidence level."""
    return [] if 0.5 < level < 1 else [Problem("the confidence level must lie between 0.5 and 1", value=level)]


def resample_problems(n: int) -> list[Problem]:
    """What is wrong with a number of bootstrap resamples."""
    rule = f"bootstrap resamples must lie between {MIN_RESAMPLES} and {MAX_RESAMPLES:,}"
    return [] if MIN_RESAMPLES <= n <= MAX_RESAMPLES else [Problem(rule, value=n)]
