"""The analysis plan: which pairs are compared, by which methods, and whether they were fixed before the results were known."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from hybridcx.errors import InputError, Problem
from hybridcx.stats.readers import Design

MAX_ALL_PAIRS = 12
"""Up to this number of models, all pairs are compared by default."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The analysis plan.

    `pairs` are the comparisons (model, comparator); None means all pairs. `locked`: the plan was recorded before the results
    existed, so the primary metric's rows of these pairs are confirmatory. `n_resamples` is the number of bootstrap resamples;
    calibration refits use `n_refits`. `by` names subgroup columns, `prevalences` those for which PPV and NPV are also given.
    `seed_design` says what equal seeds are: networks trained separately (nested in the model) or the same reader with every model
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
        """Hash of the plan, which changes with any part of it."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Plan:
        """The plan with the options of a command; those that are no part of a plan are ignored, lists become tuples."""
        values = {("n_resamples" if name == "n_bootstrap" else name): value for name, value in options.items()}
        parts = {f.name for f in fields(cls)}
        return cls(**{name: _tuples(value) for name, value in values.items() if name in parts})

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


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value
