"""The test of interaction over subgroups."""

from __future__ import annotations

from math import isnan, sqrt

import numpy as np
import pytest
from scipy import stats

from hybridcx.stats.heterogeneity import (
    heterogeneity,
    joint_heterogeneity,
    paired_difference_error,
    proportion_error,
)


def test_two_subgroups_are_the_z_test_of_their_difference():
    found = heterogeneity([0.3, 0.1], [0.08, 0.06], [50, 60])
    z = 0.2 / sqrt(0.08**2 + 0.06**2)
    assert found.statistic == pytest.approx(z**2)
    assert found.pvalue == pytest.approx(2 * stats.norm.sf(z))
    assert (found.k, found.n, found.parameter, found.status) == (2, 110, 1.0, "ok")


def test_three_subgroups_by_hand():
    # weights 100, 25, 100; mean (20 + 2.5 + 0)/225 = 0.1; Q = 100*0.01 + 0 + 100*0.01
    found = heterogeneity([0.2, 0.1, 0.0], [0.1, 0.2, 0.1], [30, 30, 30])
    assert found.statistic == pytest.approx(2.0)
    assert found.pvalue == pytest.approx(float(stats.chi2.sf(2.0, 2)))


def test_equal_effects_give_p_1_and_small_groups_a_caution():
    found = heterogeneity([0.2, 0.2], [0.1, 0.3], [40, 19])
    assert found.pvalue == 1.0
    assert found.status == "caution"
    assert "19 cases" in found.warning


def test_subgroups_without_an_effect_are_left_out_and_counted():
    nan = float("nan")
    found = heterogeneity([0.2, nan, 0.1, 0.0], [0.1, 0.1, nan, 0.1], [30, 30, 30, 30])
    assert (found.k, found.n, found.status) == (2, 60, "caution")
    assert found.warning.startswith("2 of 4")
    none = heterogeneity([0.2, 0.1], [0.1, 0.0], [30, 30])
    assert none.status == "not_estimable"
    assert isnan(none.pvalue)


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="one number a subgroup"):
        heterogeneity([0.1], [0.1, 0.2], [3])


def test_standard_errors_are_never_zero():
    assert proportion_error(10, 10) == pytest.approx(sqrt(12 / 14 * (2 / 14) / 14))
    assert paired_difference_error(20, 0, 0) == pytest.approx(1 / 22)
    assert isnan(proportion_error(0, 0))
    assert isnan(paired_difference_error(0, 0, 0))


def drawn(effects, errors, shared=0.0, n=4000):
    """Replicates of subgroups with errors of their own and one that all share; whitened, so that their covariance is exact."""
    z = np.random.default_rng(2).normal(size=(n, len(effects) + 1))
    z = np.linalg.solve(np.linalg.cholesky(np.cov(z, rowvar=False)), (z - z.mean(axis=0)).T).T
    return np.asarray(effects) + z[:, :-1] * errors + shared * z[:, -1:]


def test_independent_replicates_give_cochrans_q_and_a_shared_error_changes_nothing():
    effects, errors, sizes = [0.2, 0.1, 0.0], np.array([0.1, 0.2, 0.1]), [30, 30, 40]
    for shared in (0.0, 0.3):
        found = joint_heterogeneity(effects, drawn(effects, errors, shared), sizes)
        assert found.statistic == pytest.approx(2.0)
        assert found.pvalue == pytest.approx(float(stats.chi2.sf(2.0, 2)))
        assert (found.k, found.n, found.parameter, found.status) == (3, 100, 2.0, "ok")
        assert found.method == "heterogeneity_hierarchical"


def test_a_subgroup_without_variance_or_effect_is_left_out_and_failed_resamples_are_counted():
    nan = float("nan")
    replicates = drawn([0.2, 0.1], np.array([0.1, 0.1]))
    more = np.column_stack([replicates, np.full(4000, 1.0), np.full(4000, nan)])
    found = joint_heterogeneity([0.2, 0.1, 1.0, nan], more, [30, 30, 9, 9])
    assert (found.k, found.n, found.status) == (2, 60, "caution")
    assert found.warning.startswith("2 of 4 subgroups")
    assert found.statistic == pytest.approx(0.1**2 / 0.02)
    replicates[:400, 0] = nan
    found = joint_heterogeneity([0.2, 0.1], replicates, [30, 12])
    assert found.status == "caution"
    assert "400 of 4000 resamples" in found.warning
    assert "12 cases" in found.warning


def test_what_has_no_joint_test():
    nan = float("nan")
    replicates = drawn([0.2, 0.1], np.array([0.1, 0.1]))
    none = joint_heterogeneity([0.2, nan], replicates, [30, 30])
    assert (none.status, isnan(none.pvalue)) == ("not_estimable", True)
    assert "fewer than two" in none.warning
    together = joint_heterogeneity([0.2, 0.1], np.column_stack([replicates[:, 0], replicates[:, 0] - 0.5]), [30, 30])
    assert "do not vary" in together.warning
    replicates[2:, 1] = nan
    assert "only 2 of 4000" in joint_heterogeneity([0.2, 0.1], replicates, [30, 30]).warning
    with pytest.raises(ValueError, match="a column of replicates"):
        joint_heterogeneity([0.2, 0.1], replicates[:, :1], [30, 30])
