"""ROC curves, and their points for the threshold that a reader moves."""

from __future__ import annotations

import json
from math import inf, isfinite

import numpy as np
import pandas as pd

from hybridcx import vocabulary
from hybridcx.report import numbers, shown_rows
from hybridcx.report.blocks import Block, Figure, Section
from hybridcx.report.content import Content
from hybridcx.report.figures import plots
from hybridcx.report.shown_rows import limits, number
from hybridcx.vocabulary.comparison import MAX_ROC_POINTS

STEPS = 201
"""Thresholds that a reader can choose: of probabilities 0, 0.005, ... 1."""


def section(content: Content) -> Section:
    """The figure of the curves with AUROC, operating point and band; and the counts along them, for the page's script."""
    section = Section()
    roc = content.table("roc")
    if roc.empty:
        return section
    roc, seed = shown_rows.one_seed(roc)
    roc, fold = shown_rows.one_seed(roc, "fold")
    which = "".join(f", {name} {value}" for name, value in (("seed", seed), ("fold", fold)) if value is not None)
    models = content.models_of(roc)
    names = plots.drawn_models(roc, models)
    points = {} if fold is not None else operating_points(content, seed)
    labels = legend(content, names)
    bands = len(names) <= plots.MAX_BANDS and "conf.low" in roc and bool(roc["conf.low"].notna().any())
    level = shown_rows.level(content.table("metrics")) if len(content.table("metrics")) else ""
    caption = f"Receiver operating characteristic{which}; in the legend AUROC with {level} CI".replace("  ", " ")
    caption += "; marks: the calls" if points else ""
    caption += (
        f"; bands: pointwise {level} limits of the sensitivity, percentile bootstrap".replace("  ", " ")
        if bands
        else ""
    )
    caption += "."
    caption += plots.omitted_note(roc, models)
    drawing = plots.roc(roc, models=models, labels=labels, points=points)
    section.figures(Figure("roc", drawing, caption, "roc.csv"))
    if points and seed is None and (counts := counts_by_threshold(content, roc, [n for n in names if n in points])):
        section.blocks.append(Block("curves", text=counts))
    return section


def legend(content: Content, names: list[str]) -> dict[str, str]:
    """Model -> its name with its AUROC."""
    auroc = vocabulary.metric("auroc")
    labels = {}
    for name in names:
        row = content.values.get((name, "auroc"))
        labels[name] = f"{name} {numbers.interval(auroc, *limits(row))}" if row is not None else name
    return labels


def operating_points(content: Content, seed: object) -> dict[str, tuple[float, float]]:
    """Model -> sensitivity and specificity of its calls; without calls, or without one of the classes, none."""
    confusion = content.table("confusion")
    if confusion.empty:
        return {}
    if seed is not None and "seed" in confusion:
        confusion = confusion[confusion["seed"].astype(str) == str(seed)]
    points: dict[str, tuple[float, float]] = {}
    for r in confusion.to_dict("records"):
        tp, fn, fp, tn = (number(r[c]) for c in ("tp", "fn", "fp", "tn"))
        if tp + fn > 0 and fp + tn > 0 and all(map(isfinite, (tp, fn, fp, tn))):
            points.setdefault(str(r["model"]), (tp / (tp + fn), tn / (fp + tn)))
    return points


def counts_by_threshold(content: Content, roc: pd.DataFrame, names: list[str]) -> str:
    """True and false positives of each model at `STEPS` thresholds, as JSON that is safe inside a script element.

    "" where roc.csv lacks points of a curve, or where all scores are equal. Keys: `low` and `high`, between which the
    thresholds are equally spaced; `models`: name -> m positives and n negatives, and their counts tp, fp.
    """
    confusion = content.table("confusion")
    curves = {name: roc[(roc["model"].astype(str) == name) & (roc["threshold"] < inf)] for name in names}
    if any(len(rows) + 1 >= MAX_ROC_POINTS for rows in curves.values()):
        return ""
    scores = pd.concat([rows["threshold"] for rows in curves.values()]).to_numpy(float)
    low, high = (0.0, 1.0) if scores.min() >= 0 and scores.max() <= 1 else (float(scores.min()), float(scores.max()))
    if low == high:
        return ""
    thresholds = np.array([float(f"{t:.6g}") for t in np.linspace(low, high, STEPS)])  # as the page shows them
    models = {}
    for name, rows in curves.items():
        own = confusion[confusion["model"].astype(str) == name].iloc[0]
        m, n = int(own["tp"] + own["fn"]), int(own["fp"] + own["tn"])
        falling = rows["threshold"].to_numpy(float)
        called = np.searchsorted(-falling, -thresholds, side="right")  # points of the curve at or above the threshold
        sensitivity, specificity = (
            np.r_[start, rows[c].to_numpy(float)] for c, start in (("sensitivity", 0.0), ("specificity", 1.0))
        )
        tp, fp = (m * sensitivity[called]).round().astype(int), (n * (1 - specificity[called])).round().astype(int)
        models[name] = {"m": m, "n": n, "tp": tp.tolist(), "fp": fp.tolist()}
    text = json.dumps({"low": low, "high": high, "models": models}, separators=(",", ":"))
    return text.replace("<", "\\u003c")
