"""Published tables: text kept, names understood, units decided over the table, and every fault told at once."""

from __future__ import annotations

from math import inf

import pandas as pd
import pytest

from hybridcx.errors import InputError
from hybridcx.records.published import read_published
from hybridcx.records.published_names import ALIASES, COMPLEMENTS, NOT_DETERMINED, known_metric, not_used, total

GOOD = "model,metric,value\na,Accuracy,93.9\na,Recall,95.8\na,Precision,92.0\nb,Accuracy,91.8\nb,Recall,0.9\n"


def read(tmp_path, text, positives=25, negatives=24, unit=None):
    path = tmp_path / "table.csv"
    path.write_text(text, encoding="utf-8")
    return read_published(path, positives, negatives, unit)


def refused(tmp_path, text, *options, **more):
    with pytest.raises(InputError) as e:
        read(tmp_path, text, *options, **more)
    return "\n".join(str(p) for p in e.value.problems)


def test_a_good_table(tmp_path):
    found = read(tmp_path, GOOD)
    assert found.models == ("a", "b")
    assert [(v.metric, v.printed_as, v.text, v.decimals) for v in found.values[:3]] == [
        ("accuracy", "Accuracy", "93.9", 1),
        ("sensitivity", "Recall", "95.8", 1),
        ("ppv", "Precision", "92.0", 1),
    ]
    assert found.totals == {"a": (25, 24), "b": (25, 24)}
    assert found.units == dict.fromkeys(("Accuracy", "Recall", "Precision"), "percent")


def test_a_unit_is_decided_for_the_whole_column():
    rows = [
        ("a", "acc", "93.9"),
        ("b", "acc", "0.918"),
        ("a", "f1", "0.94"),
        ("a", "LR+", "12.3"),
        ("a", "MCC (%)", "0.9"),
    ]
    found = read_published(pd.DataFrame(rows, columns=["model", "metric", "value"]), 25, 24)
    assert found.units == {"acc": "percent", "f1": "proportion", "LR+": "ratio", "MCC (%)": "percent"}
    assert found.ambiguous == ("f1",)
    assert any("looks like a proportion" in p.rule for p in found.warnings)
    told = read_published(pd.DataFrame(rows, columns=["model", "metric", "value"]), 25, 24, {"f1": "percent"})
    assert told.units["f1"] == "percent"
    assert told.ambiguous == ()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("PRECISION", ("ppv", False)), ("Recall (%)", ("sensitivity", False)), ("F1-score", ("f1", False)), ("F-measure", ("f1", False)),
        ("TPR", ("sensitivity", False)), ("True Negative Rate", ("specificity", False)), ("LR+", ("lr_positive", False)),
        ("LR-", ("lr_negative", False)), ("LR−", ("lr_negative", False)), ("Youden's index", ("youden_j", False)),
        ("DOR", ("diagnostic_odds_ratio", False)), ("Dice", ("f1", False)), ("Balanced accuracy", ("balanced_accuracy", False)),
        ("FPR", ("specificity", True)), ("error rate", ("accuracy", True)), ("miss rate", ("sensitivity", True)), ("FDR", ("ppv", True)),
        ("PPV (precision)", ("ppv", False)), ("AUC", None), ("sensitivty", None),
    ],
)  # fmt: skip
def test_names_as_users_print_them(name, expected):
    assert known_metric(name) == expected


def test_no_name_means_two_things():
    names = [n.strip() for text in (*ALIASES.values(), *(t for _, t in COMPLEMENTS.values())) for n in text.split(",")]
    assert len(set(names)) == len(names)
    for other in (n.strip() for text in NOT_DETERMINED.values() for n in text.split(",")):
        assert known_metric(other) is None, other
        assert not_used(other)
    assert total("n positives") == "positives"


def test_what_no_matrix_determines_is_listed_and_absent_values_too():
    rows = [
        ("a", "accuracy", "0.94"),
        ("a", "AUC", "0.97"),
        ("a", "time", "5"),
        ("a", "npv", "-"),
        ("b", "AUROC", "0.9"),
    ]
    found = read_published(pd.DataFrame(rows, columns=["model", "metric", "value"]), 25, 24)
    assert [(m, n) for m, n, _, _ in found.unused] == [("a", "AUC"), ("a", "time"), ("a", "npv"), ("b", "AUROC")]
    said = "\n".join(map(str, found.warnings))
    assert "depends on the scores" in said
    assert "taken as not printed" in said
    assert "left out: b" in said
    assert found.models == ("a",)


def test_class_totals_in_columns_and_in_rows(tmp_path):
    found = read(
        tmp_path, "model,metric,value,positives,negatives\na,acc,93.9,25,24\na,npv,92.0,,\nb,acc,90,10,30\n", None, None
    )
    assert found.totals == {"a": (25, 24), "b": (10, 30)}
    rows = "model,metric,value\na,acc,93.9\na,positives,25\na,negatives,24\nb,acc,90\n"
    found = read(tmp_path, rows, 7, 8)
    assert found.totals == {"a": (25, 24), "b": (7, 8)}
    assert any("win over" in p.rule for p in found.warnings)
    said = refused(tmp_path, "model,metric,value,positives,negatives\na,acc,93.9,25,24\na,npv,92.0,26,x\n", None, None)
    assert "another number of positives than on line 2" in said
    assert "line 3, column negatives: a class total must be a whole number" in said


def test_ratios_signs_and_infinity():
    rows = [("a", "LR+", "∞"), ("a", "LR-", "0.05"), ("a", "youden", "−0.10"), ("a", "acc", "93.9 %")]
    found = read_published(pd.DataFrame(rows, columns=["model", "metric", "value"]), 25, 24)
    assert [v.value for v in found.values] == [inf, 0.05, -0.1, 93.9]
    assert found.units["acc"] == "percent"


BAD = """model,metric,value
a,accuracy,93.9-95
a,recall,<95
a,sensitivty,90
a,f1,"93,9"
a,F1,0.9
A,npv,0.9 (0.8-0.95)
=b,npv,foo
b,npv,1e-3
b,ppv,93.9 ± 1.2
b,lr+,9%
,ppv,90
"""


def test_every_problem_at_once(tmp_path):
    said = refused(tmp_path, BAD, 25, 0, "per cent")
    for text in (
        "--negatives must lie between 1 and",
        "the unit is percent or proportion",
        "line 2, column value: a range, or a value with its interval",
        "line 3, column value: a bound",
        "line 4, column metric: an unknown metric (found: 'sensitivty'). Did you mean 'sensitivity'?",
        "line 5, column value: a decimal comma",
        "line 6, column metric: the same model and metric as on line 5",
        "2 spellings of one model",
        "line 7, column value: a range",
        "line 8, column model: text that a spreadsheet would run as a formula",
        "line 8, column value: no number",
        "line 9, column value: an exponent",
        "line 10, column value: a range",
        "line 11, column value: a percentage of a ratio",
        "line 12, column model: blank",
    ):
        assert text in said, text


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        (GOOD, (None, None), "class totals of a, b are not known"),
        (GOOD, (25, None), "both class totals are needed"),
        (GOOD, (25, 24, "proportion"), "no proportion, although --unit says so"),
        (GOOD, (25, 24, {"F2": "percent"}), "--unit names a metric that is not printed"),
        ("model,metric,value\na,AUC,0.9\n", (25, 24), "no metric of a confusion matrix"),
        ("model,metric,value\na,wibble,0.9\n", (25, 24), "the metrics of a confusion matrix are accuracy"),
        ("model,metrc,value\na,acc,0.9\n", (25, 24), "did you mean the column 'metrc'"),
        ("model,metric,value\n", (25, 24), "a header and no rows"),
    ],
)
def test_what_is_refused(tmp_path, text, options, expected):
    assert expected.casefold() in refused(tmp_path, text, *options).casefold()


def test_further_columns_are_said(tmp_path):
    found = read(tmp_path, "model,metric,value,note,page\na,acc,93.9,x,1\n")
    assert [p.rule for p in found.warnings] == ["further columns are not used: note, page"]
