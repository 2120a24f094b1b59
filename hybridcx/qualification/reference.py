"""The reference values that are shipped: copies of the tables in tests/reference, read as they were written by R."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from functools import cache
from importlib.resources import files
from math import inf, nan
from typing import Any

import numpy as np

FOLDERS = ("agreement", "further", "metric_pairs", "paired", "power", "r", "resampled", "roc", "seed_limits")
"""Folders of tests/reference whose CSVs are shipped."""
WHOLE = {
    "estimate": "estimate",
    "conf_low": "conf_low",
    "conf_high": "conf_high",
    "statistic": "statistic",
    "pvalue": "p_value",
}
"""Attributes of a result -> columns of a reference."""
R = "R 4.2.2, tests/reference/{}"
"""The source of a value that a script in R made."""


def path_of(name: str) -> Any:
    """The file `name` of the reference, such as `r/pred01.csv`."""
    return files("hybridcx.qualification").joinpath("reference", *name.split("/"))


@cache
def rows(name: str) -> tuple[dict[str, str], ...]:
    """The rows of a CSV."""
    return tuple(csv.DictReader(path_of(name).read_text(encoding="utf-8").splitlines()))


def number(text: str | None) -> float:
    """A number as R writes it; NaN for NA and an empty cell."""
    special = {None: nan, "": nan, "NA": nan, "Inf": inf, "-Inf": -inf}
    return special[text] if text in special else float(str(text))


def column(name: str) -> np.ndarray:
    """The first column of a CSV, (n,)."""
    return np.array([number(next(iter(row.values()))) for row in rows(name)])


@cache
def published() -> dict[str, Any]:
    """Printed values of textbooks and papers, each with its source."""
    return dict(json.loads(path_of("published.json").read_text(encoding="utf-8")))


@cache
def scores(name: str) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
    """Truth (n,), scores of the models a, b and c (n,), and patients (n,) of a set of roc/data.csv."""
    chosen = [r for r in rows("roc/data.csv") if r["set"] == name]
    return (
        np.array([r["y"] == "1" for r in chosen]),
        {j: np.array([float(r[j]) for r in chosen]) for j in "abc"},
        np.array([r["patient"] for r in chosen]),
    )


SETS = ("fine", "mixed", "perfect", "single", "tied")
"""The sets of roc/data.csv."""


@cache
def roc_expected() -> dict[tuple[str, str, str], dict[str, float]]:
    """(set, quantity, model) -> name -> value of roc/expected.csv."""
    found: dict[tuple[str, str, str], dict[str, float]] = defaultdict(dict)
    for r in rows("roc/expected.csv"):
        found[r["set"], r["quantity"], r["model"]][r["name"]] = number(r["value"])
    return dict(found)


@cache
def further() -> dict[str, dict[str, dict[str, float]]]:
    """topic -> case -> name -> value of further/further_expected.csv."""
    found: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for r in rows("further/further_expected.csv"):
        found[r["topic"]][r["case"]][r["name"]] = number(r["value"])
    return {topic: dict(cases) for topic, cases in found.items()}


def series(found: dict[str, float], name: str) -> list[float]:
    """The values named name1, name2 and so on."""
    return [found[f"{name}{i}"] for i in range(1, 1 + sum(k.rstrip("0123456789") == name for k in found))]


@cache
def predictions(case: str) -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Truth (n,), calls of each model (n,), scores of each model (n,) of r/predNN.csv, sorted by case."""
    truth: dict[str, bool] = {}
    calls: dict[str, dict[str, bool]] = defaultdict(dict)
    values: dict[str, dict[str, float]] = defaultdict(dict)
    for r in rows(f"r/{case}.csv"):
        truth[r["case_id"]] = r["y_true"] == "abnormal"
        calls[r["model"]][r["case_id"]] = r["y_pred"] == "abnormal"
        values[r["model"]][r["case_id"]] = float(r["score"])
    ids = sorted(truth)
    return (
        np.array([truth[i] for i in ids]),
        {m: np.array([c[i] for i in ids]) for m, c in calls.items()},
        {m: np.array([s[i] for i in ids]) for m, s in values.items()},
    )


def ratings(name: str, skip: int = 0) -> np.ndarray:
    """Ratings (cases, readers) of a CSV; missing ones are NaN. `skip`: columns before the readers."""
    return np.array([[number(v) for v in list(r.values())[skip:]] for r in rows(name)])
