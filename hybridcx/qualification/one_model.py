"""Metrics of one model's calls, and their intervals."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

import numpy as np

from hybridcx.qualification.case import EXACT, FITTED, Case, compared, of_result
from hybridcx.qualification.reference import R, number, predictions, rows
from hybridcx.stats import clusters_one_model, proportions
from hybridcx.stats.confusion import Confusion, count_metrics, fraction
from hybridcx.stats.results import Interval

LIMITS = ("estimate", "conf_low", "conf_high")
ONE_SAMPLE = {
    "wilson": proportions.wilson,
    "clopper_pearson": proportions.clopper_pearson,
    "agresti_coull": proportions.agresti_coull,
    "jeffreys": proportions.jeffreys,
}


def cases() -> Iterator[Case]:
    """Every case of this file."""
    yield from _shared()
    yield from _tables()
    yield from _ratios()
    yield from _patients()


def _shared() -> Iterator[Case]:
    """`binom.test` and `prop.test` on six sets of predictions."""
    source = R.format("make_r_reference.R")
    for e in rows("r/expected.csv"):
        if e["method"] not in ("wilson", "clopper_pearson"):
            continue
        truth, calls, _ = predictions(e["case"])
        confusion = Confusion.from_labels(truth, calls[e["model_a"]])
        found = ONE_SAMPLE[e["method"]](*fraction(e["metric"], confusion))
        case = f"{e['case']} {e['model_a']} {e['metric']}"
        expected = {k: number(e[k]) for k in LIMITS}
        yield from of_result(case, e["method"], f"proportions.{e['method']}", found, expected, source)
        value = float(count_metrics(confusion.tp, confusion.fn, confusion.fp, confusion.tn)[e["metric"]])
        yield _estimate(case, e["metric"], value, expected["estimate"], source)


def _estimate(case: str, metric: str, found: float, expected: float, source: str) -> Case:
    return compared(
        "operation", case, metric, "confusion.count_metrics", "estimate", found, expected, EXACT * abs(expected), source
    )


def _tables() -> Iterator[Case]:
    """One model of the paired tables: `qbeta`, `glm`, MOVER written out."""
    source = R.format("paired/make_paired_reference.R")
    tables = {t["case"]: _first_model(t) for t in rows("paired/tables.csv")}
    for e in rows("paired/table_expected.csv"):
        c, metric, method = tables[e["case"]], e["metric"], e["method"]
        case = f"{e['case']} {metric}"
        if not method or method == "NA":
            value = float(count_metrics(c.tp, c.fn, c.fp, c.tn)[e["metric"]])
            yield _estimate(case, e["metric"], value, number(e["estimate"]), source)
            continue
        found = _interval(method, metric, c)
        if found is None:
            continue
        result, function = found
        if metric in ("balanced_accuracy", "youden_j"):
            value = float(count_metrics(c.tp, c.fn, c.fp, c.tn)[metric])
            yield _estimate(case, metric, value, number(e["estimate"]), source)
        name = "mercaldo_logit" if method.startswith("mercaldo_logit") else method
        fitted = FITTED if method.startswith(("log", "mercaldo")) else EXACT
        yield from of_result(case, name, function, result, {k: number(e[k]) for k in LIMITS}, source, fitted)


def _first_model(t: dict[str, str]) -> Confusion:
    n = {k: int(v) for k, v in t.items() if k != "case"}
    return Confusion(n["d1_11"] + n["d1_10"], n["d1_01"] + n["d1_00"], n["d0_11"] + n["d0_10"], n["d0_01"] + n["d0_00"])


def _interval(method: str, metric: str, c: Confusion) -> tuple[Interval, str] | None:
    """The interval of a method that is not for a pair, with the name of its function."""
    match method:
        case "agresti_coull" | "jeffreys":
            return ONE_SAMPLE[method](*fraction(metric, c)), f"proportions.{method}"
        case "mover_wilson" if metric == "balanced_accuracy":
            return proportions.balanced_accuracy_mover(c), "proportions.balanced_accuracy_mover"
        case "mover_wilson":
            return proportions.youden_mover(c), "proportions.youden_mover"
        case "log" if metric == "diagnostic_odds_ratio":
            return proportions.diagnostic_odds_ratio_log(c), "proportions.diagnostic_odds_ratio_log"
        case "log":
            return proportions.likelihood_ratio_log(c, metric), "proportions.likelihood_ratio_log"  # type: ignore[arg-type]
    if method.startswith("mercaldo_logit_"):
        prevalence = float(method.rsplit("_", 1)[1])
        return proportions.predictive_value_mercaldo(c, metric, prevalence), "proportions.predictive_value_mercaldo"  # type: ignore[arg-type]
    return None


def _ratios() -> Iterator[Case]:
    """F1, ratios and net benefit: `prop.test`, limits of a ratio as roots, the correlation by `cor`."""
    source = R.format("metric_pairs/make_metric_pairs.R")
    tables = {
        r["case"]: Confusion(*(int(r[k]) for k in ("tp", "fn", "fp", "tn"))) for r in rows("metric_pairs/one_model.csv")
    }
    for r in rows("metric_pairs/one_model_expected.csv"):
        c, level = tables[r["case"]], float(r["level"])
        metric, _, threshold = r["metric"].partition(";")
        method = "mover_wilson"
        if metric == "f1":
            found, function, method = proportions.f1_wilson(c, level), "f1_wilson", "wilson"
        elif metric == "diagnostic_odds_ratio":
            found, function = proportions.diagnostic_odds_ratio_mover(c, level), "diagnostic_odds_ratio_mover"
        elif metric == "net_benefit":
            found, function = proportions.net_benefit_mover(c, float(threshold), level), "net_benefit_mover"
        else:
            found, function = proportions.likelihood_ratio_mover(c, metric, level), "likelihood_ratio_mover"  # type: ignore[arg-type]
        case = f"{r['case']} {r['metric']} {level:g}"
        expected = {k: number(r[k]) for k in LIMITS}
        yield from of_result(case, method, f"proportions.{function}", found, expected, source)
        if metric in ("lr_positive", "lr_negative", "diagnostic_odds_ratio"):
            value = float(count_metrics(c.tp, c.fn, c.fp, c.tn)[metric])
            yield _estimate(case, metric, value, expected["estimate"], source)


def _patients() -> Iterator[Case]:
    """Patients with several cases: sandwich variance of `lm`, root of the score equation."""
    source = R.format("paired/make_paired_reference.R")
    tables = {}
    for case, members in groupby(rows("paired/clusters.csv"), key=lambda r: r["case"]):
        cells = [[int(r[k]) for k in ("n11", "n10", "n01", "n00")] for r in members]
        tables[case] = [(a + b, a + b + c + d, a + c) for a, b, c, d in cells]
    for e in rows("paired/wilson_cluster_expected.csv"):
        positive = _hits([(x, n) for x, n, _ in tables[e["case"]]])
        negative = _hits([(x, n) for _, n, x in tables[e["case"]]])
        if e["method"] == "wilson":
            found = clusters_one_model.wilson_cluster(*(positive if e["metric"] == "sensitivity" else negative))
            function = "clusters_one_model.wilson_cluster"
        else:
            right, groups = (np.concatenate(v) for v in zip(positive, negative, strict=True))
            truth = np.arange(right.size) < right.size / 2
            found = clusters_one_model.mover_wilson_cluster("youden_j", truth, right, groups)
            function = "clusters_one_model.mover_wilson_cluster"
        case = f"{e['case']} {e['metric']}"
        yield from of_result(case, e["method"], function, found, {k: number(e[k]) for k in LIMITS}, source)


def _hits(counts: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Hits and patients from (hits, cases) of each patient."""
    hits = np.concatenate([np.arange(n) < x for x, n in counts])
    return hits, np.repeat(np.arange(len(counts)), [n for _, n in counts])
