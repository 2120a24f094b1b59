"""One file of weights: its network, hash and origin."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from hybridcx.vocabulary.networks import Network

ENVIRONMENT_VARIABLE = "HYBRIDCX_WEIGHTS"


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """A weights file that was found and whose hash was checked.

    `origin` says in words how sure it is that these are ImageNet's weights: by a published hash, vouched for by a `.sha256` file, or not at
    all (safetensors). `own`: the experiment names the file itself (networks.file), so that its hash is recorded, not looked up.
    """

    network: str
    path: Path
    sha256: str
    origin: str
    own: bool = False


def by_hand(row: Network, folder: Path) -> str:
    """How to bring a file without this machine's network."""
    if row.family == "timm":
        return (
            f"carry the model's file (model.safetensors of its page on huggingface.co) as {row.weights_file} into {folder}; networks.weights_dir or "
            f'the environment variable {ENVIRONMENT_VARIABLE} names another folder, networks.weights = "file" a file of any name, "none" does without'
        )
    return (
        f"run `hybridcx weights fetch {row.name}` where there is internet, or carry {row.weights_file} (or {row.name}.safetensors) by hand into "
        f"{folder}; networks.weights_dir or the environment variable {ENVIRONMENT_VARIABLE} names another folder, "
        'networks.weights = "none" does without'
    )


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_published(row: Network, sha256: str) -> bool:
    """Whether a SHA-256 is the published one: torchvision's prefix, or in the table in full."""
    return sha256 in row.known_sha256 or (bool(row.sha256_prefix) and sha256.startswith(row.sha256_prefix))


def published_as(row: Network, sha256: str) -> str:
    """How sure a hash makes it that these are the published weights, in words."""
    if sha256 in row.known_sha256:
        return "ImageNet weights as torchvision publishes them, by their whole SHA-256"
    return f"ImageNet weights as torchvision publishes them, by the {_digits(row)} digits of their SHA-256 that it publishes ({row.sha256_prefix})"


def _digits(row: Network) -> str:
    return {8: "eight", 10: "ten"}.get(len(row.sha256_prefix), str(len(row.sha256_prefix)))
