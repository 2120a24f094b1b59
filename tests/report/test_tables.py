"""Every rounding rule."""

from __future__ import annotations

from math import inf, nan

import numpy as np
import pytest

from hybridcx import vocabulary
from hybridcx.report import numbers as tables
from hybridcx.report.numbers import Cell, Notes

ACCURACY, AUROC, LR = vocabulary.metric("accuracy"), vocabulary.metric("auroc"), vocabulary.metric("lr_positive")


@pytest.mark.parametrize(
    ("x", "decimals", "scale", "text"),
    [
        (0.8125, 1, 100, "81.3"),  # a half goes away from zero, on the decimals as written
        (1.005, 2, 1, "1.01"),
        (-0.8125, 1, 100, "−81.3"),
        (2.0, 3, 1, "2.000"),
        (-0.0001, 2, 1, "0.00"),
        (nan, 1, 1, "NA"),
        (None, 1, 1, "NA"),
        (inf, 1, 1, "∞"),
        (-inf, 1, 1, "−∞"),
        (np.float64(0.5), 1, 1, "0.5"),
        (np.int64(3), 1, 1, "3.0"),
    ],
)
def test_fixed(x: float, decimals: int, scale: int, text: str) -> None:
    assert tables.fixed(x, decimals, scale=scale) == text


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (46 / 49, "93.9"),
        (1.0, "100.0"),
        (0.0, "0.0"),
        (0.9997, ">99.9"),
        (0.0001, "<0.1"),
        (0.9995, ">99.9"),
        (0.9994, "99.9"),
        (1 - 1e-12, "100.0"),
        (1e-12, "0.0"),
        (nan, "NA"),
    ],
)
def test_percent_prints_a_bound_only_if_it_is_attained(p: float, text: str) -> None:
    assert tables.percent(p) == text


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (0.0612, "+6.1"),
        (-0.0612, "−6.1"),
        (0.0, "0.0"),
        (-0.0, "0.0"),
        (-0.0002, "−0.02"),
        (2e-05, "+0.002"),
        (1e-08, "0.0"),
        (1e-17, "0.0"),
        (nan, "NA"),
        (inf, "+∞"),
    ],
)
def test_a_difference_keeps_its_side_of_zero(x: float, text: str) -> None:
    assert tables.signed(x, 1, scale=100) == text


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (0.125, "0.125"),
        (0.0009999, "<0.001"),
        (0.001, "0.001"),
        (0.0, "<0.001"),
        (1.0, "1"),
        (0.9996, ">0.999"),
        (0.9994, "0.999"),
        (0.0496, "0.0496"),
        (0.04996, "0.04996"),
        (0.0504, "0.0504"),
        (0.05, "0.050"),
        (0.0512, "0.051"),
        (nan, "NA"),
        (None, "NA"),
    ],
)
def test_p_value(p: float, text: str) -> None:
    assert tables.p_value(p) == text


def test_p_equals() -> None:
    assert [tables.p_equals(p) for p in (0.0001, 0.25, 0.9999, 1)] == ["p < 0.001", "p = 0.250", "p > 0.999", "p = 1"]


def test_intervals() -> None:
    assert tables.interval(ACCURACY, 46 / 49, 0.83481, 0.97894) == "93.9 (83.5 to 97.9)"
    assert tables.interval(ACCURACY, 0.5, nan, nan) == "50.0"
    assert tables.interval(ACCURACY, nan, nan, nan) == "NA"
    assert tables.interval(AUROC, 0.95321, 0.86644, 0.99999) == "0.953 (0.866 to >0.999)"
    assert tables.difference_interval(ACCURACY, 0.0612, -0.0221, 0.1544) == "+6.1 (−2.2 to +15.4)"
    assert tables.difference_interval(AUROC, -0.0612, -0.1221, 0.00004) == "−0.061 (−0.122 to +0.00004)"
    assert tables.difference_interval(LR, 1.5, 0.8, inf) == "1.50 (0.80 to ∞)"


def test_counts_levels_and_markers() -> None:
    assert [tables.count(x) for x in (49.0, 9999, 12345, nan, -3, 2.5)] == [
        "49",
        "9999",
        "12\u2009345",
        "NA",
        "−3",
        "2.5",
    ]
    assert [tables.level(x) for x in (0.95, 0.9, 0.975, nan)] == ["95%", "90%", "97.5%", ""]
    assert [tables.marker(i) for i in (0, 25, 26, 27, 701, 702)] == ["a", "z", "aa", "ab", "zz", "aaa"]


def test_notes_are_numbered_once() -> None:
    notes = Notes()
    assert notes.mark("x", None, "", nan) == ("a",)
    assert notes.mark("y", "x") == ("b", "a")
    assert notes.items() == [("a", "x"), ("b", "y")]


def test_a_table_that_is_cut_says_so_and_names_the_file() -> None:
    made = tables.table("k", "c", ["A", "B"], [[str(i), Cell("1")] for i in range(12)], source="x.csv", cap=10)
    assert len(made.rows) == 10
    assert made.remark == "The first 10 of 12 rows; all are in x.csv."
    assert made.numeric == (False, True)
    assert made.rows[0][0].header
    with pytest.raises(ValueError, match="1 cells in a row, 2 columns"):
        tables.table("k", "c", ["A", "B"], [["x"]])


def test_a_metric_knows_its_meaning() -> None:
    assert [vocabulary.metric(m).better for m in ("accuracy", "brier", "calibration_slope")] == [1, -1, 0]
    assert tables.unit(ACCURACY, of_difference=True) == "percentage points"
    assert tables.unit(LR, of_difference=True) == "ratio"
    assert vocabulary.metric("unheard_of").label == "unheard_of"
