"""The simulations of experiments/simulations at a twentieth of their size: the bounds that the full table in reports/coverage rests on.

Every bound allows four Monte Carlo errors; enumerated rows have none.
"""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "experiments" / "simulations" / "coverage.py"


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    out = tmp_path_factory.mktemp("coverage")
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    subprocess.run(
        [sys.executable, str(SCRIPT), "--out", str(out), "--scale", "0.05", "--seed", "5"],
        check=True,
        timeout=1800,
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
    )
    page = (out / "coverage.md").read_text(encoding="utf-8")
    assert "Intervals that cover less than 93 %" in page
    with (out / "coverage.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def chosen(rows, quantity, **wanted):
    found = [r for r in rows if r["quantity"] == quantity and all(r[k] == v for k, v in wanted.items())]
    assert found, f"no rows for {quantity} {wanted}"
    return [(float(r["value"]), 4 * float(r["mc.error"]), r) for r in found]


@pytest.mark.slow
def test_enumerated_intervals_cover(rows):
    for method, least in (("clopper_pearson", 0.95), ("wilson", 0.92), ("jeffreys", 0.92), ("agresti_coull", 0.94)):
        for metric in ("sensitivity", "specificity", "accuracy"):
            for value, error, r in chosen(rows, "coverage", method=method, metric=metric, study="one model, counts"):
                assert r["n.replications"] == "NA"
                assert error == 0
                assert value >= least, r
    for metric in ("balanced_accuracy", "youden_j"):
        assert min(v for v, *_ in chosen(rows, "coverage", method="mover_wilson", metric=metric)) > 0.92


@pytest.mark.slow
def test_intervals_of_differences_and_areas_cover(rows):
    for method in ("tango", "agresti_min", "newcombe_paired"):
        for value, error, r in chosen(rows, "coverage", method=method, metric="accuracy", study="two models"):
            assert value + error > 0.935, r
    for method, least in (("newcombe_auc", 0.95), ("delong_logit", 0.93)):
        for value, error, r in chosen(rows, "coverage", method=method, metric="auroc"):
            assert value + error > least, r


@pytest.mark.slow
def test_paired_tests_keep_their_level(rows):
    for method, most in (("mcnemar_exact", 0.05), ("mcnemar_corrected", 0.05), ("mcnemar_midp", 0.055)):
        for value, error, r in chosen(rows, "type1", method=method, metric="accuracy", study="two models"):
            assert value - error <= most, r
    for value, error, r in chosen(rows, "type1", method="weighted_generalized_score", metric="ppv"):
        assert value - error <= 0.06, r
    for value, error, r in chosen(rows, "type1", method="non_inferiority", metric="accuracy"):
        assert value - error <= 0.035, r


@pytest.mark.slow
def test_rows_that_are_no_cases_need_their_own_tests(rows):
    """Four images a patient and ten seeds stacked: the naive test rejects far too often, the cluster methods and Obuchowski-Rockette do not."""
    naive = chosen(rows, "type1", study="clusters", metric="accuracy", method="mcnemar_exact", correlation="0.8")
    assert min(v + e for v, e, _ in naive) > 0.1
    for method in ("mcnemar_cluster", "delong_cluster"):
        for value, error, r in chosen(rows, "type1", study="clusters", method=method, n="328"):
            assert value - error <= 0.065, r
    stacked = chosen(rows, "type1", study="seeds", method="mcnemar_exact, ten seeds stacked as cases")
    assert min(v + e for v, e, _ in stacked) > 0.25
    for value, error, r in chosen(rows, "type1", study="seeds", method="obuchowski_rockette, nested"):
        assert value - error <= 0.07, r
    corrected = chosen(rows, "type1", study="repeated splits", method="nadeau_bengio")
    uncorrected = chosen(rows, "type1", study="repeated splits", method="t-test of the splits, uncorrected")
    assert corrected[0][0] < uncorrected[0][0] - 0.1
    assert corrected[0][0] - corrected[0][1] <= 0.06


@pytest.mark.slow
def test_families_keep_their_error(rows):
    for method in ("mcnemar_midp, holm", "maxT"):
        for value, error, r in chosen(rows, "any rejected", study="four models", method=method, metric="accuracy"):
            assert value - error <= 0.06, r
