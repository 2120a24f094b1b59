"""Repeated trainings end to end on a small drawn cohort: seeds, hold-out, folds; what they share with single runs, and what none may see."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import hybridcx
from hybridcx.errors import InputError
from hybridcx.experiment import (
    AnalysisSection,
    CohortSection,
    ComputeSection,
    Experiment,
    HeadsSection,
    ImagesSection,
    NetworksSection,
    RepeatSection,
    TrainSection,
)
from hybridcx.records.lineage import Lineage


def experiment(repeat: RepeatSection, seed: int = 5, **changes: object) -> Experiment:
    base = {
        "name": "repeated",
        "seed": seed,
        "cohort": CohortSection(manifest="phantom/manifest.csv"),
        "images": ImagesSection(size_px=32),
        "repeat": repeat,
        "networks": NetworksSection(names=["squeezenet1_1"], weights="none"),
        "train": TrainSection(epochs=1, learning_rate=0.003, validate_every=4),
        "heads": HeadsSection(names=["logistic", "lda"], features=["pretrained"], folds=3),
        "compute": ComputeSection(device="cpu", threads=1),
        "analysis": AnalysisSection(n_bootstrap=100),
    }
    return Experiment(**{**base, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repeated")
    hybridcx.phantom(folder / "phantom", patients=80, seed=3)
    return folder


@pytest.fixture(scope="module")
def folds(base: Path) -> Path:
    repeat = RepeatSection(design="repeated_kfold", seeds=2, folds=3)
    hybridcx.run(experiment(repeat), base=base, out=base / "folds", cache=base / "cache")
    return base / "folds"


@pytest.fixture(scope="module")
def holdout(base: Path) -> Path:
    hybridcx.run(
        experiment(RepeatSection(design="holdout", seeds=3)), base=base, out=base / "holdout", cache=base / "cache"
    )
    return base / "holdout"


def read(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / f"{name}.csv", keep_default_na=False, na_values=["NA"])


def test_in_folds_each_case_is_tested_once_per_seed_and_training_rows_are_left_out(folds):
    ledger = read(folds, "predictions")
    assert set(ledger["split"]) <= {"test", "validation", "disputed"}
    test = ledger[ledger["split"] == "test"]
    assert (test.groupby(["model", "seed", "case_id"]).size() == 1).all()
    assert test["case_id"].nunique() == len(read(folds, "split")) / 6
    assert sorted(test["fold"].unique()) == [1, 2, 3]


def test_no_model_of_a_fold_saw_its_fold(folds):
    lineage = Lineage.from_dict(json.loads((folds / "lineage.json").read_text(encoding="utf-8")))
    ledger = read(folds, "predictions")
    test = ledger[ledger["split"] == "test"]
    checked = 0
    for (model, seed, fold), rows in test.groupby(["model", "seed", "fold"]):
        seen = lineage.saw(model, f"seed {seed}, fold {fold}")
        assert seen.isdisjoint(rows["case_id"])
        assert len(seen) > 0
        checked += 1
    assert checked == 6 * ledger["model"].nunique()
    # and each model of a fold did see test cases of the others: the check is one per unit
    assert not lineage.saw("squeezenet1_1", "seed 5, fold 1").isdisjoint(
        test.loc[(test["seed"] == 5) & (test["fold"] == 2), "case_id"]
    )


def test_the_chosen_head_is_that_of_each_units_own_cross_validation(folds):
    ledger, heads = read(folds, "predictions"), read(folds, "heads")
    assert heads.groupby(["seed", "fold"])["chosen"].sum().eq(1).all()
    for unit in heads.to_dict("records"):
        if unit["chosen"]:
            rivals = heads[(heads["seed"] == unit["seed"]) & (heads["fold"] == unit["fold"])]
            assert unit["cv_auroc"] == rivals["cv_auroc"].max()
            here = (ledger["seed"] == unit["seed"]) & (ledger["fold"] == unit["fold"])
            own = ledger[here & (ledger["model"] == unit["model"])].set_index("case_id")["score"]
            chosen = ledger[here & (ledger["model"] == "squeezenet1_1+chosen")].set_index("case_id")["score"]
            pd.testing.assert_series_equal(own, chosen)


def test_auroc_over_folds_is_the_mean_of_the_folds(folds):
    ledger, metrics = read(folds, "predictions"), read(folds, "metrics")
    positive = read(folds, "confusion")["positive"].iloc[0]
    test = ledger[(ledger["split"] == "test") & (ledger["model"] == "squeezenet1_1")]

    def auroc(rows: pd.DataFrame) -> float:
        up, down = (rows.loc[(rows["y_true"] == positive) == b, "score"].to_numpy() for b in (True, False))
        diff = up[:, None] - down[None, :]
        return float(((diff > 0) + (diff == 0) / 2).mean())

    each = [np.mean([auroc(f) for _, f in s.groupby("fold")]) for _, s in test.groupby("seed")]
    row = metrics[
        (metrics["metric"] == "auroc")
        & (metrics["model"] == "squeezenet1_1")
        & (metrics["method"] == "bootstrap_hierarchical")
        & metrics[["subgroup", "seed"]].isna().all(axis=1)
    ]
    assert row["estimate"].iloc[0] == pytest.approx(np.mean(each), abs=1e-12)


def test_a_split_of_the_holdout_is_the_run_with_that_seed(base, holdout):
    single = base / "single"
    hybridcx.run(experiment(RepeatSection(), seed=6), base=base, out=single, cache=base / "other")
    alone, among = read(single, "predictions"), read(holdout, "predictions")
    among = among[(among["seed"] == 6) & (among["model"] != "squeezenet1_1+chosen")].reset_index(drop=True)
    pd.testing.assert_frame_equal(among[alone.columns], alone)


def test_holdout_is_compared_by_nadeau_and_bengio(holdout):
    found = read(holdout, "comparisons")
    rows = found[(found["method"] == "nadeau_bengio") & found["subgroup"].isna() & (found["metric"] == "accuracy")]
    assert set(rows["parameter"]) == {2}
    assert rows["status"].ne("not_estimable").any()
    assert {"squeezenet1_1+chosen"} <= set(rows["model"]) | set(rows["comparator"])


@pytest.mark.parametrize("name", ["folds", "holdout"])
def test_the_report_is_recomputed_from_what_lies_beside_it(name, request):
    folder = request.getfixturevalue(name)
    assert hybridcx.verify(folder).agrees
    changed = folder / "predictions.csv"
    before = changed.read_bytes()
    try:
        lines = before.decode().splitlines()
        at = next(i for i, line in enumerate(lines) if ",test," in line)
        lines[at] = lines[at].replace(",test,", ",validation,")
        changed.write_text("\n".join(lines) + "\n", encoding="utf-8")
        assert not hybridcx.verify(folder).agrees
    finally:
        changed.write_bytes(before)


def test_heads_that_have_too_few_cases_in_one_fold_are_refused_before_training(base):
    repeat = RepeatSection(design="kfold", folds=10)
    heads = HeadsSection(names=["logistic"], features=["fine_tuned"], folds=3)
    with pytest.raises(InputError, match="of fold 1, of which one class has"):
        hybridcx.run(
            experiment(repeat, heads=heads, split={"train": 0.8, "validation": 0.05, "test": 0.15}),
            base=base,
            out=base / "few",
            cache=base / "few_cache",
        )
    assert not (base / "few_cache" / "finetune").exists()


def test_adding_seeds_after_results_is_another_plan(base):
    out = base / "more"
    hybridcx.run(experiment(RepeatSection(), seed=11), base=base, out=out, cache=base / "more_cache")
    hybridcx.run(experiment(RepeatSection(seeds=2), seed=11), base=base, out=out, cache=base / "more_cache", fresh=True)
    assert set(read(out, "comparisons")["role"]) == {"exploratory"}
