"""Obuchowski-Rockette: laws, edges, accuracy, and the size of the test."""

from math import isnan

import numpy as np
import pytest

from hybridcx.stats import readers, roc


def scores(rng, n=80, j=3, sd=0.3):
    y = rng.random(n) < 0.5
    return y, *(
        y + rng.normal(size=n) + sd * rng.normal(size=(j, 1)) * y + 0.7 * rng.normal(size=(j, n)) for _ in range(2)
    )


@pytest.mark.parametrize("design", ["crossed", "nested", "fixed"])
def test_swapping_models_and_readers(design):
    y, a, b = scores(np.random.default_rng(1))
    forward, backward = readers.obuchowski_rockette(y, a, b, design), readers.obuchowski_rockette(y, b, a, design)
    assert (forward.estimate, forward.pvalue, forward.conf_low) == pytest.approx(
        (-backward.estimate, backward.pvalue, -backward.conf_high)
    )
    turned = readers.obuchowski_rockette(y, a[[2, 0, 1]], b[[2, 0, 1]], design)
    assert turned.pvalue == pytest.approx(forward.pvalue)
    assert forward.estimate == pytest.approx(
        np.mean([roc.auroc(y, s) for s in a]) - np.mean([roc.auroc(y, s) for s in b])
    )
    level = 1 - forward.pvalue
    at_zero = readers.obuchowski_rockette(y, a, b, design, level)
    assert min(abs(at_zero.conf_low), abs(at_zero.conf_high)) == pytest.approx(0, abs=1e-9)
    # Which readers are paired matters only where they are crossed.
    again = readers.obuchowski_rockette(y, a, b[[1, 2, 0]], design)
    assert (again.pvalue == pytest.approx(forward.pvalue)) == (design != "crossed")


def test_one_fixed_reader_is_delong():
    y, a, b = scores(np.random.default_rng(2), j=1)
    found, delong = readers.obuchowski_rockette(y, a, b, "fixed"), roc.delong_paired(y, a, b)
    assert (found.statistic, found.pvalue) == pytest.approx((delong.statistic, delong.pvalue))
    lone = readers.obuchowski_rockette(y, a, b)
    assert (lone.status, isnan(lone.pvalue)) == ("caution", True)


def test_accuracy():
    rng = np.random.default_rng(3)
    a, b = rng.random((3, 60)) < 0.8, rng.random((3, 60)) < 0.7
    found = readers.obuchowski_rockette_accuracy(a, b, "fixed")
    assert found.estimate == pytest.approx(a.mean() - b.mean())
    single = readers.obuchowski_rockette_accuracy(a[:1], b[:1], "fixed")
    paired = a[0].astype(float) - b[0]
    assert single.std_error == pytest.approx(paired.std(ddof=1) / 60**0.5)
    same = readers.obuchowski_rockette_accuracy(a, a)
    assert (same.estimate, same.pvalue, same.status) == (0.0, 1.0, "caution")
    opposite = readers.obuchowski_rockette_accuracy(np.ones((2, 9)), np.zeros((2, 9)))
    assert (opposite.estimate, opposite.status, isnan(opposite.pvalue)) == (1.0, "caution", True)


def test_no_variance_over_readers_gives_the_normal_limit():
    estimates = np.array([[0.9, 0.9], [0.8, 0.8]])
    cov = np.array([[4, 2, 1, 1], [2, 4, 1, 1], [1, 1, 4, 2], [1, 1, 2, 4]]) * 1e-4
    found = readers.obuchowski_rockette_from(estimates, cov, 50)
    assert isnan(found.parameter)
    assert found.std_error == pytest.approx((2 * 1e-4) ** 0.5)


def test_edges():
    y, a, b = scores(np.random.default_rng(4))
    one_class = readers.obuchowski_rockette(np.ones(80, bool), a, b)
    assert (one_class.status, one_class.warning) == ("not_estimable", roc.NO_CLASS)
    one_case = readers.obuchowski_rockette(np.arange(80) == 0, a, b)
    assert (one_case.status, one_case.warning, isnan(one_case.pvalue)) == ("caution", roc.ONE_CASE, True)
    with pytest.raises(ValueError, match="same number of readers"):
        readers.obuchowski_rockette(y, a, b[:2])
    with pytest.raises(ValueError, match="design"):
        readers.obuchowski_rockette(y, a, b, "split")
    with pytest.raises(ValueError, match="same readers"):
        readers.obuchowski_rockette_accuracy(a > 0, b[:2] > 0)


@pytest.mark.slow
@pytest.mark.parametrize("design", ["crossed", "nested"])
def test_type_one_error(design):
    rng, hits = np.random.default_rng(5), 0
    for _ in range(600):
        y, a, b = scores(rng, 60, 5)
        hits += readers.obuchowski_rockette(y, a, b, design).pvalue < 0.05
    assert hits / 600 < 0.085


def test_patients_of_one_case_change_nothing_but_the_small_sample_factor_of_delong():
    y, a, b = scores(np.random.default_rng(7))
    alone = np.arange(80)
    with_groups = readers.obuchowski_rockette(y, a, b, "nested", groups=alone)
    without = readers.obuchowski_rockette(y, a, b, "nested")
    assert (with_groups.std_error, with_groups.pvalue) == pytest.approx((without.std_error, without.pvalue))
    assert with_groups.n_clusters == 80
    right = a > 0.5, b > 0.5
    found = readers.obuchowski_rockette_accuracy(*right, "nested", groups=alone)
    assert found.std_error == pytest.approx(readers.obuchowski_rockette_accuracy(*right, "nested").std_error)
    assert found.n_clusters == 80


def test_copies_of_a_patient_are_no_further_patients():
    rng = np.random.default_rng(8)
    a, b = rng.random((3, 40)) < 0.8, rng.random((3, 40)) < 0.7
    twice = readers.obuchowski_rockette_accuracy(
        np.repeat(a, 2, axis=1), np.repeat(b, 2, axis=1), "nested", groups=np.repeat(np.arange(40), 2)
    )
    once = readers.obuchowski_rockette_accuracy(a, b, "nested")
    assert twice.std_error == pytest.approx(once.std_error)
    assert twice.n_clusters == 40


def test_a_single_patient_has_no_variance():
    y, a, b = scores(np.random.default_rng(9))
    one = np.zeros(80)
    found = readers.obuchowski_rockette(y, a, b, "nested", groups=one)
    assert (found.status, isnan(found.conf_low), "single patient" in found.warning) == ("caution", True, True)
    found = readers.obuchowski_rockette_accuracy(a > 0.5, b > 0.5, "nested", groups=one)
    assert (found.status, isnan(found.conf_low)) == ("caution", True)
