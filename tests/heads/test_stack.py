"""Stacking on logits: the penalised optimum by another optimiser, equivariance to units, members that say nothing."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from hybridcx.heads.stack import fit_stack


def sample(n=60, k=3, seed=0):
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.5).astype(np.int64)
    return y[:, None] * rng.uniform(0.3, 1.5, k) + rng.normal(size=(n, k)) * rng.uniform(0.5, 3, k), y


@pytest.mark.parametrize("seed", range(4))
def test_the_fit_is_the_penalised_optimum(seed):
    logits, y = sample(seed=seed)
    stack = fit_stack(logits, y)
    z = (logits - logits.mean(0)) / logits.std(0)

    def loss(beta):
        eta = beta[0] + z @ beta[1:]
        return np.logaddexp(0, eta).sum() - (y * eta).sum() + (beta[1:] ** 2).sum() / 2

    best = minimize(
        loss, np.zeros(4), method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-12, "maxiter": 20_000}
    )
    np.testing.assert_allclose(stack.weights, best.x[1:] / logits.std(0), atol=1e-5)
    expected = 1 / (1 + np.exp(-(best.x[0] + z @ best.x[1:])))
    np.testing.assert_allclose(stack.predict_proba_positive(logits), expected, atol=1e-6)


def test_the_units_of_a_member_change_nothing():
    logits, y = sample()
    plain = fit_stack(logits, y).predict_proba_positive(logits)
    other = logits * [1, 10, 0.01] + [5, 0, -2]
    np.testing.assert_allclose(fit_stack(other, y).predict_proba_positive(other), plain, atol=1e-6)


def test_a_member_that_says_the_same_of_every_case_has_no_weight():
    logits, y = sample()
    noise = np.random.default_rng(1).normal(size=(60, 1)) * 1e-7
    with_noise = np.hstack([logits, 3 + noise])
    stack = fit_stack(with_noise, y)
    assert stack.weights[3] == 0
    np.testing.assert_allclose(
        stack.predict_proba_positive(with_noise), fit_stack(logits, y).predict_proba_positive(logits), atol=1e-9
    )


def test_one_class_alone_is_refused():
    logits, _ = sample()
    with pytest.raises(ValueError, match="class"):
        fit_stack(logits, np.ones(60, dtype=np.int64))
