"""Nearly identical images among the cases: the same picture saved again, another frame of the same sweep, the same view with a marker set.

The similarity of two images is the correlation of their individual detail: the content without its uniform border is resized to 64 x 64, coarse
structure is removed (a Gaussian of 2 pixels is subtracted), and each pixel's mean over the cohort is subtracted. Without these steps any two
radiographs of one view correlate at 0.9 and above, because of their borders and of the anatomy that they share.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from scipy import ndimage

from hybridcx.errors import Problem, printable
from hybridcx.images.close_pairs import NotTightError, close_pairs
from hybridcx.images.store import ImageStore
from hybridcx.vocabulary.cohort import NEAR_DUPLICATES

SIDE_PX = 64
DETAIL_PX = 2.0  # detail that is coarser than this counts as shared anatomy or lighting
NEARLY_IDENTICAL = 0.8
MIN_CASES = 10  # with fewer images a single one dominates the cohort's mean
NO_DETAIL = 0.5  # grey values; below, it is the rounding of a uniform image
BLOCK = 1024
ALL_PAIRS = 20_000  # up to this number of images all pairs of fingerprints are computed
LEFT_OUT_ABOVE = 60_000  # images whose detail is noise, for which all pairs would have to be computed
MAX_NAMED = 3


def fingerprints(images: np.ndarray) -> np.ndarray:
    """The individual detail of each image as vectors of length 1, so that their inner products are correlations.

    Parameters
    ----------
    images : (n, h, w, channels) or (n, h, w) uint8

    Returns
    -------
    (n, 4096) float32. An image without any detail of its own is a row of zeros, which correlates with nothing.
    """
    return Prints(images)(np.arange(len(images)))


def _small(image: np.ndarray) -> np.ndarray:
    """The image's content without its border as 64 x 64 grey values, uint8."""
    grey = np.asarray(image if image.ndim == 2 else image.mean(axis=-1)).astype(np.uint8)
    return np.asarray(Image.fromarray(_without_border(grey)).resize((SIDE_PX, SIDE_PX), Image.Resampling.BILINEAR))


def _of_length_1(flat: np.ndarray, blank: np.ndarray) -> np.ndarray:
    flat -= flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    flat[blank] = 0.0
    return np.asarray(np.divide(flat, length, out=np.zeros_like(flat), where=length > 0))


class Prints:
    """Fingerprints of a cohort: 4 KiB an image stay in memory, from which fingerprints are computed on request.

    `mean` (4096,) float32: the mean detail that is subtracted; default that of these images.
    """

    def __init__(self, images: np.ndarray, mean: np.ndarray | None = None):
        self._small = np.empty((len(images), SIDE_PX, SIDE_PX), np.uint8)
        for i in range(len(images)):
            self._small[i] = _small(images[i])
        self.mean = self._own_mean() if mean is None else mean

    def _own_mean(self) -> np.ndarray:
        total, some = np.zeros(SIDE_PX * SIDE_PX), 0
        for start in range(0, len(self._small), BLOCK):
            flat, blank = self._detail(self._small[start : start + BLOCK])
            total += flat[~blank].sum(axis=0, dtype=np.float64)
            some += int((~blank).sum())
        return np.asarray(total / max(some, 1), dtype=np.float32)

    @staticmethod
    def _detail(small: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        fine = small.astype(np.float32)
        fine -= ndimage.gaussian_filter(fine, (0, DETAIL_PX, DETAIL_PX), mode="nearest")
        spread = fine.std(axis=(1, 2), keepdims=True)
        fine = np.divide(fine, spread, out=np.zeros_like(fine), where=spread > NO_DETAIL)
        flat = fine.reshape(len(fine), -1)
        return flat, ~flat.any(axis=1)

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        flat, blank = self._detail(self._small[rows])
        return _of_length_1(flat - self.mean, blank)


def _without_border(grey: np.ndarray) -> np.ndarray:
    """The image without rows and columns of one grey value at its edges (padding, a scanner's frame); the whole image if it is uniform."""
    rows = np.flatnonzero(np.ptp(grey, axis=1) > 1)
    columns = np.flatnonzero(np.ptp(grey, axis=0) > 1)
    if not len(rows) or not len(columns):
        return grey
    return grey[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def near_duplicates(
    store: ImageStore,
    labels: Mapping[str, Any] | pd.Series,
    splits: Mapping[str, str] | pd.Series | None = None,
    *,
    patients: Mapping[str, Any] | pd.Series | None = None,
    above: float = NEARLY_IDENTICAL,
) -> pd.DataFrame:
    """List the pairs of cases whose images correlate above `above` in their particular detail, and those that are the same pixel for pixel.

    `labels`, `splits` and `patients` map case ids; without `patients` every case is a patient. Returns the columns of
    near_duplicates.csv, sorted by falling correlation, then by ids. Mirrored, rotated or strongly shifted copies are not found. Fewer than ten images
    have no useful cohort mean: then only pixel-identical pairs are listed.

    Memory: 32 KiB an image up to `ALL_PAIRS`, 6 KiB an image above, where an upper bound screens the pairs without losing any (`close_pairs`). Images
    whose detail is noise cannot be screened; above `LEFT_OUT_ABOVE` of them only pixel-identical pairs are listed, and `attrs["left_out"]` says so.
    """
    ids = np.asarray(store.case_ids, dtype=object)
    pixels = store.notes.set_index("case_id")["pixel_sha256"].loc[list(ids)].to_numpy()
    pairs: dict[tuple[int, int], float] = {}
    left_out = ""
    if len(ids) >= MIN_CASES:
        try:
            pairs = {(i, j): min(r, 1.0) for i, j, r in _correlated(store.images, above)}
        except NotTightError:
            left_out = (
                f"the search for nearly identical images was left out: {len(ids):,} images whose detail is mostly noise would have to be held "
                f"against each other, of which {LEFT_OUT_ABOVE:,} are the limit; pixel-identical ones were looked for"
            )
    for same in pd.Series(np.arange(len(ids))).groupby(pixels).agg(list):
        pairs |= {(i, j): 1.0 for k, i in enumerate(same) for j in same[k + 1 :]}
    order = sorted(pairs, key=lambda p: (-round(pairs[p], 6), ids[p[0]], ids[p[1]]))
    first, second = ids[[i for i, _ in order]], ids[[j for _, j in order]]
    columns = {
        "case_id": first,
        "other_case_id": second,
        "correlation": [round(pairs[p], 6) for p in order],
        "pixel.identical": [bool(pixels[i] == pixels[j]) for i, j in order],
        "same.patient": [
            patients is not None and patients[a] == patients[b] for a, b in zip(first, second, strict=True)
        ],
        "label": [labels[c] for c in first],
        "other_label": [labels[c] for c in second],
        "split": [splits[c] if splits is not None else None for c in first],
        "other_split": [splits[c] if splits is not None else None for c in second],
    }
    table = pd.DataFrame(columns, columns=NEAR_DUPLICATES.header)
    if left_out:
        table.attrs["left_out"] = left_out
    return table


def _correlated(images: np.ndarray, above: float) -> Iterator[tuple[int, int, float]]:
    """(i, j, correlation), i < j, of the images that correlate above `above`. Raises NotTightError where the search is skipped."""
    n = len(images)
    if n > ALL_PAIRS:
        prints = Prints(images)
        try:
            yield from close_pairs(prints, n, above)
            return
        except NotTightError:
            if n > LEFT_OUT_ABOVE:
                raise
    else:
        whole = fingerprints(images)
    for start in range(0, n, BLOCK):
        if n <= ALL_PAIRS:
            yield from _above(whole[start : start + BLOCK] @ whole[start:].T, start, start, above)
            continue
        own = prints(np.arange(start, min(start + BLOCK, n)))
        for other in range(start, n, BLOCK):
            yield from _above(own @ prints(np.arange(other, min(other + BLOCK, n))).T, start, other, above)


def _above(correlations: np.ndarray, row: int, column: int, above: float) -> Iterator[tuple[int, int, float]]:
    a, b = np.nonzero(correlations > above)
    for i, j in zip(a.tolist(), b.tolist(), strict=True):
        if row + i < column + j:
            yield row + i, column + j, float(correlations[i, j])


def copies_in_training(pairs: pd.DataFrame) -> set[str]:
    """The test cases of which training or validation has a nearly identical image."""
    one = pairs[(pairs["split"] == "test") & pairs["other_split"].isin(["train", "validation"])]["case_id"]
    two = pairs[(pairs["other_split"] == "test") & pairs["split"].isin(["train", "validation"])]["other_case_id"]
    return {*one, *two}


def warnings(pairs: pd.DataFrame, *, file: str | None = None) -> list[Problem]:
    """Warnings about nearly identical images of two patients (identical images: `duplicates`): across splits, and under two labels."""
    near = pairs[~pairs["pixel.identical"].astype(bool) & ~pairs["same.patient"].astype(bool)]
    across = near[near["split"].notna() & (near["split"] != near["other_split"])]
    differ = near[near["label"] != near["other_label"]]
    out = []
    if "left_out" in pairs.attrs:
        remedy = "look for them in parts of the cohort, site by site, say"
        out.append(Problem(pairs.attrs["left_out"], file, column="image", remedy=remedy, severity="warning"))
    if len(across):
        rule = f"{_pairs(across)} of nearly identical images in different splits, so that the test is not independent of the training: "
        rule += _quoted(across)
        remedy = "look at them (near_duplicates.csv); give them one patient_id, or a reason in the column `excluded`"
        out.append(Problem(rule, file, column="image", remedy=remedy, severity="warning"))
    if len(differ):
        rule = f"{_pairs(differ)} of nearly identical images with two labels: {_quoted(differ)}"
        out.append(Problem(rule, file, column="image", remedy="look whether one label is wrong", severity="warning"))
    if len(near) and not len(across) and not len(differ):
        rule = f"{_pairs(near)} of nearly identical images: {_quoted(near)}"
        remedy = "if they are of one patient, say so in patient_id"
        out.append(Problem(rule, file, column="image", remedy=remedy, severity="warning"))
    return out


def _pairs(pairs: pd.DataFrame) -> str:
    return f"{len(pairs)} pair{'' if len(pairs) == 1 else 's'}"


def _quoted(pairs: pd.DataFrame) -> str:
    quoted = [
        f"{printable(a)} and {printable(b)} (correlation {r:.2f})"
        for a, b, r in pairs[["case_id", "other_case_id", "correlation"]].head(MAX_NAMED).itertuples(index=False)
    ]
    return ", ".join(quoted) + (f" and {len(pairs) - MAX_NAMED} more" if len(pairs) > MAX_NAMED else "")
