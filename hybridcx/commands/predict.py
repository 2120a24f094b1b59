"""`hybridcx predict`: the models of a finished run on new images."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from hybridcx.commands.options import (
    Cache,
    Device,
    NewCohort,
    Out,
    Pseudonymise,
    ReportsProgress,
    RunFolder,
    TrainingManifest,
    checked,
    documented,
)
from hybridcx.commands.publish import Clock, write_ledger
from hybridcx.commands.result import output
from hybridcx.errors import InputError, Problem
from hybridcx.progress import OfPython, Progress
from hybridcx.report.formats.csv import write_tables
from hybridcx.store import provenance
from hybridcx.store.artefacts import Store, cache_root, sha256_file, write_atomic
from hybridcx.store.report_folder import OutputFolder, file_hashes
from hybridcx.vocabulary.external import IDENTICAL, NEARLY, OF_TEST_SET, PATIENT
from hybridcx.vocabulary.extras import need
from hybridcx.vocabulary.run import FURTHER_COLUMN, LEDGER

if TYPE_CHECKING:
    from hybridcx.commands.finished_models import FinishedRun
    from hybridcx.pipeline.trained_models import SharedPatients

NOT_LOOKED_FOR = "Shared patients were not looked for: the run was made on another machine, or with another cache. --training takes its manifest."


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Predicted:
    """Predictions of new cases by the models of a run.

    Attributes
    ----------
    predictions : one row per model, training and case, as in predictions.csv; `hybridcx.compare` takes it where the cases have labels.
    models : what made them, by hash: the rows of models.csv.
    overlap : new cases that share an image or a patient with the training: the rows of overlap.csv.
    notes : what was done and what could not be done, one sentence each.
    inputs : SHA-256 of the files that were read, by name.
    positive : the positive class, whose probability the score is.
    folder : where it was written; None without `out`.
    """

    predictions: pd.DataFrame
    models: pd.DataFrame
    overlap: pd.DataFrame
    notes: tuple[str, ...]
    inputs: dict[str, str]
    positive: str
    folder: Path | None = None

    @property
    def page(self) -> Path | None:
        """The file of the predictions: there is no page."""
        return None if self.folder is None else self.folder / "predictions.csv"

    def summary(self) -> str:
        """What was predicted, and what must be known about it, as text."""
        ledger = self.predictions
        n, labelled = ledger["case_id"].nunique(), ledger.drop_duplicates("case_id")["y_true"].notna().sum()
        k = ledger["model"].nunique()
        first = (
            f"{n} case{'' if n == 1 else 's'} predicted by {k} model{'' if k == 1 else 's'}; {labelled} with a label."
        )
        return "\n".join([first, *(f"- {note}" for note in self.notes)])

    def __repr__(self) -> str:
        return self.summary().splitlines()[0] + (f" Written to {self.folder}." if self.folder else "")

    def _repr_html_(self) -> str:
        from html import escape

        return f"<p>{escape(self.summary()).replace(chr(10), '<br>')}</p>" + self.predictions.head(10).to_html(
            index=False
        )


@documented
def predict(
    run: RunFolder,
    manifest: NewCohort,
    *,
    out: Out = None,
    device: Device = None,
    training: TrainingManifest = None,
    pseudonymise: Pseudonymise = None,
    cache: Cache = None,
    progress: ReportsProgress = None,
) -> Predicted:
    """Apply the networks and heads of a finished run to new images.

    Preparation of the images, calibration and thresholds are those of the run; nothing is fitted. Writes predictions (CSV and Parquet), the models
    by hash, and the new cases that share an image or a patient with the training: these stand in the split `train`, which `compare` does not
    evaluate. Cases without a label are predicted as well.

    Returns
    -------
    Predicted: `predictions` as a DataFrame, and what made them.

    Raises
    ------
    InputError
        for a folder that is no finished run with models, files that were changed, and a manifest or images that cannot be used.
    """
    checked(predict, locals())
    need("deep", "hybridcx predict")
    progress = progress or OfPython()
    clock = Clock()
    with output(out, f"{Path(manifest).stem}-predictions", "predict", progress) as folder:
        predicted, _ = predicted_cases(run, manifest, device, training, pseudonymise, cache, progress, folder)
        for note in predicted.notes:
            progress.say(note)
        if folder is not None:
            _write(folder, predicted, clock, progress)
            predicted = replace(predicted, folder=folder.path)
    return predicted


def predicted_cases(
    run: str | Path,
    manifest: str | Path,
    device: str | None,
    training: str | Path | None,
    pseudonymise: str | Path | None,
    cache: str | Path | None,
    progress: Progress,
    folder: OutputFolder | None,
    *,
    validating: bool = False,
) -> tuple[Predicted, FinishedRun]:
    """The predictions, and the run that they are from; the parameters are those of `predict`.

    `validating`: both labels are needed, and cases of the run's test set are not evaluated. Raises InputError.
    """
    from hybridcx.commands.finished_models import finished_run
    from hybridcx.commands.run import loading

    with loading():
        from hybridcx.cohort.cohort import GIVEN
        from hybridcx.cohort.manifest import read_manifest
        from hybridcx.pipeline.cohort import prepare_images
        from hybridcx.pipeline.predicting import apply_models
        from hybridcx.pipeline.pseudonyms import pseudonyms
        from hybridcx.pipeline.trained_models import shared_patients

    finished = finished_run(run, device)
    models, rule = finished.models, finished.experiment.cohort.labels
    names = None if pseudonymise is None else pseudonyms(pseudonymise, None if folder is None else folder.path)
    with_readers = rule.rule != "given" and _has_readings(Path(manifest))
    labels_by = rule if with_readers else GIVEN
    cohort = read_manifest(manifest, same_bytes="warn", labels=models.labels, labels_by=labels_by)
    if validating:
        raise_without_labels(set(cohort.analysed["label"].str.strip()) - {""})
    for problem in cohort.warnings if names is None else names.problems(cohort.warnings):
        progress.say(f"Warning: {problem}")
    store = Store(Path(cache) if cache is not None else cache_root(), progress.say, progress.notice)
    with store.in_use():
        images = prepare_images(finished.experiment, cohort, store, progress)
        patients = (
            shared_patients(models, cohort.analysed["patient_id"], store)
            if training is None
            else _patients_of(training, finished)
        )
        applied = apply_models(
            models,
            finished.experiment,
            finished.lineage,
            cohort,
            images,
            patients,
            progress,
            apart_from_test=validating,
        )
    ledger, overlap = applied.ledger, applied.overlap
    if names is not None:
        ledger = names.ledger(ledger, list(map(str, ledger.columns)))
        overlap = overlap.assign(case_id=[names.of(c) for c in overlap["case_id"]])
    notes = [
        *applied.notes,
        *_overlap_notes(overlap, cohort.analysed["case_id"].nunique(), validating),
        *([] if patients is not None else [NOT_LOOKED_FOR]),
    ]
    if rule.rule != "given" and not with_readers:
        notes.append(
            "The run's labels follow from its readers by a rule; the new cases have no readings, so that their column label counts."
        )
    inputs = {"manifest": sha256_file(cohort.source), "images": images.sha256, **finished.inputs}
    if training is not None:
        inputs["training manifest"] = sha256_file(Path(training))
    return Predicted(ledger, applied.models, overlap, tuple(notes), inputs, models.labels[1]), finished


def raise_without_labels(present: set[str], left_out: int = 0) -> None:
    """Raise InputError unless there are cases of both labels; `left_out`: cases of the run."""
    if len(present) == 2:
        return
    rule = "no new case has a label" if not present else f"all new cases have the label {next(iter(present))!r}"
    if left_out:
        rule += f", {left_out} that are cases of the run left out"
    remedy = "give both labels in the column label (`hybridcx predict` does without)"
    raise InputError(Problem(f"{rule}: nothing can be validated", column="label", remedy=remedy))


def _has_readings(manifest: Path) -> bool:
    from hybridcx.cohort.cohort import OPTIONAL, REQUIRED
    from hybridcx.records.strict_csv import scan_csv

    table, _ = scan_csv(manifest, tuple(c for c in REQUIRED if c != "label"), OPTIONAL)
    return table is not None and any(str(c).startswith("reader_") for c in table.frame)


def _patients_of(training: str | Path, finished: FinishedRun) -> SharedPatients:
    """The patients of the run, from its manifest. Raises InputError where it is another one."""
    from hybridcx.pipeline.trained_models import SharedPatients
    from hybridcx.records.strict_csv import scan_csv

    path = Path(training)
    table, problems = scan_csv(path, ("case_id", "patient_id"), ())
    if table is None:
        raise InputError(p for p in problems if p.severity == "error")
    if sha256_file(path) != finished.record["inputs"].get("manifest"):
        raise InputError(
            Problem(
                "this is not the manifest that the run was made from", str(path), remedy="give the run's own manifest"
            )
        )
    fitted = {case for fit in finished.lineage for case in fit.case_ids}
    mine = table.frame["case_id"].isin(fitted)
    if not mine.any():
        rule = "none of the run's training cases is in this manifest (the run has pseudonyms?)"
        raise InputError(Problem(rule, str(path), remedy="use the cache of the machine that made the run"))
    trained, others = (frozenset(table.frame.loc[rows, "patient_id"]) for rows in (mine, ~mine))
    return SharedPatients(trained, others - trained)


def _overlap_notes(overlap: pd.DataFrame, n: int, apart_from_test: bool) -> list[str]:
    from hybridcx.pipeline.predicting import known_cases

    def counted(kind: str) -> int:
        return int(overlap.loc[overlap["overlap"] == kind, "case_id"].nunique())

    notes = []
    for of, whose in (("", "of the training"), (OF_TEST_SET, "of the run's test set")):
        known = known_cases(overlap, of)
        nearly = set(overlap.loc[overlap["overlap"] == NEARLY + of, "case_id"])
        what = (
            f"{len(known)} of {n} ({counted(IDENTICAL + of)} by an identical image, {len(nearly & known)} by a copy of another size, compression or "
            f"brightness, {counted(PATIENT + of)} by their patient; overlap.csv)"
        )
        evaluated = bool(of) and not apart_from_test
        then = "They are evaluated." if evaluated else "They stand in the split train and are not evaluated."
        if known:
            notes.append(f"New cases that are cases {whose}: {what}. {then}")
        if left := nearly - known:
            notes.append(
                f"New cases with nearly the image of a case {whose}: {len(left)} of {n} (overlap.csv). Look at them; they are evaluated."
            )
    return notes


def _write(folder: OutputFolder, predicted: Predicted, clock: Clock, progress: Progress) -> None:
    new = folder.begin()
    write_ledger(new, predicted.predictions)
    columns = {("predictions", str(c)): LEDGER.get(str(c), FURTHER_COLUMN) for c in predicted.predictions.columns}
    tables = {"models": predicted.models, "overlap": predicted.overlap}
    write_tables(new, tables, command="predict", further_columns=columns)
    if progress.log:
        (new / "hybridcx.log").write_text(progress.log, encoding="utf-8", newline="\n")
    record = {
        "schema_version": provenance.SCHEMA_VERSION,
        "command": "predict",
        "options": {"positive": predicted.positive, "threshold": float(predicted.models["threshold"].iloc[0])},
        "inputs": predicted.inputs,
        "notes": list(predicted.notes),
        "environment": provenance.environment(),
        **clock.times(),
        "files": file_hashes(new),
    }
    write_atomic(new / "provenance.json", json.dumps(record, indent=1, sort_keys=True, default=str))
    folder.commit()
