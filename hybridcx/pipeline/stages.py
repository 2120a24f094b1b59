"""The stages of a run, in order: cohort, images, splits, fine-tuning, features, heads, predictions.

Each stage is keyed by the content that it is made from (`artefacts.Store`), so what is up to date is not done again and an interrupted run
continues. The stages run over units (seed, fold; `units`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from hybridcx.cohort.cohort import Cohort
from hybridcx.cohort.readers import with_readings
from hybridcx.deep import weights
from hybridcx.errors import InputError, Problem, raise_if_any
from hybridcx.experiment.file import Experiment
from hybridcx.images import near_duplicates
from hybridcx.images.store import ImageStore
from hybridcx.pipeline.cases import DISPUTED, Cases, cases_of, check_unit_for_heads
from hybridcx.pipeline.cohort import check_images
from hybridcx.pipeline.ensembles import network_ensembles
from hybridcx.pipeline.heads import fit_all
from hybridcx.pipeline.networks import NetworkStage
from hybridcx.pipeline.outcome import COPY, Outcome
from hybridcx.pipeline.pseudonyms import Pseudonyms
from hybridcx.pipeline.training import NetworkWork, make_initial_features, train_and_extract
from hybridcx.pipeline.units import Unit, divisions_of, shared_split
from hybridcx.progress import Progress
from hybridcx.records.lineage import Fit, Lineage
from hybridcx.records.model_names import CHOSEN
from hybridcx.store.artefacts import Store, content_key
from hybridcx.workers.dask import Workers
from hybridcx.workers.local import run_tasks


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
    """All stages after the images, for every unit. With `names`, warnings about cases carry their pseudonyms.

    `workers` train and fit; where they are not several, trainings are done here, one after the other. Results do not depend on them.

    Raises InputError for weights that cannot be used, StoppedError when training diverges; what was finished is kept either way.
    """
    checks = check_images(experiment, cohort, units, images, progress, names)
    stages, of_unit = train_units(experiment, cohort, units, images, base, store, progress, workers)
    tables = [table for stage in stages for table in stage.ledger]
    if not tables:
        raise InputError(Problem("the experiment makes no model: training is off and there are no heads"))
    lineage = Lineage(fits_of(stages))
    heads = pd.DataFrame([row for stage in stages for row in stage.heads])
    choice = choose_heads(experiment, units, heads, pd.concat(tables, ignore_index=True), lineage)
    lineage = Lineage([*lineage, *choice.fits])
    ensembles = network_ensembles(experiment, cohort, units, choice.ledger, lineage, of_unit)
    lineage = Lineage([*lineage, *ensembles.fits])
    ledger = mark_copies(with_readings(ensembles.ledger, cohort), units, checks.near_duplicates)
    check_lineage(units, ledger, lineage, of_unit)
    return Outcome(
        cohort,
        tuple(units),
        ledger,
        lineage,
        histories=_histories(stages),
        heads=choice.heads,
        networks=pd.DataFrame([stage.described for stage in stages]),
        chosen=choice.chosen,
        features={stage.name: f for stage in stages if (f := stage.casebook_features) is not None},
        notes=(*checks.notes, *(note for stage in stages for note in stage.notes)),
        warnings=checks.warnings,
        near_duplicates=checks.near_duplicates,
        shortcuts=checks.shortcuts,
        ensembles=ensembles.table,
        trained=tuple(stage.trained() for stage in stages),
    )


def fits_of(stages: Sequence[NetworkStage]) -> list[Fit]:
    """What was fitted on which cases: networks, then the heads on their features."""
    return [fit for s in stages for fit in s.network_fits] + [fit for s in stages for fit in s.head_fits]


def _histories(stages: Sequence[NetworkStage]) -> dict[str, pd.DataFrame]:
    """The learning curves of each network over all units."""
    histories: dict[str, list[pd.DataFrame]] = {}
    for stage in stages:
        if stage.history is not None:
            histories.setdefault(stage.name, []).append(stage.history)
    return {n: parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True) for n, parts in histories.items()}


def train_units(
    experiment: Experiment,
    cohort: Cohort,
    units: Sequence[Unit],
    images: ImageStore,
    base: Path,
    store: Store,
    progress: Progress,
    workers: Workers,
) -> tuple[list[NetworkStage], dict[str, Cases]]:
    """Every network of every unit through its stages, heads included; and the cases of each unit by its name.

    Raises InputError and StoppedError as `run_stages`.
    """
    of_unit = {u.name: cases_of(cohort, u, images.case_ids) for u in units}
    for unit in units:
        check_unit_for_heads(experiment, of_unit[unit.name], unit)
    located = locate_weights(experiment, base)
    works = [
        (u, NetworkWork(n, u.seed, experiment, of_unit[u.name], images.path, images.sha256, located[n], store.root))
        for u in units
        for n in experiment.networks.names
    ]
    if workers.several:
        _train_side_by_side([w for _, w in works], workers, progress)
    stages: list[NetworkStage] = []
    for position, (unit, work) in enumerate(works, 1):
        in_unit = f" ({unit.name})" if unit.name else ""
        progress.say(f"Network {position} of {len(works)}: {work.name}{in_unit}.")
        # The casebook shows one set of networks: those of the first unit that has a test set of its own.
        first = unit is units[0] and unit.fold is None
        stage = NetworkStage(
            work,
            unit,
            cohort.labels,
            store,
            progress,
            for_casebook=first,
            position=f"network {position} of {len(works)}",
            announces_cache=not workers.several,
        )
        stage.run()
        stages.append(stage)
    planned = [work for stage in stages for *_, work in stage.planned]
    if planned:
        progress.say(f"Fitting {sum(len(w.names) for w in planned)} heads.")
    folders = fit_all(planned, store, workers, progress)
    for stage in stages:
        stage.use_heads(folders)
    return stages, of_unit


def _train_side_by_side(works: Sequence[NetworkWork], workers: Workers, progress: Progress) -> None:
    """Do the trainings in processes; the stages then find the artefacts in the store."""
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


@dataclass(frozen=True, slots=True)
class HeadChoice:
    """The model of each network's chosen head, the table of heads, and ledger rows and fits that the choice adds."""

    chosen: Mapping[str, str]
    heads: pd.DataFrame
    ledger: pd.DataFrame
    fits: tuple[Fit, ...] = ()


def choose_heads(
    experiment: Experiment, units: Sequence[Unit], heads: pd.DataFrame, ledger: pd.DataFrame, lineage: Lineage
) -> HeadChoice:
    """Choose each network's head by its cross-validation in training.

    Where units divide the cohort differently the choice is made again in every unit and is a model of its own, `<network>+chosen`: one head
    chosen over all units would have been chosen with cases that other units test on.
    """
    if not experiment.repeat.several_divisions or heads.empty:
        return HeadChoice(_best_heads(heads), heads, ledger)
    if heads["model"].nunique() == heads["network"].nunique():
        return HeadChoice(_best_heads(heads), heads, ledger)
    by_model = ledger.groupby(["model", "seed", *(["fold"] if "fold" in ledger else [])], sort=False)
    parts, fits = [ledger], []
    chosen: dict[str, str] = {}
    heads = heads.assign(chosen=False)
    for unit in units:
        here = heads["seed"] == unit.seed
        if unit.fold is not None:
            here &= heads["fold"] == unit.fold
        for network, model in _best_heads(heads[here]).items():
            heads.loc[here & (heads["model"] == model), "chosen"] = True
            group = (model, unit.seed) if unit.fold is None else (model, unit.seed, str(unit.fold))
            name = f"{network}+{CHOSEN}"
            parts.append(by_model.get_group(group).assign(model=name))
            fits.append(Fit.of(name, "head", lineage.saw(model, unit.name), parents=(model,), unit=unit.name))
            chosen[network] = name
    return HeadChoice(chosen, heads, pd.concat(parts, ignore_index=True), tuple(fits))


def mark_copies(ledger: pd.DataFrame, units: Sequence[Unit], near_duplicate_pairs: pd.DataFrame) -> pd.DataFrame:
    """The ledger with the column `COPY` where a test case has nearly its image in training or validation; without one, the ledger as it is.

    The value stands on all rows of a case that is tested anywhere: where divisions differ a case is tested in one unit and fitted on in
    another, and a subgroup needs one value per case.
    """
    copies = _copies_in_training(units, near_duplicate_pairs)
    if not copies:
        return ledger
    tested = ledger["case_id"].isin(ledger.loc[ledger["split"] == "test", "case_id"])
    return ledger.assign(**{COPY: ledger["case_id"].isin(copies).map({True: "yes", False: "no"}).where(tested, None)})


def _copies_in_training(units: Sequence[Unit], pairs: pd.DataFrame) -> set[str]:
    """The test cases of which training or validation, of the unit that tests them, has a nearly identical image."""
    if shared_split(units) is not None:
        return near_duplicates.copies_in_training(pairs)
    copies: set[str] = set()
    for split in divisions_of(units):
        parts = split.of_case | dict.fromkeys(split.disputed_test, "test")
        divided = pairs.assign(split=pairs["case_id"].map(parts), other_split=pairs["other_case_id"].map(parts))
        copies |= near_duplicates.copies_in_training(divided)
    return copies


def check_lineage(units: Sequence[Unit], ledger: pd.DataFrame, lineage: Lineage, of_unit: Mapping[str, Cases]) -> None:
    """Refuse a model that was fitted on a case that its unit tests, or on another case of the same patient. Raises InputError."""
    for unit in units:
        cases = of_unit[unit.name]
        patient_of = dict(zip(cases.case_ids.tolist(), cases.groups.astype(str).tolist(), strict=True))
        tested = [*cases.case_ids[cases.index("test")], *cases.case_ids[cases.index(DISPUTED)]]
        for model in ledger["model"].unique():
            lineage.check(model, tested, patient_of=patient_of, unit=unit.name)


def locate_weights(experiment: Experiment, base: Path) -> dict[str, weights.WeightsFile | None]:
    """Every network's file of weights, looked for before the first one is trained. Raises InputError with all that are absent or refused."""
    folder = base / experiment.networks.weights_dir if experiment.networks.weights_dir else None
    located: dict[str, weights.WeightsFile | None] = {}
    problems: list[Problem] = []
    for name in experiment.networks.names:
        try:
            own, source = experiment.networks.file.get(name), experiment.networks.weights
            if own is not None:
                located[name] = weights.locate_own(name, base / own.path, own.sha256)
            elif source != "file":
                located[name] = weights.locate(name, source, folder)
        except InputError as error:
            problems += error.problems
    raise_if_any(problems)
    return located


FINE_TUNED = "fine_tuned"


def _best_heads(heads: pd.DataFrame) -> dict[str, str]:
    """For each network the head with the largest cross-validated AUROC in training, then the smallest log loss, then the first.

    Among heads on one feature set: those on features of the network before fine-tuning, cross-validated on the training cases; only where there are
    none, those on fine-tuned features. These are cross-validated on the validation cases, which are fewer and also chose the network's iteration, so
    that their AUROC is optimistic and not comparable with the others'. Means over the units that `heads` has rows of.
    """
    if heads.empty:
        return {}
    before = heads["features"] != FINE_TUNED
    comparable = heads[before | ~heads["network"].isin(heads.loc[before, "network"])]
    each = comparable.groupby(["network", "model"], sort=False)[["cv_auroc", "cv_log_loss"]].mean().reset_index()
    ranked = each.sort_values(["cv_auroc", "cv_log_loss"], ascending=[False, True], kind="stable")
    return {str(network): str(part["model"].iloc[0]) for network, part in ranked.groupby("network", sort=False)}
