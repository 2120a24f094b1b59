"""Makes the casebook of a run: tables of neighbours, saliency, pointing and lesions, and the pictures of the shown cases.

Saliency is computed for the cases that the page shows and for test cases with a true lesion, and cached by content (`artefacts.Store`), so
that a second run computes nothing.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from hybridcx.cohort.cohort import Cohort
from hybridcx.deep import devices
from hybridcx.deep.saliency import GRID, Maps, saliency
from hybridcx.experiment.file import ComputeSection, ImagesSection
from hybridcx.images.store import ImageStore
from hybridcx.pipeline.casebook import lesions as true_lesions
from hybridcx.pipeline.casebook import pictures
from hybridcx.pipeline.casebook.neighbours import neighbour_rows
from hybridcx.pipeline.casebook.pointing import METHODS, pointing_rows, saliency_rows
from hybridcx.progress import Progress
from hybridcx.store.arrays import save_array
from hybridcx.store.artefacts import Store, code_hash, content_key, write_atomic
from hybridcx.store.provenance import versions_of
from hybridcx.vocabulary.networks import Network, network

FOLDER = "casebook"
MAX_POINTING = 500
"""Number of further test cases with a true lesion whose Grad-CAM is computed (one pass each), the first by id."""
_GRAD_CAM, _OCCLUSION = "grad_cam.npy", "occlusion.npy"


@dataclass(frozen=True, slots=True)
class Space:
    """One network: `features` (n, d) of every prepared image, `which` they are, the file of its weights if it has a softmax of its own, and its
    row with the normalisation of its weights (default: that of the table)."""

    network: str
    which: str
    features: np.ndarray
    weights: Path | None
    own_row: Network | None = None

    @property
    def row(self) -> Network:
        """Which network it is."""
        return self.own_row or network(self.network)


@dataclass(frozen=True, slots=True)
class Selection:
    """The cases of one casebook: those with pictures (`pictured`) by running number, then the further ones whose Grad-CAM points at a lesion."""

    pictured: tuple[str, ...]
    further: tuple[str, ...]


def casebook_tables(
    book: pd.DataFrame,
    spaces: Sequence[Space],
    cohort: Cohort,
    training_ids: Sequence[str],
    images: ImageStore,
    options: ImagesSection,
    compute: ComputeSection,
    store: Store,
    progress: Progress,
    *,
    confidence_level: float = 0.95,
    pictures_into: Path | None = None,
    shown_id: Mapping[str, str] | None = None,
) -> dict[str, pd.DataFrame]:
    """The tables neighbours, saliency, pointing and lesions of the cases of `book` (casebook.csv) and of the test cases with a lesion.

    `pictures_into`: the folder that the pictures of the shown cases are written to; None for none. `shown_id`: case -> pseudonym, where all
    other arguments have pseudonyms already and only the file of lesions has case ids.
    """
    numbered = book.dropna(subset=["number"]).drop_duplicates("case_id").sort_values("number") if len(book) else book
    shown = tuple(numbered["case_id"].astype(str)) if len(book) else ()
    lesions = _lesions(cohort, images, options, progress, shown_id or {})
    tested = dict.fromkeys(book["case_id"].astype(str)) if len(book) else {}
    with_lesion = (
        [] if lesions is None else [c for c in dict.fromkeys(lesions["case_id"]) if c in tested and c not in shown]
    )
    selection = Selection(shown, tuple(sorted(with_lesion)[:MAX_POINTING]))
    label_of = dict(zip(cohort.analysed["case_id"], cohort.analysed["label"], strict=True))
    size = options.size_px

    trained = images.positions(list(training_ids))
    at = images.positions(list(shown))
    neighbours = [
        row
        for s in spaces
        for row in neighbour_rows(
            s.network, s.which, shown, s.features[at], training_ids, s.features[trained], label_of
        )
    ]
    own = [s for s in spaces if s.weights is not None]
    maps: dict[str, Maps] = {}
    rows: list[dict[str, object]] = []
    cases = [*selection.pictured, *selection.further]
    for s in own if cases else ():
        maps[s.network] = _maps(s, selection, images, compute, store, progress)
        computed = maps[s.network]
        rows += saliency_rows(s.network, cases, computed.grad_cam, computed.occlusion, size, lesions)
    number_of = {c: float(i) for i, c in enumerate(shown, 1)}
    if rows:
        table = pd.DataFrame(rows)
        table.insert(list(table.columns).index("status"), "number", table["case_id"].map(number_of).astype(float))
    else:
        table = pd.DataFrame()
    pointing = pointing_rows(table, set(selection.pictured), lesions, size, confidence_level)
    if pictures_into is not None and shown:
        _write_pictures(selection, maps, images, at, store, pictures_into)
    tested_lesions = None if lesions is None else lesions[lesions["case_id"].isin(tested)]
    return {
        "neighbours": pd.DataFrame(neighbours),
        "saliency": table,
        "pointing": pd.DataFrame(pointing),
        "lesions": pd.DataFrame() if tested_lesions is None else tested_lesions.reset_index(drop=True),
    }


def _lesions(
    cohort: Cohort, images: ImageStore, options: ImagesSection, progress: Progress, shown_id: Mapping[str, str]
) -> pd.DataFrame | None:
    path = true_lesions.lesion_file(cohort)
    if path is None:
        return None
    lesions, problems = true_lesions.read_lesions(path)
    for problem in problems:
        progress.say(f"Warning: {problem}")
    if problems:
        return None
    lesions = lesions.assign(case_id=lesions["case_id"].map(lambda c: shown_id.get(c, c)))
    return true_lesions.placed_lesions(lesions, cohort, images, size_px=options.size_px, pad=options.pad)


def _maps(
    space: Space, selection: Selection, images: ImageStore, compute: ComputeSection, store: Store, progress: Progress
) -> Maps:
    """The maps of the cases of `selection` in their order, from the cache or computed now."""
    if space.weights is None:
        raise ValueError("a network without a softmax of its own has no saliency")
    pixels = np.asarray(images.images[images.positions([*selection.pictured, *selection.further])])
    device = devices.resolve(compute)
    parts = {
        # the name of the weights' folder is a hash of everything that affects them
        "weights": space.weights.parent.name,
        "network": space.network,
        "normalisation": [space.row.mean, space.row.std],
        "images": [hashlib.sha256(i.tobytes()).hexdigest() for i in pixels],
        "occluded": len(selection.pictured),
        "grid": GRID,
        "compute": compute.model_dump(
            mode="json", exclude={"device", "cuda_graphs"}
        ),  # the kind and model of the device follow; its number does not count
        "device": [device.description, device.threads],
        "packages": versions_of("torch", "torchvision", "numpy"),
        "code": code_hash("deep", "vocabulary/networks"),
    }
    weights = space.weights

    def build(folder: Path) -> None:
        maps = saliency(
            space.row,
            weights,
            pixels,
            compute,
            occluded=len(selection.pictured),
            on_progress=progress.track(f"saliency of {space.network}"),
        )
        save_array(folder / _GRAD_CAM, maps.grad_cam)
        save_array(folder / _OCCLUSION, maps.occlusion)

    what = f"saliency of {space.network}"
    folder = store.make("saliency", content_key(parts), build, parts, from_cache=lambda: progress.from_cache(what))
    return Maps(np.load(folder / _GRAD_CAM, allow_pickle=False), np.load(folder / _OCCLUSION, allow_pickle=False))


def _write_pictures(
    selection: Selection, maps: Mapping[str, Maps], images: ImageStore, at: np.ndarray, store: Store, target: Path
) -> None:
    """Write thumbnail and overlays of each shown case, from the store where it has them."""
    arrays = {
        (n, m): getattr(of_network, m)[: len(selection.pictured)] for n, of_network in maps.items() for m in METHODS
    }
    pixels = np.asarray(images.images[at])
    parts = {
        "images": [hashlib.sha256(i.tobytes()).hexdigest() for i in pixels],
        "maps": {f"{n} {m}": hashlib.sha256(a.tobytes()).hexdigest() for (n, m), a in arrays.items()},
        "packages": versions_of("pillow", "numpy"),
        "code": code_hash("pipeline/casebook/pictures"),
    }

    def build(folder: Path) -> None:
        for i, image in enumerate(pixels):
            write_atomic(folder / pictures.image_name(i + 1), pictures.thumbnail(image))
            for (name, method), array in arrays.items():
                if not np.isnan(array[i]).any():
                    write_atomic(folder / pictures.map_name(i + 1, name, method), pictures.overlay(array[i]))

    pictured = store.make("casebook", content_key(parts), build, parts)
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(pictured.iterdir()):
        if path.suffix in (".jpg", ".png"):
            shutil.copyfile(path, target / path.name)
