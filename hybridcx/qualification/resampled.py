"""Bootstrap and permutation: on R's own replicates to the last digits, and on our own draws within Monte Carlo error."""

from __future__ import annotations

from collections.abc import Iterator
from math import log, sqrt
from typing import Any

import numpy as np

from hybridcx.qualification.case import DRAWN, EXACT, Case, compared, of_result
from hybridcx.qualification.reference import R, column, number, roc_expected, rows, scores
from hybridcx.stats import paired, roc_permutation
from hybridcx.stats.resampling import hierarchical, seed_limits
from hybridcx.stats.resampling import intervals as limits
from hybridcx.stats.resampling.bootstrap import Replicates, bootstrap_replicates
from hybridcx.vocabulary import METRICS

METHODS = {"percentile": limits.percentile, "basic": limits.basic, "bca": limits.bca}
RESAMPLED = R.format(f"resampled/make_resampled.R (R's own draws; {DRAWN} of both sides)")
N_RESAMPLES = 4000
OUTERMOST = 5
"""A limit among so few outermost replicates has no Monte Carlo error to compare by."""


def cases() -> Iterator[Case]:
    """Every case of this file."""
    yield from _replicates()
    yield from _metrics()
    yield from _seeds()
    yield from _permutation()


def _replicates() -> Iterator[Case]:
    """Percentile, basic and BCa limits from replicates that R has drawn."""
    source = R.format("roc/make_roc_reference.R (quantile type 7, boot)")
    for statistic in ("accuracy", "auroc", "difference"):
        drawn, left_out = column(f"roc/replicates_{statistic}.csv"), column(f"roc/jackknife_{statistic}.csv")
        want = roc_expected()["mixed", "boot", statistic]
        metric, zero, n = "auroc" if statistic == "auroc" else "accuracy", np.zeros_like, left_out.size
        # two models whose difference is R's statistic, so that differences are compared as well
        replicates = Replicates(
            {metric: np.array([want["observed"], 0.0])},
            {metric: np.stack([drawn, zero(drawn)], axis=1)},
            {metric: np.stack([left_out, zero(left_out)], axis=1)},
            {metric: np.ones(n)},
            n, n, np.nan, drawn.size,
        )  # fmt: skip
        for method, function in METHODS.items():
            expected = {
                "conf_low": want[f"{method}_low"],
                "conf_high": want[f"{method}_high"],
                "std_error": want["std_error"],
            }
            bootstrap: Any = f"bootstrap_{method}"
            if statistic != "difference":
                found: Any = function(replicates, metric, 0)
                name = f"resampling.intervals.{method}"
            elif method != "basic":
                found = limits.difference(replicates, metric, 0, 1, bootstrap)
                name = "resampling.intervals.difference"
            else:
                continue
            yield from of_result(
                f"mixed {statistic}", f"bootstrap_{method}", name, found, expected, source, smallest=EXACT
            )


def _within(row: dict[str, str], ours: float) -> float:
    """Four Monte Carlo errors of both sides together, or a step of a discrete statistic where that is more."""
    return max(4 * float(row["mc_error"]) * sqrt(1 + ours**2), float(row["step"])) + EXACT


def _metrics() -> Iterator[Case]:
    """Every metric, one model and the difference of two, whole patients and cases."""
    y, s, patient = scores("mixed")
    both = np.stack([s["a"], s["b"]])
    for design, groups in (("cases", None), ("patients", patient)):
        drawn = bootstrap_replicates(
            y,
            both >= 0.5,
            both,
            metrics=list(METRICS),
            n_resamples=N_RESAMPLES,
            rng=np.random.default_rng(7),
            groups=groups,
        )
        for row in rows("resampled/resampled_expected.csv"):
            if row["design"] != design or int(row["beyond"]) < OUTERMOST:
                continue
            metric, _, of_two = row["metric"].partition(" ")
            method: Any = f"bootstrap_{row['method']}"
            side = f"conf_{row['side']}"
            expected = number(row["value"])
            if of_two:
                found = float(getattr(limits.difference(drawn, metric, 0, 1, method), side))
                function = "resampling.intervals.difference"
            else:
                found = float(getattr(METHODS[row["method"]](drawn, metric, 0), side))
                function = f"resampling.intervals.{row['method']}"
                expected = float(np.clip(expected, METRICS[metric].low, METRICS[metric].high))  # R does not clip
            # The error of a limit is itself estimated: the larger estimate of the two sides holds.
            errors = limits.monte_carlo_error(drawn, metric, 0, 1 if of_two else None, method)
            ours = errors[0] if row["side"] == "low" else errors[1]
            if of_two and metric in limits.RATIO_METRICS:
                ours, found = ours / found, log(found)
            tolerance = _within(row | {"mc_error": str(np.fmax(float(row["mc_error"]), ours))}, 1.0)
            yield compared(
                "operation", f"{design} {row['metric']}", method, function, side, found, expected, tolerance, RESAMPLED
            )


def _seeds() -> Iterator[Case]:
    """Seeds and cases crossed."""
    table = rows("resampled/seeds.csv")
    y = np.array([r["y"] == "1" for r in table])
    s = np.array([[float(r[f"s{k}"]) for r in table] for k in range(1, 11)])
    rng = np.random.default_rng(8)
    drawn = bootstrap_replicates(y, s >= 0.5, s, metrics=["accuracy", "auroc"], n_resamples=N_RESAMPLES, rng=rng)
    seeds = hierarchical.combine_seeds(drawn, 5, rng)
    for row in rows("resampled/resampled_expected.csv"):
        if row["design"] != "seeds":
            continue
        metric, _, of_two = row["metric"].partition(" ")
        function = hierarchical.hierarchical_difference if of_two else hierarchical.hierarchical_interval
        result = function(seeds, metric, *((0, 1) if of_two else (0,)))
        name, side = f"resampling.hierarchical.{function.__name__}", f"conf_{row['side']}"
        found, tolerance = float(getattr(result, side)), _within(row, 1.0)
        yield compared(
            "operation",
            f"seeds {row['metric']}",
            "bootstrap_hierarchical",
            name,
            side,
            found,
            number(row["value"]),
            tolerance,
            RESAMPLED,
        )
    want: dict[str, dict[str, float]] = {}
    for row in rows("seed_limits/seed_limits_expected.csv"):
        want.setdefault(row["design"], {})[row["name"]] = number(row["value"])
    source = R.format(f"seed_limits/make_seed_limits.R (unlimited resamples; {DRAWN} of ours)")
    for design, expected in want.items():
        if design == "one":
            result, name = seed_limits.student_interval(seeds, "accuracy", 0), "resampling.seed_limits.student_interval"
        else:
            result = seed_limits.student_difference(seeds, "accuracy", 0, 1, design=design)  # type: ignore[arg-type]
            name = "resampling.seed_limits.student_difference"
        half = (expected["conf_high"] - expected["conf_low"]) / 2
        of_variance = 4 / sqrt(2 * N_RESAMPLES)  # relative error of a standard deviation from so many resamples
        for quantity, value in expected.items():
            scale = {"estimate": EXACT, "std_error": of_variance * value}.get(quantity, of_variance * half)
            found = float(getattr(result, quantity))
            yield compared(
                "operation",
                f"seeds accuracy {design}",
                "bootstrap_hierarchical",
                name,
                quantity,
                found,
                value,
                scale,
                source,
            )


def _permutation() -> Iterator[Case]:
    y, s, _ = scores("mixed")
    areas, counts = (r for r in rows("resampled/resampled_expected.csv") if r["design"] == "permutation")
    swaps = roc_permutation.permutation_paired_auroc(y, s["b"], s["c"], 20_000, np.random.default_rng(9))
    name = "roc_permutation.permutation_paired_auroc"
    yield compared(
        "operation",
        "mixed b c",
        "permutation_paired",
        name,
        "pvalue",
        swaps.pvalue,
        number(areas["value"]),
        _within(areas, 1.0),
        RESAMPLED,
    )
    drawn = paired.permutation_paired_counts(37, 23, 400, 20_000, np.random.default_rng(9))
    name, tolerance = "paired.permutation_paired_counts", _within(counts, 0.0)  # the reference is exact
    yield compared(
        "operation",
        "37 against 23",
        "permutation_paired",
        name,
        "pvalue",
        drawn.pvalue,
        number(counts["value"]),
        tolerance,
        RESAMPLED,
    )
