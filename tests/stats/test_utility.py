"""Net benefit and decision curves: the formula, laws, clusters, edges."""

from math import isnan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridcx.stats import utility


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 20)), min_size=1, max_size=40), st.integers(0, 99))
def test_formula(cases, percent):
    y, s, t = np.array([c[0] for c in cases]), np.array([c[1] / 20 for c in cases]), percent / 100
    called = s >= t
    want = (called & y).mean() - (called & ~y).mean() * t / (1 - t)
    assert utility.net_benefit(y, s, t)[0, 0] == pytest.approx(want, abs=1e-12)
    curves = utility.decision_curves(y, s, [t])
    assert curves.net_benefit[:, 0] == pytest.approx([want, y.mean() - (~y).mean() * t / (1 - t), 0.0], abs=1e-12)
    assert want <= y.mean() + 1e-12
    if y.size > 1:
        assert np.all(curves.conf_low <= curves.net_benefit)
        assert np.all(curves.net_benefit <= curves.conf_high)
    else:
        assert np.isnan(curves.conf_low[:2]).all()


def test_clusters():
    rng = np.random.default_rng(1)
    y, s = rng.random(60) < 0.5, rng.random((2, 60))
    alone = utility.decision_curves(y, s, [0.3, 0.6])
    same = utility.decision_curves(y, s, [0.3, 0.6], groups=np.arange(60))
    assert same.conf_low == pytest.approx(alone.conf_low, abs=1e-12)
    twice = np.repeat(np.arange(60), 2)
    copied = utility.decision_curves(y[twice], s[:, twice], [0.3, 0.6], groups=twice)
    assert copied.conf_low == pytest.approx(alone.conf_low, abs=1e-12)
    assert np.all(alone.conf_high <= 1)


def test_difference():
    rng = np.random.default_rng(2)
    y, a, b = rng.random(80) < 0.5, rng.random(80), rng.random(80)
    forward, backward = utility.net_benefit_difference(y, a, b, 0.4), utility.net_benefit_difference(y, b, a, 0.4)
    at = [0.4]
    want = utility.net_benefit(y, a, at)[0, 0] - utility.net_benefit(y, b, at)[0, 0]
    assert forward.estimate == pytest.approx(want, abs=1e-12)
    assert (forward.estimate, forward.pvalue) == pytest.approx((-backward.estimate, backward.pvalue))
    terms = utility.net_benefit_terms(y, a, 0.4) - utility.net_benefit_terms(y, b, 0.4)
    assert forward.std_error == pytest.approx(terms.std(ddof=1) / 80**0.5)
    same = utility.net_benefit_difference(y, a, a, 0.4)
    assert (same.estimate, same.pvalue, same.status) == (0.0, 1.0, "caution")
    constant = utility.net_benefit_difference([1, 1], [0.9, 0.9], [0.1, 0.1], 0.5)
    assert (constant.estimate, constant.status, isnan(constant.pvalue)) == (1.0, "caution", True)
    one = utility.net_benefit_difference([1], [0.9], [0.1], 0.5)
    assert (one.status, isnan(one.conf_low)) == ("caution", True)
    none = utility.net_benefit_difference([], [], [], 0.5)
    assert (none.status, isnan(none.estimate)) == ("not_estimable", True)


def test_edges():
    assert np.isnan(utility.net_benefit([], [], [0.5])).all()
    assert np.isnan(utility.decision_curves([], [], [0.5]).net_benefit).all()
    for t in (-0.1, 1.0):
        with pytest.raises(ValueError, match=r"\[0, 1\)"):
            utility.net_benefit([0, 1], [0.1, 0.2], t)


def test_differences_along_the_curve_are_those_of_single_thresholds():
    rng = np.random.default_rng(2)
    y, s = rng.random(70) < 0.4, np.round(rng.random((3, 70)), 2)
    pairs, at = [(0, 1), (2, 0)], [0.05, 0.2, 0.5, 0.93]
    found = utility.net_benefit_differences(y, s, pairs, at, 0.9)
    for m, (i, j) in enumerate(pairs):
        for k, t in enumerate(at):
            one = utility.net_benefit_difference(y, s[i], s[j], t, 0.9)
            got = [getattr(found, f)[m, k] for f in ("difference", "conf_low", "conf_high", "std_error", "pvalue")]
            assert got == pytest.approx(
                [one.estimate, one.conf_low, one.conf_high, one.std_error, one.pvalue], abs=1e-12, nan_ok=True
            ), (i, j, t)


def test_differences_with_clusters():
    rng = np.random.default_rng(3)
    y, s = rng.random(50) < 0.5, rng.random((2, 50))
    alone = utility.net_benefit_differences(y, s, [(0, 1)], [0.3, 0.6])
    each = utility.net_benefit_differences(y, s, [(0, 1)], [0.3, 0.6], groups=np.arange(50))
    assert each.std_error == pytest.approx(alone.std_error, abs=1e-12)
    twice = np.repeat(np.arange(50), 2)
    copied = utility.net_benefit_differences(y[twice], s[:, twice], [(0, 1)], [0.3, 0.6], groups=twice)
    assert copied.conf_low == pytest.approx(alone.conf_low, abs=1e-12)
    one = utility.net_benefit_differences(y, s, [(0, 1)], [0.3], groups=np.zeros(50))
    assert np.isnan(one.std_error).all()
    assert np.isnan(one.conf_low).all()
    assert np.isnan(one.pvalue).all()


def test_differences_that_do_not_vary():
    y, s = np.array([True, True, False]), np.array([[0.9, 0.8, 0.1], [0.8, 0.7, 0.2], [0.2, 0.3, 0.1]])
    found = utility.net_benefit_differences(y, s, [(0, 1), (0, 2)], [0.5])
    assert found.difference[:, 0].tolist() == [0.0, pytest.approx(2 / 3)]
    assert np.isnan(found.conf_low[0, 0])
    assert found.pvalue[0, 0] == 1.0  # no case is called differently
    whole = utility.net_benefit_differences(y[:2], s[:, :2], [(0, 2)], [0.5])
    assert whole.difference[0, 0] == 1.0
    assert np.isnan(whole.pvalue[0, 0])
    empty = utility.net_benefit_differences(y[:0], s[:, :0], [(0, 2)], [0.5])
    assert np.isnan(empty.difference[0, 0])
    assert np.isnan(empty.pvalue[0, 0])
    single = utility.net_benefit_differences(y[:1], s[:, :1], [(0, 2)], [0.5])
    assert np.isnan(single.std_error[0, 0])
