"""The report of an external validation in words: its question, answer, methods and caveats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import pandas as pd

from hybridcx.analysis.plan import Plan
from hybridcx.narrative.caveats import caveats
from hybridcx.narrative.comparison import comparison_methods
from hybridcx.records.predictions import Predictions
from hybridcx.report import numbers
from hybridcx.report.content import Content
from hybridcx.report.sections.external import row_of
from hybridcx.vocabulary import Metric
from hybridcx.vocabulary import metric as metric_of

NAMED = 3
FEW_CASES = 20
TOO_FEW = "Too few cases for a conclusion. "
METHODS = (
    "External validation: the networks, heads, calibration and thresholds of the finished run were applied to the new images without any fit. "
    "Inside are the run's test cases, outside the new ones. New cases that are cases of the run, by their "
    "image or their patient, were left out, also those of its test set: the two sides are independent. The interval of a "
    "difference is recovered from the two independent intervals (MOVER, Zou and Donner 2008; for proportions with Wilson's limits it is Newcombe's "
    "method 10). These differences are exploratory and not adjusted for their number.",
    "Predictive values, accuracy, net benefit, Brier score and log loss also change where the prevalence differs; sensitivity, specificity and AUROC "
    "where the spectrum of cases does. The case mix compares both sides: standardised differences (Austin 2009) of the manifest's further columns, "
    "and mean and spread of the log odds that each model gives (Debray and others 2015: a smaller spread outside means a more homogeneous set of "
    "cases, in which any model discriminates less).",
)
RECALIBRATED = (
    "Recalibration: intercept alone, or intercept and slope, fitted by maximum likelihood on {fitted} of the new cases ({part}) and measured "
    "on the other {n}, on which nothing was fitted. Percentile bootstrap over the patients of both parts, the update fitted again in each "
    "resample. It does not change the ranking, and so not the AUROC. The other tables are those of the scores as they are."
)


def external_content(
    run: str,
    networks: Sequence[str],
    inside: Predictions,
    outside: Predictions,
    plan: Plan,
    tables: Mapping[str, pd.DataFrame],
    notes: Sequence[str],
    provenance: Mapping[str, str],
) -> Content:
    """What the report of an external validation shows. `networks`: of the run; `notes`: what was said while the cases were predicted."""
    models = list(outside.models)
    planned = [m for pair in plan.pairs or () for m in pair]
    primary = [m for m in dict.fromkeys((*networks, *planned)) if m in models] or models
    methods = [*METHODS]
    recalibration = tables["recalibration"]
    fitted = recalibration[recalibration["estimate"].notna()]
    if len(fitted):
        first = fitted.iloc[0]
        methods.append(RECALIBRATED.format(fitted=int(first["n.fitted"]), n=int(first["n"]), part=first["part"]))
    return Content(
        title=f"External validation of {run}",
        command="validate",
        question=f"How do the models of the run discriminate and how are they calibrated on {outside.n_cases} new cases?",
        tables=tables,
        answers=answers(tables["validation"], primary, inside.n_cases, outside.n_cases),
        caveats=[
            *notes,
            *_caveats(tables, inside),
            *caveats(outside, dict(tables), metric=plan.primary_metric),
        ],
        methods=[*methods, *comparison_methods(outside, plan, dict(tables))],
        study_methods=methods,
        primary_models=primary[:12],
        primary_metric=plan.primary_metric,
        provenance={**provenance, "analysis plan with its pairs and seed": f"SHA-256 {plan.sha256()}"},
    )


def answers(validation: pd.DataFrame, primary: Sequence[str], n_inside: int, n_outside: int) -> list[str]:
    """The sentence of the first screen, and one for each model."""
    metric = "auroc" if "auroc" in set(validation["metric"]) else "accuracy"
    kind = metric_of(metric)
    rows = {m: row for m in primary if (row := row_of(validation, m, metric)) is not None}
    if not rows:
        return [f"No metric can be estimated on the {n_outside} new cases."]
    sentences = []
    for model, row in rows.items():
        outside, inside = (
            numbers.value(kind, float(row[c])) + ("%" if kind.unit == "percent" else "") for c in ("outside", "inside")
        )
        sentences.append(
            f"{model}: {kind.label} {outside} outside (n = {n_outside}) against {inside} inside (n = {n_inside}), "
            f"difference {_difference(kind, row)}."
        )
    if len(rows) == 1:
        return [(TOO_FEW if min(n_outside, n_inside) < FEW_CASES else "") + sentences[0]]
    listed = "; ".join(f"{model} {_difference(kind, row)}" for model, row in list(rows.items())[:NAMED])
    rest = f"; {len(rows) - NAMED} more below" if len(rows) > NAMED else ""
    few = min(n_outside, n_inside) < FEW_CASES
    lead = f"{TOO_FEW if few else ''}{kind.label} on {n_outside} new cases minus that on the run's {n_inside} test cases: {listed}{rest}."
    return [lead, *sentences]


def _difference(kind: Metric, row: Mapping[str, Any]) -> str:
    """A difference with its interval."""
    estimate, low, high = (float(row[c]) for c in ("estimate", "conf.low", "conf.high"))
    text = numbers.difference(kind, estimate)
    if isfinite(low) and isfinite(high):
        limits = (numbers.difference(kind, low), numbers.difference(kind, high))
        text += f" ({numbers.confidence_interval(float(row['conf.level']), *limits)})"
    return text


def _caveats(tables: Mapping[str, pd.DataFrame], inside: Predictions) -> list[str]:
    """What limits a comparison of inside and outside."""
    texts = []
    mix = tables["case_mix"]
    for row in mix[mix["variable"] == "prevalence"].to_dict("records"):
        shares = float(row["inside"]), float(row["outside"])
        if abs(shares[0] - shares[1]) >= 0.05:
            texts.append(
                f"Prevalence {shares[0]:.0%} inside, {shares[1]:.0%} outside: accuracy, predictive values and net benefit are not comparable "
                "between the two."
            )
    if len(inside.seeds) > 1:
        texts.append("Values are means over the trainings.")
    recalibration = tables["recalibration"]
    if len(recalibration) and recalibration["estimate"].isna().all():
        texts.append(f"No recalibration: {recalibration['warning'].iloc[0]}.")
    return texts
