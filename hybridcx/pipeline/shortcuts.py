"""Marks that predict the label without the image's content: file name, size and format, geometry, border, row of the manifest.

A network can learn such a mark instead of the disease (Zech 2018; DeGrave 2021). For each kind of mark a probe is fitted in cross-validation, whole
patients left out, and its AUROC with limits measures how well the mark predicts the label. Messages repeat no names of files.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from hybridcx.cohort.cohort import CROP, Cohort
from hybridcx.cohort.files import split_frame
from hybridcx.errors import InputError, Problem
from hybridcx.heads.probe import out_of_fold
from hybridcx.images.store import ImageStore
from hybridcx.stats.clusters_roc import delong_cluster_covariance
from hybridcx.stats.score_inputs import z_value
from hybridcx.streams import rng_for, seed_for
from hybridcx.vocabulary.cohort import SHORTCUTS
from hybridcx.vocabulary.extras import need

FOLDS = 5
MAX_CASES = 4000  # a forest on more gains nothing and takes minutes
LEVEL = 0.999
"""Nominal. The limits hold the fitted probes fixed and so are too narrow: 99 % limits warned of 2.2 % of marks without information, not of 0.5 %
(`experiments/simulations/shortcut_probe.py`), 11 % of cohorts over the five kinds."""
FEWEST = 20

NAMES = {
    "file_name": "the names of files and folders",
    "file_format": "size in bytes, format, bits and orientation of the files",
    "geometry": "width and height of the images and crop boxes",
    "border": "the uniform border of the images and its grey value",
    "row": "the position in the manifest",
}


def shortcuts(cohort: Cohort, store: ImageStore, *, seed: int) -> pd.DataFrame:
    """How well each kind of mark predicts the label of the analysed cases: the columns of shortcuts.csv, one row per kind of `NAMES`.

    `estimate` is the mean of the folds' AUROCs, its standard error sqrt(sum SE_k^2) / K with DeLong's variances in each fold (Obuchowski's where
    patients have several cases), conditional on the fitted probes; limits by normal approximation, clipped to 0 to 1. More than 4,000 cases
    are sampled.

    Raises MissingExtraError without scikit-learn.
    """
    need("deep", "looking for marks that predict the label")
    ids = pd.Index(cohort.analysed["case_id"])
    if len(ids) > MAX_CASES:
        drawn = rng_for(seed, "shortcuts", "sample").choice(len(ids), MAX_CASES, replace=False)
        ids = ids[np.sort(drawn)]
    order = pd.Index(cohort.analysed["case_id"]).get_indexer(ids)
    y = cohort.y_true[order].astype(np.int64)
    groups = cohort.groups[order]
    rows = []
    for mark, features in _features(cohort, store, ids, order).items():
        row = probed(features.to_numpy(np.float64), y, groups, random_state=seed_for(seed, "shortcuts", mark))
        rows.append({"mark": mark, **row})
    return pd.DataFrame(rows, columns=SHORTCUTS.header)


def probed(features: np.ndarray, y: np.ndarray, groups: np.ndarray, *, random_state: int) -> dict[str, object]:
    """One row of `shortcuts` without its mark: how well `features` (n, d) predict `y` (n,) of 0 and 1, patients (`groups`) left out whole."""
    row: dict[str, object] = {"metric": "auroc", "method": "delong", "conf.level": LEVEL, "n": len(y), "status": "ok"}
    if len(groups) > len(np.unique(groups)):
        row["method"] = "delong_cluster"
    refused = {**row, "status": "not_estimable"}
    if not (np.ptp(features, axis=0) > 0).any():
        return refused | {"warning": "it is the same for every case, so it tells nothing"}
    if min(np.bincount(y, minlength=2)) < FEWEST:
        return refused | {"warning": f"a class has fewer than {FEWEST} cases: too few to look for marks"}
    try:
        scores, fold = out_of_fold(features, y, groups, folds=FOLDS, random_state=random_state)
    except InputError as error:
        return refused | {"warning": error.problems[0].rule}
    return row | _auroc(y, scores, fold, groups)


def _auroc(y: np.ndarray, scores: np.ndarray, fold: np.ndarray, groups: np.ndarray) -> dict[str, object]:
    each = [delong_cluster_covariance(y[fold == k], scores[fold == k], groups[fold == k]) for k in np.unique(fold)]
    estimate = float(np.mean([aucs[0] for aucs, _ in each]))
    error = float(np.sqrt(max(np.sum([cov[0, 0] for _, cov in each]), 0.0)) / len(each))
    if not np.isfinite(error):
        return {"estimate": estimate, "status": "caution", "warning": "a fold has too few patients for limits"}
    half = z_value(LEVEL) * error
    row: dict[str, object] = {"estimate": estimate, "conf.low": max(estimate - half, 0.0)}
    row["conf.high"] = min(estimate + half, 1.0)
    if error == 0.0:
        row |= {"status": "caution", "warning": "limits of zero width: the probe tells every case, or none"}
    return row


def _features(cohort: Cohort, store: ImageStore, ids: pd.Index, order: np.ndarray) -> dict[str, pd.DataFrame]:
    """The marks of these cases as numbers, by kind."""
    cases = cohort.analysed.iloc[order]
    notes = store.notes.set_index("case_id").loc[ids]
    paths = [PurePosixPath(split_frame(p)[0]) for p in cases["image"]]
    stems = pd.Series([p.stem for p in paths])
    numbers = stems.map(lambda s: [float(n[-9:]) for n in re.findall(r"[0-9]+", s)])
    marks: dict[str, dict[str, Any]] = {
        "file_name": {
            "folder": _codes(pd.Series([str(p.parent) for p in paths])),
            "letters": _codes(stems.str.replace(r"[0-9]+", "#", regex=True)),
            "length": stems.str.len(),
            "first number": numbers.map(lambda n: n[0] if n else -1.0),
            "last number": numbers.map(lambda n: n[-1] if n else -1.0),
        },
        "file_format": {
            "bytes": [(cohort.root / p).stat().st_size for p in paths],
            **{c: _codes(notes[c].astype(str)) for c in ("kind", "mode", "bits", "orientation")},
        },
        "geometry": {
            "width": notes["width_px"],
            "height": notes["height_px"],
            **{c: pd.to_numeric(cases[c], errors="coerce").fillna(-1) for c in CROP if c in cases},
        },
        "border": _borders(store, ids),
        "row": {"row": cohort.analysed_rows[order]},
    }
    return {
        mark: pd.DataFrame({name: np.asarray(v, dtype=np.float64) for name, v in columns.items()})
        for mark, columns in marks.items()
    }


def _codes(text: pd.Series) -> np.ndarray:
    """Codes by falling frequency, so that rare spellings are together at the end."""
    rank = {v: i for i, v in enumerate(text.value_counts(sort=True).index)}
    return text.map(rank).to_numpy()


def _borders(store: ImageStore, ids: pd.Index) -> dict[str, np.ndarray]:
    """Lines of one grey value at each side of the prepared image, as shares of it, and the grey values of its corners."""
    borders = []
    for i in store.positions(ids.to_numpy()):
        grey = np.asarray(store.images[i]).mean(axis=-1)
        rows, columns = np.ptp(grey, axis=1) > 1, np.ptp(grey, axis=0) > 1
        lines = [np.argmax(v) / len(v) if v.any() else 1.0 for v in (rows, rows[::-1], columns, columns[::-1])]
        borders.append([*lines, grey[0, 0], grey[0, -1], grey[-1, 0], grey[-1, -1]])
    names = ("top", "bottom", "left", "right", "corner 1", "corner 2", "corner 3", "corner 4")
    return dict(zip(names, np.array(borders).T, strict=True))


def warnings_of(table: pd.DataFrame, *, file: str | None = None) -> list[Problem]:
    """One warning that names each kind of mark whose AUROC has limits above 0.5; none where there is no such kind."""
    telling = table[table["conf.low"].astype(float) > 0.5].to_dict("records")
    if not telling:
        return []
    marks = []
    for r in telling:
        limits = f", {100 * LEVEL:g} % CI {r['conf.low']:.3f} to {r['conf.high']:.3f}" if r["status"] == "ok" else ""
        marks.append(f"{NAMES[str(r['mark'])]} (AUROC {r['estimate']:.3f}{limits})")
    rule = f"the label can be told, out of fold, without looking at the content of the images, from {'; '.join(marks)}"
    remedy = (
        "a network may learn a format, a size or a border, or what it stands for, instead of the disease; names and positions it does not see, but "
        "they may stand for a scanner, a site or a time that differs by class"
    )
    return [Problem(rule, file, column="image", remedy=remedy, severity="warning")]
