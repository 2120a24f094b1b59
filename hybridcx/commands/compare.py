"""`hybridcx compare`: statistics and report on predictions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hybridcx.commands.options import (
    AllPairs,
    Also,
    By,
    Cluster,
    ConfidenceLevel,
    Margin,
    NBootstrap,
    NTrain,
    Out,
    Positive,
    Predictions,
    Prevalences,
    Pseudonymise,
    Readers,
    ReadersMadeTruth,
    Reference,
    ReportsProgress,
    ScoreKind,
    Seed,
    SeedDesign,
    Stratified,
    Threshold,
    checked,
    documented,
)
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
from hybridcx.pipeline.pseudonyms import pseudonyms
from hybridcx.progress import Progress
from hybridcx.report.formats.all_forms import forms_of
from hybridcx.store.report_folder import open_output


@documented
def compare(
    predictions: Predictions,
    *,
    out: Out = None,
    positive: Positive = None,
    threshold: Threshold = 0.5,
    score_kind: ScoreKind = "probability",
    cluster: Cluster = None,
    readers: Readers = None,
    readers_made_truth: ReadersMadeTruth = "unknown",
    by: By = (),
    prevalences: Prevalences = (),
    margin: Margin = None,
    reference: Reference = None,
    all_pairs: AllPairs = False,
    stratified: Stratified = False,
    confidence_level: ConfidenceLevel = 0.95,
    n_bootstrap: NBootstrap = 2000,
    seed: Seed = 0,
    seed_design: SeedDesign = "nested",
    n_train: NTrain = None,
    pseudonymise: Pseudonymise = None,
    also: Also = (),
    progress: ReportsProgress = None,
) -> Report:
    """Compare models by their predictions: statistics and report.

    Folders of finished reports: seeds of one experiment become seeds, other runs become models named `<run>/<model>`, and the table `runs`
    lists how their configurations differ. Models are sorted by name, so that the order of the rows has no effect.

    Columns `reader_<name>[_<occasion>]` of the predictions (calls of readers, each one of the labels): every comparison is repeated with each
    reading as the truth, and on the cases on which the readings agree: rows with `label.rule`, and the table `label_rules`.

    Returns
    -------
    Report: `tables["comparisons"]` holds the rows of comparisons.csv, and so on.

    Raises
    ------
    InputError
        for anything wrong with the predictions or the options, with every problem; nothing has been written.
    """
    options = checked(compare, locals())
    progress = progress or Progress(quiet=True)
    from hybridcx.analysis.compare import analyse
    from hybridcx.analysis.plan import Plan
    from hybridcx.analysis.readers.models import reader_view
    from hybridcx.analysis.thresholds import parse_threshold, with_chosen_thresholds
    from hybridcx.commands.inputs import compared, readings_of
    from hybridcx.narrative.caveats import caveats
    from hybridcx.narrative.comparison import READERS_METHOD, comparison_methods, comparison_question

    forms = forms_of(also)
    rule = parse_threshold(threshold)
    plan = Plan.of({**options, "threshold": rule.value})
    source = compared(predictions, positive=positive, threshold=rule.value, score_kind=score_kind, cluster=cluster)
    read, inputs = source.read, source.inputs
    target = Path(out) if out is not None else default_out(source.name)
    source.check_target(target)
    names = None if pseudonymise is None else pseudonyms(pseudonymise, target)
    read = read if names is None else names.predictions(read, by)
    read = with_chosen_thresholds(replace(read, models=tuple(sorted(read.models))), rule)
    ratings = None if readers is None else readings_of(readers, inputs)
    if ratings is not None and names is not None:
        ratings = names.ratings(ratings)
    warnings = [*read.warnings, *(ratings.warnings if ratings else ())]
    for message in [*source.notes, *(f"Warning: {w}" for w in warnings)]:
        progress.say(message)
    clock = Clock()
    with open_output(target, "compare", progress.notice) as folder:
        view = reader_view(read, ratings, plan, readers_made_truth) if ratings else None
        tables = analyse(read, plan, progress.track("comparing")) | (view.tables if view else {}) | source.tables
        new = folder.begin()
        if ratings:
            write_readings(new, ratings)
        ledger = without_patients(read.frame.drop(columns=[c for c in read.frame if read.frame[c].isna().all()]))
        write_ledger(new, ledger)
        from hybridcx.report.checklists.evidence import checklist
        from hybridcx.report.content import Content

        methods = comparison_methods(read, plan, tables)
        content = Content(
            title=source.title(read),
            command="compare",
            question=comparison_question(read.models, read.n_cases, len(read.seeds)),
            tables=tables,
            caveats=[*source.notes, *caveats(read, tables)],
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
                **options,
                **plan_options(plan),
                **source.options(read),
                "readers_made_truth": readers_made_truth if ratings else None,
            },
            further_columns=rating_columns(ratings) if ratings else None,
            more={"pseudonyms": names.described} if names else None,
            clock=clock,
            progress=progress,
        )
    return Report(target, target / "report.html", tables)
