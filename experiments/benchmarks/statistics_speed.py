"""Speed of the statistics, side by side in one run: measured and printed, with the target beside it; nothing is asserted.

    python experiments/benchmarks/statistics_speed.py             all of it (some minutes), or the parts named:
        page        4 models, 10,000 cases, 10,000 resamples, every metric and pair, page included, against scipy.stats.bootstrap
                    for the AUROC of ONE model
        packages    resamples per second against the package confidenceinterval, where it is installed
        large       16 models, 1,000,000 cases: 10,000 resamples of the count metrics; all DeLong pairs
        small       4 models, 49 cases, everything, in process

Times are the least of `--repeats` (default 3) runs, since another load on the machine only ever adds to them; the spread stands beside
them, and the processor time, which another load lengthens less. The two sides of a comparison take turns. SciPy gets its fastest use that we
know: its vectorised statistic over whole batches (the best of several batch sizes), percentile limits (BCa would cost it 10,000 evaluations
more), ranks by scipy.stats.rankdata. On a machine that others use, set OMP_NUM_THREADS=1: BLAS threads that wait for a busy core cost
more than they bring. (The file is not called statistics.py, which would hide Python's module of that name from the scripts beside it.)
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy
from figures import keep
from scipy import stats

POSITIVE, NEGATIVE = "abnormal", "normal"


def cases(n_models: int, n_cases: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Truth (n,) and correlated scores (k, n) in 0 to 1, nearly all distinct."""
    rng = np.random.default_rng(seed)
    y = rng.random(n_cases) < 0.4
    shared = rng.normal(1.6 * y, 1.0)
    scores = [0.7 * shared + rng.normal((0.5 + 0.05 * j) * y, 0.7) - 0.8 for j in range(n_models)]
    return y, 1 / (1 + np.exp(-np.array(scores)))


def frame(y: np.ndarray, scores: np.ndarray) -> pd.DataFrame:
    """The same as a predictions table."""
    n, k = y.size, len(scores)
    names = [f"model{j:02d}" for j in range(k)]
    return pd.DataFrame(
        {
            "case_id": [f"c{i}" for i in range(n)] * k,
            "y_true": np.tile(np.where(y, POSITIVE, NEGATIVE), k),
            "model": np.repeat(names, n),
            "y_pred": np.where(scores.reshape(-1) >= 0.5, POSITIVE, NEGATIVE),
            "score": scores.reshape(-1),
        }
    )


class Times(NamedTuple):
    """Wall times and processor times (all threads) of several runs, in seconds."""

    wall: list[float]
    processor: list[float]


def timed(work: Callable[[], object], times: Times) -> None:
    """Add one run."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    times.wall.append(time.perf_counter() - wall)
    times.processor.append(time.process_time() - processor)


def taking_turns(works: dict[str, Callable[[], object]], repeats: int) -> dict[str, Times]:
    """Times of each, one after the other and again, so that a change of the machine's load meets all of them."""
    times = {name: Times([], []) for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            timed(work, times[name])
    return times


def line(what: str, times: Times, note: str = "") -> None:
    """Print the least wall time, the spread, and the least processor time."""
    spread = f"({min(times.wall):.3f} to {max(times.wall):.3f}; processor {min(times.processor):.3f})"
    print(f"{what:<66}{min(times.wall):>10.3f} s   {spread} {note}", flush=True)
    keep("statistics_speed", what, min(times.processor), "s processor")


def target(what: str, value: float, bound: float, unit: str, *, at_most: bool = True) -> None:
    """Print a figure with its target."""
    keep("statistics_speed", what, value, unit)
    met = value <= bound if at_most else value >= bound
    sign = "at most" if at_most else "at least"
    print(
        f"{'=> ' + what:<66}{value:>10,.2f} {unit} (target: {sign} {bound:,g}): {'met' if met else 'MISSED'}",
        flush=True,
    )


def rank_auroc(y: np.ndarray, score: np.ndarray, axis: int = -1) -> np.ndarray:
    """AUROC of every row at once from midranks: what scipy.stats.bootstrap is given."""
    ranks = stats.rankdata(score, axis=axis)
    m = y.sum(axis=axis)
    n = y.shape[axis] - m
    return np.asarray(((ranks * y).sum(axis=axis) - m * (m + 1) / 2) / (m * n))


def scipy_auroc(y: np.ndarray, score: np.ndarray, n_resamples: int, batch: int) -> object:
    """scipy.stats.bootstrap, paired resampling, vectorised."""
    return stats.bootstrap(
        (y.astype(float), score), rank_auroc, paired=True, vectorized=True, axis=-1, n_resamples=n_resamples, batch=batch,
        method="percentile", rng=np.random.default_rng(1),
    )  # fmt: skip


def page(repeats: int) -> None:
    """All of a comparison, page included, against one AUROC of SciPy."""
    import hybridcx

    y, scores = cases(4, 10_000)
    table = frame(y, scores)
    sizes = (10, 50, 200, 1000)
    trial = {b: taking_turns({"scipy": lambda b=b: scipy_auroc(y, scores[0], 500, b)}, 2)["scipy"].wall for b in sizes}  # type: ignore[misc]
    batch = min(trial, key=lambda b: min(trial[b]))
    print(f"scipy.stats.bootstrap: batches of {batch} resamples are the fastest of {', '.join(map(str, sizes))}")
    with tempfile.TemporaryDirectory() as folder:
        ours = Path(folder) / "report"
        warm_up = table[table["case_id"].isin([f"c{i}" for i in range(200)])]
        hybridcx.compare(warm_up, out=Path(folder) / "warm", n_bootstrap=100)  # imports
        times = taking_turns(
            {
                "ours": lambda: hybridcx.compare(table, out=ours, n_bootstrap=10_000),
                "scipy": lambda: scipy_auroc(y, scores[0], 10_000, batch),
            },
            repeats,
        )
        pages = (ours / "report.html").stat().st_size
    line(
        "hybridcx.compare: 4 models x 10,000 cases, 10,000 resamples, page", times["ours"], f"page {pages / 1e6:.1f} MB"
    )
    line("scipy.stats.bootstrap: AUROC of 1 model, 10,000 resamples", times["scipy"])
    target("ratio of wall times", min(times["ours"].wall) / min(times["scipy"].wall), 0.6, "")
    target("ratio of processor times", min(times["ours"].processor) / min(times["scipy"].processor), 0.6, "")


SHARED_COUNTS = {
    "accuracy": "accuracy_score", "sensitivity": "tpr_score", "specificity": "tnr_score", "ppv": "ppv_score", "npv": "npv_score",
    "f1": "f1_score",
}  # fmt: skip


def packages(repeats: int) -> None:
    """Resamples per second against the package confidenceinterval: the metrics that both have, percentile limits on both sides.

    A resample counts once all that is asked for has been computed on it: that package resamples each metric (and model) apart.
    """
    if importlib.util.find_spec("confidenceinterval") is None:
        print(
            "confidenceinterval is not installed here (pip install confidenceinterval, in an environment of its own): left out"
        )
        return
    import confidenceinterval

    def theirs(names: list[str], truth: np.ndarray, given: np.ndarray, n_resamples: int) -> None:
        for name in names:
            for one in given:
                getattr(confidenceinterval, name)(
                    truth, one, confidence_level=0.95, method="bootstrap_percentile", n_resamples=n_resamples,
                    random_state=np.random.default_rng(1),
                )  # fmt: skip

    for n in (331, 10_000):
        for k in (1, 4):
            y, scores = cases(k, n)
            truth, calls = y.astype(int), (scores >= 0.5).astype(int)
            asked = {"count metrics": (list(SHARED_COUNTS), calls, 1000), "auroc": (["auroc"], scores, 100)}
            for what, (metrics, given, bound) in asked.items():
                names = [SHARED_COUNTS.get(m, "roc_auc_score") for m in metrics]
                n_theirs = 20 if what == "count metrics" else 40
                times = taking_turns(
                    {
                        "ours": lambda y=y, g=given, m=metrics: resample(y, g, m, 10_000),  # type: ignore[misc]
                        "theirs": lambda a=names, y=truth, g=given, b=n_theirs: theirs(a, y, g, b),  # type: ignore[misc]
                    },
                    repeats,
                )
                rates = 10_000 / min(times["ours"].wall), n_theirs / min(times["theirs"].wall)
                head = f"{len(metrics)} {what}" if len(metrics) > 1 else "AUROC"
                head += f", {k} model{'s' if k > 1 else ''}, {n:,} cases"
                line(f"{head}: ours, 10,000 resamples", times["ours"], f"{rates[0]:,.0f} a second")
                line(f"{head}: confidenceinterval, {n_theirs}", times["theirs"], f"{rates[1]:,.0f} a second")
                target(f"{head}: ours over theirs", rates[0] / rates[1], bound, "times", at_most=False)


def resample(y: np.ndarray, given: np.ndarray, metrics: list[str], n_resamples: int) -> None:
    """Our side: joint resamples of all models, and the percentile limits of each metric."""
    from hybridcx.stats.resampling.bootstrap import bootstrap_replicates
    from hybridcx.stats.resampling.intervals import percentile

    calls, scores = (None, given) if metrics == ["auroc"] else (given == 1, None)
    made = bootstrap_replicates(
        y, calls, scores, metrics=metrics, n_resamples=n_resamples, rng=np.random.default_rng(1)
    )
    for metric in metrics:
        for model in range(len(given)):
            percentile(made, metric, model)


def large(repeats: int) -> None:
    """16 models, a million cases: the count metrics' bootstrap, and every DeLong pair."""
    from itertools import combinations

    from hybridcx.stats.resampling.bootstrap import bootstrap_replicates
    from hybridcx.stats.resampling.intervals import bca, difference
    from hybridcx.stats.roc import delong_covariance, delong_paired_from
    from hybridcx.vocabulary import METRICS

    y, scores = cases(16, 1_000_000)
    calls = scores >= 0.5
    counts = [name for name, m in METRICS.items() if m.kind == "count"]
    pairs = list(combinations(range(16), 2))

    def resampled() -> None:
        made = bootstrap_replicates(y, calls, None, metrics=counts, n_resamples=10_000, rng=np.random.default_rng(1))
        for metric in counts:
            for model in range(16):
                bca(made, metric, model)
            for i, j in pairs:
                difference(made, metric, i, j, "bootstrap_bca")

    def delong() -> None:
        aucs, covariance = delong_covariance(y, scores)
        for i, j in pairs:
            delong_paired_from(aucs, covariance, i, j, y.size)

    print(f"16 models x 1,000,000 cases; the data alone take {(scores.nbytes + calls.nbytes) / 2**30:.2f} GiB")
    times = taking_turns({"resampled": resampled}, repeats)["resampled"]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # KiB on Linux
    line(f"10,000 resamples of {len(counts)} count metrics, BCa of every model and pair", times)
    target("bootstrap", min(times.wall), 60, "s")
    target("peak memory of the process, data included", peak, 4, "GiB")
    times = taking_turns({"delong": delong}, repeats)["delong"]
    line(f"DeLong's test of all {len(pairs)} pairs", times)
    target("DeLong", min(times.wall), 60, "s")


def small(repeats: int) -> None:
    """The study's own size: everything, in process."""
    import hybridcx

    table = frame(*cases(4, 49, seed=2))
    with tempfile.TemporaryDirectory() as folder:
        work = lambda: hybridcx.compare(table, out=Path(folder) / "report", margin=0.1)  # noqa: E731
        first = taking_turns({"first": work}, 1)["first"].wall[0]
        times = taking_turns({"ours": work}, max(repeats, 5))["ours"]
    print(f"{'the first call of the process, imports included':<66}{first:>10.3f} s")
    line("hybridcx.compare: 4 models x 49 cases, 2,000 resamples, page", times)
    target("everything", min(times.wall), 2, "s")


PARTS = {"small": small, "packages": packages, "page": page, "large": large}


def main() -> None:
    """Run the parts asked for, all by default."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="default: all")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    print(
        f"Python {sys.version.split()[0]}, NumPy {np.__version__}, SciPy {scipy.__version__}; {os.cpu_count()} processors,"
    )
    print(f"load {os.getloadavg()[0]:.1f} at the start; wall times, least of {given.repeats} (least to greatest)\n")
    for name in given.parts or PARTS:
        PARTS[name](given.repeats)
        print(flush=True)


if __name__ == "__main__":
    main()
