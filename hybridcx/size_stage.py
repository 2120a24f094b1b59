"""The stages once more on shares of the training cases, and the predictions from which the learning curve over their number is made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from hybridcx.cohort.cohort import Cohort
from hybridcx.experiment.file import Experiment
from hybridcx.images.store import ImageStore
from hybridcx.network_stage import Outcome
from hybridcx.pipeline import check_lineage, train_units
from hybridcx.progress import Progress
from hybridcx.size_ledger import size_ledger
from hybridcx.store.artefacts import Store
from hybridcx.units import Unit
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
) -> None:
    """Train everything on the shares of the training cases (`units`), and note predictions and lineage in the outcome of the whole.

    The images have been looked at for the whole. Raises InputError and StoppedError as `run_stages`.
    """
    if not units:
        return
    progress.say(
        f"Training again on shares of the training cases: {len(units)} times {len(experiment.networks.names)} networks."
    )
    parts = Outcome(cohort, tuple(units))
    made, of_unit = train_units(experiment, parts, images, base, store, progress, workers)
    ledger = []
    for one in made:
        n = len(one.cases.index("train"))
        ledger += [t[t["split"] == "test"].assign(share=one.unit.share, n_train=n) for t in one.ledger]
    parts.ledger = pd.concat(ledger, ignore_index=True)
    check_lineage(parts, of_unit)
    for fit in parts.lineage:
        whole.lineage.add(fit)
    whole.notes += [n for n in dict.fromkeys(parts.notes) if n not in whole.notes]
    n_train = {u.seed: int((u.split.assignment == "train").sum()) for u in whole.units}
    whole.sizes = size_ledger(parts.ledger, whole.ledger, n_train)
