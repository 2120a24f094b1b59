"""Several seeds: means over them, rows of each, shares of variance; repeated hold-out; folds. Nothing is ever stacked as cases."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from hybridcx.analysis.compare import TABLES, analyse
from hybridcx.analysis.plan import Plan
from hybridcx.analysis.repeats.crossed import Crossed
from hybridcx.analysis.repeats.slices import SeedSlices
from hybridcx.analysis.rows import Keys
from hybridcx.errors import InputError
from hybridcx.records.predictions import predictions_from_frame
from hybridcx.stats import mcnemar, paired, readers, roc, variance
from hybridcx.stats.resampling import hierarchical
from hybridcx.stats.resampling.bootstrap import bootstrap_replicates
from hybridcx.streams import rng_for
from hybridcx.workers.dask import Workers

SKILL = {"vgg16": 1.4, "lda": 0.9, "knn": 0.6}
ANALYTIC = {"wilson", "tango", "mcnemar_midp", "delong_paired", "delong_logit", "newcombe_paired", "permutation_paired"}
KEY = ["model", "metric", "method", "subgroup", "level", "seed", "label.rule", "threshold", "prevalence"]


def seeded(models=("vgg16", "lda"), seeds=(1, 2, 3, 4, 5, 6), n=70, patients=False, spread=0.4):
    """Predictions of every model and seed on the same cases; each network has a case effect and each seed a skill of its own."""
    truth = rng_for(3, "truth").random(n) < 0.45
    sign = 2 * truth - 1
    frames = []
    for model in models:
        own = rng_for(3, model).normal(size=n) * 0.6
        for seed in seeds:
            rng = rng_for(3, model, seed)
            z = (SKILL[model] + spread * rng.normal()) * sign + own + spread * rng.normal(size=n)
            frames.append(
                pd.DataFrame(
                    {
                        "case_id": [f"c{i:03d}" for i in range(n)],
                        "y_true": np.where(truth, "abnormal", "normal"),
                        "model": model,
                        "score": 1 / (1 + np.exp(-z)),
                        "seed": seed,
                        "sex": np.where(np.arange(n) % 3 == 0, "f", "m"),
                    }
                )
            )
    frame = pd.concat(frames, ignore_index=True)
    if patients:
        frame["patient_id"] = "p" + (frame["case_id"].str[1:].astype(int) // 2).astype(str)
    return frame


def tables_of(frame, **options):
    return analyse(predictions_from_frame(frame), Plan(**{"n_resamples": 200, "n_refits": 20, **options}))


def over(table, **keys):
    """The rows over all seeds and cases, at the sample's own prevalence."""
    table = table[table["seed"].isna() & table["subgroup"].isna() & table["prevalence"].isna()]
    for column, value in keys.items():
        table = table[table[column] == value]
    return table


def one(table, **keys):
    found = over(table, **keys)
    assert len(found) == 1, keys
    return found.iloc[0]


@pytest.fixture(scope="module")
def frame():
    return seeded()


@pytest.fixture(scope="module")
def tables(frame):
    return tables_of(frame, margin=0.1, by=("sex",), prevalences=(0.2,))


# What is there, and where


def test_every_table_and_the_components_of_variance(tables):
    assert set(tables) == {*TABLES, "variance", "seed_verdicts"}
    for name in ("metrics", "comparisons"):
        key = KEY if name == "metrics" else ["comparator", *KEY]
        assert not tables[name].duplicated(key).any()
    assert not tables["omnibus"].duplicated(["metric", "method", "seed"]).any()
    assert not tables["variance"].duplicated(["metric", "model", "comparator"]).any()


def test_rows_over_the_seeds_come_first_then_subgroups_then_each_seed(tables):
    for name in ("metrics", "comparisons"):
        t = tables[name]
        kind = np.where(t["seed"].notna(), 2, np.where(t["subgroup"].notna(), 1, 0))
        assert (np.diff(kind) >= 0).all()
        assert set(kind) == {0, 1, 2}


def test_tests_of_cases_are_given_per_seed_and_never_over_seeds(tables):
    for name in ("metrics", "comparisons"):
        t = tables[name]
        assert not set(t.loc[t["seed"].isna(), "method"]) & ANALYTIC
        assert set(t.loc[t["method"].isin(ANALYTIC), "seed"]) == {1, 2, 3, 4, 5, 6}
    assert (tables["metrics"]["n"] <= 70).all()  # rows are never cases
    assert (tables["comparisons"]["n"] <= 70).all()
    assert set(over(tables["comparisons"])["method"]) == {
        "bootstrap_hierarchical", "obuchowski_rockette", "tost", "non_inferiority",
    }  # fmt: skip
    assert set(tables["omnibus"]["seed"]) == {1, 2, 3, 4, 5, 6}


def test_estimates_are_means_over_seeds_of_the_seeds_own(frame, tables):
    y = frame["y_true"] == "abnormal"
    right = frame.assign(right=(frame["score"] >= 0.5) == y).groupby(["model", "seed"])["right"].mean()
    row = one(tables["metrics"], model="lda", metric="accuracy")
    assert row["estimate"] == pytest.approx(right["lda"].mean())
    assert row["sd.seeds"] == pytest.approx(right["lda"].std(ddof=1))
    assert row["n.seeds"] == 6
    aucs = {
        (m, s): roc.auroc((p["y_true"] == "abnormal").to_numpy(), p["score"].to_numpy())
        for (m, s), p in frame.groupby(["model", "seed"])
    }
    mean = {m: np.mean([a for (k, _), a in aucs.items() if k == m]) for m in ("vgg16", "lda")}
    assert one(tables["metrics"], model="vgg16", metric="auroc")["estimate"] == pytest.approx(mean["vgg16"])
    for method in ("bootstrap_hierarchical", "obuchowski_rockette"):
        found = one(tables["comparisons"], metric="auroc", method=method)
        assert found["estimate"] == pytest.approx(mean["vgg16"] - mean["lda"])


def test_what_is_recommended_and_what_the_verdict_rests_on(tables):
    chosen = over(tables["comparisons"])
    by_metric = chosen[chosen["recommended"]].groupby("metric")["method"].agg(set)
    for metric, methods in by_metric.items():
        reader_metric = metric in ("accuracy", "sensitivity", "specificity", "auroc")
        assert methods == {"obuchowski_rockette" if reader_metric else "bootstrap_hierarchical"}, metric
    means = over(tables["metrics"])
    assert (means["recommended"] == (means["conf.low"] < means["conf.high"])).all()
    assert means.loc[means["metric"] == "ece", "conf.low"].isna().all()
    assert means.loc[means["metric"].isin(["accuracy", "ppv", "auroc", "brier"]), "recommended"].all()
    for metric, method in (("accuracy", "obuchowski_rockette"), ("brier", "bootstrap_hierarchical")):
        own = one(tables["comparisons"], metric=metric, method=method)
        result = tables["verdicts"].set_index("metric").loc[metric]
        assert (result["conf.low"], result["conf.high"]) == (own["conf.low"], own["conf.high"])
    row = one(tables["comparisons"], metric="accuracy", method="obuchowski_rockette")
    verdict = tables["verdicts"].set_index("metric").loc["accuracy"]
    assert (verdict["conf.low"], verdict["conf.high"]) == (row["conf.low"], row["conf.high"])
    assert 2 * min(verdict["p.superior"], 1 - verdict["p.superior"]) == pytest.approx(row["p.value"], abs=0.011)
    adjusted = tables["multiplicity"]
    assert set(adjusted.loc[adjusted["p.adjust.method"] == "maxT", "method"]) == {"bootstrap_hierarchical"}


def test_limits_on_the_margin_are_not_equivalent_over_seeds():
    """120 cases, 3 seeds, three discordant cases each way: a margin that is the limit itself, as a double a little more."""
    n = 120
    truth = np.arange(n) % 2
    calls = {"first": truth.copy(), "second": truth.copy()}
    calls["first"][:3] ^= 1
    calls["second"][3:6] ^= 1
    parts = [
        pd.DataFrame({"case_id": [f"c{i}" for i in range(n)], "y_true": truth, "model": m, "seed": s, "y_pred": c})
        for s in (1, 2, 3)
        for m, c in calls.items()
    ]
    frame = pd.concat(parts, ignore_index=True)

    def accuracy(margin):
        return tables_of(frame, n_resamples=1000, seed=1, margin=margin)["verdicts"].set_index("metric").loc["accuracy"]

    high = accuracy(0.2)["conf.high"]
    row = accuracy(float(np.nextafter(high, 1)))
    assert row["estimate"] == 0.0
    assert (row["conf.low"], row["conf.high"]) == pytest.approx((-high, high), abs=1e-12)
    assert row["margin"] > row["conf.high"]  # as doubles
    assert (row["verdict"], row["within.margin"]) == ("inconclusive", False)
    assert row["p.equivalent"] == pytest.approx(0.025, abs=1e-9)
    wider = accuracy(high + 1e-6)
    assert (wider["verdict"], wider["within.margin"]) == ("equivalent", True)


def test_a_planned_comparison_is_confirmatory_over_the_seeds_alone(frame):
    made = tables_of(frame, locked=True, pairs=(("vgg16", "lda"),))["comparisons"]
    assert made.loc[made["role"] == "confirmatory", "seed"].isna().all()
    assert set(made.loc[made["role"] == "confirmatory", "metric"]) == {"accuracy"}


def test_obuchowski_rockette_takes_seeds_as_nested_unless_told(frame, tables):
    wide = frame.pivot_table(index=["model", "seed"], columns="case_id", values="score")
    y = (frame.drop_duplicates("case_id").sort_values("case_id")["y_true"] == "abnormal").to_numpy()
    a, b = wide.loc["vgg16"].to_numpy(), wide.loc["lda"].to_numpy()
    for design in ("nested", "crossed", "fixed"):
        made = tables if design == "nested" else tables_of(frame, seed_design=design)
        expected = readers.obuchowski_rockette(y, a, b, design)
        found = one(made["comparisons"], metric="auroc", method="obuchowski_rockette")
        assert (found["p.value"], found["conf.low"]) == pytest.approx((expected.pvalue, expected.conf_low))
        right = readers.obuchowski_rockette_accuracy((a >= 0.5)[:, y], (b >= 0.5)[:, y], design)
        found = one(made["comparisons"], metric="sensitivity", method="obuchowski_rockette")
        assert found["p.value"] == pytest.approx(right.pvalue)


def test_curves_matrices_and_cases_are_those_of_each_seed(frame, tables):
    for name in ("confusion", "calibration", "roc", "decision_curve", "disagreements"):
        assert set(tables[name]["seed"]) == {1, 2, 3, 4, 5, 6}, name
    third = frame[(frame["seed"] == 3) & (frame["model"] == "lda")]
    hit = (third["score"] >= 0.5) & (third["y_true"] == "abnormal")
    row = tables["confusion"].query("seed == 3 and model == 'lda'")
    assert row["tp"].tolist() == [hit.sum()]
    alone = tables_of(frame[frame["seed"] == 3])
    for name in ("roc", "calibration", "decision_curve", "confusion", "disagreements"):
        mine = tables[name][tables[name]["seed"] == 3].drop(columns="seed").reset_index(drop=True)
        pd.testing.assert_frame_equal(mine, alone[name].drop(columns="seed", errors="ignore"), check_dtype=False)


def test_rows_of_a_seed_are_those_of_the_seed_alone(frame, tables):
    alone = tables_of(frame[frame["seed"] == 4], margin=0.1)
    for name in ("metrics", "comparisons"):
        mine = tables[name][(tables[name]["seed"] == 4) & tables[name]["method"].isin(ANALYTIC)]
        theirs = alone[name][alone[name]["method"].isin(ANALYTIC) & alone[name]["prevalence"].isna()]
        # permutations draw from a stream of the seed's own; columns that are empty here are of another kind of empty
        drop = ["seed", "n.seeds", "sd.seeds", "p.value", "subgroup", "level", "threshold", "prevalence"]
        a, b = (t.drop(columns=drop, errors="ignore").reset_index(drop=True) for t in (mine, theirs))
        a, b = (t.drop(columns="adj.p.value", errors="ignore") for t in (a, b))
        pd.testing.assert_frame_equal(a, b, check_dtype=False)


def test_predictive_values_at_a_prevalence_are_means_of_the_seeds(tables):
    rows = tables["metrics"][(tables["metrics"]["prevalence"] == 0.2) & tables["metrics"]["subgroup"].isna()]
    for model in ("vgg16", "lda"):
        for metric in ("ppv", "npv"):
            mine = rows[(rows["model"] == model) & (rows["metric"] == metric)]
            row = mine[mine["seed"].isna()].iloc[0]
            assert row["method"] == "bootstrap_hierarchical"
            assert row["estimate"] == pytest.approx(mine.loc[mine["seed"].notna(), "estimate"].mean())
            assert row["conf.low"] < row["estimate"] < row["conf.high"]


# Laws


def test_one_seed_is_as_if_it_had_no_number(frame):
    alone = frame[frame["seed"] == 2]
    a, b = tables_of(alone, margin=0.1), tables_of(alone.drop(columns="seed"), margin=0.1)
    assert set(a) == set(TABLES)
    for name in TABLES:
        pd.testing.assert_frame_equal(a[name], b[name])


def test_a_seed_given_twice_has_the_same_means_and_no_variance_of_its_own(frame):
    alone = frame[frame["seed"] == 2]
    twice = tables_of(pd.concat([alone, alone.assign(seed=9)]))
    once = tables_of(alone)
    for row in over(twice["metrics"]).to_dict("records"):
        same = over(once["metrics"], model=row["model"], metric=row["metric"], method="bootstrap_percentile").iloc[0]
        assert row["estimate"] == pytest.approx(same["estimate"], nan_ok=True)
        if np.isfinite(row["estimate"]):
            assert row["sd.seeds"] == pytest.approx(0, abs=1e-12)
            assert row["status"] == "caution"
            assert ("no interval covers" if row["metric"] == "ece" else "only 2 seeds") in row["warning"]
    found = twice["variance"].set_index(["metric", "model"])
    shares = found[found["comparator"].isna()]["share.seed"]
    assert shares.notna().sum() > 20
    assert shares.dropna().abs().max() < 1e-9
    # the cases alone are drawn then: the standard error is that of the bootstrap of one seed, the limits are normal on the logit scale
    a = one(twice["metrics"], model="lda", metric="accuracy")
    b = one(once["metrics"], model="lda", metric="accuracy", method="bootstrap_percentile")
    assert a["std.error"] == pytest.approx(b["std.error"])
    value, half = a["estimate"], stats.norm.ppf(0.975) * a["std.error"]
    centre, half = np.log(value / (1 - value)), half / (value * (1 - value))
    limits = [1 / (1 + np.exp(-(centre + side * half))) for side in (-1, 1)]
    assert [a["conf.low"], a["conf.high"]] == pytest.approx(limits)


def test_neither_the_order_of_rows_nor_of_models_changes_anything(frame, tables):
    options = {"margin": 0.1, "by": ("sex",), "prevalences": (0.2,)}
    parts = [p.sample(frac=1, random_state=i) for i, (_, p) in enumerate(frame.groupby("model", sort=False))]
    again = tables_of(pd.concat(parts), **options)
    for name in tables:
        pd.testing.assert_frame_equal(again[name], tables[name], check_dtype=False)
    turned = tables_of(pd.concat(parts[::-1]), **options)["metrics"].sort_values(KEY, kind="stable")
    mine = tables["metrics"].sort_values(KEY, kind="stable")
    pd.testing.assert_frame_equal(turned.reset_index(drop=True), mine.reset_index(drop=True), check_dtype=False)


def test_other_numbers_of_the_seeds_change_no_estimate_and_limits_by_chance_alone(frame, tables):
    other = frame.assign(seed=frame["seed"].map({1: 60, 2: 50, 3: 40, 4: 30, 5: 20, 6: 10}))
    again = tables_of(other)
    a, b = (over(t["metrics"]).set_index(["model", "metric"]) for t in (again, tables))
    for column in ("estimate", "sd.seeds"):
        assert a[column].to_numpy() == pytest.approx(b[column].to_numpy(), nan_ok=True)
    error = np.hypot(a["mc.error.low"], b["mc.error.low"])
    assert ((a["conf.low"] - b["conf.low"]).abs() <= 4.5 * error)[[m == "accuracy" for _, m in a.index]].all()
    key = ["model", "metric", "comparator"]
    a, b = (t["variance"].fillna({"comparator": ""}).set_index(key)["share.seed"] for t in (again, tables))
    assert a.to_numpy() == pytest.approx(b.loc[a.index].to_numpy(), nan_ok=True)
    a, b = (one(t["comparisons"], metric="accuracy", method="obuchowski_rockette")["p.value"] for t in (again, tables))
    assert a == pytest.approx(b)


def test_shares_of_variance_are_two_way_components_of_the_cases(frame, tables):
    right = frame.assign(right=(frame["score"] >= 0.5) == (frame["y_true"] == "abnormal"))
    table = right[right["model"] == "lda"].pivot_table(index="case_id", columns="seed", values="right").to_numpy(float)
    expected = variance.two_way_components(table)
    rows = tables["variance"]
    row = rows[(rows["model"] == "lda") & (rows["metric"] == "accuracy")].iloc[0]
    got = tuple(row[f"share.{c}"] for c in ("case", "seed", "residual"))
    assert got == pytest.approx((expected.share_case, expected.share_seed, expected.share_residual))
    known = rows[rows["share.case"].notna()]
    assert known[["share.case", "share.seed", "share.residual"]].sum(axis=1).to_numpy() == pytest.approx(1)
    difference = rows[(rows["comparator"] == "lda") & (rows["metric"] == "accuracy")]
    assert len(difference) == 1


def test_more_spread_over_seeds_widens_the_interval():
    width = []
    for spread in (0.0, 1.0):
        row = one(tables_of(seeded(("lda",), spread=spread))["metrics"], metric="auroc")
        width.append(row["conf.high"] - row["conf.low"])
    assert width[1] > width[0]


# Patients, few seeds, what is undefined


def test_patients_are_drawn_and_no_row_over_seeds_assumes_independent_cases():
    made = tables_of(seeded(patients=True))
    rows = over(made["comparisons"])
    assert (rows.loc[~rows["metric"].isin(["sensitivity", "specificity"]), "n.clusters"] == 35).all()
    assert not rows["warning"].fillna("").str.contains("independent cases").any()
    assert set(made["variance"]["n.clusters"]) == {35}
    seeds = made["comparisons"][made["comparisons"]["seed"].notna()]
    assert set(seeds.loc[seeds["method"] == "tango", "status"]) == {"caution"}


def test_fewer_than_five_seeds_are_a_caution():
    made = tables_of(seeded(seeds=(1, 2, 3)), margin=0.1)
    for name in ("metrics", "comparisons"):
        rows = over(made[name])
        assert set(rows["status"]) <= {"caution", "not_estimable"}
        assert rows["warning"].str.contains("only 3 seeds").any()


@pytest.mark.parametrize("seeds", [(1, 2), (1, 2, 3)])
def test_from_three_seeds_on_a_verdict_can_be_reached(seeds):
    """With two seeds no method keeps its type I error; that is a reason, not a silent `inconclusive`."""
    frame = seeded(seeds=seeds, n=120)
    over_seeds = Crossed.of(
        SeedSlices.of(predictions_from_frame(frame, positive="abnormal"), Keys()), Plan(n_resamples=50), Workers(1)
    )
    reason = over_seeds.outside("accuracy", 0, 1)
    assert (reason == "") == (len(seeds) == 3)
    assert len(seeds) == 3 or "only 2 seeds" in reason


def test_a_test_set_of_one_class():
    frame = seeded()
    made = tables_of(frame[frame["y_true"] == "abnormal"].assign(split="test").pipe(_with_other_label))
    for metric in ("specificity", "auroc", "mcc"):
        for name in ("metrics", "comparisons", "variance"):
            t = made[name]
            rows = t[t["metric"] == metric] if name == "variance" else over(t, metric=metric)
            assert len(rows)
            assert set(rows["status"]) == {"not_estimable"}, (metric, name)
            assert rows["warning"].str.len().gt(0).all()


def _with_other_label(frame):
    other = frame.assign(case_id="v" + frame["case_id"], y_true="normal", split="validation")
    return pd.concat([frame, other])


def test_calls_alone_and_ranks_alone():
    frame = seeded(seeds=(1, 2, 3, 4, 5))
    calls = frame.assign(y_pred=np.where(frame["score"] >= 0.5, "abnormal", "normal")).drop(columns="score")
    made = tables_of(calls)
    assert "auroc" not in set(made["metrics"]["metric"])
    assert made["roc"].empty
    ranks = analyse(predictions_from_frame(frame, score_kind="rank"), Plan(n_resamples=200))
    assert set(ranks["metrics"]["metric"]) == {"auroc", "auprc"}
    assert ranks["confusion"].empty
    assert set(over(ranks["comparisons"], metric="auroc")["method"]) >= {"obuchowski_rockette"}


def test_options_that_have_no_use_are_refused(frame):
    with pytest.raises(InputError, match="--n-train"):
        tables_of(frame, n_train=100)
    with pytest.raises(InputError, match="--seed-design"):
        tables_of(frame[frame["seed"] == 1], seed_design="crossed")


# Interactions


def test_interactions_of_the_means_over_seeds_and_of_each_seed(frame, tables):
    made = tables["interactions"]
    over_seeds = made[made["seed"].isna()]
    assert set(over_seeds["method"]) == {"heterogeneity_hierarchical"}
    assert set(over_seeds["n.seeds"]) == {6}
    assert not made.duplicated(["subgroup", "metric", "model", "comparator", "seed"]).any()
    alone = tables_of(frame[frame["seed"] == 2].drop(columns="seed"), by=("sex",))["interactions"]
    of_seed = made[made["seed"] == 2].drop(columns=["seed", "n.seeds"]).reset_index(drop=True)
    pd.testing.assert_frame_equal(of_seed, alone, check_dtype=False)
    # Over the seeds: the difference of the levels' means, against its spread in joint resamples.
    row = over_seeds[(over_seeds["metric"] == "auroc") & (over_seeds["comparator"] == "vgg16")]
    row = row if len(row) else over_seeds[(over_seeds["metric"] == "auroc") & over_seeds["comparator"].notna()]
    t = tables["comparisons"]
    t = t[
        (t["metric"] == "auroc") & (t["method"] == "bootstrap_hierarchical") & t["subgroup"].notna() & t["seed"].isna()
    ]
    gap = np.diff(t["estimate"])[0]
    # Each level's interval is about four standard errors wide; the levels share the seeds, so that the gap's error is at most theirs together.
    most = np.sqrt((((t["conf.high"] - t["conf.low"]) / 3.92) ** 2).sum())
    assert len(row) == 1
    assert row["statistic"].iloc[0] > 0.5 * (gap / most) ** 2
    assert (row["k"].iloc[0], row["n"].iloc[0], row["parameter"].iloc[0]) == (2, 70, 1)


def test_few_seeds_and_test_sets_of_their_own_in_interactions():
    few = tables_of(seeded(seeds=(1, 2)), by=("sex",))["interactions"]
    few = few[few["seed"].isna()]
    estimable = few[few["status"] != "not_estimable"]
    assert set(estimable["status"]) == {"caution"}
    assert estimable["warning"].str.contains("only 2 seeds").all()
    assert {"accuracy", "auroc"} <= set(estimable["metric"])
    own = tables_of(held_out(), by=("sex",))["interactions"]
    rows = own[own["seed"].isna()]
    assert set(rows["status"]) == {"not_estimable"}
    assert rows["warning"].str.contains("test set of its own").all()
    assert rows["p.value"].isna().all()
    assert own.loc[own["seed"] == 3, "p.value"].notna().any()


def test_an_interaction_that_rests_on_few_seeds_says_that_it_rejects_too_often():
    """Each seed is good in one sex: cases, of which there are many, say that the sexes differ, and another three seeds would not."""
    frame = seeded(models=("vgg16",), seeds=(1, 2, 3), n=600)
    favoured = np.where(frame["seed"] == 1, "f", "m")
    harmed = (frame["sex"] != favoured) & (np.arange(len(frame)) % 2 == 0)
    frame["score"] = np.where(harmed, 1 - frame["score"], frame["score"])
    made = tables_of(frame, by=("sex",))["interactions"]
    row = made[made["seed"].isna() & (made["metric"] == "auroc")].iloc[0]
    assert row["status"] == "caution"
    assert "of 3 seeds: the test rejects too often" in row["warning"]
    calm = tables_of(seeded(models=("vgg16",), spread=0.02), by=("sex",))["interactions"]
    assert not calm["warning"].fillna("").str.contains("rejects too often").any()


# Repeated hold-out


def held_out(**options):
    """Six random splits of 90 cases: 20 are tested, 10 validated, 60 trained on."""
    frame = seeded(n=90, **options).assign(split="train")
    for seed in frame["seed"].unique():
        order = np.array(sorted(frame["case_id"].unique()))[rng_for(5, int(seed)).permutation(90)]
        mine = frame["seed"] == seed
        frame.loc[mine & frame["case_id"].isin(order[:20]), "split"] = "test"
        frame.loc[mine & frame["case_id"].isin(order[20:30]), "split"] = "validation"
    return frame


def test_repeated_hold_out_is_tested_after_nadeau_and_bengio():
    frame = held_out()
    made = tables_of(frame, margin=0.1)
    test = frame[frame["split"] == "test"]
    right = test.assign(right=(test["score"] >= 0.5) == (test["y_true"] == "abnormal"))
    accuracy = right.groupby(["model", "seed"])["right"].mean()
    expected = variance.nadeau_bengio((accuracy["vgg16"] - accuracy["lda"]).to_numpy(), 70, 20)
    row = one(made["comparisons"], metric="accuracy", method="nadeau_bengio")
    got = tuple(row[c] for c in ("estimate", "conf.low", "p.value", "parameter"))
    assert got == pytest.approx((expected.estimate, expected.conf_low, expected.pvalue, 5))
    assert row["recommended"]
    assert row["n"] == test["case_id"].nunique()
    verdict = made["verdicts"].set_index("metric").loc["accuracy"]
    assert verdict["conf.low"] == row["conf.low"]
    assert set(over(made["comparisons"])["method"]) == {"nadeau_bengio", "tost", "non_inferiority"}
    mean = one(made["metrics"], metric="accuracy", model="lda")
    assert mean["estimate"] == pytest.approx(accuracy["lda"].mean())
    assert pd.isna(mean["method"])
    assert (mean["status"], np.isnan(mean["conf.low"])) == ("caution", True)
    assert set(made["variance"]["status"]) == {"not_estimable"}
    assert set(made["comparisons"].loc[made["comparisons"]["method"] == "tango", "n"]) == {20}


def test_without_the_size_of_the_training_set_nothing_is_made_up():
    frame = held_out()
    frame = frame[frame["split"] == "test"]
    made = tables_of(frame)
    rows = over(made["comparisons"])
    assert set(rows["status"]) == {"not_estimable"}
    assert rows.loc[rows["metric"] == "accuracy", "warning"].str.contains("--n-train").all()
    assert set(made["verdicts"]["verdict"]) == {"inconclusive"}
    given = one(tables_of(frame, n_train=70)["comparisons"], metric="auroc")
    listed = one(tables_of(held_out())["comparisons"], metric="auroc")
    assert given["p.value"] == pytest.approx(listed["p.value"])


def test_validation_rows_alone_and_cases_in_dispute_are_no_training_set():
    frame = held_out()
    lonely = one(tables_of(frame[frame["split"] != "train"])["comparisons"], metric="accuracy")
    assert lonely["status"] == "not_estimable"
    assert "--n-train" in lonely["warning"]
    first = frame["case_id"] == frame["case_id"].iloc[0]
    disputed = frame.assign(split=frame["split"].mask(first, "disputed"))
    sizes = predictions_from_frame(disputed).training_cases()
    fitted = disputed[disputed["split"].isin(["train", "validation"])].groupby("seed")["case_id"].nunique()
    assert sizes == fitted.to_dict()


def test_the_detectable_difference_of_few_splits_is_that_of_a_t_test():
    made = tables_of(held_out(seeds=(1, 2, 3)))
    row = one(made["comparisons"], metric="auroc", method="nadeau_bengio")
    found = made["verdicts"].set_index("metric").loc["auroc", "detectable.difference"]
    assert found == pytest.approx(5.653489266402 * row["std.error"])


def test_hold_out_in_folds_is_refused():
    frame = pd.concat([folded().assign(seed=s) for s in (1, 2)])
    cases = sorted(frame["case_id"].unique())
    gone = [(frame["seed"] == s) & (frame["case_id"] == c) for s, c in ((1, cases[0]), (2, cases[1]))]
    with pytest.raises(InputError, match="no seed tests all"):
        predictions_from_frame(frame[~(gone[0] | gone[1])])


# Folds


def folded(seeds=(1,), k=3):
    frame = seeded(seeds=seeds, n=90)
    frame["fold"] = frame["case_id"].str[1:].astype(int) % k
    # what a pooled ranking would fall for: each fold's scores on a scale of its own
    frame["score"] = (frame["score"] + 0.5 * frame["fold"]) / 3
    return frame


@pytest.mark.parametrize("seeds", [(1,), (1, 2, 3, 4, 5)])
def test_the_auroc_over_folds_is_the_mean_of_the_folds(seeds):
    frame = folded(seeds)
    made = tables_of(frame, margin=0.1)
    aucs = [
        roc.auroc((p["y_true"] == "abnormal").to_numpy(), p["score"].to_numpy())
        for _, p in frame[frame["model"] == "lda"].groupby(["seed", "fold"])
    ]
    rows = over(made["metrics"], metric="auroc", model="lda")
    assert rows["estimate"].dropna().to_numpy() == pytest.approx(np.mean(aucs))
    assert set(rows.loc[rows["method"].isin(ANALYTIC), "status"]) <= {"not_estimable"}
    assert rows["recommended"].sum() == 1
    pairs = over(made["comparisons"], metric="auroc")
    refused = pairs[pairs["method"].isin(["nadeau_bengio", "delong_paired", "obuchowski_rockette"])]
    assert set(refused["status"]) == {"not_estimable"}
    assert "not independent splits" in one(pairs, method="nadeau_bengio")["warning"]
    assert made["verdicts"].set_index("metric").loc["auroc", "conf.low"] in set(pairs["conf.low"])
    assert set(made["comparisons"]["status"]) <= {"caution", "not_estimable"}
    assert set(made["roc"]["fold"]) == {"0", "1", "2"}
    omnibus = made["omnibus"].set_index("metric")["status"]
    assert set(np.atleast_1d(omnibus["auroc"])) == {"not_estimable"}


# Size of the tests


@pytest.mark.slow
def test_stacked_seeds_reject_too_often_and_the_rows_over_seeds_do_not():
    """Two networks that are equally good over cases and trainings, 10 seeds of each on the same 80 cases, 400 times."""
    rng, n, seeds, times = np.random.default_rng(11), 80, 10, 400
    rejected = dict.fromkeys(("stacked", "hierarchical", "obuchowski_rockette", "auroc"), 0)
    for _ in range(times):
        y = rng.random(n) < 0.5
        z = 1.2 * (2 * y - 1) + 0.7 * rng.normal(size=n) + 0.7 * rng.normal(size=(2, 1, n))
        z = z + 0.3 * rng.normal(size=(2, seeds, 1)) * (2 * y - 1) + 0.5 * rng.normal(size=(2, seeds, n))
        right = (z > 0) == y
        _, n10, n01, _ = paired.paired_table(right[0].ravel(), right[1].ravel())
        rejected["stacked"] += mcnemar.mcnemar_midp(n10, n01, n * seeds).pvalue < 0.05
        drawn = bootstrap_replicates(y, (z > 0).reshape(-1, n), None, metrics=["accuracy"], n_resamples=999, rng=rng)
        over_seeds = hierarchical.combine_seeds(drawn, seeds, rng)
        rejected["hierarchical"] += hierarchical.hierarchical_difference(over_seeds, "accuracy", 0, 1).pvalue < 0.05
        rejected["obuchowski_rockette"] += readers.obuchowski_rockette_accuracy(*right, "nested").pvalue < 0.05
        rejected["auroc"] += readers.obuchowski_rockette(y, *z, "nested").pvalue < 0.05
    rate = {name: count / times for name, count in rejected.items()}
    print(rate)
    assert rate["stacked"] > 0.25
    for name in ("hierarchical", "obuchowski_rockette", "auroc"):
        assert rate[name] < 0.05 + 3 * (0.05 * 0.95 / times) ** 0.5 + 0.01, name
