"""The stages of a run, in order: cohort, images, splits, fine-tuning, features, heads, predictions.

Each stage is keyed by the content that it is made from (`artefacts.Store`), so what is up to date is not done again and an interrupted run
continues. The stages run over units (seed, fold; `units`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from hybridcx.cohort.cohort import Cohort
from hybridcx.cohort.readers import with_readings
from hybridcx.deep import weights
from hybridcx.errors import InputError, Problem, raise_if_any
from hybridcx.experiment.file import Experiment
from hybridcx.images import near_duplicates
from hybridcx.images.store import ImageStore
from hybridcx.pipeline.cohort import _look_at_images
from hybridcx.pipeline.ensembles import add_ensembles
from hybridcx.pipeline.heads import fit_all
from hybridcx.pipeline.networks import NetworkStage
from hybridcx.pipeline.outcome import Outcome
from hybridcx.pipeline.pseudonyms import Pseudonyms
from hybridcx.pipeline.training import DISPUTED, UNUSED, Cases, NetworkWork, make_initial_features, train_and_extract
from hybridcx.pipeline.units import Unit, divisions_of
from hybridcx.progress import Progress
from hybridcx.records.lineage import Fit
from hybridcx.records.model_names import CHOSEN
from hybridcx.store.artefacts import Store, content_key
from hybridcx.workers.dask import Workers
from hybridcx.workers.local import run_tasks

MIN_PATIENTS_FOR_HEADS = 3
COPY = "copy_in_training"
"""The ledger's column that says of a test case whether training or validation has nearly its image; there only if one has."""


def run_stages(
    experiment: Experiment,
    cohort: Cohort,
    units: Sequence[Unit],
    images: ImageStore,
    base: Path,
    store: Store,
    progress: Progress,
    names: Pseudonyms | None = None,
    workers: Workers = Workers(),  # noqa: B008 (frozen)
) -> Outcome:
    """All stages after the images, for every unit. With `names`, what is said of the cases says their pseudonyms.

    `workers`: who trains and fits; where they are not several, trainings are done here, one after the other. What is made does not depend on it.

    Raises InputError for weights that cannot be used, StoppedError when training diverges; what was finished is kept either way.
    """
    outcome = Outcome(cohort, tuple(units))
    _look_at_images(experiment, outcome, images, progress, names)
    made, of_unit = train_units(experiment, outcome, images, base, store, progress, workers)
    ledger = [table for one in made for table in one.ledger]
    heads = [row for one in made for row in one.heads]
    if not ledger:
        raise InputError(Problem("the experiment makes no model: training is off and there are no heads"))
    outcome.ledger = pd.concat(ledger, ignore_index=True)
    outcome.heads = pd.DataFrame(heads)
    outcome.networks = pd.DataFrame([one.described for one in made])
    if experiment.repeat.several_divisions:
        _choose_in_each_unit(experiment, outcome)
    else:
        outcome.chosen = _choose_heads(outcome.heads)
    add_ensembles(experiment, outcome, of_unit)
    outcome.ledger = with_readings(outcome.ledger, cohort)
    mark_copies(outcome)
    check_lineage(outcome, of_unit)
    return outcome


def train_units(
    experiment: Experiment,
    outcome: Outcome,
    images: ImageStore,
    base: Path,
    store: Store,
    progress: Progress,
    workers: Workers,
) -> tuple[list[NetworkStage], dict[str, Cases]]:
    """Every network of every unit of `outcome` through its stages, heads and all; and the cases of each unit by its name.

    Raises InputError and StoppedError as `run_stages`.
    """
    units = outcome.units
    of_unit = {u.name: _cases(outcome.cohort, u, images.case_ids) for u in units}
    for unit in units:
        _enough_for_heads(experiment, of_unit[unit.name], unit)
    located = locate_weights(experiment, base)
    works = [
        (u, NetworkWork(n, u.seed, experiment, of_unit[u.name], images.path, images.sha256, located[n], store.root))
        for u in units
        for n in experiment.networks.names
    ]
    if workers.several:
        _train_side_by_side([w for _, w in works], workers, progress)
    made: list[NetworkStage] = []
    for position, (unit, work) in enumerate(works, 1):
        of = f" ({unit.name})" if unit.name else ""
        progress.say(f"Network {position} of {len(works)}: {work.name}{of}.")
        one = NetworkStage(work, unit, store, progress, outcome)
        one.run()
        made.append(one)
    planned = [work for one in made for *_, work in one.planned]
    if planned:
        progress.say(f"Fitting {sum(len(w.names) for w in planned)} heads.")
    folders = fit_all(planned, store, workers, progress.track("heads"))
    for one in made:
        one.use_heads(folders)
    return made, of_unit


def _train_side_by_side(works: Sequence[NetworkWork], workers: Workers, progress: Progress) -> None:
    """Do the trainings in processes; the stages find in the store what they made."""
    initial = {
        content_key({**w.pixels(), "seed": w.seed if w.located is None else None}): w for w in works if w.wants_initial
    }
    if initial:
        run_tasks(
            make_initial_features,
            [(w,) for w in initial.values()],
            workers=workers,
            on_progress=progress.track("features"),
        )
    if works[0].experiment.train.enabled:
        run_tasks(train_and_extract, [(w,) for w in works], workers=workers, on_progress=progress.track("trainings"))


def _choose_in_each_unit(experiment: Experiment, outcome: Outcome) -> None:
    """Where units divide the cohort differently, choose each network's head anew in every unit, in training: a model `<network>+chosen`.

    One head chosen over all units would have been chosen with cases that other units test on.
    """
    if outcome.heads.empty:
        return
    if outcome.heads["model"].nunique() == outcome.heads["network"].nunique():
        outcome.chosen = _choose_heads(outcome.heads)
        return
    known = outcome.ledger.groupby(["model", "seed", *(["fold"] if "fold" in outcome.ledger else [])], sort=False)
    added = [outcome.ledger]
    outcome.heads["chosen"] = False
    for unit in outcome.units:
        here = outcome.heads["seed"] == unit.seed
        if unit.fold is not None:
            here &= outcome.heads["fold"] == unit.fold
        for network, model in _choose_heads(outcome.heads[here]).items():
            outcome.heads.loc[here & (outcome.heads["model"] == model), "chosen"] = True
            place = (model, unit.seed) if unit.fold is None else (model, unit.seed, str(unit.fold))
            name = f"{network}+{CHOSEN}"
            added.append(known.get_group(place).assign(model=name))
            cases = outcome.lineage.saw(model, unit.name)
            outcome.lineage.add(Fit.of(name, "head", cases, parents=(model,), unit=unit.name))
            outcome.chosen[network] = name
    outcome.ledger = pd.concat(added, ignore_index=True)


def mark_copies(outcome: Outcome) -> None:
    """Say in the ledger which test cases have nearly their image in training or validation: the column `COPY`, there only if one has.

    It stands on all rows of the cases that are tested anywhere: where divisions differ a case is tested in one unit and fitted on in another, and
    a subgroup needs one value per case.
    """
    ledger, copies = outcome.ledger, _copies_in_training(outcome)
    if copies:
        told = ledger["case_id"].isin(ledger.loc[ledger["split"] == "test", "case_id"])
        outcome.ledger[COPY] = ledger["case_id"].isin(copies).map({True: "yes", False: "no"}).where(told, None)


def _copies_in_training(outcome: Outcome) -> set[str]:
    """The test cases of which training or validation, of the unit that tests them, has a nearly identical image."""
    if outcome.split is not None:
        return near_duplicates.copies_in_training(outcome.near_duplicates)
    found: set[str] = set()
    for split in divisions_of(outcome.units):
        parts = split.of_case | dict.fromkeys(split.disputed_test, "test")
        pairs = outcome.near_duplicates.assign(
            split=outcome.near_duplicates["case_id"].map(parts),
            other_split=outcome.near_duplicates["other_case_id"].map(parts),
        )
        found |= near_duplicates.copies_in_training(pairs)
    return found


def check_lineage(outcome: Outcome, of_unit: Mapping[str, Cases]) -> None:
    """Refuse a model that saw a case that its unit tests, or another case of its patient."""
    for unit in outcome.units:
        cases = of_unit[unit.name]
        patient_of = dict(zip(cases.case_ids.tolist(), cases.groups.astype(str).tolist(), strict=True))
        tested = [*cases.case_ids[cases.index("test")], *cases.case_ids[cases.index(DISPUTED)]]
        for model in outcome.ledger["model"].unique():
            outcome.lineage.check(model, tested, patient_of=patient_of, unit=unit.name)


def locate_weights(experiment: Experiment, base: Path) -> dict[str, weights.WeightsFile | None]:
    """Every network's file of weights, looked for before the first one is trained. Raises InputError with all that are absent or refused."""
    folder = base / experiment.networks.weights_dir if experiment.networks.weights_dir else None
    located: dict[str, weights.WeightsFile | None] = {}
    problems: list[Problem] = []
    for name in experiment.networks.names:
        try:
            located[name] = weights.locate(name, experiment.networks.weights, folder)
        except InputError as error:
            problems += error.problems
    raise_if_any(problems)
    return located


def check_heads(experiment: Experiment, cohort: Cohort, units: Sequence[Unit]) -> None:
    """Refuse, before anything is trained, heads and stacking that would have too few cases to be fitted on. Raises InputError."""
    for unit in units:
        _enough_for_heads(experiment, _cases(cohort, unit, cohort.analysed["case_id"].tolist()), unit)


def _enough_for_heads(experiment: Experiment, cases: Cases, unit: Unit) -> None:
    of = f" of {unit.name}" if unit.name else ""
    fitted = [
        (
            f"heads on {which.replace('_', '-')} features are tuned",
            "train" if which == "pretrained" else "validation",
            f"leave {which!r} out of heads.features",
        )
        for which in (experiment.heads.features if experiment.heads.names else ())
        if which == "pretrained" or experiment.train.enabled
    ]
    if "stacking" in experiment.ensembles.networks:
        fitted.append(("ensemble:stacking is fitted", "validation", "leave 'stacking' out of ensembles.networks"))
    problems = []
    for what, part, remedy in fitted:
        rows = cases.index(part)
        fewest = min(len(np.unique(cases.groups[rows][cases.y[rows] == label])) for label in (0, 1))
        if fewest < MIN_PATIENTS_FOR_HEADS:
            problems.append(
                Problem(
                    f"{what} on the {part} cases{of}, of which one class has {fewest} patients; {MIN_PATIENTS_FOR_HEADS} are needed",
                    remedy=f"give more {part} cases, or {remedy}",
                )
            )
    raise_if_any(problems)


def _cases(cohort: Cohort, unit: Unit, case_ids: Sequence[str]) -> Cases:
    table = cohort.frame.set_index("case_id").loc[list(case_ids)]
    of_case = unit.split.of_case | dict.fromkeys(unit.split.disputed_test, DISPUTED)
    return Cases(
        case_ids=np.asarray(case_ids, dtype=object),
        y=(table["label"] == cohort.positive).to_numpy().astype(np.int64),
        groups=pd.factorize(table["patient_id"], sort=True)[0].astype(np.int64),
        split=np.array([of_case.get(c, UNUSED) for c in case_ids], dtype=object),
    )


def _choose_heads(heads: pd.DataFrame) -> dict[str, str]:
    """For each network the head with the largest cross-validated AUROC in training, then the smallest log loss, then the first.

    Means over the units that `heads` has rows of.
    """
    if heads.empty:
        return {}
    each = heads.groupby(["network", "model"], sort=False)[["cv_auroc", "cv_log_loss"]].mean().reset_index()
    ranked = each.sort_values(["cv_auroc", "cv_log_loss"], ascending=[False, True], kind="stable")
    return {str(network): str(part["model"].iloc[0]) for network, part in ranked.groupby("network", sort=False)}
