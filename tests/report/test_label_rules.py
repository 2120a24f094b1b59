"""The section on labelling rules, and the table and figure of the flow."""

from __future__ import annotations

import pandas as pd
import pytest
import sample

from hybridcx.report.figures import flow
from hybridcx.report.formats.html import render
from hybridcx.report.sections import label_rules

FLOW = pd.DataFrame(
    [
        ("screened", "screened", None, None, None, 20, 20),
        ("trauma", "excluded", "trauma", None, None, 3, 3),
        ("in dispute: a", "disputed", "in dispute: a", None, None, 3, 3),
        ("in dispute: b", "disputed", "in dispute: b", None, None, 2, 2),
        ("x", "disputed", None, "train", None, 3, 3),
        ("x", "disputed", None, "test", None, 2, 2),
        ("analysed", "analysed", None, None, None, 12, 12),
        ("abnormal", "class", None, None, "abnormal", 7, 7),
        ("normal", "class", None, None, "normal", 5, 5),
        ("train", "analysed", None, "train", None, 8, 8),
        ("train, abnormal", "class", None, "train", "abnormal", 5, 5),
        ("train, normal", "class", None, "train", "normal", 3, 3),
        ("test", "analysed", None, "test", None, 4, 4),
        ("test, abnormal", "class", None, "test", "abnormal", 2, 2),
        ("test, normal", "class", None, "test", "normal", 2, 2),
    ],
    columns=["step", "kind", "reason", "split", "label", "n", "n.patients"],
)


def rules(*verdicts: tuple[str, str], added: int = 4) -> pd.DataFrame:
    """One pair under the primary labels (superior) and each (rule, verdict)."""
    rows = [("primary", "superior", None, 0), *((r, v, v != "superior", added) for r, v in verdicts)]
    frame = pd.DataFrame(rows, columns=["label.rule", "verdict", "conclusion.flips", "n.added"])
    fixed = {
        "metric": "accuracy",
        "model": "vgg16",
        "comparator": "vgg19",
        "estimate": 0.1,
        "conf.low": 0.02,
        "conf.high": 0.2,
    }
    fixed |= {"p.value": 0.01, "adj.p.value": 0.02, "n": 49 + added, "n.relabelled": 0, "n.left.out": 0}
    return frame.assign(**fixed)


def test_a_sentence_says_which_conclusions_flip_and_where():
    table = rules(("reader_a", "superior"), ("reader_b", "inconclusive"))
    said = label_rules.summary(table, "accuracy")
    assert said == (
        "The conclusion on accuracy depends on the labelling rule: vgg16 and vgg19, otherwise under reader_b (1)."
    )
    other = pd.concat([table, table.assign(comparator="knn", **{"conclusion.flips": False})])
    assert label_rules.summary(other, "accuracy").startswith("1 of the 2 conclusions on accuracy depends on the")
    steady = label_rules.summary(rules(("reader_a", "superior"), ("all", "superior")), "accuracy")
    assert steady == "Under none of the 2 other labelling rules does the conclusion on accuracy flip."
    assert "no conclusion can flip" in label_rules.summary(rules(("reader_a", "superior"), added=0), "accuracy")
    assert label_rules.summary(table, "auroc") == ""


def test_the_section_stands_on_the_page_and_escapes():
    report = sample.run_report(heads=1)
    table = rules(("reader_<script>", "inconclusive"))
    page = render(sample.run_report(heads=1, tables={**report.tables, "label_rules": table}, cohort_flow=FLOW))
    assert "Labelling rules and their test cases." in page
    assert "<td>flips</td>" in page or ">flips<" in page
    assert "reader_&lt;script&gt;" in page
    assert page.count("<script") == 1  # ours
    assert "label-rules" not in render(report)


def cells(step: str) -> list[str]:
    made = flow.flow_table(FLOW, "Flow")
    assert made is not None
    return next([c.text for c in row] for row in made.rows if row[0].text == step)


def test_the_flow_table_gives_the_parts_where_they_are_known():
    assert cells("Screened") == ["Screened", "", "", "", "20", "20"]
    assert cells("Excluded: trauma") == ["Excluded: trauma", "", "", "", "3", "3"]
    assert cells("In dispute: a") == ["In dispute: a", "", "", "", "3", "3"]
    assert cells("In dispute, all") == ["In dispute, all", "3", "0", "2", "5", ""]
    assert cells("Analysed") == ["Analysed", "8", "0", "4", "12", "12"]
    assert cells("Analysed, normal") == ["Analysed, normal", "3", "0", "2", "5", "5"]


def test_the_flow_figure_has_each_case_once():
    drawn = flow.drawn(FLOW)
    assert drawn["step"].tolist() == [
        "screened", "excluded: trauma", "in dispute: a", "in dispute: b", "analysed: 7 abnormal, 5 normal",
        "train: 5 abnormal, 3 normal", "test: 2 abnormal, 2 normal",
    ]  # fmt: skip
    n = drawn.groupby("kind")["n"].sum()
    assert n["screened"] == n["excluded"] + n["analysed"]
    assert n["analysed"] == n["class"]
    assert flow.apart(FLOW) == " 2 of the cases in dispute are in test, scored apart and in no primary metric."


@pytest.mark.parametrize("columns", [["step", "n"], ["step", "kind", "n"]])
def test_a_flow_without_parts_is_drawn_as_it_is(columns):
    assert flow.drawn(FLOW[columns]).equals(FLOW[columns])
    assert flow.flow_table(FLOW[columns], "Flow") is None
    assert flow.apart(FLOW[columns]) == ""
