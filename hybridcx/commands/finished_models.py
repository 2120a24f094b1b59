"""A finished run as the source of its models: its experiment, trained models and lineage, checked against the hashes of its provenance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hybridcx.analysis.plan import Plan
from hybridcx.commands.finished_runs import finished_record
from hybridcx.errors import InputError, Problem
from hybridcx.experiment.file import Experiment
from hybridcx.pipeline.trained_models import FOLDER, INDEX, TrainedModels, load_models
from hybridcx.records.finished_lineage import LINEAGE, read_lineage
from hybridcx.records.lineage import Lineage
from hybridcx.store.artefacts import sha256_file

EXPERIMENT = "experiment.json"


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A run: its folder, provenance, experiment, models and lineage."""

    folder: Path
    record: Mapping[str, Any]
    experiment: Experiment
    models: TrainedModels
    lineage: Lineage

    @property
    def plan(self) -> Plan:
        """The plan of the run's comparisons, as it was locked."""
        return Plan.of(self.record["options"])

    @property
    def inputs(self) -> dict[str, str]:
        """The hashes that name this run."""
        files = self.record["files"]
        return {f"run {name}": files[name] for name in (f"{FOLDER}/{INDEX}", EXPERIMENT, LINEAGE)}


def finished_run(run: str | Path, device: str | None = None) -> FinishedRun:
    """Read the run in a folder; `device` replaces the experiment's.

    Raises InputError where the folder is no finished run of this or an older version, has no models, or a file of them was changed.
    """
    folder = Path(run).expanduser()
    remedy = "name the folder of a run that `hybridcx run` finished"
    record = finished_record(folder, remedy)
    command, files = record["command"], dict(record.get("files", {}))
    if command != "run":
        raise InputError(
            Problem(f"the folder holds results of `hybridcx {command}`, not of a run", str(folder), remedy=remedy)
        )
    if not (folder / FOLDER / INDEX).is_file():
        remedy = (
            "make the report again without --no-models, with this version; what is in the cache is not trained again"
        )
        raise InputError(Problem("the run has no trained models", str(folder / FOLDER), remedy=remedy))
    problems = [
        Problem(
            "the file is not the one that the run wrote",
            str(folder / name),
            remedy="make the report again, or copy it again",
        )
        for name in (f"{FOLDER}/{INDEX}", EXPERIMENT, LINEAGE)
        if not (folder / name).is_file() or files.get(name) != sha256_file(folder / name)
    ]
    if problems:
        raise InputError(problems)
    try:
        experiment = Experiment.model_validate_json((folder / EXPERIMENT).read_bytes())
        if device is not None:
            compute = {**experiment.compute.model_dump(), "device": device}
            experiment = experiment.model_copy(update={"compute": type(experiment.compute).model_validate(compute)})
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(map(str, first["loc"]))
        raise InputError(
            Problem(f"the experiment cannot be read: {first['msg']}", str(folder / EXPERIMENT), column=at)
        ) from None
    return FinishedRun(folder, record, experiment, load_models(folder, files), read_lineage(folder / LINEAGE))
