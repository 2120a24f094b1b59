"""Predictive values at a prevalence from replicates: Bayes' formula, the sample's own prevalence, edges."""

from math import isnan

import numpy as np
import pytest

from hybridcx.stats.confusion import Confusion
from hybridcx.stats.prevalence import at_prevalence
from hybridcx.stats.proportions import predictive_value_mercaldo
from hybridcx.stats.resampling.bootstrap import bootstrap_replicates
from hybridcx.stats.resampling.intervals import percentile


def drawn(y, called):
    metrics = ["sensitivity", "specificity", "ppv", "npv"]
    return bootstrap_replicates(y, called, None, metrics=metrics, n_resamples=2000, rng=np.random.default_rng(1))


def test_estimates_are_those_of_bayes_and_near_mercaldos_limits():
    rng = np.random.default_rng(3)
    y = rng.random(400) < 0.4
    called = (y ^ (rng.random((2, 400)) < 0.2)) == 1
    found = at_prevalence(drawn(y, called), 0.1)
    for j in range(2):
        for metric in ("ppv", "npv"):
            expected = predictive_value_mercaldo(Confusion.from_labels(y, called[j]), metric, 0.1)
            interval = percentile(found, metric, j)
            assert interval.estimate == pytest.approx(expected.estimate)
            assert (interval.conf_low, interval.conf_high) == pytest.approx(
                (expected.conf_low, expected.conf_high), abs=0.02
            )
            assert found.jackknife[metric].shape[0] == found.jackknife_weights[metric].size


def test_at_the_samples_own_prevalence_nothing_changes_on_the_cases_themselves():
    rng = np.random.default_rng(4)
    y = rng.random(90) < 0.3
    replicates = drawn(y, (rng.random(90) < 0.4)[None])
    found = at_prevalence(replicates, y.mean())
    for metric in ("ppv", "npv"):
        assert found.observed[metric][0] == pytest.approx(replicates.observed[metric][0])


def test_edges():
    y = np.array([True, True, False, False])
    none = at_prevalence(drawn(y, np.zeros((1, 4), bool)), 0.2)
    assert isnan(none.observed["ppv"][0])
    assert none.observed["npv"][0] == pytest.approx(0.8)
    with pytest.raises(ValueError, match="prevalence"):
        at_prevalence(drawn(y, np.zeros((1, 4), bool)), 1.0)
