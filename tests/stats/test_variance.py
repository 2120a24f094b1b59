"""Two-way components and Nadeau-Bengio: recovery, laws, edges."""

from math import isnan

import numpy as np
import pytest

from hybridcx.stats import variance


def test_components_are_recovered():
    rng = np.random.default_rng(1)
    values = rng.normal(0, 2, (3000, 1)) + rng.normal(0, 0.5, (1, 400)) + rng.normal(0, 1, (3000, 400))
    found = variance.two_way_components(values)
    assert (found.case, found.seed, found.residual) == pytest.approx((4, 0.25, 1), rel=0.15)
    assert found.share_case + found.share_seed + found.share_residual == pytest.approx(1)
    assert found.share_case == pytest.approx(
        (found.case / 3000) / (found.case / 3000 + found.seed / 400 + found.residual / 1.2e6)
    )


def test_weights_are_copies():
    rng = np.random.default_rng(2)
    values, weights = rng.normal(size=(8, 3)) + rng.normal(size=(8, 1)), np.array([1, 2, 1, 3, 1, 1, 2, 1])
    assert variance.two_way_components(values, weights) == pytest.approx(
        variance.two_way_components(np.repeat(values, weights, axis=0)), rel=1e-10
    )


def test_component_edges():
    opposite = variance.two_way_components([[0.0, 1.0], [1.0, 0.0]])
    assert (opposite.case, opposite.seed, opposite.truncated, opposite.share_residual) == (0.0, 0.0, True, 1.0)
    constant = variance.two_way_components(np.ones((4, 3)))
    assert (constant.case, isnan(constant.share_case)) == (0.0, True)
    for values in ([[1.0, 2.0]], [[1.0], [2.0]], [[1.0, np.nan], [1.0, 2.0]]):
        assert isnan(variance.two_way_components(values).case)
    with pytest.raises(ValueError, match="shape"):
        variance.two_way_components([1.0, 2.0])
    with pytest.raises(ValueError, match="weights"):
        variance.two_way_components([[1.0, 2.0]], [1, 2])


def test_nadeau_bengio():
    d = [0.02, -0.01, 0.05, 0.03]
    found, mirrored = variance.nadeau_bengio(d, 280, 49), variance.nadeau_bengio([-v for v in d], 280, 49)
    assert (found.estimate, found.pvalue) == pytest.approx((-mirrored.estimate, mirrored.pvalue))
    assert found.parameter == 3
    zero_at = variance.nadeau_bengio(d, 280, 49, 1 - found.pvalue)  # the interval at level 1 - p ends at 0
    assert zero_at.conf_low == pytest.approx(0, abs=1e-12)
    same, constant = variance.nadeau_bengio([0.0, 0.0], 10, 5), variance.nadeau_bengio([0.1, 0.1], 10, 5)
    assert (same.pvalue, same.status, constant.status, isnan(constant.pvalue)) == (1.0, "caution", "caution", True)
    one = variance.nadeau_bengio([0.1], 10, 5)
    assert (one.status, isnan(one.conf_low)) == ("caution", True)
    undefined = variance.nadeau_bengio([0.1, np.nan], 10, 5)
    assert (undefined.status, undefined.warning) == ("not_estimable", "the metric is undefined in 1 of 2 splits")
    for differences, train in (([], 10), ([[0.1]], 10), ([0.1], 0)):
        with pytest.raises(ValueError, match=r"one number|positive"):
            variance.nadeau_bengio(differences, train, 5)
