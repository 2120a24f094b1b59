"""What the other references lack: tests/reference/further/make_further.R (pROC, psych, base R) and printed tables.

Sizes searched for by brute force, margins with pROC's standard errors, Obuchowski-Rockette of accuracies, clustered net benefit, overlap of
errors, agreement of several readers, max-T and the share of resamples in which a model is best from stored replicates, ROC points.
"""

import csv
import shutil
import subprocess
from collections import defaultdict
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from hybridcx.stats import agreement, equivalence, multiplicity, paired, power, readers, roc, utility
from hybridcx.stats.proportions import normal_quantile
from hybridcx.stats.resampling import intervals as bootstrap_intervals
from hybridcx.stats.resampling.bootstrap import Replicates
from hybridcx.stats.variance import nadeau_bengio

REFERENCE = Path(__file__).parents[1] / "reference"
FOLDER = REFERENCE / "further"
EXACT = partial(pytest.approx, rel=1e-9, abs=1e-12)


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


EXPECTED = defaultdict(lambda: defaultdict(dict))
for row in read(FOLDER / "further_expected.csv"):
    EXPECTED[row["topic"]][row["case"]][row["name"]] = float(row["value"])


def expected(topic, case=""):
    assert EXPECTED[topic][case], f"no reference values for {topic} {case}"
    return EXPECTED[topic][case]


def series(found, name):
    return [found[f"{name}{i}"] for i in range(1, 1 + sum(k.rstrip("0123456789") == name for k in found))]


def scores(name):
    rows = [r for r in read(REFERENCE / "roc" / "data.csv") if r["set"] == name]
    columns = {j: np.array([float(r[j]) for r in rows]) for j in "abc"}
    return np.array([r["y"] == "1" for r in rows]), columns, np.array([r["patient"] for r in rows])


def test_sizes_for_mcnemar():
    cases = list(EXPECTED["mcnemar_sample_size"])
    assert len(cases) == 2
    for case in cases:
        p10, p01, target, alpha = (float(v) for v in case.split(";"))
        assert power.connor_n(p10, p01, target, alpha) == EXACT(expected("connor", case)["n"])
        for method, n in expected("mcnemar_sample_size", case).items():
            assert power.mcnemar_sample_size(p10, p01, target, alpha, method).n == n, (case, method)


def test_detectable_differences():
    for case in ("49;0.3", "120;0.15"):
        n, psi = (float(v) for v in case.split(";"))
        for method, d in expected("detectable_difference", case).items():
            assert power.detectable_difference_mcnemar(int(n), psi, method=method) == pytest.approx(d, abs=1e-8)


def test_noninferiority_sizes_and_auc_power():
    assert len(EXPECTED["noninferiority_n"]) == 3
    for case, found in EXPECTED["noninferiority_n"].items():
        assert power.noninferiority_paired_n(*(float(v) for v in case.split(";"))).n == found["n"]
    assert len(EXPECTED["auc_paired_power"]) == 2
    for case, found in EXPECTED["auc_paired_power"].items():
        assert power.auc_paired_power(*(float(v) for v in case.split(";"))) == EXACT(found["power"])


def test_printed_power_of_the_exact_test():
    """G*Power 3.1 manual, "Exact: McNemar": odds ratio 0.25, 40 % discordant, n = 50, one-sided 0.05, power 0.839343. Ours is two-sided,
    at 0.1, and has the other tail as well, which is below 2e-5."""
    assert power.mcnemar_power(50, 0.32, 0.08, 0.1) == pytest.approx(0.839343, abs=2e-5)


def test_delongs_example():
    """Ovarian cancer data of DeLong et al. (1988), the 43 complete cases printed in SAS/STAT's PROC LOGISTIC, "Comparing Receiver Operating
    Characteristic Curves"; its printed areas and chi-square, and pROC's."""
    rows = read(FOLDER / "ovarian.csv")
    y = np.array([r["popind"] == "1" for r in rows])
    tests = [10 - np.array([float(r["totscore"]) for r in rows])]
    tests += [np.array([float(r[k]) for r in rows]) for k in ("alb", "tp")]
    found = expected("ovarian")
    single = [roc.delong(y, s) for s in tests]
    assert [s.estimate for s in single] == EXACT(series(found, "area"))
    assert [s.std_error for s in single] == EXACT(series(found, "std_error"))
    assert [s.estimate for s in single] == pytest.approx([0.7258, 0.7366, 0.6478], abs=5e-5)
    assert [s.std_error for s in single] == pytest.approx([0.1028, 0.0927, 0.1000], abs=5.1e-5)
    whole = roc.delong_chisq(y, np.stack(tests))
    assert (whole.statistic, whole.pvalue) == EXACT((found["chisq"], found["pvalue"]))
    assert (whole.parameter, whole.statistic, whole.pvalue) == pytest.approx((2, 2.5340, 0.2817), abs=5e-5)


@pytest.mark.parametrize("name", ["tied", "mixed", "fine"])
@pytest.mark.parametrize("margin", [0.02, 0.1])
def test_margins_by_inverting_delong(name, margin):
    y, s, _ = scores(name)
    found = roc.delong_paired(y, s["b"], s["c"])

    def limits(level):
        half = normal_quantile(level) * found.std_error
        return found.estimate - half, found.estimate + half

    want = expected("margin", f"{name} {margin:g}")
    for test in (equivalence.non_inferiority, equivalence.tost):
        got = test(limits, margin, found.estimate)
        assert got.pvalue == pytest.approx(want[got.method], rel=1e-7)


@pytest.mark.parametrize("name", ["tied", "mixed", "fine"])
def test_roc_points_are_procs(name):
    y, s, _ = scores(name)
    want, got = expected("roc_points", name), roc.roc_points(y, s["b"])
    assert list(got.sensitivity) == EXACT(series(want, "sensitivity"))
    assert list(got.specificity) == EXACT(series(want, "specificity"))


@pytest.mark.parametrize("name", ["tied", "mixed", "fine"])
@pytest.mark.parametrize("threshold", [0.2, 0.5])
def test_net_benefit(name, threshold):
    y, s, patient = scores(name)
    want = expected("net_benefit", f"{name} {threshold:g}")
    got = utility.net_benefit_difference(y, s["b"], s["c"], threshold)
    assert (got.estimate, got.std_error, got.pvalue) == EXACT((want["estimate"], want["std_error"], want["pvalue"]))
    curve = utility.decision_curves(y, s["b"], [threshold], groups=patient)
    half = curve.net_benefit[0, 0] - curve.conf_low[0, 0]
    assert half == EXACT(normal_quantile(0.95) * want["cluster_se"])


@pytest.mark.parametrize("name", ["tied", "mixed", "fine"])
def test_overlap_of_errors_is_cohens_kappa_of_them(name):
    y, s, _ = scores(name)
    got, want = paired.error_overlap((s["b"] >= 0.5) == y, (s["c"] >= 0.5) == y), expected("error_overlap", name)
    assert (got.kappa, got.double_fault) == EXACT((want["kappa"], want["double_fault"]))


@pytest.mark.parametrize("name", ["tied", "mixed", "fine"])
@pytest.mark.parametrize("design", ["crossed", "nested", "fixed"])
def test_obuchowski_rockette_of_accuracies(name, design):
    y, s, _ = scores(name)
    a, b, c = (s[j] for j in "abc")
    one = [(v >= 0.5) == y for v in (a, b, (a + b) / 2)]
    other = [(v >= 0.5) == y for v in (c, (a + c) / 2, (b + c) / 2)]
    got = readers.obuchowski_rockette_accuracy(one, other, design)
    for key, value in expected("or_accuracy", f"{name} {design}").items():
        assert getattr(got, key) == EXACT(value), key


def test_van_dyke():
    """Van Dyke's aortic dissection study (2 modalities, 5 readers, 114 cases), as printed by R's MRMCaov (README) and RJafroc: areas to 7
    digits, jackknife variance and covariances; random readers and cases."""
    areas = np.array(
        [
            [0.9196457, 0.8587762, 0.9038647, 0.9731079, 0.8297907],
            [0.9478261, 0.9053140, 0.9217391, 0.9993559, 0.9299517],
        ]
    )
    var, cov1, cov2, cov3 = 0.0008022883, 0.0003466137, 0.0003440748, 0.0002390284
    same_model, same_reader = np.kron(np.eye(2), np.ones((5, 5))) > 0, np.tile(np.eye(5), (2, 2)) > 0
    cov = np.where(same_model & same_reader, var, np.where(same_reader, cov1, np.where(same_model, cov2, cov3)))
    got = readers.obuchowski_rockette_from(areas, cov, 114)
    assert got.estimate == pytest.approx(-0.04380032, abs=1e-7)
    assert got.std_error == pytest.approx(0.02074862, abs=2e-8)
    assert got.parameter == pytest.approx(15.25967, abs=2e-5)
    assert got.statistic == pytest.approx(-2.110999, abs=2e-6)
    assert got.pvalue == pytest.approx(0.05166569, abs=2e-7)
    assert (got.conf_low, got.conf_high) == pytest.approx((-0.0879594986, 0.0003588544), abs=5e-8)


def test_nadeau_and_bengio():
    assert len(EXPECTED["nadeau_bengio"]) == 3
    for found in EXPECTED["nadeau_bengio"].values():
        got = nadeau_bengio(series(found, "d"), 232, 50)
        assert (got.statistic, got.pvalue) == EXACT((found["t"], found["p"]))


def test_agreement_of_several_readers_and_mdc95():
    ratings = {
        name: np.genfromtxt(REFERENCE / "agreement" / f"{name}.csv", delimiter=",", skip_header=1)
        for name in ("called_d", "called_e", "measured_a", "measured_b")
    }
    for case in "de":
        got = agreement.percent_agreement(ratings[f"called_{case}"])
        assert [got.conf_low, got.conf_high] == EXACT(series(expected("percent_agreement", case), "limit"))
    for case in "ab":
        got, want = agreement.mdc95(ratings[f"measured_{case}"], "consistency"), expected("mdc95", case)
        assert (got.estimate, got.conf_low, got.conf_high) == EXACT((want["consistency"], *series(want, "limit")))


def test_max_t_and_the_best_from_rs_replicates():
    drawn = np.array([[float(v) for v in r.values()] for r in read(FOLDER / "joint_replicates.csv")])
    seen = np.array(series(expected("joint"), "observed"))
    first, second = [0, 0, 1], [1, 2, 2]
    got = multiplicity.max_t(seen[first] - seen[second], drawn[:, first] - drawn[:, second])
    want = expected("max_t")
    for name in ("pvalue", "conf_low", "conf_high"):
        assert list(getattr(got, name)) == EXACT(series(want, name)), name
    replicates = Replicates({"accuracy": seen}, {"accuracy": drawn}, {}, {}, 150, 150, np.nan, len(drawn))
    shares = bootstrap_intervals.share_best(replicates, "accuracy")
    assert list(shares) == EXACT(series(expected("prob_best"), "share"))


@pytest.mark.r
def test_the_script_makes_the_stored_values(tmp_path):
    rscript = shutil.which("Rscript")
    assert rscript, "Rscript is not on the PATH"
    subprocess.run(
        [rscript, str(FOLDER / "make_further.R"), str(tmp_path)], check=True, capture_output=True, timeout=300
    )
    fresh = read(tmp_path / "further_expected.csv")
    stored = read(FOLDER / "further_expected.csv")
    assert [(r["topic"], r["case"], r["name"]) for r in fresh] == [(r["topic"], r["case"], r["name"]) for r in stored]
    assert [float(r["value"]) for r in fresh] == pytest.approx([float(r["value"]) for r in stored], rel=1e-8, abs=1e-12)
