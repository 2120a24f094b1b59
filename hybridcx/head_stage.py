"""The stage that fits heads: one task per feature set, the tasks side by side, each kept as an artefact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hybridcx.artefacts import Store, code_hash, content_key, sha256_file
from hybridcx.heads.fit import fit_heads
from hybridcx.heads.persist import save_head
from hybridcx.parallel import run_tasks
from hybridcx.progress import OnProgress
from hybridcx.provenance import versions_of

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

    def made_from(self) -> dict[str, object]:
        """Everything that decides the fits."""
        return {
            "features": sha256_file(self.features),
            "rows": self.rows.tolist(),
            "y": self.y.tolist(),
            "groups": self.groups.tolist(),
            "names": list(self.names),
            "folds": self.folds,
            "max_components": self.max_components,
            "seed": self.seed,
            "packages": versions_of("scikit-learn", "xgboost", "xgboost-cpu", "numpy", "scipy"),
            "code": code_hash("heads", "streams"),
        }


def _fit(work: HeadWork, key: str, parts: dict[str, object]) -> None:
    """Fit and keep, in whichever process."""

    def build(folder: Path) -> None:
        features = np.load(work.features, mmap_mode="r", allow_pickle=False)[work.rows]
        made = fit_heads(
            work.names,
            features,
            work.y,
            work.groups,
            folds=work.folds,
            max_components=work.max_components,
            seed=work.seed,
            threads=THREADS,
        )
        for name, fitted in made.items():
            save_head(fitted, folder / name)

    Store(work.root).make("heads", key, build, parts)


def fit_all(planned: Sequence[HeadWork], store: Store, on_progress: OnProgress | None = None) -> dict[HeadWork, Path]:
    """Fit what is not there yet and return the folder of each: one subfolder per head."""
    parts = {work: work.made_from() for work in planned}
    keys = {work: content_key(parts[work]) for work in planned}
    missing = [work for work in planned if store.find("heads", keys[work]) is None]
    run_tasks(_fit, [(work, keys[work], parts[work]) for work in missing], on_progress=on_progress)
    return {work: store.root / "heads" / keys[work] for work in planned}
