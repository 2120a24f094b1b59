"""From ledger and cohort to the tables of a report: the one implementation for `run` and for `verify`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pandas as pd

from hybridcx.analysis.compare import analyse
from hybridcx.analysis.plan import Plan
from hybridcx.analysis.published.printed import printed_and_found
from hybridcx.analysis.readers.agreement import agreement_table
from hybridcx.analysis.repeats.ensembles import over_seeds
from hybridcx.analysis.repeats.training_size import training_size_tables
from hybridcx.cohort.calls import Kind
from hybridcx.cohort.cohort import Cohort
from hybridcx.cohort.exclusions import flow
from hybridcx.cohort.readers import analysed_apart, reader_ratings
from hybridcx.cohort.splits import Split
from hybridcx.records.predictions import Predictions, predictions_from_frame
from hybridcx.workers.dask import Workers

LEDGER_NAME = "the ledger of this run"
"""The ledger's name in messages."""


@dataclass(frozen=True, slots=True)
class DividedCohort:
    """The cohort and its division. `split`: the one that all trainings share, None where they differ; `table`: split.csv."""

    cohort: Cohort
    split: Split | None
    table: pd.DataFrame


@dataclass(frozen=True, slots=True)
class AnalysisInput:
    """What the analysis of a run is made from.

    `ledger`: rows of predictions.csv. `positive`: the positive label. `divided`: None where a report has no cohort.csv. `averaged`: the
    networks whose probabilities are averaged over the seeds, none where no such ensemble is asked for. `sizes`: rows of
    training_size_predictions.csv. `printed`: the published table.
    """

    ledger: pd.DataFrame
    positive: str | None
    plan: Plan
    divided: DividedCohort | None = None
    averaged: tuple[str, ...] = ()
    sizes: pd.DataFrame | None = None
    printed: pd.DataFrame | None = None


@dataclass(frozen=True, slots=True)
class Analysed:
    """The tables by name, and the checked predictions that they are made from."""

    tables: dict[str, pd.DataFrame]
    predictions: Predictions


def analyse_run(
    data: AnalysisInput,
    on_progress: Callable[[int, int], None] | None = None,
    workers: Workers = Workers(1),  # noqa: B008 (frozen)
) -> Analysed:
    """All tables that follow from predictions, cohort and plan alone, without images, weights or trainings.

    `workers` evaluate the resamples of a large comparison; results do not depend on them. Raises InputError for predictions that cannot be
    analysed.
    """
    plan = data.plan
    predictions = predictions_from_frame(
        data.ledger, positive=data.positive, threshold=plan.threshold, name=LEDGER_NAME, own=True
    )
    tables = dict(analyse(predictions, plan, on_progress, workers))
    if data.averaged:
        tables |= over_seeds(data.ledger, data.averaged, predictions.positive, plan, workers)
    if data.sizes is not None:
        tables |= training_size_tables(data.sizes, predictions.positive, plan, workers=workers)
    if data.printed is not None:
        tables["published"] = printed_and_found(data.printed, tables["metrics"], predictions.models)
    if data.divided is not None:
        tables |= _cohort_tables(data.divided, plan)
    return Analysed(tables, predictions)


def _cohort_tables(divided: DividedCohort, plan: Plan) -> dict[str, pd.DataFrame]:
    """flow, split, and agreement where the cohort has readings."""
    tables = {"flow": flow(divided.cohort, divided.split), "split": divided.table}
    if agreements := list(_agreements(divided.cohort, plan)):
        tables["agreement"] = pd.concat(agreements, ignore_index=True)
    return tables


def _agreements(cohort: Cohort, plan: Plan) -> Iterator[pd.DataFrame]:
    """Agreement of ratings and of calls: on all cases read, and on the analysed cases where they are fewer."""
    kinds: tuple[Kind, Kind] = ("rating", "call")
    for kind in kinds:
        every = reader_ratings(cohort, kind)
        if every is None:
            continue
        for subset, ratings, note in (("all cases read", every, ""), *analysed_apart(cohort, every)):
            yield agreement_table(
                ratings,
                positive=cohort.positive if kind == "call" else None,
                confidence_level=plan.confidence_level,
                n_resamples=plan.n_resamples,
                seed=plan.seed,
                subset=f"{kind}s, {subset}",
                note=note,
            )
