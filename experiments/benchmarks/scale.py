"""How `compare` and `agreement` grow, from the file to the finished folder: each case at half its size and at its size, in a process of its own.

    python experiments/benchmarks/scale.py --folder SCRATCH               all cases, or those named after it
    python experiments/benchmarks/scale.py --folder SCRATCH --python PY   of another installation (its interpreter)

Prints wall seconds, processor seconds (user and system, of the process and what it starts), peak memory (RSS), the size of the report folder and
its largest file, with the targets beside them; `growth` is the factor by which processor seconds and output grow when the size doubles: 2 is
linear. Nothing is asserted. The inputs, drawn from a fixed seed, are made in the folder once (0.6 GB).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from pathlib import Path

import numpy as np
from figures import keep


def predictions(path: Path, models: int, cases: int, levels: int = 0) -> None:
    """A CSV of predictions: scores that lean towards the truth, more so in later models; with `levels` a column `site` of so many values."""
    import pyarrow as pa
    import pyarrow.csv as pacsv

    rng = np.random.default_rng(1)
    truth, shared = rng.random(cases) < 0.3, rng.normal(size=cases)
    columns = {
        "case_id": pa.array([f"c{i:07d}" for i in range(cases)]),
        "y_true": pa.array(np.where(truth, "abnormal", "normal")),
    }
    if levels:
        columns["site"] = pa.array([f"site{i % levels:04d}" for i in range(cases)])
    with path.open("wb") as file:
        for m in range(models):
            logit = (0.5 + 0.5 * m / models) * (2 * truth - 1) + shared + rng.normal(size=cases)
            score = 1 / (1 + np.exp(-logit))
            table = pa.table(
                {
                    **columns,
                    "model": pa.array(np.full(cases, f"model{m:04d}")),
                    "y_pred": pa.array(np.where(score >= 0.5, "abnormal", "normal")),
                    "score": pa.array(score),
                }
            )
            pacsv.write_csv(table, file, pacsv.WriteOptions(include_header=m == 0, quoting_style="none"))


def ratings(path: Path, readers: int, cases: int) -> None:
    """A CSV of ratings: grades 1 to 4 of readers who see the case's own with noise."""
    rng = np.random.default_rng(2)
    grades = np.clip(np.round(2.5 + rng.normal(size=cases) + 0.7 * rng.normal(size=(readers, cases))), 1, 4)
    header = ",".join(["case_id", *(f"reader_r{k:03d}" for k in range(readers))])
    rows = [",".join([f"c{i:04d}", *map(str, own)]) for i, own in enumerate(grades.T.astype(int).tolist())]
    path.write_text("\n".join([header, *rows]) + "\n")


@dataclass(frozen=True)
class Case:
    """What is run at a size: the input by size, the command's words; targets in processor seconds, GiB of memory and MB of output."""

    size: int
    make: Callable[[Path, int], None]
    words: tuple[str, ...]
    seconds: float = inf
    memory: float = inf
    output: float = inf


CASES = {
    "4-models": Case(1_000_000, lambda path, n: predictions(path, 4, n), ("compare",), seconds=60, memory=2),
    "1-model": Case(5_000_000, lambda path, n: predictions(path, 1, n), ("compare",), seconds=60),
    "all-pairs-500-cases": Case(
        64, lambda path, n: predictions(path, n, 500), ("compare", "--all-pairs"), seconds=30, output=40
    ),
    "subgroups-3000-cases": Case(
        300, lambda path, n: predictions(path, 2, 3000, n), ("compare", "--by", "site"), seconds=10
    ),
    "one-reference-200-cases": Case(
        2000, lambda path, n: predictions(path, n, 200), ("compare", "--reference", "model0000")
    ),
    "readers-20-cases": Case(
        500, lambda path, n: ratings(path, n, 20), ("agreement", "--scale", "ordinal"), seconds=20
    ),
}


@dataclass(frozen=True)
class Cost:
    """What one run took: seconds, bytes."""

    wall: float
    processor: float
    peak: int
    output: int
    largest: str
    status: int


def cost(python: str, folder: Path, case: Case, name: str, size: int) -> Cost:
    """Run a case at a size."""
    source, report = folder / f"{name}-{size}.csv", folder / "report"
    if not source.exists():
        case.make(source.with_suffix(".partial"), size)
        source.with_suffix(".partial").replace(source)
    shutil.rmtree(report, ignore_errors=True)
    begun = time.perf_counter()
    # Bytecode is kept, wherever the installation may not be written.
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    kept["PYTHONPYCACHEPREFIX"] = str(folder / "bytecode")
    words = [python, "-m", "hybridcx", case.words[0], str(source), "--out", str(report), "--quiet", *case.words[1:]]
    done = subprocess.Popen(words, stdout=subprocess.DEVNULL, cwd=folder, env=kept)
    _, status, used = os.wait4(done.pid, 0)
    wall = time.perf_counter() - begun
    sizes = {p.name: p.stat().st_size for p in report.rglob("*") if p.is_file()} or {"": 0}
    largest = max(sizes, key=sizes.__getitem__)
    return Cost(
        wall,
        used.ru_utime + used.ru_stime,
        used.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        sum(sizes.values()),
        f"{largest} {sizes[largest] / 1e6:.1f}",
        status,
    )


def main() -> None:
    """Run the cases asked for, all by default."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", choices=[[], *CASES], help="default: all")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--full", action="store_true", help="without the half sizes")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    print(f"{'case':<25}{'size':>9}{'wall s':>9}{'proc. s':>9}{'GiB':>7}{'MB':>8}  largest file (MB)")
    cost(given.python, given.folder, CASES["4-models"], "warm-up", 200)  # byte-compiles
    for name in given.cases or CASES:
        case, costs = CASES[name], []
        for size in (case.size,) if given.full else (case.size // 2, case.size):
            one = cost(given.python, given.folder, case, name, size)
            costs.append(one)
            ended = f"  ENDED WITH {one.status}" if one.status else ""
            print(
                f"{name:<25}{size:>9,}{one.wall:>9.1f}{one.processor:>9.1f}{one.peak / 2**30:>7.2f}{one.output / 1e6:>8.1f}"
                f"  {one.largest}{ended}",
                flush=True,
            )
        last = costs[-1]
        if not last.status:
            keep("scale", f"{name}, {case.size:,}", last.processor, "s processor")
            keep("scale", f"{name}, {case.size:,}: peak memory", last.peak / 2**30, "GiB")
            keep("scale", f"{name}, {case.size:,}: output", last.output / 1e6, "MB")
        found = (
            (last.processor, case.seconds, "s"),
            (last.peak / 2**30, case.memory, "GiB"),
            (last.output / 1e6, case.output, "MB"),
        )
        said = [
            f"{x:.1f} of {most:g} {unit} {'met' if x <= most else 'MISSED'}" for x, most, unit in found if most < inf
        ]
        if len(costs) == 2:
            growth = last.processor / costs[0].processor, last.output / max(costs[0].output, 1)
            said.append(f"growth: processor {growth[0]:.2f}, output {growth[1]:.2f}")
        print("    " + "; ".join(said), flush=True)


if __name__ == "__main__":
    main()
