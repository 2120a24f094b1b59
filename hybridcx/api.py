"""The Python twins of the commands: each does the work and returns pandas DataFrames with the names of the CSVs.

Paths may be `str` or `Path`. Bad input raises InputError (with every problem), a run that stopped partway StoppedError; nothing is printed unless
a Progress is handed in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd

from hybridcx.artefacts import Store, cache_root, sha256_file, write_atomic
from hybridcx.errors import InputError, Problem, raise_if_any
from hybridcx.experiment import Experiment, read_experiment, with_changes
from hybridcx.outputs import open_output
from hybridcx.progress import Progress
from hybridcx.publish import Clock, finish, page_provenance, plan_options, without_patients, write_ledger

if TYPE_CHECKING:
    from hybridcx.checking import Checked

MIN_RESAMPLES, MAX_RESAMPLES = 100, 1_000_000


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
    predictions: str | Path | pd.DataFrame,
    *,
    out: str | Path | None = None,
    positive: str | None = None,
    threshold: float = 0.5,
    score_kind: Literal["probability", "rank"] = "probability",
    by: Sequence[str] = (),
    prevalences: Sequence[float] = (),
    margin: float | None = None,
    reference: str | None = None,
    all_pairs: bool = False,
    stratified: bool = False,
    confidence_level: float = 0.95,
    n_bootstrap: int = 2000,
    seed: int = 0,
    progress: Progress | None = None,
) -> Report:
    """Statistics and report on predictions made by anyone (CSV or Parquet, or a DataFrame with the same columns).

    Raises InputError for anything wrong with the predictions or the options; then nothing has been written.
    """
    progress = progress or Progress(quiet=True)
    from hybridcx.analysis.compare import analyse
    from hybridcx.analysis.plan import Plan
    from hybridcx.describe import caveats, comparison_methods
    from hybridcx.records.predictions import predictions_from_frame, read_predictions

    plan = Plan(
        seed=seed,
        confidence_level=confidence_level,
        n_resamples=n_bootstrap,
        threshold=threshold,
        margin=margin,
        by=tuple(by),
        prevalences=tuple(prevalences),
        stratified=stratified,
        reference=reference,
        all_pairs=all_pairs,
    )
    _check_options(plan)
    if isinstance(predictions, pd.DataFrame):
        name, inputs = "comparison", {}
        read = predictions_from_frame(predictions, positive=positive, threshold=threshold, score_kind=score_kind)
    else:
        path = Path(predictions)
        read = read_predictions(path, positive=positive, threshold=threshold, score_kind=score_kind)
        name, inputs = path.stem, {path.name: sha256_file(path)}
    for warning in read.warnings:
        progress.say(f"Warning: {warning}")
    target = Path(out) if out is not None else default_out(name)
    clock = Clock()
    with open_output(target, "compare") as folder:
        tables = analyse(read, plan, progress.track("comparing"))
        new = folder.begin()
        ledger = read.frame.drop(columns=[c for c in read.frame if read.frame[c].isna().all()])
        ledger = without_patients(ledger)
        write_ledger(new, ledger)
        from hybridcx.report.page import ReportData

        data = ReportData(
            title=f"Comparison of {len(read.models)} models: {name}",
            command="compare",
            question=_question(read.models, read.n_cases),
            tables=tables,
            caveats=caveats(read, tables),
            methods=comparison_methods(read, plan, tables),
            primary_models=list(read.models[:12]),
            primary_metric=plan.primary_metric if read.has_pred else "auroc",
            provenance=page_provenance(seed, inputs),
        )
        finish(
            folder,
            data,
            tables,
            ledger_columns=ledger.columns,
            inputs=inputs,
            options={**plan_options(plan), "positive": read.positive, "score_kind": score_kind},
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
    progress: Progress | None = None,
) -> Report:
    """Reader agreement and reliability from a table of ratings (CSV, one column per reader, or per reader and occasion)."""
    progress = progress or Progress(quiet=True)
    from hybridcx.analysis.agreement import agreement_table
    from hybridcx.records.ratings import read_ratings
    from hybridcx.report.page import ReportData

    raise_if_any([*_level_problems(confidence_level), *_resample_problems(n_bootstrap)])
    path = Path(ratings)
    read = read_ratings(path, scale=scale)
    for warning in read.warnings:
        progress.say(f"Warning: {warning}")
    target = Path(out) if out is not None else default_out(path.stem)
    clock, inputs = Clock(), {path.name: sha256_file(path)}
    with open_output(target, "agreement") as folder:
        table = agreement_table(
            read, positive=positive, confidence_level=confidence_level, n_resamples=n_bootstrap, seed=seed
        )
        tables = {"agreement": table}
        new = folder.begin()
        # the readings alone: further columns may name patients
        write_atomic(
            new / "ratings.csv", read.frame.reset_index().to_csv(index=False, lineterminator="\n", na_rep="NA")
        )
        n_readers = len({c.reader for c in read.columns})
        data = ReportData(
            title=f"Agreement of {n_readers} readers: {path.stem}",
            command="agreement",
            question=f"How well do the {n_readers} readers agree on {len(read.frame)} cases?",
            tables=tables,
            caveats=[str(p) for p in read.warnings],
            methods=[
                f"Intervals are at the {100 * confidence_level:g} % level. Intraclass correlations: Shrout and Fleiss (1979), from the two-way "
                "analysis of variance. Kappa: Cohen (1960, 1968), standard errors after Fleiss, Cohen and Everitt (1969). AC1 and AC2: Gwet (2008). "
                "Limits of agreement: Bland and Altman (1986), exact limits after Carkeet (2015). "
                "Within-reader and between-reader rows are kept apart."
            ],
            provenance=page_provenance(seed, inputs),
        )
        described = {
            ("ratings", c): ("as given in the input", "") for c in ["case_id", *[k.column for k in read.columns]]
        }
        finish(
            folder,
            data,
            tables,
            extra=described,
            inputs=inputs,
            options={
                "seed": seed,
                "scale": read.scale,
                "positive": positive,
                "confidence_level": confidence_level,
                "n_bootstrap": n_bootstrap,
            },
            clock=clock,
            progress=progress,
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
    cache: str | Path | None = None,
    progress: Progress | None = None,
) -> Report:
    """The whole experiment: cohort, splits, fine-tuning, features, heads, predictions, statistics, report.

    Parameters
    ----------
    experiment : an experiment file, or an Experiment made in Python (then `base` is the folder that its paths start from).
    seed, device : win over the file's.
    fresh : start anew in a folder that holds another experiment's results.
    cache : where the stages keep what they made; default `hybridcx.artefacts.cache_root()`.

    Raises
    ------
    InputError
        for bad input, and for a folder that holds a run with other data, configuration or code (with what differs).
    StoppedError
        when training diverges or the disk is full; what is finished is kept and the same call continues.
    """
    progress = progress or Progress(quiet=True)
    if isinstance(experiment, Experiment):
        read, source = experiment, None
    else:
        source = Path(experiment)
        read = read_experiment(source)
    changes: dict[str, object] = {}
    if seed is not None:
        changes["seed"] = seed
    if device is not None:
        changes["compute"] = {**read.compute.model_dump(), "device": device}
    if changes:
        read = with_changes(read, changes)
    from hybridcx.running import run_experiment  # torch: only when the file is known to be good

    folder = Path(base) if base is not None else (source.parent if source is not None else Path())
    target = Path(out) if out is not None else default_out(read.name)
    store = Store(Path(cache) if cache is not None else cache_root(), say=progress.say)
    tables = run_experiment(read, folder, target, store, progress, fresh=fresh)
    return Report(target, target / "report.html", tables)


def demo(
    *,
    out: str | Path | None = None,
    seed: int | None = None,
    cache: str | Path | None = None,
    progress: Progress | None = None,
) -> Report:
    """The main job on the embedded default: a phantom cohort and the demo's experiment."""
    progress = progress or Progress(quiet=True)
    packaged = resources.files("hybridcx.resources") / "demo.toml"
    with resources.as_file(packaged) as path:
        # fresh: an updated hybridcx may run its own demo again without being told so; what still holds comes from the cache
        return run(path, out=out, base=Path(), seed=seed, fresh=True, cache=cache, progress=progress)


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

    Raises InputError where there is no such file, or where it cannot be told what it is.
    """
    from hybridcx.checking import check_file

    return check_file(Path(file), kind=kind, positive=positive, score_kind=score_kind, scale=scale, progress=progress)


def phantom(
    folder: str | Path, *, patients: int = 416, seed: int = 0, progress: Progress | None = None
) -> pd.DataFrame:
    """Write a phantom cohort (images, manifest, two readers' ratings) and return its manifest."""
    progress = progress or Progress(quiet=True)
    from hybridcx.cohort.manifest import read_manifest
    from hybridcx.parallel import default_jobs
    from hybridcx.phantoms.cohort import write_phantom

    target = Path(folder)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(Problem("the folder is not empty", str(target), remedy="choose an empty folder, or a new one"))
    made = write_phantom(
        target, n_patients=patients, seed=seed, jobs=default_jobs(), on_progress=progress.track("drawing radiographs")
    )
    return read_manifest(made.manifest).frame


def _level_problems(level: float) -> list[Problem]:
    return [] if 0.5 < level < 1 else [Problem("the confidence level must lie between 0.5 and 1", value=level)]


def _resample_problems(n: int) -> list[Problem]:
    rule = f"bootstrap resamples must lie between {MIN_RESAMPLES} and {MAX_RESAMPLES:,}"
    return [] if MIN_RESAMPLES <= n <= MAX_RESAMPLES else [Problem(rule, value=n)]


def _check_options(plan: object) -> None:
    """Refuse options out of range, all at once."""
    from hybridcx.analysis.plan import Plan

    if not isinstance(plan, Plan):
        raise TypeError("a Plan is expected")
    problems = []
    problems += _level_problems(plan.confidence_level)
    problems += _resample_problems(plan.n_resamples)
    if plan.margin is not None and not 0 < plan.margin < 1:
        problems.append(Problem("the margin must lie between 0 and 1", value=plan.margin))
    problems += [Problem("a prevalence must lie between 0 and 1", value=p) for p in plan.prevalences if not 0 < p < 1]
    raise_if_any(problems)


def _question(models: Sequence[str], n_cases: int) -> str:
    if len(models) == 1:
        return f"How well does {models[0]} classify the {n_cases} test cases?"
    return f"Is one of the {len(models)} models better on the {n_cases} test cases, by how much, and how sure is that?"
