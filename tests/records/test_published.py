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
a,lr-,"1,234"
a,LR-,0.9
A,npv,0.9 (n = 12)
=b,npv,foo
b,npv,1e-3
b,ppv,0.8 to 0.95
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
        "line 5, column value: a comma that may separate decimals or thousands",
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


@pytest.mark.parametrize(
    ("text", "value", "decimals", "partly"),
    [
        ("92.0 (46/50)", 92.0, 1, True), ("92.0 (88.1 to 95.2)", 92.0, 1, True), ("92.0 [88.1-95.2]", 92.0, 1, True),
        ("92.0% (95% CI: 88.1–95.2)", 92.0, 1, True), ("92.00 (88.10, 95.20) %", 92.0, 2, True), ("92.0 ± 1.2", 92.0, 1, True),
        ("92.0±1.2%", 92.0, 1, True), ("92.0 (1.2)", 92.0, 1, True), ("92.0 (46/50) [88.1; 95.2]", 92.0, 1, True),
        ("44/50 (88%)", 88.0, 0, True), ("46/50 [92.0]", 92.0, 1, True), ("66.6 (2/3)", 66.6, 1, True), ("66.7% (2/3)", 66.7, 1, True),
        ("92,0 (88,1 to 95,2)", 92.0, 1, True), ("92·0", 92.0, 1, False), ("92·0 (88·1–95·2)", 92.0, 1, True), ("92,0", 92.0, 1, False),
        ("92,123", 92.123, 3, False), ("92.0%", 92.0, 1, False), ("92.0 %", 92.0, 1, False), ("−0.12", -0.12, 2, False),
    ],
)  # fmt: skip
def test_values_as_papers_print_them(text, value, decimals, partly):
    metric = "MCC" if value < 0 else "Recall"
    found = read_published(pd.DataFrame([("a", metric, text)], columns=["model", "metric", "value"]), 50, 50)
    (one,) = found.values
    assert (one.text, one.value, one.decimals) == (text, value, decimals)
    assert any("without what stands behind them" in w.rule for w in found.warnings) == partly
    assert found.units[metric] == ("proportion" if value < 0 else "percent")


@pytest.mark.parametrize(
    "text", ["88.1-95.2", "46/50", "92.0 (n = 50)", "92.0 (88.1", "92.0 (88.1 to 95.2) 3", "<92.0", "1.234,5"]
)
def test_values_that_can_mean_two_things_are_refused(text):
    with pytest.raises(InputError, match=r"rows counted from 1"):
        read_published(pd.DataFrame([("a", "Recall", text)], columns=["model", "metric", "value"]), 50, 50)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("92.0 (45/50)", "the fraction contradicts the value: 45/50 = 90.0 %"),
        ("91.9 (46/50)", "the fraction contradicts the value: 46/50 = 92.0 %"),
        ("0.92 (45/50)", "the fraction contradicts the value: 45/50 = 90.00 %"),
        ("43/50 (88%)", "the fraction contradicts the value: 43/50 = 86.0 %"),
        ("0 (0/0)", "the fraction contradicts the value: 0/0"),
        ("46/50", "a fraction alone"),
    ],
)
def test_a_fraction_that_contradicts_its_value_is_refused(tmp_path, text, message):
    problem = refused(tmp_path, f"model,metric,value\na,Recall,{text}\n")
    assert f"table.csv, line 2, column value: {message}" in problem


def test_a_fraction_may_be_a_proportion():
    (one,) = read_published(
        pd.DataFrame([("a", "acc", "0.92 (46/50)")], columns=["model", "metric", "value"]), 50, 50
    ).values
    assert (one.value, one.decimals) == (0.92, 2)


@pytest.mark.parametrize(
    "names",
    [
        ("Recall (class 1)", "Recall (class 2)"), ("Recall class 1", "Precision class 2"), ("F1_1", "F1_2"), ("f1-score (1)", "Recall (2)"),
        ("Recall (class 0)", "Recall (class 1)", "Recall (class 2)"),
    ],
)  # fmt: skip
def test_with_a_class_2_no_numbered_class_is_taken_as_positive(names):
    rows = [("a", "Accuracy", "90"), *(("a", name, "92") for name in names)]
    found = read_published(pd.DataFrame(rows, columns=["model", "metric", "value"]), 50, 50)
    assert [v.metric for v in found.values] == ["accuracy"]
    assert any(
        w.rule.startswith(
            f"not used: {', '.join(names)}; with a class 2 it is not known which class is the positive one"
        )
        for w in found.warnings
    )
    named = read_published(
        pd.DataFrame([*rows, ("a", "F1 (positive class)", "91")], columns=["model", "metric", "value"]), 50, 50
    )
    assert [v.metric for v in named.values] == ["accuracy", "f1"]


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("Precision (macro)", "macro_ppv"), ("macro avg precision", "macro_ppv"), ("precision_macro", "macro_ppv"),
        ("Precision [macro]", "macro_ppv"),
        ("F1 (weighted avg)", "weighted_f1"), ("weighted F1", "weighted_f1"), ("Macro-F1", "macro_f1"), ("Macro-averaged F1-score", "macro_f1"),
        ("weighted precision", "weighted_ppv"), ("Recall (weighted)", "accuracy"), ("micro F1", "accuracy"),
        ("Sensitivity (macro)", "balanced_accuracy"),
        ("Recall (class 0)", "specificity"), ("Precision (negative class)", "npv"), ("F1_0", "negative_f1"), ("Recall for class 1", "sensitivity"),
        ("f1-score (1)", "f1"), ("Sensitivity, % (95% CI)", "sensitivity"), ("LR- (95% CI)", "lr_negative"),
    ],
)  # fmt: skip
def test_a_qualifier_belongs_to_the_metric(name, metric):
    assert known_metric(name) == (metric, False)


@pytest.mark.parametrize(
    "name",
    [
        "Accuracy (macro)",
        "Recall (benign)",
        "Accuracy (training)",
        "average F1",
        "NPV (weighted)",
        "F1 (macro, class 0)",
        "FPR (class 0)",
    ],
)
def test_a_metric_with_a_qualifier_of_unknown_meaning_is_left_out(name):
    assert known_metric(name) is None
    assert "it is not known what" in not_used(name)
    found = read_published(
        pd.DataFrame([("a", name, "90"), ("a", "Recall", "92")], columns=["model", "metric", "value"]), 50, 50
    )
    assert [v.metric for v in found.values] == ["sensitivity"]
    assert any(f"not used: {name}" in w.rule for w in found.warnings)


def test_what_a_qualified_metric_is_read_as_is_reported(tmp_path):
    found = read(tmp_path, "model,metric,value\na,Precision (macro),90.1\na,Recall (class 0),88.0\na,Recall,92.0\n")
    said = "\n".join(map(str, found.warnings))
    assert (
        "Precision (macro) is read as mean of the precisions of both classes (PPV and NPV); it is not used as the ppv of the positive"
        in said
    )
    assert (
        "Recall (class 0) is read as specificity (0 taken as the negative class); it is not used as the sensitivity"
        in said
    )


def test_one_column_per_metric_reads_as_one_row_per_metric(tmp_path):
    text = "Method,Accuracy (%),Precision,AUC,year,positives,negatives\na,93.9,92.0 (23/25),0.97,2020,25,24\nb,91.8,NA,,2021,25,24\n"
    found = read(tmp_path, text, None, None)
    assert [(v.model, v.metric, v.text, v.row) for v in found.values] == [
        ("a", "accuracy", "93.9", 2), ("a", "ppv", "92.0 (23/25)", 2), ("b", "accuracy", "91.8", 3)
    ]  # fmt: skip
    assert found.totals == {"a": (25, 24), "b": (25, 24)}
    assert list(found.frame.columns) == ["model", "metric", "value", "positives", "negatives"]
    said = "\n".join(map(str, found.warnings))
    assert "one row per model (Method) and one column per metric: Accuracy (%), Precision, AUC" in said
    assert "columns that are no known metric are not used: year" in said
    again = read_published(found.frame)
    assert [v.text for v in again.values] == [v.text for v in found.values]
