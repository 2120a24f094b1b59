"""Tests of interaction with several seeds: of the means over seeds by the joint bootstrap, and of each seed. No formula lives here."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import nan

import numpy as np
import pandas as pd

from hybridcx.analysis import extras
from hybridcx.analysis.methods import CORRECT, within
from hybridcx.analysis.plan import Plan
from hybridcx.analysis.repeats.slices import SeedSlices
from hybridcx.analysis.rows import Row
from hybridcx.stats import heterogeneity, ties
from hybridcx.stats.resampling import hierarchical
from hybridcx.stats.resampling.bootstrap import Replicates
from hybridcx.streams import rng_for

Pairs = tuple[tuple[str, str], ...]
OWN_TEST_SETS = "every seed has a test set of its own: seeds and cases are not crossed, see the rows of each seed"


def interactions(
    overall: SeedSlices,
    levels: Sequence[tuple[SeedSlices, Replicates | None]],
    plan: Plan,
    pairs: Pairs,
) -> pd.DataFrame:
    """Rows of interactions.csv: over the seeds first (`seed` empty), then those of each seed.

    `levels`: the subgroups' slices, each with the replicates of every model and seed (model by model, its seeds side by side); None for seeds
    with test sets of their own, which have no joint test.
    """
    rows = [
        row
        for column in dict.fromkeys(s.keys.subgroup for s, _ in levels)
        for row in _over_seeds(overall, [x for x in levels if x[0].keys.subgroup == column], str(column), plan, pairs)
    ]
    for seed, part in zip(overall.seeds, overall.parts, strict=True):
        own = [p for s, _ in levels for p in s.parts if p.keys.seed == seed]
        rows += [r | {"seed": seed, "n.seeds": nan} for r in extras.interaction_rows(part, own, pairs)]
    return pd.DataFrame(rows)


def _over_seeds(
    overall: SeedSlices, levels: Sequence[tuple[SeedSlices, Replicates | None]], column: str, plan: Plan, pairs: Pairs
) -> list[Row]:
    """One column's rows of the means over the seeds; the seeds are drawn once for all of its levels, which share the trained models."""
    total = len(overall.seeds)
    drawn = [
        None if joint is None else hierarchical.combine_seeds(joint, total, rng_for(plan.seed, "seeds", column))
        for _, joint in levels
    ]
    shared = sum(s.n_clusters for s, _ in levels) > overall.n_clusters
    few = hierarchical.few_seeds(total)
    place = {m: k for k, m in enumerate(overall.models)}
    first = overall.parts[0]
    metrics = [m for m in CORRECT if first.y_pred is not None]
    metrics += ["auroc"] if first.y_score is not None and not overall.folded else []
    subjects: list[tuple[str, str | None]] = [*((m, None) for m in overall.models), *pairs]
    rows: list[Row] = []
    for model, comparator in subjects:
        for metric in metrics:
            sizes = [_size(s, metric) for s, _ in levels]
            joint = [d for d in drawn if d is not None]
            j = None if comparator is None else place[comparator]
            too_often = ""
            if len(joint) < len(drawn):
                result = heterogeneity.Heterogeneity(
                    nan, nan, nan, len(levels), sum(sizes), heterogeneity.JOINT_METHOD, "not_estimable", OWN_TEST_SETS
                )
            else:
                effects, replicates, each = zip(*(_effect(d, metric, place[model], j) for d in joint), strict=True)
                result = heterogeneity.joint_heterogeneity(effects, np.stack(replicates, axis=1), sizes)
                too_often = _too_often(each, replicates, plan.confidence_level)
            estimable = result.status != "not_estimable"
            words = [result.warning]
            words += [few, too_often, extras.SHARED_PATIENTS if shared else ""] if estimable else []
            warning = "; ".join(w for w in words if w)
            rows.append(
                {
                    "subgroup": column, "metric": metric, "model": model, "comparator": comparator, "method": result.method,
                    "statistic": result.statistic, "parameter": result.parameter, "p.value": result.pvalue, "k": result.k, "n": result.n,
                    "status": "caution" if warning and estimable else result.status, "warning": warning or None, "seed": nan, "n.seeds": total,
                }
            )  # fmt: skip
    return rows


def _effect(
    seeds: hierarchical.SeedReplicates, metric: str, i: int, j: int | None
) -> tuple[float, np.ndarray, np.ndarray]:
    """One level's effect: the mean over seeds, its replicates (B,), and the seeds' own (S,)."""
    observed, replicates, each = seeds.means.observed[metric], seeds.means.replicates[metric], seeds.each[metric]
    if j is None:
        return float(observed[i]), replicates[:, i], each[i]
    return float(ties.difference(observed[i], observed[j])), replicates[:, i] - replicates[:, j], each[i] - each[j]


def _too_often(each: Sequence[np.ndarray], replicates: Sequence[np.ndarray], level: float) -> str:
    """Warning where few seeds make the test reject too often, by the pair of levels with the largest share of variance from seeds."""
    worst, warning = hierarchical.TOO_NARROW, ""
    for a, b in combinations(range(len(each)), 2):
        gap = replicates[a] - replicates[b]
        gap = gap[~np.isnan(gap)]
        if gap.size < 2:
            continue
        factor, share = hierarchical.shortfall(each[a] - each[b], float(gap.std(ddof=1)), level)
        if factor > worst:
            worst = factor
            warning = (
                f"{100 * share:.0f} % of the variance of a difference between two subgroups is that of {each[a].size} seeds: "
                "the test rejects too often"
            )
    return warning


def _size(slices: SeedSlices, metric: str) -> int:
    """Number of cases that the metric uses; for seeds with test sets of their own, all cases of the level."""
    first = slices.parts[0]
    crossed = all(p.n == slices.n for p in slices.parts)
    return int(within(first, metric).sum()) if metric in CORRECT and crossed else slices.n
