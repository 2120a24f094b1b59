"""The stages once more on shares of the training cases, and the predictions from which the learning curve over their number is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from hybridcx.cohort.cohort import Cohort
from hybridcx.experiment.file import Experiment
from hybridcx.images.store import ImageStore
from hybridcx.pipeline.outcome import Outcome
from hybridcx.pipeline.stages import check_lineage, train_units
from hybridcx.pipeline.units import Unit
from hybridcx.progress import Progress
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


COLUMNS = ("case_id", "y_true", "model", "y_pred", "score", "patient_id", "split", "seed", "share", "n_train")
"""Those of the ledger, the share of the training cases, and their number."""


def size_ledger(parts: pd.DataFrame, whole: pd.DataFrame, n_train: Mapping[int, int]) -> pd.DataFrame:
    """The test rows of all sizes: those of the shares, and those of the same models trained on all training cases (`n_train` by seed)."""
    own = whole[(whole["split"] == "test") & whole["model"].isin(parts["model"].unique())]
    own = own.assign(share=1.0, n_train=own["seed"].astype(int).map(n_train))
    columns = list(COLUMNS)
    return pd.concat([parts[columns], own[columns]], ignore_index=True)
