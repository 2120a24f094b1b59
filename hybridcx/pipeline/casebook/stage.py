"""The stage after the comparison: the casebook of the cases that the report shows."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from hybridcx.experiment.file import Experiment
from hybridcx.images.store import ImageStore
from hybridcx.pipeline.casebook.make import FOLDER, Space, casebook_tables
from hybridcx.pipeline.casebook.pictures import pair_name, thumbnail
from hybridcx.pipeline.outcome import Outcome
from hybridcx.pipeline.training import network_of
from hybridcx.progress import Progress
from hybridcx.report.casebook_view import CasebookView
from hybridcx.report.sections.leakage import MAX_PICTURED, in_order
from hybridcx.store.artefacts import Store


@dataclass(frozen=True, slots=True)
class Casebook:
    """The casebook's tables, what the page needs besides, and the time it took (seconds, for provenance.json alone)."""

    tables: dict[str, pd.DataFrame]
    view: CasebookView
    duration_s: float


def make_casebook(
    book: pd.DataFrame,
    experiment: Experiment,
    outcome: Outcome,
    images: ImageStore,
    store: Store,
    folder: Path,
    progress: Progress,
    *,
    with_images: bool,
    shown_id: Mapping[str, str] | None = None,
) -> Casebook:
    """Make the casebook of the cases of `book` (casebook.csv); the pictures go into `folder`, unless images are to be left out.

    With `shown_id` (case -> pseudonym) the book, the outcome and the images carry pseudonyms already.
    """
    began = time.monotonic()
    progress.say("Making the casebook.")
    spaces = [
        Space(name, f.feature_set, f.features, f.weights, network_of(experiment, name))
        for name, f in outcome.features.items()
    ]
    pictures = folder / FOLDER if with_images else None
    tables = casebook_tables(
        book,
        spaces,
        outcome.cohort,
        [c for c, part in outcome.units[0].split.of_case.items() if part == "train"],
        images,
        experiment.images,
        experiment.compute,
        store,
        progress,
        confidence_level=experiment.analysis.confidence_level,
        pictures_into=pictures,
        shown_id=shown_id,
    )
    if pictures is not None:
        _pair_pictures(outcome.near_duplicates, images, pictures)
    written = pictures if pictures is not None and pictures.is_dir() else None
    view = CasebookView(written, experiment.images.size_px, outcome.cohort.positive)
    return Casebook(tables, view, round(time.monotonic() - began, 3))


def _pair_pictures(pairs: pd.DataFrame, images: ImageStore, folder: Path) -> None:
    """Write both images of each pair of nearly identical ones that the page shows."""
    for number, pair in enumerate(in_order(pairs).head(MAX_PICTURED).to_dict("records"), 1):
        folder.mkdir(parents=True, exist_ok=True)
        for which, case in (("a", pair["case_id"]), ("b", pair["other_case_id"])):
            image = np.asarray(images.images[images.positions([str(case)])[0]])
            (folder / pair_name(number, which)).write_bytes(thumbnail(image))
