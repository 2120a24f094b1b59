"""The test of interaction over subgroups."""

from __future__ import annotations

from math import isnan, sqrt

import pytest
from scipy import stats

from hybridcx.stats.heterogeneity import heterogeneity, paired_difference_error, proportion_error


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
