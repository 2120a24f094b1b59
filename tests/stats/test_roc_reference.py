"""ROC curves, calibration, clusters, bootstrap intervals and variance components against R (tests/reference/r and /roc).

tests/reference/roc/make_roc_reference.R made the second: pROC and boot where they have the method, base R from the papers' formulas
where not.
"""

import csv
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from hybridcx.stats import calibration, clusters_roc, readers, roc, utility, variance
from hybridcx.stats.resampling import intervals as bi
from hybridcx.stats.resampling.bootstrap import Replicates

REFERENCE = Path(__file__).parents[1] / "reference"


def read(name):
    with (REFERENCE / name).open(encoding="utf-8", newline="") as fh:
        return list(csv.DictReader(fh))


def column(name):
    return np.array([float(next(iter(r.values()))) for r in read(name)])


def sets():
    found = defaultdict(list)
    for r in read("roc/data.csv"):
        found[r["set"]].append(r)
    return {
        k: {"y": np.array([r["y"] == "1" for r in rows]), "patient": np.array([r["patient"] for r in rows])}
        | {j: np.array([float(r[j]) for r in rows]) for j in "abc"}
        for k, rows in found.items()
    }


DATA = sets()
EXPECTED = defaultdict(dict)
for row in read("roc/expected.csv"):
    EXPECTED[row["set"], row["quantity"], row["model"]][row["name"]] = float(row["value"])


def compare(result, key, tolerance=1e-9):
    expected = EXPECTED[key]
    assert expected, f"no reference values for {key}"
    for name, value in expected.items():
        assert getattr(result, name) == pytest.approx(value, rel=tolerance, abs=tolerance), (key, name)


def predictions(case):
    truth, scores = {}, defaultdict(dict)
    for r in read(f"r/{case}.csv"):
        truth[r["case_id"]] = r["y_true"] == "abnormal"
        scores[r["model"]][r["case_id"]] = float(r["score"])
    ids = sorted(truth)
    return np.array([truth[i] for i in ids]), {m: np.array([s[i] for i in ids]) for m, s in scores.items()}


@pytest.mark.parametrize("case", [f"pred{i:02d}" for i in range(1, 7)])
def test_shared_reference(case):
    y, scores = predictions(case)
    seen = set()
    for r in read("r/expected.csv"):
        if r["case"] != case:
            continue
        metric, method, a = r["metric"], r["method"], r["model_a"]
        want = [float(r[c]) if r[c] else None for c in ("estimate", "conf_low", "conf_high", "statistic", "p_value")]
        if metric == "auroc" and method == "delong":
            found, tolerance = roc.delong(y, scores[a]), 1e-10
        elif metric == "auroc":
            found, tolerance = roc.delong_paired(y, scores[a], scores[r["model_b"]]), 1e-10
        elif metric == "brier":
            assert calibration.brier(y, scores[a]) == pytest.approx(want[0], rel=1e-12)
            seen.add(metric)
            continue
        elif metric in ("calibration_slope", "calibration_intercept"):
            found = calibration.calibration_line(y, scores[a])[metric == "calibration_intercept"]
            tolerance = 1e-6  # glm stops at a relative change of the deviance of 1e-8
        else:
            continue
        seen.add((metric, method))
        names = ("estimate", "conf_low", "conf_high", "statistic", "pvalue")
        for name, value in zip(names, want, strict=True):
            if value is not None:
                assert getattr(found, name) == pytest.approx(value, rel=tolerance, abs=tolerance), (r, name)
    assert len(seen) == 5


@pytest.mark.parametrize("k", sorted(DATA))
def test_auroc(k):
    d = DATA[k]
    for j in "abc":
        compare(roc.delong(d["y"], d[j]), (k, "delong", j))
        if j != "a" or k != "perfect":
            compare(roc.delong_logit(d["y"], d[j]), (k, "delong_logit", j))
        for level in (0.95, 0.9):
            compare(roc.newcombe_auc(d["y"], d[j], level), (k, f"newcombe_auc@{level:g}", j), 1e-7)
        assert roc.average_precision(d["y"], d[j]) == pytest.approx(EXPECTED[k, "auprc", j]["estimate"], rel=1e-12)
    compare(roc.delong_paired(d["y"], d["b"], d["c"]), (k, "delong_paired", "b-c"))
    compare(roc.delong_chisq(d["y"], np.stack([d[j] for j in "abc"])), (k, "delong_chisq", "all"))


@pytest.mark.parametrize("k", sorted(DATA))
def test_clusters(k):
    d = DATA[k]
    for j in "abc":
        found = clusters_roc.delong_cluster_interval(d["y"], d[j], d["patient"])
        compare(found, (k, "delong_cluster", j))
    compare(clusters_roc.delong_cluster(d["y"], d["b"], d["c"], d["patient"]), (k, "delong_cluster", "b-c"))


@pytest.mark.parametrize("k", sorted(DATA))
def test_calibration_and_utility(k):
    d = DATA[k]
    for j in "abc":
        y, s = d["y"], d[j]
        assert calibration.brier(y, s) == pytest.approx(EXPECTED[k, "brier", j]["estimate"], rel=1e-12)
        compare(calibration.log_loss(y, s), (k, "log_loss", j))
        compare(calibration.brier_decomposition(y, s), (k, "brier_parts", j))
        ece = calibration.expected_calibration_error(y, s)
        assert ece == pytest.approx(EXPECTED[k, "ece", j]["estimate"], rel=1e-10)
        bins = calibration.reliability_curve(y, s)
        assert {f"bin{b.bin}" for b in bins} == {q for a, q, m in EXPECTED if a == k and m == j and q.startswith("bin")}
        for b in bins:
            compare(b, (k, f"bin{b.bin}", j))
        slope, intercept = calibration.calibration_line(y, s)
        if (k, j) != ("perfect", "a"):
            compare(slope, (k, "slope", j), 1e-6)
            compare(calibration.line_intercept(y, s), (k, "line_intercept", j), 1e-6)
        compare(intercept, (k, "intercept", j), 1e-6)
        curves = utility.decision_curves(y, s, [0.1, 0.5, 0.75])
        for i, t in enumerate((0.1, 0.5, 0.75)):
            want = EXPECTED[k, f"net_benefit@{t:g}", j]
            assert curves.net_benefit[0, i] == pytest.approx(want["estimate"], abs=1e-12)
            assert curves.conf_low[0, i] == pytest.approx(want["conf_low"], abs=1e-12)


def test_permutation():
    d = DATA["tied"]
    rows = [*range(2, 8), *range(19, 24)]
    found = roc.permutation_paired_auroc(d["y"][rows], d["a"][rows], d["b"][rows], 99, np.random.default_rng(1))
    assert np.isnan(found.n_resamples)
    compare(found, ("tied", "permutation", "a-b"), 1e-12)


@pytest.mark.parametrize("statistic", ["accuracy", "auroc", "difference"])
def test_bootstrap_intervals_from_rs_replicates(statistic):
    drawn, left_out = column(f"roc/replicates_{statistic}.csv"), column(f"roc/jackknife_{statistic}.csv")
    want = EXPECTED["mixed", "boot", statistic]
    # Two "models" whose difference is R's statistic, so that `difference` is held against R too.
    metric = "auroc" if statistic == "auroc" else "accuracy"
    zero, n = np.zeros_like, left_out.size
    replicates = Replicates(
        {metric: np.array([want["observed"], 0.0])},
        {metric: np.stack([drawn, zero(drawn)], axis=1)},
        {metric: np.stack([left_out, zero(left_out)], axis=1)},
        {metric: np.ones(n)},
        n, n, np.nan, drawn.size,
    )  # fmt: skip
    spacing = 4 * EXPECTED["mixed", "monte_carlo", statistic]["percentile_low"]
    for method, function in (("percentile", bi.percentile), ("basic", bi.basic), ("bca", bi.bca)):
        if statistic != "difference":
            found = function(replicates, metric, 0)
            limits = (found.conf_low, found.conf_high)
        elif method != "basic":
            found = bi.difference(replicates, metric, 0, 1, f"bootstrap_{method}")
            limits = (found.conf_low, found.conf_high)
        else:
            continue
        assert limits == pytest.approx((want[f"{method}_low"], want[f"{method}_high"]), abs=1e-9)
        assert found.std_error == pytest.approx(want["std_error"], rel=1e-9)
        package = EXPECTED["mixed", "boot.ci", statistic]
        if method == "bca" and statistic != "auroc":
            continue  # boot counts no ties in z0, where the contract counts half of them; with a discrete statistic that shows
        assert limits == pytest.approx((package[f"{method}_low"], package[f"{method}_high"]), abs=spacing)
    errors = bi.monte_carlo_error(replicates, metric, 0, method="bootstrap_percentile")
    expected = EXPECTED["mixed", "monte_carlo", statistic]
    assert errors == pytest.approx((expected["percentile_low"], expected["percentile_high"]), rel=1e-6, abs=1e-9)


def test_variance():
    table = np.array([[float(v) for v in r.values()] for r in read("roc/two_way.csv")])
    compare(variance.two_way_components(table), ("two_way", "components", ""))
    found = variance.nadeau_bengio([0.03, 0.05, -0.01, 0.04, 0.02, 0.06, 0.01], 282, 49)
    compare(found, ("nadeau", "nadeau_bengio", ""))


@pytest.mark.parametrize("design", ["crossed", "nested", "fixed"])
def test_readers(design):
    d = DATA["mixed"]
    a, b, c = (d[j] for j in "abc")
    found = readers.obuchowski_rockette(d["y"], [a, b, (a + b) / 2], [c, (a + c) / 2, (b + c) / 2], design)
    compare(found, ("mixed", "obuchowski_rockette", design))


@pytest.mark.r
def test_the_script_makes_the_stored_values(tmp_path):
    shutil.copy(REFERENCE / "roc/make_roc_reference.R", tmp_path)
    subprocess.run(["Rscript", str(tmp_path / "make_roc_reference.R")], check=True, capture_output=True)
    for name in ("data.csv", "expected.csv"):
        with (tmp_path / name).open(encoding="utf-8", newline="") as fh:
            fresh = list(csv.DictReader(fh))
        stored = read(f"roc/{name}")
        assert len(fresh) == len(stored)
        for a, b in zip(fresh, stored, strict=True):
            assert a.keys() == b.keys()
            for key in a:
                assert a[key] == b[key] or float(a[key]) == pytest.approx(float(b[key]), rel=1e-8), (key, a, b)
