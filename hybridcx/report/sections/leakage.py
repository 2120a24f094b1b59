"""What could make the results too good: nearly identical images, and features other than the content that predict the label."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from hybridcx import vocabulary
from hybridcx.report import numbers, shown_rows
from hybridcx.report.blocks import Block, PicturePair, Section, data_uri
from hybridcx.report.content import Content
from hybridcx.report.tables import Cell, Cells, Notes, Table, table

MAX_PAIRS = 30
MAX_PICTURED = 12
_SIDES = (("case_id", "label", "split"), ("other_case_id", "other_label", "other_split"))
MARKS = {
    "file_name": "Names of files and folders",
    "file_format": "Size in bytes, format, bits, orientation",
    "geometry": "Width, height, crop box",
    "border": "Uniform border and its grey value",
    "row": "Position in the manifest",
}
PROBE = (
    "Each row: a random forest on these features alone, predictions out of fold with whole patients left out. An AUROC above 0.5 means that the "
    "features predict the label to that degree; a network may then learn them, or what they are associated with, instead of the disease. Networks "
    "are given neither names nor positions. DeLong's limits take the forests as fixed and are therefore too narrow; their level is nominal."
)
PAIRS = (
    "Correlation of the fine detail in which each image differs from the mean of the cohort, from 0.8 on. Mirrored, rotated or strongly shifted "
    "copies are not detected."
)


def section(content: Content) -> Section:
    """The pairs of nearly identical images with their pictures, and how well each kind of feature predicts the label."""
    section = Section()
    pairs = content.table("near_duplicates")
    section.table(pairs_table(pairs), detail=len(pairs) > MAX_PICTURED)
    folder = content.casebook.folder if content.casebook else None
    if len(pairs) and folder is not None:
        section.blocks.append(Block("pairs", pictures=tuple(_pictures(in_order(pairs), folder))))
    section.table(marks_table(content.table("shortcuts")), detail=True)
    return section


def in_order(pairs: pd.DataFrame) -> pd.DataFrame:
    """The pairs with different labels first, then those across splits, each by decreasing correlation."""
    if pairs.empty:
        return pairs
    rank = -(2 * _labels_differ(pairs) + _across_splits(pairs)).astype(int)
    return pairs.assign(rank=rank).sort_values("rank", kind="stable").drop(columns="rank")


def _labels_differ(pairs: pd.DataFrame) -> pd.Series:
    return pairs["label"] != pairs["other_label"]


def _across_splits(pairs: pd.DataFrame) -> pd.Series:
    return (pairs["split"] != pairs["other_split"]) & pairs["split"].notna()


def _pictures(pairs: pd.DataFrame, folder: Path) -> Iterator[PicturePair]:
    """The first pairs whose images are both in the folder, named by the number of the pair."""
    for i, r in enumerate(pairs.head(MAX_PICTURED).to_dict("records"), 1):
        files = [folder / f"pair-{i:03d}-{side}.jpg" for side in "ab"]
        if all(f.is_file() for f in files):
            first, second = (data_uri(f) for f in files)
            likeness = (
                "identical" if r["pixel.identical"] else f"correlation {numbers.fixed(float(r['correlation']), 3)}"
            )
            cases = [f"{r[c]} ({r[k]}{'' if pd.isna(r[p]) else ', ' + r[p]})" for c, k, p in _SIDES]
            yield PicturePair(first, second, f"{cases[0]} and {cases[1]}: {likeness}")


def pairs_table(pairs: pd.DataFrame) -> Table | None:
    """The pairs of nearly identical images in the order of `in_order`; None without any."""
    if pairs.empty:
        return None
    rows: list[Cells] = []
    for r in in_order(pairs).to_dict("records"):
        label, other_label, split, other_split = (r[c] for c in ("label", "other_label", "split", "other_split"))
        likeness = "identical" if r["pixel.identical"] else numbers.fixed(float(r["correlation"]), 3)
        labels = str(label) if label == other_label else f"{label}, {other_label}"
        splits = numbers.NA if pd.isna(split) else str(split) if split == other_split else f"{split}, {other_split}"
        rows.append([str(r["case_id"]), str(r["other_case_id"]), Cell(likeness), labels, splits])
    # the divisions of several trainings differ, and then no split is given
    across = f"{int(_across_splits(pairs).sum())} across splits, " if pairs["split"].notna().any() else ""
    differ = int(_labels_differ(pairs).sum())
    n = f"{len(pairs)} pair{'' if len(pairs) == 1 else 's'}"
    caption = f"Nearly identical images: {n}, {across}{differ} with different labels."
    head = ("Case", "Other case", "Correlation", "Labels", "Splits")
    return table("near-duplicates", caption, head, rows, remark=PAIRS, source="near_duplicates.csv", cap=MAX_PAIRS)


def marks_table(marks: pd.DataFrame) -> Table | None:
    """How well each kind of feature other than the content predicts the label; None without results."""
    if marks.empty:
        return None
    notes, auroc = Notes(), vocabulary.metric("auroc")
    rows: list[Cells] = []
    for r in marks.to_dict("records"):
        mark = str(r["mark"])
        value = numbers.interval(auroc, *shown_rows.limits(r))
        rows.append([MARKS.get(mark, mark), Cell(value, "", notes.mark(r["warning"]))])
    level = shown_rows.level(marks)
    head = ("Features", f"AUROC ({level} CI)" if level else "AUROC")
    caption = "Prediction of the label from features other than the content of the images."
    return table("shortcuts", caption, head, rows, notes=notes, remark=PROBE, source="shortcuts.csv")
