"""Laws that hold for every paired test and every interval alike, one table of methods each; the files beside this hold each method's own.

Swapping the models turns the sign (inverts a ratio) and keeps p; the order of the cases does not matter; relabelling the classes exchanges
sensitivity with specificity and PPV with NPV and leaves accuracy and AUROC; every case twice keeps the estimate and, in the limit, halves the
variance; an interval contains its estimate (but Agresti and Min's, which is shrunken, see its docstring); and where a method promises that p
inverts the interval, p is below alpha exactly if the interval excludes the null. Methods with random draws are tested on the laws
that do not depend on the draws.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isnan

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hybridcx.analysis.methods import COMPOSITE, LOSSES, ONE_MODEL, TWO_MODELS
from hybridcx.stats import (
    calibration,
    clusters,
    clusters_roc,
    mcnemar,
    paired,
    paired_metrics,
    precision_recall,
    readers,
    roc,
    utility,
)
from hybridcx.stats import predictive_values as pv
from hybridcx.stats import proportions as pr
from hybridcx.stats.confusion import Confusion, fraction
from hybridcx.stats.resampling import intervals as bi
from hybridcx.stats.resampling.bootstrap import bootstrap_replicates
from hybridcx.stats.results import Interval, PairedTest
from hybridcx.stats.ties import above, tied
from hybridcx.vocabulary import METRICS

few = settings(max_examples=12, deadline=None)


@dataclass(frozen=True)
class Study:
    """Truth (n,), two models' scores (2, n) in tenths, patients (n,)."""

    y: np.ndarray
    s: np.ndarray
    patient: np.ndarray

    @property
    def calls(self) -> np.ndarray:
        return self.s >= 0.5

    @property
    def right(self) -> np.ndarray:
        return self.calls == self.y

    def swapped(self) -> Study:
        return Study(self.y, self.s[::-1], self.patient)

    def shuffled(self, seed: int) -> Study:
        order = np.random.default_rng(seed).permutation(self.y.size)
        return Study(self.y[order], self.s[:, order], self.patient[order])

    def relabelled(self) -> Study:
        # 0.95 - s keeps off the threshold, so that calls turn exactly.
        return Study(~self.y, np.round(0.95 - self.s, 2), self.patient)

    def reflected(self) -> Study:
        """Relabelled with the probabilities of the other class."""
        return Study(~self.y, np.round(1 - self.s, 10), self.patient)

    def doubled(self) -> Study:
        return Study(np.tile(self.y, 2), np.tile(self.s, 2), np.r_[self.patient, self.patient + self.patient.max() + 1])


@st.composite
def studies(draw) -> Study:
    n1, n0 = draw(st.integers(4, 30)), draw(st.integers(4, 30))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    y = np.repeat([True, False], [n1, n0])
    skill = draw(st.sampled_from([0.0, 1.0, 2.5]))
    latent = skill * np.where(y, 0.5, -0.5) + rng.normal(size=y.size) + rng.normal(size=(2, y.size))
    s = np.clip(np.round(1 / (1 + np.exp(-latent)), 1), 0.1, 0.9)
    return Study(y, s, rng.integers(0, max(3, y.size // 2), y.size))


def within(metric: str, x: Study) -> np.ndarray:
    return {"accuracy": x.y | True, "sensitivity": x.y, "specificity": ~x.y}[metric]


def counted(function: Callable[[int, int, int], PairedTest], metric: str) -> Callable[[Study], PairedTest]:
    def run(x: Study) -> PairedTest:
        table = paired.paired_table(*x.right[:, within(metric, x)])
        return function(table[1], table[2], sum(table))

    return run


def tabled(function: Callable[..., PairedTest], metric: str) -> Callable[[Study], PairedTest]:
    return lambda x: function(*paired.paired_table(*x.right[:, within(metric, x)]))


def calls(function: Callable[..., PairedTest], metric: str) -> Callable[[Study], PairedTest]:
    return lambda x: function(x.y, *x.calls, metric)


def clustered(metric: str) -> Callable[[Study], PairedTest]:
    def run(x: Study) -> PairedTest:
        keep = within(metric, x)
        return clusters.mcnemar_cluster(*x.right[:, keep], x.patient[keep])

    return run


def resampled(metric: str, method: str) -> Callable[[Study], PairedTest]:
    def run(x: Study) -> PairedTest:
        drawn = bootstrap_replicates(x.y, x.calls, x.s, metrics=[metric], n_resamples=99, rng=np.random.default_rng(1))
        return bi.difference(drawn, metric, 0, 1, method)

    return run


def permuted(x: Study) -> PairedTest:
    return roc.permutation_paired_auroc(x.y, *x.s, 199, np.random.default_rng(1))


def permuted_counts(metric: str) -> Callable[[Study], PairedTest]:
    def run(x: Study) -> PairedTest:
        table = paired.paired_table(*x.right[:, within(metric, x)])
        rng = np.random.default_rng(1)
        return paired.permutation_paired_counts(table[1], table[2], sum(table), n_resamples=199, rng=rng)

    return run


def studentised(metric: str, threshold: float = 0.5) -> Callable[[Study], PairedTest]:
    def run(x: Study) -> PairedTest:
        cells = paired_metrics.paired_cells(x.y, *(x.s >= threshold))
        odds, limits = threshold / (1 - threshold), METRICS[metric].difference_limits
        rng = np.random.default_rng(1)
        return paired_metrics.studentised_counts(cells, metric, n_resamples=199, rng=rng, odds=odds, limits=limits)(
            0.95
        )

    return run


def loss_terms(metric: str, x: Study, model: int) -> np.ndarray:
    terms = calibration.brier_terms if metric == "brier" else calibration.log_loss_terms
    return terms(x.y, x.s[model])


def permuted_losses(metric: str) -> Callable[[Study], PairedTest]:
    def run(x: Study) -> PairedTest:
        differences, rng = loss_terms(metric, x, 0) - loss_terms(metric, x, 1), np.random.default_rng(1)
        return paired_metrics.studentised_mean(differences, n_resamples=199, rng=rng)(0.95)

    return run


RATIOS = ("lr_positive", "lr_negative")
ASYMMETRIC = ("net_benefit", "f1", "auprc")
"""Metrics that treat the classes differently and have no counterpart for the other class."""
OTHER_CLASS = {
    "sensitivity": "specificity", "specificity": "sensitivity", "ppv": "npv", "npv": "ppv", "lr_positive": "lr_negative",
    "lr_negative": "lr_positive",
}  # fmt: skip
TESTS: dict[tuple[str, str], Callable[[Study], PairedTest]] = {}
for m in ("accuracy", "sensitivity", "specificity"):
    for f in (mcnemar.mcnemar_exact, mcnemar.mcnemar_midp, mcnemar.mcnemar_asymptotic, mcnemar.mcnemar_corrected):
        TESTS[m, f.__name__] = counted(f, m)
    for g in (paired.newcombe_paired, paired.tango, paired.agresti_min):
        TESTS[m, g.__name__] = tabled(g, m)
    TESTS[m, "mcnemar_cluster"] = clustered(m)
    TESTS[m, "permutation_paired"] = permuted_counts(m)
for m in COMPOSITE:
    TESTS[m, "permutation_paired"] = studentised(m)
TESTS["net_benefit", "permutation_paired"] = studentised("net_benefit", 0.3)
for m in LOSSES:
    TESTS[m, "permutation_paired"] = permuted_losses(m)
for m in ("ppv", "npv"):
    for g in (pv.generalized_score, pv.weighted_generalized_score):
        TESTS[m, g.__name__] = calls(g, m)
for m in RATIOS:
    TESTS[m, "lr_regression"] = calls(pv.lr_regression, m)
TESTS["auroc", "delong_paired"] = lambda x: roc.delong_paired(x.y, *x.s)
TESTS["auroc", "delong_cluster"] = lambda x: clusters_roc.delong_cluster(x.y, *x.s, x.patient)
TESTS["auroc", "permutation_paired"] = permuted
TESTS["auroc", "obuchowski_rockette"] = lambda x: readers.obuchowski_rockette(x.y, x.s[:1], x.s[1:], "fixed")
TESTS["net_benefit", "wald"] = lambda x: utility.net_benefit_difference(x.y, *x.s, 0.3)
for m in ("accuracy", "mcc", "f1", "lr_positive", "auroc", "auprc", "brier", "ece"):
    for k in ("bootstrap_percentile", "bootstrap_bca"):
        TESTS[m, k] = resampled(m, k)

# p below alpha exactly if the interval excludes the null value, by construction.
INVERTS = [
    k
    for k in TESTS
    if k[1] in ("tango", "delong_paired", "delong_cluster", "obuchowski_rockette", "lr_regression", "wald")
    or (k[1] == "permutation_paired" and k[0] in (*COMPOSITE, *LOSSES, "net_benefit"))
]
SHRUNKEN = {"agresti_min"}
# Percentile limits are quantiles of what was drawn; BCa's move them. Neither promises to hold the estimate.
UNBOUND = SHRUNKEN | {"bootstrap_percentile", "bootstrap_bca"}
# Draws meet the cases in sorted order, so the same stream meets other cases once the classes are exchanged.
DRAWN = {k for k in TESTS if k[1].startswith("bootstrap")} | {("auroc", "permutation_paired")}

near = {"rel": 1e-7, "abs": 1e-9, "nan_ok": True}


@pytest.mark.parametrize(("metric", "method"), TESTS)
@few
@given(x=studies())
def test_swapping_the_models_turns_the_estimate_and_keeps_p(metric, method, x):
    there, back = TESTS[metric, method](x), TESTS[metric, method](x.swapped())
    assert there.method == method
    if (metric, method) not in DRAWN:
        assert there.status == back.status
    if metric in RATIOS:
        if 0 < there.estimate < np.inf:
            assert back.estimate == pytest.approx(1 / there.estimate, **near)
    else:
        assert back.estimate == pytest.approx(-there.estimate, **near)
    if (metric, method) not in DRAWN:
        assert back.pvalue == pytest.approx(there.pvalue, **near)
        if metric in RATIOS:
            assert back.conf_low * there.conf_high == pytest.approx(1, **near) or isnan(back.conf_low)
        else:
            assert (back.conf_low, back.conf_high) == pytest.approx((-there.conf_high, -there.conf_low), **near)
    assert isnan(there.pvalue) or 0 <= there.pvalue <= 1


@pytest.mark.parametrize(("metric", "method"), TESTS)
@few
@given(x=studies(), seed=st.integers(0, 2**32 - 1))
def test_the_order_of_the_cases_does_not_matter(metric, method, x, seed):
    one, other = TESTS[metric, method](x), TESTS[metric, method](x.shuffled(seed))
    if (metric, method) == ("auroc", "permutation_paired") and not isnan(one.n_resamples):
        assert other.pvalue == pytest.approx(one.pvalue, abs=4 * (0.5 / 199**0.5))
        return
    values = [
        [getattr(r, k) for k in ("estimate", "conf_low", "conf_high", "statistic", "pvalue", "std_error")]
        for r in (one, other)
    ]
    assert values[0] == pytest.approx(values[1], **near)


@pytest.mark.parametrize(("metric", "method"), [k for k in TESTS if k not in DRAWN and k[0] not in ASYMMETRIC])
@few
@given(x=studies())
def test_relabelling_the_classes(metric, method, x):
    """A call of 0.95 - s at 1/2 is positive where s was negative; scores turn round, so AUROC stays."""
    other = x.reflected() if metric in LOSSES else x.relabelled()
    before, after = TESTS[metric, method](x), TESTS[OTHER_CLASS.get(metric, metric), method](other)
    if metric in LOSSES:  # the sign of the mean difference chooses the draws: at 0 that of its rounding error
        assume(not tied(before.estimate, 0.0))
    if metric in RATIOS:
        # LR+ of the one class is 1 / LR- of the other.
        assert after.pvalue == pytest.approx(before.pvalue, **near)
        if 0 < before.estimate < np.inf:
            assert after.estimate == pytest.approx(1 / before.estimate, **near)
        return
    assert (after.estimate, after.conf_low, after.conf_high, after.pvalue) == pytest.approx(
        (before.estimate, before.conf_low, before.conf_high, before.pvalue), **near
    )


@pytest.mark.parametrize(("metric", "method"), [k for k in TESTS if k[1] not in UNBOUND])
@few
@given(x=studies())
def test_a_paired_interval_contains_its_estimate(metric, method, x):
    found = TESTS[metric, method](x)
    if not isnan(found.conf_low):
        assert found.conf_low <= found.estimate + 1e-12
        assert found.estimate <= found.conf_high + 1e-12
    assert (found.status == "not_estimable") == isnan(found.estimate)
    assert found.status == "ok" or found.warning


@pytest.mark.parametrize(("metric", "method"), INVERTS)
@few
@given(x=studies())
def test_p_inverts_the_interval(metric, method, x):
    found = TESTS[metric, method](x)
    null = 1.0 if metric in RATIOS else 0.0
    assume(not isnan(found.pvalue) and not isnan(found.conf_low) and abs(found.pvalue - 0.05) > 1e-6)
    if method == "permutation_paired":  # its limit can equal the null value up to rounding
        excluded = above(found.conf_low, null) or above(null, found.conf_high)
    else:
        excluded = found.conf_low > null or found.conf_high < null
    assert excluded == (found.pvalue < 0.05)


@pytest.mark.parametrize(("metric", "method"), [k for k in TESTS if k not in DRAWN and k[1] != "obuchowski_rockette"])
@few
@given(x=studies())
def test_every_case_twice_keeps_the_estimate_and_strengthens_the_evidence(metric, method, x):
    once, twice = TESTS[metric, method](x), TESTS[metric, method](x.doubled())
    assert twice.estimate == pytest.approx(once.estimate, **near)
    if method == "permutation_paired":  # its law is discrete or drawn: more cases narrow it only in the limit
        return
    if not isnan(once.pvalue) and once.estimate != (1.0 if metric in RATIOS else 0.0):
        assert twice.pvalue <= once.pvalue + 1e-12
    if method in ("mcnemar_asymptotic", "lr_regression", "generalized_score", "weighted_generalized_score"):
        assert twice.statistic == pytest.approx(2 * once.statistic, **near)
    if not isnan(once.conf_low) and method != "newcombe_paired":
        assert twice.conf_high - twice.conf_low <= once.conf_high - once.conf_low + 1e-12


def confusion(x: Study) -> Confusion:
    return Confusion.from_labels(x.y, x.calls[0])


def proportion(function: Callable[[int, int], Interval], metric: str) -> Callable[[Study], Interval]:
    return lambda x: function(*fraction(metric, confusion(x)))


def one_resampled(metric: str, method: Callable[..., Interval]) -> Callable[[Study], Interval]:
    def run(x: Study) -> Interval:
        drawn = bootstrap_replicates(
            x.y, x.calls[:1], x.s[:1], metrics=[metric], n_resamples=99, rng=np.random.default_rng(1)
        )
        return method(drawn, metric, 0)

    return run


def mean_loss(metric: str) -> Callable[[Study], Interval]:
    def run(x: Study) -> Interval:
        terms, rng = loss_terms(metric, x, 0), np.random.default_rng(1)
        return paired_metrics.mean_loss_interval(terms, 0.95, rng=rng, largest=METRICS[metric].high)

    return run


INTERVALS: dict[tuple[str, str], Callable[[Study], Interval]] = {}
for m in ("accuracy", "sensitivity", "specificity", "ppv", "npv"):
    for h in (pr.wilson, pr.clopper_pearson, pr.agresti_coull, pr.jeffreys):
        INTERVALS[m, h.__name__] = proportion(h, m)
INTERVALS["f1", "wilson"] = lambda x: pr.f1_wilson(confusion(x))
INTERVALS["balanced_accuracy", "mover_wilson"] = lambda x: pr.balanced_accuracy_mover(confusion(x))
INTERVALS["youden_j", "mover_wilson"] = lambda x: pr.youden_mover(confusion(x))
INTERVALS["lr_positive", "mover_wilson"] = lambda x: pr.likelihood_ratio_mover(confusion(x), "lr_positive")
INTERVALS["lr_negative", "mover_wilson"] = lambda x: pr.likelihood_ratio_mover(confusion(x), "lr_negative")
INTERVALS["diagnostic_odds_ratio", "mover_wilson"] = lambda x: pr.diagnostic_odds_ratio_mover(confusion(x))
INTERVALS["net_benefit", "mover_wilson"] = lambda x: pr.net_benefit_mover(
    Confusion.from_labels(x.y, x.s[0] >= 0.3), 0.3
)
INTERVALS["lr_positive", "log"] = lambda x: pr.likelihood_ratio_log(confusion(x), "lr_positive")
INTERVALS["lr_negative", "log"] = lambda x: pr.likelihood_ratio_log(confusion(x), "lr_negative")
INTERVALS["diagnostic_odds_ratio", "log"] = lambda x: pr.diagnostic_odds_ratio_log(confusion(x))
INTERVALS["ppv", "mercaldo_logit"] = lambda x: pr.predictive_value_mercaldo(confusion(x), "ppv", 0.5)
INTERVALS["npv", "mercaldo_logit"] = lambda x: pr.predictive_value_mercaldo(confusion(x), "npv", 0.5)
INTERVALS["auroc", "delong"] = lambda x: roc.delong(x.y, x.s[0])
INTERVALS["auroc", "delong_logit"] = lambda x: roc.delong_logit(x.y, x.s[0])
INTERVALS["auroc", "newcombe_auc"] = lambda x: roc.newcombe_auc(x.y, x.s[0])
INTERVALS["auroc", "delong_cluster"] = lambda x: clusters_roc.delong_cluster_interval(x.y, x.s[0], x.patient)
INTERVALS["auprc", "wald"] = lambda x: precision_recall.auprc_logit(x.y, x.s[0])
for m in LOSSES:
    INTERVALS[m, "wald"] = mean_loss(m)
INTERVALS["calibration_slope", "wald"] = lambda x: calibration.calibration_line(x.y, x.s[0])[0]
INTERVALS["calibration_intercept", "wald"] = lambda x: calibration.calibration_line(x.y, x.s[0])[1]
for m in ("accuracy", "mcc", "auroc", "brier"):
    for name, b in (("percentile", bi.percentile), ("basic", bi.basic), ("bca", bi.bca)):
        INTERVALS[m, f"bootstrap_{name}"] = one_resampled(m, b)


@pytest.mark.parametrize(("metric", "method"), INTERVALS)
@few
@given(x=studies(), seed=st.integers(0, 2**32 - 1))
def test_an_interval_holds_its_estimate_in_its_range_whatever_the_order(metric, method, x, seed):
    found, again = INTERVALS[metric, method](x), INTERVALS[metric, method](x.shuffled(seed))
    assert (found.estimate, found.conf_low, found.conf_high) == pytest.approx(
        (again.estimate, again.conf_low, again.conf_high), **near
    )
    assert (found.status == "not_estimable") == isnan(found.estimate)
    assert found.status == "ok" or found.warning
    if not isnan(found.conf_low):
        assert METRICS[metric].low <= found.conf_low <= found.conf_high <= METRICS[metric].high
        if not method.startswith("bootstrap"):
            assert found.conf_low <= found.estimate <= found.conf_high


@pytest.mark.parametrize(
    ("metric", "method"), [k for k in INTERVALS if not k[1].startswith("bootstrap") and k[0] not in ASYMMETRIC]
)
@few
@given(x=studies())
def test_relabelling_the_classes_exchanges_the_intervals(metric, method, x):
    if metric.startswith("calibration"):
        assume(np.unique(x.s[0]).size > 1)
        turned = x.reflected()
    elif metric in LOSSES:
        turned = x.reflected()
    else:
        turned = x.relabelled()
    before, after = INTERVALS[metric, method](x), INTERVALS[OTHER_CLASS.get(metric, metric), method](turned)
    got = (before.estimate, before.conf_low, before.conf_high)
    if metric in RATIOS:
        if 0 < before.estimate < np.inf:
            assert after.estimate * before.estimate == pytest.approx(1)
            assert after.conf_low * before.conf_high == pytest.approx(1, nan_ok=True)
        return
    if metric == "calibration_intercept":
        got = (-before.estimate, -before.conf_high, -before.conf_low)
    assert got == pytest.approx((after.estimate, after.conf_low, after.conf_high), rel=1e-5, abs=1e-6, nan_ok=True)


@pytest.mark.parametrize(("metric", "method"), [k for k in INTERVALS if not k[1].startswith("bootstrap")])
@few
@given(x=studies())
def test_every_case_twice_keeps_the_estimate_and_narrows_the_interval(metric, method, x):
    once, twice = INTERVALS[metric, method](x), INTERVALS[metric, method](x.doubled())
    assert twice.estimate == pytest.approx(once.estimate, rel=1e-6, abs=1e-6, nan_ok=True)
    # The critical value of a mean loss is drawn.
    if not isnan(once.conf_low) and metric not in LOSSES:
        assert twice.conf_high - twice.conf_low <= once.conf_high - once.conf_low + 1e-6


@pytest.mark.parametrize(
    ("methods", "laws"), [(TWO_MODELS, TESTS), (ONE_MODEL, INTERVALS)], ids=["two models", "one model"]
)
def test_the_laws_are_tested_for_every_method(methods, laws):
    assert {(metric, m.name) for m in methods for metric in m.metrics} <= laws.keys()
