"""What large inputs cost: seconds and peak memory (RSS) of each case, each in a process of its own. Measured and printed; nothing is asserted.

    python experiments/benchmarks/limits.py --folder SCRATCH            all cases, or those named after it
    python experiments/benchmarks/limits.py --folder SCRATCH --list     the cases

`libraries` is the memory that a process has before it reads anything. The inputs are made in the folder once and used again (16 models x 1,000,000
cases of Parquet, 10,000,000 rows of CSV, 50,000 JPEGs of 64 px from 300 pictures and noise, 500,000 pictures of 32 px); it needs about 6 GB.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

FOLDER = Path()
CASES: dict[str, Callable[[], str]] = {}


def case(work: Callable[[], str]) -> Callable[[], str]:
    """Register a case; it returns what is to be said beside seconds and memory."""
    CASES[work.__name__.replace("_", "-")] = work
    return work


# Inputs


def once(name: str, make: Callable[[Path], None]) -> Path:
    """The file or folder of this name, made if it is not there."""
    path = FOLDER / name
    if not path.exists():
        begun = time.perf_counter()
        partial = path.with_name("partial-" + name)
        make(partial)
        partial.replace(path)
        print(f"made {name} in {time.perf_counter() - begun:.0f} s", file=sys.stderr)
    return path


def predictions(models: int, cases: int) -> Path:
    """Predictions as Parquet: a truth, and scores that lean towards it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    def make(path: Path) -> None:
        rng = np.random.default_rng(1)
        truth = rng.random(cases) < 0.3
        ids = pa.array([f"c{i:07d}" for i in range(cases)])
        y = pa.array(np.where(truth, "abnormal", "normal"))
        shared = rng.normal(size=cases)
        with pq.ParquetWriter(path, pa.schema(dict(COLUMNS))) as out:
            for m in range(models):
                logit = (0.5 + 0.05 * m) * (2 * truth - 1) + shared + rng.normal(size=cases)
                score = 1 / (1 + np.exp(-logit))
                pred = pa.array(np.where(score >= 0.5, "abnormal", "normal"))
                model = pa.array(np.full(cases, f"model{m:02d}"))
                table = pa.table([ids, y, model, pred, pa.array(score)], names=[c for c, _ in COLUMNS])
                out.write_table(table, row_group_size=250_000)


    columns = {**dict.fromkeys(("case_id", "y_true", "model", "y_pred"), pa.string()), "score": pa.float64()}
    COLUMNS[:] = list(columns.items())
    return once(f"predictions-{models}x{cases}.parquet", make)


COLUMNS: list[tuple[str, object]] = []


def predictions_csv(rows: int, models: int = 10, *, quoted: bool = False) -> Path:
    """The same as CSV."""

    def make(path: Path) -> None:
        import pyarrow.csv as pacsv
        import pyarrow.parquet as pq

        source = pq.ParquetFile(predictions(models, rows // models))
        options = pacsv.WriteOptions(quoting_style="all_valid" if quoted else "none")
        with pacsv.CSVWriter(path, source.schema_arrow, write_options=options) as out:
            for batch in source.iter_batches():
                out.write_batch(batch)

    return once(f"predictions-{rows}{'-quoted' if quoted else ''}.csv", make)


# Cases


@case
def libraries() -> str:
    """The libraries alone."""
    import hybridcx.analysis.compare
    import hybridcx.records.predictions  # noqa: F401

    return ""


def read(path: Path) -> str:
    from hybridcx.records.predictions import read_predictions

    found = read_predictions(path)
    return f"{len(found.frame):,} rows, {len(found.models)} models, {path.stat().st_size / 1e6:.0f} MB file"


def compared(path: Path) -> str:
    import hybridcx

    with tempfile.TemporaryDirectory(dir=FOLDER) as out:
        made = hybridcx.compare(path, out=out, all_pairs=True, n_bootstrap=100)
        size = sum(p.stat().st_size for p in Path(out).rglob("*") if p.is_file())
    return f"{len(made.tables['comparisons']):,} comparison rows, {len(made.tables['roc']):,} ROC points, report {size / 1e6:.0f} MB"


@case
def read_parquet_16x1m() -> str:
    return read(predictions(16, 1_000_000))


@case
def compare_parquet_16x1m() -> str:
    return compared(predictions(16, 1_000_000))


@case
def compare_parquet_4x100k() -> str:
    return compared(predictions(4, 100_000))


@case
def read_csv_10m() -> str:
    return read(predictions_csv(10_000_000))


@case
def read_csv_10m_quoted() -> str:
    return read(predictions_csv(10_000_000, quoted=True))


@case
def compare_csv_10m() -> str:
    return compared(predictions_csv(10_000_000))


def measured(name: str) -> None:
    """One case in a process of its own."""
    begun = time.perf_counter()
    done = subprocess.Popen([sys.executable, __file__, "--folder", str(FOLDER), "--here", name], stdout=subprocess.PIPE, text=True)
    assert done.stdout is not None
    said = done.stdout.read().strip()
    _, status, used = os.wait4(done.pid, 0)
    seconds, peak = time.perf_counter() - begun, used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(f"{name:<28}{seconds:>9.1f} s{peak / 1e9:>9.2f} GB   {said if status == 0 else f'ended with {status}: {said}'}", flush=True)


def main() -> None:
    global FOLDER
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--here", help=argparse.SUPPRESS)
    given = parser.parse_args()
    FOLDER = given.folder
    FOLDER.mkdir(parents=True, exist_ok=True)
    if given.list:
        print("\n".join(CASES))
    elif given.here:
        print(CASES[given.here]())
    else:
        for name in given.cases or CASES:
            measured(name)


if __name__ == "__main__":
    main()
