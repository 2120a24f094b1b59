"""Ranges of McNemar's p-values over all pairings, against every pairing one by one; the study's ranges to the digits."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from hybridcx.stats import mcnemar, paired
from hybridcx.stats.published import pairs as published_pairs
from hybridcx.stats.published.pairs import TESTS, pair_range

STUDY = {"VGG-16": (23, 23), "VGG-19": (23, 22), "ResNet-101": (21, 23), "DenseNet-201": (22, 20)}
EXACT = {  # PAPER: ranges over all pairings within the classes, exact test
    ("VGG-16", "VGG-19"): ("1.000", "1.000"),
    ("VGG-16", "ResNet-101"): ("0.500", "0.727"),
    ("VGG-16", "DenseNet-201"): ("0.125", "0.344"),
    ("VGG-19", "ResNet-101"): ("1.000", "1.000"),
    ("VGG-19", "DenseNet-201"): ("0.250", "0.549"),
    ("ResNet-101", "DenseNet-201"): ("0.625", "0.774"),
}


def correct(*counts, sizes=(25, 24)):
    """Solutions as `pair_range` takes them: correct and size, class by class."""
    return np.array([[v for pair in zip(c, sizes, strict=True) for v in pair] for c in counts])


def every_pairing(first, second):
    """All (b, c) that two models can have, by running through the overlap of the errors in each class."""
    for mine, theirs in product(first.tolist(), second.tolist()):
        overlaps = []
        for x, y, size in zip(mine[::2], theirs[::2], mine[1::2], strict=True):
            overlaps.append([(x - o, y - o) for o in range(max(0, x + y - size), min(x, y) + 1)])
        for classes in product(*overlaps):
            yield sum(b for b, _ in classes), sum(c for _, c in classes)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (correct((3, 2), sizes=(4, 5)), correct((2, 3), sizes=(4, 5))),
        (correct((4, 5), sizes=(4, 5)), correct((4, 5), sizes=(4, 5))),
        (correct((3, 5), (4, 4), (2, 1), sizes=(6, 5)), correct((3, 5), (1, 0), sizes=(6, 5))),
        (correct((7,), (2,), sizes=(9,)), correct((1,), (9,), sizes=(9,))),
        (correct((12, 14), (10, 9), sizes=(15, 16)), correct((3, 2), (4, 16), sizes=(15, 16))),
        (correct((4,), sizes=(5,)), correct((4,), sizes=(5,))),
    ],
)
def test_the_range_is_that_of_every_pairing(first, second):
    b, c = np.array(list(every_pairing(first, second))).T
    found = pair_range(first, second)
    n = int(first[0, 1::2].sum())
    for name, test in TESTS.items():
        p = test(b, c)
        assert found.pvalues[name] == pytest.approx((p.min(), p.max()), abs=1e-14), name
    assert (found.b, found.c) in set(zip(b.tolist(), c.tolist(), strict=True))
    assert float(mcnemar.exact_pvalues(found.b, found.c)) == found.pvalues["mcnemar_exact"][0]
    assert found.n11 + found.n00 + found.b + found.c == n
    assert min(found.n11, found.n00, found.b, found.c) >= 0
    assert found.difference == pytest.approx(((b - c).min() / n, (b - c).max() / n))
    assert found.attained


def test_outer_bounds_are_never_narrower(monkeypatch):
    first, second = correct((3, 5), (4, 4), (2, 1), sizes=(6, 5)), correct((3, 5), (1, 0), sizes=(6, 5))
    whole = pair_range(first, second)
    monkeypatch.setattr(published_pairs, "MAX_PAIRS", 1)
    bounds = pair_range(first, second)
    assert not bounds.attained
    for name in TESTS:
        assert bounds.pvalues[name][0] <= whole.pvalues[name][0]
        assert bounds.pvalues[name][1] >= whole.pvalues[name][1]
    assert bounds.difference == whole.difference


def test_the_studys_ranges():
    for (model, comparator), expected in EXACT.items():
        found = pair_range(correct(STUDY[model]), correct(STUDY[comparator]))
        assert tuple(f"{p:.3f}" for p in found.pvalues["mcnemar_exact"]) == expected, (model, comparator)
        for name in ("mcnemar_exact", "mcnemar_midp", "mcnemar_corrected"):
            assert found.pvalues[name][0] > 0.05, "no pair can be significant"
    found = pair_range(correct(STUDY["VGG-16"]), correct(STUDY["DenseNet-201"]))
    assert (found.b, found.c) == (4, 0)
    assert f"{found.pvalues['mcnemar_asymptotic'][0]:.3f}" == "0.046"
    tango = paired.tango(found.n11, found.b, found.c, found.n00)
    assert (f"{tango.conf_low:.3f}", f"{tango.conf_high:.3f}") == ("0.003", "0.192")
    for other in (paired.newcombe_paired, paired.agresti_min):
        assert other(found.n11, found.b, found.c, found.n00).conf_low < 0


def test_models_that_cannot_be_paired():
    with pytest.raises(ValueError, match="without a solution"):
        pair_range(correct((1, 1)), np.empty((0, 4), dtype=int))
    with pytest.raises(ValueError, match="the same class totals"):
        pair_range(correct((1, 1)), correct((1, 1), sizes=(24, 25)))


def test_outer_bounds_of_equal_numbers_correct(monkeypatch):
    """No difference is possible; the smallest mid-p of b = c is that of one pair each way."""
    first, second = correct((3, 4), (4, 3), sizes=(6, 6)), correct((2, 5), (5, 2), sizes=(6, 6))
    whole = pair_range(first, second)
    monkeypatch.setattr(published_pairs, "MAX_PAIRS", 1)
    bounds = pair_range(first, second)
    assert bounds.difference == whole.difference == (0.0, 0.0)
    for name in TESTS:
        assert bounds.pvalues[name][0] <= whole.pvalues[name][0] <= whole.pvalues[name][1] <= bounds.pvalues[name][1]
    assert bounds.pvalues["mcnemar_midp"][0] == float(mcnemar.midp_pvalues(1, 1))
