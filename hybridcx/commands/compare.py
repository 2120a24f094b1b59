"""`hybridcx compare`: statistics and report on predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd

from hybridcx.commands.publish import (
    Clock,
    finish,
    page_provenance,
    plan_options,
    rating_columns,
    without_patients,
    write_ledger,
    write_readings,
)
from hybridcx.commands.result import Report, default_out
from hybridcx.errors import raise_if_any
from hybridcx.pipeline.pseudonyms import pseudonyms
from hybridcx.progress import Progress
from hybridcx.report.formats.all_forms import forms_of
from hybridcx.store.report_folder import open_output

if TYPE_CHECKING:
    pass


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
    is then a pseudonym by this key, and further columns that are not used are left out. `also`: further forms of the report
    (`docs/handing_on.md`).

    Raises InputError for anything wrong with the predictions or the options; then nothing has been written.
    """
    progress = progress or Progress(quiet=True)
    from hybridcx.analysis.compare import analyse
    from hybridcx.analysis.plan import Plan
    from hybridcx.analysis.readers.models import reader_view
    from hybridcx.analysis.thresholds import parse_threshold, with_chosen_thresholds
    from hybridcx.commands.inputs import compared, readings_of
    from hybridcx.narrative.caveats import caveats
    from hybridcx.narrative.comparison import READERS_METHOD, comparison_methods, comparison_question

    forms = forms_of(also)
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
    with open_output(target, "compare", progress.notice) as folder:
        view = reader_view(read, ratings, plan, readers_made_truth) if ratings else None
        tables = analyse(read, plan, progress.track("comparing")) | (view.tables if view else {}) | given.tables
        new = folder.begin()
        if ratings:
            write_readings(new, ratings)
        ledger = without_patients(read.frame.drop(columns=[c for c in read.frame if read.frame[c].isna().all()]))
        write_ledger(new, ledger)
        from hybridcx.report.checklists.evidence import checklist
        from hybridcx.report.content import Content

        methods = comparison_methods(read, plan, tables)
        content = Content(
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
        tables["checklist"] = checklist(content)
        finish(
            folder,
            content,
            tables,
            forms=forms,
            ledger_columns=ledger.columns,
            inputs=inputs,
            options={
                **plan_options(plan),
                **given.options(read),
                "readers_file": None if readers is None or isinstance(readers, pd.DataFrame) else Path(readers).name,
                "readers_made_truth": readers_made_truth if ratings else None,
            },
            further_columns=rating_columns(ratings) if ratings else None,
            more={"pseudonyms": names.described} if names else None,
            clock=clock,
            progress=progress,
        )
    return Report(target, target / "report.html", tables)
