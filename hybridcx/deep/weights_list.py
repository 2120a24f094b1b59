"""Which weights are here: the folder for them, and the state of each network's file. Loads no torch."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hybridcx.deep.weights_file import ENVIRONMENT_VARIABLE, by_hand
from hybridcx.vocabulary.networks import NETWORKS, Network


@dataclass(frozen=True, slots=True)
class WeightsStatus:
    """One line of `hybridcx weights list` or `verify`. `status` is `present` (not hashed), `ok`, `refused` or `absent`."""

    network: str
    file: str
    status: Literal["present", "ok", "refused", "absent"]
    size_bytes: int | None
    sha256: str | None
    message: str


def default_folder() -> Path:
    """The folder for weights: the environment variable HYBRIDCX_WEIGHTS, else `hybridcx/weights` in the user's cache folder.

    That is %LOCALAPPDATA% on Windows, ~/Library/Caches on macOS, and $XDG_CACHE_HOME or ~/.cache elsewhere.
    """
    configured = os.environ.get(ENVIRONMENT_VARIABLE)
    if configured:
        return Path(configured).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "hybridcx" / "weights"


def hub_cache() -> Path:
    """torch's own cache of downloaded weights: $TORCH_HOME/hub/checkpoints, else torch/hub/checkpoints in $XDG_CACHE_HOME or ~/.cache."""
    home = os.environ.get("TORCH_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "torch"
    return Path(home).expanduser() / "hub" / "checkpoints"


def file_names(row: Network) -> tuple[str, ...]:
    """The possible file names of a network's weights, in the order of the search."""
    if row.family == "timm":
        return (row.weights_file, row.weights_file.replace(".safetensors", ".pth"))
    return (row.weights_file, f"{row.name}.safetensors", f"{row.name}.pth")


def find(row: Network, folder: Path) -> Path | None:
    """The first of `file_names` that is in `folder`, or None."""
    return next((folder / name for name in file_names(row) if (folder / name).is_file()), None)


def list_weights(folder: Path | None = None) -> list[WeightsStatus]:
    """The state of each network's weights in `folder`, without hashing the files; None: in `default_folder()`, else in torch's `hub_cache()`."""
    return [status_of(row, folder or place_of(row)) for row in NETWORKS.values()]


def place_of(row: Network) -> Path:
    """The default folder, or torch's cache where the network's file is there alone."""
    own = default_folder()
    return hub_cache() if find(row, own) is None and (hub_cache() / row.weights_file).is_file() else own


def status_of(row: Network, folder: Path) -> WeightsStatus:
    """`present` or `absent`, by the names of files alone."""
    path = find(row, folder)
    if path is None:
        return WeightsStatus(row.name, row.weights_file, "absent", None, None, by_hand(row, folder))
    where = f"in torch's cache, {folder}" if folder == hub_cache() else ""
    return WeightsStatus(row.name, path.name, "present", path.stat().st_size, None, where)
