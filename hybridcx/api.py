"""The Python twins of the commands: each does the work and returns pandas DataFrames with the names of the CSVs.

Paths may be `str` or `Path`. Bad input raises InputError (with every problem), a run that stopped partway StoppedError; nothing is printed unless
a Progress is handed in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd

from hybridcx.errors import raise_if_any
from hybridcx.experiment.file import Experiment
from hybridcx.loading import loading
from hybridcx.pipeline.pseudonyms import pseudonyms
from hybridcx.progress import Progress
from hybridcx.publish import (
    Clock,
    finish,
    page_provenance,
    plan_options,
    readings_described,
    without_patients,
    write_ledger,
    write_readings,
)
from hybridcx.report.formats.all_forms import handing_on
from hybridcx.store.artefacts import Store, cache_root
from hybridcx.store.disk import disk_faults
from hybridcx.store.report_folder import new_folder, open_output
from hybridcx.workers.dask import Workers

if TYPE_CHECKING:
    from hybridcx.checking import Checked


@dataclass(frozen=True, slots=True)
class Report:
    """What a command made: the folder, its page, and its tables (`tables["metrics"]` is metrics.csv, and so on)."""

    folder: Path
    page: Path
    tables: Mapping[str, pd.DataFrame]


def default_out(name: str) -> Path:
    """`reports/<name>` below the working directory."""
    safe = "".join(c if c.isalnum() or c in "-_." else "_" for c in name).lstrip(".") or "report"
    return Path("reports") / safe


def compare(
    predictions: str | Path | pd.DataFrame | Sequence[str | Path],
    *,
    out: str | Path | None = None,
    positive: str | None = None,
    threshold: float | str = 0.5,
    score_kind: Literal["probability", "rank"] = "probability",
    cluster: str | None = None,
    readers: str | Path | pd.DataFrame | None = None,
    readers_made_truth: Literal["yes", "no", "unknown"] = "unknown",
    by: Sequence[str] = (),
    prevalences: Sequence[float] = (),
    margin: float | None = None,
    reference: str | None = None,
    all_pairs: bool = False,
    stratified: bool = False,
    confidence_level: float = 0.95,
    n_bootstrap: int = 2000,
    seed: int = 0,
    seed_design: Literal["nested", "crossed", "fixed"] = "nested",
    n_train: int | None = None,
    pseudonymise: str | Path | None = None,
    also: Sequence[str] = (),
    style: str = "plain",
    progress: Progress | None = None,
) -> Report:
    """Statistics and report on predictions made by anyone (CSV or Parquet, or a DataFrame with the same columns), or on finished runs.

    `predictions` may be the folder of a report that `run` or `compare` made, or several: seeds of one experiment become seeds, other runs
    models named `<run>/<model>`, and the table `runs` says what differs in their configuration.
    `threshold` is a number, or a rule by which each model's own threshold is chosen on the rows of the split `validation`: "youden",
    "sensitivity=0.95" or "specificity=0.9". `cluster` names the column of what belongs together where that is not `patient_id`. Models stand
    in the order of their names, so that the order of rows decides nothing. `readers` are ratings (wide, matched by case_id) of readers
    whom the models are set beside; `readers_made_truth` says whether the truth is theirs, for then they are not compared with models on it.

    Where there are columns `reader_<name>[_<occasion>]` (the readers' calls, one of the labels), every comparison is repeated with each
    reading as the truth and on the cases on which they agree: rows with `label.rule`, and the table `label_rules`.
    With several seeds (column `seed`): `seed_design` says what one seed is, a network trained apart (nested in its model) or the same reader
    with every model (crossed: readers are drawn; fixed: these alone). `n_train` is the size of the training set of repeated hold-out, where
    the predictions do not list its cases. `pseudonymise`: a key file outside of `out`, made where it is absent; every case id in the folder
    is then a pseudonym by this key, and further columns that are not used are left out. `also` and `style`: further forms of the report
    and a journal's style (`docs/handing_on.md`).

    Raises InputError for anything wrong with the predictions or the options; then nothing has been written.
    """
    progress = progress or Progress(quiet=True)
    from hybridcx.analysis.compare import analyse
    from hybridcx.analysis.plan import Plan
    from hybridcx.analysis.readers.models import reader_view
    from hybridcx.analysis.thresholds import parse_threshold, with_chosen_thresholds
    from hybridcx.comparing import compared, readings_of
    from hybridcx.narrative.caveats import caveats
    from hybridcx.narrative.comparison import READERS_METHOD, comparison_methods, comparison_question

    asked = parse_threshold(threshold)
    plan = Plan(
        seed=seed,
        confidence_level=confidence_level,
        n_resamples=n_bootstrap,
        threshold=asked.value,
        margin=margin,
        by=tuple(by),
        prevalences=tuple(prevalences),
        stratified=stratified,
        reference=reference,
        all_pairs=all_pairs,
        seed_design=seed_design,
        n_train=n_train,
    )
    raise_if_any(plan.problems())
    given = compared(predictions, positive=positive, threshold=asked.value, score_kind=score_kind, cluster=cluster)
    read, inputs = given.read, given.inputs
    target = Path(out) if out is not None else default_out(given.name)
    given.check_target(target)
    names = None if pseudonymise is None else pseudonyms(pseudonymise, target)
    read = read if names is None else names.predictions(read, by)
    read = with_chosen_thresholds(replace(read, models=tuple(sorted(read.models))), asked)
    ratings = None if readers is None else readings_of(readers, inputs)
    if ratings is not None and names is not None:
        ratings = names.ratings(ratings)
    warnings = [*read.warnings, *(ratings.warnings if ratings else ())]
    for said in [*given.notes, *(f"Warning: {w}" for w in warnings)]:
        progress.say(said)
    clock = Clock()
    with handing_on(also, style), open_output(target, "compare", progress.notice) as folder:
        view = reader_view(read, ratings, plan, readers_made_truth) if ratings else None
        tables = analyse(read, plan, progress.track("comparing")) | (view.tables if view else {}) | given.tables
        new = folder.begin()
        if ratings:
            write_readings(new, ratings)
        ledger = without_patients(read.frame.drop(columns=[c for c in read.frame if read.frame[c].isna().all()]))
        write_ledger(new, ledger)
        from hybridcx.report.content import ReportData
        from hybridcx.report.sections.checklist import checklist

        methods = comparison_methods(read, plan, tables)
        data = ReportData(
            title=given.title(read),
            command="compare",
            question=comparison_question(read.models, read.n_cases, len(read.seeds)),
            tables=tables,
            caveats=[*given.notes, *caveats(read, tables)],
            methods=[*methods, *([READERS_METHOD] if view else [])],
            study_methods=methods[:1],
            reader_notes=view.notes if view else (),
            primary_models=list(read.models[:12]),
            primary_metric=plan.primary_metric if read.has_pred else "auroc",
            provenance=page_provenance(seed, inputs),
        )
        tables["checklist"] = checklist(data)
        finish(
            folder,
            data,
            tables,
            ledger_columns=ledger.columns,
            inputs=inputs,
            options={
                **plan_options(plan),
                **given.options(read),
                "readers_file": None if readers is None or isinstance(readers, pd.DataFrame) else Path(readers).name,
                "readers_made_truth": readers_made_truth if ratings else None,
            },
            extra=readings_described(ratings) if ratings else None,
            more={"pseudonyms": names.described} if names else None,
            clock=clock,
            progress=progress,
        )
    return Report(target, target / "report.html", tables)


def agreement(
    ratings: str | Path,
    *,
    out: str | Path | None = None,
    scale: Literal["measurement", "nominal", "ordinal"] | None = None,
    positive: str | None = None,
    confidence_level: float = 0.95,
    n_bootstrap: int = 2000,
    seed: int = 0,
    pseudonymise: str | Path | None = None,
    also: Sequence[str] = (),
    style: str = "plain",
    progress: Progress | None = None,
) -> Report:
    """Reader agreement and reliability from a table of ratings (CSV, one column per reader, or per reader and occasion).

    `pseudonymise`: as in `compare`.
    """
    from hybridcx.agreeing import agreement_report

    target = Path(out) if out is not None else default_out(Path(ratings).stem)
    with handing_on(also, style):
        tables = agreement_report(
            Path(ratings),
            target,
            scale=scale,
            positive=positive,
            confidence_level=confidence_level,
            n_bootstrap=n_bootstrap,
            seed=seed,
            key=pseudonymise,
            progress=progress or Progress(quiet=True),
        )
    return Report(target, target / "report.html", tables)


def audit(
    published: str | Path | pd.DataFrame,
    *,
    positives: int | None = None,
    negatives: int | None = None,
    out: str | Path | None = None,
    unit: str | Mapping[str, str] | None = None,
    confidence_level: float = 0.95,
    also: Sequence[str] = (),
    style: str = "plain",
    progress: Progress | None = None,
) -> Report:
    """Can a published table of metrics be true, which confusion matrices produce it, and what could its paired tests have shown.

    `published`: CSV (or a DataFrame with text as values) with the columns model, metric and value as printed. `positives`, `negatives`: the
    class totals, unless the table has columns or rows of that name. `unit`: percent or proportion, for all metrics or by printed name; without
    it each metric's unit is decided over the whole table. `tables["audit_readings"]` of the result says which readings fit, and
    `hybridcx.auditing.can_be_true(tables)` whether the table can be true as printed.

    Raises InputError for anything wrong with the table or the options; then nothing has been written.
    """
    from hybridcx.analysis.plan import level_problems
    from hybridcx.auditing import audit_report

    raise_if_any(level_problems(confidence_level))
    name = "published" if isinstance(published, pd.DataFrame) else Path(published).stem
    target = Path(out) if out is not None else default_out(name)
    with handing_on(also, style):
        tables = audit_report(
            published,
            target,
            positives=positives,
            negatives=negatives,
            unit=unit,
            confidence_level=confidence_level,
            progress=progress or Progress(quiet=True),
        )
    return Report(target, target / "report.html", tables)


def run(
    experiment: str | Path | Experiment,
    *,
    out: str | Path | None = None,
    base: str | Path | None = None,
    seed: int | None = None,
    device: str | None = None,
    fresh: bool = False,
    images: bool = True,
    cache: str | Path | None = None,
    jobs: int | None = None,
    scheduler: str | None = None,
    pseudonymise: str | Path | None = None,
    also: Sequence[str] = (),
    style: str = "plain",
    progress: Progress | None = None,
) -> Report:
    """The whole experiment: cohort, splits, fine-tuning, features, heads, predictions, statistics, report.

    Parameters
    ----------
    experiment : an experiment file, or an Experiment made in Python (then `base` is the folder that its paths start from).
    seed, device : win over the file's.
    fresh : start anew in a folder that holds another experiment's results.
    images : False leaves pictures of cases out of the report; its numbers stay.
    cache : where the stages keep what they made; default `hybridcx.store.artefacts.cache_root()`. It keeps the case ids.
    jobs : trainings and fits of heads side by side, in so many processes; default: trainings one after the other, heads on all processors.
    scheduler : address of a Dask cluster that does them instead (`docs/cluster.md`). Results depend on neither.
    pseudonymise : as in `compare`.
    also, style : further forms of the report, and the journal style of its numbers (`docs/handing_on.md`).

    Raises
    ------
    InputError
        for bad input, and for a folder that holds a run with other data, configuration or code (with what differs).
    StoppedError
        when training diverges, a task kills its workers or the disk is full; what is finished is kept and the same call continues.
    """
    progress = progress or Progress(quiet=True)
    workers = Workers(jobs, scheduler)
    from hybridcx.checking import asked_for

    read, folder, file = asked_for(experiment, base, seed, device, progress)
    with loading():
        from hybridcx.deep.distributed import team
        from hybridcx.deep.finetune import take_part
        from hybridcx.running import run_experiment  # torch: only when the file is known to be good

    target = Path(out) if out is not None else default_out(read.name)
    root = Path(cache) if cache is not None else cache_root()
    if scheduler is not None:  # workers begin elsewhere
        root, folder = root.absolute(), folder.absolute()
    store = Store(root, progress.say, progress.notice)
    with team(read.compute, take_part, elsewhere=workers.several), handing_on(also, style):
        tables = run_experiment(
            read,
            folder,
            target,
            store,
            progress,
            fresh=fresh,
            with_images=images,
            key=pseudonymise,
            workers=workers,
            file=file,
        )
    return Report(target, target / "report.html", tables)


def demo(
    *,
    out: str | Path | None = None,
    seed: int | None = None,
    images: bool = True,
    cache: str | Path | None = None,
    jobs: int | None = None,
    scheduler: str | None = None,
    progress: Progress | None = None,
) -> Report:
    """The main job on the embedded default: a phantom cohort and the demo's experiment."""
    progress = progress or Progress(quiet=True)
    packaged = resources.files("hybridcx.resources") / "demo.toml"
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


def check(
    file: str | Path,
    *,
    kind: Literal["experiment", "cohort", "predictions", "ratings"] | None = None,
    positive: str | None = None,
    score_kind: Literal["probability", "rank"] = "probability",
    scale: Literal["measurement", "nominal", "ordinal"] | None = None,
    progress: Progress | None = None,
) -> Checked:
    """Every problem of an experiment, a cohort manifest, a predictions or a ratings file, all at once, before anything runs.

    An experiment is checked with its manifest, images (all are decoded), splits, weights, plan and device. `kind` says what the file is;
    without it its ending and its columns do. `positive`, `score_kind` and `scale` are those of `compare` and `agreement`. The result's
    `table` has one row per problem; `sound` says whether there is none that would be refused.

    Raises InputError where there is no such file; one of a kind that cannot be told is a finding (kind "unknown").
    """
    from hybridcx.checking import check_file

    return check_file(Path(file), kind=kind, positive=positive, score_kind=score_kind, scale=scale, progress=progress)


def phantom(
    folder: str | Path, *, patients: int = 416, seed: int = 0, progress: Progress | None = None
) -> pd.DataFrame:
    """Write a phantom cohort (images, manifest, two readers' ratings) and return its manifest."""
    progress = progress or Progress(quiet=True)
    from hybridcx.cohort.manifest import read_manifest
    from hybridcx.phantoms.cohort import write_phantom
    from hybridcx.workers.local import default_jobs

    target = Path(folder)
    with new_folder(target), disk_faults(target, "the phantom cohort"):
        made = write_phantom(
            target,
            n_patients=patients,
            seed=seed,
            jobs=default_jobs(),
            on_progress=progress.track("drawing radiographs"),
        )
    return read_manifest(made.manifest).frame
