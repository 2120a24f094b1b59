"""What a finished run keeps of its training images, so that copies of them can be recognised among new images without keeping the images.

Of each image two things are kept: the SHA-256 of its decoded pixels, and a sketch, 256 numbers of one byte. The sketch is the image's individual
detail (`near_duplicates`) projected on 256 fixed random directions (Johnson and Lindenstrauss 1984): the cosine of two sketches estimates the
correlation of the details with a standard error of about (1 - r^2) / 16, while the image cannot be drawn from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from hybridcx.errors import InputError, Problem
from hybridcx.images.near_duplicates import MIN_CASES, NEARLY_IDENTICAL, SIDE_PX, Prints
from hybridcx.images.store import ImageStore
from hybridcx.streams import rng_for
from hybridcx.vocabulary.external import IDENTICAL, NEARLY

SKETCH = 256
BLOCK = 1024


@dataclass(frozen=True, slots=True, eq=False)
class KnownImages:
    """Images that something was fitted on.

    `case_ids` (n,); `pixel_sha256` (n,) of the decoded pixels; `mean` (4096,) float32, the cohort's mean detail, and `sketches` (n, 256) int8, both
    empty where fewer than ten images have no useful mean.
    """

    case_ids: np.ndarray
    pixel_sha256: np.ndarray
    mean: np.ndarray
    sketches: np.ndarray

    @classmethod
    def of(cls, store: ImageStore, positions: np.ndarray) -> KnownImages:
        """The images of a store at these positions."""
        ids = np.asarray(store.case_ids)[positions].astype(str)
        pixels = store.notes.set_index("case_id")["pixel_sha256"].loc[list(ids)].to_numpy().astype(str)
        if len(ids) < MIN_CASES:
            return cls(ids, pixels, np.empty(0, np.float32), np.empty((0, SKETCH), np.int8))
        prints = Prints(store.images[positions])
        return cls(ids, pixels, prints.mean, _sketches(prints, len(ids)))

    def save(self, path: Path) -> None:
        """Write an .npz file."""
        np.savez(path, case_ids=self.case_ids, pixel_sha256=self.pixel_sha256, mean=self.mean, sketches=self.sketches)

    @classmethod
    def load(cls, path: Path) -> KnownImages:
        """Read what `save` wrote. Raises InputError for anything else."""
        try:
            with np.load(path, allow_pickle=False) as file:
                return cls(file["case_ids"], file["pixel_sha256"], file["mean"], file["sketches"])
        except (OSError, ValueError, KeyError):
            raise InputError(
                Problem("the record of the training images cannot be read", str(path), remedy="copy the run again")
            ) from None

    def copies(self, store: ImageStore) -> pd.DataFrame:
        """The new images that are, or nearly are, a known one: case_id, other_case_id (the known one), overlap, correlation; sorted."""
        pixels = store.notes.set_index("case_id")["pixel_sha256"].loc[list(store.case_ids)].to_numpy().astype(str)
        by_hash = pd.Series(self.case_ids).groupby(self.pixel_sha256).first()
        rows = [
            (case, by_hash[digest], IDENTICAL, 1.0)
            for case, digest in zip(store.case_ids, pixels, strict=True)
            if digest in by_hash.index
        ]
        same = {case for case, *_ in rows}
        if len(self.sketches):
            known = _of_length_1(self.sketches.astype(np.float32))
            new = _of_length_1(_sketches(Prints(store.images, self.mean), len(store.case_ids)).astype(np.float32))
            for start in range(0, len(new), BLOCK):
                cosines = new[start : start + BLOCK] @ known.T
                nearest = cosines.argmax(axis=1)
                best = cosines[np.arange(len(cosines)), nearest]
                rows += [
                    (store.case_ids[start + i], self.case_ids[nearest[i]], NEARLY, round(min(float(best[i]), 1.0), 3))
                    for i in np.flatnonzero(best > NEARLY_IDENTICAL)
                    if store.case_ids[start + i] not in same
                ]
        table = pd.DataFrame(rows, columns=["case_id", "other_case_id", "overlap", "correlation"])
        return table.sort_values(["case_id", "other_case_id"], kind="stable", ignore_index=True)


def _sketches(prints: Prints, n: int) -> np.ndarray:
    """(n, 256) int8: the projections of the details, each row scaled to its largest absolute value."""
    directions = rng_for(0, "sketch of an image").standard_normal((SIDE_PX * SIDE_PX, SKETCH)).astype(np.float32)
    rows = np.empty((n, SKETCH), np.int8)
    for start in range(0, n, BLOCK):
        projected = prints(np.arange(start, min(start + BLOCK, n))) @ directions
        largest = np.abs(projected).max(axis=1, keepdims=True)
        rows[start : start + BLOCK] = np.rint(
            np.divide(127 * projected, largest, out=np.zeros_like(projected), where=largest > 0)
        )
    return rows


def _of_length_1(rows: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)
