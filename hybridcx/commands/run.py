"""`hybridcx run`: holds the folder, locks the plan, runs the stages, and hands their predictions to the analysis and the report."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from importlib import resources
from pathlib import Path

import pandas as pd

from hybridcx.analysis.plan import Plan
from hybridcx.analysis.published.printed import read_printed
from hybridcx.cohort.readers import reading_warnings
from hybridcx.cohort.record import kept_cohort
from hybridcx.commands.check import counts_of, said_of_limits, with_every_problem
from hybridcx.commands.options import (
    Also,
    Base,
    Cache,
    Device,
    ExperimentFile,
    Fresh,
    Images,
    Jobs,
    Out,
    Pseudonymise,
    ReportsProgress,
    Scheduler,
    SeedOfFile,
    checked,
    documented,
)
from hybridcx.commands.publish import (
    Clock,
    finish,
    page_provenance,
    plan_options,
    write_ledger,
)
from hybridcx.commands.result import Report, default_out
from hybridcx.deep.devices import device_line
from hybridcx.experiment.file import Experiment
from hybridcx.narrative.caveats import caveats
from hybridcx.narrative.comparison import comparison_methods
from hybridcx.narrative.run import run_methods
from hybridcx.narrative.training import training_settings
from hybridcx.pipeline.analysed import AnalysisInput, DividedCohort, analyse_run
from hybridcx.pipeline.casebook.lesions import lesion_file
from hybridcx.pipeline.casebook.stage import make_casebook
from hybridcx.pipeline.cohort import load_cohort, prepare_images
from hybridcx.pipeline.costs.memory import drawn_counts
from hybridcx.pipeline.outcome import Outcome
from hybridcx.pipeline.plan_lock import Lock, lock_plan, network_keys, note_predictions
from hybridcx.pipeline.planned_models import check_plan, run_plan
from hybridcx.pipeline.pseudonyms import pseudonyms
from hybridcx.pipeline.run_state import check_same_run
from hybridcx.pipeline.stages import check_heads, run_stages
from hybridcx.pipeline.training_sizes import run_sizes
from hybridcx.pipeline.units import (
    divisions_of,
    divisions_sha256,
    make_size_units,
    make_units,
    scored_disputed,
    split_counts,
    split_frame,
)
from hybridcx.progress import Progress
from hybridcx.records.predictions import Predictions
from hybridcx.report.checklists.evidence import checklist
from hybridcx.report.content import Content
from hybridcx.report.formats.all_forms import forms_of
from hybridcx.report.formats.csv import write_table
from hybridcx.store.artefacts import Store, cache_root, sha256_file, write_atomic
from hybridcx.store.report_folder import open_output
from hybridcx.vocabulary.cohort import MANIFEST_COLUMN
from hybridcx.vocabulary.run import LEDGER
from hybridcx.vocabulary.tables import TABLES
from hybridcx.workers.dask import Workers, check_workers


def run_experiment(
    experiment: Experiment,
    base: Path,
    target: Path,
    store: Store,
    progress: Progress,
    *,
    fresh: bool,
    with_images: bool = True,
    key: str | Path | None = None,
    forms: Sequence[str] = (),
    workers: Workers = Workers(),  # noqa: B008 (frozen)
    file: str = "the experiment",
) -> dict[str, pd.DataFrame]:
    """Run an experiment into the folder `target` and return the tables of its report. See `hybridcx.run`; `key`: its `pseudonymise`;
    `forms`: its `also`; `workers`: its `jobs` or `scheduler`.

    `file` stands for the experiment in messages. Bad input is refused with all that `check` knows of it, whichever stage met it first.
    """
    clock = Clock()
    workers = replace(workers, folder=store.root, machine=partial(device_line, experiment.compute), say=progress.say)
    refusing = partial(with_every_problem, experiment, base, file, progress)
    published = None if experiment.analysis.published is None else base / experiment.analysis.published
    with refusing():
        check_plan(experiment)
        printed = None if published is None else read_printed(published)
    if (drawn := drawn_counts(experiment)) is not None:
        said_of_limits(experiment, drawn, store.root, target, jobs=workers.here)
    check_workers(workers)
    with open_output(target, "run", progress.notice) as folder:
        with refusing():
            cohort = load_cohort(experiment, base, store, progress)
        names = None if key is None else pseudonyms(key, target)
        said = [*cohort.warnings, *reading_warnings(cohort)]
        for problem in said if names is None else names.problems(said):
            progress.say(f"Warning: {problem}")
        with refusing():
            units = make_units(experiment, cohort)
            size_units = make_size_units(experiment, cohort, units)
            check_heads(experiment, cohort, size_units)
        for problem in dict.fromkeys(p for split in divisions_of(units) for p in split.warnings):
            progress.say(f"Warning: {problem}")
        for line in said_of_limits(experiment, counts_of(units), store.root, target, jobs=workers.here):
            progress.tell(line)
        with refusing():
            images = prepare_images(experiment, cohort.to_score(scored_disputed(units)), store, progress)
        data = {"manifest": sha256_file(cohort.source), "images": images.sha256}
        if published is not None:
            data["published table"] = sha256_file(published)
        if (lesions := lesion_file(cohort)) is not None:
            data["lesions"] = sha256_file(lesions)
        state = check_same_run(folder, experiment, data, fresh=fresh)
        seeds_and_splits = [(u.seed, u.split.sha256) for u in units]
        lock, plans = lock_plan(experiment, data, seeds_and_splits, store, folder.read_state().get("plans"))
        folder.write_state({**state, "plans": plans})
        with refusing():
            outcome = run_stages(experiment, cohort, units, images, base, store, progress, names, workers)
            outcome = run_sizes(experiment, cohort, outcome, size_units, images, base, store, progress, workers)
        plans = note_predictions(lock, plans, network_keys(experiment, data, seeds_and_splits), store)
        folder.write_state({**state, "plans": plans})
        if lock.earlier:
            progress.say(f"Warning: {lock.changed()}")
        shown_id = None
        if names is not None:  # the stages' artefacts keep the ids, the report is made of pseudonyms alone
            shown_id = {c: names.of(c) for c in cohort.frame["case_id"]}
            outcome, images = names.outcome(outcome), names.images(images)
        progress.say("Comparing the models.")
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
            progress.track("statistics"),
            workers,
        )
        predictions = analysed.predictions
        tables = analysed.tables | outcome.tables()
        tables["cohort"] = kept_cohort(outcome.cohort, outcome.split)
        if printed is not None:
            tables["printed"] = printed
        new = folder.begin()
        book = make_casebook(
            tables["casebook"],
            experiment,
            outcome,
            images,
            store,
            new,
            progress,
            with_images=with_images,
            shown_id=shown_id,
        )
        tables |= book.tables
        _write_records(new, experiment, outcome)
        content = replace(_content(experiment, outcome, predictions, plan, tables, data, lock), casebook=book.view)
        tables["checklist"] = checklist(content)
        further = {("training_size_predictions", str(c)): LEDGER[c] for c in outcome.sizes.columns}
        further |= {
            ("cohort", c): MANIFEST_COLUMN for c in map(str, tables["cohort"]) if TABLES["cohort"].column(c) is None
        }
        finish(
            folder,
            content,
            tables,
            forms=forms,
            ledger_columns=outcome.ledger.columns,
            further_columns=further,
            inputs=data,
            options={
                **plan_options(plan),
                "experiment": experiment.model_dump(mode="json"),
                # what a recomputation needs beside the ledger and cohort.csv
                "positive": outcome.cohort.positive,
                "votes": list(outcome.cohort.votes),
            },
            more={
                "networks": outcome.networks.to_dict("records"),
                "split_sha256": divisions_sha256(outcome.units),
                "pseudonyms": None if names is None else names.described,
                "plan": lock.record(),
                "casebook_duration_s": book.duration_s,
                "workers": workers.record(),
            },
            clock=clock,
            progress=progress,
        )
    return tables


def _write_records(folder: Path, experiment: Experiment, outcome: Outcome) -> None:
    """What travels with the report so that it can be recomputed: predictions, lineage, configuration (the split is a table)."""
    write_ledger(folder, outcome.ledger)
    if len(outcome.sizes):
        write_table(folder / "training_size_predictions.csv", outcome.sizes)
    write_atomic(folder / "lineage.json", json.dumps(outcome.lineage.to_dict(), indent=1, sort_keys=True))
    write_atomic(folder / "experiment.json", json.dumps(experiment.model_dump(mode="json"), indent=1, sort_keys=True))


def _content(
    experiment: Experiment,
    outcome: Outcome,
    predictions: Predictions,
    plan: Plan,
    tables: dict[str, pd.DataFrame],
    data: dict[str, str],
    lock: Lock,
) -> Content:
    networks = [n for n in experiment.networks.names if n in predictions.models]
    primary = list(dict.fromkeys([*networks, *outcome.chosen.values()]))
    own, statistics = run_methods(experiment, outcome), comparison_methods(predictions, plan, tables, lock.words())
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
        methods=own + statistics,
        study_methods=own + statistics[:1],
        plan_note=lock.changed(),
        primary_models=primary,
        primary_metric=plan.primary_metric,
        provenance={
            **page_provenance(experiment.seed, data),
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


@contextmanager
def loading() -> Iterator[None]:
    """Leave Python's garbage collector off for a block of imports, which it would walk through again and again (a run starts in 3.5 s for 4.4)."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@documented
def run(
    experiment: ExperimentFile,
    *,
    out: Out = None,
    base: Base = None,
    seed: SeedOfFile = None,
    device: Device = None,
    fresh: Fresh = False,
    images: Images = True,
    cache: Cache = None,
    jobs: Jobs = None,
    scheduler: Scheduler = None,
    pseudonymise: Pseudonymise = None,
    also: Also = (),
    progress: ReportsProgress = None,
) -> Report:
    """Run a whole experiment, from images to the report.

    Cohort, splits, fine-tuning, features, heads, predictions, statistics, report. An interrupted run continues with the same call.

    Raises
    ------
    InputError
        for bad input, and for a folder that holds a run with other data, configuration or code (with what differs).
    StoppedError
        when training diverges, a task kills its workers or the disk is full; finished work is kept and the same call continues.
    """
    checked(run, locals())
    progress = progress or Progress(quiet=True)
    workers, forms = Workers(jobs, scheduler), forms_of(also)
    from hybridcx.commands.check import asked_for

    read, folder, file = asked_for(experiment, base, seed, device, progress)
    with loading():
        from hybridcx.commands.run import run_experiment  # torch: only when the file is known to be good
        from hybridcx.deep.distributed import team
        from hybridcx.deep.finetune import take_part

    target = Path(out) if out is not None else default_out(read.name)
    root = Path(cache) if cache is not None else cache_root()
    if scheduler is not None:  # workers begin elsewhere
        root, folder = root.absolute(), folder.absolute()
    store = Store(root, progress.say, progress.notice)
    with team(read.compute, take_part, elsewhere=workers.several):
        tables = run_experiment(
            read,
            folder,
            target,
            store,
            progress,
            fresh=fresh,
            with_images=images,
            key=pseudonymise,
            forms=forms,
            workers=workers,
            file=file,
        )
    return Report(target, target / "report.html", tables)


@documented
def demo(
    *,
    out: Out = None,
    seed: SeedOfFile = None,
    images: Images = True,
    cache: Cache = None,
    jobs: Jobs = None,
    scheduler: Scheduler = None,
    progress: ReportsProgress = None,
) -> Report:
    """Run the demonstration experiment on a phantom cohort.

    Raises
    ------
    InputError, StoppedError
        as `run`.
    """
    checked(demo, locals())
    progress = progress or Progress(quiet=True)
    packaged = resources.files("hybridcx.commands") / "demo.toml"
    with resources.as_file(packaged) as path:
        # fresh: an updated hybridcx may run its own demo again without being told so; what still holds comes from the cache
        return run(
            path,
            out=out,
            base=Path(),
            seed=seed,
            fresh=True,
            images=images,
            cache=cache,
            jobs=jobs,
            scheduler=scheduler,
            progress=progress,
        )
