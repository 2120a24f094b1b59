"""A table of labels joined to the images of a folder by the key that fits: path, file name, SOPInstanceUID, case id or patient id."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hybridcx.cohort.folder_files import ImageFile, without_ending
from hybridcx.errors import InputError, Problem, raise_if_any
from hybridcx.records.cells import Coded, check_spellings, listed, means_missing, nearest, some, squash, text_array
from hybridcx.records.labels import misspelt_labels
from hybridcx.records.layouts import SYNONYMS
from hybridcx.records.strict_csv import Table

LABEL_NAMES = tuple(n for n in SYNONYMS["y_true"] if n not in ("y", "class"))
PATIENT = "patient ids"
_LESS_SURE = ("class", "y")
_AMBIGUOUS = -2

Index = dict[str, int]
"""The image of each key; `_AMBIGUOUS` where it fits several."""


@dataclass(frozen=True, slots=True)
class LabelRows:
    """The row of the table for each image, (n,), -1 where there is none; the columns of key and label; in words what the key was compared with."""

    row: np.ndarray
    key: str
    label: str
    by: str
    problems: list[Problem]


@dataclass(frozen=True, slots=True)
class _Match:
    column: str
    by: str
    images: np.ndarray
    """The image of each row, -1 where there is none; for patient ids the number of the patient."""
    n_images: int


def match_labels(
    table: Table,
    images: Sequence[ImageFile],
    case_ids: Sequence[str],
    patients: Sequence[str],
    label_column: str | None,
) -> LabelRows:
    """Find the key of a table of labels, and the row of each image.

    Every column but the label's is tried with every key; the one that fits most images is used. Backslashes in paths are slashes, and a
    path may begin higher or lower than the folder does. Patient ids ("" where not known) are a key where no other fits half as many
    images. A key that fits several images or several patients fits none.

    Rows whose label is missing (blank, NA, nan, None) are left out and counted.

    Raises InputError: no column of labels, no key that fits, rows of one image or patient that contradict each other, labels that differ in case
    or by a typing error.
    """
    label = _label_column(table, label_column)
    match = _best(table, label, images, case_ids, patients)
    if match is None:
        columns = some([c for c in table.frame.columns if c != label])
        rule = f"no row names an image of the folder (columns tried: {columns})"
        remedy = (
            "a column must have file names, paths, SOPInstanceUIDs, case ids or patient ids, for example "
            f"{images[0].name if images else 'image1.png'}"
        )
        raise InputError(Problem(rule, table.file, remedy=remedy))
    labels = table.frame[label].str.strip()
    filled = ~means_missing(text_array(labels))
    frame = pd.DataFrame({"image": match.images, "label": labels, "line": table.rows, "at": np.arange(len(labels))})
    frame = frame[(match.images >= 0) & filled]
    what = "patient" if match.by == PATIENT else "image"
    n_labels = frame.groupby("image")["label"].nunique()
    contradicting = frame[frame["image"].isin(n_labels.index[n_labels > 1])]
    raise_if_any(
        listed(
            f"rows of one {what} with different labels", contradicting["line"].tolist(), file=table.file, column=label,
            remedy=f"keep one row for each {what}",
        )
    )  # fmt: skip
    used, lines = Coded.of(frame["label"]), frame["line"].to_numpy()
    problems = check_spellings(used, lines, file=table.file, column=label, what="label")
    raise_if_any(problems + misspelt_labels(used, lines, file=table.file, column=label))
    first = frame.drop_duplicates("image").set_index("image")["at"]
    problems = listed(
        f"further rows of one {what} with the same label, of which the first is used",
        frame["line"][frame["image"].duplicated()].tolist(), file=table.file, severity="warning",
    )  # fmt: skip
    problems += listed(
        f"rows without {'an image' if what == 'image' else 'a patient'} in the folder, left out",
        table.rows[match.images < 0].tolist(), file=table.file, column=match.column, severity="warning",
    )  # fmt: skip
    without = (match.images >= 0) & ~filled
    words = [v for v in labels[without].tolist() if v]
    remedy = "blank, NA, nan, None and null mean no label; a class needs another name"
    problems += listed("rows without a label, left out", table.rows[without].tolist(), words[:1] or None, file=table.file,
                       column=label, remedy=remedy if words else None, severity="warning")  # fmt: skip
    target = pd.factorize(np.asarray(patients, dtype=object))[0] if match.by == PATIENT else np.arange(len(images))
    row = pd.Series(target).map(first).fillna(-1).astype(np.int64).to_numpy()
    return LabelRows(row, match.column, label, match.by, problems)


def _label_column(table: Table, chosen: str | None) -> str:
    columns = list(table.frame.columns)
    if chosen is not None:
        if chosen in columns:
            return chosen
        guess = nearest(chosen, columns)
        remedy = f"did you mean {guess!r}?" if guess else f"the columns are {some(columns)}"
        raise InputError(
            Problem("--label-column names no column of the table", table.file, value=chosen, remedy=remedy)
        )
    if "label" in columns:
        return "label"
    by_name = {squash(c): c for c in columns}
    likely = [by_name[n] for n in LABEL_NAMES if n in by_name] or [by_name[n] for n in _LESS_SURE if n in by_name]
    if len(likely) == 1:
        return likely[0]
    rule = f"several columns could be the label: {some(likely)}" if likely else "no column is named as a label"
    remedy = f"name it with --label-column; the columns are {some(columns)}"
    raise InputError(Problem(rule, table.file, 1, remedy=remedy))


def _best(
    table: Table, label: str, images: Sequence[ImageFile], case_ids: Sequence[str], patients: Sequence[str]
) -> _Match | None:
    """The column and key that fit most images; columns with a usual name first, the others where none of these fits."""
    columns = [c for c in table.frame.columns if c != label]
    named = [c for c in columns if squash(c) in SYNONYMS["case_id"] or squash(c) in SYNONYMS["patient_id"]]
    keys = _keys(images, case_ids)
    known = np.asarray(patients, dtype=object) != ""
    codes, names = pd.factorize(np.asarray(patients, dtype=object))
    sizes = np.bincount(codes[known], minlength=len(names)) if len(names) else np.zeros(0, dtype=np.int64)
    of_patient = {str(n): i for i, n in enumerate(names) if n}
    for group in (named, [c for c in columns if c not in named]):
        best: _Match | None = None
        by_patient: _Match | None = None
        for column in group:
            cells = table.frame[column].str.strip()
            value_codes, values = pd.factorize(cells)
            distinct = values.tolist()
            for by, find in keys:
                hits = np.asarray([find(v) if v else -1 for v in distinct] or [-1], dtype=np.int64)[value_codes]
                n = len(np.unique(hits[hits >= 0]))
                if n > (best.n_images if best else 0):
                    best = _Match(column, by, np.maximum(hits, -1), n)
            hits = np.asarray([of_patient.get(v, -1) for v in distinct] or [-1], dtype=np.int64)[value_codes]
            n = int(sizes[np.unique(hits[hits >= 0])].sum())
            if n > (by_patient.n_images if by_patient else 0):
                by_patient = _Match(column, PATIENT, hits, n)
        if by_patient is not None and (best is None or 2 * best.n_images < by_patient.n_images):
            return by_patient
        if best is not None:
            return best
    return None


def _keys(images: Sequence[ImageFile], case_ids: Sequence[str]) -> list[tuple[str, Callable[[str], int]]]:
    """The keys of images, the most exact first: in words, and the function that finds the image of a cell."""
    exact, loose = [_norm(i.path) for i in images], [_loose(i.path) for i in images]
    uids = [i.header.sop_uid for i in images]
    names, stems = _index([p.rpartition("/")[2] for p in exact]), _index([p.rpartition("/")[2] for p in loose])
    ids, instances = _index([_norm(c) for c in case_ids]), _index(uids)
    return [
        ("paths", _path_finder(exact, _norm)),
        ("file names", lambda v: names.get(_norm(v).rpartition("/")[2], -1)),
        ("SOPInstanceUID", lambda v: instances.get(v, -1)),
        ("case ids", lambda v: ids.get(_norm(v), -1)),
        ("paths without ending", _path_finder(loose, _loose)),
        ("file names without ending", lambda v: stems.get(_loose(v).rpartition("/")[2], -1)),
    ]


def _index(keys: Sequence[str]) -> Index:
    index: Index = {}
    for i, key in enumerate(keys):
        if key:
            index[key] = _AMBIGUOUS if key in index else i
    return index


def _path_finder(paths: Sequence[str], norm: Callable[[str], str]) -> Callable[[str], int]:
    """Find the image of which the path ends with a cell's, or the reverse, so that the two may begin in different folders."""
    whole = _index(paths)
    tails: Index = {}
    for i, path in enumerate(paths):
        for tail in _tails(path):
            if "/" in tail:
                tails[tail] = i if tail == path else _AMBIGUOUS if tail in tails else i

    def find(cell: str) -> int:
        value = norm(cell)
        if "/" not in value:
            return -1
        found = tails.get(value)
        return found if found is not None else next((whole[t] for t in _tails(value) if t in whole), -1)

    return find


def _tails(path: str) -> list[str]:
    """`a/b/c`, `b/c`, `c`."""
    parts = path.split("/")
    return ["/".join(parts[k:]) for k in range(len(parts))]


def _norm(text: str) -> str:
    text = unicodedata.normalize("NFC", text.replace("\\", "/"))
    return re.sub(r"^(\./)+", "", text).lstrip("/")


def _loose(text: str) -> str:
    return without_ending(_norm(text)).casefold()
