"""The table of heads: name -> estimator and candidates. To add a head, add a row here.

Free of scikit-learn and XGBoost imports, so that the command line and the experiment file can read it at no cost; `estimator` is the dotted
path that `hybridcx.heads.fit` imports.

Features reach an estimator standardised column by column. Heads that see only inner products or distances (logistic, SVMs, kNN) get them
rotated and divided so that the mean squared norm of the training rows is 1 (`hybridcx.heads.rowspace`): C and gamma then mean the same whatever
the width of the features, and gamma = 1 is what scikit-learn calls "scale". With d varying columns, C here is d times scikit-learn's C on
standardised features. The other heads get at most `max_components` principal components where the features are wider than that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

COMPONENTS = "components"
"""Key of a candidate that is no parameter of the estimator: the share of `max_components` that is kept (1 or less)."""

Value = float | int | str


@dataclass(frozen=True, slots=True)
class Head:
    """One row of the table.

    `candidates` are tried in this order, the simplest (most regularised) first, which also wins ties.
    `reduces`: principal components inside the fold where the features are wider than the limit.
    `has_probabilities`: the estimator has class probabilities; otherwise its decision values are calibrated by a sigmoid fitted on
    out-of-fold values.
    `balanced_by`: the parameter that gives both classes the same weight (heads.class_weight); None: it has none.
    `seeded` and `threaded`: it takes `random_state`, and `n_jobs`. `max_cases`: it is refused above so many fitted cases, because its time
    grows with their square (a chosen limit, docs/limits.md); None: no limit but memory.
    """

    name: str
    label: str
    estimator: str
    candidates: tuple[Mapping[str, Value], ...]
    params: Mapping[str, Value] = field(default_factory=dict)
    reduces: bool = False
    has_probabilities: bool = True
    seeded: bool = False
    threaded: bool = False
    has_own_format: bool = False
    balanced_by: Literal["class_weight", "scale_pos_weight", "priors"] | None = "class_weight"
    max_cases: int | None = None

    def too_many(self, n: int) -> str | None:
        """The reason why the head is not fitted on `n` cases; None if it can be."""
        if self.max_cases is None or n <= self.max_cases:
            return None
        return f"{self.label} would be fitted on {n:,} cases; its limit is {self.max_cases:,}, since its time grows with their square"


def _grid(**values: tuple[Value, ...]) -> tuple[dict[str, Value], ...]:
    """The product of `values` in order; the first name varies slowest."""
    out: list[dict[str, Value]] = [{}]
    for name, options in values.items():
        out = [{**c, name: option} for c in out for option in options]
    return tuple(out)


_ROWS = (
    Head(
        "logistic",
        "Logistic regression (L2)",
        "sklearn.linear_model.LogisticRegression",
        _grid(C=(0.1, 1.0, 10.0, 100.0, 1e3, 1e4)),
        {"max_iter": 1000},
    ),
    Head(
        "svm_linear",
        "Linear SVM",
        "sklearn.svm.SVC",
        _grid(C=(0.01, 0.1, 1.0, 10.0, 100.0, 1e3)),
        {"kernel": "linear", "max_iter": 200_000},
        has_probabilities=False,
        max_cases=50_000,
    ),
    Head(
        "svm_rbf",
        "SVM with radial basis functions",
        "sklearn.svm.SVC",
        _grid(gamma=(0.25, 1.0), C=(1.0, 10.0, 100.0)),
        {"kernel": "rbf", "max_iter": 200_000},
        has_probabilities=False,
        max_cases=50_000,
    ),
    Head(
        "knn",
        "k nearest neighbours",
        "sklearn.neighbors.KNeighborsClassifier",
        _grid(n_neighbors=(35, 25, 15, 11, 7, 5)),
        {"algorithm": "brute"},
        max_cases=100_000,
        balanced_by=None,
    ),
    Head(
        "random_forest",
        "Random forest",
        "sklearn.ensemble.RandomForestClassifier",
        # A tree of a few hundred cases costs about 2 ms of bookkeeping, so the time for the heads is mostly trees times candidates.
        (
            {"components": 0.25, "min_samples_leaf": 5},
            {"components": 0.25, "min_samples_leaf": 1},
            {"components": 1.0, "min_samples_leaf": 1},
        ),
        {"n_estimators": 100},
        reduces=True,
        seeded=True,
        threaded=True,
    ),
    Head(
        "lda",
        "Linear discriminant analysis",
        "sklearn.discriminant_analysis.LinearDiscriminantAnalysis",
        _grid(components=(0.25, 1.0), shrinkage=(0.9, 0.5, 0.1)),
        {"solver": "lsqr"},
        reduces=True,
        balanced_by="priors",
    ),
    Head(
        "xgboost",
        "Gradient-boosted trees (XGBoost)",
        "xgboost.XGBClassifier",
        _grid(components=(0.25, 1.0), max_depth=(1, 2, 3)),
        {
            "n_estimators": 80,
            "learning_rate": 0.1,
            "subsample": 0.8,
            "colsample_bytree": 0.5,
            "min_child_weight": 1.0,
            "reg_lambda": 1.0,
            "tree_method": "hist",
            "objective": "binary:logistic",
            "eval_metric": "logloss",
        },
        reduces=True,
        seeded=True,
        threaded=True,
        has_own_format=True,
        balanced_by="scale_pos_weight",
    ),
)

HEADS: Mapping[str, Head] = MappingProxyType({row.name: row for row in _ROWS})
"""Every head by its name, in the order of the report."""
