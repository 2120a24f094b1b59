"""One training as a task: the inputs that decide a network's weights and features, and the artefacts that hold them.

Everything here is keyed by content and written only to the store, so a task may run in any process, on any machine that sees the store, in any
order, with the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from hybridcx.deep import devices, weights
from hybridcx.deep.augment import FILL
from hybridcx.deep.checkpoint import save_tensors
from hybridcx.deep.features import extract, initial_state
from hybridcx.deep.finetune import WEIGHTS_NAME, finetune
from hybridcx.experiment.file import Experiment
from hybridcx.pipeline.cases import Cases
from hybridcx.progress import OnProgress
from hybridcx.store.arrays import save_array
from hybridcx.store.artefacts import Store, code_hash, content_key, write_atomic
from hybridcx.store.provenance import versions_of
from hybridcx.vocabulary.networks import Network, network, normalised_by

HISTORY, TRAINING, FEATURES, LOGITS = "history.csv", "training.json", "features.npy", "logits.npy"


def network_of(experiment: Experiment, name: str) -> Network:
    """The row of one of the experiment's networks, with the normalisation of its own weights where [networks.file.NAME] gives one.

    It is all that rebuilds a finished run's network for new images: `extract(network_of(experiment, name), weights_path, images, compute)`.
    """
    own = experiment.networks.file.get(name)
    return network(name) if own is None else normalised_by(network(name), own.mean, own.std)


@dataclass(frozen=True, slots=True, eq=False)
class NetworkWork:
    """One network of one unit. `images`: the array's file, `images_sha256` its hash; `located`: the file of weights, None for random ones."""

    name: str
    seed: int
    experiment: Experiment
    cases: Cases
    images: Path
    images_sha256: str
    located: weights.WeightsFile | None
    root: Path

    @property
    def row(self) -> Network:
        """The network, with the normalisation of its weights."""
        return network_of(self.experiment, self.name)

    @property
    def wants_initial(self) -> bool:
        """Whether heads use the features of the network before fine-tuning."""
        return "pretrained" in self.experiment.heads.on(self.name)

    def pixels(self) -> dict[str, object]:
        """The inputs of features, apart from the training of the weights."""
        device = devices.resolve(self.experiment.compute)
        return {
            "images": self.images_sha256,
            "network": self.name,
            "weights": None if self.located is None else self.located.sha256,
            "compute": self.experiment.compute.model_dump(
                mode="json", exclude={"device", "cuda_graphs"}
            ),  # the kind and model of the device follow; its number does not count
            "device": [device.description, device.threads],
            "packages": versions_of("torch", "torchvision", "numpy", *(["timm"] if self.row.family == "timm" else [])),
            "code": code_hash("deep", "streams", "vocabulary/networks"),
            **({"normalisation": [self.row.mean, self.row.std]} if self.experiment.networks.file else {}),
        }

    def training(self) -> dict[str, object]:
        """The inputs of the fine-tuned weights. Test cases are none: a training is not repeated where they alone have changed."""
        rows = np.flatnonzero(np.isin(self.cases.split, ("train", "validation")))
        return {
            **self.pixels(),
            "images": _sha256_of_rows(self.images, self.images_sha256, rows.tobytes()),
            "seed": self.seed,
            "pad": self.experiment.images.pad,  # what augmentation moves in
            "cases": content_key({"y": self.cases.y[rows].tolist(), "split": self.cases.split[rows].tolist()}),
            "train": self.experiment.train_of(self.name).model_dump(mode="json"),
        }

    def finetuned(
        self, store: Store, on_progress: OnProgress | None = None, from_cache: Callable[[], None] | None = None
    ) -> Path:
        """The artefact of the fine-tuned weights, from the store, from a continued training or from a new one."""
        parts = self.training()

        def build(folder: Path) -> None:
            training = finetune(
                self.row,
                self._pixels(),
                self.cases.y,
                self.cases.index("train"),
                self.cases.index("validation"),
                self.experiment.train_of(self.name),
                self.experiment.compute,
                seed=self.seed,
                weights=self.located,
                folder=folder,
                fill=FILL[self.experiment.images.pad],
                on_progress=on_progress,
            )
            pd.DataFrame(training.history).to_csv(folder / HISTORY, index=False)
            record = {k: v for k, v in asdict(training).items() if k not in ("history", "weights_path", "network")}
            write_atomic(folder / TRAINING, json.dumps(record, indent=1, sort_keys=True))

        return store.make("finetune", content_key(parts), build, parts, from_cache=from_cache)

    def features(
        self,
        store: Store,
        trained: Path | None,
        on_progress: OnProgress | None = None,
        from_cache: Callable[[], None] | None = None,
    ) -> Path:
        """The artefact of the penultimate features of every image, and of the logits where the last layer has been trained (`trained`: its weights).

        Pretrained features do not depend on the seed; those of random weights do.
        """
        if trained is None:
            parts = {**self.pixels(), "seed": self.seed if self.located is None else None, "which": "initial"}
        else:
            parts = {**self.training(), "all images": self.images_sha256, "which": "trained"}

        def build(folder: Path) -> None:
            extracted = extract(
                self.row,
                initial_state(self.row, self.seed, self.located) if trained is None else trained,
                self._pixels(),
                self.experiment.compute,
                trained_head=trained is not None,
                on_progress=on_progress,
                features_file=folder / FEATURES,
            )
            if extracted.logits is not None:
                save_array(folder / LOGITS, extracted.logits)
            write_atomic(folder / "extraction.json", json.dumps({"device": extracted.device, "notes": extracted.notes}))

        return store.make("features", content_key(parts), build, parts, from_cache=from_cache)

    def untrained(self, store: Store) -> Path:
        """The file of the random weights that the network starts with."""
        parts = {
            "network": self.name,
            "seed": self.seed,
            "packages": versions_of("torch", "torchvision", *(["timm"] if self.row.family == "timm" else [])),
            "code": code_hash("deep", "streams", "vocabulary/networks"),
        }

        def build(folder: Path) -> None:
            save_tensors(folder / WEIGHTS_NAME, initial_state(self.row, self.seed, None))

        return store.make("untrained", content_key(parts), build, parts) / WEIGHTS_NAME

    def _pixels(self) -> np.ndarray:
        return np.load(self.images, mmap_mode="r", allow_pickle=False)


@lru_cache(maxsize=64)
def _sha256_of_rows(images: Path, images_sha256: str, rows: bytes) -> str:
    """SHA-256 of some rows (int64 positions) of the array of images, in their order; `images_sha256`, of the whole file, tells arrays apart."""
    array, digest = np.load(images, mmap_mode="r", allow_pickle=False), hashlib.sha256()
    positions = np.frombuffer(rows, dtype=np.int64)
    for begin in range(0, len(positions), 256):
        digest.update(np.ascontiguousarray(array[positions[begin : begin + 256]]).data)
    return digest.hexdigest()


def make_initial_features(work: NetworkWork) -> None:
    """Compute the features of the network before fine-tuning, in any process."""
    work.features(Store(work.root), None)


def train_and_extract(work: NetworkWork) -> None:
    """Fine-tune and extract, in any process; the results are in the store."""
    store = Store(work.root)
    work.features(store, work.finetuned(store) / WEIGHTS_NAME)
