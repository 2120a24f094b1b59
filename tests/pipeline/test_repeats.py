"""Repeated trainings end to end on a small drawn cohort: seeds, hold-out, folds; what they share with single runs, and what none may see."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from shared import drawn_cohort
from small_run import small_experiment

import hybridcx
from hybridcx.errors import InputError
from hybridcx.experiment.file import CohortSection, Experiment, HeadsSection, NetworksSection, SplitSection
from hybridcx.experiment.sections import EnsemblesSection, LabelsSection, RepeatSection
from hybridcx.records.lineage import Lineage


def experiment(repeat: RepeatSection, seed: int = 5, **changes: object) -> Experiment:
    return small_experiment(name="repeated", seed=seed, repeat=repeat, **changes)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn_cohort(tmp_path_factory, "repeated")


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
            if (rivals["features"] != "fine_tuned").any():
                rivals = rivals[rivals["features"] != "fine_tuned"]
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
    read_by = [c for c in alone if c.startswith("reader_")]
    pd.testing.assert_frame_equal(among[alone.columns.drop(read_by)], alone.drop(columns=read_by))
    # A case that another split tests has its readings on the rows of this one too.
    test = alone["split"] == "test"
    assert read_by
    pd.testing.assert_frame_equal(among.loc[test, read_by], alone.loc[test, read_by])


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


def test_stacking_without_validation_cases_is_refused_before_training(base):
    manifest = pd.read_csv(base / "phantom" / "manifest.csv", dtype=str, keep_default_na=False)
    kept = manifest["excluded"] == ""
    patient = pd.factorize(manifest["patient_id"])[0]
    manifest["split"] = np.where(kept, np.where(patient % 4 == 0, "test", "train"), "")
    manifest.to_csv(base / "phantom" / "two_parts.csv", index=False)
    wanted = experiment(
        RepeatSection(),
        cohort=CohortSection(manifest="phantom/two_parts.csv"),
        split=SplitSection(method="manifest"),
        networks=NetworksSection(names=["squeezenet1_1", "mobilenet_v2"], weights="none"),
        ensembles=EnsemblesSection(networks=["stacking"]),
    )
    with pytest.raises(InputError, match="ensemble:stacking is fitted on the validation cases"):
        hybridcx.run(wanted, base=base, out=base / "two_parts", cache=base / "cache")
    assert not (base / "two_parts").exists()


@pytest.mark.system  # fifteen seconds
def test_readers_stand_beside_folds_and_hold_out(base):
    """Cases in dispute are a stratum, and every rule has its rows, whatever the design."""
    manifest = pd.read_csv(base / "phantom" / "manifest.csv", dtype=str, keep_default_na=False)
    manifest["excluded"] = manifest["excluded"].replace("reader disagreement", "")
    manifest.to_csv(base / "phantom" / "disputed.csv", index=False)
    for design in ("kfold", "holdout"):
        wanted = experiment(
            RepeatSection(design=design, seeds=2, folds=3)
            if design == "kfold"
            else RepeatSection(design=design, seeds=3),
            split=SplitSection(train=0.4, validation=0.2, test=0.4),
            cohort=CohortSection(manifest="phantom/disputed.csv", labels=LabelsSection(rule="agreement")),
            heads=HeadsSection(names=["logistic"], features=["pretrained"], folds=3),
        )
        out = base / f"readers-{design}"
        hybridcx.run(wanted, base=base, out=out, cache=base / "cache")
        ledger, metrics = read(out, "predictions"), read(out, "metrics")
        readers = {c for c in ledger if c.startswith("reader_")}
        assert len(readers) == 2
        rules = set(read(out, "label_rules")["label.rule"])
        assert {"primary", *readers, "agreed", "all"} <= rules, design
        apart = metrics[(metrics["subgroup"] == "stratum") & (metrics["level"] == "disputed")]
        assert len(apart), design
        n = ledger.loc[ledger["split"] == "disputed", "case_id"].nunique()
        assert n
        whole = apart[(apart["label.rule"] == min(readers)) & (apart["metric"] == "accuracy") & apart["seed"].isna()]
        assert set(whole["n"]) == {n}
        assert hybridcx.verify(out).agrees


def test_adding_seeds_after_results_is_another_plan(base):
    out = base / "more"
    hybridcx.run(experiment(RepeatSection(), seed=11), base=base, out=out, cache=base / "more_cache")
    hybridcx.run(experiment(RepeatSection(seeds=2), seed=11), base=base, out=out, cache=base / "more_cache", fresh=True)
    assert set(read(out, "comparisons")["role"]) == {"exploratory"}


@pytest.fixture(scope="module")
def ensembles(base: Path) -> Path:
    wanted = experiment(
        RepeatSection(seeds=3),
        networks=NetworksSection(names=["squeezenet1_1", "mobilenet_v2"], weights="none"),
        heads=HeadsSection(names=[]),
        ensembles=EnsemblesSection(networks=["mean", "stacking"], seeds=True),
    )
    hybridcx.run(wanted, base=base, out=base / "ensembles", cache=base / "cache")
    return base / "ensembles"


def test_the_mean_ensemble_is_the_mean_of_the_networks_and_the_stack_was_not_fitted_on_test_or_training_cases(
    ensembles,
):
    ledger = read(ensembles, "predictions")
    wide = ledger.pivot_table(index=["seed", "case_id"], columns="model", values="score")
    np.testing.assert_allclose(
        wide["ensemble:mean"], (wide["squeezenet1_1"] + wide["mobilenet_v2"]) / 2, rtol=0, atol=1e-15
    )
    lineage = Lineage.from_dict(json.loads((ensembles / "lineage.json").read_text(encoding="utf-8")))
    split = read(ensembles, "split").set_index("case_id")["split"]
    for seed in (5, 6, 7):
        own = [f for f in lineage if f.model == "ensemble:stacking" and f.unit == f"seed {seed}"]
        assert [{split[c] for c in f.case_ids} for f in own] == [{"validation"}]
        assert lineage.saw("ensemble:stacking", f"seed {seed}") == set(split.index[split != "test"])
    told = read(ensembles, "ensembles")
    stack = told[(told["model"] == "ensemble:stacking") & (told["seed"] == 6)].iloc[0]
    logits = np.log(wide.loc[6] / (1 - wide.loc[6]))[["squeezenet1_1", "mobilenet_v2"]].to_numpy()
    again = 1 / (1 + np.exp(-(stack["intercept"] + logits @ json.loads(stack["weights"]))))
    np.testing.assert_allclose(wide.loc[6]["ensemble:stacking"], again, rtol=1e-9)


def test_the_ensemble_over_seeds_is_one_set_of_models_beside_its_seeds(ensembles):
    ledger, found = read(ensembles, "predictions"), read(ensembles, "ensemble_metrics")
    test = ledger[(ledger["split"] == "test") & (ledger["model"] == "squeezenet1_1")]
    score = test.groupby("case_id")["score"].mean()
    truth = (
        test.drop_duplicates("case_id").set_index("case_id")["y_true"] == read(ensembles, "confusion")["positive"][0]
    )
    brier = float(((score - truth[score.index]) ** 2).mean())
    own = found[(found["metric"] == "brier") & (found["method"] == "wald")].set_index("model")
    assert own.loc["squeezenet1_1 (mean of seeds)", "estimate"] == pytest.approx(brier, abs=1e-12)
    # the Brier score is convex: the mean's is never above the mean of the seeds'
    assert brier <= own.loc[[f"squeezenet1_1 (seed {s})" for s in (5, 6, 7)], "estimate"].mean()
    compared = read(ensembles, "ensemble_comparisons")
    assert set(compared["role"]) == {"exploratory"}
    assert ("squeezenet1_1 (mean of seeds)", "squeezenet1_1 (seed 7)") in set(
        zip(compared["model"], compared["comparator"], strict=True)
    )


def test_each_seed_counts_once_beside_its_ensemble(ensembles):
    from hybridcx.report.sections.variance import ensembles_table

    metrics, compared = read(ensembles, "ensemble_metrics"), read(ensembles, "ensemble_comparisons")
    for metric in ("accuracy", "auroc"):
        table = ensembles_table(metrics, compared, metric)
        assert table is not None
        counts = [row[3].text for row in table.rows]
        assert len(counts) == 3  # two networks and the mean of both
        assert all(c.endswith(" of 3") for c in counts), counts


def test_the_verdicts_of_single_seeds_are_those_of_their_own_rows(ensembles):
    stability, rows = read(ensembles, "seed_verdicts"), read(ensembles, "comparisons")
    assert (stability["n.seeds"] == 3).all()
    counts = stability[
        [c for c in stability if c.startswith("n.") and c.split(".")[1] in ("superior", "inferior", "inconclusive")]
    ]
    assert (counts.sum(axis=1) == 3).all()  # no margin: nothing can be equivalent
    for r in stability[stability["metric"] == "accuracy"].to_dict("records"):
        own = rows[
            (rows["metric"] == "accuracy")
            & (rows["method"] == "tango")
            & rows["seed"].notna()
            & rows["subgroup"].isna()
        ]
        own = own[(own["model"] == r["model"]) & (own["comparator"] == r["comparator"])]
        assert (r["estimate.min"], r["estimate.max"]) == (own["estimate"].min(), own["estimate"].max())
        assert r["n.superior"] <= (own["conf.low"] > 0).sum()
        assert r["n.inferior"] <= (own["conf.high"] < 0).sum()


def test_reports_with_ensembles_are_recomputed(ensembles):
    assert hybridcx.verify(ensembles).agrees


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ensembles": {"networks": ["mean"]}}, "two or more fine-tuned networks"),
        ({"ensembles": {"seeds": True}}, "repeat.seeds = 2 or more"),
        (
            {"ensembles": {"seeds": True}, "repeat": {"design": "holdout", "seeds": 3}},
            "share their division of the cohort",
        ),
    ],
)
def test_ensembles_without_members_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Experiment.model_validate({**experiment(RepeatSection()).model_dump(), **changes})


def test_a_copy_in_training_is_one_value_per_case_wherever_the_case_stands():
    from hybridcx.cohort.splits import Split
    from hybridcx.pipeline.outcome import COPY
    from hybridcx.pipeline.stages import mark_copies
    from hybridcx.pipeline.units import Unit

    def split(**parts: str) -> Split:
        return Split(pd.Series(parts).rename_axis("case_id"), pd.DataFrame(), "fold")

    first = split(a="test", b="train", c="train", d="validation")
    second = split(a="train", b="test", c="test", d="train")
    pairs = pd.DataFrame({"case_id": ["a"], "other_case_id": ["b"], "split": None, "other_split": None})
    rows = [(c, p, fold) for fold, s in (("1", first), ("2", second)) for c, p in s.of_case.items() if p != "train"]
    ledger = pd.DataFrame(rows, columns=["case_id", "split", "fold"])
    units = (Unit(0, first, 1, "fold 1"), Unit(0, second, 2, "fold 2"))
    marked = mark_copies(ledger, units, pairs).set_index("case_id")[COPY]
    assert marked[["a", "b", "c"]].to_dict() == {"a": "yes", "b": "yes", "c": "no"}
    assert pd.isna(marked["d"])  # never a test case
    shared = (Unit(0, split(a="train", b="train", c="test"), None),)
    same_part = pairs.assign(split="train", other_split="train")
    assert COPY not in mark_copies(ledger, shared, same_part)


def test_the_page_says_where_single_seeds_would_have_come_to_another_verdict():
    from hybridcx.narrative.repeats import stability

    row = {"metric": "auroc", "model": "a", "comparator": "b", "n.seeds": 10, "n.same": 4}
    frame = pd.DataFrame([row, {**row, "comparator": "c", "n.same": 10}, {**row, "metric": "accuracy", "n.same": 1}])
    (said,) = stability(frame, "auroc")
    assert said.endswith("a against b 4 of 10.")
    assert stability(frame[frame["n.same"] == 10], "auroc") == []
    assert stability(pd.DataFrame(), "auroc") == []
