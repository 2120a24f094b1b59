"""McNemar's test for clustered pairs: against base R, its limits, and its size in simulation."""

import csv
from itertools import groupby
from math import isnan
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridcx.stats.clusters import mcnemar_cluster
from hybridcx.stats.mcnemar import mcnemar_asymptotic, mcnemar_exact
from hybridcx.stats.proportions import normal_quantile

REFERENCE = Path(__file__).parents[1] / "reference" / "paired"
quick = settings(max_examples=50, deadline=None)


def read(name):
    with (REFERENCE / name).open(encoding="utf-8", newline="") as fh:
        return list(csv.DictReader(fh))


def columns(rows):
    """correct_a, correct_b, groups of clusters given as (name, n11, n10, n01, n00)."""
    a, b, groups = [], [], []
    for name, n11, n10, n01, n00 in rows:
        a += [True] * (n11 + n10) + [False] * (n01 + n00)
        b += [True] * n11 + [False] * n10 + [True] * n01 + [False] * n00
        groups += [name] * (n11 + n10 + n01 + n00)
    return np.array(a, bool), np.array(b, bool), np.array(groups)


def test_against_base_r():
    """Obuchowski's (1998) own form: variances and covariance with the pooled proportion (make_paired_reference.R)."""
    clusters = {
        case: columns([(r["cluster"], *(int(r[k]) for k in ("n11", "n10", "n01", "n00"))) for r in rows])
        for case, rows in groupby(read("clusters.csv"), key=lambda r: r["case"])
    }
    expected = read("cluster_expected.csv")
    assert len(expected) == 8
    for e in expected:
        got = mcnemar_cluster(*clusters[e["case"]])
        for value, want in (
            (got.estimate, "estimate"),
            (got.conf_low, "conf_low"),
            (got.conf_high, "conf_high"),
            (got.statistic, "statistic"),
            (got.pvalue, "p_value"),
            (got.std_error, "std_error"),
        ):
            assert value == pytest.approx(float(e[want]), rel=1e-9, abs=1e-12), e
        assert (got.parameter, got.n) == (1, clusters[e["case"]][0].size)
        assert got.status == ("caution" if (got.conf_low, got.conf_high) == (-1, 1) else "ok")


def random_study(seed, k=12, largest=4):
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(k), rng.integers(1, largest + 1, k))
    skill = rng.normal(size=(2, k))
    a, b = (rng.random(groups.size) < 1 / (1 + np.exp(-skill[i][groups] - 1)) for i in range(2))
    return a, b, groups


@quick
@given(st.integers(0, 2**32 - 1))
def test_laws(seed):
    a, b, groups = random_study(seed)
    got, swapped = mcnemar_cluster(a, b, groups), mcnemar_cluster(b, a, groups)
    assert swapped.estimate == -got.estimate
    assert swapped.pvalue == got.pvalue
    assert (swapped.b, swapped.c) == (got.c, got.b)
    order = np.random.default_rng(seed).permutation(a.size)
    names = np.array([f"patient {g}" for g in groups])
    shuffled = mcnemar_cluster(a[order], b[order], names[order])
    assert (shuffled.statistic, shuffled.conf_low) == pytest.approx((got.statistic, got.conf_low), nan_ok=True)
    if not isnan(got.conf_low):
        assert -1 <= got.conf_low <= got.estimate <= got.conf_high <= 1
    assert got.n_clusters == 12


@quick
@given(st.integers(0, 2**32 - 1))
def test_one_case_a_cluster_is_mcnemar_but_for_the_divisor(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.random((2, 60)) < 0.7
    a[:2], b[:2] = [True, False], [False, False]
    plain = mcnemar_asymptotic(int((a & ~b).sum()), int((~a & b).sum()), 60)
    assert mcnemar_cluster(a, b, np.arange(60)).statistic == pytest.approx(59 / 60 * plain.statistic)


def test_cases_repeated_within_a_patient_add_nothing():
    """Ten copies of every case as one patient's cases leave statistic, p and interval where they were."""
    a, b, groups = random_study(4, largest=1)
    once, often = mcnemar_cluster(a, b, groups), mcnemar_cluster(*(np.repeat(v, 10) for v in (a, b, groups)))
    assert (often.statistic, often.pvalue, often.conf_low) == pytest.approx(
        (once.statistic, once.pvalue, once.conf_low)
    )
    assert (once.n, often.n) == (12, 120)


def signed_root(a, b, groups, x):
    """The square root of the statistic of "the difference is x", with its sign."""
    gap = np.array([(a[groups == g].astype(int) - b[groups == g] - x).sum() for g in np.unique(groups)])
    return np.sqrt((len(gap) - 1) / len(gap)) * gap.sum() / np.sqrt((gap**2).sum())


@quick
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.5, 0.8, 0.95]))
def test_interval_inverts_the_test(seed, level):
    a, b, groups = random_study(seed, k=15)
    got = mcnemar_cluster(a, b, groups, level)
    if isnan(got.conf_low) or (got.conf_low, got.conf_high) == (-1, 1):
        return
    z = normal_quantile(level)
    if got.conf_low > -1:
        assert signed_root(a, b, groups, got.conf_low) == pytest.approx(z, rel=1e-6)
    if got.conf_high < 1:
        assert signed_root(a, b, groups, got.conf_high) == pytest.approx(-z, rel=1e-6)
    if abs(got.pvalue - (1 - level)) > 1e-9:
        assert (got.pvalue < 1 - level) == (not got.conf_low <= 0 <= got.conf_high)


def test_limits_of_very_few_clusters():
    """With four equal clusters 3/4 K <= 1.96^2: the test can reject no difference."""
    a, b, groups = columns([("p1", 3, 2, 0, 0), ("p2", 2, 3, 0, 0), ("p3", 4, 1, 0, 0), ("p4", 3, 2, 0, 0)])
    got = mcnemar_cluster(a, b, groups)
    assert (got.conf_low, got.conf_high, got.status) == (-1, 1, "caution")
    assert "cannot reject" in got.warning


def test_no_discordant_pair():
    got = mcnemar_cluster(*columns([("p1", 3, 0, 0, 1), ("p2", 2, 0, 0, 0)]))
    assert (got.pvalue, got.estimate, got.status) == (1.0, 0.0, "caution")
    assert "no discordant pair" in got.warning
    assert isnan(got.statistic)
    assert isnan(got.conf_low)


def test_equal_counts_in_every_cluster():
    got = mcnemar_cluster(*columns([("p1", 3, 1, 1, 1), ("p2", 2, 2, 2, 0)]))
    assert (got.pvalue, got.estimate, got.status) == (1.0, 0.0, "caution")
    assert "every cluster" in got.warning


def test_the_same_difference_in_every_cluster_has_a_test_but_no_limits():
    got = mcnemar_cluster(*columns([("p1", 1, 1, 0, 0), ("p2", 0, 1, 0, 1), ("p3", 2, 2, 0, 0)]))
    assert (got.estimate, got.status) == (0.5, "caution")
    assert got.statistic == pytest.approx(2 / 3 * 16 / 6)
    assert isnan(got.conf_low)
    assert "no limits" in got.warning


def test_one_cluster_or_none():
    got = mcnemar_cluster(*columns([("p1", 3, 2, 1, 1)]))
    assert (got.estimate, got.status, got.n_clusters) == (pytest.approx(1 / 7), "caution", 1)
    assert isnan(got.pvalue)
    assert isnan(got.parameter)
    empty = mcnemar_cluster(np.empty(0, bool), np.empty(0, bool), np.empty(0))
    assert (empty.status, isnan(empty.estimate)) == ("not_estimable", True)


def test_groups_must_fit():
    with pytest.raises(ValueError, match="shape of the cases"):
        mcnemar_cluster(np.ones(3, bool), np.ones(3, bool), np.arange(2))


@pytest.mark.slow
def test_size_with_four_images_a_patient():
    """Strongly correlated cases within 60 patients: the naive exact test rejects far too often, the clustered one keeps its level."""
    rng = np.random.default_rng(11)
    naive = clustered = 0
    groups = np.repeat(np.arange(60), 4)
    for _ in range(3000):
        easy = rng.normal(size=(2, 60))[:, groups]
        a, b = (0.9 * easy[i] + 0.44 * rng.normal(size=240) > -0.7 for i in range(2))
        naive += mcnemar_exact(int((a & ~b).sum()), int((~a & b).sum()), 240).pvalue < 0.05
        clustered += mcnemar_cluster(a, b, groups).pvalue < 0.05
    assert naive / 3000 > 0.1
    assert clustered / 3000 == pytest.approx(0.05, abs=0.015)
