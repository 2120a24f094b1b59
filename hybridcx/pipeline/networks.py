"""One network through the stages: from its weights over fine-tuning and features to the predictions of its softmax and of its heads."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from hybridcx.deep.features import softmax_positive
from hybridcx.deep.finetune import WEIGHTS_NAME
from hybridcx.deep.saliency import without_grad_cam
from hybridcx.experiment.file import FeatureSet
from hybridcx.heads.persist import load_head
from hybridcx.pipeline.cases import DISPUTED, UNUSED
from hybridcx.pipeline.heads import HeadWork
from hybridcx.pipeline.outcome import NetworkFeatures, TrainedHead, TrainedNetwork
from hybridcx.pipeline.training import FEATURES, HISTORY, LOGITS, TRAINING, NetworkWork
from hybridcx.pipeline.units import Unit
from hybridcx.progress import Progress
from hybridcx.records.lineage import Fit, FitKind
from hybridcx.store.artefacts import Store


@dataclass(frozen=True, slots=True)
class ExtractedFeatures:
    """Features (n, d) and logits (n, 2) of every case, and the artefact that holds them; no logits before a last layer is trained."""

    folder: Path
    features: np.ndarray
    logits: np.ndarray | None


class NetworkStage:
    """One network of one unit through the stages from its weights to the predictions of its softmax and of its heads.

    Yields `ledger` (one table a model), `heads` (one row a head), `described` (of the network), `history`, `notes`, `network_fits`,
    `head_fits`, and with `for_casebook` `casebook_features`.
    """

    def __init__(
        self,
        work: NetworkWork,
        unit: Unit,
        labels: tuple[str, str],
        store: Store,
        progress: Progress,
        *,
        for_casebook: bool,
        position: str = "",
        announces_cache: bool = True,
    ):
        """`position`: "network 2 of 4" for progress. `announces_cache`: report what comes from the cache; not what this run just put there."""
        self.work = work
        self.name = work.name
        self.unit = unit
        self.cases = work.cases
        self.store = store
        self.progress = progress
        self.labels = labels
        self.for_casebook = for_casebook
        self.position = position
        self.announces_cache = announces_cache
        self.ledger: list[pd.DataFrame] = []
        self.history: pd.DataFrame | None = None
        self.notes: list[str] = []
        self.network_fits: list[Fit] = []
        self.head_fits: list[Fit] = []
        self.casebook_features: NetworkFeatures | None = None
        self.heads: list[dict[str, object]] = []
        self.weights_path: Path | None = None
        self.fitted_heads: list[TrainedHead] = []
        self.planned: list[tuple[FeatureSet, str, ExtractedFeatures, HeadWork]] = []
        self.initial = "untrained" if work.located is None else "pretrained"
        self.described: dict[str, object] = {
            "network": work.name,
            "weights": "untrained" if work.located is None else work.located.origin,
            "weights_sha256": None if work.located is None else work.located.sha256,
            **({"mean": list(work.row.mean), "std": list(work.row.std)} if work.experiment.networks.file else {}),
            **({"seed": unit.seed, "fold": unit.fold} if unit.name else {}),
        }

    def run(self) -> None:
        """Features, fine-tuning, and the predictions of the softmax; the heads are planned."""
        if self.work.wants_initial:
            initial = self._features(None)
            if self.for_casebook:
                self.casebook_features = NetworkFeatures(self.initial, initial.features, None)
            self._plan_heads("pretrained", initial)
        if self.work.experiment.train.enabled:
            weights_path = self.weights_path = self._finetuned()
            tuned = self._features(weights_path)
            if self.for_casebook:
                self.casebook_features = NetworkFeatures("fine_tuned", tuned.features, weights_path)
                if (why := without_grad_cam(self.work.row)) is not None:
                    self.notes.append(f"{why}.")
            if tuned.logits is None:
                raise RuntimeError("a fine-tuned network has logits")
            self._add(self.name, softmax_positive(tuned.logits))
            if "fine_tuned" in self.work.experiment.heads.on(self.name):
                self._plan_heads("fine_tuned", tuned)

    def trained(self) -> TrainedNetwork:
        """The files of the network's weights and of its heads."""
        located = self.work.located
        initial = None
        if self.work.wants_initial:
            initial = self.work.untrained(self.store) if located is None else located.path
        return TrainedNetwork(
            self.name, self.unit.name, self.unit.seed, self.unit.fold, self.weights_path, initial, self.initial, tuple(self.fitted_heads)
        )  # fmt: skip

    def _finetuned(self) -> Path:
        """The file of the fine-tuned weights. Keeps the learning curve, the notes and the fits of the training."""
        what = ", ".join(part for part in (f"fine-tuning {self.name}", self.position) if part)
        epochs = self.work.experiment.train_of(self.name).epochs
        folder = self.work.finetuned(
            self.store, self.progress.track_epochs(what, epochs), self._from_cache(f"fine-tuning {self.name}")
        )
        history = pd.read_csv(folder / HISTORY).assign(seed=self.unit.seed, fold=self.unit.fold)
        self.history = history
        training = json.loads((folder / TRAINING).read_text(encoding="utf-8"))
        self.notes += training.pop("notes")
        training["trained_sha256"] = training.pop("weights_sha256")
        self.described |= training
        self.network_fits.append(self._fit(self.name, "network", "train"))
        train = self.work.experiment.train_of(self.name)
        if train.early_stopping or train.keep == "best_validation":
            self.network_fits.append(self._fit(self.name, "early_stopping", "validation"))
        return folder / WEIGHTS_NAME

    def _from_cache(self, what: str) -> Callable[[], None]:
        return lambda: self.progress.from_cache(what) if self.announces_cache else None

    def _features(self, trained: Path | None) -> ExtractedFeatures:
        """Penultimate features of every case, and the logits where the last layer has been trained."""
        what = f"features of {self.name} {'before' if trained is None else 'after'} fine-tuning"
        folder = self.work.features(self.store, trained, self.progress.track(what), self._from_cache(what))
        extraction = json.loads((folder / "extraction.json").read_text(encoding="utf-8"))
        self.notes += extraction["notes"]
        logits = folder / LOGITS
        return ExtractedFeatures(
            folder,
            np.load(folder / FEATURES, mmap_mode="r", allow_pickle=False),
            np.load(logits, allow_pickle=False) if logits.exists() else None,
        )

    def _plan_heads(self, which: FeatureSet, extracted: ExtractedFeatures) -> None:
        """Note the fits of the heads on one feature set: on fine-tuned features only on cases that the network did not train on."""
        options = self.work.experiment.heads
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
            options.class_weight,
        )
        self.planned.append((which, fitted_on, extracted, work))

    def use_heads(self, folders: Mapping[HeadWork, Path]) -> None:
        """Predict with the heads that were fitted for this network."""
        for which, fitted_on, extracted, work in self.planned:
            base = f"{self.name}:{self.initial}" if which == "pretrained" else self.name
            for name in work.names:
                fitted = load_head(folders[work] / name)
                model = f"{base}+{name}"
                parents = (self.name,) if which == "fine_tuned" else ()
                self.head_fits.append(self._fit(model, "head", fitted_on, parents))
                features = "fine_tuned" if which == "fine_tuned" else "initial"
                self.fitted_heads.append(TrainedHead(model, name, features, folders[work] / name))
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
                        "seed": self.unit.seed,
                        "fold": self.unit.fold,
                    }
                )

    def _fit(self, model: str, kind: FitKind, split: str, parents: tuple[str, ...] = ()) -> Fit:
        """What was fitted on the cases of which part of the split."""
        cases = self.cases.case_ids[self.cases.index(split)].tolist()
        return Fit.of(model, kind, cases, parents=parents, unit=self.unit.name)

    def _add(self, model: str, score: np.ndarray) -> None:
        """Predictions of every case by one model; of a fold without its training cases, which are test cases elsewhere."""
        names = np.array(self.labels, dtype=object)
        table = pd.DataFrame(
            {
                "case_id": self.cases.case_ids,
                "y_true": np.where(self.cases.split == DISPUTED, None, names[self.cases.y]),
                "model": model,
                "y_pred": names[(score >= self.work.experiment.analysis.threshold).astype(int)],
                "score": score.astype(np.float64),
                # codes: the grouping by patient is kept, the identity is not
                "patient_id": [f"g{g:05d}" for g in self.cases.groups],
                "split": self.cases.split,
                "seed": self.unit.seed,
            }
        )
        if self.unit.fold is not None:
            table = table.assign(fold=str(self.unit.fold))
        left_out = [UNUSED] if self.unit.fold is None else [UNUSED, "train"]
        self.ledger.append(table[~table["split"].isin(left_out)])
