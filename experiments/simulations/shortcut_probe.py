"""How often the probe for shortcuts (`hybridcx.pipeline.shortcuts`) warns where no mark tells the label, and where one does.

    python experiments/simulations/shortcut_probe.py --replications 200

Marks are drawn as cohorts have them: names with numbers and two folders, sizes in bytes, crop boxes, borders, a position. Under the null the
label is independent of all; otherwise one feature of the mark tells it with the stated AUROC, by a shift of a normal variable (bytes) or
by two folders of unequal prevalence. Rows are printed with Monte Carlo errors; an interrupt prints what there is.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Iterator
from math import sqrt

import numpy as np
from scipy.stats import norm

from hybridcx.pipeline.shortcuts import probed

SIZES = (49, 120, 331)
PREVALENCE = 0.5
MARKS = ("file_name", "file_format", "geometry", "border", "row")
Draw = Callable[[np.random.Generator, np.ndarray, float], np.ndarray]


def file_name(rng: np.random.Generator, y: np.ndarray, auroc: float) -> np.ndarray:
    """Folder, pattern of letters, length, first and last number; the folder tells the label: P(folder | ill) - P(folder | healthy) = 2 AUROC - 1."""
    n, gap = len(y), 2 * auroc - 1
    folder = rng.random(n) < 0.5 + gap * (y - 0.5)
    return np.column_stack(
        [folder, rng.integers(0, 3, n), rng.integers(8, 12, n), rng.permutation(n), rng.integers(0, 3, n)]
    )


def file_format(rng: np.random.Generator, y: np.ndarray, auroc: float) -> np.ndarray:
    """Size in bytes, kind, mode, bits, orientation; the size tells the label, shifted by sqrt(2) z(AUROC) standard deviations."""
    n = len(y)
    size = rng.normal(size=n) + sqrt(2) * norm.ppf(auroc) * y
    return np.column_stack(
        [np.exp(12 + 0.3 * size), np.zeros(n), rng.random(n) < 0.2, np.zeros(n), rng.random(n) < 0.1]
    )


def geometry(rng: np.random.Generator, y: np.ndarray, auroc: float) -> np.ndarray:
    """Width and height, the same for half of the cases, and a crop box; the width tells the label."""
    n = len(y)
    width = np.round(600 + 80 * (rng.normal(size=n) + sqrt(2) * norm.ppf(auroc) * y))
    height = np.where(rng.random(n) < 0.5, 800, np.round(rng.normal(800, 60, n)))
    return np.column_stack([width, height, *rng.normal(100, 20, (4, n)).round()])


def border(rng: np.random.Generator, y: np.ndarray, auroc: float) -> np.ndarray:
    """Four borders, mostly absent, and the grey values of four corners; one corner tells the label."""
    n = len(y)
    sides = np.where(rng.random((4, n)) < 0.7, 0, rng.integers(1, 20, (4, n)) / 224)
    corners = np.clip(np.round(rng.normal(40, 15, (4, n))), 0, 255)
    corners[0] = np.round(60 + 15 * (rng.normal(size=n) + sqrt(2) * norm.ppf(auroc) * y))
    return np.column_stack([*sides, *corners])


def row(rng: np.random.Generator, y: np.ndarray, auroc: float) -> np.ndarray:
    """The position alone, in the order of a noisy sort by label."""
    noisy = rng.normal(size=len(y)) + sqrt(2) * norm.ppf(auroc) * y
    return np.argsort(np.argsort(noisy))[:, None].astype(float)


DRAWS: dict[str, Draw] = {f.__name__: f for f in (file_name, file_format, geometry, border, row)}


def warned(mark: str, n: int, auroc: float, rng: np.random.Generator) -> tuple[bool, float]:
    """Whether a cohort of `n` cases is warned of this mark, and the probe's AUROC."""
    y = rng.permutation(np.arange(n) < round(n * PREVALENCE)).astype(np.int64)
    features = np.asarray(DRAWS[mark](rng, y, auroc), dtype=np.float64)
    found = probed(features, y, np.arange(n), random_state=int(rng.integers(2**31)))
    return bool(float(found.get("conf.low", np.nan)) > 0.5), float(found["estimate"])  # type: ignore[arg-type]


def simulate(
    replications: int, sizes: tuple[int, ...], aurocs: tuple[float, ...], marks: tuple[str, ...], seed: int
) -> Iterator[tuple[tuple[int, float, str], bool, float]]:
    """((n, AUROC, mark), warned, estimate) of each drawn cohort, replication by replication."""
    for replication in range(replications):
        for n in sizes:
            for auroc in aurocs:
                for mark in marks:
                    rng = np.random.default_rng([seed, replication, n, round(1000 * auroc), MARKS.index(mark)])
                    yield (n, auroc, mark), *warned(mark, n, auroc, rng)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replications", type=int, default=200)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--aurocs", type=float, nargs="+", default=(0.5, 0.6, 0.7, 0.8))
    parser.add_argument("--marks", nargs="+", default=MARKS, choices=MARKS)
    parser.add_argument("--seed", type=int, default=20261125)
    asked = parser.parse_args()
    seen: dict[tuple[int, float, str], list[tuple[bool, float]]] = {}
    with contextlib.suppress(KeyboardInterrupt):
        for key, hit, estimate in simulate(
            asked.replications, tuple(asked.sizes), tuple(asked.aurocs), tuple(asked.marks), asked.seed
        ):
            seen.setdefault(key, []).append((hit, estimate))
    print("| cases | AUROC of the mark | mark | warned of | Monte Carlo error | mean AUROC of the probe | cohorts |")
    print("| --- " * 7 + "|")
    for (n, auroc, mark), rows in sorted(seen.items()):
        share, count = float(np.mean([hit for hit, _ in rows])), len(rows)
        mean = float(np.mean([e for _, e in rows]))
        print(
            f"| {n} | {auroc:g} | {mark} | {share:.3f} | {sqrt(share * (1 - share) / count):.3f} | {mean:.3f} | {count} |"
        )


if __name__ == "__main__":
    main()
