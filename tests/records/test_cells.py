"""What a cell may hold: every rule with the rows, values, remedies and severities that it reports."""

import numpy as np
import pandas as pd
import pytest

from hybridcx.errors import Problem
from hybridcx.records import cells
from hybridcx.records.cells import MAX_LISTED, check_spellings, check_text, listed

BLANK = ("blank", "fill it in, or remove the row")
FORMULA = (
    "text that a spreadsheet would run as a formula",
    "let it begin with another character than = + - @ tab or return",
)
UNSAFE = ("control, bidirectional or invisible characters", "remove them")
PADDED = ("white space at the beginning or end, kept as it is", "remove it")
MISSING_WORD = ("stays text here; R and pandas read it as missing", "use another word")


def checked(values, **options):
    values = pd.Series(values, dtype=object)
    return check_text(values, np.arange(2, 2 + len(values)), file="f.csv", column="x", **options)


def problem(rule, row, value, severity="error", more=""):
    return Problem(rule[0] + more, "f.csv", row, "x", value, rule[1], severity)


def test_text_that_is_fine():
    assert checked(["a", "-", "+", "-1.5", "+2e3", "مثال‌", "NA"]) == []


def test_every_rule_with_its_place_value_and_remedy():
    found = checked(["a", "=1+1", "b\u202e", " c", "=1+1", "", None, "NA", " "], warn_na=True)
    assert found == [
        problem(BLANK, 7, "", more=" (3 rows: lines 7, 8, 10)"),
        problem(FORMULA, 3, "=1+1", more=" (2 rows: lines 3, 6)"),
        problem(UNSAFE, 4, "b\u202e"),
        problem(PADDED, 5, " c", "warning"),
        problem(MISSING_WORD, 9, "NA", "warning"),
    ]


def test_one_value_is_said_once_in_the_order_of_the_rows():
    found = checked(["@b", "x", "@a", "@b", "@b", "@c"])
    assert [(p.row, p.value, p.rule) for p in found] == [
        (2, "@b", FORMULA[0] + " (3 rows: lines 2, 5, 6)"),
        (4, "@a", FORMULA[0]),
        (7, "@c", FORMULA[0]),
    ]
    assert len(checked([" a", " a"])) == len(checked(["n/a", "n/a"], warn_na=True)) == 1
    assert len(checked(["a\x07", "a\x07"])) == 1
    assert checked([" a", " a"])[0].rule.endswith("(2 rows: lines 2, 3)")


def test_blanks_are_allowed_where_they_are():
    assert checked(["", None, "a"], blank_ok=True) == []
    assert checked(["", " "], blank_ok=True) == []  # white space alone is blank, not padded


def test_many_values_of_one_rule_are_one_problem():
    few = checked([f"={i}x" for i in range(MAX_LISTED)])
    assert few == [problem(FORMULA, i + 2, f"={i}x") for i in range(MAX_LISTED)]
    assert checked([f"={i}x" for i in range(10)]) == [
        problem(FORMULA, 2, "=0x", more=" (10 rows: lines 2, 3, 4 and 7 more)")
    ]
    assert checked([f" {i}" for i in range(4)]) == [
        problem(PADDED, 2, " 0", "warning", " (4 rows: lines 2, 3, 4 and 1 more)")
    ]
    assert checked([""] * 5) == [problem(BLANK, 2, "", more=" (5 rows: lines 2, 3, 4 and 2 more)")]


def test_listed():
    assert listed("r", [3, 1], ["a", "b"], file="f", column="c", remedy="m", severity="warning") == [
        Problem("r (2 rows: lines 3, 1)", "f", 3, "c", "a", "m", "warning")
    ]
    assert listed("r", range(1, 121), file="f", column="c", unit="cells") == [
        Problem("r (120 cells: lines 1, 2, 3 and 117 more)", "f", 1, "c")
    ]
    assert listed("r", [None], [5]) == [Problem("r", value=5)]
    assert listed("r", [None, None]) == [Problem("r (2 rows)")]
    assert listed("r", []) == []


def test_headers():
    found = cells.check_names(["a", "=b", "c\u200b", "-1"], "f.csv", 1, "heading")
    assert found == [
        Problem("a heading that a spreadsheet would run as a formula", "f.csv", 1, value="=b", remedy="rename it"),
        Problem("control or invisible characters in a heading", "f.csv", 1, value="c\u200b", remedy="remove them"),
    ]
    assert "in a column name" in cells.check_names(["c\u200b"], None, 1)[0].rule


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("caseid", "case_id"),
        ("CASE-ID", "case_id"),
        ("lable", "label"),
        ("scroe", "score"),
        ("zzz", None),
        ("lb", None),
    ],
)
def test_the_name_that_was_meant(name, meant):
    assert cells.nearest(name, ["case_id", "label", "score", "scores", "scored"]) == meant


def test_a_name_less_than_0_6_alike_is_not_meant():
    """difflib's ratio is 2 M / T: "abcde" shares 3 of 10 letters twice with "abcxy" (0.6), and 2 with "abxyz" (0.4)."""
    assert cells.nearest("abcde", ["abcxy"]) == "abcxy"
    assert cells.nearest("abcde", ["abxyz"]) is None
    assert cells.nearest("abcde", []) is None


def test_numbers():
    texts = cells.text_array(["1", "+2.5", "-.5e1", "3.", "nan", "inf", "1,5", "", None, " 1", "0x1", "१"])
    assert cells.is_number(texts).tolist() == [True] * 4 + [False] * 8
    assert cells.to_float(texts) == pytest.approx([1, 2.5, -5, 3] + [np.nan] * 8, nan_ok=True)
    assert cells.to_float(texts).dtype == np.float64
    assert cells.to_float(cells.text_array(["0.1"]))[0] == 0.1


def test_blank_and_padded():
    texts = cells.text_array(["", " \t", None, "a", " a", "a\u00a0"])
    assert cells.is_blank(texts).tolist() == [True, True, True, False, False, False]
    assert cells.padded(texts).tolist() == [False, True, False, False, True, True]


def test_warnings_show_the_case_in_the_place_of_a_name():
    rows, cases = np.array([2, 3, 4]), pd.Series(["c1", "c2", "c3"])
    warned = Problem("odd", "f.csv", 3, "patient_id", "Miller", "mend it", "warning")
    refused = Problem("bad", "f.csv", 3, "patient_id", "Miller")
    elsewhere = Problem("odd", "f.csv", 3, "note", "text", severity="warning")
    counted = Problem("odd: 3 more values", "f.csv", column="patient_id", severity="warning")
    named = Problem("odd", "f.csv", 2, "patient_id", "Smith", severity="warning", cases=("c9",))
    assert cells.without_names([warned, refused, elsewhere, counted, named], rows, cases, ["patient_id"]) == [
        Problem("odd", "f.csv", 3, "patient_id", None, "mend it", "warning", ("c2",)),
        refused,
        elsewhere,
        counted,
        Problem("odd", "f.csv", 2, "patient_id", None, severity="warning", cases=("c9",)),
    ]


def test_spellings_of_one_thing():
    values = pd.Series(["Benign", "benign ", "x", "BENIGN", "benign "])
    (found,) = check_spellings(values, np.arange(2, 7), file="f.csv", column="label", what="label")
    assert found == Problem(
        "3 spellings of one label: 'Benign' (line 2), 'benign ' (line 3), 'BENIGN' (line 5)",
        "f.csv",
        3,
        "label",
        remedy="write it the same way everywhere",
    )
    rows = np.arange(2, 7)
    (same_case,) = check_spellings(
        pd.Series(["A", "a", "a ", "e\u0301", "\u00e9"])[:3], rows, file=None, column="x", what="id", fold_case=False
    )
    assert same_case.rule == "2 spellings of one id: 'a' (line 3), 'a ' (line 4)"
    accents = pd.Series(["e\u0301", "\u00e9"])
    assert len(check_spellings(accents, rows, file=None, column="x", what="id", fold_case=False)) == 1
    assert check_spellings(pd.Series(["A", "a"]), rows, file=None, column="x", what="id", fold_case=False) == []


def test_folding():
    assert cells.fold_spelling(" Be  nign ") == "be nign"
    assert cells.fold_spelling(" Be  nign ", fold_case=False) == "Be nign"
    assert cells.fold_spelling("E\u0301") == "\u00e9"


def test_lists_in_messages():
    assert cells.printable_list("a" * 400) == "a" * 400
    assert cells.printable_list("a" * 401) == "a" * 399 + "…"
    assert cells.printable_list("abcd", 3) == "ab…"
    assert cells.some(range(10)) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9"
    assert cells.some(range(12)) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"
    assert cells.some(["a\x07"]) == "a\\x07"
