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
from hybridcx.stats.roc_band import roc_band
from hybridcx.stats.smoothing import lowess
from hybridcx.streams import rng_for
from hybridcx.vocabulary.comparison import MAX_ROC_POINTS

MAX_BAND_CASES = 20_000
"""Of more cases the ROC curve has no band: it would be thinner than the line."""
BAND_RESAMPLES = 500
SMOOTH_POINTS = 60
MIN_DISTINCT = 10
"""Of fewer distinct scores there is no smooth calibration curve."""
HISTOGRAM_BINS = 20
DECISION_THRESHOLDS = np.arange(1, 100) / 100


def tables_of(part: Slice, data: Matrices, labels: tuple[str, str], plan: Plan) -> dict[str, pd.DataFrame]:
    """The tables of one slice other than metrics and comparisons; a table without content is empty."""
    has_score, has_probability = part.y_score is not None, part.y_score is not None and part.probabilities
    return {
        "omnibus": pd.DataFrame(omnibus_rows(part)),
        "confusion": pd.DataFrame(confusion_rows(part, labels[1])),
        "disagreements": disagreements(data, labels),
        "calibration": pd.DataFrame(calibration_rows(part, plan)) if has_probability else pd.DataFrame(),
        "calibration_curve": calibration_curve_table(part, plan) if has_probability else pd.DataFrame(),
        "roc": roc_table(part, plan) if has_score else pd.DataFrame(),
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
                **_doubt(part),
            }
            for b in calibration.reliability_curve(part.y_true, part.score(j), plan.confidence_level)
        ]  # fmt: skip
    return rows


def _doubt(part: Slice) -> dict[str, object]:
    """Status and warning of Wilson's limits of a bin."""
    words = "Wilson limits assume independent cases, but patients have several" if part.clustered else None
    return {"status": "caution" if words else "ok", "warning": words}


def calibration_curve_table(part: Slice, plan: Plan) -> pd.DataFrame:
    """Rows of calibration_curve.csv: bins of equal count, a smooth of the truth on the score, and a histogram of the scores."""
    rows: list[Row] = []
    places = (np.arange(HISTOGRAM_BINS) + 0.5) / HISTOGRAM_BINS
    for j, model in enumerate(part.models):
        score = part.score(j)
        own: dict[str, object] = {"model": model, "seed": part.keys.seed, "status": "ok"}
        rows += [
            {
                **own, "part": "bin", "score": b.score_mean, "fraction": b.fraction, "conf.low": b.conf_low, "conf.high": b.conf_high, "n": b.n,
                **_doubt(part),
            }
            for b in calibration.reliability_curve(part.y_true, score, plan.confidence_level, equal_count=True)
        ]  # fmt: skip
        distinct = np.unique(score)
        if distinct.size >= MIN_DISTINCT:
            at = distinct[np.unique(np.linspace(0, distinct.size - 1, SMOOTH_POINTS).round().astype(int))]
            smooth = lowess(score, part.y_true, at).clip(0.0, 1.0)
            rows += [{**own, "part": "smooth", "score": x, "fraction": f} for x, f in zip(at, smooth, strict=True)]
        bin_of = np.minimum((score * HISTOGRAM_BINS).astype(int), HISTOGRAM_BINS - 1)
        n, positive = (np.bincount(bin_of[w], minlength=HISTOGRAM_BINS) for w in (slice(None), part.y_true))
        rows += [
            {**own, "part": "histogram", "score": places[b], "n": n[b], "n.positive": positive[b]}
            for b in np.flatnonzero(n)
        ]
    columns = [
        "model",
        "part",
        "score",
        "fraction",
        "conf.low",
        "conf.high",
        "n",
        "n.positive",
        "status",
        "warning",
        "seed",
    ]
    return pd.DataFrame(rows, columns=columns)


def roc_table(part: Slice, plan: Plan) -> pd.DataFrame:
    """Rows of roc.csv; thinned above 2,000 points a model, estimates come from all. Each fold has a curve of its own."""
    parts = []
    for fold in [None] if part.folds is None else np.unique(part.folds).tolist():
        inside = slice(None) if fold is None else part.folds == fold
        for j, model in enumerate(part.models):
            points = roc.thin_roc(roc.roc_points(part.y_true[inside], part.score(j)[inside]), MAX_ROC_POINTS)
            threshold, sensitivity, specificity = points
            low = high = np.full(threshold.size, np.nan)
            if part.n <= MAX_BAND_CASES:
                low, high = roc_band(
                    part.y_true[inside],
                    part.score(j)[inside],
                    specificity,
                    rng_for(plan.seed, "roc band", str(model), str(fold)),
                    n_resamples=min(plan.n_resamples, BAND_RESAMPLES),
                    confidence_level=plan.confidence_level,
                    groups=part.groups[inside] if part.clustered and part.groups is not None else None,
                )
                certain = low == high  # limits of zero width are no evidence
                low, high = (np.where(certain, np.nan, limit) for limit in (low, high))
            curve = pd.DataFrame(
                {
                    "model": model, "threshold": threshold, "sensitivity": sensitivity, "specificity": specificity,
                    "conf.low": low, "conf.high": high, "seed": part.keys.seed,
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
