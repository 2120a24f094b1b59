"""Tables of text: footnotes, cells, and tables that are too long."""

from __future__ import annotations

from math import nan

import pytest

from hybridcx.report.tables import Cell, Notes, marker, table


def test_markers_of_footnotes() -> None:
    assert [marker(i) for i in (0, 25, 26, 27, 701, 702)] == ["a", "z", "aa", "ab", "zz", "aaa"]


def test_equal_footnotes_share_a_marker() -> None:
    notes = Notes()
    assert notes.mark("x", None, "", nan) == ("a",)
    assert notes.mark("y", "x") == ("b", "a")
    assert notes.items() == [("a", "x"), ("b", "y")]


def test_a_table_with_too_many_rows_ends_with_a_note_that_names_the_file() -> None:
    cut = table("k", "c", ["A", "B"], [[str(i), Cell("1")] for i in range(12)], source="x.csv", cap=10)
    assert len(cut.rows) == 10
    assert cut.remark == "The first 10 of 12 rows; all are in x.csv."
    assert cut.numeric == (False, True)
    assert cut.rows[0][0].header
    with pytest.raises(ValueError, match="1 cells in a row, 2 columns"):
        table("k", "c", ["A", "B"], [["x"]])
