"""External validation: the same models inside (the run's test cases) and outside (new cases), case mix, and recalibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isfinite, nan, sqrt
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import logit

from hybridcx.analysis.compare import analyse
from hybridcx.analysis.plan import Plan
from hybridcx.cohort.case_mix import case_mix_of
from hybridcx.cohort.splits import patients_apart
from hybridcx.records.predictions import Predictions
from hybridcx.stats.calibration import LOGIT_CLIP
from hybridcx.stats.independent import mover_difference, mover_ratio
from hybridcx.stats.recalibration import METRICS as UPDATED
from hybridcx.stats.recalibration import UPDATES, recalibration_gain
from hybridcx.streams import rng_for
from hybridcx.vocabulary import RATIOS
from hybridcx.vocabulary.external import CASE_MIX, RECALIBRATION, VALIDATION

COMPARED = (
    "auroc", "accuracy", "sensitivity", "specificity", "ppv", "npv", "balanced_accuracy", "lr_positive", "lr_negative", "auprc", "brier",
    "log_loss", "calibration_intercept", "calibration_slope", "ece", "net_benefit",
)  # fmt: skip
"""The metrics that are compared, in the order of the page."""
MIN_FIT, MIN_OF_CLASS = 20, 5
"""Fewest cases to recalibrate on, and fewest of each class."""


@dataclass(frozen=True, slots=True)
class Part:
    """The cases of the recalibration: `fit` and `held_out`, sets of case ids; `how` in words."""

    fit: frozenset[str]
    held_out: frozenset[str]
    how: str


def validation_tables(
    inside: Predictions,
    outside: Predictions,
    plan: Plan,
    case_mix: Mapping[str, Any],
    *,
    recalibrate: float,
    by: tuple[str, ...] = (),
) -> dict[str, pd.DataFrame]:
    """Every table of an external validation: those of the comparison outside, and validation, case_mix and recalibration.

    `plan`: of the run, as it was locked; `case_mix`: summaries of the further columns of the run's test cases; `recalibrate`: share of the new
    patients to recalibrate on; `by`: columns of subgroups outside.
    """
    within = analyse(inside, replace(plan, by=(), pairs=()))["metrics"]  # inside, nothing is compared again
    here = replace(plan, by=by, n_train=None)
    tables = analyse(outside, here)
    tables["validation"] = inside_and_outside(within, tables["metrics"])
    tables["case_mix"] = case_mix_table(inside, outside, case_mix)
    tables["recalibration"] = recalibration_table(outside, here, recalibrate, here.n_refits)
    return tables


def inside_and_outside(inside: pd.DataFrame, outside: pd.DataFrame) -> pd.DataFrame:
    """Each model's metrics inside and outside with the difference of two independent estimates; columns of validation.csv."""
    rows = []
    first, second = _recommended(inside), _recommended(outside)
    models = list(dict.fromkeys(m for m, _ in second))
    for model in models:
        for metric in COMPARED:
            a, b = second.get((model, metric)), first.get((model, metric))
            if a is None or b is None:
                continue
            compare = mover_ratio if metric in RATIOS else mover_difference
            limits = compare(_limits(a), _limits(b))
            rows.append(
                {
                    "model": model,
                    "metric": metric,
                    "method": "mover" if isfinite(limits.conf_low) else None,
                    "estimate": limits.estimate,
                    "conf.low": limits.conf_low,
                    "conf.high": limits.conf_high,
                    "conf.level": a["conf.level"],
                    **dict(zip(("inside", "inside.conf.low", "inside.conf.high"), _limits(b), strict=True)),
                    **dict(zip(("outside", "outside.conf.low", "outside.conf.high"), _limits(a), strict=True)),
                    "inside.method": b["method"],
                    "outside.method": a["method"],
                    "n.inside": b["n"],
                    "n.outside": a["n"],
                    **_state(a, b, limits.estimate, limits.conf_low),
                }
            )
    return pd.DataFrame(rows, columns=VALIDATION.header)


def _recommended(metrics: pd.DataFrame) -> dict[tuple[str, str], dict[str, Any]]:
    """(model, metric) -> the row of all cases and seeds by the recommended method; without one, the first row with limits, or the first."""
    apart_columns = [c for c in ("subgroup", "seed", "label.rule", "prevalence") if c in metrics]
    whole = metrics[metrics[apart_columns].isna().all(axis=1)]
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for (model, metric), rows in whole.groupby(["model", "metric"], sort=False):
        marked = rows[rows["recommended"].eq(True)]
        with_limits = rows[rows["conf.low"].notna()]
        chosen = next(part for part in (marked, with_limits, rows) if len(part))
        found[str(model), str(metric)] = {str(k): v for k, v in chosen.iloc[0].items()}
    return found


def _limits(row: Mapping[str, Any]) -> tuple[float, float, float]:
    return (float(row["estimate"]), float(row["conf.low"]), float(row["conf.high"]))


def _state(outside: Mapping[str, Any], inside: Mapping[str, Any], estimate: float, low: float) -> dict[str, Any]:
    """Status and warning: those of both rows, named."""
    warnings = [
        f"{where}: {row['warning']}"
        for where, row in (("inside", inside), ("outside", outside))
        if row["status"] != "ok" and isinstance(row["warning"], str) and row["warning"]
    ]
    unsure = [where for where, row in (("inside", inside), ("outside", outside)) if not _is_true(row["recommended"])]
    if unsure and isfinite(low):
        warnings.append(f"{' and '.join(unsure)}: no interval of this metric is shown to hold at this size")
    if not isfinite(estimate):
        return {
            "status": "not_estimable",
            "warning": "; ".join(warnings) or "a value is missing or has no finite ratio",
        }
    if not isfinite(low):
        warnings.append("no interval: one of the two estimates has none")
    return {"status": "caution" if warnings else "ok", "warning": "; ".join(warnings) or None}


def _is_true(value: object) -> bool:
    return isinstance(value, bool | np.bool_) and bool(value)


def case_mix_table(inside: Predictions, outside: Predictions, summaries: Mapping[str, Any]) -> pd.DataFrame:
    """Cases, patients, prevalence, the models' scores, and further columns, inside and outside; columns of case_mix.csv."""
    rows: list[dict[str, Any]] = []

    def add(
        variable: str,
        level: str | None,
        a: float,
        b: float,
        *,
        model: str | None = None,
        sd: float = nan,
        warning: str | None = None,
    ) -> None:
        difference = (b - a) / sd if isfinite(sd) and sd > 0 else nan
        rows.append(
            {"variable": variable, "model": model, "level": level, "inside": a, "outside": b, "standardised.difference": difference,
             "warning": warning}
        )  # fmt: skip

    sides = [_cases(p) for p in (inside, outside)]
    add("cases", None, *(float(len(s)) for s in sides))
    add("patients", None, *(float(s["patient_id"].nunique()) if s["patient_id"].notna().all() else nan for s in sides))
    shares = [float((s["y_true"] == p.positive).mean()) for s, p in zip(sides, (inside, outside), strict=True)]
    add("prevalence", outside.positive, *shares, sd=_pooled(*(sqrt(s * (1 - s)) for s in shares)))
    for model in outside.models:
        values = [_log_odds(p, model) for p in (inside, outside)]
        if any(v.size == 0 for v in values):
            continue
        means = [float(v.mean()) for v in values]
        sds = [float(v.std(ddof=1)) if v.size > 1 else nan for v in values]
        add("score, log odds", "mean", *means, model=model, sd=_pooled(*sds))
        add("score, log odds", "sd", *sds, model=model)
    further = _further(outside, sides[1])
    for column in dict.fromkeys([*summaries, *further]):
        _column(add, column, summaries.get(column), further.get(column))
    return pd.DataFrame(rows, columns=CASE_MIX.header)


def _cases(predictions: Predictions) -> pd.DataFrame:
    test = predictions.frame[predictions.frame["split"] == "test"]
    return test.drop_duplicates("case_id")


def _log_odds(predictions: Predictions, model: str) -> np.ndarray:
    """The log odds of one model's scores on its test cases, all trainings together."""
    test = predictions.frame[(predictions.frame["split"] == "test") & (predictions.frame["model"] == model)]
    score = test["score"].to_numpy(float)
    return np.asarray(logit(np.clip(score[np.isfinite(score)], LOGIT_CLIP, 1 - LOGIT_CLIP)))


def _pooled(a: float, b: float) -> float:
    return sqrt((a * a + b * b) / 2)


def _further(predictions: Predictions, cases: pd.DataFrame) -> dict[str, Any]:
    return case_mix_of(
        cases[[c for c in predictions.subgroups if not str(c).startswith("reader_") and c != "copy_in_training"]]
    )


def _column(add: Any, column: str, inside: Mapping[str, Any] | None, outside: Mapping[str, Any] | None) -> None:
    """The rows of one further column: mean and standard deviation of numbers, the shares of values."""
    known = [s for s in (inside, outside) if s is not None]
    warning = None
    if len(known) < 2:
        warning = f"the manifest {'outside' if outside is None else 'of the run'} has no such column, or too many values in it"
    if all("mean" in s for s in known):
        means = [nan if s is None else float(s["mean"]) for s in (inside, outside)]
        sds = [nan if s is None or s["sd"] is None else float(s["sd"]) for s in (inside, outside)]
        add(column, "mean", *means, sd=_pooled(*sds), warning=warning)
        add(column, "sd", *sds, warning=warning)
        return
    if any("mean" in s for s in known):
        add(column, None, nan, nan, warning="numbers on one side, a few values on the other")
        return
    for level in dict.fromkeys(k for s in known for k in s["levels"]):
        shares = [nan if s is None else s["levels"].get(level, 0) / s["n"] for s in (inside, outside)]
        sds = [sqrt(s * (1 - s)) if isfinite(s) else nan for s in shares]
        add(column, level, *shares, sd=_pooled(*sds), warning=warning)


def recalibration_part(outside: Predictions, share: float, seed: int) -> Part | str:
    """The new cases to recalibrate on: those of the manifest's split, else a share of the patients, drawn by class; a reason where it is not done."""
    given = outside.frame[outside.frame["split"] == "validation"]["case_id"]
    cases = _cases(outside)
    test = frozenset(cases["case_id"])
    if len(given):
        part = Part(frozenset(given), test, "the manifest's split: fitted on validation, measured on test")
    elif share == 0:
        return "recalibration was not asked for"
    else:
        fit = patients_apart(
            cases["case_id"],
            cases["patient_id"],
            cases["y_true"] == outside.positive,
            share,
            rng_for(seed, "recalibration"),
        )
        part = Part(fit, test - fit, f"{share:.0%} of the patients, drawn by class (seed {seed})")
    frame = outside.frame.drop_duplicates("case_id").set_index("case_id")["y_true"]
    for ids, what in ((part.fit, "recalibrate on"), (part.held_out, "measure it on")):
        positive = int((frame.loc[sorted(ids)] == outside.positive).sum())
        if len(ids) < MIN_FIT or min(positive, len(ids) - positive) < MIN_OF_CLASS:
            return f"{len(ids)} cases ({positive} positive) to {what}: at least {MIN_FIT}, and {MIN_OF_CLASS} of each class, are needed"
    return part


def recalibration_table(outside: Predictions, plan: Plan, share: float, n_resamples: int) -> pd.DataFrame:
    """What recalibration on a part of the new cases gains on the others, model by model; columns of recalibration.csv."""
    if not outside.has_score or outside.score_kind == "rank":
        return pd.DataFrame(columns=RECALIBRATION.header)
    part = recalibration_part(outside, share, plan.seed)
    if isinstance(part, str):
        if share == 0:
            return pd.DataFrame(columns=RECALIBRATION.header)
        empty = {"metric": UPDATED[0], "status": "not_estimable", "warning": part}
        return pd.DataFrame(
            [{"model": m, "update": "logistic", **empty} for m in outside.models], columns=RECALIBRATION.header
        )
    rows = []
    several = len(outside.seeds) > 1
    for model in outside.models:
        own = outside.frame[outside.frame["model"] == model]
        # with several trainings the first stands for the model: each would have to be recalibrated for itself
        own = own[own["seed"] == own["seed"].iloc[0]] if several else own
        parts = [_arrays(own[own["case_id"].isin(ids)], outside.positive) for ids in (part.fit, part.held_out)]
        for update in UPDATES:
            fitted, gains = recalibration_gain(
                parts[0],
                parts[1],
                update,
                threshold=plan.threshold,
                rng=rng_for(plan.seed, "recalibration", model, update),
                n_resamples=n_resamples,
                confidence_level=plan.confidence_level,
            )
            for gain in gains:
                sound = isfinite(gain.estimate)
                warning = (
                    None
                    if sound
                    else "the update cannot be fitted: the classes are separated, or the slope is not positive"
                )
                if sound and not isfinite(gain.conf_low):
                    warning = "no interval: more than half of the resamples failed"
                if sound and several:
                    warning = "; ".join(
                        filter(None, (f"of the training with seed {own['seed'].iloc[0]} alone", warning))
                    )
                rows.append(
                    {
                        "model": model,
                        "update": update,
                        "metric": gain.metric,
                        "before": gain.before,
                        "after": gain.after,
                        "estimate": gain.estimate,
                        "conf.low": gain.conf_low,
                        "conf.high": gain.conf_high,
                        "conf.level": plan.confidence_level,
                        "method": "bootstrap_percentile",
                        "intercept": fitted.intercept,
                        "slope": fitted.slope,
                        "part": part.how,
                        "n.fitted": len(part.fit),
                        "n": len(part.held_out),
                        "n.resamples": n_resamples,
                        "n.resamples.failed": gain.n_resamples_failed,
                        "status": "not_estimable" if not sound else "caution" if warning else "ok",
                        "warning": warning,
                    }
                )
    return pd.DataFrame(rows, columns=RECALIBRATION.header)


def _arrays(rows: pd.DataFrame, positive: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = rows.sort_values("case_id", kind="stable")
    groups = rows["patient_id"].fillna(rows["case_id"]).astype(str).to_numpy()
    return (rows["y_true"] == positive).to_numpy(), rows["score"].to_numpy(float), groups
