"""A whole experiment in its folder: the steps of `hybridcx run` in order, and its report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from hybridcx.cohort.case_mix import case_mix_of
from hybridcx.cohort.cohort import OPTIONAL, REQUIRED, SPLITS
from hybridcx.cohort.record import READINGS
from hybridcx.commands.check import with_every_problem
from hybridcx.commands.publish import Clock, finish, page_provenance, plan_options, write_ledger
from hybridcx.deep.devices import device_line
from hybridcx.deep.tensorboard import write_curves
from hybridcx.experiment.file import Experiment
from hybridcx.narrative.model_card import model_card
from hybridcx.narrative.run import run_content
from hybridcx.pipeline import run as steps
from hybridcx.pipeline.casebook.stage import Casebook, make_casebook
from hybridcx.pipeline.pseudonyms import Pseudonyms, pseudonyms
from hybridcx.pipeline.run import Run, RunData, RunResults
from hybridcx.pipeline.run_state import check_same_run
from hybridcx.pipeline.trained_models import FOLDER, save_models
from hybridcx.pipeline.training import network_of
from hybridcx.pipeline.units import divisions_sha256
from hybridcx.progress import Progress
from hybridcx.report.checklists.evidence import checklist
from hybridcx.report.content import Content
from hybridcx.report.formats.csv import write_table
from hybridcx.store.artefacts import Store, write_atomic
from hybridcx.store.report_folder import OutputFolder, open_output
from hybridcx.vocabulary.cohort import MANIFEST_COLUMN
from hybridcx.vocabulary.columns import Column
from hybridcx.vocabulary.run import LEDGER
from hybridcx.vocabulary.tables import TABLES
from hybridcx.workers.dask import Workers, check_workers

Places = Mapping[tuple[str, str], Path]
"""The folder of each trained network, by its name and that of its training."""
ONNX_IMAGES = 16


def run_experiment(
    experiment: Experiment,
    base: Path,
    target: Path,
    store: Store,
    progress: Progress,
    *,
    fresh: bool,
    with_images: bool = True,
    with_models: bool = True,
    key: str | Path | None = None,
    forms: Sequence[str] = (),
    workers: Workers = Workers(),  # noqa: B008 (frozen)
    file: str = "the experiment",
) -> tuple[dict[str, pd.DataFrame], Content, pd.DataFrame]:
    """Run an experiment into the folder `target` and return the tables and contents of its report, and its predictions.

    See `hybridcx.run`; `key`: its `pseudonymise`; `forms`: its `also`; `workers`: its `jobs` or `scheduler`.

    `file` stands for the experiment in messages. Bad input is refused with all problems that `check` finds, whichever step met the first one.
    """
    clock = Clock()
    workers = replace(workers, folder=store.root, machine=partial(device_line, experiment.compute), say=progress.say)
    run = Run(experiment, base, store, progress, workers)
    refusing = partial(with_every_problem, experiment, base, file, progress)
    with refusing():
        printed = steps.check_before_data(run)
    steps.check_drawn_limits(run, target)
    check_workers(workers)
    with open_output(target, "run", progress.notice) as folder:
        with refusing():
            cohort = run.cohort()
        names = None if key is None else pseudonyms(key, target)
        steps.warn_of_cohort(run, cohort, names)
        with refusing():
            units = steps.divide_cohort(run, cohort)
        steps.warn_of_divisions(run, units)
        steps.check_limits(run, units, target)
        with refusing():
            data = steps.prepare_data(run, cohort, units)
        state = check_same_run(folder, experiment, dict(data.sha256), fresh=fresh)
        with steps.locked_plan(run, data, folder, state) as lock, refusing():
            outcome = steps.train_and_predict(run, data, names)
        if names is not None:  # the stages' artefacts keep the ids, the report holds pseudonyms alone
            outcome = names.outcome(outcome)
        results = steps.analyse_outcome(run, outcome, lock, printed)
        new = folder.begin()
        casebook = _casebook(run, data, results, new, names, with_images=with_images)
        results.tables.update(casebook.tables)
        _write_records(new, run, results)
        places = _write_models(new, run, data, results, names) if with_models else {}
        if "onnx" in forms:
            _write_onnx(new, run, data, results, places)
        if "tensorboard" in forms:
            write_curves(results.outcome.histories, new / "tensorboard")
        content = _write_report(folder, run, data, results, casebook, names, forms, clock, places)
    return results.tables, content, results.outcome.ledger


def _casebook(
    run: Run, data: RunData, results: RunResults, folder: Path, names: Pseudonyms | None, *, with_images: bool
) -> Casebook:
    """The casebook of the cases that the report shows; its pictures go into `folder`."""
    shown_id = None if names is None else {c: names.of(c) for c in data.cohort.frame["case_id"]}
    return make_casebook(
        results.tables["casebook"],
        run.experiment,
        results.outcome,
        data.images if names is None else names.images(data.images),
        run.store,
        folder,
        run.progress,
        with_images=with_images,
        shown_id=shown_id,
    )


def _write_records(folder: Path, run: Run, results: RunResults) -> None:
    """Write what a recomputation reads besides the tables: predictions, lineage and experiment (the split is a table)."""
    outcome = results.outcome
    write_ledger(folder, outcome.ledger)
    if len(outcome.sizes):
        write_table(folder / "training_size_predictions.csv", outcome.sizes)
    write_atomic(folder / "lineage.json", json.dumps(outcome.lineage.to_dict(), indent=1, sort_keys=True))
    write_atomic(
        folder / "experiment.json", json.dumps(run.experiment.model_dump(mode="json"), indent=1, sort_keys=True)
    )


def _write_models(folder: Path, run: Run, data: RunData, results: RunResults, names: Pseudonyms | None) -> Places:
    """Write the trained models, with which new images can be predicted. Case ids are those of the report."""
    frame, outcome = data.cohort.frame, results.outcome
    parts = [unit.split.of_case for unit in data.units.whole]
    fitted_on = {c for of_case in parts for c, part in of_case.items() if part in ("train", "validation")}
    tested = {c for of_case in parts for c, part in of_case.items() if part == "test"}
    further = [c for c in frame if c not in (*REQUIRED, *OPTIONAL) and not str(c).startswith(READINGS)]
    return save_models(
        outcome.trained,
        folder,
        labels=data.cohort.labels,
        threshold=run.experiment.analysis.threshold,
        ensembles=outcome.ensembles,
        heads=outcome.heads,
        images=data.images,
        fitted_on=fitted_on,
        tested=tested,
        patients=dict(zip(frame["case_id"], frame["patient_id"], strict=True)),
        case_mix=case_mix_of(frame.loc[frame["case_id"].isin(tested), further]),
        store=run.store,
        shown_id=None if names is None else {c: names.of(c) for c in fitted_on | tested},
    )


def _write_onnx(folder: Path, run: Run, data: RunData, results: RunResults, places: Places) -> None:
    """Write each fine-tuned network as ONNX, compared on the first images of the cohort; models/onnx.json says how closely they agree."""
    from hybridcx.deep.onnx_export import export_onnx

    record = {}
    for network in results.outcome.trained:
        if network.weights is None:
            continue
        path = places[network.network, network.unit] / "model.onnx"
        images = np.asarray(data.images.images[:ONNX_IMAGES])
        run.progress.say(f"ONNX: {network.network}{f' ({network.unit})' if network.unit else ''}.")
        probability, feature = export_onnx(network_of(run.experiment, network.network), network.weights, path, images)
        record[path.relative_to(folder).as_posix()] = {
            "images_compared": len(images),
            "largest_difference_of_a_probability": probability,
            "largest_difference_of_a_feature": feature,  # in units of the largest feature
        }
    write_atomic(folder / FOLDER / "onnx.json", json.dumps(record, indent=1, sort_keys=True))


def _write_cards(run: Run, data: RunData, results: RunResults, content: Content, places: Places) -> None:
    """Write the model card of each trained network beside its weights."""
    outcome = results.outcome
    described = outcome.networks.to_dict("records")
    for network, record in zip(outcome.trained, described, strict=True):
        if (place := places.get((network.network, network.unit))) is None:
            continue
        unit = next(u for u in data.units.whole if u.name == network.unit)
        parts = pd.Series(unit.split.of_case).value_counts()
        models = [network.network] if network.weights is not None else []
        card = model_card(
            network_of(run.experiment, network.network),
            {str(k): v for k, v in record.items()},
            [*models, *(head.model for head in network.heads)],
            run.experiment,
            data.cohort.labels,
            {part: int(parts.get(part, 0)) for part in SPLITS},
            results.tables["metrics"],
            content.caveats,
            data.sha256,
        )
        write_atomic(place / "card.md", card)


def _write_report(
    folder: OutputFolder,
    run: Run,
    data: RunData,
    results: RunResults,
    casebook: Casebook,
    names: Pseudonyms | None,
    forms: Sequence[str],
    clock: Clock,
    places: Places,
) -> Content:
    """Write tables, page and provenance; they replace the folder's earlier report together. Returns the contents of the page."""
    outcome, plan, lock, tables = results.outcome, results.plan, results.lock, results.tables
    provenance = page_provenance(run.experiment.seed, data.sha256)
    content = run_content(run.experiment, outcome, results.predictions, plan, tables, lock, provenance, casebook.view)
    tables["checklist"] = checklist(content)
    _write_cards(run, data, results, content, places)
    finish(
        folder,
        content,
        tables,
        forms=forms,
        ledger_columns=outcome.ledger.columns,
        further_columns=_further_columns(results),
        inputs=data.sha256,
        options={
            **plan_options(plan),
            "experiment": run.experiment.model_dump(mode="json"),
            # what a recomputation needs besides the ledger and cohort.csv
            "positive": outcome.cohort.positive,
            "votes": list(outcome.cohort.votes),
        },
        more={
            "networks": outcome.networks.to_dict("records"),
            "split_sha256": divisions_sha256(outcome.units),
            "pseudonyms": None if names is None else names.described,
            "plan": lock.record(),
            "casebook_duration_s": casebook.duration_s,
            "workers": run.workers.record(),
        },
        clock=clock,
        progress=run.progress,
    )
    return content


def _further_columns(results: RunResults) -> dict[tuple[str, str], Column]:
    """Columns for the data dictionary that no table declares: those of training_size_predictions.csv, and the manifest's in cohort.csv."""
    columns = {("training_size_predictions", str(c)): LEDGER[c] for c in results.outcome.sizes.columns}
    of_manifest = [c for c in map(str, results.tables["cohort"]) if TABLES["cohort"].column(c) is None]
    return columns | {("cohort", c): MANIFEST_COLUMN for c in of_manifest}
