"""Methods for patients with several cases, several seeds and random splits: coverage and type I error by number of patients, seeds and splits.

    python experiments/simulations/patients_and_seeds.py [--out FILE] [--runs N] [--resampled N] [--parts NAME ...]

Writes hybridcx/vocabulary/simulations_dependent.csv. `--runs` (5,000): data sets of methods with a closed form; `--resampled` (1,000): of methods
that resample. Random numbers depend on the part and the setting alone. All comparisons are null: both models are equally good in the population.
"""

from __future__ import annotations

import argparse
import csv
import zlib
from collections import defaultdict
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
from dependent import linear_is_right
from scipy import special

from hybridcx.stats import clusters_one_model, clusters_roc, readers, variance
from hybridcx.stats.clusters import mcnemar_cluster
from hybridcx.stats.confusion import Confusion, count_metrics
from hybridcx.stats.resampling import hierarchical, intervals, seed_limits
from hybridcx.stats.resampling.bootstrap import bootstrap_replicates

OUT = Path(__file__).parents[2] / "hybridcx" / "vocabulary" / "simulations_dependent.csv"
COLUMNS = [
    "use",
    "metric",
    "method",
    "setting",
    "n",
    "prevalence",
    "clusters",
    "seeds",
    "coverage",
    "type1",
    "width",
    "replicates",
]
COMPOSITE = (
    "ppv",
    "npv",
    "f1",
    "mcc",
    "lr_positive",
    "lr_negative",
    "diagnostic_odds_ratio",
    "auprc",
    "brier",
    "log_loss",
    "net_benefit",
)
RATIOS = (*intervals.RATIO_METRICS,)
N_RESAMPLES = 600
SIZES = {
    "2 cases a patient": lambda k, rng: np.full(k, 2),
    "4 cases a patient": lambda k, rng: np.full(k, 4),
    "1 to 10 cases a patient": lambda k, rng: np.minimum(rng.geometric(1 / 3, size=k), 10),
    "a tenth of the patients with 15 cases": lambda k, rng: np.where(np.arange(k) < max(k // 10, 1), 15, 1),
}
"""Numbers of cases of each patient."""


class Rows:
    """Shares of data sets whose interval holds the truth, by setting."""

    def __init__(self, setting: str, n: float, prevalence: float, clusters: object = "", seeds: object = "") -> None:
        self.about = {"setting": setting, "n": round(n), "prevalence": prevalence, "clusters": clusters, "seeds": seeds}
        self.held: dict[tuple[str, str, str], list[tuple[bool, float]]] = defaultdict(list)
        self.empty: dict[tuple[str, str, str], int] = defaultdict(int)

    def add(self, use: str, metric: str, method: str, low: float, high: float, truth: float) -> None:
        """An interval. Without limits or width it rejects nothing and does not count for the coverage."""
        if low < high:
            self.held[use, metric, method].append((low <= truth <= high, high - low))
        else:
            self.empty[use, metric, method] += 1

    def rows(self) -> Iterator[dict[str, object]]:
        """One row per use, metric and method."""
        for (use, metric, method), values in self.held.items():
            held, width = np.array(values).T
            total = len(values) + self.empty[use, metric, method]
            type1 = (1 - held).sum() / total if use == "comparison" else None
            yield {
                "use": use, "metric": metric, "method": method, **self.about, "coverage": f"{held.mean():.4f}",
                "type1": "NA" if type1 is None else f"{type1:.4f}", "width": f"{np.median(width):.4f}", "replicates": total,
            }  # fmt: skip


def stream(*key: object) -> np.random.Generator:
    """Random numbers of a part and a setting."""
    return np.random.default_rng(zlib.crc32(repr(key).encode()))


def latent(
    law: np.random.Generator, group: np.ndarray, patients: int, icc: float, models: int, shared: float
) -> np.ndarray:
    """(models, n) standard normal errors with correlation `icc` within a patient and `shared` between models."""

    def errors(size: int) -> np.ndarray:
        return np.sqrt(shared) * law.normal(size=size) + np.sqrt(1 - shared) * law.normal(size=(models, size))

    return np.asarray(np.sqrt(icc) * errors(patients)[:, group] + np.sqrt(1 - icc) * errors(group.size))


def proportions(runs: int, resampled: int) -> Iterator[Rows]:
    """One model: proportions, balanced accuracy. The class is the patient's or the case's; errors are a shift of the score or difficulty."""
    for k, (name, sizes), (p, icc, law) in product(
        (8, 12, 20, 40, 80),
        SIZES.items(),
        ((0.75, 0.3, "class of the patient"), (0.9, 0.6, "class of the case"), (0.95, 0.8, "difficulty")),
    ):
        rng = stream("proportions", k, name, p)
        rows = Rows(f"{name}, sensitivity and specificity {p}, correlation {icc}, {law}", 0, 0.5, k)
        n = []
        for _ in range(runs):
            group = np.repeat(np.arange(k), sizes(k, rng))
            y = (rng.random(k) < 0.5)[group] if law == "class of the patient" else rng.random(group.size) < 0.5
            z = latent(rng, group, k, icc, 1, 0)[0]
            right = (z if law == "difficulty" else np.where(y, z, -z)) < special.ndtri(p)
            called = y == right
            n.append(group.size)
            for metric, chosen in (("accuracy", np.ones(y.size, bool)), ("sensitivity", y), ("ppv", called)):
                got = clusters_one_model.wilson_cluster(right[chosen], group[chosen])
                rows.add("interval", metric, got.method, got.conf_low, got.conf_high, p)
            got = clusters_one_model.mover_wilson_cluster("balanced_accuracy", y, right, group)
            rows.add("interval", "balanced_accuracy", got.method, got.conf_low, got.conf_high, p)
        rows.about["n"] = round(float(np.mean(n)))
        yield rows


def two_models(runs: int, resampled: int) -> Iterator[Rows]:
    """Two models that are equally good, and the AUROC of one: the methods of Obuchowski."""
    for k, (name, sizes), (p, icc, shared) in product(
        (8, 12, 20, 40, 80), SIZES.items(), ((0.75, 0.8, 0.3), (0.9, 0.5, 0.5))
    ):
        rng, d = stream("two", k, name, p, icc), 2 * special.ndtri(p)
        rows, auc, n = (
            Rows(f"{name}, accuracy {p}, correlation {icc}, of the models {shared}", 0, 0.5, k),
            special.ndtr(d / np.sqrt(2)),
            [],
        )
        for run in range(runs):
            group = np.repeat(np.arange(k), sizes(k, rng))
            y = (rng.random(k) < 0.5)[group] if run % 2 else rng.random(group.size) < 0.5
            x = d * np.where(y, 0.5, -0.5) + latent(rng, group, k, icc, 2, shared)
            got = mcnemar_cluster(*((x > 0) == y), group)
            rows.add("comparison", "accuracy", got.method, got.conf_low, got.conf_high, 0.0)
            n.append(group.size)
            if y.all() or not y.any():
                continue
            got = clusters_roc.delong_cluster(y, *x, group)
            rows.add("comparison", "auroc", got.method, got.conf_low, got.conf_high, 0.0)
            area = clusters_roc.delong_cluster_interval(y, x[0], group)
            if 0 < area.estimate < 1 and area.std_error > 0:
                df = clusters_roc.class_freedom(y, group)
                centre, slope = special.logit(area.estimate), area.std_error / (area.estimate * (1 - area.estimate))
                for method, q in (
                    ("delong_cluster, logit, normal", 1.959964),
                    ("delong_cluster, logit, t", special.stdtrit(df, 0.975)),
                ):
                    rows.add("interval", "auroc", method, *special.expit(centre + np.array([-q, q]) * slope), auc)
        rows.about["n"] = round(float(np.mean(n)))
        yield rows


def composite(runs: int, resampled: int) -> Iterator[Rows]:
    """Composite metrics by the percentile bootstrap that draws patients."""
    d, prevalence = 2.2, 0.4
    for k, name, shared_class in product(
        (20, 40, 80, 160), ("2 cases a patient", "1 to 10 cases a patient"), (True, False)
    ):
        rng = stream("composite", k, name, shared_class)

        def draw(
            patients: int, rng: np.random.Generator = rng, name: str = name, shared_class: bool = shared_class
        ) -> tuple[np.ndarray, ...]:
            group = np.repeat(np.arange(patients), SIZES[name](patients, rng))
            y = (rng.random(patients) < prevalence)[group] if shared_class else rng.random(group.size) < prevalence
            x = d * np.where(y, 0.5, -0.5) + latent(rng, group, patients, 0.5, 2, 0.5)
            return y, special.expit(d * x + special.logit(prevalence)), group

        y, s, _ = draw(100_000)
        c = Confusion.from_labels(y, s[0] > 0.5)
        truth = {m: float(v) for m, v in count_metrics(c.tp, c.fn, c.fp, c.tn).items()}
        scores = ["auprc", "brier", "log_loss"]
        many = bootstrap_replicates(y, None, s[:1], metrics=scores, n_resamples=1, rng=rng)
        truth |= {m: float(many.observed[m][0]) for m in scores}
        truth["net_benefit"] = (c.tp - c.fp) / c.n
        rows = Rows(
            f"{name}, class of the {'patient' if shared_class else 'case'}, accuracy 0.87, correlation 0.5",
            k * y.size / 1e5,
            prevalence,
            k,
        )
        for _ in range(resampled):
            y, s, group = draw(k)
            drawn = bootstrap_replicates(
                y, s > 0.5, s, metrics=COMPOSITE, n_resamples=N_RESAMPLES, rng=rng, groups=group, n_refits=0
            )
            for metric in COMPOSITE:
                for method, interval in (
                    ("bootstrap_percentile", intervals.percentile),
                    ("bootstrap_bca", intervals.bca),
                ):
                    got = interval(drawn, metric, 0)
                    rows.add("interval", metric, method, got.conf_low, got.conf_high, truth[metric])
                    pair = intervals.difference(drawn, metric, 0, 1, method)
                    rows.add("comparison", metric, method, pair.conf_low, pair.conf_high, float(metric in RATIOS))
        yield rows


def trained(rng: np.random.Generator, y: np.ndarray, total: int, d: float, spread: float, noise: float) -> np.ndarray:
    """(2, S, n) scores: class, case, model and case, seed and case (variance `noise`); each training's separation varies by `spread` about d."""
    n = y.size
    of_case, of_model = np.sqrt(0.3) * rng.normal(size=n), np.sqrt(0.7 - noise) * rng.normal(size=(2, 1, n))
    separation = d + spread * rng.normal(size=(2, total, 1))
    return np.asarray(
        separation * np.where(y, 0.5, -0.5) + of_case + of_model + np.sqrt(noise) * rng.normal(size=(2, total, n))
    )


SEEDS = list(product((2, 3, 5, 10), ((25, 25), (100, 100)), ((2.0, 0.0, 0.35), (2.0, 0.5, 0.2), (1.5, 1.0, 0.1))))
"""Seeds, cases of each class, and separation, its standard deviation over seeds and the variance of seed and case."""


def reader_analysis(runs: int, resampled: int) -> Iterator[Rows]:
    """Obuchowski and Rockette with seeds nested in the model."""
    for total, (n1, n0), (d, spread, noise) in SEEDS:
        rng, y = stream("readers", total, n1, n0, spread), np.repeat([True, False], [n1, n0])
        rows = Rows(f"separation {d}, its SD over seeds {spread}", y.size, n1 / y.size, "", total)
        for _ in range(runs):
            x = trained(rng, y, total, d, spread, noise)
            right = (x > 0) == y
            tests = (
                ("accuracy", readers.obuchowski_rockette_accuracy(right[0], right[1], "nested")),
                ("sensitivity", readers.obuchowski_rockette_accuracy(right[0][:, y], right[1][:, y], "nested")),
                ("auroc", readers.obuchowski_rockette(y, x[0], x[1], "nested")),
            )
            for metric, got in tests:
                rows.add("comparison", metric, got.method, got.conf_low, got.conf_high, 0.0)
        yield rows


def student_over_seeds(runs: int, resampled: int) -> Iterator[Rows]:
    """Composite metrics over seeds: Student's t beside percentile limits; one model's accuracy and AUROC by Student's t."""
    metrics = ("accuracy", "auroc", "ppv", "f1", "mcc", "balanced_accuracy", "auprc", "brier", "log_loss")
    for total, (n1, n0), (d, spread, noise) in SEEDS:
        rng, y = stream("student", total, n1, n0, spread), np.repeat([True, False], [n1, n0])
        rows = Rows(f"separation {d}, its SD over seeds {spread}", y.size, n1 / y.size, "", total)
        half = d / 2 / np.sqrt(1 + spread**2 / 4)
        truth = {"accuracy": special.ndtr(half), "auroc": special.ndtr(d / np.sqrt(2 + spread**2))}
        for _ in range(resampled):
            x = trained(rng, y, total, d, spread, noise).reshape(2 * total, -1)
            s = special.expit(d * x)
            drawn = bootstrap_replicates(y, x > 0, s, metrics=metrics, n_resamples=N_RESAMPLES, rng=rng, n_refits=0)
            seeds = hierarchical.combine_seeds(drawn, total, rng)
            for metric in metrics:
                got = seed_limits.student_difference(seeds, metric, 0, 1)
                rows.add("comparison", metric, "bootstrap_hierarchical", got.conf_low, got.conf_high, 0.0)
                plain = hierarchical.hierarchical_difference(seeds, metric, 0, 1)
                rows.add("comparison", metric, "percentiles over seeds and cases", plain.conf_low, plain.conf_high, 0.0)
                if metric in truth:
                    one = seed_limits.student_interval(seeds, metric, 0)
                    rows.add(
                        "interval", metric, "bootstrap_hierarchical", one.conf_low, one.conf_high, float(truth[metric])
                    )
        yield rows


def splits(runs: int, resampled: int) -> Iterator[Rows]:
    """Repeated hold-out: two linear classifiers on different halves of ten equally good features, Nadeau and Bengio's test."""
    for accuracy, (n, n_test) in product((0.75, 0.9), ((331, 49), (120, 40), (331, 100))):
        rng, separation = stream("splits", accuracy, n, n_test), 2 * float(special.ndtri(accuracy)) / np.sqrt(5)
        of = {
            j: Rows(f"{n - n_test} cases to train, accuracy about {accuracy}", n_test, 0.5, "", j)
            for j in (2, 3, 5, 10)
        }
        for _ in range(runs):
            y = np.arange(n) < n // 2
            x = rng.normal(size=(n, 10)) + separation * np.where(y, 0.5, -0.5)[:, None]
            differences = []
            for _ in range(10):
                order = rng.permutation(n)
                test, train = order[:n_test], order[n_test:]
                right = [linear_is_right(x[:, half], y, train, test) for half in (slice(0, 5), slice(5, 10))]
                differences.append(float(right[0].mean() - right[1].mean()))
            for j, rows in of.items():
                got = variance.nadeau_bengio(differences[:j], n - n_test, n_test)
                rows.add("comparison", "accuracy", got.method, got.conf_low, got.conf_high, 0.0)
        yield from of.values()


PARTS = {f.__name__: f for f in (proportions, two_models, composite, reader_analysis, student_over_seeds, splits)}


def main() -> None:
    """Run the parts and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--runs", type=int, default=5000)
    parser.add_argument("--resampled", type=int, default=1000)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    with options.out.open("w", encoding="utf-8", newline="") as fh:
        table = csv.DictWriter(fh, COLUMNS, lineterminator="\n")
        table.writeheader()
        for name in options.parts:
            for rows in PARTS[name](options.runs, options.resampled):
                table.writerows(rows.rows())
                fh.flush()


if __name__ == "__main__":
    main()
