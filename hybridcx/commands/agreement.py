"""`hybridcx agreement`: coefficients of agreement from a table of ratings, and their report."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from hybridcx.analysis.readers.agreement import agreement_table
from hybridcx.commands.options import (
    Also,
    ConfidenceLevel,
    NBootstrap,
    Out,
    Positive,
    Pseudonymise,
    Ratings,
    ReportsProgress,
    Scale,
    Seed,
    checked,
    documented,
)
from hybridcx.commands.publish import (
    Clock,
    finish,
    page_provenance,
    rating_columns,
    write_readings,
)
from hybridcx.commands.result import Report, folder_of, output
from hybridcx.errors import InputError, Problem
from hybridcx.pipeline.pseudonyms import pseudonyms
from hybridcx.progress import OfPython
from hybridcx.records.arrays import label_text
from hybridcx.records.ratings import Ratings as ReadRatings
from hybridcx.records.ratings import ratings_from_frame, read_ratings
from hybridcx.report.content import Content
from hybridcx.report.formats.all_forms import forms_of
from hybridcx.store.artefacts import sha256_file
from hybridcx.store.report_folder import OutputFolder


@documented
def agreement(
    ratings: Ratings,
    *,
    out: Out = None,
    scale: Scale = None,
    positive: Positive = None,
    confidence_level: ConfidenceLevel = 0.95,
    n_bootstrap: NBootstrap = 2000,
    seed: Seed = 0,
    pseudonymise: Pseudonymise = None,
    also: Also = (),
    progress: ReportsProgress = None,
) -> Report:
    """Agreement and reliability of readers.

    Returns
    -------
    Report: `tables["agreement"]` holds the rows of agreement.csv.

    Raises
    ------
    InputError
        for anything wrong with the ratings or the options, with every problem; nothing has been written.
    """
    positive = label_text(positive)
    options = checked(agreement, locals())
    if positive is not None and scale == "measurement":
        raise InputError(Problem("--positive is for calls, not for measurements", value=positive))
    scale = "nominal" if positive is not None and scale is None else scale
    progress = progress or OfPython()
    forms, inputs = forms_of(also), dict[str, str]()
    if isinstance(ratings, pd.DataFrame):
        name, read = "ratings", ratings_from_frame(ratings, scale=scale)
    else:
        path = Path(ratings)
        name, read = path.stem, read_ratings(path, scale=scale)
        inputs = {path.name: sha256_file(path)} if path.is_file() else {}
    target = None if out is None else folder_of(out, name)
    names = None if pseudonymise is None else pseudonyms(pseudonymise, target)
    read = read if names is None else names.ratings(read)
    for warning in read.warnings:
        progress.say(f"Warning: {warning}")
    clock = Clock()
    with output(target, name, "agreement", progress) as folder:
        table = agreement_table(
            read, positive=positive, confidence_level=confidence_level, n_resamples=n_bootstrap, seed=seed
        )
        tables = {"agreement": table}
        content = _content(name, read, tables, confidence_level, page_provenance(seed, inputs))

        def write(folder: OutputFolder) -> None:
            write_readings(folder.begin(), read)
            finish(
                folder,
                content,
                tables,
                forms=forms,
                further_columns=rating_columns(read),
                more={"pseudonyms": names.described} if names else None,
                inputs=inputs,
                options={
                    **options,
                    "scale": None if read.maybe_codes else read.scale,
                    "input_warnings": [str(w) for w in read.warnings],
                },
                clock=clock,
                progress=progress,
            )

        return Report(tables, content, _write=write).written(folder)


def _content(
    name: str, read: ReadRatings, tables: dict[str, pd.DataFrame], confidence_level: float, provenance: dict[str, str]
) -> Content:
    """The contents of the page."""
    n_readers = len({c.reader for c in read.columns})
    return Content(
        title=f"Agreement of {n_readers} readers: {name}",
        command="agreement",
        question=f"How well do the {n_readers} readers agree on {len(read.frame)} cases?",
        tables=tables,
        readings=read,
        caveats=[str(p) for p in read.warnings],
        methods=[
            f"Intervals are at the {100 * confidence_level:g} % level. Intraclass correlations: Shrout and Fleiss (1979), from the two-way "
            "analysis of variance. Kappa: Cohen (1960, 1968), standard errors after Fleiss, Cohen and Everitt (1969). AC1 and AC2: Gwet (2008). "
            "Limits of agreement: Bland and Altman (1986), exact limits after Carkeet (2015). "
            "Within-reader and between-reader rows are kept apart."
        ],
        provenance=provenance,
    )
