"""The tables of an audit: readings, matrices, recomputed metrics, printed values, and the range of possible results of the paired tests."""

from __future__ import annotations

from itertools import combinations
from math import isnan, nan
from typing import Any

import numpy as np
import pandas as pd

from hybridcx.analysis.published.readings import (
    ALL_READINGS,
    MEANING,
    OTHER_TOTALS,
    OTHER_TOTALS_EACH,
    PRINTED_IS,
    Audit,
)
from hybridcx.stats import paired, proportions
from hybridcx.stats.confusion import Confusion, count_metrics, fraction, undefined_reason
from hybridcx.stats.published.matrices import IntArray
from hybridcx.stats.published.pairs import TESTS, PairRange, pair_range
from hybridcx.stats.results import Interval, PairedTest
from hybridcx.vocabulary import COUNT_METRICS, PROPORTIONS
from hybridcx.vocabulary.audit import AUDIT_METRICS

MAX_LISTED = 10_000
"""Solutions of one model and reading that are written; n.solutions counts all."""
MAX_INTERVALS = 50
"""Solutions of one model that limits are computed for; above it only the range of the estimates is given."""
MAX_TOTALS = 50
INTERVALS = {"tango": paired.tango, "newcombe_paired": paired.newcombe_paired, "agresti_min": paired.agresti_min}
CLASSES = {"accuracy": (0, 1), "sensitivity": (0,), "specificity": (1,)}
Row = dict[str, Any]


def audit_tables(report: Audit, confidence_level: float = 0.95) -> dict[str, pd.DataFrame]:
    """Return audit_readings, audit_matrices, audit_metrics, audit_comparisons and audit_values."""
    return {
        "audit_readings": _readings(report),
        "audit_matrices": _matrices(report),
        "audit_metrics": _metrics(report, confidence_level),
        "audit_comparisons": _comparisons(report, confidence_level),
        "audit_values": _values(report),
    }


def shown_readings(report: Audit) -> tuple[str, ...]:
    """The readings whose matrices are used further: those that explain the table, else "as printed" for the models that it fits."""
    return report.explains or ("as_printed",)


def _readings(report: Audit) -> pd.DataFrame:
    rows = []
    for reading in ALL_READINGS:
        of_models = report.solutions.get(reading)
        fits = report.fits(reading)
        with_one = [m for m in report.printed.models if report.count(reading, m)]
        totals = _totals(report, reading) if of_models is not None else None
        rows.append(
            {
                "reading": reading,
                "description": MEANING[reading],
                "n.models": len(report.printed.models),
                "n.models.fit": len(with_one) if fits is not None else None,
                "fits": fits,
                "explanation": reading in report.explains,
                "models.without": "; ".join(m for m in report.printed.models if m not in with_one) or None
                if fits is not None
                else None,
                "positives": totals,
            }
        )
    return pd.DataFrame(rows, dtype=object)


def _totals(report: Audit, reading: str) -> str | None:
    """The numbers of positives of the solutions: one for all, or one list a model in the order of the table."""
    if reading == OTHER_TOTALS:
        return " or ".join(map(str, report.common[:MAX_TOTALS])) or None
    if reading != OTHER_TOTALS_EACH:
        return "; ".join(dict.fromkeys(str(p) for p, _ in report.printed.totals.values()))
    parts = []
    for model in report.printed.models:
        solutions = report.solutions[reading].get(model)
        sizes = solutions.numbers_of_positives() if solutions is not None else []
        more = "" if len(sizes) <= MAX_TOTALS else f" and {len(sizes) - MAX_TOTALS} more"
        parts.append((" or ".join(map(str, sizes[:MAX_TOTALS])) or "none") + more)
    return "; ".join(parts)


def _matrices(report: Audit) -> pd.DataFrame:
    columns = ["model", "reading", "n.solutions", "tp", "fn", "fp", "tn", "explanation"]
    parts = []
    for model in report.printed.models:
        for reading, of_models in report.solutions.items():
            solutions = of_models[model]
            cells = solutions.cells[:MAX_LISTED] if solutions is not None else np.empty((0, 4))
            body = np.full((1, 4), nan) if not len(cells) else cells.astype(np.float64)
            part = pd.DataFrame(body, columns=columns[3:7])
            part["model"], part["reading"] = model, reading
            part["n.solutions"] = solutions.count if solutions is not None else nan
            part["explanation"] = reading in report.explains
            parts.append(part)
    return pd.concat(parts, ignore_index=True)[columns]


def _interval(metric: str, confusion: Confusion, level: float) -> Interval:
    if metric in PROPORTIONS:
        return proportions.wilson(*fraction(metric, confusion), level)
    match metric:
        case "balanced_accuracy":
            return proportions.balanced_accuracy_mover(confusion, level)
        case "youden_j":
            return proportions.youden_mover(confusion, level)
        case "lr_positive" | "lr_negative":
            return proportions.likelihood_ratio_log(confusion, metric, level)
        case "diagnostic_odds_ratio":
            return proportions.diagnostic_odds_ratio_log(confusion, level)
    c = confusion
    value, reason = float(count_metrics(c.tp, c.fn, c.fp, c.tn)[metric]), undefined_reason(metric, confusion)
    return Interval("NA", value, status="not_estimable" if reason else "ok", warning=reason)


def _metrics(report: Audit, level: float) -> pd.DataFrame:
    """Every metric of every model under the readings in use, as a range over all solutions."""
    rows: list[Row] = []
    for reading in shown_readings(report):
        for model in report.printed.models:
            solutions = report.solutions[reading][model]
            if solutions is None or not len(solutions.cells):
                continue
            every = count_metrics(*solutions.cells.T)
            matrices = [Confusion(*map(int, c)) for c in solutions.cells[:MAX_INTERVALS]]
            for metric in COUNT_METRICS:
                row = _metric_row(metric, [_interval(metric, c, level) for c in matrices], every[metric], level)
                printed = [
                    v
                    for v in report.printed.values
                    if v.model == model and PRINTED_IS.get(reading, {}).get(v.metric, v.metric) == metric
                ]
                rows.append(
                    {"model": model, "reading": reading, "metric": metric, **row, "n.solutions": solutions.count,
                     "printed.as": "; ".join(v.printed_as for v in printed) or None, "printed": "; ".join(v.text for v in printed) or None}
                )  # fmt: skip
    return pd.DataFrame(rows, columns=AUDIT_METRICS.header)


def _metric_row(metric: str, intervals: list[Interval], every: Any, level: float) -> Row:
    first, defined = intervals[0], every[~np.isnan(every)]
    low, high = (float(defined.min()), float(defined.max())) if len(defined) else (nan, nan)
    unique = len(every) == 1
    whole = len(intervals) == len(every)
    limits = [(i.conf_low, i.conf_high) for i in intervals if not isnan(i.conf_low)]
    status: str
    if unique:
        status, warning = first.status, first.warning
    elif not len(defined):
        status, warning = "not_estimable", first.warning
    else:
        status = "caution"
        warning = f"{len(every)} confusion matrices fit; estimate.min and estimate.max are the range" + (
            ", the limits the widest over all of them" if whole and limits else ""
        )
    return {
        "method": first.method if first.method != "NA" else None,
        "estimate": first.estimate if unique else nan,
        "conf.low": min(a for a, _ in limits) if limits and whole else nan,
        "conf.high": max(b for _, b in limits) if limits and whole else nan,
        "conf.level": level if limits and whole else nan,
        "numerator": first.numerator if unique else nan,
        "denominator": first.denominator if unique else nan,
        "status": status,
        "warning": warning or None,
        "estimate.min": low,
        "estimate.max": high,
    }


def _comparisons(report: Audit, level: float) -> pd.DataFrame:
    columns = [
        *("model", "comparator", "p.value.min", "p.value.max", "metric", "method", "estimate.min", "estimate.max"),
        *("estimate", "conf.low", "conf.high", "conf.level", "n", "b", "c", "status", "warning", "reading"),
    ]
    rows: list[Row] = []
    for model, comparator in combinations(report.printed.models, 2):
        for metric, classes in CLASSES.items():
            ranges, reason = _ranges(report, model, comparator, classes)
            for method in (*TESTS, *INTERVALS):
                row = _pair_row(method, ranges, level) if ranges else {"status": "not_estimable", "warning": reason}
                if ranges and not report.explains:
                    row["status"] = "caution"
                    row["warning"] = "; ".join(
                        x
                        for x in (row["warning"], "nothing explains the whole table; these two models fit as printed")
                        if x
                    )
                reading = "; ".join(shown_readings(report)) if ranges else None
                rows.append(
                    {
                        "model": model,
                        "comparator": comparator,
                        "metric": metric,
                        "method": method,
                        "reading": reading,
                        **row,
                    }
                )
    frame = pd.DataFrame(rows, columns=columns)
    text = {"model", "comparator", "metric", "method", "status", "warning", "reading"}
    return frame.astype({c: "object" if c in text else "float64" for c in columns})


def _counts(cells: IntArray, classes: tuple[int, ...]) -> IntArray:
    """For each class the number correct and the size, as `pair_range` takes them."""
    tp, fn, fp, tn = cells.T
    both = ((tp, tp + fn), (tn, fp + tn))
    return np.unique(np.stack([v for k in classes for v in both[k]], axis=1), axis=0)


def _ranges(report: Audit, model: str, comparator: str, classes: tuple[int, ...]) -> tuple[list[PairRange], str]:
    """The ranges under every reading used (and every single other total), or why there is none."""
    ranges: list[PairRange] = []
    if report.explains == (OTHER_TOTALS_EACH,):
        return [], "the models can only have been tested on different class totals, so not on the same cases"
    if report.explains != (OTHER_TOTALS,) and report.printed.totals[model] != report.printed.totals[comparator]:
        return [], "the models were tested on different class totals, so not on the same cases"
    for reading in shown_readings(report):
        mine, theirs = report.solutions[reading][model], report.solutions[reading][comparator]
        if mine is None or theirs is None or not mine.count or not theirs.count:
            return [], "no confusion matrix gives the printed values of " + (
                model if mine is None or not mine.count else comparator
            )
        if reading == OTHER_TOTALS:
            couples = [(mine.with_positives(p), theirs.with_positives(p)) for p in report.common[:MAX_TOTALS]]
        else:
            couples = [(mine, theirs)]
        ranges += [pair_range(_counts(a.cells, classes), _counts(b.cells, classes)) for a, b in couples]
    return ranges, ""


def _pair_row(method: str, ranges: list[PairRange], level: float) -> Row:
    best = min(ranges, key=lambda r: r.pvalues["mcnemar_exact"][0])
    n = best.n11 + best.b + best.c + best.n00
    test = (
        "mcnemar_asymptotic" if method == "tango" else method
    )  # Tango's test of no difference is McNemar's asymptotic one
    row: Row = {
        "p.value.min": min((r.pvalues[test][0] for r in ranges if test in r.pvalues), default=nan),
        "p.value.max": max((r.pvalues[test][1] for r in ranges if test in r.pvalues), default=nan),
        "estimate.min": min(r.difference[0] for r in ranges),
        "estimate.max": max(r.difference[1] for r in ranges),
        "status": "ok",
        "warning": None,
    }
    if not all(r.attained for r in ranges):
        row["status"], row["warning"] = (
            "caution",
            "so many solutions that outer bounds are given: the range may be narrower",
        )
        return row
    row |= {"n": n, "b": best.b, "c": best.c, "estimate": (best.b - best.c) / n if n else nan}
    if method in INTERVALS:
        interval: PairedTest = INTERVALS[method](best.n11, best.b, best.c, best.n00, level)
        row |= {"conf.low": interval.conf_low, "conf.high": interval.conf_high, "conf.level": level}
    return row


def _values(report: Audit) -> pd.DataFrame:
    """Every printed value with its rounding interval, and how far the nearest matrix is from it as printed."""
    rows: list[Row] = []
    place = dict.fromkeys(report.printed.models, 0)
    for v in report.printed.values:
        i, t = place[v.model], report.targets[v.model][place[v.model]]
        place[v.model] += 1
        miss = report.misses.get(v.model)
        at = miss.missed.index(i) if miss is not None and i in miss.missed else None
        cells = miss.cells if miss is not None else (None,) * 4
        rows.append(
            {"model": v.model, "printed.as": v.printed_as, "printed": v.text, "metric": v.metric, "unit": report.units[v.printed_as],
             "low": t.low, "high": t.high, "used": True, "nearest": miss.values[at] if miss and at is not None else nan,
             "missed.by": miss.by[at] if miss and at is not None else (0.0 if miss else nan),
             "alone": miss.alone if miss else None,
             **{f"nearest.{k}": c for k, c in zip(("tp", "fn", "fp", "tn"), cells, strict=True)}, "warning": None}
        )  # fmt: skip
    for model, name, text, reason in report.printed.unused:
        nothing = dict.fromkeys(rows[0])
        rows.append(
            {**nothing, "model": model, "printed.as": name, "printed": text or None, "used": False, "warning": reason}
        )
    frame = pd.DataFrame(rows, dtype=object)
    return frame.astype(dict.fromkeys(("low", "high", "nearest", "missed.by"), "float64"))
