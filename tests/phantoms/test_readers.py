"""Readers: the variance components against their definition, the reliability that comes out, the counts for every seed."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray

from hybridcx.errors import InputError
from hybridcx.phantoms.pathology import PRESENT, burden, draw_severities
from hybridcx.phantoms.readers import CHART_REASONS, DISAGREEMENT, STUDY, quotas, recruit, solve, variance_components


def icc_2_1(y: NDArray[np.float64]) -> float:
    """ICC(2,1) of Shrout and Fleiss (1979), written out here so that the phantom is not checked by the code it feeds."""
    n, k = y.shape
    rows, columns, grand = y.mean(axis=1), y.mean(axis=0), y.mean()
    msr = k * ((rows - grand) ** 2).sum() / (n - 1)
    msc = n * ((columns - grand) ** 2).sum() / (k - 1)
    mse = ((y - rows[:, None] - columns + grand) ** 2).sum() / ((n - 1) * (k - 1))
    return float((msr - mse) / (msr + (k - 1) * mse + k * (msc - mse) / n))


def test_icc_of_shrout_and_fleiss_table_2() -> None:
    table = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    assert icc_2_1(np.array(table, dtype=float)) == pytest.approx(0.29, abs=0.005)


@pytest.mark.parametrize(("between", "within"), [(0.92, 0.94), (0.5, 0.9), (0.8, 0.8), (1.0, 1.0)])
def test_components_give_back_the_reliabilities(between: float, within: float) -> None:
    d, g, w = variance_components(3.0, between, within)
    assert min(d, g, w) >= 0.0
    assert 3.0 / (3.0 + 2.0 * d * d + g + w) == pytest.approx(between)
    assert (3.0 + g) / (3.0 + g + w) == pytest.approx(within)


@pytest.mark.parametrize(("between", "within"), [(0.92, 0.94), (0.82, 0.90)])
def test_cohorts_have_the_reliability_asked_for(between: float, within: float) -> None:
    got_between, got_within = [], []
    for seed in range(8):
        ratings = recruit(416, seed, reliability_between=between, reliability_within=within)[0].ratings
        got_between.append(icc_2_1(ratings[:, :, 0]))
        got_within += [icc_2_1(ratings[:, r, :]) for r in (0, 1)]
    assert np.mean(got_between) == pytest.approx(between, abs=0.015)
    assert np.mean(got_within) == pytest.approx(within, abs=0.015)


@pytest.mark.parametrize("seed", [0, 1, 2, 77, 2**31])
def test_counts_of_the_study_for_every_seed(seed: int) -> None:
    recruits, model = recruit(416, seed)
    kept = np.array([not reason for reason in recruits.excluded])
    first = recruits.calls[:, :, 0]
    assert kept.sum() == 331
    assert (first[kept, 0] == first[kept, 1]).all()
    assert first[kept, 0].sum() == 170
    assert set(recruits.excluded) == {"", DISAGREEMENT, *CHART_REASONS}
    assert not model.selected
    differ = np.array([reason == DISAGREEMENT for reason in recruits.excluded])
    assert (first[differ, 0] != first[differ, 1]).all()


@pytest.mark.parametrize("n", [20, 21, 57, 100, 415, 1000])
def test_other_sizes_scale_the_quotas(n: int) -> None:
    room = quotas(n)
    assert sum(room.values()) == n
    assert all(abs(room[k] - STUDY[k] * n / 416) < 1.0 for k in room)
    recruits, _ = recruit(n, 4)
    kept = [i for i, reason in enumerate(recruits.excluded) if not reason]
    assert Counter(bool(recruits.calls[i, 0, 0]) for i in kept) == {True: room["abnormal"], False: room["normal"]}


def test_poor_readers_are_said_to_be_selected_and_perfect_ones_never_differ() -> None:
    assert solve(416, 0.5, 0.6).selected
    recruits, _ = recruit(60, 0, reliability_between=1.0, reliability_within=1.0)
    assert DISAGREEMENT not in recruits.excluded
    # Only the rounding to one decimal is left, and the four readings are one number.
    assert np.ptp(recruits.ratings, axis=(1, 2)).max() == 0.0


def test_ratings_are_not_clipped_and_have_one_decimal() -> None:
    ratings = recruit(416, 5)[0].ratings
    assert 0.0 < ratings.min() < ratings.max() < 100.0
    assert np.array_equal(np.round(ratings, 1), ratings)


@pytest.mark.parametrize(
    "wrong", [{"reliability_between": 0.95}, {"reliability_within": 1.2}, {"reliability_between": 0.0}, {"n": 19}]
)
def test_impossible_requests_are_refused(wrong: dict[str, float]) -> None:
    n = int(wrong.pop("n", 416))
    with pytest.raises(InputError):
        recruit(n, 0, **wrong)


def test_truth_is_a_sign_at_or_above_the_cut() -> None:
    truth = np.arange(400) % 2 == 0
    drawn = draw_severities(np.random.default_rng(3), truth)
    assert np.array_equal(drawn.abnormal(), truth)
    for i in range(40):
        signs = drawn.signs(i)
        assert bool(signs) == truth[i]
        assert all(PRESENT <= severity <= 1.0 for _, _, severity in signs)
    s = burden(drawn)
    assert s[truth].min() > 0.25
    assert s[~truth].max() < 0.6
    worse = draw_severities(np.random.default_rng(3), truth)
    worse.narrowing[:] = np.minimum(worse.narrowing + 0.1, 1.0)
    assert (burden(worse) > s).all()
