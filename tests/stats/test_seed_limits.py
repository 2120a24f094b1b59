"""Means over seeds by Student's t: against a second implementation, their laws, and the size of the test."""

from math import isnan, sqrt

import numpy as np
import pytest
from scipy import special, stats

from hybridcx.stats.resampling import seed_limits as sl
from hybridcx.stats.resampling.bootstrap import bootstrap_replicates
from hybridcx.stats.resampling.hierarchical import combine_seeds, hierarchical_difference

METRICS = ["accuracy", "mcc", "auroc", "brier", "lr_positive", "diagnostic_odds_ratio"]


def study(seed, n=120, seeds=4, spread=0.3):
    rng = np.random.default_rng(seed)
    y = rng.random(n) < 0.5
    trained = 0.9 + spread * rng.normal(size=(2, seeds, 1))
    s = special.expit(trained * (2 * y - 1) + rng.normal(size=n) + 0.5 * rng.normal(size=(2, seeds, n)))
    flat = s.reshape(2 * seeds, n)
    drawn = bootstrap_replicates(y, flat >= 0.5, flat, metrics=METRICS, n_resamples=500, rng=rng, n_refits=0)
    return y, s, combine_seeds(drawn, seeds, rng)


def second_implementation(values, resamples, between, freedom, level=0.95):
    """Standard error and half width of a mean over seeds; `values` (cases, S) are the cases' own."""
    n, total = values.shape
    rest = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0) + values.mean()
    interaction = (rest**2).sum() / ((n - 1) * (total - 1)) / (n * total)
    drawn = values.mean(axis=0).var(ddof=1) * (total - 1) / total**2
    variance = max(resamples.var(ddof=1) - drawn - interaction, 0) + between
    return sqrt(variance), stats.t.ppf(0.5 + level / 2, freedom * variance / between) * sqrt(variance)


@pytest.mark.parametrize("design", ["nested", "crossed"])
def test_difference_of_accuracies(design):
    y, s, seeds = study(1)
    right = ((s >= 0.5) == y).astype(float)
    of_seeds = right.mean(axis=2)
    gap = of_seeds[0] - of_seeds[1]
    between = (of_seeds.var(axis=1, ddof=1).sum() if design == "nested" else gap.var(ddof=1)) / 4
    resamples = seeds.means.replicates["accuracy"]
    error, half = second_implementation(
        (right[0] - right[1]).T, resamples[:, 0] - resamples[:, 1], between, 6 if design == "nested" else 3
    )
    got = sl.student_difference(seeds, "accuracy", 0, 1, design=design)
    assert (got.std_error, got.conf_high - got.estimate) == pytest.approx((error, half), rel=1e-9)
    assert got.estimate == pytest.approx(gap.mean())
    assert got.pvalue == pytest.approx(2 * stats.t.sf(abs(gap.mean() / error), got.parameter))
    assert (got.method, got.status) == ("bootstrap_hierarchical", "caution")
    assert "only 4 seeds" in got.warning
    back = sl.student_difference(seeds, "accuracy", 1, 0, design=design)
    assert (back.conf_low, back.pvalue) == pytest.approx((-got.conf_high, got.pvalue))


def test_one_model_on_the_logit_scale():
    y, s, seeds = study(2)
    right = ((s[0] >= 0.5) == y).astype(float)
    p = right.mean()
    error, half = second_implementation(
        right.T, seeds.means.replicates["accuracy"][:, 0], right.mean(axis=1).var(ddof=1) / 4, 3
    )
    got = sl.student_interval(seeds, "accuracy", 0)
    assert got.std_error == pytest.approx(error, rel=1e-9)
    limits = special.expit(special.logit(p) + np.array([-1, 1]) * half / (p * (1 - p)))
    assert [got.conf_low, got.conf_high] == pytest.approx(limits.tolist(), rel=1e-9)


def test_limits_stay_in_the_range_and_hold_the_estimate():
    _, _, seeds = study(3, n=40, seeds=5)
    for metric, low, high in (("mcc", -1, 1), ("auroc", 0, 1), ("brier", 0, 1), ("lr_positive", 0, np.inf)):
        got = sl.student_interval(seeds, metric, 0)
        assert low <= got.conf_low < got.estimate < got.conf_high <= high, metric
    ratio = sl.student_difference(seeds, "lr_positive", 0, 1)
    if not isnan(ratio.statistic):
        assert ratio.conf_low * ratio.conf_high == pytest.approx(ratio.estimate**2)


def test_seeds_alike_leave_the_normal_limits_of_the_cases():
    y, s, _ = study(4)
    same = np.repeat(s[:, :1], 5, axis=1).reshape(10, -1)
    rng = np.random.default_rng(1)
    drawn = bootstrap_replicates(y, same >= 0.5, same, metrics=["accuracy"], n_resamples=400, rng=rng, n_refits=0)
    seeds = combine_seeds(drawn, 5, rng)
    got = sl.student_difference(seeds, "accuracy", 0, 1)
    resampled = seeds.means.replicates["accuracy"]
    error = (resampled[:, 0] - resampled[:, 1]).std(ddof=1)
    assert (got.std_error, isnan(got.parameter)) == (pytest.approx(error), True)
    assert got.conf_high - got.estimate == pytest.approx(stats.norm.ppf(0.975) * error)


def test_without_variance_the_percentile_limits_stay():
    y, s, _ = study(5)
    rng = np.random.default_rng(2)
    alone = s[:, 0]
    drawn = bootstrap_replicates(y, alone >= 0.5, alone, metrics=["accuracy"], n_resamples=100, rng=rng, n_refits=0)
    one = combine_seeds(drawn, 1, rng)
    assert sl.student_difference(one, "accuracy", 0, 1) == hierarchical_difference(one, "accuracy", 0, 1)
    equal = np.stack([alone[0]] * 6)
    drawn = bootstrap_replicates(y, equal >= 0.5, equal, metrics=["accuracy"], n_resamples=100, rng=rng, n_refits=0)
    got = sl.student_difference(combine_seeds(drawn, 3, rng), "accuracy", 0, 1)
    assert (got.estimate, got.pvalue, got.status) == (0.0, 1.0, "caution")


@pytest.mark.slow
def test_size_where_three_seeds_carry_the_variance():
    """Percentile limits reject about 15 to 25 % of true null hypotheses."""
    rng, y, rejected = np.random.default_rng(6), np.arange(200) < 100, np.zeros(2)
    sign = np.where(y, 0.5, -0.5)
    for _ in range(500):
        s = (2 + 0.6 * rng.normal(size=(2, 3, 1))) * sign + rng.normal(size=200) + 0.4 * rng.normal(size=(2, 3, 200))
        flat = s.reshape(6, -1) > 0
        drawn = bootstrap_replicates(y, flat, None, metrics=["mcc"], n_resamples=300, rng=rng, n_refits=0)
        seeds = combine_seeds(drawn, 3, rng)
        rejected += [
            sl.student_difference(seeds, "mcc", 0, 1).pvalue < 0.05,
            hierarchical_difference(seeds, "mcc", 0, 1).pvalue < 0.05,
        ]
    assert rejected[0] / 500 <= 0.075
    assert rejected[1] / 500 > 0.1
