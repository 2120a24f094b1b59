"""What an experiment file says in spite of its faults: the sound keys, with the others at their defaults and named as in doubt.

So that `check` and `run` can tell what else is wrong with it in the same go; nothing is ever run from this.
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hybridcx.errors import InputError
from hybridcx.experiment.file import MAX_PROBLEMS, Experiment, keys_table, read_text

_ROUNDS = 20  # each takes out at least one key


@dataclass(frozen=True, slots=True)
class PartialExperiment:
    """The experiment of the sound keys, and the dotted names of the keys (or sections) whose value is not known."""

    experiment: Experiment
    doubts: frozenset[str]

    def sure_of(self, *keys: str) -> bool:
        """Whether nothing of these keys or sections is in doubt."""
        return not any(d == k or d.startswith(f"{k}.") or k.startswith(f"{d}.") for k in keys for d in self.doubts)


def partial_experiment(path: Path) -> PartialExperiment | None:
    """Read what can be read of an experiment file; None where it is no TOML, or its faults cannot be taken out."""
    try:
        data: dict[str, Any] = json.loads(json.dumps(tomllib.loads(read_text(path)), default=str))
    except (InputError, ValueError, RecursionError):
        return None
    doubts: set[str] = set()
    for _ in range(_ROUNDS):
        try:
            return PartialExperiment(Experiment.model_validate_json(json.dumps(data)), frozenset(doubts))
        except ValidationError as error:
            if error.error_count() > MAX_PROBLEMS:
                return None
            for e in error.errors(include_url=False):
                doubts.update(_taken_out(data, e["type"], e["loc"]))
    return None


def _taken_out(data: dict[str, Any], kind: str, loc: tuple[int | str, ...]) -> Iterator[str]:
    """Take the fault at `loc` out of `data`, and yield the keys that are in doubt for it."""
    if kind == "missing" and loc == ("name",):
        data["name"] = "unnamed"
        return
    if loc[:1] == ("cohort",) and len(loc) == 1:  # absent, or of two sources or none
        given = data.get("cohort")
        if (
            isinstance(given, dict)
            and isinstance(given.get("manifest"), str)
            and given.pop("phantom", None) is not None
        ):
            yield "cohort.phantom"
            return
        data["cohort"] = {"phantom": {}}
        yield "cohort"
        return
    table: Any = data
    steps = [s for s in loc if isinstance(s, str)]
    for depth, step in enumerate(steps):
        inner = table.get(step)
        if isinstance(inner, dict) and depth < len(steps) - 1:
            table = inner
            continue
        table.pop(step, None)
        name = ".".join(steps[: depth + 1])
        yield name
        if kind == "extra_forbidden":
            yield from _meant(name)
        return


def _meant(unknown: str) -> Iterator[str]:
    """The keys that an unknown one may stand for: near ones of its section, and near ones anywhere."""
    section, _, last = unknown.rpartition(".")
    for full, *_ in keys_table():
        place, _, key = full.rpartition(".")
        if difflib.get_close_matches(last, [key], n=1) and (place == section or key not in ("names", "name")):
            yield full
    sections = {full.split(".")[0] for full, *_ in keys_table() if "." in full}
    if not section:
        yield from difflib.get_close_matches(last, sections)
