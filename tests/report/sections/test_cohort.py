"""The section on the cohort: the table of its flow, and the caption of the figure."""

from __future__ import annotations

import pytest
import sample

from hybridcx.report.sections.cohort import disputed_in_test, flow_table


def cells(step: str) -> list[str]:
    table = flow_table(sample.FLOW)
    assert table is not None
    return next([c.text for c in row] for row in table.rows if row[0].text == step)


def test_the_flow_table_has_the_parts_where_they_are_known() -> None:
    assert cells("Screened") == ["Screened", "", "", "", "20", "20"]
    assert cells("Excluded: trauma") == ["Excluded: trauma", "", "", "", "3", "3"]
    assert cells("In dispute: a") == ["In dispute: a", "", "", "", "3", "3"]
    assert cells("In dispute, all") == ["In dispute, all", "3", "0", "2", "5", ""]
    assert cells("Analysed") == ["Analysed", "8", "0", "4", "12", "12"]
    assert cells("Analysed, normal") == ["Analysed, normal", "3", "0", "2", "5", "5"]


def test_the_caption_counts_disputed_cases_in_test() -> None:
    caption = " 2 of the cases in dispute are in the test set, scored separately and not part of the primary metrics."
    assert disputed_in_test(sample.FLOW) == caption


@pytest.mark.parametrize("columns", [["step", "n"], ["step", "kind", "n"]])
def test_a_flow_without_parts_has_no_table(columns: list[str]) -> None:
    assert flow_table(sample.FLOW[columns]) is None
    assert disputed_in_test(sample.FLOW[columns]) == ""


def test_figure_and_tables_are_in_the_section() -> None:
    page = sample.html(sample.run_content(heads=1, cohort_flow=sample.FLOW))
    assert "Flow of the cohort. 2 of the cases" in page
    assert "Every case from screened to analysed." in page
