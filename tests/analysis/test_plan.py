"""The plan: which pairs, from what, and its hash."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from hybridcx.analysis.plan import MAX_ALL_PAIRS, Plan
from hybridcx.errors import InputError

MODELS = ("vgg16", "lda", "knn")
THIRTEEN = tuple(f"m{i:02d}" for i in range(13))


def test_all_pairs_in_the_models_order():
    assert Plan().resolved_pairs(MODELS) == (("vgg16", "lda"), ("vgg16", "knn"), ("lda", "knn"))
    assert Plan().resolved_pairs(("vgg16",)) == ()


def test_pairs_of_the_plan_are_taken_as_they_stand():
    plan = Plan(pairs=(("knn", "vgg16"),))
    assert plan.resolved_pairs(MODELS) == (("knn", "vgg16"),)


def test_every_fault_of_the_pairs_in_one_go():
    with pytest.raises(InputError) as e:
        Plan(pairs=(("vgg61", "lda"), ("lda", "lda"), ("svm", "knn"))).resolved_pairs(MODELS)
    assert [p.value for p in e.value.problems] == ["svm", "vgg61", "lda"]
    assert "models are: vgg16, lda, knn" in str(e.value).lower()


def test_reference():
    assert Plan(reference="lda").resolved_pairs(MODELS) == (("vgg16", "lda"), ("knn", "lda"))
    with pytest.raises(InputError, match="reference") as e:
        Plan(reference="ldaa").resolved_pairs(MODELS)
    assert "ldaa" in str(e.value)


def test_more_than_twelve_models_need_a_choice():
    assert len(Plan().resolved_pairs(THIRTEEN[:MAX_ALL_PAIRS])) == 66
    with pytest.raises(InputError, match="78 pairs") as e:
        Plan().resolved_pairs(THIRTEEN)
    assert "--reference" in str(e.value)
    assert "--all-pairs" in str(e.value)
    assert len(Plan(all_pairs=True).resolved_pairs(THIRTEEN)) == 78
    assert len(Plan(reference="m00").resolved_pairs(THIRTEEN)) == 12


def test_the_hash_repeats_and_every_part_of_the_plan_counts():
    other = {
        "seed": 1, "confidence_level": 0.9, "n_resamples": 100, "n_refits": 10, "threshold": 0.4, "primary_metric": "auroc",
        "pairs": (("a", "b"),), "locked": True, "margin": 0.1, "by": ("sex",), "prevalences": (0.2,), "stratified": True,
        "reference": "a", "all_pairs": True, "seed_design": "fixed", "n_train": 300,
    }  # fmt: skip
    assert set(other) == {f.name for f in fields(Plan)}
    hashes = {Plan().sha256(), *(replace(Plan(), **{k: v}).sha256() for k, v in other.items())}
    assert len(hashes) == len(other) + 1
    assert Plan(seed=1).sha256() == Plan(seed=1).sha256()
