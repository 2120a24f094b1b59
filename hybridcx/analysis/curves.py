"""The tables behind the figures, and the cases: confusion, disagreements, calibration, ROC, decision curves, omnibus tests."""

from __future__ import annotations

import numpy as np
import pandas as pd

from hybridcx.analysis.folds import SHARED_TRAINING, never_pooled_omnibus
from hybridcx.analysis.plan import Plan
from hybridcx.analysis.rows import Row, omnibus_row
from hybridcx.analysis.slices import Slice
from hybridcx.records.predictions import Matrices
from hybridcx.stats import calibration, mcnemar, roc, utility

MAX_ROC_POINTS = 2000
DECISION_THRESHOLDS = np.arange(1, 100) / 100


def tables_of(part: Slice, data: Matrices, labels: tuple[str, str], plan: Plan) -> dict[str, pd.DataFrame]:
    """The tables of one slice other than metrics and comparisons; a table without content is empty."""
    has_score, has_probability = part.y_score is not None, part.y_score is not None and part.probabilities
    return {
        "omnibus": pd.DataFrame(omnibus_rows(part)),
        "confusion": pd.DataFrame(confusion_rows(part, labels[1])),
        "disagreements": disagreements(data, labels),
        "calibration": pd.DataFrame(calibration_rows(part, plan)) if has_probability else pd.DataFrame(),
        "roc": roc_table(part) if has_score else pd.DataFrame(),
        "decision_curve": decision_curve_table(part, plan) if has_probability else pd.DataFrame(),
    }


def confusion_rows(part: Slice, positive: str) -> list[Row]:
    """Rows of confusion.csv."""
    return [
        {"model": m, "positive": positive, "tp": c.tp, "fn": c.fn, "fp": c.fp, "tn": c.tn, "seed": part.keys.seed}
        for m, c in zip(part.models, part.confusions, strict=False)
    ]


def disagreements(data: Matrices, labels: tuple[str, str]) -> pd.DataFrame:
    """The cases on which the models differ or all err, with every model's call."""
    if data.y_pred is None:
        return pd.DataFrame()
    wrong = data.y_pred != data.y_true
    n_wrong = wrong.sum(axis=0)
    listed = n_wrong > 0  # with two labels, models differ exactly where some but not all are wrong
    names = np.array(labels, dtype=object)
    table = pd.DataFrame(
        {
            "case_id": data.case_ids[listed],
            "y_true": names[data.y_true[listed].astype(int)],
            "n.models.wrong": n_wrong[listed],
        }
    )
    for j, model in enumerate(data.models):
        table[model] = names[data.y_pred[j, listed].astype(int)]
    return table


def calibration_rows(part: Slice, plan: Plan) -> list[Row]:
    """Rows of calibration.csv: the occupied bins of the positive class's score."""
    rows: list[Row] = []
    for j, model in enumerate(part.models):
        rows += [
            {
                "model": model, "bin": b.bin, "score.mean": b.score_mean, "fraction": b.fraction,
                "conf.low": b.conf_low, "conf.high": b.conf_high, "n": b.n, "seed": part.keys.seed,
                "status": "caution" if part.clustered else "ok",
                "warning": "Wilson limits assume independent cases, but patients have several" if part.clustered else None,
            }
            for b in calibration.reliability_curve(part.y_true, part.score(j), plan.confidence_level)
        ]  # fmt: skip
    return rows


def roc_table(part: Slice) -> pd.DataFrame:
    """Rows of roc.csv; thinned above 2,000 points a model, estimates come from all. Each fold has a curve of its own."""
    parts = []
    for fold in [None] if part.folds is None else np.unique(part.folds).tolist():
        inside = slice(None) if fold is None else part.folds == fold
        for j, model in enumerate(part.models):
            points = roc.thin_roc(roc.roc_points(part.y_true[inside], part.score(j)[inside]), MAX_ROC_POINTS)
            threshold, sensitivity, specificity = points
            curve = pd.DataFrame(
                {
                    "model": model, "threshold": threshold, "sensitivity": sensitivity,
                    "specificity": specificity, "seed": part.keys.seed,
                }
            )  # fmt: skip
            parts.append(curve if fold is None else curve.assign(fold=fold))
    return pd.concat(parts, ignore_index=True)


def decision_curve_table(part: Slice, plan: Plan) -> pd.DataFrame:
    """Rows of decision_curve.csv: net benefit with Wald limits of a mean over cases, and the two strategies without a model."""
    if part.y_score is None:
        return pd.DataFrame()
    curves = utility.decision_curves(
        part.y_true, part.y_score, DECISION_THRESHOLDS, plan.confidence_level, groups=part.groups
    )
    names = [*part.models, "treat_all", "treat_none"]
    parts = [
        pd.DataFrame(
            {
                "model": name, "threshold": DECISION_THRESHOLDS, "net_benefit": curves.net_benefit[j],
                "conf.low": curves.conf_low[j], "conf.high": curves.conf_high[j], "seed": part.keys.seed,
            }
        )
        for j, name in enumerate(names)
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def omnibus_rows(part: Slice) -> list[Row]:
    """Rows of omnibus.csv: all models at once."""
    rows = []
    if len(part.models) > 1 and part.y_pred is not None:
        rows.append(omnibus_row("accuracy", mcnemar.cochran_q((part.y_pred == part.y_true).T)))
    if len(part.models) > 1 and part.y_score is not None:
        row = omnibus_row("auroc", roc.delong_chisq(part.y_true, part.y_score))
        rows.append(row if part.folds is None else row | never_pooled_omnibus())
    doubts = [
        *([SHARED_TRAINING] if part.folds is not None else []),
        *(["assumes independent cases, but patients have several"] if part.clustered else []),
    ]
    for row in rows if doubts else []:
        if row["status"] != "not_estimable":
            row |= {"status": "caution", "warning": "; ".join(w for w in (row["warning"], *doubts) if w)}
    return rows
