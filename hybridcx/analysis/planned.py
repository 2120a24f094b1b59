"""Rows of plan.csv: the answer to a question of planning, and the curves around it. The formulas live in `stats.power`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil, isnan, nan
from typing import Literal

import numpy as np
import pandas as pd

from hybridcx.errors import InputError
from hybridcx.stats import power
from hybridcx.stats.power import SampleSize
from hybridcx.vocabulary.plan import PLAN

Row = dict[str, object]

COUNTS = ("size", "n.positive", "n.negative", "cases.all")

# A curve by exact enumeration evaluates many sizes; above these limits the curve uses the normal formula.
ENUMERATED_MCNEMAR, ENUMERATED_NONINFERIORITY = 1000, 1000
TESTS: tuple[Literal["exact"], Literal["midp"]] = ("exact", "midp")
SIZE_METHODS: tuple[Literal["exact"], Literal["midp"], Literal["asymptotic"], Literal["connor"]] = (
    *TESTS, "asymptotic", "connor",
)  # fmt: skip
AUC_METHODS: tuple[Literal["obuchowski"], Literal["hanley_mcneil"]] = ("obuchowski", "hanley_mcneil")
INTERVALS: tuple[Literal["wilson"], Literal["clopper_pearson"]] = ("wilson", "clopper_pearson")
NOT_SHOWN = "even the largest difference possible would not be shown with that power"
TOO_MANY = "no number of cases up to the search's limit is enough"


@dataclass(frozen=True, slots=True)
class Assumptions:
    """The assumptions of a question; NaN or empty where one does not apply. `alpha` is two-sided, one-sided for non-inferiority.

    `p10`, `p01`: only the model, only the comparator is right. `ratio`: negatives per positive case. `prevalence`: of positive
    cases, for the cases to be screened in all.
    """

    question: str
    metric: str
    powers: tuple[float, ...] = ()
    alpha: float = nan
    conf_level: float = nan
    p10: float = nan
    p01: float = nan
    margin: float = nan
    proportions: tuple[float, ...] = ()
    halfwidths: tuple[float, ...] = ()
    auc: float = nan
    comparator_auc: float = nan
    correlation: float = nan
    ratio: float = nan
    prevalence: float = nan
    n: int = 0
    discordances: tuple[float, ...] = ()


def plan_table(a: Assumptions) -> pd.DataFrame:
    """Rows of plan.csv: part `answer` first, then `by_size` (power or precision at other sizes) and `by_assumption` (the answer under other
    assumptions).

    Raises InputError where a question has no answer within the limits of the search.
    """
    rows = list(_ROWS[a.question](a))
    table = pd.DataFrame(rows, columns=PLAN.header)
    for name in COUNTS:
        table[name] = pd.array([None if isnan(v) else int(v) for v in table[name].astype(float)], dtype="Int64")
    return table


def _row(a: Assumptions, part: str, method: str, size: float, value: float, **assumed: float | str) -> Row:
    """One row: the question's own assumptions, and those that vary (column names with _ instead of a point)."""
    row: Row = {
        **dict.fromkeys(PLAN.header, nan), "question": a.question, "metric": a.metric, "size": size, "value": value, "part": part,
        "method": method, "alpha": a.alpha, "conf.level": a.conf_level, "margin": a.margin, "prevalence": a.prevalence,
        "ratio": a.ratio, "status": "ok", "warning": None, **{k.replace("_", "."): v for k, v in assumed.items()},
    }  # fmt: skip
    share = {"sensitivity": a.prevalence, "specificity": 1 - a.prevalence}.get(a.metric, nan)
    if not isnan(share) and not isnan(size):
        row["cases.all"] = float(ceil(size / share - 1e-9))
    return row


def _of_pair(p10: float, p01: float) -> dict[str, float]:
    # rounded, because assumptions come in decimals: 0.15 - 0.05 is to be 0.1
    return {"p10": p10, "p01": p01, "difference": round(p10 - p01, 12), "discordance": round(p10 + p01, 12)}


def _sizes(n: float, points: int = 41) -> list[int]:
    """Sizes around n, from a quarter of it to nearly twice."""
    return np.unique(np.linspace(max(2, n / 4), max(1.75 * n, 8), points).round().astype(int)).tolist()


def _discordances(difference: float, discordance: float, points: int = 21) -> list[float]:
    """Discordances from the least that the difference allows to three times the one assumed; the assumed one is among them."""
    low, high = max(abs(difference), discordance / 4), min(1.0, max(3 * discordance, 1.5 * abs(difference)))
    return np.unique(np.r_[np.linspace(low, high, points), discordance]).tolist()


def _attempt(find: Callable[..., SampleSize], *arguments: float | str) -> tuple[SampleSize, dict[str, str]]:
    """A size on a curve, or NaN with the reason where the search ends without one."""
    try:
        return find(*arguments), {}
    except InputError:
        return SampleSize("", nan, nan), {"status": "not_estimable", "warning": TOO_MANY}


def _mcnemar(a: Assumptions) -> Iterator[Row]:
    d, psi = a.p10 - a.p01, a.p10 + a.p01
    largest = 0.0
    for target in a.powers:
        for method in SIZE_METHODS:
            size = power.mcnemar_sample_size(a.p10, a.p01, target, a.alpha, method)
            largest = max(largest, size.n)
            yield _row(a, "answer", method, size.n, size.value, target=target, **_of_pair(a.p10, a.p01))
    for test in TESTS:
        for n in _sizes(largest):
            value = power.mcnemar_power(n, a.p10, a.p01, a.alpha, test)
            yield _row(a, "by_size", test, n, value, **_of_pair(a.p10, a.p01))
    curve: Literal["exact", "connor"] = "exact" if largest <= ENUMERATED_MCNEMAR else "connor"
    for target in a.powers:
        for x in _discordances(d, psi):
            pair = (x + d) / 2, (x - d) / 2
            at, extra = _attempt(power.mcnemar_sample_size, *pair, target, a.alpha, curve)
            yield _row(a, "by_assumption", curve, at.n, at.value, target=target, **_of_pair(*pair), **extra)


def _precision(a: Assumptions) -> Iterator[Row]:
    largest = 0.0
    for halfwidth in a.halfwidths:
        for p in a.proportions:
            for method in INTERVALS:
                size = power.proportion_halfwidth_n(p, halfwidth, a.conf_level, method)
                largest = max(largest, size.n)
                yield _row(a, "answer", method, size.n, size.value, target=halfwidth, proportion=p)
    for p in a.proportions:
        for n in _sizes(largest):
            value = power.proportion_halfwidth(n, p, a.conf_level, "wilson")
            yield _row(a, "by_size", "wilson", n, value, proportion=p)
    for halfwidth in a.halfwidths:
        for p in np.unique(np.r_[np.arange(51) / 50, a.proportions]).tolist():
            at, extra = _attempt(power.proportion_halfwidth_n, p, halfwidth, a.conf_level, "wilson")
            yield _row(a, "by_assumption", "wilson", at.n, at.value, target=halfwidth, proportion=p, **extra)


def _noninferiority(a: Assumptions) -> Iterator[Row]:
    pair, d = (a.p10, a.p01), a.p10 - a.p01
    formula = [power.noninferiority_paired_n(a.margin, *pair, t, a.alpha) for t in a.powers]
    enumerated = max(f.n for f in formula) <= ENUMERATED_NONINFERIORITY
    for target, size in zip(a.powers, formula, strict=True):
        if enumerated:
            exact = power.noninferiority_paired_n(a.margin, *pair, target, a.alpha, "exact")
            yield _row(a, "answer", "exact", exact.n, exact.value, target=target, **_of_pair(*pair))
        yield _row(a, "answer", "asymptotic", size.n, size.value, target=target, **_of_pair(*pair))
    for target in np.arange(30, 100, 2) / 100:
        at = power.noninferiority_paired_n(a.margin, *pair, float(target), a.alpha)
        yield _row(a, "by_size", "asymptotic", at.n, at.value, target=float(target), **_of_pair(*pair))
    for n in _sizes(max(f.n for f in formula), 21) if enumerated else ():
        value = power.noninferiority_paired_power(n, a.margin, *pair, a.alpha)
        yield _row(a, "by_size", "exact", n, value, **_of_pair(*pair))
    for target in a.powers:
        for x in _discordances(d, a.p10 + a.p01):
            other = (x + d) / 2, (x - d) / 2
            at, extra = _attempt(power.noninferiority_paired_n, a.margin, *other, target, a.alpha)
            yield _row(a, "by_assumption", "asymptotic", at.n, at.value, target=target, **_of_pair(*other), **extra)


def _of_classes(size: SampleSize) -> dict[str, float]:
    return {"n_positive": size.n_positive, "n_negative": size.n_negative}


def _auc(a: Assumptions) -> Iterator[Row]:
    areas = {"auc": a.auc, "comparator_auc": a.comparator_auc, "difference": round(a.auc - a.comparator_auc, 12)}
    largest = 0.0
    for target in a.powers:
        for method in AUC_METHODS:
            # the variance under the null hypothesis is that of the standard, which is the comparator
            size = power.auc_paired_n(a.comparator_auc, a.auc, a.correlation, a.ratio, target, a.alpha, method)
            largest = max(largest, size.n_positive)
            yield _row(
                a, "answer", method, size.n, size.value, target=target, correlation=a.correlation, **areas, **_of_classes(size)
            )  # fmt: skip
    for method in AUC_METHODS:
        for n1 in _sizes(largest):
            n0 = ceil(n1 * a.ratio)
            value = power.auc_paired_power(n1, n0, a.comparator_auc, a.auc, a.correlation, a.alpha, method)
            yield _row(
                a, "by_size", method, n1 + n0, value, correlation=a.correlation, n_positive=n1, n_negative=n0, **areas
            )  # fmt: skip
    for target in a.powers:
        for r in np.unique(np.r_[np.arange(20) / 20, a.correlation]).tolist():
            at, extra = _attempt(power.auc_paired_n, a.comparator_auc, a.auc, r, a.ratio, target, a.alpha)
            yield _row(
                a, "by_assumption", "obuchowski", at.n, at.value, target=target, correlation=r, **areas, **_of_classes(at), **extra
            )  # fmt: skip


def _detectable(a: Assumptions) -> Iterator[Row]:
    if a.metric == "auroc":
        yield from _detectable_auc(a)
        return

    def detectable_row(part: str, n: int, psi: float, target: float, method: Literal["exact", "midp"]) -> Row:
        d = power.detectable_difference_mcnemar(n, psi, target, a.alpha, method)
        extra = {"status": "not_estimable", "warning": NOT_SHOWN} if isnan(d) else {}
        return _row(a, part, method, n, d, target=target, discordance=psi, **extra)

    for target in a.powers:
        for psi in a.discordances:
            for method in TESTS:
                yield detectable_row("answer", a.n, psi, target, method)
    for target in a.powers:
        for psi in a.discordances:
            for n in _sizes(2 * a.n, 25):
                yield detectable_row("by_size", n, psi, target, "exact")
    for target in a.powers:
        for psi in np.unique(np.r_[np.arange(1, 51) / 50, a.discordances]).tolist():
            yield detectable_row("by_assumption", a.n, psi, target, "exact")


def _detectable_auc(a: Assumptions) -> Iterator[Row]:
    def detectable_row(
        part: str, n: int, r: float, target: float, method: Literal["obuchowski", "hanley_mcneil"]
    ) -> Row:
        n1 = min(max(round(n / (1 + a.ratio)), 1), n - 1)
        d = power.auc_detectable_difference(n1, n - n1, a.comparator_auc, r, target, a.alpha, method)
        extra = {"status": "not_estimable", "warning": NOT_SHOWN} if isnan(d) else {}
        return _row(
            a, part, method, n, d, target=target, correlation=r, comparator_auc=a.comparator_auc, n_positive=n1, n_negative=n - n1, **extra
        )  # fmt: skip

    for target in a.powers:
        for method in AUC_METHODS:
            yield detectable_row("answer", a.n, a.correlation, target, method)
    for target in a.powers:
        for n in _sizes(2 * a.n, 25):
            yield detectable_row("by_size", n, a.correlation, target, "obuchowski")
        for r in np.unique(np.r_[np.arange(20) / 20, a.correlation]).tolist():
            yield detectable_row("by_assumption", a.n, r, target, "obuchowski")


_ROWS: dict[str, Callable[[Assumptions], Iterator[Row]]] = {
    "mcnemar": _mcnemar,
    "precision": _precision,
    "noninferiority": _noninferiority,
    "auc": _auc,
    "detectable": _detectable,
}


def answers(table: pd.DataFrame, method: str | Sequence[str] = ()) -> pd.DataFrame:
    """The answer's rows, of one or several methods where asked."""
    chosen = table[table["part"] == "answer"]
    wanted = [method] if isinstance(method, str) else list(method)
    return chosen[chosen["method"].isin(wanted)] if wanted else chosen
