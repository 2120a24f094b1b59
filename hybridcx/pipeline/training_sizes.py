"""The stages once more on shares of the training cases, and the predictions from which the learning curve over their number is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from hybridcx.cohort.cohort import Cohort
from hybridcx.experiment.file import Experiment
from hybridcx.images.store import ImageStore
from hybridcx.pipeline.outcome import Outcome
from hybridcx.pipeline.size_ledger import size_ledger
from hybridcx.pipeline.stages import check_lineage, fits_of, train_units
from hybridcx.pipeline.units import Unit
from hybridcx.progress import Progress
from hybridcx.records.lineage import Lineage
from hybridcx.store.artefacts import Store
from hybridcx.workers.dask import Workers


def run_sizes(
    experiment: Experiment,
    cohort: Cohort,
    whole: Outcome,
    units: Sequence[Unit],
    images: ImageStore,
    base: Path,
    store: Store,
    progress: Progress,
    workers: Workers,
) -> Outcome:
    """Train everything on the shares of the training cases (`units`): the outcome of the full training set, with the predictions of all
    sizes (`sizes`), and with the lineage and notes of the further trainings.

    The images have been checked before. Raises InputError and StoppedError as `run_stages`.
    """
    if not units:
        return whole
    progress.say(
        f"Training again on shares of the training cases: {len(units)} times {len(experiment.networks.names)} networks."
    )
    stages, of_unit = train_units(experiment, cohort, units, images, base, store, progress, workers)
    tables = []
    for stage in stages:
        n = len(stage.cases.index("train"))
        tables += [t[t["split"] == "test"].assign(share=stage.unit.share, n_train=n) for t in stage.ledger]
    ledger, lineage = pd.concat(tables, ignore_index=True), Lineage(fits_of(stages))
    check_lineage(units, ledger, lineage, of_unit)
    n_train = {u.seed: int((u.split.assignment == "train").sum()) for u in whole.units}
    return replace(
        whole,
        lineage=Lineage([*whole.lineage, *lineage]),
        notes=tuple(dict.fromkeys([*whole.notes, *(n for stage in stages for n in stage.notes)])),
        sizes=size_ledger(ledger, whole.ledger, n_train),
    )
