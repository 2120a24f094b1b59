"""The area under the precision-recall curve: against base R and scikit-learn, and its laws."""

import csv
from functools import partial
from math import isnan
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from hybridcx.stats.precision_recall import auprc_logit
from hybridcx.stats.roc import average_precision

REFERENCE = Path(__file__).parents[1] / "reference" / "metric_pairs"
EXACT = partial(pytest.approx, rel=1e-9, abs=1e-12)
quick = settings(max_examples=60, deadline=None)
scored = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.8, 1.0])), min_size=3, max_size=60
).filter(lambda rows: len({y for y, _ in rows}) == 2)


def read(name):
    with (REFERENCE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def columns(rows):
    return np.array([y for y, _ in rows]), np.array([s for _, s in rows])


def test_against_base_r():
    """Threshold by threshold, with the logit limits written out (metric_pairs/make_metric_pairs.R)."""
    data = {}
    for r in read("scores.csv"):
        data.setdefault(r["set"], []).append((r["y"] == "1", float(r["score"])))
    rows = read("auprc_expected.csv")
    assert len(rows) == 6
    for r in rows:
        got = auprc_logit(*columns(data[r["set"]]), float(r["level"]))
        assert (got.estimate, got.conf_low, got.conf_high) == EXACT(
            tuple(float(r[k]) for k in ("estimate", "conf_low", "conf_high"))
        )
        assert (got.status, got.method, got.n) == ("ok", "wald", len(data[r["set"]]))


@quick
@given(scored)
def test_the_estimate_is_scikit_learns_average_precision(rows):
    y, s = columns(rows)
    assert average_precision(y, s) == EXACT(average_precision_score(y, s))


@quick
@given(scored, st.sampled_from([0.5, 0.9, 0.95, 0.99]), st.randoms(use_true_random=False))
def test_limits_contain_the_estimate_widen_and_do_not_depend_on_order_or_scale(rows, level, shuffled):
    y, s = columns(rows)
    got, wider = auprc_logit(y, s, level), auprc_logit(y, s, 0.999)
    if got.status != "ok":
        assert got.estimate in (0.0, 1.0)
        assert isnan(got.conf_low)
        return
    assert 0 < wider.conf_low < got.conf_low < got.estimate < got.conf_high < wider.conf_high < 1
    order = list(range(y.size))
    shuffled.shuffle(order)
    again = auprc_logit(y[order], 3 * s[order] - 7, level)
    assert (again.estimate, again.conf_low, again.conf_high) == EXACT((got.estimate, got.conf_low, got.conf_high))


@pytest.mark.parametrize("y", [[True, True], [False, False]])
def test_one_class_is_not_estimable(y):
    got = auprc_logit(np.array(y), [0.2, 0.4])
    assert got.status == "not_estimable"
    assert isnan(got.estimate)
    assert "one class" in got.warning


def test_a_perfect_ranking_has_no_limits():
    got = auprc_logit(np.array([True, True, False]), [0.9, 0.8, 0.1])
    assert (got.estimate, got.status) == (1.0, "caution")
    assert isnan(got.conf_high)
    assert "logit" in got.warning


def test_without_a_positive_case_there_is_no_average_precision():
    assert isnan(average_precision(np.array([False, False]), [0.1, 0.2]))
