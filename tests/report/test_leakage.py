"""The section on duplicates and shortcuts: order of the pairs, their pictures, what tells the label."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd

from hybridcx.pipeline.casebook.stage import _pair_pictures
from hybridcx.report.blocks import Numbers
from hybridcx.report.sections.leakage import MAX_PICTURED, in_order, marks_table, pairs_table, section

PAIRS = pd.DataFrame(
    {
        "case_id": ["a", "c", "e", "g"],
        "other_case_id": ["b", "d", "f", "h"],
        "correlation": [1.0, 0.98, 0.95, 0.9],
        "pixel.identical": [True, False, False, False],
        "same.patient": False,
        "label": ["0", "0", "0", "1"],
        "other_label": ["0", "0", "1", "1"],
        "split": ["train", "train", "train", "test"],
        "other_split": ["train", "test", "train", "test"],
    }
)
MARKS = pd.DataFrame(
    {
        "mark": ["border", "geometry"], "metric": "auroc", "method": "delong", "estimate": [0.7, np.nan], "conf.low": [0.6, np.nan],
        "conf.high": [0.8, np.nan], "conf.level": 0.99, "n": 40, "status": ["ok", "not_estimable"], "warning": [None, "the same for every case"],
    }
)  # fmt: skip


def test_two_labels_come_first_then_pairs_across_the_splits() -> None:
    assert in_order(PAIRS)["case_id"].tolist() == ["e", "c", "a", "g"]
    made = pairs_table(PAIRS)
    assert made is not None
    assert [c.text for c in made.rows[0]] == ["e", "f", "0.950", "0, 1", "train"]
    assert made.rows[2][2].text == "identical"
    assert "4 pairs, 1 across splits, 1 under two labels" in made.caption
    assert pairs_table(PAIRS.iloc[:0]) is None


def test_without_splits_nothing_is_said_of_them() -> None:
    made = pairs_table(PAIRS.assign(split=None, other_split=None))
    assert made is not None
    assert made.caption == "Nearly identical images: 4 pairs, 1 under two labels."


def test_pairs_are_shown_as_they_were_written(tmp_path: Path) -> None:
    pixels = np.arange(8 * 16 * 16 * 3, dtype=np.uint8).reshape(8, 16, 16, 3)
    images = SimpleNamespace(images=pixels, positions=lambda ids: ["abcdefgh".index(i) for i in ids])
    _pair_pictures(PAIRS, images, tmp_path / "casebook")  # type: ignore[arg-type]
    assert len(list((tmp_path / "casebook").iterdir())) == 2 * min(len(PAIRS), MAX_PICTURED)
    made = section({"near_duplicates": PAIRS}, tmp_path / "casebook", Numbers(study=False))
    (shown,) = [b for b in made.blocks if b.kind == "pairs"]
    assert shown.pictures[0].caption == "e (0, train) and f (1, train): correlation 0.950"
    assert shown.pictures[2].caption == "a (0, train) and b (0, train): identical"
    assert shown.pictures[0].first.startswith("data:image/jpeg;base64,")
    (tmp_path / "casebook" / "pair-001-a.jpg").unlink()
    (fewer,) = [
        b
        for b in section({"near_duplicates": PAIRS}, tmp_path / "casebook", Numbers(study=False)).blocks
        if b.kind == "pairs"
    ]
    assert len(fewer.pictures) == 3
    left_out = section({"near_duplicates": PAIRS}, None, Numbers(study=False))
    assert [b.kind for b in left_out.blocks] == ["table"]


def test_what_tells_the_label() -> None:
    made = marks_table(MARKS)
    assert made is not None
    assert made.head == ("Mark", "AUROC (99% CI)")
    assert [row[1].text for row in made.rows] == ["0.700 (0.600 to 0.800)", "NA"]
    assert made.notes == (("a", "the same for every case"),)
    assert marks_table(MARKS.iloc[:0]) is None
