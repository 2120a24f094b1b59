"""Coverage of every interval and type I error of every paired test at the study's sizes; writes coverage.csv and coverage.md.

    python experiments/simulations/coverage.py [--out DIR] [--scale 1.0] [--seed 20190101] [--only STUDY ...]

n = 49 (25 abnormal, 24 normal) and n = 331 (170, 161). `--scale 0.05` runs a twentieth of the replications. What is simulated stands in the
modules beside this one; what came out, and which methods do not keep their word, in reports/coverage/coverage.md. At scale 1 it takes about
ten minutes of one idle core; every part has a stream of its own, so a part run alone gives the same rows.
"""

from __future__ import annotations

import argparse
import csv
import os
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import agreement
import dependent
import numpy as np
import one_model
import two_models
from summary import summary
from tally import COLUMNS, Tally

SIZES = ((25, 24), (170, 161))
NOMINAL = {"non_inferiority": 0.025, "tost": 0.025}

Part = Callable[[Tally, int, int, Callable[[int], int], np.random.Generator], None]

PARTS: dict[str, Part] = {
    "counts": lambda t, n1, n0, k, g: one_model.counts(t, n1, n0, k(600), 999, g),
    "scores": lambda t, n1, n0, k, g: one_model.scores(t, n1, n0, k(6000), k(500), 999, g),
    "pairs": lambda t, n1, n0, k, g: two_models.run(t, n1, n0, k(4000), k(400), 999, g),
    "clusters": lambda t, n1, n0, k, g: dependent.clusters(t, (n1 + n0) // 4, k(4000), k(400), 599, g),
    "seeds": lambda t, n1, n0, k, g: dependent.seeds(t, n1, n0, k(2000), k(300), 599, g),
    "splits": lambda t, n1, n0, k, g: dependent.splits(t, k(2000), g) if n1 + n0 > 49 else None,
    "families": lambda t, n1, n0, k, g: dependent.families(t, n1, n0, k(2000), 599, g),
    "measurements": lambda t, n1, n0, k, g: agreement.measurements(t, n1 + n0, k(3000), g),
    "categories": lambda t, n1, n0, k, g: agreement.categories(t, n1 + n0, k(3000), k(400), 599, g),
}


def main() -> None:
    """Run the parts and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("reports/coverage"))
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=20190101)
    parser.add_argument("--only", nargs="*", choices=list(PARTS), default=list(PARTS))
    asked = parser.parse_args()

    def runs(full: int) -> int:
        return max(20, round(full * asked.scale))

    tally = Tally(asked.seed)
    for place, (name, part) in enumerate(PARTS.items()):
        if name not in asked.only:
            continue
        begun = time.perf_counter()
        for n1, n0 in SIZES:
            # Resamples of one bootstrap are part of the method; its replications alone shrink with the scale.
            part(tally, n1, n0, runs, np.random.default_rng([asked.seed, place, n1]))
        print(f"{name:14s} {time.perf_counter() - begun:7.1f} s", flush=True)
        write(tally, asked.out, asked.seed, asked.scale)


def write(tally: Tally, out: Path, seed: int, scale: float) -> None:
    """Write what there is so far, so that an interrupted run is not lost."""
    rows = list(tally.rows(NOMINAL))
    out.mkdir(parents=True, exist_ok=True)
    with (out / "coverage.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    page = summary([dict(zip(COLUMNS, row, strict=True)) for row in rows], seed, scale)
    (out / "coverage.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
