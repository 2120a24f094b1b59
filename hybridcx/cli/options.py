"""The options that several commands share, and the progress that they show."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from hybridcx.errors import printable_path

Out = Annotated[
    Path | None, typer.Option("--out", help="Folder of the report; default reports/<name>.", show_default=False)
]
Seed = Annotated[
    int | None,
    typer.Option("--seed", min=0, max=2**31 - 1, help="Seed of everything that is drawn; wins over the file's."),
]
Device = Annotated[Optional[str], typer.Option("--device", help="cpu, cuda, cuda:N or mps; wins over the file's.")]  # noqa: UP045
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        min=1,
        help="Trainings and fits side by side, in so many processes; default: one training at a time, heads on all processors.",
        show_default=False,
    ),
]
Scheduler = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--scheduler",
        metavar="ADDRESS",
        help="Do them on a Dask cluster instead: tcp://127.0.0.1:PORT, or tls://HOST:PORT.",
        show_default=False,
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Train and keep nothing: print an estimate of hours, memory and energy.")
]
Measure = Annotated[
    bool, typer.Option("--measure", help="With --dry-run: time a few steps of each network on this machine.")
]
NoImages = Annotated[
    bool, typer.Option("--no-images", help="No pictures of cases or maps in the report; the numbers stay.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no sentences; results and errors only.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say more.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Level = Annotated[float, typer.Option("--confidence-level", help="Level of the intervals.")]
Resamples = Annotated[int, typer.Option("--n-bootstrap", help="Bootstrap resamples.")]
Threshold = Annotated[
    str,
    typer.Option(
        "--threshold",
        help="A score at or above it is called positive: a number, or a rule by which each model's own is chosen on the validation rows "
        "(youden, sensitivity=0.95, specificity=0.9).",
    ),
]
Also = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option(
        "--also",
        help="Further forms of the report, with commas: word, latex, figures, paper, or all.",
        show_default=False,
    ),
]
Positive = Annotated[Optional[str], typer.Option("--positive", help="The positive class.")]  # noqa: UP045
Pseudonymise = Annotated[
    Path | None,
    typer.Option(
        "--pseudonymise",
        metavar="KEYFILE",
        help="Pseudonyms in the place of case ids, by the key in this file outside of --out; it is made where it is absent.",
        show_default=False,
    ),
]
SeedDesign = Annotated[
    str,
    typer.Option(
        "--seed-design",
        help="With several seeds: nested (networks trained apart), crossed (a seed is the same reader with every model) or fixed "
        "(these readers alone).",
    ),
]
TrainingSize = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option(
        "--n-train", help="Training and validation cases of repeated hold-out, where the file does not list them."
    ),
]


def progress_of(quiet: bool, verbose: bool) -> Any:
    from hybridcx.progress import Progress

    return Progress(quiet=quiet, verbose=verbose)


def print_checked(file: Path, found: Any) -> None:
    """Print what `hybridcx.check` found: the kind of file and what it holds, then each problem in a line."""
    from hybridcx.commands.check import NAMES

    errors = [p for p in found.problems if p.severity == "error"]
    warnings = [p for p in found.problems if p.severity != "error"]
    print(f"{printable_path(file)}: {NAMES[found.kind]}" + (f" ({found.holds})" if found.holds else ""))
    for line in found.needs:
        print(line)
    for p in errors:
        print(f"- {p}")
    for p in warnings:
        print(f"- Warning: {p}")
    n, m = len(errors), len(warnings)
    print(f"{n or 'no'} problem{'' if n == 1 else 's'}, {m or 'no'} warning{'' if m == 1 else 's'}")
