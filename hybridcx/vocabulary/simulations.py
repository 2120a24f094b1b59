"""The simulations behind the domains: how often the interval of a method held the true value, at the simulated size nearest to a study's."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from math import inf, log

TABLE = "simulations.csv"


@dataclass(frozen=True, slots=True)
class Simulated:
    """The settings of one size: `coverage` and `type1` as (lowest, highest), type I error None where no setting had a true difference of 0."""

    n: int
    prevalence: float
    coverage: tuple[float, float]
    type1: tuple[float, float] | None
    settings: int
    replicates: int


@cache
def _rows() -> tuple[dict[str, str], ...]:
    text = files("hybridcx.vocabulary").joinpath(TABLE).read_text(encoding="utf-8")
    return tuple(csv.DictReader(text.splitlines()))


def _settings(use: str, metric: str, method: str) -> Iterator[tuple[int, float, dict[str, str]]]:
    for row in _rows():
        if (row["use"], row["metric"], row["method"]) == (use, metric, method) and row["coverage"] != "nan":
            yield int(row["n"]), float(row["prevalence"]), row


def nearest(use: str, metric: str, method: str, n: int, share: float) -> Simulated | None:
    """The settings whose number of cases (on the log scale) and share of the smaller class are nearest to a study's; None without any."""
    sizes = {(size, prevalence) for size, prevalence, _ in _settings(use, metric, method)}
    best = min(sizes, key=lambda s: abs(log(s[0] / max(n, 1))) + 2 * abs(s[1] - share), default=(0, inf))
    rows = [row for size, prevalence, row in _settings(use, metric, method) if (size, prevalence) == best]
    if not rows:
        return None
    coverage = [float(r["coverage"]) for r in rows]
    type1 = [float(r["type1"]) for r in rows if r["type1"] != "NA"]
    return Simulated(
        best[0],
        best[1],
        (min(coverage), max(coverage)),
        (min(type1), max(type1)) if type1 else None,
        len(rows),
        min(int(r["replicates"]) for r in rows),
    )


@dataclass(frozen=True, slots=True)
class StoredCoverage:
    """The coverage of the 95 % interval in one setting, and how many replicates it is of."""

    coverage: float
    replicates: int


def stored(use: str, metric: str, method: str, setting: str, n: int, prevalence: float) -> StoredCoverage:
    """The stored coverage of one setting, of its defined intervals. Raises KeyError where it was not simulated."""
    for size, share, row in _settings(use, metric, method):
        if (size, share, row["setting"]) == (n, prevalence, setting):
            defined = round(int(row["replicates"]) * (1 - float(row["undefined"])))
            return StoredCoverage(float(row["coverage"]), defined)
    raise KeyError((use, metric, method, setting, n, prevalence))
