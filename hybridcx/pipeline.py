"""The stages of a run, in order: cohort, images, splits, fine-tuning, features, heads, predictions.

Each stage is keyed by the content that it is made from (`artefacts.Store`), so what is up to date is not done again and an interrupted run
continues. The stages run over units (seed, repeat, fold); there is one unit for now.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from hybridcx import shortcuts
from hybridcx.artefacts import Store, code_hash, content_key
from hybridcx.cohort.manifest import Cohort, read_manifest
from hybridcx.cohort.readers import with_readings
from hybridcx.cohort.splits import Split, manifest_split, stratified_split
from hybridcx.deep import weights
from hybridcx.errors import InputError, Problem, raise_if_any
from hybridcx.experiment import Experiment
from hybridcx.head_stage import fit_all
from hybridcx.images import duplicates, near_duplicates
from hybridcx.images.rules import image_rules
from hybridcx.images.store import ImageStore, prepare_store
from hybridcx.network_stage import DISPUTED, Cases, NetworkStage, Outcome, Unit
from hybridcx.parallel import default_jobs
from hybridcx.phantoms.cohort import write_phantom
from hybridcx.progress import Progress
from hybridcx.provenance import versions_of
from hybridcx.pseudonyms import Pseudonyms

MIN_PATIENTS_FOR_HEADS = 3
COPY = "copy_in_training"
"""The ledger's column that says of a test case whether training or validation has nearly its image; there only if one has."""


def load_cohort(experiment: Experiment, base: Path, store: Store, progress: Progress) -> Cohort:
    """The cohort of the experiment: the manifest's, or a drawn one. `base` is the folder that relative paths start from."""
    if experiment.cohort.phantom is None:
        manifest = base / str(experiment.cohort.manifest)
        return read_manifest(
            manifest,
            positive=experiment.cohort.positive,
            same_bytes=experiment.cohort.same_bytes,
            labels_by=experiment.cohort.labels,
        )
    options = experiment.cohort.phantom
    parts = {
        "options": options.model_dump(),
        "code": code_hash("phantoms", "streams", "parallel"),
        "packages": versions_of("numpy", "scipy", "pillow"),
    }

    def build(folder: Path) -> None:
        progress.say(f"Drawing a phantom cohort of {options.patients} patients.")
        write_phantom(
            folder,
            n_patients=options.patients,
            seed=options.seed,
            jobs=default_jobs(),
            reliability_between=options.reliability_between,
            reliability_within=options.reliability_within,
            on_progress=progress.track("drawing radiographs"),
        )

    folder = store.make("phantom", content_key(parts), build, parts)
    return read_manifest(
        folder / "manifest.csv", positive=experiment.cohort.positive, labels_by=experiment.cohort.labels
    )


def split_cohort(experiment: Experiment, cohort: Cohort) -> Split:
    """The split of the experiment, checked: every part has both classes, no patient stands in two."""
    if experiment.split.method == "manifest":
        return manifest_split(cohort)
    shares = (experiment.split.train, experiment.split.validation, experiment.split.test)
    return stratified_split(cohort, shares, seed=experiment.seed)


def prepare_images(experiment: Experiment, cohort: Cohort, store: Store, progress: Progress) -> ImageStore:
    """The images of the analysed cases as the networks see them, decoded once. Raises InputError with the row of every unusable image."""
    images = prepare_store(
        cohort,
        size_px=experiment.images.size_px,
        pad=experiment.images.pad,
        resample=experiment.images.resample,
        cache=store.root / "images",
        on_progress=progress.track("decoding images"),
        say=progress.say,
        notice=progress.notice,
    )
    for problem in (*images.warnings, *images.cautions):
        progress.say(f"Warning: {problem}")
    return images


def run_stages(
    experiment: Experiment,
    cohort: Cohort,
    split: Split,
    images: ImageStore,
    base: Path,
    store: Store,
    progress: Progress,
    names: Pseudonyms | None = None,
) -> Outcome:
    """All stages after the images, for every unit. With `names`, what is said of the cases says their pseudonyms.

    Raises InputError for weights that cannot be used, StoppedError when training diverges; what was finished is kept either way.
    """
    cases = _cases(cohort, split, images.case_ids)
    labels: dict[str, str] = dict(zip(cohort.analysed["case_id"], cohort.analysed["label"], strict=True))
    labels |= dict.fromkeys(split.disputed_test, "in dispute")
    parts = split.of_case | dict.fromkeys(split.disputed_test, "test")
    patients = dict(zip(cohort.frame["case_id"], cohort.frame["patient_id"], strict=True))
    pairs = near_duplicates.near_duplicates(images, labels, parts, patients=patients)
    marks = shortcuts.shortcuts(cohort, images, seed=experiment.seed)
    if names is None:
        found = [*duplicates.pixel_identical(images, labels, parts), *near_duplicates.told(pairs)]
    else:
        found = duplicates.pixel_identical(names.images(images), names.keys(labels), names.keys(parts))
        found += near_duplicates.told(names.pairs(pairs))
    found += shortcuts.told(marks)
    for problem in found:
        progress.say(f"Warning: {problem}")
    outcome = Outcome(cohort, split, warnings=[*images.cautions, *found], near_duplicates=pairs, shortcuts=marks)
    outcome.notes += image_rules(images.notes)
    _enough_for_heads(experiment, cases)
    located = locate_weights(experiment, base)
    made: list[NetworkStage] = []
    for unit in (Unit(experiment.seed),):
        for position, name in enumerate(experiment.networks.names, 1):
            progress.say(f"Network {position} of {len(experiment.networks.names)}: {name}.")
            one = NetworkStage(name, unit, experiment, cases, images, located[name], store, progress, outcome)
            one.run()
            made.append(one)
    planned = [work for one in made for *_, work in one.planned]
    if planned:
        progress.say(f"Fitting {sum(len(w.names) for w in planned)} heads.")
    folders = fit_all(planned, store, progress.track("heads"))
    for one in made:
        one.use_heads(folders)
    ledger = [table for one in made for table in one.ledger]
    heads = [row for one in made for row in one.heads]
    networks = [one.described for one in made]
    if not ledger:
        raise InputError(Problem("the experiment makes no model: training is off and there are no heads"))
    outcome.ledger = with_readings(pd.concat(ledger, ignore_index=True), cohort)
    if copies := near_duplicates.copies_in_training(pairs):
        own = outcome.ledger["case_id"].isin(copies).map({True: "yes", False: "no"})
        outcome.ledger[COPY] = own.where(outcome.ledger["split"] == "test", None)
    outcome.heads = pd.DataFrame(heads)
    outcome.networks = pd.DataFrame(networks)
    outcome.chosen = _choose_heads(outcome.heads)
    patient_of = dict(zip(cases.case_ids.tolist(), cases.groups.astype(str).tolist(), strict=True))
    test_cases = [*cases.case_ids[cases.index("test")], *cases.case_ids[cases.index(DISPUTED)]]
    for model in outcome.ledger["model"].unique():
        outcome.lineage.check(model, test_cases, patient_of=patient_of)
    return outcome


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


def check_heads(experiment: Experiment, cohort: Cohort, split: Split) -> None:
    """Refuse, before anything is trained, heads that would have too few cases to be tuned on. Raises InputError."""
    _enough_for_heads(experiment, _cases(cohort, split, cohort.analysed["case_id"].tolist()))


def _enough_for_heads(experiment: Experiment, cases: Cases) -> None:
    """Refuse, before anything is trained, heads that would have too few cases to be tuned on. Raises InputError."""
    problems = []
    for which in experiment.heads.features if experiment.heads.names else ():
        if which == "fine_tuned" and not experiment.train.enabled:
            continue
        part = "train" if which == "pretrained" else "validation"
        rows = cases.index(part)
        fewest = min(len(np.unique(cases.groups[rows][cases.y[rows] == label])) for label in (0, 1))
        if fewest < MIN_PATIENTS_FOR_HEADS:
            problems.append(
                Problem(
                    f"heads on {which.replace('_', '-')} features are tuned on the {part} cases, of which one class has {fewest} patients; "
                    f"{MIN_PATIENTS_FOR_HEADS} are needed",
                    remedy=f"give more {part} cases, or leave {which!r} out of heads.features",
                )
            )
    raise_if_any(problems)


def _cases(cohort: Cohort, split: Split, case_ids: Sequence[str]) -> Cases:
    table = cohort.frame.set_index("case_id").loc[list(case_ids)]
    of_case = split.of_case | dict.fromkeys(split.disputed_test, DISPUTED)
    return Cases(
        case_ids=np.asarray(case_ids, dtype=object),
        y=(table["label"] == cohort.positive).to_numpy().astype(np.int64),
        groups=pd.factorize(table["patient_id"], sort=True)[0].astype(np.int64),
        split=np.array([of_case[c] for c in case_ids], dtype=object),
    )


def _choose_heads(heads: pd.DataFrame) -> dict[str, str]:
    """For each network the head with the largest cross-validated AUROC in training, then the smallest log loss, then the first."""
    if heads.empty:
        return {}
    ranked = heads.sort_values(["cv_auroc", "cv_log_loss"], ascending=[False, True], kind="stable")
    return {str(network): str(part["model"].iloc[0]) for network, part in ranked.groupby("network", sort=False)}


def model_names(experiment: Experiment) -> tuple[str, ...]:
    """The models that an experiment makes, known before anything is trained."""
    heads, initial = experiment.heads, "untrained" if experiment.networks.weights == "none" else "pretrained"
    found: list[str] = []
    for network in experiment.networks.names:
        if experiment.train.enabled:
            found.append(network)
        if heads.networks is None or network in heads.networks:
            bases = {"fine_tuned": network if experiment.train.enabled else None, "pretrained": f"{network}:{initial}"}
            found += [f"{bases[f]}+{h}" for f in heads.features if bases[f] for h in heads.names]
    return tuple(found)


def check_plan(experiment: Experiment) -> None:
    """Refuse, before anything is trained, comparisons of models that the experiment does not make. Raises InputError."""
    names = model_names(experiment)
    wanted = experiment.analysis.comparisons or []
    unknown = dict.fromkeys(m for pair in wanted for m in pair if m not in names)
    problems = []
    for m in unknown:
        near = difflib.get_close_matches(m, names, n=1)
        remedy = f"did you mean {near[0]!r}?" if near else f"it makes: {', '.join(names[:20])}"
        problems.append(
            Problem("analysis.comparisons names a model that the experiment does not make", value=m, remedy=remedy)
        )
    problems += [Problem("analysis.comparisons compares a model with itself", value=a) for a, b in wanted if a == b]
    if len(names) < 2 and not wanted:
        problems.append(Problem("the experiment makes fewer than two models, so there is nothing to compare"))
    raise_if_any(problems)


def planned_pairs(experiment: Experiment, outcome: Outcome) -> tuple[tuple[str, str], ...]:
    """The comparisons of the plan: named ones, or the networks with each other and each network's chosen head with its softmax."""
    if experiment.analysis.comparisons is not None:
        return tuple((a, b) for a, b in experiment.analysis.comparisons)
    names: list[str] = [n for n in experiment.networks.names if experiment.train.enabled]
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    pairs += [(outcome.chosen[n], n) for n in names if n in outcome.chosen]
    if not pairs:  # no softmax: the chosen heads with each other
        heads = list(outcome.chosen.values())
        pairs = [(a, b) for i, a in enumerate(heads) for b in heads[i + 1 :]]
    return tuple(pairs)
