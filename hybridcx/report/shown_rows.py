"""The rows that the page shows: the recommended method of several, the whole test set of several slices, one seed of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from typing import Any

import pandas as pd

from hybridcx import vocabulary
from hybridcx.report import numbers

Row = dict[str, Any]
_SLICES = ("subgroup", "level", "seed", "label.rule", "prevalence")
_MARGIN_TESTS = {"tost", "non_inferiority"}
_PAIR_COLUMNS = (
    "metric", "model", "comparator", "method", "estimate", "conf.low", "conf.high", "conf.level", "p.value", "adj.p.value",
    "p.adjust.method", "n", "b", "c", "role", "status", "warning", "threshold", "mc.error.low", "mc.error.high", "recommended",
)  # fmt: skip


def number(x: object) -> float:
    """A cell as a float; NaN where it is missing."""
    return nan if x is None or pd.isna(x) else float(x)  # type: ignore[arg-type,call-overload]


def limits(row: Mapping[Any, Any] | pd.Series) -> tuple[float, float, float]:
    """The estimate of a row and its confidence limits; an interval of zero width is no evidence and has none."""
    low, high = number(row["conf.low"]), number(row["conf.high"])
    return number(row["estimate"]), *((nan, nan) if low == high else (low, high))


def caution(row: Mapping[Any, Any]) -> str:
    """The warning of a row whose status is not "ok"; "" without one."""
    return str(row["warning"]) if row["status"] != "ok" and isinstance(row["warning"], str) else ""


def level(table: pd.DataFrame) -> str:
    """The confidence level of a table, such as "95%"; "" where no row has one."""
    return next((numbers.level(x) for x in table["conf.level"] if pd.notna(x)), "")


def ci(table: pd.DataFrame) -> str:
    """The heading of confidence intervals: "95% CI", or "CI" where the level is unknown."""
    return f"{level(table)} CI".lstrip()


def overall(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the whole test set: no subgroup, no single seed, no other labelling rule, no assumed prevalence."""
    for column in _SLICES:
        if column in table:
            table = table[table[column].isna()]
    return table


def one_seed(table: pd.DataFrame, column: str = "seed") -> tuple[pd.DataFrame, object]:
    """The rows of the first seed, and this seed; the whole table and None where there is only one."""
    if column not in table or table[column].isna().any() or table[column].nunique() < 2:
        return table, None
    first = table[column].iloc[0]
    # in a column with empty cells seeds are floats
    seed = int(first) if isinstance(first, float) and first.is_integer() else first
    return table[table[column] == first], seed


def seed_note(seed: object) -> str:
    """The end of the caption of a table that shows one seed of several; "" where `seed` is None."""
    return "" if seed is None else f" Seed {seed}; the file has every seed."


def first_seed(table: pd.DataFrame, caption: str, source: str) -> tuple[pd.DataFrame, str]:
    """The rows over all seeds where there are any, otherwise those of one seed with a caption that names it."""
    if "seed" in table and table["seed"].isna().any():
        return table[table["seed"].isna()], caption
    table, seed = one_seed(table)
    return table, caption if seed is None else f"{caption} Seed {seed}; {source} has all."


def _best_first(rows: list[Row], order: Sequence[str]) -> list[Row]:
    """The recommended row first; without one, as outside the domains, methods that assume what the data are not come last."""
    rank = {name: i for i, name in enumerate(order)}

    def place(row: Row) -> tuple[bool, bool, int]:
        wrong = vocabulary.ASSUMES_INDEPENDENCE in str(row.get("warning"))
        return row.get("recommended") is not True, wrong, rank.get(str(row["method"]), len(rank))

    return sorted(rows, key=place)


def _records(table: pd.DataFrame) -> list[Row]:
    records = table.to_dict("records")
    for r in records:
        if "recommended" in r:  # a Python, NumPy or pandas boolean
            r["recommended"] = pd.notna(r["recommended"]) and bool(r["recommended"])
    return records  # type: ignore[return-value]


def shown_values(metrics: pd.DataFrame, keys: Sequence[str] = ("model", "metric")) -> dict[tuple[str, ...], Row]:
    """(model, metric) -> its row: the recommended one, otherwise the first in `vocabulary.INTERVAL_ORDER`."""
    by_key: dict[tuple[str, ...], list[Row]] = {}
    for r in _records(metrics):
        by_key.setdefault(tuple(str(r[k]) for k in keys), []).append(r)
    return {key: _best_first(rows, vocabulary.INTERVAL_ORDER)[0] for key, rows in by_key.items()}


@dataclass(frozen=True, slots=True)
class Pair:
    """The comparison of two models in one metric: interval and test with their methods, and the verdict where there is one.

    `low`, `high`: confidence limits. `p`: p-value of `test`, `adjusted`: the same after `adjustment` for multiplicity. `b`, `c`: cases that only
    the model, only the comparator got right. `mc_errors`: Monte Carlo standard errors of resampled limits. `simultaneous`: the
    limits that the verdict uses. `adjusted_exact`: adjusted p-value of the exact test of the discordant cases. NaN and "" where there is none.
    """

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
    simultaneous: tuple[float, float] = (nan, nan)
    adjusted_exact: float = nan

    @property
    def has_simultaneous(self) -> bool:
        """Whether the simultaneous limits differ from the pair's own, as with several pairs."""
        return all(map(isfinite, self.simultaneous)) and self.simultaneous != (self.low, self.high)

    @property
    def has_limits(self) -> bool:
        return isfinite(self.low) and isfinite(self.high)


def _text(x: object) -> str:
    return "" if x is None or pd.isna(x) else str(x)  # type: ignore[call-overload]


def pairs(comparisons: pd.DataFrame, verdicts: pd.DataFrame | None = None, metric: str | None = None) -> list[Pair]:
    """The comparisons on the whole test set, one per pair of models and metric, in the order of the table."""
    if comparisons.empty:
        return []
    table = overall(comparisons)
    if metric is not None:
        table = table[table["metric"] == metric]
    table = table[~table["method"].isin(_MARGIN_TESTS)]  # their p-values are of another hypothesis
    table = table[[c for c in _PAIR_COLUMNS if c in table]]
    by_pair: dict[tuple[str, str, str], list[Row]] = {}
    for r in _records(table):
        by_pair.setdefault((str(r["metric"]), str(r["model"]), str(r["comparator"])), []).append(r)
    verdict_of: dict[tuple[str, str, str], Row] = {}
    if verdicts is not None and not verdicts.empty:
        verdict_of = {(str(v["metric"]), str(v["model"]), str(v["comparator"])): v for v in _records(verdicts)}
    return [_pair(key, rows, verdict_of.get(key)) for key, rows in by_pair.items()]


def _pair(key: tuple[str, str, str], rows: list[Row], verdict: Row | None) -> Pair:
    by_method = {r["method"]: r for r in rows}
    with_limits = [r for r in rows if pd.notna(r["conf.low"])]
    interval = _best_first(with_limits or rows, vocabulary.DIFFERENCE_ORDER)[0]
    tests = _best_first([r for r in rows if pd.notna(r["p.value"])], vocabulary.TEST_ORDER)
    test = tests[0] if tests else {}
    used = [interval, *tests[:1]]
    adjustment = _text(test.get("p.adjust.method"))
    estimate, low, high = limits(interval)
    return Pair(
        *key,
        estimate=estimate,
        low=low,
        high=high,
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
        simultaneous=(number(verdict.get("conf.low.simultaneous")), number(verdict.get("conf.high.simultaneous")))
        if verdict
        else (nan, nan),
        adjusted_exact=number(by_method.get("mcnemar_exact", {}).get("adj.p.value")),
    )


def primary_metric(tables: Mapping[str, pd.DataFrame], wanted: str | None = None) -> str:
    """The metric of the answer: `wanted`, otherwise that of the confirmatory comparisons, accuracy, AUROC, or the first of the tables."""
    comparisons = tables.get("comparisons")
    source = comparisons if comparisons is not None and not comparisons.empty else tables.get("metrics")
    available = [] if source is None or source.empty else list(dict.fromkeys(source["metric"]))
    if comparisons is not None and not comparisons.empty and wanted is None:
        planned = comparisons.loc[comparisons["role"] == "confirmatory", "metric"]
        wanted = str(planned.iloc[0]) if len(planned) else None
    for name in (wanted, "accuracy", "auroc"):
        if name in available:
            return str(name)
    return str(available[0]) if available else "accuracy"


def primary_pairs(rows: Sequence[Pair], metric: str) -> tuple[list[Pair], bool]:
    """The comparisons that answer the question, and whether they were planned: the confirmatory ones, otherwise those of the metric."""
    planned = [p for p in rows if p.role == "confirmatory"]
    return (planned, True) if planned else ([p for p in rows if p.metric == metric], False)


def primary(comparisons: pd.DataFrame, verdicts: pd.DataFrame | None, metric: str) -> tuple[list[Pair], bool]:
    """`primary_pairs` of `pairs`, without building the pairs of the other metrics (most of the work with many models)."""
    if not comparisons.empty:
        planned = comparisons.loc[comparisons["role"] == "confirmatory", "metric"].unique()
        comparisons = comparisons[comparisons["metric"].isin([metric, *planned])]
    return primary_pairs(pairs(comparisons, verdicts), metric)
