"""The names of the heads, and how they weight the classes."""

from __future__ import annotations

from typing import Literal, get_args

HeadName = Literal["logistic", "svm_linear", "svm_rbf", "knn", "random_forest", "lda", "xgboost"]
ClassWeight = Literal["none", "balanced"]
ALL_HEADS: tuple[HeadName, ...] = get_args(HeadName)
