"""From the frozen results of `hybridcx.stats` to rows of the tables: names after `broom`, absent numbers as NaN, absent text as None."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import nan
from typing import Any, TypeVar

from hybridcx.stats.results import Interval, Omnibus, PairedTest, Status
from hybridcx.vocabulary import ASSUMES_INDEPENDENCE

Row = dict[str, Any]
R = TypeVar("R", Interval, PairedTest)


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of a row besides model, metric and method; None where one does not apply."""

    subgroup: str | None = None
    level: str | None = None
    seed: int | None = None
    label_rule: str | None = None
    threshold: float | None = None
    prevalence: float | None = None
    role: str = "exploratory"

    def with_(self, threshold: float | None = None, prevalence: float | None = None, role: str | None = None) -> Keys:
        """The same keys with some of them set."""
        return replace(
            self,
            threshold=self.threshold if threshold is None else threshold,
            prevalence=self.prevalence if prevalence is None else prevalence,
            role=self.role if role is None else role,
        )


def _keys(keys: Keys) -> Row:
    return {
        "subgroup": keys.subgroup,
        "level": keys.level,
        "seed": keys.seed,
        "label.rule": keys.label_rule,
        "threshold": keys.threshold,
        "prevalence": keys.prevalence,
        "role": keys.role,
    }


def _common(result: Interval | PairedTest, n_cases: int, mc_error: tuple[float, float]) -> Row:
    # n counts the distinct cases of the row, the same for every method; the denominator of a proportion or a test is
    # denominator, or the class.
    return {
        "method": result.method,
        "estimate": result.estimate,
        "conf.low": result.conf_low,
        "conf.high": result.conf_high,
        "conf.level": result.conf_level,
        "n": n_cases,
        "n.resamples": result.n_resamples,
        "n.resamples.failed": result.n_resamples_failed,
        "status": result.status,
        "warning": result.warning or None,
        "std.error": result.std_error,
        "n.clusters": result.n_clusters,
        "mc.error.low": mc_error[0],
        "mc.error.high": mc_error[1],
    }


def metric_row(
    model: str,
    metric: str,
    result: Interval,
    keys: Keys,
    *,
    n_cases: int,
    recommended: bool = False,
    mc_error: tuple[float, float] = (nan, nan),
) -> Row:
    """A row of metrics.csv about `n_cases` distinct cases; `mc_error` are the Monte Carlo errors of resampled limits."""
    return {
        "model": model,
        "metric": metric,
        **_common(result, n_cases, mc_error),
        "numerator": result.numerator,
        "denominator": result.denominator,
        **_keys(keys),
        "recommended": recommended,
    }


def comparison_row(
    model: str,
    comparator: str,
    metric: str,
    result: PairedTest,
    keys: Keys,
    *,
    n_cases: int,
    recommended: bool = False,
    mc_error: tuple[float, float] = (nan, nan),
) -> Row:
    """A row of comparisons.csv, as `metric_row`; the adjusted p-value is filled in when its family is complete."""
    return {
        "metric": metric,
        "model": model,
        "comparator": comparator,
        **_common(result, n_cases, mc_error),
        "statistic": result.statistic,
        "parameter": result.parameter,
        "p.value": result.pvalue,
        "adj.p.value": None,
        "p.adjust.method": "none",
        "b": result.b,
        "c": result.c,
        "margin": result.margin,
        **_keys(keys),
        "recommended": recommended,
    }


def omnibus_row(metric: str, result: Omnibus) -> Row:
    """A row of omnibus.csv."""
    return {
        "metric": metric,
        "method": result.method,
        "statistic": result.statistic,
        "parameter": result.parameter,
        "p.value": result.pvalue,
        "n": result.n,
        "k": result.k,
        "status": result.status,
        "warning": result.warning or None,
    }


def also(result: R, status: Status, words: str) -> R:
    """The same result with a further warning; an estimate that does not exist keeps only its own reason."""
    if not words or result.status == "not_estimable":
        return result
    doubted: Status = "caution" if "caution" in (status, result.status) else "ok"
    return replace(result, status=doubted, warning="; ".join(dict.fromkeys(w for w in (result.warning, words) if w)))


def without_limits(result: R, reason: str) -> R:
    """The same estimate without limits and p-value, which `reason` explains: no interval of the metric holds at any size."""
    if result.status == "not_estimable" or not reason:
        return result
    result = replace(result, conf_low=nan, conf_high=nan, status="caution", warning=reason)
    return replace(result, pvalue=nan) if isinstance(result, PairedTest) else result


def assumes_independence(result: R, n_clusters: int) -> R:
    """The same result marked as doubtful because its cases are not independent."""
    if result.status == "not_estimable":
        return replace(result, n_clusters=n_clusters)
    warning = f"{result.warning}; {ASSUMES_INDEPENDENCE}" if result.warning else ASSUMES_INDEPENDENCE
    return replace(result, status="caution", warning=warning, n_clusters=n_clusters)
