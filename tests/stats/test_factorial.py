"""Main effects: their laws, and the same numbers by loops over cases and from the variance of a linear contrast of paired proportions."""

from __future__ import annotations

import itertools
from math import isnan, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridcx.stats import factorial
from hybridcx.stats.resampling.bootstrap import bootstrap_replicates

SHAPE = (2, 3, 4)
K = int(np.prod(SHAPE))


def predictions(n=60, seed=0, k=K, base=0.6):
    rng = np.random.default_rng(seed)
    y = rng.random(n) < 0.45
    hard = rng.random(n)
    right = hard + 0.8 * rng.random((k, n)) + 0.02 * np.arange(k)[:, None] > 1.3 - base
    return y, np.where(right, y, ~y)


def replicates(y, pred, n_resamples=500, seed=1, **options):
    rng = np.random.default_rng(seed)
    metrics = options.pop("metrics", ["accuracy", "sensitivity"])
    return bootstrap_replicates(
        y, pred, options.pop("scores", None), metrics=metrics, n_resamples=n_resamples, rng=rng, **options
    )


def all_contrasts():
    """(name, weights over the flattened grid) of every level of every factor, and the difference of the first factor's levels."""
    found = {(axis, i): factorial.level_weights(SHAPE, axis, i) for axis in range(3) for i in range(SHAPE[axis])}
    return found | {"difference": factorial.difference_weights(SHAPE, 0, 0, 1)}


@given(st.tuples(*[st.integers(1, 4)] * 3), st.data())
def test_weights_are_the_difference_of_means_that_their_name_says(shape, data):
    axis = data.draw(st.integers(0, 2))
    level = data.draw(st.integers(0, shape[axis] - 1))
    other = data.draw(st.integers(0, shape[axis] - 1))
    values = np.random.default_rng(sum(shape)).normal(size=shape)
    mean = {i: np.mean([values[c] for c in np.ndindex(shape) if c[axis] == i]) for i in range(shape[axis])}
    assert np.isclose((factorial.level_weights(shape, axis, level) * values).sum(), mean[level] - values.mean())
    assert np.isclose(
        (factorial.difference_weights(shape, axis, level, other) * values).sum(), mean[level] - mean[other]
    )
    assert abs(factorial.level_weights(shape, axis, level).sum()) < 1e-12


def test_effects_of_a_factor_sum_to_zero_and_swapping_two_levels_turns_the_sign():
    y, pred = predictions()
    joint = replicates(y, pred)
    contrasts = all_contrasts()
    found = dict(
        zip(contrasts, factorial.effects(joint, "accuracy", [w.ravel() for w in contrasts.values()]), strict=True)
    )
    for axis in range(3):
        assert abs(sum(found[axis, i].test.estimate for i in range(SHAPE[axis]))) < 1e-12
    one = found["difference"].test
    (two,) = (
        e.test for e in factorial.effects(joint, "accuracy", [factorial.difference_weights(SHAPE, 0, 1, 0).ravel()])
    )
    assert (two.estimate, two.conf_low, two.conf_high) == pytest.approx((-one.estimate, -one.conf_high, -one.conf_low))
    assert two.pvalue == pytest.approx(one.pvalue)


def test_estimates_and_every_replicate_are_those_of_loops_over_the_models():
    y, pred = predictions(seed=3)
    joint = replicates(y, pred, n_resamples=120)
    grid = list(itertools.product(*map(range, SHAPE)))
    for axis, level in ((0, 1), (1, 2), (2, 0)):
        made = factorial.contrast_replicates(joint, "sensitivity", factorial.level_weights(SHAPE, axis, level).ravel())
        for row in range(0, 120, 17):
            values = joint.replicates["sensitivity"][row]
            inside = [values[m] for m, cell in enumerate(grid) if cell[axis] == level]
            by_loop = sum(inside) / len(inside) - sum(values) / len(values)
            assert made.replicates["sensitivity"][row, 0] == pytest.approx(by_loop, abs=1e-12)
        right = [(pred[m][y] == 1).mean() for m in range(K)]
        by_loop = np.mean([right[m] for m, c in enumerate(grid) if c[axis] == level]) - np.mean(right)
        assert made.observed["sensitivity"][0] == pytest.approx(by_loop, abs=1e-12)


def test_standard_error_of_accuracy_is_that_of_a_linear_contrast_of_paired_proportions():
    # d_i = sum_m c_m [m right on i]: Var = mean (d - mean d)^2 / n exactly for the bootstrap's law; 4 Monte Carlo errors of a standard deviation
    n, b = 80, 4000
    y, pred = predictions(n, seed=5)
    joint = replicates(y, pred, n_resamples=b)
    right = (pred == y).astype(float)
    contrasts = all_contrasts()
    for weights, found in zip(
        contrasts.values(), factorial.effects(joint, "accuracy", [w.ravel() for w in contrasts.values()]), strict=True
    ):
        d = weights.ravel() @ right
        analytic = sqrt(((d - d.mean()) ** 2).mean() / n)
        assert found.test.estimate == pytest.approx(d.mean(), abs=1e-12)
        assert abs(found.test.std_error - analytic) < 4 * analytic / sqrt(2 * b) + 1e-9
        # percentile limits of a near normal mean: within 4 Monte Carlo errors and the skewness of the normal ones
        assert abs(found.test.conf_low - (d.mean() - 1.96 * analytic)) < 4 * found.mc_error[0] + 0.15 * analytic
        assert abs(found.test.conf_high - (d.mean() + 1.96 * analytic)) < 4 * found.mc_error[1] + 0.15 * analytic


def test_patients_are_drawn_whole():
    y, pred = predictions(40, seed=6)
    y, pred = np.repeat(y, 2), np.repeat(pred, 2, axis=1)  # every case twice: no more information than once
    patients = np.repeat(np.arange(40), 2)
    weights = [factorial.difference_weights(SHAPE, 0, 0, 1).ravel()]
    (whole,) = factorial.effects(replicates(y, pred, 4000, groups=patients), "accuracy", weights)
    (alone,) = factorial.effects(replicates(y, pred, 4000), "accuracy", weights)
    assert whole.test.std_error / alone.test.std_error == pytest.approx(sqrt(2), rel=0.06)
    assert whole.test.n_clusters == 40
    assert isnan(alone.test.n_clusters)


def test_auroc_contrast_is_that_of_the_replicates():
    rng = np.random.default_rng(2)
    y, pred = predictions()
    scores = rng.random((K, 60))
    joint = replicates(y, pred, 200, metrics=["auroc"], scores=scores)
    (found,) = factorial.effects(joint, "auroc", [factorial.level_weights(SHAPE, 1, 0).ravel()])
    drawn = joint.replicates["auroc"].reshape(200, *SHAPE)
    by_mean = drawn[:, :, 0].mean(axis=(1, 2)) - drawn.mean(axis=(1, 2, 3))
    assert (found.test.conf_low, found.test.conf_high) == pytest.approx(tuple(np.quantile(by_mean, [0.025, 0.975])))


def test_models_that_never_differ_have_no_effect_and_no_certainty():
    y, pred = predictions()
    joint = replicates(y, np.repeat(pred[:1], K, axis=0))
    (found,) = factorial.effects(joint, "accuracy", [factorial.level_weights(SHAPE, 1, 1).ravel()])
    assert (found.test.estimate, found.test.pvalue, found.test.status) == (0.0, 1.0, "caution")


def test_undefined_values_count_only_where_a_model_has_a_weight():
    y = np.array([True] + [False] * 9)  # a third of the resamples have no positive case
    pred = np.vstack([y, ~y, y])
    joint = replicates(y, pred, 1000, metrics=["sensitivity", "accuracy"])
    (found,) = factorial.effects(joint, "sensitivity", [[0.5, -1.0, 0.5]])
    assert found.test.n_resamples_failed == np.isnan(joint.replicates["sensitivity"]).any(axis=1).sum() > 200
    assert found.test.status == "caution"


def test_weights_of_another_shape_or_sum_are_refused():
    joint = replicates(*predictions(), n_resamples=10)
    with pytest.raises(ValueError, match="shape"):
        factorial.effects(joint, "accuracy", [[1.0, -1.0]])
    with pytest.raises(ValueError, match="sum to 0"):
        factorial.effects(joint, "accuracy", [np.ones(K)])


LEVELS = st.integers(1, 4)


@given(LEVELS, LEVELS, LEVELS, st.randoms(use_true_random=False), st.floats(0, 0.6))
def test_the_balanced_grid_has_no_holes_and_a_complete_one_loses_nothing(a, b, c, random, share):
    levels = [[f"{f}{i}" for i in range(size)] for f, size in zip("abc", (a, b, c), strict=True)]
    every = list(itertools.product(*levels))
    there = {cell for cell in every if random.random() >= share}
    found = factorial.balanced(levels, there)
    assert set(itertools.product(*found.levels)) <= there
    if there == set(every):
        assert found.levels == tuple(map(tuple, levels))
        assert not found.left_out
    for axis, level, missing in found.left_out:
        assert level in levels[axis]
        assert level not in found.levels[axis]
        assert missing
        assert all(cell[axis] == level and cell not in there for cell in missing)
    assert sum(map(len, found.levels)) + len(found.left_out) == a + b + c


def test_one_missing_head_costs_that_head_alone():
    levels = (["fine_tuned", "pretrained"], ["vgg16", "vgg19"], ["lda", "knn"])
    there = set(itertools.product(*levels)) - {("pretrained", "vgg19", "knn")}
    found = factorial.balanced(levels, there)
    assert found.levels == (("fine_tuned", "pretrained"), ("vgg16", "vgg19"), ("lda",))
    assert found.left_out == ((2, "knn", (("pretrained", "vgg19", "knn"),)),)
