"""Verdicts: the one rule of the contract on every row, and the tests at the margin that invert the same interval."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

LESS_IS_BETTER = {"brier", "log_loss", "ece"}
NO_VERDICT = {"lr_positive", "lr_negative", "diagnostic_odds_ratio", "calibration_slope", "calibration_intercept"}


def turned_limits(row, simultaneous=True):
    end = ".simultaneous" if simultaneous else ""
    low, high = row[f"conf.low{end}"], row[f"conf.high{end}"]
    return (-high, -low) if row["metric"] in LESS_IS_BETTER else (low, high)


def expected(row, margin, p):
    """docs/reference/conventions.md, "Verdicts", written out."""
    low, high = turned_limits(row)
    if np.isnan(low) or low == high or "simulat" in str(row["warning"]):
        return "inconclusive"
    if low > 0 and p < 0.05:
        return "superior"
    if high < 0 and p < 0.05:
        return "inferior"
    if margin is not None and -margin < low and high < margin:
        return "equivalent"
    if margin is not None and low > -margin:
        return "non_inferior"
    return "inconclusive"


def adjusted_p(row, comparisons, clustered=False):
    method = row["method"]
    if row["metric"] in ("accuracy", "sensitivity", "specificity"):
        assert method == ("mcnemar_cluster" if clustered else "tango")
        method = "mcnemar_cluster" if clustered else "mcnemar_exact"
    elif row["metric"] == "auroc":
        assert method == ("delong_cluster" if clustered else "delong_paired")
    found = comparisons[
        comparisons["subgroup"].isna()
        & (comparisons["metric"] == row["metric"])
        & (comparisons["method"] == method)
        & (comparisons["model"] == row["model"])
        & (comparisons["comparator"] == row["comparator"])
    ]
    assert len(found) == 1
    return found["adj.p.value"].iloc[0]


@pytest.mark.parametrize(("tables", "clusters"), [("full", False), ("clustered", True)])
def test_the_rule_holds_on_every_row(tables, clusters, request):
    made = request.getfixturevalue(tables)
    for row in made["verdicts"].to_dict("records"):
        p = adjusted_p(row, made["comparisons"], clusters)
        assert row["verdict"] == expected(row, 0.1, p), row
        low, high = turned_limits(row)
        if np.isnan(low):
            assert row["metric"] == "ece"
            assert row["within.margin"] is None
        else:
            assert row["within.margin"] == (low > -0.1 and high < 0.1)
            assert row["smallest.margin"] == pytest.approx(max(-low, high))
        assert row["margin"] == 0.1


def test_the_interval_is_the_one_of_the_contract(full, clustered):
    def limits(tables, metric, method):
        pairs, said = tables["comparisons"], tables["verdicts"]
        pair = (pairs["model"] == "vgg16") & (pairs["comparator"] == "lda") & pairs["subgroup"].isna()
        a = pairs[pair & (pairs["metric"] == metric) & (pairs["method"] == method)]
        b = said[(said["model"] == "vgg16") & (said["comparator"] == "lda") & (said["metric"] == metric)]
        columns = ["estimate", "conf.low", "conf.high"]
        assert a[columns].to_numpy() == pytest.approx(b[columns].to_numpy())

    for metric in ("accuracy", "sensitivity", "specificity"):
        limits(full, metric, "tango")
        limits(clustered, metric, "mcnemar_cluster")
    limits(full, "auroc", "delong_paired")
    limits(clustered, "auroc", "delong_cluster")
    limits(full, "mcc", "permutation_paired")
    limits(full, "brier", "permutation_paired")
    limits(clustered, "brier", "bootstrap_percentile")


def test_every_metric_with_a_better_direction_has_a_verdict(full):
    said = full["verdicts"]
    measured = set(full["metrics"]["metric"])
    assert set(said["metric"]) == measured - NO_VERDICT
    assert (said.groupby("metric").size() == 3).all()


def test_superior_needs_the_adjusted_p_value(draw, analysed):
    """With many comparisons in the family the interval may exclude 0 while Holm's p does not reach the level."""
    names = ("vgg16", "lda", "knn", "svm", "m1", "m2", "m3")
    made = analysed(draw(names))
    held_back = 0
    for row in made["verdicts"].to_dict("records"):
        p = adjusted_p(row, made["comparisons"])
        assert row["verdict"] == expected(row, None, p)
        low, high = turned_limits(row, simultaneous=False)
        held_back += (low > 0 or high < 0) and row["verdict"] == "inconclusive"
    assert held_back > 0
    assert made["verdicts"]["margin"].isna().all()
    assert made["verdicts"][["p.noninferior", "p.equivalent"]].isna().all(axis=None)
    assert made["verdicts"]["within.margin"].isna().all()


def test_margin_tests_agree_with_the_verdicts(full):
    """tost and non_inferiority stand in comparisons.csv with the p-values of verdicts.csv, also where less is better."""
    pairs = full["comparisons"][full["comparisons"]["subgroup"].isna()]
    key = ["metric", "model", "comparator"]
    said = full["verdicts"].set_index(key)
    for method, column in (("tost", "p.equivalent"), ("non_inferiority", "p.noninferior")):
        tests = pairs[pairs["method"] == method].set_index(key)
        assert sorted(tests.index) == sorted(said.index)
        for name in ("estimate", "conf.low", "conf.high"):
            pd.testing.assert_series_equal(tests[name].sort_index(), said[name].sort_index())
        assert tests["p.value"].sort_index().to_numpy() == pytest.approx(
            said[column].sort_index().to_numpy(), nan_ok=True
        )
        assert (tests["margin"] == 0.1).all()
    # a one-sided p below 2.5 % says what the two-sided 95 % interval says
    for row in said.reset_index().to_dict("records"):
        low, high = turned_limits(row, simultaneous=False)
        assert (row["p.noninferior"] < 0.025) == (low > -0.1)
        assert (row["p.equivalent"] < 0.025) == (low > -0.1 and high < 0.1)
        assert (row["p.superior"] < 0.025) == (low > 0)


def test_a_worse_brier_score_is_not_non_inferior(draw, analysed):
    """The difference of Brier scores is positive where the model is worse: the sign is turned before the margin is applied."""
    made = analysed(draw(("knn", "vgg16")), margin=0.02)
    pairs = made["comparisons"]
    row = pairs[(pairs["metric"] == "brier") & (pairs["method"] == "non_inferiority")].iloc[0]
    assert row["estimate"] > 0.05
    assert row["p.value"] > 0.9
    said = made["verdicts"].set_index("metric").loc["brier"]
    assert said["verdict"] == "inferior"


def test_without_a_margin_there_are_no_margin_tests(draw, analysed):
    made = analysed(draw(("vgg16", "lda")))
    assert not set(made["comparisons"]["method"]) & {"tost", "non_inferiority"}
    assert made["comparisons"]["margin"].isna().all()


def test_detectable_differences_are_positive_numbers(full):
    found = full["verdicts"]["detectable.difference"].dropna()
    assert len(found) > 20
    assert ((found > 0) & (found < 1)).all()


def few_discordant(b: int) -> pd.DataFrame:
    """49 cases, 25 positive; `b` positives that only model a calls right, and one negative that both call wrong."""
    truth = np.arange(49) < 25
    a, other = truth.copy(), truth.copy()
    other[:b] = False
    a[30] = other[30] = True
    name = lambda calls: np.where(calls, "abnormal", "normal")  # noqa: E731
    return pd.concat(
        pd.DataFrame(
            {"case_id": [f"c{i:02d}" for i in range(49)], "y_true": name(truth), "model": m, "y_pred": name(c)}
        )
        for m, c in (("a", a), ("b", other))
    )


@pytest.mark.parametrize("b", [3, 4])
def test_no_verdict_is_firmer_than_the_exact_test_of_the_discordant_cases(analysed, b):
    """b = 3 and c = 0 (exact p 0.25), b = 4 and c = 0 (0.125): nothing is shown, whatever the metric."""
    made = analysed(few_discordant(b))
    assert set(made["verdicts"]["verdict"]) == {"inconclusive"}
    tests = made["comparisons"].query("method in ['mcnemar_exact', 'permutation_paired']")
    assert (tests["p.value"].dropna() >= 0.5**b * 2 - 1e-12).all()


def test_a_verdict_says_why_an_interval_without_0_shows_nothing(analysed):
    said = analysed(few_discordant(4))["verdicts"].set_index("metric").loc["accuracy"]
    assert said["conf.low"] > 0
    assert said["warning"].endswith("the exact test of the discordant cases does not reject: p = 0.125")


def test_seven_to_none_is_shown(analysed):
    made = analysed(few_discordant(7))["verdicts"].set_index("metric")["verdict"]
    assert set(made[["accuracy", "sensitivity", "npv", "f1", "balanced_accuracy", "mcc", "youden_j"]]) == {"superior"}
    assert made["ppv"] == "inconclusive"
