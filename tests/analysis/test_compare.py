"""From predictions to tables: columns, keys, statuses, what is recommended, and what must not depend on what."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hybridcx.analysis.compare import TABLES
from hybridcx.errors import InputError

RESAMPLED = ("bootstrap_", "tost", "non_inferiority", "maxT")
KEY = ["model", "metric", "method", "subgroup", "level", "seed", "label.rule", "threshold", "prevalence"]
PAIR_KEY = ["comparator", *KEY]
COUNTS = ["accuracy", "sensitivity", "specificity", "ppv", "npv"]


def of(table, **keys):
    """The rows with these values, on all cases unless a subgroup is named."""
    if "subgroup" not in keys and "subgroup" in table:
        table = table[table["subgroup"].isna()]
    for column, value in keys.items():
        table = table[table[column] == value]
    return table


def one(table, **keys):
    found = of(table, **keys)
    assert len(found) == 1, keys
    return found.iloc[0]


def same(a, b, **options):
    pd.testing.assert_frame_equal(a.reset_index(drop=True), b.reset_index(drop=True), check_dtype=False, **options)


def test_every_table_is_there(full):
    assert tuple(full) == TABLES


@pytest.mark.parametrize("tables", ["full", "clustered"])
def test_keys_are_unique(tables, request):
    made = request.getfixturevalue(tables)
    assert not made["metrics"].duplicated(KEY).any()
    assert not made["comparisons"].duplicated(PAIR_KEY).any()
    assert not made["verdicts"].duplicated(["metric", "model", "comparator"]).any()
    multiplicity = made["multiplicity"]
    assert not multiplicity.duplicated(["metric", "model", "comparator", "method", "p.adjust.method"]).any()


@pytest.mark.parametrize("tables", ["full", "clustered"])
def test_status_says_what_stands_beside_it(tables, request):
    made = request.getfixturevalue(tables)
    for name in ("metrics", "comparisons"):
        table = made[name]
        assert set(table["status"]) <= {"ok", "caution", "not_estimable"}
        assert table.loc[table["status"] == "ok", "estimate"].notna().all()
        assert table.loc[table["status"] == "caution", "warning"].str.len().gt(0).all()
        absent = table["status"] == "not_estimable"
        assert table.loc[absent, "estimate"].isna().all()
        assert table.loc[absent, "warning"].str.len().gt(0).all()


def test_the_overall_rows_stand_before_their_subgroups(full):
    for name in ("metrics", "comparisons"):
        overall = full[name]["subgroup"].isna().to_numpy()
        assert overall[: overall.sum()].all()
        assert set(full[name]["level"].dropna()) == {"f", "m"}


def test_counts_are_those_of_the_frame(full, draw):
    frame = draw()
    mine = frame[frame["model"] == "lda"]
    hit, true = mine["y_pred"] == mine["y_true"], mine["y_true"] == "abnormal"
    row = one(full["metrics"], model="lda", metric="sensitivity", method="wilson")
    assert (row["numerator"], row["denominator"]) == ((hit & true).sum(), true.sum())
    assert row["estimate"] == pytest.approx((hit & true).sum() / true.sum())
    women = mine["sex"] == "f"
    row = one(full["metrics"], model="lda", metric="accuracy", method="wilson", subgroup="sex", level="f")
    assert row["estimate"] == pytest.approx(hit[women].mean())
    assert row["n"] == women.sum()
    other = frame[frame["model"] == "vgg16"].reset_index(drop=True)
    right = (other["y_pred"] == other["y_true"]).to_numpy()
    row = one(full["comparisons"], model="vgg16", comparator="lda", metric="accuracy", method="tango")
    assert row["b"] == (right & ~hit.to_numpy()).sum()
    assert row["c"] == (~right & hit.to_numpy()).sum()
    assert row["estimate"] == pytest.approx(right.mean() - hit.mean())


def test_confusion_and_disagreements(full, draw):
    frame = draw()
    row = full["confusion"].set_index("model").loc["knn"]
    mine = frame[frame["model"] == "knn"]
    true, called = mine["y_true"] == "abnormal", mine["y_pred"] == "abnormal"
    assert (row["tp"], row["fn"], row["fp"], row["tn"]) == (
        (true & called).sum(), (true & ~called).sum(), (~true & called).sum(), (~true & ~called).sum(),
    )  # fmt: skip
    shown = full["disagreements"]
    calls = frame.pivot_table(index="case_id", columns="model", values="y_pred", aggfunc="first")
    truth = frame.drop_duplicates("case_id").set_index("case_id")["y_true"]
    wrong = calls.ne(truth, axis=0).sum(axis=1)
    assert shown["case_id"].tolist() == sorted(wrong.index[wrong > 0])
    assert shown["n.models.wrong"].tolist() == wrong[shown["case_id"]].tolist()
    assert shown["knn"].tolist() == calls.loc[shown["case_id"], "knn"].tolist()


# What is recommended


def test_one_recommended_interval_for_each_metric(full):
    metrics = of(full["metrics"])
    chosen = metrics[metrics["recommended"] & metrics["prevalence"].isna()]
    assert not chosen.duplicated(["model", "metric"]).any()
    mine = chosen[chosen["model"] == "vgg16"].set_index("metric")["method"].to_dict()
    for m in COUNTS:  # with one or two hits or misses Wilson's limits are too short
        row = one(metrics, model="vgg16", metric=m, method="wilson")
        rare = min(row["numerator"], row["denominator"] - row["numerator"])
        assert mine[m] == ("clopper_pearson" if 0 < rare < 3 else "wilson")
    assert mine["auroc"] == "delong_logit"
    assert mine["balanced_accuracy"] == mine["youden_j"] == "mover_wilson"
    assert mine["f1"] == "wilson"
    assert mine["lr_positive"] == mine["diagnostic_odds_ratio"] == mine["net_benefit"] == "mover_wilson"
    assert mine["brier"] == mine["log_loss"] == mine["auprc"] == mine["calibration_slope"] == "wald"
    # no method holds for the calibration error, so that every model lacks it
    absent = set(metrics["metric"]) - set(mine)
    assert "ece" in absent
    for metric in absent:
        rows = metrics[(metrics["metric"] == metric) & (metrics["model"] == "vgg16") & (metrics["status"] == "caution")]
        assert rows["warning"].str.contains("simulat|no interval").any()


def test_recommended_comparisons(full):
    pair = of(full["comparisons"], model="vgg16", comparator="lda")
    chosen = pair[pair["recommended"]].groupby("metric")["method"].apply(set).to_dict()
    for metric in ("accuracy", "sensitivity", "specificity"):
        assert chosen[metric] == {"tango", "mcnemar_midp"}
    assert chosen["auroc"] == {"delong_paired"}
    assert chosen["mcc"] == chosen["ppv"] == chosen["brier"] == {"permutation_paired"}


def test_clusters_recommend_the_cluster_methods_and_doubt_the_rest(clustered):
    metrics, pairs = clustered["metrics"], clustered["comparisons"]
    assert set(metrics.loc[metrics["recommended"], "method"]) <= {
        "wilson",
        "mover_wilson",
        "bootstrap_percentile",
        "delong_logit",
    }
    of_proportions = (metrics["method"] == "wilson") & metrics["metric"].isin([*COUNTS, "ppv", "npv"])
    of_clusters = (
        of_proportions
        | (metrics["method"] == "delong_logit")
        | ((metrics["method"] == "mover_wilson") & metrics["metric"].isin(["balanced_accuracy", "youden_j"]))
    )
    assert metrics.loc[of_clusters, "recommended"].all()
    assert not metrics.loc[of_clusters, "warning"].str.contains("independent cases", na=False).any()
    analytic = ~metrics["method"].str.startswith("bootstrap_") & ~of_clusters
    assert (metrics.loc[analytic, "status"] != "ok").all()
    assert metrics.loc[analytic, "warning"].str.contains("independent cases").all()
    assert (metrics["n.clusters"] == 40).all()
    assert (metrics["n"] <= 80).all()
    assert of(pairs, metric="accuracy", recommended=True)["method"].tolist() == ["mcnemar_cluster"]
    # forty patients are too few for the difference of AUROCs
    assert of(pairs, metric="auroc", recommended=True).empty
    assert set(of(pairs, metric="auroc", method="delong_cluster")["status"]) == {"caution"}
    naive = pairs["method"].str.startswith(("mcnemar_", "tango", "delong_paired", "newcombe", "agresti", "permutation"))
    naive &= pairs["method"] != "mcnemar_cluster"
    assert set(pairs.loc[naive, "status"]) == {"caution"}
    assert set(clustered["omnibus"]["status"]) == {"caution"}


def test_one_case_a_patient_is_no_cluster(draw, analysed):
    frame = draw(("vgg16",))
    frame["patient_id"] = "p" + frame["case_id"]
    row = one(analysed(frame)["metrics"], metric="accuracy", method="wilson")
    assert row["status"] == "ok"
    assert row["recommended"]


def test_newcombe_is_recommended_at_an_auroc_of_one(draw, analysed):
    frame = draw(("vgg16",)).drop(columns="y_pred")
    frame["score"] = np.where(frame["y_true"] == "abnormal", 0.9, 0.1)
    metrics = analysed(frame)["metrics"]
    auroc = of(metrics, metric="auroc")
    assert (auroc["estimate"] == 1).all()
    assert auroc.loc[auroc["recommended"], "method"].tolist() == ["newcombe_auc"]
    assert one(metrics, metric="auroc", method="newcombe_auc")["conf.low"] < 1
    assert np.isnan(one(metrics, metric="auroc", method="delong_logit")["conf.low"])
    assert one(metrics, metric="auroc", method="delong")["status"] == "caution"
    assert one(metrics, metric="auroc", method="bootstrap_bca")["status"] == "caution"
    # complete separation has no calibration slope
    assert one(metrics, metric="calibration_slope", method="wald")["status"] == "not_estimable"


# What nothing depends on


def test_the_order_of_rows_within_the_models_changes_nothing(full, draw, analysed):
    frame = draw()
    parts = [p.sample(frac=1, random_state=i) for i, (_, p) in enumerate(frame.groupby("model", sort=False))]
    again = analysed(pd.concat(parts), margin=0.1, by=("sex",), prevalences=(0.2,))
    for name in TABLES:
        same(again[name], full[name])


def test_the_order_of_models_changes_no_number(full, draw, analysed):
    frame = draw(("knn", "vgg16", "lda")).sample(frac=1, random_state=1)
    again = analysed(frame, margin=0.1, by=("sex",), prevalences=(0.2,))
    order = ["subgroup", "level", "model", "metric", "method", "prevalence"]
    same(again["metrics"].sort_values(order), full["metrics"].sort_values(order))
    key = ["model", "comparator", "metric", "method", "subgroup", "level"]
    mine = {
        tuple(r[k] for k in key): r
        for r in full["comparisons"].fillna({"subgroup": "", "level": ""}).to_dict("records")
    }
    turned = 0
    for row in again["comparisons"].fillna({"subgroup": "", "level": ""}).to_dict("records"):
        if row["method"] == "non_inferiority":
            continue  # that of the other model is another question, and so is the family that it stands in
        expected = mine.get(tuple(row[k] for k in key))
        if expected is None:
            turned += 1
            expected = mine[(row["comparator"], row["model"], *(row[k] for k in key[2:]))]
            if row["metric"] not in ("lr_positive", "lr_negative", "diagnostic_odds_ratio"):
                assert row["estimate"] == pytest.approx(-expected["estimate"], nan_ok=True)
                assert row["conf.low"] == pytest.approx(-expected["conf.high"], nan_ok=True, rel=1e-6, abs=1e-9)
                assert (row["b"], row["c"]) == pytest.approx((expected["c"], expected["b"]), nan_ok=True)
        for column in ("p.value", "adj.p.value"):
            assert row[column] == pytest.approx(expected[column], nan_ok=True, rel=1e-9)
    assert turned > 100


def test_another_model_changes_no_analytic_row_of_the_others(full, draw, analysed):
    more = analysed(draw(("vgg16", "lda", "knn", "svm")), margin=0.1, by=("sex",), prevalences=(0.2,))
    for name in ("metrics", "comparisons"):
        a, b = full[name], more[name]
        b = b[b["model"] != "svm"]
        if "comparator" in b:
            b = b[b["comparator"] != "svm"]
        a, b = (t[~t["method"].str.startswith(RESAMPLED)] for t in (a, b))
        same(a.drop(columns="adj.p.value", errors="ignore"), b.drop(columns="adj.p.value", errors="ignore"))


def test_validation_rows_are_not_evaluated(full, draw, analysed):
    frame = draw().assign(split="test")
    others = draw().assign(split="validation", case_id=lambda f: "v" + f["case_id"])
    again = analysed(pd.concat([frame, others]), margin=0.1, by=("sex",), prevalences=(0.2,))
    for name in TABLES:
        same(again[name], full[name])


def test_the_seed_moves_resampled_rows_alone(draw, analysed):
    a, b = (analysed(draw(("vgg16", "lda")), seed=s)["metrics"] for s in (0, 1))
    drawn = a["n.resamples"].notna()
    same(a[~drawn], b[~drawn])
    assert (a.loc[drawn, "conf.low"] != b.loc[drawn, "conf.low"]).any()


# What is absent, single or the same


def test_a_test_set_of_one_class(draw, analysed):
    frame = draw(("vgg16", "lda"))
    frame["split"] = np.where(frame["y_true"] == "abnormal", "test", "validation")
    made = analysed(frame, margin=0.1)
    for metric in ("specificity", "auroc", "auprc", "balanced_accuracy", "mcc", "calibration_slope", "lr_positive"):
        for name in ("metrics", "comparisons"):
            rows = of(made[name], metric=metric)
            assert len(rows)
            assert set(rows["status"]) == {"not_estimable"}, metric
            assert rows["estimate"].isna().all()
            assert rows["warning"].str.len().gt(0).all()
    assert set(of(made["metrics"], metric="sensitivity")["status"]) == {"ok"}
    verdicts = made["verdicts"].set_index("metric")
    assert verdicts.loc["auroc", "verdict"] == "inconclusive"
    assert made["omnibus"].set_index("metric").loc["auroc", "status"] == "not_estimable"
    assert (made["decision_curve"]["net_benefit"] <= 1).all()


def test_identical_models_have_p_one(draw, analysed):
    made = analysed(draw(("vgg16", "twin")), margin=0.1)
    pairs = made["comparisons"]
    tests = pairs[pairs["p.value"].notna() & ~pairs["method"].isin(["tost", "non_inferiority"])]
    assert len(tests) > 40
    assert (tests["p.value"] == 1).all()
    assert (tests["status"] == "caution").all()
    mcnemar = pairs[pairs["method"].str.startswith("mcnemar_")]
    assert mcnemar["statistic"].isna().all()
    assert (made["omnibus"]["p.value"] == 1).all()
    verdicts = made["verdicts"].set_index("metric")
    # an interval of zero width is no evidence of equivalence; Tango's has a width
    assert verdicts.loc["auroc", "verdict"] == "inconclusive"
    assert verdicts.loc["accuracy", "verdict"] == "equivalent"
    assert verdicts.loc[["auroc", "brier"], "detectable.difference"].isna().all()
    assert verdicts.loc["mcc", "conf.low"] < 0 < verdicts.loc["mcc", "conf.high"]


def test_scores_alone_and_calls_alone(draw, analysed):
    frame = draw(("vgg16", "lda"))
    calls = analysed(frame.drop(columns="score"), margin=0.1)
    assert "auroc" not in set(calls["metrics"]["metric"])
    for name in ("roc", "calibration", "decision_curve"):
        assert calls[name].empty
    scores = analysed(frame.drop(columns="y_pred"), margin=0.1)  # the calls are made at 0.5, as the frame's are
    both = analysed(frame, margin=0.1)
    for name in TABLES:
        same(scores[name], both[name])


def test_rank_scores_give_the_rank_statistics_alone(draw, analysed):
    frame = draw(("vgg16", "lda")).drop(columns="y_pred")
    made = analysed(frame.assign(score=frame["score"] * 30 - 4), score_kind="rank", margin=0.1)
    assert set(made["metrics"]["metric"]) == {"auroc", "auprc"}
    assert made["confusion"].empty
    assert made["calibration"].empty
    assert not made["roc"].empty
    as_probability = analysed(frame, margin=0.1)
    a, b = (of(t["metrics"], metric="auroc").drop(columns="threshold") for t in (made, as_probability))
    assert a["warning"].isna().tolist() == b["warning"].isna().tolist()
    same(a.drop(columns="warning"), b.drop(columns="warning"))


def test_one_model_has_no_comparisons(draw, analysed):
    made = analysed(draw(("vgg16",)))
    for name in ("comparisons", "verdicts", "multiplicity", "omnibus"):
        assert made[name].empty
    assert set(made["metrics"]["model"]) == {"vgg16"}


def test_subgroups_of_one_case_and_of_one_class(draw, analysed):
    frame = draw(("vgg16", "lda"))
    frame["sex"] = np.where(frame["case_id"] == "c000", "alone", np.where(frame["y_true"] == "abnormal", "ill", "well"))
    made = analysed(frame, by=("sex",), margin=0.1)
    for level in ("alone", "ill", "well"):
        rows = of(made["metrics"], subgroup="sex", level=level)
        assert set(of(rows, subgroup="sex", metric="auroc")["status"]) == {"not_estimable"}
    well = of(made["metrics"], subgroup="sex", level="well", metric="sensitivity")
    assert set(well["status"]) == {"not_estimable"}
    assert not made["metrics"].duplicated(KEY).any()


def test_prevalence_and_threshold_stand_where_they_apply(full):
    metrics = full["metrics"]
    at = metrics["prevalence"].notna()
    assert set(metrics.loc[at, "metric"]) == {"ppv", "npv"}
    assert set(metrics.loc[at, "method"]) == {"mercaldo_logit"}
    for table in (metrics, full["comparisons"]):
        assert set(table.loc[table["threshold"].notna(), "metric"]) == {"net_benefit"}
        assert (table.loc[table["metric"] == "net_benefit", "threshold"] == 0.5).all()


# What is refused


def test_unknown_and_varying_subgroup_columns(draw, analysed):
    frame = draw(("vgg16", "lda"))
    frame["reading"] = frame["model"]
    with pytest.raises(InputError) as e:
        analysed(frame, by=("reading", "age"))
    assert [p.value for p in e.value.problems] == ["reading", "age"]
    assert "sex" in str(e.value)


@pytest.mark.parametrize("name", ["case_id", "y_true", "n.models.wrong", "seed", "treat_all", "treat_none"])
def test_a_model_cannot_have_the_name_of_a_column(name, draw, analysed):
    frame = draw(("vgg16", "lda"))
    frame["model"] = frame["model"].replace("lda", name)
    with pytest.raises(InputError, match="Rename") as e:
        analysed(frame)
    assert name in str(e.value)


def test_a_perfect_model_of_patients_with_several_cases_keeps_its_cluster_row(analysed):
    rng = np.random.default_rng(4)
    patients = np.repeat(np.arange(20), 2)
    truth = (rng.random(20) < 0.5)[patients].astype(int)
    frame = pd.DataFrame(
        {
            "case_id": [f"c{i}" for i in range(40)],
            "patient_id": [f"p{i}" for i in patients],
            "y_true": truth,
            "model": "perfect",
            "score": np.where(truth == 1, 0.8, 0.2),
        }
    )
    metrics = analysed(frame)["metrics"]
    row = metrics[metrics["method"] == "delong_logit"].iloc[0]
    assert (row["metric"], row["estimate"], row["status"], row["n.clusters"]) == ("auroc", 1.0, "caution", 20)
    assert np.isnan(row["conf.low"])
    assert "infinite" in row["warning"]
    newcombe = metrics[metrics["method"] == "newcombe_auc"].iloc[0]
    assert np.isnan(newcombe["std.error"])
