"""Bootstrap intervals: inversion of p-values, fallbacks, failed resamples, degenerate cases, seeds and cases together."""

import re
import shutil
import subprocess
from dataclasses import replace
from itertools import pairwise
from math import inf, isnan, nan, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from hybridcx.stats.resampling import hierarchical as hi
from hybridcx.stats.resampling import intervals as bi
from hybridcx.stats.resampling.bootstrap import Replicates, bootstrap_replicates
from hybridcx.stats.variance import two_way_components
from hybridcx.vocabulary import METRICS


def made(observed, drawn, jackknife=None, weights=None, metric="accuracy"):
    """Replicates of hand-made numbers: drawn (B,) or (B, k)."""
    drawn = np.asarray(drawn, float)
    drawn = drawn[:, None] if drawn.ndim == 1 else drawn
    observed = np.atleast_1d(np.asarray(observed, float))
    left = (
        np.tile(np.arange(10.0)[:, None] ** 2, (1, observed.size))
        if jackknife is None
        else np.asarray(jackknife, float)
    )
    left = left[:, None] if left.ndim == 1 else left
    weights = np.ones(len(left)) if weights is None else np.asarray(weights, float)
    return Replicates({metric: observed}, {metric: drawn}, {metric: left}, {metric: weights}, 10, 10, nan, len(drawn))


METHODS = ("bootstrap_percentile", "bootstrap_bca")
values = st.lists(st.integers(-8, 8).map(lambda v: v / 8), min_size=5, max_size=60)


@settings(max_examples=150, deadline=None)
@given(values, st.integers(-8, 8), st.sampled_from(METHODS), st.floats(0.06, 0.9))
def test_p_inverts_the_interval(drawn, observed, method, alpha):
    drawn = np.array(drawn)
    replicates = made(
        [observed / 8, 0.0], np.stack([drawn, 0 * drawn], axis=1), np.stack([np.arange(9.0) ** 2, np.zeros(9)], 1)
    )
    found = bi.difference(replicates, "accuracy", 0, 1, method, 1 - alpha)
    if isnan(found.pvalue) or "percentile" in found.warning or alpha <= 2 / (drawn.size + 1):
        return
    if abs(found.pvalue - alpha) < 1e-9:
        return
    excluded = not found.conf_low <= 0 <= found.conf_high
    assert excluded == (found.pvalue < alpha)


@settings(max_examples=40, deadline=None)
@given(values, st.integers(-8, 8), st.sampled_from(METHODS))
def test_swapping_models(drawn, observed, method):
    drawn = np.array(drawn)
    left = np.arange(9.0) ** 2
    both = made([observed / 8, 0.0], np.stack([drawn, 0 * drawn], axis=1), np.stack([left, 0 * left], 1))
    a, b = (bi.difference(both, "accuracy", i, 1 - i, method) for i in (0, 1))
    assert a.estimate == -b.estimate
    assert (a.conf_low, a.conf_high, a.pvalue) == pytest.approx(
        (-b.conf_high, -b.conf_low, b.pvalue), nan_ok=True, abs=1e-9
    )


def test_symmetric_bca_is_percentile():
    drawn = np.linspace(0.2, 0.8, 1001)
    replicates = made(0.5, drawn, np.linspace(-1, 1, 11))
    assert bi.bca(replicates, "accuracy", 0).conf_low == pytest.approx(
        bi.percentile(replicates, "accuracy", 0).conf_low
    )
    skewed = made(0.5, drawn, np.r_[np.zeros(10), 9])
    assert bi.bca(skewed, "accuracy", 0).conf_low != pytest.approx(bi.percentile(skewed, "accuracy", 0).conf_low)
    copied = made(0.5, drawn, [0.0, 9.0], [10, 1])
    assert bi.bca(copied, "accuracy", 0) == bi.bca(skewed, "accuracy", 0)


def test_quantiles_are_type_7():
    rng = np.random.default_rng(1)
    x = np.sort(rng.normal(size=37))
    for p in (0.0, 0.013, 0.5, 0.975, 1.0):
        assert bi.quantile7(x, p) == pytest.approx(np.quantile(x, p))
    assert bi.quantile7(np.array([1.0, inf]), 0.3) == inf
    assert bi.quantile7(np.array([1.0, inf]), 0.0) == 1.0
    for p in (0.1, 0.32, 0.9):
        assert bi._levels_at(x, bi.quantile7(x, p)) == pytest.approx((p, p))
    # Between a finite and an infinite value the quantile is infinite: every level above that of the 1 lies above 5.
    assert bi._levels_at(np.array([0.0, 1.0, 1.0, inf]), 5.0) == pytest.approx((2 / 3, 2 / 3))
    assert bi._levels_at(np.array([-inf, 1.0, 1.0, inf]), -5.0) == pytest.approx((1 / 3, 1 / 3))


@pytest.mark.r
def test_quantiles_of_infinite_values_are_rs():
    levels = [0.0, 0.1, 0.25, 0.3, 0.5, 0.6, 0.75, 0.9, 1.0]
    samples = {
        "c(-Inf, 1, 2)": [-inf, 1, 2],
        "c(-Inf, -Inf, 3, 4, Inf)": [-inf, -inf, 3, 4, inf],
        "c(1, Inf, Inf)": [1, inf, inf],
        "c(-Inf, Inf)": [-inf, inf],
        "c(-2, 0, 5, 7)": [-2, 0, 5, 7],
    }
    rscript = shutil.which("Rscript")
    assert rscript, "Rscript is not on the PATH"
    p = f"c({', '.join(map(str, levels))})"
    for text, sample in samples.items():
        call = f"cat(sprintf('%.17g', quantile({text}, {p}, names=FALSE, type=7)))"
        out = subprocess.run([rscript, "-e", call], check=True, capture_output=True, text=True).stdout
        wanted = [float(v) for v in out.replace("Inf", "inf").split()]
        ours = [bi.quantile7(np.array(sample, float), level) for level in levels]
        assert ours == pytest.approx(wanted, rel=1e-15, nan_ok=True), text


def test_replicates_on_the_margin_belong_to_both_sides():
    """Counts decide: differences of accuracies in their doubles, each computed in its own way, against whole numbers."""
    rng = np.random.default_rng(12)
    n, b = 50, 999
    first, second = rng.integers(30, 46, (2, b))
    replicates = made(
        [41 / n, 38 / n], np.stack([first / n, second / n], axis=1), np.stack([np.arange(9.0) ** 2] * 2, 1) / 7
    )
    replicates = replace(replicates, jackknife={"accuracy": np.stack([np.arange(9.0) ** 2, np.zeros(9)], 1)})
    ahead = first - second  # in cases
    assert len(np.unique((first / n - second / n)[ahead == -5])) > 1  # -0.1 comes in several doubles
    for margin, cases in ((-0.1, -5), (0.1, 5), (3 / n, 3), (0.0, 0), (-0.3, -15)):
        above, below = bi.one_sided_pvalues(replicates, "accuracy", 0, 1, margin, "bootstrap_percentile")
        upto, under = np.count_nonzero(ahead <= cases), np.count_nonzero(ahead < cases)
        assert above == pytest.approx(min(max((upto - 1) / (b - 1), 1 / (b + 1)), b / (b + 1)), rel=1e-12)
        assert below == pytest.approx(min(max(1 - under / (b - 1), 1 / (b + 1)), b / (b + 1)), rel=1e-12)


def test_the_same_difference_in_two_doubles_is_no_difference():
    # (0.1 + 0.2) is 0.3 and some; the model is not better by that.
    drawn = np.random.default_rng(3).choice([0.0, 0.1, 0.2], 200)
    drawn = np.stack([drawn, drawn], axis=1)
    replicates = made([0.1 + 0.2, 0.3], drawn, np.zeros((10, 2)))
    result = bi.difference(replicates, "accuracy", 0, 1, "bootstrap_percentile")
    assert (result.estimate, result.pvalue) == (0.0, 1.0)


def test_ties_are_ties_up_to_rounding():
    """3/49 - 1/49 is not 2/49 in floating point, but is the same number of cases."""
    drawn = np.array([3 / 49 - 1 / 49, 2 / 49, 4 / 49 - 2 / 49, 1 / 49, 5 / 49])
    replicates = made(
        [2 / 49, 0.0], np.stack([drawn, 0 * drawn], axis=1), np.stack([np.arange(9.0) ** 2, np.zeros(9)], 1)
    )
    sample = bi._difference_sample(replicates, "accuracy", 0, 1)
    assert bi._bca(sample).z0 == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    ("observed", "drawn", "jackknife", "word"),
    [
        (0.5, [0.5] * 20, None, "same value"),
        (2.0, np.linspace(0, 1, 20), None, "outside all resamples"),
        (0.5, np.linspace(0, 1, 20), [0.1, nan, 0.3], "undefined or infinite"),
        (0.5, np.linspace(0, 1, 20), [0.1, 0.1, 0.1], "changes nothing"),
    ],
)
def test_declared_fallback(observed, drawn, jackknife, word):
    replicates = made(observed, drawn, jackknife)
    found, plain = bi.bca(replicates, "accuracy", 0), bi.percentile(replicates, "accuracy", 0)
    assert (found.conf_low, found.conf_high) == (plain.conf_low, plain.conf_high)
    assert (found.method, found.status) == ("bootstrap_bca", "caution")
    assert word in found.warning
    assert "percentile limits" in found.warning


def test_perfect_accuracy_is_no_certainty():
    y = np.r_[np.ones(25, bool), np.zeros(24, bool)]
    replicates = bootstrap_replicates(
        y, y[None], y[None] * 0.8 + 0.1, metrics=["accuracy", "auroc"], n_resamples=200, rng=np.random.default_rng(1)
    )
    for metric in ("accuracy", "auroc"):
        for function in (bi.percentile, bi.basic, bi.bca):
            found = function(replicates, metric, 0)
            assert (found.conf_low, found.conf_high, found.status) == (1.0, 1.0, "caution")
            assert bi.ZERO_WIDTH in found.warning


def test_identical_models():
    y = np.random.default_rng(1).random(49) < 0.5
    p = np.stack([y ^ (np.arange(49) % 5 == 0)] * 2)
    replicates = bootstrap_replicates(
        y, p, None, metrics=["accuracy", "lr_positive"], n_resamples=200, rng=np.random.default_rng(1)
    )
    for metric, null in (("accuracy", 0.0), ("lr_positive", 1.0)):
        for method in METHODS:
            found = bi.difference(replicates, metric, 0, 1, method)
            assert (found.estimate, found.conf_low, found.conf_high, found.pvalue) == (null, null, null, 1.0)
            assert found.status == "caution"


def test_constant_difference_is_no_evidence():
    found = bi.difference(made([0.9, 0.5], np.tile([0.9, 0.5], (20, 1))), "accuracy", 0, 1, "bootstrap_percentile")
    assert (found.status, isnan(found.pvalue)) == ("caution", True)


def test_ratios_are_compared_as_ratios():
    rng = np.random.default_rng(2)
    drawn = np.exp(rng.normal([1.0, 0.5], 0.2, (999, 2)))
    left = np.exp(rng.normal([1.0, 0.5], 0.01, (20, 2)))
    replicates = made(np.exp([1.0, 0.5]), drawn, left, metric="lr_positive")
    for method in METHODS:
        forward, backward = (bi.difference(replicates, "lr_positive", i, 1 - i, method) for i in (0, 1))
        assert forward.estimate == pytest.approx(np.exp(0.5))
        assert forward.estimate * backward.estimate == pytest.approx(1)
        assert (forward.conf_low, forward.conf_high) == pytest.approx(
            (1 / backward.conf_high, 1 / backward.conf_low), rel=1e-6
        )
        assert forward.conf_low < forward.estimate < forward.conf_high
    assert forward.std_error == pytest.approx(0.2 * 2**0.5, rel=0.1)


def test_infinite_and_undefined():
    drawn = np.array([[1.0, inf], [2.0, 3.0], [nan, 1.0], [4.0, inf]])
    infinite = made([2.0, inf], drawn, metric="lr_positive")
    found = bi.percentile(infinite, "lr_positive", 1)
    assert (found.estimate, found.status, isnan(found.conf_low)) == (inf, "caution", True)
    assert "infinite" in found.warning
    some = bi.percentile(made([2.0], drawn[:, 1], metric="lr_positive"), "lr_positive", 0)
    assert (some.conf_high, isnan(some.std_error)) == (inf, True)
    # A likelihood ratio of 0 or Inf has no ratio to another one, whichever way round: as `lr_regression`.
    for observed in ([2.0, inf], [inf, 2.0], [0.0, 2.0]):
        for method in ("bootstrap_percentile", "bootstrap_bca"):
            ratio = bi.difference(made(observed, drawn, metric="lr_positive"), "lr_positive", 0, 1, method)
            assert (ratio.status, isnan(ratio.estimate), isnan(ratio.pvalue)) == ("not_estimable", True, True)
            assert "0, infinite or undefined" in ratio.warning
    odds = bi.difference(
        made([2.0, inf], drawn, metric="diagnostic_odds_ratio"), "diagnostic_odds_ratio", 1, 0, "bootstrap_percentile"
    )
    assert (odds.estimate, odds.status, isnan(odds.conf_low)) == (inf, "caution", True)
    both = bi.difference(made([inf, inf], drawn, metric="lr_positive"), "lr_positive", 0, 1, "bootstrap_bca")
    assert (both.status, isnan(both.estimate)) == ("not_estimable", True)
    none = bi.bca(made(nan, [nan, 0.4, 0.5]), "accuracy", 0)
    assert (none.status, none.warning, none.n_resamples_failed) == ("not_estimable", bi.UNDEFINED, 1)
    few = bi.bca(made(0.5, [nan, nan, 0.5]), "accuracy", 0)
    assert (few.status, few.estimate, few.n_resamples, few.n_resamples_failed) == ("caution", 0.5, 3, 2)
    assert "too few" in few.warning
    lonely = bi.difference(made([0.5, 0.4], np.full((3, 2), nan)), "accuracy", 0, 1, "bootstrap_bca")
    assert (lonely.status, isnan(lonely.conf_low)) == ("caution", True)
    assert bi.monte_carlo_error(infinite, "lr_positive", 1)[0] is nan or isnan(
        bi.monte_carlo_error(infinite, "lr_positive", 1)[0]
    )


def test_failed_resamples():
    drawn = np.r_[np.linspace(0.2, 0.8, 98), nan, nan]
    found = bi.percentile(made(0.5, drawn), "accuracy", 0)
    assert (found.n_resamples, found.n_resamples_failed, found.status) == (100, 2, "ok")
    many = bi.percentile(made(0.5, np.r_[drawn, [nan] * 9]), "accuracy", 0)
    assert many.status == "caution"
    assert many.warning == "11 of 109 resamples left the metric undefined"


def test_limits_are_clipped():
    found = bi.basic(made(0.95, np.linspace(0.5, 1.0, 200)), "accuracy", 0)
    assert found.conf_high == 1.0
    assert bi.basic(made(0.95, np.linspace(0.5, 1.0, 200), metric="brier"), "brier", 0).conf_high == 1.0


def test_bca_beyond_its_pole():
    """A huge acceleration: the transformation ends at the extreme replicates, and p stays a probability."""
    assert bi._bca_level(0.999, bi._Bca(0.0, 0.5, "")) == 1.0
    assert bi._bca_level(0.001, bi._Bca(0.0, -0.5, "")) == 0.0
    assert bi._bca_nominal(1 - 1e-12, bi._Bca(0.0, -0.5, "")) == 1.0
    assert bi._bca_nominal(1e-12, bi._Bca(0.0, 0.5, "")) == 0.0
    for p in (0.01, 0.2, 0.6, 0.97):
        constants = bi._Bca(0.3, 0.1, "")
        assert bi._bca_nominal(bi._bca_level(p, constants), constants) == pytest.approx(p)


def test_monte_carlo_error_is_the_spread_over_seeds():
    rng = np.random.default_rng(3)
    limits, errors, differences = [], [], []
    for _ in range(200):
        replicates = made([0.5, 0.4], rng.normal([0.5, 0.4], 0.1, (1000, 2)), rng.normal(size=(10, 2)))
        found = bi.basic(replicates, "accuracy", 0)
        limits.append((found.conf_low, found.conf_high))
        errors.append(bi.monte_carlo_error(replicates, "accuracy", 0, method="bootstrap_basic"))
        differences.append(bi.monte_carlo_error(replicates, "accuracy", 0, 1))
    assert np.mean(errors, axis=0) == pytest.approx(np.std(limits, axis=0), rel=0.2)
    assert np.mean(differences, axis=0)[0] > np.mean(errors, axis=0)[0]


@settings(max_examples=150, deadline=None)
@given(values, st.integers(-8, 8), st.sampled_from(METHODS), st.floats(0.05, 0.45), st.integers(-6, 6))
def test_one_sided_p_inverts_the_interval(drawn, observed, method, alpha, null):
    """p of "<= null" is below alpha exactly if the interval of level 1 - 2 alpha lies above the null; likewise the other side."""
    drawn = np.array(drawn)
    replicates = made(
        [observed / 8, 0.0], np.stack([drawn, 0 * drawn], axis=1), np.stack([np.arange(9.0) ** 2, np.zeros(9)], 1)
    )
    above, below = bi.one_sided_pvalues(replicates, "accuracy", 0, 1, null / 8, method)
    found = bi.difference(replicates, "accuracy", 0, 1, method, 1 - 2 * alpha)
    if isnan(above):
        assert np.ptp(drawn) == 0
        return
    floor = 1 / (drawn.size + 1)
    assert floor <= above <= 1 - floor
    assert floor <= below <= 1 - floor
    if null == 0:
        assert found.pvalue == pytest.approx(min(1.0, 2 * min(above, below)))
    if alpha <= floor or min(abs(above - alpha), abs(below - alpha)) < 1e-9:
        return
    assert (above < alpha) == (found.conf_low > null / 8)
    assert (below < alpha) == (found.conf_high < null / 8)


def test_monte_carlo_error_of_a_ratio_is_in_the_limits_unit():
    rng = np.random.default_rng(8)
    limits, errors = [], []
    for _ in range(150):
        drawn = np.exp(rng.normal([1.0, 0.2], 0.3, (1000, 2)))
        replicates = made(np.exp([1.0, 0.2]), drawn, np.exp(rng.normal(size=(10, 2))), metric="lr_positive")
        found = bi.difference(replicates, "lr_positive", 0, 1, "bootstrap_percentile")
        limits.append((found.conf_low, found.conf_high))
        errors.append(bi.monte_carlo_error(replicates, "lr_positive", 0, 1, "bootstrap_percentile"))
    assert np.mean(errors, axis=0) == pytest.approx(np.std(limits, axis=0), rel=0.25)


def test_monte_carlo_error_leaves_out_only_what_has_no_weight():
    """The window around the quantile gives the full sum of Maritz and Jarrett."""
    for size in (2, 30, 500, 4000):
        ordered = np.sort(np.random.default_rng(size).standard_t(2, size))
        for p in (0.0, 1e-4, 0.025, 0.5, 0.99, 1.0):
            rank = min(max(p * (size - 1) + 1, 0.5), size + 0.5)
            share = np.diff(special.betainc(rank, size + 1 - rank, np.arange(size + 1) / size))
            centred = ordered - bi.quantile7(ordered, p)
            whole = np.sqrt(share @ centred**2 - (share @ centred) ** 2)
            assert bi._quantile_error(ordered, p) == pytest.approx(whole, rel=1e-9)


def test_models_that_tie_within_rounding_share_the_first_place():
    drawn = [[0.1 + 0.2, 0.3, 0.1], [0.3, 0.1 + 0.2, 0.6 / 2], [0.2, 0.1, 0.0]]
    shares = bi.share_best(made([0.5, 0.5, 0.5], drawn), "accuracy")
    assert list(shares) == pytest.approx([(1 / 2 + 1 / 3 + 1) / 3, (1 / 2 + 1 / 3) / 3, 1 / 9], rel=1e-15)


def test_share_best():
    drawn = np.array([[0.9, 0.8, 0.1], [0.7, 0.7, 0.7], [0.1, 0.2, nan], [0.5, 0.6, 0.1]])
    replicates = made([0.5, 0.5, 0.5], drawn)
    assert bi.share_best(replicates, "accuracy") == pytest.approx([4 / 9, 4 / 9, 1 / 9])
    assert bi.share_best(replicates, "accuracy", False) == pytest.approx([1 / 9, 1 / 9, 7 / 9])
    slope = made([1, 1], [[0.9, 2.0], [3.0, 1.2], [1.1, 0.2]], metric="calibration_slope")
    assert bi.share_best(slope, "calibration_slope") == pytest.approx([2 / 3, 1 / 3])
    assert np.isnan(bi.share_best(made([0.5], [nan, nan]), "accuracy")).all()


def test_bad_arguments():
    replicates = made([0.5, 0.4], np.random.default_rng(1).random((20, 2)))
    with pytest.raises(ValueError, match="bootstrap_basic"):
        bi.difference(replicates, "accuracy", 0, 1, "bootstrap_basic")
    with pytest.raises(ValueError, match="confidence_level"):
        bi.bca(replicates, "accuracy", 0, 95)


# ---------------------------------------------------------------- seeds and cases


def seeded(rng, n=120, k=2, seeds=6, spread=0.25):
    y = rng.random(n) < 0.5
    trained = spread * rng.normal(size=(k, seeds, 1))
    s = 1 / (1 + np.exp(-((0.7 + trained) * (2 * y - 1) + rng.normal(size=n) + 0.5 * rng.normal(size=(k, seeds, n)))))
    return y, s.reshape(k * seeds, n)


def test_hierarchical():
    rng = np.random.default_rng(1)
    y, s = seeded(rng)
    flat = bootstrap_replicates(
        y, s >= 0.5, s, metrics=["accuracy", "auroc", "calibration_slope"], n_resamples=3000, rng=rng, n_refits=500
    )
    both = hi.combine_seeds(flat, 6, np.random.default_rng(2))
    for metric in ("accuracy", "auroc", "calibration_slope"):
        found = hi.hierarchical_interval(both, metric, 0)
        assert found.estimate == pytest.approx(flat.observed[metric][:6].mean())
        factor, _ = hi.shortfall(both.each[metric][0], found.std_error)
        assert (found.method, found.status) == (hi.METHOD, "caution" if factor > hi.TOO_NARROW else "ok")
    accuracy = (s.reshape(2, 6, -1) >= 0.5) == y
    shares = hi.variance_shares(both, "accuracy", 0)
    # The variance of the hierarchical bootstrap is that of crossed sampling: cases, seeds and their interaction.
    cases_alone = accuracy[0].mean(axis=0).var() / 120
    seeds_alone = accuracy[0].mean(axis=1).var() / 6
    crossed = (accuracy[0] - accuracy[0].mean(0) - accuracy[0].mean(1)[:, None] + accuracy[0].mean()).var() / 720
    found = hi.hierarchical_interval(both, "accuracy", 0)
    assert found.std_error**2 == pytest.approx(cases_alone + seeds_alone + crossed, rel=0.12)
    table = accuracy[0].T.astype(float)
    assert shares == pytest.approx(two_way_components(table), rel=1e-6)
    difference = hi.hierarchical_difference(both, "accuracy", 0, 1)
    backward = hi.hierarchical_difference(both, "accuracy", 1, 0)
    assert (difference.estimate, difference.pvalue) == pytest.approx((-backward.estimate, backward.pvalue))
    paired = hi.variance_shares(both, "accuracy", 0, 1)
    assert paired == pytest.approx(two_way_components(table - accuracy[1].T), rel=1e-6, abs=1e-12)


def test_few_seeds_are_said():
    rng = np.random.default_rng(1)
    y, s = seeded(rng, k=2, seeds=3)
    flat = bootstrap_replicates(y, s >= 0.5, None, metrics=["accuracy", "ppv"], n_resamples=100, rng=rng)
    three, one = hi.combine_seeds(flat, 3, rng), hi.combine_seeds(flat, 1, rng)
    said = hi.hierarchical_interval(three, "accuracy", 1).warning.split("; ")
    assert said[0] == "only 3 seeds: the spread over seeds is poorly known"
    alone = hi.hierarchical_difference(one, "accuracy", 0, 1)
    assert (alone.status, alone.warning) == ("caution", hi.ONE_SEED)
    assert isnan(hi.variance_shares(one, "accuracy", 0).case)
    with pytest.raises(ValueError, match="4 seeds"):
        hi.combine_seeds(flat, 4, rng)
    undefined = bootstrap_replicates(y, np.zeros((3, 120), bool), None, metrics=["ppv"], n_resamples=10, rng=rng)
    assert hi.hierarchical_interval(hi.combine_seeds(undefined, 3, rng), "ppv", 0).status == "not_estimable"


@pytest.mark.parametrize(("total", "level"), [(2, 0.95), (3, 0.9), (5, 0.95), (10, 0.99)])
def test_seeds_that_carry_all_the_variance_need_the_limits_of_student(total, level):
    """With no variance from cases the limits should be those of the t interval of the S values, of which the normal ones around the resamples fall
    short by t/z sqrt(S/(S - 1))."""
    values = np.random.default_rng(total).normal(size=total)
    drawn = values.std(ddof=0) / sqrt(total)  # the standard deviation of means of S of S values
    factor, share = hi.shortfall(values, drawn, level)
    t = stats.ttest_1samp(values, 0.0).confidence_interval(level)
    assert share == pytest.approx(1.0)
    assert factor == pytest.approx((t.high - t.low) / 2 / (stats.norm.ppf(0.5 + level / 2) * drawn))


def test_the_shortfall_vanishes_with_the_seeds_share():
    values = np.array([0.4, 0.5, 0.6, 0.7])
    wide = [hi.shortfall(values, error) for error in (0.1, 0.3, 1.0)]
    assert all(a[0] > b[0] > 1 and a[1] > b[1] for a, b in pairwise(wide))
    assert wide[-1][0] == pytest.approx(1.0, abs=0.01)
    assert hi.shortfall(np.full(4, 0.5), 0.1) == (1.0, 0.0)
    for of_seeds, error in ((values[:1], 0.1), (np.array([0.5, np.inf]), 0.1), (values, 0.0), (values, np.nan)):
        assert np.isnan(hi.shortfall(of_seeds, error)).all()


def test_limits_over_few_seeds_that_differ_say_how_narrow_they_are():
    rng = np.random.default_rng(4)
    y = np.tile([True, False], 2000)
    skill = np.array([0.6, 0.7, 0.8, 0.9, 0.95, 0.75])  # six seeds far apart, on so many cases that these hardly matter
    calls = np.where(rng.random((12, y.size)) < np.tile(skill, 2)[:, None], y, ~y)
    calls[6:] = np.where(rng.random((6, y.size)) < 0.75, y, ~y)
    flat = bootstrap_replicates(y, calls, None, metrics=["accuracy", "lr_positive"], n_resamples=500, rng=rng)
    seeds = hi.combine_seeds(flat, 6, rng)
    found = hi.hierarchical_difference(seeds, "accuracy", 0, 1)
    assert (found.status, hi.few_seeds(6)) == ("caution", "")
    narrow = re.fullmatch(
        r"(9\d|100) % of the variance is that of 6 seeds, for which percentile limits are about 1\.4 times too narrow",
        found.warning,
    )
    assert narrow
    assert "times too narrow" in hi.hierarchical_interval(seeds, "accuracy", 0).warning
    assert "times too narrow" in hi.hierarchical_difference(seeds, "lr_positive", 0, 1).warning
    even = hi.hierarchical_interval(seeds, "accuracy", 1)
    assert (even.status, even.warning) == ("ok", "")  # seeds that differ no more than cases make them


@pytest.mark.slow
def test_the_warning_comes_where_the_test_over_seeds_rejects_too_often():
    """True null, seeds that differ and cases that hardly matter: rejections of the percentile test, nominally 5 %, and what is said of them."""
    rng, y = np.random.default_rng(6), np.tile([True, False], 2500)
    rejected = {}
    for total in (2, 5, 10):
        said, below = [], []
        for _ in range(200):
            right = rng.normal(0.8, 0.06, (2, total)).clip(0.5, 1.0).reshape(-1)
            calls = np.where(rng.random((2 * total, y.size)) < right[:, None], y, ~y)
            flat = bootstrap_replicates(y, calls, None, metrics=["accuracy"], n_resamples=400, rng=rng)
            found = hi.hierarchical_difference(hi.combine_seeds(flat, total, rng), "accuracy", 0, 1)
            below.append(found.pvalue < 0.05)
            said.append("too narrow" in found.warning)
        rejected[total] = np.mean(below)
        assert np.mean(said) > 0.8
    assert rejected[2] > 0.35 > rejected[5] > 0.1, rejected
    assert rejected[10] < 0.15, rejected


def test_every_metric_has_intervals():
    rng = np.random.default_rng(8)
    y = rng.random(49) < 0.5
    s = 1 / (1 + np.exp(-(rng.normal(size=(2, 49)) + y - 0.5)))
    replicates = bootstrap_replicates(y, s >= 0.5, s, metrics=list(METRICS), n_resamples=500, rng=rng)
    for metric, meaning in METRICS.items():
        for function in (bi.percentile, bi.bca):
            found = function(replicates, metric, 0)
            assert meaning.low <= found.conf_low <= found.conf_high <= meaning.high, metric


def test_monte_carlo_error_where_some_resamples_are_infinite():
    """Infinite resamples far from a limit do not matter to it; where the limit could be one of them there is no error."""
    drawn = np.exp(np.random.default_rng(2).normal(1, 0.4, 2000))
    order = np.argsort(drawn)
    few, many = drawn.copy(), drawn.copy()
    few[order[-2:]] = inf
    many[order[-60:]] = inf
    jackknife = np.exp(np.linspace(0.9, 1.1, 10))
    whole, with_few, with_many = (
        bi.monte_carlo_error(made(np.e, d, jackknife, metric="lr_positive"), "lr_positive", 0, method=METHODS[0])
        for d in (drawn, few, many)
    )
    assert with_few == pytest.approx(whole)
    assert with_many[0] == pytest.approx(whole[0])
    assert isnan(with_many[1])
