"""From ledger and cohort to the tables of a report."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pandas as pd

from hybridcx.analysis.compare import analyse
from hybridcx.analysis.plan import Plan
from hybridcx.analysis.readers.agreement import agreement_table
from hybridcx.analysis.repeats.ensembles import over_seeds
from hybridcx.analysis.repeats.training_size import training_size_tables
from hybridcx.cohort.calls import Kind
from hybridcx.cohort.exclusions import flow
from hybridcx.cohort.readers import analysed_apart, reader_ratings
from hybridcx.cohort.record import kept_cohort
from hybridcx.experiment.file import Experiment
from hybridcx.pipeline.outcome import Outcome
from hybridcx.pipeline.planned_models import planned_pairs
from hybridcx.pipeline.stages import COPY
from hybridcx.pipeline.units import (
    split_frame,
)
from hybridcx.progress import Progress
from hybridcx.records.predictions import Predictions, predictions_from_frame
from hybridcx.vocabulary.run import HEADS, LEARNING_CURVES

if TYPE_CHECKING:
    pass


def _analysed(
    experiment: Experiment, outcome: Outcome, progress: Progress, *, locked: bool
) -> tuple[dict[str, pd.DataFrame], Predictions, Plan]:
    options = experiment.analysis
    plan = Plan(
        seed=experiment.seed,
        confidence_level=options.confidence_level,
        n_resamples=options.n_bootstrap,
        threshold=options.threshold,
        primary_metric=options.primary_metric,
        pairs=planned_pairs(experiment, outcome),
        locked=locked,
        margin=options.margin,
        by=(COPY,) if COPY in outcome.ledger else (),
    )
    predictions = predictions_from_frame(
        outcome.ledger, positive=outcome.cohort.positive, threshold=options.threshold, name="the ledger of this run"
    )
    tables = analyse(predictions, plan, progress.track("statistics"))
    if agreements := list(_agreements(experiment, outcome)):
        tables["agreement"] = pd.concat(agreements, ignore_index=True)
    if outcome.histories:
        curves = [history.assign(network=network) for network, history in outcome.histories.items()]
        tables["learning_curves"] = pd.concat(curves, ignore_index=True)[LEARNING_CURVES.header]
    if not outcome.heads.empty:
        tables["heads"] = outcome.heads[[c for c in HEADS.further if c in outcome.heads]]
    if not outcome.ensembles.empty:
        tables["ensembles"] = outcome.ensembles
    if experiment.ensembles.seeds:
        tables |= over_seeds(outcome.ledger, experiment.networks.names, outcome.cohort.positive, plan)
    tables["near_duplicates"], tables["shortcuts"] = outcome.near_duplicates, outcome.shortcuts
    if len(outcome.sizes):
        tables |= training_size_tables(outcome.sizes, outcome.cohort.positive, plan)
    tables["flow"] = flow(outcome.cohort, outcome.split)
    tables["split"] = split_frame(outcome.units)
    tables["cohort"] = kept_cohort(outcome.cohort, outcome.split)
    return tables, predictions, plan


def _agreements(experiment: Experiment, outcome: Outcome) -> Iterator[pd.DataFrame]:
    """Agreement of ratings and of calls: on all cases read, and on those analysed where these were chosen by it."""
    cohort, options = outcome.cohort, experiment.analysis
    kinds: tuple[Kind, Kind] = ("rating", "call")
    for kind in kinds:
        every = reader_ratings(cohort, kind)
        for subset, ratings, note in (
            () if every is None else (("all cases read", every, ""), *analysed_apart(cohort, every))
        ):
            yield agreement_table(
                ratings,
                positive=cohort.positive if kind == "call" else None,
                confidence_level=options.confidence_level,
                n_resamples=options.n_bootstrap,
                seed=experiment.seed,
                subset=f"{kind}s, {subset}",
                note=note,
            )
