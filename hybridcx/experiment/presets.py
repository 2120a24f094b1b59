"""Presets of fine-tuning: whole tables of options under one name, each a TOML file in the folder presets that a reader sees as a table.

A preset fills in the keys of [train] that the experiment file leaves out; a key in the file wins, also over what the preset says for
single networks. What a preset takes for granted (assumptions) and cannot do (deviations) stands in its file and goes into the report.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal, get_args

PresetName = Literal["none", "matlab_r2018b", "modern"]
PRESETS: tuple[str, ...] = tuple(name for name in get_args(PresetName) if name != "none")


@dataclass(frozen=True, slots=True)
class Statement:
    """One sentence for the methods, and the networks that it is true of (none named: all)."""

    text: str
    networks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Preset:
    """A preset as its file has it.

    Attributes
    ----------
    name, title : its key, and what it is in a sentence
    train : values of [train], with `network`: values for single networks
    assumptions : what its source leaves open, and the form that was taken
    deviations : what its source did and this program cannot
    """

    name: str
    title: str
    train: Mapping[str, Any]
    assumptions: tuple[Statement, ...]
    deviations: tuple[Statement, ...]


@cache
def preset(name: str) -> Preset:
    """Read the preset `name` (one of `PRESETS`)."""
    path = resources.files("hybridcx.experiment") / "presets" / f"{name}.toml"
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    statements = {
        kind: tuple(Statement(s["text"], tuple(s.get("networks", ()))) for s in data.get(kind, ()))
        for kind in ("assumptions", "deviations")
    }
    return Preset(name, data["title"], data["train"], statements["assumptions"], statements["deviations"])


def filled_in(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of [train] in the experiment file (`options`), and the preset's for all others.

    For one network the order is: the file's [train.network.NAME], the file's [train], the preset's for the network, the preset's [train].

    >>> filled_in("matlab_r2018b", {"epochs": 3})["momentum"]
    0.9
    """
    chosen = preset(name).train
    own = dict(options.get("network", {}))
    for network, defaults in chosen.get("network", {}).items():
        defaults = {key: value for key, value in defaults.items() if key not in options}
        mine = own.get(network, {})
        if (defaults or network in own) and isinstance(mine, Mapping):
            own[network] = {**defaults, **{k: v for k, v in mine.items() if v is not None}}
    return {**{k: v for k, v in chosen.items() if k != "network"}, **options, "network": own}
