"""Nearly identical images among the cases: the same picture saved again, another frame of the same sweep, the same view with a marker set.

Two images are held against each other by what is particular to each: the content without its uniform border is brought to 64 x 64, smoothed
detail alone is kept (a Gaussian of 2 pixels is taken off), each pixel loses its mean over the cohort, and the correlation of what is left is taken.
Without these steps any two radiographs of one view correlate at 0.9 and above, because of their borders and of the anatomy that they share.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from scipy import ndimage

from hybridcx.errors import Problem, printable
from hybridcx.images.store import ImageStore

SIDE_PX = 64
DETAIL_PX = 2.0  # detail that is coarser than this counts as shared anatomy or lighting
NEARLY_IDENTICAL = 0.8
MIN_CASES = 10  # the cohort's mean is one of these images itself where there are fewer
BLOCK = 1024
MAX_NAMED = 3

COLUMNS = (
    *("case_id", "other_case_id", "correlation", "pixel.identical", "same.patient"),
    *("label", "other_label", "split", "other_split"),
)


def fingerprints(images: np.ndarray) -> np.ndarray:
    """What is particular to each image, as vectors of length 1, so that their inner products are correlations.

    Parameters
    ----------
    images : (n, h, w, channels) or (n, h, w) uint8

    Returns
    -------
    (n, 4096) float32. An image without any detail of its own is a row of zeros, which correlates with nothing.
    """
    detail = np.empty((len(images), SIDE_PX, SIDE_PX), np.float32)
    for i, image in enumerate(images):
        grey = np.asarray(image if image.ndim == 2 else image.mean(axis=-1)).astype(np.uint8)
        small = np.asarray(Image.fromarray(_without_border(grey)).resize((SIDE_PX, SIDE_PX), Image.Resampling.BILINEAR))
        fine = small.astype(np.float32)
        fine -= ndimage.gaussian_filter(fine, DETAIL_PX, mode="nearest")
        spread = fine.std()
        detail[i] = fine / spread if spread > 0.5 else 0.0  # below: the rounding of a uniform image
    flat = detail.reshape(len(detail), -1)
    blank = ~flat.any(axis=1)
    flat -= flat[~blank].mean(axis=0) if (~blank).any() else 0.0
    flat -= flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    flat[blank] = 0.0
    return np.asarray(np.divide(flat, length, out=np.zeros_like(flat), where=length > 0))


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

    `labels`, `splits` and `patients` map case ids; without `patients` every case is a patient. Pairs stand by falling correlation, then by their
    ids; `COLUMNS`. Mirrored, rotated or strongly shifted copies are not found. Memory: 16 KiB an image; the work grows with the square of the
    cases (50,000: some minutes). Fewer than ten images have no cohort mean worth taking off: then only pixel-identical pairs are listed.
    """
    ids = np.asarray(store.case_ids, dtype=object)
    pixels = store.notes.set_index("case_id")["pixel_sha256"].loc[list(ids)].to_numpy()
    pairs: dict[tuple[int, int], float] = {}
    if len(ids) >= MIN_CASES:
        prints = fingerprints(store.images)
        for start in range(0, len(ids), BLOCK):
            found = prints[start : start + BLOCK] @ prints[start:].T
            a, b = np.nonzero(found > above)
            for i, j in zip(a[a < b].tolist(), b[a < b].tolist(), strict=True):
                pairs[start + i, start + j] = min(float(found[i, j]), 1.0)
    for same in pd.Series(np.arange(len(ids))).groupby(pixels).agg(list):
        pairs |= {(i, j): 1.0 for k, i in enumerate(same) for j in same[k + 1 :]}
    order = sorted(pairs, key=lambda p: (-round(pairs[p], 6), ids[p[0]], ids[p[1]]))
    first, second = ids[[i for i, _ in order]], ids[[j for _, j in order]]
    made = {
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
    return pd.DataFrame(made, columns=list(COLUMNS))


def copies_in_training(pairs: pd.DataFrame) -> set[str]:
    """The test cases of which training or validation has a nearly identical image."""
    one = pairs[(pairs["split"] == "test") & pairs["other_split"].isin(["train", "validation"])]["case_id"]
    two = pairs[(pairs["other_split"] == "test") & pairs["split"].isin(["train", "validation"])]["other_case_id"]
    return {*one, *two}


def told(pairs: pd.DataFrame, *, file: str | None = None) -> list[Problem]:
    """What is to be said of nearly identical images of two patients (wholly identical ones: `duplicates`): across splits, and under two labels."""
    near = pairs[~pairs["pixel.identical"].astype(bool) & ~pairs["same.patient"].astype(bool)]
    across = near[near["split"].notna() & (near["split"] != near["other_split"])]
    differ = near[near["label"] != near["other_label"]]
    out = []
    if len(across):
        rule = f"{len(across)} pairs of nearly identical images stand in different splits: {_named(across)}"
        rule += "; the test is not independent of the training"
        remedy = "look at them (near_duplicates.csv); give them one patient_id, or a reason in the column `excluded`"
        out.append(Problem(rule, file, column="image", remedy=remedy, severity="warning"))
    if len(differ):
        rule = f"{len(differ)} pairs of nearly identical images have two labels: {_named(differ)}"
        out.append(Problem(rule, file, column="image", remedy="look whether one label is wrong", severity="warning"))
    if len(near) and not len(across) and not len(differ):
        rule = f"{len(near)} pairs of nearly identical images: {_named(near)}"
        remedy = "if they are of one patient, say so in patient_id"
        out.append(Problem(rule, file, column="image", remedy=remedy, severity="warning"))
    return out


def _named(pairs: pd.DataFrame) -> str:
    named = [
        f"{printable(a)} and {printable(b)} (correlation {r:.2f})"
        for a, b, r in pairs[["case_id", "other_case_id", "correlation"]].head(MAX_NAMED).itertuples(index=False)
    ]
    return ", ".join(named) + (f" and {len(pairs) - MAX_NAMED} more" if len(pairs) > MAX_NAMED else "")
