"""The steps of a run from a checked experiment to the results that its report shows. `commands/experiment.py` calls them in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from hybridcx.analysis.plan import Plan
from hybridcx.analysis.published.printed import read_printed
from hybridcx.cohort.cohort import Cohort
from hybridcx.cohort.readers import reading_warnings
from hybridcx.cohort.record import kept_cohort
from hybridcx.experiment.file import Experiment
from hybridcx.images.store import ImageStore
from hybridcx.pipeline.analysed import AnalysisInput, DividedCohort, analyse_run
from hybridcx.pipeline.casebook.lesions import lesion_file
from hybridcx.pipeline.cases import check_heads
from hybridcx.pipeline.cohort import load_cohort, prepare_images
from hybridcx.pipeline.costs.limits import counts_of, limit_messages
from hybridcx.pipeline.costs.memory import drawn_counts
from hybridcx.pipeline.outcome import Outcome
from hybridcx.pipeline.plan_lock import Lock, lock_plan, network_keys, note_predictions
from hybridcx.pipeline.planned_models import check_plan, run_plan
from hybridcx.pipeline.pseudonyms import Pseudonyms
from hybridcx.pipeline.stages import run_stages
from hybridcx.pipeline.training_sizes import run_sizes
from hybridcx.pipeline.units import Unit, divisions_of, make_size_units, make_units, scored_disputed, split_frame
from hybridcx.progress import Progress
from hybridcx.records.predictions import Predictions
from hybridcx.store.artefacts import Store, sha256_file
from hybridcx.store.report_folder import OutputFolder
from hybridcx.workers.dask import Workers


@dataclass(frozen=True, slots=True)
class Run:
    """An experiment, the folder that its relative paths start from, the cache, the workers, and what receives messages."""

    experiment: Experiment
    base: Path
    store: Store
    progress: Progress
    workers: Workers

    @property
    def published(self) -> Path | None:
        """The table of published values to compare with."""
        name = self.experiment.analysis.published
        return None if name is None else self.base / name

    def cohort(self) -> Cohort:
        """Read the manifest, or draw the phantom cohort. Raises InputError."""
        return load_cohort(self.experiment, self.base, self.store, self.progress)


@dataclass(frozen=True, slots=True)
class Units:
    """The trainings of a run: `whole` on all training cases, `shares` on shares of them for the learning curve over their number."""

    whole: tuple[Unit, ...]
    shares: tuple[Unit, ...] = ()


@dataclass(frozen=True, slots=True)
class RunData:
    """Cohort, units, prepared images, and the SHA-256 of every input by its name."""

    cohort: Cohort
    units: Units
    images: ImageStore
    sha256: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RunResults:
    """What the report shows: the outcome of the stages, the plan and its lock, the checked predictions, and the tables by name."""

    outcome: Outcome
    plan: Plan
    lock: Lock
    predictions: Predictions
    tables: dict[str, pd.DataFrame]


def check_before_data(run: Run) -> pd.DataFrame | None:
    """Check the planned comparisons, and read the published table; None where there is none. Raises InputError."""
    check_plan(run.experiment)
    return None if run.published is None else read_printed(run.published)


def check_drawn_limits(run: Run, out: Path) -> None:
    """Raise InputError where a phantom cohort, whose size is known before it is drawn, needs more than this machine has."""
    if (counts := drawn_counts(run.experiment)) is not None:
        limit_messages(run.experiment, counts, run.store.root, out, jobs=run.workers.here)


def check_limits(run: Run, units: Units, out: Path) -> None:
    """Report the memory and disk that the run needs. Raises InputError where this machine has less."""
    for line in limit_messages(run.experiment, counts_of(units.whole), run.store.root, out, jobs=run.workers.here):
        run.progress.notice(line)


def warn_of_cohort(run: Run, cohort: Cohort, names: Pseudonyms | None) -> None:
    """Report the warnings of the manifest and of its readings, with pseudonyms where there are `names`."""
    problems = [*cohort.warnings, *reading_warnings(cohort)]
    for problem in problems if names is None else names.problems(problems):
        run.progress.say(f"Warning: {problem}")


def divide_cohort(run: Run, cohort: Cohort) -> Units:
    """The divisions of every training, checked for enough cases to fit heads on. Raises InputError with all that is wrong."""
    whole = make_units(run.experiment, cohort)
    shares = make_size_units(run.experiment, cohort, whole)
    check_heads(run.experiment, cohort, shares)
    return Units(whole, shares)


def warn_of_divisions(run: Run, units: Units) -> None:
    """Report the warnings of the divisions, each once."""
    for problem in dict.fromkeys(p for split in divisions_of(units.whole) for p in split.warnings):
        run.progress.say(f"Warning: {problem}")


def prepare_data(run: Run, cohort: Cohort, units: Units) -> RunData:
    """Decode the images of all cases to score, and hash the inputs. Raises InputError with the row of every unusable image."""
    images = prepare_images(run.experiment, cohort.to_score(scored_disputed(units.whole)), run.store, run.progress)
    sha256 = {"manifest": sha256_file(cohort.source), "images": images.sha256}
    if run.published is not None:
        sha256["published table"] = sha256_file(run.published)
    if (lesions := lesion_file(cohort)) is not None:
        sha256["lesions"] = sha256_file(lesions)
    return RunData(cohort, units, images, sha256)


@contextmanager
def locked_plan(run: Run, data: RunData, folder: OutputFolder, state: Mapping[str, object]) -> Iterator[Lock]:
    """Lock the plan before the block computes predictions, and note after it that they exist. `state`: the state of the run in its folder."""
    divisions = [(u.seed, u.split.sha256) for u in data.units.whole]
    lock, plans = lock_plan(run.experiment, data.sha256, divisions, run.store, folder.read_state().get("plans"))
    folder.write_state({**state, "plans": plans})
    yield lock
    plans = note_predictions(lock, plans, network_keys(run.experiment, data.sha256, divisions), run.store)
    folder.write_state({**state, "plans": plans})
    if lock.earlier:
        run.progress.say(f"Warning: {lock.changed()}")


def train_and_predict(run: Run, data: RunData, names: Pseudonyms | None) -> Outcome:
    """Train, extract features, fit heads and predict, on all training cases and then on shares of them.

    With `names`, warnings carry pseudonyms; the outcome keeps the ids. Raises InputError and StoppedError.
    """
    experiment, base, store, progress, workers = run.experiment, run.base, run.store, run.progress, run.workers
    cohort, images = data.cohort, data.images
    outcome = run_stages(experiment, cohort, data.units.whole, images, base, store, progress, names, workers)
    return run_sizes(experiment, cohort, outcome, data.units.shares, images, base, store, progress, workers)


def analyse_outcome(run: Run, outcome: Outcome, lock: Lock, printed: pd.DataFrame | None) -> RunResults:
    """Every table of the report but those of the casebook. `printed`: the published table. Raises InputError."""
    run.progress.say("Comparing the models.")
    experiment = run.experiment
    plan = run_plan(experiment, outcome, locked=lock.confirmatory)
    analysed = analyse_run(
        AnalysisInput(
            outcome.ledger,
            outcome.cohort.positive,
            plan,
            DividedCohort(outcome.cohort, outcome.split, split_frame(outcome.units)),
            tuple(experiment.networks.names) if experiment.ensembles.seeds else (),
            outcome.sizes if len(outcome.sizes) else None,
            printed,
        ),
        run.progress.track("statistics"),
        run.workers,
    )
    tables = analysed.tables | outcome.tables()
    tables["cohort"] = kept_cohort(outcome.cohort, outcome.split)
    if printed is not None:
        tables["printed"] = printed
    return RunResults(outcome, plan, lock, analysed.predictions, tables)
