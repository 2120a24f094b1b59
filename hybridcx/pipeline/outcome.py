"""What a run yields: everything that the analysis and the report need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from hybridcx.cohort.cohort import Cohort
from hybridcx.cohort.splits import Split
from hybridcx.errors import Problem
from hybridcx.pipeline.units import Unit, shared_split
from hybridcx.records.lineage import Lineage
from hybridcx.vocabulary.run import HEADS, LEARNING_CURVES

COPY = "copy_in_training"
"""Column of the ledger: whether training or validation has nearly the image of a test case. Absent where no test case has such a copy."""


@dataclass(frozen=True, slots=True)
class NetworkFeatures:
    """A network's features (n, d) of every case, the feature set ("fine_tuned", "pretrained", "untrained"), and the fine-tuned weights if any."""

    feature_set: str
    features: np.ndarray
    weights: Path | None


@dataclass(frozen=True, slots=True)
class TrainedHead:
    """A fitted head: the model's name, the head's, the features that it takes ("fine_tuned" or "initial"), and its folder."""

    model: str
    head: str
    features: str
    folder: Path


@dataclass(frozen=True, slots=True)
class TrainedNetwork:
    """A network of one training: its files of weights (None where there are none) and its heads.

    `unit`: the name of the training; `seed`, `fold`: what tells it apart. `weights`: fine-tuned. `initial`: those before fine-tuning, `source` says
    what they are: "pretrained" (a file as it was brought, of which the backbone is used) or "untrained" (a state dict).
    """

    network: str
    unit: str
    seed: int
    fold: int | None
    weights: Path | None
    initial: Path | None
    source: str
    heads: tuple[TrainedHead, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the stages of a run yield. Put together once, at the end of `run_stages`; later steps make a new one with `replace`."""

    cohort: Cohort
    units: tuple[Unit, ...]
    ledger: pd.DataFrame = field(default_factory=pd.DataFrame)
    lineage: Lineage = field(default_factory=Lineage)
    histories: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    heads: pd.DataFrame = field(default_factory=pd.DataFrame)
    networks: pd.DataFrame = field(default_factory=pd.DataFrame)
    chosen: Mapping[str, str] = field(default_factory=dict)
    features: Mapping[str, NetworkFeatures] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    warnings: tuple[Problem, ...] = ()
    near_duplicates: pd.DataFrame = field(default_factory=pd.DataFrame)
    shortcuts: pd.DataFrame = field(default_factory=pd.DataFrame)
    ensembles: pd.DataFrame = field(default_factory=pd.DataFrame)
    sizes: pd.DataFrame = field(default_factory=pd.DataFrame)
    trained: tuple[TrainedNetwork, ...] = ()

    @property
    def split(self) -> Split | None:
        """The one division that all units share; None where they differ."""
        return shared_split(self.units)

    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables of the report that come from images and trainings, not from the analysis of the predictions."""
        tables = {"near_duplicates": self.near_duplicates, "shortcuts": self.shortcuts}
        if self.histories:
            curves = [history.assign(network=network) for network, history in self.histories.items()]
            tables["learning_curves"] = pd.concat(curves, ignore_index=True)[LEARNING_CURVES.header]
        if not self.heads.empty:
            tables["heads"] = self.heads[[c for c in HEADS.further if c in self.heads]]
        if not self.ensembles.empty:
            tables["ensembles"] = self.ensembles
        return tables
