"""The normal distribution has the values of scipy.stats, bit for bit; the midranks are those of scipy.stats.rankdata."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from hybridcx.stats import distributions
from hybridcx.stats.roc_permutation import _twice_midranks

X = np.r_[np.linspace(-40, 40, 2001), 0.0, np.inf, -np.inf]
P = np.r_[np.linspace(0, 1, 2001), 1e-300]


@pytest.mark.parametrize(("name", "values"), [("cdf", X), ("sf", X), ("ppf", P), ("isf", P)])
def test_the_normal_distribution(name, values):
    ours, scipys = getattr(distributions.norm, name), getattr(stats.norm, name)
    np.testing.assert_array_equal(ours(values), scipys(values))


@pytest.mark.parametrize("df", [1, 2, 5, 11])
def test_the_upper_tail_of_chi_squared_in_the_omnibus_test(df):
    np.testing.assert_array_equal(special.chdtrc(df, np.abs(X)), stats.chi2.sf(np.abs(X), df))


def test_others_are_those_of_scipy():
    assert distributions.binom is stats.binom
    with pytest.raises(AttributeError):
        _ = distributions.no_such_distribution


@pytest.mark.parametrize(("n", "values"), [(1, 2), (7, 3), (100, 4), (100, 1000)])
def test_midranks(n, values):
    scores = np.random.default_rng(n).integers(0, values, n) / values
    np.testing.assert_array_equal(_twice_midranks(scores), 2 * stats.rankdata(scores))
