"""Blocks of rows give what steps give, and both what the definitions give."""

import numpy as np
import pytest

from hybridcx.stats.resampling import ranks as rank_resampling
from hybridcx.stats.resampling.ranks import RankBlocks, RankPlan, rank_plan
from hybridcx.stats.resampling.scores import ScoreRows, score_patterns


def clustered(n, digits, seed=3):
    rng = np.random.default_rng(seed)
    y = rng.random(n) < 0.4
    scores = np.round(np.clip(rng.normal(0.4 + 0.2 * y, 0.2), 0, 1), digits)[None]
    unit = np.sort(rng.integers(0, n // 2, n))
    unit = np.unique(unit, return_inverse=True)[1]
    return ScoreRows(y, scores, unit, np.ones(unit.max() + 1, dtype=np.int64))


def drawn(rows, columns=40, seed=5):
    """Resamples; the last columns hold one class alone, one case alone, and nothing."""
    rng, n = np.random.default_rng(seed), rows.counts.size
    weights = rng.multinomial(n, np.full(n, 1 / n), columns).T.astype(np.float32)
    of_class = np.bincount(rows.unit, weights=rows.y, minlength=n) > 0
    weights[of_class, -1] = 0
    weights[~of_class, -2] = 0
    weights[:, -3] = 0
    weights[0, -3] = 1
    weights[:, -4] = 0
    return weights


@pytest.mark.parametrize("floats", [1, 200, 1 << 17])
@pytest.mark.parametrize("digits", [0, 1, 2, 8])
def test_blocks_equal_steps(monkeypatch, digits, floats):
    monkeypatch.setattr(rank_resampling, "_BLOCK_FLOATS", floats)
    rng = np.random.default_rng(2)
    y = rng.random(300) < 0.3
    scores = np.round(np.clip(rng.normal(0.4 + 0.2 * y, 0.2, (2, 300)), 0, 1), digits)
    for rows in (score_patterns(y, scores), clustered(300, digits)):
        weights = drawn(rows)
        for only in (None, np.arange(rows.y.size) % 3 > 0):
            for model in range(len(rows.scores)):
                by_steps = RankPlan(rows, model, only).evaluate(weights, True)
                by_blocks = RankBlocks(rows, model, only).evaluate(weights, True)
                np.testing.assert_array_equal(by_blocks[0], by_steps[0])
                np.testing.assert_allclose(by_blocks[1], by_steps[1], rtol=1e-13)
                assert np.isnan(by_blocks[0][[-1, -4]]).all()
                assert np.isnan(RankBlocks(rows, model, only).evaluate(weights, False)[1]).all()


def test_blocks_equal_the_definition():
    rows = clustered(200, 1)
    for weight in drawn(rows, 8)[:, :4].T:
        w, y, s = weight[rows.unit].astype(float), rows.y, rows.scores[0]
        above = (s[y][:, None] > s[~y]) + 0.5 * (s[y][:, None] == s[~y])
        auroc = (above * w[y][:, None] * w[~y]).sum() / (w[y].sum() * w[~y].sum())
        called = (s[y][:, None] <= s) @ w
        right = (s[y][:, None] <= s[y]) @ w[y]
        found = RankBlocks(rows, 0).evaluate(weight[:, None].astype(np.float32), True)
        assert found[0][0] == auroc
        assert found[1][0] == pytest.approx((w[y] * right / np.maximum(called, 1)).sum() / w[y].sum(), rel=1e-12)


def test_one_class_alone():
    for truth in (True, False):
        rows = ScoreRows(np.array([truth] * 3), np.array([[0.1, 0.2, 0.2]]), np.arange(3), np.ones(3, dtype=np.int64))
        for kind in (RankPlan, RankBlocks):
            assert np.isnan(kind(rows, 0).evaluate(np.ones((3, 2), dtype=np.float32), True)[0]).all()


def test_large_sets_are_walked_in_blocks(monkeypatch):
    monkeypatch.setattr(rank_resampling, "_ROWS_OF_BLOCKS", 100)
    rows = clustered(150, 3)
    assert isinstance(rank_plan(rows, 0), RankBlocks)
    assert isinstance(rank_plan(rows, 0, np.arange(150) < 99), RankPlan)
