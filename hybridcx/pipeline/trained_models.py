"""The trained models of a run, kept in the folder `models` of its report, so that they can be applied to new images anywhere.

`models/models.json` lists every network of every training with its files and their SHA-256: the fine-tuned weights, the weights before fine-tuning
where heads use their features, and the fitted heads. `training_images.npz` and `test_images.npz` recognise
copies of the run's images among new ones. Files are hard
links into the cache where the file system has them, so that they take no space there.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hybridcx.errors import InputError, Problem
from hybridcx.images.known_images import KnownImages
from hybridcx.images.store import ImageStore
from hybridcx.pipeline.outcome import TrainedHead, TrainedNetwork
from hybridcx.pipeline.pseudonyms import Pseudonyms, pseudonyms
from hybridcx.store.artefacts import Store, sha256_file, write_atomic
from hybridcx.store.json_file import read_json

FOLDER, INDEX, CASE_MIX = "models", "models.json", "case_mix.json"
IMAGES, TEST_IMAGES = "training_images.npz", "test_images.npz"
PATIENTS_KEY = "patients.key"
"""File of the cache with this machine's key: the patients of the training are kept as HMAC under it (`pseudonyms`), since patient ids never enter a
report, nor the cache."""
SCHEMA = 1
MAX_BYTES = 100_000_000


@dataclass(frozen=True, slots=True)
class TrainedModels:
    """The trained models of a run, as `models.json` lists them. Paths lie in the run's folder, and their hashes were compared."""

    folder: Path
    networks: tuple[TrainedNetwork, ...]
    labels: tuple[str, str]
    threshold: float
    sha256: Mapping[str, str]
    ensembles: tuple[Mapping[str, Any], ...]
    chosen: tuple[Mapping[str, Any], ...]
    patients: Mapping[str, Any]
    images: KnownImages
    test_images: KnownImages
    case_mix: Mapping[str, Any]

    def hash_of(self, path: Path) -> str:
        """The recorded SHA-256 of a file of the models."""
        return self.sha256[path.relative_to(self.folder / FOLDER).as_posix()]


def save_models(
    networks: Iterable[TrainedNetwork],
    report: Path,
    *,
    labels: tuple[str, str],
    threshold: float,
    ensembles: pd.DataFrame,
    heads: pd.DataFrame,
    images: ImageStore,
    fitted_on: Iterable[str],
    tested: Iterable[str],
    patients: Mapping[str, str],
    case_mix: Mapping[str, Any],
    store: Store,
    shown_id: Mapping[str, str] | None,
) -> dict[tuple[str, str], Path]:
    """Write the folder `models` of the report in `report`.

    Returns the folder of each network by its name and that of its training.

    `fitted_on`: the training and validation cases; `tested`: the test cases; `patients`: case id -> patient id, kept as HMAC. `shown_id`: case id ->
    pseudonym.
    """
    folder = report / FOLDER
    folder.mkdir()
    listed: list[dict[str, Any]] = []
    places: dict[tuple[str, str], Path] = {}
    for network in networks:
        place = folder / "-".join(part for part in (_safe(network.network), _safe(network.unit)) if part)
        place.mkdir()
        places[network.network, network.unit] = place
        entry: dict[str, Any] = {k: getattr(network, k) for k in ("network", "unit", "seed", "fold", "source")}
        for which, source in (("weights", network.weights), ("initial", network.initial)):
            entry[which] = None if source is None else _linked(source, place / f"{which}{source.suffix}", folder)
        entry["heads"] = []
        for head in network.heads:
            target = place / "heads" / head.features / head.head
            target.mkdir(parents=True)
            for file in sorted(head.folder.iterdir()):
                _linked(file, target / file.name, folder)
            entry["heads"].append(
                {"model": head.model, "head": head.head, "features": head.features, "folder": target.relative_to(folder).as_posix()}
            )  # fmt: skip
        listed.append(entry)
    fitted = set(fitted_on)
    only_tested = set(tested) - fitted
    for name, cases in ((IMAGES, fitted), (TEST_IMAGES, only_tested)):
        known = KnownImages.of(images, np.sort(images.positions(sorted(cases))))
        if shown_id is not None:
            ids = np.array([shown_id[c] for c in known.case_ids], dtype=str)
            known = KnownImages(ids, known.pixel_sha256, known.mean, known.sketches)
        known.save(folder / name)
    write_atomic(folder / CASE_MIX, json.dumps(case_mix, indent=1, sort_keys=True))
    index = {
        "schema": SCHEMA,
        "labels": list(labels),
        "threshold": threshold,
        "networks": listed,
        "ensembles": json.loads(ensembles.to_json(orient="records")) if len(ensembles) else [],
        "chosen": _chosen(heads),
        "patients": _hidden({patients[c] for c in fitted}, {patients[c] for c in only_tested}, store),
    }
    write_atomic(folder / INDEX, json.dumps(index, indent=1, sort_keys=True))
    return places


def load_models(run: Path, recorded: Mapping[str, str]) -> TrainedModels:
    """Read the models of the run in the folder `run`; every file that is used is compared with its hash in `recorded`, the run's provenance.

    Raises InputError for a run without models, of a newer schema, and for files that are missing or changed.
    """
    folder = run / FOLDER
    remedy = (
        "make the report again (`hybridcx run`; what is in the cache is not trained again), or copy the whole folder"
    )
    try:
        index = read_json(folder / INDEX, MAX_BYTES)
    except FileNotFoundError:
        raise InputError(Problem("the run has no trained models", str(folder / INDEX), remedy=remedy)) from None
    except (OSError, ValueError):
        raise InputError(Problem("the list of models cannot be read", str(folder / INDEX), remedy=remedy)) from None
    try:
        if index["schema"] > SCHEMA:
            raise InputError(
                Problem("the models were saved by a newer hybridcx", str(folder / INDEX), remedy="update hybridcx")
            )
        prefix, apart = f"{FOLDER}/", (".md", ".onnx", "onnx.json")  # for readers and other programs
        files = {
            n.removeprefix(prefix): d for n, d in recorded.items() if n.startswith(prefix) and not n.endswith(apart)
        }
        problems = [
            Problem("a file of the models is missing or changed", str(folder / name), remedy=remedy)
            for name, digest in files.items()
            if not (folder / name).is_file() or sha256_file(folder / name) != digest
        ]
        if problems:
            raise InputError(problems)
        networks = tuple(_network(entry, folder, files) for entry in index["networks"])
        negative, positive = (str(label) for label in index["labels"])
        return TrainedModels(
            run,
            networks,
            (negative, positive),
            float(index["threshold"]),
            files,
            tuple(index["ensembles"]),
            tuple(index["chosen"]),
            dict(index["patients"]),
            KnownImages.load(folder / IMAGES),
            KnownImages.load(folder / TEST_IMAGES),
            read_json(folder / CASE_MIX, MAX_BYTES),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise InputError(Problem("the list of models is damaged", str(folder / INDEX), remedy=remedy)) from None


@dataclass(frozen=True, slots=True)
class SharedPatients:
    """New patients who are patients of the run: of its training and validation cases, and of its test cases."""

    fitted: frozenset[str]
    tested: frozenset[str]


def shared_patients(models: TrainedModels, patients: Iterable[str], store: Store) -> SharedPatients | None:
    """Those of `patients` that are patients of the run.

    None where this machine's key is not the one of the machine that made the run, so that it cannot be known.
    """
    key = _key(store)
    if key.described["key_sha256"] != models.patients["key_sha256"]:
        return None
    new = {p: key.patient(p) for p in set(patients)}
    fitted, tested = (
        frozenset(p for p, hidden in new.items() if hidden in set(models.patients[k])) for k in ("ids", "tested")
    )
    return SharedPatients(fitted, tested)


def _network(entry: Mapping[str, Any], folder: Path, files: Mapping[str, str]) -> TrainedNetwork:
    def path(name: object) -> Path | None:
        if name is None:
            return None
        if str(name) not in files:
            raise ValueError(name)
        return folder / str(name)

    heads = []
    for head in entry["heads"]:
        place = folder / str(head["folder"])
        if f"{head['folder']}/head.json" not in files:
            raise ValueError(head["folder"])
        heads.append(TrainedHead(str(head["model"]), str(head["head"]), str(head["features"]), place))
    fold = None if entry["fold"] is None else int(entry["fold"])
    return TrainedNetwork(
        str(entry["network"]),
        str(entry["unit"]),
        int(entry["seed"]),
        fold,
        path(entry["weights"]),
        path(entry["initial"]),
        str(entry["source"]),
        tuple(heads),
    )


def _linked(source: Path, target: Path, folder: Path) -> str:
    """Put a file of the cache at `target`, as a hard link where that works, and return its name within `folder`."""
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)
        with suppress(OSError):
            target.chmod(0o644)
    return target.relative_to(folder).as_posix()


def _chosen(heads: pd.DataFrame) -> list[dict[str, Any]]:
    """Where each training chose its head itself (`<network>+chosen`): its network, seed, fold and model."""
    if heads.empty or "chosen" not in heads:
        return []
    rows = heads[heads["chosen"].astype(bool)]
    return [
        {"network": r["network"], "seed": int(r["seed"]), "fold": None if pd.isna(r["fold"]) else int(r["fold"]), "model": r["model"]}
        for r in rows.to_dict("records")
    ]  # fmt: skip


def _key(store: Store) -> Pseudonyms:
    """This machine's key, made at its first use."""
    store.root.mkdir(parents=True, exist_ok=True)
    return pseudonyms(store.root / PATIENTS_KEY, None)


def _hidden(fitted: Iterable[str], tested: Iterable[str], store: Store) -> dict[str, Any]:
    """Patient ids as HMAC under this machine's key, and the hash of the key."""
    key = _key(store)
    ids, of_test = (sorted({key.patient(p) for p in patients}) for patients in (fitted, tested))
    return {"key_sha256": key.described["key_sha256"], "ids": ids, "tested": of_test}


def _safe(name: str) -> str:
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in name.replace(", ", "-").replace(" ", "")).lstrip(
        "."
    )
