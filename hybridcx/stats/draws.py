"""Fast exact bootstrap draws: how often each unit is drawn when n units are drawn with replacement.

A unit is a pattern of cases (with its multiplicity), a case or a patient. The counts of one resample are multinomial. Drawing a
million multinomial counts one binomial after another is slow, so most of each resample is drawn as independent Poisson
counts through a lookup table, and the rest case by case:

- independent Poisson(r c_u) counts are, given their total N, multinomial(N, c / n);
- adding n - N single draws of the same law makes multinomial(n, c / n), whatever N <= n is;
- r is chosen so that N > n has a probability below 1e-6; such a column is drawn again case by case, which is exact too.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy import special

IntArray = npt.NDArray[np.intp]
Weights = npt.NDArray[np.float32]

# Columns of a chunk: at most this many floats in all, so that a chunk and its scratch stay near 300 MB. It decides
# which random number goes where and is therefore part of what "repeats to the byte" rests on.
CHUNK_FLOATS = 1 << 25
CHUNK_COLUMNS = 2048

_TABLE_BITS = 16
_UNSURE = 255  # a table entry whose bucket spans two counts: the draw is refined
_BLOCK = 1 << 16  # draws looked up at once
_LARGEST_TABLE_MEAN = 30.0
_MARGIN_SD = 5.0  # how many standard deviations the Poisson total stays below n


class UnitDraws:
    """Draws of units with multiplicities `counts` (U,), within each stratum of `strata` (U,) as many cases as it has.

    `draw` gives float32 weights (U, columns): column b is one resample, its sum the number of cases (exact below 2^24).
    """

    def __init__(self, counts: npt.NDArray[np.int64], strata: npt.NDArray[np.int64]):
        self._n_units = counts.size
        self._strata = [_Stratum(np.flatnonzero(strata == s), counts[strata == s]) for s in np.unique(strata)]

    @property
    def chunk_columns(self) -> int:
        """Resamples that `chunks` draws at once."""
        return max(16, min(CHUNK_COLUMNS, CHUNK_FLOATS // max(self._n_units, 1)))

    def chunks(self, n_resamples: int, rng: np.random.Generator) -> Iterator[tuple[int, Weights]]:
        """Yield (first resample, weights (U, columns)) until `n_resamples` are drawn."""
        for start in range(0, n_resamples, self.chunk_columns):
            yield start, self.draw(min(self.chunk_columns, n_resamples - start), rng)

    def draw(self, columns: int, rng: np.random.Generator) -> Weights:
        """Return the weights (U, columns) of `columns` resamples."""
        weights = np.zeros((self._n_units, columns), dtype=np.float32)
        for stratum in self._strata:
            stratum.add_draws(weights, rng)
        return weights


class _Stratum:
    """The units that are drawn together: `units` are their rows, `counts` their multiplicities."""

    def __init__(self, units: IntArray, counts: npt.NDArray[np.int64]):
        self.total = int(counts.sum())
        self.units = units
        # The unit of each case: one look-up a pick.
        self.unit_of_case = np.repeat(units, counts) if units.size < self.total else units
        ratio = max(0.0, 1.0 - _MARGIN_SD / np.sqrt(self.total))
        # Units of equal multiplicity share a Poisson mean, hence a table.
        self.blocks = [(units[counts == c], _Poisson(ratio * c)) for c in np.unique(counts)] if ratio > 0.0 else []

    def add_draws(self, weights: Weights, rng: np.random.Generator) -> None:
        columns = weights.shape[1]
        drawn = np.zeros(columns, dtype=np.int64)
        for rows, poisson in self.blocks:
            block = poisson.draw((rows.size, columns), rng)
            drawn += block.sum(axis=0, dtype=np.int64)
            weights[rows] = block
        over = np.flatnonzero(drawn > self.total)
        if over.size:
            weights[np.ix_(self.units, over)] = 0.0
            drawn[over] = 0
        column = np.repeat(np.arange(columns), self.total - drawn)
        pick = rng.integers(0, self.total, column.size)
        np.add.at(weights.reshape(-1), self.unit_of_case[pick] * columns + column, np.float32(1.0))


class _Poisson:
    """Poisson counts of one mean, by inverting the distribution function at 16-bit uniforms, refined where 16 bits do not decide."""

    def __init__(self, mean: float):
        self.mean = mean
        if mean <= _LARGEST_TABLE_MEAN:
            self.cdf = special.pdtr(np.arange(_UNSURE - 1), mean)
            edges = np.arange((1 << _TABLE_BITS) + 1) / (1 << _TABLE_BITS)
            count = np.searchsorted(self.cdf, edges, side="right")
            self.table = np.where(count[:-1] == count[1:], count[:-1], _UNSURE).astype(np.uint8)

    def draw(self, shape: tuple[int, int], rng: np.random.Generator) -> npt.NDArray[np.uint8] | npt.NDArray[np.int64]:
        if self.mean > _LARGEST_TABLE_MEAN:
            return rng.poisson(self.mean, shape)
        size = shape[0] * shape[1]
        words = rng.integers(0, 2**64 - 1, -(-size // 4), dtype=np.uint64, endpoint=True)
        bits = words.view(np.uint16)[:size]
        counts = np.empty(size, dtype=np.uint8)
        found = [np.zeros(0, dtype=np.intp)]
        for start in range(0, size, _BLOCK):  # in pieces that stay in the processor's cache
            piece = counts[start : start + _BLOCK]
            self.table.take(bits[start : start + _BLOCK], out=piece, mode="clip")  # "clip" spares a buffer
            found.append(np.flatnonzero(piece == _UNSURE) + start)
        unsure = np.concatenate(found)
        uniform = (bits[unsure] + rng.random(unsure.size)) / (1 << _TABLE_BITS)
        counts[unsure] = np.searchsorted(self.cdf, uniform, side="right")
        return counts.reshape(shape)
