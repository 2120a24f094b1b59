"""Metrics of a confusion matrix: meaning, values, and what is undefined."""

import csv
from math import inf, isnan
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridcx.stats.confusion import Confusion, boolean_columns, count_metrics, fraction, undefined_reason
from hybridcx.vocabulary import COUNT_METRICS, METRICS, PROPORTIONS

quick = settings(max_examples=40, deadline=None)
REFERENCE = Path(__file__).parents[1] / "reference"

VOCABULARY = [
    "accuracy",
    "sensitivity",
    "specificity",
    "ppv",
    "npv",
    "f1",
    "balanced_accuracy",
    "mcc",
    "youden_j",
    "lr_positive",
    "lr_negative",
    "diagnostic_odds_ratio",
    "auroc",
    "auprc",
    "brier",
    "log_loss",
    "calibration_slope",
    "calibration_intercept",
    "ece",
    "net_benefit",
]

cells = st.integers(0, 60)
confusions = st.builds(Confusion, tp=cells, fn=cells, fp=cells, tn=cells)


def metrics_of(c):
    return {name: float(v) for name, v in count_metrics(c.tp, c.fn, c.fp, c.tn).items()}


def test_metrics_are_the_contracts_vocabulary_in_its_order():
    assert list(METRICS) == VOCABULARY
    assert all(name == m.name for name, m in METRICS.items())


def test_where_lower_is_better():
    assert {n for n, m in METRICS.items() if not m.higher_is_better} == {"brier", "log_loss", "ece", "lr_negative"}


def test_metrics_cannot_be_changed():
    with pytest.raises(TypeError):
        METRICS["accuracy"] = METRICS["npv"]


def test_from_labels_counts_every_cell():
    y_true = np.array([True] * 5 + [False] * 5)
    y_pred = np.array([True, True, True, False, False, True, False, False, False, False])
    c = Confusion.from_labels(y_true, y_pred)
    assert c == Confusion(tp=3, fn=2, fp=1, tn=4)
    assert (c.n, c.positives, c.negatives) == (10, 5, 5)


def test_impossible_input_is_refused():
    for cell in range(4):
        with pytest.raises(ValueError, match="negative"):
            Confusion(*(-1 if i == cell else 1 for i in range(4)))
    with pytest.raises(ValueError, match="y_pred must be a boolean array"):  # labels 1 and 2
        Confusion.from_labels(np.array([True, False]), np.array([2, 1]))
    with pytest.raises(ValueError, match="one length"):
        boolean_columns(a=np.array([True]), b=np.array([True, False]))
    with pytest.raises(ValueError, match="shape"):
        boolean_columns(a=np.ones((2, 2), bool))


def test_values_against_r():
    """MCC is R's cor(), F1 the harmonic mean, LRs and the odds ratio coefficients of glm (make_paired_reference.R)."""
    with (REFERENCE / "paired/tables.csv").open(encoding="utf-8", newline="") as fh:
        tables = {r["case"]: r for r in csv.DictReader(fh)}
    with (REFERENCE / "paired/table_expected.csv").open(encoding="utf-8", newline="") as fh:
        expected = [r for r in csv.DictReader(fh) if r["method"] in ("", "log", "mover_wilson")]
    compared = set()
    for e in expected:
        t = {k: int(v) for k, v in tables[e["case"]].items() if k != "case"}
        c = Confusion(
            t["d1_11"] + t["d1_10"], t["d1_01"] + t["d1_00"], t["d0_11"] + t["d0_10"], t["d0_01"] + t["d0_00"]
        )
        assert metrics_of(c)[e["metric"]] == pytest.approx(float(e["estimate"]), rel=1e-9), e
        compared.add(e["metric"])
    assert compared == {
        "mcc",
        "f1",
        "lr_positive",
        "lr_negative",
        "diagnostic_odds_ratio",
        "balanced_accuracy",
        "youden_j",
    }


@pytest.mark.parametrize(
    ("confusion", "metric", "value"),
    [
        (Confusion(5, 0, 0, 5), "lr_positive", inf),
        (Confusion(5, 0, 0, 5), "lr_negative", 0.0),
        (Confusion(5, 0, 0, 5), "diagnostic_odds_ratio", inf),
        (Confusion(0, 5, 2, 3), "lr_positive", 0.0),
        (Confusion(3, 2, 5, 0), "lr_negative", inf),
        (Confusion(0, 5, 2, 3), "diagnostic_odds_ratio", 0.0),
        (Confusion(0, 5, 0, 5), "f1", 0.0),
        (Confusion(5, 0, 0, 5), "mcc", 1.0),
        (Confusion(0, 5, 5, 0), "mcc", -1.0),
    ],
)
def test_edges_that_have_a_value(confusion, metric, value):
    assert metrics_of(confusion)[metric] == value
    assert undefined_reason(metric, confusion) == ""


@pytest.mark.parametrize(
    ("confusion", "metric", "reason"),
    [
        (Confusion(0, 0, 0, 0), "accuracy", "there are no cases"),
        (Confusion(0, 0, 2, 3), "sensitivity", "there are no positive cases"),
        (Confusion(0, 0, 2, 3), "f1", "there are no positive cases"),
        (Confusion(2, 3, 0, 0), "specificity", "there are no negative cases"),
        (Confusion(2, 3, 0, 0), "balanced_accuracy", "there are no negative cases"),
        (Confusion(2, 3, 0, 0), "lr_positive", "there are no negative cases"),
        (Confusion(0, 3, 0, 4), "ppv", "no case is predicted positive"),
        (Confusion(0, 3, 0, 4), "mcc", "no case is predicted positive"),
        (Confusion(0, 3, 0, 4), "lr_positive", "no case is predicted positive"),
        (Confusion(0, 3, 0, 4), "diagnostic_odds_ratio", "no case is predicted positive"),
        (Confusion(3, 0, 4, 0), "npv", "no case is predicted negative"),
        (Confusion(3, 0, 4, 0), "lr_negative", "no case is predicted negative"),
        (Confusion(3, 0, 4, 0), "diagnostic_odds_ratio", "no case is predicted negative"),
    ],
)
def test_edges_that_have_none_say_why(confusion, metric, reason):
    assert isnan(metrics_of(confusion)[metric])
    assert undefined_reason(metric, confusion) == reason


@quick
@given(confusions)
def test_every_nan_has_a_reason_and_every_value_lies_in_its_range(c):
    for name, value in metrics_of(c).items():
        assert isnan(value) == (undefined_reason(name, c) != "")
        if not isnan(value):
            assert METRICS[name].low - 1e-12 <= value <= METRICS[name].high + 1e-12


@quick
@given(confusions)
def test_swapping_the_classes_swaps_the_metrics(c):
    here, there = metrics_of(c), metrics_of(Confusion(tp=c.tn, fn=c.fp, fp=c.fn, tn=c.tp))
    for one, other in (
        ("sensitivity", "specificity"),
        ("ppv", "npv"),
        ("mcc", "mcc"),
        ("youden_j", "youden_j"),
        ("accuracy", "accuracy"),
        ("diagnostic_odds_ratio", "diagnostic_odds_ratio"),
    ):
        assert here[one] == pytest.approx(there[other], nan_ok=True)


@quick
@given(confusions)
def test_duplicating_all_cases_changes_no_metric(c):
    twice = Confusion(2 * c.tp, 2 * c.fn, 2 * c.fp, 2 * c.tn)
    assert metrics_of(twice) == pytest.approx(metrics_of(c), nan_ok=True)


@quick
@given(confusions)
def test_proportions_are_their_fractions(c):
    for name in PROPORTIONS:
        x, n = fraction(name, c)
        assert 0 <= x <= n
        assert metrics_of(c)[name] == pytest.approx(x / n if n else float("nan"), nan_ok=True)


def test_arrays_broadcast_without_warnings():
    values = count_metrics(np.arange(6).reshape(2, 3), 0, [0, 1, 2], 4)
    assert tuple(values) == COUNT_METRICS
    assert all(v.shape == (2, 3) and v.dtype == np.float64 for v in values.values())


def test_a_million_cases_do_not_overflow():
    c = Confusion(400_000, 100_000, 50_000, 450_000)
    assert metrics_of(c)["mcc"] == pytest.approx(0.7035264706814485)


def test_the_reason_looks_at_both_cells():
    assert undefined_reason("npv", Confusion(2, 0, 2, 0)) == "no case is predicted negative"
    assert undefined_reason("ppv", Confusion(0, 2, 0, 2)) == "no case is predicted positive"


def test_metrics_of_another_kind_are_refused():
    with pytest.raises(ValueError, match="no proportion"):
        fraction("f1", Confusion(1, 1, 1, 1))
    with pytest.raises(ValueError, match="not computed from the confusion matrix"):
        undefined_reason("auroc", Confusion(1, 1, 1, 1))


def test_only_the_metrics_asked_for():
    assert list(count_metrics(3, 2, 1, 4, only=("ppv", "accuracy"))) == ["ppv", "accuracy"]
