"""Every word of the contract's vocabulary occurs for a suitable input, and is described. The words are copied by hand from the contract; those of
several seeds and repeated splits are held by the tests of these."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import hybridcx
from hybridcx import vocabulary
from hybridcx.streams import rng_for
from hybridcx.vocabulary.tables import TABLES


def words(text):
    return set(text.split())


METRICS = words(
    "accuracy sensitivity specificity ppv npv f1 balanced_accuracy mcc youden_j lr_positive lr_negative diagnostic_odds_ratio auroc auprc "
    "brier log_loss calibration_slope calibration_intercept ece net_benefit"
)
INTERVALS = words(
    "wilson clopper_pearson agresti_coull jeffreys delong delong_logit log wald mercaldo_logit newcombe_auc mover_wilson "
    "bootstrap_percentile bootstrap_basic bootstrap_bca"
)
COMPARISONS = words(
    "mcnemar_exact mcnemar_midp mcnemar_asymptotic mcnemar_corrected newcombe_paired tango agresti_min generalized_score "
    "weighted_generalized_score lr_regression delong_paired bootstrap_percentile bootstrap_bca permutation_paired tost non_inferiority "
    "mcnemar_cluster delong_cluster"
)
OF_SEVERAL_SEEDS = words("bootstrap_hierarchical nadeau_bengio obuchowski_rockette")
OMNIBUS = words("cochran_q delong_chisq")
AGREEMENT = words(
    "icc1 icc2 icc3 icc1k icc2k icc3k cohen_kappa fleiss_kappa gwet_ac1 gwet_ac2 krippendorff_alpha percent_agreement bland_altman_bias "
    "bland_altman_lower bland_altman_upper sem mdc95"
)
ADJUSTMENTS = words("none holm hochberg BH maxT")
VERDICTS = words("superior inferior equivalent non_inferior inconclusive")
# The methods of each metric: each at least here, in an unclustered comparison with a margin.
BY_METRIC = {
    "accuracy": "mcnemar_exact mcnemar_midp mcnemar_asymptotic mcnemar_corrected newcombe_paired tango agresti_min permutation_paired "
    "bootstrap_percentile bootstrap_bca tost non_inferiority",
    "ppv": "generalized_score weighted_generalized_score bootstrap_percentile bootstrap_bca",
    "lr_positive": "lr_regression bootstrap_percentile bootstrap_bca",
    "auroc": "delong_paired permutation_paired bootstrap_percentile bootstrap_bca tost non_inferiority",
    "brier": "bootstrap_percentile bootstrap_bca tost non_inferiority",
    "calibration_slope": "bootstrap_percentile bootstrap_bca",
    "net_benefit": "bootstrap_percentile bootstrap_bca tost non_inferiority",
}
BY_METRIC |= {"sensitivity": BY_METRIC["accuracy"], "specificity": BY_METRIC["accuracy"], "npv": BY_METRIC["ppv"]}
BY_METRIC |= {"lr_negative": BY_METRIC["lr_positive"], "log_loss": BY_METRIC["brier"], "ece": BY_METRIC["brier"]}


def predictions(n=200):
    """Four models: a good one, one that is nearly its copy, one that is worse by a little, and one that guesses."""
    truth = rng_for(2, "truth").random(n) < 0.45
    common = rng_for(2, "common").normal(size=n)
    frames = []
    for model, skill, own in (("a", 1.6, 0.0), ("b", 1.6, 0.05), ("c", 1.35, 0.35), ("d", 0.0, 1.0)):
        noise = common + own * rng_for(2, model).normal(size=n)
        score = 1 / (1 + np.exp(-(skill * (2 * truth - 1) + noise)))
        frames.append(
            pd.DataFrame(
                {
                    "case_id": [f"c{i:03d}" for i in range(n)],
                    "y_true": truth.astype(int),
                    "model": model,
                    "score": score,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    out = tmp_path_factory.mktemp("plain") / "out"
    return hybridcx.compare(predictions(), out=out, margin=0.05, prevalences=[0.1], n_bootstrap=200)


@pytest.fixture(scope="module")
def clustered(tmp_path_factory):
    frame = predictions()
    frame["patient_id"] = "p" + (frame["case_id"].str[1:].astype(int) // 2).astype(str)
    return hybridcx.compare(frame, out=tmp_path_factory.mktemp("clustered") / "out", n_bootstrap=100)


def test_metrics_and_intervals(plain):
    table = plain.tables["metrics"]
    for model in "abcd":
        assert set(table.loc[table["model"] == model, "metric"]) == METRICS
    assert set(table["method"]) == INTERVALS


def test_comparisons(plain, clustered):
    table = plain.tables["comparisons"]
    assert len(table[["model", "comparator"]].drop_duplicates()) == 6
    for (_, _, metric), rows in table.groupby(["model", "comparator", "metric"]):
        assert set(rows["method"]) >= words(BY_METRIC.get(metric, "bootstrap_percentile bootstrap_bca")), metric
    assert set(table["metric"]) == METRICS
    assert set(table["method"]) | set(clustered.tables["comparisons"]["method"]) == COMPARISONS
    cluster = clustered.tables["comparisons"]
    assert set(cluster.loc[cluster["method"] == "mcnemar_cluster", "metric"]) == {
        "accuracy",
        "sensitivity",
        "specificity",
    }
    assert set(cluster.loc[cluster["method"] == "delong_cluster", "metric"]) == {"auroc"}


def test_omnibus_adjustments_and_verdicts(plain, tmp_path):
    assert set(plain.tables["omnibus"]["method"]) == OMNIBUS
    assert set(plain.tables["multiplicity"]["p.adjust.method"]) == ADJUSTMENTS
    verdicts = set(plain.tables["verdicts"]["verdict"])
    wide = hybridcx.compare(predictions(), out=tmp_path / "wide", margin=0.12, n_bootstrap=100, reference="a")
    assert verdicts | set(wide.tables["verdicts"]["verdict"]) == VERDICTS


def test_agreement(tmp_path):
    rng = np.random.default_rng(3)
    truth = rng.normal(size=40)
    measured = pd.DataFrame({"case_id": [f"c{i}" for i in range(40)]})
    ordered = measured.copy()
    called = measured.copy()
    for reader in "abc":
        for occasion in (1, 2):
            value = truth + 0.4 * rng.normal(size=40)
            measured[f"rating_{reader}_{occasion}"] = value.round(3)
            ordered[f"reader_{reader}_{occasion}"] = np.digitize(value, [-0.7, 0.2, 1.0])
            called[f"reader_{reader}_{occasion}"] = np.where(value > 0, "abnormal", "normal")
    found: dict[str, set[str]] = {}
    for name, frame, options in (
        ("measured", measured, {}), ("ordered", ordered, {"scale": "ordinal"}), ("called", called, {"positive": "abnormal"}),
    ):  # fmt: skip
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
        table = hybridcx.agreement(tmp_path / f"{name}.csv", out=tmp_path / name, n_bootstrap=100, **options).tables[
            "agreement"
        ]
        assert set(table["scope"]) == {"between", "within"}
        for metric, method in zip(table["metric"], table["method"], strict=True):
            found.setdefault(metric, set()).add(method)
    assert set(found) == AGREEMENT
    assert found["icc1"] == {"anova"}
    assert found["sem"] == found["mdc95"] == {"anova", "consistency"}
    assert found["cohen_kappa"] == {"unweighted", "linear", "quadratic"}
    assert found["krippendorff_alpha"] == {"nominal", "ordinal", "interval"}


def test_each_word_is_described_and_has_a_name_on_the_page():
    def said(table, column):
        return {w.strip() for w in TABLES[table].columns[column].values.replace(", or NA", "").split(",")}

    assert said("metrics", "metric") == said("comparisons", "metric") == METRICS
    assert said("metrics", "method") - OF_SEVERAL_SEEDS == INTERVALS
    assert said("comparisons", "method") >= COMPARISONS | OF_SEVERAL_SEEDS
    assert said("omnibus", "method") == OMNIBUS
    assert said("agreement", "metric") == AGREEMENT
    assert said("multiplicity", "p.adjust.method") == ADJUSTMENTS
    assert said("verdicts", "verdict") == VERDICTS
    assert set(vocabulary.METRICS) == METRICS
    assert set(vocabulary.METHODS) >= INTERVALS | COMPARISONS | OF_SEVERAL_SEEDS | OMNIBUS
    assert set(vocabulary.AGREEMENT) == AGREEMENT
    assert set(vocabulary.VERDICTS) == VERDICTS
    assert set(vocabulary.ADJUSTMENTS) == ADJUSTMENTS
