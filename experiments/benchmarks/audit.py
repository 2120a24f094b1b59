"""The audit beside mlscorecheck (where that is importable), on the same printed values: what each found, and the time. Nothing is asserted.

    python experiments/benchmarks/audit.py

mlscorecheck (MIT, https://github.com/FalseNegativeLab/mlscorecheck) answers whether values can be true for given class totals; it is not needed by
hybridcx: install it into an environment of its own beside hybridcx to have both columns. Expected: both agree on every row; hybridcx also
names the reading, the matrices and the ranges of the paired tests.
"""

from __future__ import annotations

import csv
import logging
import statistics
import time
from collections.abc import Callable
from math import nan
from pathlib import Path

from figures import keep

from hybridcx.stats.confusion import count_metrics
from hybridcx.stats.published.matrices import READINGS, compatible, target
from hybridcx.streams import rng_for

STUDY = Path(__file__).parents[1] / "published" / "cervical_table3.csv"
NAMES = {
    "accuracy": "acc",
    "sensitivity": "sens",
    "specificity": "spec",
    "ppv": "ppv",
    "npv": "npv",
    "f1": "f1",
    "mcc": "mcc",
}
Case = tuple[
    str, dict[str, float], int, int, int
]  # label, values as proportions, decimals of the proportion, positives, negatives


def cases() -> list[Case]:
    """The study's four columns, and true tables of 100 to 5000 cases with two and with five metrics."""
    found: list[Case] = []
    rows: dict[str, dict[str, float]] = {}
    with STUDY.open(encoding="utf-8", newline="") as fh:
        for r in csv.DictReader(fh):
            name = "ppv" if r["metric"] == "precision" else r["metric"]
            rows.setdefault(r["model"], {})[name] = round(float(r["value"]) / 100, 3)
    found += [(model, values, 3, 25, 24) for model, values in rows.items()]
    for n in (100, 1000, 5000):
        cells = (int(0.43 * n), n // 2 - int(0.43 * n), int(0.07 * n), n - n // 2 - int(0.07 * n))
        every = {k: float(v) for k, v in count_metrics(*cells).items()}
        for names in (("accuracy", "f1"), ("accuracy", "sensitivity", "specificity", "ppv", "mcc")):
            values = {k: round(every[k], 4) for k in names}
            found.append((f"n = {n}, {len(names)} metrics, true", values, 4, n // 2, n - n // 2))
            off = {**values, names[0]: round(values[names[0]] - 0.02, 4)}
            found.append((f"n = {n}, {len(names)} metrics, one wrong", off, 4, n // 2, n - n // 2))
    return found


def seconds(call: Callable[[], object], runs: int = 5) -> float:
    """Median wall time after a warm-up."""
    call()
    times = []
    for _ in range(runs):
        begun = time.perf_counter()
        call()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def ours(case: Case) -> str:
    _, values, decimals, p, n = case
    targets = [target(k, v, decimals) for k, v in values.items()]
    solved = {r: compatible(targets, p, n, r).count for r in READINGS}
    if solved["as_printed"]:
        return f"possible, {solved['as_printed']} matrices"
    others = [r for r, k in solved.items() if k]
    return "impossible" + (f"; fits: {', '.join(others)}" if others else "")


def theirs(case: Case) -> str:
    from mlscorecheck.check.binary import check_1_testset_no_kfold

    _, values, decimals, p, n = case
    found = check_1_testset_no_kfold(
        testset={"p": p, "n": n}, scores={NAMES[k]: v for k, v in values.items()}, eps=0.5 * 10**-decimals
    )
    return "impossible" if found["inconsistency"] else "possible"


def random_rows(rows: int = 300) -> list[Case]:
    """True rows of random matrices, three random metrics each, printed with two to four decimals."""
    rng = rng_for(0, "benchmark of the audit")
    found: list[Case] = []
    while len(found) < rows:
        p, n = (int(x) for x in rng.integers(10, 300, 2))
        tp, tn = int(rng.integers(1, p)), int(rng.integers(1, n))
        every = {k: float(v) for k, v in count_metrics(tp, p - tp, n - tn, tn).items()}
        decimals = int(rng.integers(2, 5))
        names = rng.choice(list(NAMES), 3, replace=False).tolist()
        found.append(("random", {k: round(every[k], decimals) for k in names}, decimals, p, n))
    return found


def main() -> None:
    logging.disable(logging.CRITICAL)  # mlscorecheck says every step, which would be timed too
    try:
        import mlscorecheck
    except ImportError:
        there = False
        print("mlscorecheck is not importable here; hybridcx alone.")
    else:
        there = True
        print(f"mlscorecheck {getattr(mlscorecheck, '__version__', '')}; times in ms")
    print(f"{'':36s} {'one':>8s} {'four':>8s} {'theirs':>8s}   found by hybridcx; by mlscorecheck")
    for case in cases():
        _, values, decimals, p, n = case
        targets = [target(k, v, decimals) for k, v in values.items()]
        one = 1000 * seconds(lambda t=targets, p=p, n=n: compatible(t, p, n))  # type: ignore[misc]
        four = 1000 * seconds(lambda c=case: ours(c))  # type: ignore[misc]
        peer = 1000 * seconds(lambda c=case: theirs(c), 3) if there else nan  # type: ignore[misc]
        other = f"{peer:8.1f}" if there else f"{'':8s}"
        keep("audit", case[0], four, "ms", "mlscorecheck" if there else "", peer)
        print(f"{case[0]:36s} {one:8.1f} {four:8.1f} {other}   {ours(case)}; {theirs(case) if there else ''}")
    rows = random_rows()
    flagged = sum(ours(c).startswith("impossible") for c in rows)
    print(f"{len(rows)} random true rows: flagged by hybridcx {flagged}", end="")
    print(f", by mlscorecheck {sum(theirs(c) == 'impossible' for c in rows)}" if there else "")


if __name__ == "__main__":
    main()
