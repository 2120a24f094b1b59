"""The slices of several seeds: the properties that they share, and the keys of rows over all of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import nan

import numpy as np

from hybridcx.analysis.plan import Plan
from hybridcx.analysis.rows import Keys, Row
from hybridcx.analysis.slices import Slice
from hybridcx.records.predictions import Predictions
from hybridcx.stats.results import Status


@dataclass(frozen=True)
class SeedSlices:
    """One slice per seed of the same models, with the keys of the rows over all of them; n counts distinct cases."""

    keys: Keys
    seeds: tuple[int, ...]
    parts: tuple[Slice, ...]
    n: int
    n_clusters: int

    @staticmethod
    def of(predictions: Predictions, keys: Keys) -> SeedSlices:
        """The slices of all seeds with test cases in `predictions`."""
        seeds = tuple(s for s in predictions.seeds if s is not None)
        probabilities = predictions.score_kind == "probability"
        parts = tuple(
            Slice.of(predictions.matrices("test", seed=s), replace(keys, seed=s), probabilities=probabilities)
            for s in seeds
        )
        n = predictions.n_cases
        patients = predictions.test()["patient_id"]
        return SeedSlices(keys, seeds, parts, n, n if patients.isna().all() else int(patients.nunique()))

    @property
    def models(self) -> tuple[str, ...]:
        """The models, in the order of the input."""
        return self.parts[0].models

    @property
    def clustered(self) -> bool:
        """Whether a patient has several cases."""
        return self.n_clusters < self.n

    @property
    def folded(self) -> bool:
        """Whether the seeds' predictions come from several folds each."""
        return any(p.folds is not None for p in self.parts)

    def whole(self) -> Slice:
        """The slice that defines models and metrics of the rows over all seeds (its predictions are those of the first seed)."""
        return replace(self.parts[0], keys=self.keys)

    def keys_of(self, metric: str, plan: Plan) -> Keys:
        """The keys of a metric's rows over all seeds."""
        return self.keys.with_(threshold=plan.threshold) if metric == "net_benefit" else self.keys

    def clipped(self, metric: str, *models: int) -> tuple[Status, str]:
        """Status and words where scores of 0 or 1 had to be clipped in one of the seeds."""
        results = [(seed, *part.clipped(metric, *models)) for seed, part in zip(self.seeds, self.parts, strict=True)]
        warnings = [(seed, words) for seed, _, words in results if words]
        status: Status = "caution" if any(s == "caution" for _, s, _ in results) else "ok"
        if not warnings:
            return status, ""
        more = f" and {len(warnings) - 1} more" if len(warnings) > 1 else ""
        return status, f"{warnings[0][1]} (seed {warnings[0][0]}{more})"

    def stacked(self) -> Slice:
        """All models and seeds as rows of predictions of the same cases, model by model; only for seeds that share their cases.

        The rows' names are numbers in the order of the models' names and the seeds, so that what is drawn depends on neither order.
        """
        names = sorted(self.models)
        rank = {m: k for k, m in enumerate(names)}
        first, total = self.parts[0], len(self.seeds)
        rows = tuple(f"{rank[m] * total + s:08d}" for m in self.models for s in range(total))

        def side_by_side(column: list[np.ndarray | None]) -> np.ndarray | None:
            present = [c for c in column if c is not None]
            return np.stack(present, axis=1).reshape(len(rows), first.n) if len(present) == total else None

        fold = np.stack([np.zeros(first.n, dtype=str) if p.folds is None else p.folds for p in self.parts])
        return Slice(
            models=rows,
            y_true=first.y_true,
            y_pred=side_by_side([p.y_pred for p in self.parts]),
            y_score=side_by_side([p.y_score for p in self.parts]),
            groups=first.groups,
            keys=self.keys,
            probabilities=first.probabilities,
            folds=np.tile(fold, (len(names), 1)) if self.folded else None,
        )


def spread(values: np.ndarray) -> Row:
    """How many seeds, and the mean and standard deviation of their values (NaN where one is undefined or infinite)."""
    finite = bool(np.isfinite(values).all()) and values.size > 1
    return {"n.seeds": values.size, "sd.seeds": float(values.std(ddof=1)) if finite else nan}
