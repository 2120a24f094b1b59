"""What a run yields: everything that the analysis and the report need."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from hybridcx.cohort.cohort import Cohort
from hybridcx.cohort.splits import Split
from hybridcx.errors import Problem
from hybridcx.pipeline.units import Unit, divisions_of
from hybridcx.records.lineage import Lineage


@dataclass(frozen=True, slots=True)
class Made:
    """A network's features of every case as the run leaves them, whose they are, and its fine-tuned weights if there are any."""

    which: str
    features: np.ndarray
    weights: Path | None


@dataclass(slots=True)
class Outcome:
    """What a run made: everything that the analysis and the report are told of it."""

    cohort: Cohort
    units: tuple[Unit, ...]
    ledger: pd.DataFrame = field(default_factory=pd.DataFrame)
    lineage: Lineage = field(default_factory=Lineage)
    histories: dict[str, pd.DataFrame] = field(default_factory=dict)
    heads: pd.DataFrame = field(default_factory=pd.DataFrame)
    networks: pd.DataFrame = field(default_factory=pd.DataFrame)
    chosen: dict[str, str] = field(default_factory=dict)
    made: dict[str, Made] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    near_duplicates: pd.DataFrame = field(default_factory=pd.DataFrame)
    shortcuts: pd.DataFrame = field(default_factory=pd.DataFrame)
    ensembles: pd.DataFrame = field(default_factory=pd.DataFrame)
    sizes: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def split(self) -> Split | None:
        """The one division that all units share; None where they differ."""
        return self.units[0].split if len(divisions_of(self.units)) == 1 else None
