"""The report of a comparison: checked predictions, analysed and described, and what writes its folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import pandas as pd

from hybridcx.analysis.compare import analyse
from hybridcx.analysis.plan import Plan
from hybridcx.analysis.readers.models import reader_view
from hybridcx.analysis.thresholds import ThresholdRule, with_chosen_thresholds
from hybridcx.commands.inputs import Compared, readings_of
from hybridcx.commands.publish import (
    Clock,
    finish,
    ledger_file,
    page_provenance,
    plan_options,
    rating_columns,
    without_patients,
    write_ledger,
    write_readings,
)
from hybridcx.commands.result import Report, folder_of, output
from hybridcx.narrative.caveats import caveats
from hybridcx.narrative.comparison import READERS_METHOD, comparison_methods, comparison_question
from hybridcx.pipeline.pseudonyms import Pseudonyms, pseudonyms
from hybridcx.progress import Progress
from hybridcx.records.finished_lineage import LINEAGE
from hybridcx.records.predictions import Predictions as CheckedPredictions
from hybridcx.records.ratings import Ratings
from hybridcx.report.checklists.evidence import checklist
from hybridcx.report.content import Content
from hybridcx.store.artefacts import write_atomic
from hybridcx.store.report_folder import OutputFolder

MadeTruth = Literal["yes", "no", "unknown"]


def comparison_report(
    source: Compared,
    plan: Plan,
    rule: ThresholdRule,
    options: Mapping[str, object],
    *,
    out: str | Path | None,
    forms: Sequence[str],
    progress: Progress,
    readers: str | Path | pd.DataFrame | None = None,
    readers_made_truth: MadeTruth = "unknown",
    pseudonymise: str | Path | None = None,
) -> Report:
    """Analyse the predictions of `source` by the plan. `options`: the options of the command as provenance.json records them."""
    target = None if out is None else folder_of(out, source.name)
    if target is not None:
        source.check_target(target)
    data = _prepare(source, rule, target, by=plan.by, readers=readers, key_file=pseudonymise)
    for message in data.messages:
        progress.say(message)
    clock = Clock()
    with output(target, source.name, "compare", progress) as folder:
        tables, reader_notes = _analyse(data, plan, readers_made_truth, progress)
        content = _content(data, plan, tables, reader_notes, page_provenance(plan.seed, source.inputs))
        tables["checklist"] = checklist(content)
        recorded = {**options, "readers_made_truth": readers_made_truth if data.ratings else None}
        write = _writer(data, plan, content, tables, forms, recorded, clock, progress)
        return Report(tables, content, _write=write, _ledger=data.ledger).written(folder)


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

    def ledger(self) -> pd.DataFrame:
        """The predictions as predictions.csv has them: without empty columns, patients replaced by codes."""
        frame = self.predictions.frame
        return without_patients(frame.drop(columns=[c for c in frame if frame[c].isna().all()]))


def _prepare(
    source: Compared,
    rule: ThresholdRule,
    target: Path | None,
    *,
    by: Sequence[str],
    readers: str | Path | pd.DataFrame | None,
    key_file: str | Path | None,
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
    data: _Data, plan: Plan, made_truth: MadeTruth, progress: Progress
) -> tuple[dict[str, pd.DataFrame], tuple[str, ...] | None]:
    """The tables of the report, and the caveats of the comparison with readers: None without readers."""
    view = reader_view(data.predictions, data.ratings, plan, made_truth) if data.ratings else None
    tables = analyse(data.predictions, plan, progress.track("comparing"))
    return tables | (view.tables if view else {}) | data.source.tables, view.notes if view else None


def _write_data(folder: Path, data: _Data) -> pd.DataFrame:
    """Write the ratings, the lineage and the predictions; return the predictions as written."""
    if data.ratings:
        write_readings(folder, data.ratings)
    if data.source.lineage is not None:
        write_atomic(folder / LINEAGE, json.dumps(data.source.lineage.to_dict(), indent=1, sort_keys=True))
    ledger = data.ledger()
    write_ledger(folder, ledger, csv=ledger_file(len(ledger)).endswith(".csv"))
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
        caveats=[*caveats(read, tables, splits_drawn=source.estimators is not None), *source.notes],
        methods=[*source.methods, *methods, *([] if reader_notes is None else [READERS_METHOD])],
        study_methods=[*source.methods, *methods[:1]],
        reader_notes=reader_notes or (),
        primary_models=list(read.models[:12]),
        primary_metric=plan.primary_metric if read.has_pred else "auroc",
        provenance=provenance,
        ledger=ledger_file(len(read.frame)),
    )
