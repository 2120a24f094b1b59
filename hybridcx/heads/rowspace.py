"""An exact change of coordinates for features that are wider than there are cases."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

_ROUNDING = 1e-6


class RowSpace(TransformerMixin, BaseEstimator):
    """Rotate n training rows of d > n columns onto the n dimensions that they span, and divide by their root mean squared norm.

    With Q (d, n) orthonormal from the QR decomposition of the transposed training matrix, a row x becomes (Q'x, |x - QQ'x|) / s. The last
    coordinate, the length of what lies outside the span, is 0 for training rows and keeps the distance of any other row to them. Inner
    products and distances to training rows are thus exactly those of the original columns divided by s squared, and whatever is fitted on
    these alone (L2 regression, SVMs, nearest neighbours) is the same estimator (Hastie and Tibshirani 2004, "Efficient quadratic
    regularization for expression arrays"), at a cost that grows with n instead of d. For d <= n only the division is done.

    Attributes: `components_` (d, n) or None; `scale_`, s above, 1 where all training rows are zero.
    """

    def fit(self, X: NDArray[Any], y: object = None) -> RowSpace:
        X = np.asarray(X, dtype=np.float64)
        self.n_features_in_ = X.shape[1]
        self.components_ = np.linalg.qr(X.T)[0] if X.shape[1] > X.shape[0] else None
        mean_square = float(np.einsum("ij,ij->", X, X)) / X.shape[0]
        self.scale_ = float(np.sqrt(mean_square)) if mean_square > 0 else 1.0
        return self

    def transform(self, X: NDArray[Any]) -> NDArray[np.float64]:
        X = np.asarray(X, dtype=np.float64)
        if self.components_ is None:
            return X / self.scale_
        inside = X @ self.components_
        norm2 = np.einsum("ij,ij->i", X, X)
        outside2 = norm2 - np.einsum("ij,ij->i", inside, inside)
        # A difference of nearly equal squares carries a rounding error of about 1e-16 of the norm's square; below 1e-12 it is taken for 0.
        outside = np.sqrt(np.where(outside2 > _ROUNDING**2 * norm2, outside2, 0.0))
        return np.column_stack([inside, outside]) / self.scale_
