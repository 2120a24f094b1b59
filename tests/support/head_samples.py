"""Features with and without a class difference, wider than there are cases."""

import numpy as np


def make_features(n, d, shift, seed=0, positives=None):
    """(features float32 (n, d), y (n,)): normal noise, the positive class moved by `shift` standard deviations in 5 random directions."""
    rng = np.random.default_rng(seed)
    y = (np.arange(n) < (n // 2 if positives is None else positives)).astype(int)
    directions = np.linalg.qr(np.random.default_rng(99).normal(size=(d, 5)))[0]
    # Large variance along the directions of the signal, as in penultimate features, so that leading components carry it.
    X = (
        rng.normal(size=(n, d))
        + 3 * rng.normal(size=(n, 5)) @ directions.T
        + np.outer(y, shift * directions.sum(axis=1))
    )
    return X.astype(np.float32), y
