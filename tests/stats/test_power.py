"""Power and sample size against base R (tests/reference/power/make_power.R), enumeration, simulation and their own definitions."""

from __future__ import annotations

import csv
import shutil
import subprocess
from math import isnan, nan
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from hybridcx.errors import InputError
from hybridcx.stats import power
from hybridcx.stats.power import paired as power_paired

FOLDER = Path(__file__).parents[1] / "reference" / "power"
PROBABILITY = st.floats(0.01, 0.45)


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


EXPECTED = read(FOLDER / "power_expected.csv")


@pytest.mark.parametrize("row", EXPECTED, ids=lambda r: f"{r['f']} {r['arguments']} {r['method']}")
def test_every_value_of_r_holds(row):
    a = [float(v) for v in row["arguments"].split(";")]
    if row["f"] == "mcnemar_power":
        got = power.mcnemar_power(int(a[0]), a[1], a[2], a[3], row["method"])
    elif row["f"] == "noninferiority_paired_power":
        got = power.noninferiority_paired_power(int(a[0]), *a[1:])
    elif row["f"] == "proportion_halfwidth_n":
        got = power.proportion_halfwidth_n(*a, method=row["method"]).n
    else:
        got = power.auc_paired_n(*a, method=row["method"]).n
    assert got == pytest.approx(float(row["value"]), rel=1e-9)


@pytest.mark.r
def test_the_script_still_makes_the_stored_values(tmp_path):
    rscript = shutil.which("Rscript")
    assert rscript, "Rscript is not on the PATH"
    subprocess.run([rscript, str(FOLDER / "make_power.R"), str(tmp_path)], check=True, capture_output=True)
    assert read(tmp_path / "power_expected.csv") == EXPECTED


def test_connors_formula_by_hand():
    # d = 0.1, psi = 0.3: (1.959964 sqrt(0.3) + 0.841621 sqrt(0.29))^2 / 0.01
    assert power.connor_n(0.2, 0.1) == pytest.approx((1.959964 * 0.3**0.5 + 0.841621 * 0.29**0.5) ** 2 / 0.01, rel=1e-5)
    planned = power.mcnemar_sample_size(0.2, 0.1, method="connor")
    assert planned.n == 234
    assert planned.value == power.mcnemar_power(234, 0.2, 0.1, 0.05, "asymptotic")


@pytest.mark.parametrize("method", ["exact", "midp", "asymptotic"])
@pytest.mark.parametrize(
    ("p10", "p01", "target"), [(0.2, 0.1, 0.8), (0.3, 0.02, 0.9), (0.5, 0.0, 0.8), (0.01, 0.09, 0.7)]
)
def test_the_sample_size_is_the_smallest_from_which_the_power_holds(p10, p01, target, method):
    planned = power.mcnemar_sample_size(p10, p01, target, 0.05, method)
    n = int(planned.n)
    assert planned.value == power.mcnemar_power(n, p10, p01, 0.05, method) >= target
    assert power.mcnemar_power(n - 1, p10, p01, 0.05, method) < target
    assert min(power.mcnemar_power(i, p10, p01, 0.05, method) for i in range(n, n + 21)) >= target


def test_a_saw_is_followed_to_its_last_tooth():
    # 1 from 12 on but for 20, 33 and 34, whatever the search starts from.
    holes = {*range(1, 12), 20, 33, 34}
    for guess in (1, 4, 20, 25, 33, 200):
        assert power_paired._smallest_lasting(lambda n: float(n not in holes), 0.5, guess) == (35, 1.0)


def test_simulated_power_of_mcnemar():
    rng = np.random.default_rng(5)
    b, c, _ = rng.multinomial(80, [0.2, 0.05, 0.75], size=20_000).T
    p = np.minimum(2 * stats.binom.cdf(np.minimum(b, c), b + c, 0.5), 1)
    assert power.mcnemar_power(80, 0.2, 0.05) == pytest.approx(float((p <= 0.05).mean()), abs=4 * 0.5 / 20_000**0.5)


@given(PROBABILITY, PROBABILITY, st.integers(1, 120), st.sampled_from(["exact", "midp", "asymptotic"]))
@settings(max_examples=25, deadline=None)
def test_exchanging_the_models_keeps_the_power(p10, p01, n, method):
    there, back = (power.mcnemar_power(n, *p, 0.05, method) for p in ((p10, p01), (p01, p10)))
    assert there == pytest.approx(back, rel=1e-9, abs=1e-14)
    assert 0 <= there <= 1


@given(PROBABILITY, st.integers(1, 300), st.sampled_from([0.01, 0.05, 0.3]))
@settings(max_examples=25, deadline=None)
def test_the_exact_test_keeps_its_level(p, n, alpha):
    assert power.mcnemar_power(n, p, p, alpha) <= alpha + 1e-12


def test_critical_counts_are_those_of_the_tests_themselves():
    for alpha in (1e-6, 0.05, 0.5, 0.9):
        m = np.arange(1, 400, dtype=float)
        exact, midp = (power_paired._critical_counts(m, alpha, k) for k in ("exact", "midp"))
        for i, size in enumerate(m):
            c = np.arange(0, (size - 1) // 2 + 1)
            cdf, pmf = stats.binom.cdf(c, size, 0.5), stats.binom.pmf(c, size, 0.5)
            assert exact[i] == (2 * cdf <= alpha).sum() - 1
            assert midp[i] == (2 * cdf - pmf <= alpha).sum() - 1


def test_no_discordance_no_power():
    assert power.mcnemar_power(50, 0, 0) == 0
    assert isnan(power.detectable_difference_mcnemar(50, 0))
    assert power.mcnemar_power(50, 1, 0) == pytest.approx(1)


@pytest.mark.parametrize(("n", "psi"), [(49, 0.3), (331, 0.1), (1000, 1.0)])
@pytest.mark.parametrize("method", ["exact", "midp", "asymptotic"])
def test_the_detectable_difference_is_detected_and_less_is_not(n, psi, method):
    d = power.detectable_difference_mcnemar(n, psi, 0.8, 0.05, method)
    assert 0 < d < psi
    assert power.mcnemar_power(n, (psi + d) / 2, (psi - d) / 2, 0.05, method) == pytest.approx(0.8, abs=1e-7)


def test_a_liberal_test_may_detect_nothing_with_little_power():
    # The size of the asymptotic test at n = 10, psi = 1 is P(|b - 5| >= 4) = 0.0215 at alpha 0.02.
    assert power.detectable_difference_mcnemar(10, 1.0, 0.0205, 0.02, "asymptotic") == 0


def test_too_few_discordant_cases_show_nothing():
    assert isnan(power.detectable_difference_mcnemar(20, 0.1))


def test_detectable_difference_of_a_normal_estimate():
    assert power.detectable_difference_normal(0.02) == pytest.approx((1.959964 + 0.841621) * 0.02, rel=1e-6)
    assert isnan(power.detectable_difference_normal(nan))


@pytest.mark.parametrize(
    ("freedom", "power_", "alpha", "noncentrality"),
    [  # R 4.2.2: uniroot(function(d) pt(qt(1 - alpha/2, df), df, d, lower.tail = FALSE) - power, c(0, 60), tol = 1e-13)
        (2, 0.8, 0.05, 5.653489266402),
        (4, 0.8, 0.05, 3.761060261001),
        (9, 0.8, 0.05, 3.149635678272),
        (99, 0.8, 0.05, 2.829129784255),
        (4, 0.9, 0.01, 6.768743436408),
    ],
)
def test_detectable_difference_of_a_t_test(freedom, power_, alpha, noncentrality):
    found = power.detectable_difference_normal(0.02, power_, alpha, freedom)
    assert found == pytest.approx(0.02 * noncentrality, rel=1e-8)


def test_one_degree_of_freedom_detects_little_and_very_many_are_a_z_test():
    one = power.detectable_difference_normal(1.0, degrees_of_freedom=1)
    assert stats.nct.sf(stats.t.ppf(0.975, 1), 1, one) == pytest.approx(0.8)
    assert power.detectable_difference_normal(1.0, degrees_of_freedom=1e6) == pytest.approx(
        power.detectable_difference_normal(1.0), rel=1e-5
    )


def test_noninferiority_size_and_power_by_simulation():
    rng = np.random.default_rng(6)
    n, margin = 200, 0.1
    b, c, _ = rng.multinomial(n, [0.08, 0.08, 0.84], size=20_000).T
    q = (b + c + (2 * n - b + c) * margin) / n
    q = (q + np.sqrt(q**2 - 8 * c / n * margin * (1 + margin))) / 4
    rejected = (b - c + n * margin) / np.sqrt(n * (2 * q - margin - margin**2)) >= stats.norm.isf(0.025)
    assert power.noninferiority_paired_power(n, margin, 0.08, 0.08) == pytest.approx(rejected.mean(), abs=0.01)
    assert power.noninferiority_paired_power(n, margin, 0.05, 0.15) == pytest.approx(0.025, abs=0.01)


def test_noninferiority_enumeration_in_blocks(monkeypatch):
    whole = power.noninferiority_paired_power(120, 0.1, 0.1, 0.1)
    monkeypatch.setattr(power_paired, "_BLOCK", 50)
    assert power.noninferiority_paired_power(120, 0.1, 0.1, 0.1) == pytest.approx(whole, rel=1e-12)


def test_noninferiority_sample_sizes():
    formula = power.noninferiority_paired_n(0.1, 0.1, 0.1)
    assert formula.value == pytest.approx(0.8, abs=0.01)
    exact = power.noninferiority_paired_n(0.1, 0.1, 0.1, method="exact")
    assert exact.value >= 0.8 > power.noninferiority_paired_power(int(exact.n) - 1, 0.1, 0.1, 0.1)
    assert abs(exact.n - formula.n) < 0.15 * formula.n
    assert power.noninferiority_paired_n(0.1, 0.0, 0.0).value == 1


def test_the_formula_of_noninferiority_by_hand():
    # p10 = p01 = p: s1^2 = 2p, and s0^2 from the root of 2 q^2 - (2p + 2 margin) q + p margin (1 + margin) = 0.
    p, margin = 0.05, 0.05
    q = max(np.roots([2, -(2 * p + 2 * margin), p * margin * (1 + margin)]).real)
    s0, s1 = (2 * q - margin - margin**2) ** 0.5, (2 * p) ** 0.5
    n = ((1.959964 * s0 + 0.841621 * s1) / margin) ** 2
    assert power.noninferiority_paired_n(margin, p, p).n == np.ceil(n)


@given(st.floats(0, 1), st.floats(0.005, 0.45), st.sampled_from(["wilson", "clopper_pearson"]))
@settings(max_examples=25, deadline=None)
def test_the_halfwidth_is_reached_first_at_n(p, halfwidth, method):
    planned = power.proportion_halfwidth_n(p, halfwidth, method=method)
    assert planned.value <= halfwidth
    if planned.n > 1:
        assert power.proportion_halfwidth(int(planned.n) - 1, p, method=method) > halfwidth


def test_auc_power_reaches_the_target_first_at_n():
    planned = power.auc_paired_n(0.85, 0.9, 0.5, 1.5, 0.9)
    n1, n0 = planned.n_positive, planned.n_negative
    assert planned.n == n1 + n0
    assert n0 == np.ceil(1.5 * n1)
    assert planned.value == power.auc_paired_power(n1, n0, 0.85, 0.9, 0.5) >= 0.9
    assert power.auc_paired_power(n1 - 1, np.ceil(1.5 * (n1 - 1)), 0.85, 0.9, 0.5) < 0.9


def test_correlation_saves_cases():
    sizes = [power.auc_paired_n(0.85, 0.9, r).n for r in (0.0, 0.4, 0.8)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 2 * sizes[2]


def test_auc_variance_of_binormal_scores_is_conservative_and_close():
    rng = np.random.default_rng(7)
    areas = []
    for _ in range(1500):
        x, y = rng.normal(1.2, 1, 60), rng.normal(0, 1, 60)
        areas.append(float((x[:, None] > y[None, :]).mean()))
    truth = float(stats.norm.cdf(1.2 / 2**0.5))
    simulated = float(np.var(areas))
    assert power.auc_variance(truth, 60, 60, "hanley_mcneil") == pytest.approx(simulated, rel=0.2)
    assert 1 < power.auc_variance(truth, 60, 60) / simulated < 2


@pytest.mark.parametrize(
    "call",
    [
        lambda: power.mcnemar_power(0, 0.1, 0.2),
        lambda: power.mcnemar_power(10, 0.6, 0.6),
        lambda: power.mcnemar_power(10, -0.1, 0.6),
        lambda: power.mcnemar_power(10, nan, 0.6),
        lambda: power.mcnemar_power(10, 0.1, 0.2, 1.0),
        lambda: power.mcnemar_power(10, 0.1, 0.2, 0.05, "wald"),
        lambda: power.mcnemar_sample_size(0.1, 0.1),
        lambda: power.mcnemar_sample_size(0.1, 0.2, 1.0),
        lambda: power.mcnemar_sample_size(0.1, 0.2, 0.04),
        lambda: power.mcnemar_sample_size(0.1, 0.2, method="wald"),
        lambda: power.mcnemar_sample_size(0.1, 0.1001),
        lambda: power.detectable_difference_mcnemar(100, 1.1),
        lambda: power.detectable_difference_mcnemar(100, 0.1, 0.01),
        lambda: power.detectable_difference_mcnemar(0, 0.1),
        lambda: power.detectable_difference_normal(-1.0),
        lambda: power.detectable_difference_normal(float("inf")),
        lambda: power.detectable_difference_normal(1.0, degrees_of_freedom=0),
        lambda: power.noninferiority_paired_power(10, 0, 0.1, 0.1),
        lambda: power.noninferiority_paired_n(0.05, 0.05, 0.1),
        lambda: power.noninferiority_paired_n(0.05, 0.05, 0.05, method="wald"),
        lambda: power.proportion_halfwidth(10, 1.2),
        lambda: power.proportion_halfwidth(10, 0.5, method="wald"),
        lambda: power.proportion_halfwidth(10, 0.5, 1.0),
        lambda: power.proportion_halfwidth_n(0.5, 0.5),
        lambda: power.proportion_halfwidth_n(0.5, 1e-6),
        lambda: power.auc_variance(1.0, 10, 10),
        lambda: power.auc_variance(0.9, 0, 10),
        lambda: power.auc_variance(0.9, 10, 10, "delong"),
        lambda: power.auc_paired_power(10, 10, 0.8, 0.9, 1.0),
        lambda: power.auc_paired_n(0.9, 0.9, 0.5),
        lambda: power.auc_paired_n(0.8, 0.9, 0.5, ratio=0),
        lambda: power.auc_paired_n(0.9, 0.9000001, 0.5),
    ],
)
def test_bad_arguments_are_refused(call):
    with pytest.raises(InputError):
        call()


@pytest.mark.parametrize(
    ("p10", "p01", "target", "published"),
    [
        (
            0.05,
            0.45,
            0.8,
            22,
        ),  # the example of pwr.mcnemar in the R package ajfhelpR, after Connor (1987, p. 209): n = 22 for power 0.8
        (
            0.125,
            0.25,
            0.9,
            248,
        ),  # 248.0 by Connor's formula, on paper: (1.959964 sqrt(0.375) + 1.281552 sqrt(0.359375))^2 / 0.015625
    ],
)
def test_connors_published_sizes(p10, p01, target, published):
    assert power.connor_n(p10, p01, target) == pytest.approx(published, abs=0.05)


@pytest.mark.parametrize("method", ["obuchowski", "hanley_mcneil"])
@pytest.mark.parametrize(("n1", "n0", "auc", "r"), [(150, 150, 0.85, 0.5), (60, 140, 0.75, 0.0), (500, 400, 0.95, 0.7)])
def test_the_detectable_difference_of_areas_is_detected_and_less_is_not(n1, n0, auc, r, method):
    d = power.auc_detectable_difference(n1, n0, auc, r, 0.8, 0.05, method)
    assert 0 < d < 1 - auc
    assert power.auc_paired_power(n1, n0, auc, auc + d, r, 0.05, method) == pytest.approx(0.8, abs=1e-8)
    assert power.auc_paired_power(n1, n0, auc, auc + 0.99 * d, r, 0.05, method) < 0.8


def test_small_sets_cannot_show_any_gain_over_a_good_model():
    assert isnan(power.auc_detectable_difference(24, 25, 0.9, 0.5))


@pytest.mark.parametrize(
    "call",
    [
        lambda: power.auc_detectable_difference(50, 50, 1.0, 0.5),
        lambda: power.auc_detectable_difference(50, 50, 0.8, 0.5, 0.04),
        lambda: power.auc_detectable_difference(50, 50, 0.8, 1.0),
        lambda: power.auc_detectable_difference(0, 50, 0.8, 0.5),
        lambda: power.auc_detectable_difference(50, 50, 0.8, 0.5, 1.0),
    ],
)
def test_bad_arguments_of_the_detectable_difference_of_areas_are_refused(call):
    with pytest.raises(InputError):
        call()
