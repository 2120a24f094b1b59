"""Splits: Table I to the case, whole patients, whatever the order of rows; bad_input.md 15 and 16; the written file and its hash."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridcx.cohort.cohort import Cohort
from hybridcx.cohort.splits import (
    grouped_stratified_folds,
    manifest_split,
    quotas,
    stratified_split,
)
from hybridcx.errors import InputError

SHARES = (0.70, 0.15, 0.15)


def cohort(labels: list[str], patients: list[str] | None = None, split: list[str] | None = None) -> Cohort:
    n = len(labels)
    frame = pd.DataFrame(
        {
            "case_id": [f"c{i:04d}" for i in range(n)],
            "patient_id": patients or [f"p{i:04d}" for i in range(n)],
            "image": "",
            "label": labels,
            "split": split or [""] * n,
            "excluded": "",
        }
    )
    return Cohort(frame, np.arange(2, n + 2), Path(), Path("manifest.csv"), ("normal", "abnormal"))


STUDY = cohort(["abnormal"] * 170 + ["normal"] * 161)


@pytest.mark.parametrize("seed", range(20))
def test_table_1_to_the_case(seed):
    counts = stratified_split(STUDY, seed=seed).counts()
    assert counts.index.tolist() == ["abnormal", "normal", "total"]
    assert counts.columns.tolist() == ["train", "validation", "test", "total"]
    assert counts.to_numpy().tolist() == [[119, 26, 25, 170], [113, 24, 24, 161], [232, 50, 49, 331]]


def test_the_draw_depends_on_seed_and_ids_and_not_on_row_order():
    a = stratified_split(STUDY, seed=1)
    shuffled = STUDY.frame.sample(frac=1, random_state=0).reset_index(drop=True)
    b = stratified_split(Cohort(shuffled, STUDY.rows, Path(), Path("m.csv"), STUDY.labels), seed=1)
    assert a.sha256 == b.sha256
    assert a.sha256 != stratified_split(STUDY, seed=2).sha256


def test_every_case_is_as_likely_to_be_tested():
    # 100 draws of 6 out of 40: the count of each case is binomial with sd 3.6; 5 sd is beyond what 40 cases would ever show.
    small = cohort(["abnormal"] * 40 + ["normal"] * 40)
    ids = small.frame["case_id"][:40]
    hits = sum((stratified_split(small, seed=s).of(ids) == "test").astype(int) for s in range(100))
    assert hits.sum() == 100 * 6
    assert np.abs(hits - 15).max() < 5 * np.sqrt(100 * 0.15 * 0.85)


@given(
    st.integers(0, 2000),
    st.sampled_from([SHARES, (0.6, 0.2, 0.2), (0.5, 0.5, 0.0), (1 / 3, 1 / 3, 1 / 3), (0.8, 0.0, 0.2)]),
)
def test_quotas_sum_to_n_and_are_within_one_of_the_share(n, shares):
    got = quotas(n, shares)
    assert sum(got) == n
    assert min(got) >= 0
    assert all(abs(g - f * n) <= 1 for g, f in zip(got, shares, strict=True))


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_patients_stay_whole_and_the_quotas_are_nearly_met(data):
    n = data.draw(st.integers(80, 200))
    seed = data.draw(st.integers(0, 1000))
    rng = np.random.default_rng(seed)
    patients = [f"p{k}" for k in rng.integers(0, n // 2, n)]
    labels = np.where(rng.random(n) < 0.5, "abnormal", "normal").tolist()
    c = cohort(labels, patients)
    s = stratified_split(c, seed=seed)
    assert c.frame.assign(s=s.of(c.frame["case_id"])).groupby("patient_id")["s"].nunique().max() == 1
    counts = s.counts()
    for label in ("abnormal", "normal"):
        wanted = quotas(int((c.frame["label"] == label).sum()), SHARES)
        off = np.abs(counts.loc[label, ["train", "validation", "test"]].to_numpy() - wanted)
        assert off.max() <= 2
        if off.any():
            assert "departs from its shares" in s.warnings[0].rule


def test_repeated_patients_whose_cases_fit_meet_the_quotas_without_a_warning():
    c = cohort(["abnormal"] * 40 + ["normal"] * 40, [f"p{i // 2}" for i in range(80)])
    s = stratified_split(c, seed=3)
    assert s.counts().to_numpy().tolist() == [[28, 6, 6, 40], [28, 6, 6, 40], [56, 12, 12, 80]]
    assert s.warnings == ()


def test_excluded_cases_are_in_no_split():
    frame = STUDY.frame.assign(excluded=["trauma"] * 10 + [""] * 321)
    c = Cohort(frame, STUDY.rows, Path(), Path("m.csv"), STUDY.labels)
    assert len(stratified_split(c, seed=0).assignment) == 321


def test_a_split_that_would_lack_a_class_is_told_before():
    with pytest.raises(InputError) as e:
        stratified_split(cohort(["abnormal"] * 50 + ["normal"] * 3), seed=0)
    assert "'validation' would have no case of the class 'normal'" in str(e.value)
    with pytest.raises(InputError, match="sum to 1"):
        stratified_split(STUDY, (0.7, 0.2, 0.2), seed=0)


def test_without_a_validation_share_there_is_none():
    s = stratified_split(STUDY, (0.7, 0.0, 0.3), seed=0)
    assert s.counts()["validation"].sum() == 0
    assert s.counts().loc["abnormal", "test"] == 51


def test_two_patients_with_all_cases_cannot_be_split():
    c = cohort(["abnormal"] * 20 + ["normal"] * 20, ["p"] * 20 + ["q"] * 20)
    with pytest.raises(InputError, match="has no cases"):
        stratified_split(c, seed=0)


def test_the_manifests_split():
    c = cohort(["abnormal", "normal"] * 3, split=["train"] * 2 + ["validation"] * 2 + ["test"] * 2)
    s = manifest_split(c)
    assert s.of(["c0005", "c0000"]).tolist() == ["test", "train"]
    assert s.of_case["c0002"] == "validation"
    assert s.frame().columns.tolist() == ["case_id", "split"]
    with pytest.raises(InputError, match="gives no split"):
        manifest_split(STUDY)


def test_a_split_without_a_class_or_test_cases_is_refused():
    with pytest.raises(InputError, match="'validation' has no case of the class 'normal'"):
        manifest_split(
            cohort(["abnormal", "normal"] * 2 + ["abnormal"], split=["train", "train", "test", "test", "validation"])
        )
    with pytest.raises(InputError, match="'test' has no cases"):
        manifest_split(cohort(["abnormal", "normal"], split=["train"] * 2))


def test_the_hash_is_that_of_the_csv():
    s = stratified_split(STUDY, seed=5)
    assert hashlib.sha256(s.to_bytes()).hexdigest() == s.sha256


def test_folds_keep_groups_and_classes():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 60, 150)
    labels = (groups % 2).astype(int)
    folds = grouped_stratified_folds(labels, groups, 5, seed=1)
    assert sorted(np.concatenate([b for _, b in folds]).tolist()) == list(range(150))
    for train, held in folds:
        assert not set(groups[train]) & set(groups[held])
        assert set(labels[held]) == {0, 1}
        assert len(train) + len(held) == 150
    again = grouped_stratified_folds(labels, groups, 5, seed=1)
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(folds, again, strict=True))


def test_folds_that_cannot_be_are_refused():
    labels = np.array([0] * 10 + [1] * 10)
    with pytest.raises(InputError, match="at least two folds"):
        grouped_stratified_folds(labels, np.arange(20), 1, seed=0)
    with pytest.raises(InputError, match="5 folds, but only 3 patients"):
        grouped_stratified_folds(labels, np.r_[np.arange(10), [10, 11, 12] * 3, 12], 5, seed=0)
    # Patient 0 has nearly all of class 1, and the two others with class 1 stand together.
    labels, groups = np.array([1] * 30 + [0] * 30 + [1, 1]), np.array([0] * 30 + list(range(1, 31)) + [1, 2])
    with pytest.raises(InputError, match=r"the held-out part of fold [12] lacks a class"):
        grouped_stratified_folds(labels, groups, 3, seed=0)
