"""Fixtures of the heads' tests."""

import dataclasses

import pytest
from head_samples import make_features

from hybridcx.heads import fit


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
