"""The command line: one thin function per command over its twin in Python. It parses, calls and prints; what it prints is results.

Exit codes: 0 done; 1 done, and the answer is a finding; 2 bad input or usage, nothing written; 3 stopped partway, finished work kept;
70 our own fault; 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

import hybridcx
from hybridcx.cli.faults import explain, our_fault, system_fault
from hybridcx.cli.options import (
    Also,
    Debug,
    Device,
    DryRun,
    Jobs,
    Level,
    Measure,
    NoImages,
    Out,
    Positive,
    Pseudonymise,
    Quiet,
    Resamples,
    Scheduler,
    Seed,
    SeedDesign,
    Threshold,
    TrainingSize,
    Verbose,
    print_checked,
    progress_of,
)
from hybridcx.cli.plan import plan_app
from hybridcx.cli.storage import cache_app, weights_app
from hybridcx.errors import HybridcxError, InputError

# Typer carries its own copy of click in newer versions; both have this base of every usage error.
UsageProblem: Any = typer.BadParameter.__mro__[2]
app = typer.Typer(
    name="hybridcx",
    help="Evaluate medical image classifiers, deep and classical together, with the statistics that belong to it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(plan_app, name="plan")
app.add_typer(cache_app, name="cache")
app.add_typer(weights_app, name="weights")


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False) -> None:
    if version:
        from hybridcx.store.provenance import version as installed

        print(installed())
        raise typer.Exit


@app.command()
def demo(
    out: Out = None,
    no_images: NoImages = False,
    seed: Seed = None,
    jobs: Jobs = None,
    scheduler: Scheduler = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Draw a phantom cohort, run the demo's experiment on it, and print where the report is."""

    with progress_of(quiet, verbose) as progress:
        made = hybridcx.demo(
            out=out, seed=seed, images=not no_images, jobs=jobs, scheduler=scheduler, progress=progress
        )
        print(made.page)


@app.command()
def run(
    experiment: Annotated[Path, typer.Argument(help="An experiment file (TOML).")],
    out: Out = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start anew where the folder holds a changed experiment.")
    ] = False,
    no_images: NoImages = False,
    seed: Seed = None,
    device: Device = None,
    jobs: Jobs = None,
    scheduler: Scheduler = None,
    pseudonymise: Pseudonymise = None,
    also: Also = None,
    dry_run: DryRun = False,
    measure: Measure = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Run a whole experiment: cohort, splits, fine-tuning, features, heads, predictions, statistics, report."""
    if measure and not dry_run:
        raise InputError("--measure belongs to --dry-run")
    with progress_of(quiet, verbose) as progress:
        if dry_run:
            print(hybridcx.estimate(experiment, seed=seed, device=device, measure=measure, progress=progress).text)
            return

        made = hybridcx.run(
            experiment,
            out=out,
            seed=seed,
            device=device,
            fresh=fresh,
            images=not no_images,
            jobs=jobs,
            scheduler=scheduler,
            pseudonymise=pseudonymise,
            also=also or (),
            progress=progress,
        )
        print(made.page)


@app.command()
def compare(
    predictions: Annotated[
        list[Path],
        typer.Argument(help="Predictions (CSV or Parquet), one row per model and case; or folders of finished runs."),
    ],
    out: Out = None,
    positive: Positive = None,
    threshold: Threshold = "0.5",
    score_kind: Annotated[
        str, typer.Option("--score-kind", help="probability, or rank: any number, rank statistics alone.")
    ] = "probability",
    cluster: Annotated[
        str | None, typer.Option("--cluster", help="Column of what belongs together; default patient_id.")
    ] = None,
    readers: Annotated[
        Path | None, typer.Option("--readers", help="Ratings (CSV) of readers to set the models beside.")
    ] = None,
    readers_made_truth: Annotated[
        str, typer.Option("--readers-made-truth", help="Whether the truth is these readers': yes, no or unknown.")
    ] = "unknown",
    by: Annotated[Optional[list[str]], typer.Option("--by", help="Column of subgroups; may be given again.")] = None,  # noqa: UP045
    prevalence: Annotated[
        list[float] | None,
        typer.Option("--prevalence", help="PPV and NPV at this prevalence too; may be given again."),
    ] = None,
    margin: Annotated[float | None, typer.Option("--margin", help="Margin of equivalence and non-inferiority.")] = None,
    reference: Annotated[Optional[str], typer.Option("--reference", help="Compare each model with this one.")] = None,  # noqa: UP045
    all_pairs: Annotated[bool, typer.Option("--all-pairs", help="All pairs, also of more than 12 models.")] = False,
    stratified: Annotated[bool, typer.Option("--stratified", help="Bootstrap within each class.")] = False,
    seed_design: SeedDesign = "nested",
    n_train: TrainingSize = None,
    confidence_level: Level = 0.95,
    n_bootstrap: Resamples = 2000,
    seed: Seed = None,
    pseudonymise: Pseudonymise = None,
    also: Also = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Statistics and report alone, on predictions made by anyone."""

    if score_kind not in ("probability", "rank"):
        raise InputError("--score-kind is probability or rank")
    if readers_made_truth not in ("yes", "no", "unknown"):
        raise InputError("--readers-made-truth is yes, no or unknown")
    with progress_of(quiet, verbose) as progress:
        made = hybridcx.compare(
            predictions,
            out=out,
            positive=positive,
            threshold=threshold,
            score_kind=score_kind,  # type: ignore[arg-type]
            cluster=cluster,
            readers=readers,
            readers_made_truth=readers_made_truth,  # type: ignore[arg-type]
            by=by or (),
            prevalences=prevalence or (),
            margin=margin,
            reference=reference,
            all_pairs=all_pairs,
            stratified=stratified,
            confidence_level=confidence_level,
            n_bootstrap=n_bootstrap,
            seed=seed or 0,
            seed_design=seed_design,  # type: ignore[arg-type]
            n_train=n_train,
            pseudonymise=pseudonymise,
            also=also or (),
            progress=progress,
        )
        print(made.page)


@app.command()
def agreement(
    ratings: Annotated[Path, typer.Argument(help="Ratings (CSV), one column per reader, or per reader and occasion.")],
    out: Out = None,
    scale: Annotated[
        str | None,
        typer.Option(
            "--scale",
            help="measurement, nominal or ordinal; default by the values. Of a manifest it takes ratings or calls.",
        ),
    ] = None,
    positive: Positive = None,
    confidence_level: Level = 0.95,
    n_bootstrap: Resamples = 2000,
    seed: Seed = None,
    pseudonymise: Pseudonymise = None,
    also: Also = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Reader agreement and reliability."""

    if scale not in (None, "measurement", "nominal", "ordinal"):
        raise InputError("--scale is measurement, nominal or ordinal")
    with progress_of(quiet, verbose) as progress:
        made = hybridcx.agreement(
            ratings,
            out=out,
            scale=scale,  # type: ignore[arg-type]
            positive=positive,
            confidence_level=confidence_level,
            n_bootstrap=n_bootstrap,
            seed=seed or 0,
            pseudonymise=pseudonymise,
            also=also or (),
            progress=progress,
        )
        print(made.page)


@app.command()
def audit(
    published: Annotated[Path, typer.Argument(help="A published table (CSV): model, metric, value as printed.")],
    positives: Annotated[
        int | None, typer.Option("--positives", help="Cases of the positive class, unless the table says.")
    ] = None,
    negatives: Annotated[
        int | None, typer.Option("--negatives", help="Cases of the negative class, unless the table says.")
    ] = None,
    out: Out = None,
    unit: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            "--unit", help="percent or proportion, or METRIC=percent; may be given again. Default by the values."
        ),
    ] = None,
    confidence_level: Level = 0.95,
    also: Also = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Can a published table be true, which confusion matrices produce it, and what could its paired tests have shown."""
    from hybridcx.commands.audit import can_be_true, units_of

    with progress_of(quiet, verbose) as progress:
        made = hybridcx.audit(
            published,
            positives=positives,
            negatives=negatives,
            out=out,
            unit=units_of(unit or ()),
            confidence_level=confidence_level,
            also=also or (),
            progress=progress,
        )
        print(made.page)
    if not can_be_true(made.tables):
        raise typer.Exit(1)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="An experiment, a cohort manifest, predictions or ratings.")],
    kind: Annotated[
        str | None, typer.Option("--kind", help="experiment, cohort, predictions or ratings; default by what it is.")
    ] = None,
    positive: Positive = None,
    score_kind: Annotated[
        str, typer.Option("--score-kind", help="probability or rank, as compare takes it.")
    ] = "probability",
    scale: Annotated[str | None, typer.Option("--scale", help="Scale of ratings, as agreement takes it.")] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Tell every problem of a file, and of what it names, before anything runs. Exit code 1 if there is one."""

    if kind not in (None, "experiment", "cohort", "predictions", "ratings"):
        raise InputError("--kind is experiment, cohort, predictions or ratings")
    if score_kind not in ("probability", "rank"):
        raise InputError("--score-kind is probability or rank")
    if scale not in (None, "measurement", "nominal", "ordinal"):
        raise InputError("--scale is measurement, nominal or ordinal")
    with progress_of(quiet, verbose) as progress:
        found = hybridcx.check(
            file,
            kind=kind,  # type: ignore[arg-type]
            positive=positive,
            score_kind=score_kind,  # type: ignore[arg-type]
            scale=scale,  # type: ignore[arg-type]
            progress=progress,
        )
    print_checked(file, found)
    if not found.sound:
        raise typer.Exit(1)


@app.command()
def verify(
    folder: Annotated[Path, typer.Argument(help="The folder of a finished report.")],
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Recompute every number of a finished report from the predictions beside it, and check its files. Exit code 1 if something differs."""
    from hybridcx.verification import verify as verifying

    with progress_of(quiet, verbose) as progress:
        found = verifying.verify(folder, progress=progress)
    print("\n".join(verifying.lines_of(found)))
    if not found.agrees:
        raise typer.Exit(1)


@app.command()
def phantom(
    folder: Annotated[Path, typer.Argument(help="An empty folder, or a new one.")],
    patients: Annotated[
        int, typer.Option("--patients", min=20, max=100_000, help="Patients screened; 416 give 331 analysed.")
    ] = 416,
    seed: Seed = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Write a phantom cohort: images, manifest, two readers' ratings."""

    with progress_of(quiet, verbose) as progress:
        hybridcx.phantom(folder, patients=patients, seed=seed or 0, progress=progress)
        print(folder / "manifest.csv")


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the command `hybridcx`: ends the process with the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in arguments
    try:
        code = app(args=arguments, standalone_mode=False)
        sys.stdout.flush()
        if code == 130:  # what Typer makes of Ctrl-C
            raise KeyboardInterrupt
        sys.exit(code if isinstance(code, int) else 0)
    except UsageProblem as error:
        error.show(file=sys.stderr)
        sys.exit(2)
    except (KeyboardInterrupt, typer.Abort):
        print("Interrupted. What was finished is kept; the same command continues.", file=sys.stderr)
        sys.exit(130)
    except HybridcxError as error:
        explain(error, debug)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader of our output has gone
        sys.exit(0)
    except OSError as error:
        system_fault(error, debug)
    except Exception as error:
        our_fault(error, debug)


if __name__ == "__main__":
    main()
