"""Parts of the training cases: nested, by class, whole patients, and nothing else moved."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridcx.cohort.splits import stratified_split
from hybridcx.cohort.subsets import training_subsets
from hybridcx.errors import InputError
from hybridcx.experiment.file import parse_experiment
from hybridcx.pipeline.units import make_size_units, make_units
from tests.cohort.test_splits import STUDY, cohort

SPLIT = stratified_split(STUDY, seed=3)


def parts(split, which="train"):
    return set(split.assignment.index[split.assignment == which])


@pytest.mark.parametrize("seed", range(5))
def test_shares_of_the_study_to_the_case(seed):
    made = training_subsets(STUDY, SPLIT, [0.25, 0.5, 0.75], seed=seed)
    counts = [s.counts().loc[["abnormal", "normal"], "train"].tolist() for s in made]
    assert counts == [[30, 28], [60, 57], [89, 85]]  # of 119 and 113, halves up
    assert parts(made[0]) < parts(made[1]) < parts(made[2]) < parts(SPLIT)
    for subset in made:
        assert parts(subset, "test") == parts(SPLIT, "test")
        assert parts(subset, "validation") == parts(SPLIT, "validation")
        assert subset.method == "subset"


def test_the_draw_depends_on_the_seed_alone():
    first, again, other = (training_subsets(STUDY, SPLIT, [0.5], seed=s)[0] for s in (1, 1, 2))
    assert first.sha256 == again.sha256 != other.sha256
    beside = training_subsets(STUDY, SPLIT, [0.2, 0.5, 0.9], seed=1)[1]
    assert beside.sha256 == first.sha256  # which other shares there are changes nothing


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), cases=st.integers(1, 5))
def test_patients_stay_whole_and_classes_near_their_shares(seed, cases):
    rng = np.random.default_rng(seed)
    owners = rng.integers(0, 300 // cases, 300)
    labels = np.where(rng.random(300) < 0.4, "abnormal", "normal")
    own = cohort(labels.tolist(), [f"p{o:04d}" for o in owners])
    split = stratified_split(own, seed=seed)
    made = training_subsets(own, split, [0.3, 0.6], seed=seed)
    patient = own.frame.set_index("case_id")["patient_id"]
    train = parts(split)
    most = int(patient[list(train)].value_counts().max())
    for share, subset in zip((0.3, 0.6), made, strict=True):
        kept = parts(subset)
        assert not set(patient[list(kept)]) & set(patient[list(train - kept)])
        assert abs(len(kept) - share * len(train)) <= 3 * (most / 2 + 0.5)  # one patient of each of three kinds
    assert parts(made[0]) < parts(made[1])


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ([0.02, 0.5], "the share 0.02 of the 20 training cases would have no case of the class 'abnormal'"),
        ([0.5, 0.51], "the share 0.5 of the 20 training cases is no smaller than the 10 of the next larger share"),
        ([0.99], "is no smaller than all of them"),
    ],
)
def test_shares_that_make_no_part_are_refused(shares, message):
    small = cohort(["abnormal"] * 14 + ["normal"] * 14)
    with pytest.raises(InputError, match=message):
        training_subsets(small, stratified_split(small, seed=0), shares, seed=0)


def test_units_of_the_shares_have_the_seeds_of_the_whole():
    text = 'name = "x"\nseed = 7\n[cohort]\nmanifest = "m.csv"\n[training_size]\nshares = [0.25, 0.5]\n'
    asked = parse_experiment(text + "[repeat]\nseeds = 2")
    units = make_units(asked, STUDY)
    made = make_size_units(asked, STUDY, units)
    names = ["seed 7, share 0.25", "seed 7, share 0.5", "seed 8, share 0.25", "seed 8, share 0.5"]
    assert [(u.name, u.seed, u.share) for u in made] == list(zip(names, [7, 7, 8, 8], [0.25, 0.5] * 2, strict=True))
    assert parts(made[0].split) != parts(made[2].split)
    one = parse_experiment(text)
    assert [u.name for u in make_size_units(one, STUDY, make_units(one, STUDY))] == ["share 0.25", "share 0.5"]
    assert make_size_units(parse_experiment(text.replace("[0.25, 0.5]", "[]")), STUDY, units) == ()


def test_the_problems_of_all_seeds_are_told_once():
    small = cohort(["abnormal"] * 14 + ["normal"] * 14)
    asked = parse_experiment(
        'name = "x"\n[cohort]\nmanifest = "m.csv"\n[training_size]\nshares = [0.02]\n[repeat]\nseeds = 3'
    )
    with pytest.raises(InputError) as error:
        make_size_units(asked, small, make_units(asked, small))
    assert len(error.value.problems) == 2  # one a class
