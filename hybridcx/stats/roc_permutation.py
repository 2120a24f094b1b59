"""The permutation test of two AUROCs on the same cases (Bandos, Rockette and Gur 2005)."""

from __future__ import annotations

from math import nan

import numpy as np
import numpy.typing as npt

from hybridcx.stats.results import PairedTest
from hybridcx.stats.score_inputs import BoolArray, FloatArray, check_one_score, check_truth

EXACT_UP_TO = 20
"""Cases on which the models differ up to which all swaps are enumerated."""

_BATCH = 256  # bytes of random signs drawn at once: 8 cases each


def _twice_midranks(scores: FloatArray) -> npt.NDArray[np.int64]:
    """Return twice the rank of each score; equal scores share the mean of their ranks."""
    _, position, counts = np.unique(scores, return_inverse=True, return_counts=True)
    return np.asarray((2 * np.cumsum(counts) - counts + 1)[position], dtype=np.int64)


def _influence(y: BoolArray, score_a: FloatArray, score_b: FloatArray) -> npt.NDArray[np.int64]:
    """Return each case's contribution d_i to 2 m n (AUROC a - AUROC b): see `permutation_paired_auroc`."""
    # Twice the midranks are whole numbers from 2 to 2 n, so that counts below and up to each stand in a table.
    ranks = np.concatenate([_twice_midranks(score_a), _twice_midranks(score_b)])
    truth = np.concatenate([y, y])
    negatives, positives = (
        np.r_[0, np.cumsum(np.bincount(ranks[of], minlength=2 * y.size + 1))] for of in (~truth, truth)
    )
    # Twice the number of entries of the other class, from either model, on the right side of each entry (ties half).
    below = negatives[ranks] + negatives[ranks + 1]
    above = 2 * positives[-1] - positives[ranks] - positives[ranks + 1]
    wins = np.where(truth, below, above).astype(np.int64)
    return np.asarray(wins[: y.size] - wins[y.size :])


def permutation_paired_auroc(
    y_true: npt.ArrayLike,
    score_a: npt.ArrayLike,
    score_b: npt.ArrayLike,
    n_resamples: int,
    rng: np.random.Generator,
) -> PairedTest:
    """Permutation test of the difference of two AUROCs: the models are swapped within cases.

    Parameters
    ----------
    y_true : array_like of bool or 0/1, shape (n,)
        Truth; True or 1 for the positive class.
    score_a, score_b : array_like of float, shape (n,)
        Scores of the model and of the comparator; a higher one means "more likely positive".
    n_resamples : int
        Permutations drawn where they cannot all be counted.
    rng : numpy.random.Generator
        Draws them.

    Returns
    -------
    PairedTest
        Two-sided p, no interval. `n_resamples` is NaN where the test is exact. No case ranked differently: p = 1, `caution`.

    Raises
    ------
    ValueError
        An array of a wrong shape, truth that is not 0/1, a score that is not finite.

    Notes
    -----
    Scores become midranks within each model, so that models on different scales can be exchanged. The products of swaps cancel: the difference after
    swaps is the sum over cases of +-d_i / 2 with fixed integers d_i. Exact over all 2^c swaps where c <= 20 cases have d_i other than 0, otherwise
    p = (1 + count) / (n_resamples + 1).

    References
    ----------
    .. [1] Bandos, Rockette and Gur (2005). Statistics in Medicine 24:2873-2893. doi:10.1002/sim.2149

    Examples
    --------
    >>> from hybridcx.stats import permutation_paired_auroc
    >>> import numpy as np
    >>> y = [0, 0, 0, 0, 1, 1, 1, 1]
    >>> a, b = [0.1, 0.2, 0.3, 0.6, 0.5, 0.7, 0.8, 0.9], [0.2, 0.5, 0.4, 0.7, 0.3, 0.6, 0.9, 0.8]
    >>> permutation_paired_auroc(y, a, b, 999, np.random.default_rng(1))
    PairedTest(method='permutation_paired', estimate=0.1875, pvalue=0.125, n=8)
    """
    y = check_truth(y_true)
    a, b = check_one_score(score_a, y.size), check_one_score(score_b, y.size)
    pairs = int(y.sum()) * int((~y).sum())
    if pairs == 0:
        reason = "AUROC is undefined: the cases hold only one class"
        return PairedTest("permutation_paired", nan, n=y.size, status="not_estimable", warning=reason)
    d = _influence(y, a, b)
    # d counts each ordered comparison twice (as the positive's and as the negative's).
    estimate = float(d.sum()) / (4 * pairs)
    d = d[d != 0].astype(np.float64)
    if d.size == 0:
        reason = "no case is ranked differently by the two models"
        return PairedTest("permutation_paired", estimate, pvalue=1.0, n=y.size, status="caution", warning=reason)
    observed = abs(d.sum())
    if d.size <= EXACT_UP_TO:
        sums = np.zeros(1)
        for value in d:
            sums = np.concatenate([sums + value, sums - value])
        return PairedTest("permutation_paired", estimate, pvalue=float(np.mean(np.abs(sums) >= observed)), n=y.size)
    count = int((np.abs(random_sign_sums(d, n_resamples, rng)) >= observed).sum())
    p = (1 + count) / (n_resamples + 1)
    return PairedTest("permutation_paired", estimate, pvalue=p, n=y.size, n_resamples=n_resamples)


def random_sign_sums(d: FloatArray, n_resamples: int, rng: np.random.Generator) -> FloatArray:
    """Return `n_resamples` sums of +-d with independent fair signs, eight cases at a time from a table of their 256 sums."""
    padded = np.zeros(-(-d.size // 8) * 8)
    padded[: d.size] = d
    signs = 2.0 * np.unpackbits(np.arange(256, dtype=np.uint8)[None], axis=0).reshape(8, 256) - 1.0
    tables = padded.reshape(-1, 8) @ signs
    sums = np.zeros(n_resamples)
    for start in range(0, len(tables), _BATCH):
        block = tables[start : start + _BATCH]
        draws = rng.integers(0, 256, (len(block), n_resamples), dtype=np.uint8)
        for table, draw in zip(block, draws, strict=True):
            sums += table[draw]
    return sums
