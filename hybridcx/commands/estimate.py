"""`hybridcx run --dry-run`: hours, memory and disk of an experiment. Nothing is trained, nothing is written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from hybridcx.commands.check import asked_for
from hybridcx.commands.options import (
    Base,
    Device,
    ExperimentFile,
    ReportsProgress,
    SeedOfFile,
    checked,
    documented,
)
from hybridcx.experiment.file import Experiment
from hybridcx.phantoms.cohort import plan_phantom
from hybridcx.pipeline.cohort import load_cohort
from hybridcx.pipeline.costs.estimate import cost, lines_of, read_speeds
from hybridcx.pipeline.costs.limits import counts_of
from hybridcx.pipeline.costs.memory import Counts, counts_by_shares
from hybridcx.pipeline.planned_models import check_plan
from hybridcx.pipeline.units import make_units
from hybridcx.progress import OfPython, Progress
from hybridcx.store.artefacts import Store, cache_root


@dataclass(frozen=True, slots=True)
class Estimate:
    """Costs of an experiment: `table` per machine and network, and the same as `text` with its assumptions."""

    table: pd.DataFrame
    text: str


@documented
def estimate(
    experiment: ExperimentFile,
    *,
    base: Base = None,
    seed: SeedOfFile = None,
    device: Device = None,
    progress: ReportsProgress = None,
) -> Estimate:
    """Estimate hours, memory and disk of each network of an experiment. Nothing is trained, nothing is written.

    A manifest is read and its images are hashed; a phantom is planned, not drawn. The speeds were measured on other machines and are part of
    hybridcx.

    Raises
    ------
    InputError
        as `run`, for what is wrong with the experiment, the manifest or the split.
    """
    checked(estimate, locals())
    progress = progress or OfPython()
    read, folder, _ = asked_for(experiment, base, seed, device, progress)
    check_plan(read)
    sizes = _sizes(read, folder, Store(cache_root()), progress)
    speeds = read_speeds()
    costs = cost(read, sizes, speeds)
    lines = lines_of(costs, speeds, sizes, read.repeat.trainings, len(read.training_size.shares))
    return Estimate(costs, "\n".join(lines))


def _sizes(experiment: Experiment, base: Path, store: Store, progress: Progress) -> Counts:
    options = experiment.cohort.phantom
    if options is not None:
        plan = plan_phantom(
            n_patients=options.patients,
            seed=options.seed,
            reliability_between=options.reliability_between,
            reliability_within=options.reliability_within,
        )
        return counts_by_shares(experiment, sum(not c.excluded for c in plan.cases))
    cohort = load_cohort(experiment, base, store, progress)
    return counts_of(make_units(experiment, cohort))
