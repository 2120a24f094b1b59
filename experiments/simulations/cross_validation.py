"""Type I error of tests of two procedures on predictions out of cross-validation.

    python experiments/simulations/cross_validation.py [REPETITIONS]

Two linear discriminant analyses, each on one of two halves of features that are exchangeable, so that neither is better. `folds`: McNemar's
mid-p test of the out-of-fold predictions of 5 stratified folds. `splits`: Nadeau and Bengio's (2003) corrected t-test over 10 stratified random
splits, 20 % test cases. Prints the share of rejections at the 5 % level with its 95 % Monte Carlo limits. Two thousand repetitions take a minute.
"""

from __future__ import annotations

import sys

import numpy as np
from scipy.stats import t as student

from hybridcx.stats import mcnemar_midp, paired_table

SIZES = (50, 100, 200, 400)
FEATURES = (2, 10)
"""Features of each procedure. With more of them the result depends more on the training cases."""
DISTANCE = 1.0
FOLDS, SPLITS, TEST_SHARE, LEVEL = 5, 10, 0.2, 0.05


def scores(X: np.ndarray, y: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Linear discriminant scores of the test cases, shape (n_test,)."""
    means = [X[y == c].mean(0) for c in (0, 1)]
    residuals = np.vstack([X[y == c] - means[c] for c in (0, 1)])
    weights = np.linalg.solve(residuals.T @ residuals / (len(X) - 2), means[1] - means[0])
    return test @ weights + np.log(y.mean() / (1 - y.mean())) - weights @ (means[0] + means[1]) / 2


def right(X: np.ndarray, y: np.ndarray, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Which test cases each of the two procedures classifies correctly, shape (2, n_test)."""
    p = X.shape[1] // 2
    halves = (slice(0, p), slice(p, None))
    return np.stack([(scores(X[train][:, h], y[train], X[test][:, h]) > 0) == (y[test] == 1) for h in halves])


def drawn(y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The rank of each case among those of its class, in random order, shape (n,)."""
    ranks = np.empty(len(y), dtype=int)
    for c in (0, 1):
        members = rng.permutation(np.flatnonzero(y == c))
        ranks[members] = np.arange(len(members))
    return ranks


def of_folds(X: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> float:
    """The p-value of the out-of-fold predictions."""
    fold, correct = drawn(y, rng) % FOLDS, np.empty((2, len(y)), dtype=bool)
    for k in range(FOLDS):
        correct[:, fold == k] = right(X, y, np.flatnonzero(fold != k), np.flatnonzero(fold == k))
    table = paired_table(*correct)
    return mcnemar_midp(table.b, table.c, table.n).pvalue


def of_splits(X: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> float:
    """The p-value of the corrected test over random splits."""
    per_class, differences = round(TEST_SHARE * len(y) / 2), []
    for _ in range(SPLITS):
        in_test = drawn(y, rng) < per_class
        a, b = right(X, y, np.flatnonzero(~in_test), np.flatnonzero(in_test)).mean(1)
        differences.append(a - b)
    variance = np.var(differences, ddof=1) * (1 / SPLITS + TEST_SHARE / (1 - TEST_SHARE))
    if variance == 0:
        return 1.0
    return float(2 * student.sf(abs(np.mean(differences)) / np.sqrt(variance), SPLITS - 1))


def main(repetitions: int) -> None:
    print("design,n,features,rejected,low,high")
    for n in SIZES:
        for p in FEATURES:
            rng = np.random.default_rng([n, p])
            y = np.arange(n) % 2
            rejected = {"folds": 0, "splits": 0}
            for _ in range(repetitions):
                X = rng.normal(size=(n, 2 * p)) + (DISTANCE / np.sqrt(p)) * y[:, None]
                rejected["folds"] += of_folds(X, y, rng) < LEVEL
                rejected["splits"] += of_splits(X, y, rng) < LEVEL
            for design, count in rejected.items():
                share = count / repetitions
                half = 1.96 * np.sqrt(share * (1 - share) / repetitions)
                print(f"{design},{n},{p},{share:.4f},{share - half:.4f},{share + half:.4f}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
