"""Counts of what the simulations saw, and the rows of coverage.csv that they become."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from math import isnan, nan, sqrt

LEVEL = 0.95
SLACK = 1e-12
COLUMNS = (
    "study", "n", "setting", "correlation", "metric", "method", "quantity", "nominal", "value", "mc.error", "low", "high",
    "undefined", "n.replications", "seed",
)  # fmt: skip


@dataclass(frozen=True)
class Key:
    """What a row is about. `quantity`: coverage (of the 95 % interval), type1 (share of p below 0.05 under the null), power."""

    study: str
    n: str
    setting: str
    correlation: str
    metric: str
    method: str
    quantity: str


class Tally:
    """Weighted counts by key: an event happened, did not, or was undefined (no limits, no p-value).

    `low` and `high` count intervals that lie wholly above and wholly below the truth. Weights are 1 where data are drawn, probabilities
    where every outcome is enumerated (then there is no Monte Carlo error and `n.replications` is NA).
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.counts: dict[Key, list[float]] = defaultdict(lambda: [0.0] * 5)  # total, undefined, event, above, below
        self.drawn: dict[Key, bool] = {}

    def interval(
        self, key: Key, low: float, high: float, truth: float, weight: float = 1.0, drawn: bool = True
    ) -> None:
        """Count one interval against the truth."""
        cell = self._cell(key, weight, drawn)
        if isnan(low) or isnan(high):
            cell[1] += weight
            return
        above, below = low > truth + SLACK, high < truth - SLACK
        cell[2] += weight * (not above and not below)
        cell[3] += weight * above
        cell[4] += weight * below

    def pvalue(self, key: Key, p: float, level: float = 1 - LEVEL, weight: float = 1.0, drawn: bool = True) -> None:
        """Count whether p is below the level; without a p-value nothing is rejected."""
        cell = self._cell(key, weight, drawn)
        cell[1] += weight * isnan(p)
        cell[2] += weight * (p < level)

    def _cell(self, key: Key, weight: float, drawn: bool) -> list[float]:
        cell = self.counts[key]
        cell[0] += weight
        self.drawn[key] = drawn
        return cell

    def rows(self, nominal: dict[str, float]) -> Iterable[list[str]]:
        """Yield the rows: coverage among intervals that exist, rejections among all replications."""
        for key, (total, undefined, event, above, below) in self.counts.items():
            base = total - undefined if key.quantity == "coverage" else total
            value, drawn = (event / base if base > 0 else nan), self.drawn[key]
            error = sqrt(value * (1 - value) / base) if drawn and base > 0 else (0.0 if base > 0 else nan)
            sides = (above / base, below / base) if key.quantity == "coverage" and base > 0 else (nan, nan)
            asked = nominal.get(key.method, LEVEL if key.quantity == "coverage" else 1 - LEVEL)
            numbers = (asked, value, error, *sides, undefined / total)
            yield [
                key.study, key.n, key.setting, key.correlation, key.metric, key.method, key.quantity,
                *("NA" if isnan(v) else f"{v:.6g}" for v in numbers),
                str(round(total)) if drawn else "NA", str(self.seed),
            ]  # fmt: skip
