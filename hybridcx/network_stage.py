"""One network through the stages: from its weights over fine-tuning and features to the predictions of its softmax and of its heads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from hybridcx.artefacts import Store, code_hash, content_key, write_atomic
from hybridcx.cohort.manifest import Cohort
from hybridcx.cohort.splits import Split
from hybridcx.deep import devices, weights
from hybridcx.deep.features import extract, initial_state, softmax_positive
from hybridcx.deep.finetune import WEIGHTS_NAME, finetune
from hybridcx.errors import Problem
from hybridcx.experiment import Experiment, FeatureSet
from hybridcx.head_stage import HeadWork
from hybridcx.heads.persist import load_head
from hybridcx.images.store import ImageStore
from hybridcx.progress import Progress
from hybridcx.provenance import versions_of
from hybridcx.records.lineage import Fit, FitKind, Lineage

DISPUTED = "disputed"
"""The part of test cases without a label: scored, never fitted on, in no primary metric."""
HISTORY, TRAINING, FEATURES, LOGITS = "history.csv", "training.json", "features.npy", "logits.npy"


@dataclass(frozen=True, slots=True)
class Unit:
    """One pass through the stages."""

    seed: int
    repeat: int = 0
    fold: int | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """A network's features of every case as the run leaves them, whose they are, and its fine-tuned weights if there are any."""

    which: str
    features: np.ndarray
    weights: Path | None


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
    made: dict[str, Made] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    near_duplicates: pd.DataFrame = field(default_factory=pd.DataFrame)
    shortcuts: pd.DataFrame = field(default_factory=pd.DataFrame)


@dataclass(frozen=True, slots=True)
class Kept:
    """Features (n, d) and logits (n, 2) of every case, and the artefact that holds them; no logits before a last layer is trained."""

    folder: Path
    features: np.ndarray
    logits: np.ndarray | None


@dataclass(frozen=True, slots=True)
class Cases:
    """The analysed cases as arrays, in the image store's order."""

    case_ids: np.ndarray
    y: np.ndarray
    groups: np.ndarray
    split: np.ndarray

    def index(self, name: str) -> np.ndarray:
        return np.flatnonzero(self.split == name)


class NetworkStage:
    """One network through the stages from its weights to the predictions of its softmax and of its heads."""

    def __init__(
        self,
        name: str,
        unit: Unit,
        experiment: Experiment,
        cases: Cases,
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
        self.planned: list[tuple[FeatureSet, str, Kept, HeadWork]] = []
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
            "packages": versions_of("torch", "torchvision", "numpy"),
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
            initial = self._features(None)
            self.outcome.made[self.name] = Made(self.initial, initial.features, None)
            self._plan_heads("pretrained", initial)
        if self.experiment.train.enabled:
            weights_path = self._finetuned()
            tuned = self._features(weights_path)
            self.outcome.made[self.name] = Made("fine_tuned", tuned.features, weights_path)
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

    def _features(self, trained: Path | None) -> Kept:
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
                features_file=folder / FEATURES,
            )
            if found.logits is not None:
                np.save(folder / LOGITS, found.logits)
            write_atomic(folder / "extraction.json", json.dumps({"device": found.device, "notes": found.notes}))

        folder = self.store.make("features", content_key(parts), build, parts)
        told = json.loads((folder / "extraction.json").read_text(encoding="utf-8"))
        self.outcome.notes += told["notes"]
        logits = folder / LOGITS
        return Kept(folder, np.load(folder / FEATURES, mmap_mode="r"), np.load(logits) if logits.exists() else None)

    def _plan_heads(self, which: FeatureSet, extracted: Kept) -> None:
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
                "y_true": np.where(self.cases.split == DISPUTED, None, names[self.cases.y]),
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
