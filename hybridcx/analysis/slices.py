"""The cases and models of one set of rows: a whole test set, one of its subgroups or one seed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from hybridcx.analysis.resampling import joint_replicates
from hybridcx.analysis.rows import Keys
from hybridcx.records.predictions import Matrices
from hybridcx.stats import calibration
from hybridcx.stats.confusion import Confusion
from hybridcx.stats.resampling.bootstrap import Replicates, bootstrap_replicates
from hybridcx.stats.results import Status
from hybridcx.streams import rng_for
from hybridcx.vocabulary import COUNT_METRICS, PROBABILITY_METRICS, RANK_METRICS
from hybridcx.workers.dask import Workers


@dataclass(frozen=True)
class Slice:
    """Aligned arrays of n cases and k models, with the keys of their rows.

    `y_true` (n,) bool; `y_pred` (k, n) bool or None; `y_score` (k, n) float or None; `groups` (n,) patient codes or None; `folds` (n,)
    or (k, n) the fold that each case was tested in, or None: scores of different folds are never ranked together. `call_thresholds`: the score
    at which each model's calls were made, None unless a rule chose it for the model. `kept`: permutations of pairs that several tables use.
    """

    models: tuple[str, ...]
    y_true: np.ndarray
    y_pred: np.ndarray | None
    y_score: np.ndarray | None
    groups: np.ndarray | None
    keys: Keys
    probabilities: bool = True
    folds: np.ndarray | None = None
    call_thresholds: tuple[float | None, ...] = ()
    kept: dict[tuple[object, ...], Any] = field(init=False, default_factory=dict, repr=False, compare=False)

    @staticmethod
    def of(data: Matrices, keys: Keys, *, probabilities: bool) -> Slice:
        """The slice of these arrays; `probabilities` says that scores are more than ranks."""
        return Slice(
            data.models, data.y_true, data.y_pred, data.y_score, data.groups, keys, probabilities, folds=data.folds
        )

    def keys_of(self, metric: str, *models: int) -> Keys:
        """The keys of a row; with the threshold of the calls where the metric counts calls and all these models share one threshold."""
        if metric not in COUNT_METRICS or not self.call_thresholds:
            return self.keys
        # A pair gets the threshold of all models or none: a threshold per pair would split its family.
        values = {self.call_thresholds[models[0]]} if len(models) == 1 else set(self._distinct_thresholds)
        return self.keys.with_(threshold=values.pop()) if len(values) == 1 else self.keys

    @cached_property
    def _distinct_thresholds(self) -> frozenset[float | None]:
        return frozenset(self.call_thresholds)

    @property
    def n(self) -> int:
        """Cases."""
        return len(self.y_true)

    @cached_property
    def n_clusters(self) -> int:
        """Patients, or cases where no patients are named."""
        return self.n if self.groups is None else len(np.unique(self.groups))

    @property
    def clustered(self) -> bool:
        """Whether a patient has several cases."""
        return self.n_clusters < self.n

    @cached_property
    def confusions(self) -> tuple[Confusion, ...]:
        """One confusion matrix per model; empty without predicted classes."""
        if self.y_pred is None:
            return ()
        return tuple(Confusion.from_labels(self.y_true, p) for p in self.y_pred)

    def correct(self, model: int) -> np.ndarray:
        """(n,) bool: the cases that a model got right."""
        if self.y_pred is None:
            raise ValueError("there are no predicted classes")
        return np.asarray(self.y_pred[model] == self.y_true)

    def score(self, model: int) -> np.ndarray:
        """(n,) float: a model's scores."""
        if self.y_score is None:
            raise ValueError("there are no scores")
        return np.asarray(self.y_score[model])

    def clipped(self, metric: str, *models: int) -> tuple[Status, str]:
        """Status and words where scores of 0 or 1 had to be clipped for a metric of these models; ("ok", "") elsewhere."""
        if metric not in ("log_loss", "calibration_slope", "calibration_intercept"):
            return "ok", ""
        scores = np.stack([self.score(j) for j in models])
        if not ((scores < calibration.LOGIT_CLIP) | (scores > 1 - calibration.LOGIT_CLIP)).any():
            return "ok", ""
        if metric == "log_loss":
            results = [calibration.log_loss(self.y_true, self.score(j)) for j in models]
        else:
            results = [calibration.calibration_line(self.y_true, self.score(j))[0] for j in models]
            results = [replace(r, status="ok", warning=r.warning if "clipped" in r.warning else "") for r in results]
        warnings = [
            f"{self.models[j]}: {r.warning}" if len(models) > 1 else r.warning
            for j, r in zip(models, results, strict=True)
            if r.warning
        ]
        return ("caution" if any(r.status == "caution" for r in results) else "ok"), "; ".join(warnings)

    def metrics(self) -> tuple[str, ...]:
        """The metrics that the available calls and scores allow."""
        names = COUNT_METRICS if self.y_pred is not None else ()
        if self.y_score is not None:
            names += RANK_METRICS + (PROBABILITY_METRICS if self.probabilities else ())
        return names

    def _fold_codes(self, order: np.ndarray) -> np.ndarray | None:
        """(k, n) codes of the folds, models in `order`."""
        if self.folds is None:
            return None
        codes = np.unique(self.folds, return_inverse=True)[1].reshape(self.folds.shape)
        return np.broadcast_to(codes, (len(self.models), self.n))[order]

    def replicates(
        self,
        n_resamples: int,
        n_refits: int,
        seed: int,
        *,
        stratified: bool,
        threshold: float,
        metrics: tuple[str, ...] | None = None,
        workers: Workers = Workers(1),  # noqa: B008 (frozen)
    ) -> Replicates:
        """Joint bootstrap replicates of all metrics (or these) and models, drawn in the models' sorted order: their order does not matter."""
        order = np.argsort(np.array(self.models, dtype=object), kind="stable")
        back = np.argsort(order)
        wanted = self.metrics() if metrics is None else metrics
        work = partial(
            bootstrap_replicates,
            self.y_true,
            None if self.y_pred is None else self.y_pred[order],
            None if self.y_score is None else self.y_score[order],
            n_resamples=n_resamples,
            rng=rng_for(seed, "bootstrap", self.keys.subgroup or "", self.keys.level or "", str(self.keys.seed)),
            groups=self.groups if self.clustered else None,
            stratified=stratified,
            net_benefit_threshold=threshold,
            n_refits=n_refits,
            folds=self._fold_codes(order),
        )
        result = joint_replicates(work, wanted, len(self.models), self.n * len(self.models) * n_resamples, workers)
        return replace(
            result,
            observed={m: v[back] for m, v in result.observed.items()},
            replicates={m: v[:, back] for m, v in result.replicates.items()},
            jackknife={m: v[:, back] for m, v in result.jackknife.items()},
        )
