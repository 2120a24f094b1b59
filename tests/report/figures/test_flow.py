"""The figure of the cohort's flow."""

from __future__ import annotations

import pytest
import sample

from hybridcx.report.figures.flow import boxes, kinds_of


@pytest.mark.parametrize(
    ("n", "kinds"),
    [
        ([416, 80, 5, 331, 170, 161], ["kept", "excluded", "excluded", "kept", "class", "class"]),
        ([331, 331], ["kept", "kept"]),
        ([10, 3, 7], ["kept", "excluded", "kept"]),
        ([10], ["kept"]),
    ],
)
def test_kinds_of_a_flow_follow_from_its_counts(n: list[float], kinds: list[str]) -> None:
    assert kinds_of(n) == kinds


def test_each_case_is_in_one_box() -> None:
    rows = boxes(sample.FLOW)
    assert rows["step"].tolist() == [
        "screened", "excluded: trauma", "in dispute: a", "in dispute: b", "analysed: 7 abnormal, 5 normal",
        "train: 5 abnormal, 3 normal", "test: 2 abnormal, 2 normal",
    ]  # fmt: skip
    n = rows.groupby("kind")["n"].sum()
    assert n["screened"] == n["excluded"] + n["analysed"]
    assert n["analysed"] == n["class"]


@pytest.mark.parametrize("columns", [["step", "n"], ["step", "kind", "n"]])
def test_a_flow_without_parts_has_a_box_for_each_row(columns: list[str]) -> None:
    assert boxes(sample.FLOW[columns]).equals(sample.FLOW[columns])
