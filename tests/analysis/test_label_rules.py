"""Comparisons under other labels: the rows against numbers worked out by hand, the keys, the cases in dispute."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from hybridcx.analysis.label_rules import truths
from hybridcx.errors import InputError
from hybridcx.records.predictions import predictions_from_frame
from hybridcx.streams import rng_for

KEYS = ["model", "metric", "method", "subgroup", "level", "seed", "label.rule", "threshold", "prevalence"]
A, N = "abnormal", "normal"


def read(frame: pd.DataFrame, **errors: float) -> pd.DataFrame:
    """The frame with one reader per name, who errs on this share of the cases."""
    truth = frame.drop_duplicates("case_id").set_index("case_id")["y_true"]
    out = frame.copy()
    for name, share in errors.items():
        wrong = rng_for(7, "reader", name).random(len(truth)) < share
        call = np.where(wrong, np.where(truth == A, N, A), truth)
        out[f"reader_{name}"] = out["case_id"].map(dict(zip(truth.index, call, strict=True)))
    return out


def disputed(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame as a run under agreement writes it: the agreed call is the truth, and there is none where the readers differ."""
    apart = frame["reader_a"] != frame["reader_b"]
    return frame.assign(
        y_true=frame["reader_a"].where(~apart, None),
        split=np.where(apart, "disputed", "test"),
        label_given=frame["reader_a"],
    )


@pytest.fixture(scope="module")
def frame(draw):
    return read(draw(), a=0.05, b=0.12)


@pytest.fixture(scope="module")
def compared(frame, analysed):
    return analysed(frame)


@pytest.fixture(scope="module")
def apart(frame, analysed):
    return analysed(disputed(frame))


def test_without_readers_nothing_is_added(full):
    assert "label_rules" not in full
    assert full["metrics"]["label.rule"].isna().all()


def test_the_analysis_itself_is_not_changed_by_the_readings(draw, analysed, compared):
    plain = analysed(draw())
    for name in ("metrics", "comparisons"):
        own = compared[name][compared[name]["label.rule"].isna() & compared[name]["subgroup"].isna()]
        assert own.index.tolist() == list(range(len(plain[name])))  # they stand first
        a, b = (t[plain[name].columns].astype(object) for t in (own, plain[name]))
        pd.testing.assert_frame_equal(a.where(a.notna(), None), b.where(b.notna(), None))
    pd.testing.assert_frame_equal(compared["verdicts"], plain["verdicts"])
    pd.testing.assert_frame_equal(compared["multiplicity"], plain["multiplicity"])


def test_every_row_has_a_key_of_its_own(compared, apart):
    for tables in (compared, apart):
        assert not tables["metrics"].duplicated(KEYS).any()
        assert not tables["comparisons"].duplicated([*KEYS, "comparator"]).any()


def test_only_the_truth_changes(frame, compared):
    one = frame[frame["model"] == "lda"]
    two = frame[frame["model"] == "knn"].set_index("case_id").loc[one["case_id"]].reset_index()
    for rule in ("reader_a", "reader_b"):
        rows = compared["metrics"].query("model == 'lda' and metric == 'accuracy' and method == 'wilson'")
        own = rows[(rows["label.rule"] == rule) & rows["subgroup"].isna()]
        assert own["numerator"].item() == (one["y_pred"] == one[rule]).sum()
        right = (one["y_pred"] == one[rule]).to_numpy(), (two["y_pred"] == two[rule]).to_numpy()
        b, c = int((right[0] & ~right[1]).sum()), int((~right[0] & right[1]).sum())
        tests = compared["comparisons"].query("model == 'lda' and comparator == 'knn' and method == 'mcnemar_exact'")
        test = tests[(tests["metric"] == "accuracy") & (tests["label.rule"] == rule) & tests["subgroup"].isna()]
        assert (test["b"].item(), test["c"].item()) == (b, c)
        assert test["p.value"].item() == pytest.approx(min(1, 2 * binom.cdf(min(b, c), b + c, 0.5)))


def test_agreed_cases_are_those_on_which_the_readings_are_the_same(frame, compared):
    one = frame[frame["model"] == "vgg16"]
    same = one[one["reader_a"] == one["reader_b"]]
    rows = compared["metrics"].query("model == 'vgg16' and metric == 'accuracy' and method == 'wilson'")
    own = rows[rows["label.rule"] == "agreed"]
    assert own["n"].item() == len(same)
    assert own["numerator"].item() == (same["y_pred"] == same["reader_a"]).sum()


def test_a_rule_is_a_family_of_its_own(compared):
    rows = compared["comparisons"]
    rows = rows[
        (rows["metric"] == "accuracy") & (rows["method"] == "mcnemar_midp") & (rows["label.rule"] == "reader_b")
    ]
    rows = rows[rows["subgroup"].isna()].sort_values("p.value")
    p = rows["p.value"].to_numpy(float)
    holm = np.minimum(1, np.maximum.accumulate(p * np.array([3, 2, 1])))
    assert rows["adj.p.value"].to_numpy(float) == pytest.approx(holm)
    assert set(rows["role"]) == {"exploratory"}


def test_conclusions_flip_where_the_verdict_differs_and_nowhere_else(compared):
    table = compared["label_rules"]
    key = ["metric", "model", "comparator"]
    primary = table[table["label.rule"] == "primary"].set_index(key)["verdict"]
    assert primary.to_dict() == compared["verdicts"].set_index(key)["verdict"].to_dict()
    assert table.loc[table["label.rule"] == "primary", "conclusion.flips"].isna().all()
    others = table[table["label.rule"] != "primary"]
    # the calibration error has no interval, so that its verdict is none
    expected = [
        None if r["metric"] == "ece" else primary[tuple(r[k] for k in key)] != r["verdict"]
        for r in others.to_dict("records")
    ]
    assert others["conclusion.flips"].tolist() == expected
    assert any(expected)
    assert not all(expected)


def test_cases_are_counted_against_the_analysis(frame, compared):
    one = frame.drop_duplicates("case_id")
    table = compared["label_rules"].drop_duplicates("label.rule").set_index("label.rule")
    assert table.loc["reader_b", "n.relabelled"] == (one["reader_b"] != one["y_true"]).sum()
    differ = (one["reader_a"] != one["reader_b"]).sum()
    assert table.loc["agreed", "n.left.out"] == differ
    assert table.loc["agreed", "n"] == len(one) - differ
    assert (table["n.added"] == 0).all()


def test_cases_on_which_readings_differ_are_a_stratum(frame, compared):
    one = frame[frame["model"] == "knn"]
    differ = one[one["reader_a"] != one["reader_b"]]
    rows = compared["metrics"].query("subgroup == 'stratum' and level == 'disputed' and model == 'knn'")
    rows = rows[(rows["metric"] == "accuracy") & (rows["method"] == "wilson")]
    rows = rows.set_index(rows["label.rule"].fillna("own"))
    for rule, truth in (("own", "y_true"), ("reader_a", "reader_a"), ("reader_b", "reader_b")):
        assert rows.loc[rule, "numerator"] == (differ["y_pred"] == differ[truth]).sum()
        assert rows.loc[rule, "n"] == len(differ)


def test_cases_in_dispute_are_in_no_primary_row(frame, apart):
    one = frame[(frame["model"] == "lda") & (frame["reader_a"] == frame["reader_b"])]
    rows = apart["metrics"].query("model == 'lda' and metric == 'accuracy' and method == 'wilson'")
    own = rows[rows["label.rule"].isna()]
    assert own["n"].item() == len(one)
    assert own["numerator"].item() == (one["y_pred"] == one["reader_a"]).sum()
    assert not set(apart["disagreements"]["case_id"]) - set(one["case_id"])
    assert int(apart["confusion"][["tp", "fn", "fp", "tn"]].iloc[0].sum()) == len(one)


def test_cases_in_dispute_count_under_each_reading_and_under_all(frame, apart):
    n, differ = 80, int((frame.drop_duplicates("case_id").eval("reader_a != reader_b")).sum())
    table = apart["label_rules"].drop_duplicates("label.rule").set_index("label.rule")
    assert table["n"].to_dict() == {"primary": n - differ, "reader_a": n, "reader_b": n, "agreed": n - differ, "all": n}
    assert table.loc["all", "n.added"] == differ
    stratum = apart["metrics"].query("subgroup == 'stratum'")
    assert set(stratum["label.rule"]) == {"reader_a", "reader_b", "all"}  # no truth of the analysis' own
    assert set(stratum["n"]) == {differ}


def test_the_agreed_rows_are_the_primary_ones_where_agreement_made_the_labels(apart):
    for name in ("metrics", "comparisons"):
        table = apart[name]
        own = table[table["label.rule"].isna()].reset_index(drop=True)
        agreed = table[table["label.rule"] == "agreed"].reset_index(drop=True)
        dropped = ["label.rule", "role"]
        pd.testing.assert_frame_equal(own.drop(columns=dropped), agreed.drop(columns=dropped))


def test_the_ledger_comes_back_from_a_file(frame, apart, analysed, tmp_path):
    from hybridcx.commands.publish import write_ledger
    from hybridcx.records.predictions import read_predictions

    write_ledger(tmp_path, disputed(frame))
    for file in ("predictions.csv", "predictions.parquet"):
        again = read_predictions(tmp_path / file)
        assert again.n_cases == apart["confusion"][["tp", "fn", "fp", "tn"]].iloc[0].sum()
        assert again.warnings == ()
        found = analysed(again.frame.drop(columns=["patient_id", "seed", "fold"]))
        pd.testing.assert_frame_equal(found["label_rules"], apart["label_rules"])


def test_readings_that_are_missing_or_no_label(frame, analysed):
    some = frame.assign(reader_b=frame["reader_b"].where(frame["case_id"] > "c009", ""))
    table = analysed(some)["label_rules"].drop_duplicates("label.rule").set_index("label.rule")
    assert table.loc["reader_b", "n"] == 70
    assert table.loc["reader_b", "n.left.out"] == 10
    with pytest.raises(InputError, match=r"reader_b.*none of the labels.*found: 'maybe'"):
        predictions_from_frame(frame.assign(reader_b=frame["reader_b"].mask(frame["case_id"] == "c004", "maybe")))


def test_majority_needs_three_readings_and_breaks_no_ties():
    from hybridcx.analysis.label_rules import Cases

    calls = pd.DataFrame(
        {"reader_a": [A, A, A, None], "reader_b": [A, N, N, N], "reader_c": [N, None, N, None]},
        index=list("wxyz"), dtype=object,
    )  # fmt: skip
    truth = pd.Series([A, None, N, N], index=list("wxyz"), dtype=object)
    given = pd.Series([None, N, None, None], index=list("wxyz"), dtype=object)
    found = dict(truths(Cases(truth, calls, given, truth.isna())))
    assert list(found) == ["reader_a", "reader_b", "reader_c", "agreed", "majority", "all"]
    assert found["majority"].tolist() == [A, None, N, None]
    assert found["agreed"].isna().all()
    assert found["all"].tolist() == [A, N, N, N]  # in dispute the given label, for the majority is a tie


def test_patients_stay_together(draw, analysed):
    tables = analysed(read(draw(("vgg16", "lda"), patients=True), a=0.05, b=0.12))
    rows = tables["comparisons"].query("`label.rule` == 'reader_a' and metric == 'accuracy' and recommended")
    assert set(rows["method"]) == {"mcnemar_cluster"}
    assert set(tables["label_rules"]["label.rule"]) == {"primary", "reader_a", "reader_b", "agreed"}


def test_a_stratum_of_one_class_says_what_cannot_be_had(draw, analysed):
    frame = read(draw(), a=0.05, b=0.12)
    flip = (frame["y_true"] == N) & (frame["reader_a"] != frame["reader_b"])
    one_class = frame.assign(reader_b=frame["reader_b"].mask(flip, frame["reader_a"]))
    rows = analysed(one_class)["metrics"].query("subgroup == 'stratum' and metric == 'specificity'")
    own = rows[rows["label.rule"].isna()]
    assert set(own["status"]) == {"not_estimable"}
    assert own["warning"].notna().all()


def test_several_seeds_give_one_conclusion_per_rule(frame, analysed):
    apart = disputed(frame[frame["model"].isin(["vgg16", "lda"])])
    seeds = pd.concat([apart.assign(seed=s, score=apart["score"] ** p) for s, p in ((1, 1), (2, 1.1), (3, 0.9))])
    made = analysed(seeds.drop(columns="y_pred"))
    table = made["label_rules"].query("metric == 'accuracy'")
    assert table["label.rule"].tolist() == ["primary", "reader_a", "reader_b", "agreed", "all"]
    differ = int(apart.drop_duplicates("case_id").eval("reader_a != reader_b").sum())
    assert table["n"].tolist() == [80 - differ, 80, 80, 80 - differ, 80]
    assert not made["metrics"].duplicated(KEYS).any()
    assert not made["comparisons"].duplicated([*KEYS, "comparator"]).any()
    over = made["metrics"].query(
        "metric == 'accuracy' and model == 'lda' and `label.rule` == 'reader_b' and subgroup.isna()"
    )
    by_seed = over[over["seed"].notna() & (over["method"] == "wilson")]
    assert len(by_seed) == 3
    means = over[over["seed"].isna()]
    assert means["estimate"].to_numpy(float) == pytest.approx(by_seed["estimate"].mean())
    primary = table.iloc[0]
    own = made["verdicts"].query("metric == 'accuracy'").iloc[0]
    assert (primary["verdict"], primary["estimate"]) == (own["verdict"], own["estimate"])


def held_out(frame: pd.DataFrame, seeds: int = 6) -> pd.DataFrame:
    """Random splits of the same cases, each a seed: a quarter is tested, the rest trained on; scores vary by seed."""
    cases, parts = np.sort(frame["case_id"].unique()), []
    for seed in range(seeds):
        rng = rng_for(3, "split", seed)
        test = rng.permutation(cases)[: len(cases) // 4]
        noise = rng.normal(0, 0.3, len(frame))
        score = 1 / (1 + np.exp(-(np.log(frame["score"] / (1 - frame["score"])) + noise)))
        split = np.where(frame["case_id"].isin(test), "test", "train")
        parts.append(frame.assign(seed=seed, score=score, split=split))
    return pd.concat(parts, ignore_index=True).drop(columns="y_pred")


def test_hold_out_has_the_size_of_its_training_sets_under_every_rule(draw, analysed):
    truth = draw(("vgg16", "lda"))
    frame = held_out(read(truth, a=0.0, b=0.1))
    # Reader a made every label but one: the conclusions are the analysis' own, with n_train as there.
    other = frame["case_id"] == frame.loc[frame["split"] == "test", "case_id"].iloc[0]
    frame["reader_a"] = frame["reader_a"].mask(other, frame["reader_a"].map({A: N, N: A}))
    made = analysed(frame)
    rows = made["comparisons"].query("method == 'nadeau_bengio' and metric == 'accuracy' and subgroup.isna()")
    assert {"reader_a", "reader_b", "agreed"} <= set(rows["label.rule"].dropna())
    assert rows["p.value"].notna().all()
    own, under = rows[rows["label.rule"].isna()].iloc[0], rows[rows["label.rule"] == "reader_a"].iloc[0]
    assert under["std.error"] == pytest.approx(own["std.error"], rel=0.5)
    table = made["label_rules"].query("metric == 'accuracy' and `label.rule` == 'reader_a'")
    assert table["n.relabelled"].tolist() == [1]
    assert table["n"].tolist() == [frame.loc[frame["split"] == "test", "case_id"].nunique()]
    assert table["conclusion.flips"].tolist() == [False]


def test_a_rule_without_an_interval_flips_no_conclusion(draw, analysed):
    """Under reader c nobody is ill: sensitivity has no interval, which is no other verdict than one that was reached."""
    frame = read(draw(("vgg16", "lda")), a=0.05, b=0.12)
    table = analysed(frame.assign(reader_c=N))["label_rules"].set_index(["label.rule", "metric"])
    assert np.isnan(table.loc[("reader_c", "sensitivity"), "conf.low"])
    assert pd.isna(table.loc[("reader_c", "sensitivity"), "conclusion.flips"])
    assert table.loc[("reader_a", "sensitivity"), "conclusion.flips"] in (True, False)
