"""Units: seeds and folds of `[repeat]`, and the divisions that they share or not."""

from __future__ import annotations

import pytest

from hybridcx.cohort.splits import stratified_split
from hybridcx.errors import InputError
from hybridcx.experiment.file import parse_experiment
from hybridcx.pipeline.units import divisions_of, divisions_sha256, hashes_sha256, make_units, split_counts, split_frame
from tests.cohort.test_splits import STUDY, cohort

TEXT = 'name = "x"\nseed = 7\n[cohort]\nmanifest = "m.csv"\n[networks]\nnames = ["vgg16", "vgg19"]\n[repeat]\n'


def experiment(repeat: str = ""):
    return parse_experiment(TEXT + repeat)


def test_without_repeat_there_is_one_unit_without_a_name():
    (unit,) = make_units(experiment(), STUDY)
    assert (unit.seed, unit.fold, unit.name) == (7, None, "")
    assert unit.split.sha256 == stratified_split(STUDY, seed=7).sha256
    assert divisions_sha256([unit]) == unit.split.sha256


def test_seeds_on_one_split_share_the_split_of_the_experiments_seed():
    units = make_units(experiment("seeds = 3"), STUDY)
    assert [(u.seed, u.name) for u in units] == [(7, "seed 7"), (8, "seed 8"), (9, "seed 9")]
    assert divisions_sha256(units) == stratified_split(STUDY, seed=7).sha256
    assert split_frame(units).columns.tolist() == ["case_id", "split"]


def test_holdout_draws_what_a_run_with_that_seed_draws():
    units = make_units(experiment('design = "holdout"\nseeds = 3'), STUDY)
    assert [u.split.sha256 for u in units] == [stratified_split(STUDY, seed=s).sha256 for s in (7, 8, 9)]
    assert len(divisions_of(units)) == 3
    assert split_frame(units).columns.tolist() == ["case_id", "split", "seed", "fold"]
    assert len(split_frame(units)) == 3 * 331
    assert split_counts(units).set_index("label").loc["total"].tolist() == ["232", "50", "49", "331"]


def test_kfold_has_the_same_folds_for_every_seed_and_repeated_kfold_its_own():
    same = make_units(experiment('design = "kfold"\nseeds = 2\nfolds = 4'), STUDY)
    assert [u.name for u in same[:5]] == [*(f"seed 7, fold {k}" for k in (1, 2, 3, 4)), "seed 8, fold 1"]
    assert [u.split.sha256 for u in same[:4]] == [u.split.sha256 for u in same[4:]]
    own = make_units(experiment('design = "repeated_kfold"\nseeds = 2\nfolds = 4'), STUDY)
    assert [u.split.sha256 for u in own[:4]] == [u.split.sha256 for u in same[:4]]
    assert len(divisions_of(own)) == 8
    assert divisions_sha256(own) == hashes_sha256([u.split.sha256 for u in own]) != divisions_sha256(same)
    one = make_units(experiment('design = "kfold"\nfolds = 3'), STUDY)
    assert [u.name for u in one] == ["fold 1", "fold 2", "fold 3"]
    assert split_counts(one).set_index("label").loc["total", "test"] == "110 to 111"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('design = "holdout"', "needs seeds = 2 or more"),
        ('design = "repeated_kfold"\nfolds = 3', "needs seeds = 2 or more"),
        ('design = "kfold"\n[split]\nmethod = "manifest"', "the manifest's split would not be used"),
        ("sedes = 3", "Did you mean `seeds`"),
        ('design = "k-fold"', "repeat.design"),
    ],
)
def test_what_cannot_be_meant_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        experiment(text)


def test_the_problems_of_all_divisions_are_told():
    small = cohort(["abnormal"] * 3 + ["normal"] * 40)
    with pytest.raises(InputError) as e:
        make_units(experiment('design = "repeated_kfold"\nseeds = 3\nfolds = 3'), small)
    told = [str(p) for p in e.value.problems]
    assert len(told) == len(set(told)) == 3  # each fold's once, though three seeds have it
