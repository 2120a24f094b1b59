"""Wilson's interval and MOVER for patients with several cases: against base R, their laws, and coverage."""

import csv
from itertools import groupby
from math import isnan
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from hybridcx.stats import clusters_one_model as one
from hybridcx.stats.proportions import score_limits, wilson

REFERENCE = Path(__file__).parents[1] / "reference" / "paired"
quick = settings(max_examples=50, deadline=None)


def read(name):
    with (REFERENCE / name).open(encoding="utf-8", newline="") as fh:
        return list(csv.DictReader(fh))


def cases(counts):
    """Hits and patients from (hits, cases) of each patient."""
    hits = np.concatenate([np.arange(n) < x for x, n in counts])
    return hits, np.repeat(np.arange(len(counts)), [n for _, n in counts])


def test_against_base_r():
    """The first model's cases are the positive class, the second model's the negative (make_paired_reference.R)."""
    tables = {}
    for case, rows in groupby(read("clusters.csv"), key=lambda r: r["case"]):
        cells = [[int(r[k]) for k in ("n11", "n10", "n01", "n00")] for r in rows]
        tables[case] = [(a + b, a + b + c + d, a + c) for a, b, c, d in cells]
    expected = read("wilson_cluster_expected.csv")
    assert len(expected) == 24
    for e in expected:
        table = tables[e["case"]]
        positive, negative = cases([(x, n) for x, n, _ in table]), cases([(x, n) for _, n, x in table])
        if e["method"] == "wilson":
            got = one.wilson_cluster(*(positive if e["metric"] == "sensitivity" else negative))
        else:
            right, groups = (np.concatenate(v) for v in zip(positive, negative, strict=True))
            got = one.mover_wilson_cluster("youden_j", np.arange(right.size) < right.size / 2, right, groups)
        for value, name in ((got.estimate, "estimate"), (got.conf_low, "conf_low"), (got.conf_high, "conf_high")):
            assert value == pytest.approx(float(e[name]), rel=1e-9, abs=1e-12), e
        assert (got.method, got.n_clusters) == (e["method"], len(table))


def study(seed, patients=12, largest=4):
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(patients), rng.integers(1, largest + 1, patients))
    skill = rng.normal(size=patients)
    return rng.random(groups.size) < 1 / (1 + np.exp(-2 * skill[groups] - 1)), groups, rng


@quick
@given(st.integers(0, 2**32 - 1))
def test_laws(seed):
    hits, groups, rng = study(seed)
    got, plain = one.wilson_cluster(hits, groups), wilson(int(hits.sum()), hits.size)
    assert (got.estimate, got.numerator, got.denominator) == (plain.estimate, plain.numerator, plain.denominator)
    # Patients never narrow the interval.
    assert got.conf_low <= plain.conf_low + 1e-12
    assert got.conf_high >= plain.conf_high - 1e-12
    assert 0 <= got.conf_low <= got.estimate <= got.conf_high <= 1
    misses = one.wilson_cluster(~hits, groups)
    assert (1 - misses.conf_high, 1 - misses.conf_low) == pytest.approx((got.conf_low, got.conf_high), abs=1e-12)
    order = rng.permutation(hits.size)
    names = np.array([f"patient {g}" for g in groups])
    assert one.wilson_cluster(hits[order], names[order]).conf_low == pytest.approx(got.conf_low)


def test_one_case_a_patient_is_wilson_with_students_t():
    hits = np.arange(40) < 33
    t = stats.t.ppf(0.975, 39)
    low, high = score_limits(33 / 40 * 39, 39, t)
    got = one.wilson_cluster(hits, np.arange(40))
    assert (got.conf_low, got.conf_high) == pytest.approx((float(low), float(high)))


def test_cases_all_alike_count_as_one():
    """Each case five times in its patient, five times as many events: the interval of the patients alone."""
    hits, often = np.arange(30) < 21, np.repeat(np.arange(30) < 21, 5)
    plain, got = one.wilson_cluster(hits, np.arange(30)), one.wilson_cluster(often, np.repeat(np.arange(30), 5))
    assert (got.conf_low, got.conf_high) == pytest.approx((plain.conf_low, plain.conf_high), abs=0.01)
    assert got.conf_low <= plain.conf_low


def test_ends():
    """At 0 and 1 the effective sample size is n^2 / sum n_k^2; the limit at the end is exact."""
    sizes = [3, 1, 2, 2, 4]
    hits, groups = cases([(n, n) for n in sizes])
    got = one.wilson_cluster(hits, groups)
    size = 12**2 / sum(n * n for n in sizes)
    q = np.array(sizes, float) ** 2
    t = stats.t.ppf(0.975, q.sum() ** 2 / (q**2).sum() - 1)
    assert (got.conf_low, got.conf_high) == (pytest.approx(size / (size + t * t)), 1.0)
    none = one.wilson_cluster(~hits, groups)
    assert (none.conf_low, none.conf_high) == (0.0, pytest.approx(1 - got.conf_low))


def test_too_few_or_too_unequal_patients():
    empty = one.wilson_cluster(np.empty(0, bool), np.empty(0))
    assert (empty.status, isnan(empty.estimate)) == ("not_estimable", True)
    alone = one.wilson_cluster(np.array([True, False]), [1, 1])
    assert (alone.estimate, alone.status, isnan(alone.conf_low)) == (0.5, "caution", True)
    hits, groups = cases([(30, 40)] + [(1, 1)] * 30)
    assert one.wilson_cluster(hits, groups).warning == one.FEW_HOLD_MOST
    with pytest.raises(ValueError, match="shape of the cases"):
        one.wilson_cluster(np.array([True, False]), [1])


def test_mover():
    """Patients of one class alone do not correlate the proportions; youden_j is twice balanced accuracy less 1."""
    hits, groups, _ = study(3, patients=20)
    y = groups % 2 == 0
    ba, j = (one.mover_wilson_cluster(m, y, hits, groups) for m in ("balanced_accuracy", "youden_j"))
    assert (2 * ba.conf_low - 1, 2 * ba.conf_high - 1) == pytest.approx((j.conf_low, j.conf_high))
    a, b = one.wilson_cluster(hits[y], groups[y]), one.wilson_cluster(hits[~y], groups[~y])
    down = np.hypot(a.estimate - a.conf_low, b.estimate - b.conf_low)
    assert j.conf_low == pytest.approx(a.estimate + b.estimate - 1 - down)
    # Classes that share the patients' difficulty: the two proportions are equal and the distances add up.
    right, pair = np.repeat(np.arange(10) < 8, 2), np.arange(20) // 2
    both = one.mover_wilson_cluster("youden_j", np.tile([True, False], 10), right, pair)
    assert both.conf_low == pytest.approx(2 * one.wilson_cluster(right[::2], pair[::2]).conf_low - 1)
    absent = one.mover_wilson_cluster("youden_j", np.ones(4, bool), np.ones(4, bool), [1, 1, 2, 2])
    assert (absent.status, absent.warning) == ("not_estimable", "there are no negative cases")
    alone = one.mover_wilson_cluster("youden_j", np.array([True, True, False, False]), np.ones(4, bool), [1, 1, 2, 3])
    assert (alone.estimate, alone.status, isnan(alone.conf_low)) == (1.0, "caution", True)
    with pytest.raises(ValueError, match="metric must be"):
        one.mover_wilson_cluster("mcc", y, hits, groups)


@pytest.mark.slow
@pytest.mark.parametrize("accuracy", [0.8, 0.95])
def test_coverage_with_twelve_patients(accuracy):
    """Two images each, strongly correlated: BCa covers 0.64 at 0.95."""
    rng = np.random.default_rng(8)
    groups, covered = np.repeat(np.arange(12), 2), 0
    for _ in range(2000):
        latent = np.sqrt(0.7) * rng.normal(size=12)[groups] + np.sqrt(0.3) * rng.normal(size=24)
        got = one.wilson_cluster(latent < stats.norm.ppf(accuracy), groups)
        covered += got.conf_low <= accuracy <= got.conf_high
    assert covered / 2000 >= 0.935
