"""Whether a published table is arithmetically possible: which readings of it have solutions, and which reading explains the whole table. No formula
lives here."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from hybridcx.records.published import PublishedTable
from hybridcx.stats.published.matrices import (
    READINGS,
    Miss,
    Solutions,
    Target,
    compatible,
    compatible_with_n,
    nearest_miss,
    target,
)

OTHER_TOTALS = "other_totals"
OTHER_TOTALS_EACH = "other_totals_per_model"
ALL_READINGS = (*READINGS, OTHER_TOTALS, OTHER_TOTALS_EACH)
MEANING: Mapping[str, str] = {
    "as_printed": "as printed, with the class totals given",
    "rows_columns_swapped": "rows and columns of the confusion matrix swapped",
    "classes_swapped": "the negative class taken as the positive one",
    "both_swapped": "rows and columns swapped, and the negative class taken as the positive one",
    OTHER_TOTALS: "as printed, with other class totals of the same number of cases, the same for all models",
    OTHER_TOTALS_EACH: "as printed, with class totals of the same number of cases that differ from model to model",
}
"""Reading -> its assumption."""

_OTHER_CLASS = {
    "f1": "F1 of the negative class",
    "lr_positive": "specificity / (1 - sensitivity)",
    "lr_negative": "(1 - specificity) / sensitivity",
    "negative_f1": "f1",
}
_OF_COLUMNS = {
    "balanced_accuracy": "the mean of PPV and NPV",
    "youden_j": "PPV + NPV - 1",
    "lr_positive": "PPV / (1 - NPV)",
    "lr_negative": "(1 - PPV) / NPV",
    "macro_ppv": "balanced_accuracy",
    "weighted_ppv": "the mean of sensitivity and specificity weighted by the calls",
    "weighted_f1": "the mean of both classes' F1 weighted by the calls",
}
PRINTED_IS: Mapping[str, Mapping[str, str]] = {
    "rows_columns_swapped": {"sensitivity": "ppv", "specificity": "npv", "ppv": "sensitivity", "npv": "specificity", **_OF_COLUMNS},
    "classes_swapped": {"sensitivity": "specificity", "specificity": "sensitivity", "ppv": "npv", "npv": "ppv", **_OTHER_CLASS},
    "both_swapped": {
        "sensitivity": "npv", "specificity": "ppv", "ppv": "specificity", "npv": "sensitivity", **_OF_COLUMNS, "f1": _OTHER_CLASS["f1"],
        "negative_f1": "f1",
        "lr_positive": "NPV / (1 - PPV)", "lr_negative": "(1 - NPV) / PPV",
    },
}  # fmt: skip
"""Reading -> printed metric -> the metric or formula that it is under this reading; a metric without an entry is unchanged."""


@dataclass(frozen=True, slots=True)
class Audit:
    """The result of an audit.

    `targets`: model -> the printed values as intervals, in the order of the table's values. `solutions`: reading -> model -> confusion matrices; None
    where other totals could not be searched. `units`: of the printed values, as decided. `common`: the single other numbers of positives that explain
    every model. `explains`: the readings that explain the table, best first; only "as printed" where that reading explains it. `misses`: model ->
    nearest miss as printed, for models without a solution. `cut_fits`: every model would fit as printed if digits had been cut off instead of
    rounded.
    """

    printed: PublishedTable
    units: Mapping[str, str]
    targets: Mapping[str, tuple[Target, ...]]
    solutions: Mapping[str, Mapping[str, Solutions | None]]
    explains: tuple[str, ...]
    common: tuple[int, ...] = ()
    misses: Mapping[str, Miss] = field(default_factory=dict)
    cut_fits: bool = False

    @property
    def can_be_true(self) -> bool:
        """Whether every model has a confusion matrix that gives the values as printed."""
        return self.fits("as_printed") is True

    def fits(self, reading: str) -> bool | None:
        """Whether a reading explains every model; None where it was not searched."""
        if reading == OTHER_TOTALS:
            return None if self._unsearched(reading) else bool(self.common)
        if self._unsearched(reading):
            return None
        return all(self.count(reading, m) > 0 for m in self.printed.models)

    def _unsearched(self, reading: str) -> bool:
        solutions = self.solutions.get(reading)
        return solutions is None or any(s is None for s in solutions.values())

    def count(self, reading: str, model: str) -> int:
        """The number of solutions of a model; 0 also where they were not searched."""
        solutions = self.solutions.get(reading, {}).get(model)
        return solutions.count if solutions is not None else 0


def audit(printed: PublishedTable) -> Audit:
    """Try every reading. Other class totals are searched only where the table cannot be true as printed."""
    units, targets, own = _with_units(printed)
    solutions: dict[str, Mapping[str, Solutions | None]] = {"as_printed": own}
    for reading in READINGS[1:]:
        solutions[reading] = {m: compatible(t, *printed.totals[m], reading) for m, t in targets.items()}
    if all(s.count for s in own.values()):
        return Audit(printed, units, targets, solutions, ("as_printed",))
    each = {m: compatible_with_n(t, sum(printed.totals[m])) for m, t in targets.items()}
    common = _common(printed, each)
    solutions[OTHER_TOTALS] = {m: _only(s, common) for m, s in each.items()}
    solutions[OTHER_TOTALS_EACH] = each
    misses = {m: miss for m, t in targets.items() if (miss := nearest_miss(t, *printed.totals[m])) is not None}
    result = Audit(printed, units, targets, solutions, (), common, misses)
    swaps = [r for r in READINGS if result.fits(r)]
    fallback = next((r for r in (OTHER_TOTALS, OTHER_TOTALS_EACH) if result.fits(r)), None)
    explains = tuple(swaps) or ((fallback,) if fallback else ())
    cut = all(compatible(t, *printed.totals[m]).count for m, t in _targets(printed, units, cut=True).items())
    return Audit(printed, units, targets, solutions, explains, common, misses, cut)


def _with_units(
    printed: PublishedTable,
) -> tuple[Mapping[str, str], dict[str, tuple[Target, ...]], dict[str, Solutions]]:
    """Units, targets and solutions as printed, by the first choice of units under which every model has one; else by the reader's."""
    models = list(printed.models)
    for units in _unit_choices(printed):
        targets = _targets(printed, units)
        for model in models:
            if not compatible(targets[model], *printed.totals[model]).count:
                models.sort(key=lambda m: m != model)  # the next choice is tried on the hardest model first
                break
        else:
            break
    else:
        units, targets = printed.units, _targets(printed, printed.units)
    return units, targets, {m: compatible(t, *printed.totals[m]) for m, t in targets.items()}


def _unit_choices(printed: PublishedTable) -> Iterator[Mapping[str, str]]:
    """The units as the reader decided them, then every other choice for metrics of which no value is above 1."""
    names = printed.ambiguous
    for k in range(len(names) + 1):
        for turned in itertools.combinations(names, k):
            yield {**printed.units, **dict.fromkeys(turned, "percent")}


def _targets(printed: PublishedTable, units: Mapping[str, str], *, cut: bool = False) -> dict[str, tuple[Target, ...]]:
    return {
        model: tuple(
            target(
                v.metric,
                v.value,
                v.decimals,
                percent=units[v.printed_as] == "percent",
                complement=v.complement,
                cut=cut,
            )
            for v in printed.values
            if v.model == model
        )
        for model in printed.models
    }


def _common(printed: PublishedTable, each: Mapping[str, Solutions | None]) -> tuple[int, ...]:
    """The numbers of positives under which all models have solutions, where all were tested on as many cases."""
    if len({sum(t) for t in printed.totals.values()}) > 1:
        return ()
    sets = [set(s.numbers_of_positives()) if s is not None else set() for s in each.values()]
    return tuple(sorted(set.intersection(*sets)))


def _only(solutions: Solutions | None, positives: tuple[int, ...]) -> Solutions | None:
    if solutions is None:
        return None
    selected = solutions.cells[np.isin(solutions.cells[:, :2].sum(axis=1), positives)]
    return Solutions(selected, len(selected))
