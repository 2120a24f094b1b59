"""A learning curve over the number of training cases, end to end on a small drawn cohort: what is trained on which cases, and what comes of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from shared import drawn_cohort
from small_run import small_experiment

import hybridcx
from hybridcx.analysis.plan import Plan
from hybridcx.analysis.repeats.training_size import training_size_tables
from hybridcx.errors import InputError
from hybridcx.experiment.file import Experiment, HeadsSection, parse_experiment
from hybridcx.experiment.sections import RepeatSection, TrainingSizeSection
from hybridcx.pipeline.plan_lock import plan_of
from hybridcx.pipeline.pseudonyms import Pseudonyms
from hybridcx.records.lineage import Lineage


def experiment(shares: list[float], **changes: object) -> Experiment:
    own = {
        "name": "sizes",
        "repeat": RepeatSection(seeds=2),
        "training_size": TrainingSizeSection(shares=shares),
        "heads": HeadsSection(names=["logistic"], features=["pretrained", "fine_tuned"], folds=2),
    }
    return small_experiment(**{**own, **changes})


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn_cohort(tmp_path_factory, "sizes")


@pytest.fixture(scope="module")
def ran(base: Path) -> Path:
    hybridcx.run(experiment([0.4, 0.7]), base=base, out=base / "out", cache=base / "cache", images=False)
    return base / "out"


def read(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / f"{name}.csv", keep_default_na=False, na_values=["NA"])


def text(shares: str, more: str = "") -> str:
    return f'name = "x"\nseed = 7\n[cohort]\nmanifest = "m.csv"\n[training_size]\nshares = {shares}\n{more}'


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (text("[0.5]", '[repeat]\ndesign = "kfold"'), "needs repeat.design = 'split', not 'kfold'"),
        (text("[0.5]", '[repeat]\ndesign = "holdout"\nseeds = 2'), "compared on one shared test set"),
        (text("[0.5, 1.0]"), "a share lies between 0 and 1"),
        (text("[0.5, 0.25]"), "once each and in rising order"),
        (text("[0.5, 0.5]"), "once each and in rising order"),
        (text('["half"]'), "training_size.shares"),
    ],
)
def test_shares_that_cannot_be_meant_are_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        parse_experiment(wrong)


def test_only_shares_change_the_plan():
    plain, asked = parse_experiment(text("[]")), parse_experiment(text("[0.5]"))
    assert "training_size" not in plan_of(plain)
    assert plan_of(asked)["training_size"] == {"shares": [0.5]}


def test_each_size_is_trained_on_a_part_of_the_next_and_tested_on_the_same_cases(ran):
    lineage = Lineage.from_dict(json.loads((ran / "lineage.json").read_text(encoding="utf-8")))
    split = read(ran, "split").set_index("case_id")["split"]
    ledger = read(ran, "training_size_predictions")
    assert set(ledger["split"]) == {"test"}
    assert (
        ledger.groupby(["model", "seed", "share"])["case_id"].agg(lambda c: set(c) == set(split.index[split == "test"]))
    ).all()
    for seed in (5, 6):
        saw = [
            lineage.saw("squeezenet1_1", unit)
            for unit in (f"seed {seed}, share 0.4", f"seed {seed}, share 0.7", f"seed {seed}")
        ]
        assert saw[0] < saw[1] < saw[2]
        assert saw[2] == set(split.index[split == "train"])
        sizes = ledger[ledger["seed"] == seed].groupby("share")["n_train"].agg(["min", "max"])
        assert sizes["min"].tolist() == sizes["max"].tolist() == [len(s) for s in saw]
        heads = lineage.saw("squeezenet1_1:untrained+logistic", f"seed {seed}, share 0.4")
        assert heads == saw[0]
        tuned = {
            split[c]
            for f in lineage
            if f.unit == f"seed {seed}, share 0.4" and f.model == "squeezenet1_1+logistic"
            for c in f.case_ids
        }
        assert tuned == {"validation"}
    assert lineage.saw("squeezenet1_1", "seed 5, share 0.4") != lineage.saw("squeezenet1_1", "seed 6, share 0.4")


def test_the_whole_is_the_run_itself(ran):
    ledger, sizes = read(ran, "predictions"), read(ran, "training_size_predictions")
    keys = ["model", "seed", "case_id"]
    own = ledger[ledger["split"] == "test"].set_index(keys)["score"].sort_index()
    whole = sizes[sizes["share"] == 1].set_index(keys)["score"].sort_index()
    pd.testing.assert_series_equal(own, whole)
    metrics, points = read(ran, "metrics"), read(ran, "training_size")
    over = metrics[metrics[["seed", "subgroup"]].isna().all(axis=1) & (metrics["method"] == "bootstrap_hierarchical")]
    over = over.set_index(["model", "metric"])["estimate"]
    at_whole = points[(points["kind"] == "observed") & (points["share"] == 1)]
    assert len(at_whole) == 6
    for r in at_whole.to_dict("records"):
        assert r["estimate"] == pytest.approx(over[r["model"], r["metric"]], abs=1e-15)


def test_the_rest_of_the_run_is_that_of_a_run_without_sizes(base, ran):
    hybridcx.run(experiment([]), base=base, out=base / "plain", cache=base / "cache", images=False)
    for name in ("predictions", "metrics", "comparisons", "heads", "learning_curves"):
        alone, beside = (read(folder, name).drop(columns="role", errors="ignore") for folder in (base / "plain", ran))
        pd.testing.assert_frame_equal(alone, beside)  # the plan is another one, so the role differs
    assert not list((base / "plain").glob("training_size*"))


def test_tables_say_what_they_are_and_are_never_sure_beyond_the_sizes(ran):
    points, terms = read(ran, "training_size"), read(ran, "training_size_fit")
    assert set(points["metric"]) == {"accuracy", "auroc"}
    assert set(points["kind"]) == {"observed", "fitted", "predicted"}
    beyond = points[points["kind"] == "predicted"]
    assert (beyond["share"] > 1).all()
    assert beyond["status"].eq("caution").all()
    assert beyond["warning"].str.contains("only if the power law goes on").all()
    assert points.loc[points["kind"] == "fitted", "warning"].str.contains("fitted to 3 sizes").all()
    assert points["warning"].str.contains("only 2 seeds").all()
    assert not points.duplicated(["model", "metric", "kind", "n.train"]).any()
    assert terms["term"].value_counts().eq(6).all()
    needed = terms[terms["term"].str.startswith("n_for_plus_")]
    whole = points.loc[points["kind"] == "observed", "n.train"].max()
    assert (needed["estimate"] > whole).all()
    assert (needed["conf.low"] > whole).all()
    described = read(ran, "data_dictionary").groupby("file")["column"].agg(set)
    for name in ("training_size", "training_size_fit", "training_size_predictions"):
        assert described[f"{name}.csv"] == set(read(ran, name).columns)


def test_the_page_has_the_section(ran):
    page = (ran / "report.html").read_text(encoding="utf-8")
    assert 'id="training-size"' in page
    assert "If the fitted power law continues, twice as many would give" in page or "No curve is fitted" in page
    assert "Everything was trained again on" in page


def test_the_curves_are_recomputed_from_their_predictions(ran):
    found = hybridcx.verify(ran)
    assert found.agrees
    numbers = found.numbers.set_index("file")["numbers"]
    assert (numbers[["training_size.csv", "training_size_fit.csv", "training_size_predictions.csv"]] > 0).all()
    changed = ran / "training_size_predictions.csv"
    before = changed.read_bytes()
    rows = read(ran, "training_size_predictions")
    try:
        for share in (0.4, 1.0):  # of a part, and of the whole, which predictions.csv has too
            # from the first rank of its model to the last: another AUROC, whatever the scores are
            at = rows.loc[rows["share"] == share, "score"].idxmax()
            lines = before.decode().splitlines()
            assert f",{float(rows.loc[at, 'score'])!r}," in lines[at + 1]
            lines[at + 1] = lines[at + 1].replace(f",{float(rows.loc[at, 'score'])!r},", ",0.0,")
            changed.write_text("\n".join(lines) + "\n", encoding="utf-8")
            files = set(hybridcx.verify(ran).differences["file"])
            assert ("training_size.csv" if share < 1 else "training_size_predictions.csv") in files
    finally:
        changed.write_bytes(before)


def test_two_sizes_give_points_and_no_curve(ran):
    sizes = read(ran, "training_size_predictions")
    own = sizes[(sizes["share"] != 0.4) & (sizes["seed"] == 5)]
    made = training_size_tables(own, "abnormal", Plan(n_resamples=100))
    points, terms = made["training_size"], made["training_size_fit"]
    assert points.loc[points["kind"] == "observed", "n.seeds"].eq(1).all()
    assert points.loc[points["kind"] == "observed", "warning"].str.contains("conditional on the trained model").all()
    rest = pd.concat([points[points["kind"] == "predicted"], terms])
    assert rest["status"].eq("not_estimable").all()
    assert rest["estimate"].isna().all()
    assert rest["warning"].eq("a power law has three parameters: at least 3 sizes are needed").all()


def test_no_curve_depends_on_the_other_models(ran):
    sizes = read(ran, "training_size_predictions")
    one = training_size_tables(sizes[sizes["model"] == "squeezenet1_1"], "abnormal", Plan(n_resamples=100, seed=5))
    points = read(ran, "training_size")
    own = points[points["model"] == "squeezenet1_1"].reset_index(drop=True)
    for column in ("estimate", "conf.low", "conf.high"):
        np.testing.assert_allclose(one["training_size"][column].astype(float), own[column], rtol=1e-12)


def test_too_few_cases_are_refused_before_anything_is_trained(base):
    heads = HeadsSection(names=["logistic"], features=["pretrained"], folds=2)
    with pytest.raises(InputError, match=r"seed 5, share 0\.06, of which one class has"):
        hybridcx.run(
            experiment([0.06], heads=heads), base=base, out=base / "few", cache=base / "few_cache", images=False
        )
    assert not (base / "few_cache" / "finetune").exists()


def test_pseudonyms_reach_the_predictions_over_sizes(ran):
    plain = read(ran, "training_size_predictions")
    named = Pseudonyms(bytes(32)).ledger(plain, list(plain.columns))
    assert named["case_id"].str.fullmatch(r"p[0-9a-f]{16}").all()
    assert list(named.columns) == list(plain.columns)
    keys = ["model", "seed", "share", "case_id"]
    assert named[keys].equals(named[keys].sort_values(keys, ignore_index=True))
    again = training_size_tables(named, "abnormal", Plan(n_resamples=100, seed=5))["training_size_fit"]
    terms = read(ran, "training_size_fit").set_index(["model", "metric", "term"])["estimate"]
    for row in again.to_dict("records"):
        np.testing.assert_allclose(row["estimate"], terms[row["model"], row["metric"], row["term"]], rtol=1e-9)
