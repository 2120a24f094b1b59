"""The cohort of a run and its images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from hybridcx.cohort.cohort import Cohort
from hybridcx.cohort.manifest import read_manifest
from hybridcx.errors import Problem
from hybridcx.experiment.file import Experiment
from hybridcx.images import duplicates, near_duplicates
from hybridcx.images.rules import image_rules
from hybridcx.images.store import ImageStore, prepare_store
from hybridcx.phantoms.cohort import write_phantom
from hybridcx.pipeline import shortcuts
from hybridcx.pipeline.pseudonyms import Pseudonyms
from hybridcx.pipeline.units import Unit, scored_disputed, shared_split
from hybridcx.progress import Progress
from hybridcx.store.artefacts import Store, code_hash, content_key
from hybridcx.store.provenance import versions_of
from hybridcx.workers.local import default_jobs


def load_cohort(experiment: Experiment, base: Path, store: Store, progress: Progress) -> Cohort:
    """The cohort of the experiment: the manifest's, or a drawn one. `base` is the folder that relative paths start from."""
    if experiment.cohort.phantom is None:
        manifest = base / str(experiment.cohort.manifest)
        return read_manifest(
            manifest,
            positive=experiment.cohort.positive,
            same_bytes=experiment.cohort.same_bytes,
            labels_by=experiment.cohort.labels,
        )
    options = experiment.cohort.phantom
    parts = {
        "options": options.model_dump(),
        "code": code_hash("phantoms", "streams", "workers/local"),
        "packages": versions_of("numpy", "scipy", "pillow"),
    }

    def build(folder: Path) -> None:
        progress.say(f"Drawing a phantom cohort of {options.patients} patients.")
        write_phantom(
            folder,
            n_patients=options.patients,
            seed=options.seed,
            jobs=default_jobs(),
            reliability_between=options.reliability_between,
            reliability_within=options.reliability_within,
            on_progress=progress.track("drawing radiographs"),
        )

    folder = store.make(
        "phantom", content_key(parts), build, parts, from_cache=lambda: progress.from_cache("phantom cohort")
    )
    return read_manifest(
        folder / "manifest.csv", positive=experiment.cohort.positive, labels_by=experiment.cohort.labels
    )


def prepare_images(experiment: Experiment, cohort: Cohort, store: Store, progress: Progress) -> ImageStore:
    """The images of the analysed cases as the networks see them, decoded once. Raises InputError with the row of every unusable image."""
    images = prepare_store(
        cohort,
        size_px=experiment.images.size_px,
        pad=experiment.images.pad,
        resample=experiment.images.resample,
        cache=store.root / "images",
        on_progress=progress.track("decoding images"),
        say=progress.say,
        notice=progress.notice,
    )
    for problem in (*images.warnings, *images.cautions):
        progress.say(f"Warning: {problem}")
    return images


@dataclass(frozen=True, slots=True)
class ImageChecks:
    """Nearly identical pairs of images, marks that predict the label, warnings of both, and notes on the rules that the images were read by."""

    near_duplicates: pd.DataFrame
    shortcuts: pd.DataFrame
    warnings: tuple[Problem, ...]
    notes: tuple[str, ...]


def check_images(
    experiment: Experiment,
    cohort: Cohort,
    units: Sequence[Unit],
    images: ImageStore,
    progress: Progress,
    names: Pseudonyms | None,
) -> ImageChecks:
    """Look for what makes results too good: nearly identical images, and marks that predict the label. The warnings go to `progress` too."""
    labels: dict[str, str] = dict(zip(cohort.analysed["case_id"], cohort.analysed["label"], strict=True))
    labels |= dict.fromkeys(scored_disputed(units), "in dispute")
    split = shared_split(units)
    parts = None if split is None else split.of_case | dict.fromkeys(split.disputed_test, "test")
    patients = dict(zip(cohort.frame["case_id"], cohort.frame["patient_id"], strict=True))
    pairs = near_duplicates.near_duplicates(images, labels, parts, patients=patients)
    marks = shortcuts.shortcuts(cohort, images, seed=experiment.seed)
    if names is None:
        problems = [*duplicates.pixel_identical(images, labels, parts), *near_duplicates.warnings(pairs)]
    else:
        pseudonymous = None if parts is None else names.keys(parts)
        problems = [*duplicates.pixel_identical(names.images(images), names.keys(labels), pseudonymous)]
        problems += near_duplicates.warnings(names.pairs(pairs))
    problems += shortcuts.warnings_of(marks)
    for problem in problems:
        progress.say(f"Warning: {problem}")
    return ImageChecks(pairs, marks, (*images.cautions, *problems), tuple(image_rules(images.notes)))
