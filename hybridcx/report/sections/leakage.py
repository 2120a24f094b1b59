"""The section on what could make a result too good: images that are nearly the same, and marks that tell the label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd

from hybridcx import vocabulary
from hybridcx.report import numbers as tables
from hybridcx.report import shown_rows as select
from hybridcx.report.blocks import Block, Numbers, PicturePair, Section, data_uri
from hybridcx.report.numbers import Cell, Notes, Table

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
    "Each row: a random forest on these features alone, whole patients left out of fold. An AUROC above 0.5 means that they give the label away to "
    "that degree; a network may then learn them, or what they stand for, instead of the disease. Networks see neither names nor positions. DeLong's "
    "limits hold the fitted forests fixed and are too narrow for that: their level is nominal."
)
PAIRS = "Correlation of the detail that is particular to each image, 0.8 and above. Mirrored, rotated or strongly shifted copies are not found."


def section(found: Mapping[str, pd.DataFrame], pictures: Path | None, numbers: Numbers) -> Section:
    """Nearly identical images, and probes on marks beside the content. `pictures`: the folder of the pairs' images; None leaves them out."""
    made = Section("leakage", "Duplicates and shortcuts")
    near = found.get("near_duplicates", pd.DataFrame())
    pairs = pairs_table(near)
    made.table(pairs, numbers.table() if pairs else "")
    if pairs is not None and pictures is not None:
        made.blocks.append(Block("pairs", pictures=tuple(_pictured(in_order(near), pictures))))
    marks = marks_table(found.get("shortcuts", pd.DataFrame()))
    made.table(marks, numbers.table() if marks else "")
    return made


def in_order(pairs: pd.DataFrame) -> pd.DataFrame:
    """Pairs under two labels first, then those across the splits, each by falling correlation."""
    if pairs.empty:
        return pairs
    across = (pairs["split"] != pairs["other_split"]) & pairs["split"].notna()
    differ = pairs["label"] != pairs["other_label"]
    return pairs.assign(rank=-(2 * differ + across).astype(int)).sort_values("rank", kind="stable").drop(columns="rank")


def _pictured(pairs: pd.DataFrame, folder: Path) -> Iterator[PicturePair]:
    """The first pairs with both images, which lie in the folder under the pair's number."""
    for number, r in enumerate(pairs.head(MAX_PICTURED).to_dict("records"), 1):
        files = [folder / f"pair-{number:03d}-{which}.jpg" for which in "ab"]
        if all(f.is_file() for f in files):
            first, second = (data_uri(f) for f in files)
            how = "identical" if r["pixel.identical"] else f"correlation {tables.fixed(float(r['correlation']), 3)}"
            said = [f"{r[c]} ({r[k]}{'' if pd.isna(r[p]) else ', ' + r[p]})" for c, k, p in _SIDES]
            yield PicturePair(first, second, f"{said[0]} and {said[1]}: {how}")


def pairs_table(pairs: pd.DataFrame) -> Table | None:
    """The pairs across the splits and under two labels first; None where there are none."""
    if pairs.empty:
        return None
    across = (pairs["split"] != pairs["other_split"]) & pairs["split"].notna()
    differ = pairs["label"] != pairs["other_label"]
    rows = [
        [
            Cell(str(r["case_id"])),
            Cell(str(r["other_case_id"]), number=False),
            Cell("identical" if r["pixel.identical"] else tables.fixed(float(r["correlation"]), 3)),
            Cell(
                f"{r['label']}, {r['other_label']}" if r["label"] != r["other_label"] else str(r["label"]), number=False
            ),
            Cell(
                tables.NA
                if pd.isna(r["split"])
                else f"{r['split']}, {r['other_split']}"
                if r["split"] != r["other_split"]
                else str(r["split"]),
                number=False,
            ),
        ]
        for r in in_order(pairs).to_dict("records")
    ]
    known = (
        f"{int(across.sum())} across splits, " if pairs["split"].notna().any() else ""
    )  # divisions may differ between trainings
    caption = f"Nearly identical images: {len(pairs)} pairs, {known}{int(differ.sum())} under two labels."
    head = ("Case", "Other case", "Correlation", "Labels", "Splits")
    return tables.table(
        "near-duplicates", caption, head, rows, remark=PAIRS, source="near_duplicates.csv", cap=MAX_PAIRS
    )


def marks_table(marks: pd.DataFrame) -> Table | None:
    """How well each kind of mark tells the label."""
    if marks.empty:
        return None
    notes, rows, kind = Notes(), [], vocabulary.metric("auroc")
    for r in marks.to_dict("records"):
        estimate, low, high = (select.number(r[c]) for c in ("estimate", "conf.low", "conf.high"))
        shown = tables.interval(kind, estimate, low, high) if estimate == estimate else tables.NA
        rows.append([Cell(MARKS.get(str(r["mark"]), str(r["mark"]))), Cell(shown, "", notes.mark(r["warning"]))])
    level = tables.level(next((select.number(x) for x in marks["conf.level"].dropna()), None))
    head = ("Mark", f"AUROC ({level} CI)" if level else "AUROC")
    caption = "What tells the label beside the content of the images."
    return tables.table("shortcuts", caption, head, rows, notes=notes, remark=PROBE, source="shortcuts.csv")
