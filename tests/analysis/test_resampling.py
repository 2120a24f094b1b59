"""Resamples shared out over processes are those of one process, to the bit."""

from functools import partial

import numpy as np
import pytest

from hybridcx.analysis import resampling
from hybridcx.analysis.resampling import joint_replicates
from hybridcx.stats.resampling.bootstrap import bootstrap_replicates
from hybridcx.vocabulary import METRICS
from hybridcx.workers.dask import Workers
from hybridcx.workers.local import run_tasks

N, K, B = 160, 5, 150


def work(**options):
    rng = np.random.default_rng(3)
    y = rng.random(N) < 0.4
    scores = np.round(np.clip(rng.normal(0.4 + 0.2 * y, 0.2, (K, N)), 0, 1), 2)
    return partial(
        bootstrap_replicates,
        y,
        scores >= 0.5,
        scores,
        n_resamples=B,
        rng=np.random.default_rng(1),
        n_refits=40,
        **options,
    )


def same(found, expected):
    for name in ("observed", "replicates", "jackknife", "jackknife_weights"):
        got, wanted = getattr(found, name), getattr(expected, name)
        assert list(got) == list(wanted)
        for metric in wanted:
            np.testing.assert_array_equal(got[metric], wanted[metric])
    rest = ("n_cases", "n_units", "n_clusters", "n_resamples")
    np.testing.assert_array_equal([getattr(found, x) for x in rest], [getattr(expected, x) for x in rest])


@pytest.mark.parametrize(
    "options",
    [{}, {"groups": np.arange(N) // 2}, {"folds": np.tile(np.arange(N) % 3, (K, 1))}, {"stratified": True}],
    ids=["cases", "patients", "folds", "stratified"],
)
def test_shares_are_the_whole(monkeypatch, options):
    monkeypatch.setattr(resampling, "SHARED_FROM", 0)
    tasks = []
    monkeypatch.setattr(resampling, "run_tasks", lambda f, a, **more: tasks.append(len(a)) or run_tasks(f, a, **more))
    alone = joint_replicates(work(**options), tuple(METRICS), K, 1, Workers(1))
    two = Workers(jobs=2)
    shared = joint_replicates(work(**options), tuple(METRICS), K, 1, two)
    scores = joint_replicates(work(**options), ("auroc", "brier"), K, 1, two)
    counts = joint_replicates(work(**options), ("accuracy",), K, 1, two)
    assert tasks == [3, 2]  # two shares and the counts, two shares, and nothing to share
    same(shared, alone)
    same(scores, joint_replicates(work(**options), ("auroc", "brier"), K, 1, Workers(1)))
    same(counts, joint_replicates(work(**options), ("accuracy",), K, 1, Workers(1)))


def test_small_comparisons_and_single_jobs_stay_here(monkeypatch):
    monkeypatch.setattr(resampling, "run_tasks", None)
    joint_replicates(work(), ("auroc",), K, resampling.SHARED_FROM - 1, Workers(jobs=2))
    monkeypatch.setattr(resampling, "SHARED_FROM", 0)
    joint_replicates(work(), ("auroc",), K, 1, Workers(jobs=1))


def test_some_models_alone():
    whole = work()(metrics=("auroc", "calibration_slope"))
    same(work()(metrics=("auroc", "calibration_slope"), evaluated=[3, 0]), whole.take([3, 0]))
