"""The section on duplicates and shortcuts: order of the pairs, their pictures, features that predict the label."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import sample

from hybridcx.pipeline.casebook.stage import _pair_pictures
from hybridcx.report.blocks import Section
from hybridcx.report.casebook_view import CasebookView
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


def section_of(folder: Path | None) -> Section:
    """The section of these pairs with the pictures of this folder."""
    return section(sample.content({"near_duplicates": PAIRS}, casebook=CasebookView(folder, 16, "1")))


def test_pairs_with_different_labels_come_first_then_pairs_across_splits() -> None:
    assert in_order(PAIRS)["case_id"].tolist() == ["e", "c", "a", "g"]
    table = pairs_table(PAIRS)
    assert table is not None
    assert [c.text for c in table.rows[0]] == ["e", "f", "0.950", "0, 1", "train"]
    assert table.rows[2][2].text == "identical"
    assert "4 pairs, 1 across splits, 1 with different labels" in table.caption
    assert pairs_table(PAIRS.iloc[:0]) is None


def test_without_splits_the_caption_does_not_count_them() -> None:
    table = pairs_table(PAIRS.assign(split=None, other_split=None))
    assert table is not None
    assert table.caption == "Nearly identical images: 4 pairs, 1 with different labels."


def test_pictures_of_pairs_are_found_in_the_folder(tmp_path: Path) -> None:
    pixels = np.arange(8 * 16 * 16 * 3, dtype=np.uint8).reshape(8, 16, 16, 3)
    images = SimpleNamespace(images=pixels, positions=lambda ids: ["abcdefgh".index(i) for i in ids])
    _pair_pictures(PAIRS, images, tmp_path / "casebook")  # type: ignore[arg-type]
    assert len(list((tmp_path / "casebook").iterdir())) == 2 * min(len(PAIRS), MAX_PICTURED)
    (block,) = [b for b in section_of(tmp_path / "casebook").blocks if b.kind == "pairs"]
    assert block.pictures[0].caption == "e (0, train) and f (1, train): correlation 0.950"
    assert block.pictures[2].caption == "a (0, train) and b (0, train): identical"
    assert block.pictures[0].first.startswith("data:image/jpeg;base64,")
    (tmp_path / "casebook" / "pair-001-a.jpg").unlink()
    (fewer,) = [b for b in section_of(tmp_path / "casebook").blocks if b.kind == "pairs"]
    assert len(fewer.pictures) == 3
    assert [b.kind for b in section_of(None).blocks] == ["table"]


def test_features_that_predict_the_label() -> None:
    table = marks_table(MARKS)
    assert table is not None
    assert table.head == ("Features", "AUROC (99% CI)")
    assert [row[1].text for row in table.rows] == ["0.700 (0.600 to 0.800)", "NA"]
    assert table.notes == (("a", "the same for every case"),)
    assert marks_table(MARKS.iloc[:0]) is None
