"""The answer of a report on agreement: the coefficient that the design asks for, in a sentence."""

from __future__ import annotations

from math import isfinite, nan

import pandas as pd

from hybridcx import vocabulary
from hybridcx.report import numbers, shown_rows
from hybridcx.report.shown_rows import Row, caution, number


def answer(agreement: pd.DataFrame) -> list[str]:
    """The headline by design with the size of the disagreement, as one sentence; empty without readings that can be compared.

    Measurements of crossed readers: ICC(2,1), absolute agreement. Ordered categories: Cohen's kappa with quadratic weights
    of two readings, Gwet's AC2 of more. Other categories: Cohen's kappa of two readings, Fleiss' kappa of more, and AC1 where a kappa is undefined.
    """
    row = headline(agreement)
    if row is None:
        return []
    readers, within = str(row["readers"]), row["scope"] == "within"
    k = int(number(row["k"])) if isfinite(number(row["k"])) else 0
    who = f"Within {readers}, over occasions {row['occasion']}" if within else f"Between the {k} readers"
    when = "" if within or pd.isna(row["occasion"]) else f", occasion {row['occasion']}"
    name = vocabulary.coefficient_label(str(row["metric"]), row["method"])
    name += "," if ", " in name else ""
    metric = vocabulary.coefficient(str(row["metric"]))
    estimate, low, high = shown_rows.limits(row)
    if not isfinite(estimate):
        return [f"{who}, {name} cannot be estimated: {row['warning']}."]
    interval = ""
    if isfinite(low):
        interval = f"{numbers.confidence_interval(number(row['conf.level']), numbers.value(metric, low), numbers.value(metric, high))}; "
    further = _size(of_same_readings(agreement, row), str(row["metric"]))
    n = numbers.count(number(row["n"]))
    doubt = f" Caution: {row['warning']}." if caution(row) else ""
    return [f"{who}{when}, {name} is {numbers.value(metric, estimate)} ({interval}{n} cases){further}.{doubt}"]


def of_same_readings(agreement: pd.DataFrame, row: Row) -> pd.DataFrame:
    """The rows of the same readers at the same occasion, between or within observers."""
    rows = at_occasion(agreement, row["occasion"])
    return rows[(rows["scope"] == row["scope"]) & (rows["readers"] == row["readers"])]


def at_occasion(rows: pd.DataFrame, occasion: object) -> pd.DataFrame:
    """The rows of an occasion, or those without one."""
    missing = rows["occasion"].isna()
    return rows[missing if pd.isna(occasion) else rows["occasion"] == occasion]  # type: ignore[call-overload]


def headline(agreement: pd.DataFrame) -> Row | None:
    """The row of the coefficient that the design asks for: between readers at the first occasion, otherwise within the first reader."""
    if agreement.empty:
        return None
    between = agreement[agreement["scope"] == "between"]
    own = between if len(between) else agreement
    metrics, method = set(own["metric"]), ""
    if "sem" in metrics or "percent_agreement" not in metrics:
        names = ["icc2"]
    else:  # categories; two of them have an ICC too, which is not the one to report
        several = own["k"].max() > 2
        if "gwet_ac2" in metrics:  # ordered categories: weights, by which a near miss counts less than a far one
            names, method = ["gwet_ac2"] if several else ["cohen_kappa", "gwet_ac2"], "quadratic"
        else:
            names = ["fleiss_kappa", "gwet_ac1"] if several else ["cohen_kappa", "gwet_ac1"]
    wanted = own[own["metric"].isin(names) & ((own["method"] == method) if method else True)]
    shown = wanted if len(wanted) else own.head(1)
    rows: list[Row] = [{str(k): v for k, v in r.items()} for r in shown.to_dict("records")]
    found = [r for name in names for r in rows if r["metric"] == name]
    return next((r for r in found if isfinite(number(r["estimate"]))), found[0] if found else rows[0])


def _size(rows: pd.DataFrame, metric: str) -> str:
    """How far readings of a case lie apart: the minimal detectable change, or the percentage of equal calls."""
    wanted = ("mdc95", "anova") if metric.startswith("icc") else ("percent_agreement", "wilson")
    own = rows[(rows["metric"] == wanted[0]) & (rows["method"] == wanted[1])]
    value = number(own["estimate"].iloc[0]) if len(own) else nan
    if not isfinite(value):
        return ""
    if wanted[0] == "mdc95":
        low, high = number(own["conf.low"].iloc[0]), number(own["conf.high"].iloc[0])
        interval = numbers.confidence_interval(
            number(own["conf.level"].iloc[0]), numbers.fixed(low, 2), numbers.fixed(high, 2)
        )
        words = f"MDC95; {interval}" if isfinite(low) and isfinite(high) else "MDC95"
        return f"; 95 of 100 differences between two readings of a case are estimated to be below {numbers.fixed(value, 2)} ({words})"
    return f"; {numbers.percent(value)}% of the pairs of calls are the same"
