"""Multinomial draws: their sums, moments and distribution, by table, by Poisson and case by case."""

import numpy as np
import pytest
from scipy import stats

from hybridcx.stats.resampling import draws
from hybridcx.stats.resampling.draws import UnitDraws


def columns(counts, strata=None, n=20_000, seed=1):
    counts = np.asarray(counts)
    strata = np.zeros(counts.size, dtype=int) if strata is None else np.asarray(strata)
    return UnitDraws(counts, strata).draw(n, np.random.default_rng(seed))


@pytest.mark.parametrize("counts", [np.ones(400, int), [1, 1, 2], [300, 1, 5, 1, 40], [5000, 20, 1, 1, 3, 3]])
def test_moments_and_sums(counts):
    counts = np.asarray(counts)
    n, p = counts.sum(), counts / counts.sum()
    drawn = columns(counts).astype(float)
    assert np.array_equal(drawn.sum(axis=0), np.full(20_000, n))
    assert np.array_equal(drawn, np.round(drawn))
    assert drawn.min() >= 0
    error = np.sqrt(n * p * (1 - p) / 20_000)
    assert np.all(np.abs(drawn.mean(axis=1) - n * p) < 5 * error)
    assert drawn.var(axis=1) == pytest.approx(n * p * (1 - p), rel=0.1)
    expected = -n * p[0] * p[1]
    covariance = np.cov(drawn[0], drawn[1])[0, 1]
    assert covariance == pytest.approx(expected, abs=5 * n * np.sqrt(p[0] * p[1] / 20_000) + 1e-9)


@pytest.mark.parametrize("counts", [np.ones(400, int), np.r_[2, np.ones(600, int)], np.r_[50, np.full(100, 9)]])
def test_one_units_count_is_binomial(counts):
    drawn = columns(counts, n=40_000)[0].astype(int)
    n, p = counts.sum(), counts[0] / counts.sum()
    edges = np.unique(stats.binom.ppf([0.05, 0.2, 0.4, 0.6, 0.8, 0.95], n, p))
    upper = np.r_[stats.binom.cdf(edges, n, p), 1.0]
    seen = np.bincount(np.searchsorted(edges, drawn), minlength=edges.size + 1)
    assert stats.chisquare(seen, np.diff(upper, prepend=0) * 40_000).pvalue > 1e-4


@pytest.mark.parametrize("mean", [0.01, 0.95, 7.3, 30.0])
def test_the_table_of_pairs_has_the_law_of_two_poisson_counts(mean):
    """Entries of a pair and its part of the undecided entries: the probability, exactly, not by simulation."""
    poisson = draws._Poisson(mean)
    entries = np.bincount(poisson.table, minlength=1 << 16).astype(float)
    undecided, entries[draws._UNSURE] = entries[draws._UNSURE], 0.0
    np.add.at(entries, poisson.pairs, undecided * np.diff(poisson.fractions, prepend=0.0))
    expected = stats.poisson.pmf(np.arange(256), mean)
    assert entries.reshape(256, 256) / (1 << 16) == pytest.approx(np.outer(expected, expected), abs=1e-14)


def test_strata_keep_their_sizes():
    drawn = columns([3, 500, 1, 200], [0, 1, 0, 1], 3000)
    assert np.all(drawn[[0, 2]].sum(axis=0) == 4)
    assert np.all(drawn[[1, 3]].sum(axis=0) == 700)


def test_the_last_unit_is_drawn():
    assert columns(np.ones(30, int), n=500)[-1].max() > 0
    assert columns(np.ones(3000, int), n=500)[-1].max() > 0


def test_too_many_poisson_draws_are_drawn_again(monkeypatch):
    """With no margin half of the columns exceed n and must still be multinomial."""
    monkeypatch.setattr(draws, "_MARGIN_SD", 0.0)
    drawn = columns(np.r_[3, np.ones(97, int)]).astype(float)
    assert np.all(drawn.sum(axis=0) == 100)
    assert drawn[0].mean() == pytest.approx(3, abs=0.08)
    assert drawn[0].var() == pytest.approx(2.91, rel=0.06)


def test_chunks_cover_the_resamples_and_repeat():
    unit = UnitDraws(np.ones(20_000, int), np.zeros(20_000, int))
    assert unit.chunk_columns == draws.CHUNK_FLOATS // 20_000
    found = [(start, w.copy()) for start, w in unit.chunks(unit.chunk_columns + 3, np.random.default_rng(5))]
    assert [start for start, _ in found] == [0, unit.chunk_columns]
    assert [w.shape[1] for _, w in found] == [unit.chunk_columns, 3]
    again = next(iter(unit.chunks(unit.chunk_columns + 3, np.random.default_rng(5))))
    assert np.array_equal(found[0][1], again[1])
