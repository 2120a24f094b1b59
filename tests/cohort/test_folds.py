"""Folds of a cross-validation: each case tested once, whole patients, both classes everywhere, whatever the order of rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hybridcx.cohort.cohort import Cohort
from hybridcx.cohort.folds import fold_splits
from hybridcx.errors import InputError
from tests.cohort.test_splits import STUDY, cohort


def of_test(splits):
    return [sorted(s.assignment.index[s.assignment == "test"]) for s in splits]


def drawn_or_none(c, n_folds, validation, seed):
    try:
        return fold_splits(c, n_folds, validation, seed=seed)
    except InputError as error:
        told = str(error)
    known = ("patients of the class", "lacks a class", "no case of the class")
    return None if any(k in told for k in known) else pytest.fail(told)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 8), st.integers(0, 10_000), st.integers(40, 120), st.sampled_from([0.1, 0.2, 0.35]))
def test_every_case_is_tested_once_with_its_whole_patient(n_folds, seed, n, validation):
    rng = np.random.default_rng(seed)
    patients = [f"p{rng.integers(0, n // 2):03d}" for _ in range(n)]
    label_of = {p: ("abnormal" if rng.random() < 0.5 else "normal") for p in sorted(set(patients))}
    c = cohort([label_of[p] for p in patients], patients)
    splits = drawn_or_none(c, n_folds, validation, seed)
    assume(splits is not None)  # refused in words where a part would lack a class
    assert len(splits) == n_folds
    everything = [case for fold in of_test(splits) for case in fold]
    assert sorted(everything) == c.frame["case_id"].tolist()
    patient_of = dict(zip(c.frame["case_id"], c.frame["patient_id"], strict=True))
    label = dict(zip(c.frame["case_id"], c.frame["label"], strict=True))
    for s in splits:
        assert set(s.of_case) == set(patient_of)  # no case is left out of a fold
        part_of_patient = {}
        for case, part in s.of_case.items():
            assert part_of_patient.setdefault(patient_of[case], part) == part
        for part in ("train", "validation", "test"):
            assert {label[c] for c, p in s.of_case.items() if p == part} == {"abnormal", "normal"}


def test_the_study_in_five_folds():
    splits = fold_splits(STUDY, 5, 0.15, seed=0)
    counts = np.array([s.counts()[["train", "validation", "test"]].to_numpy() for s in splits])
    assert counts[:, 2].sum(axis=1).tolist() == [331] * 5
    assert set(counts[:, 2, 2].tolist()) == {66, 67}
    assert (counts[:, 0, 2] == 34).all()  # 170 positives in five folds
    assert (np.abs(counts[:, 2, 1] - 0.15 * (331 - counts[:, 2, 2])) <= 1).all()


def test_folds_depend_on_seed_and_ids_and_not_on_row_order():
    shuffled = STUDY.frame.sample(frac=1, random_state=0).reset_index(drop=True)
    again = fold_splits(Cohort(shuffled, STUDY.rows, STUDY.root, STUDY.source, STUDY.labels), 4, 0.2, seed=3)
    first = fold_splits(STUDY, 4, 0.2, seed=3)
    assert [s.sha256 for s in again] == [s.sha256 for s in first]
    assert len({s.sha256 for s in first}) == 4
    assert {s.sha256 for s in fold_splits(STUDY, 4, 0.2, seed=4)}.isdisjoint({s.sha256 for s in first})


def test_too_few_patients_of_a_class_are_refused_before_anything_is_trained():
    with pytest.raises(InputError, match="5 folds, but only 3 patients of the class"):
        fold_splits(cohort(["abnormal"] * 3 + ["normal"] * 40), 5, 0.2, seed=0)
    with pytest.raises(
        InputError, match="fold 1: the split 'validation' would have no case of the class 'abnormal'"
    ) as e:
        fold_splits(cohort(["abnormal"] * 3 + ["normal"] * 40), 3, 0.2, seed=0)
    assert len(e.value.problems) == 3  # every fold's


def test_each_case_in_dispute_is_scored_in_one_fold_the_one_of_its_patient():
    c = cohort(["abnormal", "normal"] * 20, [f"p{i // 2:02d}" for i in range(40)])
    disputed = np.zeros(40, dtype=bool)
    disputed[[0, 7, 20, 21]] = True  # 20 and 21 are the whole of one patient
    frame = c.frame.assign(excluded=np.where(disputed, "readers disagree", ""))
    c = replace(c, frame=frame, disputed=disputed)
    splits = fold_splits(c, 4, 0.25, seed=2)
    scored = [s.disputed_test for s in splits]
    assert sorted(x for fold in scored for x in fold) == ["c0000", "c0007", "c0020", "c0021"]
    for split in splits:
        for case in split.disputed_test:
            patient = frame.set_index("case_id").loc[case, "patient_id"]
            kin = frame.loc[(frame["patient_id"] == patient) & ~disputed, "case_id"]
            assert (split.assignment[kin] == "test").all()
    assert any({"c0020", "c0021"} <= set(fold) for fold in scored)  # the patient without others stays together
