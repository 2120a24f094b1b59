"""The cases of a unit as arrays, and whether they are enough for what is to be fitted on them. Loads no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hybridcx.cohort.cohort import Cohort
from hybridcx.errors import Problem, raise_if_any
from hybridcx.experiment.file import Experiment
from hybridcx.pipeline.units import Unit

MIN_PATIENTS_FOR_HEADS = 3
DISPUTED, UNUSED = "disputed", "unused"
"""Parts besides train, validation and test: test cases without a label (scored, never fitted on, in no primary metric), and cases that have
no part in a unit."""


@dataclass(frozen=True, slots=True, eq=False)
class Cases:
    """The analysed cases as arrays, in the image store's order; `split` is that of one unit."""

    case_ids: np.ndarray
    y: np.ndarray
    groups: np.ndarray
    split: np.ndarray

    def index(self, name: str) -> np.ndarray:
        return np.flatnonzero(self.split == name)


def cases_of(cohort: Cohort, unit: Unit, case_ids: Sequence[str]) -> Cases:
    """The cases of these ids in the unit's split."""
    table = cohort.frame.set_index("case_id").loc[list(case_ids)]
    of_case = unit.split.of_case | dict.fromkeys(unit.split.disputed_test, DISPUTED)
    return Cases(
        case_ids=np.asarray(case_ids, dtype=object),
        y=(table["label"] == cohort.positive).to_numpy().astype(np.int64),
        groups=pd.factorize(table["patient_id"], sort=True)[0].astype(np.int64),
        split=np.array([of_case.get(c, UNUSED) for c in case_ids], dtype=object),
    )


def check_heads(experiment: Experiment, cohort: Cohort, units: Sequence[Unit]) -> None:
    """Refuse, before anything is trained, heads and stacking that would have too few cases to be fitted on. Raises InputError."""
    for unit in units:
        check_unit_for_heads(experiment, cases_of(cohort, unit, cohort.analysed["case_id"].tolist()), unit)


def check_unit_for_heads(experiment: Experiment, cases: Cases, unit: Unit) -> None:
    """Refuse heads and stacking that would have too few cases of this unit. Raises InputError."""
    of = f" of {unit.name}" if unit.name else ""
    fitted = [
        (
            f"heads on {which.replace('_', '-')} features are tuned",
            "train" if which == "pretrained" else "validation",
            f"leave {which!r} out of heads.features",
        )
        for which in (experiment.heads.features if experiment.heads.names else ())
        if which == "pretrained" or experiment.train.enabled
    ]
    if "stacking" in experiment.ensembles.networks:
        fitted.append(("ensemble:stacking is fitted", "validation", "leave 'stacking' out of ensembles.networks"))
    problems = []
    for what, part, remedy in fitted:
        rows = cases.index(part)
        fewest = min(len(np.unique(cases.groups[rows][cases.y[rows] == label])) for label in (0, 1))
        if fewest < MIN_PATIENTS_FOR_HEADS:
            problems.append(
                Problem(
                    f"{what} on the {part} cases{of}, of which one class has {fewest} patients; {MIN_PATIENTS_FOR_HEADS} are needed",
                    remedy=f"give more {part} cases, or {remedy}",
                )
            )
    raise_if_any(problems)
