"""Stacking: one logistic regression on the logits of several networks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

C = 1.0
"""Inverse strength of the L2 penalty, on logits with unit variance: fixed, since validation cases are too few to tune it on."""

MIN_SPREAD = 1e-3
"""Below this standard deviation a member's logits are constant up to rounding, which standardisation would magnify."""


@dataclass(frozen=True, slots=True)
class Stack:
    """A fitted stack: `weights` (k,) of the members' logits and `intercept`, on the scale of the logits themselves."""

    weights: NDArray[np.float64]
    intercept: float

    def predict_proba_positive(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """The positive class's probability of n cases from their logits (n, k): expit(intercept + logits @ weights)."""
        return np.asarray(expit(self.intercept + logits @ self.weights), dtype=np.float64)


def fit_stack(logits: NDArray[np.float64], y: NDArray[np.int64]) -> Stack:
    """Fit on cases that none of the members was trained on: `logits` (n, k), log-odds of the positive class; `y` (n,) of 0 and 1.

    Logistic regression with an L2 penalty on standardised logits (stacked generalization, Wolpert 1992; with a linear combiner of
    probabilities, Ting and Witten 1999). A member without variance (`MIN_SPREAD`) has the weight 0.

    Raises ValueError where `y` has one class alone.
    """
    from sklearn.linear_model import LogisticRegression

    center, scale = logits.mean(axis=0), logits.std(axis=0)
    constant = scale < MIN_SPREAD
    model = LogisticRegression(C=C, solver="lbfgs", max_iter=1000, tol=1e-10)
    model.fit((logits - center) / np.where(constant, 1.0, scale), y)
    weights = np.where(constant, 0.0, model.coef_[0] / np.where(constant, 1.0, scale))
    return Stack(weights, float(model.intercept_[0] - center @ weights))
