"""Deep against hybrid: each network's softmax against each head on its features, and main effects over the grid. No formula lives here."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan

import numpy as np
import pandas as pd

from hybridcx.analysis.methods import CORRECT, within
from hybridcx.analysis.plan import Plan
from hybridcx.analysis.rows import Row
from hybridcx.analysis.slices import Slice
from hybridcx.analysis.verdicts import OverSeeds, interval_at
from hybridcx.records.model_names import FINE_TUNED, SOFTMAX, Hybrids, hybrids
from hybridcx.stats import factorial, mcnemar, multiplicity, paired
from hybridcx.stats.resampling import hierarchical
from hybridcx.stats.resampling.bootstrap import Replicates
from hybridcx.stats.results import PairedTest

TABLES = ("hybrid_matrix", "main_effects")
NO_SOFTMAX = "the network's own softmax is not among the models"
NO_MODEL = "no such model among the predictions"
ALL_HEADS, GRAND_MEAN = "all heads", "grand mean"
ALONE = "one level alone: there is nothing that it could differ from"
EMPTY_GRID = "no two models are left that fill a grid"


def hybrid_tables(
    part: Slice, plan: Plan, joint: Replicates | None, over: OverSeeds | None = None
) -> dict[str, pd.DataFrame]:
    """A DataFrame for each name of `TABLES`, on all cases; empty where no model is a head on a network's features.

    `joint`: replicates of the models of `part`, in their order, or of their means over seeds; `over` then knows a pair's interval.
    """
    grid = hybrids(part.models)
    if grid is None or joint is None:
        return {name: pd.DataFrame() for name in TABLES}
    metrics = [m for m in dict.fromkeys((plan.primary_metric, "auroc")) if m in joint.observed]
    return {
        "hybrid_matrix": pd.DataFrame(matrix_rows(part, plan, grid, joint, metrics, over or joint)),
        "main_effects": pd.DataFrame(effect_rows(part, plan, grid, joint, metrics, over)),
    }


def matrix_rows(
    part: Slice, plan: Plan, grid: Hybrids, joint: Replicates, metrics: Sequence[str], over: Replicates | OverSeeds
) -> list[Row]:
    """Rows of hybrid_matrix.csv: head minus softmax of the same network, on identical cases; a missing entry has its reason."""
    rows: list[Row] = []
    place = {m: k for k, m in enumerate(part.models)}
    planned = {frozenset(p) for p in plan.pairs or ()} if plan.locked else set()
    for metric in metrics:
        estimates_rows: list[Row] = []
        for features in grid.features:
            for head in grid.heads:
                for network in grid.networks:
                    model, softmax = grid.cells.get((network, head, features)), grid.softmax.get(network)
                    test, p, p_method, reason = _absent(model, softmax, plan)
                    if model is not None and softmax is not None:
                        test, p, p_method = _tested(part, metric, place[model], place[softmax], plan, over)
                        reason = test.warning
                    estimates = {m: float(joint.observed[metric][place[m]]) for m in (model, softmax) if m is not None}
                    primary = metric == plan.primary_metric and frozenset((model, softmax)) in planned
                    estimates_rows.append(
                        {
                            "metric": metric, "network": network, "features": features, "head": head, "model": model, "comparator": softmax,
                            "method": test.method or None, **_limits(test), "p.value": p, "adj.p.value": nan,
                            "p.adjust.method": "holm" if p == p else "none", "p.method": p_method, "b": test.b, "c": test.c,
                            "model.estimate": estimates.get(model or "", nan), "comparator.estimate": estimates.get(softmax or "", nan), "n": part.n,
                            "status": test.status, "warning": reason or None, **_counts(test),
                            "role": "confirmatory" if primary else "exploratory",
                        }
                    )  # fmt: skip
        _adjusted(estimates_rows)
        rows += estimates_rows
    return rows


def _absent(model: str | None, softmax: str | None, plan: Plan) -> tuple[PairedTest, float, str | None, str]:
    reason = NO_MODEL if model is None else NO_SOFTMAX if softmax is None else ""
    return PairedTest("", nan, conf_level=plan.confidence_level, status="not_estimable"), nan, None, reason


def _tested(
    part: Slice, metric: str, i: int, j: int, plan: Plan, over: Replicates | OverSeeds
) -> tuple[PairedTest, float, str | None]:
    """The pair's interval (that of its verdict) and its test: Tango's interval goes with the mid-p test."""
    at = interval_at(part, metric, i, j, over, plan)
    if at is None:
        return (
            PairedTest("", nan, conf_level=plan.confidence_level, status="not_estimable", warning="no interval for it"),
            nan,
            None,
        )
    result = at(plan.confidence_level)
    if result.method == "tango" and metric in CORRECT:
        chosen = within(part, metric)
        _, b, c, _ = paired.paired_table(part.correct(i)[chosen], part.correct(j)[chosen])
        test = mcnemar.mcnemar_midp(b, c, int(chosen.sum()))
        return result, test.pvalue, test.method
    return result, result.pvalue, result.method


def _limits(test: PairedTest) -> Row:
    return {
        "estimate": test.estimate,
        "conf.low": test.conf_low,
        "conf.high": test.conf_high,
        "conf.level": test.conf_level,
    }


def _counts(test: PairedTest) -> Row:
    return {
        "std.error": test.std_error,
        "n.clusters": test.n_clusters,
        "n.resamples": test.n_resamples,
        "n.resamples.failed": test.n_resamples_failed,
    }


def _adjusted(family: list[Row]) -> None:
    """Fill in Holm's adjustment over the rows; two mirrored effects of one factor are one hypothesis."""
    p = np.array([r["p.value"] for r in family])
    mirrored = len(family) == 2 and family[0]["estimate"] == -family[1]["estimate"] and "factor" in family[0]
    for row, value in zip(family, p if mirrored else multiplicity.holm(p), strict=True):
        row["adj.p.value"] = value


def effect_rows(
    part: Slice, plan: Plan, grid: Hybrids, joint: Replicates, metrics: Sequence[str], over: OverSeeds | None = None
) -> list[Row]:
    """Rows of main_effects.csv: network, head and fine-tuning over the balanced grid of heads, and heads less the softmax."""
    place = {m: k for k, m in enumerate(part.models)}
    grid_part = factorial.balanced((grid.features, grid.networks, grid.heads), {(f, n, h) for n, h, f in grid.cells})
    rows: list[Row] = []
    for metric in metrics:
        for family in [*_grid_effects(grid, grid_part, place), *_softmax_effects(grid, place)]:
            weights = [w for _, w in family if w is not None]
            results = iter(factorial.effects(joint, metric, weights, plan.confidence_level) if weights else ())
            effects = [
                _effect_row(part, plan, metric, labels, w, None if w is None else next(results), over)
                for labels, w in family
            ]
            _adjusted(effects)
            rows += effects
    return rows


Family = list[tuple[Row, np.ndarray | None]]
"""(what the effect is: factor, level, reference, features, reason; its weights (k,) over the models or None)."""


def _grid_effects(grid: Hybrids, balanced: factorial.Balanced, place: dict[str, int]) -> list[Family]:
    features, networks, heads = balanced.levels
    shape = (len(features), len(networks), len(heads))
    models = [place[grid.cells[n, h, f]] for f in features for n in networks for h in heads] if all(shape) else []
    averaged = " and ".join(f.replace("_", "-") for f in features) or None

    def spread(weights: np.ndarray) -> np.ndarray:
        contrast = np.zeros(len(place))
        contrast[models] = weights.ravel()
        return contrast

    families: list[Family] = []
    for axis, factor in ((1, "network"), (2, "head")):
        dropped = {level: _lacking(cells) for at, level, cells in balanced.left_out if at == axis}
        family: Family = []
        for level in (grid.networks, grid.heads)[axis - 1]:
            labels = {"factor": factor, "level": level, "reference": GRAND_MEAN, "features": averaged}
            if level in dropped or not models:
                family.append(({**labels, "reason": dropped.get(level, EMPTY_GRID)}, None))
            elif shape[axis] < 2:
                family.append(({**labels, "reason": ALONE}, None))
            else:
                at = balanced.levels[axis].index(level)
                family.append((labels, spread(factorial.level_weights(shape, axis, at))))
        families.append(family)
    labels = {"factor": "fine_tuning", "level": FINE_TUNED, "features": None}
    for first in [f for f in grid.features if f != FINE_TUNED] if FINE_TUNED in grid.features else ():
        labels = {**labels, "reference": first}
        if first in features and FINE_TUNED in features and models:
            at, other = features.index(FINE_TUNED), features.index(first)
            families.append([(labels, spread(factorial.difference_weights(shape, 0, at, other)))])
        else:
            lost = {level: _lacking(cells) for where, level, cells in balanced.left_out if where == 0}
            families.append([({**labels, "reason": lost.get(first) or lost.get(FINE_TUNED) or EMPTY_GRID}, None)])
    return families


def _lacking(cells: Sequence[tuple[str, ...]]) -> str:
    features, network, head = cells[0]
    more = f" and {len(cells) - 1} more" if len(cells) > 1 else ""
    return f"left out of the grid, which has to be complete: there is no {head} on {features.replace('_', '-')} features of {network}{more}"


def _softmax_effects(grid: Hybrids, place: dict[str, int]) -> list[Family]:
    """Heads less the softmax, averaged over the networks that have both: each head, and all heads of the complete grid."""
    networks = [n for n in grid.networks if n in grid.softmax]
    families: list[Family] = []
    for features in grid.features if networks else ():
        family: Family = []
        whole = [h for h in grid.heads if all((n, h, features) in grid.cells for n in networks)]
        questions: list[tuple[str, list[str]]] = [(ALL_HEADS, whole)] if len(whole) > 1 else []
        for level, heads in [*questions, *((h, [h]) for h in grid.heads)]:
            labels: Row = {"factor": "head_minus_softmax", "level": level, "reference": SOFTMAX, "features": features}
            if level == ALL_HEADS and len(whole) < len(grid.heads):
                labels["reason"] = f"the mean of {', '.join(heads)}, which every network has"
            lacking = [n for n in networks if any((n, h, features) not in grid.cells for h in heads)]
            if lacking:
                family.append(({**labels, "reason": f"there is no such model of {', '.join(lacking)}"}, None))
                continue
            weights = np.zeros(len(place))
            for n in networks:
                weights[place[grid.softmax[n]]] -= 1 / len(networks)
                for h in heads:
                    weights[place[grid.cells[n, h, features]]] += 1 / (len(networks) * len(heads))
            family.append((labels, weights))
        # the mean of all heads is one question, each of the heads another
        families += [family[: len(questions)], family[len(questions) :]]
    return [f for f in families if f]


def _effect_row(
    part: Slice,
    plan: Plan,
    metric: str,
    labels: Row,
    weights: np.ndarray | None,
    effect: factorial.Effect | None,
    over: OverSeeds | None,
) -> Row:
    test = effect.test if effect else PairedTest("", nan, conf_level=plan.confidence_level, status="not_estimable")
    if over is not None and weights is not None:
        test = hierarchical.over_seeds(test, over.values(metric) @ weights, plan.confidence_level)
    low, high = effect.mc_error if effect else (nan, nan)
    return {
        "metric": metric, "factor": labels["factor"], "level": labels["level"], "reference": labels["reference"], "features": labels["features"],
        "method": test.method or None, **_limits(test), "p.value": test.pvalue, "adj.p.value": nan,
        "p.adjust.method": "holm" if test.pvalue == test.pvalue else "none", "n": part.n,
        "n.models": 0 if weights is None else int(np.count_nonzero(weights)), "status": test.status,
        "warning": labels.get("reason") or test.warning or None, **_counts(test), "mc.error.low": low, "mc.error.high": high,
        "role": "exploratory",
    }  # fmt: skip
