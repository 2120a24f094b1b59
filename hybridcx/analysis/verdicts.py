"""Verdicts: one interval per pair and metric, inverted for the p-values, and the one rule of docs/reference/conventions.md."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from math import inf, isnan, nan
from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd

from hybridcx.analysis.domains import no_interval, outside
from hybridcx.analysis.folds import OUT_OF_FOLD
from hybridcx.analysis.methods import Pair, verdict_method
from hybridcx.analysis.plan import Plan
from hybridcx.analysis.rows import Row, also, without_limits
from hybridcx.analysis.slices import Slice
from hybridcx.stats import clusters, clusters_roc, equivalence, paired, power, roc
from hybridcx.stats.resampling import intervals as bootstrap_intervals
from hybridcx.stats.resampling.bootstrap import Replicates
from hybridcx.stats.results import PairedTest, Status
from hybridcx.stats.variance import NADEAU_BENGIO
from hybridcx.vocabulary import METRICS, RATIOS

POWER = 0.80
# Metrics on a ratio scale, or best at a target inside their range, get no verdict.
WITHOUT_VERDICT = {*RATIOS, *(m.name for m in METRICS.values() if m.target is not None)}
STUDENT = (NADEAU_BENGIO, "delong_cluster", "obuchowski_rockette", "bootstrap_hierarchical")
"""Methods whose `parameter` is the degrees of freedom of Student's t."""
At = Callable[[float], PairedTest]


@runtime_checkable
class KnowsInverse(Protocol):
    """An interval as a function of its level that can be inverted exactly."""

    def one_sided(self, null: float) -> tuple[float, float]:
        """The p-values of "difference <= null" and of "difference >= null"."""


class OverSeeds(Protocol):
    """The counterpart of one seed's replicates for several seeds: it gives each pair's interval over the seeds."""

    def interval_at(self, metric: str, i: int, j: int) -> At | None:
        """The interval of the difference of models i and j as a function of its level."""

    def outside(self, metric: str, i: int, j: int) -> str:
        """Why that interval is outside its domain; "" where it holds."""

    def values(self, metric: str) -> np.ndarray:
        """(S, k): each seed's value of each model."""


@dataclass(frozen=True, slots=True)
class Resampled:
    """Percentile interval of a pair as a function of its level, with its exact inverse; `doubt`: status and warning of every limit."""

    joint: Replicates
    metric: str
    i: int
    j: int
    doubt: tuple[Status, str] = ("ok", "")

    def __call__(self, level: float) -> PairedTest:
        """The interval at `level`."""
        result = bootstrap_intervals.difference(self.joint, self.metric, self.i, self.j, "bootstrap_percentile", level)
        return without_limits(also(result, *self.doubt), no_interval(self.metric))

    def one_sided(self, null: float) -> tuple[float, float]:
        """The p-values of "difference <= null" and of "difference >= null"."""
        return bootstrap_intervals.one_sided_pvalues(
            self.joint, self.metric, self.i, self.j, null, "bootstrap_percentile"
        )


@dataclass(frozen=True, slots=True)
class Scored:
    """Tango's interval of a pair as a function of its level, with its exact inverse."""

    n11: int
    n10: int
    n01: int
    n00: int

    def __call__(self, level: float) -> PairedTest:
        """The interval at `level`."""
        return paired.tango(self.n11, self.n10, self.n01, self.n00, level)

    def one_sided(self, null: float) -> tuple[float, float]:
        """The p-values of "difference <= null" and of "difference >= null"."""
        b, c, n = self.n10, self.n01, self.n11 + self.n10 + self.n01 + self.n00
        if not -1 < null < 1:  # no difference of proportions lies beyond
            return (0.0, 1.0) if null < 0 else (1.0, 0.0)
        return paired.tango_pvalue(b, c, n, null), paired.tango_pvalue(c, b, n, -null)


def interval_at(
    part: Slice, metric: str, i: int, j: int, joint: Replicates | OverSeeds | None, plan: Plan
) -> At | None:
    """The pair's interval as a function of its level, by `methods.verdict_method`; over seeds the one of `joint`. None where there is none."""
    if joint is not None and not isinstance(joint, Replicates):
        return joint.interval_at(metric, i, j)
    method = verdict_method(part, metric)
    pair = Pair(part, i, j, metric, nan, plan.seed, plan.threshold)
    if method == "mcnemar_cluster":
        return partial(clusters.mcnemar_cluster, *pair.correct, pair.patients)
    if method == "tango":
        return Scored(*pair.cells)
    if method == "permutation_paired":
        return pair.studentised
    if method == "delong_cluster":
        return partial(clusters_roc.delong_cluster, *pair.scores, pair.patients)
    if method == "delong_paired":
        y, a, b = pair.scores
        aucs, cov = roc.delong_covariance(y, np.stack([a, b]))
        return partial(roc.delong_paired_from, aucs, cov, 0, 1, part.n)
    if joint is not None and metric in joint.observed:
        return Resampled(joint, metric, i, j, part.clipped(metric, i, j))
    return None


def outside_domain(part: Slice, metric: str, i: int, j: int, joint: Replicates | OverSeeds | None) -> str:
    """Why the method of the pair's verdict is outside the domain that the simulations give it; "" where it holds."""
    if part.folds is not None:
        return OUT_OF_FOLD
    if joint is not None and not isinstance(joint, Replicates):
        return joint.outside(metric, i, j)
    if metric == "log_loss" and part.clipped(metric, i, j)[0] != "ok":
        return "the log loss depends on the value to which wrong scores of 0 or 1 are clipped"
    return outside(part, "comparison", metric, verdict_method(part, metric))


def limits_of(at: At, *, turned: bool = False) -> equivalence.Limits:
    """The limits alone; `turned` changes their sign, for metrics where lower is better."""

    def limits(level: float) -> tuple[float, float]:
        result = at(level)
        return (-result.conf_high, -result.conf_low) if turned else (result.conf_low, result.conf_high)

    return limits


def margin_tests(
    part: Slice, metric: str, i: int, j: int, plan: Plan, joint: Replicates | OverSeeds | None
) -> list[PairedTest]:
    """`tost` and `non_inferiority` at the plan's margin; empty without one.

    Where lower is better the tests use the difference with its sign changed, so that p means the same for every metric; the estimate and its limits
    stay model minus comparator.
    """
    at = interval_at(part, metric, i, j, joint, plan)
    if plan.margin is None or at is None:
        return []
    result, turned = at(plan.confidence_level), not METRICS[metric].higher_is_better
    estimate = -result.estimate if turned else result.estimate
    limits = limits_of(at, turned=turned)
    return [
        _beside(
            test(
                limits,
                plan.margin,
                estimate,
                plan.confidence_level,
                result.n,
                one_sided=one_sided_of(at, turned=turned),
            ),
            result,
        )
        for test in (equivalence.tost, equivalence.non_inferiority)
    ]


def _beside(test: PairedTest, interval: PairedTest) -> PairedTest:
    """A test at the margin with the estimate, limits, resamples, status and warning of the interval that it inverts."""
    absent, resampled = interval.status == "not_estimable", not isnan(interval.n_resamples)
    # The warning of an analytic method (no discordant pair: p is 1) concerns its own test of no difference, not the test at the margin.
    messages = [interval.warning if absent or resampled else "", "" if absent else test.warning]
    doubted = absent or (resampled and interval.status != "ok")
    return replace(
        test,
        estimate=interval.estimate,
        conf_low=interval.conf_low,
        conf_high=interval.conf_high,
        b=interval.b,
        c=interval.c,
        std_error=interval.std_error,
        n_clusters=interval.n_clusters,
        n_resamples=interval.n_resamples,
        n_resamples_failed=interval.n_resamples_failed,
        status=interval.status if doubted else test.status,
        warning="; ".join(dict.fromkeys(w for w in messages if w)),
    )


def one_sided_of(at: At, *, turned: bool = False) -> equivalence.OneSided:
    """The one-sided p-values of an interval by inverting it: exactly where a closed inverse exists (Tango, the bootstraps), else by search."""
    limits = limits_of(at, turned=turned)

    def pvalues(null: float) -> tuple[float, float]:
        if not isinstance(at, KnowsInverse):
            return equivalence.pvalue_above(limits, null), equivalence.pvalue_below(limits, null)
        above, below = at.one_sided(-null if turned else null)
        return (below, above) if turned else (above, below)

    return pvalues


def verdicts_table(
    part: Slice,
    compared: pd.DataFrame,
    plan: Plan,
    pairs: tuple[tuple[str, str], ...],
    joint: Replicates | OverSeeds | None,
) -> pd.DataFrame:
    """One row per overall pair and metric that has a better direction."""
    return pd.DataFrame([_row(e, plan) for e in _evidence(part, compared, plan, pairs, joint, part.metrics())])


def conclusions(
    part: Slice,
    compared: pd.DataFrame,
    plan: Plan,
    pairs: tuple[tuple[str, str], ...],
    joint: Replicates | OverSeeds | None,
    metrics: Collection[str],
) -> pd.DataFrame:
    """Estimate and verdict alone of these metrics, without the one-sided p-values, which cost a search each: metric, model, comparator, estimate,
    verdict."""
    wanted = [m for m in part.metrics() if m in metrics]
    rows = [
        (e.metric, e.model, e.comparator, e.plain.estimate, _verdict_of(e, plan)[0].verdict)
        for e in _evidence(part, compared, plan, pairs, joint, wanted)
    ]
    return pd.DataFrame(rows, columns=["metric", "model", "comparator", "estimate", "verdict"])


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a verdict rests on.

    `at`: the interval as a function of its level; `plain` at the plan's level, `simultaneous` at the level that covers the differences of all
    `family` pairs at once (Bonferroni). `test`: the row of comparisons.csv whose adjusted p-value a verdict of superiority needs. `outside`: why the
    method does not hold for these data, or "".
    """

    metric: str
    model: str
    comparator: str
    at: At
    plain: PairedTest
    simultaneous: PairedTest
    family: int
    test: Row
    outside: str


def _evidence(
    part: Slice,
    compared: pd.DataFrame,
    plan: Plan,
    pairs: tuple[tuple[str, str], ...],
    joint: Replicates | OverSeeds | None,
    metrics: Sequence[str],
) -> Iterator[Evidence]:
    if compared.empty:
        return
    place = {m: k for k, m in enumerate(part.models)}
    overall = compared[compared["subgroup"].isna() & compared["seed"].isna()]
    tests = overall.set_index(["metric", "model", "comparator", "method"])[["adj.p.value", "role"]]
    tested = {
        key: dict(zip(tests.columns, row, strict=True)) for key, row in zip(tests.index, tests.to_numpy(), strict=True)
    }
    for model, comparator in pairs:
        for metric in metrics:
            if metric in WITHOUT_VERDICT:
                continue
            i, j = place[model], place[comparator]
            at = interval_at(part, metric, i, j, joint, plan)
            if at is None:
                continue
            plain = also(at(plan.confidence_level), *part.clipped(metric, i, j))
            yield Evidence(
                metric,
                model,
                comparator,
                at,
                plain,
                at(1 - (1 - plan.confidence_level) / len(pairs)) if len(pairs) > 1 else plain,
                len(pairs),
                # Tango's interval has the exact test of the discordant cases beside it: no verdict is firmer than that test.
                tested[metric, model, comparator, "mcnemar_exact" if plain.method == "tango" else plain.method],
                outside_domain(part, metric, i, j, joint),
            )


def _turned(metric: str, result: PairedTest) -> tuple[float, float]:
    """The limits, with their sign changed where lower is better."""
    if METRICS[metric].higher_is_better:
        return result.conf_low, result.conf_high
    return -result.conf_high, -result.conf_low


def _verdict_of(e: Evidence, plan: Plan) -> tuple[equivalence.Verdict, str]:
    """The verdict of the simultaneous interval and the adjusted p-value, and why there is none where the method does not hold."""
    low, high = _turned(e.metric, e.simultaneous)
    alpha = 1 - plan.confidence_level
    verdict = equivalence.verdict(low, high, plan.margin, float(e.test["adj.p.value"]), alpha)
    if e.outside:
        return equivalence.Verdict("inconclusive", verdict.within_margin), e.outside
    if low == high:
        return verdict, equivalence.ZERO_WIDTH
    return verdict, ""


def _disagreement(e: Evidence, verdict: equivalence.Verdict) -> str:
    """Why a verdict is not `superior` or `inferior` although the pair's own interval excludes 0; "" elsewhere."""
    (low, high), (least, most) = _turned(e.metric, e.plain), _turned(e.metric, e.simultaneous)
    if verdict.verdict in ("superior", "inferior") or e.outside or not (low > 0 or high < 0):
        return ""
    if least <= 0 <= most:
        return "the pair's own interval excludes 0, the simultaneous one does not"
    p = float(e.test["adj.p.value"])
    kind = "adjusted p" if e.family > 1 else "p"
    return f"the interval excludes 0, the exact test of the discordant cases does not reject: {kind} = {p:.4g}"


def _row(e: Evidence, plan: Plan) -> Row:
    result, simultaneous = e.plain, e.simultaneous
    turned = not METRICS[e.metric].higher_is_better
    verdict, reason = _verdict_of(e, plan)
    superior, noninferior, equivalent = _pvalues(result, e.at, plan, turned)
    messages = dict.fromkeys(w for w in (result.warning, reason, _disagreement(e, verdict)) if w)
    return {
        "metric": e.metric,
        "model": e.model,
        "comparator": e.comparator,
        "estimate": result.estimate,
        "conf.low": result.conf_low,
        "conf.high": result.conf_high,
        "margin": nan if plan.margin is None else plan.margin,
        "verdict": verdict.verdict,
        "within.margin": verdict.within_margin,
        "smallest.margin": equivalence.smallest_margin(*_turned(e.metric, simultaneous)),
        "p.superior": superior,
        "p.noninferior": noninferior,
        "p.equivalent": equivalent,
        "detectable.difference": _detectable(result, (1 - plan.confidence_level) / e.family),
        "role": e.test["role"],
        "method": result.method,
        "status": "caution" if reason and result.status == "ok" else result.status,
        "warning": "; ".join(messages) or None,
        "conf.low.simultaneous": simultaneous.conf_low,
        "conf.high.simultaneous": simultaneous.conf_high,
    }


def _pvalues(result: PairedTest, at: At, plan: Plan, turned: bool) -> tuple[float, float, float]:
    """One-sided p-values by inverting the interval: of superiority, and at the margin of non-inferiority and equivalence."""
    if isnan(result.conf_low) or result.conf_low == result.conf_high:
        return nan, nan, nan
    pvalues = one_sided_of(at, turned=turned)
    superior = pvalues(0.0)[0]
    if plan.margin is None:
        return superior, nan, nan
    above = pvalues(-plan.margin)[0]
    return superior, above, max(above, pvalues(plan.margin)[1])


def _detectable(result: PairedTest, alpha: float) -> float:
    """The smallest true difference that the test detects with 80 % power, at the observed discordance or standard error."""
    if result.method == "tango":
        n, discordant = int(result.n), result.b + result.c
        return _detectable_exact(n, discordant / n, alpha) if n else nan
    # A standard error of 0 comes with an interval of zero width, which is no evidence.
    if isnan(result.std_error) or result.std_error == 0:
        return nan
    freedom = result.parameter if result.method in STUDENT and not isnan(result.parameter) else inf
    return power.detectable_difference_normal(result.std_error, POWER, alpha, freedom)


@lru_cache(maxsize=1024)  # most of many pairs share their discordance with another pair
def _detectable_exact(n: int, discordance: float, alpha: float) -> float:
    return power.detectable_difference_mcnemar(n, discordance, POWER, alpha, "exact")
