"""A cohort manifest from a folder of images: labels from class folders or from a table, splits from folders, patients from DICOM or by a pattern.

Nothing is inferred silently: every source is a note, and everything that could not be determined a warning with its number.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from hybridcx.cohort.cohort import OPTIONAL, REQUIRED, SPLITS
from hybridcx.cohort.files import safe_relative
from hybridcx.cohort.folder_files import Header, ImageFile, list_images, without_ending
from hybridcx.cohort.label_tables import PATIENT, LabelRows, match_labels
from hybridcx.cohort.patient_tokens import patient_token_warnings, proposed_pattern
from hybridcx.errors import InputError, Problem, raise_if_any
from hybridcx.records.cells import (
    Coded,
    check_text,
    fold_spelling,
    looks_like_formula,
    means_missing,
    nearest,
    some,
    squash,
    text_array,
)
from hybridcx.records.containers import scan_file
from hybridcx.records.labels import misspelt_labels
from hybridcx.records.layouts import SYNONYMS
from hybridcx.records.strict_csv import Table
from hybridcx.store.artefacts import write_atomic

SPLIT_NAMES = {
    "train": "train", "training": "train", "val": "validation", "valid": "validation", "validation": "validation", "dev": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip
_NAMES_OF_PERSONS = frozenset(
    "patientname patientsname patientfullname fullname surname lastname firstname familyname givenname forename name".split()  # noqa: SIM905
)
_OPTIONAL = {squash(c): c for c in OPTIONAL}
_MANY_CLASSES = 20


@dataclass(frozen=True)
class FolderCohort:
    """A manifest made from a folder.

    `frame`: one row per image, columns `case_id, patient_id, image, label`, where known `split`, then those of the table of labels. `root`: the
    folder that the paths in `image` are relative to, in which the manifest belongs. `notes`: where labels, patients and splits come from.
    `problems`: what could not be determined, all of them warnings. `path`: the manifest, None where it has not been written.
    """

    frame: pd.DataFrame
    root: Path
    notes: tuple[str, ...]
    problems: tuple[Problem, ...]
    path: Path | None = None

    def __repr__(self) -> str:
        lines = [*self.notes, *(f"Warning: {p}" for p in self.problems)]
        return "\n".join([f"FolderCohort of {len(self.frame):,} images", *lines])


@dataclass
class _Draft:
    """The columns as they are determined, one entry per image, and what was noted meanwhile."""

    images: list[ImageFile]
    case_ids: list[str]
    labels: list[str]
    splits: list[str]
    patients: list[str]
    further: pd.DataFrame
    notes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def keep(self, mask: np.ndarray) -> None:
        """Leave out the images that are not in the mask."""
        at = np.flatnonzero(mask).tolist()
        self.images = [self.images[i] for i in at]
        self.case_ids, self.labels, self.splits, self.patients = (
            [values[i] for i in at] for values in (self.case_ids, self.labels, self.splits, self.patients)
        )
        self.further = self.further.iloc[at].reset_index(drop=True)


def cohort_of_folder(
    folder: Path,
    header_of: Callable[[Path], Header],
    *,
    out: Path | None = None,
    labels: Path | None = None,
    label_column: str | None = None,
    patient_pattern: str | None = None,
    positive: str | None = None,
    on_progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> FolderCohort:
    """Make a manifest from a folder, and write it where `out` is given. See `hybridcx.cohort`.

    Raises InputError: no folder, no images, no labels, a pattern that is wrong or fits nothing, a table that cannot be read or contradicts
    itself, a manifest that exists or lies where it cannot name the images.
    """
    pattern = _pattern(patient_pattern)
    if not folder.is_dir():
        rule = "a file, not a folder" if folder.exists() else "there is no such folder"
        raise InputError(Problem(rule, str(folder), remedy="check the path"))
    root = _root(folder, out)
    table = None if labels is None else _table(labels)
    images, problems = list_images(
        folder, header_of, skip=None if labels is None else _within(labels, folder), on_progress=on_progress
    )
    if not images:
        remedy = "check the path" if not problems else "; ".join(str(p.rule) for p in problems)[:400]
        raise InputError(Problem("no images in this folder", str(folder), remedy=remedy))
    n = len(images)
    draft = _Draft(images, _case_ids(images), [""] * n, [""] * n, [""] * n, pd.DataFrame(index=range(n)), [], problems)
    _places(draft, with_labels=table is None)
    _patients(draft, folder, pattern)
    if table is not None:
        _from_table(draft, table, folder, match_labels(table, images, draft.case_ids, draft.patients, label_column),
                    chosen=pattern is not None)  # fmt: skip
    _without_label(draft, folder, table)
    _independent(draft, folder)
    _two_classes(draft, folder, positive, from_folders=table is None)
    frame = _frame(draft, root, folder)
    problems = [*draft.problems, *_splits_of_patients(frame, folder)]
    problems += patient_token_warnings(
        frame, ["image"], file=str(folder), remedy="if it is the patient, run again with"
    )
    if out is not None:
        write_atomic(out, frame.to_csv(index=False, lineterminator="\n"))
    return FolderCohort(frame, root, tuple(draft.notes), tuple(problems), out)


def _pattern(text: str | None) -> re.Pattern[str] | None:
    if text is None:
        return None
    option = "--patient-pattern"
    try:
        pattern = re.compile(text)
    except (re.error, RecursionError, OverflowError) as e:
        raise InputError(
            Problem(
                f"{option} is no regular expression ({e})", value=text, remedy='write "(person[0-9]+)", for example'
            )
        ) from None
    if not pattern.groups:
        remedy = f'put the part of the path that is the patient in parentheses: "({text})"'
        raise InputError(Problem(f"{option} has no group", value=text, remedy=remedy))
    return pattern


def _root(folder: Path, out: Path | None) -> Path:
    """The folder of the manifest, which must contain the images: a manifest names no files outside of its folder."""
    if out is None:
        return folder
    if out.is_dir():
        raise InputError(Problem("a folder, not a file", str(out), remedy=f"name the file: {out / 'manifest.csv'}"))
    if out.exists() or out.is_symlink():
        raise InputError(
            Problem("the file exists already", str(out), remedy="choose another --out, or remove the file")
        )
    if not folder.resolve().is_relative_to(out.absolute().parent.resolve()):
        rule = "a manifest names images by paths below its own folder, and this one would not lie above the images"
        raise InputError(Problem(rule, str(out), remedy=f"write it to {folder / 'manifest.csv'}, or to a folder above"))
    return out.parent


def _within(path: Path, folder: Path) -> Path | None:
    """The table of labels as a path below the folder, None where it lies elsewhere."""
    resolved, base = path.resolve(), folder.resolve()
    return folder / resolved.relative_to(base) if resolved.is_relative_to(base) else None


def _table(path: Path) -> Table:
    table, problems = scan_file(path)
    raise_if_any(problems)
    if table is None:
        raise InputError(problems)
    return table


def _case_ids(images: Sequence[ImageFile]) -> list[str]:
    """The file's name without ending where that is unique, else the path without ending, else the path."""
    stems = [without_ending(i.name) for i in images]
    paths = [without_ending(i.path) for i in images]
    for ids in (stems, paths):
        if len({fold_spelling(i, fold_case=False) for i in ids}) == len(ids):
            return _plain(ids)
    counts = Counter(fold_spelling(p, fold_case=False) for p in paths)
    ids = [p if counts[fold_spelling(p, fold_case=False)] == 1 else i.path for p, i in zip(paths, images, strict=True)]
    return _plain(ids)


def _plain(texts: list[str]) -> list[str]:
    """Paths and ids with `./` in front where a spreadsheet would take them for a formula, or a reader for an absolute path."""
    formula = looks_like_formula(text_array(texts))
    return [f"./{t}" if f or safe_relative(t) else t for t, f in zip(texts, formula, strict=True)]


def _places(draft: _Draft, *, with_labels: bool) -> None:
    """Splits and labels from the folders: `train/normal/x.png`, `normal/train/x.png` or `normal/x.png`. A name of a split is never a label."""
    for i, image in enumerate(draft.images):
        folders = image.path.split("/")[:-1]
        at = next((k for k, f in enumerate(folders[:2]) if f.lower() in SPLIT_NAMES), None)
        if at is not None and (at == 0 or with_labels):
            draft.splits[i] = SPLIT_NAMES[folders[at].lower()]
            folders = folders[:at] + folders[at + 1 :]
        if with_labels and folders:
            name = folders[0].strip()
            draft.labels[i] = "" if means_missing(text_array([name])).any() else name


def _patients(draft: _Draft, folder: Path, pattern: re.Pattern[str] | None) -> None:
    if pattern is not None:
        matches = [pattern.search(i.path) for i in draft.images]
        draft.patients = [(m[1] or "").strip() if m else "" for m in matches]
        if not any(draft.patients):
            remedy = f"it is searched in paths such as {draft.images[0].path}"
            raise InputError(Problem("--patient-pattern fits no file", value=pattern.pattern, remedy=remedy))
        draft.notes.append("patient ids: by --patient-pattern")
        return
    draft.patients = [i.header.patient_id for i in draft.images]
    if not any(draft.patients):
        return
    draft.notes.append("patient ids: PatientID of the DICOM files")
    names = sorted({p for p in draft.patients if "^" in p})
    if names:
        number = {name: f"patient_{k}" for k, name in enumerate(names, 1)}
        draft.patients = [number.get(p, p) for p in draft.patients]
        rule = f"{len(names):,} PatientIDs have the form of a name and are replaced by numbers (patient_1 ...)"
        draft.problems.append(Problem(rule, str(folder), severity="warning"))
    if len(set(draft.patients)) == 1 and len(draft.images) > 1:
        rule = "all DICOM files have the same PatientID (replaced when names were removed?), so that all images count as one patient"
        remedy = "give patient ids by --patient-pattern, or in a column patient_id of --labels"
        draft.problems.append(Problem(rule, str(folder), severity="warning", remedy=remedy))


def _from_table(draft: _Draft, table: Table, folder: Path, match: LabelRows, *, chosen: bool) -> None:
    """Labels, and the further columns of the table; patient ids too, unless they come from a pattern."""
    draft.problems += match.problems
    draft.notes.append(
        f"labels: column {match.label!r} of {table.file}, its column {match.key!r} matched with {match.by}"
    )
    rows = table.frame.iloc[np.maximum(match.row, 0)].reset_index(drop=True)
    absent = match.row < 0
    draft.labels = rows[match.label].str.strip().where(~absent, "").tolist()
    further: dict[str, pd.Series] = {}
    for column in table.frame.columns:
        values, name = rows[column].where(~absent, ""), squash(column)
        of_patient = name in SYNONYMS["patient_id"]
        if column == match.label or (column == match.key and not of_patient and column != "case_id"):
            continue
        if name in _NAMES_OF_PERSONS and column != match.key:
            rule = "a column of names of persons, left out"
            draft.problems.append(Problem(rule, table.file, column=column, severity="warning"))
        elif of_patient and not chosen:
            _patients_of_table(draft, table, column, values.str.strip().tolist(), match)
        elif column == "case_id" and match.by != PATIENT and not values[~absent].duplicated().any():
            draft.case_ids = [v.strip() or c for v, c in zip(values, draft.case_ids, strict=True)]
        elif name == "split":
            further |= _split_of_table(draft, table, values.str.strip(), absent)
        else:
            further[f"table_{column}" if column in REQUIRED else _OPTIONAL.get(name, column)] = values
    draft.further = pd.DataFrame(further, index=range(len(draft.images)))


def _patients_of_table(draft: _Draft, table: Table, column: str, values: list[str], match: LabelRows) -> None:
    draft.notes = [n for n in draft.notes if not n.startswith("patient ids")]
    draft.notes.append(f"patient ids: column {column!r} of {table.file}")
    draft.patients = [v or p for v, p in zip(values, draft.patients, strict=True)]


def _split_of_table(draft: _Draft, table: Table, values: pd.Series, absent: np.ndarray) -> dict[str, pd.Series]:
    """The table's splits become the draft's; where they have other names, or gaps, the column is kept under another name."""
    known = values.str.lower().map(SPLIT_NAMES)
    if known[~absent].isna().any():
        odd = sorted(set(values[~absent][known[~absent].isna()]))
        rule = f"splits that are none of {', '.join(SPLITS)}, kept as the column table_split"
        draft.problems.append(Problem(rule, table.file, column="split", value=odd[0], severity="warning"))
        return {"table_split": values}
    folders = pd.Series(draft.splits)
    differ = (folders != "") & (folders != known) & ~absent
    if differ.any():
        rule = f"{int(differ.sum()):,} images stand in a folder of another split than the table gives them"
        raise InputError(Problem(rule, table.file, column="split", remedy="correct or remove the column"))
    draft.splits = known.fillna(folders).tolist()
    draft.notes.append(f"splits: column 'split' of {table.file}")
    return {}


def _without_label(draft: _Draft, folder: Path, table: Table | None) -> None:
    """Leave out the images without a label, and with splits those that have none."""
    has_label = np.asarray(draft.labels, dtype=object) != ""
    if not has_label.any():
        rule = "no labels: the images lie in no class folders (FOLDER/<class>/ or FOLDER/<split>/<class>/)"
        if table is not None:
            raise InputError(Problem("no labels: all cells are blank or NA", table.file, remedy="fill them in"))
        raise InputError(Problem(rule, str(folder), remedy="give a table of labels with --labels"))
    has_split = np.asarray(draft.splits, dtype=object) != ""
    why = f"no label in {table.file}" if table is not None else "no label, since they lie in no class folder"
    parts = [part for i in np.flatnonzero(~has_label).tolist() for part in draft.images[i].path.split("/")[:-1]]
    if table is None and means_missing(text_array(parts)).any():
        why += " (NA, nan and None are no class)"
    reasons = [(~has_label, why)]
    if (has_split & has_label).any():
        reasons.append((has_label & ~has_split, "no split, where others have one"))
    for mask, reason in reasons:
        if mask.any():
            rule = f"{int(mask.sum()):,} image{'s' if mask.sum() > 1 else ''} left out: {reason}"
            first = draft.images[int(np.argmax(mask))].path
            draft.problems.append(Problem(rule, str(folder), value=first, severity="warning"))
    draft.keep(has_label & (has_split | ~(has_split & has_label).any()))


def _independent(draft: _Draft, folder: Path) -> None:
    """Patients that are not known become patients of their own, with a warning that states the consequence."""
    unknown = [p == "" for p in draft.patients]
    if not any(unknown):
        return
    whole = all(unknown)
    rule = "no patient ids" if whole else f"{sum(unknown):,} of {len(unknown):,} images without a patient id"
    rule += (
        ": the case id stands for the patient. If a patient has several images, they are treated as independent, intervals become too short, and "
        "training and test may share patients"
    )
    pattern = proposed_pattern([i.path for i in draft.images]) if whole else None
    remedy = "give --patient-pattern REGEX (its first group is the patient), or a column patient_id in --labels"
    draft.problems.append(Problem(rule, str(folder), severity="warning", remedy=None if pattern else remedy))
    draft.patients = [p or c for p, c in zip(draft.patients, draft.case_ids, strict=True)]
    draft.notes = [n for n in draft.notes if not (whole and n.startswith("patient ids"))]


def _one_spelling(draft: _Draft, folder: Path) -> None:
    """Refuse class folders that differ only in case or by a typing error: one class would become two, or count as the rest of `positive`."""
    used, lines = Coded.of(pd.Series(draft.labels, dtype="str")), np.arange(len(draft.labels))
    names: dict[str, list[str]] = {}
    for name in Counter(draft.labels):
        names.setdefault(fold_spelling(name), []).append(name)
    problems = [
        Problem(f"{len(same)} spellings of one class: the folders {some(same)}", str(folder), remedy="rename them")
        for same in names.values()
        if len(same) > 1
    ]
    problems += [
        replace(p, row=None) for p in misspelt_labels(used, lines, file=str(folder), column="label", unit="images")
    ]
    raise_if_any(problems)


def _two_classes(draft: _Draft, folder: Path, positive: str | None, *, from_folders: bool) -> None:
    """Check the labels; with `positive`, more than two become that class against the rest, and the original stays in a further column."""
    counts = Counter(draft.labels)
    source = "the folders" if from_folders else "the labels"
    if from_folders:
        draft.notes.insert(0, "labels: names of the class folders")
        _one_spelling(draft, folder)
        patients: dict[str, set[str]] = {}
        for label, patient in zip(draft.labels, draft.patients, strict=True):
            patients.setdefault(label, set()).add(patient)
        dicom = any(i.header.kind == "DICOM" for i in draft.images)
        one_each = dicom and len(draft.images) > len(counts) and all(len(p) == 1 for p in patients.values())
        if one_each or len(counts) > _MANY_CLASSES:
            rule = f"{len(counts):,} folders that would be classes" + (", each with one patient" if one_each else "")
            raise InputError(
                Problem(rule, str(folder), value=draft.labels[0], remedy="give the labels with --labels TABLE")
            )
    if len(counts) == 1:
        below = f"; give the folder {folder / draft.labels[0]} if the classes lie below it" if from_folders else ""
        rule = "a single class: every image has the same label"
        raise InputError(Problem(rule, str(folder), value=draft.labels[0], remedy=f"both classes are needed{below}"))
    if positive is not None and positive not in counts:
        guess = nearest(positive, counts)
        remedy = f"did you mean {guess!r}?" if guess else f"the labels are {some(sorted(counts))}"
        raise InputError(Problem("--positive is none of the labels", value=positive, remedy=remedy))
    if len(counts) > 2 and positive is not None:
        name = "class" if "class" not in draft.further else "original_label"
        draft.further.insert(0, name, draft.labels)
        draft.labels = [v if v == positive else f"not_{positive}" for v in draft.labels]
        draft.notes.append(
            f"{positive} against the other {len(counts) - 1} labels; the column {name!r} has the original ones"
        )
        counts = Counter(draft.labels)
    elif len(counts) > 2:
        rule = f"{len(counts)} labels from {source} ({some(sorted(counts))}), and an analysis needs two"
        remedy = "run again with --positive LABEL, for one against the rest"
        draft.problems.append(Problem(rule, str(folder), severity="warning", remedy=remedy))
    draft.notes.insert(0, f"{len(draft.images):,} images: {_counted(counts)}")


def _counted(counts: Counter[str]) -> str:
    return some([f"{name} ({n:,})" for name, n in sorted(counts.items())])


def _frame(draft: _Draft, root: Path, folder: Path) -> pd.DataFrame:
    """The manifest. Raises InputError for ids and labels that a manifest must not have."""
    below = folder.resolve().relative_to(root.resolve()).as_posix()
    paths = [i.path if below == "." else f"{below}/{i.path}" for i in draft.images]
    columns: dict[str, Sequence[str]] = {
        "case_id": draft.case_ids, "patient_id": draft.patients, "image": _plain(paths), "label": draft.labels
    }  # fmt: skip
    if any(draft.splits):
        counts = Counter(draft.splits)
        whole = {"train", "test"} <= set(counts)
        columns["split" if whole else "folder_split"] = draft.splits
        draft.notes.append(f"splits: {_counted(counts)}")
        if not whole:
            rule = f"only the splits {some(sorted(counts))}, where train and test are needed: kept as the column folder_split"
            draft.problems.append(
                Problem(rule, str(folder), severity="warning", remedy="hybridcx draws a split of its own")
            )
    if any(n.startswith("patient ids") for n in draft.notes):
        draft.notes.append(f"{len(set(draft.patients)):,} patients")
    frame = pd.concat([pd.DataFrame(columns), draft.further], axis=1).astype("str")
    problems = [
        Problem(p.rule, None, None, c, p.value, p.remedy)
        for c in frame.columns
        for p in check_text(frame[c], np.arange(len(frame)), file=None, column=c, blank_ok=c not in REQUIRED)
        if p.severity == "error"
    ]
    raise_if_any(problems)
    return frame


def _splits_of_patients(frame: pd.DataFrame, folder: Path) -> list[Problem]:
    if "split" not in frame:
        return []
    each = frame.groupby("patient_id")["split"].nunique()
    n = int((each > 1).sum())
    rule = f"{n:,} patient{'s' if n > 1 else ''} in more than one split, which `hybridcx check` and `run` refuse"
    remedy = "leave out the column split (hybridcx then draws one that keeps patients together), or move their images"
    return [Problem(rule, str(folder), column="split", severity="warning", remedy=remedy)] if n else []
