"""Fit a head: tuned by stratified patient-grouped cross-validation, calibrated on out-of-fold values, refitted on all given cases.

This module does not know splits: callers pass only cases that may be used for fitting. For fine-tuned features these are the validation cases alone,
because the network has overfitted the features of its training cases.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from hybridcx.errors import InputError, Problem, raise_if_any
from hybridcx.experiment.heads import ClassWeight
from hybridcx.heads.decision import Sigmoid, fit_sigmoid
from hybridcx.heads.fitted import Candidate, CvScore, FittedHead, Float, as_matrix, raw_values
from hybridcx.heads.folds import Split, grouped_splits
from hybridcx.heads.rowspace import RowSpace
from hybridcx.heads.table import COMPONENTS, HEADS, Head, Value
from hybridcx.streams import seed_for

Progress = Callable[[int, int], None]
Space = Literal["scaled", "rotated", "components"]
_THREADED_FROM = 5000
"""From this number of cases trees are grown by several threads; below it the threads' overhead is larger than their gain."""


def fit_heads(
    names: Iterable[str],
    features: ArrayLike,
    y: ArrayLike,
    groups: ArrayLike,
    *,
    folds: int,
    max_components: int,
    seed: int,
    threads: int = 1,
    class_weight: ClassWeight = "none",
    on_progress: Progress | None = None,
) -> dict[str, FittedHead]:
    """Tune, calibrate and fit heads on one matrix of features.

    Folds: StratifiedGroupKFold, shuffled by the stream (seed, "heads", "folds"), the same for all heads, so that their scores compare; no
    patient is in two of them. Standardisation (columns that do not vary become 0), rotation and principal components are fitted on each fold's
    training part alone; they are computed once a fold and shared by candidates and heads, which changes no result.

    Choice: the least mean log loss of the out-of-fold probabilities, the first (simplest) candidate within 1e-9 of it. A proper score is
    taken rather than AUROC, which ties on a few dozen cases. Probabilities enter it clipped to [1/(m + 2), 1 - 1/(m + 2)], m the
    fold's number of training cases (the rule of succession), so that one case cannot rule out a neighbour or tree head that predicts 0.

    Calibration of heads without probabilities (the SVMs): a sigmoid of the decision values, fitted on the out-of-fold ones of all given cases
    (Platt 1999; as scikit-learn's CalibratedClassifierCV with these splits and ensemble=False). In the search, each fold's sigmoid is fitted
    on the other folds. The estimator is then refitted on all cases.

    `class_weight` "balanced" gives both classes the same weight in every fit: n / (2 n_c) for n_c of n cases in class c (logistic regression,
    SVMs, random forest), n0 / n1 for the positive class (XGBoost) or equal priors (LDA); kNN has no weights. Probabilities are then those of a
    population with equal classes; the SVMs' are not, as their calibration stays unweighted. The scores of the search stay unweighted.

    With few cases the folds are reduced to the number of patients of the smaller class, which `notes` says.

    Results depend on the order of the rows; pass cases in their sorted order. Each head's numbers do not depend on the other heads.

    Raises
    ------
    InputError
        for an unknown head; shapes that do not fit; features that are not finite or do not vary; labels other than 0 and 1; fewer
        than two patients in a class; patients whose cases cannot be spread so that every fold has both classes; more cases than a head's
        limit (`heads.table`).
    """
    chosen = [_head(name) for name in names]
    X = as_matrix(features)
    truth, codes = _labels(y, groups, len(X))
    raise_if_any(
        Problem(why, value=head.name, remedy="leave this head out")
        for head in chosen
        if (why := head.too_many(len(X))) is not None
    )
    if threads < 1 or folds < 2 or max_components < 1:
        raise InputError(
            Problem(
                "threads and max_components must be at least 1, folds at least 2",
                value=f"{threads}, {max_components}, {folds}",
            )
        )
    notes: list[str] = []
    fitted: dict[str, FittedHead] = {}
    with threadpool_limits(limits=threads), warnings.catch_warnings():
        # The estimators are asked afterwards whether they reached their limit of iterations, which goes into the notes.
        warnings.simplefilter("ignore", ConvergenceWarning)
        splits = grouped_splits(truth, codes, folds, seed_for(seed, "heads", "folds"), notes)
        prepared = _Prepared(X, truth, splits, max_components)
        plan = [(head, prepared.candidates(head)) for head in chosen]
        total, done = sum(len(c) + 1 for _, c in plan), 0

        def advance() -> None:
            nonlocal done
            done += 1
            if on_progress is not None:
                on_progress(done, total)

        for head, candidates in plan:
            own_notes = (*notes, *_balance_notes(head, class_weight))
            fitted[head.name] = _fit_one(
                head, candidates, prepared, codes, seed, threads, own_notes, advance, class_weight
            )
    return fitted


def _head(name: str) -> Head:
    if name not in HEADS:
        raise InputError(Problem("unknown head", value=name, remedy=f"known heads: {', '.join(HEADS)}"))
    return HEADS[name]


def _labels(y: ArrayLike, groups: ArrayLike, n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    truth, patients = np.asarray(y), np.asarray(groups)
    if truth.shape != (n,) or patients.shape != (n,):
        raise InputError(
            Problem(
                f"{n} cases of features need as many labels and patients", value=f"{truth.shape} and {patients.shape}"
            )
        )
    if not np.isin(truth, (0, 1)).all():
        raise InputError(Problem("labels must be 0 or 1", remedy="code the positive class as 1"))
    return truth.astype(np.int64), np.unique(patients, return_inverse=True)[1].astype(np.int64)


def _transforms(space: Space, k: int) -> list[tuple[str, Any]]:
    steps: list[tuple[str, Any]] = [("scale", StandardScaler())]
    if space == "rotated":
        steps.append(("rotate", RowSpace()))
    elif space == "components":
        steps.append(("pca", PCA(n_components=k, svd_solver="full")))
    return steps


class _Prepared:
    """The cases, the folds, and each fold's transformed matrices, computed on first use and then shared."""

    def __init__(self, X: Float, y: NDArray[np.int64], splits: list[Split], max_components: int):
        self.X, self.y, self.splits = X, y, splits
        self.smallest = min(len(train) for train, _ in splits)
        # Centring takes one dimension; with more components than that the last would be noise of rounding.
        self.k_max = max(1, min(max_components, self.smallest - 1, X.shape[1]))
        self.wide = X.shape[1] > max_components
        self._made: dict[Space, list[tuple[Float, Float]]] = {}
        for fold, (train, _) in enumerate(splits):
            if not np.any(np.ptp(X[train], axis=0) > 0):
                raise InputError(
                    Problem(
                        f"no feature varies among the training cases of fold {fold + 1}",
                        remedy="look at the network that made them",
                    )
                )

    def space(self, head: Head) -> Space:
        if head.reduces:
            return "components" if self.wide else "scaled"
        return "rotated"

    def candidates(self, head: Head) -> list[dict[str, Value]]:
        """The head's candidates as they apply to these cases: components as numbers, neighbours that exist, none twice."""
        out: list[dict[str, Value]] = []
        for row in head.candidates:
            c = dict(row)
            if COMPONENTS in c:
                share = float(c.pop(COMPONENTS))
                if self.wide:
                    c[COMPONENTS] = max(1, min(self.k_max, int(np.ceil(share * self.k_max))))
            if "n_neighbors" in c:
                c["n_neighbors"] = min(int(c["n_neighbors"]), max(1, self.smallest // 2))
            if c not in out:
                out.append(c)
        return out

    def matrices(self, space: Space, candidate: Mapping[str, Value]) -> list[tuple[Float, Float]]:
        """(training, held-out) per fold, transformed by what was fitted on the training part."""
        if space not in self._made:
            parts = []
            for train, held_out in self.splits:
                pipe = Pipeline(_transforms(space, self.k_max))
                parts.append((pipe.fit_transform(self.X[train]), pipe.transform(self.X[held_out])))
            self._made[space] = parts
        if COMPONENTS not in candidate:
            return self._made[space]
        # The first k of the components are the components of a PCA with k.
        k = int(candidate[COMPONENTS])
        return [(np.ascontiguousarray(a[:, :k]), np.ascontiguousarray(b[:, :k])) for a, b in self._made[space]]


def _balance_notes(head: Head, class_weight: ClassWeight) -> tuple[str, ...]:
    if class_weight == "none":
        return ()
    if head.balanced_by is None:
        return (f"{head.label}: it has no weights of classes, heads.class_weight does nothing there",)
    if not head.has_probabilities:
        return (
            f"{head.label}: the classes were weighted equally in the fit; the calibration of its decision values was not weighted",
        )
    return (
        f"{head.label}: the classes were weighted equally; its probabilities are those of a population with equal classes, not of this cohort: "
        "calibrate before use",
    )


def _balance(head: Head, class_weight: ClassWeight, y: NDArray[np.int64]) -> dict[str, Any]:
    """The estimator's parameters for classes of the same weight among the fitted cases `y`."""
    if class_weight == "none" or head.balanced_by is None:
        return {}
    if head.balanced_by == "scale_pos_weight":
        return {"scale_pos_weight": float((y == 0).sum() / (y == 1).sum())}
    return {"priors": [0.5, 0.5]} if head.balanced_by == "priors" else {"class_weight": "balanced"}


def _estimator(
    head: Head,
    candidate: Mapping[str, Value],
    seed: int,
    threads: int,
    n_cases: int,
    balance: Mapping[str, Any] = MappingProxyType({}),
) -> Any:
    module, _, kind = head.estimator.rpartition(".")
    params: dict[str, Any] = {**head.params, **{k: v for k, v in candidate.items() if k != COMPONENTS}, **balance}
    if head.seeded:
        params["random_state"] = seed_for(seed, "heads", head.name) % 2**31
    if head.threaded:
        params["n_jobs"] = threads if n_cases >= _THREADED_FROM else 1
    return getattr(importlib.import_module(module), kind)(**params)


def _serial(model: Any) -> Any:
    """A forest adds up its trees' votes in the order in which threads end; with one thread results repeat to the bit."""
    if hasattr(model, "estimators_"):
        model.n_jobs = 1
    return model


def _reached_limit(model: Any) -> bool:
    iterations, limit = getattr(model, "n_iter_", None), getattr(model, "max_iter", -1)
    return iterations is not None and limit not in (-1, None) and int(np.max(iterations)) >= int(limit)


def _out_of_fold(
    head: Head,
    candidate: Mapping[str, Value],
    prepared: _Prepared,
    seed: int,
    threads: int,
    class_weight: ClassWeight,
) -> tuple[Float, Float, Sigmoid | None]:
    """Out-of-fold values and probabilities of all cases, and the sigmoid fitted on the values of all of them."""
    values = np.full(len(prepared.y), np.nan)
    matrices = prepared.matrices(prepared.space(head), candidate)
    for (train, held_out), (a, b) in zip(prepared.splits, matrices, strict=True):
        balance = _balance(head, class_weight, prepared.y[train])
        model = _estimator(head, candidate, seed, threads, len(a), balance).fit(a, prepared.y[train])
        values[held_out] = raw_values(head, _serial(model), b)
    if head.has_probabilities:
        return values, values, None
    probability = np.full_like(values, np.nan)
    for train, held_out in prepared.splits:
        probability[held_out] = fit_sigmoid(prepared.y[train], values[train])(values[held_out])
    return values, probability, fit_sigmoid(prepared.y, values)


def _score(candidate: Mapping[str, Value], probability: Float, prepared: _Prepared) -> Candidate:
    y = prepared.y
    losses, aurocs = np.empty(len(y)), []
    for train, held_out in prepared.splits:
        clip = 1 / (len(train) + 2)
        p = np.clip(probability[held_out], clip, 1 - clip)
        losses[held_out] = -np.log(np.where(y[held_out] == 1, p, 1 - p))
        aurocs.append(float(roc_auc_score(y[held_out], probability[held_out])))
    return Candidate(
        candidate,
        float(losses.mean()),
        float(np.mean(aurocs)),
        float(np.mean((probability - y) ** 2)),
        tuple(float(losses[held_out].mean()) for _, held_out in prepared.splits),
        tuple(aurocs),
    )


def _fit_one(
    head: Head,
    candidates: list[dict[str, Value]],
    prepared: _Prepared,
    codes: NDArray[np.int64],
    seed: int,
    threads: int,
    notes: tuple[str, ...],
    advance: Callable[[], None],
    class_weight: ClassWeight,
) -> FittedHead:
    scored: list[Candidate] = []
    kept: list[tuple[Float, Sigmoid | None]] = []
    for candidate in candidates:
        _, probability, sigmoid = _out_of_fold(head, candidate, prepared, seed, threads, class_weight)
        scored.append(_score(candidate, probability, prepared))
        kept.append((probability, sigmoid))
        advance()
    least = min(c.log_loss for c in scored)
    best = next(i for i, c in enumerate(scored) if c.log_loss <= least + 1e-9)
    params, (probability, sigmoid) = scored[best].params, kept[best]
    steps = _transforms(prepared.space(head), int(params.get(COMPONENTS, prepared.k_max)))
    balance = _balance(head, class_weight, prepared.y)
    estimator = _estimator(head, params, seed, threads, len(prepared.X), balance)
    pipeline = Pipeline([*steps, ("estimator", estimator)]).fit(prepared.X, prepared.y)
    _serial(pipeline[-1])
    if _reached_limit(pipeline[-1]):
        notes += (f"{head.label}: the limit of iterations was reached before convergence",)
    if sigmoid is not None and sigmoid.flat:
        notes += (
            f"{head.label}: out-of-fold decision values did not rank the cases; its probabilities are near the base rate",
        )
    advance()
    score = CvScore(scored[best].auroc, scored[best].log_loss, scored[best].brier, len(prepared.splits))
    return FittedHead(
        head.name,
        pipeline,
        sigmoid,
        params,
        tuple(scored),
        score,
        probability,
        len(prepared.y),
        len(np.unique(codes)),
        prepared.X.shape[1],
        seed,
        threads,
        notes,
    )
