"""Known locations of disease: `lesions.csv` next to the manifest, in the coordinates of the prepared images.

The phantom writes the file; a file for other cohorts needs the columns case_id, kind, left, top, right, bottom (pixels of the decoded image, right
and bottom exclusive), and may have level and severity.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from hybridcx.cohort.cohort import CROP, Cohort
from hybridcx.errors import Problem
from hybridcx.images.prepare import Box, Pad, place
from hybridcx.images.store import ImageStore
from hybridcx.vocabulary.casebook import LESIONS

NAME = "lesions.csv"
EDGES = ("left", "top", "right", "bottom")
DIFFUSE = ("lordosis_loss",)
"""Signs whose box is the whole neck, so that a map hits them trivially."""


def lesion_file(cohort: Cohort) -> Path | None:
    """The file of true lesions next to the manifest, if there is one."""
    path = cohort.root / NAME
    return path if path.is_file() else None


def read_lesions(path: Path) -> tuple[pd.DataFrame, tuple[Problem, ...]]:
    """The boxes in pixels of the decoded images, and a warning where the file cannot be used (then there are no lesions)."""
    empty = pd.DataFrame(columns=LESIONS.header)
    try:
        raw = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    except (OSError, ValueError) as error:  # pandas' ParserError and UnicodeDecodeError are ValueErrors
        return empty, (_unused(path, f"it cannot be read ({type(error).__name__})"),)
    lacking = [c for c in ("case_id", "kind", *EDGES) if c not in raw.columns]
    if lacking:
        return empty, (_unused(path, f"it has no column {lacking[0]}"),)
    edges = raw[list(EDGES)].apply(pd.to_numeric, errors="coerce")
    sound = edges.notna().all(axis=1) & (edges["left"] < edges["right"]) & (edges["top"] < edges["bottom"])
    if not sound.all():
        row = int(np.flatnonzero(~sound.to_numpy())[0]) + 2
        return empty, (_unused(path, "a box is not four numbers with left below right and top below bottom", row),)
    severity = pd.to_numeric(raw["severity"], errors="coerce") if "severity" in raw else np.nan
    level = raw.get("level", "")
    labels = pd.DataFrame({"case_id": raw["case_id"], "kind": raw["kind"], "level": level, "severity": severity})
    return pd.concat([labels, edges], axis=1)[LESIONS.header], ()


def _unused(path: Path, why: str, row: int | None = None) -> Problem:
    return Problem(f"the file of true lesions is not used: {why}", path.name, row, severity="warning")


def placed_lesions(
    lesions: pd.DataFrame, cohort: Cohort, images: ImageStore, *, size_px: int, pad: Pad
) -> pd.DataFrame:
    """The lesions of cases with an image, their boxes in pixels of the prepared image; what lies outside the crop is left out."""
    notes = images.notes
    sizes = {
        str(c): (int(w), int(h))
        for c, w, h in zip(notes["case_id"], notes["width_px"], notes["height_px"], strict=True)
    }
    crops = _crops(cohort)
    rows = []
    for r in lesions.to_dict("records"):
        case = str(r["case_id"])
        if case in sizes:
            region = (r["left"], r["top"], r["right"], r["bottom"])
            box = place(region, *sizes[case], crops.get(case), size_px=size_px, pad=pad)
            if box is not None:
                rows.append((case, r["kind"], r["level"] or None, r["severity"], *box))
    return pd.DataFrame(rows, columns=LESIONS.header)


def _crops(cohort: Cohort) -> Mapping[str, Box]:
    frame = cohort.frame.loc[cohort.frame[list(CROP)].notna().all(axis=1), ["case_id", *CROP]]
    return {
        str(case): (int(a), int(b), int(c), int(d)) for case, a, b, c, d in frame.itertuples(index=False, name=None)
    }
