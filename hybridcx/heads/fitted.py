"""A fitted head: the cross-validated scores of its candidates, and its predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from hybridcx.errors import InputError, Problem
from hybridcx.heads.decision import Sigmoid
from hybridcx.heads.table import HEADS, Head, Value

Float = NDArray[np.float64]
ROWS_AT_ONCE = 50_000


@dataclass(frozen=True, slots=True)
class Candidate:
    """One candidate's cross-validation: scores of the cases of each fold by an estimator that saw none of that fold's patients.

    `log_loss` is the mean over cases, `auroc` the mean over folds; `brier` the mean over cases. Lower is better for the first and the last.
    """

    params: Mapping[str, Value]
    log_loss: float
    auroc: float
    brier: float
    fold_log_loss: tuple[float, ...]
    fold_auroc: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class CvScore:
    """The chosen candidate's cross-validated scores, for choosing among heads within the training cases.

    They belong to the selected candidate and are therefore slightly optimistic, for all heads alike; they do not estimate performance on new cases.
    """

    auroc: float
    log_loss: float
    brier: float
    n_folds: int


@dataclass(frozen=True, slots=True, eq=False)
class FittedHead:
    """A head fitted on all the cases given to `fit_heads`.

    `pipeline`: scikit-learn Pipeline of scaling, rotation or components, and the estimator. `sigmoid`: its calibration, None where the
    estimator has probabilities. `out_of_fold` (n,): the chosen candidate's probabilities of the given cases in their order, each by an
    estimator that did not see the case's patient (their calibration neither). `notes`: deviations from the options, in words.
    """

    name: str
    pipeline: Pipeline
    sigmoid: Sigmoid | None
    best_params: Mapping[str, Value]
    candidates: tuple[Candidate, ...]
    cv_score: CvScore
    out_of_fold: Float
    n_cases: int
    n_patients: int
    n_features: int
    seed: int
    threads: int
    notes: tuple[str, ...] = ()

    @property
    def cv_auroc(self) -> float:
        """`cv_score.auroc`."""
        return self.cv_score.auroc

    @property
    def cv_log_loss(self) -> float:
        """`cv_score.log_loss`."""
        return self.cv_score.log_loss

    def predict_proba_positive(self, features: ArrayLike) -> Float:
        """The probability of class 1, float64 (n,) in [0, 1]. `features` (n, d) with the d it was fitted on.

        More than 50,000 cases are taken in pieces of as many, so that features on disk (a memory map) need not fit into memory.

        Raises InputError if the width differs or a value is not finite.
        """
        rows = np.asanyarray(features)
        if rows.ndim == 2 and len(rows) > ROWS_AT_ONCE:
            parts = [rows[i : i + ROWS_AT_ONCE] for i in range(0, len(rows), ROWS_AT_ONCE)]
            return np.concatenate([self.predict_proba_positive(part) for part in parts])
        X = as_matrix(rows)
        if X.shape[1] != self.n_features:
            raise InputError(
                Problem(
                    f"the head {self.name} was fitted on {self.n_features} features a case",
                    value=f"{X.shape[1]} features",
                )
            )
        if len(X) == 0:
            return np.empty(0, dtype=np.float64)
        with threadpool_limits(limits=self.threads):
            values = raw_values(HEADS[self.name], self.pipeline, X)
        return np.clip(values if self.sigmoid is None else self.sigmoid(values), 0.0, 1.0)


def as_matrix(features: ArrayLike) -> Float:
    """`features` as float64 (n, d). Raises InputError unless they are a matrix of finite numbers."""
    X = np.asarray(features, dtype=np.float64)
    if X.ndim != 2:
        raise InputError(Problem("features must be a matrix of cases by features", value=f"shape {X.shape}"))
    if not np.isfinite(X).all():
        bad = int((~np.isfinite(X)).any(axis=1).sum())
        cause = "a network whose training has diverged returns such values"
        raise InputError(Problem(f"features must be finite ({cause}): NaN or infinity in {bad} of {len(X)} cases"))
    return X


def raw_values(head: Head, model: Any, X: Float) -> Float:
    """The positive class's probability, or the decision value where the estimator has none. The classes are 0 and 1 in this order."""
    raw = model.predict_proba(X)[:, 1] if head.has_probabilities else model.decision_function(X)
    return np.asarray(raw, dtype=np.float64)
