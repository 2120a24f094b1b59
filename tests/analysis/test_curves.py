"""The tables behind the figures: ROC, calibration, decision curves, omnibus tests."""

from __future__ import annotations

import numpy as np
import pytest


def test_roc_goes_from_corner_to_corner(full):
    for _, points in full["roc"].groupby("model"):
        assert (points["sensitivity"].iloc[0], points["specificity"].iloc[0]) == (0, 1)
        assert (points["sensitivity"].iloc[-1], points["specificity"].iloc[-1]) == (1, 0)
        assert points["threshold"].is_monotonic_decreasing
        assert points["sensitivity"].is_monotonic_increasing


def test_the_area_under_the_points_is_the_auroc(full):
    metrics = full["metrics"]
    for model, points in full["roc"].groupby("model"):
        area = np.trapezoid(points["sensitivity"], 1 - points["specificity"])
        found = metrics[(metrics["model"] == model) & (metrics["method"] == "delong") & metrics["subgroup"].isna()]
        assert area == pytest.approx(found["estimate"].iloc[0])


def test_the_roc_passes_through_the_sensitivity_at_the_threshold(full):
    metrics = full["metrics"][full["metrics"]["subgroup"].isna()].set_index(["model", "metric", "method"])["estimate"]
    for model, points in full["roc"].groupby("model"):
        at = points[points["threshold"] >= 0.5].iloc[-1]
        assert at["sensitivity"] == pytest.approx(metrics[model, "sensitivity", "wilson"])
        assert at["specificity"] == pytest.approx(metrics[model, "specificity", "wilson"])


def test_long_curves_are_thinned_and_keep_their_ends(draw, analysed):
    from hybridcx.analysis.curves import MAX_ROC_POINTS

    made = analysed(draw(("vgg16",), n=3000).drop(columns="sex"), n_resamples=100)
    points = made["roc"]
    assert len(points) <= MAX_ROC_POINTS
    assert points["sensitivity"].iloc[-1] == 1
    area = np.trapezoid(points["sensitivity"], 1 - points["specificity"])
    found = made["metrics"].query("method == 'delong'")["estimate"].iloc[0]
    assert area == pytest.approx(found, abs=0.01)


def test_calibration_bins_hold_all_cases(full, draw):
    frame = draw()
    for model, bins in full["calibration"].groupby("model"):
        mine = frame[frame["model"] == model]
        assert bins["n"].sum() == len(mine)
        assert (bins["score.mean"] * bins["n"]).sum() == pytest.approx(mine["score"].sum())
        assert (bins["fraction"] * bins["n"]).sum() == pytest.approx((mine["y_true"] == "abnormal").sum())
        assert (bins["conf.low"] <= bins["fraction"] + 1e-12).all()
        assert (bins["fraction"] <= bins["conf.high"] + 1e-12).all()


def test_decision_curves_are_net_benefit_written_out(full, draw):
    frame, curve = draw(), full["decision_curve"]
    assert set(curve["model"]) == {"vgg16", "lda", "knn", "treat_all", "treat_none"}
    mine = frame[frame["model"] == "lda"]
    true, n = mine["y_true"] == "abnormal", len(mine)
    for t in (0.1, 0.5, 0.8):
        called = mine["score"] >= t
        expected = (called & true).sum() / n - (called & ~true).sum() / n * t / (1 - t)
        at = curve[np.isclose(curve["threshold"], t)].set_index("model")["net_benefit"]
        assert at["lda"] == pytest.approx(expected)
        assert at["treat_none"] == 0
        assert at["treat_all"] == pytest.approx(true.mean() - (1 - true.mean()) * t / (1 - t))
    metrics = full["metrics"].query("metric == 'net_benefit' and model == 'lda' and subgroup.isna()")
    at = curve[(curve["model"] == "lda") & np.isclose(curve["threshold"], 0.5)]
    assert metrics["estimate"].to_numpy() == pytest.approx(at["net_benefit"].iloc[0])


def test_omnibus(full, draw):
    table = full["omnibus"].set_index("metric")
    assert table["method"].to_dict() == {"accuracy": "cochran_q", "auroc": "delong_chisq"}
    assert (table["k"] == 3).all()
    assert (table["n"] == 80).all()
    # Cochran's Q written out
    frame = draw()
    right = (frame["y_pred"] == frame["y_true"]).to_numpy().reshape(3, -1).T.astype(int)
    k, columns, rows = 3, right.sum(axis=0), right.sum(axis=1)
    q = (k - 1) * (k * (columns**2).sum() - columns.sum() ** 2) / (k * rows.sum() - (rows**2).sum())
    assert table.loc["accuracy", "statistic"] == pytest.approx(q)
    assert table.loc["accuracy", "parameter"] == 2
