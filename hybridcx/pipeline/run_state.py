"""The state of a run in its folder: data, configuration and code, which must not change when the run continues."""

from __future__ import annotations

from collections.abc import Mapping

from hybridcx.errors import InputError, Problem
from hybridcx.experiment.file import Experiment
from hybridcx.store.artefacts import code_hash
from hybridcx.store.differences import differences
from hybridcx.store.report_folder import OutputFolder

CODE = (
    "deep",
    "heads",
    "images",
    "cohort",
    "phantoms",
    "stats",
    "analysis",
    "pipeline",
    "streams",
    "vocabulary/networks",
)


def check_same_run(
    folder: OutputFolder, experiment: Experiment, data: dict[str, str], *, fresh: bool
) -> dict[str, object]:
    """The state of this run to write into its folder. Raises InputError where the folder holds a run with other data, configuration or code."""
    now: dict[str, object] = {
        "experiment": experiment.model_dump(mode="json"),
        "data": data,
        "code": {m: code_hash(m) for m in CODE},
    }
    earlier = folder.read_state()
    if not fresh and "experiment" in earlier:
        changed = _changes(earlier, now)
        if changed:
            remedy = "give --fresh to start it anew (what still holds is taken from the cache), or another --out"
            if all(c.startswith("experiment.analysis.") for c in changed):
                remedy = (
                    "a changed plan is a new analysis: give another --out (nothing is trained again), or --fresh; where there were results "
                    "already the report says so and calls everything exploratory"
                )
            raise InputError(
                Problem(f"the folder holds a run that differs in {', '.join(changed)}", str(folder.path), remedy=remedy)
            )
    return now


def _changes(then: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """The dotted names at which two states of a run differ, with both values where these are short."""
    ignored = {"command", "schema_version", "plans"}
    a, b = ({k: v for k, v in state.items() if k not in ignored} for state in (then, now))
    return [
        f"{name} ({x} then, {y} now)" if None not in (x, y) and len(str(x)) < 40 and len(str(y)) < 40 else name
        for name, x, y in differences(a, b)
    ]
