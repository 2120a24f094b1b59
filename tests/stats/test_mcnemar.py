"""McNemar's four tests and Cochran's Q: against R, published values, enumeration, and at the edges."""

import csv
import json
from itertools import combinations
from math import comb, isnan
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridcx.stats import mcnemar as mc

quick = settings(max_examples=40, deadline=None)
REFERENCE = Path(__file__).parents[1] / "reference"
TESTS = {
    "mcnemar_exact": (mc.mcnemar_exact, mc.exact_pvalues),
    "mcnemar_midp": (mc.mcnemar_midp, mc.midp_pvalues),
    "mcnemar_asymptotic": (mc.mcnemar_asymptotic, mc.asymptotic_pvalues),
    "mcnemar_corrected": (mc.mcnemar_corrected, mc.corrected_pvalues),
}
counts = st.integers(0, 300)


def read(name):
    with (REFERENCE / name).open(encoding="utf-8", newline="") as fh:
        return list(csv.DictReader(fh))


def predictions(case):
    """(truth (n,), {model: correct (n,)}) of a reference case."""
    truth, correct = {}, {}
    for r in read(f"r/{case}.csv"):
        truth[r["case_id"]] = r["y_true"] == "abnormal"
        correct.setdefault(r["model"], {})[r["case_id"]] = r["y_pred"] == r["y_true"]
    ids = sorted(truth)
    return np.array([truth[i] for i in ids]), {m: np.array([c[i] for i in ids]) for m, c in correct.items()}


def test_all_four_against_r():
    """binom.test and mcnemar.test of R 4.2.2; mid-p written out there (make_r_reference.R)."""
    rows = [e for e in read("r/expected.csv") if e["method"] in TESTS]
    data = {case: predictions(case) for case in {e["case"] for e in rows}}
    for e in rows:
        truth, correct = data[e["case"]]
        within = {"accuracy": truth | True, "sensitivity": truth, "specificity": ~truth}[e["metric"]]
        a, b = correct[e["model_a"]][within], correct[e["model_b"]][within]
        got = TESTS[e["method"]][0](int((a & ~b).sum()), int((~a & b).sum()), int(within.sum()))
        assert got.pvalue == pytest.approx(float(e["p_value"]), rel=1e-9, abs=1e-15), e
        assert got.estimate == pytest.approx(float(e["estimate"]), rel=1e-9, abs=1e-15)
        if e["statistic"]:
            assert got.statistic == pytest.approx(float(e["statistic"]), rel=1e-9, abs=1e-15)
            assert got.parameter == 1
        else:
            assert isnan(got.statistic)
    assert len({(e["metric"], e["method"]) for e in rows}) == 6


def test_published_values():
    book = json.loads((REFERENCE / "published.json").read_text(encoding="utf-8"))
    checked = 0
    for name in ("bentur_2009", "agresti_approval"):
        n11, n10, n01, n00 = book[name]["table_n11_n12_n21_n22"]
        for method, (test, _) in TESTS.items():
            got = test(n10, n01, n11 + n10 + n01 + n00)
            for key, value in ((method, got.pvalue), (f"{method}_statistic", got.statistic)):
                if key in book[name]:
                    assert value == pytest.approx(book[name][key], abs=6e-7), (name, key)
                    checked += 1
    assert checked == 6


@quick
@given(st.integers(0, 25), st.integers(0, 25))
def test_exact_and_midp_are_sums_over_the_binomial_distribution(b, c):
    m = b + c
    weights = [comb(m, k) / 2**m for k in range(m + 1)]
    beyond = sum(w for k, w in enumerate(weights) if abs(2 * k - m) >= abs(b - c))
    further = sum(w for k, w in enumerate(weights) if abs(2 * k - m) > abs(b - c))
    assert float(mc.exact_pvalues(b, c)) == pytest.approx(beyond, rel=1e-12)
    if b != c:
        assert float(mc.midp_pvalues(b, c)) == pytest.approx((beyond + further) / 2, rel=1e-10)
    elif b > 0:
        assert float(mc.midp_pvalues(b, c)) == pytest.approx(1 - weights[b] / 2, rel=1e-12)


@pytest.mark.parametrize("method", TESTS)
def test_no_discordant_pair_gives_p_1_and_a_caution(method):
    got = TESTS[method][0](0, 0, 331)
    assert (got.pvalue, got.estimate, got.status) == (1.0, 0.0, "caution")
    assert isnan(got.statistic)
    assert got.warning
    assert float(TESTS[method][1](0, 0)) == 1.0


@pytest.mark.parametrize("b", [1, 2, 7, 100])
def test_equal_discordant_counts_give_p_1_and_midp_less_half_a_point(b):
    for method in ("mcnemar_exact", "mcnemar_asymptotic", "mcnemar_corrected"):
        got = TESTS[method][0](b, b, 400)
        assert (got.pvalue, got.status) == (1.0, "ok")
    assert mc.mcnemar_midp(b, b, 400).pvalue == pytest.approx(1 - comb(2 * b, b) / 4**b / 2)
    assert mc.mcnemar_asymptotic(b, b, 400).statistic == 0
    assert mc.mcnemar_corrected(b, b, 400).statistic == 0


@pytest.mark.parametrize("method", TESTS)
@quick
@given(b=counts, c=counts)
def test_swapping_the_models_turns_the_sign_and_keeps_p(method, b, c):
    test, _ = TESTS[method]
    one, other = test(b, c, 700), test(c, b, 700)
    assert one.estimate == -other.estimate
    assert one.pvalue == other.pvalue
    assert 0 < one.pvalue <= 1
    assert (one.b, one.c) == (other.c, other.b)


@quick
@given(counts, counts)
def test_order_of_the_p_values(b, c):
    """Mid-p never exceeds exact p, and the correction never makes p smaller."""
    assert float(mc.midp_pvalues(b, c)) <= float(mc.exact_pvalues(b, c)) + 1e-12
    assert float(mc.asymptotic_pvalues(b, c)) <= float(mc.corrected_pvalues(b, c)) + 1e-12


@pytest.mark.parametrize("method", TESTS)
def test_kernels_take_arrays_and_fall_as_the_gap_grows(method):
    kernel = TESTS[method][1]
    b = np.arange(11)
    p = kernel(b, 20 - b)
    assert p.shape == (11,)
    assert (np.diff(p) >= -1e-12).all()
    assert kernel(b[:, None], b).shape == (11, 11)
    assert p[3] == TESTS[method][0](3, 17, 20).pvalue


def test_large_counts_keep_their_precision():
    """R 4.2.2: binom.test(499000, 998500)$p.value."""
    assert mc.mcnemar_exact(499_000, 499_500, 10**6).pvalue == pytest.approx(0.617515481225, rel=1e-10)


@pytest.mark.parametrize("method", TESTS)
def test_no_cases_and_impossible_counts(method):
    test, kernel = TESTS[method]
    got = test(0, 0, 0)
    assert (got.status, bool(got.warning)) == ("not_estimable", True)
    assert isnan(got.estimate)
    assert isnan(got.pvalue)
    with pytest.raises(ValueError, match=r"b \+ c <= n"):
        test(3, 4, 6)
    with pytest.raises(ValueError, match="negative"):
        kernel([1, -1], 0)
    with pytest.raises(ValueError, match="negative"):
        kernel(0, [1, -1])


def test_cochran_against_r():
    rows = [e for e in read("r/expected.csv") if e["method"] == "cochran_q"]
    assert rows
    for e in rows:
        _, correct = predictions(e["case"])
        got = mc.cochran_q(np.column_stack([correct[m] for m in sorted(correct)]))
        assert got.statistic == pytest.approx(float(e["statistic"]), rel=1e-9)
        assert got.pvalue == pytest.approx(float(e["p_value"]), rel=1e-9)
        assert (got.parameter, got.k) == (len(correct) - 1, len(correct))


@quick
@given(st.integers(0, 2**32 - 1))
def test_cochran_of_two_models_is_mcnemar_and_order_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    x = rng.random((30, 4)) < 0.7
    x[0] = [True, False, True, True]
    base = mc.cochran_q(x)
    assert mc.cochran_q(x[rng.permutation(30)][:, rng.permutation(4)]).statistic == pytest.approx(base.statistic)
    for i, j in combinations(range(4), 2):
        two = mc.cochran_q(x[:, [i, j]])
        b, c = int((x[:, i] & ~x[:, j]).sum()), int((~x[:, i] & x[:, j]).sum())
        assert two.pvalue == pytest.approx(float(mc.asymptotic_pvalues(b, c)))


def test_cochran_of_identical_models_is_p_1():
    column = np.arange(20)[:, None] % 3 > 0
    got = mc.cochran_q(np.repeat(column, 3, axis=1))
    assert (got.pvalue, got.status) == (1.0, "caution")
    assert isnan(got.statistic)


def test_cochran_edges():
    assert mc.cochran_q(np.empty((0, 3), bool)).status == "not_estimable"
    for bad in (np.ones((3, 3)), np.ones(3, bool), np.ones((3, 1), bool)):
        with pytest.raises(ValueError, match="boolean array"):
            mc.cochran_q(bad)
