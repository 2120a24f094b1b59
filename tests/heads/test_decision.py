"""Thresholds against an exhaustive search; calibration against scikit-learn's and against its own laws."""

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.svm import SVC

from hybridcx.errors import InputError
from hybridcx.heads.decision import choose_threshold, fit_isotonic, fit_sigmoid


def scores(n=80, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    return y, 1 / (1 + np.exp(-(rng.normal(size=n) + 1.2 * y - 0.6)))


def youden(y, score, t):
    call = score >= t
    return call[y == 1].mean() + (~call)[y == 0].mean() - 1


@pytest.mark.parametrize("seed", range(5))
def test_youden_is_the_best_of_all_thresholds(seed):
    y, score = scores(seed=seed)
    score = np.round(score, 2)  # with ties
    found = choose_threshold(y, score)
    best = max(youden(y, score, t) for t in np.r_[np.unique(score), 2.0])
    assert found.youden_j == pytest.approx(best, abs=1e-12)
    assert youden(y, score, found.value) == pytest.approx(best, abs=1e-12)


def test_among_equal_thresholds_the_nearest_to_one_half():
    assert choose_threshold([0, 1, 0, 1], [0.1, 0.2, 0.58, 0.62]).value == pytest.approx(0.6)


def test_threshold_between_neighbouring_floats_still_separates():
    low = 0.3
    high = np.nextafter(low, 1)
    found = choose_threshold([0, 1], [low, high])
    assert found.call([low, high]).tolist() == [0, 1]


def test_a_fixed_threshold_saw_no_case():
    found = choose_threshold([0, 1], [0.2, 0.3], "fixed", case_ids=["a", "b"])
    assert (found.value, found.case_ids) == (0.5, ())
    assert np.isnan(found.youden_j)
    assert choose_threshold([0, 1], [0.2, 0.3], case_ids=["a", "b"]).case_ids == ("a", "b")


@pytest.mark.parametrize(
    ("y", "score", "words"),
    [
        ([1, 1], [0.1, 0.2], "one class"),
        ([0, 1], [0.1, float("nan")], "finite"),
        ([0, 2], [0.1, 0.2], "0 or 1"),
        ([0, 1, 1], [0.1, 0.2], "one length"),
        ([0, 1], [0.4, 0.4], "all scores are equal"),
    ],
)
def test_what_cannot_be_thresholded_is_refused(y, score, words):
    with pytest.raises(InputError, match=words):
        choose_threshold(y, score)


def test_sigmoid_is_that_of_scikit_learn():
    rng = np.random.default_rng(4)
    y = np.arange(60) % 2
    X = rng.normal(size=(60, 4)) + 0.8 * y[:, None]
    splits = [(np.setdiff1d(np.arange(60), np.arange(i, 60, 3)), np.arange(i, 60, 3)) for i in range(3)]
    values = np.empty(60)
    for train, held_out in splits:
        values[held_out] = SVC(kernel="linear").fit(X[train], y[train]).decision_function(X[held_out])
    theirs = CalibratedClassifierCV(SVC(kernel="linear"), method="sigmoid", cv=splits, ensemble=False).fit(X, y)
    ours = fit_sigmoid(y, values)(SVC(kernel="linear").fit(X, y).decision_function(X))
    np.testing.assert_allclose(ours, theirs.predict_proba(X)[:, 1], atol=1e-5)


def test_sigmoid_solves_its_equations():
    # At the maximum, residuals against Platt's targets sum to zero, also weighted by the values.
    y, score = scores(seed=8)
    value = 1e3 * np.log(score / (1 - score)) + 5e3
    s = fit_sigmoid(y, value)
    n1, n0 = y.sum(), (1 - y).sum()
    residual = s(value) - np.where(y == 1, (n1 + 1) / (n1 + 2), 1 / (n0 + 2))
    assert abs(residual.sum()) < 1e-6
    assert abs(residual @ (value - value.mean()) / value.std()) < 1e-6


def test_separated_values_keep_the_sigmoid_finite():
    s = fit_sigmoid([0, 0, 0, 1, 1, 1], [-3.0, -2.0, -1.0, 1.0, 2.0, 3.0])
    assert np.isfinite([s.slope, s.intercept]).all()
    assert 0.01 < s(-3.0) < 0.5 < s(3.0) < 0.99


def test_values_that_point_the_wrong_way_are_never_flipped():
    y = np.array([0, 0, 0, 1, 1, 1, 1])
    value = np.array([3.0, 2.0, 1.0, 0.5, -1.0, -2.0, -3.0])
    s = fit_sigmoid(y, value)
    assert s.flat
    assert s.slope > 0
    assert (np.diff(s(np.sort(value))) > 0).all()
    np.testing.assert_allclose(s(value), 4 / 7, atol=0.05)


def test_constant_values_give_the_base_rate():
    s = fit_sigmoid([0, 0, 1, 1, 1, 1], np.full(6, 7.0))
    assert s.flat
    assert s(7.0) == pytest.approx(2 / 3, abs=0.06)


def test_isotonic_is_monotone_and_calibrated_on_its_cases():
    y, score = scores(200, seed=5)
    fitted = fit_isotonic(y, score, case_ids=["x"])
    p = fitted(np.linspace(-1, 2, 400))
    assert (np.diff(p) >= 0).all()
    assert p.min() >= 0
    assert p.max() <= 1
    assert fitted(score).mean() == pytest.approx(y.mean())
    assert fitted.case_ids == ("x",)
