"""The stages of a run, in order: cohort, images, splits, fine-tuning, features, heads, predictions.

Each stage is keyed by the content that it is made from (`artefacts.Store`), so what is up to date is not done again and an interrupted run
continues. The stages run over units (seed, repeat, fold); there is one unit for now.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from hybridcx.artefacts import Store, code_hash, content_key, write_atomic
from hybridcx.cohort.manifest import Cohort, read_manifest
from hybridcx.cohort.splits import Split, manifest_split, stratified_split
from hybridcx.deep import devices, weights
from hybridcx.deep.features import extract, initial_state, softmax_positive
from hybridcx.deep.finetune import WEIGHTS_NAME, finetune
from hybridcx.errors import InputError, Problem, raise_if_any
from hybridcx.experiment import Experiment, FeatureSet
from hybridcx.head_stage import HeadWork, fit_all
from hybridcx.heads.persist import load_head
from hybridcx.images import duplicates
from hybridcx.images.store import ImageStore, prepare_store
from hybridcx.parallel import default_jobs
from hybridcx.phantom.cohort import write_phantom
from hybridcx.progress import Progress
from hybridcx.provenance import package_versions
from hybridcx.records.lineage import Fit, FitKind, Lineage

HISTORY, TRAINING, FEATURES, LOGITS = "history.csv", "training.json", "features.npy", "logits.npy"


@dataclass(frozen=True, slots=True)
class Unit:
    """One pass through the stages."""

    seed: int
    repeat: int = 0
    fold: int | None = None


@dataclass(slots=True)
class Outcome:
    """What a run made: everything that the analysis and the report are told of it."""

    cohort: Cohort
    split: Split
    ledger: pd.DataFrame = field(default_factory=pd.DataFrame)
    lineage: Lineage = field(default_factory=Lineage)
    histories: dict[str, pd.DataFrame] = field(default_factory=dict)
    heads: pd.DataFrame = field(default_factory=pd.DataFrame)
    networks: pd.DataFrame = field(default_factory=pd.DataFrame)
    chosen: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Kept:
    """Features (n, d) and logits (n, 2) of every case, and the artefact that holds them; no logits before a last layer is trained."""

    folder: Path
    features: np.ndarray
    logits: np.ndarray | None


@dataclass(frozen=True, slots=True)
class _Cases:
    """The analysed cases as arrays, in the image store's order."""

    case_ids: np.ndarray
    y: np.ndarray
    groups: np.ndarray
    split: np.ndarray

    def index(self, name: str) -> np.ndarray:
        return np.flatnonzero(self.split == name)


def load_cohort(experiment: Experiment, base: Path, store: Store, progress: Progress) -> Cohort:
    """The cohort of the experiment: the manifest's, or a drawn one. `base` is the folder that relative paths start from."""
    if experiment.cohort.phantom is None:
        manifest = base / str(experiment.cohort.manifest)
        return read_manifest(manifest, positive=experiment.cohort.positive, same_bytes=experiment.cohort.same_bytes)
    options = experiment.cohort.phantom
    parts = {
        "options": options.model_dump(),
        "code": code_hash("phantom", "streams", "parallel"),
        "packages": _packages("numpy", "scipy", "pillow"),
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
    return read_manifest(folder / "manifest.csv", positive=experiment.cohort.positive)


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
    )
    for problem in images.warnings:
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
) -> Outcome:
    """All stages after the images, for every unit.

    Raises InputError for weights that cannot be used, StoppedError when training diverges; what was finished is kept either way.
    """
    cases = _cases(cohort, split, images)
    labels = cohort.analysed.set_index("case_id")["label"]
    found = duplicates.pixel_identical(images, labels, split.of_case)
    for problem in found:
        progress.say(f"Warning: {problem}")
    outcome = Outcome(cohort, split, warnings=list(found))
    # Every file of weights is looked for before the first network is trained.
    folder = base / experiment.networks.weights_dir if experiment.networks.weights_dir else None
    located = {n: weights.locate(n, experiment.networks.weights, folder) for n in experiment.networks.names}
    made: list[_Network] = []
    for unit in (Unit(experiment.seed),):
        for position, name in enumerate(experiment.networks.names, 1):
            progress.say(f"Network {position} of {len(experiment.networks.names)}: {name}.")
            one = _Network(name, unit, experiment, cases, images, located[name], store, progress, outcome)
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
    outcome.ledger = pd.concat(ledger, ignore_index=True)
    outcome.heads = pd.DataFrame(heads)
    outcome.networks = pd.DataFrame(networks)
    outcome.chosen = _choose_heads(outcome.heads)
    patient_of = dict(zip(cases.case_ids.tolist(), cases.groups.astype(str).tolist(), strict=True))
    test_cases = cases.case_ids[cases.index("test")].tolist()
    for model in outcome.ledger["model"].unique():
        outcome.lineage.check(model, test_cases, patient_of=patient_of)
    return outcome


def _cases(cohort: Cohort, split: Split, images: ImageStore) -> _Cases:
    table = cohort.analysed.set_index("case_id").loc[list(images.case_ids)]
    return _Cases(
        case_ids=np.asarray(images.case_ids, dtype=object),
        y=(table["label"] == cohort.positive).to_numpy().astype(np.int64),
        groups=pd.factorize(table["patient_id"], sort=True)[0].astype(np.int64),
        split=np.array([split.of_case[c] for c in images.case_ids], dtype=object),
    )


def _packages(*names: str) -> dict[str, str]:
    return {k: v for k, v in package_versions().items() if k in names}


class _Network:
    """One network through the stages from its weights to the predictions of its softmax and of its heads."""

    def __init__(
        self,
        name: str,
        unit: Unit,
        experiment: Experiment,
        cases: _Cases,
        images: ImageStore,
        located: weights.WeightsFile | None,
        store: Store,
        progress: Progress,
        outcome: Outcome,
    ):
        self.name = name
        self.unit = unit
        self.experiment = experiment
        self.cases = cases
        self.images = images
        self.store = store
        self.progress = progress
        self.outcome = outcome
        self.ledger: list[pd.DataFrame] = []
        self.heads: list[dict[str, object]] = []
        self.planned: list[tuple[FeatureSet, str, _Kept, HeadWork]] = []
        self.train = experiment.train_of(name)
        self.weights = located
        self.initial = "untrained" if located is None else "pretrained"
        self.described: dict[str, object] = {
            "network": name,
            "weights": "untrained" if located is None else located.origin,
            "weights_sha256": None if located is None else located.sha256,
        }
        device = devices.resolve(experiment.compute)
        self.pixels: dict[str, object] = {
            "images": images.sha256,
            "network": name,
            "weights": None if located is None else located.sha256,
            "seed": unit.seed,
            "compute": experiment.compute.model_dump(mode="json"),
            "device": [device.description, device.threads],
            "packages": _packages("torch", "torchvision", "numpy"),
            "code": code_hash("deep", "streams"),
        }
        self.training: dict[str, object] = {
            **self.pixels,
            "cases": content_key({"y": cases.y.tolist(), "split": cases.split.tolist()}),
            "train": self.train.model_dump(mode="json"),
        }

    def run(self) -> None:
        """Features, fine-tuning, and the predictions of the softmax; the heads are planned."""
        heads = self.experiment.heads
        wanted = heads.features if heads.names and (heads.networks is None or self.name in heads.networks) else []
        if "pretrained" in wanted:
            self._plan_heads("pretrained", self._features(None))
        if self.experiment.train.enabled:
            tuned = self._features(self._finetuned())
            if tuned.logits is None:
                raise RuntimeError("a fine-tuned network has logits")
            self._add(self.name, softmax_positive(tuned.logits))
            if "fine_tuned" in wanted:
                self._plan_heads("fine_tuned", tuned)

    def _finetuned(self) -> Path:
        """The file of the fine-tuned weights; what is known of their training is noted."""
        train = self.train

        def build(folder: Path) -> None:
            made = finetune(
                self.name,
                self.images.images,
                self.cases.y,
                self.cases.index("train"),
                self.cases.index("validation"),
                train,
                self.experiment.compute,
                seed=self.unit.seed,
                weights=self.weights,
                folder=folder,
                fill=0.0 if self.experiment.images.pad == "black" else 1.0,
                on_progress=self.progress.track(f"fine-tuning {self.name}"),
            )
            pd.DataFrame(made.history).to_csv(folder / HISTORY, index=False)
            told = {k: v for k, v in asdict(made).items() if k not in ("history", "weights_path", "network")}
            write_atomic(folder / TRAINING, json.dumps(told, indent=1, sort_keys=True))

        folder = self.store.make("finetune", content_key(self.training), build, self.training)
        self.outcome.histories[self.name] = pd.read_csv(folder / HISTORY)
        told = json.loads((folder / TRAINING).read_text(encoding="utf-8"))
        self.outcome.notes += told.pop("notes")
        told["trained_sha256"] = told.pop("weights_sha256")
        self.described |= told
        self._fit(self.name, "network", "train")
        if train.early_stopping or train.keep == "best_validation":
            self._fit(self.name, "early_stopping", "validation")
        return folder / WEIGHTS_NAME

    def _features(self, trained: Path | None) -> _Kept:
        """Penultimate features of every case, and the logits where the last layer has been trained."""
        parts = {
            **(self.pixels if trained is None else self.training),
            "which": "initial" if trained is None else "trained",
        }

        def build(folder: Path) -> None:
            found = extract(
                self.name,
                initial_state(self.name, self.unit.seed, self.weights) if trained is None else trained,
                self.images.images,
                self.experiment.compute,
                trained_head=trained is not None,
                on_progress=self.progress.track(f"features of {self.name}"),
            )
            np.save(folder / FEATURES, found.features)
            if found.logits is not None:
                np.save(folder / LOGITS, found.logits)
            write_atomic(folder / "extraction.json", json.dumps({"device": found.device, "notes": found.notes}))

        folder = self.store.make("features", content_key(parts), build, parts)
        told = json.loads((folder / "extraction.json").read_text(encoding="utf-8"))
        self.outcome.notes += told["notes"]
        logits = folder / LOGITS
        return _Kept(folder, np.load(folder / FEATURES, mmap_mode="r"), np.load(logits) if logits.exists() else None)

    def _plan_heads(self, which: FeatureSet, extracted: _Kept) -> None:
        """Note the fits of the heads on one feature set: on fine-tuned features only on cases that the network did not train on."""
        options = self.experiment.heads
        fitted_on = "train" if which == "pretrained" else "validation"
        rows = self.cases.index(fitted_on)
        work = HeadWork(
            self.store.root,
            tuple(options.names),
            extracted.folder / FEATURES,
            rows,
            self.cases.y[rows],
            self.cases.groups[rows],
            options.folds,
            options.max_components,
            self.unit.seed,
        )
        self.planned.append((which, fitted_on, extracted, work))

    def use_heads(self, folders: Mapping[HeadWork, Path]) -> None:
        """Predict with the heads that were fitted for this network."""
        for which, fitted_on, extracted, work in self.planned:
            base = f"{self.name}:{self.initial}" if which == "pretrained" else self.name
            for name in work.names:
                fitted = load_head(folders[work] / name)
                model = f"{base}+{name}"
                self._fit(model, "head", fitted_on, parents=(self.name,) if which == "fine_tuned" else ())
                self._add(model, fitted.predict_proba_positive(extracted.features))
                self.heads.append(
                    {
                        "model": model,
                        "network": self.name,
                        "features": which if which == "fine_tuned" else self.initial,
                        "head": name,
                        "parameters": json.dumps(dict(fitted.best_params), sort_keys=True),
                        "n_fitted": len(work.rows),
                        "cv_auroc": fitted.cv_auroc,
                        "cv_log_loss": fitted.cv_log_loss,
                        "notes": "; ".join(fitted.notes),
                    }
                )

    def _fit(self, model: str, kind: FitKind, split: str, parents: tuple[str, ...] = ()) -> None:
        """Record what was fitted on which cases."""
        self.outcome.lineage.add(
            Fit.of(model, kind, self.cases.case_ids[self.cases.index(split)].tolist(), parents=parents)
        )

    def _add(self, model: str, score: np.ndarray) -> None:
        """Predictions of every case by one model."""
        names = np.array(self.outcome.cohort.labels, dtype=object)
        table = pd.DataFrame(
            {
                "case_id": self.cases.case_ids,
                "y_true": names[self.cases.y],
                "model": model,
                "y_pred": names[(score >= self.experiment.analysis.threshold).astype(int)],
                "score": score.astype(np.float64),
                # a code, not the id: ids of patients never reach a report, which needs only who belongs together
                "patient_id": [f"g{g:05d}" for g in self.cases.groups],
                "split": self.cases.split,
                "seed": self.unit.seed,
            }
        )
        self.ledger.append(table)


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
