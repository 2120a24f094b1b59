"""Further tables of a comparison: which model is best, whose errors overlap, parts of the Brier score, decision curves compared, interactions."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan, nan

import numpy as np
import pandas as pd

from hybridcx.analysis.curves import DECISION_THRESHOLDS
from hybridcx.analysis.methods import CORRECT, within
from hybridcx.analysis.plan import Plan
from hybridcx.analysis.rows import Row, assumes_independence
from hybridcx.analysis.slices import Slice
from hybridcx.stats import calibration, clusters, clusters_roc, heterogeneity, paired, roc, utility
from hybridcx.stats.resampling import intervals as bootstrap_intervals
from hybridcx.stats.resampling.bootstrap import Replicates
from hybridcx.vocabulary import RATIOS

Pairs = tuple[tuple[str, str], ...]
TABLES = (
    "ranking",
    "error_overlap",
    "brier_decomposition",
    "calibration_line",
    "decision_curve_differences",
    "interactions",
)
SHARED_PATIENTS = "patients stand in several subgroups, which are then not independent"
NO_VARIANCE = "no variance between cases: no limits, and no evidence"
MANY_FAILED = 0.05
NOT_RANKED = {*RATIOS}
"""Metrics that are not ranked: ratios are infinite in many resamples; sensitivity and specificity, their components, are ranked."""


def extra_tables(
    part: Slice, subgroups: Sequence[Slice], plan: Plan, pairs: Pairs, joint: Replicates | None
) -> dict[str, pd.DataFrame]:
    """A DataFrame for each name of `TABLES`, on all cases; empty where the input has nothing for one."""
    probability = part.y_score is not None and part.probabilities
    return {
        "ranking": pd.DataFrame([] if joint is None else ranking_rows(part, joint)),
        "error_overlap": pd.DataFrame(overlap_rows(part, pairs)),
        "brier_decomposition": pd.DataFrame(brier_rows(part) if probability else []),
        "calibration_line": pd.DataFrame(line_rows(part, plan) if probability else []),
        "decision_curve_differences": curve_differences(part, plan, pairs) if probability else pd.DataFrame(),
        "interactions": pd.DataFrame(interaction_rows(part, subgroups, pairs)),
    }


def ranking_rows(part: Slice, joint: Replicates) -> list[Row]:
    """Rows of ranking.csv: the share of resamples in which each model is best, ties shared."""
    rows: list[Row] = []
    for metric in joint.observed if len(part.models) > 1 else ():
        if metric in NOT_RANKED:
            continue
        shares = bootstrap_intervals.share_best(joint, metric)
        drawn, observed = joint.replicates[metric], joint.observed[metric]
        failed = int(np.isnan(drawn).any(axis=1).sum())
        for j, model in enumerate(part.models):
            status, warning = "ok", None
            if isnan(observed[j]):
                status, warning = "not_estimable", "the metric is undefined on the observed cases"
            elif isnan(shares[j]):
                status, warning = "caution", "in every resample some model's value is undefined"
            elif failed > MANY_FAILED * len(drawn):
                status, warning = "caution", f"{failed} of {len(drawn)} resamples left a model undefined"
            rows.append(
                {
                    "metric": metric, "model": model, "estimate": float(observed[j]), "share.best": float(shares[j]),
                    "n": part.n, "n.resamples": len(drawn), "n.resamples.failed": failed, "status": status, "warning": warning,
                }
            )  # fmt: skip
    return rows


def overlap_rows(part: Slice, pairs: Pairs) -> list[Row]:
    """Rows of error_overlap.csv."""
    if part.y_pred is None:
        return []
    place = {m: k for k, m in enumerate(part.models)}
    rows = []
    for model, comparator in pairs:
        a, b = part.correct(place[model]), part.correct(place[comparator])
        overlaps = paired.error_overlap(a, b)
        both, only_a, only_b, neither = paired.paired_table(a, b)
        rows.append(
            {
                "model": model, "comparator": comparator, "error.kappa": overlaps.kappa, "double.fault": overlaps.double_fault,
                "either.fault": overlaps.either_fault, "both.right": both, "only.model.wrong": only_b, "only.comparator.wrong": only_a,
                "both.wrong": neither, "n": part.n, "status": overlaps.status, "warning": overlaps.warning or None,
            }
        )  # fmt: skip
    return rows


def brier_rows(part: Slice) -> list[Row]:
    """Rows of brier_decomposition.csv: over the distinct scores, and over bins of the score."""
    rows = []
    for j, model in enumerate(part.models):
        y, score = part.y_true, part.score(j)
        total = calibration.brier(y, score)
        exact = calibration.brier_decomposition(y, score)
        binned = calibration.brier_decomposition_binned(y, score)
        alone = len(np.unique(score)) > part.n / 2
        doubt = (
            "most scores stand alone: reliability nears the Brier score, and the parts say little" if alone else None
        )
        for grouping, parts, rest, warning in (
            (f"{calibration.ECE_BINS} bins", binned, binned.within_bin, None),
            ("distinct scores", exact, 0.0, doubt),
        ):
            rows.append(
                {
                    "model": model, "grouping": grouping, "brier": total, "reliability": parts.reliability,
                    "resolution": parts.resolution, "uncertainty": parts.uncertainty, "within.bin": rest, "n": part.n,
                    "status": "caution" if warning else "ok", "warning": warning,
                }
            )  # fmt: skip
    return rows


def line_rows(part: Slice, plan: Plan) -> list[Row]:
    """Rows of calibration_line.csv: slope and intercept of each model's calibration line, estimated together."""
    rows = []
    for j, model in enumerate(part.models):
        y, score = part.y_true, part.score(j)
        slope, _ = calibration.calibration_line(y, score, plan.confidence_level)
        for term, result in (
            ("slope", slope),
            ("intercept", calibration.line_intercept(y, score, plan.confidence_level)),
        ):
            r = assumes_independence(result, part.n_clusters) if part.clustered else result
            rows.append(
                {
                    "model": model, "term": term, "estimate": r.estimate, "conf.low": r.conf_low, "conf.high": r.conf_high,
                    "conf.level": r.conf_level, "std.error": r.std_error, "n": part.n, "n.clusters": r.n_clusters, "status": r.status,
                    "warning": r.warning or None,
                }
            )  # fmt: skip
    return rows


def curve_differences(part: Slice, plan: Plan, pairs: Pairs) -> pd.DataFrame:
    """Rows of decision_curve_differences.csv: one per pair and threshold, with pointwise limits."""
    if part.y_score is None or not pairs:
        return pd.DataFrame()
    place = {m: k for k, m in enumerate(part.models)}
    index = [(place[a], place[b]) for a, b in pairs]
    differences = utility.net_benefit_differences(
        part.y_true, part.y_score, index, DECISION_THRESHOLDS, plan.confidence_level, part.groups
    )
    m, t = differences.difference.shape
    flat = {
        name: getattr(differences, name).ravel()
        for name in ("difference", "conf_low", "conf_high", "std_error", "pvalue")
    }
    same = np.isnan(flat["conf_low"])
    return pd.DataFrame(
        {
            "model": np.repeat([a for a, _ in pairs], t), "comparator": np.repeat([b for _, b in pairs], t),
            "threshold": np.tile(differences.thresholds, m), "estimate": flat["difference"], "conf.low": flat["conf_low"],
            "conf.high": flat["conf_high"], "conf.level": plan.confidence_level, "std.error": flat["std_error"],
            "p.value": flat["pvalue"], "n": part.n, "n.clusters": part.n_clusters if part.clustered else nan,
            "status": np.where(same, "caution", "ok").astype(object),
            "warning": [NO_VARIANCE if x else None for x in same],
        }
    )  # fmt: skip


def interaction_rows(part: Slice, subgroups: Sequence[Slice], pairs: Pairs) -> list[Row]:
    """Rows of interactions.csv: for each subgroup column, does a model's value, or a pair's difference, change over its levels?"""
    rows = []
    metrics = [m for m in CORRECT if part.y_pred is not None]
    # Scores of different folds are never ranked together.
    metrics += ["auroc"] if part.y_score is not None and part.folds is None else []
    place = {m: k for k, m in enumerate(part.models)}
    for column in dict.fromkeys(s.keys.subgroup for s in subgroups):
        levels = [s for s in subgroups if s.keys.subgroup == column]
        shared = sum(s.n_clusters for s in levels) > part.n_clusters
        subjects: list[tuple[str, str | None]] = [*((m, None) for m in part.models), *pairs]
        for model, comparator in subjects:
            for metric in metrics:
                j = None if comparator is None else place[comparator]
                effects = [_effect(s, metric, place[model], j) for s in levels]
                result = heterogeneity.heterogeneity(
                    [e for e, _, _ in effects], [e for _, e, _ in effects], [n for _, _, n in effects]
                )
                words = result.warning
                if shared and result.status != "not_estimable":
                    words = "; ".join(w for w in (words, SHARED_PATIENTS) if w)
                rows.append(
                    {
                        "subgroup": column, "metric": metric, "model": model, "comparator": comparator, "method": result.method,
                        "statistic": result.statistic, "parameter": result.parameter, "p.value": result.pvalue, "k": result.k, "n": result.n,
                        "status": result.status if result.status != "ok" or not words else "caution", "warning": words or None,
                    }
                )  # fmt: skip
    return rows


def _effect(part: Slice, metric: str, i: int, j: int | None) -> tuple[float, float, int]:
    """The value of one model, or the difference of two, in one subgroup: with its standard error and the cases it rests on."""
    groups = part.groups if part.clustered else None
    if metric == "auroc":
        y, a = part.y_true, part.score(i)
        if j is None:
            one = roc.delong(y, a) if groups is None else clusters_roc.delong_cluster_interval(y, a, groups)
            return one.estimate, one.std_error, part.n
        b = part.score(j)
        two = roc.delong_paired(y, a, b) if groups is None else clusters_roc.delong_cluster(y, a, b, groups)
        return two.estimate, two.std_error, part.n
    chosen = within(part, metric)
    right, n = part.correct(i)[chosen], int(chosen.sum())
    # A proportion is the difference from a model that is never right.
    other = np.zeros(n, dtype=bool) if j is None else part.correct(j)[chosen]
    if groups is not None:
        result = clusters.mcnemar_cluster(right, other, groups[chosen])
        return result.estimate, result.std_error, n
    _, n10, n01, _ = paired.paired_table(right, other)
    error = heterogeneity.proportion_error(n10, n) if j is None else heterogeneity.paired_difference_error(n, n10, n01)
    return ((n10 - n01) / n if n else nan), error, n
