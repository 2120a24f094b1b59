"""`hybridcx validate`: external validation of a finished run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from hybridcx.analysis.external import validation_tables
from hybridcx.commands.finished_runs import checked_ledger
from hybridcx.commands.options import (
    Also,
    By,
    Cache,
    Device,
    NewCohort,
    Out,
    Pseudonymise,
    Recalibrate,
    ReportsProgress,
    RunFolder,
    TrainingManifest,
    checked,
    documented,
)
from hybridcx.commands.predict import Predicted, predicted_cases, raise_without_labels
from hybridcx.commands.publish import Clock, finish, page_provenance, plan_options, write_ledger
from hybridcx.commands.result import Report, output
from hybridcx.narrative.external import external_content
from hybridcx.progress import OfPython, Progress
from hybridcx.records.predictions import Predictions, predictions_from_frame
from hybridcx.report.checklists.evidence import checklist
from hybridcx.report.content import Content
from hybridcx.report.formats.all_forms import forms_of
from hybridcx.report.formats.csv import write_table
from hybridcx.store.report_folder import OutputFolder
from hybridcx.vocabulary.extras import need
from hybridcx.vocabulary.run import FURTHER_COLUMN, LEDGER

if TYPE_CHECKING:
    from hybridcx.commands.finished_models import FinishedRun

INSIDE = "inside_predictions"


@dataclass(frozen=True, slots=True)
class Validated:
    """The two sides of a validation: ledgers as they are written, and as they are analysed; notes for the page."""

    inside_ledger: pd.DataFrame
    inside: Predictions
    outside: Predictions
    notes: tuple[str, ...]


@documented
def validate(
    run: RunFolder,
    manifest: NewCohort,
    *,
    out: Out = None,
    recalibrate: Recalibrate = 0.5,
    by: By = (),
    device: Device = None,
    training: TrainingManifest = None,
    pseudonymise: Pseudonymise = None,
    also: Also = (),
    cache: Cache = None,
    progress: ReportsProgress = None,
) -> Report:
    """Validate the models of a finished run on new, labelled cases.

    The same models inside (the run's test cases) and outside (the new cases): discrimination, calibration and net benefit with intervals, the
    differences of the two independent estimates, the case mix, and what recalibration on a part of the new cases gains on the others. The
    run's plan, thresholds and calibration stay as they were locked. New cases that are cases of the run are left out.

    Returns
    -------
    Report: `tables["validation"]` has inside, outside and their difference; the tables of `compare` are those outside.

    Raises
    ------
    InputError
        as `predict`, and for new cases without labels, or of one class alone.
    """
    options = checked(validate, locals())
    need("deep", "hybridcx validate")
    progress = progress or OfPython()
    forms, clock = forms_of(also), Clock()
    with output(out, Path(manifest).stem, "validate", progress) as folder:
        predicted, finished = predicted_cases(
            run, manifest, device, training, pseudonymise, cache, progress, folder, validating=True
        )
        data = _sides(predicted, finished)
        for note in data.notes:
            progress.say(note)
        progress.say("Comparing inside and outside.")
        plan, mix = finished.plan, finished.models.case_mix
        here = tuple(
            dict.fromkeys([*by, *(["copy_in_training"] if "copy_in_training" in data.outside.subgroups else [])])
        )
        tables = validation_tables(data.inside, data.outside, plan, mix, recalibrate=recalibrate, by=here)
        tables |= {"models": predicted.models, "overlap": predicted.overlap}
        content = external_content(
            finished.folder.resolve().name,
            finished.experiment.networks.names,
            data.inside,
            data.outside,
            plan,
            tables,
            data.notes,
            page_provenance(plan.seed, predicted.inputs),
        )
        tables["checklist"] = checklist(content)
        recorded = {
            **options,
            **plan_options(plan),
            "plan_by": list(plan.by),
            "by": list(here),
            "positive": data.outside.positive,
            "case_mix": dict(mix),
        }

        def write(target: OutputFolder) -> None:
            _write(target, predicted, data, content, tables, forms, recorded, clock, progress)

        return Report(tables, content, _write=write, _ledger=lambda: predicted.predictions).written(folder)


def labelled(ledger: pd.DataFrame) -> pd.DataFrame:
    """The rows of a ledger that are evaluated or recalibrated on: those with a label."""
    return ledger[ledger["y_true"].notna() & ledger["split"].isin(("test", "validation"))].reset_index(drop=True)


def sides_of(
    inside: pd.DataFrame, outside: pd.DataFrame, positive: str, threshold: float
) -> tuple[Predictions, Predictions]:
    """Both ledgers, checked. Raises InputError."""
    known: dict[str, Any] = {"positive": positive, "threshold": threshold, "own": True}
    return (
        predictions_from_frame(inside, name="the run's test cases", **known),
        predictions_from_frame(labelled(outside), name="the new cases", **known),
    )


def _sides(predicted: Predicted, finished: FinishedRun) -> Validated:
    ledger = predicted.predictions
    cases = ledger.drop_duplicates("case_id")
    kept = cases[cases["split"].isin(("test", "validation"))]
    without = int(kept["y_true"].isna().sum())
    raise_without_labels(set(kept["y_true"].dropna()), len(cases) - len(kept))
    notes = list(predicted.notes)
    if without:
        notes.append(f"{without} of {len(kept)} new cases have no label and are left out.")
    inside_ledger = _inside(finished, set(ledger["model"]))
    inside, outside = sides_of(inside_ledger, ledger, finished.models.labels[1], finished.models.threshold)
    return Validated(inside_ledger, inside, outside, tuple(notes))


def _inside(finished: FinishedRun, models: set[str]) -> pd.DataFrame:
    """The run's predictions on its test cases, by the models that were applied."""
    _, frame = checked_ledger(finished.folder, finished.record["files"])
    readings = [c for c in frame if str(c).startswith("reader_") or c == "label_given"]
    frame = frame[(frame["split"] == "test") & frame["model"].isin(models)]
    return frame.drop(columns=readings).reset_index(drop=True)


def _write(
    folder: OutputFolder,
    predicted: Predicted,
    data: Validated,
    content: Content,
    tables: Mapping[str, pd.DataFrame],
    forms: Sequence[str],
    options: Mapping[str, object],
    clock: Clock,
    progress: Progress,
) -> None:
    new = folder.begin()
    write_ledger(new, predicted.predictions)
    write_table(new / f"{INSIDE}.csv", data.inside_ledger)
    finish(
        folder,
        content,
        tables,
        forms=forms,
        ledger_columns=predicted.predictions.columns,
        further_columns={(INSIDE, str(c)): LEDGER.get(str(c), FURTHER_COLUMN) for c in data.inside_ledger.columns},
        inputs=predicted.inputs,
        options=options,
        clock=clock,
        progress=progress,
    )
