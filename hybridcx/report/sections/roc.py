"""ROC curves, and their points for the threshold that a reader moves."""

from __future__ import annotations

import json
from math import isfinite

import pandas as pd

from hybridcx import vocabulary
from hybridcx.report import numbers, shown_rows
from hybridcx.report.blocks import Block, Figure, Section
from hybridcx.report.content import Content
from hybridcx.report.figures import plots
from hybridcx.report.shown_rows import limits, number

MAX_POINTS = 400
"""Of more points of a curve the page has a selection: the file has all."""


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
    bands = len(names) <= plots.MAX_BANDS and roc["conf.low"].notna().any() if "conf.low" in roc else False
    level = shown_rows.level(content.table("metrics")) if len(content.table("metrics")) else ""
    caption = f"Receiver operating characteristic{which}; in the legend AUROC with {level} CI".rstrip()
    caption += "; marks: the calls" if points else ""
    caption += "; bands: pointwise limits of the sensitivity, by resampling." if bands else "."
    caption += plots.omitted_note(roc, models)
    drawing = plots.roc(roc, models=models, labels=labels, points=points)
    section.figures(Figure("roc", drawing, caption, "roc.csv"))
    if points and seed is None:
        section.blocks.append(Block("curves", text=curve_counts(content, roc, list(points))))
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


def curve_counts(content: Content, roc: pd.DataFrame, names: list[str]) -> str:
    """The points of the curves as JSON, safe inside a script element: model -> threshold, true positives, false positives; and the classes' sizes."""
    confusion = content.table("confusion")
    curves = {}
    for name in plots.drawn_models(roc, names):
        own = confusion[confusion["model"].astype(str) == name].iloc[0]
        m, n = int(own["tp"] + own["fn"]), int(own["fp"] + own["tn"])
        rows = roc[(roc["model"].astype(str) == name) & roc["threshold"].apply(lambda t: isfinite(number(t)))]
        rows = rows.iloc[:: max(1, -(-len(rows) // MAX_POINTS))]
        curves[name] = {
            "m": m,
            "n": n,
            "t": [round(float(t), 6) for t in rows["threshold"]],
            "tp": [round(m * float(x)) for x in rows["sensitivity"]],
            "fp": [round(n * (1 - float(x))) for x in rows["specificity"]],
        }
    return json.dumps(curves, separators=(",", ":")).replace("<", "\\u003c")
