"""The report of a run in words: its question, methods and caveats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from hybridcx.analysis.plan import Plan
from hybridcx.cohort.consensus import ONE_READER
from hybridcx.experiment.file import Experiment
from hybridcx.narrative.caveats import caveats
from hybridcx.narrative.comparison import comparison_methods
from hybridcx.narrative.repeats import (
    division_methods,
    ensemble_methods,
)
from hybridcx.narrative.training import STUDY_PRESET, training_methods, training_settings
from hybridcx.pipeline.units import divisions_sha256, scored_disputed, split_counts
from hybridcx.report.casebook_view import CasebookView
from hybridcx.report.content import Content

if TYPE_CHECKING:
    from hybridcx.pipeline.outcome import Outcome
    from hybridcx.pipeline.plan_lock import Lock
    from hybridcx.records.predictions import Predictions


def run_content(
    experiment: Experiment,
    outcome: Outcome,
    predictions: Predictions,
    plan: Plan,
    tables: dict[str, pd.DataFrame],
    lock: Lock,
    provenance: Mapping[str, str],
    casebook: CasebookView,
) -> Content:
    """What the report of a run shows: tables, question, methods and caveats. `provenance`: versions, seed and hashes of the inputs."""
    networks = [n for n in experiment.networks.names if n in predictions.models]
    primary = list(dict.fromkeys([*networks, *outcome.chosen.values()]))
    methods, statistics = run_methods(experiment, outcome), comparison_methods(predictions, plan, tables, lock.words())
    return Content(
        title=experiment.title or f"Experiment {experiment.name}",
        command="run",
        question=_question(networks, primary, outcome, predictions.n_cases),
        tables=tables,
        caveats=[
            *([lock.changed()] if lock.earlier else []),
            *caveats(predictions, tables, outcome, plan.primary_metric),
        ],
        cohort_flow=tables["flow"],
        split_table=split_counts(outcome.units),
        training_settings=training_settings(experiment) if experiment.train.enabled else None,
        histories=outcome.histories,
        heads_table=tables.get("heads"),
        methods=methods + statistics,
        study_methods=methods + statistics[:1],
        plan_note=lock.changed(),
        primary_models=primary,
        study_numbers=experiment.train.enabled and experiment.train.preset == STUDY_PRESET,
        primary_metric=plan.primary_metric,
        casebook=casebook,
        provenance={
            **provenance,
            "split": f"SHA-256 {divisions_sha256(outcome.units)}",
            "analysis plan": f"SHA-256 {lock.sha256}",
            "analysis plan with its pairs and seed": f"SHA-256 {plan.sha256()}",
        },
    )


def _question(networks: Sequence[str], primary: Sequence[str], outcome: Outcome, n_cases: int) -> str:
    task = f"tells {outcome.cohort.labels[0]} from {outcome.cohort.labels[1]} better on the {n_cases} test cases, and how sure is that?"
    if len(networks) > 1:
        return f"Which of {len(networks)} networks, and which of their heads, {task}"
    return f"Which of {' and '.join(primary)} {task}"


def run_methods(experiment: Experiment, outcome: Outcome) -> list[str]:
    """Paragraphs on cohort, images, training and heads, for the methods section of `run`."""
    images, train, heads = experiment.images, experiment.train, experiment.heads
    pad = "stretched to a square" if images.pad == "none" else f"padded to a square ({images.pad}, both sides)"
    text = [
        *label_methods(outcome),
        f"Images were cropped to the manifest's box where it has one, {pad} and resized to {images.size_px} x {images.size_px} pixels "
        f"({images.resample}, antialiased). {division_methods(experiment, outcome.units)}",
    ]
    start = outcome.networks.set_index("network")["weights"].to_dict()
    text.append("Networks (torchvision): " + "; ".join(f"{k}, {v}" for k, v in start.items()) + ".")
    if train.enabled:
        text += training_methods(experiment)
    if heads.names:
        text.append(
            "Heads were fitted on penultimate features after standardisation. On features of networks that were not fine-tuned they were "
            f"tuned and calibrated by {heads.folds}-fold stratified, patient-grouped cross-validation within the training cases; on "
            "fine-tuned features, which are overfitted to the training labels, on the validation cases alone. For each network the "
            "head with the largest cross-validated AUROC, among those on one feature set (not fine-tuned, where there are any: the validation cases "
            "are fewer and also chose the network's iteration), is compared with the network's softmax"
            + (
                ", chosen anew in every training and named <network>+chosen (which one it was stands in heads.csv)."
                if "chosen" in outcome.heads
                else ": " + "; ".join(f"{model} for {network}" for network, model in outcome.chosen.items()) + "."
            )
            + (
                " Both classes had the same weight in the fits of heads (kNN has no weights; the SVMs' calibration was unweighted)."
                if heads.class_weight == "balanced"
                else ""
            )
        )
    more = [*ensemble_methods(experiment), *size_methods(experiment, outcome.sizes)]
    return [*text, *more, *dict.fromkeys(outcome.notes)]


def label_methods(outcome: Outcome) -> list[str]:
    """The paragraph on the labels: the rule, the readers, and the number of cases without a label."""
    cohort = outcome.cohort
    options, n_disputed = cohort.labels_by, len(cohort.in_dispute)
    occasion = {"first": "first occasion", "last": "last occasion", "all": "all occasions"}[options.occasion]
    readings = f"{', '.join(cohort.votes)}; {occasion}"
    text = {
        "given": "The labels are those of the manifest.",
        "agreement": f"A case has the label on which all its readers agree, at least two of them ({readings}).",
        "majority": f"A case has the label of most of its readings, by at least two readers ({readings}); ties have none.",
        "reader": f"A case has the label that {options.reader} called ({readings}).",
        "adjudicated": f"A case has the label on which all its readers agree ({readings}), or else the one in the column {options.adjudicator}.",
    }[options.rule]
    if n_disputed:
        n_test = len(scored_disputed(outcome.units))
        text += (
            f" {n_disputed} cases are in dispute and have no label: none of them was fitted on or counted in a primary metric. The split sends "
            f"them by the shares of the others; the {n_test} in test are scored and reported apart."
        )
    short = int(cohort.frame["excluded"].eq(ONE_READER).sum())
    if short:
        text += f" {short} cases that only one reader read are excluded, with that as the reason."
    return [text] if cohort.votes or options.rule != "given" or n_disputed else []


def size_methods(experiment: Experiment, sizes: pd.DataFrame) -> list[str]:
    """A paragraph on training sizes and the fit of the learning curve; empty without training sizes."""
    if sizes.empty:
        return []
    each = sizes.groupby("share")["n_train"].agg(["min", "max"])
    counts = [
        f"{low}" if low == high else f"{low} to {high}" for low, high in zip(each["min"], each["max"], strict=True)
    ]
    tuned = experiment.train.enabled and experiment.heads.names and "fine_tuned" in experiment.heads.features
    return [
        f"Everything was trained again on {len(counts) - 1} shares of the training cases ({', '.join(counts[:-1])} of {counts[-1]}): "
        "drawn for each seed, nested, by class, whole patients, with the same validation and test cases "
        "and the same options (as many epochs, hence fewer iterations)."
        + (
            " Heads on fine-tuned features are fitted on the validation cases, whose number stays; their curve shows the network's part alone."
            if tuned
            else ""
        )
        + " Learning curves: metric = a - b n^(-c) (Cortes et al. 1993; Figueroa et al. 2012; Hestness et al. 2017), least squares over the sizes, "
        "a within the metric's range, b from 0, c from 0.05 to 2, fitted to the means over seeds and to each joint resample of cases and seeds; "
        "percentile limits. They are given these training cases, and hold as far as the law does."
    ]
