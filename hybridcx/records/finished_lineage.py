"""Check of a finished run's lineage.json against its predictions: reports every model that was fitted on one of its test cases."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hybridcx.errors import InputError, Problem
from hybridcx.records.lineage import Lineage, unit_name
from hybridcx.store.json_file import read_json

if TYPE_CHECKING:
    import pandas as pd

LINEAGE = "lineage.json"
MAX_BYTES = 1_000_000_000  # the cases of every fit of a large run
TESTED = ("test", "disputed")


def read_lineage(file: Path) -> Lineage:
    """The lineage in `file`. Raises InputError where it is absent, no lineage, of a newer schema or changed."""
    remedy = "make the report again: without a record no model can be said to have seen no test case"
    try:
        data = read_json(file, MAX_BYTES)
    except FileNotFoundError:
        raise InputError(Problem(f"the run has no {LINEAGE}", str(file.parent), remedy=remedy)) from None
    except (OSError, ValueError):
        raise InputError(Problem("the file cannot be read as JSON", str(file), remedy=remedy)) from None
    try:
        return Lineage.from_dict(data, str(file))
    except InputError as error:
        raise InputError([p if p.file else replace(p, file=str(file)) for p in error.problems]) from None


def lineage_problems(file: Path, ledger: pd.DataFrame) -> list[Problem]:
    """The problems of the lineage in `file` of the models in `ledger` (case_id, model, split; patient_id, seed and fold where it has them).

    Each model is checked against the test cases, with or without a label, of its own seed and fold, and against their patients' other cases. A model
    without a record is a problem too. Empty without problems.
    """
    try:
        lineage = read_lineage(file)
    except InputError as error:
        return list(error.problems)
    patient_of = None
    if "patient_id" in ledger:
        known = ledger[["case_id", "patient_id"]].drop_duplicates("case_id")
        patient_of = dict(zip(known["case_id"].astype(str), known["patient_id"].astype(str), strict=True))
    units = [c for c in ("seed", "fold") if c in ledger]
    several = "seed" in ledger and ledger["seed"].nunique() > 1
    tested = ledger[ledger["split"].isin(TESTED)] if "split" in ledger else ledger
    problems: list[Problem] = []
    for key, rows in tested.groupby([*units, "model"], sort=False):
        *unit, model = key
        unit_of_key = dict(zip(units, unit, strict=True))
        name = unit_name(unit_of_key.get("seed") if several else None, unit_of_key.get("fold"))
        try:
            lineage.check(str(model), rows["case_id"].astype(str), patient_of=patient_of, unit=name)
        except InputError as error:
            problems += [replace(p, file=str(file)) for p in error.problems]
    return problems
