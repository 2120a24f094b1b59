"""Confusion matrices behind printed values: against brute force, never flagging a true row, and the study's own table."""

from __future__ import annotations

import time
from decimal import ROUND_HALF_DOWN, ROUND_HALF_UP, Decimal
from fractions import Fraction
from math import inf, isnan
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridcx.stats.confusion import count_metrics
from hybridcx.stats.published import matrices as published
from hybridcx.stats.published.matrices import READINGS, compatible, compatible_with_n, nearest_miss, seen, target
from hybridcx.vocabulary import COUNT_METRICS

BOUNDED = [m for m in COUNT_METRICS if m not in ("lr_positive", "lr_negative", "diagnostic_odds_ratio")]


def exactly(metric, tp, fn, fp, tn):
    """The metric as an exact fraction (MCC: a double), from its definition; None where it is 0/0, inf for x/0."""

    def ratio(a, b):
        if b == 0:
            return None if a == 0 else inf
        return Fraction(a, b)

    p, n = tp + fn, fp + tn
    match metric:
        case "accuracy":
            return ratio(tp + tn, p + n)
        case "sensitivity":
            return ratio(tp, p)
        case "specificity":
            return ratio(tn, n)
        case "ppv":
            return ratio(tp, tp + fp)
        case "npv":
            return ratio(tn, tn + fn)
        case "f1":
            return ratio(2 * tp, 2 * tp + fp + fn)
        case "balanced_accuracy":
            return (Fraction(tp, p) + Fraction(tn, n)) / 2
        case "youden_j":
            return Fraction(tp, p) + Fraction(tn, n) - 1
        case "mcc":
            margins = p * n * (tp + fp) * (tn + fn)
            return (tp * tn - fp * fn) / margins**0.5 if margins else None
        case "lr_positive":
            return ratio(tp * n, fp * p)
        case "lr_negative":
            return ratio(fn * n, tn * p)
        case "diagnostic_odds_ratio":
            return ratio(tp * tn, fp * fn)
    raise AssertionError(metric)


def printed(value, decimals, percent, rounding):
    """A value as a table prints it: text, from the exact value."""
    scaled = value * (100 if percent else 1)
    exact = Decimal(scaled.numerator) / Decimal(scaled.denominator) if isinstance(scaled, Fraction) else Decimal(scaled)
    # 28 digits do not always hold the fraction; a half that they blur is one only if 2 * 10^decimals times it is odd and whole
    return str(exact.quantize(Decimal(1).scaleb(-decimals), rounding))


def row(cells, metrics, decimals=1, percent=True, rounding=ROUND_HALF_UP):
    """Targets of a matrix as it would be printed."""
    found = []
    for m in metrics:
        value = exactly(m, *cells)
        if value is None or value == inf:
            continue
        as_percent = percent and m in BOUNDED
        text = printed(value, decimals, as_percent, rounding)
        found.append(target(m, float(text), decimals, percent=as_percent))
    return found


@settings(max_examples=200, deadline=None)
@given(
    cells=st.tuples(*[st.integers(0, 60)] * 4).filter(lambda c: c[0] + c[1] > 0 and c[2] + c[3] > 0),
    metrics=st.sets(st.sampled_from(COUNT_METRICS), min_size=1),
    decimals=st.integers(1, 4),
    percent=st.booleans(),
    rounding=st.sampled_from([ROUND_HALF_UP, ROUND_HALF_DOWN]),
)
def test_a_true_row_is_never_flagged(cells, metrics, decimals, percent, rounding):
    targets = row(cells, metrics, decimals, percent, rounding)
    tp, fn, fp, tn = cells
    found = compatible(targets, tp + fn, fp + tn).cells.tolist()
    assert list(cells) in found


@settings(max_examples=60, deadline=None)
@given(
    cells=st.tuples(*[st.integers(1, 25)] * 4),
    metrics=st.sets(st.sampled_from(COUNT_METRICS), min_size=1),
    decimals=st.integers(0, 3),
    reading=st.sampled_from(READINGS),
    grid=st.booleans(),
)
def test_the_solutions_are_those_of_brute_force(cells, metrics, decimals, reading, grid):
    # The matrix that was really printed is seen through the reading, so that there is something to find under it.
    tp, fn, fp, tn = cells
    targets = row(seen(reading, *cells), metrics, decimals)
    p, n = tp + fn, fp + tn
    a, d = (x.ravel() for x in np.meshgrid(np.arange(p + 1), np.arange(n + 1), indexing="ij"))
    values = count_metrics(*seen(reading, a, p - a, n - d, d))
    met = np.ones(a.shape, dtype=bool)
    for t in targets:
        v = values[t.metric]
        zero = t.low <= 0 <= t.high
        met &= np.array([zero if isnan(x) else t.low - 1e-11 <= x <= t.high + 1e-11 for x in v.tolist()])
    expected = np.stack([a, p - a, n - d, d], axis=1)[met].tolist()
    limit = published._GRID_CELLS
    try:
        published._GRID_CELLS = limit if grid else 0  # the bisection is for tables too large for this test
        found = compatible(targets, p, n, reading)
    finally:
        published._GRID_CELLS = limit
    assert found.cells.tolist() == expected
    assert found.count == len(expected)
    assert list(cells) in expected


def test_every_metric_is_monotone_in_tn_under_every_reading():
    # What the bisection rests on.
    for p, n in ((1, 7), (6, 5), (13, 9)):
        tp, tn = np.meshgrid(np.arange(p + 1), np.arange(n + 1), indexing="ij")
        for reading in READINGS:
            values = count_metrics(*seen(reading, tp, p - tp, n - tn, tn))
            for metric, x in values.items():
                inner = (-x if metric == "lr_negative" else x)[:, 1:n]
                undefined = np.isnan(inner)
                assert np.all(undefined.all(axis=1) | ~undefined.any(axis=1)), (metric, reading)
                with np.errstate(invalid="ignore"):
                    steps = np.diff(inner, axis=1)
                assert np.all((steps >= -1e-12) | np.isnan(steps)), (metric, reading)


@pytest.mark.parametrize("rounded", ["81.2", "81.3"])
def test_a_half_may_be_rounded_either_way(rounded):
    # 13 of 16 is 81.25 %
    assert [13, 3, 0, 1] in compatible([target("sensitivity", float(rounded), 1, percent=True)], 16, 1).cells.tolist()


def test_values_at_full_precision_and_infinite_ratios():
    cells = (23, 2, 1, 23)
    targets = [target(m, float(v), len(repr(float(v)).split(".")[1])) for m, v in count_metrics(*cells).items()]
    assert compatible(targets, 25, 24).cells.tolist() == [list(cells)]
    percent = [target(m, 100 * float(v), 14, percent=True) for m, v in count_metrics(*cells).items() if m in BOUNDED]
    assert compatible(percent, 25, 24).cells.tolist() == [list(cells)]
    found = compatible([target("lr_positive", inf, 0), target("sensitivity", 92.0, 1, percent=True)], 25, 24)
    assert found.cells.tolist() == [[23, 2, 0, 24]]


def test_an_undefined_metric_is_met_by_a_printed_zero_alone():
    nobody = (0, 25, 0, 24)  # no case is called positive: PPV is 0/0, which software prints as 0
    zero, one = (
        compatible([target("ppv", v, 1, percent=True), target("specificity", 100.0, 1, percent=True)], 25, 24)
        for v in (0.0, 100.0)
    )
    assert list(nobody) in zero.cells.tolist()
    assert list(nobody) not in one.cells.tolist()


def test_complements():
    cells = compatible([target("specificity", 4.2, 1, percent=True, complement=True)], 1, 24).cells
    assert set(cells[:, 3].tolist()) == {23}


STUDY = {
    "VGG-16": (93.9, 95.8, 92.0, 92.0),
    "VGG-19": (91.8, 92.0, 91.7, 92.0),
    "ResNet-101": (89.8, 95.5, 85.2, 84.0),
    "DenseNet-201": (85.7, 84.6, 87.0, 88.0),
}


def study(model):
    names = ("accuracy", "sensitivity", "specificity", "ppv")
    return [target(m, v, 1, percent=True) for m, v in zip(names, STUDY[model], strict=True)]


def test_the_studys_table():
    found = {(m, r): compatible(study(m), 25, 24, r).cells.tolist() for m in STUDY for r in READINGS}
    assert {m for m in STUDY if found[m, "as_printed"]} == {"VGG-19"}
    assert [found[m, "rows_columns_swapped"] for m in STUDY] == [
        [[23, 2, 1, 23]], [[23, 2, 2, 22]], [[21, 4, 1, 23]], [[22, 3, 4, 20]],
    ]  # fmt: skip
    for reading in ("classes_swapped", "both_swapped"):
        assert not all(found[m, reading] for m in STUDY)
    others = {m: compatible_with_n(study(m), 49).cells[:, :2].sum(axis=1).tolist() for m in STUDY}
    assert others == {"VGG-16": [24], "VGG-19": [25], "ResNet-101": [22], "DenseNet-201": [26]}


@settings(max_examples=20, deadline=None)
@given(
    cells=st.tuples(*[st.integers(1, 7)] * 4),
    metrics=st.sets(st.sampled_from(COUNT_METRICS), min_size=1, max_size=4),
)
def test_other_totals_are_those_of_brute_force(cells, metrics):
    targets, n = row(cells, metrics), sum(cells)
    expected = [m for p in range(1, n) for m in compatible(targets, p, n - p).cells.tolist()]
    found = compatible_with_n(targets, n)
    assert found.cells.tolist() == sorted(expected, key=lambda c: (c[0] + c[1], c[0], c[3]))
    assert list(cells) in expected


def test_other_totals_are_not_searched_where_it_would_take_too_long():
    assert compatible_with_n([target("f1", 0.9, 3)], 401) is None
    assert compatible_with_n([target("specificity", 0.9, 3)], 2000) is not None


def test_the_nearest_miss_names_the_value_in_the_way():
    good = row((80, 20, 10, 90), ("accuracy", "sensitivity", "specificity", "ppv"))
    wrong = [*good[:2], target("specificity", 93.0, 1, percent=True), good[3]]
    assert nearest_miss(good, 100, 100) is None
    miss = nearest_miss(wrong, 100, 100)
    assert miss.missed == (2,)
    assert miss.alone
    assert miss.cells == (80, 20, 10, 90)
    assert miss.values == (0.9,)
    assert miss.by[0] == pytest.approx(0.0295)  # from 90.0 to the interval that begins at 92.95
    two = nearest_miss(
        [target("sensitivity", 51.0, 1, percent=True), target("specificity", 51.0, 1, percent=True)], 4, 4
    )
    assert not two.alone
    assert two.cells == (2, 2, 2, 2)
    assert two.by == pytest.approx((0.0095, 0.0095))
    above = nearest_miss([target("accuracy", 104.0, 1, percent=True)], 25, 24)
    assert above.values == (1.0,)


def test_thousands_of_cases_are_quick():
    cells = (2311, 189, 307, 2193)
    metrics = ("accuracy", "sensitivity", "specificity", "ppv", "f1")
    start = time.perf_counter()
    for reading in READINGS:
        assert list(cells) in compatible(row(seen(reading, *cells), metrics), 2500, 2500, reading).cells.tolist()
    assert list(cells) in compatible_with_n(row(cells, metrics), 5000).cells.tolist()
    assert time.perf_counter() - start < 5  # 0.2 s here; a full grid of one reading alone takes longer


def test_what_cannot_be_asked_for():
    with pytest.raises(ValueError, match="no metric of a confusion matrix"):
        target("auroc", 0.9, 1)
    with pytest.raises(ValueError, match="unknown reading"):
        compatible([target("accuracy", 0.9, 1)], 3, 3, "sideways")
    with pytest.raises(ValueError, match="negative"):
        compatible([], -1, 3)


@pytest.mark.parametrize(("positives", "negatives"), [(50, 50), (400, 3001), (2000, 2003), (5000, 5003)])
@pytest.mark.parametrize("metric", ["specificity", "sensitivity"])
def test_the_nearest_miss_of_one_value_is_the_nearest_however_many_matrices_there_are(metric, positives, negatives):
    """Halfway between two fractions that can be had: no matrix is nearer than half of a case's share."""
    of = negatives if metric == "specificity" else positives
    value = (of // 2 + 0.5) / of
    miss = nearest_miss([published.Target(metric, value - 1e-9, value + 1e-9)], positives, negatives)
    assert miss is not None
    assert miss.alone
    nearest = np.abs(np.arange(of + 1) / of - value).min()
    assert abs(miss.values[0] - value) == pytest.approx(nearest, abs=2e-11)
    assert sum(miss.cells[:2]) == positives
    assert sum(miss.cells[2:]) == negatives


def test_solutions_say_and_choose_their_numbers_of_positives():
    found = compatible_with_n([target("accuracy", 0.9, 1, percent=False)], 10)
    numbers = found.numbers_of_positives()
    assert numbers == sorted({int(c[0] + c[1]) for c in found.cells})
    chosen = found.with_positives(numbers[1])
    assert chosen.numbers_of_positives() == [numbers[1]]
    assert chosen.count == sum(int(c[0] + c[1]) == numbers[1] for c in found.cells)


def test_values_printed_with_a_dozen_digits_have_a_nearest_miss_too():
    """The first matrix is met at thousands of millions of the last digit: too far for forty bisections to end at a thousandth of it."""
    tight = [published.Target(m, v - 5e-14, v + 5e-14) for m, v in (("accuracy", 0.123), ("sensitivity", 0.456))]
    miss = nearest_miss(tight, 5, 5)
    assert not miss.alone
    assert sum(miss.cells[:2]) == sum(miss.cells[2:]) == 5
    sensitivity, accuracy = miss.cells[0] / 5, (miss.cells[0] + miss.cells[3]) / 10
    found = max(abs(sensitivity - 0.456), abs(accuracy - 0.123))
    every = [max(abs(tp / 5 - 0.456), abs((tp + tn) / 10 - 0.123)) for tp in range(6) for tn in range(6)]
    assert found == pytest.approx(min(every))


def test_without_any_matrix_there_is_no_nearest_miss(monkeypatch):
    monkeypatch.setattr(published, "_widened", lambda *_: SimpleNamespace(count=0))
    tight = [published.Target(m, v - 5e-14, v + 5e-14) for m, v in (("accuracy", 0.123), ("sensitivity", 0.456))]
    assert nearest_miss(tight, 5, 5) is None


@pytest.mark.parametrize("order", [1, -1])
def test_the_value_that_misses_least_is_left_out(order):
    """With 10 cases of each class sensitivity 0.8 and specificity 0.4 leave accuracy 0.6, nearer to 0.9 than specificity 1 is to 0.4."""
    row = [target("sensitivity", 0.8, 2), target("specificity", 0.4, 2), target("accuracy", 0.9, 2)][::order]
    miss = nearest_miss(row, 10, 10)
    assert (miss.cells, miss.alone) == ((8, 2, 6, 4), True)
    assert [row[i].metric for i in miss.missed] == ["accuracy"]
