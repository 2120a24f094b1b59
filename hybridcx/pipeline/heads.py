"""The stage that fits heads: one task per feature set, the tasks in parallel, each result an artefact."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hybridcx.experiment.heads import ClassWeight
from hybridcx.heads.fit import fit_heads
from hybridcx.heads.persist import save_head
from hybridcx.progress import Progress
from hybridcx.store.artefacts import RECORD, Store, code_hash, content_key
from hybridcx.store.provenance import versions_of
from hybridcx.workers.dask import Workers
from hybridcx.workers.local import run_tasks

THREADS = 1  # bits depend on the number of threads; one is what every machine has


@dataclass(frozen=True, slots=True, eq=False)
class HeadWork:
    """The heads `names` on the rows `rows` of the features in the file `features`."""

    root: Path
    names: tuple[str, ...]
    features: Path
    rows: np.ndarray
    y: np.ndarray
    groups: np.ndarray
    folds: int
    max_components: int
    seed: int
    class_weight: ClassWeight = "none"

    def made_from(self) -> dict[str, object]:
        """Everything that decides the fits."""
        return {
            "features": self._sha256(),
            "y": self.y.tolist(),
            # which of these cases are of one patient: other cases of the cohort do not count
            "groups": np.unique(self.groups, return_inverse=True)[1].tolist(),
            "names": list(self.names),
            "folds": self.folds,
            "max_components": self.max_components,
            "seed": self.seed,
            "class_weight": self.class_weight,
            "packages": versions_of("scikit-learn", "xgboost", "xgboost-cpu", "numpy", "scipy"),
            "code": code_hash("heads", "streams"),
        }

    def _sha256(self) -> str:
        """SHA-256 of the rows of the features that the heads are fitted on."""
        rows = np.load(self.features, mmap_mode="r", allow_pickle=False)[self.rows]
        return hashlib.sha256(repr((rows.shape, rows.dtype.str)).encode() + rows.tobytes()).hexdigest()

    def of(self) -> dict[str, object]:
        """Network and kind of the features, for messages; the hash of the features alone decides the fits."""
        made_from = json.loads((self.features.parent / RECORD).read_text(encoding="utf-8"))["made_from"]
        return {k: made_from[k] for k in ("network", "which") if k in made_from}


def _fit(work: HeadWork, key: str, parts: dict[str, object]) -> None:
    """Fit and store heads, in any process. Heads that the cache holds together with others, with the same inputs, are taken from there."""
    store = Store(work.root)

    def build(folder: Path) -> None:
        taken = _take_cached(store, work.names, parts, folder)
        missing = [name for name in work.names if name not in taken]
        if not missing:
            return
        features = np.load(work.features, mmap_mode="r", allow_pickle=False)[work.rows]
        heads = fit_heads(
            missing,
            features,
            work.y,
            work.groups,
            folds=work.folds,
            max_components=work.max_components,
            seed=work.seed,
            class_weight=work.class_weight,
            threads=THREADS,
        )
        for name, fitted in heads.items():
            save_head(fitted, folder / name)

    store.make("heads", key, build, parts, work.of())


def _take_cached(store: Store, names: Sequence[str], parts: Mapping[str, object], folder: Path) -> set[str]:
    """Copy heads that were fitted from the same parts together with other heads; no head's numbers depend on the others."""
    taken: set[str] = set()
    for record in store.records("heads"):
        if all(record["made_from"].get(k) == v for k, v in parts.items() if k != "names"):
            if (cached := store.find("heads", record["key"])) is None:
                continue
            for name in names:
                if name not in taken and (cached / name).is_dir():
                    shutil.copytree(cached / name, folder / name, dirs_exist_ok=True)
                    taken.add(name)
    return taken


def fit_all(planned: Sequence[HeadWork], store: Store, workers: Workers, progress: Progress) -> dict[HeadWork, Path]:
    """Fit what the store lacks, and return the folder of each work: one subfolder per head."""
    parts = {work: work.made_from() for work in planned}
    keys = {work: content_key(parts[work]) for work in planned}
    missing = [work for work in planned if store.find("heads", keys[work]) is None]
    lacking = set(missing)
    if n := sum(len(work.names) for work in planned if work not in lacking):
        progress.from_cache(f"{n} of {sum(len(work.names) for work in planned)} heads")
    for work in missing:
        store.explain("heads", parts[work], work.of())
    run_tasks(
        _fit,
        [(work, keys[work], parts[work]) for work in missing],
        workers=workers,
        on_progress=progress.track("heads"),
    )
    return {work: store.root / "heads" / keys[work] for work in planned}
