"""A run whose labels come from two readers: the cases in dispute from the manifest to the page. Heads alone, on untrained features."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from shared import drawn_cohort
from small_run import small_experiment

import hybridcx
from hybridcx.experiment.file import (
    AnalysisSection,
    CohortSection,
    Experiment,
    HeadsSection,
    TrainSection,
    parse_experiment,
)
from hybridcx.experiment.sections import LabelsSection
from hybridcx.records.lineage import Lineage

AGREEMENT = LabelsSection(rule="agreement", dispute_reasons=["reader disagreement"])
PAIR = ("squeezenet1_1:untrained+logistic", "squeezenet1_1:untrained+knn")


def experiment(labels: LabelsSection) -> Experiment:
    return small_experiment(
        name="readers",
        cohort=CohortSection(manifest="phantom/manifest.csv", labels=labels),
        train=TrainSection(enabled=False),
        heads=HeadsSection(names=["logistic", "knn"], features=["pretrained"], folds=3),
        analysis=AnalysisSection(n_bootstrap=200, comparisons=[PAIR]),
    )


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn_cohort(tmp_path_factory, "cohort", patients=140, seed=4)


@pytest.fixture(scope="module")
def manifest(cohort: Path) -> pd.DataFrame:
    return pd.read_csv(cohort / "phantom/manifest.csv", keep_default_na=False, dtype=str).set_index("case_id")


@pytest.fixture(scope="module")
def finished(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> hybridcx.Report:
    folder = tmp_path_factory.mktemp("agreement")
    return hybridcx.run(experiment(AGREEMENT), base=cohort, out=folder / "report", cache=folder / "cache")


@pytest.fixture(scope="module")
def given(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> hybridcx.Report:
    folder = tmp_path_factory.mktemp("given")
    return hybridcx.run(experiment(LabelsSection()), base=cohort, out=folder / "report", cache=folder / "cache")


def ledger_of(report: hybridcx.Report) -> pd.DataFrame:
    return pd.read_parquet(report.folder / "predictions.parquet")


def differ(manifest: pd.DataFrame) -> pd.Series:
    return manifest["reader_radiologist_1"] != manifest["reader_rheumatologist_1"]


def test_cases_in_dispute_are_scored_and_in_no_fit(finished, manifest):
    ledger = ledger_of(finished)
    apart = ledger[ledger["split"] == "disputed"]
    ids = set(apart["case_id"])
    assert ids
    assert set(manifest.index[manifest["excluded"] == "reader disagreement"]) >= ids
    assert differ(manifest)[sorted(ids)].all()
    assert apart["y_true"].isna().all()
    assert apart["score"].between(0, 1).all()
    assert (apart.groupby("case_id").size() == 2).all()
    lineage = Lineage.from_dict(json.loads((finished.folder / "lineage.json").read_text(encoding="utf-8")))
    disputed = set(manifest.index[manifest["excluded"] == "reader disagreement"])
    for fit in lineage:
        assert not disputed & set(fit.case_ids)


def test_the_folders_are_recomputed_from_what_lies_in_them(finished, given):
    for report in (finished, given):
        found = hybridcx.verify(report.folder)
        assert found.agrees, found.differences
        assert {"agreement.csv", "flow.csv", "label_rules.csv"} <= set(found.numbers["file"])


def test_the_primary_rows_are_those_of_the_labels_given(finished, given):
    for name in ("metrics", "comparisons", "verdicts", "confusion", "split", "multiplicity"):
        a, b = finished.tables[name], given.tables[name]
        if "label.rule" in a:
            a, b = (t[t["label.rule"].isna()].reset_index(drop=True) for t in (a, b))
        pd.testing.assert_frame_equal(a, b)


def test_the_stratum_is_scored_against_each_reader(finished, manifest):
    apart = ledger_of(finished).query("split == 'disputed' and model == @PAIR[0]").set_index("case_id")
    rows = finished.tables["metrics"].query("subgroup == 'stratum' and metric == 'accuracy' and method == 'wilson'")
    own = rows[rows["model"] == PAIR[0]].set_index("label.rule")
    for reader in ("reader_radiologist_1", "reader_rheumatologist_1"):
        right = (apart["y_pred"] == manifest.loc[apart.index, reader]).sum()
        assert own.loc[reader, "numerator"] == right
        assert own.loc[reader, "n"] == len(apart)


def test_every_comparison_is_repeated_under_each_labelling_rule(finished, manifest):
    ledger = ledger_of(finished)
    table = finished.tables["label_rules"]
    assert list(dict.fromkeys(table["label.rule"])) == [
        "primary", "reader_radiologist_1", "reader_rheumatologist_1", "agreed", "all",
    ]  # fmt: skip
    test = ledger[ledger["split"].isin(["test", "disputed"])]
    n, apart = test["case_id"].nunique(), test.loc[test["split"] == "disputed", "case_id"].nunique()
    by_rule = table.drop_duplicates("label.rule").set_index("label.rule")
    assert by_rule["n"].tolist() == [n - apart, n, n, n - apart, n]
    assert by_rule["n.added"].tolist() == [0, apart, apart, 0, apart]
    truth = manifest["reader_rheumatologist_1"]
    right = {m: (g["y_pred"].to_numpy() == truth[g["case_id"]].to_numpy()).mean() for m, g in test.groupby("model")}
    row = table[(table["label.rule"] == "reader_rheumatologist_1") & (table["metric"] == "accuracy")]
    assert row["estimate"].item() == pytest.approx(right[PAIR[0]] - right[PAIR[1]])


def test_the_flow_accounts_for_every_patient_of_the_manifest(finished, manifest):
    flow = finished.tables["flow"]
    whole = flow[flow["split"].isna()].set_index("step")["n"]
    reasons = manifest.loc[~manifest["excluded"].isin(["", "reader disagreement"]), "excluded"].value_counts()
    assert whole[reasons.index].to_dict() == reasons.to_dict()
    assert whole["in dispute: the readers differ"] == (manifest["excluded"] == "reader disagreement").sum()
    assert (
        whole["screened"]
        == len(manifest)
        == flow[flow["split"].isna() & flow["kind"].isin(["excluded", "disputed", "analysed"])]["n"].sum()
    )
    split = pd.read_csv(finished.folder / "split.csv")["split"].value_counts()
    parts = flow[flow["kind"] == "analysed"].dropna(subset="split").set_index("split")["n"]
    assert parts.to_dict() == split.to_dict()
    apart = ledger_of(finished).query("split == 'disputed'")["case_id"].nunique()
    assert flow[(flow["kind"] == "disputed") & (flow["split"] == "test")]["n"].item() == apart
    assert not {"n_patients"} & set(flow.columns)


def test_agreement_is_given_before_exclusions_and_on_the_analysed_cases(finished, manifest):
    table = finished.tables["agreement"].query("metric == 'percent_agreement' and scope == 'between'")
    table = table.set_index(["subset", "occasion"])
    every, analysed = table.loc[("calls, all cases read", "1")], table.loc[("calls, analysed", "1")]
    assert every["n"] == len(manifest)
    assert every["estimate"] == pytest.approx(1 - differ(manifest).mean())
    assert analysed["estimate"] == 1
    assert analysed["n"] == (manifest["excluded"] == "").sum()
    assert "1 by construction" in analysed["warning"]
    assert analysed["status"] == "caution"
    ratings = finished.tables["agreement"].query(
        "metric == 'icc2' and scope == 'between' and subset.str.startswith('ratings')"
    )
    assert set(ratings["subset"]) == {"ratings, all cases read", "ratings, analysed"}


def test_the_page_says_it(finished):
    text = finished.page.read_text(encoding="utf-8")
    for words in (
        "with other labels as the truth; no network or head was fitted again",
        "scored separately and not part of the primary metrics",
        "Every case from screened to analysed.",
        "those left are easier, and accuracy on all comers would be lower. On the analysed cases the readers agree by construction.",
        "Cases in dispute between the readers, scored separately.",
        "A case has the label on which all its readers agree",
    ):
        assert words in text, words


def test_compare_on_the_ledger_finds_the_same(finished, tmp_path):
    again = hybridcx.compare(finished.folder / "predictions.csv", out=tmp_path / "report", n_bootstrap=200, seed=5)
    keys = ["metric", "method"]
    a, b = (
        t.tables["metrics"].query(
            "model == @PAIR[1] and `label.rule` == 'all' and method == 'wilson' and subgroup.isna()"
        )
        for t in (finished, again)
    )
    pd.testing.assert_frame_equal(a.set_index(keys)[["estimate", "n"]], b.set_index(keys)[["estimate", "n"]])
    np.testing.assert_array_equal(a["conf.low"].to_numpy(float), b["conf.low"].to_numpy(float))


def test_under_the_labels_given_nothing_can_flip_and_that_is_said(given):
    table = given.tables["label_rules"]
    assert set(table["label.rule"]) == {"primary", "reader_radiologist_1", "reader_rheumatologist_1", "agreed"}
    assert not table["conclusion.flips"].dropna().any()
    assert "no conclusion can change" in given.page.read_text(encoding="utf-8")


def test_the_rule_is_part_of_the_experiment_file():
    text = """name = "x"
[cohort]
manifest = "m.csv"
[cohort.labels]
rule = "majority"
readers = ["a", "b", "c"]
"""
    assert parse_experiment(text).cohort.labels.readers == ["a", "b", "c"]
    from hybridcx.errors import InputError

    with pytest.raises(InputError, match="Did you mean `rule`"):
        parse_experiment(text.replace("rule =", "rul ="))
    with pytest.raises(InputError, match="needs the key `reader`"):
        parse_experiment(text.replace('"majority"', '"reader"'))
