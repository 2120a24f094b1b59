"""Agreement against R (tests/reference/agreement/make_agreement.R) and published tables (tests/reference/published.json)."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from hybridcx.stats.agreement import (
    bland_altman,
    cohen_kappa,
    cohen_kappa_table,
    fleiss_kappa,
    fleiss_kappa_counts,
    gwet_ac1,
    gwet_ac2,
    icc,
    krippendorff_alpha,
    mdc95,
    percent_agreement,
    sem,
)

REFERENCE = Path(__file__).parents[1] / "reference"
FOLDER = REFERENCE / "agreement"


def read_ratings(path, skip=0):
    return np.genfromtxt(path, delimiter=",", skip_header=1, dtype=np.float64)[:, skip:]


def read_expected(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


EXPECTED = read_expected(FOLDER / "agreement_expected.csv")
CASES = sorted({e["case"] for e in EXPECTED})
PUBLISHED = json.loads((REFERENCE / "published.json").read_text(encoding="utf-8"))


def computed(x, case):
    """Every result for one data set, by (metric, method)."""
    out = []
    if case.startswith("measured"):
        out += icc(x)
        out += [f(x, m) for f in (sem, mdc95) for m in ("anova", "consistency")]
        out += bland_altman(x[:, 0], x[:, 1])
        out.append(krippendorff_alpha(x, "interval"))
    else:
        out += [gwet_ac1(x), gwet_ac2(x, "linear"), gwet_ac2(x, "quadratic"), fleiss_kappa(x), percent_agreement(x)]
        out += [krippendorff_alpha(x, level) for level in ("nominal", "ordinal", "interval")]
        if x.shape[1] == 2:
            out += [cohen_kappa(x[:, 0], x[:, 1], w) for w in ("unweighted", "linear", "quadratic")]
    return {(r.metric, r.method): r for r in out}


@pytest.mark.parametrize("case", CASES)
def test_every_value_of_r_holds(case):
    x = read_ratings(FOLDER / f"{case}.csv")
    got = computed(x, case)
    narrow = {r.metric: r for r in icc(x, 0.9)} if case.startswith("measured") else {}
    rows = [e for e in EXPECTED if e["case"] == case]
    assert len(rows) > 20
    for e in rows:
        quantity = e["quantity"]
        result = got[e["metric"], e["method"]]
        if quantity.endswith("_90"):
            result, quantity = narrow[e["metric"]], quantity.removesuffix("_90")
        # The derivatives behind R's large-sample errors are numerical.
        assert getattr(result, quantity) == pytest.approx(float(e["value"]), rel=1e-6, abs=1e-9), e


@pytest.mark.parametrize("case", [f"rate{i:02d}" for i in range(1, 7)])
def test_icc_of_the_shared_reference(case):
    x = read_ratings(REFERENCE / "r" / f"{case}.csv", skip=1)
    rows = {e["metric"]: e for e in read_expected(REFERENCE / "r" / "expected.csv") if e["case"] == case}
    for r in icc(x):
        e = rows[r.metric]
        wanted = [float(e[q]) for q in ("estimate", "conf_low", "conf_high", "statistic", "p_value")]
        assert [r.estimate, r.conf_low, r.conf_high, r.statistic, r.pvalue] == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("case", [f"cat{i:02d}" for i in range(1, 7)])
def test_kappa_of_the_shared_reference(case):
    x = read_ratings(REFERENCE / "r" / f"{case}.csv", skip=1)
    rows = [e for e in read_expected(REFERENCE / "r" / "expected.csv") if e["case"] == case]
    assert len(rows) == 2
    for e in rows:
        assert cohen_kappa(x[:, 0], x[:, 1], e["method"]).estimate == pytest.approx(float(e["estimate"]), rel=1e-9)


def test_shrout_and_fleiss_1979():
    book = PUBLISHED["shrout_fleiss_1979"]
    for r in icc(book["ratings"]):
        assert r.estimate == pytest.approx(book[r.metric], abs=0.6e-8)


def test_krippendorffs_example():
    book = PUBLISHED["krippendorff_4_coders_12_units"]
    ratings = np.array(book["ratings_by_coder"], dtype=object).T
    for level in ("nominal", "ordinal", "interval"):
        got = krippendorff_alpha(ratings, level)
        assert got.estimate == pytest.approx(book["krippendorff_alpha"][level], abs=0.6e-10)
        assert (got.n, got.k) == (11, 4)
    ac1 = gwet_ac1(ratings)
    assert ac1.estimate == pytest.approx(book["gwet_ac1"], abs=0.6e-5)
    assert ac1.std_error == pytest.approx(book["gwet_ac1_se"], abs=0.6e-5)
    assert [ac1.conf_low, ac1.conf_high] == pytest.approx(book["gwet_ac1_conf"], abs=0.6e-3)


def test_gwets_abstractors():
    book = PUBLISHED["gwet_3x3_abstractors"]
    kappa = cohen_kappa_table(book["table"])
    assert kappa.estimate == pytest.approx(book["cohen_kappa"], abs=0.6e-7)
    assert kappa.std_error == pytest.approx(book["cohen_kappa_se"], abs=0.6e-8)
    pairs = [(i, j) for i in range(3) for j in range(3) for _ in range(book["table"][i][j])]
    assert gwet_ac1(pairs).estimate == pytest.approx(book["gwet_ac1"], abs=0.6e-7)
    assert percent_agreement(pairs).estimate == pytest.approx(book["percent_agreement"], abs=1e-12)


def test_fleiss_kappa_of_ten_subjects_and_fourteen_raters():
    # The worked example of the encyclopaedia article on Fleiss' kappa: 0.210.
    counts = [
        [0, 0, 0, 0, 14],
        [0, 2, 6, 4, 2],
        [0, 0, 3, 5, 6],
        [0, 3, 9, 2, 0],
        [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0],
        [3, 2, 6, 3, 0],
        [2, 5, 3, 2, 2],
        [6, 5, 2, 1, 0],
        [0, 2, 2, 3, 7],
    ]
    assert fleiss_kappa_counts(counts).estimate == pytest.approx(0.210, abs=0.5e-3)


@pytest.mark.r
def test_the_script_still_makes_the_stored_values(tmp_path):
    rscript = shutil.which("Rscript")
    assert rscript, "Rscript is not on the PATH"
    subprocess.run([rscript, str(FOLDER / "make_agreement.R"), str(tmp_path)], check=True, capture_output=True)
    fresh = read_expected(tmp_path / "agreement_expected.csv")
    assert [(e["case"], e["metric"], e["method"], e["quantity"]) for e in fresh] == [
        (e["case"], e["metric"], e["method"], e["quantity"]) for e in EXPECTED
    ]
    assert [float(e["value"]) for e in fresh] == pytest.approx([float(e["value"]) for e in EXPECTED], rel=1e-8)
