"""Whether a run fits this machine: the cases of its units, what it needs in memory and on disk, and what there is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hybridcx.errors import raise_if_any
from hybridcx.experiment.file import Experiment
from hybridcx.pipeline.costs.memory import Counts, check_run, head_problems, run_needs
from hybridcx.pipeline.planned_models import model_names
from hybridcx.pipeline.units import Unit, divisions_of, scored_disputed


def counts_of(units: Sequence[Unit]) -> Counts:
    """The cases of the units, disputed ones included; training, validation and test cases of the largest division."""
    parts = [list(split.of_case.values()) for split in divisions_of(units)]
    train, validation, test = (max(p.count(part) for p in parts) for part in ("train", "validation", "test"))
    disputed = len(scored_disputed(units))
    return Counts(len(parts[0]) + disputed, train, validation, test + disputed)


def limit_messages(
    experiment: Experiment, counts: Counts, cache: Path, out: Path, *, jobs: int | None = None
) -> list[str]:
    """Sentences on the memory and disk that a run needs and that there are. Raises InputError, with the numbers, for a run that cannot fit.

    `jobs`: tasks at a time on this machine; 1 where a cluster does them.
    """
    from hybridcx.deep import devices  # torch

    on_processor = devices.resolve(experiment.compute).torch_device == "cpu"
    needs = run_needs(experiment, counts, len(model_names(experiment)), on_processor=on_processor, jobs=jobs)
    messages, problems = check_run(needs, cache, out)
    raise_if_any([*head_problems(experiment, counts), *problems])
    return messages
