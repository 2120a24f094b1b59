"""A run small enough for a test: a drawn cohort beside it, one small network from random weights, one epoch, two heads."""

from __future__ import annotations

from pathlib import Path

from hybridcx.experiment.file import (
    AnalysisSection,
    CohortSection,
    ComputeSection,
    Experiment,
    HeadsSection,
    ImagesSection,
    NetworksSection,
    TrainSection,
)


def small_experiment(**changes: object) -> Experiment:
    """The experiment with some sections replaced; its manifest is phantom/manifest.csv, as `hybridcx.phantom` writes it."""
    sections = {
        "name": "small",
        "seed": 5,
        "cohort": CohortSection(manifest="phantom/manifest.csv"),
        "images": ImagesSection(size_px=32),
        "networks": NetworksSection(names=["squeezenet1_1"], weights="none"),
        "train": TrainSection(epochs=1, learning_rate=0.003, validate_every=4),
        "heads": HeadsSection(names=["logistic", "lda"], features=["pretrained"], folds=3),
        "compute": ComputeSection(device="cpu", threads=1),
        "analysis": AnalysisSection(n_bootstrap=100),
    }
    return Experiment(**{**sections, **changes})  # type: ignore[arg-type]


def run_experiment(**changes: object) -> Experiment:
    """The experiment with images of 48 pixels, two epochs and 200 resamples."""
    own = {
        "images": ImagesSection(size_px=48),
        "train": TrainSection(epochs=2, learning_rate=0.003, validate_every=4),
        "heads": HeadsSection(names=["logistic", "lda"], folds=3),
        "analysis": AnalysisSection(n_bootstrap=200),
    }
    return small_experiment(**{**own, **changes})


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a report except provenance.json, which has times."""
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file() and p.name != "provenance.json"}
