"""Thresholds chosen on validation cases alone, and never on test cases."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import hybridcx
from hybridcx.analysis.compare import analyse
from hybridcx.analysis.plan import Plan
from hybridcx.analysis.thresholds import parse_threshold, with_chosen_thresholds
from hybridcx.errors import InputError
from hybridcx.records.predictions import predictions_from_frame
from hybridcx.stats.thresholds import choose_threshold


@pytest.fixture
def frame(draw):
    """80 test and 60 validation cases; scores without calls."""
    test = draw(("vgg16", "lda")).drop(columns=["y_pred", "sex"]).assign(split="test")
    validation = draw(("vgg16", "lda"), n=60).drop(columns=["y_pred", "sex"]).assign(split="validation")
    validation["case_id"] = "v" + validation["case_id"]
    return pd.concat([test, validation], ignore_index=True)


def chosen(frame, rule="youden"):
    return with_chosen_thresholds(predictions_from_frame(frame), parse_threshold(rule))


@pytest.mark.parametrize("rule", ["youden", "sensitivity=0.95", "specificity=0.9"])
def test_each_model_has_its_own_threshold_of_its_validation_cases(frame, rule):
    read = chosen(frame, rule)
    asked = parse_threshold(rule)
    for model in ("vgg16", "lda"):
        own = frame[(frame["model"] == model) & (frame["split"] == "validation")]
        want = choose_threshold((own["y_true"] == "abnormal").to_numpy(), own["score"], asked.rule, asked.target)
        assert read.threshold_of(model) == want.value
        rows = read.frame[read.frame["model"] == model]
        assert ((rows["score"] >= want.value) == (rows["y_pred"] == "abnormal")).all()
    assert list(read.chosen_thresholds["rule"]) == [rule, rule]
    assert list(read.chosen_thresholds["n"]) == [60, 60]


def test_test_cases_never_enter(frame):
    moved = frame.copy()
    test = moved["split"] == "test"
    moved.loc[test, "score"] = 1 - moved.loc[test, "score"]
    assert chosen(frame).thresholds == chosen(moved).thresholds


def test_the_threshold_stands_where_calls_are_counted(frame):
    tables = analyse(chosen(frame), Plan(n_resamples=100, n_refits=20))
    metrics = tables["metrics"]
    own = dict(zip(tables["thresholds"]["model"], tables["thresholds"]["threshold"], strict=True))
    accuracy = metrics[metrics["metric"] == "accuracy"]
    assert (accuracy["threshold"] == accuracy["model"].map(own)).all()
    assert metrics.loc[metrics["metric"].isin(["auroc", "brier"]), "threshold"].isna().all()
    assert set(metrics.loc[metrics["metric"] == "net_benefit", "threshold"]) == {0.5}
    compared = tables["comparisons"]
    assert compared.loc[compared["metric"] == "accuracy", "threshold"].isna().all()  # two models, two thresholds
    assert compared.loc[compared["metric"] == "accuracy", "adj.p.value"].notna().any()


def test_seeds_have_thresholds_of_their_own(frame):
    frames = [frame.assign(seed=s, score=frame["score"] ** (s + 1)) for s in (0, 1)]
    read = chosen(pd.concat(frames, ignore_index=True))
    assert len(read.chosen_thresholds) == 4
    assert read.threshold_of("lda") is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: f[f["split"] == "test"], "no validation rows"),
        (lambda f: f[(f["split"] == "test") | (f["model"] == "lda")], "vgg16"),
        (lambda f: f.assign(y_pred=f["y_true"]), "states the calls itself"),
        (lambda f: f.drop(columns="score").assign(y_pred=f["y_true"]), "column score"),
        (lambda f: f[(f["split"] == "test") | (f["y_true"] == "normal")], "one class"),
    ],
)
def test_refused_with_a_remedy(frame, change, said):
    with pytest.raises(InputError, match=said):
        chosen(change(frame))


def test_ranks_get_no_calls(frame):
    read = predictions_from_frame(frame, score_kind="rank")
    with pytest.raises(InputError, match="ranks get no calls"):
        with_chosen_thresholds(read, parse_threshold("youden"))


@pytest.mark.parametrize("text", ["yuden", "sensitivity", "sensitivity=1.5", "specificity=0", "ppv=0.9", ""])
def test_what_is_no_rule(text):
    with pytest.raises(InputError, match=r"youden, sensitivity=0\.95 or specificity=0\.9"):
        parse_threshold(text)


def test_numbers_stay_numbers():
    assert parse_threshold("0.3").value == parse_threshold(0.3).value == 0.3
    assert parse_threshold("sensitivity = .9").text == "sensitivity=0.9"
    assert parse_threshold(0.3).text == ""


def test_the_report_says_it(frame, tmp_path):
    report = hybridcx.compare(frame, out=tmp_path / "out", threshold="specificity=0.9", n_bootstrap=100)
    page = report.page.read_text(encoding="utf-8")
    assert "chosen by the rule specificity=0.9 on its 60 validation cases, never on test cases" in page
    assert len(pd.read_csv(tmp_path / "out" / "thresholds.csv")) == 2
    given = hybridcx.compare(frame, out=tmp_path / "given", n_bootstrap=100)
    assert pd.read_csv(given.folder / "thresholds.csv").empty
    assert np.isnan(pd.read_csv(given.folder / "metrics.csv")["threshold"].iloc[0])
