"""A learning curve over the number of training cases, end to end on a small drawn cohort: what is trained on which cases, and what comes of it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import hybridcx
from hybridcx.experiment import (
    AnalysisSection,
    CohortSection,
    ComputeSection,
    Experiment,
    HeadsSection,
    ImagesSection,
    NetworksSection,
    RepeatSection,
    TrainSection,
)
from hybridcx.training_size_section import TrainingSizeSection


def experiment(shares: list[float], **changes: object) -> Experiment:
    base = {
        "name": "sizes",
        "seed": 5,
        "cohort": CohortSection(manifest="phantom/manifest.csv"),
        "images": ImagesSection(size_px=32),
        "repeat": RepeatSection(seeds=2),
        "training_size": TrainingSizeSection(shares=shares),
        "networks": NetworksSection(names=["squeezenet1_1"], weights="none"),
        "train": TrainSection(epochs=1, learning_rate=0.003, validate_every=4),
        "heads": HeadsSection(names=["logistic"], features=["pretrained", "fine_tuned"], folds=2),
        "compute": ComputeSection(device="cpu", threads=1),
        "analysis": AnalysisSection(n_bootstrap=100),
    }
    return Experiment(**{**base, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sizes")
    hybridcx.phantom(folder / "phantom", patients=80, seed=3)
    return folder


@pytest.fixture(scope="module")
def ran(base: Path) -> Path:
    hybridcx.run(experiment([0.4, 0.7]), base=base, out=base / "out", cache=base / "cache", with_images=False)
    return base / "out"


def read(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / f"{name}.csv", keep_default_na=False, na_values=["NA"])
