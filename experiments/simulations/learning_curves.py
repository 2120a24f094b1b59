"""Coverage of what a learning curve over the number of training cases says, under a true power law; writes learning_curves.csv.

    python experiments/simulations/learning_curves.py [--out DIR] [--scale 1.0] [--seed 20261125]

Four sizes (58, 116, 174, 232 training cases), 3, 5 or 10 seeds, 49, 150 or 600 test cases. Accuracy is a - gap (n / 232)^(-c) with a = 0.92
and two laws: slow (c = 0.5, from 0.72 over 0.82 at present to 0.87 at four times as many) and fast (c = 1, 0.72, 0.87, 0.91). Cases are as
hard in every training (half of the latent variance is the case's); seeds move the accuracy by 2 points (SD), half of that variance shared
by a seed's sizes. Intervals as in a report: bootstrap over cases and seeds, the law fitted to every resample, percentiles. `plateau` counts
the same intervals against another truth with the same data: the law up to the present size, and no further gain beyond.
"""

from __future__ import annotations

import argparse
import csv
import os
from math import sqrt
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from scipy import special

from hybridcx.stats.power.learning_curve import learning_curve
from hybridcx.stats.resampling import hierarchical
from hybridcx.stats.resampling.bootstrap import bootstrap_replicates

SIZES = np.array([58.0, 116.0, 174.0, 232.0])
PRESENT = 232.0
ASYMPTOTE = 0.92
LAWS = {"slow": (0.10, 0.5), "fast": (0.05, 1.0)}
SEED_SD, SHARED, CASE_SHARE = 0.02, 0.5, 0.5
AHEAD = (1.5, 2.0, 4.0)
GAIN = 0.02
RESAMPLES = 499
COLUMNS = ("law", "n.test", "n.seeds", "what", "coverage", "mc.error", "coverage.plateau", "width", "n.replications")


def accuracy(law: str, n: np.ndarray | float) -> np.ndarray:
    """The true accuracy at n training cases."""
    gap, c = LAWS[law]
    return ASYMPTOTE - gap * (np.asarray(n, dtype=float) / PRESENT) ** -c


def drawn(law: str, n_test: int, n_seeds: int, rng: np.random.Generator) -> np.ndarray:
    """(sizes x seeds, cases) bool: which cases each training got right, size by size."""
    shift = sqrt(SHARED) * rng.normal(0, SEED_SD, (1, n_seeds)) + sqrt(1 - SHARED) * rng.normal(
        0, SEED_SD, (4, n_seeds)
    )
    rate = np.clip(accuracy(law, SIZES)[:, None] + shift, 0.01, 0.99)
    case, own = rng.normal(size=n_test), rng.normal(size=(4, n_seeds, n_test))
    latent = sqrt(CASE_SHARE) * case + sqrt(1 - CASE_SHARE) * own
    return (latent < special.ndtri(rate)[:, :, None]).reshape(4 * n_seeds, n_test)


def study(law: str, n_test: int, n_seeds: int, runs: int, rng: np.random.Generator) -> list[dict[str, object]]:
    """Coverage in one setting."""
    gap, c = LAWS[law]
    truth = {"observed": float(accuracy(law, PRESENT)), "fitted at 116": float(accuracy(law, 116.0))}
    truth |= {f"predicted x{f:g}": float(accuracy(law, f * PRESENT)) for f in AHEAD}
    truth |= {"asymptote": ASYMPTOTE, "exponent": c, f"n_for_plus_{GAIN:g}": PRESENT * (gap / (gap - GAIN)) ** (1 / c)}
    hits = {what: [0, 0] for what in truth}
    widths: dict[str, list[float]] = {what: [] for what in truth}
    bounds = []
    y = np.arange(n_test) % 2 == 0
    for _ in range(runs):
        right = drawn(law, n_test, n_seeds, rng)
        joint = bootstrap_replicates(y, right == y, None, metrics=["accuracy"], n_resamples=RESAMPLES, rng=rng)
        means = hierarchical.combine_seeds(joint, n_seeds, rng)
        curve = learning_curve(SIZES, means.means.observed["accuracy"], means.means.replicates["accuracy"])
        bounds.append(curve.share_on_bound)
        found = {"observed": hierarchical.hierarchical_interval(means, "accuracy", 3), "fitted at 116": curve.at(116.0)}
        found |= {f"predicted x{f:g}": curve.at(f * PRESENT) for f in AHEAD}
        found |= {"asymptote": curve.asymptote(), "exponent": curve.exponent()}
        found |= {f"n_for_plus_{GAIN:g}": curve.size_for(GAIN)}
        for what, interval in found.items():
            low, high = interval.conf_low, interval.conf_high
            hits[what][0] += low <= truth[what] <= high
            hits[what][1] += low <= truth["observed"] <= high
            widths[what].append(high - low if np.isfinite(high) else np.nan)
    rows: list[dict[str, object]] = []
    for what in truth:
        share = hits[what][0] / runs
        plateau = hits[what][1] / runs if what.startswith("predicted") else "NA"
        # a number of cases has limits without end; the exponent of a flat curve has none
        width = "NA" if what.startswith("n_for") else float(np.nanmedian(np.array(widths[what])))
        rows.append(
            {"law": law, "n.test": n_test, "n.seeds": n_seeds, "what": what, "coverage": share,
             "mc.error": sqrt(share * (1 - share) / runs), "coverage.plateau": plateau, "width": width, "n.replications": runs}
        )  # fmt: skip
    on_bound = {"what": "resamples on a bound", "coverage": "NA", "mc.error": "NA", "coverage.plateau": "NA"}
    rows.append(rows[0] | on_bound | {"width": float(np.mean(bounds))})
    return rows


def main() -> None:
    """Run all settings and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("reports/coverage"))
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=20261125)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    runs = max(20, round(600 * asked.scale))
    settings = [(law, n, s) for law in LAWS for n in (49, 150, 600) for s in (3, 5, 10)]
    with (asked.out / "learning_curves.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for place, (law, n_test, n_seeds) in enumerate(settings):
            rng = np.random.default_rng([asked.seed, place])
            for row in study(law, n_test, n_seeds, runs, rng):
                writer.writerow({k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()})
            file.flush()
            print(f"{place + 1} of {len(settings)}: {law}, {n_test} test cases, {n_seeds} seeds", flush=True)


if __name__ == "__main__":
    main()
