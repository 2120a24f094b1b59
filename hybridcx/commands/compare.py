"""`hybridcx compare`: statistics and report on predictions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from numpy.typing import ArrayLike

from hybridcx.analysis.compare import analyse
from hybridcx.analysis.plan import Plan
from hybridcx.analysis.readers.models import reader_view
from hybridcx.analysis.thresholds import ThresholdRule, parse_threshold, with_chosen_thresholds
from hybridcx.commands.inputs import Compared, compared, readings_of
from hybridcx.commands.options import (
    AllPairs,
    Also,
    By,
    CaseIds,
    Cluster,
    Columns,
    ConfidenceLevel,
    Groups,
    Guess,
    Margin,
    ModelNames,
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
    Scores,
    Seed,
    SeedDesign,
    Stratified,
    Subgroups,
    Threshold,
    YPred,
    YTrue,
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
from hybridcx.commands.result import Report, folder_of, output
from hybridcx.errors import InputError, Problem
from hybridcx.narrative.caveats import caveats
from hybridcx.narrative.comparison import READERS_METHOD, comparison_methods, comparison_question
from hybridcx.pipeline.pseudonyms import Pseudonyms, pseudonyms
from hybridcx.progress import Progress
from hybridcx.records.arrays import frame_of_arrays, label_text
from hybridcx.records.layouts import Layout, parse_columns
from hybridcx.records.predictions import Predictions as CheckedPredictions
from hybridcx.records.ratings import Ratings
from hybridcx.report.checklists.evidence import checklist
from hybridcx.report.content import Content
from hybridcx.report.formats.all_forms import forms_of
from hybridcx.store.report_folder import OutputFolder


@documented
def compare(
    predictions: Predictions = None,
    *,
    y_true: YTrue = None,
    scores: Scores = None,
    y_pred: YPred = None,
    groups: Groups = None,
    subgroups: Subgroups = None,
    case_ids: CaseIds = None,
    out: Out = None,
    positive: Positive = None,
    threshold: Threshold = 0.5,
    score_kind: ScoreKind = "probability",
    columns: Columns = None,
    guess: Guess = False,
    model_names: ModelNames = (),
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

    Predictions are a file, a DataFrame, or arrays: `compare(y_true=y, scores={"forest": p1, "cnn": p2}, groups=patients)`. All arrays have the
    order of `y_true`; those with a pandas index must have the same.

    Other layouts are brought to one row per model and case: other column names (`columns`, `guess`), a column per model, both columns of
    `predict_proba`, a file per model. What was inferred is a warning, and stands on the page.

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
    positive, by = label_text(positive), (*by, *(subgroups or ()))
    options = checked(compare, locals())
    progress = progress or Progress(quiet=True)
    forms, rule = forms_of(also), parse_threshold(threshold)
    plan = Plan.of({**options, "threshold": rule.value})
    if y_true is not None:
        predictions = _of_arrays(predictions, y_true, scores, y_pred, groups, subgroups, case_ids, positive)
    elif any(v is not None for v in (scores, y_pred, groups, subgroups, case_ids)):
        raise InputError(Problem("arrays without y_true", remedy="give the labels of the cases as y_true"))
    elif predictions is None:
        raise InputError(Problem("nothing to compare", remedy="give predictions, or y_true with scores or y_pred"))
    source = compared(
        predictions, name="the DataFrame" if y_true is None else "the arrays",
        positive=positive, threshold=rule.value, score_kind=score_kind, cluster=cluster,
        layout=Layout(parse_columns(columns), guess), model_names=model_names,
    )  # fmt: skip
    target = None if out is None else folder_of(out, source.name)
    if target is not None:
        source.check_target(target)
    data = _prepare(source, rule, target, by=by, readers=readers, key_file=pseudonymise)
    for message in data.messages:
        progress.say(message)
    clock = Clock()
    with output(target, source.name, "compare", progress) as folder:
        tables, reader_notes = _analyse(data, plan, readers_made_truth, progress)
        content = _content(data, plan, tables, reader_notes, page_provenance(seed, source.inputs))
        tables["checklist"] = checklist(content)
        recorded = {**options, "readers_made_truth": readers_made_truth if data.ratings else None}
        write = _writer(data, plan, content, tables, forms, recorded, clock, progress)
        return Report(tables, content, _write=write).written(folder)


def _of_arrays(
    predictions: Predictions,
    y_true: ArrayLike,
    scores: Scores,
    y_pred: YPred,
    groups: Groups,
    subgroups: Subgroups,
    case_ids: CaseIds,
    positive: str | None,
) -> pd.DataFrame:
    """The arrays as a DataFrame. Raises InputError where predictions are given besides."""
    if predictions is not None:
        raise InputError(Problem("predictions and y_true", remedy="give one of the two"))
    return frame_of_arrays(
        y_true,
        scores=scores,
        y_pred=y_pred,
        groups=groups,
        subgroups=subgroups,
        case_ids=case_ids,
        positive=positive,
    )


def _writer(
    data: _Data,
    plan: Plan,
    content: Content,
    tables: dict[str, pd.DataFrame],
    forms: Sequence[str],
    options: Mapping[str, object],
    clock: Clock,
    progress: Progress,
) -> Callable[[OutputFolder], None]:
    """A function that writes the report into a folder."""

    def write(folder: OutputFolder) -> None:
        ledger = _write_data(folder.begin(), data)
        finish(
            folder,
            content,
            tables,
            forms=forms,
            ledger_columns=ledger.columns,
            inputs=data.source.inputs,
            options={**options, **plan_options(plan), **data.source.options(data.predictions)},
            further_columns=rating_columns(data.ratings) if data.ratings else None,
            more={"pseudonyms": data.pseudonyms.described} if data.pseudonyms else None,
            clock=clock,
            progress=progress,
        )

    return write


@dataclass(frozen=True, slots=True)
class _Data:
    """The input as it is analysed: models sorted, thresholds chosen, identifiers replaced where pseudonyms are asked for."""

    source: Compared
    predictions: CheckedPredictions
    ratings: Ratings | None
    pseudonyms: Pseudonyms | None

    @property
    def messages(self) -> list[str]:
        """Notes and warnings about the input, for the log."""
        warnings = [*self.predictions.warnings, *(self.ratings.warnings if self.ratings else ())]
        return [*self.source.notes, *(f"Warning: {w}" for w in warnings)]


def _prepare(
    source: Compared, rule: ThresholdRule, target: Path | None, *, by: By, readers: Readers, key_file: Pseudonymise
) -> _Data:
    """Replace identifiers, choose the thresholds, and read the readers' file, whose hash is added to `source.inputs`."""
    names = None if key_file is None else pseudonyms(key_file, target)
    read = source.read if names is None else names.predictions(source.read, by)
    read = with_chosen_thresholds(replace(read, models=tuple(sorted(read.models))), rule)
    ratings = None if readers is None else readings_of(readers, source.inputs)
    if ratings is not None and names is not None:
        ratings = names.ratings(ratings)
    return _Data(source, read, ratings, names)


def _analyse(
    data: _Data, plan: Plan, made_truth: ReadersMadeTruth, progress: Progress
) -> tuple[dict[str, pd.DataFrame], tuple[str, ...] | None]:
    """The tables of the report, and the caveats of the comparison with readers: None without readers."""
    view = reader_view(data.predictions, data.ratings, plan, made_truth) if data.ratings else None
    tables = analyse(data.predictions, plan, progress.track("comparing"))
    return tables | (view.tables if view else {}) | data.source.tables, view.notes if view else None


def _write_data(folder: Path, data: _Data) -> pd.DataFrame:
    """Write the ratings and the predictions, without empty columns and patient ids; return the predictions as written."""
    if data.ratings:
        write_readings(folder, data.ratings)
    frame = data.predictions.frame
    ledger = without_patients(frame.drop(columns=[c for c in frame if frame[c].isna().all()]))
    write_ledger(folder, ledger)
    return ledger


def _content(
    data: _Data,
    plan: Plan,
    tables: dict[str, pd.DataFrame],
    reader_notes: tuple[str, ...] | None,
    provenance: dict[str, str],
) -> Content:
    """The contents of the page."""
    read, source = data.predictions, data.source
    methods = comparison_methods(read, plan, tables)
    return Content(
        title=source.title(read),
        command="compare",
        question=comparison_question(read.models, read.n_cases, len(read.seeds)),
        tables=tables,
        caveats=[*source.notes, *caveats(read, tables)],
        methods=[*methods, *([] if reader_notes is None else [READERS_METHOD])],
        study_methods=methods[:1],
        reader_notes=reader_notes or (),
        primary_models=list(read.models[:12]),
        primary_metric=plan.primary_metric if read.has_pred else "auroc",
        provenance=provenance,
    )
