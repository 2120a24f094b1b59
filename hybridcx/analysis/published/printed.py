"""A published table compared with this run: printed values, our estimates with their intervals, and whether the intervals contain them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from hybridcx.errors import InputError, Problem
from hybridcx.records.cells import squash
from hybridcx.records.strict_csv import read_csv
from hybridcx.vocabulary.run import PUBLISHED_VALUES

SPELLINGS = {"precision": "ppv", "recall": "sensitivity", "auc": "auroc"}
METRICS = (
    "accuracy",
    "sensitivity",
    "specificity",
    "ppv",
    "npv",
    "f1",
    "balanced_accuracy",
    "mcc",
    "youden_j",
    "auroc",
)


def read_printed(path: Path) -> pd.DataFrame:
    """Read a published table (CSV: model, metric, value as printed) into model, metric, printed and half.unit (half of its last decimal).

    A metric is printed in percent if one of its values is above 1, otherwise as a proportion.

    Raises
    ------
    InputError
        for a file of another form, values that are no numbers or out of range, a metric of another name, a repeated pair.
    """
    table = read_csv(path, ("model", "metric", "value"))
    frame, problems = table.frame, []
    metric = [SPELLINGS.get(m.strip().lower(), m.strip().lower()) for m in frame["metric"]]
    text = [v.strip() for v in frame["value"]]
    value = np.full(len(text), np.nan)
    for i, (m, v) in enumerate(zip(metric, text, strict=True)):
        row = int(table.rows[i])
        if m not in METRICS:
            remedy = f"known: {', '.join(METRICS)}"
            problems.append(Problem("this metric is not known", table.file, row, "metric", value=m, remedy=remedy))
        try:
            value[i] = float(v)
        except ValueError:
            problems.append(Problem("a printed value is no number", table.file, row, "value", value=v))
        else:
            if not -1 <= value[i] <= 100:  # "nan" and "inf" too
                problems.append(Problem("a printed value lies outside its range", table.file, row, "value", value=v))
    values = pd.DataFrame({"model": frame["model"].str.strip(), "metric": metric, "printed": value})
    for i in np.flatnonzero(values.duplicated(["model", "metric"])).tolist():
        what = f"{values['model'].iloc[i]}, {metric[i]}"
        problems.append(Problem("a value is printed twice", table.file, int(table.rows[i]), "metric", value=what))
    if problems:
        raise InputError(problems)
    decimals = np.array([len(v.partition(".")[2]) for v in text])
    scale = np.where(values.groupby("metric")["printed"].transform("max") > 1, 0.01, 1.0)
    return values.assign(printed=value * scale, **{"half.unit": 0.5 * scale * 10.0**-decimals})


def printed_and_found(printed: pd.DataFrame, metrics: pd.DataFrame, models: Sequence[str]) -> pd.DataFrame:
    """Set each printed value beside the recommended row of metrics.csv of the same model and metric (all cases, no subgroup).

    Parameters
    ----------
    printed : from `read_printed`
    metrics : the rows of metrics.csv
    models : this run's models; a printed model is the one that is spelt alike but for case, dashes and spaces (VGG-16 is vgg16)

    Returns
    -------
    The columns of published.csv, in the order of the published table. A model or metric that this run does not have is kept, with NA and the reason.
    """
    models_by_name = {squash(m): m for m in models}
    overall = metrics[metrics["subgroup"].isna() & metrics["prevalence"].isna() & metrics["recommended"].astype(bool)]
    if "label.rule" in overall:
        overall = overall[overall["label.rule"].isna()]
    first = overall[overall["seed"].isna()] if overall["seed"].isna().any() else overall
    rows_by_key = {(r["model"], r["metric"]): r for r in reversed(first.to_dict("records"))}
    rows = []
    for r in printed.to_dict("records"):
        model = models_by_name.get(squash(str(r["model"])))
        match = rows_by_key.get((model, r["metric"]))
        row = {"model": model, "printed.model": r["model"], "metric": r["metric"], "printed": r["printed"]}
        if match is None:
            reason = "this run has no such model" if model is None else "this metric was not computed"
            rows.append({**row, "warning": reason})
            continue
        row |= {k: match[k] for k in ("estimate", "conf.low", "conf.high", "conf.level", "method", "warning")}
        low, high, half = match["conf.low"] - r["half.unit"], match["conf.high"] + r["half.unit"], 1e-12
        limits = math.isfinite(low) and math.isfinite(high)
        row["difference"] = match["estimate"] - r["printed"]
        row["inside"] = bool(low - half <= r["printed"] <= high + half) if limits else None
        rows.append(row)
    table = pd.DataFrame(rows, columns=PUBLISHED_VALUES.header)
    return table.assign(inside=table["inside"].astype("boolean"))
