"""Models set beside readers: what is compared, what is not, and what must be said of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import hybridcx
from hybridcx.analysis.plan import Plan
from hybridcx.analysis.readers.models import TABLES, reader_view
from hybridcx.errors import InputError
from hybridcx.records.predictions import predictions_from_frame
from hybridcx.records.ratings import ratings_from_frame
from hybridcx.stats import agreement, paired, proportions
from hybridcx.streams import rng_for

PLAN = Plan(n_resamples=200)


def readings(frame, readers=("ann", "bob", "cid"), missing=()):
    """Readers' calls: right in four of five cases; `missing` (case, reader) pairs are not read."""
    cases = frame.drop_duplicates("case_id")
    truth = (cases["y_true"] == "abnormal").to_numpy()
    out = pd.DataFrame({"case_id": cases["case_id"].to_numpy()})
    for reader in readers:
        call = np.where(rng_for(5, reader).random(len(cases)) < 0.8, truth, ~truth)
        out[f"reader_{reader}"] = np.where(call, "abnormal", "normal")
    for case, reader in missing:
        out.loc[out["case_id"] == case, f"reader_{reader}"] = ""
    return out


def view(frame, ratings, made_truth="unknown", plan=PLAN):
    return reader_view(predictions_from_frame(frame), ratings_from_frame(ratings, scale="nominal"), plan, made_truth)


def test_pairs_are_the_coefficients_of_their_calls(draw):
    frame = draw(("vgg16", "lda"))
    ratings = readings(frame, missing=[("c003", "ann")])
    found = view(frame, ratings).tables["reader_agreement"]
    model = frame[frame["model"] == "lda"].set_index("case_id")["y_pred"]
    reader = ratings.set_index("case_id")["reader_ann"]
    kept = reader[reader != ""].index
    want = agreement.cohen_kappa(model[kept].to_list(), reader[kept].to_list())
    row = found[(found["kind"] == "model_reader") & (found["rater"] == "lda") & (found["other"] == "ann")]
    kappa = row[row["metric"] == "cohen_kappa"].iloc[0]
    assert (kappa["estimate"], kappa["conf.low"]) == (pytest.approx(want.estimate), pytest.approx(want.conf_low))
    assert kappa["n"] == 79
    pairs = found[(found["metric"] == "gwet_ac1") & (found["kind"] == "reader_reader")]
    assert list(zip(pairs["rater"], pairs["other"], strict=True)) == [("ann", "bob"), ("ann", "cid"), ("bob", "cid")]
    assert found[found["metric"] == "gwet_ac1"]["kind"].value_counts().to_dict() == {
        "model_reader": 6, "reader_reader": 3, "mean_model_reader": 2, "difference": 2, "mean_reader_reader": 1,
    }  # fmt: skip


def test_the_difference_is_that_of_the_means(draw):
    found = view(draw(("vgg16", "lda")), readings(draw(("lda",)))).tables["reader_agreement"]
    for metric in ("cohen_kappa", "gwet_ac1", "percent_agreement"):
        own = found[found["metric"] == metric]
        of = lambda kind, own=own: own[own["kind"] == kind]  # noqa: E731
        readers = of("mean_reader_reader")["estimate"].iloc[0]
        assert readers == pytest.approx(of("reader_reader")["estimate"].mean())
        for model in ("vgg16", "lda"):
            mean = of("mean_model_reader").set_index("rater").loc[model, "estimate"]
            assert mean == pytest.approx(of("model_reader").query("rater == @model")["estimate"].mean())
            row = of("difference").set_index("rater").loc[model]
            assert row["estimate"] == pytest.approx(mean - readers)
            assert row["conf.low"] < row["estimate"] < row["conf.high"]


def test_against_the_truth(draw):
    frame = draw(("vgg16",))
    ratings = readings(frame)
    tables = view(frame, ratings, "no").tables
    truth = frame["y_true"].to_numpy()
    right = ratings["reader_bob"].to_numpy() == truth
    row = tables["reader_performance"].query("reader == 'bob' and metric == 'accuracy'").iloc[0]
    want = proportions.wilson(int(right.sum()), 80)
    assert (row["estimate"], row["conf.high"], row["status"]) == (want.estimate, want.conf_high, "ok")
    row = tables["reader_comparisons"].query("reader == 'bob' and metric == 'accuracy' and method == 'tango'").iloc[0]
    want = paired.tango(*paired.paired_table((frame["y_pred"] == frame["y_true"]).to_numpy(), right))
    assert (row["estimate"], row["conf.low"], row["p.value"]) == (want.estimate, want.conf_low, want.pvalue)
    family = tables["reader_comparisons"].query("metric == 'accuracy' and method == 'mcnemar_midp'")
    assert family["adj.p.value"].max() >= family["p.value"].max()
    assert (tables["reader_comparisons"]["status"] == "ok").all()


def test_readers_who_made_the_truth_are_not_compared_on_it(draw):
    frame = draw(("vgg16",))
    found = view(frame, readings(frame), "yes")
    assert found.tables["reader_performance"].empty
    assert found.tables["reader_comparisons"].empty
    own = found.tables["reader_agreement"]
    assert (own.loc[own["kind"] == "model_reader", "status"] == "caution").all()
    assert (own.loc[own["kind"] == "reader_reader", "status"] == "ok").all()
    assert any("made the truth" in note for note in found.notes)


def test_what_was_not_said_is_a_caution(draw):
    frame = draw(("vgg16",))
    found = view(frame, readings(frame))
    assert (found.tables["reader_performance"]["status"] == "caution").all()
    assert (found.tables["reader_comparisons"]["status"] == "caution").all()
    assert any("not stated whether" in note for note in found.notes)


def test_two_readers_are_one_pair(draw):
    frame = draw(("vgg16",))
    found = view(frame, readings(frame, ("ann", "bob")), "no")
    assert any("single pair" in note for note in found.notes)
    one = view(frame, readings(frame, ("ann", "bob")).rename(columns={"reader_bob": "reader_ann_2"}), "no")
    assert any("With one reader" in note for note in one.notes)
    assert any("first reading" in note for note in one.notes)
    differences = one.tables["reader_agreement"].query("kind == 'difference'")
    assert (differences["status"] == "not_estimable").all()


def test_patients_with_several_cases(draw):
    frame = draw(("vgg16",), patients=True)
    tables = view(frame, readings(frame), "no").tables
    assert (tables["reader_comparisons"].query("method == 'tango'")["status"] == "caution").all()
    assert "mcnemar_cluster" in set(tables["reader_comparisons"]["method"])
    assert (tables["reader_agreement"].query("kind == 'reader_reader'")["status"] == "caution").all()
    assert (tables["reader_agreement"].query("kind == 'mean_reader_reader'")["status"] == "ok").all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r: r.assign(case_id="x" + r["case_id"]), "none of the test cases"),
        (lambda r: r.assign(reader_ann="odd"), "none of the labels"),
    ],
)
def test_refused(draw, change, said):
    frame = draw(("vgg16",))
    with pytest.raises(InputError, match=said):
        view(frame, change(readings(frame)))


def test_ranks_are_refused(draw):
    frame = draw(("vgg16",))
    ranked = predictions_from_frame(frame.drop(columns="y_pred"), score_kind="rank")
    with pytest.raises(InputError, match="without calls"):
        reader_view(ranked, ratings_from_frame(readings(frame), scale="nominal"), PLAN)


def of_seeds(frame, seeds, flipped=6):
    """The same models trained again: a few calls of every seed are others."""
    parts = []
    for seed in seeds:
        calls = frame["y_pred"].to_numpy(dtype=object)
        at = rng_for(9, seed).choice(len(frame), flipped, replace=False)
        calls[at] = np.where(calls[at] == "normal", "abnormal", "normal")
        parts.append(frame.assign(y_pred=calls, seed=seed).drop(columns="score"))
    return pd.concat(parts, ignore_index=True)


def test_several_seeds_have_means_over_them_and_rows_of_each(draw):
    frame = of_seeds(draw(("vgg16", "lda")), range(1, 7))
    ratings = readings(draw(("lda",)), missing=[("c003", "ann")])
    tables = view(frame, ratings, "no").tables
    alone = {s: view(frame[frame["seed"] == s].drop(columns="seed"), ratings, "no").tables for s in (1, 4)}
    for name in ("reader_agreement", "reader_comparisons"):
        made = tables[name]
        for seed, want in alone.items():
            own = made[made["seed"] == seed].drop(columns=["seed", "n.seeds"]).reset_index(drop=True)
            expected = want[name]
            if name == "reader_agreement":  # what has no model in it stands once, above
                expected = expected[~expected["kind"].isin(["reader_reader", "mean_reader_reader"])]
            pd.testing.assert_frame_equal(own, expected.reset_index(drop=True), check_dtype=False)
        above = made[made["seed"].isna()]
        assert set(above["n.seeds"].dropna()) == {6}
    agreed = tables["reader_agreement"]
    for metric in ("cohen_kappa", "percent_agreement"):
        own = agreed[(agreed["metric"] == metric) & (agreed["kind"] == "difference") & (agreed["rater"] == "lda")]
        mean = own[own["seed"].isna()].iloc[0]
        assert mean["estimate"] == pytest.approx(own.loc[own["seed"].notna(), "estimate"].mean())
        assert mean["method"] == "bootstrap_hierarchical"
        assert (mean["status"], mean["n"]) == ("ok", 80)
        assert mean["conf.low"] < mean["estimate"] < mean["conf.high"]
    assert agreed[agreed["kind"] == "mean_reader_reader"]["seed"].isna().all()
    compared = tables["reader_comparisons"]
    for metric in ("accuracy", "sensitivity"):
        own = compared[(compared["metric"] == metric) & (compared["model"] == "vgg16") & (compared["reader"] == "ann")]
        mean = own[own["seed"].isna()].iloc[0]
        assert mean["method"] == "bootstrap_hierarchical"
        assert mean["estimate"] == pytest.approx(own.loc[own["method"] == "tango", "estimate"].mean())
        assert mean["n"] == 79
        assert np.isnan(mean["b"])
    assert set(compared.loc[compared["seed"].notna(), "method"]) == {"tango", "mcnemar_midp"}
    pd.testing.assert_frame_equal(tables["reader_performance"], alone[1]["reader_performance"])


def test_the_order_of_models_and_rows_changes_nothing_over_the_seeds(draw):
    frame = of_seeds(draw(("vgg16", "lda")), (1, 2, 3))
    ratings = readings(frame)
    key = ["metric", "method", "model", "reader", "seed"]
    there, back = (
        view(f, ratings, "no").tables["reader_comparisons"].sort_values(key).reset_index(drop=True)
        for f in (frame, frame.iloc[::-1])
    )
    pd.testing.assert_frame_equal(there, back)


def test_few_seeds_and_truth_and_patients(draw):
    frame = of_seeds(draw(("vgg16",), patients=True), (1, 2))
    found = view(frame, readings(frame))
    for name in ("reader_agreement", "reader_comparisons"):
        made = found.tables[name]
        rows = made[made["method"] == "bootstrap_hierarchical"]
        assert set(rows["status"]) == {"caution"}
        assert rows["warning"].str.contains("only 2 seeds").all()
    assert found.tables["reader_comparisons"]["warning"].str.contains("not said").all()
    assert "mcnemar_cluster" in set(found.tables["reader_comparisons"]["method"])
    assert any("2 seeds" in note for note in found.notes)
    theirs = view(frame, readings(frame), "yes").tables
    assert theirs["reader_comparisons"].empty
    rows = theirs["reader_agreement"].query("kind == 'difference'")
    assert rows["warning"].str.contains("made the truth").all()


def test_seeds_with_test_sets_of_their_own_have_no_limits_over_the_seeds(draw):
    frame = of_seeds(draw(("vgg16",)), (1, 2, 3, 4, 5))
    number = frame["case_id"].str[1:].astype(int)
    frame = frame[number % 5 != frame["seed"] % 5]
    ratings = readings(draw(("vgg16",)), missing=[(f"c{i:03d}", "bob") for i in range(80)])
    found = view(frame, ratings, "no")
    agreed, compared = found.tables["reader_agreement"], found.tables["reader_comparisons"]
    mean = agreed[(agreed["kind"] == "mean_model_reader") & agreed["seed"].isna()].set_index("metric")
    assert mean.loc["gwet_ac1", "status"] == "not_estimable"  # bob read nothing
    assert set(compared.loc[compared["seed"].isna(), "status"]) == {"not_estimable"}
    assert compared.loc[compared["seed"].isna(), "warning"].str.contains("own|none of the test cases").all()
    assert set(compared.loc[(compared["seed"] == 2) & (compared["reader"] == "ann"), "n"]) == {64}
    found = view(frame, readings(draw(("vgg16",))), "no")
    agreed = found.tables["reader_agreement"]
    rows = agreed[(agreed["metric"] == "gwet_ac1") & (agreed["kind"] == "difference")]
    over = rows[rows["seed"].isna()].iloc[0]
    assert over["estimate"] == pytest.approx(rows.loc[rows["seed"].notna(), "estimate"].mean())
    assert (over["status"], np.isnan(over["conf.low"]), pd.isna(over["method"])) == ("caution", True, True)
    readers_own = agreed[(agreed["metric"] == "gwet_ac1") & (agreed["kind"] == "mean_reader_reader")]
    assert len(readers_own) == 6  # on all cases, and on those of each seed
    assert readers_own.iloc[0]["n"] == 80
    assert any("of its own" in note for note in found.notes)


def test_the_report_of_several_seeds(draw, tmp_path):
    frame = of_seeds(draw(("vgg16", "lda")), (1, 2, 3, 4, 5))
    made = hybridcx.compare(frame, out=tmp_path / "out", readers=readings(draw(("lda",))), by=("sex",), n_bootstrap=100)
    page = made.page.read_text(encoding="utf-8")
    for words in ("come with 5 seeds", "seeds (of the models) and cases", "Tests of interaction", "Wald"):
        assert words in page
    described = pd.read_csv(made.folder / "data_dictionary.csv")
    for name in (*TABLES, "interactions"):
        header = pd.read_csv(made.folder / f"{name}.csv").columns
        assert list(header) == list(described.loc[described["file"] == f"{name}.csv", "column"])
    assert not pd.read_csv(made.folder / "interactions.csv").empty


def test_the_report(draw, tmp_path):
    frame = draw(("vgg16", "lda"))
    ratings = readings(frame, ("ann", "bob"))
    extra = pd.concat([ratings, pd.DataFrame([["z1", "normal", "normal"]], columns=ratings.columns)])
    ratings_file = tmp_path / "readers.csv"
    extra.to_csv(ratings_file, index=False)
    made = hybridcx.compare(frame, out=tmp_path / "out", readers=ratings_file, n_bootstrap=100)
    page = made.page.read_text(encoding="utf-8")
    for words in (
        "Models compared with readers",
        "single pair",
        "no test cases, left out: 1",
        "Agreement of models with readers",
    ):
        assert words in page
    described = pd.read_csv(made.folder / "data_dictionary.csv")
    for name in TABLES:
        header = pd.read_csv(made.folder / f"{name}.csv").columns
        assert list(header) == list(described.loc[described["file"] == f"{name}.csv", "column"])
    assert (made.folder / "ratings.csv").exists()
    without = hybridcx.compare(frame, out=tmp_path / "without", n_bootstrap=100)
    assert "Models compared with readers" not in without.page.read_text(encoding="utf-8")
    assert pd.read_csv(without.folder / "reader_agreement.csv").empty
