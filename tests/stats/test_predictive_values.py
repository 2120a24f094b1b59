"""PPV, NPV and likelihood ratios of two models: against base R, published output, and their laws."""

import csv
import shutil
import subprocess
from math import isnan
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridcx.stats import predictive_values as pv

PAIRED = Path(__file__).parents[1] / "reference" / "paired"
quick = settings(max_examples=50, deadline=None)
SCORES = {"generalized_score": pv.generalized_score, "weighted_generalized_score": pv.weighted_generalized_score}


def read(path):
    with path.open(encoding="utf-8", newline="") as fh:
        return list(csv.DictReader(fh))


def columns(d1, d0):
    """y_true, pred_a, pred_b from the counts (11, 10, 01, 00) of the two models' calls by truth."""
    truth = np.repeat([True, False], [sum(d1), sum(d0)])
    a, b = (np.repeat(np.array(calls * 2, bool), [*d1, *d0]) for calls in ([1, 1, 0, 0], [1, 0, 1, 0]))
    return truth, a, b


def columns_of(t):
    return columns(*([int(t[f"{d}_{k}"]) for k in ("11", "10", "01", "00")] for d in ("d1", "d0")))


def function_for(method):
    return SCORES.get(method, pv.lr_regression)


def test_against_base_r():
    """The papers' sums over long-format calls, and sandwich variances of lm and glm fits (make_paired_reference.R)."""
    tables = {t["case"]: columns_of(t) for t in read(PAIRED / "tables.csv")}
    seen = dict.fromkeys([*SCORES, "lr_regression"], 0)
    for e in read(PAIRED / "table_expected.csv"):
        if e["method"] not in seen:
            continue
        seen[e["method"]] += 1
        got = function_for(e["method"])(*tables[e["case"]], e["metric"])
        assert got.method == e["method"]
        tolerance = 1e-6 if e["method"] == "lr_regression" else 1e-9
        for value, want in (
            (got.estimate, "estimate"),
            (got.conf_low, "conf_low"),
            (got.conf_high, "conf_high"),
            (got.statistic, "statistic"),
            (got.pvalue, "p_value"),
            (got.std_error, "std_error"),
        ):
            # R does not clip the limits of a difference.
            wanted = float(e[want])
            if want.startswith("conf") and e["method"] in SCORES:
                wanted = min(max(wanted, -1.0), 1.0)
            assert value == pytest.approx(wanted, rel=tolerance, abs=1e-12), (e, want)
        assert got.parameter == 1
    assert min(seen.values()) >= 20


def test_published_output():
    """Paired1 (Leisenring 2000, Kosinski 2013, Gu and Pepe 2009) as printed in the documentation of R's DTComPair 1.2.6: reference pages of
    pv.gs, pv.wgs and dlr.regtest. Its differences are test2 - test1, ours test1 - test2."""
    data = columns((319, 78, 22, 32), (31, 53, 22, 155))
    for function, which, difference, statistic, p in (
        (pv.generalized_score, "ppv", 0.04011841, 5.71124070, 0.01685662),
        (pv.generalized_score, "npv", -0.1121457, 17.78567, 2.472383e-05),
        (pv.weighted_generalized_score, "ppv", 0.04011841, 5.46588745, 0.01939120),
        (pv.weighted_generalized_score, "npv", -0.1121457, 16.53540, 4.775012e-05),
    ):
        got = function(*data, which)
        assert -got.estimate == pytest.approx(difference, rel=6e-7)
        assert got.statistic == pytest.approx(statistic, rel=6e-7)
        assert got.pvalue == pytest.approx(p, rel=6e-7)
    for which, ratio, error, z, p, low, high in (
        ("lr_positive", 0.7345692, 0.1326086, -2.326177, 0.0200091, 0.5664428, 0.9525973),
        ("lr_negative", 0.5768875, 0.137376, -4.004396, 6.217627e-05, 0.4407136, 0.7551371),
    ):
        got = pv.lr_regression(*data, which)
        wanted = (ratio, error, z * z, p, low, high)
        values = (got.estimate, got.std_error, got.statistic, got.pvalue, got.conf_low, got.conf_high)
        assert values == pytest.approx(wanted, rel=1e-6)


@pytest.mark.r
def test_the_stored_reference_is_what_its_script_writes(tmp_path):
    rscript = shutil.which("Rscript")
    assert rscript, "Rscript is not on the PATH"
    subprocess.run([rscript, str(PAIRED / "make_paired_reference.R"), str(tmp_path)], check=True, timeout=120)
    for stored in sorted(PAIRED.glob("*.csv")):
        old, new = read(stored), read(tmp_path / stored.name)
        assert len(old) == len(new)
        for one, other in zip(old, new, strict=True):
            for key, value in one.items():
                try:
                    wanted = float(value)
                except ValueError:
                    assert other[key] == value
                else:
                    assert float(other[key]) == pytest.approx(wanted, rel=1e-7, abs=1e-12, nan_ok=True), (stored, one)


cells = st.tuples(*[st.integers(0, 30)] * 4)
studies = st.tuples(cells, cells).filter(lambda t: sum(t[0]) + sum(t[1]) > 0)
everything = [(pv.generalized_score, w) for w in ("ppv", "npv")]
everything += [(pv.weighted_generalized_score, w) for w in ("ppv", "npv")]
everything += [(pv.lr_regression, w) for w in ("lr_positive", "lr_negative")]


@pytest.mark.parametrize(("function", "which"), everything)
@quick
@given(study=studies, seed=st.integers(0, 2**32 - 1))
def test_laws(function, which, study, seed):
    truth, a, b = columns(*study)
    got, swapped = function(truth, a, b, which), function(truth, b, a, which)
    assert got.status == swapped.status
    if got.status == "not_estimable":
        assert got.warning
        assert isnan(got.estimate)
        assert isnan(got.pvalue)
        return
    assert got.pvalue == pytest.approx(swapped.pvalue, rel=1e-9)
    ratio = function is pv.lr_regression
    assert swapped.estimate == pytest.approx(1 / got.estimate if ratio else -got.estimate)
    if isnan(got.conf_low):
        assert got.status == "caution"
    else:
        assert got.conf_low <= got.estimate <= got.conf_high
    order = np.random.default_rng(seed).permutation(truth.size)
    shuffled = function(truth[order], a[order], b[order], which)
    assert (shuffled.estimate, shuffled.pvalue) == (got.estimate, got.pvalue)
    # Both classes relabelled: PPV becomes NPV; LR+ becomes the inverse of LR-.
    opposite = {"ppv": "npv", "npv": "ppv", "lr_positive": "lr_negative", "lr_negative": "lr_positive"}[which]
    relabelled = function(~truth, ~a, ~b, opposite)
    assert relabelled.estimate == pytest.approx(1 / got.estimate if ratio else got.estimate)
    assert relabelled.pvalue == pytest.approx(got.pvalue, rel=1e-9)


@pytest.mark.parametrize(("function", "which"), everything)
def test_identical_models_give_p_1_and_no_limits(function, which):
    truth, a, _ = columns((20, 3, 0, 2), (4, 0, 0, 30))
    got = function(truth, a, a, which)
    assert (got.pvalue, got.status) == (1.0, "caution")
    assert got.estimate == (1.0 if function is pv.lr_regression else 0.0)
    assert isnan(got.statistic)
    assert isnan(got.conf_low)


def test_predictive_values_of_one_are_no_evidence():
    got = pv.generalized_score(*columns((9, 4, 3, 1), (0, 0, 0, 20)), "ppv")
    assert (got.estimate, got.pvalue, got.status) == (0.0, 1.0, "caution")


def test_a_difference_without_robust_variance_has_a_test_but_no_limits():
    """All calls of the one are right, all calls of the other wrong: the sandwich is 0, the null variance is not."""
    for function in SCORES.values():
        got = function(*columns((0, 8, 0, 5), (0, 0, 8, 9)), "ppv")
        assert (got.estimate, got.status) == (1.0, "caution")
        assert got.pvalue < 0.001
        assert isnan(got.conf_low)
        assert isnan(got.std_error)


@pytest.mark.parametrize(
    ("study", "which", "words"),
    [
        (((0, 0, 3, 2), (0, 0, 1, 9)), "ppv", "positive by the model"),
        (((0, 3, 0, 2), (0, 1, 0, 9)), "ppv", "positive by the comparator"),
        (((0, 0, 0, 5), (0, 0, 0, 9)), "ppv", "positive by either model"),
        (((3, 2, 0, 0), (4, 1, 0, 0)), "npv", "negative by the model"),
    ],
)
def test_a_model_without_such_calls_is_not_estimable(study, which, words):
    got = pv.generalized_score(*columns(*study), which)
    assert got.status == "not_estimable"
    assert words in got.warning


@pytest.mark.parametrize(
    ("study", "which", "words"),
    [
        (((0, 0, 0, 0), (3, 2, 1, 9)), "lr_positive", "there are no positive cases"),
        (((3, 2, 1, 9), (0, 0, 0, 0)), "lr_positive", "there are no negative cases"),
        (((3, 2, 1, 9), (0, 0, 2, 8)), "lr_positive", "no negative case is predicted positive by the model"),
        (((3, 2, 1, 9), (0, 2, 0, 8)), "lr_positive", "positive by the comparator"),
        (((8, 0, 0, 0), (2, 1, 1, 8)), "lr_negative", "no positive case is predicted negative by either model"),
    ],
)
def test_likelihood_ratios_with_empty_cells_are_not_estimable(study, which, words):
    got = pv.lr_regression(*columns(*study), which)
    assert got.status == "not_estimable"
    assert words in got.warning


def test_one_differing_call_among_a_million_keeps_its_precision():
    """The one differing case is a wrong call of the comparator. On paper the weighted T is (n_a + n_b)^2 / (4 n_a n_b), whatever the PPV;
    the unweighted one (n_a + n_b)^2 / (4 n_a^2) up to a share of 1e-9 from the cases called by both."""
    n_a, n_b, hits = 10**6, 10**6 + 1, 999_000
    data = columns((hits, 0, 0, 10), (n_a - hits, 0, 1, 10))
    for function, square in ((pv.weighted_generalized_score, n_a * n_b), (pv.generalized_score, n_a**2)):
        got = function(*data, "ppv")
        assert got.estimate == pytest.approx(hits / (n_a * n_b), rel=1e-12)
        assert got.statistic == pytest.approx((n_a + n_b) ** 2 / (4 * square), rel=1e-8)
        assert got.conf_low < 0 < got.conf_high


def test_unknown_metrics_are_refused():
    data = columns((1, 1, 1, 1), (1, 1, 1, 1))
    with pytest.raises(ValueError, match="ppv or npv"):
        pv.generalized_score(*data, "accuracy")
    with pytest.raises(ValueError, match="lr_positive or lr_negative"):
        pv.lr_regression(*data, "ppv")


@pytest.mark.slow
def test_size_of_the_weighted_score_test():
    """Under equal PPV in a paired design of 200 cases the weighted test keeps its level (Kosinski 2013)."""
    rng = np.random.default_rng(7)
    rejected = 0
    for _ in range(4000):
        truth = rng.random(200) < 0.4
        latent = rng.normal(size=200)
        a, b = (0.8 * latent + 0.6 * rng.normal(size=200) + 1.2 * truth > 0.8 for _ in range(2))
        rejected += pv.weighted_generalized_score(truth, a, b).pvalue < 0.05
    assert rejected / 4000 == pytest.approx(0.05, abs=0.014)
