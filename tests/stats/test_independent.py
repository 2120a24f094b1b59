"""Differences of independent estimates against published values and laws."""

from __future__ import annotations

from math import isnan, nan, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridcx.stats.independent import mover_difference, mover_ratio
from hybridcx.stats.proportions import wilson

# Newcombe (1998), Statistics in Medicine 17:873-890, Table II, method 10: x1/n1, x2/n2, lower, upper
NEWCOMBE = [
    (56, 70, 48, 80, 0.0524, 0.3339),
    (9, 10, 3, 10, 0.1705, 0.8090),
    (6, 7, 2, 7, 0.0582, 0.8062),
    (5, 56, 0, 29, -0.0381, 0.1926),
    (0, 10, 0, 20, -0.1611, 0.2775),
    (0, 10, 0, 10, -0.2775, 0.2775),
    (10, 10, 0, 20, 0.6791, 1.0000),
    (10, 10, 0, 10, 0.6075, 1.0000),
]


@pytest.mark.parametrize("row", NEWCOMBE)
def test_with_wilsons_limits_it_is_newcombes_method_10(row):
    x1, n1, x2, n2, low, high = row
    sides = [(r.estimate, r.conf_low, r.conf_high) for r in (wilson(x1, n1), wilson(x2, n2))]
    found = mover_difference(*sides)
    assert found.estimate == pytest.approx(x1 / n1 - x2 / n2)
    assert (found.conf_low, found.conf_high) == pytest.approx((low, high), abs=6e-5)


def test_with_symmetric_limits_it_is_walds():
    found = mover_difference((0.8, 0.7, 0.9), (0.5, 0.3, 0.7))
    half = sqrt(0.1**2 + 0.2**2)
    assert tuple(found) == pytest.approx((0.3, 0.3 - half, 0.3 + half))


side = st.tuples(st.floats(-5, 5), st.floats(0, 2), st.floats(0, 2)).map(lambda t: (t[0], t[0] - t[1], t[0] + t[2]))


@given(side, side)
def test_swapping_the_two_turns_the_sign(a, b):
    first, second = mover_difference(a, b), mover_difference(b, a)
    assert first.estimate == pytest.approx(-second.estimate)
    assert first.conf_low == pytest.approx(-second.conf_high)
    assert first.conf_low <= first.estimate <= first.conf_high


def test_what_is_missing_stays_missing():
    assert mover_difference((0.5, nan, nan), (0.4, 0.3, 0.5))[0] == pytest.approx(0.1)
    assert all(map(isnan, mover_difference((0.5, nan, nan), (0.4, 0.3, 0.5))[1:]))
    assert isnan(mover_difference((nan, 0, 1), (0.4, 0.3, 0.5)).estimate)


def test_a_ratio_is_the_difference_of_the_logarithms():
    found = mover_ratio((4.0, 2.0, 8.0), (2.0, 1.0, 4.0))
    assert found.estimate == pytest.approx(2.0)
    assert found.conf_low * found.conf_high == pytest.approx(4.0)
    assert isnan(mover_ratio((0.0, 0.0, 1.0), (2.0, 1.0, 4.0)).estimate)
