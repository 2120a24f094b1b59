"""All tables in the order of the data dictionary, and which of them each command writes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from hybridcx.vocabulary.audit import AUDIT
from hybridcx.vocabulary.casebook import CASES, IMAGES
from hybridcx.vocabulary.cohort import COHORTS, LEAKAGE
from hybridcx.vocabulary.columns import Column, Table
from hybridcx.vocabulary.comparison import FURTHER_RESULTS, RESULTS
from hybridcx.vocabulary.external import EXTERNAL
from hybridcx.vocabulary.plan import PLAN
from hybridcx.vocabulary.readers import AGREEMENT, MODELS_BESIDE_READERS
from hybridcx.vocabulary.repeats import REPEATS
from hybridcx.vocabulary.run import FINISHED_RUNS, TRAININGS

DATA_DICTIONARY = Table(
    "data_dictionary",
    {
        "file": Column("the CSV file", "text"),
        "column": Column("a column of it", "text"),
        "description": Column("what the column holds", "text"),
        "values": Column("the values it takes", "text"),
    },
)
_TABLES = (
    *RESULTS,
    AGREEMENT,
    *FURTHER_RESULTS,
    *CASES,
    *IMAGES,
    *LEAKAGE,
    *MODELS_BESIDE_READERS,
    *REPEATS,
    *COHORTS,
    *TRAININGS,
    *FINISHED_RUNS,
    *EXTERNAL,
    *AUDIT,
    PLAN,
    DATA_DICTIONARY,
)
TABLES: Mapping[str, Table] = MappingProxyType({t.name: t for t in _TABLES})
"""Name (the file's without `.csv`) -> table."""


def tables_of(command: str) -> tuple[str, ...]:
    """The tables that a command always writes. Raises ValueError for a command without tables."""
    names = tuple(t.name for t in _TABLES if command in t.commands)
    if not names:
        known = sorted({c for t in _TABLES for c in t.commands})
        raise ValueError(f"unknown command {command!r}; known are {', '.join(known)}")
    return names
