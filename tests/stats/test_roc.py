"""AUROCs, DeLong, Newcombe, average precision, ROC points and the permutation test: laws, edges, independent computations."""

from itertools import product
from math import inf, isnan, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats
from sklearn.metrics import average_precision_score, roc_auc_score

from hybridcx.stats import roc

quick = settings(max_examples=60, deadline=None)


@st.composite
def scored(draw, models=1, least=2):
    """Truth with at least `least` cases of each class, and scores on a coarse grid, so that ties are common."""
    m, n = draw(st.integers(least, 12)), draw(st.integers(least, 12))
    y = draw(st.permutations([True] * m + [False] * n))
    s = [[draw(st.integers(0, 9)) / 10 for _ in y] for _ in range(models)]
    return np.array(y), np.array(s)


@quick
@given(scored())
def test_auroc_and_average_precision_are_sklearns(data):
    y, (s,) = data
    assert roc.auroc(y, s) == pytest.approx(roc_auc_score(y, s), abs=1e-14)
    assert roc.average_precision(y, s) == pytest.approx(average_precision_score(y, s), abs=1e-14)


@quick
@given(scored(2), st.randoms(use_true_random=False))
def test_laws_of_delong(data, random):
    y, (a, b) = data
    forward, backward = roc.delong_paired(y, a, b), roc.delong_paired(y, b, a)
    assert forward.estimate == -backward.estimate
    assert (forward.pvalue, forward.std_error, forward.status) == pytest.approx(
        (backward.pvalue, backward.std_error, backward.status), nan_ok=True
    )
    order = random.sample(range(y.size), y.size)
    shuffled = roc.delong_paired(y[order], a[order], b[order])
    assert shuffled.pvalue == pytest.approx(forward.pvalue, nan_ok=True, abs=1e-9)
    # Exchanging the classes and the direction of the scores changes nothing; exchanging the direction alone mirrors.
    assert roc.auroc(~y, -a) == pytest.approx(roc.auroc(y, a), abs=1e-15)
    assert roc.auroc(y, -a) == pytest.approx(1 - roc.auroc(y, a), abs=1e-15)
    newcombe, mirrored = roc.newcombe_auc(y, a), roc.newcombe_auc(y, -a)
    assert newcombe.conf_low == pytest.approx(1 - mirrored.conf_high, abs=1e-12)
    for found in (roc.delong(y, a), newcombe, roc.delong_logit(y, a)):
        if not isnan(found.conf_low):
            assert 0 <= found.conf_low <= found.estimate <= found.conf_high <= 1
    # Monotone transformations change no rank statistic.
    assert roc.delong(y, np.exp(a)) == roc.delong(y, a)


@quick
@given(scored(3))
def test_covariance_depends_on_its_two_models_alone(data):
    y, s = data
    aucs, cov = roc.delong_covariance(y, s)
    for i, j in product(range(3), repeat=2):
        two, pair = roc.delong_covariance(y, s[[i, j]])
        assert (two[0], two[1], pair[0, 1]) == (aucs[i], aucs[j], cov[i, j])
    v10, v01 = roc.placements(y, s)[1:]
    assert cov == pytest.approx(np.cov(v10) / v10.shape[1] + np.cov(v01) / v01.shape[1], abs=1e-14)
    whole = roc.delong_chisq(y, s[:2])
    paired = roc.delong_paired(y, s[0], s[1])
    if paired.status == "ok":
        assert whole.statistic == pytest.approx(paired.statistic**2, rel=1e-6)
        assert whole.parameter == 1
    thrice = roc.delong_chisq(y, s[[0, 1, 1]])
    assert thrice.statistic == pytest.approx(whole.statistic, rel=1e-6, nan_ok=True)
    assert thrice.parameter == whole.parameter


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_newcombe_limits_solve_their_equation(level):
    rng = np.random.default_rng(4)
    y = rng.random(60) < 0.4
    found = roc.newcombe_auc(y, rng.normal(size=60) + y, level)
    m, n, z = y.sum(), (~y).sum(), stats.norm.ppf(0.5 + level / 2)
    for limit in (found.conf_low, found.conf_high):
        q1, q2 = limit / (2 - limit), 2 * limit**2 / (1 + limit)  # Hanley and McNeil's own form
        size = (m + n) / 2
        variance = (limit * (1 - limit) + (size - 1) * (q1 - limit**2 + q2 - limit**2)) / (m * n)
        assert abs(found.estimate - limit) == pytest.approx(z * variance**0.5, rel=1e-9)


def test_newcombe_at_the_ends():
    y = np.repeat([False, True], [24, 25])
    best, worst = roc.newcombe_auc(y, y.astype(float)), roc.newcombe_auc(y, -y.astype(float))
    assert (best.conf_high, worst.conf_low, best.status) == (1.0, 0.0, "ok")
    assert best.conf_low == pytest.approx(1 - worst.conf_high)
    assert isnan(best.std_error)
    assert isnan(worst.std_error)
    root = optimize.brentq(
        lambda t: (1 - t) * 600 - 1.959963984540054**2 * t * (1 + 23.5 * ((1 - t) / (2 - t) + t / (1 + t))), 0, 1
    )
    assert best.conf_low == pytest.approx(root, rel=1e-12)


def test_a_perfect_curve():
    y = np.repeat([False, True], [24, 25])
    s = y + np.linspace(0, 0.5, 49)
    found = roc.delong(y, s)
    assert (found.estimate, found.conf_low, found.conf_high, found.status) == (1.0, 1.0, 1.0, "caution")
    logit = roc.delong_logit(y, s)
    assert (logit.estimate, logit.status) == (1.0, "caution")
    assert isnan(logit.conf_low)
    assert "infinite" in logit.warning
    paired = roc.delong_paired(y, s, y.astype(float))
    assert (paired.estimate, paired.pvalue, paired.status) == (0.0, 1.0, "caution")
    assert isnan(paired.statistic)


def test_identical_curves():
    rng = np.random.default_rng(5)
    y, s = rng.random(80) < 0.5, rng.random(80)
    found = roc.delong_paired(y, s, 3 * s - 1)
    assert (found.estimate, found.pvalue, found.status) == (0.0, 1.0, "caution")
    omnibus = roc.delong_chisq(y, np.stack([s, s, s]))
    assert (omnibus.pvalue, omnibus.parameter, omnibus.status) == (1.0, 0, "caution")
    assert isnan(omnibus.statistic)


def test_no_variance_is_no_evidence():
    y = np.array([False] * 5 + [True] * 5)
    found = roc.delong_paired(y, y.astype(float), np.zeros(10))
    assert (found.estimate, found.conf_low, found.conf_high, found.status) == (0.5, 0.5, 0.5, "caution")
    assert isnan(found.pvalue)
    omnibus = roc.delong_chisq(y, [y.astype(float), np.zeros(10)])
    assert isnan(omnibus.pvalue)
    assert omnibus.status == "caution"
    constant = roc.delong_logit(y, np.zeros(10))
    assert isnan(constant.conf_low)
    assert constant.warning.startswith("the estimated variance is zero")


@pytest.mark.parametrize("y", [[True] * 4, [False] * 4])
def test_one_class(y):
    s = np.arange(4.0)
    for found in (roc.delong(y, s), roc.delong_logit(y, s), roc.newcombe_auc(y, s)):
        assert found.status == "not_estimable"
        assert isnan(found.estimate)
    paired = (roc.delong_paired(y, s, s), roc.permutation_paired_auroc(y, s, s, 9, np.random.default_rng(1)))
    for test in paired:
        assert (test.status, isnan(test.estimate), isnan(test.pvalue)) == ("not_estimable", True, True)
    assert roc.delong_chisq(y, [s, s]).status == "not_estimable"
    assert isnan(roc.auroc(y, s))
    assert isnan(roc.average_precision(y, s))
    points = roc.roc_points(y, s)
    assert np.isnan(points.sensitivity).all() != np.isnan(points.specificity).all()
    assert roc.thin_roc(points, 3).threshold.tolist() == [inf, 2.0, 0.0] or len(roc.thin_roc(points, 3).threshold) == 3


def test_one_case_in_a_class():
    y, s = [True, False, False, False], [0.4, 0.1, 0.6, 0.2]
    for found in (roc.delong(y, s), roc.delong_logit(y, s), roc.delong_paired(y, s, s[::-1])):
        assert found.status == "caution"
        assert isnan(found.conf_low)
        assert not isnan(found.estimate)
    assert roc.delong_chisq(y, [s, s[::-1]]).status == "not_estimable"


@quick
@given(scored())
def test_points_follow_the_rule(data):
    y, (s,) = data
    threshold, sensitivity, specificity = roc.roc_points(y, s)
    assert (threshold[0], sensitivity[0], specificity[0]) == (inf, 0.0, 1.0)
    assert (threshold[-1], sensitivity[-1], specificity[-1]) == (s.min(), 1.0, 0.0)
    assert np.all(np.diff(threshold) < 0)
    for t, se, sp in zip(threshold, sensitivity, specificity, strict=True):
        assert se == pytest.approx(np.mean(s[y] >= t))
        assert sp == pytest.approx(np.mean(s[~y] < t))
    assert np.trapezoid(sensitivity, 1 - specificity) == pytest.approx(roc.auroc(y, s), abs=1e-12)


def test_thinning():
    rng = np.random.default_rng(6)
    y = rng.random(3000) < 0.5
    points = roc.roc_points(y, rng.normal(size=3000) + 4 * y)
    assert np.array_equal(roc.thin_roc(points, 5000), points)
    area = np.trapezoid(points.sensitivity, 1 - points.specificity)
    corners = roc.thin_roc(points, 1000)  # enough for the corners: the curve stays exactly the same
    assert len(corners.threshold) <= 1000
    assert np.trapezoid(corners.sensitivity, 1 - corners.specificity) == pytest.approx(area, abs=1e-12)
    hard = roc.roc_points(y, rng.normal(size=3000))
    few = roc.thin_roc(hard, 50)
    assert len(few.threshold) <= 50
    assert (few.threshold[0], few.threshold[-1]) == (inf, hard.threshold[-1])
    assert set(few.threshold) <= set(hard.threshold)
    with pytest.raises(ValueError, match="two ends"):
        roc.thin_roc(points, 1)


def test_thinned_points_stand_at_even_distances():
    rng = np.random.default_rng(8)
    y = rng.random(2000) < 0.3
    hard = roc.roc_points(y, rng.normal(size=2000))
    path = np.cumsum(np.r_[0.0, np.diff(hard.sensitivity) - np.diff(hard.specificity)])
    for n in (2, 3, 50, 400):
        few = roc.thin_roc(hard, n)
        assert n - 1 <= len(few.threshold) <= n or n == 400
        assert (few.threshold[0], few.threshold[-1]) == (inf, hard.threshold[-1])
        at = np.searchsorted(-hard.threshold, -few.threshold)
        assert np.array_equal(hard.sensitivity[at], few.sensitivity)
        assert np.array_equal(hard.specificity[at], few.specificity)
        largest_step = np.diff(roc.thin_roc(hard, 2000).sensitivity - roc.thin_roc(hard, 2000).specificity).max()
        assert np.diff(path[at]).max() <= 2.0 / (n - 1) + largest_step + 1e-12


def test_as_many_corners_as_points_are_all_kept():
    y = np.tile([True, True, False], 40)
    curve = roc.roc_points(y, np.arange(120)[::-1])
    corners = roc.thin_roc(curve, 119)
    assert len(corners.threshold) == 81  # of each three points the one inside a straight step is left out
    assert np.array_equal(roc.thin_roc(curve, 81), corners)
    assert np.array_equal(roc.thin_roc(curve, 121), curve)
    assert len(roc.thin_roc(curve, 80).threshold) <= 80


@pytest.mark.parametrize("truth", [True, False])
def test_curves_of_one_class_are_thinned_too(truth):
    few = roc.thin_roc(roc.roc_points(np.full(500, truth), np.arange(500.0)), 10)
    assert few.threshold.tolist()[:2] == [inf, 444.0]
    assert (len(few.threshold), few.threshold[-1]) == (10, 0.0)
    assert np.isnan(few.specificity if truth else few.sensitivity).all()
    assert not np.isnan(few.sensitivity if truth else few.specificity).any()


def test_thinning_keeps_2000_points_by_default():
    rng = np.random.default_rng(6)
    y = rng.random(20_000) < 0.5
    assert len(roc.thin_roc(roc.roc_points(y, rng.normal(size=20_000))).threshold) in range(1990, 2001)


@settings(max_examples=15, deadline=None)
@given(scored(2), st.integers(0, 2**32 - 1))
def test_permutation_is_the_brute_force_one(data, seed):
    y, (a, b) = data
    y, a, b = y[:7], a[:7], b[:7]
    found = roc.permutation_paired_auroc(y, a, b, 9, np.random.default_rng(seed))
    if y.all() or not y.any():
        assert found.status == "not_estimable"
        return
    ra, rb = stats.rankdata(a), stats.rankdata(b)

    def area(x):
        return np.mean([(p > q) + (p == q) / 2 for p in x[y] for q in x[~y]])

    observed = area(ra) - area(rb)
    assert found.estimate == pytest.approx(observed, abs=1e-12)
    hits = [
        abs(area(np.where(w, rb, ra)) - area(np.where(w, ra, rb))) >= abs(observed) - 1e-12
        for w in product([False, True], repeat=y.size)
    ]
    assert found.pvalue == pytest.approx(np.mean(hits), abs=1e-12)


def test_permutation_by_simulation():
    rng = np.random.default_rng(7)
    y = rng.random(60) < 0.5
    a, b = rng.normal(size=(2, 60)) + 0.8 * y
    a += 0.5 * y
    found = roc.permutation_paired_auroc(y, a, b, 20_000, np.random.default_rng(1))
    assert found == roc.permutation_paired_auroc(y, a, b, 20_000, np.random.default_rng(1))
    assert found.n_resamples == 20_000
    assert found.pvalue == pytest.approx(roc.delong_paired(y, a, b).pvalue, abs=0.03)
    swaps = rng.random((400, 60)) < 0.5
    ra, rb = stats.rankdata(a), stats.rankdata(b)
    hits = sum(
        abs(roc.auroc(y, np.where(w, rb, ra)) - roc.auroc(y, np.where(w, ra, rb))) >= abs(found.estimate) for w in swaps
    )
    assert found.pvalue == pytest.approx(hits / 400, abs=4 * (found.pvalue * (1 - found.pvalue) / 400) ** 0.5)
    same = roc.permutation_paired_auroc(y, a, 2 * a, 99, rng)
    assert (same.pvalue, same.status) == (1.0, "caution")


@pytest.mark.parametrize(
    ("y", "s", "word"),
    [
        ([[0, 1]], [1, 2], "one dimension"),
        ([0, 2], [1, 2], "0 and 1"),
        ([0, 1], [1, 2, 3], "shape"),
        ([0, 1], [1, nan], "finite"),
        ([0, 1], [[1, 2], [3, 4]], "one model"),
    ],
)
def test_bad_arrays(y, s, word):
    with pytest.raises(ValueError, match=word):
        roc.auroc(y, s)


def test_bad_arguments():
    with pytest.raises(ValueError, match="confidence_level"):
        roc.delong([0, 1], [0, 1], 95)
    with pytest.raises(ValueError, match="two models"):
        roc.delong_chisq([0, 1], [0, 1])


def test_the_level_is_95_percent_unless_given():
    y, (a, b) = [0, 1, 0, 1, 1, 0], np.array([[0.1, 0.4, 0.35, 0.8, 0.2, 0.3], [0.2, 0.3, 0.6, 0.7, 0.1, 0.4]])
    cov = roc.delong_covariance(np.array(y, dtype=bool), np.stack([a, b]))
    assert roc.delong_paired_from(*cov, 0, 1, 6) == roc.delong_paired_from(*cov, 0, 1, 6, 0.95)
    assert roc.delong_paired_from(*cov, 0, 1, 6).conf_level == 0.95


def test_2000_points_of_a_curve_are_kept():
    rng = np.random.default_rng(6)
    y = rng.random(200_000) < 0.5
    assert len(roc.thin_roc(roc.roc_points(y, rng.normal(size=200_000))).threshold) == 2000
