"""heads.class_weight: what reaches the estimators, what it changes, and what the notes say."""

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from hybridcx.heads.fit import _estimator, fit_heads
from hybridcx.heads.persist import load_head, save_head
from hybridcx.heads.table import HEADS

OPTIONS = {"folds": 3, "max_components": 8, "seed": 3}


@pytest.fixture(scope="module")
def rare():
    """90 cases of which 15 are positive, overlapping."""
    rng = np.random.default_rng(0)
    y = np.r_[np.zeros(75, int), np.ones(15, int)]
    return rng.normal(size=(90, 6)) + 1.2 * y[:, None], y


@pytest.fixture(scope="module")
def both(rare):
    X, y = rare
    names = [n for n in HEADS if n != "random_forest"]
    return {w: fit_heads(names, X, y, np.arange(90), class_weight=w, **OPTIONS) for w in ("none", "balanced")}


@pytest.mark.parametrize(("name", "parameter", "value"), [
    ("logistic", "class_weight", "balanced"), ("svm_linear", "class_weight", "balanced"), ("svm_rbf", "class_weight", "balanced"),
    ("random_forest", "class_weight", "balanced"), ("xgboost", "scale_pos_weight", 5.0), ("lda", "priors", [0.5, 0.5]),
])  # fmt: skip
def test_the_estimators_get_it(name, parameter, value, rare, both):
    X, y = rare
    head = (
        both["balanced"].get(name) or fit_heads([name], X, y, np.arange(90), class_weight="balanced", **OPTIONS)[name]
    )
    assert head.pipeline[-1].get_params()[parameter] == value
    plain = _estimator(HEADS[name], HEADS[name].candidates[-1], 0, 1, 90).get_params()
    assert plain[parameter] is None


def test_both_classes_weigh_the_same_in_the_discriminant(both):
    found = both["balanced"]["lda"].pipeline[-1]
    assert isinstance(found, LinearDiscriminantAnalysis)
    np.testing.assert_allclose(found.priors_, [0.5, 0.5])
    np.testing.assert_allclose(both["none"]["lda"].pipeline[-1].priors_, [75 / 90, 15 / 90])


@pytest.mark.parametrize("name", ["logistic", "lda", "xgboost"])
def test_probabilities_are_those_of_equal_classes(name, rare, both):
    X, _ = rare
    plain, balanced = (both[w][name].predict_proba_positive(X).mean() for w in ("none", "balanced"))
    assert plain < balanced
    assert any("population with equal classes, not of this cohort" in n for n in both["balanced"][name].notes)


@pytest.mark.parametrize(
    ("name", "said"),
    [("knn", "does nothing there"), ("svm_rbf", "was not weighted"), ("svm_linear", "was not weighted")],
)
def test_what_is_not_weighted_is_said(name, said, rare, both):
    assert any(said in n for n in both["balanced"][name].notes)
    assert not any(said in n for n in both["none"][name].notes)
    if name == "knn":
        np.testing.assert_array_equal(both["balanced"][name].out_of_fold, both["none"][name].out_of_fold)


@pytest.mark.parametrize("name", ["xgboost", "lda", "logistic"])
def test_a_weighted_head_is_saved_and_read(name, rare, both, tmp_path):
    X, _ = rare
    save_head(both["balanced"][name], tmp_path)
    np.testing.assert_array_equal(
        load_head(tmp_path).predict_proba_positive(X), both["balanced"][name].predict_proba_positive(X)
    )
