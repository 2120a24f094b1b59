"""Which rows the page shows: of all methods the recommended one, of all slices the overall one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, nan
from typing import Any

import pandas as pd

from hybridcx import vocabulary

Row = dict[str, Any]
_SLICES = ("subgroup", "level", "seed", "label.rule", "prevalence")
_TESTS_ALONE = {"mcnemar_exact", "mcnemar_midp", "mcnemar_asymptotic", "mcnemar_corrected", "permutation_paired"}
_MARGIN_TESTS = {"tost", "non_inferiority"}
_OF_A_PAIR = (
    "metric", "model", "comparator", "method", "estimate", "conf.low", "conf.high", "conf.level", "p.value", "adj.p.value",
    "p.adjust.method", "n", "b", "c", "role", "status", "warning", "threshold", "mc.error.low", "mc.error.high", "recommended",
)  # fmt: skip


def overall(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of all cases: no subgroup, no single seed, no assumed prevalence."""
    for column in _SLICES:
        if column in table:
            table = table[table[column].isna()]
    return table


def one_seed(table: pd.DataFrame, column: str = "seed") -> tuple[pd.DataFrame, object]:
    """Of a table that stands once per seed, the first seed's rows, and which one it is (None if there is one alone)."""
    if column not in table or table[column].isna().any() or table[column].nunique() < 2:
        return table, None
    first = table[column].iloc[0]
    shown = (
        int(first) if isinstance(first, float) and first.is_integer() else first
    )  # beside empty cells a seed is a float
    return table[table[column] == first], shown


def first_seed(table: pd.DataFrame, caption: str, source: str) -> tuple[pd.DataFrame, str]:
    """The rows over all seeds where there are such, else `one_seed` with a caption that says so."""
    if "seed" in table and table["seed"].isna().any():
        return table[table["seed"].isna()], caption
    table, seed = one_seed(table)
    return table, caption if seed is None else f"{caption} Seed {seed}; {source} has all."


def _best_first(rows: list[Row], order: Sequence[str]) -> list[Row]:
    rank = {name: i for i, name in enumerate(order)}
    return sorted(rows, key=lambda r: (r.get("recommended") is not True, rank.get(str(r["method"]), len(rank))))


def _records(table: pd.DataFrame) -> list[Row]:
    records = table.to_dict("records")
    for r in records:
        if "recommended" in r:  # TRUE may arrive as a NumPy, pandas or Python logical
            r["recommended"] = pd.notna(r["recommended"]) and bool(r["recommended"])
    return records  # type: ignore[return-value]


def shown_values(metrics: pd.DataFrame, keys: Sequence[str] = ("model", "metric")) -> dict[tuple[str, ...], Row]:
    """(model, metric) -> the row to show: the recommended one, or the first by `vocabulary.INTERVAL_ORDER`."""
    found: dict[tuple[str, ...], list[Row]] = {}
    for r in _records(metrics):
        found.setdefault(tuple(str(r[k]) for k in keys), []).append(r)
    return {key: _best_first(rows, vocabulary.INTERVAL_ORDER)[0] for key, rows in found.items()}


@dataclass(frozen=True, slots=True)
class Pair:
    """One comparison of two models on one metric: its interval, its test, both named, and its verdict where there is one."""

    metric: str
    model: str
    comparator: str
    estimate: float
    low: float
    high: float
    conf_level: float
    method: str
    p: float
    adjusted: float
    test: str
    adjustment: str
    p_exact: float
    p_midp: float
    n: float
    b: float
    c: float
    role: str
    warnings: tuple[str, ...]
    verdict: str = ""
    margin: float = nan
    detectable: float = nan
    smallest_margin: float = nan
    threshold: float = nan
    mc_errors: tuple[float, float] = (nan, nan)


def _text(x: object) -> str:
    return "" if x is None or pd.isna(x) else str(x)  # type: ignore[call-overload]


def number(x: object) -> float:
    """A cell as a float; what is missing is NaN."""
    return nan if x is None or pd.isna(x) else float(x)  # type: ignore[arg-type,call-overload]


def pairs(comparisons: pd.DataFrame, verdicts: pd.DataFrame | None = None, metric: str | None = None) -> list[Pair]:
    """The comparisons on all cases in the order in which they come, one per pair and metric."""
    if comparisons.empty:
        return []
    table = overall(comparisons)
    if metric is not None:
        table = table[table["metric"] == metric]
    table = table[~table["method"].isin(_MARGIN_TESTS)]  # their p-values answer another question
    table = table[[c for c in _OF_A_PAIR if c in table]]
    grouped: dict[tuple[str, str, str], list[Row]] = {}
    for r in _records(table):
        grouped.setdefault((str(r["metric"]), str(r["model"]), str(r["comparator"])), []).append(r)
    said: dict[tuple[str, str, str], Row] = {}
    if verdicts is not None and not verdicts.empty:
        said = {(str(v["metric"]), str(v["model"]), str(v["comparator"])): v for v in _records(verdicts)}
    return [_pair(key, rows, said.get(key)) for key, rows in grouped.items()]


def _pair(key: tuple[str, str, str], rows: list[Row], verdict: Row | None) -> Pair:
    by_method = {r["method"]: r for r in rows}
    with_limits = [r for r in rows if r["method"] not in _TESTS_ALONE]
    interval = _best_first(with_limits or rows, vocabulary.DIFFERENCE_ORDER)[0]
    tests = _best_first([r for r in rows if pd.notna(r["p.value"])], vocabulary.TEST_ORDER)
    test = tests[0] if tests else {}
    used = [interval, *tests[:1]]
    adjustment = _text(test.get("p.adjust.method"))
    return Pair(
        *key,
        estimate=number(interval["estimate"]),
        low=number(interval["conf.low"]),
        high=number(interval["conf.high"]),
        conf_level=number(interval["conf.level"]),
        method=str(interval["method"]),
        p=number(test.get("p.value")),
        adjusted=number(test.get("adj.p.value")) if adjustment != "none" else nan,
        test=_text(test.get("method")),
        adjustment=adjustment if adjustment != "none" else "",
        p_exact=number(by_method.get("mcnemar_exact", {}).get("p.value")),
        p_midp=number(by_method.get("mcnemar_midp", {}).get("p.value")),
        n=number(interval["n"]),
        b=number(interval["b"] if pd.notna(interval["b"]) else test.get("b")),
        c=number(interval["c"] if pd.notna(interval["c"]) else test.get("c")),
        role=_text(interval.get("role")),
        warnings=tuple(dict.fromkeys(_text(r["warning"]) for r in used if r["status"] != "ok" and _text(r["warning"]))),
        verdict=_text(verdict["verdict"]) if verdict else "",
        margin=number(verdict["margin"]) if verdict else nan,
        detectable=number(verdict["detectable.difference"]) if verdict else nan,
        smallest_margin=number(verdict.get("smallest.margin")) if verdict else nan,
        threshold=number(interval.get("threshold")),
        mc_errors=(number(interval.get("mc.error.low")), number(interval.get("mc.error.high"))),
    )


def primary_pairs(found: Sequence[Pair], metric: str) -> tuple[list[Pair], bool]:
    """The pairs that answer the question, and whether a plan named them: the confirmatory ones, else those of the metric."""
    planned = [p for p in found if p.role == "confirmatory"]
    return (planned, True) if planned else ([p for p in found if p.metric == metric], False)


def primary(comparisons: pd.DataFrame, verdicts: pd.DataFrame | None, metric: str) -> tuple[list[Pair], bool]:
    """`primary_pairs` of `pairs`, without making the pairs of the other metrics: of many models these are most of the work."""
    if not comparisons.empty:
        planned = comparisons.loc[comparisons["role"] == "confirmatory", "metric"].unique()
        comparisons = comparisons[comparisons["metric"].isin([metric, *planned])]
    return primary_pairs(pairs(comparisons, verdicts), metric)


def has_limits(p: Pair) -> bool:
    return isfinite(p.low) and isfinite(p.high)
