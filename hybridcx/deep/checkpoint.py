"""Checkpoints and weights on disk: safetensors for tensors, JSON for everything else, and never a half-written file.

Every file is written under a temporary name in its folder and then renamed. A checkpoint is `checkpoint.json` with the names and SHA-256 of its
tensor files; it is replaced last, so that it always names complete files. A checkpoint whose hashes do not match is not used.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

INDEX = "checkpoint.json"
SCHEMA = 1


class DamagedCheckpointError(Exception):
    """The checkpoint is damaged; the message names the problem, and training starts again."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state from which a training continues.

    fingerprint : of everything that decides the result; a checkpoint of another is not continued
    counters : JSON values (epoch, iteration, history, …)
    tensors : model and optimiser
    best : the weights kept so far, where the best on validation are kept
    """

    fingerprint: str
    counters: dict[str, Any]
    tensors: dict[str, Tensor]
    best: dict[str, Tensor] | None


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: tuple[str, str] | None = None) -> str:
    """Write tensors (any device, any layout; stored contiguous) as safetensors, atomically. Returns the file's SHA-256.

    `metadata` is one pair only: the library writes several in an order that differs from call to call, and so the bytes.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        plain = {
            name: t.detach().to("cpu", memory_format=torch.contiguous_format).contiguous()
            for name, t in tensors.items()
        }
        save_file(plain, temporary, metadata=dict([metadata]) if metadata else None)
        with temporary.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return digest


def write_checkpoint(folder: Path, checkpoint: Checkpoint, *, best_changed: bool) -> None:
    """Write a checkpoint into `folder` and delete the files of the one before. `best` is written only if it changed since then."""
    iteration = int(checkpoint.counters["iteration"])
    files = {"state": _named(folder, f"checkpoint-{iteration}.safetensors", checkpoint.tensors)}
    if checkpoint.best is not None:
        earlier = (
            _index(folder).get("files", {}).get("best") if not best_changed and (folder / INDEX).exists() else None
        )
        files["best"] = earlier or _named(folder, f"checkpoint-{iteration}-best.safetensors", checkpoint.best)
    body = {"schema": SCHEMA, "fingerprint": checkpoint.fingerprint, "files": files, "counters": checkpoint.counters}
    text = json.dumps({"sha256": _hash(body), "body": body})
    temporary = folder / f".{INDEX}.{os.getpid()}.tmp"
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(folder / INDEX)
    _delete(folder, keep={f["name"] for f in files.values()})


def _named(folder: Path, name: str, tensors: Mapping[str, Tensor]) -> dict[str, str]:
    return {"name": name, "sha256": save_tensors(folder / name, tensors)}


def _hash(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _index(folder: Path) -> dict[str, Any]:
    try:
        outer: dict[str, Any] = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        body: dict[str, Any] = outer["body"]
        sound = bool(outer["sha256"] == _hash(body) and body["schema"] == SCHEMA)
    except (ValueError, KeyError, TypeError):
        sound = False
    if not sound:
        raise DamagedCheckpointError(f"{INDEX} is damaged")
    return body


def read_checkpoint(folder: Path, fingerprint: str) -> Checkpoint | None:
    """The checkpoint in `folder`, or None if there is none.

    Raises
    ------
    DamagedCheckpointError
        if a file is missing or its hash differs, or if it belongs to another fingerprint.
    """
    if not (folder / INDEX).exists():
        return None
    body = _index(folder)
    if body["fingerprint"] != fingerprint:
        raise DamagedCheckpointError("it belongs to other data, settings or versions")
    loaded: dict[str, dict[str, Tensor]] = {}
    for part, file in body["files"].items():
        path = folder / file["name"]
        if not path.is_file():
            raise DamagedCheckpointError(f"{file['name']} is missing")
        with path.open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != file["sha256"]:
                raise DamagedCheckpointError(f"{file['name']} does not have the hash that was recorded")
        loaded[part] = load_file(path)
    return Checkpoint(fingerprint, body["counters"], loaded["state"], loaded.get("best"))


def delete_checkpoint(folder: Path) -> None:
    """Remove the checkpoint's files, the index first."""
    (folder / INDEX).unlink(missing_ok=True)
    _delete(folder, keep=set())


def _delete(folder: Path, keep: set[str]) -> None:
    for path in (*folder.glob("checkpoint-*.safetensors"), *folder.glob(".*.tmp")):
        if path.name not in keep:
            path.unlink(missing_ok=True)
