"""Numbers as text: each rounding rule."""

from __future__ import annotations

from math import inf, nan

import numpy as np
import pytest

from hybridcx import vocabulary
from hybridcx.report import numbers
from hybridcx.stats.resampling.intervals import RATIO_METRICS

ACCURACY, AUROC, LR = vocabulary.metric("accuracy"), vocabulary.metric("auroc"), vocabulary.metric("lr_positive")


@pytest.mark.parametrize(
    ("x", "decimals", "scale", "text"),
    [
        (0.8125, 1, 100, "81.3"),  # a half is rounded away from zero, in decimal notation
        (1.005, 2, 1, "1.01"),
        (-0.8125, 1, 100, "−81.3"),
        (2.0, 3, 1, "2.000"),
        (-0.0001, 2, 1, "0.00"),
        (nan, 1, 1, "NA"),
        (None, 1, 1, "NA"),
        (inf, 1, 1, "∞"),
        (-inf, 1, 1, "−∞"),
        (np.float64(0.5), 1, 1, "0.5"),
        (np.int64(3), 1, 1, "3.0"),
    ],
)
def test_fixed(x: float, decimals: int, scale: int, text: str) -> None:
    assert numbers.fixed(x, decimals, scale=scale) == text


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (46 / 49, "93.9"),
        (1.0, "100.0"),
        (0.0, "0.0"),
        (0.9997, ">99.9"),
        (0.0001, "<0.1"),
        (0.9995, ">99.9"),
        (0.9994, "99.9"),
        (1 - 1e-12, "100.0"),
        (1e-12, "0.0"),
        (nan, "NA"),
    ],
)
def test_percent_prints_a_bound_only_if_it_is_attained(p: float, text: str) -> None:
    assert numbers.percent(p) == text


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (0.0612, "+6.1"),
        (-0.0612, "−6.1"),
        (0.0, "0.0"),
        (-0.0, "0.0"),
        (-0.0002, "−0.02"),
        (2e-05, "+0.002"),
        (1e-08, "0.0"),
        (1e-17, "0.0"),
        (nan, "NA"),
        (inf, "+∞"),
    ],
)
def test_a_difference_keeps_its_side_of_zero(x: float, text: str) -> None:
    assert numbers.signed(x, 1, scale=100) == text


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (0.125, "0.125"),
        (0.0009999, "<0.001"),
        (0.001, "0.001"),
        (0.0, "<0.001"),
        (1.0, "1"),
        (0.9996, ">0.999"),
        (0.9994, "0.999"),
        (0.0496, "0.0496"),
        (0.04996, "0.04996"),
        (0.0504, "0.0504"),
        (0.05, "0.050"),
        (0.0512, "0.051"),
        (0.0502, "0.0502"),
        (0.0314, "0.031"),
        (0.0123, "0.012"),
        (0.0092, "0.009"),
        (0.0004, "<0.001"),
        (nan, "NA"),
        (None, "NA"),
    ],
)
def test_p_value(p: float, text: str) -> None:
    assert numbers.p_value(p) == text


def test_p_value_in_a_sentence() -> None:
    values = (0.0001, 0.0314, 0.25, 0.9999, 1, nan)
    texts = ["p < 0.001", "p = 0.031", "p = 0.250", "p > 0.999", "p = 1", "p = NA"]
    assert [numbers.p_equals(p) for p in values] == texts
    assert numbers.p_equals(0.0314, "mid-p") == "mid-p = 0.031"


def test_intervals() -> None:
    assert numbers.interval(ACCURACY, 46 / 49, 0.83481, 0.97894) == "93.9 (83.5 to 97.9)"
    assert numbers.interval(ACCURACY, 0.5, nan, nan) == "50.0"
    assert numbers.interval(ACCURACY, nan, nan, nan) == "NA"
    assert numbers.interval(AUROC, 0.95321, 0.86644, 0.99999) == "0.953 (0.866 to >0.999)"
    assert numbers.difference_interval(ACCURACY, 0.0612, -0.0221, 0.1544) == "+6.1 (−2.2 to +15.4)"
    assert numbers.difference_interval(AUROC, -0.0612, -0.1221, 0.00004) == "−0.061 (−0.122 to +0.00004)"
    assert numbers.difference_interval(LR, 1.5, 0.8, inf) == "1.50 (0.80 to ∞)"
    assert numbers.interval(ACCURACY, 0.939, 0.835, 0.979) == "93.9 (83.5 to 97.9)"
    assert numbers.difference_interval(AUROC, 0.052, -0.01, 0.114) == "+0.052 (−0.010 to +0.114)"
    assert numbers.interval(ACCURACY, 0.9, nan, 0.95) == "90.0"
    assert numbers.difference_interval(ACCURACY, nan, nan, nan) == "NA"


def test_interval_in_a_sentence() -> None:
    limits = (numbers.difference(ACCURACY, x) for x in (-0.001, 0.12))
    assert numbers.confidence_interval(0.95, *limits) == "95% CI −0.1 to +12.0"
    assert numbers.confidence_interval(nan, "0.1", "0.2") == "CI 0.1 to 0.2"


def test_values_of_metrics_with_and_without_bounds() -> None:
    assert numbers.value(vocabulary.metric("lr_negative"), 0.25) == "0.25"
    assert numbers.value(vocabulary.metric("log_loss"), 0.25) == "0.250"
    assert numbers.value(vocabulary.metric("mcc"), -0.25) == "−0.250"
    assert numbers.value(AUROC, 1.0) == "1.000"
    assert numbers.value(AUROC, 0.99996) == ">0.999"
    assert numbers.value(vocabulary.coefficient("icc2"), 0.912) == "0.912"
    assert numbers.value(vocabulary.coefficient("cohen_kappa"), 0.99996) == ">0.999"
    # measures in the unit of the readings have no bound
    assert numbers.value(vocabulary.coefficient("sem"), 0.99996) == "1.000"
    assert numbers.value(vocabulary.coefficient("bland_altman_bias"), -0.7) == "−0.700"


def test_amounts_are_in_the_unit_of_the_metric() -> None:
    assert numbers.amount(ACCURACY, 0.0512) == "5.1"
    assert numbers.amount(ACCURACY, 0.0512, extra_decimals=1) == "5.12"
    assert numbers.amount(AUROC, 0.0512) == "0.051"


def test_headings_have_the_unit() -> None:
    assert [numbers.heading(m) for m in (ACCURACY, AUROC, LR)] == ["Accuracy, %", "AUROC", "LR+"]
    assert [numbers.difference_heading(m) for m in (ACCURACY, AUROC, LR)] == ["Accuracy, points", "AUROC", "LR+, ratio"]


def test_counts_and_levels() -> None:
    values = (49.0, 9999, 12345, nan, -3, 2.5)
    assert [numbers.count(x) for x in values] == ["49", "9999", "12\u2009345", "NA", "−3", "2.5"]
    assert [numbers.level(x) for x in (0.95, 0.9, 0.975, nan)] == ["95%", "90%", "97.5%", ""]


def test_a_metric_knows_its_meaning() -> None:
    assert [vocabulary.metric(m).better for m in ("accuracy", "brier", "calibration_slope")] == [1, -1, 0]
    assert numbers.unit(ACCURACY, of_difference=True) == "percentage points"
    assert numbers.unit(LR, of_difference=True) == "ratio"
    assert vocabulary.metric("unheard_of").label == "unheard_of"


def test_the_vocabulary_and_the_statistics_agree_on_ratios() -> None:
    assert {m.name for m in vocabulary.METRICS.values() if m.null == 1} == set(RATIO_METRICS)
