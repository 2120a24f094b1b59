"""Averages over the classes: scikit-learn's values, and the search for matrices with them against trying every matrix."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from hybridcx.stats.published.averages import printed_metrics
from hybridcx.stats.published.matrices import READINGS, Target, compatible, nearest_miss, seen, target
from hybridcx.vocabulary.audit import AVERAGES


@pytest.mark.parametrize("cells", [(46, 4, 6, 44), (3, 0, 0, 9), (0, 5, 0, 7), (5, 0, 7, 0), (1, 9, 2, 30)])
def test_averages_are_those_of_scikit_learn(cells):
    truth, called = np.repeat([1, 1, 0, 0], cells), np.repeat([1, 0, 1, 0], cells)
    values = {n: float(v) for n, v in printed_metrics(*cells).items()}
    for kind in ("macro", "weighted"):
        options = {"average": kind, "zero_division": 0}
        assert values[f"{kind}_ppv"] == pytest.approx(precision_score(truth, called, **options))
        assert values[f"{kind}_f1"] == pytest.approx(f1_score(truth, called, **options))
    assert values["negative_f1"] == pytest.approx(f1_score(truth, called, pos_label=0))
    assert values["balanced_accuracy"] == pytest.approx(recall_score(truth, called, average="macro"))
    assert values["accuracy"] == pytest.approx(recall_score(truth, called, average="weighted"))
    for metric in (precision_score, recall_score, f1_score):
        assert values["accuracy"] == pytest.approx(metric(truth, called, average="micro"))


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("metric", AVERAGES)
@pytest.mark.parametrize("value", [0.0, 0.37, 0.9, 1.0])
def test_the_search_finds_what_trying_every_matrix_finds(reading, metric, value, monkeypatch):
    monkeypatch.setattr("hybridcx.stats.published.matrices._GRID_CELLS", 0)  # by bisection
    positives, negatives = 9, 14
    targets = [Target(metric, value - 0.05, value + 0.05)]
    every = np.array(
        [
            (tp, positives - tp, negatives - tn, tn)
            for tp, tn in itertools.product(range(positives + 1), range(negatives + 1))
        ]
    )
    values = printed_metrics(*seen(reading, *every.T), only=[metric])[metric]
    expected = {tuple(c) for c in every[targets[0].met(values)].tolist()}
    assert {tuple(c) for c in compatible(targets, positives, negatives, reading).cells.tolist()} == expected


def test_a_true_table_with_macro_precision_has_its_matrix():
    """TP 46, FN 4, FP 6, TN 44: accuracy 90.0, sensitivity 92.0, macro precision (46/52 + 44/48) / 2 = 90.06."""
    targets = [
        target(m, v, 1, percent=True) for m, v in (("accuracy", 90.0), ("sensitivity", 92.0), ("macro_ppv", 90.1))
    ]
    assert compatible(targets, 50, 50).cells.tolist() == [[46, 4, 6, 44]]
    wrong = [*targets[:2], target("macro_ppv", 91.1, 1, percent=True)]
    assert compatible(wrong, 50, 50).count == 0
    miss = nearest_miss(wrong, 50, 50)
    assert (miss.cells, miss.missed) == ((46, 4, 6, 44), (2,))
