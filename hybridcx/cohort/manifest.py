"""Reader of a cohort manifest: screened cases, image files, labels, splits and exclusions, checked as a whole."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from hybridcx.cohort.cohort import CROP, GIVEN, OPTIONAL, REQUIRED, SPLITS, Cohort
from hybridcx.cohort.consensus import labelled
from hybridcx.cohort.files import check_files
from hybridcx.cohort.readers import reading_problems
from hybridcx.errors import InputError, Problem, raise_if_any
from hybridcx.experiment.sections import LabelsSection
from hybridcx.records.cells import (
    Coded,
    check_spellings,
    check_text,
    is_blank,
    is_number,
    listed,
    some,
    text_array,
    to_float,
    without_missing,
    without_names,
)
from hybridcx.records.labels import misspelt_labels, two_labels
from hybridcx.records.strict_csv import Table, scan_csv

SameBytes = Literal["refuse", "warn"]


def read_manifest(
    path: str | Path,
    *,
    positive: str | None = None,
    same_bytes: SameBytes = "refuse",
    labels_by: LabelsSection = GIVEN,
    labels: tuple[str, str] | None = None,
) -> Cohort:
    """Read a cohort manifest and check it with the image files that it names, whose bytes are hashed but not decoded.

    Parameters: `positive`, the label of the positive class (docs/reference/commands.md has the default). `same_bytes`: byte-identical image
    files under two labels are refused, or with "warn" only reported (for a benchmark with known faults). `labels_by`: how the
    labels come from the readers' calls (`cohort.consensus`); by default they are the column `label`.

    `labels`: (negative, positive) of the run whose models are applied. Cases may then have no label, the column `label` may be absent, one class
    may be missing, and a column `split` counts only where it divides the cases into validation and test.

    Excluded cases keep their row for the flow and the readers' agreement; they need neither a label nor an image file. Cases in
    dispute need an image file, since they may be scored.

    Raises InputError with every problem: what `strict_csv.read_csv` refuses, and bad_input.md 5, 8 to 11, 15, 16, 18 (a missing
    file), 24 (the box) and 48.
    """
    path = Path(path)
    required = REQUIRED if labels is None else tuple(c for c in REQUIRED if c != "label")
    table, problems = scan_csv(path, required, OPTIONAL)
    if table is None:
        raise InputError(p for p in problems if p.severity == "error")
    rows, file = table.rows, table.file
    raw, missing = without_missing(table.frame, rows, file, texts=("case_id", "image", "label"))
    table, problems = replace(table, frame=raw), problems + missing
    if not len(raw):
        raise InputError(p for p in problems if p.severity == "error")
    if labels is not None:
        table, more = _for_applying(table)
        raw, problems = table.frame, problems + more
    labelled_cases = labelled(table, labels_by)
    given_labels, excluded = raw["label"], labelled_cases.excluded
    raw = raw.assign(label=labelled_cases.label)
    table = replace(table, frame=raw)
    analysed = (excluded == "").to_numpy() & ~labelled_cases.disputed
    scored = analysed | labelled_cases.disputed
    problems += labelled_cases.problems
    problems += _texts(table, analysed, blank_labels=labels is not None)
    again = raw["case_id"].duplicated().to_numpy() & ~is_blank(text_array(raw["case_id"]))
    problems += listed("a repeated case", rows[again].tolist(), raw["case_id"][again].tolist(), file=file,
                       column="case_id", remedy="one row per case; give a second image of a patient its own case_id")  # fmt: skip
    crop, more = _crops(raw, rows, file, scored)
    problems += more
    split, more = _splits(raw, rows, file, analysed, labelled_cases.disputed, both_classes=labels is None)
    problems += more

    given = raw["label"][analysed]
    known = given[~is_blank(text_array(given))].unique().tolist()
    pair = labels
    if analysed.any() and labels is not None:
        foreign = (analysed & ~is_blank(text_array(raw["label"])) & ~raw["label"].isin(labels).to_numpy()).nonzero()[0]
        problems += listed("a label that the run does not know", rows[foreign].tolist(), raw["label"].iloc[foreign].tolist(), file=file,
                           column="label", remedy=f"the run's labels are {labels[0]} and {labels[1]} (the positive class)")  # fmt: skip
    elif analysed.any():
        more = misspelt_labels(Coded.of(given), rows[analysed], file=file, column="label")
        if not more:
            pair, more = two_labels(known, positive, file=file, column="label", one_vs_rest=False)
        problems += more
    else:
        problems.append(
            Problem("every case is excluded", file, column="excluded", remedy="leave it empty for the cases to analyse")
        )
    filled = raw["label"][~is_blank(text_array(raw["label"]))].unique().tolist()
    problems += reading_problems(raw, rows, path, filled)
    digests, more = check_files(raw, rows, scored, path.parent, file, split, same_bytes)
    problems += more
    problems = without_names(problems, rows, raw["case_id"], ("image", "patient_id"))
    raise_if_any(problems)
    if pair is None:  # only together with an error
        raise InputError(problems)

    columns = {c: raw[c] for c in REQUIRED} | crop | {"split": split, "excluded": excluded}
    further = {c: raw[c] for c in raw.columns if c not in columns}
    frame = pd.DataFrame(columns | further)
    images, apart = (
        tuple(digests[i] for i in np.flatnonzero(mask).tolist()) for mask in (analysed, labelled_cases.disputed)
    )
    whole = hashlib.sha256(path.read_bytes() + "".join(images + apart).encode()).hexdigest()
    return Cohort(
        frame, rows, path.parent, path, pair, tuple(problems), images, whole, labels_by,
        disputed=labelled_cases.disputed if labelled_cases.disputed.any() else None,
        disputed_sha256=apart,
        given_labels=None if labels_by.rule == "given" else given_labels,
        votes=labelled_cases.votes,
    )  # fmt: skip


def _for_applying(table: Table) -> tuple[Table, list[Problem]]:
    """The table of new cases: with a column label in any case, and a column split only where it says validation and test."""
    raw, problems = table.frame, []
    if "label" not in raw:
        raw = raw.assign(label=pd.Series("", index=raw.index, dtype="str"))
    if "split" in raw:
        values = set(raw["split"].str.strip()) - {""}
        if values != {"validation", "test"}:
            raw = raw.drop(columns="split")
            if values - {"test"}:
                rule = "the column split is not used: new cases are not trained on; `validation` and `test` would divide them for recalibration"
                problems.append(Problem(rule, table.file, column="split", severity="warning"))
    return replace(table, frame=raw), problems


def _texts(table: Table, analysed: np.ndarray, *, blank_labels: bool = False) -> list[Problem]:
    raw, rows, file = table.frame, table.rows, table.file
    out = check_text(raw["case_id"], rows, file=file, column="case_id")
    out += check_text(raw["patient_id"], rows, file=file, column="patient_id")
    out += check_text(raw["image"][analysed], rows[analysed], file=file, column="image")
    out += check_text(
        raw["label"][analysed], rows[analysed], file=file, column="label", warn_na=True, blank_ok=blank_labels
    )
    if not analysed.all():
        out += check_text(raw["image"][~analysed], rows[~analysed], file=file, column="image", blank_ok=True)
        out += check_text(raw["label"][~analysed], rows[~analysed], file=file, column="label", blank_ok=True)
    for column in raw.columns:
        if column not in (*REQUIRED, *CROP, "split") and not column.startswith(("reader_", "rating_")):
            out += check_text(raw[column], rows, file=file, column=column, blank_ok=True)
    filled = ~is_blank(text_array(raw["label"]))
    out += check_spellings(raw["label"][filled], rows[filled], file=file, column="label", what="label")
    for column, what in (("case_id", "case id"), ("patient_id", "patient id")):
        out += check_spellings(raw[column], rows, file=file, column=column, what=what, fold_case=False)
    if "excluded" in raw.columns:
        out += check_spellings(raw["excluded"][~analysed], rows[~analysed], file=file, column="excluded", what="reason")
    words = raw["excluded"].str.strip().str.casefold() if "excluded" in raw.columns else pd.Series([], dtype="str")
    odd = words.isin(["0", "no", "false", "na", "n", "none", "kept", "included", "nan"]).to_numpy()
    if odd.any():
        out += listed("this excludes the case: any text is a reason", rows[odd].tolist(), raw["excluded"][odd].tolist(), file=file,
                      column="excluded", remedy="leave it empty to keep the case, or write the reason")  # fmt: skip
    return out


def _crops(
    raw: pd.DataFrame, rows: np.ndarray, file: str, analysed: np.ndarray
) -> tuple[dict[str, pd.Series], list[Problem]]:
    """Return the crop columns as whole numbers; a box is given whole or not at all (bad_input.md 24; the image's own size comes later)."""
    out: list[Problem] = []
    present = [c for c in CROP if c in raw.columns]
    if present and len(present) < len(CROP):
        lacking = [c for c in CROP if c not in present]
        out.append(
            Problem(f"a crop box needs four columns, {some(lacking)} is absent", file, 1, lacking[0], remedy="add it")
        )
    columns = {}
    bad = np.zeros(len(raw), dtype=bool)
    for c in CROP:
        if c not in present:
            columns[c] = pd.Series(pd.NA, index=raw.index, dtype="Int64")
            continue
        arr = text_array(raw[c])
        blank, value = is_blank(arr), to_float(arr)
        wrong = ~blank & ~(is_number(arr) & (value == np.floor(value)) & (np.abs(value) < 2**31)) & analysed
        at = np.flatnonzero(wrong)
        out += listed("a crop box edge that is no whole number of pixels", rows[at].tolist(), raw[c].iloc[at].tolist(),
                      file=file, column=c, remedy="give pixels, or leave all four empty")  # fmt: skip
        bad |= wrong
        whole = np.where(np.isnan(value) | wrong | ~np.isfinite(value), 0, value)
        whole = np.where(np.abs(whole) < 2**31, np.floor(whole), 0).astype(np.int64)
        columns[c] = pd.Series(whole, index=raw.index).astype("Int64").mask(np.isnan(value) | wrong)
    if len(present) == len(CROP):
        n_given = np.sum([columns[c].notna().to_numpy() for c in CROP], axis=0)
        at = np.flatnonzero((n_given > 0) & (n_given < 4) & analysed & ~bad)
        out += listed("a crop box with some edges only", rows[at].tolist(), file=file, column="crop_left",
                      remedy="give all four, or none")  # fmt: skip
        left, top, right, bottom = (columns[c].fillna(0).to_numpy(dtype=np.int64) for c in CROP)
        whole_box = (n_given == 4) & analysed
        at = np.flatnonzero(whole_box & ((right <= left) | (bottom <= top)))
        boxes = [f"{left[i]}, {top[i]}, {right[i]}, {bottom[i]}" for i in at]
        out += listed("a crop box of no area", rows[at].tolist(), boxes, file=file, column="crop_left",
                      remedy="left must be smaller than right, top than bottom")  # fmt: skip
        at = np.flatnonzero(whole_box & (right > left) & (bottom > top) & ((left < 0) | (top < 0)))
        boxes = [f"{left[i]}, {top[i]}, {right[i]}, {bottom[i]}" for i in at]
        out += listed("a crop box outside the image", rows[at].tolist(), boxes, file=file, column="crop_left",
                      remedy="pixels are counted from 0 at the upper left corner")  # fmt: skip
    return columns, out


def _splits(
    raw: pd.DataFrame,
    rows: np.ndarray,
    file: str,
    analysed: np.ndarray,
    disputed: np.ndarray,
    *,
    both_classes: bool = True,
) -> tuple[pd.Series, list[Problem]]:
    """Return the given split, checked: known names, for all cases or none, no patient in two, both classes in each (bad_input.md 15, 16)."""
    if "split" not in raw.columns:
        return pd.Series("", index=raw.index, dtype="str"), []
    split = raw["split"].str.strip()
    filled = (split != "").to_numpy()
    if not (filled & analysed).any():
        return split, []
    out: list[Problem] = []
    at = np.flatnonzero(filled & ~split.isin(SPLITS).to_numpy())
    out += listed("an unknown split", rows[at].tolist(), raw["split"].iloc[at].tolist(), file=file, column="split",
                  remedy=f"use {', '.join(SPLITS)}")  # fmt: skip
    at = np.flatnonzero(~filled & analysed)
    out += listed("no split, where other cases have one", rows[at].tolist(), file=file, column="split",
                  remedy="give every analysed case a split, or leave the column out")  # fmt: skip
    part = pd.DataFrame({"patient_id": raw["patient_id"], "split": split})[(analysed | disputed) & filled]
    n_splits = part.groupby("patient_id")["split"].nunique()
    for patient in n_splits.index[n_splits > 1][:20]:
        own = part[part["patient_id"] == patient]
        other = int(np.flatnonzero((own["split"] != own["split"].iloc[0]).to_numpy())[0])
        row = int(rows[own.index[other]])
        rule = f"a patient in two splits ({', '.join(sorted(own['split'].unique()))})"
        out.append(Problem(rule, file, row, "split", patient, "put all cases of a patient into one split"))
    if (n_splits > 1).sum() > 20:
        out.append(Problem(f"{int((n_splits > 1).sum())} patients in two splits, 20 are listed", file, column="split"))
    labels = raw["label"][analysed & filled]
    for name in SPLITS if both_classes else ():
        own = labels[split[analysed & filled] == name]
        if own.empty and name == "validation":
            continue
        lacking = sorted(set(labels.unique()) - set(own.unique()))
        if lacking and labels.nunique() == 2:
            rule = f"the split {name!r} has no case of the class {some(lacking)}"
            out.append(Problem(rule, file, column="split", remedy="every split needs both classes"))
    return split, out
