"""Models set beside readers: what is compared, what is not, and what must be said of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hybridcx import api
from hybridcx.analysis.plan import Plan
from hybridcx.analysis.reader_view import TABLES, reader_view
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
    assert any("not said" in note for note in found.notes)


def test_two_readers_are_one_pair(draw):
    frame = draw(("vgg16",))
    found = view(frame, readings(frame, ("ann", "bob")), "no")
    assert any("single pair" in note for note in found.notes)
    one = view(frame, readings(frame, ("ann", "bob")).rename(columns={"reader_bob": "reader_ann_2"}), "no")
    assert any("One reader" in note for note in one.notes)
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


def test_ranks_and_seeds_are_refused(draw):
    frame = draw(("vgg16",))
    with pytest.raises(InputError, match="one seed"):
        view(pd.concat([frame.assign(seed=s) for s in (1, 2)]), readings(frame))
    ranked = predictions_from_frame(frame.drop(columns="y_pred"), score_kind="rank")
    with pytest.raises(InputError, match="without calls"):
        reader_view(ranked, ratings_from_frame(readings(frame), scale="nominal"), PLAN)


def test_the_report(draw, tmp_path):
    frame = draw(("vgg16", "lda"))
    ratings = readings(frame, ("ann", "bob"))
    extra = pd.concat([ratings, pd.DataFrame([["z1", "normal", "normal"]], columns=ratings.columns)])
    ratings_file = tmp_path / "readers.csv"
    extra.to_csv(ratings_file, index=False)
    made = api.compare(frame, out=tmp_path / "out", readers=ratings_file, n_bootstrap=100)
    page = made.page.read_text(encoding="utf-8")
    for words in (
        "Models beside the readers",
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
    without = api.compare(frame, out=tmp_path / "without", n_bootstrap=100)
    assert "Models beside the readers" not in without.page.read_text(encoding="utf-8")
    assert pd.read_csv(without.folder / "reader_agreement.csv").empty
