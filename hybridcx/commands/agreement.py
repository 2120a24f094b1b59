"""`hybridcx agreement`: from a table of ratings to the coefficients and their report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd

from hybridcx.analysis.plan import level_problems, resample_problems
from hybridcx.analysis.readers.agreement import agreement_table
from hybridcx.commands.publish import (
    Clock,
    finish,
    page_provenance,
    rating_columns,
    write_readings,
)
from hybridcx.commands.result import Report, default_out
from hybridcx.errors import raise_if_any
from hybridcx.pipeline.pseudonyms import pseudonyms
from hybridcx.progress import Progress
from hybridcx.records.ratings import read_ratings
from hybridcx.report.content import Content
from hybridcx.report.formats.all_forms import forms_of
from hybridcx.store.artefacts import sha256_file
from hybridcx.store.report_folder import open_output

if TYPE_CHECKING:
    pass


def agreement_report(
    path: Path,
    target: Path,
    *,
    scale: Literal["measurement", "nominal", "ordinal"] | None,
    positive: str | None,
    confidence_level: float,
    n_bootstrap: int,
    seed: int,
    key: str | Path | None,
    forms: Sequence[str],
    progress: Progress,
) -> dict[str, pd.DataFrame]:
    """Write the report of the ratings in `path` to `target`, and return its tables.

    See `hybridcx.agreement`; `key` is its `pseudonymise`, `forms` its `also`.
    """
    raise_if_any([*level_problems(confidence_level), *resample_problems(n_bootstrap)])
    read = read_ratings(path, scale=scale)
    names = None if key is None else pseudonyms(key, target)
    read = read if names is None else names.ratings(read)
    for warning in read.warnings:
        progress.say(f"Warning: {warning}")
    clock, inputs = Clock(), {path.name: sha256_file(path)}
    with open_output(target, "agreement", progress.notice) as folder:
        table = agreement_table(
            read, positive=positive, confidence_level=confidence_level, n_resamples=n_bootstrap, seed=seed
        )
        tables = {"agreement": table}
        new = folder.begin()
        write_readings(new, read)
        n_readers = len({c.reader for c in read.columns})
        content = Content(
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
        finish(
            folder,
            content,
            tables,
            forms=forms,
            further_columns=rating_columns(read),
            more={"pseudonyms": names.described} if names else None,
            inputs=inputs,
            options={
                "seed": seed,
                "ratings_file": path.name,
                "input_warnings": [str(w) for w in read.warnings],
                "scale": read.scale,
                "positive": positive,
                "confidence_level": confidence_level,
                "n_bootstrap": n_bootstrap,
            },
            clock=clock,
            progress=progress,
        )
    return tables


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
    progress: Progress | None = None,
) -> Report:
    """Reader agreement and reliability from a table of ratings (CSV, one column per reader, or per reader and occasion).

    `pseudonymise`: as in `compare`.
    """
    from hybridcx.commands.agreement import agreement_report

    target = Path(out) if out is not None else default_out(Path(ratings).stem)
    tables = agreement_report(
        Path(ratings),
        target,
        scale=scale,
        positive=positive,
        confidence_level=confidence_level,
        n_bootstrap=n_bootstrap,
        seed=seed,
        key=pseudonymise,
        forms=forms_of(also),
        progress=progress or Progress(quiet=True),
    )
    return Report(target, target / "report.html", tables)
