"""The studentised permutation of a paired metric: against base R, and its laws."""

import csv
import itertools
import shutil
import subprocess
from functools import partial
from math import inf, isnan, nan, sqrt
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridcx.stats import paired_metrics as pm
from hybridcx.stats.confusion import Confusion, count_metrics
from hybridcx.stats.ties import above, tied

REFERENCE = Path(__file__).parents[1] / "reference" / "metric_pairs"
EXACT = partial(pytest.approx, rel=1e-9, abs=1e-12, nan_ok=True)
ODDS = 0.2 / 0.8
quick = settings(max_examples=60, deadline=None)
metrics = st.sampled_from(pm.COUNTED)
levels = st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99, 0.999])
tables = st.tuples(*[st.integers(0, 12)] * 8).filter(lambda t: sum(t) > 0)


def read(name):
    with (REFERENCE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def number(text):
    return nan if text == "NA" else float(text)


def counts(cells, metric, *, seed=1, n_resamples=999, **options):
    return pm.studentised_counts(
        cells, metric, n_resamples=n_resamples, rng=np.random.default_rng(seed), odds=ODDS, **options
    )


def exchanged(cells):
    """The table of the same cases with the model and the comparator exchanged."""
    return np.asarray(cells)[[0, 2, 1, 3, 4, 6, 5, 7]]


def relabelled(cells):
    """The table with the classes exchanged: positives become negatives."""
    return np.asarray(cells)[[4, 5, 6, 7, 0, 1, 2, 3]]


def mean(values, *, seed=1, n_resamples=999, **options):
    return pm.studentised_mean(values, n_resamples=n_resamples, rng=np.random.default_rng(seed), **options)


def limits_of(result):
    return result.conf_low, result.conf_high


# ---- References ----


def test_every_count_metric_against_base_r():
    """All swaps listed, standard errors by complex-step derivatives (metric_pairs/make_metric_pairs.R)."""
    cells = {r["case"]: [int(v) for k, v in r.items() if k != "case"] for r in read("tables.csv")}
    rows = read("paired_expected.csv")
    assert {r["metric"] for r in rows} == set(pm.COUNTED)
    assert len(rows) == 15 * 10
    for r in rows:
        law = counts(cells[r["case"]], r["metric"])
        for level in ("95", "90"):
            got = law(float(f"0.{level}"))
            expected = [number(r[k]) for k in ("estimate", "std_error", "p_value", f"low{level}", f"high{level}")]
            assert [got.estimate, got.std_error, got.pvalue, got.conf_low, got.conf_high] == EXACT(expected), r
            assert isnan(got.n_resamples)
            assert got.method == "permutation_paired"


def test_mean_differences_against_base_r():
    """Every sign with its own t of 2,100 cases; above 2,000 no bootstrap-t takes part (make_metric_pairs.R)."""
    losses = {}
    for r in read("losses.csv"):
        losses.setdefault(r["case"], []).append(float(r["difference"]))
    expected = {r["case"]: r for r in read("mean_expected.csv")}
    assert len(losses) == 5
    for case, values in losses.items():
        d = np.zeros(2100)
        d[100 : 100 + len(values)] = values
        for level in ("95", "90"):
            got = mean(d)(float(f"0.{level}"))
            columns = ("estimate", "std_error", "p_value", f"low{level}", f"high{level}")
            assert [got.estimate, got.std_error, got.pvalue, *limits_of(got)] == EXACT(
                [number(expected[case][k]) for k in columns]
            ), case


def test_the_limits_of_a_mean_loss_against_base_r():
    expected = {r["case"]: r for r in read("mean_expected.csv")}["mean_loss"]
    losses = (np.arange(1, 2101) * 0.61803 % 1) ** 4
    for level in ("95", "90"):
        got = pm.mean_loss_interval(losses, float(f"0.{level}"), rng=np.random.default_rng(1))
        columns = ("estimate", "std_error", f"low{level}", f"high{level}")
        assert [got.estimate, got.std_error, *limits_of(got)] == EXACT([number(expected[k]) for k in columns])
        assert isnan(got.n_resamples)


@pytest.mark.r
def test_the_script_gives_the_stored_values(tmp_path):
    rscript = shutil.which("Rscript")
    assert rscript, "Rscript is not installed"
    command = [rscript, "--vanilla", str(REFERENCE / "make_metric_pairs.R"), str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    stored = sorted(p.name for p in REFERENCE.glob("*.csv"))
    assert len(stored) == 8
    for name in stored:
        with (tmp_path / name).open(encoding="utf-8", newline="") as file:
            again = list(csv.DictReader(file))
        rows = read(name)
        assert len(again) == len(rows)
        for one, other in zip(again, rows, strict=True):
            assert one.keys() == other.keys()
            for key in one:
                try:
                    assert number(one[key]) == EXACT(number(other[key])), (name, one)
                except ValueError:
                    assert one[key] == other[key]


# ---- Cells ----


@quick
@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=40), metrics)
def test_differences_are_those_of_the_two_confusion_matrices(cases, metric):
    y, a, b = np.array(cases).T
    cells = pm.paired_cells(y, a, b)
    assert cells.sum() == y.size
    values = []
    for calls in (a, b):
        c = Confusion.from_labels(y, calls)
        values.append(
            (c.tp - ODDS * c.fp) / c.n
            if metric == "net_benefit"
            else float(count_metrics(c.tp, c.fn, c.fp, c.tn)[metric])
        )
    assert float(pm.differences(cells, metric, ODDS)) == EXACT(values[0] - values[1])


def test_cells_of_unequal_columns_and_unknown_metrics_are_refused():
    with pytest.raises(ValueError, match="boolean"):
        pm.paired_cells([1, 0], [True, False], [True, True])
    with pytest.raises(ValueError, match="auroc"):
        pm.standard_errors([5, 1, 1, 1, 5, 1, 1, 1], "auroc")


@quick
@given(tables, metrics)
def test_standard_errors_are_positive_wherever_the_difference_is_defined(cells, metric):
    error = float(pm.standard_errors(cells, metric, ODDS))
    if not np.isnan(pm.differences(cells, metric, ODDS)):
        assert error > 0


# ---- Laws of the count metrics ----


@quick
@given(tables, metrics, levels)
def test_exchanging_the_models_changes_the_sign(cells, metric, level):
    one, other = counts(cells, metric)(level), counts(exchanged(cells), metric)(level)
    assert one.estimate == EXACT(-other.estimate)
    assert limits_of(one) == EXACT((-other.conf_high, -other.conf_low))
    assert one.pvalue == EXACT(other.pvalue)
    assert (one.status, one.warning) == (other.status, other.warning)


@pytest.mark.parametrize("metric", pm.COUNTED)
def test_exchanging_the_models_changes_the_sign_where_swaps_are_drawn(metric):
    cells = [200, 180, 140, 20, 300, 130, 170, 40]
    one, other = counts(cells, metric)(0.95), counts(exchanged(cells), metric)(0.95)
    assert one.n_resamples == other.n_resamples == 999
    assert one.estimate == EXACT(-other.estimate)
    assert limits_of(one) == EXACT((-other.conf_high, -other.conf_low))
    assert one.pvalue == EXACT(other.pvalue)


@pytest.mark.parametrize(
    ("metric", "other", "sign"),
    [("accuracy", "accuracy", 1), ("sensitivity", "specificity", 1), ("ppv", "npv", 1), ("balanced_accuracy",) * 2 + (1,),
     ("mcc", "mcc", 1), ("youden_j", "youden_j", 1)],
)  # fmt: skip
@quick
@given(tables, levels)
def test_exchanging_the_classes_gives_the_counterpart(metric, other, sign, cells, level):
    one, turned = counts(cells, metric)(level), counts(relabelled(cells), other)(level)
    assert (one.estimate, *limits_of(one), one.pvalue) == EXACT(
        (sign * turned.estimate, *limits_of(turned), turned.pvalue)
    )


@quick
@given(tables, levels)
def test_youdens_j_is_twice_the_balanced_accuracy(cells, level):
    j, ba = counts(cells, "youden_j")(level), counts(cells, "balanced_accuracy")(level)
    assert (j.estimate, *limits_of(j)) == EXACT((2 * ba.estimate, 2 * ba.conf_low, 2 * ba.conf_high))
    assert j.pvalue == EXACT(ba.pvalue)


def excludes(result, null=0.0):
    """Whether null lies outside the limits; a limit that equals it within rounding is not beyond it."""
    return above(result.conf_low, null) or above(null, result.conf_high)


@quick
@given(tables, metrics, levels, st.sampled_from([0.0, -0.1, 0.05, 0.3]))
def test_the_interval_excludes_a_value_exactly_if_its_p_is_at_most_alpha(cells, metric, level, null):
    law = counts(cells, metric)
    got, p = law(level), law.pvalue(null)
    if isnan(p):
        assert isnan(got.conf_low)
        return
    if not tied(p, 1 - level):
        assert excludes(got, null) == (p <= 1 - level)


@pytest.mark.parametrize("metric", pm.COUNTED)
def test_p_and_interval_agree_at_every_attainable_p(metric):
    """A table whose own size is in its law: the p of the table itself as alpha, and a little less."""
    for cells in ([20, 5, 1, 2, 30, 1, 3, 2], [9, 4, 0, 1, 12, 4, 0, 3], [200, 180, 140, 20, 300, 130, 170, 40]):
        law = counts(cells, metric)
        p = law.pvalue()
        if p < 1:
            assert excludes(law(1 - p - 1e-10))
            assert not excludes(law(1 - p + 1e-6))


@pytest.mark.parametrize("metric", pm.COUNTED)
def test_three_cases_in_favour_of_one_model_give_a_p_of_at_least_a_quarter(metric):
    """b = 3 and c = 0 of 49: no p is below the exact test's 2 / 2^3. It is that one where the three cases are all that moves the metric."""
    in_positives, in_negatives, in_both = (
        [20, 3, 0, 1, 23, 0, 0, 2],
        [20, 0, 0, 2, 22, 3, 0, 2],
        [20, 2, 0, 2, 22, 1, 0, 2],
    )
    p = [counts(cells, metric).pvalue() for cells in (in_positives, in_negatives, in_both)]
    assert min(p) >= 0.25 - 1e-12
    assert not any(excludes(counts(cells, metric)(0.95)) for cells in (in_positives, in_negatives, in_both))
    equal = {"sensitivity": [0], "specificity": [1], "ppv": [1], "npv": [0], "net_benefit": [0]}
    assert [p[k] for k in equal.get(metric, [0, 1])] == EXACT([0.25] * len(equal.get(metric, [0, 1])))


@quick
@given(tables, metrics)
def test_limits_are_nested_and_contain_the_estimate(cells, metric):
    law = counts(cells, metric)
    results = [law(level) for level in (0.5, 0.8, 0.9, 0.95, 0.99, 0.9999)]
    if isnan(law.estimate):
        assert {r.status for r in results} == {"not_estimable"}
        assert all(r.warning for r in results)
        return
    for inner, outer in itertools.pairwise(results):
        assert outer.conf_low <= inner.conf_low <= inner.estimate <= inner.conf_high <= outer.conf_high


@quick
@given(tables, metrics, st.lists(st.floats(-1, 1), min_size=2, max_size=6))
def test_one_sided_p_values_are_monotone_in_the_null(cells, metric, nulls):
    law = counts(cells, metric)
    if isnan(law.estimate):
        return
    pairs = [law.one_sided(null) for null in sorted([*nulls, law.estimate, 0.0])]
    for (above_one, below_one), (above_two, below_two) in itertools.pairwise(pairs):
        assert above_one <= above_two + 1e-12
        assert below_one >= below_two - 1e-12
    for above_null, below_null in pairs:
        assert 0 <= above_null <= 1
        assert above_null + below_null == EXACT(1.0)


def test_limits_stay_within_the_range_of_the_metric():
    got = counts([0, 1, 2, 9, 40, 1, 1, 0], "ppv", limits=(-1.0, 1.0))(0.99)
    assert limits_of(got) == (-1.0, 1.0)
    assert limits_of(counts([0, 1, 2, 9, 40, 1, 1, 0], "ppv")(0.99)) == (-inf, inf)


def test_without_a_discordant_case_p_is_1_with_limits_of_the_normal_law():
    law = counts([18, 0, 0, 4, 25, 0, 0, 3], "f1")
    got = law(0.95)
    assert (got.estimate, got.pvalue, got.status) == (0.0, 1.0, "caution")
    assert "discordant" in got.warning
    assert got.conf_high == EXACT(1.959963984540054 * got.std_error)


def test_an_undefined_metric_is_not_estimable():
    got = counts([0, 0, 6, 4, 30, 5, 0, 0], "ppv")(0.95)
    assert got.status == "not_estimable"
    assert isnan(got.estimate)
    assert isnan(got.pvalue)
    assert "undefined" in got.warning


@pytest.mark.parametrize("metric", ["accuracy", "ppv", "mcc"])
def test_drawn_swaps_agree_with_all_of_them(metric, monkeypatch):
    cells = [60, 14, 6, 7, 90, 9, 12, 4]
    exact = counts(cells, metric)
    monkeypatch.setattr(pm, "LARGEST_GRID", 10)
    drawn = counts(cells, metric, n_resamples=20_000)
    assert drawn.drawn == 20_000
    p = exact.pvalue()
    assert drawn.pvalue() == pytest.approx(p, abs=4 * sqrt(p * (1 - p) / 20_000) + 1e-4)
    assert drawn.critical(0.9) == pytest.approx(exact.critical(0.9), abs=0.06)


def test_a_p_below_the_resolution_of_the_draws_is_never_claimed():
    """With 99 draws p is at least 1/100, and an interval that would need a smaller one has no bounds of its own."""
    cells = [300, 290, 20, 20, 300, 260, 30, 40]
    law = counts(cells, "accuracy", n_resamples=99)
    assert law.pvalue() == EXACT(1 / 100)
    assert excludes(law(0.99 - 1e-9))
    assert not excludes(law(0.995))
    assert limits_of(law(0.995)) == (-inf, inf)


# ---- Laws of the mean of losses ----


def skewed(n=40, seed=3):
    rng = np.random.default_rng(seed)
    return rng.exponential(0.2, n) - rng.exponential(0.15, n)


@quick
@given(st.lists(st.sampled_from([-0.4, -0.1, 0.0, 0.05, 0.3, 0.9]), min_size=2, max_size=40), levels)
def test_exchanging_the_models_changes_the_sign_of_a_mean(values, level):
    d = np.array(values)
    one, other = mean(d), mean(-d)
    assert one.estimate == -other.estimate
    assert limits_of(one(level)) == EXACT((-other(level).conf_high, -other(level).conf_low))
    assert one.pvalue() == EXACT(other.pvalue())


@pytest.mark.parametrize("n", [8, 12, 40, 300, 2500])
def test_the_interval_of_a_mean_excludes_0_exactly_if_p_is_at_most_alpha(n):
    for shift in (0.0, 0.02, 0.05, 0.1, 0.2):
        law = mean(skewed(n) + shift)
        p = law.pvalue()
        for level in (0.5, 0.8, 0.9, 0.95, 0.99, 0.999, 1 - p + 1e-7, 1 - p - 1e-7):
            if 0 < level < 1:
                assert excludes(law(level)) == (p <= 1 - level), (shift, level)


def test_means_are_reproducible_by_their_seed_and_nested():
    d = skewed()
    assert limits_of(mean(d)(0.95)) == limits_of(mean(d)(0.95))
    assert np.array_equal(mean(d).bootstrap_t, mean(d).bootstrap_t)
    assert not np.array_equal(mean(d).bootstrap_t, mean(d, seed=2).bootstrap_t)
    low = [mean(d)(level).conf_low for level in (0.5, 0.8, 0.95, 0.99)]
    assert low == sorted(low, reverse=True)


def test_a_mean_is_scaled_with_its_losses():
    one, other = mean(skewed())(0.95), mean(4 * skewed())(0.95)
    assert (other.estimate, *limits_of(other)) == EXACT((4 * one.estimate, 4 * one.conf_low, 4 * one.conf_high))
    assert one.pvalue == EXACT(other.pvalue)


def test_the_bootstrap_t_is_that_of_resampled_cases():
    """Each resample written out: the mean's distance from the sample's mean over the resample's own standard error."""
    d = skewed(25)
    weights = np.random.default_rng(5).multinomial(25, np.full(25, 1 / 25), size=1999)
    sizes = []
    for w in weights:
        resample = np.repeat(d, w)
        sizes.append(abs(resample.mean() - d.mean()) / (resample.std(ddof=1) / sqrt(25)))
    assert pm._symmetric_bootstrap_t(d, np.random.default_rng(5)) == pytest.approx(np.sort(sizes), rel=1e-6)


def test_one_sided_p_values_of_a_mean_are_monotone():
    law = mean(skewed())
    nulls = np.linspace(-0.3, 0.3, 41)
    pairs = np.array([law.one_sided(null) for null in nulls])
    assert (np.diff(pairs[:, 0]) >= -1e-12).all()
    assert (np.diff(pairs[:, 1]) <= 1e-12).all()
    assert law.one_sided(law.estimate) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("values", "status", "reason"),
    [([0.1], "not_estimable", "fewer than two"), ([0.1, inf], "not_estimable", "finite"), ([0.0] * 5, "caution", "no case has"),
     ([0.25] * 5, "caution", "alike"), ([0.1] * 7, "caution", "alike"), ([0.3**2, (1 - 0.7) ** 2] * 20, "caution", "alike")],
)  # fmt: skip
def test_means_without_limits(values, status, reason):
    got = mean(values)(0.95)
    assert got.status == status
    assert reason in got.warning
    assert isnan(got.conf_low)
    assert isnan(got.conf_high)
    assert got.pvalue == 1.0 or isnan(got.pvalue)


@pytest.mark.parametrize(
    ("losses", "status"),
    [
        ([0.2], "not_estimable"),
        ([0.25] * 9, "caution"),
        ([0.1] * 7, "caution"),
        ([0.3**2, (1 - 0.7) ** 2] * 20, "caution"),
    ],
)
def test_a_mean_loss_without_limits(losses, status):
    got = pm.mean_loss_interval(losses, 0.95, rng=np.random.default_rng(1))
    assert got.status == status
    assert got.warning
    assert isnan(got.conf_low)


@pytest.mark.parametrize("n", [15, 60, 2500])
def test_limits_of_a_mean_loss_are_positive_nested_and_scale(n):
    losses = np.random.default_rng(n).exponential(0.3, n) ** 2
    results = [pm.mean_loss_interval(losses, level, rng=np.random.default_rng(1)) for level in (0.5, 0.8, 0.95)]
    for inner, outer in itertools.pairwise(results):
        assert 0 < outer.conf_low <= inner.conf_low < inner.estimate < inner.conf_high <= outer.conf_high
    got, scaled = results[-1], pm.mean_loss_interval(8 * losses, 0.95, rng=np.random.default_rng(1))
    assert (scaled.estimate, *limits_of(scaled)) == EXACT((8 * got.estimate, 8 * got.conf_low, 8 * got.conf_high))
    assert got.conf_low * got.conf_high == pytest.approx(got.estimate**2)
