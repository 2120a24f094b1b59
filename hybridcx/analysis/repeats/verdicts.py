"""Stability of the verdict over seeds: the verdict of each seed alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import pandas as pd

from hybridcx.analysis.plan import Plan
from hybridcx.analysis.repeats.slices import SeedSlices
from hybridcx.analysis.rows import Row
from hybridcx.analysis.verdicts import conclusions
from hybridcx.stats.resampling.bootstrap import Replicates

VERDICTS = ("superior", "inferior", "equivalent", "non_inferior", "inconclusive")
METRICS = ("accuracy", "sensitivity", "specificity", "auroc")
"""The metrics, besides the primary one, whose verdicts are listed seed by seed."""


class OfSeeds(Protocol):
    """Seeds with the replicates of each."""

    @property
    def slices(self) -> SeedSlices:
        """Each seed's slice."""

    def of_seed(self, number: int) -> Replicates:
        """The replicates of one seed's models."""


def seed_verdicts(
    over: OfSeeds, compared: pd.DataFrame, overall: pd.DataFrame, plan: Plan, pairs: tuple[tuple[str, str], ...]
) -> pd.DataFrame:
    """One row per pair and metric: the verdict over all seeds, and the number of seeds with each verdict on their own.

    `compared`: comparisons.csv with the rows of every seed, whose p-values are adjusted within the seed; `overall`: verdicts.csv. A seed's verdict is
    that of a study with this training alone: its interval contains the sampling variance and not the training variance.
    """
    if overall.empty:
        return pd.DataFrame()
    wanted = tuple(dict.fromkeys((plan.primary_metric, *METRICS)))
    each = pd.concat(list(_of_each_seed(over, compared, plan, pairs, wanted)), ignore_index=True)
    rows: list[Row] = []
    for row in overall[overall["metric"].isin(wanted)].to_dict("records"):
        own = each[
            (each["metric"] == row["metric"])
            & (each["model"] == row["model"])
            & (each["comparator"] == row["comparator"])
        ]
        verdicts, differences = own["verdict"], own["estimate"]
        rows.append(
            {
                **{c: row[c] for c in ("metric", "model", "comparator", "verdict")},
                "n.seeds": len(own),
                "n.same": int((verdicts == row["verdict"]).sum()),
                **{f"n.{v}": int((verdicts == v).sum()) for v in VERDICTS},
                "n.estimate.above": int((differences > 0).sum()),
                "estimate.min": differences.min(),
                "estimate.max": differences.max(),
            }
        )
    return pd.DataFrame(rows)


def _of_each_seed(
    over: OfSeeds, compared: pd.DataFrame, plan: Plan, pairs: tuple[tuple[str, str], ...], metrics: tuple[str, ...]
) -> Iterator[pd.DataFrame]:
    for number, (seed, part) in enumerate(zip(over.slices.seeds, over.slices.parts, strict=True)):
        own = compared[(compared["seed"] == seed) & compared["subgroup"].isna()].assign(seed=None)
        yield conclusions(part, own, plan, pairs, over.of_seed(number), metrics)
