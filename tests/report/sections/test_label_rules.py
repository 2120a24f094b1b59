"""The section on labelling rules."""

from __future__ import annotations

import pandas as pd
import sample

from hybridcx.report.sections import label_rules


def rules(*verdicts: tuple[str, str], added: int = 4) -> pd.DataFrame:
    """One pair under the primary labels (superior) and under other rules, given as (rule, verdict)."""
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


def test_the_summary_names_the_conclusions_that_change() -> None:
    table = rules(("reader_a", "superior"), ("reader_b", "inconclusive"))
    assert label_rules.summary(table, "accuracy") == (
        "The conclusion on accuracy depends on the labelling rule: vgg16 and vgg19, with other conclusions under reader_b (1)."
    )
    other = pd.concat([table, table.assign(comparator="knn", **{"conclusion.flips": False})])
    assert label_rules.summary(other, "accuracy").startswith("1 of the 2 conclusions on accuracy depends on the")
    steady = label_rules.summary(rules(("reader_a", "superior"), ("all", "superior")), "accuracy")
    assert steady == "None of the 2 other labelling rules changes the conclusion on accuracy."
    assert "no conclusion can change" in label_rules.summary(rules(("reader_a", "superior"), added=0), "accuracy")
    assert label_rules.summary(table, "auroc") == ""


def test_the_section_is_on_the_page_and_escapes_names() -> None:
    content = sample.run_content(heads=1)
    table = rules(("reader_<script>", "inconclusive"))
    page = sample.html(sample.run_content(heads=1, tables={**content.tables, "label_rules": table}))
    assert "Labelling rules and their test cases." in page
    assert ">changes</span></td>" in page
    assert "reader_&lt;script&gt;" in page
    assert page.count("<script>") == 1  # that of the page
    assert "label-rules" not in sample.html(content)
