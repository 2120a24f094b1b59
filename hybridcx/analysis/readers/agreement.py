"""Ratings -> agreement.csv: which coefficients are computed for which readings. No formula lives here.

Between observers: at each occasion all readers together, and every pair of them for the coefficients of two readings.
Within observers: for each reader separately, the occasions play the part of the readers. Readings are never averaged over
readers or occasions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, islice
from math import nan
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd

from hybridcx.errors import InputError, Problem
from hybridcx.stats import agreement as coefficients
from hybridcx.stats.agreement.tables import Weights
from hybridcx.stats.results import Agreement
from hybridcx.streams import rng_for
from hybridcx.vocabulary.readers import AGREEMENT

UNNUMBERED_NOTE = "a reading without an occasion counts as occasion 1"


class ReadingColumn(Protocol):
    """One column of ratings: who read, and when (`occasion` None if the column has no number)."""

    @property
    def column(self) -> str: ...
    @property
    def reader(self) -> str: ...
    @property
    def occasion(self) -> int | None: ...


class Ratings(Protocol):
    """Ratings as `hybridcx.records` reads them: `frame` indexed by case_id, None or NaN where a reading is missing.

    `scale` is "measurement" (numbers), "nominal" or "ordinal" (categories). `maybe_codes`: measurements that could be codes of ordered categories.
    """

    @property
    def frame(self) -> pd.DataFrame: ...
    @property
    def columns(self) -> Sequence[ReadingColumn]: ...
    @property
    def scale(self) -> str: ...
    @property
    def maybe_codes(self) -> bool: ...


class _Keys(NamedTuple):
    """What rows of agreement.csv are about, and the warning of all of them."""

    scope: str
    readers: str
    occasion: str | None
    note: str


@dataclass(frozen=True)
class _Readings:
    """The k columns that are compared: (n, k) values, and the keys of their rows."""

    values: np.ndarray[Any, Any]
    labels: tuple[str, ...]
    keys: _Keys

    def pairs(self) -> Iterator[tuple[int, int, _Keys]]:
        """Every two of the readings, the earlier column first: their columns and keys."""
        for i, j in combinations(range(len(self.labels)), 2):
            label = f"{self.labels[i]}, {self.labels[j]}"
            yield i, j, self.keys._replace(**{"readers" if self.keys.scope == "between" else "occasion": label})


@dataclass(frozen=True)
class _Settings:
    scale: str
    categories: tuple[Any, ...]
    maybe_codes: bool
    positive: str | None
    confidence_level: float
    n_resamples: int
    seed: int
    subset: str


def agreement_table(
    ratings: Ratings,
    *,
    positive: str | None = None,
    confidence_level: float = 0.95,
    n_resamples: int = 2000,
    seed: int = 0,
    subset: str = "all",
    note: str = "",
) -> pd.DataFrame:
    """Return agreement.csv as a table: one row per metric, method, scope, readers and occasion, in a fixed order.

    Measurements get the six ICCs, SEM and MDC95, Krippendorff's alpha (interval) and each pair's limits of agreement.
    Categories get percent agreement, Fleiss' kappa, AC1, alpha and each pair's kappa; ordered ones also the weighted
    kappas, AC2 and the ordinal and interval alphas. Measurements that could be codes get the rows of both.
    Two-valued calls get the ICCs too, coded 1 for `positive`, as `caution`. A pair's kappa takes the
    categories of its two readings, AC1, AC2 and alpha those of all columns together, so that they mean the same in every row.

    Args:
        ratings: what `hybridcx.records` read.
        positive: the positive call; without it, or with more than two calls, there are no ICCs of categories.
        confidence_level: of all limits.
        n_resamples: bootstrap resamples of alpha.
        seed: of the bootstrap; each row has its own stream, so that another reader changes no other row.
        subset: which cases these are, for the column of that name.
        note: a warning for every number (for example that agreement was the rule of inclusion); makes the rows
            `caution`.

    Returns:
        The columns of agreement.csv; NaN for numbers and None for text that do not exist. No rows where no two readings can be
        compared.

    Raises:
        InputError: an unknown scale, a reader with two columns for one occasion, `positive` is none of the calls, or
            ordered categories that are no numbers.
    """
    settings = _Settings(
        ratings.scale, _categories(ratings), ratings.maybe_codes, positive, confidence_level, n_resamples, seed, subset
    )
    _check_positive(settings)
    rows = [
        _row(keys, result, subset, note) for joint in _groups(ratings) for keys, result in _results(joint, settings)
    ]
    table = pd.DataFrame(rows, columns=AGREEMENT.header)
    columns = AGREEMENT.columns | AGREEMENT.further
    return table.astype({c: "object" if columns[c].kind == "text" else "float64" for c in AGREEMENT.header})


def _row(keys: _Keys, r: Agreement, subset: str, note: str) -> tuple[object, ...]:
    """The cells of a row in the order of the header; a tuple, because many readers make rows by the hundred thousand."""
    warning = "; ".join(w for w in (r.warning, keys.note, note) if w)
    status = "caution" if note and r.status == "ok" else r.status
    return (
        r.metric, r.method, r.estimate, r.conf_low, r.conf_high, r.conf_level, r.statistic, r.parameter1, r.parameter2, r.pvalue, r.n, r.k,
        status, warning or None, keys.scope, keys.readers, keys.occasion, subset, r.std_error,
    )  # fmt: skip


def _cell(value: Any, scale: str) -> Any:
    """A reading as the statistics take it: a number for measurements, the category otherwise, None or NaN where
    missing."""
    missing = value is None or value is pd.NA or (isinstance(value, (float, np.floating)) and np.isnan(value))
    if scale == "measurement":
        return nan if missing else value
    return None if missing else value


def _column(ratings: Ratings, column: str) -> np.ndarray[Any, Any]:
    # By case id, so that a file with its rows in another order gives the same table to the last bit.
    series = ratings.frame[column].sort_index(kind="stable")
    return np.array([_cell(v, ratings.scale) for v in series.tolist()], dtype=object)


def _categories(ratings: Ratings) -> tuple[Any, ...]:
    """The calls of all readers and occasions, in order; ordered ones must be numbers, because text has no known order."""
    if ratings.scale not in ("measurement", "nominal", "ordinal"):
        raise InputError(
            Problem(
                "unknown scale", value=ratings.scale, column="scale", remedy="choose measurement, nominal or ordinal"
            )
        )
    if ratings.scale == "measurement":
        if not ratings.maybe_codes:
            return ()
        values = ratings.frame[[c.column for c in ratings.columns]].to_numpy(np.float64)
        return tuple(np.unique(values[~np.isnan(values)]).tolist())
    cells = [(c.column, v) for c in ratings.columns for v in _column(ratings, c.column) if v is not None]
    if ratings.scale == "ordinal":
        text = dict.fromkeys((column, v) for column, v in cells if not coefficients.is_number(v))
        if text:
            raise InputError(
                Problem(
                    "an ordinal scale needs categories that are numbers",
                    column=column,
                    value=v,
                    remedy="number the categories in their order, or use --scale nominal",
                )
                for column, v in text
            )
    return coefficients.sorted_categories([v for _, v in cells])


def _check_positive(s: _Settings) -> None:
    # A single call may be the negative one; of two or more, one must be the positive one.
    if s.scale != "measurement" and s.positive is not None and len(s.categories) > 1 and s.positive not in s.categories:
        raise InputError(
            Problem(
                "the positive label is none of the calls",
                value=s.positive,
                remedy=f"the calls are {list(s.categories)}",
            )
        )


def _groups(ratings: Ratings) -> list[_Readings]:
    """The sets of readings to compare: between observers by occasion, then within each observer."""
    readers = list(dict.fromkeys(c.reader for c in ratings.columns))
    numbered = any(c.occasion is not None for c in ratings.columns)
    columns: dict[tuple[str, int], ReadingColumn] = {}
    for c in ratings.columns:
        key = (c.reader, 1 if c.occasion is None else c.occasion)
        if key in columns:
            raise InputError(
                Problem(
                    f"two columns for reader {c.reader!r} and occasion {key[1]}",
                    column=c.column,
                    remedy=f"rename it or {columns[key].column!r}",
                )
            )
        columns[key] = c
    occasions = sorted({o for _, o in columns})
    groups = []
    for o in occasions:
        present = [r for r in readers if (r, o) in columns]
        label = str(o) if len(occasions) > 1 else None
        groups.append(
            _group(ratings, [columns[r, o] for r in present], present, "between", ", ".join(present), label, numbered)
        )
    for r in readers:
        read = [o for o in occasions if (r, o) in columns]
        labels = [str(o) for o in read]
        groups.append(_group(ratings, [columns[r, o] for o in read], labels, "within", r, ", ".join(labels), numbered))
    return [g for g in groups if len(g.labels) > 1]


def _group(
    ratings: Ratings,
    columns: Sequence[ReadingColumn],
    labels: Sequence[str],
    scope: str,
    readers: str,
    occasion: str | None,
    numbered: bool,
) -> _Readings:
    values = np.column_stack([_column(ratings, c.column) for c in columns])
    assumed = numbered and any(c.occasion is None for c in columns)
    return _Readings(values, tuple(labels), _Keys(scope, readers, occasion, UNNUMBERED_NOTE if assumed else ""))


def _results(joint: _Readings, s: _Settings) -> Iterator[tuple[_Keys, Agreement]]:
    """The results of one set of readings in the order of the table, each with the keys of its row."""
    if s.scale != "measurement":
        yield from _calls(joint, s)
        return
    yield from _measurements(joint, replace(s, categories=()))
    if s.maybe_codes:
        yield from _calls(joint, replace(s, scale="ordinal", positive=None))


def _measurements(joint: _Readings, s: _Settings) -> Iterator[tuple[_Keys, Agreement]]:
    x, level = joint.values, s.confidence_level
    for result in coefficients.icc(x, level):
        yield joint.keys, result
    for error in (coefficients.sem, coefficients.mdc95):
        yield joint.keys, error(x, "anova", level)
        yield joint.keys, error(x, "consistency", level)
    for i, j, keys in joint.pairs():
        for result in coefficients.bland_altman(x[:, i], x[:, j], level):
            yield keys, result
    yield joint.keys, _alpha(joint, "interval", s)


def _calls(joint: _Readings, s: _Settings) -> Iterator[tuple[_Keys, Agreement]]:
    x, level, categories = joint.values, s.confidence_level, s.categories
    ordered = s.scale == "ordinal"
    yield joint.keys, coefficients.percent_agreement(x, level)
    weights: tuple[Weights, ...] = ("unweighted", "linear", "quadratic") if ordered else ("unweighted",)
    # Positions are those among the categories of the two readings: what a third reader used has no weight there.
    kappas = coefficients.cohen_kappas(x, weights, level)
    pairs = [keys for _, _, keys in joint.pairs()]
    for _ in weights:
        yield from zip(pairs, islice(kappas, len(pairs)), strict=True)
    yield joint.keys, coefficients.fleiss_kappa(x, categories, level)
    yield joint.keys, coefficients.gwet_ac1(x, categories, level)
    if ordered:
        yield joint.keys, coefficients.gwet_ac2(x, "linear", categories, level)
        yield joint.keys, coefficients.gwet_ac2(x, "quadratic", categories, level)
    # Of codes that may be measurements the interval alpha is among the rows of measurements.
    kinds = ("nominal", "ordinal", *(() if s.maybe_codes else ("interval",))) if ordered else ("nominal",)
    for kind in kinds:
        yield joint.keys, _alpha(joint, kind, s)
    if s.positive is not None and len(categories) <= 2:
        coded = np.array([[nan if v is None else float(v == s.positive) for v in row] for row in x], dtype=np.float64)
        for result in coefficients.icc(coded, level):
            yield joint.keys, result


def _alpha(joint: _Readings, kind: Any, s: _Settings) -> Agreement:
    scope, readers, occasion, _ = joint.keys
    rng = rng_for(s.seed, "agreement", "krippendorff_alpha", kind, scope, readers, occasion or "", s.subset)
    x = joint.values if s.categories else joint.values.astype(np.float64)
    return coefficients.krippendorff_alpha(x, kind, s.categories or None, s.confidence_level, s.n_resamples, rng)
