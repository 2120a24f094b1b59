"""The table of heads: complete, importable at no cost, and its estimators accept their parameters."""

import importlib
import subprocess
import sys

import pytest

from hybridcx.experiment.file import ALL_HEADS
from hybridcx.heads.table import COMPONENTS, HEADS


def test_the_heads_are_those_of_the_experiment_file():
    assert tuple(HEADS) == ALL_HEADS


def test_importing_the_table_imports_no_estimators():
    code = (
        "import sys, hybridcx.heads.table; "
        "print([m for m in ('sklearn', 'xgboost', 'scipy', 'pandas', 'torch') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize("name", HEADS)
def test_every_candidate_is_a_valid_estimator(name):
    head = HEADS[name]
    assert 1 <= len(head.candidates) <= 6
    module, _, kind = head.estimator.rpartition(".")
    estimator = getattr(importlib.import_module(module), kind)
    assert hasattr(estimator, "predict_proba") or not head.has_probabilities
    known = set(estimator().get_params())
    for candidate in head.candidates:
        assert {*head.params, *candidate} - {COMPONENTS} <= known
        assert (COMPONENTS in candidate) == head.reduces
    assert ("random_state" in known and head.seeded) or name in ("logistic", "svm_linear", "svm_rbf", "knn", "lda")


def test_no_support_vector_machine_makes_its_own_probabilities():
    for name in ("svm_linear", "svm_rbf"):
        assert not HEADS[name].has_probabilities
        assert "probability" not in HEADS[name].params
