"""The vectorised implementations that resampling and families need, held against statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.genmod import families
from statsmodels.genmod.generalized_estimating_equations import GEE
from statsmodels.genmod.generalized_linear_model import GLM
from statsmodels.stats import inter_rater, multitest
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

from hybridcx.stats import agreement, calibration, predictive_values
from hybridcx.stats.mcnemar import asymptotic_pvalues, corrected_pvalues, exact_pvalues
from hybridcx.stats.multiplicity import benjamini_hochberg, hochberg, holm
from hybridcx.stats.proportions import wilson_limits

TABLE = np.array([[20, 5, 1], [3, 18, 6], [2, 4, 15]])


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.999])
def test_wilson(level: float) -> None:
    n = np.repeat([1, 5, 49, 331, 10_000], 4)
    x = np.array(
        [f(m) for m in (1, 5, 49, 331, 10_000) for f in (lambda m: 0, lambda m: m // 3, lambda m: m - 1, lambda m: m)]
    )
    ours, theirs = wilson_limits(x, n, level), proportion_confint(x, n, 1 - level, "wilson")
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    ("ours", "exact", "correction"),
    [(exact_pvalues, True, False), (asymptotic_pvalues, False, False), (corrected_pvalues, False, True)],
)
def test_mcnemar(ours, exact: bool, correction: bool) -> None:
    for b, c in ((1, 7), (0, 3), (12, 30), (5, 6), (0, 1)):
        p = mcnemar([[10, b], [c, 4]], exact=exact, correction=correction).pvalue
        assert ours(b, c) == pytest.approx(p, rel=1e-12)


@pytest.mark.parametrize(
    ("adjust", "name"), [(holm, "holm"), (hochberg, "simes-hochberg"), (benjamini_hochberg, "fdr_bh")]
)
def test_adjustments(adjust, name: str) -> None:
    p = np.random.default_rng(3).uniform(size=40) ** 2
    p[5] = p[7]
    np.testing.assert_allclose(adjust(p), multitest.multipletests(p, method=name)[1], rtol=1e-12)


@pytest.mark.parametrize(("weights", "wt"), [("unweighted", None), ("linear", "linear"), ("quadratic", "quadratic")])
def test_cohen_kappa(weights: str, wt: str | None) -> None:
    ours, theirs = agreement.cohen_kappa_table(TABLE, weights), inter_rater.cohens_kappa(TABLE, wt=wt)
    assert ours.estimate == pytest.approx(theirs.kappa, rel=1e-12)
    assert ours.std_error == pytest.approx(theirs.std_kappa, rel=1e-9)
    assert ours.statistic == pytest.approx(theirs.z_value, rel=1e-9)


def test_fleiss_kappa() -> None:
    counts = np.random.default_rng(4).multinomial(5, [0.5, 0.3, 0.2], size=30)
    assert agreement.fleiss_kappa_counts(counts).estimate == pytest.approx(inter_rater.fleiss_kappa(counts), rel=1e-12)


@pytest.mark.parametrize("n", [49, 331, 2000])
def test_calibration_line(n: int) -> None:
    rng = np.random.default_rng(n)
    logits = rng.normal(size=n) * 1.5
    y = rng.random(n) < 1 / (1 + np.exp(-0.7 * logits - 0.3))
    slope, intercept = calibration.calibration_line(y, 1 / (1 + np.exp(-logits)))
    logistic = GLM(y.astype(float), np.column_stack([np.ones(n), logits]), family=families.Binomial()).fit(tol=1e-14)
    shifted = GLM(y.astype(float), np.ones((n, 1)), family=families.Binomial(), offset=logits).fit(tol=1e-14)
    for ours, theirs, k in ((slope, logistic, 1), (intercept, shifted, 0)):
        assert ours.estimate == pytest.approx(theirs.params[k], rel=1e-9)
        np.testing.assert_allclose((ours.conf_low, ours.conf_high), theirs.conf_int()[k], rtol=1e-8)


@pytest.mark.parametrize("which", ["lr_positive", "lr_negative"])
def test_likelihood_ratios(which: str) -> None:
    """Two calls a case: a marginal log-linear model with a case as the cluster (independence, sandwich variance)."""
    rng = np.random.default_rng(5)
    y = np.arange(120) < 50
    a, b = ((rng.random(120) < np.where(y, *shares)) for shares in ((0.8, 0.2), (0.7, 0.35)))
    call = np.concatenate([a, b]) == (which == "lr_positive")
    truth, model = np.tile(y, 2).astype(float), np.repeat([1.0, 0.0], 120)
    design = np.column_stack([np.ones(240), truth, model, truth * model])
    gee = GEE(call.astype(float), design, groups=np.tile(np.arange(120), 2), family=families.Poisson())
    fitted = gee.fit(ctol=1e-12)
    ours = predictive_values.lr_regression(y, a, b, which)  # type: ignore[arg-type]
    assert ours.estimate == pytest.approx(float(np.exp(fitted.params[3])), rel=1e-8)
    assert ours.std_error == pytest.approx(float(fitted.bse[3]), rel=1e-6)
