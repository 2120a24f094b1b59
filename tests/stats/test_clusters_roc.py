"""DeLong with clusters: its relation to DeLong, edges, and the size of its test in simulation."""

from math import isnan

import numpy as np
import pytest
from scipy import special, stats

from hybridcx.stats import clusters_roc as cr
from hybridcx.stats import roc


def sample(rng, patients=30, each=4, sd=1.5):
    y = rng.random(patients * each) < 0.5
    group = np.repeat(np.arange(patients), each)
    shared = sd * rng.normal(size=(2, patients))[:, group]
    return y, shared + rng.normal(size=(2, y.size)) + y, group


def test_one_case_a_patient_is_delong():
    y, s, _ = sample(np.random.default_rng(1))
    found, plain = cr.delong_cluster(y, *s, np.arange(y.size)), roc.delong_paired(y, *s)
    assert (found.statistic, found.std_error) == pytest.approx((plain.statistic, plain.std_error), rel=1e-12)
    df = min(y.sum(), (~y).sum()) - 1
    assert found.parameter == pytest.approx(df)
    half = stats.t.ppf(0.975, df) * plain.std_error
    assert (found.conf_low, found.conf_high) == pytest.approx((plain.estimate - half, plain.estimate + half))
    assert found.pvalue == pytest.approx(2 * stats.t.sf(abs(plain.statistic), df))
    assert (found.method, found.n, found.n_clusters) == ("delong_cluster", y.size, y.size)
    single = cr.delong_cluster_interval(y, s[0], np.arange(y.size))
    a = roc.delong(y, s[0]).estimate
    half = stats.t.ppf(0.975, df) * roc.delong(y, s[0]).std_error / (a * (1 - a))
    assert single.std_error == pytest.approx(roc.delong_logit(y, s[0]).std_error, rel=1e-12)
    limits = special.expit(special.logit(a) + np.array([-half, half]))
    assert [single.conf_low, single.conf_high] == pytest.approx(limits.tolist(), rel=1e-12)


def test_copies_of_cases_add_nothing():
    """Every case twice in its patient: the cluster variance stays (but for m - 1), DeLong's halves."""
    y, s, _ = sample(np.random.default_rng(2))
    twice = np.repeat(np.arange(y.size), 2)
    found = cr.delong_cluster_interval(y[twice], s[0][twice], twice)
    plain = cr.delong_cluster_interval(y, s[0], np.arange(y.size))
    assert found.std_error == pytest.approx(plain.std_error, rel=1e-12)
    assert roc.delong(y[twice], s[0][twice]).std_error < 0.72 * plain.std_error


def test_labels_and_order_do_not_matter():
    y, s, g = sample(np.random.default_rng(3))
    order = np.random.default_rng(4).permutation(y.size)
    names = np.array([f"p{997 * v % 31:02d}" for v in g])
    a, b = cr.delong_cluster(y, *s, g), cr.delong_cluster(y[order], *s[:, order], names[order])
    assert a.pvalue == pytest.approx(b.pvalue, rel=1e-10)


def test_edges():
    y = np.array([True, False, True, False])
    s = np.array([0.9, 0.1, 0.8, 0.3])
    perfect = cr.delong_cluster_interval(y, s, [1, 1, 2, 2])
    assert (perfect.estimate, perfect.std_error, perfect.status) == (1.0, 0.0, "caution")
    assert isnan(perfect.conf_low)
    assert isnan(perfect.conf_high)
    assert "infinite" in perfect.warning
    few = cr.delong_cluster_interval(y, s, [1, 1, 1, 2])
    assert (few.status, few.warning, isnan(few.conf_low)) == ("caution", cr.FEW_CLUSTERS, True)
    test = cr.delong_cluster(y, s, -s, [1, 1, 1, 2])
    assert (test.status, test.warning, isnan(test.pvalue)) == ("caution", cr.FEW_CLUSTERS, True)
    one = cr.delong_cluster_interval([1, 1], [0.1, 0.2], [1, 2])
    assert (one.status, isnan(one.estimate)) == ("not_estimable", True)
    none = cr.delong_cluster([1, 1], [0.1, 0.2], [0.1, 0.2], [1, 2])
    assert (none.status, none.warning) == ("not_estimable", roc.NO_CLASS)
    same = cr.delong_cluster(y, s, s, [1, 1, 2, 2])
    assert (same.pvalue, same.status) == (1.0, "caution")
    with pytest.raises(ValueError, match="groups"):
        cr.delong_cluster(y, s, s, [1, 2])


def test_effective_patients():
    """Equal sizes: the patients of the smaller class less 1. One patient with most cases: few degrees of freedom, never below 1."""
    y = np.array([True] * 6 + [False] * 10)
    assert cr.class_freedom(y, np.arange(16) // 2) == pytest.approx(2)
    assert cr.class_freedom(y, [0, 1, 2, 3, 4, 5] + [6] * 9 + [7]) == 1.0


@pytest.mark.slow
def test_type_one_error():
    """Patients whose cases share class and noise: DeLong on rows rejects far too often, the cluster test about as often as it says."""
    rng = np.random.default_rng(5)
    naive = cluster = 0
    for _ in range(1000):
        group = np.repeat(np.arange(40), 4)
        y = (rng.random(40) < 0.5)[group]
        s = 1.5 * rng.normal(size=(2, 40))[:, group] + 0.5 * rng.normal(size=(2, 160)) + y
        naive += roc.delong_paired(y, *s).pvalue < 0.05
        cluster += cr.delong_cluster(y, *s, group).pvalue < 0.05
    assert 0.03 <= cluster / 1000 <= 0.085
    assert naive / 1000 > 0.2
