"""bad_input.md 27 to 35 as a user meets them: a file in, the rows and words out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import hybridcx
from hybridcx.errors import InputError

N = 30
Y = np.arange(N) < 12
RNG = np.random.default_rng(1)
GOOD = 1 / (1 + np.exp(-(1.2 * (2 * Y - 1) + RNG.normal(size=N))))
WEAK = 1 / (1 + np.exp(-(0.6 * (2 * Y - 1) + RNG.normal(size=N))))
RIGHT = np.where(Y, 0.9, 0.1) + 0.05 * RNG.random(N)


def compared(tmp_path, **options):
    scores = options.pop("scores")
    frames = [
        pd.DataFrame({"case_id": [f"c{i:02d}" for i in range(N)], "y_true": Y.astype(int), "model": m, "score": s})
        for m, s in scores.items()
    ]
    frame = pd.concat(frames, ignore_index=True)
    change = options.pop("change", None)
    frame = change(frame) if change else frame
    return hybridcx.compare(frame, out=tmp_path / "out", positive="1", **{"n_bootstrap": 200, **options})


def rows(report, table, metric, **where):
    found = report.tables[table]
    found = found[found["metric"] == metric]
    for column, value in where.items():
        found = found[found[column] == value]
    return found.set_index("method")


def test_27_a_single_class(tmp_path):
    with pytest.raises(InputError, match="single class"):
        compared(tmp_path, scores={"a": GOOD}, change=lambda f: f[f["y_true"] == 0])


def test_27_a_subgroup_of_a_single_class(tmp_path):
    site = lambda f: f.assign(site=np.where(f["case_id"] < "c06", "north", "south"))  # noqa: E731
    made = compared(tmp_path, scores={"a": GOOD, "b": WEAK}, change=site, by=["site"])
    north = made.tables["metrics"].query("level == 'north'")
    for metric in ("specificity", "auroc", "lr_positive", "mcc"):
        own = north[north["metric"] == metric]
        assert (own["status"] == "not_estimable").all()
        assert own["warning"].notna().all()
    assert (north.query("metric == 'sensitivity' and method == 'wilson'")["status"] == "ok").all()
    interaction = made.tables["interactions"].query("metric == 'auroc'")
    assert (interaction["status"] == "not_estimable").all()
    assert "Subgroups" in made.page.read_text(encoding="utf-8")


def test_27_no_predicted_positives(tmp_path):
    made = compared(tmp_path, scores={"a": 0.4 * GOOD, "b": WEAK})
    ppv = rows(made, "metrics", "ppv", model="a")
    assert (ppv["status"] == "not_estimable").all()
    assert ppv["estimate"].isna().all()
    assert "denominator is 0" in ppv.loc["wilson", "warning"]
    assert rows(made, "metrics", "npv", model="a").loc["wilson", "status"] == "ok"
    assert (rows(made, "comparisons", "ppv")["status"] == "not_estimable").all()
    assert made.tables["verdicts"].query("metric == 'ppv'")["verdict"].tolist() == ["inconclusive"]


def test_28_resamples_that_lack_a_class(tmp_path):
    few = lambda f: f[f["case_id"].isin(["c00", "c01", "c13", "c14", "c15", "c16"])]  # noqa: E731
    made = compared(tmp_path, scores={"a": GOOD, "b": WEAK}, change=few, n_bootstrap=1000)
    failed = rows(made, "metrics", "sensitivity", model="a").loc["bootstrap_bca", "n.resamples.failed"]
    assert failed / 1000 == pytest.approx((4 / 6) ** 6, abs=0.04)  # no positive case drawn
    assert rows(made, "metrics", "sensitivity", model="a").loc["bootstrap_bca", "status"] == "caution"


def test_29_and_30_perfect_models(tmp_path):
    made = compared(tmp_path, scores={"a": RIGHT, "b": WEAK})
    auroc = rows(made, "metrics", "auroc", model="a")
    assert (auroc["estimate"] == 1).all()
    for method in ("delong", "bootstrap_bca", "bootstrap_percentile", "bootstrap_basic"):
        assert auroc.loc[method, "status"] == "caution"
        assert auroc.loc[method, "conf.low"] == auroc.loc[method, "conf.high"] == 1
    assert "percentile limits" in auroc.loc["bootstrap_bca", "warning"]  # the fallback is named
    assert auroc.index[auroc["recommended"]].tolist() == ["newcombe_auc"]
    assert 0.8 < auroc.loc["newcombe_auc", "conf.low"] < 1
    accuracy = rows(made, "metrics", "accuracy", model="a")
    assert accuracy.loc["wilson", "conf.low"] < 1
    assert accuracy.loc["bootstrap_bca", "status"] == "caution"


@pytest.mark.parametrize("scores", [{"a": GOOD, "b": GOOD, "c": GOOD}, {"a": RIGHT, "b": RIGHT**0.9}])
def test_31_models_that_do_not_differ(tmp_path, scores):
    made = compared(tmp_path, scores=scores, margin=0.1)
    table = made.tables["comparisons"]
    own = table[table["metric"].isin(["accuracy", "sensitivity", "specificity", "auroc"])]
    tests = own[~own["method"].isin(["newcombe_paired", "agresti_min", "tost", "non_inferiority"])]
    assert (tests["p.value"] == 1).all()
    assert (tests["status"] == "caution").all()
    assert (tests["estimate"] == 0).all()
    omnibus = made.tables["omnibus"]
    assert (omnibus["p.value"] == 1).all()
    assert (omnibus["status"] == "caution").all()
    verdicts = made.tables["verdicts"].query("metric in ('accuracy', 'auroc')")
    assert not verdicts["verdict"].isin(["superior", "inferior"]).any()
    assert "No discordant case" in made.page.read_text(encoding="utf-8")


def test_33_complete_separation(tmp_path):
    made = compared(tmp_path, scores={"a": RIGHT, "b": WEAK})
    slope = rows(made, "metrics", "calibration_slope", model="a")
    assert (slope["status"] == "not_estimable").all()
    assert "separate the classes" in slope.loc["wald", "warning"]
    assert (rows(made, "metrics", "calibration_intercept", model="a")["estimate"].notna()).all()
    assert (rows(made, "comparisons", "calibration_slope")["status"] == "not_estimable").all()


def test_34_scores_of_zero_and_one(tmp_path):
    made = compared(tmp_path, scores={"a": np.where(GOOD > 0.5, 1.0, 0.0), "b": WEAK})
    loss = rows(made, "metrics", "log_loss", model="a")
    assert loss["warning"].str.contains("clipped to 1e-15").all()
    assert rows(made, "metrics", "calibration_intercept", model="a")["warning"].str.contains("1e-06").all()


def test_a_score_of_the_wrong_class_is_said(tmp_path):
    made = compared(tmp_path, scores={"a": 1 - RIGHT, "b": WEAK})
    assert (rows(made, "metrics", "auroc", model="a")["estimate"] == 0).all()  # never turned
    assert "AUROC below 0.5: a ranks the cases the wrong way round" in made.page.read_text(encoding="utf-8")


def test_one_model_alone(tmp_path):
    made = compared(tmp_path, scores={"a": GOOD})
    assert made.tables["comparisons"].empty
    assert made.tables["omnibus"].empty
    page = made.page.read_text(encoding="utf-8")
    for words in (
        "How well does a classify the 30 test cases?",
        "Performance of one model",
        "Cases that the model calls wrongly.",
    ):
        assert words in page
    for words in ("1 models", "Paired differences", "adjusted by Holm"):
        assert words not in page


def test_calls_alone(tmp_path):
    called = lambda f: f.assign(y_pred=(f["score"] > 0.5).astype(int)).drop(columns="score")  # noqa: E731
    made = compared(tmp_path, scores={"a": GOOD, "b": WEAK}, change=called)
    assert "auroc" not in set(made.tables["metrics"]["metric"])
    for name in (
        "roc",
        "calibration",
        "decision_curve",
        "brier_decomposition",
        "calibration_line",
        "decision_curve_differences",
    ):
        assert made.tables[name].empty
        assert (made.folder / f"{name}.csv").read_text().count("\n") == 1
    assert len(made.tables["error_overlap"]) == 1


def test_ranks_alone(tmp_path):
    ranks = lambda f: f.assign(score=100 * f["score"] - 20)  # noqa: E731
    made = compared(tmp_path, scores={"a": GOOD, "b": WEAK}, change=ranks, score_kind="rank")
    assert set(made.tables["metrics"]["metric"]) == {"auroc", "auprc"}
    assert set(made.tables["ranking"]["metric"]) == {"auroc", "auprc"}
    assert made.tables["error_overlap"].empty


# Agreement


def agreed(tmp_path, columns, **options):
    frame = pd.DataFrame({"case_id": [f"c{i:02d}" for i in range(len(next(iter(columns.values()))))], **columns})
    frame.to_csv(tmp_path / "r.csv", index=False)
    made = hybridcx.agreement(tmp_path / "r.csv", out=tmp_path / "out", n_bootstrap=100, **options)
    return made.tables["agreement"].set_index("metric"), made


def test_32_a_constant_rater(tmp_path):
    table, _ = agreed(tmp_path, {"rating_a": 50 + 10 * WEAK, "rating_b": np.full(N, 50.0)})
    icc = table[table.index.str.startswith("icc")]
    assert (icc["status"] == "not_estimable").all()
    assert icc["warning"].str.contains("same value for every case").all()


def test_32_a_constant_call(tmp_path):
    table, made = agreed(tmp_path, {"reader_a": np.where(Y, "pos", "neg"), "reader_b": ["neg"] * N}, positive="pos")
    assert table.loc["cohen_kappa", "status"] == "not_estimable"
    assert table.loc["percent_agreement", "estimate"] == pytest.approx(18 / 30)
    assert table.loc["gwet_ac1", "status"] == "ok"
    assert "not estimable" in made.page.read_text(encoding="utf-8") or "NA" in made.page.read_text(encoding="utf-8")


def test_17_missing_readings_are_counted_by_each_method(tmp_path):
    calls = {r: np.where(RNG.random(N) < 0.8, np.where(Y, "pos", "neg"), "neg").astype(object) for r in "abc"}
    calls["b"][[0, 3]] = ""
    calls["c"][[3, 9]] = ""
    table, made = agreed(tmp_path, {f"reader_{r}": v for r, v in calls.items()}, positive="pos")
    assert "1 of 30 cases have a single reading" in table.loc["fleiss_kappa", "warning"]
    assert table.loc["fleiss_kappa", "n"] == 30
    assert "1 of 30 cases have a single reading" in table.loc["krippendorff_alpha", "warning"]
    assert table.loc["krippendorff_alpha", "n"] == 29
    pairs = table.loc["cohen_kappa"].set_index("readers")
    assert pairs.loc["a, b", "n"] == 28
    assert pairs.loc["b, c", "n"] == 27
    assert "lack some reading" in made.page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("columns", "options"),
    [
        ({"rating_a": ["1", "2", "x"], "rating_b": ["1", "2", "3"]}, {}),
        ({"reader_a": ["high", "low", "low"], "reader_b": ["high", "low", "high"]}, {"scale": "ordinal"}),
    ],
)
def test_35_text_that_is_no_number(tmp_path, columns, options):
    with pytest.raises(InputError, match=r"text (among|on an ordinal)"):
        agreed(tmp_path, columns, **options)
