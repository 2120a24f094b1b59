"""Pairs of closely correlated images in cohorts too large to compare all fingerprints: screened by an upper bound that loses no pair.

Let u, v be two fingerprints (length 1) and P a projection onto k orthonormal directions. With the remainders' lengths r = sqrt(1 - |Pu|^2),

    u . v = Pu . Pv + (u - Pu) . (v - Pv) <= Pu . Pv + r_u r_v        (Cauchy and Schwarz),

so a pair whose bound is not above the threshold cannot be one. The directions are the principal ones of a sample, which makes the bound tight; its
validity does not depend on them. Pairs that pass the bound of a few directions are screened by the bound of `DIRECTIONS`, and the rest are computed
in full.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from scipy import linalg

from hybridcx.streams import rng_for

DIRECTIONS = 512
FIRST = (64, 128, 256, 512)
"""Numbers of directions of the first bound: the smallest of which at most `PASSING` of a sample's pairs pass it."""
PASSING = 1e-3
SAMPLE = 2048
SLACK = 1e-4  # rounding of the products and of the directions in float32
BLOCK, CHUNK, PAIRS = 2048, 16_384, 16_384

Prints = Callable[[np.ndarray], np.ndarray]
"""Rows of the cohort -> their fingerprints, (rows, d) float32, of length 1 or 0."""


class NotTightError(Exception):
    """Too many pairs pass the bound for it to be of use: the images' detail is noise, which no few directions describe."""


def close_pairs(prints: Prints, n: int, above: float) -> Iterator[tuple[int, int, float]]:
    """Yield (i, j, correlation), i < j, of all pairs of `n` images that correlate above `above`.

    `prints` is called for blocks of rows as they are needed, so that memory is 2 KiB an image and some 500 MB.

    Raises NotTightError before the search, where the bound would pass nearly all pairs.
    """
    directions = _directions(prints, n)
    inside = np.empty((n, directions.shape[1]), np.float32)
    length2 = np.empty(n, np.float32)
    for start in range(0, n, BLOCK):
        rows = prints(np.arange(start, min(start + BLOCK, n)))
        inside[start : start + BLOCK] = rows @ directions
        length2[start : start + BLOCK] = np.einsum("ij,ij->i", rows, rows)
    first, last = _first(inside, length2, above), inside.shape[1]
    outside = {k: _remainder(inside, length2, k) for k in {first, last}}
    for i, j in _passing(inside, outside, first, above):
        yield from _in_full(prints, i, j, above)


def _directions(prints: Prints, n: int) -> np.ndarray:
    """About the principal directions of a sample that is spread evenly over the cohort, the first one first, (d, k) float32, orthonormal.

    By subspace iteration from random directions (Halko, Martinsson and Tropp 2011): it need not be exact, only orthonormal.
    """
    sample = prints(_spread(n, 2 * SAMPLE))
    d = sample.shape[1]
    directions = rng_for(0, "close_pairs", "directions").normal(size=(d, min(DIRECTIONS, d))).astype(np.float32)
    for _ in range(3):
        directions = np.linalg.qr(sample.T @ (sample @ directions))[0]
    inside = (sample @ directions).astype(np.float64)
    turned = directions.astype(np.float64) @ linalg.eigh(inside.T @ inside)[1][:, ::-1]
    return np.asarray(np.linalg.qr(turned)[0], np.float32)


def _spread(n: int, size: int, offset: float = 0.0) -> np.ndarray:
    """At most `size` rows of `n`, at even distances; `offset` moves them by a share of the distance."""
    step = max(1.0, n / size)
    return np.unique(np.arange(offset * step, n, step).astype(np.int64))


def _remainder(inside: np.ndarray, length2: np.ndarray, k: int) -> np.ndarray:
    return np.sqrt(np.maximum(length2 - np.einsum("ij,ij->i", inside[:, :k], inside[:, :k]), 0.0))


def _first(inside: np.ndarray, length2: np.ndarray, above: float) -> int:
    at = _spread(
        len(inside), SAMPLE, 0.25
    )  # rows between those used for the directions, which the directions fit better than others
    upper = np.triu_indices(len(at), 1)
    for k in (k for k in FIRST if k <= inside.shape[1]):
        r = _remainder(inside[at], length2[at], k)
        bound = inside[at, :k] @ inside[at, :k].T + np.outer(r, r)
        if np.mean(bound[upper] > above - SLACK) <= PASSING:
            return k
    raise NotTightError


def _passing(
    inside: np.ndarray, outside: dict[int, np.ndarray], first: int, above: float
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs that pass both bounds, some at a time."""
    n, last = inside.shape
    head = np.column_stack([inside[:, :first], outside[first]])
    for a in range(0, n, BLOCK):
        for c in range(a, n, CHUNK):
            bound = head[a : a + BLOCK] @ head[c : c + CHUNK].T
            flat = np.flatnonzero(bound > above - SLACK)  # np.nonzero in two dimensions is six times as slow
            i, j = np.divmod(flat, bound.shape[1])
            i, j = i + a, j + c
            i, j = i[i < j], j[i < j]
            for s in range(0, len(i), PAIRS):
                one, two = i[s : s + PAIRS], j[s : s + PAIRS]
                bound = np.einsum("ij,ij->i", inside[one], inside[two]) + outside[last][one] * outside[last][two]
                candidates = bound > above - SLACK
                if candidates.any():
                    yield one[candidates], two[candidates]


def _in_full(prints: Prints, i: np.ndarray, j: np.ndarray, above: float) -> Iterator[tuple[int, int, float]]:
    for s in range(0, len(i), BLOCK):
        one, two = i[s : s + BLOCK], j[s : s + BLOCK]
        rows, at = np.unique(np.concatenate([one, two]), return_inverse=True)
        own = prints(rows)
        correlations = np.einsum("ij,ij->i", own[at[: len(one)]], own[at[len(one) :]])
        for k in np.flatnonzero(correlations > above).tolist():
            yield int(one[k]), int(two[k]), float(correlations[k])
