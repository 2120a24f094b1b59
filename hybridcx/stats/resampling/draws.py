"""Fast exact bootstrap draws: how often each unit is drawn when n units are drawn with replacement.

A unit is a pattern of cases (with its multiplicity), a case or a patient. The counts of one resample are multinomial. Drawing a
million multinomial counts one binomial after another is slow, so most of each resample is drawn as independent Poisson
counts through a lookup table, and the rest case by case:

- independent Poisson(r c_u) counts are, given their total N, multinomial(N, c / n);
- adding n - N single draws of the same law makes multinomial(n, c / n), whatever N <= n is;
- r is chosen so that N > n has a probability near 0.1 %; such a column is drawn again case by case, which is exact too.

The table gives two counts for 16 random bits: each pair has as many of the 65,536 entries as its probability holds whole; the few
entries left over stand for the fractions that are missing, from which the pair is then drawn (Marsaglia's 1963 table method).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy import special

IntArray = npt.NDArray[np.intp]
Weights = npt.NDArray[np.float32]

# Columns of a chunk: at most this many floats in all, so that a chunk and its scratch stay near 300 MB. It decides
# the order of the random numbers: changing it changes results in their last digits.
CHUNK_FLOATS = 1 << 25
CHUNK_COLUMNS = 2048

_TABLE_SIZE = 1 << 16
_UNSURE = 0xFFFF  # a table entry that stands for the fractions left over: the pair is drawn from them
_BLOCK = 1 << 16  # pairs looked up at once (a multiple of 4: a word has four)
_LARGEST_TABLE_MEAN = 30.0
_NEGLIGIBLE = 1e-18  # below what a uniform of 53 bits can show
# How many standard deviations the Poisson total stays below n: 3 costs the fewest single draws (3 sqrt(n), and n in 0.13 % of the
# columns) around 10,000 cases and few more than needed elsewhere.
_MARGIN_SD = 3.0


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
        """Yield (first resample, weights (U, columns)) until `n_resamples` are drawn. Each chunk overwrites the one before."""
        width = min(self.chunk_columns, n_resamples)
        memory = np.empty(self._n_units * width, dtype=np.float32)  # once: new pages cost a good part of a draw
        for start in range(0, n_resamples, width):
            columns = min(width, n_resamples - start)
            out = memory[: self._n_units * columns].reshape(self._n_units, columns)
            yield start, self.draw(columns, rng, out)

    def draw(self, columns: int, rng: np.random.Generator, out: Weights | None = None) -> Weights:
        """Return the weights (U, columns) of `columns` resamples, in `out` if given (contiguous)."""
        weights = np.empty((self._n_units, columns), dtype=np.float32) if out is None else out
        for stratum in self._strata:
            stratum.fill(weights, rng)
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

    def fill(self, weights: Weights, rng: np.random.Generator) -> None:
        """Write the counts of these units into their rows."""
        columns = weights.shape[1]
        if not self.blocks:
            weights[self.units] = 0.0
        drawn = np.zeros(columns, dtype=np.int64)
        for rows, poisson in self.blocks:
            block = poisson.draw((rows.size, columns), rng)
            drawn += block.sum(axis=0, dtype=np.uint32 if block.dtype == np.uint8 else np.int64)
            if rows.size == weights.shape[0]:
                weights[...] = block
            else:
                weights[rows] = block
        over = np.flatnonzero(drawn > self.total)
        if over.size:
            weights[np.ix_(self.units, over)] = 0.0
            drawn[over] = 0
        column = np.repeat(np.arange(columns), self.total - drawn)
        pick = rng.integers(0, self.total, column.size)
        np.add.at(weights.reshape(-1), self.unit_of_case[pick] * columns + column, np.float32(1.0))


class _Poisson:
    """Poisson counts of one mean: two at once by a table of 16-bit uniforms, drawn from the fractions where 16 bits do not decide."""

    def __init__(self, mean: float):
        self.mean = mean
        if mean <= _LARGEST_TABLE_MEAN:
            count = np.arange(128)
            mass = np.exp(special.xlogy(count, mean) - mean - special.gammaln(count + 1))
            pairs = (count[:, None] << 8 | count).reshape(-1).astype(np.uint16)
            shares = np.outer(mass, mass).reshape(-1) * _TABLE_SIZE
            pairs, shares = pairs[shares > _NEGLIGIBLE], shares[shares > _NEGLIGIBLE]
            whole = np.floor(shares)
            self.table = np.full(_TABLE_SIZE, _UNSURE, dtype=np.uint16)
            decided = np.repeat(pairs, whole.astype(np.intp))
            self.table[: decided.size] = decided
            self.pairs, self.fractions = pairs, np.cumsum(shares - whole)
            self.fractions /= self.fractions[-1]

    def draw(self, shape: tuple[int, int], rng: np.random.Generator) -> npt.NDArray[np.uint8] | npt.NDArray[np.int64]:
        if self.mean > _LARGEST_TABLE_MEAN:
            return rng.poisson(self.mean, shape)
        size = shape[0] * shape[1]
        pairs = np.empty(-(-size // 2), dtype=np.uint16)
        places = [np.zeros(0, dtype=np.intp)]
        for start in range(0, pairs.size, _BLOCK):  # in pieces that stay in the processor's cache
            piece = pairs[start : start + _BLOCK]
            words = rng.integers(0, 2**64 - 1, -(-piece.size // 4), dtype=np.uint64, endpoint=True)
            self.table.take(words.view(np.uint16)[: piece.size], out=piece, mode="clip")  # "clip" spares a buffer
            places.append(np.flatnonzero(piece == _UNSURE) + start)
        unsure = np.concatenate(places)
        pairs[unsure] = self.pairs[np.searchsorted(self.fractions, rng.random(unsure.size), side="right")]
        return pairs.view(np.uint8)[:size].reshape(shape)
