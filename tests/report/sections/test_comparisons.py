"""The section on paired comparisons: Monte Carlo errors, tests for clusters, thresholds, seeds, and tables without rows."""

from __future__ import annotations

from math import nan

import pandas as pd
import pytest

from hybridcx.report import shown_rows
from hybridcx.report.sections import comparisons
from hybridcx.vocabulary.tables import TABLES


def comparison(metric: str, method: str, **cells: object) -> dict[str, object]:
    row: dict[str, object] = {
        "metric": metric, "model": "a", "comparator": "b", "method": method, "estimate": 0.1, "conf.low": nan, "conf.high": nan,
        "conf.level": 0.95, "statistic": nan, "parameter": nan, "p.value": nan, "adj.p.value": nan, "p.adjust.method": "holm",
        "n": 80, "b": nan, "c": nan, "status": "ok", "warning": None, "std.error": nan, "n.clusters": nan, "n.resamples": nan,
        "n.resamples.failed": nan, "subgroup": None, "level": None, "seed": None, "label.rule": None, "threshold": nan,
        "prevalence": nan, "margin": nan, "role": "exploratory", "recommended": False, "mc.error.low": nan, "mc.error.high": nan,
    }  # fmt: skip
    return row | {k.replace("_", "."): v for k, v in cells.items()}


def interval(low: float, high: float, p: float) -> dict[str, object]:
    return {"conf_low": low, "conf_high": high, "p_value": p, "adj_p_value": p, "recommended": True}


def test_a_large_monte_carlo_error_is_a_footnote_and_net_benefit_has_its_threshold() -> None:
    cells = interval(0.02, 0.18, 0.01) | {"mc_error_low": 0.00123, "mc_error_high": 0.0456}
    rows = [
        comparison("ppv", "bootstrap_bca", **cells),
        comparison("net_benefit", "bootstrap_bca", threshold=0.3, **cells),
    ]
    table = comparisons.other_pairs_table(shown_rows.pairs(pd.DataFrame(rows)))
    assert table is not None
    assert [r[0].text for r in table.rows] == ["PPV, points", "Net benefit at 0.3"]
    notes = dict(table.notes)
    assert ["up to 4.56:" in notes[r[3].notes[-1]] for r in table.rows] == [True, False]
    assert "up to 0.0456:" in notes[table.rows[1][3].notes[-1]]
    small = [comparison("ppv", "bootstrap_bca", **cells | {"mc_error_high": 0.00123})]
    assert comparisons.other_pairs_table(shown_rows.pairs(pd.DataFrame(small))).notes == ()  # type: ignore[union-attr]
    assert table.head[3:6] == ("Difference or ratio (95% CI)", "p", "p, Holm-adjusted")


def test_tests_of_independent_cases_are_not_shown_with_the_test_for_clusters() -> None:
    independent = {"b": 6, "c": 22, "status": "caution", "warning": "assumes independent cases"}
    rows = [
        comparison("accuracy", "mcnemar_exact", p_value=0.004, **independent),
        comparison("accuracy", "mcnemar_midp", p_value=0.002, **independent),
        comparison("accuracy", "mcnemar_cluster", b=6, c=22, **interval(-0.3, -0.1, 0.0317)),
    ]
    table = comparisons.pairs_table(shown_rows.pairs(pd.DataFrame(rows)), "accuracy")
    assert table is not None
    assert [h for h in table.head if h.startswith("p")] == ["p", "p, Holm-adjusted"]
    assert [c.text for c in table.rows[0][-2:]] == ["0.032", "0.032"]
    assert "near the significance level they can disagree" in table.remark
    without_clusters = comparisons.pairs_table(shown_rows.pairs(pd.DataFrame(rows[:2])), "accuracy")
    assert without_clusters is not None
    assert {"p, exact", "p, mid-p"} <= set(without_clusters.head)


def overlap(**changed: object) -> dict[str, object]:
    """One row of error_overlap.csv."""
    row: dict[str, object] = dict.fromkeys(TABLES["error_overlap"].columns, nan)
    row |= {"model": "a", "comparator": "b", "error.kappa": 0.25, "double.fault": 0.1, "either.fault": 0.3}
    row |= {"both.right": 7, "both.wrong": 1, "only.model.wrong": 1, "only.comparator.wrong": 1, "n": 10}
    return row | {"status": "ok", "warning": None} | changed


def test_of_several_seeds_the_first_is_shown_and_named() -> None:
    table = comparisons.overlap_table(pd.DataFrame([overlap(seed=3), overlap(seed=8)]))
    assert table is not None
    assert len(table.rows) == 1
    assert table.caption == "Overlap of the errors of each pair. Seed 3; the file has every seed."
    one = comparisons.overlap_table(pd.DataFrame([overlap()]))
    assert one is not None
    assert one.caption == "Overlap of the errors of each pair."


def test_a_caution_is_a_note_of_its_cell() -> None:
    rows = pd.DataFrame([overlap(**{"error.kappa": nan, "status": "caution", "warning": "always right"})])
    table = comparisons.overlap_table(rows)
    assert table is not None
    assert table.rows[0][2].text == "NA"
    assert table.notes == (("a", "always right"),)


@pytest.mark.parametrize("make", [comparisons.ranking_table, comparisons.overlap_table, comparisons.omnibus_table])
def test_without_rows_there_is_no_table(make) -> None:
    assert make(pd.DataFrame()) is None


def test_without_pairs_there_is_no_table() -> None:
    assert comparisons.pairs_table([], "accuracy") is None
    assert comparisons.other_pairs_table([]) is None
    assert comparisons.multiplicity_table(pd.DataFrame(), []) is None
