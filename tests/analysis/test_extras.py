"""The further tables of a comparison, and that the order of rows decides nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import hybridcx
from hybridcx.errors import InputError
from hybridcx.records.predictions import predictions_from_frame
from hybridcx.stats import calibration, utility


def test_ranking_shares_sum_to_one(full):
    ranking = full["ranking"]
    sums = ranking.groupby("metric")["share.best"].sum()
    assert np.allclose(sums, 1)
    assert "lr_positive" not in set(ranking["metric"])
    accuracy = ranking[ranking["metric"] == "accuracy"].set_index("model")
    assert accuracy["share.best"].idxmax() == accuracy["estimate"].idxmax()


def test_identical_models_share_the_first_place(draw, analysed):
    ranking = analysed(draw(("vgg16", "twin")))["ranking"]
    assert (ranking["share.best"] == 0.5).all()


def test_one_model_has_no_rank_and_no_pair(draw, analysed):
    tables = analysed(draw(("vgg16",)), by=("sex",))
    for name in ("ranking", "error_overlap", "decision_curve_differences"):
        assert tables[name].empty
    assert set(tables["interactions"]["comparator"]) == {None}


def test_overlap_of_errors_adds_up(full, draw):
    frame = draw()
    wrong = {m: (g["y_pred"] != g["y_true"]).to_numpy() for m, g in frame.groupby("model")}
    for r in full["error_overlap"].to_dict("records"):
        a, b = wrong[r["model"]], wrong[r["comparator"]]
        assert r["both.wrong"] == (a & b).sum()
        assert r["only.model.wrong"] == (a & ~b).sum()
        assert r["only.comparator.wrong"] == (b & ~a).sum()
        assert r["double.fault"] == pytest.approx((a & b).mean())
        assert r["both.right"] + r["only.model.wrong"] + r["only.comparator.wrong"] + r["both.wrong"] == r["n"] == 80


def test_brier_parts(full, draw):
    frame = draw()
    for r in full["brier_decomposition"].to_dict("records"):
        own = frame[frame["model"] == r["model"]]
        want = calibration.brier((own["y_true"] == "abnormal").to_numpy(), own["score"])
        assert r["brier"] == pytest.approx(want)
        assert r["reliability"] - r["resolution"] + r["uncertainty"] + r["within.bin"] == pytest.approx(want)
        assert (r["status"] == "caution") == (r["grouping"] == "distinct scores")


def test_calibration_lines_have_the_slope_of_the_metrics_table_and_an_intercept_of_their_own(full):
    lines = full["calibration_line"].set_index(["model", "term"])
    metrics = full["metrics"][full["metrics"]["subgroup"].isna() & (full["metrics"]["method"] == "wald")]
    metrics = metrics.set_index(["model", "metric"])
    columns = ["estimate", "conf.low", "conf.high", "std.error", "n"]
    for model in full["metrics"]["model"].unique():
        assert list(lines.loc[(model, "slope"), columns]) == list(metrics.loc[(model, "calibration_slope"), columns])
        own, at_slope_1 = (
            lines.loc[(model, "intercept"), "estimate"],
            metrics.loc[(model, "calibration_intercept"), "estimate"],
        )
        assert own != at_slope_1


def test_differences_of_decision_curves(full, draw):
    table = full["decision_curve_differences"]
    assert len(table) == 3 * 99
    frame = draw()
    a, b = (frame[frame["model"] == m]["score"].to_numpy() for m in ("vgg16", "lda"))
    y = (frame[frame["model"] == "lda"]["y_true"] == "abnormal").to_numpy()
    row = table[
        (table["model"] == "vgg16") & (table["comparator"] == "lda") & np.isclose(table["threshold"], 0.4)
    ].iloc[0]
    want = utility.net_benefit_difference(y, a, b, 0.4)
    assert (row["estimate"], row["conf.low"]) == (pytest.approx(want.estimate), pytest.approx(want.conf_low))
    assert row["status"] == "ok"


def test_interactions_of_models_and_pairs(full, draw):
    table = full["interactions"]
    assert len(table) == (3 + 3) * 4  # models and pairs by accuracy, sensitivity, specificity and auroc
    frame = draw()
    own = frame[frame["model"] == "vgg16"]
    right = own["y_true"] == own["y_pred"]
    counts = right.groupby(own["sex"]).agg(["sum", "size"])
    p = (counts["sum"] + 2) / (counts["size"] + 4)
    z = np.diff(counts["sum"] / counts["size"])[0] / np.sqrt((p * (1 - p) / (counts["size"] + 4)).sum())
    row = table[(table["model"] == "vgg16") & table["comparator"].isna() & (table["metric"] == "accuracy")].iloc[0]
    assert row["statistic"] == pytest.approx(z**2)
    assert (row["k"], row["n"]) == (2, 80)


def test_interactions_with_patients_in_both_subgroups_are_a_caution(draw, analysed):
    table = analysed(draw(("vgg16", "lda"), patients=True), by=("sex",))["interactions"]
    assert (table["status"] == "caution").all()
    assert table["warning"].str.contains("patients stand in several subgroups").all()


def shuffled(frame, seed=1):
    return frame.sample(frac=1, random_state=seed, ignore_index=True)


def test_the_order_of_rows_decides_nothing(draw, tmp_path):
    """Models stand in the order of their names, so a shuffled file gives the same pairs with the same signs, to the byte."""
    frame = draw(("vgg16", "lda", "knn"), patients=True)
    first = hybridcx.compare(frame, out=tmp_path / "a", n_bootstrap=100, margin=0.1, by=["sex"])
    again = hybridcx.compare(shuffled(frame), out=tmp_path / "b", n_bootstrap=100, margin=0.1, by=["sex"])
    names = sorted(p.name for p in first.folder.glob("*.csv"))
    assert names == sorted(p.name for p in again.folder.glob("*.csv"))
    for name in names:
        if name != "predictions.csv":  # the ledger keeps the rows as they came
            assert (first.folder / name).read_bytes() == (again.folder / name).read_bytes(), name
    assert first.page.read_bytes() == again.page.read_bytes()


def test_a_reference_comes_second_whatever_its_name(draw, tmp_path):
    made = hybridcx.compare(draw(), out=tmp_path / "a", n_bootstrap=100, reference="knn")
    compared = made.tables["comparisons"]
    assert list(dict.fromkeys(zip(compared["model"], compared["comparator"], strict=True))) == [
        ("lda", "knn"),
        ("vgg16", "knn"),
    ]


# clusters of another name


def test_cluster_takes_the_place_of_patient_id(draw, tmp_path):
    frame = draw(("vgg16", "lda"), patients=True)
    want = hybridcx.compare(frame, out=tmp_path / "a", n_bootstrap=100)
    named = frame.rename(columns={"patient_id": "woman"})
    found = hybridcx.compare(named, out=tmp_path / "b", n_bootstrap=100, cluster="woman")
    for name in ("metrics", "comparisons", "verdicts"):
        pd.testing.assert_frame_equal(found.tables[name], want.tables[name])
    ledger = pd.read_csv(tmp_path / "b" / "predictions.csv")
    assert "woman" not in ledger  # neither a patient's id nor what stands for it reaches a report
    assert ledger["patient_id"].str.startswith("g").all()
    assert "column &#39;woman&#39;" in found.page.read_text(encoding="utf-8")


def test_cluster_wins_over_patient_id(draw):
    frame = draw(("vgg16",), patients=True)
    frame["hospital"] = "h" + (frame["case_id"].str[1:].astype(int) // 20).astype(str)
    read = predictions_from_frame(frame, cluster="hospital")
    assert read.frame["patient_id"].nunique() == 4
    assert read.cluster == "hospital"


@pytest.mark.parametrize(("cluster", "said"), [("womann", "id you mean 'woman'"), ("score", "names no further column")])
def test_a_cluster_that_is_not_there(draw, cluster, said):
    frame = draw(("vgg16",), patients=True).rename(columns={"patient_id": "woman"})
    with pytest.raises(InputError, match=said):
        predictions_from_frame(frame, cluster=cluster)


def test_a_case_in_two_clusters_is_named_by_the_column(draw):
    frame = draw(("vgg16", "lda"), patients=True).rename(columns={"patient_id": "woman"})
    frame.loc[3, "woman"] = "another"
    with pytest.raises(InputError) as caught:
        predictions_from_frame(frame, cluster="woman")
    (problem,) = caught.value.problems
    assert problem.column == "woman"
    assert "a case in two clusters" in problem.rule


# Folds and many models


def test_scores_of_folds_are_not_ranked_together_in_subgroups(draw, analysed):
    frame = draw(("vgg16", "lda"))
    frame["fold"] = (frame["case_id"].str[1:].astype(int) % 2).astype(str)
    table = analysed(frame, by=("sex",))["interactions"]
    assert set(table["metric"]) == {"accuracy", "sensitivity", "specificity"}


def test_the_page_of_many_models_stays_readable_and_the_files_hold_all(draw, tmp_path):
    names = [f"model{i:02d}" for i in range(14)]
    frame = draw(names, n=40)
    with pytest.raises(InputError, match="reference MODEL"):
        hybridcx.compare(frame, out=tmp_path / "none", n_bootstrap=100)
    made = hybridcx.compare(frame, out=tmp_path / "all", n_bootstrap=100, all_pairs=True)
    assert len(made.tables["error_overlap"]) == 91
    assert len(made.tables["decision_curve_differences"]) == 91 * 99
    page = made.page.read_text(encoding="utf-8")
    assert "error_overlap.csv, 91 rows" in page
    assert "further comparisons are in comparisons.csv. Listed are those of" in page
    assert made.page.stat().st_size < 1_000_000
    one = hybridcx.compare(frame, out=tmp_path / "one", n_bootstrap=100, reference="model03")
    assert set(one.tables["comparisons"]["comparator"]) == {"model03"}
    assert one.tables["comparisons"]["model"].nunique() == 13
