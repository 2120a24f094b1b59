"""Data whose rows are not independent cases: patients with several images, seeds, repeated splits; and families of tests.

All settings are null: the two (or four) models are equally good in the population.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from one_model import Binormal
from scipy import special, stats
from tally import Key, Tally

from hybridcx.stats import mcnemar, multiplicity, paired, readers, roc, variance
from hybridcx.stats.clusters import mcnemar_cluster
from hybridcx.stats.clusters_roc import delong_cluster, delong_cluster_interval
from hybridcx.stats.resampling import hierarchical
from hybridcx.stats.resampling import intervals as bi
from hybridcx.stats.resampling.bootstrap import bootstrap_replicates

ACCURACY = 0.90
IMAGES = 4
SEEDS = 10


def clusters(
    tally: Tally, patients: int, runs: int, resampled: int, n_resamples: int, rng: np.random.Generator
) -> None:
    """Four images a patient, half of the patients abnormal, latent errors of one model correlated by `icc` within a patient."""
    group = np.repeat(np.arange(patients), IMAGES)
    y = group < patients / 2
    law = Binormal(ACCURACY, 1, 1)
    auc = law.truth()["auroc"]
    for icc in (0.3, 0.6, 0.8):

        def key(metric: str, method: str, quantity: str = "type1", icc: float = icc) -> Key:
            setting = f"{patients} patients with {IMAGES} images, accuracy {ACCURACY:.2f}"
            return Key("clusters", str(group.size), setting, f"{icc:g}", metric, method, quantity)

        for run in range(runs):
            of_patient, of_image = rng.normal(size=(2, patients))[:, group], rng.normal(size=(2, group.size))
            x = law.d * np.where(y, 0.5, -0.5) + np.sqrt(icc) * of_patient + np.sqrt(1 - icc) * of_image
            right = (x > 0) == y
            _, b, c, _ = paired.paired_table(*right)
            tally.pvalue(key("accuracy", "mcnemar_exact"), float(mcnemar.exact_pvalues(b, c)))
            tally.pvalue(key("accuracy", "mcnemar_midp"), float(mcnemar.midp_pvalues(b, c)))
            test = mcnemar_cluster(*right, group)
            tally.pvalue(key("accuracy", test.method), test.pvalue)
            tally.interval(key("accuracy", test.method, "coverage"), test.conf_low, test.conf_high, 0.0)
            tally.interval(key("accuracy", "tango", "coverage"), *paired.tango_limits(b, c, y.size), 0.0)
            for found in (roc.delong_paired(y, *x), delong_cluster(y, *x, group)):
                tally.pvalue(key("auroc", found.method), found.pvalue)
                tally.interval(key("auroc difference", found.method, "coverage"), found.conf_low, found.conf_high, 0.0)
            for one in (roc.delong(y, x[0]), delong_cluster_interval(y, x[0], group)):
                tally.interval(key("auroc", one.method, "coverage"), one.conf_low, one.conf_high, auc)
            if run < resampled:
                drawn = bootstrap_replicates(
                    y, right == y, x, metrics=["accuracy", "auroc"], n_resamples=n_resamples, rng=rng, groups=group
                )
                for metric, truth in (("accuracy", ACCURACY), ("auroc", auc)):
                    f = bi.difference(drawn, metric, 0, 1, "bootstrap_percentile")
                    tally.pvalue(key(metric, "bootstrap_percentile, patients drawn"), f.pvalue)
                    one = bi.percentile(drawn, metric, 0)
                    about = key(metric, "bootstrap_percentile, patients drawn", "coverage")
                    tally.interval(about, one.conf_low, one.conf_high, truth)


def seeds(
    tally: Tally, n1: int, n0: int, runs: int, resampled: int, n_resamples: int, rng: np.random.Generator
) -> None:
    """Ten seeds of two models on the same cases: latent = class + case (shared) + model and case + seed noise + seed quality.

    Variances: case 0.3, model and case 0.35, seed and case 0.35; each trained network's separation varies with a standard deviation of
    0.15 around d. The test data alone are independent of the seeds.
    """
    y = np.repeat([True, False], [n1, n0])
    law, sign = Binormal(ACCURACY, 1, 1), np.where(y, 0.5, -0.5)
    n = y.size

    def key(metric: str, method: str, quantity: str = "type1") -> Key:
        return Key("seeds", str(n), f"{SEEDS} seeds, accuracy {ACCURACY:.2f}", "", metric, method, quantity)

    for run in range(runs):
        case, own = np.sqrt(0.3) * rng.normal(size=n), np.sqrt(0.35) * rng.normal(size=(2, 1, n))
        separation = law.d + 0.15 * rng.normal(size=(2, SEEDS, 1))
        x = separation * sign + case + own + np.sqrt(0.35) * rng.normal(size=(2, SEEDS, n))
        right = (x > 0) == y
        b, c = int((right[0] & ~right[1]).sum()), int((~right[0] & right[1]).sum())
        tally.pvalue(key("accuracy", "mcnemar_exact, ten seeds stacked as cases"), float(mcnemar.exact_pvalues(b, c)))
        _, b1, c1, _ = paired.paired_table(right[0, 0], right[1, 0])
        tally.pvalue(key("accuracy", "mcnemar_exact, one seed"), float(mcnemar.exact_pvalues(b1, c1)))
        for design in ("nested", "crossed", "fixed"):
            f = readers.obuchowski_rockette(y, x[0], x[1], design)
            tally.pvalue(key("auroc", f"obuchowski_rockette, {design}"), f.pvalue)
            tally.interval(key("auroc", f"obuchowski_rockette, {design}", "coverage"), f.conf_low, f.conf_high, 0.0)
        f = readers.obuchowski_rockette_accuracy(right[0], right[1], "nested")
        tally.pvalue(key("accuracy", "obuchowski_rockette, nested"), f.pvalue)
        if run < resampled:
            flat = x.reshape(2 * SEEDS, n)
            drawn = bootstrap_replicates(
                y, flat > 0, flat, metrics=["accuracy", "auroc"], n_resamples=n_resamples, rng=rng
            )
            both = hierarchical.combine_seeds(drawn, SEEDS, rng)
            for metric in ("accuracy", "auroc"):
                f = hierarchical.hierarchical_difference(both, metric, 0, 1)
                tally.pvalue(key(metric, f.method), f.pvalue)
                tally.interval(key(metric, f.method, "coverage"), f.conf_low, f.conf_high, 0.0)


def splits(
    tally: Tally, runs: int, rng: np.random.Generator, n: int = 331, n_test: int = 49, repeats: int = 10
) -> None:
    """Repeated hold-out of 331 cases: two linear classifiers on different halves of ten equally good features.

    Each is trained on n - n_test cases and tested on the rest, `repeats` times; their expected accuracies are equal by symmetry. Beside
    Nadeau and Bengio's test the uncorrected t-test on the same differences, which treats splits as independent.
    """
    separation = 2 * float(special.ndtri(ACCURACY)) / np.sqrt(5)
    for _ in range(runs):
        y = np.arange(n) < 170
        x = rng.normal(size=(n, 10)) + separation * np.where(y, 0.5, -0.5)[:, None]
        differences = []
        for _ in range(repeats):
            order = rng.permutation(n)
            test, train = order[:n_test], order[n_test:]
            right = [linear_is_right(x[:, half], y, train, test) for half in (slice(0, 5), slice(5, 10))]
            differences.append(float(right[0].mean() - right[1].mean()))
        setting = f"{repeats} random splits, {n - n_test} to train, accuracy about {ACCURACY:.2f}"
        about = ("repeated splits", str(n_test), setting, "", "accuracy")
        found = variance.nadeau_bengio(differences, n - n_test, n_test)
        tally.pvalue(Key(*about, found.method, "type1"), found.pvalue)
        tally.interval(Key(*about, found.method, "coverage"), found.conf_low, found.conf_high, 0.0)
        spread = np.std(differences, ddof=1)
        naive = 2 * stats.t.sf(abs(np.mean(differences)) / (spread / np.sqrt(repeats)), repeats - 1) if spread else 1.0
        tally.pvalue(Key(*about, "t-test of the splits, uncorrected", "type1"), float(naive))


def linear_is_right(x: np.ndarray, y: np.ndarray, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Fit Fisher's discriminant on `train`; is it right on `test`?"""
    one, other = x[train][y[train]], x[train][~y[train]]
    pooled = np.cov(one.T) + np.cov(other.T)
    middle, weights = (
        (one.mean(axis=0) + other.mean(axis=0)) / 2,
        np.linalg.solve(pooled, one.mean(axis=0) - other.mean(axis=0)),
    )
    return np.asarray(((x[test] - middle) @ weights > 0) == y[test])


def families(tally: Tally, n1: int, n0: int, runs: int, n_resamples: int, rng: np.random.Generator) -> None:
    """Four equal models: the omnibus tests, and the share of runs in which an adjustment rejects any of the six pairs."""
    y = np.repeat([True, False], [n1, n0])
    law = Binormal(ACCURACY, 1, 1)
    for r in (0.3, 0.8):
        for _ in range(runs):
            shared = np.sqrt(r) * rng.normal(size=y.size)
            x = law.d * np.where(y, 0.5, -0.5) + shared + np.sqrt(1 - r) * rng.normal(size=(4, y.size))
            right = (x > 0) == y
            about = ("four models", str(y.size), f"accuracy {ACCURACY:.2f}", f"{r:g}")
            tally.pvalue(Key(*about, "accuracy", "cochran_q", "type1"), mcnemar.cochran_q(right.T).pvalue)
            tally.pvalue(Key(*about, "auroc", "delong_chisq", "type1"), roc.delong_chisq(y, x).pvalue)
            pairs = list(combinations(range(4), 2))
            tables = [paired.paired_table(right[i], right[j]) for i, j in pairs]
            p = np.array([float(mcnemar.midp_pvalues(t[1], t[2])) for t in tables])
            for name, adjusted in (
                ("none", p),
                ("holm", multiplicity.holm(p)),
                ("hochberg", multiplicity.hochberg(p)),
                ("BH", multiplicity.benjamini_hochberg(p)),
            ):
                tally.pvalue(Key(*about, "accuracy", f"mcnemar_midp, {name}", "any rejected"), float(adjusted.min()))
            drawn = bootstrap_replicates(y, x > 0, x, metrics=["accuracy", "auroc"], n_resamples=n_resamples, rng=rng)
            for metric in ("accuracy", "auroc"):
                values, seen = drawn.replicates[metric], drawn.observed[metric]
                first, second = np.array(pairs).T
                found = multiplicity.max_t(seen[first] - seen[second], values[:, first] - values[:, second])
                known = found.pvalue[~np.isnan(found.pvalue)]
                tally.pvalue(Key(*about, metric, "maxT", "any rejected"), float(known.min()) if known.size else np.nan)
                # All six at once: the interval stands for "every limit holds its 0"; pairs of identical models have none.
                low, high = (v[~np.isnan(v)] for v in (found.conf_low, found.conf_high))
                key = Key(*about, f"{metric}, all six differences", "maxT", "coverage")
                tally.interval(key, *((low.max(), high.min()) if low.size else (np.nan, np.nan)), 0.0)
