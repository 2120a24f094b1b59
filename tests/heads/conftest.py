"""Features with and without a class difference, wider than there are cases."""

import dataclasses

import numpy as np
import pytest

from hybridcx.heads import fit


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


@pytest.fixture(scope="session")
def separable():
    return make_features(100, 130, 8.0)


@pytest.fixture(scope="session")
def overlapping():
    return make_features(90, 120, 2.5, seed=3)


@pytest.fixture(scope="module")
def few_trees_module():
    """A forest of 15 trees, for tests of everything but what a forest learns: its bookkeeping takes 2 ms a tree."""
    forest = dataclasses.replace(fit.HEADS["random_forest"], params={"n_estimators": 15})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit, "HEADS", {**fit.HEADS, "random_forest": forest})
        yield


@pytest.fixture
def few_trees(monkeypatch):
    """The same for a single test."""
    forest = dataclasses.replace(fit.HEADS["random_forest"], params={"n_estimators": 15})
    monkeypatch.setattr(fit, "HEADS", {**fit.HEADS, "random_forest": forest})
