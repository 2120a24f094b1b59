"""Intervals of one model against R, and their laws."""

import csv
from math import inf, isnan
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridcx.stats import proportions as pr
from hybridcx.stats.confusion import Confusion, fraction

quick = settings(max_examples=40, deadline=None)
REFERENCE = Path(__file__).parents[1] / "reference"
SINGLE = [pr.wilson, pr.clopper_pearson, pr.agresti_coull, pr.jeffreys]
LEVELS = st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99, 0.999])


def read(name):
    with (REFERENCE / name).open(encoding="utf-8", newline="") as fh:
        return list(csv.DictReader(fh))


def model_confusions(case):
    found = {}
    for r in read(f"r/{case}.csv"):
        found.setdefault(r["model"], []).append((r["y_true"] == "abnormal", r["y_pred"] == "abnormal"))
    return {m: Confusion.from_labels(*np.array(rows).T) for m, rows in found.items()}


def test_wilson_and_clopper_pearson_against_r():
    """binom.test and prop.test(correct = FALSE) of R 4.2.2 (make_r_reference.R)."""
    rows = [e for e in read("r/expected.csv") if e["method"] in ("wilson", "clopper_pearson")]
    confusions = {case: model_confusions(case) for case in {e["case"] for e in rows}}
    assert len(rows) > 100
    for e in rows:
        x, n = fraction(e["metric"], confusions[e["case"]][e["model_a"]])
        got = getattr(pr, e["method"])(x, n)
        assert got.status == "ok"
        assert (got.numerator, got.denominator) == (x, n)
        for value, want in ((got.estimate, "estimate"), (got.conf_low, "conf_low"), (got.conf_high, "conf_high")):
            assert value == pytest.approx(float(e[want]), rel=1e-9, abs=1e-14), e


def one_model(t):
    t = {k: int(v) for k, v in t.items() if k != "case"}
    return Confusion(t["d1_11"] + t["d1_10"], t["d1_01"] + t["d1_00"], t["d0_11"] + t["d0_10"], t["d0_01"] + t["d0_00"])


def interval_for(e, c):
    match e["method"]:
        case "agresti_coull" | "jeffreys":
            return getattr(pr, e["method"])(*fraction(e["metric"], c))
        case "mover_wilson":
            return {"balanced_accuracy": pr.balanced_accuracy_mover, "youden_j": pr.youden_mover}[e["metric"]](c)
        case "log" if e["metric"] == "diagnostic_odds_ratio":
            return pr.diagnostic_odds_ratio_log(c)
        case "log":
            return pr.likelihood_ratio_log(c, e["metric"])
    if e["method"].startswith("mercaldo_logit_"):
        return pr.predictive_value_mercaldo(c, e["metric"], float(e["method"].rsplit("_", 1)[1]))
    return None


def test_the_other_intervals_against_base_r():
    """qbeta, glm with log and logit link, MOVER written out (paired/make_paired_reference.R)."""
    tables = {r["case"]: one_model(r) for r in read("paired/tables.csv")}
    compared = set()
    for e in read("paired/table_expected.csv"):
        got = interval_for(e, tables[e["case"]])
        if got is None:
            continue
        compared.add((e["metric"], e["method"]))
        for value, want in ((got.estimate, "estimate"), (got.conf_low, "conf_low"), (got.conf_high, "conf_high")):
            # glm's own convergence limits what its variances are worth.
            tolerance = 1e-6 if e["method"].startswith(("log", "mercaldo")) else 1e-9
            assert value == pytest.approx(float(e[want]), rel=tolerance, abs=1e-12), e
    assert len(compared) == 13


def test_published_likelihood_ratios_and_projected_ppv():
    """Paired1, test y1, as printed in the documentation of R's DTComPair 1.2.6 (README; reference/pv.prev)."""
    c = Confusion(tp=397, fn=54, fp=84, tn=177)
    for metric, want in (
        ("lr_positive", (2.7351124, 2.2860079, 3.2724472)),
        ("lr_negative", (0.1765568, 0.1356142, 0.2298601)),
    ):
        got = pr.likelihood_ratio_log(c, metric)
        assert (got.estimate, got.conf_low, got.conf_high) == pytest.approx(want, abs=6e-8)
    for prevalence, want in ((0.2, (0.4060975, 0.3636661, 0.4499788)), (0.5, (0.7322704, 0.6956794, 0.7659421))):
        got = pr.predictive_value_mercaldo(c, "ppv", prevalence)
        assert (got.estimate, got.conf_low, got.conf_high) == pytest.approx(want, abs=6e-8)


def test_predictive_values_at_the_samples_own_prevalence_are_the_raw_ones():
    c = Confusion(tp=40, fn=10, fp=15, tn=135)
    assert pr.predictive_value_mercaldo(c, "ppv", 50 / 200).estimate == pytest.approx(40 / 55)
    assert pr.predictive_value_mercaldo(c, "npv", 50 / 200).estimate == pytest.approx(135 / 145)


counts = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@pytest.mark.parametrize("method", SINGLE)
@quick
@given(xn=counts, level=LEVELS)
def test_intervals_contain_their_estimate_mirror_and_widen(method, xn, level):
    x, n = xn
    got, mirror, wider = method(x, n, level), method(n - x, n, level), method(x, n, 0.9999)
    # Jeffreys' interval is Bayesian: at x of 0 or n its modification makes it contain the estimate; elsewhere it does at level >= 0.5.
    assert 0 <= got.conf_low <= got.estimate <= got.conf_high <= 1
    assert got.conf_low == pytest.approx(1 - mirror.conf_high, abs=1e-9)
    assert wider.conf_low <= got.conf_low + 1e-12
    assert wider.conf_high >= got.conf_high - 1e-12
    assert got.method == method.__name__


@pytest.mark.parametrize("method", SINGLE)
def test_the_ends_are_exact(method):
    assert method(0, 25).conf_low == 0
    assert method(25, 25).conf_high == 1


@pytest.mark.parametrize("method", SINGLE)
def test_no_cases_is_not_estimable_and_impossible_counts_are_refused(method):
    got = method(0, 0)
    assert got.status == "not_estimable"
    assert got.warning
    assert isnan(got.estimate)
    assert isnan(got.conf_low)
    assert isnan(got.conf_high)
    with pytest.raises(ValueError, match="0 <= x <= n"):
        method(3, 2)
    with pytest.raises(ValueError, match="confidence_level"):
        method(1, 2, 1.0)


def test_agresti_coull_without_cases_at_level_0():
    assert pr.agresti_coull(0, 0, 0.0).status == "not_estimable"


def test_wilson_limits_of_arrays():
    low, high = pr.wilson_limits([[0, 3], [10, 0]], [10, 10], 0.9)
    assert low.shape == high.shape == (2, 2)
    assert low[0, 1] == pr.wilson(3, 10, 0.9).conf_low
    assert high[0, 1] == pr.wilson(3, 10, 0.9).conf_high
    assert np.isnan(pr.wilson_limits(0, 0)).all()


def test_quantile_keeps_precision_near_one():
    assert pr.normal_quantile(1 - 2e-15) == pytest.approx(7.94, abs=0.02)
    assert pr.normal_quantile(0.0) == 0


classes = st.builds(
    Confusion, tp=st.integers(0, 80), fn=st.integers(1, 80), fp=st.integers(1, 80), tn=st.integers(0, 80)
)


@quick
@given(classes, LEVELS)
def test_mover_contains_its_estimate_and_youden_is_twice_balanced_accuracy_less_one(c, level):
    ba, j = pr.balanced_accuracy_mover(c, level), pr.youden_mover(c, level)
    assert ba.conf_low <= ba.estimate <= ba.conf_high
    assert ba.conf_low >= 0
    assert ba.conf_high <= 1
    assert (j.estimate, j.conf_low, j.conf_high) == pytest.approx(
        tuple(2 * v - 1 for v in (ba.estimate, ba.conf_low, ba.conf_high)), abs=1e-12
    )


@pytest.mark.parametrize("method", [pr.balanced_accuracy_mover, pr.youden_mover])
@pytest.mark.parametrize(("c", "which"), [(Confusion(0, 0, 3, 4), "positive"), (Confusion(3, 4, 0, 0), "negative")])
def test_mover_needs_both_classes(method, c, which):
    got = method(c)
    assert got.status == "not_estimable"
    assert which in got.warning


@pytest.mark.parametrize("metric", ["lr_positive", "lr_negative", "diagnostic_odds_ratio"])
@quick
@given(classes, LEVELS)
def test_log_intervals_contain_their_estimate_or_say_why_there_is_none(metric, c, level):
    got = (
        pr.diagnostic_odds_ratio_log(c, level)
        if metric == "diagnostic_odds_ratio"
        else pr.likelihood_ratio_log(c, metric, level)
    )
    if got.status == "ok":
        assert got.conf_low <= got.estimate <= got.conf_high
        # Symmetric on the log scale.
        assert got.conf_low * got.conf_high == pytest.approx(got.estimate**2)
    else:
        assert isnan(got.conf_low)
        assert isnan(got.conf_high)
        assert got.warning


def test_ratios_with_empty_cells():
    perfect = Confusion(5, 0, 0, 5)
    got = pr.likelihood_ratio_log(perfect, "lr_positive")
    assert (got.estimate, got.status) == (inf, "caution")
    assert "infinite" in got.warning
    assert pr.likelihood_ratio_log(perfect, "lr_negative").estimate == 0
    assert pr.diagnostic_odds_ratio_log(perfect).estimate == inf
    undefined = pr.likelihood_ratio_log(Confusion(0, 5, 0, 5), "lr_positive")
    assert (undefined.status, undefined.warning) == ("not_estimable", "no case is predicted positive")
    absent = pr.diagnostic_odds_ratio_log(Confusion(0, 0, 3, 4))
    assert (absent.status, absent.warning) == ("not_estimable", "there are no positive cases")
    alike = pr.likelihood_ratio_log(Confusion(5, 0, 4, 0), "lr_positive")
    assert (alike.estimate, alike.status) == (1, "caution")
    assert isnan(alike.conf_low)


def test_mercaldo_edges():
    def of(c, metric="ppv"):
        return pr.predictive_value_mercaldo(c, metric, 0.1)

    assert of(Confusion(0, 0, 3, 4)).warning == "there are no positive cases"
    assert of(Confusion(3, 4, 0, 0)).warning == "there are no negative cases"
    assert of(Confusion(0, 3, 0, 4)).warning == "no case is predicted positive"
    assert of(Confusion(3, 0, 4, 0), "npv").warning == "no case is predicted negative"
    one = of(Confusion(3, 1, 0, 4))
    assert (one.estimate, one.status) == (1, "caution")
    assert isnan(one.conf_low)
    nought = of(Confusion(0, 4, 2, 4))
    assert (nought.estimate, nought.status) == (0, "caution")
    all_called = of(Confusion(4, 0, 5, 0))
    assert (all_called.estimate, all_called.status) == (pytest.approx(0.1), "caution")
    assert isnan(all_called.conf_low)
    sensitive = of(Confusion(9, 0, 5, 20))
    assert sensitive.status == "caution"
    assert sensitive.conf_low < sensitive.estimate < sensitive.conf_high
    useless = of(Confusion(4, 5, 9, 0))
    assert useless.status == "caution"
    assert of(Confusion(4, 5, 9, 3)).status == "ok"


def test_mercaldo_and_likelihood_ratios_refuse_what_they_do_not_know():
    c = Confusion(3, 2, 1, 4)
    with pytest.raises(ValueError, match="prevalence"):
        pr.predictive_value_mercaldo(c, "ppv", 0.0)
    with pytest.raises(ValueError, match="ppv or npv"):
        pr.predictive_value_mercaldo(c, "f1", 0.1)
    with pytest.raises(ValueError, match="lr_positive or lr_negative"):
        pr.likelihood_ratio_log(c, "ppv")


@pytest.mark.parametrize("prevalence", [0.0, 1.0, 1.5, -0.1, float("nan")])
def test_a_prevalence_lies_strictly_between_0_and_1(prevalence):
    with pytest.raises(ValueError, match="prevalence"):
        pr.predictive_value_mercaldo(Confusion(3, 1, 1, 3), "ppv", prevalence)


def metric_pairs_rows():
    """(confusion, row) of the reference values of F1, the ratios and net benefit."""
    matrices = {
        r["case"]: Confusion(*(int(r[k]) for k in ("tp", "fn", "fp", "tn"))) for r in read("metric_pairs/one_model.csv")
    }
    return [(matrices[r["case"]], r) for r in read("metric_pairs/one_model_expected.csv")]


def mover(metric, c, level, threshold=0.2):
    """The interval that is recommended for F1, a ratio or net benefit."""
    if metric == "f1":
        return pr.f1_wilson(c, level)
    if metric == "diagnostic_odds_ratio":
        return pr.diagnostic_odds_ratio_mover(c, level)
    if metric == "net_benefit":
        return pr.net_benefit_mover(c, threshold, level)
    return pr.likelihood_ratio_mover(c, metric, level)


def test_f1_ratios_and_net_benefit_against_base_r():
    """prop.test, MOVER limits of a ratio as roots, the correlation by cor() (metric_pairs/make_metric_pairs.R)."""
    rows = metric_pairs_rows()
    assert {r["metric"] for _, r in rows} == {
        "f1", "lr_positive", "lr_negative", "diagnostic_odds_ratio", "net_benefit;0.1", "net_benefit;0.5"
    }  # fmt: skip
    for c, r in rows:
        metric, _, threshold = r["metric"].partition(";")
        got = mover(metric, c, float(r["level"]), float(threshold or "nan"))
        expected = tuple(float(r[k]) for k in ("estimate", "conf_low", "conf_high"))
        assert (got.estimate, got.conf_low, got.conf_high) == pytest.approx(expected, rel=1e-9, abs=1e-12), r
        assert (got.status, got.n) == ("ok", c.n)
        assert got.method == ("wilson" if metric == "f1" else "mover_wilson")
    # Tables without a reference value are those where the metric is undefined.
    present = {(c, r["metric"]) for c, r in rows}
    for c in {c for c, _ in rows}:
        for metric in ("f1", "lr_positive", "lr_negative", "diagnostic_odds_ratio"):
            assert ((c, metric) in present) == (mover(metric, c, 0.95).status == "ok")


tables = st.builds(Confusion, *[st.integers(0, 60)] * 4).filter(lambda c: c.n > 0)


@pytest.mark.parametrize("metric", ["f1", "lr_positive", "lr_negative", "diagnostic_odds_ratio", "net_benefit"])
@quick
@given(tables, LEVELS)
def test_limits_of_f1_ratios_and_net_benefit_contain_the_estimate_and_widen(metric, c, level):
    got, wider = mover(metric, c, level), mover(metric, c, 0.9999)
    if got.status == "not_estimable":
        assert got.warning
        assert isnan(got.conf_low)
        return
    assert got.conf_low - 1e-12 <= got.estimate <= got.conf_high + 1e-12
    assert wider.conf_low <= got.conf_low + 1e-12
    assert wider.conf_high >= got.conf_high - 1e-12
    assert got.conf_low < got.conf_high
    if metric != "net_benefit":
        assert got.conf_low >= 0
    if metric == "f1":
        assert got.conf_high <= 1
        assert (got.numerator, got.denominator) == (c.tp, c.tp + c.fp + c.fn)


@quick
@given(tables, LEVELS)
def test_inverse_ratios_have_the_inverse_limits(c, level):
    """LR+ with the classes exchanged is 1 / LR+; the odds ratio with the calls exchanged is 1 / DOR."""
    positive = pr.likelihood_ratio_mover(c, "lr_positive", level)
    inverse = pr.likelihood_ratio_mover(Confusion(c.fp, c.tn, c.tp, c.fn), "lr_positive", level)
    odds = pr.diagnostic_odds_ratio_mover(c, level)
    turned = pr.diagnostic_odds_ratio_mover(Confusion(c.fn, c.tp, c.tn, c.fp), level)
    for one, other in ((positive, inverse), (odds, turned)):
        assert (one.status == "ok") == (other.status == "ok")
        if one.status == "ok":
            expected = [inf if v == 0 else 1 / v for v in (other.estimate, other.conf_high, other.conf_low)]
            assert [one.estimate, one.conf_low, one.conf_high] == pytest.approx(expected, rel=1e-8)


def test_f1_of_a_perfect_and_of_a_useless_model():
    assert pr.f1_wilson(Confusion(9, 0, 0, 20)).conf_high == 1
    assert pr.f1_wilson(Confusion(0, 9, 0, 20)).conf_low == 0
    assert pr.f1_wilson(Confusion(0, 0, 2, 20)).status == "not_estimable"


def test_mover_ratios_refuse_other_metrics_and_net_benefit_needs_cases():
    with pytest.raises(ValueError, match="lr_positive or lr_negative"):
        pr.likelihood_ratio_mover(Confusion(3, 2, 1, 4), "ppv")
    got = pr.net_benefit_mover(Confusion(0, 0, 0, 0), 0.5)
    assert (got.status, got.warning) == ("not_estimable", "there are no cases")
    assert pr.diagnostic_odds_ratio_mover(Confusion(0, 0, 3, 4)).warning == "there are no positive cases"


@quick
@given(tables)
def test_net_benefit_is_the_sum_of_its_cases(c):
    assert pr.net_benefit_mover(c, 0.2).estimate == pytest.approx((c.tp - 0.25 * c.fp) / c.n, abs=1e-12)
