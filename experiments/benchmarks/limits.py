"""What large inputs cost: seconds and peak memory (RSS) of each case, each in a process of its own. Measured and printed; nothing is asserted.

    python experiments/benchmarks/limits.py --folder SCRATCH            all cases, or those named after it
    python experiments/benchmarks/limits.py --folder SCRATCH --list     the cases

`libraries` is the memory that a process has before it reads anything. The inputs are made in the folder once and used again (16 models x 1,000,000
cases of Parquet, 10,000,000 rows of CSV, 50,000 and 500,000 JPEGs of 64 px from 300 pictures and noise, 500,000 pictures of 32 px); it needs about
12 GB.
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
from figures import keep

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

    texts = ("case_id", "y_true", "model", "y_pred")
    schema = pa.schema([*((c, pa.string()) for c in texts), ("score", pa.float64())])

    def make(path: Path) -> None:
        rng = np.random.default_rng(1)
        truth = rng.random(cases) < 0.3
        ids = pa.array([f"c{i:07d}" for i in range(cases)])
        y = pa.array(np.where(truth, "abnormal", "normal"))
        shared = rng.normal(size=cases)
        with pq.ParquetWriter(path, schema) as out:
            for m in range(models):
                logit = (0.5 + 0.05 * m) * (2 * truth - 1) + shared + rng.normal(size=cases)
                score = 1 / (1 + np.exp(-logit))
                pred = pa.array(np.where(score >= 0.5, "abnormal", "normal"))
                model = pa.array(np.full(cases, f"model{m:02d}"))
                table = pa.table([ids, y, model, pred, pa.array(score)], schema=schema)
                out.write_table(table, row_group_size=250_000)

    return once(f"predictions-{models}x{cases}.parquet", make)


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


def pictures(n: int, size_px: int, rng: np.random.Generator) -> np.ndarray:
    """Pictures (n, size, size) uint8: one of 300 views, and smooth detail of its own in each, so that hardly any two are alike."""
    from scipy import ndimage

    views = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(300, size_px, size_px)), (0, 6, 6))
    own = ndimage.gaussian_filter(rng.normal(size=(n, size_px, size_px)), (0, 1.5, 1.5))
    made = 40 * views[rng.integers(0, 300, n)] / views.std() + 25 * own / own.std()
    return np.clip(128 + made, 0, 255).astype(np.uint8)


def cohort(n: int) -> Path:
    """A manifest with n JPEGs of 64 px, of which ten are nearly another one."""

    def make(folder: Path) -> None:
        from PIL import Image

        (folder / "images").mkdir(parents=True)
        rng, rows = np.random.default_rng(2), ["case_id,patient_id,image,label"]
        before = np.zeros((64, 64))
        for start in range(0, n, 1000):
            block = pictures(min(1000, n - start), 64, rng)
            if 0 < start <= 10_000:
                block[0] = np.clip(before * 0.9 + 5, 0, 255)
            before = block[1]
            for i, picture in enumerate(block, start):
                name = f"images/{i:06d}.jpg"
                Image.fromarray(picture).save(folder / name, quality=85)
                rows.append(f"c{i:06d},p{i:06d},{name},{('normal', 'abnormal')[i % 2]}")
        (folder / "manifest.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")

    return once(f"cohort-{n}", make) / "manifest.csv"


def array_of_pictures(n: int, size_px: int) -> Path:
    """What the image store of n cases is: an .npy of (n, size, size, 3) uint8."""

    def make(path: Path) -> None:
        from hybridcx.store.arrays import array_in_pieces

        rng = np.random.default_rng(3)
        with array_in_pieces(path, (n, size_px, size_px, 3), np.uint8) as append:
            for start in range(0, n, 1000):
                block = pictures(min(1000, n - start), size_px, rng)
                append(np.repeat(block[..., None], 3, axis=-1))

    return once(f"pictures-{n}x{size_px}.npy", make)


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


def compared(path: Path, positive: str | None = None) -> str:
    import hybridcx

    with tempfile.TemporaryDirectory(dir=FOLDER) as out:
        made = hybridcx.compare(path, out=out, positive=positive, all_pairs=True, n_bootstrap=100)
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
def compare_parquet_8x125k() -> str:
    return compared(predictions(8, 125_000))


def prepared(n: int) -> object:
    from hybridcx.cohort.manifest import read_manifest
    from hybridcx.images.store import prepare_store

    return prepare_store(read_manifest(cohort(n)), size_px=64, cache=FOLDER / "images")


@case
def store_50k() -> str:
    """Manifest with every file hashed, decoding, and the store written (or opened, where it is there: remove `images` to measure again)."""
    found = prepared(50_000)
    return f"{found.images.nbytes / 1e6:.0f} MB of images, {'opened' if found.reused else 'made'}"


@case
def near_duplicates_50k() -> str:
    from hybridcx.images.near_duplicates import near_duplicates

    store = prepared(50_000)
    pairs = near_duplicates(store, dict.fromkeys(store.case_ids, "normal"))
    return f"{len(pairs)} pairs {pairs.attrs.get('left_out', '')}"


@case
def near_duplicates_500k() -> str:
    """The search alone, on the array that the store of 500,000 cases would be."""
    from hybridcx.images import near_duplicates as module

    images = np.load(array_of_pictures(500_000, 32), mmap_mode="r")
    return f"{sum(1 for _ in module._correlated(images, module.NEARLY_IDENTICAL))} pairs"


@case
def features_500k() -> str:
    """SqueezeNet on 500,000 pictures of 32 px from a memory map to a file."""
    from hybridcx.deep.features import extract, untrained_state
    from hybridcx.experiment.file import ComputeSection

    images = np.load(array_of_pictures(500_000, 32), mmap_mode="r")
    path = FOLDER / "features-500000.npy"
    state = untrained_state("squeezenet1_1", 0)
    found = extract(
        "squeezenet1_1", state, images, ComputeSection(device="cpu"), trained_head=False, features_file=path
    )
    anonymous = own_peak()
    return f"{found.features.shape}, {path.stat().st_size / 1e6:.0f} MB on disk{anonymous}"


RUN = """
name = "half_a_million"
[cohort]
manifest = "manifest.csv"
[images]
size_px = 32
[split]
train = 0.6
validation = 0.2
test = 0.2
[networks]
names = ["squeezenet1_1"]
weights = "none"
[train]
epochs = 1
batch_size = 256
validate_every = 500
[heads]
names = ["logistic", "lda"]
features = ["fine_tuned"]
"""


@case
def run_500k() -> str:
    """A whole `hybridcx run` of 500,000 JPEG files, nothing kept from before: decoding, checks, an epoch, features, heads, report."""
    import hybridcx
    from hybridcx.experiment.file import parse_experiment

    experiment, folder = parse_experiment(RUN), cohort(500_000).parent
    with tempfile.TemporaryDirectory(dir=FOLDER) as made:
        hybridcx.run(experiment, base=folder, out=Path(made) / "out", cache=Path(made) / "cache")
        size = sum(p.stat().st_size for p in Path(made).rglob("*") if p.is_file())
    return f"cache and report {size / 1e9:.1f} GB{own_peak()}"


def own_peak() -> str:
    """The memory that cannot be given back: without the pages of mapped files, which the system takes when it needs them (Linux)."""
    status = Path("/proc/self/status")
    if not status.exists():
        return ""
    fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return f", of the memory {int(fields['RssFile'].split()[0]) / 1e6:.2f} GB are mapped files"


def heads(names: list[str], n: int, d: int = 512) -> str:
    """Fit on rows drawn in the form of features."""
    from hybridcx.heads.fit import fit_heads

    rng = np.random.default_rng(4)
    y = rng.integers(0, 2, n)
    features = rng.standard_normal((n, d), np.float32)
    features[:, :20] += 0.3 * y[:, None]
    made = fit_heads(names, features, y, np.arange(n), folds=5, max_components=64, seed=0)
    return ", ".join(f"{name} AUROC {head.cv_auroc:.3f}" for name, head in made.items())


@case
def heads_350k_lda() -> str:
    return heads(["lda"], 350_000)


@case
def heads_350k_logistic() -> str:
    return heads(["logistic"], 350_000)


@case
def svm_rbf_5k() -> str:
    return heads(["svm_rbf"], 5_000)


@case
def svm_linear_5k() -> str:
    return heads(["svm_linear"], 5_000)


@case
def knn_10k() -> str:
    return heads(["knn"], 10_000)


@case
def labels_of_5000_characters() -> str:
    """Two models on 300 cases."""
    import pandas as pd

    rows = pd.DataFrame(small_rows(), columns=["case_id", "y_true", "model", "y_pred", "score"])
    for column in ("y_true", "y_pred"):
        rows[column] = rows[column].map(lambda label: label + " " + "x" * (4999 - len(label)))
    path = FOLDER / "labels.csv"
    rows.to_csv(path, index=False)
    return compared(path, positive=next(v for v in rows["y_true"] if v.startswith("abnormal")))


@case
def columns_2000() -> str:
    """Two models on 300 cases, with 2,000 further columns."""
    import pandas as pd

    rows = pd.DataFrame(small_rows(), columns=["case_id", "y_true", "model", "y_pred", "score"])
    further = pd.DataFrame({f"further{k}": rows["case_id"].str[1:].astype(int) * k % 7 for k in range(2000)})
    path = FOLDER / "columns.csv"
    pd.concat([rows, further], axis=1).to_csv(path, index=False)
    return compared(path)


def small_rows() -> list[tuple[object, ...]]:
    rng, names = np.random.default_rng(5), ("normal", "abnormal")
    rows = []
    for model in ("a", "b"):
        for i in range(300):
            score = 1 / (1 + np.exp(-(2 * (i % 2) - 1 + rng.normal())))
            rows.append((f"c{i}", names[i % 2], model, names[int(score >= 0.5)], float(score)))
    return rows


def measured(name: str) -> None:
    """One case in a process of its own."""
    begun = time.perf_counter()
    done = subprocess.Popen(
        [sys.executable, __file__, "--folder", str(FOLDER), "--here", name], stdout=subprocess.PIPE, text=True
    )
    assert done.stdout is not None
    said = done.stdout.read().strip()
    _, status, used = os.wait4(done.pid, 0)
    seconds, peak = time.perf_counter() - begun, used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(
        f"{name:<28}{seconds:>9.1f} s{peak / 1e9:>9.2f} GB   {said if status == 0 else f'ended with {status}: {said}'}",
        flush=True,
    )
    if status == 0:
        keep("limits", name, seconds, "s")
        keep("limits", f"{name}: peak memory", peak / 1e9, "GB")


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
