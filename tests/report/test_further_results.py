"""The further tables on the page: what is shown of many rows and seeds, and what is said beside it."""

from __future__ import annotations

from math import nan

import pandas as pd

from hybridcx.report.sections import further as further_results
from hybridcx.vocabulary.tables import TABLES


def overlap(**changed):
    row = dict.fromkeys(TABLES["error_overlap"].columns, nan)
    row |= {
        "model": "a",
        "comparator": "b",
        "error.kappa": 0.25,
        "double.fault": 0.1,
        "either.fault": 0.3,
        "both.right": 7,
        "both.wrong": 1,
    }
    row |= {"only.model.wrong": 1, "only.comparator.wrong": 1, "n": 10, "status": "ok", "warning": None}
    return row | changed


def test_of_several_seeds_the_first_is_shown_and_said():
    found = further_results.overlap_table(pd.DataFrame([overlap(seed=3), overlap(seed=8)]), "Overlap.")
    assert found is not None
    assert len(found.rows) == 1
    assert found.caption == "Overlap. Seed 3; the file has every seed."
    one = further_results.overlap_table(pd.DataFrame([overlap()]), "Overlap.")
    assert one is not None
    assert one.caption == "Overlap."


def test_a_doubt_stands_beside_the_number():
    rows = pd.DataFrame([overlap(**{"error.kappa": nan, "status": "caution", "warning": "always right"})])
    found = further_results.overlap_table(rows, "Overlap.")
    assert found is not None
    assert found.rows[0][2].text == "NA"
    assert found.notes == (("a", "always right"),)


def test_nothing_to_show_is_no_table():
    empty = pd.DataFrame()
    for make in (
        further_results.ranking_table, further_results.overlap_table, further_results.brier_table,
        further_results.curve_differences_table, further_results.thresholds_table,
    ):  # fmt: skip
        assert make(empty, "Nothing.") is None
    assert further_results.interactions_table(empty, "Nothing.", []) is None


def test_interactions_of_the_shown_pairs_stand_first():
    row = dict.fromkeys(TABLES["interactions"].columns, nan) | {
        "subgroup": "sex",
        "metric": "accuracy",
        "status": "ok",
        "warning": None,
    }
    rows = [
        row | {"model": "a", "comparator": None},
        row | {"model": "a", "comparator": "b"},
        row | {"model": "b", "comparator": "c"},
    ]
    found = further_results.interactions_table(pd.DataFrame(rows), "Differ?", [("a", "b")])
    assert found is not None
    assert [r[2].text for r in found.rows] == ["a − b", "a"]
